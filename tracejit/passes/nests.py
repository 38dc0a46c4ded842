"""From a fused node to a loop nest: which axis is innermost, what is computed where.

Row nests have the reduced axes (or the last axis of an elementwise group) innermost: results of
reductions are scalars of the outer iteration. Column nests reduce over an outer axis while the
innermost one is kept: accumulators are rows in scratch memory. A reduction of everything is two
nests, one that reduces chunks in parallel and one that combines them, always in the same order, so
that results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value, producers
from tracejit.ir.loops import (
    CHUNK,
    Address,
    Carry,
    Compute,
    Constant,
    Index,
    Instr,
    Load,
    Nest,
    Operand,
    Scratch,
    Section,
    SizeOf,
    Store,
    Take,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import ARG_REDUCTIONS, identity
from tracejit.ir.program import MemRef
from tracejit.ir.types import BOOL, INTP
from tracejit.passes import maps
from tracejit.passes.maps import Map

REDUCE_CHUNK = 32768
"""Elements per partial result of a full reduction; also what keeps float sums accurate."""
ELEMENTWISE_CHUNK = 16384
COLUMN_CHUNK = 512
SPILL_FLOPS = 8.0
"""A value that costs more than this is kept in scratch rather than computed again."""

Key = tuple[Value, Map]


@dataclass
class _Code:
    """Instructions for one place, and the vars that hold values there."""

    axes: tuple[int, ...]
    parent: _Code | None = None
    body: list[Instr] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    vars: dict[Key, int] = field(default_factory=dict)

    def find(self, key: Key) -> int | None:
        code: _Code | None = self
        while code is not None:
            if key in code.vars:
                return code.vars[key]
            code = code.parent
        return None


class NestBuilder:
    """Builds the nests of one fused node. `memory` says where its inputs and outputs lie."""

    def __init__(
        self,
        node: Node,
        memory: dict[Value, MemRef],
        name: str,
        new_buffer: Callable[[np.dtype, tuple[Dim, ...]], MemRef],
    ) -> None:
        (self.block,) = node.blocks
        self.node, self.memory, self.name, self.new_buffer = node, memory, name, new_buffer
        self.producer = producers(self.block)
        self.extents: list[Dim] = list(node.attrs["extents"])
        self.reduced = tuple(a for a in node.attrs["reduced"] if self.extents[a] != 1)
        self.operands: list[Operand] = []
        self.operand_index: dict[int, int] = {}
        self.scratch: list[Scratch] = []
        self.next_var = 0
        self.prologue = _Code(())
        self.stages: dict[Key, int] = {}
        self.spilled: dict[Key, Address] = {}
        self.outputs: list[tuple[Value, Map]] = [
            (v, self._settle(m)) for v, m in zip(self.block.results, node.attrs["maps"], strict=True)
        ]
        self.live = tuple(a for a, d in enumerate(self.extents) if d != 1)
        self.inner = self._innermost()
        self.columns = bool(self.reduced) and self.inner not in self.reduced
        self.partial = bool(self.reduced) and set(self.reduced) == set(self.live)

    # What is where.

    def _settle(self, map: Map) -> Map:
        """The map without axes of size 1, whose index is always 0."""
        return tuple(
            (None, start, 0) if axis is not None and self.extents[axis] == 1 else (axis, start, step)
            for axis, start, step in map
        )

    def read(self, value: Value, map: Map) -> Key:
        """The computed value or memory that a read comes down to."""
        value, map = maps.through_views(value, map, self.producer)
        return value, self._settle(map)

    def reads(self, key: Key) -> list[Key]:
        """What a computed value reads, in order."""
        value, map = key
        node = self.producer[value]
        if OPS[node.op].kind == "reduce":
            inner = maps.reduce_map(node, map, self._reduced_axes(node))
            return [self.read(node.inputs[0], inner)]
        out = node.output.type
        return [self.read(v, maps.operand_map(map, out, v.type)) for v in node.inputs]

    def _reduced_axes(self, node: Node) -> tuple[int, ...]:
        return tuple(self.node.attrs["reduced"])

    def computed(self, key: Key) -> Node | None:
        """The elementwise or reduce node that computes a value inside this nest."""
        node = self.producer.get(key[0])
        if node is None or OPS[node.op].kind not in ("elementwise", "reduce"):
            return None
        return node

    def stage(self, key: Key) -> int:
        """How many sections must have run before the value can be computed."""
        stack = [key]
        while stack:
            top = stack[-1]
            if top in self.stages:
                stack.pop()
                continue
            node = self.computed(top)
            if node is None:
                self.stages[stack.pop()] = 0
                continue
            inner = self.reads(top)
            missing = [k for k in inner if k not in self.stages]
            if missing:
                stack.extend(missing)
                continue
            found = max((self.stages[k] for k in inner), default=0)
            self.stages[stack.pop()] = found + (OPS[node.op].kind == "reduce")
        return self.stages[key]

    def keys(self) -> list[Key]:
        """Every value that is read or written, producers first."""
        order: dict[Key, None] = {}
        for output in self.outputs:
            stack: list[tuple[Key, bool]] = [(output, False)]
            while stack:
                key, ready = stack.pop()
                if ready:
                    order[key] = None
                elif key not in order:
                    stack.append((key, True))
                    if self.computed(key) is not None:
                        stack.extend((k, False) for k in reversed(self.reads(key)))
        return list(order)

    def _innermost(self) -> int | None:
        """The axis along which most accesses are contiguous; ties go to the last, reduced ones first."""
        if not self.live:
            return None
        votes = dict.fromkeys(self.live, 0)
        self.all_keys = self.keys()
        accesses = [k for k in self.all_keys if self.computed(k) is None and k[0] in self.memory]
        for value, map in [*accesses, *self.outputs]:
            ref = self.memory[value]
            for axis, stride in self._strides(ref, map):
                if axis in votes and stride == ref.dtype.itemsize:
                    votes[axis] += 1
        return max(self.live, key=lambda a: (votes[a], a in self.reduced, a))

    def _strides(self, ref: MemRef, map: Map) -> list[tuple[int, Dim]]:
        table: dict[int, Dim] = {}
        for (axis, _, step), stride in zip(map, ref.strides, strict=True):
            if axis is not None:
                table[axis] = table.get(axis, 0) + stride * step
        return list(table.items())

    def address(self, value: Value, map: Map, written: bool = False) -> Address:
        """The address of `value` at `map` in memory."""
        ref = self.memory[value]
        offset = ref.offset
        for (_, start, _), stride in zip(map, ref.strides, strict=True):
            offset = offset + stride * start
        return Address(self.operand(ref, value.hint, written), offset, tuple(self._strides(ref, map)))

    def operand(self, ref: MemRef, name: str = "", written: bool = False) -> int:
        index = self.operand_index.get(ref.slot)
        if index is None:
            index = self.operand_index[ref.slot] = len(self.operands)
            self.operands.append(Operand(ref.slot, ref.dtype, written, name))
        elif written and not self.operands[index].written:
            self.operands[index] = replace(self.operands[index], written=True)
        return index

    def new_scratch(self, dtype: np.dtype, axes: Sequence[int]) -> Address:
        """A row of scratch over `axes`, confined to the chunk where one of them is chunked."""
        extent: Dim = 1
        strides: list[tuple[Any, Dim]] = []
        for axis in reversed(axes):
            strides.append((axis, extent * dtype.itemsize))
            chunk = self.chunk
            if chunk is not None and chunk[0] == axis:
                strides.append((CHUNK, extent * chunk[1] * -dtype.itemsize))
                extent = extent * dims.minimum(chunk[1], self.extents[axis])
            else:
                extent = extent * self.extents[axis]
        self.scratch.append(Scratch(dtype, extent))
        self.operands.append(Operand(-len(self.scratch), dtype, True, f"row{len(self.scratch)}"))
        return Address(len(self.operands) - 1, 0, tuple(strides))

    def var(self) -> int:
        self.next_var += 1
        return self.next_var - 1

    # Emitting values.

    def emit(self, key: Key, code: _Code, place: Callable[[Key, _Code], _Code]) -> int:
        """The var of a value in `code`; `place(key, code)` says which code it belongs to."""
        found = code.find(key)
        if found is not None:
            return found
        stack: list[Key] = [key]
        while stack:
            top = stack[-1]
            home = place(top, code)
            if code.find(top) is not None or home.find(top) is not None:
                stack.pop()
                continue
            node = self.computed(top)
            if node is None or top in self.spilled:
                home.vars[top] = self._emit_leaf(top, home)
                stack.pop()
                continue
            inner = self.reads(top)
            missing = [
                k for k in inner if code.find(k) is None and place(k, code).find(k) is None
            ]
            if missing:
                stack.extend(reversed(missing))
                continue
            args = tuple(self._lookup(k, code, place) for k in inner)
            var = self.var()
            dtype = node.output.type.dtype
            home.body.append(Compute(var, node.op, args, node.attrs, dtype))
            home.vars[top] = var
            stack.pop()
        return self._lookup(key, code, place)

    def _lookup(self, key: Key, code: _Code, place: Callable[[Key, _Code], _Code]) -> int:
        found = code.find(key)
        if found is None:
            found = place(key, code).find(key)
        assert found is not None
        return found

    def _emit_leaf(self, key: Key, home: _Code) -> int:
        value, map = key
        var = self.var()
        if key in self.spilled:
            home.body.append(Load(var, self.spilled[key], value.type.dtype))
            return var
        node = self.producer.get(value)
        if node is None:
            home.body.append(Load(var, self.address(value, map), value.type.dtype))
        elif node.op == "const":
            home.body.append(Constant(var, node.attrs["value"], value.type.dtype))
        elif node.op == "size":
            home.body.append(SizeOf(var, node.attrs["dim"]))
        else:
            axis, start, step = map[node.attrs["axis"]]
            if axis is None:
                home.body.append(SizeOf(var, start))
                if value.type.dtype != INTP:
                    cast = self.var()
                    attrs = {"dtype": value.type.dtype}
                    home.body.append(Compute(cast, "cast", (var,), attrs, value.type.dtype))
                    return cast
            else:
                home.body.append(Index(var, axis, start, step, value.type.dtype))
        return var

    def cost(self, key: Key) -> float:
        """Additions to compute a value from memory, each inner value counted once."""
        total, seen, stack = 0.0, {key}, [key]
        while stack:
            top = stack.pop()
            node = self.computed(top)
            if node is None or top in self.spilled:
                continue
            if OPS[node.op].kind == "reduce":
                continue
            total += OPS[node.op].flops
            for inner in self.reads(top):
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)
        return total

    # Building.

    chunk: tuple[int, Dim] | None = None

    def build(self) -> list[Nest]:
        """The nests, in the order in which they run."""
        if self.columns:
            return [ColumnNests(self).build()]
        return RowNests(self).build()

    def finish(
        self, outer: tuple[int, ...], sections: Sequence[_Code], title: str = ""
    ) -> Nest:
        """Put a nest together."""
        flops = sum(
            OPS[i.op].flops for s in sections if s.axes for i in s.body if isinstance(i, Compute)
        )
        nest = Nest(
            name=self.name,
            extents=tuple(self.extents),
            outer=outer,
            sections=tuple(
                Section(s.axes, tuple(s.body), tuple(s.carries))
                for s in sections
                if s.body or s.carries
            ),
            operands=tuple(self.operands),
            prologue=tuple(self.prologue.body),
            chunk=self.chunk,
            scratch=tuple(self.scratch),
            flops=max(1.0, flops),
            ops=sum(1 for n in self.block.nodes if self.computed((n.output, ())) is not None),
            streams=not self.reduced,
            loc=self.node.loc,
            title=title or _title(self.block),
        )
        return nest


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
        self.done: list[_Code] = []
        self._carries: dict[Key, Carry] = {}

    def build(self) -> list[Nest]:
        b = self.b
        rows = [_Code((), b.prologue)]
        self.rows = rows
        reduces: dict[int, list[Key]] = {}
        stores: dict[int, list[Key]] = {}
        for key in b.all_keys if b.live else b.keys():
            node = b.computed(key)
            if node is not None and OPS[node.op].kind == "reduce":
                reduces.setdefault(b.stage(key) - 1, []).append(key)
        for key in b.outputs:
            if self._full(key):
                stores.setdefault(b.stage(key), []).append(key)
        last = max([*reduces, *stores], default=-1)
        sections: list[_Code] = [rows[0]]
        for stage in range(last + 1):
            code = _Code(self.loop, rows[stage])
            for key in reduces.get(stage, []):
                self._emit_carry(key, code)
            for key in stores.get(stage, []):
                self._store(key, code)
            sections.append(code)
            after = _Code((), rows[stage])
            for key in reduces.get(stage, []):
                after.vars[key] = self._carries[key].var
            rows.append(after)
            sections.append(after)
        if b.partial:
            return self._two_nests(sections, [k for ks in reduces.values() for k in ks])
        for key in b.outputs:
            if not self._full(key):
                self._store(key, rows[min(b.stage(key), len(rows) - 1)])
        if not b.live:
            return [b.finish((), sections)]
        nest = b.finish(self.outer, sections)
        return [chunked(collapse(nest))]

    def _full(self, key: Key) -> bool:
        return any(a in self.loop for a in maps.axes_of(key[1]))

    def place(self, key: Key, code: _Code) -> _Code:
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

    def _spill(self, key: Key, code: _Code) -> None:
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

    def _emit_carry(self, key: Key, code: _Code) -> None:
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

    def _remember(self, code: _Code) -> None:
        if code not in self.done:
            self.done.append(code)

    def _store(self, key: Key, code: _Code) -> None:
        b = self.b
        if code.axes:
            self._remember(code)
        value, map = key
        var = b.emit(key, code, self.place)
        code.body.append(Store(b.address(value, map, True), var, value.type.dtype))
        if code.axes:
            b.spilled.setdefault(key, b.address(value, map))

    # Reductions of everything.

    def _two_nests(self, sections: list[_Code], reduces: list[Key]) -> list[Nest]:
        b = self.b
        first = collapse(b.finish((), sections))
        axes = next(s.axes for s in first.sections if s.axes)
        axis, size = axes[0], _chunk_size([first.extents[a] for a in axes])
        count = dims.floordiv(first.extents[axis] + (size - 1), size)
        second = NestBuilder.__new__(NestBuilder)
        second.__dict__.update(b.__dict__)
        second.operands, second.operand_index, second.scratch = [], {}, []
        second.prologue = _Code(())
        loop = _Code((0,))
        row = _Code((), second.prologue)
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
        for key in b.outputs:
            if not self._full(key):
                tail._store(key, row)
        second.extents, second.reduced = [count], (0,)
        last = second.finish((), [second.prologue, loop, row], "combine the chunks")
        first = replace(
            first,
            chunk=(axis, size),
            sections=(*first.sections, Section((), tuple(stores))),
            operands=tuple(b.operands),
        )
        return [first, replace(last, name=f"{b.name}_combine")]


def _chunk_size(extents: Sequence[Dim]) -> Dim:
    """Iterations of the first axis that make about `REDUCE_CHUNK` elements."""
    inner = dims.product(list(extents[1:]))
    if isinstance(inner, int):
        return max(1, REDUCE_CHUNK // max(inner, 1))
    return dims.maximum(1, dims.floordiv(REDUCE_CHUNK, inner))


class ColumnNests:
    """Reductions over outer axes with the innermost one kept: accumulators are rows of scratch."""

    def __init__(self, b: NestBuilder) -> None:
        self.b = b
        assert b.inner is not None
        self.lane = b.inner
        self.outer = tuple(a for a in b.live if a not in b.reduced and a != self.lane)
        self.loop = (*(a for a in b.live if a in b.reduced), self.lane)
        if not self.outer:
            b.chunk = (self.lane, COLUMN_CHUNK)
        self.row = _Code((), b.prologue)
        self.sections: list[_Code] = [self.row]

    def build(self) -> Nest:
        b = self.b
        reduces: dict[int, list[Key]] = {}
        for key in b.all_keys:
            node = b.computed(key)
            if node is not None and OPS[node.op].kind == "reduce":
                reduces.setdefault(b.stage(key) - 1, []).append(key)
        full: dict[int, list[Key]] = {}
        for key in b.outputs:
            if self._full(key):
                full.setdefault(b.stage(key), []).append(key)
        for stage in range(max([*reduces, *full], default=-1) + 1):
            init = self._section((self.lane,))
            main = _Code(self.loop, self.row)
            for key in reduces.get(stage, []):
                self._accumulate(key, init, main)
            for key in full.get(stage, []):
                self._store(key, main)
            self.sections.append(main)
        for key in b.outputs:
            if not self._full(key):
                self._store(key, self._section((self.lane,)))
        return b.finish(self.outer, self.sections)

    def _full(self, key: Key) -> bool:
        return any(a in self.b.reduced for a in maps.axes_of(key[1]))

    def _section(self, axes: tuple[int, ...]) -> _Code:
        code = _Code(axes, self.row)
        self.sections.append(code)
        return code

    def place(self, key: Key, code: _Code) -> _Code:
        b = self.b
        axes = maps.axes_of(key[1])
        if not axes and not b.stage(key):
            return b.prologue
        if axes <= set(self.outer) and not b.stage(key):
            return self.row
        if (
            code.axes == self.loop
            and not self._full(key)
            and key not in b.spilled
            and b.computed(key) is not None
        ):
            self._keep_row(key)
        return code

    def _keep_row(self, key: Key) -> None:
        """Compute a row value once, in front of the loops over reduced axes, into scratch."""
        b = self.b
        section = self._section((self.lane,))
        var = b.emit(key, section, self.place)
        dtype = key[0].type.dtype
        address = b.new_scratch(dtype, (self.lane,))
        section.body.append(Store(address, var, dtype))
        b.spilled[key] = address

    def _accumulate(self, key: Key, init: _Code, main: _Code) -> None:
        b = self.b
        node = b.producer[key[0]]
        (source,) = b.reads(key)
        dtype = source[0].type.dtype
        value = b.emit(source, main, self.place)
        acc = b.new_scratch(dtype, (self.lane,))
        self._fill(init, acc, identity(node.op, dtype), dtype)
        old = b.var()
        main.body.append(Load(old, acc, dtype))
        if node.op not in ARG_REDUCTIONS:
            new = b.var()
            main.body.append(Compute(new, node.op, (old, value), {}, dtype))
            main.body.append(Store(acc, new, dtype))
            b.spilled[key] = acc
            return
        position = b.new_scratch(INTP, (self.lane,))
        self._fill(init, position, np.int64(0), INTP)
        (axis,) = b._reduced_axes(node)
        index, first, at, better, take, best, where, zero = (b.var() for _ in range(8))
        main.body += [
            Index(index, axis, 0, 1, INTP),
            Constant(zero, np.int64(0), INTP),
            Compute(first, "equal", (index, zero), {}, BOOL),
            Load(at, position, INTP),
            Compute(better, node.op, (value, old), {}, BOOL),
            Compute(take, "logical_or", (first, better), {}, BOOL),
            Compute(best, "select", (take, value, old), {}, dtype),
            Compute(where, "select", (take, index, at), {}, INTP),
            Store(acc, best, dtype),
            Store(position, where, INTP),
        ]
        b.spilled[key] = position

    def _fill(self, code: _Code, address: Address, value: Any, dtype: np.dtype) -> None:
        var = self.b.var()
        code.body += [Constant(var, value, dtype), Store(address, var, dtype)]

    def _store(self, key: Key, code: _Code) -> None:
        b = self.b
        value, map = key
        var = b.emit(key, code, self.place)
        code.body.append(Store(b.address(value, map, True), var, value.type.dtype))
        if code.axes == self.loop:
            b.spilled.setdefault(key, b.address(value, map))


def collapse(nest: Nest) -> Nest:
    """Merge neighbouring axes of a row nest that every access walks as one."""
    looped = [s for s in nest.sections if s.axes]
    if not looped:
        return nest
    loop = looped[0].axes
    elementwise = len(looped) == 1 and not looped[0].carries and not nest.scratch
    body = [i for s in nest.sections for i in s.body] + list(nest.prologue)
    addresses = [i.address for i in body if isinstance(i, (Load, Store, Take))]
    indexed = {i.axis for i in body if isinstance(i, Index)}
    extents = list(nest.extents)
    merged: dict[int, int] = {}

    def walks_as_one(a: int, b: int) -> bool:
        if a in indexed or b in indexed:
            return False
        return all(x.stride(a) == x.stride(b) * extents[b] for x in addresses)

    def shrink(axes: list[int]) -> list[int]:
        for k in range(len(axes) - 1, 0, -1):
            a, b = axes[k - 1], axes[k]
            if walks_as_one(a, b):
                extents[b] = extents[a] * extents[b]
                merged[a] = b
                del axes[k - 1]
        return axes

    outer, loops = list(nest.outer), list(loop)
    if elementwise:
        together = shrink([*outer, *loops])
        outer, loops = together[:-1], together[-1:]
    else:
        outer, loops = shrink(outer), shrink(loops)
    if not merged:
        return nest

    def settle(address: Address) -> Address:
        return replace(
            address, strides=tuple((a, s) for a, s in address.strides if a not in merged)
        )

    def rewrite(instr: Instr) -> Instr:
        if isinstance(instr, (Load, Store, Take)):
            return replace(instr, address=settle(instr.address))
        return instr

    return replace(
        nest,
        extents=tuple(extents),
        outer=tuple(outer),
        prologue=tuple(map(rewrite, nest.prologue)),
        sections=tuple(
            replace(s, axes=tuple(loops) if s.axes else (), body=tuple(map(rewrite, s.body)))
            for s in nest.sections
        ),
    )


def chunked(nest: Nest) -> Nest:
    """Cut the only axis of an elementwise nest into chunks that threads can share."""
    loops = [s for s in nest.sections if s.axes]
    if nest.outer or nest.chunk is not None or nest.scratch or len(loops) != 1:
        return nest
    if loops[0].carries or len(loops[0].axes) != 1:
        return nest
    return replace(nest, chunk=(loops[0].axes[0], ELEMENTWISE_CHUNK))


def _title(block: Graph) -> str:
    names = [n.op for n in block.nodes if OPS[n.op].kind in ("elementwise", "reduce")]
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... {len(names)} ops"
