"""The values of one step of a loop, for all steps at once: with an axis for the steps in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Node, Value, free_symbols_of
from tracejit.ir.opdef import OPS
from tracejit.passes.stacks import Row
from tracejit.source import Loc

INT64 = np.dtype(np.int64)


def can_batch(node: Node, symbol: str, apart: Sequence[bool]) -> bool:
    """Whether a node can be done for all steps; `apart` says which inputs differ from step to step.

    A slice of something that does not differ is one of `row_of`, which is not asked for here.
    """
    if symbol in free_symbols_of(tuple(node.attrs.values())):
        return False
    record = OPS.get(node.op)
    if record is None or len(node.outputs) != 1:
        return False
    if record.elementwise or record.kind == "view":
        return True
    if record.kind == "reduce":
        return set(node.attrs) == {"axes"}
    if node.op == "matmul":
        a, b = (v.type for v in node.inputs)
        if a.ndim != 2 or b.ndim != 2 or all(apart):
            return False
        return apart[0] or b.shape[1] == 1
    return False


@dataclass
class Batch:
    """Makes nodes for all `count` steps. `outside` has what does not differ, `made` the rest."""

    count: Dim
    symbol: str
    outside: Mapping[Value, Value]
    made: dict[Value, Value] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    loc: Loc | None = None

    def apply(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        (type,) = OPS[op].infer([v.type for v in inputs], attrs)
        value = Value(type)
        self.nodes.append(Node(op, inputs, (value,), attrs, loc=self.loc))
        return value

    def reshape(self, value: Value, *shape: Dim) -> Value:
        return value if value.type.shape == shape else self.apply("reshape", value, shape=shape)

    def to_front(self, value: Value, axis: int) -> Value:
        """`value` with `axis` as the first."""
        if axis == 0:
            return value
        rest = [k for k in range(value.type.ndim) if k != axis]
        return self.apply("transpose", value, perm=(axis, *rest))

    def to_place(self, value: Value, axis: int) -> Value:
        """`value` with the first axis as axis number `axis`."""
        if axis == 0:
            return value
        order = list(range(1, value.type.ndim))
        order.insert(axis, 0)
        return self.apply("transpose", value, perm=tuple(order))

    def rows(self, node: Node, source: Value, row: Row) -> None:
        """The slices of all steps."""
        self.loc = node.loc
        starts, sizes, steps = (list(node.attrs[k]) for k in ("starts", "sizes", "steps"))
        starts[row.axis], sizes[row.axis], steps[row.axis] = row.first, self.count, row.step
        attrs = {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}
        found = self.to_front(self.apply("slice", source, **attrs), row.axis)
        self.made[node.output] = self.reshape(found, self.count, *node.output.type.shape)

    def sizes(self, node: Node, first: Dim, step: int) -> None:
        """The sizes of all steps: `first + k * step`."""
        self.loc = node.loc
        found = self.apply("iota", shape=(self.count,), axis=0, dtype=INT64)
        if step != 1:
            found = self.apply("multiply", found, self.apply("const", value=np.int64(step)))
        if not (isinstance(first, int) and first == 0):
            found = self.apply("add", found, self.apply("size", dim=first))
        self.made[node.output] = found

    def node(self, node: Node) -> None:
        """The node for all steps."""
        self.loc = node.loc
        self.made[node.output] = self._batched(node)

    def _batched(self, node: Node) -> Value:
        type = node.output.type
        if OPS[node.op].elementwise:
            values = [self.aligned(v, type.ndim) for v in node.inputs]
            return self.apply(node.op, *values, **node.attrs)
        if node.op == "matmul":
            return self._matmul(node)
        (value,) = (self.made[v] for v in node.inputs)
        if node.op == "reshape":
            return self.reshape(value, self.count, *type.shape)
        if node.op == "broadcast_to":
            wide = self.aligned(node.inputs[0], type.ndim)
            return self.apply("broadcast_to", wide, shape=(self.count, *type.shape))
        if node.op == "transpose":
            perm = (0, *(k + 1 for k in node.attrs["perm"]))
            return self.apply("transpose", value, perm=perm)
        if node.op == "slice":
            return self.apply(
                "slice",
                value,
                starts=(0, *node.attrs["starts"]),
                sizes=(self.count, *node.attrs["sizes"]),
                steps=(1, *node.attrs["steps"]),
            )
        return self.apply(node.op, value, axes=tuple(k + 1 for k in node.attrs["axes"]))

    def aligned(self, value: Value, rank: int) -> Value:
        """`value` as it broadcasts to steps of rank `rank`."""
        found = self.made.get(value)
        if found is None:
            return self.outside[value]
        shape = value.type.shape
        return self.reshape(found, self.count, *(1,) * (rank - len(shape)), *shape)

    def _matmul(self, node: Node) -> Value:
        a, b = node.inputs
        m, k = a.type.shape
        n = b.type.shape[1]
        if a in self.made:
            rows = self.reshape(self.made[a], self.count * m, k)
            found = self.apply("matmul", rows, self.outside[b])
        else:
            rows = self.reshape(self.made[b], self.count, k)
            turned = self.apply("transpose", self.outside[a], perm=(1, 0))
            found = self.apply("matmul", rows, turned)
        return self.reshape(found, self.count, m, n)

    def written(self, node: Node, row: Row, into: Value) -> Value:
        """`into` with the updates of all steps, whose values are known."""
        self.loc = node.loc
        starts, sizes, steps = (list(node.attrs[k]) for k in ("starts", "sizes", "steps"))
        starts[row.axis], sizes[row.axis], steps[row.axis] = row.first, self.count, row.step
        rank = len(sizes)
        value = node.inputs[1]
        shape: Shape = (*(1,) * (rank - value.type.ndim), *value.type.shape)
        if value in self.made:
            rest = (*shape[: row.axis], *shape[row.axis + 1 :])
            found = self.reshape(self.made[value], self.count, *rest)
            new = self.to_place(found, row.axis)
        else:
            new = self.outside[value]
        attrs = {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}
        return self.apply("update", into, new, **attrs)
