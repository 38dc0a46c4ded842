"""Common subexpressions: what is computed twice from the same inputs is computed once.

before: %2 = exp(%x); %3 = exp(%x); %4 = multiply(%2, %3)
after:  %2 = exp(%x); %4 = multiply(%2, %2)
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any

import numpy as np

from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.target import Target
from tracejit.passes.blocks import replace_params, with_passed
from tracejit.passes.maps import FREE
from tracejit.passes.rewrite import (
    has_effects,
    in_blocks,
    is_planned,
    keep_hints,
    substitute_inputs,
)
from tracejit.passes.rules import is_reorderable


def cse(graph: Graph, target: Target) -> Graph:
    """Merge nodes with the same op, inputs and attributes; the first one stays.

    A number that was computed before a branch is passed to the side that computes it again.
    Constants are the same when dtype and bytes are: 0.0 and -0.0 are not, two NaNs of the same bits
    are. Constant arrays are compared by identity. Nodes with blocks are not merged.
    """
    nodes: list[Node] = []
    replaced: dict[Value, Value] = {}
    seen: dict[Any, Node] = {}
    for old in graph.nodes:
        node = substitute_inputs(in_blocks(cse, old, target), replaced)
        if node.op == "ifelse" and not is_planned(node):
            node = _with_known_numbers(node, seen)
        key = node_key(node)
        if key is not None:
            first = seen.setdefault(key, node)
            if first is not node:
                replaced.update(zip(node.outputs, first.outputs, strict=True))
                continue
        nodes.append(node)
    if len(nodes) == len(graph.nodes) and all(map(is_, nodes, graph.nodes)):
        return graph
    results = tuple(replaced.get(v, v) for v in graph.results)
    return keep_hints(graph.with_(nodes=tuple(nodes), results=results), replaced)


def _with_known_numbers(branch: Node, seen: Mapping[Any, Node]) -> Node:
    """`branch` reading from outside the numbers that a node in `seen` has computed already."""
    inputs, blocks = list(branch.inputs), list(branch.blocks)
    for side, block in enumerate(branch.blocks):
        outer = dict(zip(block.params, branch.inputs[1:], strict=True))
        found: dict[Value, Value] = {}
        for node in block.nodes:
            if not all(v in outer for v in node.inputs):
                continue
            known = node_key(node.with_(inputs=tuple(outer[v] for v in node.inputs)))
            same = None if known is None else seen.get(known)
            if same is None:
                continue
            outer.update(zip(node.outputs, same.outputs, strict=True))
            if node.op not in FREE and not any(v.type.ndim for v in node.outputs):
                found.update(zip(node.outputs, same.outputs, strict=True))
        needed = set(block.results)
        for node in block.nodes:
            if not all(v in found for v in node.outputs) or not node.outputs:
                needed.update(node.inputs)
        for value, source in found.items():
            if value not in needed:
                continue
            inputs.append(source)
            for number, other in enumerate(blocks):
                new = Value(source.type, source.hint)
                blocks[number] = other.with_(params=(*other.params, new))
            blocks[side] = replace_params(blocks[side], {value: blocks[side].params[-1]})
    if len(inputs) == len(branch.inputs):
        return branch
    return with_passed(branch, inputs, blocks)


def node_key(node: Node) -> tuple[Any, ...] | None:
    """Equal for nodes that compute the same; None for a node that must not be merged.

    Two nodes that define sizes are two: merging them would rename sizes all over the graph.
    """
    if node.blocks or has_effects(node) or is_planned(node) or "symbols" in node.attrs:
        return None
    inputs: tuple[Any, ...] = node.inputs
    if len(inputs) == 2 and is_reorderable(node.op):
        inputs = tuple(sorted(inputs, key=id))
    if not node.attrs:
        return (node.op, inputs)
    try:
        key = (node.op, inputs, tuple([(k, attr_key(v)) for k, v in sorted(node.attrs.items())]))
        hash(key)
    except TypeError:
        return None
    return key


def attr_key(attr: Any) -> Any:
    """Equal for attributes that mean the same: types count, and floats go by their bits."""
    kind = type(attr)
    if kind is int or kind is str:
        return attr
    if kind is tuple:
        return tuple([attr_key(entry) for entry in attr])
    if isinstance(attr, np.ndarray):
        return ("array", id(attr))
    if isinstance(attr, np.generic):
        return (attr.dtype, attr.tobytes())
    if isinstance(attr, float):
        return ("float", attr.hex())
    if isinstance(attr, complex):
        return ("complex", attr.real.hex(), attr.imag.hex())
    return (kind, attr)
