"""Nodes that a library computes: a call at run time, which may find out sizes of its results."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from tracejit.ir.dims import Dim, free_symbols
from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols
from tracejit.ir.program import Buffer, Call, MemRef, Step


class Frame(Protocol):
    """What of the lowering is needed here."""

    graph: Graph
    memory: dict[Value, MemRef]
    buffers: dict[int, Buffer]
    symbols: dict[str, int]
    steps: list[Step]
    limits: dict[str, Dim | None]
    depth: int

    def new_words(self, count: int) -> int: ...

    def allocate(self, value: Value) -> MemRef: ...

    def allocate_by_call(self, value: Value) -> MemRef: ...


def library_call(lowering: Frame, node: Node) -> None:
    """The step that runs `node`; sizes that it defines get words of the frame."""
    bound = defined_symbols(node)
    before = frozenset(lowering.symbols)
    for name in bound:
        lowering.symbols[name] = lowering.new_words(1)
    inputs = tuple(lowering.memory[v] for v in node.inputs)
    if lowering.depth:
        lowering.limits.update(dict.fromkeys(bound))
    outputs = tuple(
        lowering.allocate_by_call(v) if _mentions(v, bound) else lowering.allocate(v)
        for v in node.outputs
    )
    attrs = tuple((k, v) for k, v in node.attrs.items() if k != "symbols")
    guards = newly_known(lowering.graph, before, lowering.symbols)
    call = Call(node.op, attrs, inputs, outputs, 0, bound, guards, node.loc)
    call = replace(call, slot=lowering.new_words(call.operand_words()[-1]))
    lowering.steps.append(call)


def _mentions(value: Value, symbols: Sequence[str]) -> bool:
    return any(not free_symbols(d).isdisjoint(symbols) for d in value.type.shape)


def newly_known(graph: Graph, before: Container[str], now: Mapping[str, int]) -> tuple[Guard, ...]:
    """The guards that can be checked now that further sizes are known."""
    return tuple(
        g
        for g in graph.guards
        if isinstance(g, Guard)
        and g.symbols <= now.keys()
        and not all(name in before for name in g.symbols)
    )


def checked_at_entry(graph: Graph) -> tuple[Guard, ...]:
    """The guards on sizes that are known before anything runs."""
    late = frozenset(name for node in graph.nodes for name in defined_symbols(node))
    return tuple(g for g in graph.guards if isinstance(g, Guard) and not g.symbols & late)
