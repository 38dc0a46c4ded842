"""From an optimized graph to a program: where every value lies, and the steps that compute it.

Frame words are given out, views become addresses, fused nodes become loop nests, matrix products
calls of BLAS; what nobody else covers becomes a nest of its own. Temporaries whose lifetimes do not
overlap share memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, ScalarGuard, Value, symbol_definers
from tracejit.ir.opdef import OPS
from tracejit.ir.program import (
    Buffer,
    MatMul,
    MemRef,
    Param,
    Program,
    Step,
    contiguous_strides,
)
from tracejit.passes import maps
from tracejit.passes.arena import Arena
from tracejit.passes.calls import checked_at_entry, library_call
from tracejit.passes.chains import CONTROL
from tracejit.passes.index_nests import gather, scatter, take
from tracejit.passes.lower_control import bind, empty, lower_ifelse, lower_loop, required
from tracejit.passes.maps import Map
from tracejit.passes.nests import fused_nests
from tracejit.passes.plain_nests import concatenate, copy_nest, cumulate, update
from tracejit.passes.reads import element_reads
from tracejit.passes.results import finish_results, finish_views
from tracejit.passes.stripes import striped


def lower(graph: Graph, layouts: Sequence[str], weak: Sequence[type | None]) -> Program:
    """The program of an optimized graph whose params have these layouts and weak types."""
    return Lowering(graph, layouts, weak).run()


class Lowering(Arena):
    def __init__(self, graph: Graph, layouts: Sequence[str], weak: Sequence[type | None]) -> None:
        self.graph = graph
        super().__init__(
            late=symbol_definers(graph).keys(),
            has_blocks=any(n.op in CONTROL for n in graph.nodes),
        )
        self.memory: dict[Value, MemRef] = {}
        self.symbols: dict[str, int] = {}
        self.checks: list[tuple[int, Dim]] = []
        self.constants: list[tuple[int, np.ndarray]] = []
        self.kept: set[Value] = set()
        self.position = 0
        self.depth = 0
        self.turns = 0
        self.entry_guards = checked_at_entry(graph)
        self.numbered = 0
        self.numbers: dict[Value, Node] = {}
        self.params = tuple(
            self._param(value, layout, kind)
            for value, layout, kind in zip(graph.params, layouts, weak, strict=True)
        )
        self._bind_symbols()
        self.last_use = self._last_uses()

    def run(self) -> Program:
        self._lower_nodes()
        self._write_back()
        results = finish_results(self)
        scalar_guards = [g for g in self.graph.guards if isinstance(g, ScalarGuard)]
        return Program(
            name=self.graph.name,
            frame_words=self.words,
            params=self.params,
            symbols=self.symbols,
            checks=tuple(self.checks),
            guards=self.entry_guards,
            scalar_guards=tuple(scalar_guards),
            constants=tuple(self.constants),
            buffers=tuple(self.buffers.values()),
            steps=tuple(self.steps),
            results=results,
            views=finish_views(self, results),
        )

    def _lower_nodes(self) -> None:
        nodes = self.graph.nodes
        while self.position < len(nodes):
            position = self.position
            following = nodes[position + 1] if position + 1 < len(nodes) else None
            lowered = 2
            if not striped(self, nodes[position], following):
                self._lower(nodes[position])
                lowered = 1
            for k in range(position, position + lowered):
                self._release(k)
            self.position += lowered

    def block(
        self, graph: Graph, refs: Sequence[MemRef], finish: Callable[[], None]
    ) -> tuple[Step, ...]:
        """The steps of a block whose params lie at `refs`; `finish` adds the last ones."""
        names = ("graph", "steps", "position", "last_use", "result_roots", "numbered")
        outer = [getattr(self, name) for name in names]
        first = self.numbered = self.numbered + len(self.steps)
        self.graph, self.steps, self.position = graph, [], 0
        self.depth += 1
        self.memory.update(zip(graph.params, refs, strict=True))
        self.last_use = self._last_uses()
        self.result_roots: set[Value] = set()
        required(self)
        self._lower_nodes()
        self._write_back()
        finish()
        self._release(len(graph.nodes))
        self.depth -= 1
        steps, taken = tuple(self.steps), self.numbered + len(self.steps) - first
        for name, value in zip(names, outer, strict=True):
            setattr(self, name, value)
        self.numbered += taken
        return steps

    def step_name(self) -> str:
        """The name of the next step."""
        return f"nest{self.numbered + len(self.steps)}"

    def _write_back(self) -> None:
        """Copy what a written parameter becomes into its memory, where it does not lie there.

        It does not where it was written through a reshape that its strides do not allow as a view.
        """
        for p, r in self.graph.written:
            found, target = (self.memory[v] for v in (self.graph.results[r], self.graph.params[p]))
            if found != target:
                name = self.step_name()
                self.steps.append(copy_nest(found, target, name, None, "write back"))

    # The frame.

    def _param(self, value: Value, layout: str, weak: type | None) -> Param:
        slot = self.words
        param = Param(slot, value.type, layout, weak, value.hint)
        self.new_words(param.words)
        rank = value.type.ndim
        strides: tuple[Dim, ...]
        item = value.type.dtype.itemsize
        number = self.graph.params.index(value)
        names = [dims.stride_symbol(number, k) for k in range(rank)]
        if weak is None:
            self.symbols.update((name, slot + 1 + rank + k) for k, name in enumerate(names))
        if layout == "C":
            strides = contiguous_strides(value.type.shape, item)
        elif layout == "F":
            strides = contiguous_strides(value.type.shape[::-1], item)[::-1]
        else:
            symbolic: list[Dim] = [dims.sym(name) for name in names]
            if layout == "I":
                symbolic[-1] = item
            strides = tuple(symbolic)
        self.memory[value] = MemRef(slot, 0, strides, value.type.shape, value.type.dtype)
        return param

    def _bind_symbols(self) -> None:
        """Give each size symbol the word of the first param dim that it is; check all others."""
        pending: list[tuple[int, Dim]] = []
        for param in self.params:
            for k, dim in enumerate(param.type.shape):
                word = param.slot + 1 + k
                name = dims.symbol_name(dim)
                if name is not None and name not in self.symbols:
                    self.symbols[name] = word
                else:
                    pending.append((word, dim))
        self.checks = pending
        for name, number in self.graph.scalars:
            self.symbols.setdefault(name, self.params[number].slot + 1)

    # Lifetimes.

    def _last_uses(self) -> dict[int, list[Value]]:
        """For each node position, the values whose memory nobody needs afterwards."""
        root: dict[Value, Value] = {}
        last: dict[Value, int] = {}
        for position, node in enumerate(self.graph.nodes):
            if node.op in maps.VIEWS:
                root[node.output] = root.get(node.inputs[0], node.inputs[0])
            for value, number in zip(node.outputs, node.reuses, strict=False):
                if number is not None:
                    root[value] = root.get(node.inputs[number], node.inputs[number])
            for value in node.inputs:
                last[root.get(value, value)] = position
        for value in self.graph.results:
            last[root.get(value, value)] = len(self.graph.nodes)
        table: dict[int, list[Value]] = {}
        given = set(self.graph.params)
        for value, position in last.items():
            if value not in given:
                table.setdefault(position, []).append(value)
        self.result_roots = {root.get(v, v) for v in self.graph.results}
        return table

    def _release(self, position: int) -> None:
        for value in self.last_use.get(position, ()):
            ref = self.memory.get(value)
            if ref is not None and value not in self.kept:
                self.release(ref)

    def allocate_by_call(self, value: Value) -> MemRef:
        """Memory that the call which fills it allocates, for it finds out how much."""
        type = value.type
        slot = self.new_words(1)
        nbytes = dims.product(type.shape) * type.dtype.itemsize
        result = value in self.result_roots
        self.buffers[slot] = Buffer(slot, nbytes, result, called=True)
        strides = contiguous_strides(type.shape, type.dtype.itemsize)
        ref = self.memory[value] = MemRef(slot, 0, strides, type.shape, type.dtype)
        return ref

    def allocate(self, value: Value, columns_first: bool = False) -> MemRef:
        """Memory for a computed value, in C or Fortran order; a result goes to the caller."""
        type = value.type
        ref = self.new_buffer(type.dtype, type.shape, result=value in self.result_roots)
        if columns_first:
            strides = contiguous_strides(type.shape[::-1], type.dtype.itemsize)[::-1]
            ref = replace(ref, strides=strides)
        self.memory[value] = ref
        return ref

    # Nodes.

    def _lower(self, node: Node) -> None:
        if node.op in ("const", "size") and not node.output.type.ndim:
            self.numbers[node.output] = node
        if node.op == "fused":
            self.place_outputs(node)
            nests = fused_nests(
                node, self.memory, self.step_name(), self.new_buffer, self._is_short(node)
            )
            self.steps.extend(nests)
            return
        handler = _HANDLERS.get(node.op)
        if handler is None and OPS[node.op].kind == "library":
            library_call(self, node)
            return
        if handler is None:
            raise NotImplementedError(f"no lowering for {node.op}")
        handler(self, node)

    def _is_short(self, node: Node) -> bool:
        """Whether a nest is in an inner loop, or its size depends on the turn."""
        used = {name for d in node.attrs["extents"] for name in dims.free_symbols(d)}
        return self.turns > 1 or not used.isdisjoint(self.limits)

    def place_outputs(self, node: Node) -> None:
        """Memory for what a fused node computes."""
        columns_first = self._reads_columns_first(node)
        self._take_over(node)
        dying = self._dying(node)
        for value, map in zip(node.outputs, node.attrs["maps"], strict=True):
            if value in self.memory:
                continue
            if not columns_first and value not in self.result_roots:
                found = next(
                    (v for v, m in dying.items() if v.type == value.type and m == map), None
                )
                if found is not None:
                    del dying[found]
                    self.memory[value] = self.memory[found]
                    self.kept.add(found)
                    continue
            whole = value.type.shape == node.attrs["extents"]
            self.allocate(value, columns_first and whole)

    def _dying(self, node: Node) -> dict[Value, Map]:
        """Temporaries that an elementwise node is the last to read, and where it reads them.

        What it computes at the same place may overwrite them: an element is read before.
        """
        last = set(self.last_use.get(self.position, ()))
        if node.attrs["reduced"] or last.isdisjoint(node.inputs):
            return {}
        places: dict[int, list[tuple[Value, Map]]] = {}
        for value, map in element_reads(node):
            places.setdefault(self.memory[value].slot, []).append((value, map))
        found = {}
        for value in [v for v in dict.fromkeys(node.inputs) if v in last]:
            ref = self.memory[value]
            buffer = self.buffers.get(ref.slot)
            if buffer is None or buffer.result or buffer.called or not ref.contiguous:
                continue
            reads = places.get(ref.slot, [])
            if ref.offset == 0 and len(reads) == 1 and reads[0][0] is value:
                found[value] = reads[0][1]
        return found

    def _take_over(self, node: Node) -> None:
        """Put the outputs that are written in place where the inputs are that they replace."""
        for value, number in zip(node.outputs, node.reuses, strict=False):
            if number is not None:
                self.memory[value] = self.memory[node.inputs[number]]

    def _reads_columns_first(self, node: Node) -> bool:
        """Whether a nest reads whole arrays, all of them in Fortran order.

        What it computes for every element is then laid out alike, as NumPy's results are.
        """
        extents = tuple(node.attrs["extents"])
        if sum(d != 1 for d in extents) < 2:
            return False
        found = False
        for value in node.blocks[0].params:
            ref = self.memory[value]
            if ref.shape != extents:
                continue
            item = ref.dtype.itemsize
            if ref.strides != contiguous_strides(extents[::-1], item)[::-1]:
                return False
            found = True
        return found

    def _view(self, node: Node) -> None:
        source = self.memory[node.inputs[0]]
        out = node.output.type
        map = maps.view_map(node, maps.identity(out.shape))
        if map is None:
            if not source.contiguous:
                source = self.contiguous(node.inputs[0], node)
            strides = contiguous_strides(out.shape, out.dtype.itemsize)
            self.memory[node.output] = MemRef(
                source.slot, source.offset, strides, out.shape, out.dtype
            )
            return
        offset = source.offset
        table: dict[int, Dim] = dict.fromkeys(range(out.ndim), 0)
        for (axis, start, step), stride in zip(map, source.strides, strict=True):
            offset = offset + stride * start
            if axis is not None:
                table[axis] = table[axis] + stride * step
        self.memory[node.output] = MemRef(
            source.slot, offset, tuple(table.values()), out.shape, out.dtype
        )

    def contiguous(self, value: Value, node: Node, result: bool = False) -> MemRef:
        """`value` copied into C order."""
        source = self.memory[value]
        target = self.new_buffer(source.dtype, source.shape, result)
        self.steps.append(copy_nest(source, target, self.step_name(), node.loc))
        return target

    def _const(self, node: Node) -> None:
        shape: Any = node.output.type.shape
        array = np.ascontiguousarray(node.attrs["value"]).reshape(shape)
        slot = self.new_words(1)
        self.constants.append((slot, array))
        strides = contiguous_strides(array.shape, array.dtype.itemsize)
        self.memory[node.output] = MemRef(slot, 0, strides, array.shape, array.dtype)

    def _generated(self, node: Node) -> None:
        """A size or iota that is needed in memory."""
        block = Graph("fused", (), (node,), node.outputs)
        shape = node.output.type.shape
        attrs = {"extents": shape, "reduced": (), "maps": (maps.identity(shape),)}
        self._lower(Node("fused", (), node.outputs, attrs, (block,), loc=node.loc))

    def _matmul(self, node: Node) -> None:
        a, b = (self._blas_operand(v, node) for v in node.inputs)
        out = self.allocate(node.output)
        self.steps.append(MatMul(a, b, out, node.loc))

    def _blas_operand(self, value: Value, node: Node) -> MemRef:
        """A matrix that BLAS can read: one of its last axes has unit stride, none is reversed.

        Where a dim is 0 the other stride may be 0 too, but nothing is read then.
        """
        ref = _with_plain_strides(self.memory[value])
        item = ref.dtype.itemsize
        rows, columns = ref.strides[-2:]
        dense = (columns == item and rows != 0 and dims.is_nonnegative(rows)) or (
            rows == item and columns != 0 and dims.is_nonnegative(columns)
        )
        known = all(
            not any(s.startswith(dims.STRIDE) for s in dims.free_symbols(x))
            for x in (rows, columns)
        )
        return ref if dense and known else self.contiguous(value, node)

    def _structural(self, node: Node) -> None:
        inputs = [self.memory[v] for v in node.inputs]
        self._take_over(node)
        out = self.memory.get(node.output) or self.allocate(node.output)
        name = self.step_name()
        build = {
            "concatenate": concatenate,
            "update": update,
            "take": take,
            "gather": gather,
            "scatter": scatter,
            "cumsum": cumulate,
            "cumprod": cumulate,
            "cummin": cumulate,
            "cummax": cumulate,
        }[node.op]
        self.steps.extend(build(node, inputs, out, name))


def _with_plain_strides(ref: MemRef) -> MemRef:
    """A matrix of one row or column with strides as if there were more: nobody steps along them."""
    item = ref.dtype.itemsize
    rows, columns = ref.strides[-2:]
    if ref.shape[-1] == 1:
        columns = item
    if ref.shape[-2] == 1:
        rows = item if columns != item else item * dims.maximum(ref.shape[-1], 1)
    return replace(ref, strides=(*ref.strides[:-2], rows, columns))


_HANDLERS = {
    **dict.fromkeys(maps.VIEWS, Lowering._view),
    "const": Lowering._const,
    "size": Lowering._generated,
    "iota": Lowering._generated,
    "matmul": Lowering._matmul,
    "ifelse": lower_ifelse,
    "loop": lower_loop,
    "empty": empty,
    "size_of_value": bind,
    **dict.fromkeys(
        (
            "concatenate",
            "update",
            "take",
            "gather",
            "scatter",
            "cumsum",
            "cumprod",
            "cummin",
            "cummax",
        ),
        Lowering._structural,
    ),
}
