"""An element that a loop reads and writes again and again is a number that it carries.

    before: %3 = loop(%x) k in 0..i { carry %1; %2 = add(slice(%1, (i,)), slice(%1, (k,)))
                                      next update(%1, %2, (i,)) }
    after:  %4 = slice(%x, (i,))
            %5 = loop(%4, %x) k in 0..i { carry %6, param %x; next add(%6, slice(%x, (k,))) }
            %3 = update(%x, %5, (i,))

A number stays in a register; an element goes through memory in every step, for who is to know that
it is not the one that is read next? Here it is known: what else the loop reads of the array lies
provably elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value, free_symbols_of
from tracejit.ir.target import Target
from tracejit.ir.types import TensorType
from tracejit.passes.blocks import has_control, local_symbols
from tracejit.passes.chains import CONTROL
from tracejit.passes.hoist_invariants import inside_blocks, is_known, known_sizes, surely_runs
from tracejit.passes.rewrite import can_fail, has_effects, is_planned


def carry_elements(graph: Graph, target: Target) -> Graph:
    """See the module."""
    return _carried(graph, known_sizes(graph, ())) if has_control(graph) else graph


def _carried(graph: Graph, facts: Sequence[Dim]) -> Graph:
    nodes: list[Node] = []
    changed = False
    for old in graph.nodes:
        node = old
        if node.op in CONTROL and not is_planned(node):
            node = inside_blocks(node, facts, _carried)
            if node.op == "loop":
                found = _Loop(node, facts, graph).run()
                if found is not None:
                    nodes += found
                    changed = True
                    continue
        changed = changed or node is not old
        nodes.append(node)
    return graph.with_(nodes=tuple(nodes)) if changed else graph


@dataclass
class _Element:
    """What a body does to carried value `number`: all that it writes is at `starts`.

    `versions` has the number that is there in each version of the array, `inside` the slices that
    read it, and `outside` those that read something else.
    """

    number: int
    starts: tuple[Dim, ...]
    versions: dict[Value, Value] = field(default_factory=dict)
    writes: list[Node] = field(default_factory=list)
    inside: list[Node] = field(default_factory=list)
    outside: list[Node] = field(default_factory=list)


class _Loop:
    def __init__(self, loop: Node, facts: Sequence[Dim], around: Graph) -> None:
        self.loop, self.around = loop, around
        (self.block,) = loop.blocks
        self.outer = facts
        self.runs = surely_runs(loop, facts)
        self.local = local_symbols(loop)
        self.facts = known_sizes(self.block, facts)
        self.inner = inner_facts(loop, self.facts)

    def run(self) -> list[Node] | None:
        """What takes the place of the loop; None where it carries no element."""
        if can_fail(self.loop) or has_effects(self.loop):
            return None
        found = [self.element(k) for k in range(self.loop.attrs["carried"])]
        elements = [e for e in found if e is not None]
        return self.rebuilt(elements) if elements else None

    def element(self, number: int) -> _Element | None:
        param, result = self.block.params[number], self.block.results[number]
        last = next((n for n in self.block.nodes if result in n.outputs), None)
        if last is None or last.op != "update" or not param.type.ndim:
            return None
        if not is_element(last) or free_symbols_of(tuple(last.attrs["starts"])) & self.local:
            return None
        element = _Element(number, tuple(last.attrs["starts"]))
        element.versions[param] = Value(TensorType(param.type.dtype), param.hint)
        for node in self.block.nodes:
            if not element.versions.keys().isdisjoint(node.inputs) and not self.takes(
                element, node
            ):
                return None
        others = [v for k, v in enumerate(self.block.results) if k != number]
        if not element.versions.keys().isdisjoint(others) or result not in element.versions:
            return None
        read = element.inside or element.outside
        return element if read and self.is_there(element) else None

    def takes(self, element: _Element, node: Node) -> bool:
        """Whether `node` reads or writes the element, or surely something else."""
        if node.op == "slice":
            if is_element(node) and tuple(node.attrs["starts"]) == element.starts:
                element.inside.append(node)
                return True
            element.outside.append(node)
            return self.is_apart(node, element.starts)
        if node.op != "update" or node.inputs[0] not in element.versions:
            return False
        same = is_element(node) and tuple(node.attrs["starts"]) == element.starts
        if not same or node.inputs[1] in element.versions:
            return False
        element.writes.append(node)
        element.versions[node.output] = Value(TensorType(node.output.type.dtype))
        return True

    def is_apart(self, node: Node, starts: Sequence[Dim]) -> bool:
        """Whether a slice surely does not have the element at `starts` in it."""
        for start, size, step, at in zip(
            node.attrs["starts"], node.attrs["sizes"], node.attrs["steps"], starts, strict=True
        ):
            if step != 1:
                continue
            if is_known(at - start - size, self.inner) or is_known(start - at - 1, self.inner):
                return True
        return False

    def is_there(self, element: _Element) -> bool:
        """Whether the array has such an element even if the loop does not run."""
        if self.runs:
            return True
        shape = self.block.params[element.number].type.shape
        for node in self.around.nodes:
            touches = node.op in ("slice", "update") and node.inputs[0].type.shape == shape
            if touches and is_element(node) and tuple(node.attrs["starts"]) == element.starts:
                return True
        return all(
            is_known(at, self.outer) and is_known_sum(dim - at - 1, self.outer)
            for dim, at in zip(shape, element.starts, strict=True)
        )

    def rebuilt(self, elements: list[_Element]) -> list[Node]:
        loop, block = self.loop, self.block
        inputs, outputs = list(loop.inputs), list(loop.outputs)
        params, results = list(block.params), list(block.results)
        front: list[Node] = []
        behind: list[Node] = []
        table: dict[Node, list[Node]] = {}
        for e in elements:
            k = e.number
            array, output, param = inputs[k], outputs[k], params[k]
            shape = (1,) * param.type.ndim
            where = {"starts": e.starts, "sizes": shape, "steps": shape}
            part, number = Value(array.type.with_shape(shape)), Value(TensorType(array.type.dtype))
            front.append(Node("slice", (array,), (part,), where, loc=loop.loc))
            front.append(Node("reshape", (part,), (number,), {"shape": ()}, loc=loop.loc))
            final, wide = Value(number.type), Value(part.type)
            behind.append(Node("broadcast_to", (final,), (wide,), {"shape": shape}, loc=loop.loc))
            behind.append(Node("update", (array, wide), (output,), where, loc=loop.loc))
            inputs[k], outputs[k] = number, final
            params[k], results[k] = e.versions[param], e.versions[results[k]]
            for node in e.inside:
                attrs = {"shape": shape}
                source = e.versions[node.inputs[0]]
                table[node] = [Node("broadcast_to", (source,), node.outputs, attrs, loc=node.loc)]
            for node in e.writes:
                value, new = node.inputs[1], e.versions[node.output]
                table[node] = [Node("reshape", (value,), (new,), {"shape": ()}, loc=node.loc)]
            if e.outside:
                whole = Value(array.type, param.hint)
                inputs.append(array)
                params.append(whole)
                for node in e.outside:
                    table[node] = [node.with_(inputs=(whole,))]
        nodes = [new for node in block.nodes for new in table.get(node, [node])]
        body = block.with_(params=tuple(params), nodes=tuple(nodes), results=tuple(results))
        made = Node("loop", tuple(inputs), tuple(outputs), loop.attrs, (body,), loc=loop.loc)
        return [*front, made, *behind]


def is_element(node: Node) -> bool:
    """Whether a slice or an update is about one element."""
    return all(isinstance(d, int) and d == 1 for d in node.attrs["sizes"])


def inner_facts(loop: Node, facts: Sequence[Dim]) -> tuple[Dim, ...]:
    """Dims that are not negative inside of a loop's body."""
    count = loop.attrs["count"]
    return tuple(facts) if count is None else (*facts, count - 1 - dims.sym(loop.attrs["symbol"]))


def is_known_sum(dim: Dim, facts: Sequence[Dim]) -> bool:
    """Whether `dim` is not negative, as follows from two of `facts`."""
    return is_known(dim, facts) or any(
        is_known(dim - fact, facts)
        for fact in facts
        if free_symbols_of(fact) & free_symbols_of(dim)
    )
