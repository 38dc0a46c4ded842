"""`Size`: the traced int that a symbolic dimension is to the user's code.

Arithmetic gives sizes or ints; a comparison is decided for this call and recorded as a guard; use
as an index of a Python list, a `range` bound without a loop, or a dictionary key fixes its value.
"""

from __future__ import annotations

import operator
import os
import sys
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace.context import current, fail
from tracejit.trace.operators import Operators
from tracejit.trace.registry import FUNCTIONS, METHODS


class Size:
    """A dim with Python's int operators. `n / 2` and arithmetic with floats give tensors."""

    __slots__ = ("dim", "trace")

    def __init__(self, dim: Dim) -> None:
        self.dim = dim
        self.trace = current()

    def _arith(self, other: Any, name: str, swap: bool = False) -> Any:
        value = as_dim(other)
        if value is None:
            return self._numeric(other, name, swap)
        own = _own_dim(self)
        a, b = (value, own) if swap else (own, value)
        try:
            return wrap(_ARITHMETIC[name](a, b))
        except ZeroDivisionError:
            text = f"{dims_text(a)} {name} {dims_text(b)}"
            fail(errors.ShapeError, f"a size is divided by zero: {text}")

    def _numeric(self, other: Any, name: str, swap: bool = False) -> Any:
        """The operation on numbers that are no sizes: the size is a traced Python int there."""
        if not isinstance(other, (int, float, complex, Size)):
            return NotImplemented
        method = METHODS[f"__r{_NAMES[name]}__" if swap else f"__{_NAMES[name]}__"]
        return method(self, other)

    def __add__(self, other: Any) -> Any:
        return self._arith(other, "+")

    def __radd__(self, other: Any) -> Any:
        return self._arith(other, "+", True)

    def __sub__(self, other: Any) -> Any:
        return self._arith(other, "-")

    def __rsub__(self, other: Any) -> Any:
        return self._arith(other, "-", True)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, (tuple, list)):
            return other * self.__index__()
        return self._arith(other, "*")

    def __rmul__(self, other: Any) -> Any:
        if isinstance(other, (tuple, list)):
            return other * self.__index__()
        return self._arith(other, "*", True)

    def __floordiv__(self, other: Any) -> Any:
        return self._arith(other, "//")

    def __rfloordiv__(self, other: Any) -> Any:
        return self._arith(other, "//", True)

    def __mod__(self, other: Any) -> Any:
        return self._arith(other, "%")

    def __rmod__(self, other: Any) -> Any:
        return self._arith(other, "%", True)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and 0 <= other <= 16:
            return wrap(dims.product([self.dim] * other))
        return self._numeric(other, "**")

    def __rpow__(self, other: Any) -> Any:
        return self._numeric(other, "**", True)

    def __lshift__(self, other: Any) -> Any:
        return self * 2**other if _is_shift(other) else self._numeric(other, "<<")

    def __rlshift__(self, other: Any) -> Any:
        return self._numeric(other, "<<", True)

    def __rshift__(self, other: Any) -> Any:
        return self // 2**other if _is_shift(other) else self._numeric(other, ">>")

    def __rrshift__(self, other: Any) -> Any:
        return self._numeric(other, ">>", True)

    def __and__(self, other: Any) -> Any:
        return self._numeric(other, "&")

    def __rand__(self, other: Any) -> Any:
        return self._numeric(other, "&", True)

    def __or__(self, other: Any) -> Any:
        return self._numeric(other, "|")

    def __ror__(self, other: Any) -> Any:
        return self._numeric(other, "|", True)

    def __xor__(self, other: Any) -> Any:
        return self._numeric(other, "^")

    def __rxor__(self, other: Any) -> Any:
        return self._numeric(other, "^", True)

    def __invert__(self) -> Any:
        return -self - 1

    def __truediv__(self, other: Any) -> Any:
        return self._numeric(other, "/")

    def __rtruediv__(self, other: Any) -> Any:
        return self._numeric(other, "/", True)

    def __neg__(self) -> Any:
        return wrap(-self.dim)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        dim = _own_dim(self)
        return wrap(dims.maximum(dim, -dim))

    def _compare(self, other: Any, relation: str) -> Any:
        value = as_dim(other)
        if value is None:
            return NotImplemented
        trace, own = current(), _own_dim(self)
        local = trace.is_local(own - value)
        if local or trace.is_run_time(own - value):
            known = trace.provable(own, relation, value)
            if known is not None:
                return known
            if _asked_by_user(3):
                # A branch or loop of the user's may depend on it: a traced bool.
                return METHODS[_COMPARISONS[relation]](self, other)
            if not local and _asks_whether_empty(relation, value):
                # What NumPy's functions do with nothing is left out; a guard says so.
                return trace.decide(own, ">", 0, "an array that is not empty") == (
                    relation in (">", ">=", "!=")
                )
            if not local:
                fail(
                    errors.ConcretizationError,
                    f"a comparison that Python needs now, {own} {relation} {value}, is about a "
                    "size that is known only at run time",
                    "np.where or np.minimum and np.maximum, which take such sizes",
                )
        return trace.decide(own, relation, value, "a comparison of sizes")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or ufunc not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[ufunc](*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](*args, **kwargs)

    def __eq__(self, other: Any) -> Any:
        return self._compare(other, "==")

    def __ne__(self, other: Any) -> Any:
        return self._compare(other, "!=")

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, "<")

    def __le__(self, other: Any) -> Any:
        return self._compare(other, "<=")

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, ">")

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, ">=")

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __index__(self) -> int:
        """The value in this call; from here on a guard."""
        trace, dim = current(), _own_dim(self)
        value = trace.hint(dim)
        if value is None:
            if trace.is_run_time(dim):
                fail(
                    errors.ConcretizationError,
                    f"the size {dim} is needed as a Python int, but is known only at run time",
                    "use it in arithmetic, shapes and slices, or pass the size as an argument",
                )
            fail(
                errors.ConcretizationError,
                f"the size {dim} is needed as a Python int, but the TensorSpec leaves it open",
                "give the dimension as an int in the TensorSpec",
            )
        trace.decide(dim, "==", value, "a size was needed as a Python int")
        return value

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __repr__(self) -> str:
        return str(self.dim)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.__index__(), spec) if spec else str(self.dim)


def _is_shift(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 63


def _asks_whether_empty(relation: str, value: Dim) -> bool:
    return (relation, value) in {
        ("==", 0), ("!=", 0), (">", 0), ("<=", 0), ("<", 1), (">=", 1),
    }  # fmt: skip


def _asked_by_user(depth: int) -> bool:
    """Whether the frame so far up is not of the functions that stand for NumPy's."""
    return os.sep + "namespace" + os.sep not in sys._getframe(depth).f_code.co_filename


def wrap(dim: Dim) -> Any:
    """An int stays an int, an expression becomes a `Size`."""
    return dim if isinstance(dim, int) else Size(dim)


def _own_dim(size: Size) -> Dim:
    """The dim of `size`, which must belong to the current trace: another one has other symbols."""
    trace = current()
    if size.trace is not trace:
        fail(
            errors.EscapedTracerError,
            f"a size {size.dim} is used outside the call of `{size.trace.name}` that made it",
            "return it from the jitted function; do not keep it anywhere else",
        )
    return trace.canonical(size.dim)


def as_dim(x: Any) -> Dim | None:
    """The dim that an int, NumPy integer, `Size` or dim expression is, else None."""
    if isinstance(x, Size):
        return _own_dim(x)
    if isinstance(x, dims.Expr):
        return current().canonical(x)
    if isinstance(x, bool):
        return int(x)
    if isinstance(x, int):
        return x
    if isinstance(x, Operators):
        return None
    if hasattr(x, "__index__") and hasattr(x, "dtype") and getattr(x, "ndim", 1) == 0:
        try:
            return operator.index(x)
        except TypeError:
            return None
    return None


def to_dim(x: Any, what: str) -> Dim:
    """Like `as_dim`, with an error at the user's line for anything else.

    A traced Python int that is an argument becomes a guard; other traced values are refused.
    """
    dim = as_dim(x.__index__() if isinstance(x, Operators) else x)
    if dim is None:
        fail(errors.DTypeError, f"{what} must be an int or a size, not {type(x).__name__}")
    return dim


def to_length(x: Any, what: str) -> Dim:
    """Like `to_dim` for a size; a traced integer becomes one that is known only at run time."""
    return to_dim(METHODS["__length__"](x) if isinstance(x, Operators) else x, what)


def dims_text(dim: Dim) -> str:
    return current().describe(dim)


_ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": dims.floordiv,
    "%": dims.mod,
}
_COMPARISONS = {
    "==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__",
}  # fmt: skip
_NAMES = {
    "+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod", "/": "truediv", "**": "pow",
    "<<": "lshift", ">>": "rshift", "&": "and", "|": "or", "^": "xor",
}  # fmt: skip
