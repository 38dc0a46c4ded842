"""Rules for logic, comparisons, selection and casts."""

from __future__ import annotations

from functools import cache

import numpy as np

from tracejit.ir.graph import Node, Value
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import equals, kind, rule

MIRRORED = {
    "less": "greater", "less_equal": "greater_equal", "greater": "less",
    "greater_equal": "less_equal", "equal": "equal", "not_equal": "not_equal",
}  # fmt: skip
"""The comparison that holds with the sides exchanged."""

NEGATED = {"equal": "not_equal", "not_equal": "equal"}
"""The comparison that holds where this one does not, NaN included."""

NEGATED_INTEGERS = NEGATED | {
    "less": "greater_equal", "less_equal": "greater",
    "greater": "less_equal", "greater_equal": "less",
}  # fmt: skip


# Logic.


@rule("bitwise_and", "bitwise_or", "logical_and", "logical_or")
def idempotent(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x & x = x | x = x."""
    return x if x is y and x.type.dtype == node.outputs[0].type.dtype else None


@rule("maximum", "minimum", "fmax", "fmin")
def extremum_of_itself(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """maximum(x, x) = x."""
    return x if x is y else None


@rule("bitwise_and", "logical_and")
def and_constant(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x & 0 = 0; x & -1 = x (all bits set)."""
    if x.type.dtype != node.outputs[0].type.dtype:
        return None
    if equals(r, y, 0):
        return r.full(0, node)
    number = r.constant(y)
    return x if number is not None and not np.invert(number) else None


@rule("bitwise_or", "logical_or")
def or_constant(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x | 0 = x; x | -1 = -1 (all bits set)."""
    if x.type.dtype != node.outputs[0].type.dtype:
        return None
    number = r.constant(y)
    if number is None:
        return None
    if number == 0:
        return x
    return y if not np.invert(number) else None


@rule("bitwise_xor", "left_shift", "right_shift")
def zero_on_the_right(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x ^ 0 = x << 0 = x >> 0 = x."""
    return x if equals(r, y, 0) else None


@rule("bitwise_xor", "logical_xor")
def xor_itself(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x ^ x = 0."""
    return r.full(0, node) if x is y else None


@rule("logical_not", "invert")
def negate_twice(r: Rewriter, node: Node, x: Value) -> Value | None:
    """~~x = x; not not x = x for bool x."""
    inner = r.operand(x, node.op)
    return inner if inner is not None and inner.type.dtype == node.outputs[0].type.dtype else None


@rule("invert")
def invert_bool(r: Rewriter, node: Node, x: Value) -> Value | None:
    """~x = not x for bool x."""
    return r.apply("logical_not", x) if kind(x) == "b" else None


@rule("logical_not")
def negate_comparison(r: Rewriter, node: Node, x: Value) -> Value | None:
    """not (x == y) = x != y; not (x < y) = x >= y for integers (a NaN is neither)."""
    comparison = r.defs.get(x)
    if comparison is None or comparison.op not in NEGATED_INTEGERS:
        return None
    table = NEGATED_INTEGERS if kind(comparison.inputs[0]) in "iub" else NEGATED
    negated = table.get(comparison.op)
    return None if negated is None else r.apply(negated, *comparison.inputs)


# Comparisons.


@rule(*MIRRORED)
def compare_constant_right(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """2 < x = x > 2."""
    if r.constant(x) is None or r.constant(y) is not None:
        return None
    return r.apply(MIRRORED[node.op], y, x)


@rule(*MIRRORED)
def compare_with_itself(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x == x is true, x < x false, for integers (a NaN is not equal to itself)."""
    if x is not y or kind(x) not in "iub":
        return None
    return r.full(node.op in ("equal", "less_equal", "greater_equal"), node)


@rule("equal", "not_equal")
def compare_bool(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """(x == True) = (x != False) = x; (x == False) = (x != True) = not x, for bool x."""
    number = r.constant(y)
    if number is None or kind(x) != "b":
        return None
    return x if bool(number) == (node.op == "equal") else r.apply("logical_not", x)


# Selection.


@rule("select")
def select_known(r: Rewriter, node: Node, cond: Value, a: Value, b: Value) -> Value | None:
    """select(True, a, b) = a, select(False, a, b) = b, select(c, a, a) = a."""
    if a is b:
        return a
    number = r.constant(cond)
    if number is None:
        return None
    return a if number else b


@rule("select")
def select_bools(r: Rewriter, node: Node, cond: Value, a: Value, b: Value) -> Value | None:
    """select(c, True, False) = c, select(c, False, True) = not c."""
    if kind(a) != "b":
        return None
    yes, no = r.constant(a), r.constant(b)
    if yes is None or no is None or bool(yes) == bool(no):
        return None
    return cond if yes else r.apply("logical_not", cond)


@rule("select")
def select_not(r: Rewriter, node: Node, cond: Value, a: Value, b: Value) -> Value | None:
    """select(not c, a, b) = select(c, b, a)."""
    inner = r.operand(cond, "logical_not")
    return r.apply("select", inner, b, a) if inner is not None and kind(inner) == "b" else None


@rule("select")
def select_nested(r: Rewriter, node: Node, cond: Value, a: Value, b: Value) -> Value | None:
    """select(c, select(c, a, _), b) = select(c, a, select(c, _, b)) = select(c, a, b)."""
    inner = r.definition(a, "select")
    if inner is not None and inner.inputs[0] is cond:
        return r.apply("select", cond, inner.inputs[1], b)
    inner = r.definition(b, "select")
    if inner is not None and inner.inputs[0] is cond:
        return r.apply("select", cond, a, inner.inputs[2])
    return None


# Casts.


@cache
def is_exact(source: np.dtype, target: np.dtype) -> bool:
    """Whether every value of `source` is one of `target`."""
    if source == target or source.kind == "b":
        return True
    if source.kind in "iu":
        bits = source.itemsize * 8 - (source.kind == "i")
        if target.kind == "c":
            return is_exact(source, np.dtype(f"f{target.itemsize // 2}"))
        if target.kind == "f":
            return bits <= np.finfo(target).nmant + 1
        fits = bits <= target.itemsize * 8 - (target.kind == "i")
        return fits and target.kind in ("iu" if source.kind == "u" else "i")
    return target.kind in "fc" and bool(np.can_cast(source, target, "safe"))


@rule("cast")
def cast_to_same(r: Rewriter, node: Node, x: Value) -> Value | None:
    """cast(x, the dtype of x) = x."""
    return x if x.type.dtype == node.outputs[0].type.dtype else None


@rule("cast")
def cast_of_cast(r: Rewriter, node: Node, x: Value) -> Value | None:
    """cast(cast(x, a), b) = cast(x, b) where the first loses nothing but what the second would.

    Not from a float type to an integer type unless that is exact too: what NumPy gives for a number
    out of range depends on the types.
    """
    inner = r.operand(x, "cast")
    if inner is None:
        return None
    source, middle, target = inner.type.dtype, x.type.dtype, node.outputs[0].type.dtype
    if source.kind in "iu" and middle.kind in "iu" and target.kind in "iu":
        allowed = target.itemsize <= middle.itemsize or is_exact(source, middle)
    else:
        unsafe = middle.kind in "fc" and target.kind in "iu"
        allowed = is_exact(source, middle) and (not unsafe or is_exact(source, target))
    return r.apply("cast", inner, dtype=target) if allowed else None
