"""What the rewriting passes share: building a new graph node by node out of an old one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target

EFFECTS = frozenset({"assert", "check", "print"})
"""Ops that do something beyond giving their outputs: kept, never merged."""

MAX_DEPTH = 50
"""Rewrites of rewrites of one node: far more than the rules can chain, should one ever go round."""

NO_ATTRS: dict[str, Any] = {}

Simplify = Callable[["Rewriter", Node], Value | None]


def has_effects(node: Node) -> bool:
    record = OPS.get(node.op)
    if node.op in EFFECTS or (record is not None and record.effects):
        return True
    return any(has_effects(n) for block in node.blocks for n in block.nodes)


def can_fail(node: Node) -> bool:
    """Whether a node may find out in mid-run that its inputs are wrong."""
    record = OPS.get(node.op)
    if record is not None and (record.may_fail or record.kind == "library"):
        return True
    return any(b.guards or any(map(can_fail, b.nodes)) for b in node.blocks)


def is_planned(node: Node) -> bool:
    """Whether the memory pass has given an output the memory of an input."""
    return any(k is not None for k in node.reuses)


def in_blocks(pass_: Callable[[Graph, Target], Graph], node: Node, target: Target) -> Node:
    """`node` with `pass_` applied to its blocks; the same object when they do not change."""
    if not node.blocks:
        return node
    blocks = tuple(pass_(block, target) for block in node.blocks)
    if all(new is old for new, old in zip(blocks, node.blocks, strict=True)):
        return node
    return node.with_(blocks=blocks)


def substitute_inputs(node: Node, table: Mapping[Value, Value]) -> Node:
    """`node` with inputs replaced as `table` says; the same object when none is."""
    for value in node.inputs:
        if value in table:
            inputs = tuple([table.get(v, v) for v in node.inputs])
            return Node(
                node.op, inputs, node.outputs, node.attrs, node.blocks, node.reuses, node.loc
            )
    return node


def keep_hints(graph: Graph, replaced: Mapping[Value, Value]) -> Graph:
    """Give a value without a name of the user's the name of one that it has replaced.

    `replaced` maps values that are gone to values of `graph`, in the order of the program. The
    parameters of `graph` are its signature and stay the same objects.
    """
    named: dict[Value, Value] = {}
    params = frozenset(graph.params)
    for old, new in replaced.items():
        if old.hint and not new.hint and new not in named and new not in params:
            named[new] = replace(new, hint=old.hint)
    if not named:
        return graph
    nodes = []
    for node in graph.nodes:
        found = substitute_inputs(node, named)
        if any(v in named for v in node.outputs):
            found = found.with_(outputs=tuple(named.get(v, v) for v in node.outputs))
        nodes.append(found)
    return graph.with_(
        nodes=tuple(nodes),
        results=tuple(named.get(v, v) for v in graph.results),
    )


class Rewriter:
    """One forward pass over a graph: `visit` every node, then `finish`.

    `simplify(rewriter, node)` is asked about each node, whose inputs are already those of the new
    graph, and about each node that it makes itself, until it has nothing more to say: a fixpoint
    in one pass, for rules that look at a node and at what defines its inputs. With `keeps_stores` a
    write of everything into a parameter stays where it is, for a failing node may make it visible.
    """

    def __init__(self, simplify: Simplify, target: Target) -> None:
        self.target = target
        self.defs: dict[Value, Node] = {}
        self.visits = 0
        self.keeps_stores = False
        self._simplify = simplify
        self._nodes: list[Node] = []
        self._replaced: dict[Value, Value] = {}
        self._constants: dict[tuple[np.dtype, bytes], Value] = {}
        self._node: Node | None = None
        self._depth = 0
        self._changed = False

    def visit(self, node: Node, was: Node | None = None) -> None:
        """Take over `node`, or what it simplifies to. `was` is the node with its old blocks."""
        self._node = node
        self._changed = self._changed or (was is not None and was is not node)
        found = substitute_inputs(node, self._replaced) if self._replaced else node
        if self.keeps_stores:
            found = self._past_stores(found)
        value = self._ask(found)
        if value is not None:
            self._replaced[node.outputs[0]] = value
            self._changed = True
        else:
            self.emit(found)

    def emit(self, node: Node) -> None:
        """Append `node` as it is."""
        self._changed = self._changed or node is not self._node
        self._nodes.append(node)
        for value in node.outputs:
            self.defs[value] = node
        if node.op == "const":
            value = node.attrs["value"]
            if isinstance(value, np.generic):
                self._constants.setdefault((value.dtype, value.tobytes()), node.outputs[0])

    def finish(self, graph: Graph) -> Graph:
        """The new graph; `graph` itself when nothing has changed."""
        if not self._changed:
            return graph
        table = self._replaced
        results = tuple(table.get(v, v) for v in graph.results)
        return keep_hints(graph.with_(nodes=tuple(self._nodes), results=results), table)

    # What rules use.

    def apply(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        """The value of `op` on values of the new graph, simplified, at the line of the old node."""
        (type,) = OPS[op].infer([v.type for v in inputs], attrs)
        loc = self._node.loc if self._node is not None else None
        node = Node(op, inputs, (Value(type),), attrs or NO_ATTRS, loc=loc)
        self._depth += 1
        found = self._ask(node) if self._depth < MAX_DEPTH else None
        self._depth -= 1
        if found is None:
            self.emit(node)
            found = node.outputs[0]
        return found

    def scalar(self, value: Any, dtype: np.dtype) -> Value:
        """A 0-d constant; one for equal ones."""
        constant = dtype.type(value)
        found = self._constants.get((constant.dtype, constant.tobytes()))
        return found if found is not None else self.apply("const", value=constant)

    def full(self, value: Any, like: Node) -> Value:
        """A constant for every element of the output of `like`."""
        type = like.outputs[0].type
        return self.broadcast(self.scalar(value, type.dtype), type.shape)

    def broadcast(self, value: Value, shape: Shape) -> Value:
        """`value` in `shape`, to which it broadcasts."""
        if value.type.shape == shape:
            return value
        return self.apply("broadcast_to", value, shape=shape)

    def reshape(self, value: Value, shape: Sequence[Dim]) -> Value:
        return self.apply("reshape", value, shape=tuple(shape))

    def definition(self, value: Value, op: str) -> Node | None:
        """The node that defines `value`, if it is an `op`."""
        node = self.defs.get(value)
        return node if node is not None and node.op == op else None

    def operand(self, value: Value, op: str) -> Value | None:
        """`x` if `value` is `op(x)`."""
        node = self.defs.get(value)
        return node.inputs[0] if node is not None and node.op == op else None

    def constant(self, value: Value) -> Any:
        """The NumPy scalar that `value` is, if it is a 0-d constant, else None."""
        node = self.defs.get(value)
        if node is None or node.op != "const":
            return None
        number = node.attrs["value"]
        if isinstance(number, np.generic):
            return number
        return number[()] if number.ndim == 0 else None

    def _past_stores(self, node: Node) -> Node:
        """`node` reading what was written rather than all of what it was written into."""
        if node.blocks:
            return node
        into = OPS[node.op].in_place if node.op in OPS else None
        table: dict[int, Value] = {}
        for k, value in enumerate(node.inputs):
            write = self.definition(value, "update")
            if k == into or write is None or tuple(write.attrs["sizes"]) != value.type.shape:
                continue
            if all(s == 1 for s in write.attrs["steps"]):
                table[k] = self.broadcast(write.inputs[1], value.type.shape)
        if not table:
            return node
        return node.with_(inputs=tuple(table.get(k, v) for k, v in enumerate(node.inputs)))

    def _ask(self, node: Node) -> Value | None:
        self.visits += 1
        return self._simplify(self, node)
