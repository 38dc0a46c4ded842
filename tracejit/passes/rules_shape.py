"""Rules for views, updates, concatenation, sizes and reductions."""

from __future__ import annotations

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Node, Value
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import rule

MERGEABLE = frozenset({"sum", "prod", "min", "max", "any", "all"})
"""Reductions of reductions that are one reduction; floats may be reassociated inside one."""


# Views.


def scalar_behind(r: Rewriter, value: Value) -> Value | None:
    """The 0-d value that `value` repeats everywhere, if it does."""
    source = r.operand(value, "broadcast_to")
    return source if source is not None and source.type.ndim == 0 else None


@rule("reshape", "broadcast_to")
def same_shape(r: Rewriter, node: Node, x: Value) -> Value | None:
    """reshape(x, x.shape) = broadcast_to(x, x.shape) = x."""
    return x if x.type.shape == node.outputs[0].type.shape else None


@rule("reshape", "transpose", "slice")
def view_of_scalar(r: Rewriter, node: Node, x: Value) -> Value | None:
    """A view of a scalar spread over a shape is the scalar spread over the view's shape."""
    source = x if x.type.ndim == 0 else scalar_behind(r, x)
    return None if source is None else r.broadcast(source, node.outputs[0].type.shape)


@rule("reshape")
def reshape_adds_leading_ones(r: Rewriter, node: Node, x: Value) -> Value | None:
    """reshape(x: [n], (1, n)) = broadcast_to(x, (1, n)), which an elementwise op needs no more."""
    old, new = x.type.shape, node.outputs[0].type.shape
    extra = len(new) - len(old)
    if extra > 0 and new[extra:] == old and new[:extra] == (1,) * extra:
        return r.broadcast(x, new)
    return None


@rule("reshape")
def reshape_of_reshape(r: Rewriter, node: Node, x: Value) -> Value | None:
    """reshape(reshape(x, _), s) = reshape(x, s); also where x only got leading axes of size 1."""
    inner = r.operand(x, "reshape")
    if inner is None:
        inner = r.operand(x, "broadcast_to")
        if inner is None:
            return None
        extra = x.type.ndim - inner.type.ndim
        if x.type.shape != (1,) * extra + inner.type.shape:
            return None
    return r.reshape(inner, node.outputs[0].type.shape)


@rule("broadcast_to")
def broadcast_of_broadcast(r: Rewriter, node: Node, x: Value) -> Value | None:
    """broadcast_to(broadcast_to(x, _), s) = broadcast_to(x, s)."""
    inner = r.operand(x, "broadcast_to")
    return None if inner is None else r.broadcast(inner, node.outputs[0].type.shape)


@rule("transpose")
def transpose_nothing(r: Rewriter, node: Node, x: Value) -> Value | None:
    """transpose(x, (0, 1)) = x."""
    return x if tuple(node.attrs["perm"]) == tuple(range(x.type.ndim)) else None


@rule("transpose")
def transpose_of_transpose(r: Rewriter, node: Node, x: Value) -> Value | None:
    """transpose(transpose(x, p), q) = transpose(x, p after q)."""
    inner = r.definition(x, "transpose")
    if inner is None:
        return None
    perm = tuple(inner.attrs["perm"][q] for q in node.attrs["perm"])
    return r.apply("transpose", inner.inputs[0], perm=perm)


@rule("transpose")
def transpose_ones(r: Rewriter, node: Node, x: Value) -> Value | None:
    """transpose(x, p) = reshape(x, ...) where p moves only axes of size 1."""
    moved = [p for p in node.attrs["perm"] if x.type.shape[p] != 1]
    return r.reshape(x, node.outputs[0].type.shape) if moved == sorted(moved) else None


@rule("slice")
def slice_everything(r: Rewriter, node: Node, x: Value) -> Value | None:
    """x[:, :] = x."""
    return x if takes_everything(node, x.type.shape) else None


def takes_everything(node: Node, shape: Shape) -> bool:
    return (
        tuple(node.attrs["sizes"]) == shape
        and all(step == 1 for step in node.attrs["steps"])
        and all(isinstance(start, int) and start == 0 for start in node.attrs["starts"])
    )


@rule("slice")
def slice_of_slice(r: Rewriter, node: Node, x: Value) -> Value | None:
    """x[a::s][b::t] = x[a + b*s::s*t]. Only a slice of no elements can start outside of x then."""
    inner = r.definition(x, "slice")
    if inner is None:
        return None
    outer, first = node.attrs, inner.attrs
    starts = zip(first["starts"], outer["starts"], first["steps"], strict=True)
    return r.apply(
        "slice",
        inner.inputs[0],
        starts=tuple(a + b * s for a, b, s in starts),
        sizes=tuple(outer["sizes"]),
        steps=tuple(s * t for s, t in zip(first["steps"], outer["steps"], strict=True)),
    )


def same_region(a: Node, b: Node) -> bool:
    return all(tuple(a.attrs[k]) == tuple(b.attrs[k]) for k in ("starts", "sizes", "steps"))


def are_apart(a: Node, b: Node) -> bool:
    """Whether two regions provably share no element."""
    regions = zip(
        a.attrs["starts"], a.attrs["sizes"], a.attrs["steps"],
        b.attrs["starts"], b.attrs["sizes"], b.attrs["steps"],
        strict=True,
    )  # fmt: skip
    for start, size, step, start_b, size_b, step_b in regions:
        if step != 1 or step_b != 1:
            continue
        if dims.is_nonnegative(start_b - (start + size)):
            return True
        if dims.is_nonnegative(start - (start_b + size_b)):
            return True
    return False


@rule("slice")
def slice_of_update(r: Rewriter, node: Node, x: Value) -> Value | None:
    """What was just written is read back; what lies elsewhere is read from before the update."""
    written = r.definition(x, "update")
    if written is None:
        return None
    old, value = written.inputs
    if same_region(node, written):
        return r.broadcast(value, node.outputs[0].type.shape)
    return r.apply("slice", old, **node.attrs) if are_apart(node, written) else None


# Concatenation.


@rule("concatenate")
def concatenate_parts(r: Rewriter, node: Node, *parts: Value) -> Value | None:
    """concatenate(x) = x; parts of size 0 are left out."""
    axis = node.attrs["axis"]
    kept = [part for part in parts if not is_int(part.type.shape[axis], 0)] or [parts[0]]
    if len(kept) == 1:
        return kept[0]
    return r.apply("concatenate", *kept, axis=axis) if len(kept) < len(parts) else None


# Sizes.


def is_int(dim: Dim, value: int) -> bool:
    return isinstance(dim, int) and dim == value


@rule("size")
def size_known(r: Rewriter, node: Node) -> Value | None:
    """The size 3 is the constant 3."""
    dim = node.attrs["dim"]
    return r.scalar(dim, np.dtype(np.int64)) if isinstance(dim, int) else None


@rule("iota")
def iota_of_one(r: Rewriter, node: Node) -> Value | None:
    """The index along an axis of size 1 is 0."""
    return r.full(0, node) if is_int(node.attrs["shape"][node.attrs["axis"]], 1) else None


@rule("slice")
def slice_of_iota(r: Rewriter, node: Node, x: Value) -> Value | None:
    """The index at one place along the axis is that place: a number."""
    made = r.definition(x, "iota")
    if made is None or not is_int(node.attrs["sizes"][made.attrs["axis"]], 1):
        return None
    place = r.apply("size", dim=node.attrs["starts"][made.attrs["axis"]])
    number = r.apply("cast", place, dtype=x.type.dtype)
    return r.broadcast(number, node.outputs[0].type.shape)


# Reductions.


@rule(*MERGEABLE)
def reduce_nothing(r: Rewriter, node: Node, x: Value) -> Value | None:
    """sum(x, axes=()) = x."""
    return None if node.attrs["axes"] else x


@rule("min", "max", "any", "all", "prod", "sum")
def reduce_ones(r: Rewriter, node: Node, x: Value) -> Value | None:
    """max over axes of size 1 is a reshape; to a sum of floats 0.0 is added, as to -0.0."""
    axes = node.attrs["axes"]
    if not all(is_int(x.type.shape[axis], 1) for axis in axes):
        return None
    found = r.reshape(x, node.outputs[0].type.shape)
    if node.op == "sum" and x.type.dtype.kind in "fc":
        return r.apply("add", found, r.scalar(0, x.type.dtype))
    return found


@rule("argmin", "argmax")
def position_in_one(r: Rewriter, node: Node, x: Value) -> Value | None:
    """The only position along an axis of size 1 is 0."""
    return r.full(0, node) if is_int(x.type.shape[node.attrs["axes"][0]], 1) else None


@rule(*MERGEABLE)
def reduce_of_reduce(r: Rewriter, node: Node, x: Value) -> Value | None:
    """sum(sum(x, a), b) = sum(x, a and b).

    Rounding: a sum or product of floats is reassociated, which is allowed inside a reduction. Not
    for float16, whose partial results are rounded.
    """
    inner = r.definition(x, node.op)
    if inner is None or (node.op in ("sum", "prod") and x.type.dtype.itemsize == 2):
        return None
    source = inner.inputs[0]
    left = [axis for axis in range(source.type.ndim) if axis not in inner.attrs["axes"]]
    axes = {*inner.attrs["axes"], *(left[axis] for axis in node.attrs["axes"])}
    return r.apply(node.op, source, axes=tuple(sorted(axes)))


@rule("cumsum", "cumprod", "cummin", "cummax")
def accumulate_one(r: Rewriter, node: Node, x: Value) -> Value | None:
    """cumsum along an axis of size 1 = x."""
    return x if is_int(x.type.shape[node.attrs["axis"]], 1) else None
