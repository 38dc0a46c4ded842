"""What it costs to compute a value again, against storing it and reading it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS
from tracejit.passes import maps
from tracejit.passes.maps import VIEWS, Map

CHEAP_FLOPS = 2.0
"""A value that costs at most this many additions from memory is recomputed rather than stored."""

SHIFTED_FLOPS = 24.0
"""Additions per element that may be repeated so that a value need not be stored and read back."""


def fusable(node: Node) -> bool:
    """Whether a node can be computed in any loop nest."""
    return OPS[node.op].kind in ("elementwise", "reduce")


class Costs:
    """Costs in additions; `producer` has the node that computes each value."""

    def __init__(self, producer: Mapping[Value, Node]) -> None:
        self.producer = producer

    def operands(self, node: Node, map: Map) -> list[tuple[Value, Map]]:
        """What `node` reads, past views, and where. For a reduction only what it reads counts."""
        if OPS[node.op].kind == "reduce":
            value = node.inputs[0]
            whole = maps.identity(value.type.shape)
            return [maps.through_views(value, whole, self.producer)]
        out = node.output.type
        return [
            maps.through_views(v, maps.operand_map(map, out, v.type), self.producer)
            for v in dict.fromkeys(node.inputs)
        ]

    def is_cheap(self, node: Node) -> bool:
        return self._additions(node, CHEAP_FLOPS) <= CHEAP_FLOPS

    def _additions(self, node: Node, limit: float) -> float:
        """Additions per element to compute `node` from memory, or anything above `limit`."""
        if OPS[node.op].kind != "elementwise":
            return limit + 1
        total = OPS[node.op].flops
        for value in node.inputs:
            if total > limit:
                break
            inner = self.producer.get(value)
            while inner is not None and inner.op in VIEWS:
                inner = self.producer.get(inner.inputs[0])
            if inner is not None and fusable(inner):
                total += self._additions(inner, limit - total)
        return total

    def at(self, node: Node, places: Sequence[Map]) -> float:
        """Additions to compute `node` at some places from memory, what they share counted once.

        Infinite where a reduction goes in, or where it is far more than is ever repeated.
        """
        total = 0.0
        pending: list[tuple[Node, Map]] = [(node, map) for map in places]
        seen = set(pending)
        while pending:
            inner, map = pending.pop()
            total += OPS[inner.op].flops
            if OPS[inner.op].kind != "elementwise" or total > 8 * SHIFTED_FLOPS:
                return float("inf")
            for value, at in self.operands(inner, map):
                source = self.producer.get(value)
                if source is not None and fusable(source) and (source, at) not in seen:
                    seen.add((source, at))
                    pending.append((source, at))
        return total
