"""Dead code: nodes that nothing reads go.

before: %2 = exp(%x); %3 = sin(%x); return %3
after:  %3 = sin(%x); return %3
"""

from __future__ import annotations

from tracejit.ir.graph import (
    Graph,
    Guard,
    Node,
    Value,
    defined_symbols,
    mentioned_symbols,
    symbol_definers,
)
from tracejit.ir.target import Target
from tracejit.passes.blocks import Feeds, first_param, keep_inputs, keep_outputs, passed
from tracejit.passes.chains import CONTROL
from tracejit.passes.rewrite import has_effects, in_blocks

TRANSPARENT = frozenset({"fused"})
"""Ops whose inputs are the parameters of their one block, and whose outputs are its results."""

PER_OUTPUT = frozenset({"maps"})
"""Attributes of those ops that have one entry for each output."""


def dce(graph: Graph, target: Target) -> Graph:
    """Drop every node without effects whose outputs, and sizes that it defines, are all unused.

    Outputs of fused nodes that nobody reads are dropped with the block results behind them, then
    the inputs that the block no longer needs. So are outputs of branches and loops, what a loop
    carries only for itself, and what blocks do not read. Parameters of the graph stay: they are its
    signature.
    """
    live: set[Value] = set(graph.results)
    definers = symbol_definers(graph)
    sizes = {s for g in graph.guards if isinstance(g, Guard) for s in g.symbols}
    kept: list[Node] = []
    for old in reversed(graph.nodes):
        node = old
        unread = live.isdisjoint(node.outputs) and sizes.isdisjoint(defined_symbols(node))
        if unread and not has_effects(node):
            continue
        if node.blocks:
            if node.op in TRANSPARENT and not node.reuses:
                node = _drop_outputs(node, live)
            elif node.op in CONTROL and not node.reuses:
                node = _drop_unused(node, live)
            node = in_blocks(dce, node, target)
            if node.op in CONTROL and not node.reuses:
                node = _drop_unread(node)
            if node.op in TRANSPARENT and not node.reuses:
                node = _drop_inputs(node)
        kept.append(node)
        live.update(node.inputs)
        if definers:
            sizes |= mentioned_symbols(node)
    kept.reverse()
    if len(kept) == len(graph.nodes) and all(
        a is b for a, b in zip(kept, graph.nodes, strict=True)
    ):
        return graph
    return graph.with_(nodes=tuple(kept))


def _drop_outputs(node: Node, live: set[Value]) -> Node:
    if all(v in live for v in node.outputs):
        return node
    (block,) = node.blocks
    kept = [k for k, outer in enumerate(node.outputs) if outer in live]
    attrs = {
        name: tuple(attr[k] for k in kept) if name in PER_OUTPUT else attr
        for name, attr in node.attrs.items()
    }
    return node.with_(
        outputs=tuple(node.outputs[k] for k in kept),
        attrs=attrs,
        blocks=(block.with_(results=tuple(block.results[k] for k in kept)),),
    )


def _drop_inputs(node: Node) -> Node:
    (block,) = node.blocks
    read = {v for inner in block.nodes for v in inner.inputs} | set(block.results)
    pairs = [p for p in zip(node.inputs, block.params, strict=True) if p[1] in read]
    if len(pairs) == len(node.inputs):
        return node
    return node.with_(
        inputs=tuple(outer for outer, _ in pairs),
        blocks=(block.with_(params=tuple(inner for _, inner in pairs)),),
    )


def _drop_unused(node: Node, live: set[Value]) -> Node:
    """A branch or loop without the outputs that nobody needs."""
    wanted = [k for k, v in enumerate(node.outputs) if v in live]
    if len(wanted) < len(node.outputs) and node.op == "loop":
        wanted = Feeds().carried(node, wanted)
    return keep_outputs(node, wanted)


def _drop_unread(node: Node) -> Node:
    """A branch or loop without the inputs that its blocks only read, and do not."""
    read = {v for b in node.blocks for v in (*b.results, *(v for n in b.nodes for v in n.inputs))}
    first = first_param(node)
    unread = {k for k in passed(node) if all(b.params[k - first] not in read for b in node.blocks)}
    return keep_inputs(node, [k for k in range(len(node.inputs)) if k not in unread])
