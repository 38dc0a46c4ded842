"""Rules for elements chosen by indices: writes into parts of parts, and masks.

What a mask selects, computed on and written back under the same mask, is a choice by elements: no
index is made, nothing is gathered, and it fuses with what is around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import identity
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import rule
from tracejit.passes.rules_shape import same_region, takes_everything

MASKED_FLOPS = 200.0
"""What is computed for elements that a mask leaves out may cost so many additions for each."""

MASKED_REDUCTIONS = frozenset({"sum", "prod", "any", "all"})


@rule("update")
def update_of_scatter(r: Rewriter, node: Node, x: Value, v: Value) -> Value | None:
    """x[s] = (x[s] with [i] replaced by v) is x[s][i] = v: only these elements are written."""
    inner = r.definition(v, "scatter")
    if inner is None:
        return None
    base, value, *indices = inner.inputs
    read = r.definition(base, "slice")
    if read is None or read.inputs[0] is not x or not same_region(read, node):
        return None
    outer, region = node.attrs, inner.attrs
    first = zip(outer["starts"], region["starts"], outer["steps"], strict=True)
    attrs = {
        **region,
        "starts": tuple(a + b * s for a, b, s in first),
        "steps": tuple(s * t for s, t in zip(outer["steps"], region["steps"], strict=True)),
    }
    return r.apply("scatter", x, value, *indices, **attrs)


# Masks.


@rule("scatter")
def write_under_mask(r: Rewriter, node: Node, x: Value, v: Value, *indices: Value) -> Value | None:
    """x[m] = f(x[m], y[m]) gives select(m, f(x, y), x)."""
    if node.attrs["mode"] != "set" or not takes_everything(node, x.type.shape):
        return None
    mask = _mask_of(r, indices, node.attrs["axes"], x.type.shape)
    if mask is None:
        return None
    full = _Unmasked(r, indices, x.type.shape).value(v)
    if full is None:
        return None
    rest = x.type.ndim - mask.type.ndim
    wide = r.reshape(mask, (*mask.type.shape, *(1,) * rest))
    return r.broadcast(r.apply("select", wide, full, x), x.type.shape)


@rule(*MASKED_REDUCTIONS)
def reduce_under_mask(r: Rewriter, node: Node, x: Value) -> Value | None:
    """sum(f(x[m])) gives sum(select(m, f(x), 0)).

    Rounding: a sum or product of floats is reassociated, which is allowed inside a reduction.
    """
    if 0 not in node.attrs["axes"]:
        return None
    chosen = _first_gather(r, x)
    if chosen is None:
        return None
    source, indices = chosen.inputs[0], chosen.inputs[1:]
    axes = chosen.attrs.get("axes", (chosen.attrs.get("axis"),))
    mask = _mask_of(r, indices, axes, source.type.shape)
    if mask is None or x.type.ndim != source.type.ndim - mask.type.ndim + 1:
        return None
    rank = mask.type.ndim
    shape = (*mask.type.shape, *x.type.shape[1:])
    full = _Unmasked(r, indices, shape).value(x)
    if full is None:
        return None
    wide = r.reshape(mask, (*mask.type.shape, *(1,) * (x.type.ndim - 1)))
    neutral = r.scalar(identity(node.op, x.type.dtype), x.type.dtype)
    kept = r.broadcast(r.apply("select", wide, full, neutral), shape)
    reduced = [*range(rank), *(k + rank - 1 for k in node.attrs["axes"] if k != 0)]
    return r.apply(node.op, kept, axes=tuple(reduced))


def _first_gather(r: Rewriter, value: Value) -> Node | None:
    """A gather that a value is computed from, element by element."""
    pending, seen = [value], 0
    while pending and seen < 50:
        node = r.defs.get(pending.pop())
        seen += 1
        if node is None:
            continue
        if node.op in ("take", "gather"):
            return node
        if OPS[node.op].elementwise:
            pending += node.inputs
    return None


def _mask_of(
    r: Rewriter, indices: Sequence[Value], axes: Sequence[int], shape: Shape
) -> Value | None:
    """The mask of whose true elements the `indices` are the places, along the first axes."""
    if tuple(axes) != tuple(range(len(indices))):
        return None
    node = r.definition(indices[0], "nonzero")
    if node is None or node.outputs != tuple(indices):
        return None
    (mask,) = node.inputs
    return mask if mask.type.dtype == bool and mask.type.shape == shape[: len(indices)] else None


class _Unmasked:
    """Values computed from selected elements, computed from all of them instead."""

    def __init__(self, r: Rewriter, indices: Sequence[Value], shape: Shape) -> None:
        self.r, self.indices = r, tuple(indices)
        self.rank = len(indices)
        self.rest = len(shape) - self.rank
        self.shape = shape
        self.count: Dim = indices[0].type.shape[0]
        self.flops = 0.0
        self.found: dict[Value, Value | None] = {}

    def value(self, v: Value) -> Value | None:
        """`v` for all elements, in a shape that broadcasts to theirs; None where that is not so."""
        if v not in self.found:
            self.found[v] = self._uniform(v) or self._of(v)
        return self.found[v]

    def _uniform(self, v: Value) -> Value | None:
        """`v` where it is the same for every selected element."""
        shape = v.type.shape
        if len(shape) <= self.rest:
            return v
        if len(shape) == self.rest + 1 and shape[0] == 1:
            return self.r.reshape(v, shape[1:])
        return None

    def _of(self, v: Value) -> Value | None:
        node = self.r.defs.get(v)
        if node is None or v.type.ndim != self.rest + 1 or v.type.shape[0] != self.count:
            return None
        if node.op in ("take", "gather"):
            return self._source(node)
        if node.op == "broadcast_to":
            return self.value(node.inputs[0])
        record = OPS.get(node.op)
        if record is None or not record.elementwise:
            return None
        self.flops += record.flops
        if self.flops > MASKED_FLOPS:
            return None
        inputs = []
        for operand in node.inputs:
            found = self.value(operand)
            if found is None:
                return None
            inputs.append(found)
        return self.r.apply(node.op, *inputs, **node.attrs)

    def _source(self, node: Node) -> Value | None:
        source, *indices = node.inputs
        axes = node.attrs["axes"] if node.op == "gather" else (node.attrs["axis"],)
        if tuple(indices) != self.indices or tuple(axes) != tuple(range(self.rank)):
            return None
        return source if source.type.shape[: self.rank] == self.shape[: self.rank] else None
