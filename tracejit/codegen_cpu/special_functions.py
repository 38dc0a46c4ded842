"""SciPy's compiled special functions as symbols that machine code can call.

`scipy.special.cython_special` has a C function of doubles for each; its last argument, an int, is
Cython's own. SciPy is imported when code that names such a function is loaded, and not before.
"""

from __future__ import annotations

import ctypes
import re
from importlib import import_module

import llvmlite.binding as llvm

from tracejit import errors

PREFIX = "tracejit_special_"
"""What the symbols begin with, in front of SciPy's name."""

_provided: set[str] = set()
_pattern = re.compile(PREFIX.encode() + rb"(\w+)")


def provide_special(object_code: bytes) -> None:
    """Make known to the linker every special function that is mentioned in the code."""
    for name in {found.decode() for found in _pattern.findall(object_code)} - _provided:
        address, _ = pointer_and_arity(name)
        llvm.add_symbol(PREFIX + name, address)
        _provided.add(name)


def pointer_and_arity(name: str) -> tuple[int, int]:
    """The address of the version of SciPy's function `name` that takes doubles only, and how many.

    Raises errors.CompileError where the installed SciPy does not have it.
    """
    try:
        table = import_module("scipy.special.cython_special").__pyx_capi__
    except (ImportError, AttributeError) as error:
        raise errors.CompileError(f"scipy.special.{name} is not to be had: {error}") from error
    own = re.compile(rf"(__pyx_fuse_[\d_]+)?{name}")
    for key, capsule in table.items():
        if own.fullmatch(key):
            signature = _capsule_name(capsule)
            found = re.fullmatch(rb"double \(((?:double, )+)int \w+\)", signature)
            if found:
                address = _capsule_pointer(capsule, signature)
                return address, found[1].count(b"double")
    raise errors.CompileError(f"this SciPy has no compiled scipy.special.{name}")


_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
