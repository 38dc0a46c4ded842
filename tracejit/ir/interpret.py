"""The oracle: runs any graph at any stage, node by node, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.shape import resolve_attrs

_RELATIONS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def bind_sizes(graph: Graph, args: Sequence[np.ndarray]) -> dict[str, int]:
    """The value of every size symbol, read off the shapes of `args`.

    Raises ValueError where a shape or a guard on sizes does not hold.
    """
    env: dict[str, int] = {}
    for value, arg in zip(graph.params, args, strict=True):
        for dim, actual in zip(value.type.shape, np.shape(arg), strict=True):
            name = dims.symbol_name(dim)
            if name is not None:
                env.setdefault(name, actual)
    for value, arg in zip(graph.params, args, strict=True):
        expected = tuple(dims.evaluate(d, env) for d in value.type.shape)
        if expected != np.shape(arg):
            raise ValueError(f"{graph.name}: {value.type} expected, shape {np.shape(arg)} came")
    for guard in graph.guards:
        if isinstance(guard, Guard) and not _RELATIONS[guard.relation](
            dims.evaluate(guard.left, env), dims.evaluate(guard.right, env)
        ):
            raise ValueError(f"{graph.name}: guard {guard} does not hold")
    return env


def interpret(graph: Graph, args: Sequence[Any]) -> list[np.ndarray]:
    """The results of `graph` on `args`, with the dtypes and shapes that the graph declares."""
    arrays = [np.asarray(a, v.type.dtype) for v, a in zip(graph.params, args, strict=True)]
    return run(graph, arrays, bind_sizes(graph, arrays))


def run(graph: Graph, args: Sequence[np.ndarray], env: dict[str, int]) -> list[np.ndarray]:
    """Like `interpret`, with sizes already bound; blocks run through here."""
    values: dict[Value, np.ndarray] = dict(zip(graph.params, args, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            _evaluate(node, values, env)
    return [values[v] for v in graph.results]


def _evaluate(node: Node, values: dict[Value, np.ndarray], env: dict[str, int]) -> None:
    """Put the outputs of `node` into `values`."""
    inputs = [values[v] for v in node.inputs]
    if node.op == "fused":
        found: Any = run(node.blocks[0], inputs, env)
    else:
        found = OPS[node.op].evaluate(*inputs, **resolve_attrs(node.attrs, env))
        if len(node.outputs) == 1:
            found = [found]
    for value, array in zip(node.outputs, found, strict=True):
        values[value] = np.asarray(array, value.type.dtype)


def failing_node(graph: Graph, args: Sequence[Any]) -> tuple[Node, Exception] | None:
    """The first node whose reference raises on `args`, and what it raises."""
    arrays = [np.asarray(a, v.type.dtype) for v, a in zip(graph.params, args, strict=True)]
    values = dict(zip(graph.params, arrays, strict=True))
    env = bind_sizes(graph, arrays)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            try:
                _evaluate(node, values, env)
            except Exception as error:
                return node, error
    return None
