"""What every kind of nest is made with: which value is needed where, addresses, instructions."""

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
)
from tracejit.ir.opdef import OPS
from tracejit.ir.program import MemRef
from tracejit.ir.types import INTP
from tracejit.passes import maps
from tracejit.passes.maps import Map

Key = tuple[Value, Map]


@dataclass(frozen=True)
class Output:
    """What a nest stores: the computed value `key`, as element `map` of `value` in memory."""

    key: Key
    value: Value
    map: Map


@dataclass
class Code:
    """Instructions for one place, and the vars that hold values there."""

    axes: tuple[int, ...]
    parent: Code | None = None
    body: list[Instr] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    vars: dict[Key, int] = field(default_factory=dict)

    def find(self, key: Key) -> int | None:
        code: Code | None = self
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
        self.prologue = Code(())
        self.stages: dict[Key, int] = {}
        self.spilled: dict[Key, Address] = {}
        self.outputs = [
            self._output(v, self._settle(m))
            for v, m in zip(self.block.results, node.attrs["maps"], strict=True)
        ]
        self.live = tuple(a for a, d in enumerate(self.extents) if d != 1)
        self.inner = self._innermost()
        self.columns = bool(self.reduced) and self.inner not in self.reduced
        self.partial = bool(self.reduced) and set(self.reduced) == set(self.live)

    # What is where.

    def _settle(self, map: Map) -> Map:
        """The map without axes of size 1, whose index is always 0."""
        return tuple(
            (None, start, 0)
            if axis is not None and self.extents[axis] == 1
            else (axis, start, step)
            for axis, start, step in map
        )

    def _output(self, value: Value, map: Map) -> Output:
        """What is stored at `map` of `value`; for a write into memory the value that is written."""
        node = self.producer.get(value)
        if node is None or node.op != "update":
            return Output((value, map), value, map)
        source = node.inputs[1]
        region = value.type.with_shape(tuple(node.attrs["sizes"]))
        here = maps.within(map)
        return Output(self.read(source, maps.operand_map(here, region, source.type)), value, map)

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
            stack: list[tuple[Key, bool]] = [(output.key, False)]
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
        """The axis along which most accesses are contiguous; of equals a reduced one, the last."""
        if not self.live:
            return None
        votes = dict.fromkeys(self.live, 0)
        self.all_keys = self.keys()
        accesses = [k for k in self.all_keys if self.computed(k) is None and k[0] in self.memory]
        for value, map in [*accesses, *((o.value, o.map) for o in self.outputs)]:
            ref = self.memory[value]
            for axis, stride in self._strides(ref, map):
                if axis in votes and stride == ref.dtype.itemsize:
                    votes[axis] += 1
        rows = any(maps.axes_of(o.map) < set(self.live) for o in self.outputs)
        if rows and not self.reduced:
            return self.live[-1]
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
        return Address(
            self.operand(ref, value.hint, written), offset, tuple(self._strides(ref, map))
        )

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

    def emit(self, key: Key, code: Code, place: Callable[[Key, Code], Code]) -> int:
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
            missing = [k for k in inner if code.find(k) is None and place(k, code).find(k) is None]
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

    def _lookup(self, key: Key, code: Code, place: Callable[[Key, Code], Code]) -> int:
        found = code.find(key)
        if found is None:
            found = place(key, code).find(key)
        assert found is not None
        return found

    def _emit_leaf(self, key: Key, home: Code) -> int:
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

    def finish(self, outer: tuple[int, ...], sections: Sequence[Code], title: str = "") -> Nest:
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
            streams=not self.reduced and not self._reads_what_it_writes(),
            loc=self.node.loc,
            title=title or _title(self.block),
        )
        return nest

    def _reads_what_it_writes(self) -> bool:
        written = {o.slot for o in self.operands if o.written}
        loaded = (v for v, _ in self.keys() if v in self.memory and self.producer.get(v) is None)
        return any(self.memory[v].slot in written for v in loaded)


def _title(block: Graph) -> str:
    kinds = ("elementwise", "reduce")
    names = [n.op for n in block.nodes if OPS[n.op].kind in kinds or n.op == "update"]
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... {len(names)} ops"
