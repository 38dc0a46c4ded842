"""Loading the native runtime: objects of CPython and NumPy as it sees them, checked before use.

Where anything is not as expected (another Python implementation, a build without the GIL, another
layout of arrays) `runtime()` returns None and functions are called through ctypes instead.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from tracejit.codegen_cpu import cache, machine, native
from tracejit.codegen_cpu.words import compile_words
from tracejit.config import config

_WORD = ctypes.c_int64
_PYTHON_FUNCTIONS = (
    "PyDict_GetItemWithError", "PyObject_GetAttr", "PyObject_GetItem", "PyErr_Clear",
    "PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong", "PyTuple_New", "PyEval_SaveThread",
    "PyEval_RestoreThread", "Py_IncRef", "Py_DecRef",
)  # fmt: skip
_NUMPY_API = {"ARRAY_TYPE": 2, "ARRAY_SCALAR": 60, "ARRAY_NEW": 94, "ARRAY_SET_BASE": 282}
"""Positions in NumPy's table of C functions, which are fixed for good."""


@dataclass(frozen=True)
class NativeRuntime:
    """Addresses of the loaded runtime. `state` keeps its words alive."""

    state: Any
    entry: int
    trim: int

    def make_entry(self, table: np.ndarray, name: str) -> Any:
        """A built-in function that calls the specializations in `table` (int64 words)."""
        definition = _MethodDef(name.encode(), self.entry, 0x80, None)
        _KEPT.append(definition)
        make = ctypes.pythonapi.PyCFunction_NewEx
        make.restype = ctypes.py_object
        make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
        return make(ctypes.addressof(definition), table, None)

    def word(self, name: str) -> int:
        """A word of the state, by the name it has in `native.CONSTANTS`."""
        return int(self.state[native.CONSTANTS[name] // 8])

    def set_threads(self, count: int) -> None:
        """How many threads work on one kernel from now on, the calling one included."""
        base = native.CONSTANTS["TEAM"]
        self.state[(base + native.CONSTANTS["THREADS"]) // 8] = count

    def set_pool(self, nbytes: int) -> None:
        """How many bytes of released buffers are kept from now on."""
        self.state[native.CONSTANTS["MOST"] // 8] = nbytes
        if self.word("HELD") > nbytes:
            ctypes.CFUNCTYPE(_WORD)(self.trim)()


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("ml_name", ctypes.c_char_p),
        ("ml_meth", ctypes.c_void_p),
        ("ml_flags", ctypes.c_int),
        ("ml_doc", ctypes.c_char_p),
    )


class _Allocator(ctypes.Structure):
    _fields_ = (
        ("ctx", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler (NEP 49)."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", _Allocator),
    )


_KEPT: list[Any] = []
"""What C code points to and nobody else holds."""

_lock = threading.Lock()
_runtime: list[NativeRuntime | None] = []


def runtime() -> NativeRuntime | None:
    """The native runtime, loaded at the first call; None where it cannot be used."""
    if not _runtime:
        with _lock:
            if not _runtime:
                _runtime.append(_load() if _layout_is_known() else None)
    return _runtime[0]


def _layout_is_known() -> bool:
    """Whether arrays, floats, tuples and cells lie in memory as `native.py` takes them to."""
    if sys.implementation.name != "cpython" or sys.maxsize != 2**63 - 1:
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)() or not sys.platform.startswith("linux"):
        return False
    c = native.CONSTANTS
    probe = np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::2]

    def word(obj: Any, offset: int) -> int:
        return _WORD.from_address(id(obj) + offset).value

    def half(obj: Any, offset: int) -> int:
        return ctypes.c_int32.from_address(id(obj) + offset).value

    shape = [_WORD.from_address(word(probe, c["ARRAY_DIMS"]) + 8 * k).value for k in range(3)]
    strides = [_WORD.from_address(word(probe, c["ARRAY_STRIDES"]) + 8 * k).value for k in range(3)]
    own = np.empty(3)
    cell = (lambda: probe).__closure__[0]  # type: ignore[index]
    number = 1.5
    return (
        word(probe, c["OB_TYPE"]) == id(np.ndarray)
        and word(probe, c["ARRAY_DATA"]) == probe.__array_interface__["data"][0]
        and half(probe, c["ARRAY_ND"]) == 3
        and tuple(shape) == probe.shape
        and tuple(strides) == probe.strides
        and word(probe, c["ARRAY_DESCR"]) == id(probe.dtype)
        and half(probe, c["ARRAY_FLAGS"]) == probe.flags.num
        and bool(half(own, c["ARRAY_FLAGS"]) & c["OWNDATA"])
        and _is_capsule(word(own, c["ARRAY_HANDLER"]))
        and word((number,), c["TUPLE_ITEMS"]) == id(number)
        and ctypes.c_double.from_address(id(number) + c["FLOAT_VALUE"]).value == 1.5
        and word(cell, 16) == id(probe)
    )


def _is_capsule(address: int) -> bool:
    """Whether a capsule is at `address`, as the memory handler of an array is."""
    capsule_type = type(np._core._multiarray_umath._ARRAY_API)  # type: ignore[attr-defined]
    return address != 0 and _WORD.from_address(address + 8).value == id(capsule_type)


def _numpy_api() -> Any:
    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return (ctypes.c_void_p * 400).from_address(get(capsule, None))


def _load() -> NativeRuntime:
    c = native.CONSTANTS
    state = np.zeros(native.STATE_WORDS, np.int64)
    address = state.ctypes.data
    machine.host()
    llvm.add_symbol("tracejit_state", address)
    for name in _PYTHON_FUNCTIONS:
        function = getattr(ctypes.pythonapi, name)
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    addresses = _load_functions()
    for name in ("tracejit_alloc", "tracejit_free", "tracejit_parallel_for"):
        llvm.add_symbol(name, addresses[name])
    api = _numpy_api()
    for name, position in _NUMPY_API.items():
        state[c[name] // 8] = api[position]
    state[c["NOT_IMPLEMENTED"] // 8] = id(NotImplemented)
    state[c["MEM_HANDLER"] // 8] = _memory_handler(addresses)
    _reset_team(state)
    os.register_at_fork(after_in_child=lambda: _after_fork(state))
    made = NativeRuntime(state, addresses["tracejit_entry"], addresses["tracejit_trim"])
    config.watch("num_threads", made.set_threads)
    config.watch("pool_bytes", made.set_pool)
    return made


def _load_functions() -> dict[str, int]:
    """The addresses of the functions of `native.py`, compiled unless the disk cache has them."""
    names = [f.__name__ for f in native.FUNCTIONS]
    key = cache.key_of(f"native runtime {native.CONSTANTS}")
    stored = cache.read(key)
    if stored is not None:
        try:
            return dict(zip(names, machine.load(stored, *names), strict=True))
        except RuntimeError:
            pass  # A damaged entry: compile it again.
    functions: Any = native.FUNCTIONS
    text = compile_words(functions, native.CONSTANTS, "tracejit_native")
    object_code = machine.compile_assembly(text)
    cache.write(key, object_code)
    return dict(zip(names, machine.load(object_code, *names), strict=True))


def _reset_team(state: np.ndarray) -> None:
    c = native.CONSTANTS
    team = c["TEAM"]
    state[(team + c["BUSY"]) // 8] = 0
    state[(team + c["STARTED"]) // 8] = 0
    state[(team + c["JOINED"]) // 8] = c["CLOSED"]
    semaphore = state.ctypes.data + team + c["SEMAPHORE"]
    ctypes.CDLL(None).sem_init(ctypes.c_void_p(semaphore), 0, 0)


def _after_fork(state: np.ndarray) -> None:
    """The threads of the team did not come along: start new ones when there is work."""
    state[native.CONSTANTS["LOCK"] // 8] = 0
    _reset_team(state)


def _memory_handler(addresses: dict[str, int]) -> int:
    """A capsule with the functions by which NumPy frees and resizes our buffers."""
    allocator = _Allocator(
        None,
        addresses["tracejit_alloc_array"],
        addresses["tracejit_calloc_array"],
        addresses["tracejit_realloc_array"],
        addresses["tracejit_free_array"],
    )
    handler = _Handler(b"tracejit", 1, allocator)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule = new(ctypes.addressof(handler), b"mem_handler", None)
    _KEPT.extend([handler, capsule])
    return id(capsule)
