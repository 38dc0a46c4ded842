"""Python's builtins and the functions of `math` on traced values.

Each does what the builtin does where nothing traced is among its arguments.
"""

from __future__ import annotations

import builtins
import math
import types
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail, tracing
from tracejit.trace.registry import FUNCTIONS
from tracejit.trace.size import Size, as_dim, wrap
from tracejit.trace.tensor import Tensor, describe, from_value

BUILTINS: dict[Any, Callable[..., Any]] = {}
"""Builtin -> what answers for it inside a trace."""


def _operand(x: Any) -> Any:
    """An argument whose items can be looked at: a generator gives them only once."""
    if isinstance(x, types.GeneratorType) and tracing():
        return list(x)
    return prim.lift(x) if isinstance(x, np.ndarray) else x


def _builtin(original: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that takes over when its first argument (or any in a list) is traced."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*args: Any, **kwargs: Any) -> Any:
            args = tuple(_operand(a) for a in args)
            if any(map(prim.any_traced, args)):
                return function(*args, **kwargs)
            return original(*args, **kwargs)

        BUILTINS[original] = hooked
        return function

    return decorate


ELEMENTS: ContextVar[bool] = ContextVar("ELEMENTS", default=False)
"""Whether arrays stand for their elements, as they do in a function that `np.vectorize` calls."""


def _as_python(x: Any, kind: type) -> Tensor:
    """`x` as a traced Python number; an array that stands for its elements stays one."""
    tensor = prim.lift(x)
    if tensor.ndim and ELEMENTS.get():
        return prim.cast(tensor, np.dtype(kind))
    return prim.weak_cast(tensor, kind)


def _number(x: Any, kind: type, what: str) -> Tensor:
    """`x` as a traced Python number of type `kind`. `what` names the caller for the message."""
    tensor = prim.lift(x)
    if tensor.weak is kind:
        return tensor
    if tensor.ndim and not ELEMENTS.get():
        if not all(current().same(d, 1) for d in tensor.type.shape):
            fail(
                errors.ConcretizationError,
                f"{what} takes one element, and this is an array: {describe(tensor)}",
                "x.astype(...) converts all elements",
            )
        tensor = views.reshape(tensor, ())
    if tensor.dtype.kind == "c" and kind is not complex:
        fail(errors.DTypeError, f"{what} does not take a complex number: {describe(tensor)}")
    return _as_python(tensor, kind)


@_builtin(float)
def _float(x: Any) -> Any:
    return _number(x, float, "float()")


@_builtin(int)
def _int(x: Any, *base: Any) -> Any:
    return x if isinstance(x, Size) else _number(x, int, "int()")


@_builtin(complex)
def _complex(real: Any, *imag: Any) -> Any:
    result = _number(real, complex, "complex()")
    return result + _number(imag[0], complex, "complex()") * 1j if imag else result


@_builtin(bool)
def _bool(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return bool(x)
    if x.ndim:
        return x.__bool__()
    found = x if x.dtype == np.bool_ else prim.elementwise("not_equal", x, 0)
    return from_value(found.value, bool)


@_builtin(len)
def _len(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return len(x)
    if not x.ndim:
        raise TypeError("len() of unsized object")
    return x.shape[0]


@_builtin(abs)
def _abs(x: Any) -> Any:
    return abs(x)


@_builtin(round)
def _round(x: Any, ndigits: Any = None) -> Any:
    if isinstance(x, Size):
        return x
    if ndigits is None and x.scalar:
        return _number(prim.elementwise("rint", x), int, "round()")
    return round(x, ndigits)


@_builtin(divmod)
def _divmod(a: Any, b: Any) -> Any:
    return a // b, a % b


@_builtin(pow)
def _pow(base: Any, exp: Any, mod: Any = None) -> Any:
    return base**exp if mod is None else base**exp % mod


@_builtin(sum)
def _sum(items: Any, start: Any = 0) -> Any:
    if not isinstance(items, Tensor):
        return sum(items, start)
    dtype = prim.result_dtype(items, start)
    total = FUNCTIONS[np.sum](items, axis=0, dtype=dtype)
    return total if type(start) is int and start == 0 else start + total


def _extremum(name: str) -> Callable[..., Any]:
    pick = getattr(builtins, name)

    def choose(a: Any, b: Any) -> Any:
        """Python's choice: the first, unless the second is strictly better."""
        if isinstance(a, (int, Size)) and isinstance(b, (int, Size)):
            left, right = as_dim(a), as_dim(b)
            assert left is not None and right is not None
            return wrap(getattr(dims, name + "imum")(left, right))
        for x in (a, b):
            if isinstance(x, Tensor) and x.ndim and not ELEMENTS.get():
                fail(
                    errors.ConcretizationError,
                    f"{name}() compares whole arrays: {describe(x)}",
                    f"np.{name}imum(a, b) compares elements",
                )
        first, second = prim.lift(a), prim.lift(b)
        better = second < first if name == "min" else second > first
        chosen = prim.select(better, second, first)
        weak = first.weak if first.weak is second.weak else None
        return from_value(chosen.value, weak)

    def extremum(*args: Any, key: Any = None, **kwargs: Any) -> Any:
        if key is not None:
            return pick(*args, key=key, **kwargs)
        if len(args) > 1:
            items = list(args)
        elif isinstance(args[0], Tensor) and args[0].ndim == 1:
            return FUNCTIONS[getattr(np, name)](args[0])
        else:
            items = list(args[0])
        found = items[0]
        for other in items[1:]:
            found = choose(found, other)
        return found

    return extremum


_builtin(min)(_extremum("min"))
_builtin(max)(_extremum("max"))


@_builtin(any)
def _any(items: Any) -> Any:
    return _combined("logical_or", FUNCTIONS[np.any], items)


@_builtin(all)
def _all(items: Any) -> Any:
    return _combined("logical_and", FUNCTIONS[np.all], items)


def _combined(op: str, whole: Callable[..., Any], items: Any) -> Any:
    """`any` and `all`, which look at numbers one by one."""
    if isinstance(items, Tensor) and items.ndim == 1:
        return from_value(whole(items).value, bool)
    found: Any = op == "logical_and"
    for item in items:
        found = prim.elementwise(op, found, _bool(item))
    return from_value(prim.lift(found).value, bool)


def python_type(x: Any) -> type:
    """The type that a traced value has outside a trace."""
    if isinstance(x, Size):
        return int
    if x.weak is not None:
        return x.weak
    return x.dtype.type if x.scalar else np.ndarray


def _isinstance(x: Any, classes: Any) -> bool:
    if isinstance(x, (Tensor, Size)):
        return issubclass(python_type(x), classes)
    return isinstance(x, classes)


def _type(x: Any, *rest: Any) -> Any:
    return python_type(x) if isinstance(x, (Tensor, Size)) and not rest else type(x, *rest)


BUILTINS[isinstance] = _isinstance
BUILTINS[type] = _type


@_builtin(print)
def _print(*args: Any, **kwargs: Any) -> None:
    print(*(f"<{describe(a)}>" if isinstance(a, Tensor) else a for a in args), **kwargs)


def spelled(x: Any) -> Any:
    """`x` with sizes and scalar arguments as the numbers they are in this call (then guards)."""
    if isinstance(x, Size):
        return x.__index__()
    if isinstance(x, Tensor) and x.value in current().scalar_values:
        return current().concretize_scalar(x.value, "it was turned into text")
    return type(x)(map(spelled, x)) if type(x) in (tuple, list) else x


for _original in (str, repr, format):
    _builtin(_original)(lambda x, *rest, _as=_original: _as(spelled(x), *rest))


# math.


def _math(name: str, ufunc: Any, result: type | None = float) -> None:
    original = getattr(math, name)

    def hooked(*args: Any) -> Any:
        numbers = [_number(a, float, f"math.{name}") for a in args]
        found = prim.lift(FUNCTIONS[ufunc](*numbers))
        if result is None:
            return found
        return _as_python(found, result)

    _builtin(original)(hooked)


for _name in (
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log1p", "log2", "log10", "sqrt",
    "fabs", "degrees", "radians", "exp2", "cbrt", "copysign", "hypot", "fmod", "nextafter",
):  # fmt: skip
    if hasattr(math, _name):
        _math(_name, getattr(np, _name))
for _name, _ufunc in (
    ("asin", np.arcsin), ("acos", np.arccos), ("atan", np.arctan), ("atan2", np.arctan2),
    ("asinh", np.arcsinh), ("acosh", np.arccosh), ("atanh", np.arctanh), ("pow", np.power),
):  # fmt: skip
    _math(_name, _ufunc)
for _name in ("floor", "ceil", "trunc"):
    _math(_name, getattr(np, _name), int)
for _name in ("isnan", "isinf", "isfinite"):
    _math(_name, getattr(np, _name), None)


@_builtin(math.log)
def _log(x: Any, base: Any = None) -> Any:
    found = _as_python(FUNCTIONS[np.log](_number(x, float, "math.log")), float)
    return found if base is None else found / _log(base)
