"""Where a mask is true: index arrays whose size is known only at run time.

Masks that are computed alike get the same index arrays, so that `x[x > 0]` and `y[x > 0]` have
provably the same size.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tracejit.ir.graph import Node, Value
from tracejit.ir.opdef import OPS
from tracejit.trace import prim, views
from tracejit.trace.context import Trace, current
from tracejit.trace.tensor import Tensor

_SAME_FOR_SAME = ("elementwise", "view", "reduce", "structural")


class _Known:
    """Numbers for the values of a trace, equal where the same is computed from the same."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.read = 0
        self.producer: dict[Value, Node] = {}
        self.numbers: dict[Value, int] = {}
        self.keys: dict[Any, int] = {}
        self.indices: dict[int, tuple[Value, ...]] = {}

    def producer_of(self, value: Value) -> Node | None:
        nodes = self.trace.builder.nodes
        for node in nodes[self.read :]:
            self.producer.update((output, node) for output in node.outputs)
        self.read = len(nodes)
        return self.producer.get(self.trace.aliases.get(value, value))

    def number(self, value: Value) -> int:
        value = self.trace.aliases.get(value, value)
        found = self.numbers.get(value)
        if found is not None:
            return found
        pending = [value]
        while pending:
            value = pending[-1]
            node = self.producer_of(value)
            inputs = [self.trace.aliases.get(v, v) for v in node.inputs] if node else []
            missing = [v for v in inputs if v not in self.numbers]
            if missing:
                pending += missing
                continue
            pending.pop()
            key: Any = value
            if node is not None and OPS[node.op].kind in _SAME_FOR_SAME:
                try:
                    key = (
                        node.op, node.outputs.index(value), tuple(self.numbers[v] for v in inputs),
                        tuple(sorted((k, _hashable(v)) for k, v in node.attrs.items())),
                    )  # fmt: skip
                    hash(key)
                except TypeError:
                    key = value
            self.numbers[value] = self.keys.setdefault(key, len(self.keys))
        return self.numbers[value]


def _hashable(attr: Any) -> Any:
    if isinstance(attr, np.ndarray):
        return ("array", id(attr))
    if isinstance(attr, np.generic):
        return (str(attr.dtype), attr.tobytes())
    return repr(attr)


_known: WeakKeyDictionary[Trace, _Known] = WeakKeyDictionary()


def _of_trace() -> _Known:
    trace = current()
    found = _known.get(trace)
    if found is None:
        found = _known[trace] = _Known(trace)
    return found


def constant_array(x: Tensor) -> np.ndarray | None:
    """The array that `x` is a constant of, if it is one."""
    node = _of_trace().producer_of(x.value)
    return np.asarray(node.attrs["value"]) if node is not None and node.op == "const" else None


def nonzero_of(x: Tensor) -> tuple[Tensor, ...]:
    """`x.nonzero()` for at least one axis. For a constant the size is known."""
    known = constant_array(x)
    if known is not None:
        return tuple(prim.stack_nested(k.tolist(), np.int64) for k in known.nonzero())
    table = _of_trace()
    number = table.number(x.value)
    values = table.indices.get(number)
    if values is None:
        found = prim.call("nonzero", x, sizes=1)
        tensors = found if isinstance(found, tuple) else (found,)
        values = table.indices[number] = tuple(t.value for t in tensors)
    return tuple(prim.scalar_of(current().refreshed(v)) for v in values)


def true_everywhere(x: Tensor) -> Tensor:
    """`x` as a mask: whether its elements are not 0."""
    return x if x.dtype == bool else prim.elementwise("not_equal", views.read_only(x), 0)
