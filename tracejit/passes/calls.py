"""Nodes that a library computes: a call at run time, which may find out sizes of its results."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols
from tracejit.ir.program import Buffer, Call, MemRef, Step


class Frame(Protocol):
    """What of the lowering is needed here."""

    graph: Graph
    memory: dict[Value, MemRef]
    buffers: dict[int, Buffer]
    symbols: dict[str, int]
    steps: list[Step]

    def new_words(self, count: int) -> int: ...

    def allocate(self, value: Value) -> MemRef: ...


def library_call(lowering: Frame, node: Node) -> None:
    """The step that runs `node`; sizes that it defines get words of the frame."""
    bound = defined_symbols(node)
    before = frozenset(lowering.symbols)
    for name in bound:
        lowering.symbols[name] = lowering.new_words(1)
    inputs = tuple(lowering.memory[v] for v in node.inputs)
    outputs = tuple(lowering.allocate(v) for v in node.outputs)
    attrs = tuple((k, v) for k, v in node.attrs.items() if k != "symbols")
    guards = tuple(
        g
        for g in lowering.graph.guards
        if isinstance(g, Guard) and not g.symbols <= before and g.symbols <= lowering.symbols.keys()
    )
    call = Call(node.op, attrs, inputs, outputs, 0, bound, guards, node.loc)
    call = replace(call, slot=lowering.new_words(call.operand_words()[-1]))
    for ref in outputs:
        if call.allocates(ref):
            lowering.buffers[ref.slot] = replace(lowering.buffers[ref.slot], called=True)
    lowering.steps.append(call)


def checked_at_entry(graph: Graph) -> tuple[Guard, ...]:
    """The guards on sizes that are known before anything runs."""
    late = frozenset(name for node in graph.nodes for name in defined_symbols(node))
    return tuple(g for g in graph.guards if isinstance(g, Guard) and not g.symbols & late)
