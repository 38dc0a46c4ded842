"""The algebra of `simplify`: what an elementwise op on known inputs can be replaced by.

A rule looks at a node and at what defines its inputs, and returns the value that takes the node's
place, or None. Rules give NumPy's result to the bit (the sign and payload of a NaN aside),
infinities and the sign of zero included, except where the docstring says "Rounding" and what
changes: the answer moves by a few ULP, or towards the exact one.

A constant stands on the right of a commutative op by the time a rule sees it, and inputs are not
broadcast explicitly: see ELEMENTWISE, which comes first. A rule may return a value of a smaller
shape that broadcasts to the node's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS
from tracejit.passes.rewrite import Rewriter

Rule = Callable[..., Value | None]
"""Called as `rule(rewriter, node, *node.inputs)`."""

RULES: dict[str, list[Rule]] = {}
"""The rules of each op, in the order in which they are tried."""

ORDERED_ZEROS = frozenset({"minimum", "maximum", "fmin", "fmax"})
"""Commutative but for the sign of zero: which of 0.0 and -0.0 they give depends on the order."""


def rule(*ops: str) -> Callable[[Rule], Rule]:
    """Register a rule for `ops`."""

    def add(function: Rule) -> Rule:
        for op in ops:
            RULES.setdefault(op, []).append(function)
        return function

    return add


def is_reorderable(op: str) -> bool:
    """Whether the two inputs may change places."""
    return op in OPS and OPS[op].commutative and op not in ORDERED_ZEROS


# Before the rules of any elementwise op.


def drop_broadcasts(r: Rewriter, node: Node) -> Value | None:
    """f(broadcast_to(x), y) = f(x, y), broadcast afterwards where that is still needed.

    So a scalar that was spread over an array before it was used is computed once.
    """
    for value in node.inputs:
        if (d := r.defs.get(value)) is not None and d.op == "broadcast_to":
            break
    else:
        return None
    return r.apply(node.op, *[r.operand(v, "broadcast_to") or v for v in node.inputs], **node.attrs)


def fold_constants(r: Rewriter, node: Node) -> Value | None:
    """f(2.0) = the number, as NumPy computes it; not where NumPy would raise."""
    numbers = []
    for value in node.inputs:
        number = r.constant(value)
        if number is None:
            return None
        numbers.append(number)
    type = node.outputs[0].type
    if numbers[0].dtype.kind == "c" and type.dtype.kind not in "cb":
        return None  # NumPy warns about the part it drops.
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(OPS[node.op].evaluate(*numbers, **node.attrs))
    except (ArithmeticError, TypeError, ValueError):
        return None
    return r.scalar(found, type.dtype) if found.shape == () else None


def constants_right(r: Rewriter, node: Node) -> Value | None:
    """2 + x = x + 2."""
    if len(node.inputs) != 2 or not is_reorderable(node.op):
        return None
    a, b = node.inputs
    if r.constant(a) is None or r.constant(b) is not None:
        return None
    return r.apply(node.op, b, a, **node.attrs)


ELEMENTWISE: tuple[Rule, ...] = (drop_broadcasts, fold_constants, constants_right)
"""Called as `rule(rewriter, node)` on every elementwise node with one output."""


# Reading operands.


def kind(value: Value) -> str:
    return value.type.dtype.kind


def is_minus_zero(number: np.generic) -> bool:
    """Both parts of it, if it is complex."""
    parts = (number.real, number.imag) if number.dtype.kind == "c" else (number,)
    return all(part == 0 and np.signbit(part) for part in parts)


def equals(r: Rewriter, value: Value, number: float) -> bool:
    """Whether `value` is the constant `number`, zeros of either sign alike."""
    constant = r.constant(value)
    return constant is not None and bool(constant == number)
