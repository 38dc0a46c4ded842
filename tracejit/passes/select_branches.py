"""A branch between numbers that cost next to nothing is a choice between both.

before: %4 = ifelse(%c, %a, %b) { %3 = add(%a, %1.0); return %3 } else { return %b }
after:  %3 = add(%a, %1.0); %4 = select(%c, %3, %b)

Code without a jump is faster than a jump that is guessed wrong, and fuses with what is around it.
Elements of arrays are read on neither side: one of them may not be there.
"""

from __future__ import annotations

from tracejit.ir.graph import Graph, Node
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes.blocks import has_control, inlined
from tracejit.passes.chains import CONTROL
from tracejit.passes.rewrite import in_blocks, is_planned

MOST_FLOPS = 12.0
"""Additions that both sides together may cost."""


def select_branches(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    nodes: list[Node] = []
    changed = False
    for old in graph.nodes:
        node = old
        if node.op in CONTROL:
            node = in_blocks(select_branches, node, target)
        changed = changed or node is not old
        if node.op != "ifelse" or not _is_cheap(node):
            nodes.append(node)
            continue
        changed = True
        results = []
        for block in node.blocks:
            inner, found = inlined(block, node.inputs[1:])
            nodes += inner
            results.append(found)
        for output, a, b in zip(node.outputs, *results, strict=True):
            inputs = (node.inputs[0], a, b)
            nodes.append(Node("select", inputs, (output,), loc=node.loc))
    return graph.with_(nodes=tuple(nodes)) if changed else graph


def _is_cheap(node: Node) -> bool:
    """Whether both sides may run, and soon have."""
    if is_planned(node) or any(v.type.ndim for v in node.outputs):
        return False
    total = float(len(node.outputs))
    for block in node.blocks:
        if block.guards:
            return False
        for inner in block.nodes:
            if any(v.type.ndim for v in (*inner.inputs, *inner.outputs)):
                return False
            if inner.op not in ("const", "size") and not OPS[inner.op].elementwise:
                return False
            total += OPS[inner.op].flops
    return total <= MOST_FLOPS
