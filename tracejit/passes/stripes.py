"""A stencil that writes what it reads: computed and written back in stripes of rows.

    before: %1 = fused(%x) {x[:-2] + x[2:]}; %2 = fused(%x, %1) {x[1:-1] = %1 / 2}
    after:  for each stripe: its rows of %1 into a small buffer; the stripe before it into x

The value to be written has to be complete before an element that it reads is overwritten. Kept
whole, it would be an array of its own that is written and read back through memory. But a row is
not needed any more once the rows that read it are computed, so a stripe can be written when the
next one is there. Two stripes take turns in a buffer that fits into the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.loops import Address, Fill, Index, Instr, Load, Nest, Put, Store, Take
from tracejit.ir.program import Loop, MemRef, Step, contiguous_strides
from tracejit.passes import maps
from tracejit.passes.nest_builder import NestBuilder
from tracejit.passes.reads import element_reads
from tracejit.passes.row_nests import RowNests, settled

STRIPE_ELEMENTS = 1 << 16
"""About as many elements as a stripe has; two of them should stay in the second-level cache."""

SYMBOL = "stripe"
"""The size symbol that counts the stripes; these loops are not nested."""


class Lowering(Protocol):
    """What of the lowering is needed here."""

    graph: Graph
    memory: dict[Value, MemRef]
    steps: list[Step]
    symbols: dict[str, int]

    def new_buffer(
        self, dtype: np.dtype, shape: tuple[Dim, ...], result: bool = False
    ) -> MemRef: ...

    def step_name(self) -> str: ...

    def new_words(self, count: int) -> int: ...

    def place_outputs(self, node: Node) -> None: ...

    def release(self, ref: MemRef) -> None: ...


def striped(lowering: Lowering, node: Node, following: Node | None) -> bool:
    """Lower a value and the write that follows it in stripes; False where that does not apply."""
    if following is None or not _is_value_and_write(lowering.graph, node, following):
        return False
    rows = _rows_behind(lowering, node, following)
    if rows is None:
        return False
    value = node.output
    extents = tuple(node.attrs["extents"])
    row = dims.product(extents[1:])
    height = dims.maximum(max(rows, 1), dims.floordiv(STRIPE_ELEMENTS, dims.maximum(row, 1)))
    height = dims.minimum(height, dims.maximum(extents[0], max(rows, 1)))
    ring = lowering.new_buffer(value.type.dtype, (height * 2, *extents[1:]))
    lowering.memory[value] = ring
    lowering.place_outputs(following)
    stripe = _Stripe(lowering, value, ring, height)
    slot = lowering.symbols.get(SYMBOL)
    if slot is None:
        slot = lowering.symbols[SYMBOL] = lowering.new_words(1)
    here = dims.sym(SYMBOL)
    count = dims.floordiv(extents[0] + height - 1, height)
    length = dims.minimum(height, extents[0] - here * height)
    name = lowering.step_name()
    compute = stripe.nest(node, f"{name}_value", here, length)
    write = stripe.nest(following, f"{name}_write", here - 1, dims.minimum(here, 1) * height)
    rest = (extents[0] - (count - 1) * height) * dims.minimum(count, 1)
    last = stripe.nest(following, f"{name}_last", count - 1, rest)
    loop = Loop(SYMBOL, slot, count, (compute, write), following.loc, "stripes of rows")
    lowering.steps += [loop, last]
    lowering.release(lowering.memory.pop(value))
    return True


def _is_value_and_write(graph: Graph, node: Node, following: Node) -> bool:
    """Whether `node` computes one array, and `following` alone reads it, row by row, to write."""
    if not (node.op == following.op == "fused") or len(node.outputs) != 1 or any(node.reuses):
        return False
    if node.reuses or not any(k is not None for k in following.reuses):
        return False
    value, extents = node.output, tuple(node.attrs["extents"])
    if node.attrs["reduced"] or following.attrs["reduced"] or len(extents) < 1:
        return False
    if tuple(following.attrs["extents"]) != extents or value.type.shape != extents:
        return False
    if extents[0] == 1 or value in graph.results:
        return False
    if any(k is not None and following.inputs[k] is value for k in following.reuses):
        return False
    readers = [n for n in graph.nodes if value in n.inputs]
    whole = maps.identity(extents)
    if readers != [following] or node.attrs["maps"][0] != whole:
        return False
    return all(m == whole for v, m in element_reads(following) if v is value)


def _rows_behind(lowering: Lowering, node: Node, following: Node) -> int | None:
    """How many rows back `node` reads what `following` writes; None where that is not known."""
    rows = 0
    for map, number in zip(following.attrs["maps"], following.reuses, strict=True):
        if number is None:
            if not map or map[0] != (0, 0, 1):
                return None
            continue
        slot = lowering.memory[following.inputs[number]].slot
        axis = next((k for k, entry in enumerate(map) if entry[0] == 0), None)
        if axis is None or map[axis][2] != 1:
            return None
        target = lowering.memory[following.inputs[number]]
        if len(map) > 1 and target.strides[axis] == target.dtype.itemsize:
            return None  # the rows are columns in memory
        for read, at in element_reads(node):
            ref = lowering.memory[read]
            if ref.slot != slot:
                continue
            if ref != target:
                return None
            others = [e for k, e in enumerate(at) if k != axis and e[0] == 0]
            if others or at[axis][0] != 0 or at[axis][2] != 1:
                return None
            offset = at[axis][1] - map[axis][1]
            if not isinstance(offset, int):
                return None
            rows = max(rows, -offset)
    return rows


class _Stripe:
    """Builds nests for a stripe of the rows, with `value` in a ring of two stripes."""

    def __init__(self, lowering: Lowering, value: Value, ring: MemRef, height: Dim) -> None:
        self.lowering, self.value, self.ring, self.height = lowering, value, ring, height

    def nest(self, node: Node, name: str, number: Dim, length: Dim) -> Nest:
        """The nest of `node` for `length` rows of stripe `number`."""
        shape = self.value.type.shape
        strides = contiguous_strides(shape, self.ring.dtype.itemsize)
        place = dims.mod(number + 2, 2) - number
        self.lowering.memory[self.value] = replace(
            self.ring, offset=strides[0] * self.height * place, strides=strides, shape=shape
        )
        builder = NestBuilder(node, self.lowering.memory, name, self.lowering.new_buffer)
        (nest,) = RowNests(builder).plain()
        return settled(_restricted(nest, number * self.height, length))


def _restricted(nest: Nest, start: Dim, length: Dim) -> Nest:
    """The rows of `nest` from `start` on."""

    def moved(address: Address) -> Address:
        return replace(address, offset=address.offset + address.stride(0) * start)

    def changed(instr: Instr) -> Instr:
        if isinstance(instr, (Load, Take, Store, Put)):
            return replace(instr, address=moved(instr.address))
        if isinstance(instr, Index) and instr.axis == 0:
            return replace(instr, start=instr.start + instr.step * start)
        return instr

    def body(instrs: Sequence[Instr]) -> tuple[Any, ...]:
        return tuple(map(changed, instrs))

    fills = tuple(Fill(f.scratch, moved(f.source), f.length, f.repeats) for f in nest.fills)
    return replace(
        nest,
        extents=(length, *nest.extents[1:]),
        prologue=body(nest.prologue),
        sections=tuple(replace(s, body=body(s.body)) for s in nest.sections),
        fills=fills,
        streams=False,
    )
