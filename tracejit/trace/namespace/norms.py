"""Norms and the trapezoidal rule: sums of elementwise functions, which the compiler fuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import inexact, squares, strong
from tracejit.trace.namespace.linalg import singular_norm
from tracejit.trace.namespace.reductions import accumulate_over, max_, min_, sum_, to_bool
from tracejit.trace.registry import implements
from tracejit.trace.tensor import Tensor, describe


def _euclidean(x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    return prim.elementwise("sqrt", accumulate_over("sum", squares(x), axes, keepdims))


def _vector_norm(x: Tensor, order: Any, axes: Sequence[int], keepdims: bool) -> Tensor:
    """The norm of `order` over all of `axes` at once."""
    axes = tuple(axes)
    if order is None or order == 2:
        return _euclidean(x, axes, keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    if order in (np.inf, -np.inf):
        reduce = max_ if order > 0 else min_
        return reduce(prim.elementwise("absolute", x), axes, keepdims=keepdims)
    magnitude = prim.elementwise("absolute", x)
    if order == 0:
        return accumulate_over("sum", prim.cast(to_bool(x), magnitude.dtype), axes, keepdims)
    if order == 1:
        return accumulate_over("sum", magnitude, axes, keepdims)
    total = accumulate_over("sum", prim.elementwise("power", magnitude, order), axes, keepdims)
    root = prim.elementwise("reciprocal", prim.cast(order, total.dtype))
    return prim.elementwise("power", total, root)


def _matrix_norm(x: Tensor, order: Any, row: int, column: int, keepdims: bool) -> Tensor:
    """The norm of matrices in the axes `row` and `column`."""
    if order is None or order in ("fro", "f"):
        return _euclidean(x, (row, column), keepdims)
    if order in (2, -2, "nuc"):
        return singular_norm(x, order, (row, column), keepdims)
    if isinstance(order, str) or order not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    inner, outer = (row, column) if order in (1, -1) else (column, row)
    totals = accumulate_over("sum", prim.elementwise("absolute", x), (inner,), True)
    result = (max_ if order > 0 else min_)(totals, outer, keepdims=True)
    if keepdims:
        return result
    shape = tuple(d for k, d in enumerate(x.type.shape) if k not in (row, column))
    return prim.scalar(views.reshape(result, shape))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Tensor:
    tensor = inexact(x)
    everything = tuple(range(tensor.ndim))
    keep = bool(keepdims)
    if axis is None:
        if ord is None:
            return _euclidean(tensor, everything, keep)
        if tensor.ndim not in (1, 2):
            fail(
                errors.ShapeError,
                f"a norm of order {ord} without axis takes up to 2 dims: {describe(tensor)}",
                "give axis=",
            )
        axes = everything
    else:
        axes = prim.normalize_axes(axis, tensor.ndim)
    if len(axes) == 1:
        return _vector_norm(tensor, ord, axes, keep)
    if len(axes) == 2:
        return _matrix_norm(tensor, ord, *axes, keep)
    raise ValueError("Improper number of dimensions to norm.")


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Tensor:
    tensor = inexact(x)
    return _vector_norm(tensor, ord, prim.normalize_axes(axis, tensor.ndim), bool(keepdims))


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Tensor:
    tensor = inexact(x)
    if tensor.ndim < 2:
        fail(errors.ShapeError, f"matrix_norm takes matrices: {describe(tensor)}")
    return _matrix_norm(tensor, ord, tensor.ndim - 2, tensor.ndim - 1, bool(keepdims))


# The trapezoidal rule.


def _neighbours(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """`x[1:]` and `x[:-1]` along `axis`."""
    shape = x.type.shape
    n = shape[axis]
    size = n - 1 if current().decide(n, ">", 0, "differences along an axis") else 0
    sizes = tuple(size if k == axis else d for k, d in enumerate(shape))
    steps, zeros = (1,) * x.ndim, (0,) * x.ndim
    ones = tuple(int(k == axis and size != 0) for k in range(x.ndim))
    return views.slice_(x, ones, sizes, steps), views.slice_(x, zeros, sizes, steps)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Tensor:
    heights = strong(y)
    k = prim.normalize_axis(axis, heights.ndim)
    if x is None:
        width = prim.lift(dx)
    else:
        points = strong(x)
        along = 0 if points.ndim == 1 else prim.normalize_axis(axis, points.ndim)
        width = prim.elementwise("subtract", *_neighbours(points, along))
        if points.ndim == 1:
            shape = tuple(width.type.shape[0] if j == k else 1 for j in range(heights.ndim))
            width = views.reshape(width, shape)
    both = prim.elementwise("add", *_neighbours(heights, k))
    areas = prim.elementwise("divide", prim.elementwise("multiply", width, both), 2.0)
    return sum_(areas, axis)
