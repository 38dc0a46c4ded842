"""Loops over the same steps, of which the second needs of the first only the same step, are one.

    before: %3 = loop(%y, %x) k in 0..n { carry %1; %2 = ...; next update(%1, %2, starts=(k,)) }
            %6 = loop(%s, %3) j in 0..n { carry %4, param %3
                                          %5 = slice(%3, starts=(j,)); next add(%4, %5) }
    after:  %3, %6 = loop(%y, %s, %x) k in 0..n { carry %1, %4; %2 = ...
                                                  next update(%1, %2, starts=(k,)), add(%4, %2) }

What the first one stacks up is then often needed no more. Loops that read the same arrays become
one too, unless the steps of just one of them are independent of each other.
"""

from __future__ import annotations

from tracejit.ir import dims
from tracejit.ir.graph import Graph, Node, Value, defined_symbols
from tracejit.ir.target import Target
from tracejit.passes.blocks import has_control, replace_params, substitute_sizes
from tracejit.passes.chains import CONTROL
from tracejit.passes.cse import cse
from tracejit.passes.dce import dce
from tracejit.passes.lazy_branches import overwritten_inputs
from tracejit.passes.maps import VIEWS
from tracejit.passes.rewrite import can_fail, has_effects, in_blocks, is_planned
from tracejit.passes.simplify import simplify
from tracejit.passes.stacks import Stack, row_of, stacks_of

MOST_PARTNERS = 8
"""How many of the loops before it are tried for one."""


def fuse_loops(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    found = _fused(graph, target)
    if found is not graph:
        for pass_ in (simplify, cse, simplify, dce):
            found = pass_(found, target)
    return found


def _fused(graph: Graph, target: Target) -> Graph:
    nodes = [in_blocks(_fused, n, target) if n.op in CONTROL else n for n in graph.nodes]
    changed = any(new is not old for new, old in zip(nodes, graph.nodes, strict=True))
    results = set(graph.results)
    at = 0
    while at < len(nodes):
        partners = []
        if nodes[at].op == "loop":
            partners = [k for k in range(at) if _alike(nodes[k], nodes[at])]
        for k in reversed(partners[-MOST_PARTNERS:]):
            found = _Pair(nodes, k, at, results).fused()
            if found is not None:
                nodes[k : at + 1] = found
                changed, at = True, k
                break
        else:
            at += 1
    return graph.with_(nodes=tuple(nodes)) if changed else graph


def _alike(first: Node, second: Node) -> bool:
    """Whether these are loops that run for the same steps, all of them."""
    for node in (first, second):
        if node.op != "loop" or node.attrs["test"] is not None or is_planned(node):
            return False
    return bool(first.attrs["count"] == second.attrs["count"]) and (
        first.attrs.get("truncate_gradient") == second.attrs.get("truncate_gradient")
    )


class _Pair:
    """Two loops, numbers `a` and `b` of `nodes`."""

    def __init__(self, nodes: list[Node], a: int, b: int, results: set[Value]) -> None:
        self.first, self.second = nodes[a], nodes[b]
        self.between = nodes[a + 1 : b]
        self.others = [n for n in nodes if n is not self.first and n is not self.second]
        self.results = results
        self.makers = {v: n for n in nodes for v in n.outputs}
        self.stacks = stacks_of(self.first)

    def fused(self) -> list[Node] | None:
        """The nodes from the first to the second, with one loop in them; None if that cannot be."""
        if any(map(has_effects, (self.first, self.second))):
            return None
        if any(map(can_fail, (self.first, self.second))) or self.same_sizes():
            return None
        later = self.depending()
        if later is None or not self.fits():
            return None
        one = self.merged()
        if one is None:
            return None
        return [*(n for n in self.between if n not in later), one, *later]

    def same_sizes(self) -> bool:
        """Whether both bodies define a size of one name."""
        names = [{s for n in x.blocks[0].nodes for s in defined_symbols(n)} for x in self.pair]
        return not names[0].isdisjoint(names[1])

    @property
    def pair(self) -> tuple[Node, Node]:
        return self.first, self.second

    def depending(self) -> dict[Node, None] | None:
        """What is in between and needs the first loop; None where the second needs that."""
        made = set(self.first.outputs)
        found: dict[Node, None] = {}
        for node in self.between:
            if overwritten_inputs(node):
                return None
            if not made.isdisjoint(node.inputs):
                found[node] = None
                made.update(node.outputs)
        made -= set(self.first.outputs)
        return None if not made.isdisjoint(self.second.inputs) else found

    def fits(self) -> bool:
        """Whether it pays, and takes no copies of what one loop reads and the other writes."""
        carried = [{self.root(v) for v in overwritten_inputs(n)} for n in self.pair]
        reads = [
            {self.root(v) for v in n.inputs[n.attrs["carried"] :] if v.type.ndim} for n in self.pair
        ]
        if not carried[0].isdisjoint(reads[1]) or not carried[1].isdisjoint(reads[0]):
            return False
        if not carried[0].isdisjoint(carried[1]):
            return False
        if any(v in self.second.inputs for v in self.first.outputs):
            return True
        independent = [set(stacks_of(n)) == set(range(n.attrs["carried"])) for n in self.pair]
        return independent[0] == independent[1] and not reads[0].isdisjoint(reads[1])

    def root(self, value: Value) -> Value:
        while (node := self.makers.get(value)) is not None and node.op in VIEWS:
            value = node.inputs[0]
        return value

    def merged(self) -> Node | None:
        """Both loops as one; None where a step of the second needs another step of the first."""
        symbol = self.first.attrs["symbol"]
        (a,) = self.first.blocks
        (b,) = self.second.blocks
        if self.second.attrs["symbol"] != symbol:
            b = substitute_sizes(b, {self.second.attrs["symbol"]: dims.sym(symbol)})
        counts = self.first.attrs["carried"], self.second.attrs["carried"]
        outputs = list(self.first.outputs)
        results = list(a.results)
        inits, params = list(self.first.inputs[: counts[0]]), list(a.params[: counts[0]])
        rest, rest_params = list(self.first.inputs[counts[0] :]), list(a.params[counts[0] :])
        table: dict[Value, Value] = {}
        second_stacks = stacks_of(self.second)
        for k, (value, param) in enumerate(zip(self.second.inputs, b.params, strict=True)):
            number = self.first.outputs.index(value) if value in self.first.outputs else None
            if number is None:
                if k < counts[1]:
                    inits.append(value)
                    params.append(param)
                    outputs.append(self.second.outputs[k])
                    results.append(b.results[k])
                else:
                    rest.append(value)
                    rest_params.append(param)
                continue
            stack = self.stacks.get(number)
            if stack is None:
                return None
            table[param] = a.results[number]
            if k >= counts[1]:
                if not self.reads_same_row(b, param, stack, symbol):
                    return None
                continue
            other = second_stacks.get(k)
            if other is None or other.row != stack.row or self.is_read(value):
                return None
            outputs[number] = self.second.outputs[k]
            results[number] = b.results[k]
        b = replace_params(b, table)
        body = a.with_(
            params=(*params, *rest_params),
            nodes=(*a.nodes, *b.nodes),
            results=tuple(table.get(v, v) for v in results),
            guards=(*a.guards, *b.guards),
        )
        attrs = {**self.first.attrs, "carried": len(inits)}
        inputs = (*inits, *rest)
        return Node("loop", inputs, tuple(outputs), attrs, (body,), loc=self.first.loc)

    def reads_same_row(self, block: Graph, param: Value, stack: Stack, symbol: str) -> bool:
        """Whether a body reads of a stack only the part that the other body has just written."""
        if param in block.results:
            return False
        for node in block.nodes:
            if param not in node.inputs:
                continue
            if node.op != "slice" or row_of(node, symbol) != stack.row:
                return False
        return True

    def is_read(self, value: Value) -> bool:
        """Whether more than the second loop reads an output of the first."""
        if value in self.results or self.second.inputs.count(value) > 1:
            return True
        return any(value in n.inputs for n in self.others)
