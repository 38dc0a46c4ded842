"""Elementwise groups and reductions over the innermost axes, as loop nests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.loops import (
    CHUNK,
    Address,
    Carry,
    Constant,
    Index,
    Instr,
    Load,
    Nest,
    Section,
    Store,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import ARG_REDUCTIONS
from tracejit.ir.types import INTP
from tracejit.passes import maps
from tracejit.passes.collapse import chunked, collapse
from tracejit.passes.maps import Map
from tracejit.passes.nest_builder import Code, Key, NestBuilder, Output
from tracejit.passes.short_rows import join_short_rows

REDUCE_CHUNK = 32768
"""Elements per partial result of a full reduction; also what keeps float sums accurate."""
SPILL_FLOPS = 8.0
"""A value that costs more than this is kept in scratch rather than computed again."""


class RowNests:
    """Elementwise groups, and reductions over the innermost axes."""

    def __init__(self, b: NestBuilder) -> None:
        self.b = b
        inner = b.inner
        if b.reduced:
            loop = [a for a in b.live if a in b.reduced and a != inner]
        else:
            loop = []
        self.loop = (*loop, inner) if inner is not None else ()
        self.outer = tuple(a for a in b.live if a not in self.loop)
        self.done: list[Code] = []
        self._carries: dict[Key, Carry] = {}

    def build(self) -> list[Nest]:
        return [n if self.b.partial or not self.b.live else settled(n) for n in self.plain()]

    def plain(self) -> list[Nest]:
        """The nests with the axes that the fused node has."""
        b = self.b
        rows = [Code((), b.prologue)]
        self.rows = rows
        reduces: dict[int, list[Key]] = {}
        stores: dict[int, list[Output]] = {}
        for key in b.all_keys if b.live else b.keys():
            node = b.computed(key)
            if node is not None and OPS[node.op].kind == "reduce":
                reduces.setdefault(b.stage(key) - 1, []).append(key)
        for output in b.outputs:
            if self._full(output.map):
                stores.setdefault(b.stage(output.key), []).append(output)
        last = max([*reduces, *stores], default=-1)
        sections: list[Code] = [rows[0]]
        for stage in range(last + 1):
            code = Code(self.loop, rows[stage])
            for key in reduces.get(stage, []):
                self._emit_carry(key, code)
            self._store(stores.get(stage, []), code)
            sections.append(code)
            after = Code((), rows[stage])
            for key in reduces.get(stage, []):
                after.vars[key] = self._carries[key].var
            rows.append(after)
            sections.append(after)
        if b.partial:
            return self._two_nests(sections, [k for ks in reduces.values() for k in ks])
        for output in b.outputs:
            if not self._full(output.map):
                self._store([output], rows[min(b.stage(output.key), len(rows) - 1)])
        if not b.live:
            return [b.finish((), sections)]
        return [b.finish(self.outer, sections)]

    def _full(self, map: Map) -> bool:
        return any(a in self.loop for a in maps.axes_of(map))

    def place(self, key: Key, code: Code) -> Code:
        """Scalars go in front of everything, row values before the section, the rest into it."""
        axes = maps.axes_of(key[1])
        b = self.b
        if any(a in self.loop for a in axes):
            if code.axes:
                self._spill(key, code)
            return code
        stage = b.stage(key)
        if not axes and not stage:
            return b.prologue
        return self.rows[min(stage, len(self.rows) - 1)]

    def _spill(self, key: Key, code: Code) -> None:
        """Keep an expensive value that an earlier section computed."""
        b = self.b
        if key in b.spilled or b.computed(key) is None or key in code.vars:
            return
        for earlier in self.done:
            if earlier is code:
                continue
            var = earlier.vars.get(key)
            if var is None or b.cost(key) <= SPILL_FLOPS:
                continue
            dtype = key[0].type.dtype
            address = b.new_scratch(dtype, self.loop)
            earlier.body.append(Store(address, var, dtype))
            b.spilled[key] = address
            return

    def _emit_carry(self, key: Key, code: Code) -> None:
        b = self.b
        self._remember(code)
        node = b.producer[key[0]]
        (source,) = b.reads(key)
        value = b.emit(source, code, self.place)
        dtype = source[0].type.dtype
        if node.op in ARG_REDUCTIONS:
            index = b.var()
            (axis,) = b._reduced_axes(node)
            if b.extents[axis] == 1:
                code.body.append(Constant(index, np.int64(0), INTP))
            else:
                code.body.append(Index(index, axis, 0, 1, INTP))
            code.carries.append(Carry(b.var(), node.op, value, dtype, index, b.var()))
        else:
            code.carries.append(Carry(b.var(), node.op, value, dtype))
        self._carries[key] = code.carries[-1]

    def _remember(self, code: Code) -> None:
        if code not in self.done:
            self.done.append(code)

    def _store(self, outputs: Sequence[Output], code: Code) -> None:
        """Store values, all of which are computed before the first one is stored.

        Memory that is written here may be read here too.
        """
        b = self.b
        if code.axes and outputs:
            self._remember(code)
        found = [b.emit(output.key, code, self.place) for output in outputs]
        for output, var in zip(outputs, found, strict=True):
            value, map = output.value, output.map
            code.body.append(Store(b.address(value, map, True), var, value.type.dtype))
            if code.axes and b.computed(output.key) is not None:
                b.spilled.setdefault(output.key, b.address(value, map))

    # Reductions of everything.

    def _two_nests(self, sections: list[Code], reduces: list[Key]) -> list[Nest]:
        b = self.b
        first = collapse(b.finish((), sections))
        axes = next(s.axes for s in first.sections if s.axes)
        axis, size = axes[0], _chunk_size([first.extents[a] for a in axes])
        count = dims.floordiv(first.extents[axis] + (size - 1), size)
        second = NestBuilder.__new__(NestBuilder)
        second.__dict__.update(b.__dict__)
        second.operands, second.operand_index, second.scratch = [], {}, []
        second.prologue = Code(())
        loop = Code((0,))
        row = Code((), second.prologue)
        stores: list[Instr] = []
        for key in reduces:
            carry = self._carries[key]
            parts = [(carry.var, carry.dtype)]
            if carry.best is not None:
                parts = [(carry.best, carry.dtype), (carry.var, INTP)]
            loaded = []
            for part, dtype in parts:
                ref = b.new_buffer(dtype, (count,))
                step = dtype.itemsize
                address = Address(b.operand(ref, "partial", True), 0, ((CHUNK, step),))
                stores.append(Store(address, part, dtype))
                loaded.append(b.var())
                address = Address(second.operand(ref, "partial"), 0, ((0, step),))
                loop.body.append(Load(loaded[-1], address, dtype))
            second.next_var = b.next_var
            result = b.var()
            if carry.best is None:
                combined = Carry(result, carry.op, loaded[0], carry.dtype)
            else:
                combined = Carry(result, carry.op, loaded[0], carry.dtype, loaded[1], b.var())
            loop.carries.append(combined)
            row.vars[key] = result
        second.next_var = b.next_var
        tail = RowNests.__new__(RowNests)
        tail.b, tail.loop, tail.outer, tail.rows, tail.done = second, (), (), [row] * 8, []
        for output in b.outputs:
            if not self._full(output.map):
                tail._store([output], row)
        second.extents, second.reduced = [count], (0,)
        last = second.finish((), [second.prologue, loop, row], "combine the chunks")
        first = replace(
            first,
            chunk=(axis, size),
            sections=(*first.sections, Section((), tuple(stores))),
            operands=tuple(b.operands),
        )
        return [first, replace(last, name=f"{b.name}_combine")]


def settled(nest: Nest) -> Nest:
    """The nest with the axes along which it runs best."""
    return join_short_rows(chunked(collapse(nest)))


def _chunk_size(extents: Sequence[Dim]) -> Dim:
    """Iterations of the first axis that make about `REDUCE_CHUNK` elements."""
    inner = dims.product(list(extents[1:]))
    if isinstance(inner, int):
        return max(1, REDUCE_CHUNK // max(inner, 1))
    return dims.maximum(1, dims.floordiv(REDUCE_CHUNK, inner))
