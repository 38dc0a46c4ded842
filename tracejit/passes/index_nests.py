"""The nests of `gather` and `scatter`: loads and stores at places that arrays of indices choose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node
from tracejit.ir.loops import Check, Instr, Load, Nest, Operand, Put, Section, Store, Take
from tracejit.ir.opdef import OPS, resolve_loop
from tracejit.ir.program import MemRef
from tracejit.ir.types import broadcast_shapes
from tracejit.passes.collapse import chunked, collapse
from tracejit.passes.plain_nests import address, broadcast, copy_nest, finish, region


def _without(ref: MemRef, axes: Sequence[int]) -> MemRef:
    """`ref` at index 0 of some axes."""
    rest = [k for k in range(len(ref.shape)) if k not in axes]
    strides = tuple(ref.strides[k] for k in rest)
    return MemRef(ref.slot, ref.offset, strides, tuple(ref.shape[k] for k in rest), ref.dtype)


def gather(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """One load for each element of the output."""
    x, *indices = inputs
    lead = range(len(broadcast_shapes(*(i.shape for i in indices))))
    return [_reads(node, x, indices, node.attrs["axes"], list(lead), out, name)]


def take(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """Gather along one axis; the axes of the index take its place."""
    x, index = inputs
    axis = node.attrs["axis"]
    at = list(range(axis, axis + len(index.shape)))
    return [_reads(node, x, [index], (axis,), at, out, name)]


def _reads(
    node: Node, x: MemRef, indices: Sequence[MemRef], axes: Sequence[int], at: list[int],
    out: MemRef, name: str,
) -> Nest:  # fmt: skip
    """`out[..., at, ...]` is `x` at the indices; the other axes of both are the same.

    Where one of these is the innermost, the indices are read once for each of its rows.
    """
    shape = tuple(out.shape[k] for k in at)
    count = len(indices)
    loads: list[Instr] = []
    for k, (index, axis) in enumerate(zip(indices, axes, strict=True)):
        wide = broadcast(index, shape)
        loads += [Load(k, address(wide, 2 + k, at), index.dtype), Check(k, x.shape[axis])]
    rest = [k for k in range(len(out.shape)) if k not in at]
    body: list[Instr] = [
        Take(
            count,
            address(_without(x, axes), 0, rest),
            tuple(range(count)),
            tuple(x.strides[a] for a in axes),
            tuple(x.shape[a] for a in axes),
            x.dtype,
        ),
        Store(address(out, 1), count, out.dtype),
    ]
    operands = (
        Operand(x.slot, x.dtype),
        Operand(out.slot, out.dtype, True),
        *(Operand(i.slot, i.dtype) for i in indices),
    )
    live = tuple(k for k, d in enumerate(out.shape) if d != 1)
    if not live or live[-1] in at:
        only = [i for i in loads if isinstance(i, Load)]
        return finish(name, out.shape, [*only, *body], operands, node.loc, node.op)
    nest = Nest(
        name,
        out.shape,
        live[:-1],
        (Section((), tuple(loads)), Section(live[-1:], tuple(body))),
        operands,
        streams=True,
        loc=node.loc,
        title=node.op,
    )
    return chunked(collapse(nest))


def scatter(node: Node, inputs: Sequence[MemRef], out: MemRef, name: str) -> list[Nest]:
    """Copy the base unless the output took its memory over; check the indices; write, in order.

    Nothing is written where an index is out of bounds, as in NumPy.
    """
    base, value, *indices = inputs
    axes = node.attrs["axes"]
    place = region(out, node.attrs)
    sizes = tuple(place.shape[a] for a in axes)
    common = broadcast_shapes(*(i.shape for i in indices))
    wide = [broadcast(i, common) for i in indices]
    nests = []
    if base.slot != out.slot:
        nests.append(copy_nest(base, out, f"{name}_base", node.loc, "copy before scatter"))
    nests.append(_checks(node, wide, sizes, common, f"{name}_check"))
    nests.append(_writes(node, value, wide, sizes, place, f"{name}_put"))
    return nests


def _checks(
    node: Node, indices: Sequence[MemRef], sizes: Sequence[Dim], shape: tuple[Dim, ...], name: str
) -> Nest:
    body: list[Instr] = []
    for k, (index, size) in enumerate(zip(indices, sizes, strict=True)):
        body += [Load(k, address(index, k), index.dtype), Check(k, size)]
    operands = tuple(Operand(i.slot, i.dtype) for i in indices)
    return finish(name, shape, body, operands, node.loc, "check of indices")


def _writes(
    node: Node, value: MemRef, indices: Sequence[MemRef], sizes: tuple[Dim, ...], place: MemRef,
    name: str,
) -> Nest:  # fmt: skip
    """The axes of the indices are walked in order; the others, inside them, as vectors.

    A single place is shared out to threads by the other axes.
    """
    axes, mode = node.attrs["axes"], node.attrs["mode"]
    target = _without(place, axes)
    common = indices[0].shape
    shape = (*common, *target.shape)
    lead = list(range(len(common)))
    rest = list(range(len(common), len(shape)))
    source = broadcast(value, shape)
    count = len(indices)
    loads: list[Instr] = [
        Load(k, address(index, 2 + k, lead), index.dtype) for k, index in enumerate(indices)
    ]
    store: list[Instr] = [
        Load(count, address(source, 1), source.dtype),
        Put(
            address(target, 0, rest),
            tuple(range(count)),
            tuple(place.strides[a] for a in axes),
            sizes,
            count,
            target.dtype,
            None if mode == "set" else mode,
            () if mode == "set" else accumulation_loop(mode, target.dtype, value.dtype),
        ),
    ]
    operands = (
        Operand(place.slot, place.dtype, True),
        Operand(value.slot, value.dtype),
        *(Operand(i.slot, i.dtype) for i in indices),
    )
    chosen = [k for k in lead if shape[k] != 1]
    inner = [k for k in rest if shape[k] != 1]
    sections: tuple[Section, ...]
    if inner:
        outer = tuple(chosen or inner[:-1])
        loop = tuple(inner) if chosen else tuple(inner[-1:])
        sections = (Section((), tuple(loads)), Section(loop, tuple(store)))
    else:
        outer = tuple(chosen[:-1])
        sections = (Section(tuple(chosen[-1:]), (*loads, *store)),)
    nest = Nest(
        name,
        shape,
        outer,
        sections,
        operands,
        serial=not inner,
        ordered=bool(chosen),
        guarded=True,
        loc=node.loc,
        title="scatter" if mode == "set" else f"scatter {mode}",
    )
    if not chosen and not inner:
        return nest
    nest = collapse(nest)
    return nest if nest.ordered else chunked(nest)


def accumulation_loop(mode: str, target: np.dtype, value: np.dtype) -> tuple[np.dtype, ...]:
    """The dtypes in which a scatter with a ufunc computes."""
    ufunc = OPS[mode].ufunc
    assert ufunc is not None
    return resolve_loop(ufunc, (target, value))[:2]
