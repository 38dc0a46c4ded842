"""Calls of libraries in the middle of compiled code.

Compiled code stores where the operands lie into its frame and calls `CALLBACK(frame, site, alloc,
free)`; the site knows the record and the layout of the frame. The arrays that the library sees are
the memory of the program itself, and its results are copied into it.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.interpret import check_bound
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.shape import resolve_attrs
from tracejit.ir.program import CALL_ERROR, DONE, Call, MemRef, Program

_WORD = ctypes.c_int64
_CALLBACK_TYPE = ctypes.CFUNCTYPE(_WORD, ctypes.c_void_p, _WORD, ctypes.c_void_p, ctypes.c_void_p)
_ALLOC_TYPE = ctypes.CFUNCTYPE(ctypes.c_void_p, _WORD)
_FREE_TYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Site:
    """One `Call` of one loaded program, found by its number for as long as it is referenced."""

    def __init__(self, program: Program, step: Call) -> None:
        self.step = step
        self.number = next(_numbers)
        self.loc = step.loc
        self.evaluate: Callable[..., Any] = OPS[step.op].evaluate
        self.attrs = dict(step.attrs)
        words = step.operand_words()
        self.inputs = [_Operand(ref, w) for ref, w in zip(step.inputs, words, strict=False)]
        behind = words[len(step.inputs) : -1]
        self.outputs = [
            _Operand(ref, w, step.allocates(ref))
            for ref, w in zip(step.outputs, behind, strict=True)
        ]
        self.frame_words = program.frame_words
        self.binds = self._binds(program)
        wanted = {s for guard in step.guards for s in guard.symbols}
        for attr in self.attrs.values():
            wanted |= _symbols(attr)
        self.reads = [(name, program.symbols[name]) for name in sorted(wanted - set(step.symbols))]
        self.attr_dims = any(_symbols(attr) for attr in self.attrs.values())
        _SITES[self.number] = self

    def _binds(self, program: Program) -> list[tuple[str, int, int, int]]:
        """Each symbol: its name, its frame word, and the output and axis that it is read off."""
        found: dict[str, tuple[str, int, int, int]] = {}
        for k, ref in enumerate(self.step.outputs):
            for axis, dim in enumerate(ref.shape):
                name = dims.symbol_name(dim)
                if name in self.step.symbols and name not in found:
                    found[name] = (name, program.symbols[name], k, axis)
        return list(found.values())

    def run(self, frame: int, alloc: int, free: int) -> int:
        """Call the library on the operands that `frame` describes. Returns a status."""
        words = (_WORD * self.frame_words).from_address(frame)
        env = {name: words[word] for name, word in self.reads}
        inputs = [operand.array(words, True) for operand in self.inputs]
        attrs = resolve_attrs(self.attrs, env) if self.attr_dims else self.attrs
        with np.errstate(all="ignore"):
            found = self.evaluate(*inputs, **attrs)
        if len(self.outputs) == 1:
            found = (found,)
        results = [
            np.asarray(value, operand.dtype)
            for value, operand in zip(found, self.outputs, strict=True)
        ]
        for name, word, k, axis in self.binds:
            env[name] = words[word] = results[k].shape[axis]
        check_bound(self.step.guards, env)
        return self._store(results, words, alloc, free)

    def _store(self, results: Sequence[np.ndarray], words: Any, alloc: int, free: int) -> int:
        """Copy the results into the program's memory, new where the call finds out how much."""
        allocated: list[int] = []
        try:
            for result, operand in zip(results, self.outputs, strict=True):
                if not operand.allocated:
                    target = operand.array(words, False)
                else:
                    pointer = _ALLOC_TYPE(alloc)(result.nbytes)
                    if not pointer:
                        raise MemoryError(f"no memory for {result.nbytes} bytes")
                    allocated.append(pointer)
                    words[operand.slot] = pointer
                    target = _array_at(pointer, result.shape, None, operand.typestr, False)
                if target.shape != result.shape:
                    raise errors.CompileError(
                        f"{self.step.op} gives shape {result.shape} where its record says "
                        f"{target.shape}"
                    )
                target[...] = result
        except BaseException:
            for pointer in allocated:
                _FREE_TYPE(free)(pointer)
            raise
        return DONE


class _Operand:
    """An input or output: the frame words that describe it from `first` on."""

    def __init__(self, ref: MemRef, first: int, allocated: bool = False) -> None:
        self.slot = ref.slot
        self.first = first
        self.rank = len(ref.shape)
        self.dtype = ref.dtype
        self.typestr = ref.dtype.str
        self.allocated = allocated

    def array(self, words: Any, readonly: bool) -> np.ndarray:
        """The operand as an array over the program's own memory."""
        first, rank = self.first, self.rank
        shape = tuple(words[first + 1 : first + 1 + rank])
        strides = tuple(words[first + 1 + rank : first + 1 + 2 * rank])
        return _array_at(words[first], shape, strides, self.typestr, readonly)


class _Interface:
    """An object that NumPy makes an array of, without a copy."""

    __slots__ = ("__array_interface__",)


def _array_at(
    pointer: int, shape: tuple[int, ...], strides: tuple[int, ...] | None, typestr: str,
    readonly: bool,
) -> np.ndarray:  # fmt: skip
    interface: Any = _Interface()
    interface.__array_interface__ = {
        "version": 3, "shape": shape, "strides": strides, "typestr": typestr,
        "data": (pointer, readonly),
    }  # fmt: skip
    return np.asarray(interface)


def _symbols(attr: Any) -> set[str]:
    if isinstance(attr, dims.Expr):
        return set(attr.symbols)
    if isinstance(attr, tuple):
        return {name for entry in attr for name in _symbols(entry)}
    return set()


_numbers = itertools.count(1)
_SITES: weakref.WeakValueDictionary[int, Site] = weakref.WeakValueDictionary()


class _Pending(threading.local):
    error: BaseException | None = None


_pending = _Pending()


def take_error() -> BaseException:
    """What the last call in this thread that failed has raised."""
    error, _pending.error = _pending.error, None
    return error if error is not None else RuntimeError("a library call failed without an error")


def _run_site(frame: int, number: int, alloc: int, free: int) -> int:
    try:
        site = _SITES[number]
        try:
            return site.run(frame, alloc, free)
        except Exception as error:
            raise errors.with_line(error, site.loc) from None
    except BaseException as error:
        # No exception passes through compiled code: the caller raises it.
        _pending.error = error
        return CALL_ERROR


_callback = _CALLBACK_TYPE(_run_site)
CALLBACK: int = ctypes.cast(_callback, ctypes.c_void_p).value or 0
"""The address that compiled code calls."""
