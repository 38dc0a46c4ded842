"""Writes that lead from one state of a memory to the next: what each is of, and their chains.

A write is named by the value that it gives. `update` and `scatter` give one; a branch or a loop
gives one for each array that its blocks write, as its `reuses` say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS

CONTROL = frozenset({"ifelse", "loop"})
"""Nodes whose blocks are code that runs, or does not, or many times."""

BIJECTIVE = frozenset({"transpose", "reshape"})
"""Views of all elements: whoever writes through one writes the memory of the whole."""


def writes_of(node: Node) -> tuple[tuple[Value, int], ...]:
    """What the node makes of memory that exists: values, and the inputs whose memory they take."""
    if node.op in CONTROL:
        pairs = zip(node.outputs, node.reuses, strict=False)
        return tuple((value, k) for value, k in pairs if k is not None)
    position = OPS[node.op].in_place
    return () if position is None else ((node.outputs[0], position),)


def written_input(node: Node) -> Value | None:
    """The value whose elements an `update` or `scatter` replaces; None where it is no write."""
    position = OPS[node.op].in_place
    return None if position is None else node.inputs[position]


def written_into(node: Node, value: Value) -> Value | None:
    """The input whose memory holds the output `value` of `node`; None for memory of its own."""
    return next((node.inputs[k] for found, k in writes_of(node) if found is value), None)


@dataclass
class Chain:
    """The writes that lead to a value, the last one first, and what the first one writes into.

    `straight` says of each write whether its output has the elements where the value has them: the
    views in between undo each other.
    """

    writes: list[Value]
    straight: list[bool]
    root: Value
    root_straight: bool

    def is_of(self, param: Value) -> bool:
        """Whether these are writes into the memory of `param`, element by element."""
        return self.root is param and self.root_straight


def chain_of(value: Value, producer: Mapping[Value, Node]) -> Chain:
    """The chain that ends in `value`."""
    writes: list[Value] = []
    straight: list[bool] = []
    views: list[Node] = []
    while True:
        node = producer.get(value)
        base = None if node is None else written_into(node, value)
        if base is not None:
            writes.append(value)
            straight.append(not views)
            value = base
        elif node is not None and node.op in BIJECTIVE:
            if views and _undoes(views[-1], node):
                views.pop()
            else:
                views.append(node)
            value = node.inputs[0]
        else:
            return Chain(writes, straight, value, not views)


def _undoes(outer: Node, inner: Node) -> bool:
    """Whether `outer` of `inner` is nothing at all."""
    if outer.op != inner.op or outer.output.type.shape != inner.inputs[0].type.shape:
        return False
    if outer.op == "reshape":
        return True
    perm = tuple(inner.attrs["perm"][k] for k in outer.attrs["perm"])
    return perm == tuple(range(len(perm)))
