"""Which elements of memory a fused node reads where."""

from __future__ import annotations

from tracejit.ir.graph import Node, Value, producers
from tracejit.ir.opdef import OPS
from tracejit.passes import maps
from tracejit.passes.maps import Map


def element_reads(node: Node) -> list[tuple[Value, Map]]:
    """What an elementwise fused node reads from memory, and where."""
    (block,) = node.blocks
    producer = producers(block)
    found: dict[tuple[Value, Map], None] = {}
    pending: list[tuple[Value, Map]] = []
    for value, map in zip(block.results, node.attrs["maps"], strict=True):
        inner = producer.get(value)
        if inner is not None and inner.op == "update":
            region = value.type.with_shape(tuple(inner.attrs["sizes"]))
            source = inner.inputs[1]
            pending.append((source, maps.operand_map(maps.within(map), region, source.type)))
        else:
            pending.append((value, map))
    while pending:
        value, map = maps.through_views(*pending.pop(), producer)
        inner = producer.get(value)
        if (value, map) in found:
            continue
        found[value, map] = None
        if inner is not None and OPS[inner.op].kind == "elementwise":
            out = inner.output.type
            pending += [(v, maps.operand_map(map, out, v.type)) for v in inner.inputs]
    return [(v, m) for v, m in found if producer.get(v) is None]
