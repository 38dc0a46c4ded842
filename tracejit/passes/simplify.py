"""Algebra, constants, views of views, and numerically stable forms.

    before: %3 = exp(%x); %4 = add(%1.0, %3); %5 = log(%4); %6 = multiply(%5, %1.0)
    after:  %3 = exp(%x); %4 = add(%3, %1.0); %5 = softplus(%x)

One forward pass: each node is rewritten given inputs that are simple already, and what a rule
builds is simplified as it is built, so that nothing is looked at twice. What lost its last reader
stays for `dce`. The rules are in `rules.py` and the `rules_*.py` beside it, each with its identity.
"""

from __future__ import annotations

from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes import (
    rules_arithmetic,
    rules_index,
    rules_logic,
    rules_products,
    rules_shape,
    rules_update,
)
from tracejit.passes.rewrite import Rewriter, can_fail, in_blocks, is_planned
from tracejit.passes.rules import ELEMENTWISE, RULES

__all__ = [
    "rules_arithmetic",
    "rules_index",
    "rules_logic",
    "rules_products",
    "rules_shape",
    "rules_update",
    "simplify",
    "simplify_node",
]


def simplify(graph: Graph, target: Target) -> Graph:
    """Rewrite every node by the first rule that applies, until none does."""
    return _simplified(graph, target, bool(graph.written) and any(map(can_fail, graph.nodes)))


def _simplified(graph: Graph, target: Target, keeps_stores: bool) -> Graph:
    """`graph`, which may be a block: what is written in it may be memory of the caller too."""

    def block(inner: Graph, target: Target) -> Graph:
        return _simplified(inner, target, keeps_stores)

    rewriter = Rewriter(simplify_node, target)
    rewriter.keeps_stores = keeps_stores
    for node in graph.nodes:
        rewriter.visit(in_blocks(block, node, target), node)
    return rewriter.finish(graph)


def simplify_node(rewriter: Rewriter, node: Node) -> Value | None:
    """The value that takes the place of the only output of `node`, or None."""
    if len(node.outputs) != 1 or (node.reuses and is_planned(node)) or node.blocks:
        return None
    record = OPS.get(node.op)
    if record is None:
        return None
    if record.elementwise:
        for rule in ELEMENTWISE:
            if (found := rule(rewriter, node)) is not None:
                return rewriter.broadcast(found, node.outputs[0].type.shape)
    for rule in RULES.get(node.op, ()):
        if (found := rule(rewriter, node, *node.inputs)) is not None:
            return rewriter.broadcast(found, node.outputs[0].type.shape)
    return None
