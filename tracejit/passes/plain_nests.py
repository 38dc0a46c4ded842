"""The nests of nodes that were not fused: copies, concatenation, updates, gathers, prefix sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node
from tracejit.ir.loops import (
    Address,
    Compute,
    Constant,
    Instr,
    Load,
    Nest,
    Operand,
    Scratch,
    Section,
    Store,
)
from tracejit.ir.ops.reduce import identity
from tracejit.ir.program import MemRef
from tracejit.passes.collapse import chunked, collapse
from tracejit.source import Loc

_STARTS = {"cumsum": "sum", "cumprod": "prod", "cummin": "min", "cummax": "max"}


def address(ref: MemRef, base: int, axes: Sequence[int] | None = None) -> Address:
    """The address of the element at the nest's axes (in order, or as listed)."""
    named = axes if axes is not None else range(len(ref.shape))
    strides = tuple((a, s) for a, s, d in zip(named, ref.strides, ref.shape, strict=True) if d != 1)
    return Address(base, ref.offset, strides)


def region(ref: MemRef, attrs: Any) -> MemRef:
    """The part of `ref` that a slice with these attrs selects."""
    offset = ref.offset
    strides = []
    for start, step, stride in zip(attrs["starts"], attrs["steps"], ref.strides, strict=True):
        offset = offset + stride * start
        strides.append(stride * step)
    return MemRef(ref.slot, offset, tuple(strides), tuple(attrs["sizes"]), ref.dtype)


def broadcast(ref: MemRef, shape: tuple[Dim, ...]) -> MemRef:
    """`ref` read as if it had `shape`, which it broadcasts to."""
    missing = len(shape) - len(ref.shape)
    strides: list[Dim] = [0] * missing
    for stride, dim, wanted in zip(ref.strides, ref.shape, shape[missing:], strict=True):
        strides.append(0 if dim == 1 and wanted != 1 else stride)
    return MemRef(ref.slot, ref.offset, tuple(strides), shape, ref.dtype)


def finish(
    name: str,
    extents: tuple[Dim, ...],
    body: list[Instr],
    operands: tuple[Operand, ...],
    loc: Loc | None,
    title: str,
) -> Nest:
    """A nest that runs `body` for every element of `extents`."""
    live = tuple(k for k, d in enumerate(extents) if d != 1)
    section = Section(live[-1:], tuple(body))
    nest = Nest(name, extents, live[:-1], (section,), operands, streams=True, loc=loc, title=title)
    return chunked(collapse(nest)) if live else nest


def copy_nest(
    source: MemRef, target: MemRef, name: str, loc: Loc | None, title: str = "copy"
) -> Nest:
    """Copy between two places of one shape."""
    body: list[Instr] = [
        Load(0, address(source, 0), source.dtype),
        Store(address(target, 1), 0, target.dtype),
    ]
    operands = (Operand(source.slot, source.dtype), Operand(target.slot, target.dtype, True))
    return finish(name, target.shape, body, operands, loc, title)


def concatenate(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """One copy per input, each into its stretch of the output."""
    axis = node.attrs["axis"]
    nests: list[Nest] = []
    start: Dim = 0
    for k, ref in enumerate(inputs):
        target = MemRef(
            out.slot, out.offset + out.strides[axis] * start, out.strides, ref.shape, out.dtype
        )
        nests.append(copy_nest(ref, target, f"{name}_{k}", node.loc, "concatenate"))
        start = start + ref.shape[axis]
    return nests


def update(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """Copy the base unless the output took its memory over, then write the region."""
    base, value = inputs
    target = region(out, node.attrs)
    nests = []
    if base.slot != out.slot:
        nests.append(copy_nest(base, out, f"{name}_base", node.loc, "copy before update"))
    source = broadcast(value, target.shape)
    nests.append(copy_nest(source, target, f"{name}_region", node.loc, "update"))
    return nests


def cumulate(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """Every element from the one before it, read back from the output.

    The axis runs inside the outer ones and around the innermost; along the innermost axis itself
    the running value is a scratch element per outer iteration.
    """
    (x,) = inputs
    axis = node.attrs["axis"]
    live = [k for k, d in enumerate(out.shape) if d != 1]
    dtype = out.dtype
    operands = [Operand(x.slot, x.dtype), Operand(out.slot, dtype, True)]
    if axis not in live:
        return [copy_nest(x, out, name, node.loc)]
    lanes = [k for k in live if k != axis]
    inner = lanes[-1] if lanes and lanes[-1] > axis else None
    outer = tuple(k for k in live if k not in (axis, inner))
    lane_axes = () if inner is None else (inner,)
    from_scratch: tuple[tuple[Any, Dim], ...] = () if inner is None else ((inner, dtype.itemsize),)
    operands.append(Operand(-1, dtype, True, "running"))
    running = Address(2, 0, from_scratch)
    extent: Dim = 1 if inner is None else out.shape[inner]
    start = Section(
        lane_axes,
        (Constant(0, identity(_STARTS[node.op], dtype), dtype), Store(running, 0, dtype)),
    )
    body = Section(
        (axis, *lane_axes),
        (
            Load(1, running, dtype),
            Load(2, address(x, 0), dtype),
            Compute(3, node.op, (1, 2), {}, dtype),
            Store(running, 3, dtype),
            Store(address(out, 1), 3, dtype),
        ),
    )
    return [
        Nest(
            name,
            out.shape,
            outer,
            (start, body),
            tuple(operands),
            scratch=(Scratch(dtype, extent),),
            serial=inner is None,
            loc=node.loc,
            title=node.op,
        )
    ]
