"""The graph in which every group is one fused node, in an order that keeps what must come first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tracejit.ir.graph import Graph, Node, Value, mentioned_symbols, symbol_definers
from tracejit.passes import maps
from tracejit.passes.chains import written_input
from tracejit.passes.costs import fusable
from tracejit.passes.maps import FREE, VIEWS
from tracejit.passes.order import Group, Order, Unit


def is_free(node: Node) -> bool:
    """Whether a node is repeated wherever it is read; arrays of constants are read from memory."""
    return node.op in FREE and not (node.op == "const" and node.output.type.ndim)


@dataclass(frozen=True)
class Grouping:
    """What was decided: the groups, which values are kept in memory, what comes before what."""

    groups: list[Group]
    stored: set[Value]
    order: Order


def regroup(graph: Graph, grouping: Grouping) -> Graph:
    """`graph` with the groups as fused nodes."""
    return _Regrouping(graph, grouping).run()


class _Regrouping:
    def __init__(self, graph: Graph, grouping: Grouping) -> None:
        self.graph, self.grouping = graph, grouping
        self.producer = grouping.order.producer
        self.definers = symbol_definers(graph)
        self.owner = {node: group for group in grouping.groups for node in group.members}

    def run(self) -> Graph:
        fused: dict[Unit, Node] = {group: self._fused_node(group) for group in self.grouping.groups}
        order: list[Node] = []
        done: set[Unit] = set()
        waiting: set[Unit] = set()
        for first in self.graph.nodes:
            if first not in self.owner and not self._stays(first):
                continue
            stack: list[tuple[Unit, bool]] = [(self._unit(first), False)]
            while stack:
                unit, ready = stack.pop()
                if unit in done:
                    continue
                new = fused[unit] if isinstance(unit, Group) else unit
                if ready:
                    done.add(unit)
                    order.append(new)
                    continue
                if unit in waiting:
                    raise AssertionError(f"{self.graph.name}: groups wait for each other")
                waiting.add(unit)
                stack.append((unit, True))
                stack.extend((u, False) for u in self._earlier(unit, new))
        return self.graph.with_(nodes=tuple(order))

    def _unit(self, node: Node) -> Unit:
        return self.owner.get(node, node)

    def _earlier(self, unit: Unit, node: Node) -> list[Unit]:
        """The units that `unit`, which becomes `node`, has to wait for."""
        found = list(self.grouping.order.earlier(unit))
        for value in node.inputs:
            inner = self.producer.get(value)
            if inner is not None:
                found.append(self._unit(inner))
        if self.definers:
            for name in sorted(mentioned_symbols(node) & self.definers.keys()):
                if self.definers[name] is not node:
                    found.append(self._unit(self.definers[name]))
        return found

    def _stays(self, node: Node) -> bool:
        """Whether a node that is in no group is still needed in memory."""
        if is_free(node) or node.op in VIEWS:
            return node.output in self.grouping.stored
        return not fusable(node) and node.op != "update"

    def _fused_node(self, group: Group) -> Node:
        inside = group.members.keys() | group.copies.keys()
        bases = {n: b for n in group.members if (b := written_input(n)) is not None}
        nodes: dict[Node, None] = {}
        params: dict[Value, None] = {
            b: None for b in bases.values() if self.producer.get(b) not in inside
        }
        pending = [v for n in group.members for v in n.outputs]
        while pending:
            value = pending.pop()
            if value in params:
                continue
            node = self.producer.get(value)
            local = node is not None and (
                node in inside or is_free(node) or (node.op in VIEWS and not self._opaque(node))
            )
            if not local:
                params[value] = None
            elif node is not None and node not in nodes:
                nodes[node] = None
                pending.extend(node.inputs)
        body = sorted(nodes, key=self._position.__getitem__)
        outputs = [
            v for n in body if n in group.members for v in n.outputs if v in self.grouping.stored
        ]
        inputs = tuple(params)
        block = Graph("fused", inputs, tuple(body), tuple(outputs))
        loc = next((n.loc for n in reversed(body) if n in group.members and n.loc), None)
        attrs = {
            "extents": tuple(group.extents),
            "reduced": group.reduced,
            "maps": tuple(group.maps[v] for v in outputs),
        }
        reuses: tuple[int | None, ...] = ()
        if bases:
            producer = {n.output: base for n, base in bases.items()}
            taken = {}
            for value, base in producer.items():
                while base in producer:
                    base = producer[base]
                taken[value] = inputs.index(base)
            reuses = tuple(taken.get(v) for v in outputs)
        return Node("fused", inputs, tuple(outputs), attrs, (block,), reuses, loc=loc)

    def _opaque(self, node: Node) -> bool:
        """Whether a view cannot be folded into loads (a reshape that merges or splits axes)."""
        return maps.view_map(node, maps.identity(node.output.type.shape)) is None

    @cached_property
    def _position(self) -> dict[Node, int]:
        return {n: k for k, n in enumerate(self.graph.nodes)}
