"""Building graphs: append nodes, infer types, keep the user's line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Guard, Node, ScalarGuard, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.types import TensorType
from tracejit.source import Loc


class Builder:
    """Appends nodes to a graph under construction. `loc` is put on every node made.

    `constants` has the NumPy scalar of every 0-d constant made, `sources` the node of every value
    that is made from nothing.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.params: list[Value] = []
        self.guards: list[Guard | ScalarGuard] = []
        self.loc: Loc | None = None
        self.constants: dict[Value, Any] = {}
        self.sources: dict[Value, Node] = {}
        self._constants: dict[Any, Value] = {}

    def param(self, type: TensorType, hint: str = "") -> Value:
        value = Value(type, hint)
        self.params.append(value)
        return value

    def apply(
        self,
        op: str,
        inputs: Sequence[Value],
        attrs: dict[str, Any] | None = None,
        blocks: tuple[Graph, ...] = (),
    ) -> Value:
        """Append `op` and return its output (of an op with one output)."""
        return self.apply_multi(op, inputs, attrs, blocks)[0]

    def apply_multi(
        self,
        op: str,
        inputs: Sequence[Value],
        attrs: dict[str, Any] | None = None,
        blocks: tuple[Graph, ...] = (),
    ) -> tuple[Value, ...]:
        record = OPS[op]
        types = record.infer([v.type for v in inputs], attrs or {})
        outputs = tuple(Value(t) for t in types)
        node = Node(op, tuple(inputs), outputs, attrs or {}, blocks, loc=self.loc)
        self.nodes.append(node)
        if not inputs and record.kind != "library":
            self.sources[outputs[0]] = node
        return outputs

    def const(self, value: Any, dtype: Any) -> Value:
        """A 0-d constant, shared between equal ones."""
        scalar = np.dtype(dtype).type(value)
        key = (scalar.dtype, scalar.tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.apply("const", (), {"value": scalar})
            self.constants[found] = scalar
        return found

    def array(self, value: np.ndarray) -> Value:
        """A constant array, which nobody may write to from now on."""
        return self.apply("const", (), {"value": value})

    def size(self, dim: Dim) -> Value:
        """A dim as an int64 scalar."""
        return (
            self.const(dim, np.int64)
            if isinstance(dim, int)
            else self.apply("size", (), {"dim": dim})
        )

    def finish(self, name: str, results: Sequence[Value]) -> Graph:
        return Graph(
            name, tuple(self.params), tuple(self.nodes), tuple(results), tuple(self.guards)
        )
