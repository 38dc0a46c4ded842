"""What control flow does to types: two values that become one, with or without a trace.

The kind of a value is its dtype, or `int`, `float`, `complex` for a Python number, as NumPy's
promotion tells them apart.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir.types import SHORT_NAMES, TensorType
from tracejit.source import Loc
from tracejit.trace import prim
from tracejit.trace.context import current, tracing, user_frame, user_loc
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor, describe

Kind = Any
_WEAK = (int, float, complex)


def array_of(x: Any) -> Any:
    """`x` as something that has a dtype and a shape, or as the Python number that it is."""
    if tracing():
        return prim.lift(x)
    if isinstance(x, (np.ndarray, np.generic, bool, *_WEAK)):
        return x
    return np.asarray(x)


def kind_of(x: Any) -> Kind:
    """The kind of what `array_of` gave."""
    return prim.operand_dtype(x)


def same(a: Kind, b: Kind) -> bool:
    """Whether two kinds are one; for NumPy `np.dtype("f8") == float`."""
    return isinstance(a, type) == isinstance(b, type) and bool(a == b)


def common(a: Kind, b: Kind) -> Kind:
    """The kind that both can be cast to, by NumPy's promotion."""
    if isinstance(a, type) and isinstance(b, type):
        return max(a, b, key=_WEAK.index)
    return np.result_type(*(k(0) if isinstance(k, type) else k for k in (a, b)))


def as_kind(x: Any, kind: Kind) -> Any:
    """`x` cast to `kind`; `x` itself where it is of this kind."""
    if isinstance(x, (Tensor, Size)):
        tensor = prim.lift(x)
        if isinstance(kind, type):
            return tensor if tensor.weak is kind else prim.weak_cast(tensor, kind)
        return prim.cast(tensor, kind)
    if same(kind_of(x), kind):
        return x
    if isinstance(kind, type):
        return kind(x)
    return x.astype(kind) if isinstance(x, np.ndarray) else kind.type(x)


def dtype_of(kind: Kind) -> np.dtype:
    """The dtype of an array of such values."""
    return np.dtype(kind)


def shape_of(x: Any) -> tuple[Any, ...]:
    """The dims of what `array_of` gave."""
    if isinstance(x, Tensor):
        return current().shape(x.type.shape)
    return np.shape(x)


def same_shape(a: tuple[Any, ...], b: tuple[Any, ...], reason: str) -> bool:
    """Whether two shapes are equal; inside a trace a guard may say so."""
    if len(a) != len(b):
        return False
    if not tracing():
        return a == b
    return all(current().same(x, y, reason) for x, y in zip(a, b, strict=True))


def text_of(x: Any) -> str:
    """`f8[3, 4]`, or `a Python float`, for a message."""
    if isinstance(x, Size):
        return "a Python int"
    if isinstance(x, Tensor):
        return describe(x).removeprefix(f"{x.value.hint} is ")
    if isinstance(x, (np.ndarray, np.generic)):
        if x.dtype not in SHORT_NAMES:
            return f"{x.dtype}{list(x.shape)}"
        return str(TensorType(x.dtype, x.shape))
    if isinstance(x, (tuple, list)):
        inner = ", ".join(map(text_of, x))
        return f"[{inner}]" if isinstance(x, list) else f"({inner})"
    return f"a Python {type(x).__name__}" if isinstance(x, (bool, *_WEAK)) else type(x).__name__


def last_line(fn: Any) -> Loc | None:
    """The line of `fn` that returns, the last where there are several; else that of the caller."""
    fn = _function(fn)
    if fn is None or not user_frame(fn.__code__.co_filename):
        return user_loc()
    code = fn.__code__
    found = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        positions = instruction.positions
        if instruction.opname.startswith("RETURN") and positions and positions.lineno:
            found = max(found, positions.lineno)
    return Loc(code.co_filename, found, code.co_name)


def _function(fn: Any) -> types.FunctionType | None:
    """The Python function behind a method, a partial, a decorated function or an object."""
    while not isinstance(fn, types.FunctionType):
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, types.MethodType):
            fn = fn.__func__
        elif hasattr(fn, "__wrapped__"):
            fn = inspect.unwrap(fn)
        else:
            fn = vars(type(fn)).get("__call__")
            return fn if isinstance(fn, types.FunctionType) else None
    return inspect.unwrap(fn)


def fail_in(
    fn: Callable[..., Any], cls: type[errors.TraceError], what: str, instead: str = ""
) -> NoReturn:
    """Raise `cls` at the line where the body `fn` returns."""
    raise cls(what, loc=last_line(fn), instead=instead)
