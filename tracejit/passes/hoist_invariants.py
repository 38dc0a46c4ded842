"""What is the same in every step of a loop is computed once, before the loop.

    before: %4 = loop(%1, %x, %w) k in 0..n { carry %2, param %x, param %w
                                              %3 = exp(%w); next add(%2, %3) }
    after:  %3 = exp(%w)
            %4 = loop(%1, %3) k in 0..n { carry %2, param %3; next add(%2, %3) }

Only where it pays: a value that leaves the loop is stored and read back in every step, so what a
few additions give again stays where it is, unless it is needed for something that goes. Nothing
goes that can fail or has effects; where the loop may not run at all, neither does what is valid
only in its steps, as an element of an array that may be empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols, producers
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes.blocks import has_control, is_bounded, mentions
from tracejit.passes.chains import CONTROL
from tracejit.passes.lazy_branches import overwritten_inputs
from tracejit.passes.maps import FREE, VIEWS
from tracejit.passes.rewrite import can_fail, has_effects, is_planned, substitute_inputs

SCALAR_FLOPS = 10.0
"""A number that costs so many additions is computed before the loop; LLVM moves cheaper ones."""

ARRAY_FLOPS = 4.0
"""Additions for an element that are worth storing it."""

SPREAD_FLOPS = 12.0
"""The same where the result has more elements than anything that it is computed from."""


def hoist_invariants(graph: Graph, target: Target) -> Graph:
    """See the module."""
    return _hoisted(graph, known_sizes(graph, ())) if has_control(graph) else graph


def known_sizes(graph: Graph, outside: Sequence[Dim]) -> tuple[Dim, ...]:
    """Dims that are not negative, by the guards of a graph or block."""
    found = list(outside)
    for guard in graph.guards:
        if isinstance(guard, Guard):
            found += implied(guard)
    return tuple(found)


def implied(guard: Guard) -> list[Dim]:
    """The dims that are not negative where a guard holds."""
    less, more = guard.right - guard.left, guard.left - guard.right
    match guard.relation:
        case "<":
            return [less - 1]
        case "<=":
            return [less]
        case ">":
            return [more - 1]
        case ">=":
            return [more]
        case "==":
            return [less, more]
    return []


def is_known(dim: Dim, facts: Sequence[Dim]) -> bool:
    """Whether `dim` is not negative, as follows from one of `facts`."""
    return dims.is_nonnegative(dim) or any(dims.is_nonnegative(dim - fact) for fact in facts)


def surely_runs(loop: Node, facts: Sequence[Dim]) -> bool:
    """Whether a loop has a first step, and nothing is asked before it whether it may be done."""
    count = loop.attrs["count"]
    if loop.blocks[0].guards:
        return False
    return loop.attrs["test"] is None and count is not None and is_known(count - 1, facts)


def _hoisted(graph: Graph, facts: Sequence[Dim]) -> Graph:
    nodes: list[Node] = []
    for old in graph.nodes:
        node = old
        if node.op in CONTROL and not is_planned(node):
            node = inside_blocks(node, facts, _hoisted)
            if node.op == "loop":
                front, node = _Hoisting(node, facts).run()
                nodes += front
        nodes.append(node)
    if len(nodes) == len(graph.nodes) and all(map(is_, nodes, graph.nodes)):
        return graph
    return graph.with_(nodes=tuple(nodes))


def inside_blocks(
    node: Node, facts: Sequence[Dim], pass_: Callable[[Graph, Sequence[Dim]], Graph]
) -> Node:
    """`node` with `pass_` applied to blocks that have branches or loops in them."""
    known = list(facts)
    if node.op == "loop" and node.attrs["count"] is not None:
        known.append(node.attrs["count"] - 1 - dims.sym(node.attrs["symbol"]))
    blocks = [pass_(b, known_sizes(b, known)) if has_control(b) else b for b in node.blocks]
    if all(map(is_, blocks, node.blocks)):
        return node
    return node.with_(blocks=tuple(blocks))


class Invariants:
    """What is the same in every step of a loop, and may be computed before the first.

    `movable` are the nodes, `known` the values: what they give, and the params that are not
    carried. `local` are the sizes that are known only in the loop, `outer` has what params are.
    """

    def __init__(self, loop: Node, facts: Sequence[Dim]) -> None:
        self.loop, self.facts = loop, facts
        self.runs = surely_runs(loop, facts)
        (block,) = loop.blocks
        carried = loop.attrs["carried"]
        self.outer = dict(zip(block.params[carried:], loop.inputs[carried:], strict=True))
        self.known = set(self.outer)
        self.movable: set[Node] = set()
        defined = [name for node in block.nodes for name in defined_symbols(node)]
        self.local = frozenset({loop.attrs["symbol"], *defined})
        for node in block.nodes:
            if all(v in self.known for v in node.inputs) and self.may_leave(node):
                self.movable.add(node)
                self.known.update(node.outputs)

    def may_leave(self, node: Node) -> bool:
        if has_effects(node) or is_planned(node) or node.op == "empty" or defined_symbols(node):
            return False
        if mentions(node, self.local):
            return False
        if node.op in CONTROL:
            return self.runs and not can_fail(node) and is_bounded(node)
        record = OPS.get(node.op)
        if record is None or record.may_fail:
            return False
        if record.kind == "library":
            return self.runs
        return self.runs or node.op not in ("slice", "update") or self.is_within(node)

    def is_within(self, node: Node) -> bool:
        """Whether a slice is one of the array also where the loop does not run."""
        regions = zip(
            node.inputs[0].type.shape,
            *(node.attrs[k] for k in ("starts", "sizes", "steps")),
            strict=True,
        )
        for dim, start, size, step in regions:
            if step != 1 or not is_known(dim - start - size, self.facts):
                return False
            if not (is_known(start, self.facts) and is_known(size, self.facts)):
                return False
        return True


class _Hoisting(Invariants):
    """One loop."""

    def run(self) -> tuple[list[Node], Node]:
        """What goes in front of the loop, and the loop."""
        (block,) = self.loop.blocks
        outer = dict(self.outer)
        if not self.movable:
            return [], self.loop
        crossing, outside = self.choose(block)
        if not crossing:
            return [], self.loop
        front = []
        for node in block.nodes:
            if node not in outside:
                continue
            outputs = tuple(Value(v.type, v.hint) for v in node.outputs)
            front.append(substitute_inputs(node, outer).with_(outputs=outputs))
            outer.update(zip(node.outputs, outputs, strict=True))
        gone = {n for n, inside in outside.items() if not inside}
        values = [v for n in block.nodes if n in gone for v in n.outputs if v in crossing]
        table = {v: Value(v.type, v.hint) for v in values}
        new = block.with_(
            params=(*block.params, *table.values()),
            nodes=tuple(substitute_inputs(n, table) for n in block.nodes if n not in gone),
            results=tuple(table.get(v, v) for v in block.results),
        )
        inputs = (*self.loop.inputs, *(outer[v] for v in values))
        return front, self.loop.with_(inputs=inputs, blocks=(new,))

    def choose(self, block: Graph) -> tuple[set[Value], dict[Node, bool]]:
        """The values that the loop will read, and the nodes that go, with whether they also stay.

        Seen from the end: what a node that stays needs, it gets from outside where that pays.
        """
        producer = producers(block)
        inside, outside = set(block.results), set[Value]()
        bases = {v for n in block.nodes if n not in self.movable for v in overwritten_inputs(n)}
        bases |= {v for v in block.results if v.type.ndim}
        crossing: set[Value] = set()
        gone: dict[Node, bool] = {}
        for node in reversed(block.nodes):
            if node not in self.movable:
                inside.update(node.inputs)
                continue
            stays = not inside.isdisjoint(node.outputs)
            goes = not outside.isdisjoint(node.outputs)
            if stays and self.pays(node, producer, not bases.isdisjoint(node.outputs)):
                crossing.update(v for v in node.outputs if v in inside)
                stays, goes = False, True
            if stays:
                inside.update(node.inputs)
            if goes:
                outside.update(node.inputs)
                gone[node] = stays
        return crossing, gone

    def pays(self, node: Node, producer: Mapping[Value, Node], written: bool) -> bool:
        """Whether it is better to store what `node` gives than to compute it in every step.

        With `written` each step writes into it, so that each step needs a copy.
        """
        if node.op in CONTROL:
            return True
        record = OPS[node.op]
        if node.op in VIEWS or node.op in FREE or node.op == "copy":
            return False
        if record.kind != "elementwise":
            return record.in_place is None or not written
        type = node.outputs[0].type
        flops, spread = self.cost(node, producer)
        if type.ndim == 0:
            return flops >= SCALAR_FLOPS
        return flops >= (SPREAD_FLOPS if spread or written else ARRAY_FLOPS)

    def cost(self, node: Node, producer: Mapping[Value, Node]) -> tuple[float, bool]:
        """Additions for one element, and whether nothing that is read has as many elements."""
        type = node.outputs[0].type
        total, spread = 0.0, True
        pending, seen = [node], {node}
        while pending and total < 2 * SPREAD_FLOPS:
            inner = pending.pop()
            total += OPS[inner.op].flops
            for value in inner.inputs:
                source = producer.get(value)
                if source is not None and source in self.movable and _is_transparent(source):
                    # Numbers are computed once for a whole array.
                    if source not in seen and bool(value.type.ndim) == bool(type.ndim):
                        seen.add(source)
                        pending.append(source)
                elif value.type.size == type.size and (source is None or source.op not in FREE):
                    spread = False
        return total, spread


def _is_transparent(node: Node) -> bool:
    """Whether a value is computed element by element."""
    return node.op in VIEWS or (node.op in OPS and OPS[node.op].elementwise)
