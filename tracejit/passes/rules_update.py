"""Rules for updates: `x` with a region replaced."""

from __future__ import annotations

from tracejit.ir.dims import Shape
from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import rule
from tracejit.passes.rules_shape import same_region, takes_everything


@rule("update")
def update_everything(r: Rewriter, node: Node, x: Value, v: Value) -> Value | None:
    """x[:] = v gives v."""
    if r.keeps_stores and _is_of_param(r, x):
        return None
    return r.broadcast(v, x.type.shape) if takes_everything(node, x.type.shape) else None


@rule("update")
def update_with_itself(r: Rewriter, node: Node, x: Value, v: Value) -> Value | None:
    """x[s] = x[s] gives x."""
    read = r.definition(v, "slice")
    return x if read is not None and read.inputs[0] is x and same_region(read, node) else None


@rule("update")
def update_nothing(r: Rewriter, node: Node, x: Value, v: Value) -> Value | None:
    """x[:0] = v gives x."""
    return x if any(isinstance(s, int) and s == 0 for s in node.attrs["sizes"]) else None


@rule("update")
def update_of_part(r: Rewriter, node: Node, x: Value, v: Value) -> Value | None:
    """x[s] = (x[s] with [t] replaced by v) is x[s][t] = v: only the inner part is written."""
    inner = r.definition(_without_ones(r, v), "update")
    if inner is None:
        return None
    base, value = inner.inputs
    read = r.definition(_without_ones(r, base), "slice")
    if read is None or read.inputs[0] is not x or not same_region(read, node):
        return None
    outer, region = node.attrs, inner.attrs
    starts, sizes, steps = (list(outer[k]) for k in ("starts", "sizes", "steps"))
    axes = _matching(tuple(sizes), base.type.shape)
    if axes is None:
        return None
    for axis, k in axes.items():
        starts[axis] = starts[axis] + steps[axis] * region["starts"][k]
        sizes[axis] = region["sizes"][k]
        steps[axis] = steps[axis] * region["steps"][k]
    new = r.reshape(r.broadcast(value, tuple(region["sizes"])), sizes)
    attrs = {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}
    return r.apply("update", x, new, **attrs)


def _without_ones(r: Rewriter, value: Value) -> Value:
    """`value` before axes of size 1 were put in or taken out."""
    while True:
        inner = r.operand(value, "reshape") or r.operand(value, "broadcast_to")
        if inner is None or _matching(value.type.shape, inner.type.shape) is None:
            return value
        value = inner


def _matching(shape: Shape, other: Shape) -> dict[int, int] | None:
    """For each axis of `shape` that is not 1 the one of `other`; None where they do not match."""
    kept = [k for k, d in enumerate(shape) if d != 1]
    wanted = [k for k, d in enumerate(other) if d != 1]
    if [shape[k] for k in kept] != [other[k] for k in wanted]:
        return None
    return dict(zip(kept, wanted, strict=True))


def _is_of_param(r: Rewriter, value: Value) -> bool:
    """Whether `value` may be a parameter, or one into which was written."""
    while (node := r.defs.get(value)) is not None and not node.blocks:
        position = OPS[node.op].in_place
        if position is None:
            return False
        value = node.inputs[position]
    return True
