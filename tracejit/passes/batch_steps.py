"""What the steps of a loop do apart from each other is done for all of them at once.

    before: %6 = loop(%h, %x, %w) k in 0..n { carry %1, param %x: f8[n, d], param %w
                                              %2 = reshape(slice(%x, starts=(k, 0), ...))
                                              %3 = matmul(%2, %w); %4 = tanh(add(%3, %1)); next %4 }
    after:  %5 = matmul(%x, %w)
            %6 = loop(%h, %5) k in 0..n { carry %1, param %5
                                          %3 = slice(%5, starts=(k, 0), ...)
                                          %4 = tanh(add(%3, %1)); next %4 }

One product of matrices is faster than n of a vector and a matrix, and so are n exponentials in a
row. What only fills an array, element by element, leaves the loop for good:

    before: %2 = loop(%y, %x) k in 0..n { carry %1; next update(%1, exp(slice(%x, (k,))), (k,)) }
    after:  %2 = update(%y, exp(slice(%x, (0,), (n,))), (0,), (n,))

It is left alone where it would take more memory than the sequences do that it is computed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import is_

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value, free_symbols_of, producers
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes.batching import Batch, can_batch
from tracejit.passes.blocks import has_control, keep_outputs, linear_in
from tracejit.passes.chains import CONTROL
from tracejit.passes.cse import cse
from tracejit.passes.dce import dce
from tracejit.passes.hoist_invariants import Invariants, inside_blocks, is_known, known_sizes
from tracejit.passes.maps import VIEWS
from tracejit.passes.rewrite import can_fail, has_effects, is_planned, substitute_inputs
from tracejit.passes.simplify import simplify
from tracejit.passes.stacks import Stack, row_of, stacks_of

FEWEST_STEPS = 4
"""Fewer steps than this are not worth the trouble."""

ELEMENT_FLOPS = 10.0
"""Additions for an element that are worth storing it for every step."""


def batch_steps(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    plain = not (graph.written and any(map(can_fail, graph.nodes)))
    return _Walk(target, plain).graph(graph, known_sizes(graph, ()))


@dataclass
class _Walk:
    """Inner loops first. What they leave is simplified, unless writes must stay where they are."""

    target: Target
    plain: bool

    def graph(self, graph: Graph, facts: Sequence[Dim]) -> Graph:
        nodes: list[Node] = []
        replaced: dict[Value, Value] = {}
        for old in graph.nodes:
            node = substitute_inputs(old, replaced)
            if node.op in CONTROL and not is_planned(node):
                node = inside_blocks(node, facts, self.graph)
            found = _Batching(node, facts).run() if node.op == "loop" else None
            if found is None:
                nodes.append(node)
                continue
            nodes += found[0]
            nodes += [] if found[1] is None else [found[1]]
            replaced.update(found[2])
        if len(nodes) == len(graph.nodes) and all(map(is_, nodes, graph.nodes)):
            return graph
        results = tuple(replaced.get(v, v) for v in graph.results)
        graph = graph.with_(nodes=tuple(nodes), results=results)
        for pass_ in (simplify, cse, simplify, dce) if self.plain else ():
            graph = pass_(graph, self.target)
        return graph


class _Batching:
    """One loop."""

    def __init__(self, loop: Node, facts: Sequence[Dim]) -> None:
        self.loop = loop
        self.facts = facts
        (self.block,) = loop.blocks
        self.symbol: str = loop.attrs["symbol"]
        self.count: Dim | None = loop.attrs["count"]
        self.producer = producers(self.block)

    def run(self) -> tuple[list[Node], Node | None, dict[Value, Value]] | None:
        """What goes in front of the loop, the loop if anything is left of it, and new outputs."""
        if is_planned(self.loop) or self.loop.attrs["test"] is not None or self.block.guards:
            return None
        if self.count is None:
            return None
        few = isinstance(self.count, int) and self.count < FEWEST_STEPS
        if few or not is_known(self.count, self.facts):
            return None
        self.same = Invariants(self.loop, self.facts)
        self.stacks = stacks_of(self.loop)
        self.sources = dict(self.same.outer)
        for number in self.stacks:
            self.sources[self.block.params[number]] = self.loop.inputs[number]
        self.find_apart()
        if not self.apart:
            return None
        leaving = {k for k, s in self.stacks.items() if self.may_leave(s)}
        while True:
            needed = self.choose(leaving)
            kept = {k for k in leaving if self.block.params[k] in needed.inside}
            if not kept:
                break
            leaving -= kept
        if not needed.crossing and not leaving:
            return None
        return self.rebuilt(needed, leaving)

    # What is known about the body.

    def find_apart(self) -> None:
        """The values that differ from step to step and depend on no other step.

        `width` has the number of axes, but for those of size 1, of the widest part that each of
        them is computed from.
        """
        self.apart: dict[Value, Node] = {}
        self.width: dict[Value, int] = {}
        local = self.same.local
        for node in self.block.nodes:
            if len(node.outputs) != 1 or has_effects(node):
                continue
            value = node.outputs[0]
            if node in self.same.movable or free_symbols_of(value.type.shape) & local:
                continue
            if self.is_part(node):
                self.width[value] = axes_of(value)
            elif node.op == "size" and (linear_in(node.attrs["dim"], self.symbol) or (0, 0))[1]:
                if free_symbols_of(node.attrs["dim"]) & local != {self.symbol}:
                    continue
                self.width[value] = 0
            else:
                apart = [v in self.apart for v in node.inputs]
                known = all(v in self.apart or v in self.same.known for v in node.inputs)
                if not any(apart) or not known or not can_batch(node, self.symbol, apart):
                    continue
                if free_symbols_of(tuple(node.attrs.values())) & local:
                    continue
                self.width[value] = max(self.width.get(v, 0) for v in node.inputs)
            self.apart[value] = node

    def is_part(self, node: Node) -> bool:
        """Whether `node` reads one part of an array in each step."""
        if node.op != "slice" or row_of(node, self.symbol) is None:
            return False
        attrs = (node.attrs["starts"], node.attrs["sizes"])
        if free_symbols_of(attrs) & self.same.local != {self.symbol}:
            return False
        return node.inputs[0] in self.sources or node.inputs[0] in self.same.known

    # What is done about it.

    def may_leave(self, stack: Stack) -> bool:
        """Whether a stack can be written at once, and that is better than row by row."""
        if can_fail(self.loop) or has_effects(self.loop):
            return False
        value = stack.write.inputs[1]
        if free_symbols_of(tuple(stack.write.attrs.values())) & self.same.local != {self.symbol}:
            return False
        if value in self.same.known:
            return True
        if value not in self.apart:
            return False
        chain = self.chain(value)
        if all(OPS[n.op].elementwise or n.op in VIEWS or n.op == "size" for n in chain):
            return True
        source = self.apart[value]
        while source.op in VIEWS and source.inputs[0] in self.apart:
            source = self.apart[source.inputs[0]]
        return self.pays(source)

    def chain(self, value: Value) -> list[Node]:
        """What leads to `value` and differs from step to step."""
        found: dict[Node, None] = {}
        pending = [value]
        while pending:
            node = self.apart.get(pending.pop())
            if node is not None and node not in found:
                found[node] = None
                pending += node.inputs
        return list(found)

    def pays(self, node: Node) -> bool:
        """Whether it is better to do `node` for all steps at once and to store what it gives."""
        value = node.outputs[0]
        wide = any(axes_of(v) > self.width[v] for n in self.chain(value) for v in n.outputs)
        if wide:
            return False
        if node.op == "matmul":
            return True
        if OPS[node.op].kind == "reduce":
            return bool(axes_of(node.inputs[0]))
        if not OPS[node.op].elementwise:
            return False
        total, pending, seen = 0.0, [node], {node}
        while pending and total < ELEMENT_FLOPS:
            inner = pending.pop()
            total += OPS[inner.op].flops
            for operand in inner.inputs:
                source = self.apart.get(operand)
                if source is None or source in seen:
                    continue
                if OPS[source.op].elementwise or source.op in VIEWS:
                    seen.add(source)
                    pending.append(source)
        return total >= ELEMENT_FLOPS

    def choose(self, leaving: Iterable[int]) -> _Needed:
        """Seen from the end: what stays in the body, and what it gets from in front of it."""
        needed = _Needed(set(), set(), {}, set())
        gone = {self.stacks[k].write for k in leaving}
        for number, result in enumerate(self.block.results):
            if number not in leaving:
                needed.inside.add(result)
        for node in reversed(self.block.nodes):
            if node in gone:
                needed.outside.add(node.inputs[1])
                continue
            value = node.outputs[0] if len(node.outputs) == 1 else None
            if value is None or (value not in self.apart and node not in self.same.movable):
                needed.inside.update(node.inputs)
                continue
            stays, goes = value in needed.inside, value in needed.outside
            if stays and value in self.apart and self.pays(node):
                needed.crossing[value] = None
                stays, goes = False, True
            if stays:
                needed.inside.update(node.inputs)
            if goes:
                needed.outside.update(node.inputs)
            if not stays:
                needed.gone.add(node)
        return needed

    def rebuilt(
        self, needed: _Needed, leaving: set[int]
    ) -> tuple[list[Node], Node | None, dict[Value, Value]]:
        assert self.count is not None
        batch = Batch(self.count, self.symbol, self.sources)
        writes = {self.stacks[k].write: k for k in leaving}
        params: dict[Value, Value] = {}
        nodes: list[Node] = []
        outputs: dict[Value, Value] = {}
        for node in self.block.nodes:
            if node in writes:
                number = writes[node]
                start = self.loop.inputs[number]
                new = batch.written(node, self.stacks[number].row, start)
                outputs[self.loop.outputs[number]] = new
                continue
            if needed.outside & set(node.outputs) or any(
                v in needed.crossing for v in node.outputs
            ):
                self.batch_node(batch, node)
            if node not in needed.gone:
                nodes.append(node)
            elif node.outputs[0] in needed.crossing:
                value = node.outputs[0]
                params[value] = Value(batch.made[value].type, value.hint)
                nodes += self.part_of(params[value], value, node)
        inputs = (*self.loop.inputs, *(batch.made[v] for v in params))
        block = self.block.with_(params=(*self.block.params, *params.values()), nodes=tuple(nodes))
        loop = self.loop.with_(inputs=inputs, blocks=(block,))
        kept = [k for k in range(loop.attrs["carried"]) if k not in leaving]
        if not kept:
            return batch.nodes, None, outputs
        return batch.nodes, keep_outputs(loop, kept), outputs

    def batch_node(self, batch: Batch, node: Node) -> None:
        if node in self.same.movable:
            made = tuple(Value(v.type, v.hint) for v in node.outputs)
            batch.nodes.append(substitute_inputs(node, self.sources).with_(outputs=made))
            self.sources.update(zip(node.outputs, made, strict=True))
        elif self.is_part(node):
            row = row_of(node, self.symbol)
            assert row is not None
            batch.rows(node, self.sources[node.inputs[0]], row)
        elif node.op == "size":
            found = linear_in(node.attrs["dim"], self.symbol)
            assert found is not None
            batch.sizes(node, *found)
        else:
            batch.node(node)

    def part_of(self, rows: Value, value: Value, node: Node) -> list[Node]:
        """The nodes that take what is one step's of `rows`."""
        shape = value.type.shape
        attrs = {
            "starts": (dims.sym(self.symbol), *(0,) * len(shape)),
            "sizes": (1, *shape),
            "steps": (1,) * (len(shape) + 1),
        }
        part = Value(value.type.with_shape((1, *shape)))
        return [
            Node("slice", (rows,), (part,), attrs, loc=node.loc),
            Node("reshape", (part,), (value,), {"shape": shape}, loc=node.loc),
        ]


@dataclass
class _Needed:
    """The values that are needed in the body, those in front of it, and those that go across.

    `gone` are the nodes that are no longer in the body.
    """

    inside: set[Value]
    outside: set[Value]
    crossing: dict[Value, None]
    gone: set[Node]


def axes_of(value: Value) -> int:
    return sum(d != 1 for d in value.type.shape)
