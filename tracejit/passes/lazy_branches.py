"""What only one side of a branch needs is computed in that side, so that one side is all that runs.

    before: %2 = mean(%x); %3 = mean(%y)
            %4 = ifelse(%c, %2, %3) { return %2 } else { return %3 }
    after:  %4 = ifelse(%c, %x, %y) { %2 = mean(%x); return %2 } else { %3 = mean(%y); return %3 }

Whatever leads to these values and to nothing else goes with them, branches and loops included. What
has effects stays, what writes into memory from outside, and what reads memory that is written over
in between, which would have to be copied. What raises where an index is out of bounds stays too,
for NumPy raises there whichever side is taken; but not where the branch was written as `ifelse`,
which is `lazy`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from operator import is_

from tracejit.ir.graph import Graph, Node, Value, defined_symbols, symbol_definers
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes.blocks import (
    first_param,
    has_control,
    keep_inputs,
    replace_params,
    with_passed,
)
from tracejit.passes.chains import CONTROL
from tracejit.passes.maps import FREE, VIEWS
from tracejit.passes.rewrite import has_effects, in_blocks, is_planned


def lazy_branches(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    found = _Sinking(graph).run()
    nodes = tuple(in_blocks(lazy_branches, n, target) if n.op in CONTROL else n for n in found)
    if len(nodes) == len(graph.nodes) and all(map(is_, nodes, graph.nodes)):
        return graph
    return graph.with_(nodes=nodes)


class _Sinking:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node | None] = list(graph.nodes)
        self.position = {v: k for k, n in enumerate(graph.nodes) for v in n.outputs}
        self.readers: dict[Value, set[int]] = {}
        for k, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.readers.setdefault(value, set()).add(k)
        self.results = set(graph.results)
        self.has_sizes = bool(symbol_definers(graph))
        self.overwritten: dict[Value, list[int]] = {}
        for k, node in enumerate(graph.nodes):
            for value in overwritten_inputs(node):
                self.overwritten.setdefault(self.root(value), []).append(k)

    def run(self) -> list[Node]:
        for k in reversed(range(len(self.nodes))):
            node = self.nodes[k]
            if node is not None and node.op == "ifelse" and not is_planned(node):
                for side in (0, 1):
                    self.sink(k, side)
        return [n for n in self.nodes if n is not None]

    def node(self, value: Value) -> Node | None:
        k = self.position.get(value)
        return None if k is None else self.nodes[k]

    def root(self, value: Value) -> Value:
        """The value whose memory `value` looks at, before any write."""
        while (node := self.node(value)) is not None:
            position = OPS[node.op].in_place if node.op in OPS else None
            if position is None and node.op not in VIEWS:
                break
            value = node.inputs[position or 0]
        return value

    def sink(self, at: int, side: int) -> None:
        """Move what only one side of the branch number `at` needs into it."""
        branch = self.nodes[at]
        assert branch is not None
        wanted = _read_by_one_side(branch, side)
        moved = self.movable(at, wanted)
        if not moved:
            return
        inner = [self.nodes[k] for k in moved]
        self.nodes[at] = _with_front(branch, side, [n for n in inner if n is not None])
        for k in moved:
            node = self.nodes[k]
            assert node is not None
            self.nodes[k] = None
            for value in node.inputs:
                self.readers[value].discard(k)
                self.readers[value].add(at)

    def movable(self, at: int, wanted: set[Value]) -> list[int]:
        """The numbers of the nodes that lead to `wanted` alone, in order."""
        moved: set[int] = set()
        seen: set[int] = set()
        # The last node first: by then all that reads a value has been decided on.
        pending: list[int] = []

        def ask(values: Iterable[Value]) -> None:
            for value in values:
                k = self.position.get(value)
                if k is not None and k not in seen and self.nodes[k] is not None:
                    seen.add(k)
                    heapq.heappush(pending, -k)

        ask(wanted)
        while pending:
            k = -heapq.heappop(pending)
            node = self.nodes[k]
            assert node is not None
            if self.leads_to(node, at, wanted, moved) and self.may_move(k, at):
                moved.add(k)
                ask(node.inputs)
        # A view alone costs nothing where it is.
        for k in sorted(moved):
            node = self.nodes[k]
            assert node is not None
            sources = {self.position.get(v) for v in node.inputs}
            readers = {r for v in node.outputs for r in self.readers.get(v, ())}
            if node.op in VIEWS and not sources & moved and not readers & moved:
                moved.discard(k)
        if all(n is not None and n.op in VIEWS | FREE for n in (self.nodes[k] for k in moved)):
            return []
        return sorted(moved)

    def leads_to(self, node: Node, at: int, wanted: set[Value], moved: set[int]) -> bool:
        """Whether nothing reads `node` but what has been moved, and the side itself."""
        for value in node.outputs:
            if value in self.results:
                return False
            for reader in self.readers.get(value, ()):
                if reader not in moved and (reader != at or value not in wanted):
                    return False
        return True

    def may_move(self, k: int, at: int) -> bool:
        node = self.nodes[k]
        assert node is not None
        branch = self.nodes[at]
        lazy = branch is not None and branch.attrs.get("lazy", False)
        if has_effects(node) or is_planned(node) or (_may_fail(node) and not lazy):
            return False
        if self.has_sizes and defined_symbols(node):
            return False
        for value in overwritten_inputs(node):
            if self.node(self.root(value)) is None:
                return False
        for value in node.inputs:
            if any(k < w < at for w in self.overwritten.get(self.root(value), ())):
                return False
        return True


def overwritten_inputs(node: Node) -> tuple[Value, ...]:
    """The inputs whose memory a node may take for what it makes of them."""
    if node.op == "loop":
        return tuple(v for v in node.inputs[: node.attrs["carried"]] if v.type.ndim)
    if node.op == "ifelse":
        found: dict[Value, None] = {}
        for block in node.blocks:
            inner = {v: n for n in block.nodes for v in n.outputs}
            for writer in block.nodes:
                for value in overwritten_inputs(writer):
                    while value in inner:
                        source = inner[value]
                        position = OPS[source.op].in_place
                        if position is None and source.op not in VIEWS:
                            break
                        value = source.inputs[position or 0]
                    if value in block.params:
                        found[node.inputs[block.params.index(value) + 1]] = None
        return tuple(found)
    position = OPS[node.op].in_place if node.op in OPS else None
    return () if position is None else (node.inputs[position],)


def _may_fail(node: Node) -> bool:
    """Whether NumPy may raise an error there that is about the arguments' values."""
    if node.op in OPS and OPS[node.op].may_fail:
        return True
    return any(b.guards or any(map(_may_fail, b.nodes)) for b in node.blocks)


def _read_by_one_side(branch: Node, side: int) -> set[Value]:
    """The inputs that one side of a branch reads, and nothing else in it."""
    reads = []
    for block in branch.blocks:
        reads.append({v for n in block.nodes for v in n.inputs} | set(block.results))
    mine, other = branch.blocks[side], branch.blocks[1 - side]
    found, not_only = set(), {branch.inputs[0]}
    for value, a, b in zip(branch.inputs[1:], mine.params, other.params, strict=True):
        if b in reads[1 - side]:
            not_only.add(value)
        elif a in reads[side]:
            found.add(value)
    return found - not_only


def _with_front(branch: Node, side: int, moved: list[Node]) -> Node:
    """`branch` with `moved` at the start of one side."""
    inputs, blocks = list(branch.inputs), list(branch.blocks)
    made = {v for n in moved for v in n.outputs}
    first = first_param(branch)
    inside: dict[Value, Value] = {}
    for k in range(first, len(inputs)):
        inside.setdefault(inputs[k], blocks[side].params[k - first])
    for node in moved:
        for value in node.inputs:
            if value not in made and value not in inside:
                inputs.append(value)
                for number, block in enumerate(blocks):
                    new = Value(value.type, value.hint)
                    blocks[number] = block.with_(params=(*block.params, new))
                inside[value] = blocks[side].params[-1]
    front = []
    renamed: dict[Value, Value] = {}
    for node in moved:
        outputs = tuple(Value(v.type, v.hint) for v in node.outputs)
        values = tuple(renamed.get(v) or inside[v] for v in node.inputs)
        front.append(node.with_(inputs=values, outputs=outputs))
        renamed.update(zip(node.outputs, outputs, strict=True))
    table = {}
    kept = []
    for k, value in enumerate(inputs):
        if k >= first and value in made:
            table[blocks[side].params[k - first]] = renamed[value]
        else:
            kept.append(k)
    blocks[side] = replace_params(blocks[side], table, front)
    return keep_inputs(with_passed(branch, inputs, blocks), kept)
