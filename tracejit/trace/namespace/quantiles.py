"""Medians and quantiles: the reduced axes sorted, then two neighbours interpolated.

Difference from NumPy: quantiles that are traced are not checked to lie within their range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.types import F2, F4, F8
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import store, truth
from tracejit.trace.namespace.statistics import weights_along
from tracejit.trace.registry import FUNCTIONS, METHODS, implements
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor, describe

# Lanes: what is reduced, in front.


def _lanes(x: Tensor, axes: Sequence[int]) -> Tensor:
    """`x` with `axes` flattened into one, in front of the others."""
    kept = [k for k in range(x.ndim) if k not in axes]
    moved = views.transpose(x, [*axes, *kept])
    reduced = dims.product([x.type.shape[k] for k in axes])
    return views.reshape(moved, (reduced, *(x.type.shape[k] for k in kept)))


def _restored(result: Tensor, x: Tensor, axes: Sequence[int], keepdims: bool, extra: int) -> Tensor:
    """`result`, which has `extra` dims in front, with the reduced axes of `x` kept as 1."""
    if not keepdims:
        return result
    kept = tuple(1 if k in axes else d for k, d in enumerate(x.type.shape))
    return views.reshape(result, (*result.type.shape[:extra], *kept))


def _sorted(lanes: Tensor) -> Tensor:
    ordered: Tensor = FUNCTIONS[np.sort](lanes, axis=0)
    return ordered


def _valid_count(lanes: Tensor) -> Tensor:
    """How many elements of each lane are no NaN."""
    numbers = prim.elementwise("logical_not", prim.elementwise("isnan", lanes))
    return prim.reduce("sum", prim.cast(numbers, np.int64), (0,))


def _pick(ordered: Tensor, index: Tensor, per_lane: bool) -> Tensor:
    """The elements at `index` of each lane; `index` has an entry for each lane, or one for all."""
    if not per_lane:
        return prim.take(ordered, index, 0)
    kept = ordered.type.shape[1:]
    count = dims.product(kept)
    lane = views.reshape(prim.iota((count,), 0), kept)
    place = index * lift_size(count) + lane
    return prim.take(views.reshape(ordered, (dims.product(ordered.type.shape),)), place, 0)


def lift_size(dim: Any) -> Tensor:
    return prim.lift(wrap(dim))


# Medians.


def _axes(axis: Any, x: Tensor) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return prim.normalize_axes(axis, x.ndim)


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Tensor:
    return _median(strong(a), axis, out, keepdims, False)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Tensor:
    x = strong(a)
    return _median(x, axis, out, keepdims, x.dtype.kind in "fc")


def _median(x: Tensor, axis: Any, out: Any, keepdims: Any, without_nan: bool) -> Tensor:
    if not x.ndim and not without_nan:
        return METHODS["item"](x)
    axes = _axes(axis, x)
    lanes = _lanes(x, axes)
    if not lanes.shape[0] > 0:
        result: Tensor = FUNCTIONS[np.mean](x, axis, keepdims=truth(keepdims))
        return store(out, result)
    ordered = _sorted(lanes)
    count = _valid_count(lanes) if without_nan else prim.lift(lanes.shape[0])
    low = prim.elementwise("maximum", (count - 1) // 2, 0)
    high = count // 2
    if without_nan:
        high = prim.elementwise("minimum", high, prim.lift(lanes.shape[0] - 1))
    below, above = (_pick(ordered, k, without_nan) for k in (low, high))
    result = prim.select(low == high, _as_mean(below), _mean_of_two(below, above))
    if x.dtype.kind in "fc":
        last = prim.take(ordered, prim.lift(-1), 0)
        nan = prim.elementwise("isnan", below if without_nan else last)
        result = prim.select(nan, prim.cast(np.nan, result.dtype), result)
    return store(out, _restored(prim.scalar(result), x, axes, truth(keepdims), 0))


def _as_mean(x: Tensor) -> Tensor:
    return prim.cast(x, F8) if x.dtype.kind in "biu" else x


def _mean_of_two(a: Tensor, b: Tensor) -> Tensor:
    kind = F8 if a.dtype.kind in "biu" else a.dtype
    wide = F4 if kind == F2 else kind
    total = prim.elementwise("add", prim.cast(a, wide), prim.cast(b, wide))
    return prim.cast(prim.elementwise("divide", total, 2.0), kind)


# Quantiles.

Index = Callable[[Any, Any], Any]
"""The position of quantile `q` among `n` ordered values, between two of them."""


def _between(alpha: float, beta: float) -> Index:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


_CONTINUOUS: dict[str, Index] = {
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "median_unbiased": _between(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _between(3 / 8.0, 3 / 8.0),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}


def _boundary(index: Any, takes_previous: Callable[[Any, Any], Any]) -> Any:
    previous = np.floor(index)
    chosen = prim.select(takes_previous(index - previous, previous), previous, previous + 1)
    return prim.elementwise("maximum", chosen, 0)


_DISCRETE: dict[str, Index] = {
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.around((n - 1) * q),
    "inverted_cdf": lambda n, q: _boundary(n * q - 1, lambda gamma, previous: gamma == 0),
    "closest_observation": lambda n, q: _boundary(
        n * q - 1 - 0.5, lambda gamma, previous: (gamma == 0) & (previous % 2 == 1)
    ),
}


@implements(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    return _quantile(a, q, 1, axis, out, method, keepdims, weights, False)


@implements(np.percentile)
def percentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    return _quantile(a, q, 100, axis, out, method, keepdims, weights, False)


@implements(np.nanquantile)
def nanquantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    return _quantile(a, q, 1, axis, out, method, keepdims, weights, True)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
    method: str = "linear", keepdims: Any = False, *, weights: Any = None,
) -> Tensor:  # fmt: skip
    return _quantile(a, q, 100, axis, out, method, keepdims, weights, True)


def _quantile(
    a: Any, q: Any, whole: int, axis: Any, out: Any, method: str, keepdims: Any, weights: Any,
    without_nan: bool,
) -> Tensor:  # fmt: skip
    x = strong(a)
    if x.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    weak = isinstance(q, (int, float)) and not isinstance(q, (bool, np.generic))
    weak = weak or (isinstance(q, Tensor) and q.weak is not None)
    if not prim.any_traced(q):
        low, high = np.min(q, initial=0), np.max(q, initial=0)
        if not (low >= 0 and high <= whole):
            what = "Quantiles" if whole == 1 else "Percentiles"
            raise ValueError(f"{what} must be in the range [0, {whole}]")
    place = strong(q)
    if whole != 1:
        place = prim.elementwise("divide", place, whole)
    if place.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    if method not in _CONTINUOUS and method not in _DISCRETE:
        names = [*_CONTINUOUS, *_DISCRETE]
        raise ValueError(f"{method!r} is not a valid method. Use one of: {names}")
    if weights is not None and method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    axes = _axes(axis, x)
    lanes = _lanes(x, axes)
    if not lanes.shape[0] > 0:
        fail(errors.TracedValueError, f"a quantile of no elements: {describe(x)}")
    without_nan = without_nan and x.dtype.kind == "f"
    if weights is not None:
        aligned = views.broadcast_to(weights_along(x, weights, axis), x.type.shape)
        # NumPy gives an array here, a 0-d one too.
        result = prim.copy(_weighted(lanes, _lanes(aligned, axes), place, without_nan))
    else:
        result = prim.scalar(_of_lanes(lanes, place, method, weak, without_nan))
    return store(out, _restored(result, x, axes, truth(keepdims), place.ndim))


def _of_lanes(lanes: Tensor, q: Tensor, method: str, weak: bool, without_nan: bool) -> Tensor:
    ordered = _sorted(lanes)
    n: Any = lanes.shape[0]
    if without_nan:
        n = _valid_count(lanes)
        q = views.reshape(q, (*q.type.shape, *(1,) * n.ndim))
    # As in NumPy, an int count does not widen the quantiles' dtype.
    count = prim.cast(n, q.dtype) if q.dtype.kind == "f" else n
    index = prim.lift((_DISCRETE.get(method) or _CONTINUOUS[method])(count, q))
    top = prim.elementwise("maximum", prim.lift(n) - 1, 0)
    if method in _DISCRETE or (method == "linear" and index.dtype.kind in "iu"):
        place = prim.elementwise("minimum", prim.cast(index, np.int64), top)
        result = _pick(ordered, place, without_nan)
    else:
        inside = prim.select(index >= top, prim.cast(top, index.dtype), np.floor(index))
        previous = prim.elementwise("maximum", prim.cast(inside, np.int64), 0)
        step = prim.elementwise("minimum", previous + 1, top)
        following = prim.select(index < 0, previous, step)
        result = _between_neighbours(
            _pick(ordered, previous, without_nan),
            _pick(ordered, following, without_nan),
            _gamma(method, index, previous),
            weak,
            0 if without_nan else ordered.ndim - 1,
        )
    return _with_nan(result, ordered, n, without_nan)


def _gamma(method: str, index: Tensor, previous: Tensor) -> Tensor:
    gamma = prim.cast(prim.elementwise("subtract", index, previous), index.dtype)
    if method == "averaged_inverted_cdf":
        return prim.cast(prim.select(gamma == 0, 0.5, 1.0), index.dtype)
    if method == "midpoint":
        return prim.cast(prim.select(index % 1 == 0, 0.0, 0.5), index.dtype)
    return gamma


def _between_neighbours(a: Tensor, b: Tensor, gamma: Tensor, weak: bool, extra: int) -> Tensor:
    gamma = views.reshape(gamma, (*gamma.type.shape, *(1,) * extra))
    parts = gamma, 1 - gamma
    if weak and a.dtype.kind == "f":
        # One Python number: it does not widen the result.
        parts = prim.cast(parts[0], a.dtype), prim.cast(parts[1], a.dtype)
    difference = prim.elementwise("subtract", b, a)
    up = a + difference * parts[0]
    down = b - difference * parts[1]
    return prim.select(gamma >= 0.5, down, up)


def _with_nan(result: Tensor, ordered: Tensor, n: Any, without_nan: bool) -> Tensor:
    """NaN where a lane holds one, or where nothing else is in it."""
    if ordered.dtype.kind != "f":
        return result
    if without_nan:
        return prim.select(prim.lift(n) == 0, prim.cast(np.nan, result.dtype), result)
    last = prim.take(ordered, prim.lift(-1), 0)
    nan = prim.elementwise("isnan", last)
    return prim.select(nan, prim.cast(np.nan, result.dtype), result)


def _weighted(lanes: Tensor, weights: Tensor, q: Tensor, without_nan: bool) -> Tensor:
    """The first value up to which the weights make up the part `q` of all."""
    n = lanes.shape[0]
    order = FUNCTIONS[np.argsort](lanes, axis=0)
    along = FUNCTIONS[np.take_along_axis]
    ordered, w = along(lanes, order, axis=0), prim.cast(along(weights, order, axis=0), F8)
    if without_nan:
        w = prim.select(prim.elementwise("isnan", ordered), 0.0, w)
    cdf = prim.cumulate("cumsum", w, 0)
    cdf = cdf / prim.take(cdf, prim.lift(-1), 0)
    if q.dtype.kind == "f":
        cdf = prim.cast(cdf, q.dtype)
    first = prim.reduce("any", prim.take(cdf, prim.lift(0), 0) == 0, range(cdf.ndim - 1))
    cdf = prim.select((cdf == 0) & first, prim.cast(-1, cdf.dtype), cdf)
    parts = views.reshape(q, (*q.type.shape, *(1,) * cdf.ndim))
    smaller = prim.cast(prim.elementwise("less", cdf, parts), np.int64)
    place = prim.reduce("sum", smaller, (q.ndim,))
    place = prim.elementwise("minimum", place, prim.lift(n) - 1)
    count = _valid_count(lanes) if without_nan else n
    return _with_nan(_pick(ordered, place, True), ordered, count, without_nan)
