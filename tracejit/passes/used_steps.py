"""Of what a loop stacks up, only the steps that somebody reads are kept.

    before: %2 = empty(shape=(n,))
            %3 = loop(%2, %x) k in 0..n { carry %4, param %x
                                          %5 = ...; next update(%4, %5, starts=(k,), sizes=(1,)) }
            %6 = slice(%3, starts=(n - 1,), sizes=(1,))
    after:  %3 = loop(%0, %x) k in 0..n { carry %4, param %x; %5 = ...; next %5 }
            %6 = reshape(%3, shape=(1,))

For the last few steps that is an array of so many rows, written round and round. An array of zeros
that a loop replaces row by row is not filled before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Graph, Node, Value, defined_symbols, producers, uses
from tracejit.ir.target import Target
from tracejit.ir.types import TensorType
from tracejit.passes.blocks import has_control
from tracejit.passes.chains import CONTROL
from tracejit.passes.rewrite import in_blocks, is_planned, substitute_inputs

MOST_STEPS = 8
"""More steps than this are kept with all the others."""


def used_steps(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    nodes = [in_blocks(used_steps, n, target) if n.op in CONTROL else n for n in graph.nodes]
    if any(new is not old for new, old in zip(nodes, graph.nodes, strict=True)):
        graph = graph.with_(nodes=tuple(nodes))
    return _Keeping(graph).run()


@dataclass(frozen=True)
class _Stack:
    """Carried value `number` of a loop: in each step it gets `row`, by `write`, as row `k`."""

    number: int
    write: Node
    row: Value

    @property
    def rest(self) -> Shape:
        return self.write.outputs[0].type.shape[1:]


class _Keeping:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.readers = uses(graph)
        self.makers = producers(graph)
        self.results = set(graph.results)
        self.nodes: list[Node] = []
        self.replaced: dict[Value, Value] = {}
        self.changed = False

    def run(self) -> Graph:
        for old in self.graph.nodes:
            node = substitute_inputs(old, self.replaced)
            if node.op == "loop" and not is_planned(node):
                node = self.loop(node)
            elif node.outputs and node.outputs[0] in self.replaced:
                continue
            self.changed = self.changed or node is not old
            self.nodes.append(node)
        if not self.changed:
            return self.graph
        results = tuple(self.replaced.get(v, v) for v in self.graph.results)
        return self.graph.with_(nodes=tuple(self.nodes), results=results)

    def loop(self, node: Node) -> Node:
        """`node`, in front of which new starting values are put where it needs some."""
        behind: list[Node] = []
        for stack in _stacks(node):
            steps = self.steps_of(node)
            kept = self.last_steps(node.outputs[stack.number], steps)
            if kept is not None:
                node = self.keep_last(node, stack, kept[0], kept[1], behind)
            else:
                node = self.without_filling(node, stack)
        if not behind:
            return node
        self.changed = True
        self.nodes.append(node)
        self.nodes += behind[:-1]
        return behind[-1]

    def steps_of(self, loop: Node) -> list[Dim]:
        """The number of steps that the loop has done when it ends, as sizes that are that number.

        Where it may end early, the sizes that were made of a count that it carries.
        """
        if loop.attrs["test"] is None:
            return [loop.attrs["count"]]
        (block,) = loop.blocks
        inner = producers(block)
        found: list[Dim] = []
        for k, result in enumerate(block.results):
            counter = inner.get(result)
            start = self.makers.get(loop.inputs[k])
            if counter is None or counter.op != "size" or start is None or start.op != "const":
                continue
            if counter.attrs["dim"] != dims.sym(loop.attrs["symbol"]) + 1:
                continue
            if np.ndim(start.attrs["value"]) or start.attrs["value"] != 0:
                continue
            for reader in self.readers.get(loop.outputs[k], ()):
                if reader.op == "size_of_value":
                    found += map(dims.sym, defined_symbols(reader))
        return found

    def last_steps(self, value: Value, steps: list[Dim]) -> tuple[int, Dim] | None:
        """How many of the last rows of `value` are read, if no others are, and of how many."""
        readers = self.readers.get(value, [])
        if value in self.results or not readers:
            return None
        for total in steps:
            most = 0
            for reader in readers:
                first = _first_row(reader)
                before = None if first is None else total - first
                if not isinstance(before, int) or not 0 < before <= MOST_STEPS:
                    break
                most = max(most, before)
            else:
                return most, total
        return None

    def keep_last(
        self, loop: Node, stack: _Stack, kept: int, total: Dim, behind: list[Node]
    ) -> Node:
        """`loop` with only the last `kept` rows; `behind` gets what reads them."""
        output = loop.outputs[stack.number]
        readers = self.readers[output]
        if kept == 1:
            loop, last = self.carry_row(loop, stack)
            row = _reshaped(last, (1, *stack.rest), behind)
            for reader in readers:
                self.read_rows(reader, [(row, 0)], behind)
            return loop
        loop, ring = self.carry_ring(loop, stack, kept)
        for reader in readers:
            first = _first_row(reader)
            assert first is not None
            rows = [(ring, dims.mod(first + j, kept)) for j in range(reader.attrs["sizes"][0])]
            self.read_rows(reader, rows, behind)
        return loop

    def read_rows(self, reader: Node, rows: list[tuple[Value, Dim]], behind: list[Node]) -> None:
        """Put in the place of a slice of the stack one of the `rows`, or several in a row."""
        parts = []
        sizes = (1, *reader.attrs["sizes"][1:])
        for source, first in rows:
            part = Value(reader.outputs[0].type.with_shape(sizes))
            attrs = {
                "starts": (first, *reader.attrs["starts"][1:]),
                "sizes": sizes,
                "steps": reader.attrs["steps"],
            }
            behind.append(Node("slice", (source,), (part,), attrs, loc=reader.loc))
            parts.append(part)
        found = parts[0]
        if len(parts) > 1:
            found = Value(reader.outputs[0].type)
            joined = Node("concatenate", tuple(parts), (found,), {"axis": 0}, loc=reader.loc)
            behind.append(joined)
        self.replaced[reader.outputs[0]] = found

    def carry_row(self, loop: Node, stack: _Stack) -> tuple[Node, Value]:
        """`loop` carrying the row of the last step in place of the stack, and that row."""
        (block,) = loop.blocks
        nodes = [n for n in block.nodes if n is not stack.write]
        row, inner = stack.row, producers(block)
        while (source := inner.get(row)) is not None and source.op in ("reshape", "broadcast_to"):
            if source.inputs[0].type.size != row.type.size:
                break
            row = source.inputs[0]
            if row in block.results:
                # It is carried already.
                same = loop.outputs[block.results.index(row)]
                return self.carrying(loop, stack, None, nodes, None), same
        row = stack.row
        if row.type.size != dims.product(stack.rest):
            row = Value(row.type.with_shape((1, *stack.rest)))
            attrs = {"shape": row.type.shape}
            nodes.append(Node("broadcast_to", (stack.row,), (row,), attrs, loc=loop.loc))
        row = _reshaped(row, stack.rest, nodes)
        start = self.start(row.type, loop)
        new = Value(row.type)
        return self.carrying(loop, stack, (start, new), nodes, row), new

    def carry_ring(self, loop: Node, stack: _Stack, kept: int) -> tuple[Node, Value]:
        """`loop` writing into an array of `kept` rows, and that array."""
        (block,) = loop.blocks
        type = TensorType(stack.row.type.dtype, (kept, *stack.rest))
        at = dims.mod(dims.sym(loop.attrs["symbol"]), kept)
        attrs = {**stack.write.attrs, "starts": (at, *stack.write.attrs["starts"][1:])}
        param, found, new = Value(type), Value(type), Value(type)
        write = stack.write.with_(inputs=(param, stack.row), outputs=(found,), attrs=attrs)
        nodes = [write if n is stack.write else n for n in block.nodes]
        start = self.start(type, loop)
        return self.carrying(loop, stack, (start, new), nodes, found, param), new

    def carrying(
        self,
        loop: Node,
        stack: _Stack,
        ends: tuple[Value, Value] | None,
        nodes: list[Node],
        result: Value | None,
        param: Value | None = None,
    ) -> Node:
        """`loop` with another carried value in place of the stack.

        `ends` are what it starts as and the output; None where there is none. The output of the
        stack stays what it was, so that other stacks keep their numbers, but nobody reads it.
        """
        (block,) = loop.blocks
        k = stack.number
        if ends is None or result is None:
            # What is left of the stack is carried as it came; `simplify_control` drops it.
            results = list(block.results)
            results[k] = block.params[k]
            return loop.with_(blocks=(block.with_(nodes=tuple(nodes), results=tuple(results)),))
        inputs, outputs = list(loop.inputs), list(loop.outputs)
        params, results = list(block.params), list(block.results)
        inputs[k], outputs[k] = ends
        params[k], results[k] = param or Value(result.type), result
        body = block.with_(params=tuple(params), nodes=tuple(nodes), results=tuple(results))
        return loop.with_(inputs=tuple(inputs), outputs=tuple(outputs), blocks=(body,))

    def start(self, type: TensorType, loop: Node) -> Value:
        """What is carried into the first step, which replaces it."""
        value = Value(type)
        attrs: dict[str, Any] = {"shape": type.shape, "dtype": type.dtype}
        op = "empty" if type.ndim else "const"
        made = attrs if type.ndim else {"value": type.dtype.type(0)}
        self.nodes.append(Node(op, (), (value,), made, loc=loop.loc))
        return value

    def without_filling(self, loop: Node, stack: _Stack) -> Node:
        """`loop` into memory that was not filled before, where it writes every row of it."""
        start = self.makers.get(loop.inputs[stack.number])
        fills = start is not None and start.op == "broadcast_to" and not start.inputs[0].type.ndim
        type = loop.outputs[stack.number].type
        if not fills or loop.attrs["test"] is not None or loop.attrs["count"] != type.shape[0]:
            return loop
        inputs = list(loop.inputs)
        inputs[stack.number] = self.start(type, loop)
        return loop.with_(inputs=tuple(inputs))


def _stacks(loop: Node) -> list[_Stack]:
    """What a loop carries only to write a row of it in each step, the one of that number."""
    (block,) = loop.blocks
    inner = producers(block)
    found = []
    symbol = dims.sym(loop.attrs["symbol"])
    for number in range(loop.attrs["carried"]):
        param, result = block.params[number], block.results[number]
        write = inner.get(result)
        if write is None or write.op != "update" or write.inputs[0] is not param:
            continue
        attrs, shape = write.attrs, param.type.shape
        whole = (
            tuple(attrs["starts"]) == (symbol, *(0,) * (len(shape) - 1))
            and tuple(attrs["sizes"]) == (1, *shape[1:])
            and all(step == 1 for step in attrs["steps"])
        )
        read = [n for n in block.nodes if param in n.inputs or result in n.inputs]
        alone = read == [write] and block.results.count(result) == 1
        if whole and alone and param not in (*block.results, write.inputs[1]):
            found.append(_Stack(number, write, write.inputs[1]))
    return found


def _first_row(reader: Node) -> Dim | None:
    """The first row that a slice of a few rows reads."""
    if reader.op != "slice" or reader.attrs["steps"][0] != 1:
        return None
    size = reader.attrs["sizes"][0]
    if not isinstance(size, int) or size < 1:
        return None
    first: Dim = reader.attrs["starts"][0]
    return first


def _reshaped(value: Value, shape: Shape, nodes: list[Node]) -> Value:
    if value.type.shape == shape:
        return value
    found = Value(value.type.with_shape(shape))
    nodes.append(Node("reshape", (value,), (found,), {"shape": shape}))
    return found
