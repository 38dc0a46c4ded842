"""Python's operators on traced tensors, those in place included.

Weak scalars follow NEP 50; two weak operands give a weak result, as in Python. An operator in place
writes through the cell, so that every alias sees it, unless the left side is a NumPy scalar or a
Python number, which Python rebinds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim
from tracejit.trace.context import current, fail
from tracejit.trace.prim import cast, elementwise, lift
from tracejit.trace.registry import FUNCTIONS, METHODS
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor, constant_of, describe

OPERANDS = (Tensor, Size, bool, int, float, complex, np.ndarray, np.generic, list, tuple)
"""What an operator takes on its other side; anything else may know better what to do."""

COMPARISONS = {
    "equal": operator.eq, "not_equal": operator.ne, "less": operator.lt,
    "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
}  # fmt: skip

BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
"""Operator -> op. The `pow`, `divmod` and `matmul` operators have functions of their own below."""


def compare(op: str, a: Any, b: Any) -> Tensor:
    """A comparison; a Python int beyond the other side's integer dtype compares by its value."""
    left, right = lift(a), lift(b)
    if left.weak is int and right.weak is None:
        found = _beyond(right, left, lambda x, k: COMPARISONS[op](k, x))
    elif right.weak is int and left.weak is None:
        found = _beyond(left, right, COMPARISONS[op])
    else:
        found = None
    return elementwise(op, left, right) if found is None else found


def _beyond(x: Tensor, number: Tensor, relation: Callable[[int, int], bool]) -> Tensor | None:
    """The comparison of `x` with a Python int that its dtype cannot hold; None if it can."""
    if x.dtype.kind not in "iu":
        return None
    known, param = prim.known_int(number)
    bounds = np.iinfo(x.dtype)
    if known is None or bounds.min <= known <= bounds.max:
        return None
    if param:
        limit = int(bounds.max if known > 0 else bounds.min)
        current().guard_scalar(
            number.value, ">" if known > 0 else "<", limit, f"compared with {x.dtype}"
        )
    return prim.scalar(prim.full(x.type.shape, relation(0, known), bool))


def power(a: Any, b: Any) -> Tensor:
    """`a ** b` as the operator: simple exponents become simpler ops, as in NumPy."""
    base, exponent = lift(a), lift(b)
    number = constant_of(exponent) if exponent.weak is not None else None
    if exponent.weak is int:
        known, param = (number, False) if number is not None else prim.known_int(exponent)
        if known is not None and base.dtype.kind in "iu":
            if param:
                relation, bound = (">=", 0) if known >= 0 else ("<", 0)
                current().guard_scalar(exponent.value, relation, bound, "an exponent's sign")
            if known < 0:
                if base.weak is None:
                    fail(
                        errors.TracedValueError,
                        "Integers to negative integer powers are not allowed.",
                        "make the base a float: x.astype(float) ** n",
                    )
                base = prim.weak_cast(base, float)
    if base.dtype == bool and number is not None and number == 2 and exponent.weak is int:
        return elementwise("square", base) if not base.scalar else elementwise("power", base, 2)
    if number is None or base.dtype.kind not in ("fc" if number != 2 else "iufc"):
        return elementwise("power", base, exponent)
    simple = _SIMPLE_POWERS.get(complex(number))
    if simple is None or prim.result_dtype(base, exponent) != base.dtype:
        return elementwise("power", base, exponent)
    return elementwise(simple, base)


_SIMPLE_POWERS: dict[complex, str] = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}


def modulo_pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    return elementwise("floor_divide", a, b), elementwise("remainder", a, b)


def write_out(out: Any, result: Tensor, ufunc: str, casting: str = "same_kind") -> Tensor:
    """`result` written into `out` with the checks of a ufunc's `out=`."""
    target = lift(out)
    if not np.can_cast(result.dtype, target.dtype, casting):  # type: ignore[arg-type]
        fail(
            errors.DTypeError,
            f"Cannot cast ufunc '{ufunc}' output from {result.dtype!r} to {target.dtype!r} "
            f"with casting rule '{casting}'",
            f"x = x {_SYMBOLS.get(ufunc, ufunc)} y makes a new array of dtype {result.dtype}",
        )
    shape = prim.broadcast_shapes(target, result)
    trace = current()
    if len(shape) != target.ndim or not all(map(trace.same, shape, target.type.shape)):
        fail(
            errors.ShapeError,
            f"non-broadcastable output operand: {describe(result)} does not fit into "
            f"{describe(target)}",
        )
    prim.store(target, result)
    return target


_SYMBOLS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//",
    "remainder": "%", "power": "**", "left_shift": "<<", "right_shift": ">>", "matmul": "@",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip


def _operand(a: Tensor, b: Any) -> Any:
    """`b` beside `a`: a Python bool beside a Python number is a number."""
    return int(b) if a.weak is not None and isinstance(b, bool) else b


def _no_operand(op: str, a: Any, b: Any) -> Any:
    """NotImplemented, so that Python asks the other operand, unless that cannot know an answer."""
    if isinstance(b, (str, bytes, dict, set, type(None))):
        fail(
            errors.DTypeError,
            f"np.{op} does not take {type(b).__name__} values: {describe(lift(a))}, {b!r:.40}",
            "pass arrays or numbers",
        )
    return NotImplemented


def _install(name: str, op: str, function: Callable[..., Any]) -> None:
    def forward(a: Any, b: Any) -> Any:
        if not isinstance(b, OPERANDS):
            return _no_operand(op, a, b)
        a = lift(a)
        if op == "multiply" and a.weak is int and isinstance(b, (list, tuple)):
            return b * operator.index(a)
        return function(a, _operand(a, b))

    def reflected(a: Any, b: Any) -> Any:
        if not isinstance(b, OPERANDS):
            return _no_operand(op, a, b)
        a = lift(a)
        if op == "multiply" and a.weak is int and isinstance(b, (list, tuple)):
            return b * operator.index(a)
        return function(_operand(a, b), a)

    def in_place(a: Tensor, b: Any) -> Any:
        if not isinstance(b, OPERANDS):
            return _no_operand(op, a, b)
        if a.scalar:
            return function(a, _operand(a, b))
        return write_out(a, function(a, b), op)

    METHODS[f"__{name}__"] = forward
    METHODS[f"__r{name}__"] = reflected
    METHODS[f"__i{name}__"] = in_place


def _elementwise(op: str) -> Callable[[Any, Any], Tensor]:
    return lambda a, b: elementwise(op, a, b)


def _matmul(a: Any, b: Any) -> Any:
    return FUNCTIONS[np.matmul](a, b)


for _name, _op in BINARY.items():
    _install(_name, _op, _elementwise(_op))
_install("pow", "power", power)
_install("divmod", "divmod", modulo_pair)
_install("matmul", "matmul", _matmul)


def _install_comparison(name: str, op: str) -> None:
    def method(a: Any, b: Any) -> Any:
        if isinstance(b, OPERANDS):
            return compare(op, a, b)
        if op in ("equal", "not_equal") and (b is None or isinstance(b, (str, bytes))):
            return prim.scalar(prim.full(lift(a).type.shape, op == "not_equal", bool))
        return NotImplemented

    METHODS[f"__{name}__"] = method


for _name, _op in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}.items():  # fmt: skip
    _install_comparison(_name, _op)

METHODS["__neg__"] = lambda a: elementwise("negative", a)
METHODS["__pos__"] = lambda a: elementwise("positive", a)
METHODS["__abs__"] = lambda a: elementwise("absolute", a)
METHODS["__invert__"] = lambda a: elementwise("invert", a)


def _round(a: Tensor, ndigits: Any = None) -> Any:
    """`round(x)` of a scalar is a Python int; with digits it keeps its type."""
    if not a.scalar:
        raise TypeError("type numpy.ndarray doesn't define __round__ method")
    if ndigits is None:
        return prim.weak_cast(elementwise("rint", a), int) if a.dtype.kind not in "iub" else a
    result = FUNCTIONS[np.round](cast(a, a.dtype), ndigits)
    return prim.weak_cast(result, a.weak) if a.weak is not None else result


METHODS["__round__"] = _round
