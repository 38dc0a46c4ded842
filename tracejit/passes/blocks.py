"""What the passes on branches and loops share: what feeds what, and taking blocks apart.

A block is a graph of its own, so that most passes simply run inside of it. What goes across its
border goes through here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Expr
from tracejit.ir.graph import (
    Graph,
    Guard,
    Node,
    Value,
    defined_symbols,
    free_symbols_of,
    mentioned_symbols,
    producers,
    symbol_definers,
)
from tracejit.passes.chains import CONTROL
from tracejit.passes.rewrite import has_effects, substitute_inputs


def has_control(graph: Graph) -> bool:
    return any(node.op in CONTROL for node in graph.nodes)


def first_param(node: Node) -> int:
    """The number of the input that the first param of a block stands for."""
    return 1 if node.op == "ifelse" else 0


def passed(node: Node) -> range:
    """The numbers of the inputs that blocks only read: not the condition, not what is carried."""
    return range(1 if node.op == "ifelse" else node.attrs["carried"], len(node.inputs))


def is_bounded(node: Node) -> bool:
    """Whether a node surely comes to an end."""
    if node.op == "loop" and node.attrs["count"] is None:
        return False
    return all(is_bounded(n) for block in node.blocks for n in block.nodes)


def local_symbols(node: Node) -> frozenset[str]:
    """The size symbols that are known only inside a control node."""
    found = {node.attrs["symbol"]} if node.op == "loop" else set()
    for block in node.blocks:
        for inner in block.nodes:
            found.update(defined_symbols(inner))
            found |= local_symbols(inner)
    return frozenset(found)


def mentions(node: Node, symbols: frozenset[str]) -> bool:
    """Whether one of these sizes has a part in a node."""
    return bool(symbols) and not symbols.isdisjoint(mentioned_symbols(node))


# Inputs, params, outputs, results: what belongs together is kept together.


def with_passed(node: Node, inputs: Sequence[Value], blocks: Sequence[Graph]) -> Node:
    return Node(
        node.op, tuple(inputs), node.outputs, node.attrs, tuple(blocks), node.reuses, node.loc
    )


def keep_inputs(node: Node, kept: Iterable[int]) -> Node:
    """`node` with only the inputs `kept`, a condition and carried values among them."""
    numbers = list(kept)
    if len(numbers) == len(node.inputs):
        return node
    first = first_param(node)
    blocks = [
        b.with_(params=tuple(b.params[k - first] for k in numbers if k >= first))
        for b in node.blocks
    ]
    return with_passed(node, [node.inputs[k] for k in numbers], blocks)


def keep_outputs(node: Node, kept: Sequence[int]) -> Node:
    """`node` with only the outputs `kept`: of a loop, it carries nothing else."""
    if len(kept) == len(node.outputs):
        return node
    blocks = [b.with_(results=tuple(b.results[k] for k in kept)) for b in node.blocks]
    attrs = node.attrs
    inputs = node.inputs
    if node.op == "loop":
        carried, test = attrs["carried"], attrs["test"]
        numbers = [*kept, *range(carried, len(inputs))]
        inputs = tuple(inputs[k] for k in numbers)
        blocks = [b.with_(params=tuple(b.params[k] for k in numbers)) for b in blocks]
        test = None if test is None else kept.index(test)
        attrs = {**attrs, "carried": len(kept), "test": test}
    outputs = tuple(node.outputs[k] for k in kept)
    return Node(node.op, inputs, outputs, attrs, tuple(blocks), node.reuses, node.loc)


def replace_params(block: Graph, table: Mapping[Value, Value], front: Sequence[Node] = ()) -> Graph:
    """`block` with other values in place of params; `front` makes some of them."""
    if not table and not front:
        return block
    nodes = (*front, *(substitute_inputs(n, table) for n in block.nodes))
    return block.with_(nodes=nodes, results=tuple(table.get(v, v) for v in block.results))


def inlined(block: Graph, args: Sequence[Value]) -> tuple[list[Node], list[Value]]:
    """The nodes of a block that runs exactly once, on `args`, and its results."""
    table = dict(zip(block.params, args, strict=True))
    nodes = [substitute_inputs(n, table) for n in block.nodes]
    return nodes, [table.get(v, v) for v in block.results]


# Sizes.


def substitute_sizes(block: Graph, sizes: Mapping[str, Dim]) -> Graph:
    """`block` with other dims in place of symbols, in blocks inside of it too."""
    return _Substitution(sizes).graph(block)


@dataclass
class _Substitution:
    sizes: Mapping[str, Dim]
    values: dict[Value, Value] = field(default_factory=dict)

    def graph(self, graph: Graph) -> Graph:
        return graph.with_(
            params=tuple(map(self.value, graph.params)),
            nodes=tuple(map(self.node, graph.nodes)),
            results=tuple(map(self.value, graph.results)),
            guards=tuple(self.guard(g) if isinstance(g, Guard) else g for g in graph.guards),
        )

    def value(self, value: Value) -> Value:
        found = self.values.get(value)
        if found is None:
            type = value.type.substitute(self.sizes)
            found = value if type == value.type else Value(type, value.hint)
            self.values[value] = found
        return found

    def guard(self, guard: Guard) -> Guard:
        left = dims.substitute(guard.left, self.sizes)
        right = dims.substitute(guard.right, self.sizes)
        return Guard(left, guard.relation, right, guard.loc, guard.reason)

    def node(self, node: Node) -> Node:
        attrs = node.attrs
        if any(not self.sizes.keys().isdisjoint(free_symbols_of(a)) for a in attrs.values()):
            attrs = {k: self.attr(v) for k, v in attrs.items()}
        return Node(
            node.op,
            tuple(map(self.value, node.inputs)),
            tuple(map(self.value, node.outputs)),
            attrs,
            tuple(map(self.graph, node.blocks)),
            node.reuses,
            node.loc,
        )

    def attr(self, attr: Any) -> Any:
        if isinstance(attr, Expr):
            return dims.substitute(attr, self.sizes)
        return tuple(map(self.attr, attr)) if isinstance(attr, tuple) else attr


def linear_in(dim: Dim, symbol: str) -> tuple[Dim, int] | None:
    """`(a, b)` where `dim` is `a + b * symbol`, `a` free of the symbol and `b` an int, or None."""
    if isinstance(dim, int) or symbol not in dim.symbols:
        return dim, 0
    start = dims.substitute(dim, {symbol: 0})
    step = dims.substitute(dim, {symbol: 1}) - start
    if not isinstance(step, int) or dim != start + dims.sym(symbol) * step:
        return None
    return start, step


# What feeds what.


class Feeds:
    """Which inputs of a node each of its outputs depends on, through blocks."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[Node, int], frozenset[int]] = {}
        self._sizes: dict[Node, frozenset[str]] = {}

    def inputs(self, node: Node, number: int) -> frozenset[int]:
        """The numbers of the inputs that output `number` of a control node needs.

        What blocks do beyond giving their results counts for every output.
        """
        key = (node, number)
        if key not in self._inputs:
            kind = self._branch if node.op == "ifelse" else self._loop
            self._inputs[key] = kind(node, number)
        return self._inputs[key]

    def carried(self, node: Node, wanted: Iterable[int]) -> list[int]:
        """What a loop must carry so that its outputs `wanted` come out right."""
        found: set[int] = set(wanted)
        if node.attrs["test"] is not None:
            found.add(node.attrs["test"])
        for number in sorted(found):
            found |= {k for k in self.inputs(node, number) if k < node.attrs["carried"]}
        if not found:
            found |= {k for k in self._closure(node, set()) if k < node.attrs["carried"]}
        return sorted(found)

    def params(self, block: Graph, results: Iterable[Value]) -> set[Value]:
        """The params of `block` that these of its results, and its effects, depend on."""
        producer = producers(block)
        definers = symbol_definers(block)
        pending: list[Value] = list(results)
        for node in block.nodes:
            if has_effects(node):
                pending += node.inputs
        for guard in block.guards:
            if isinstance(guard, Guard):
                pending += [definers[s].outputs[0] for s in guard.symbols if s in definers]
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            maker = producer.get(value)
            if maker is None:
                continue
            if maker.op in CONTROL:
                numbers = self.inputs(maker, maker.outputs.index(value))
                pending += [maker.inputs[k] for k in numbers]
            else:
                pending += maker.inputs
            if definers:
                if maker not in self._sizes:
                    self._sizes[maker] = mentioned_symbols(maker)
                named = self._sizes[maker]
                pending += [definers[s].outputs[0] for s in named if s in definers]
        return seen.intersection(block.params)

    def _branch(self, node: Node, number: int) -> frozenset[int]:
        found = {0}
        for block in node.blocks:
            read = self.params(block, [block.results[number]])
            found |= {k + 1 for k, p in enumerate(block.params) if p in read}
        return frozenset(found)

    def _loop(self, node: Node, number: int) -> frozenset[int]:
        wanted = {number}
        if node.attrs["test"] is not None:
            wanted.add(node.attrs["test"])
        return frozenset(self._closure(node, wanted))

    def _closure(self, node: Node, wanted: set[int]) -> set[int]:
        (block,) = node.blocks
        carried = node.attrs["carried"]
        found = set(wanted)
        while True:
            read = self.params(block, [block.results[k] for k in found if k < carried])
            more = {k for k, p in enumerate(block.params) if p in read} - found
            if not more:
                return found
            found |= more
