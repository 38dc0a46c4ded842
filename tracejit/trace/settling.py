"""A traced graph with every decision on sizes put in, inside its blocks too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, ScalarGuard, Value, defined_symbols
from tracejit.ir.opdef import OPS
from tracejit.trace.assumptions import Assumptions
from tracejit.trace.solving import without_implied

Guards = Sequence[Guard | ScalarGuard]


def settled_graph(assumptions: Assumptions, graph: Graph, aliases: Mapping[Value, Value]) -> Graph:
    """`graph` with sizes replaced by what they were found to be, and only the guards it needs.

    `aliases` are other objects for values of the graph.
    """
    graph = graph.with_(guards=without_implied(graph.guards))
    if not assumptions.renamed:
        return graph
    return _Settling(assumptions, aliases).run(graph)


class _Settling:
    def __init__(self, assumptions: Assumptions, aliases: Mapping[Value, Value]) -> None:
        self.assumptions, self.aliases = assumptions, aliases
        self.values: dict[Value, Value] = {}

    def run(self, graph: Graph) -> Graph:
        params = tuple(map(self.value, graph.params))
        nodes = tuple(new for node in graph.nodes for new in self.node(node))
        scalars = (name for name, _ in graph.scalars)
        return graph.with_(
            params=params,
            nodes=nodes,
            results=tuple(map(self.value, graph.results)),
            guards=self.guards(graph, list(scalars)),
        )

    def value(self, value: Value) -> Value:
        value = self.aliases.get(value, value)
        found = self.values.get(value)
        if found is None:
            type = value.type.with_shape(self.assumptions.shape(value.type.shape))
            found = self.values[value] = Value(type, value.hint)
        return found

    def node(self, node: Node) -> list[Node]:
        inputs = tuple(map(self.value, node.inputs))
        attrs = {k: self.assumptions.settled(v) for k, v in node.attrs.items()}
        outputs = tuple(map(self.value, node.outputs))
        if any(name in self.assumptions.decided for name in defined_symbols(node)):
            # It still defines what it finds; a guard says that this is what was decided.
            own = OPS[node.op].infer([v.type for v in inputs], attrs)
            found = tuple(map(Value, own))
            return [
                node.with_(inputs=inputs, outputs=found, attrs=attrs),
                *(
                    Node("reshape", (a,), (b,), {"shape": b.type.shape}, loc=node.loc)
                    for a, b in zip(found, outputs, strict=True)
                ),
            ]
        blocks = tuple(map(self.run, node.blocks))
        return [node.with_(inputs=inputs, outputs=outputs, attrs=attrs, blocks=blocks)]

    def guards(self, graph: Graph, names: list[str]) -> tuple[Guard | ScalarGuard, ...]:
        """The guards of a graph or block, with those for sizes which it makes and were decided."""
        names += [name for node in graph.nodes for name in defined_symbols(node)]
        decided = self.assumptions.decided
        canonical = self.assumptions.canonical
        found: list[Guard | ScalarGuard] = [
            Guard(dims.sym(name), "==", canonical(dims.sym(name)), *decided[name])
            for name in names
            if name in decided
        ]
        return tuple(dict.fromkeys((*found, *self._settled(graph.guards))))

    def _settled(self, guards: Guards) -> Iterator[Guard | ScalarGuard]:
        for guard in guards:
            if isinstance(guard, Guard):
                left, right = map(self.assumptions.canonical, (guard.left, guard.right))
                if isinstance(left, int) and isinstance(right, int):
                    continue
                guard = replace(guard, left=left, right=right)
            yield guard
