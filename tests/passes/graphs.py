"""Writing small graphs, and reading optimized ones, in one line each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tracejit.ir.ops  # noqa: F401 - fills the table of ops
from tests.strategies import random_values, special_values
from tracejit.ir import dims
from tracejit.ir.builder import Builder
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.pprint import format_attr
from tracejit.ir.types import SHORT_NAMES, TensorType

DTYPES = {name: dtype for dtype, name in SHORT_NAMES.items()}
N, M = dims.sym("n"), dims.sym("m")


def tensor(text: str) -> TensorType:
    """`tensor("f8[n, 3]")`."""
    name, shape = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()  # type: ignore[union-attr]
    found: list[Dim] = [
        int(d) if d.isdigit() else dims.sym(d) for d in shape.replace(" ", "").split(",") if d
    ]
    return TensorType(DTYPES[name], tuple(found))


class Ops(Builder):
    """`o.add(x, 1, attr=...)`: numbers take the dtype of the first value beside them."""

    def __getattr__(self, op: str) -> Callable[..., Value]:
        if op.startswith("_"):
            raise AttributeError(op)

        def apply(*inputs: Any, **attrs: Any) -> Value:
            dtype = next((v.type.dtype for v in inputs[::-1] if isinstance(v, Value)), None)
            values = [v if isinstance(v, Value) else self.const(v, dtype) for v in inputs]
            return self.apply(op.rstrip("_"), values, attrs)

        return apply

    def slice_(self, x: Value, start: Dim, size: Dim, step: int = 1) -> Value:
        """Along the first axis."""
        rest = x.type.shape[1:]
        return self.apply("slice", (x,), _region(start, size, step, rest))

    def update_(self, x: Value, v: Value, start: Dim, size: Dim, step: int = 1) -> Value:
        return self.apply("update", (x, v), _region(start, size, step, x.type.shape[1:]))


def _region(start: Dim, size: Dim, step: int, rest: tuple[Dim, ...]) -> dict[str, Any]:
    zeros, ones = (0,) * len(rest), (1,) * len(rest)
    return {"starts": (start, *zeros), "sizes": (size, *rest), "steps": (step, *ones)}


def graph(build: Callable[..., Any], *types: str) -> Graph:
    """The graph of `build(ops, *params)`, which returns one value or several."""
    o = Ops()
    params = [o.param(tensor(t), hint) for t, hint in zip(types, "xyzw", strict=False)]
    results = build(o, *params)
    return o.finish("f", results if isinstance(results, tuple) else (results,))


def expression(graph: Graph, value: Value) -> str:
    """`value` as nested calls: `add(x, 1.0)`."""
    if value in graph.params:
        return value.hint
    node = next(n for n in graph.nodes if value in n.outputs)
    attrs = [f"{k}={format_attr(v)}" for k, v in node.attrs.items() if k != "value"]
    if node.op == "const":
        return format_attr(node.attrs["value"])
    return f"{node.op}({', '.join([expression(graph, v) for v in node.inputs] + attrs)})"


def expressions(graph: Graph) -> str:
    return "; ".join(expression(graph, v) for v in graph.results)


def data(graph: Graph, seed: int, sizes: dict[str, int], special: float = 0.5) -> list[np.ndarray]:
    """Arguments for `graph`: a share of `special` values among ordinary ones."""
    rng = np.random.default_rng(seed)
    found = []
    for param in graph.params:
        shape = tuple(dims.evaluate(d, sizes) for d in param.type.shape)
        dtype, count = param.type.dtype, int(np.prod(shape, dtype=int))
        with np.errstate(all="ignore"):
            ordinary = random_values(rng, dtype, count)
        odd = rng.choice(special_values(dtype), count)
        found.append(np.where(rng.random(count) < special, odd, ordinary).reshape(shape))
    return found


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, the sign of zero included, but for the bits of a NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind == "c":
        return same(a.real, b.real) and same(a.imag, b.imag)
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    signs = np.isnan(a) | (np.signbit(a) == np.signbit(b))
    return bool(np.array_equal(a, b, equal_nan=True) and signs.all())


def ulps(a: np.ndarray, b: np.ndarray) -> float:
    """The largest distance, in units of the last place of `b`; infinite where one is not finite."""
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        distance = np.abs(a.astype("f8") - b.astype("f8")) / np.spacing(np.abs(b)).astype("f8")
    return float(np.max(np.where(equal, 0, np.nan_to_num(distance, nan=np.inf)), initial=0))


def op_names(nodes: Sequence[Any]) -> list[str]:
    return [node.op for node in nodes]
