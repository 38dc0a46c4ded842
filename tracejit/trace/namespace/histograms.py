"""Histograms. NumPy counts at run time; the dtypes of edges are what it finds on an example."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.shape import ravel
from tracejit.trace.prim import cast, lift
from tracejit.trace.registry import implements
from tracejit.trace.size import to_dim
from tracejit.trace.tensor import Tensor, describe


def _values(a: Any, weights: Any) -> tuple[Tensor, Tensor | None]:
    x = strong(a)
    if x.dtype == bool:
        x = cast(x, np.uint8)
    if weights is None:
        return ravel(x), None
    w = strong(weights)
    if w.ndim != x.ndim or not all(map(current().same, w.type.shape, x.type.shape)):
        raise ValueError("weights should have the same shape as a.")
    return ravel(x), ravel(w)


def _bins(bins: Any) -> tuple[Any, Tensor | None]:
    """The number of bins, or the name of a rule; or None, and the edges."""
    if isinstance(bins, str):
        return bins, None
    if isinstance(bins, (list, tuple, np.ndarray)) or (isinstance(bins, Tensor) and bins.ndim):
        edges = strong(bins)
        if edges.ndim != 1:
            raise ValueError("`bins` must be 1d, when an array")
        return None, edges
    count = to_dim(bins, "the number of bins")
    if isinstance(count, int) and count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    return count, None


def _range(range: Any) -> tuple[Any, list[Tensor], int]:
    """The limits as an attribute, or as inputs; and 1, or 2 where these are Python numbers."""
    if range is None:
        return None, [], 0
    low, high = range
    if not prim.any_traced((low, high)) and not isinstance(low, np.ndarray):
        if low > high:
            raise ValueError("max must be larger than min in range parameter.")
        return (low, high), [], 0
    ends = [lift(low), lift(high)]
    weak = all(end.weak is not None for end in ends)
    return None, ends, 2 if weak else 1


def _edge_dtype(x: Tensor, edges: Tensor | None, limits: Any, ends: Sequence[Tensor]) -> np.dtype:
    if edges is not None:
        return edges.dtype
    example: Any = limits
    if ends:
        zero_one = zip((0, 1), ends, strict=True)
        example = [e.weak(k) if e.weak is not None else e.dtype.type(k) for k, e in zero_one]
    return np.histogram_bin_edges(np.zeros(2, x.dtype), 1, example).dtype


def _call(a: Any, bins: Any, range: Any, density: Any, weights: Any) -> Any:
    x, w = _values(a, weights)
    if x.dtype.kind == "c":
        fail(errors.DTypeError, f"np.histogram does not take complex values: {describe(x)}")
    count, edges = _bins(bins)
    limits, ends, code = _range(range)
    if isinstance(count, str) and w is not None:
        raise TypeError(
            "Automated estimation of the number of bins is not supported for weighted data"
        )
    if w is None:
        counts = np.dtype(float) if density else np.dtype(np.intp)
    elif density:
        counts = np.true_divide(np.ones(1, w.dtype), np.ones(1)).dtype
    else:
        counts = w.dtype
    inputs = [t for t in (x, edges, *ends, w) if t is not None]
    return prim.call(
        "histogram", *inputs, sizes=1 if isinstance(count, str) else 0, bins=count, range=limits,
        limits=code, density=density, counts=counts, edges=_edge_dtype(x, edges, limits, ends),
    )  # fmt: skip


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tensor, Tensor]:
    found = _call(a, bins, range, bool(density), weights)
    return found[0], found[1]


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Tensor:
    return _call(a, bins, range, None, weights)


# Several axes.


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    if isinstance(sample, (Tensor, np.ndarray)):
        whole = lift(sample)
        if whole.ndim == 1:
            whole = views.reshape(whole, (-1, 1))
        columns = [whole[:, k] for k in _count(whole.shape[1])]
    else:
        columns = [strong(x) for x in sample]
    rank = len(columns)
    per_axis = [bins] * rank
    if isinstance(bins, (list, tuple)) or (isinstance(bins, Tensor) and bins.ndim > 1):
        per_axis = list(bins)
    if len(per_axis) != rank:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    pairs = [_bins(b) for b in per_axis]
    limits = None
    if range is not None:
        if prim.any_traced(range):
            fail(
                errors.UnsupportedError,
                "np.histogramdd with a range that is traced is not supported",
                "pass the edges as bins: np.linspace(low, high, n + 1)",
            )
        limits = tuple(None if r is None else tuple(r) for r in range)
    dtype = prim.result_dtype(*columns)
    columns = [cast(c, dtype) for c in columns]
    edges = []
    for k, (_, given) in enumerate(pairs):
        example = None if limits is None or limits[k] is None else limits[k]
        edges.append(_linspace_dtype(dtype, given, example))
    inputs = [*columns, *(e for _, e in pairs if e is not None)]
    if weights is not None:
        inputs.append(strong(weights))
    counts, *found = prim.call(
        "histogramdd", *inputs, rank=rank, bins=tuple(c for c, _ in pairs), range=limits,
        density=bool(density), edges=tuple(edges),
    )  # fmt: skip
    return counts, tuple(found)


def _linspace_dtype(dtype: np.dtype, given: Tensor | None, limits: Any) -> np.dtype:
    if given is not None:
        return given.dtype
    sample = np.zeros((2, 1), dtype)
    return np.histogramdd(sample, [1], None if limits is None else [limits])[1][0].dtype


def _count(size: Any) -> Any:
    return builtins.range(size.__index__())


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    try:
        count = len(bins)
    except TypeError:
        count = 1
    if count not in (1, 2):
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]
