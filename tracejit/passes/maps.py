"""Where an element lies: affine maps from the axes of a loop nest to the axes of a value.

A value inside a fused node is read at a *map*: for each of its axes an entry `(axis, start, step)`,
meaning index `start + step * axis`, or `(None, start, 0)` for a fixed index. Views compose maps and
cost nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Node, Value
from tracejit.ir.types import TensorType

Entry = tuple[int | None, Dim, int]
Map = tuple[Entry, ...]

FIXED: Entry = (None, 0, 0)


def identity(shape: Shape) -> Map:
    """Axis k of the value is axis k of the nest."""
    return tuple((k, 0, 1) for k in range(len(shape)))


def within(map: Map) -> Map:
    """Where an element of a region is, counted from its start, that is written at `map`."""
    return tuple(FIXED if axis is None else (axis, 0, 1) for axis, _, _ in map)


def axes_of(map: Map) -> frozenset[int]:
    """The nest axes that a map depends on."""
    return frozenset(axis for axis, _, _ in map if axis is not None)


def in_step(pairs: Sequence[tuple[Entry, Entry]]) -> bool:
    """Whether two maps into one array give the same element everywhere, or never one that the other
    gives anywhere: they differ at most in fixed indices."""
    return all(a == b or (a[0] is None and b[0] is None) for a, b in pairs)


def region_map(node: Node) -> Map:
    """Where an `update` writes, in a nest with an axis for each size that is not 1."""
    axes = itertools.count()
    regions = zip(*(node.attrs[k] for k in ("starts", "sizes", "steps")), strict=True)
    return tuple(
        (None, start, 0) if size == 1 else (next(axes), start, step)
        for start, size, step in regions
    )


def operand_map(map: Map, out: TensorType, operand: TensorType) -> Map:
    """The map of an operand that broadcasts to `out`, which is read at `map`."""
    skipped = out.ndim - operand.ndim
    return tuple(
        FIXED if dim == 1 and out.shape[skipped + k] != 1 else map[skipped + k]
        for k, dim in enumerate(operand.shape)
    )


def view_map(node: Node, map: Map) -> Map | None:
    """The map at which a view reads its input when its output is read at `map`.

    None for a reshape that is more than inserting and removing axes of size 1.
    """
    source = node.inputs[0].type
    out = node.output.type
    if node.op == "transpose":
        entries: list[Entry] = [FIXED] * source.ndim
        for k, p in enumerate(node.attrs["perm"]):
            entries[p] = map[k]
        return tuple(entries)
    if node.op == "broadcast_to":
        return operand_map(map, out, source)
    if node.op == "slice":
        attrs = node.attrs
        return tuple(
            FIXED if dim == 1 else (axis, start + first * by, step * by)
            for dim, (axis, first, step), start, by in zip(
                source.shape, map, attrs["starts"], attrs["steps"], strict=True
            )
        )
    return _reshape_map(source.shape, out.shape, map)


def _reshape_map(source: Shape, out: Shape, map: Map) -> Map | None:
    kept = [k for k, d in enumerate(out) if d != 1]
    wanted = [k for k, d in enumerate(source) if d != 1]
    if [out[k] for k in kept] != [source[k] for k in wanted]:
        return None
    entries: list[Entry] = [FIXED] * len(source)
    for k, w in zip(kept, wanted, strict=True):
        entries[w] = map[k]
    return tuple(entries)


def reduce_map(node: Node, map: Map, reduced_axes: Sequence[int]) -> Map:
    """The map of a reduction's input: kept axes as in `map`, reduced ones on `reduced_axes`."""
    axes = node.attrs["axes"]
    kept, fresh = iter(map), iter(reduced_axes)
    return tuple(
        (next(fresh), 0, 1) if k in axes else next(kept) for k in range(node.inputs[0].type.ndim)
    )


def is_plain(map: Map, shape: Shape, extents: Mapping[int, Dim] | Sequence[Dim]) -> bool:
    """Whether the map reads every element of a value of `shape` once, in the order of its axes."""
    seen = set()
    for (axis, start, step), dim in zip(map, shape, strict=True):
        if dim == 1 and start == 0:
            if axis is not None:
                seen.add(axis)
            continue
        if axis is None or axis in seen or start != 0 or step != 1 or extents[axis] != dim:
            return False
        seen.add(axis)
    return True


def is_shifted(map: Map, other: Map) -> bool:
    """Whether two maps differ in where they start alone."""
    return all(a == b and s == t for (a, _, s), (b, _, t) in zip(map, other, strict=True))


def axis_renaming(map: Map, other: Map) -> dict[int, int] | None:
    """The renaming of nest axes that turns `map` into `other`, if it is one-to-one."""
    renaming: dict[int, int] = {}
    for (a, start, step), (b, other_start, other_step) in zip(map, other, strict=True):
        if (start, step) != (other_start, other_step) or (a is None) != (b is None):
            return None
        if a is None or b is None:
            continue
        if renaming.setdefault(a, b) != b:
            return None
    return renaming if len(set(renaming.values())) == len(renaming) else None


def rename(map: Map, renaming: dict[int, int]) -> Map:
    return tuple((None if a is None else renaming[a], s, t) for a, s, t in map)


VIEWS = frozenset({"transpose", "broadcast_to", "slice", "reshape"})

FREE = frozenset({"const", "size", "iota"})
"""Nodes that cost nothing and are repeated wherever they are read."""


def through_views(
    value: Value,
    map: Map,
    producer: Mapping[Value, Node],
    stop: frozenset[Value] | set[Value] = frozenset(),
) -> tuple[Value, Map]:
    """The value and map that a read of `value` at `map` comes down to, past transparent views."""
    while value not in stop:
        node = producer.get(value)
        if node is None or node.op not in VIEWS:
            break
        inner = view_map(node, map)
        if inner is None:
            break
        value, map = node.inputs[0], inner
    return value, map
