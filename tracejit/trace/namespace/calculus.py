"""Differences and slopes: `gradient`, `unwrap` and linear interpolation.

Written as on arrays: the operands are tensors, so that NumPy's names find their traced forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.types import F8
from tracejit.trace import prim
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.joining import part
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.tensor import Tensor, describe

# Slopes.


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = strong(f)
    axes = prim.normalize_axes(axis, x.ndim)
    spacings = _spacings(x, axes, varargs)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if x.dtype.kind in "biu":
        x = prim.cast(x, F8)
    results = [_slope(x, k, spacing, edge_order) for k, spacing in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _spacings(x: Tensor, axes: tuple[int, ...], varargs: tuple[Any, ...]) -> list[Any]:
    """For each axis a number, or the positions of the points."""
    if not varargs:
        return [1.0] * len(axes)
    given = [v if isinstance(v, (int, float)) else strong(v) for v in varargs]
    if len(given) == 1 and not isinstance(given[0], (int, float)) and given[0].ndim:
        if len(axes) != 1:
            raise TypeError("invalid number of arguments")
    elif len(given) == 1:
        return given * len(axes)
    if len(given) != len(axes):
        raise TypeError("invalid number of arguments")
    for k, spacing in zip(axes, given, strict=True):
        if isinstance(spacing, (int, float)) or not spacing.ndim:
            continue
        if spacing.ndim != 1:
            raise ValueError("distances must be either scalars or 1d")
        if not current().same(spacing.type.shape[0], x.type.shape[k], "gradient"):
            fail(
                errors.ShapeError,
                "when 1d, distances must match the length of the corresponding dimension: "
                f"{describe(spacing)}, axis {k} of {describe(x)}",
            )
    return given


def _slope(x: Tensor, axis: int, spacing: Any, edge_order: int) -> Tensor:
    if not x.shape[axis] >= edge_order + 1:
        fail(
            errors.ShapeError,
            "Shape of array too small to calculate a numerical gradient, at least "
            f"(edge_order + 1) elements are required: {describe(x)}",
        )
    if isinstance(spacing, (int, float)) or not spacing.ndim:
        pieces = _even_slopes(x, axis, spacing, edge_order)
    else:
        if spacing.dtype.kind in "biu":
            spacing = prim.cast(spacing, F8)
        steps = spacing[1:] - spacing[:-1]
        # Where all steps are equal, NumPy computes as for one number.
        equal = np.all(steps == steps[0])
        even = _even_slopes(x, axis, steps[0], edge_order)
        uneven = _uneven_slopes(x, axis, steps, edge_order)
        pieces = [np.where(equal, a, b) for a, b in zip(even, uneven, strict=True)]
    return prim.concatenate([prim.cast(p, x.dtype) for p in pieces], axis)


def _even_slopes(x: Tensor, axis: int, h: Any, edge_order: int) -> list[Any]:
    """The slopes at the first point, the inner points and the last one."""
    inner = (part(x, axis, 2, None) - part(x, axis, None, -2)) / (2.0 * h)
    if edge_order == 1:
        first = (part(x, axis, 1, 2) - part(x, axis, 0, 1)) / h
        last = (part(x, axis, -1, None) - part(x, axis, -2, -1)) / h
    else:
        first = _weighted(x, axis, True, (-1.5 / h, 2.0 / h, -0.5 / h))
        last = _weighted(x, axis, False, (0.5 / h, -2.0 / h, 1.5 / h))
    return [first, inner, last]


def _uneven_slopes(x: Tensor, axis: int, steps: Tensor, edge_order: int) -> list[Any]:
    left, right = steps[:-1], steps[1:]
    a = -right / (left * (left + right))
    b = (right - left) / (left * right)
    c = left / (right * (left + right))
    shape = tuple(-1 if k == axis else 1 for k in range(x.ndim))
    a, b, c = (w.reshape(shape) for w in (a, b, c))
    inner = a * part(x, axis, None, -2) + b * part(x, axis, 1, -1) + c * part(x, axis, 2, None)
    if edge_order == 1:
        first = (part(x, axis, 1, 2) - part(x, axis, 0, 1)) / steps[0]
        last = (part(x, axis, -1, None) - part(x, axis, -2, -1)) / steps[-1]
        return [first, inner, last]
    h, k = steps[0], steps[1]
    weights = (-(2.0 * h + k) / (h * (h + k)), (h + k) / (h * k), -h / (k * (h + k)))
    first = _weighted(x, axis, True, weights)
    h, k = steps[-2], steps[-1]
    weights = (k / (h * (h + k)), -(k + h) / (h * k), (2.0 * k + h) / (k * (h + k)))
    return [first, inner, _weighted(x, axis, False, weights)]


def _weighted(x: Tensor, axis: int, at_start: bool, weights: tuple[Any, Any, Any]) -> Any:
    """The weighted sum of the first or the last three points."""
    start = 0 if at_start else -3
    points = [part(x, axis, k, k + 1 or None) for k in range(start, start + 3)]
    return weights[0] * points[0] + weights[1] * points[1] + weights[2] * points[2]


# Phases.


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Tensor:
    x = strong(p)
    k = prim.normalize_axis(axis, x.ndim)
    d = FUNCTIONS[np.diff](x, axis=k)
    if discont is None:
        discont = period / 2
    dtype = prim.result_dtype(d, period)
    if dtype.kind in "biu":
        high, rest = divmod(period, 2)
        ambiguous = rest == 0
    else:
        high, ambiguous = period / 2, True
    turned = np.mod(d + high, period) - high
    if ambiguous is not False:
        turned = prim.select((turned == -high) & (d > 0) & ambiguous, high, turned)
    correction = prim.select(np.abs(d) < discont, 0, turned - d)
    first, rest = part(x, k, None, 1), part(x, k, 1, None)
    rest = rest + np.cumsum(correction, axis=k)
    return prim.concatenate([prim.cast(first, dtype), prim.cast(rest, dtype)], k)


# Interpolation.


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Tensor:
    y: Any = strong(fp)
    dtype = np.dtype(complex if y.dtype.kind == "c" else float)
    at: Any = prim.cast(strong(x), F8)
    points: Any = prim.cast(strong(xp), F8)
    y = prim.cast(y, dtype)
    if points.ndim != 1 or y.ndim != 1:
        fail(errors.ShapeError, f"Data points must be 1-D sequences: {describe(points)}")
    if not current().same(points.type.shape[0], y.type.shape[0], "interp"):
        fail(
            errors.ShapeError,
            f"fp and xp are not of the same length: {describe(y)}, {describe(points)}",
        )
    if not points.shape[0] > 0:
        fail(errors.ShapeError, "array of sample points is empty")
    if period is not None:
        if not prim.any_traced(period) and period == 0:
            raise ValueError("period must be a non-zero value")
        period, left, right = abs(period), None, None
        at, points = at % period, points % period
        order = np.argsort(points)
        points, y = points[order], y[order]
        points = np.concatenate([points[-1:] - period, points, points[:1] + period])
        y = np.concatenate([y[-1:], y, y[:1]])
    below = y[0] if left is None else prim.cast(left, dtype)
    above = y[-1] if right is None else prim.cast(right, dtype)
    return _interpolated(at, points, y, below, above)


def _interpolated(at: Tensor, points: Tensor, y: Tensor, below: Any, above: Any) -> Tensor:
    last = points.shape[0] - 1
    low = prim.elementwise("maximum", np.searchsorted(points, at, side="right") - 1, 0)
    high = prim.elementwise("minimum", low + 1, last)
    x0, x1, y0, y1 = points[low], points[high], y[low], y[high]
    slope = (y1 - y0) / (x1 - x0)
    found = slope * (at - x0) + y0
    # As NumPy repairs what is NaN because a value is infinite.
    again = slope * (at - x1) + y1
    again = prim.select(np.isnan(again) & (y0 == y1), y0, again)
    found = prim.select(np.isnan(found), again, found)
    found = prim.select((x0 == at) | (low == last), y0, found)
    found = prim.select(at < points[0], below, found)
    found = prim.select(at > points[last], above, found)
    found = prim.select(np.isnan(at), prim.cast(at, y.dtype), found)
    return prim.scalar(prim.cast(found, y.dtype))
