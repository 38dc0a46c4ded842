"""Results that are views, made of the arrays they are views of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.graph import Graph
from tracejit.ir.ops.shape import resolve_attrs, slices


def make_views(
    graph: Graph, arrays: Sequence[Any], results: Sequence[Any], env: dict[str, int]
) -> list[np.ndarray]:
    """The views of `graph`, given its parameters, its results and the sizes of the call."""
    for value, result in zip(graph.results, results, strict=False):
        for dim, actual in zip(value.type.shape, np.shape(result), strict=True):
            name = dims.symbol_name(dim)
            if name is not None:
                env.setdefault(name, actual)
    found = []
    for view in graph.views:
        base = arrays[view.of] if view.kind == "param" else results[view.of]
        for op, attrs in view.steps:
            base = _STEPS[op](base, **_resolved(attrs, env, results))
        found.append(base)
    return found


def _resolved(
    attrs: Mapping[str, Any], env: dict[str, int], results: Sequence[Any]
) -> dict[str, Any]:
    known = resolve_attrs(attrs, env)
    if "indices" in known:
        known["indices"] = [int(results[k]) for k in known["indices"]]
    return known


def _slice(x: Any, starts: Any, sizes: Any, steps: Any) -> Any:
    return x[(*slices(starts, sizes, steps), ...)]


def _place(x: Any, starts: Any, sizes: Any, steps: Any, axes: Any, indices: Any) -> Any:
    region = _slice(x, starts, sizes, steps)
    at = dict(zip(axes, indices, strict=True))
    return region[(*(at.get(k, slice(None)) for k in range(region.ndim)), ...)]


def _read_only(x: Any) -> Any:
    view = x.view()
    view.flags.writeable = False
    return view


_STEPS: dict[str, Any] = {
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, perm: x.transpose(perm),
    "broadcast_to": lambda x, shape: np.broadcast_to(x, shape),
    "slice": _slice,
    "place": _place,
    "real": lambda x: x.real,
    "imag": lambda x: x.imag,
    "diagonal": lambda x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2),
    "read_only": _read_only,
}
