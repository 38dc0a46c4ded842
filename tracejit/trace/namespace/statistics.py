"""Means, variances, averages, and the versions of reductions that leave NaN out.

They are sums divided by counts, and counts stay sizes: one graph serves every size. Difference
from NumPy: what NumPy raises because of the data is no error here. Where weights sum to zero, the
average is NaN or inf; where there is nothing but NaN, `nanargmin` and `nanargmax` are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.types import F2, F4, F8
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import squares, strong
from tracejit.trace.namespace.reductions import (
    MISSING,
    accumulate_over,
    argmax,
    argmin,
    axes_of,
    count_of,
    cumprod,
    cumsum,
    given,
    mask_of,
    max_,
    min_,
    prod,
    require_elements,
    store,
    sum_,
    sum_dtype,
    truth,
)
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import as_dim, wrap
from tracejit.trace.tensor import Tensor, describe

# Means and variances.


def _working_dtype(x: Tensor, dtype: Any) -> np.dtype:
    """The dtype in which a mean or variance of `x` is summed."""
    if given(dtype):
        return prim.as_dtype(dtype)
    if x.dtype.kind in "biu":
        return F8
    return F4 if x.dtype == F2 else x.dtype


def _result(x: Tensor, dtype: Any, out: Any, result: Tensor) -> Tensor:
    """A float16 array has a float16 mean, unless `dtype` or `out` asks for another."""
    if x.dtype == F2 and not given(dtype) and not given(out):
        result = prim.cast(result, F2)
    return store(out, result)


def _sum_in(
    x: Tensor, dtype: np.dtype, axes: Sequence[int], keepdims: bool, mask: Tensor | None
) -> Tensor:
    x = prim.cast(x, dtype)
    if mask is not None:
        x = prim.select(mask, x, prim.cast(0, dtype))
    return accumulate_over("sum", x, axes, keepdims)


def _divide(total: Tensor, count: Any) -> Tensor:
    """`total / count` in the dtype of `total`."""
    if isinstance(count, Tensor) and total.dtype.kind in "fc":
        count = prim.cast(count, total.dtype)
    return prim.cast(prim.elementwise("divide", total, count), total.dtype)


@implements(np.mean, method="mean")
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Tensor:
    x = prim.lift(a)
    axes, mask, keep = axes_of(axis, x), mask_of(where, x), truth(keepdims)
    total = _sum_in(x, _working_dtype(x, dtype), axes, keep, mask)
    return _result(x, dtype, out, _divide(total, count_of(x, axes, keep, mask)))


def _degrees_of_freedom(count: Any, ddof: Any) -> Any:
    """`max(count - ddof, 0)`."""
    dim, off = as_dim(count), None if isinstance(ddof, Tensor) else as_dim(ddof)
    if not isinstance(count, Tensor) and dim is not None and off is not None:
        return wrap(dims.maximum(dim - off, 0))
    return prim.elementwise("maximum", prim.elementwise("subtract", count, ddof), 0)


def _variance(
    a: Any, axis: Any, dtype: Any, out: Any, ddof: Any, keepdims: Any, where: Any, mean: Any
) -> tuple[Tensor, Tensor]:
    """The operand, and the variance before rounding to the result's dtype."""
    x = prim.lift(a)
    axes, mask, keep = axes_of(axis, x), mask_of(where, x), truth(keepdims)
    working = _working_dtype(x, dtype)
    if given(mean):
        center = prim.lift(mean)
    else:
        center = _divide(_sum_in(x, working, axes, True, mask), count_of(x, axes, True, mask))
    squared = squares(prim.elementwise("subtract", x, center))
    real_dtype = squared.dtype if working.kind == "c" and not given(dtype) else working
    total = _sum_in(squared, real_dtype, axes, keep, mask)
    return x, _divide(total, _degrees_of_freedom(count_of(x, axes, keep, mask), ddof))


def _ddof(ddof: Any, correction: Any) -> Any:
    if correction is MISSING:
        return ddof
    if float(ddof) != 0:
        raise ValueError("ddof and correction can't be provided simultaneously.")
    return correction


@implements(np.var, method="var")
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Tensor:
    ddof = _ddof(ddof, correction)
    x, result = _variance(a, axis, dtype, out, ddof, keepdims, where, mean)
    return _result(x, dtype, out, result)


@implements(np.std, method="std")
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Tensor:
    ddof = _ddof(ddof, correction)
    x, result = _variance(a, axis, dtype, out, ddof, keepdims, where, mean)
    return _result(x, dtype, out, prim.cast(prim.elementwise("sqrt", result), result.dtype))


# Averages.


def weights_along(x: Tensor, weights: Any, axis: Any) -> Tensor:
    """The weights, brought into a shape that broadcasts against `x`."""
    trace, w = current(), strong(weights)
    shape, wanted = w.type.shape, x.type.shape
    if len(shape) == len(wanted) and all(map(trace.same, shape, wanted)):
        return w
    if axis is None:
        fail(
            errors.DTypeError,
            "axis must be specified when shapes of a and weights differ: "
            f"{describe(x)}, {describe(w)}",
        )
    axes = prim.normalize_axes(axis, x.ndim)
    if len(shape) != len(axes) or not all(map(trace.same, shape, [wanted[k] for k in axes])):
        fail(
            errors.ShapeError,
            "shape of weights must be consistent with shape of a along specified axis: "
            f"{describe(x)}, {describe(w)}",
        )
    w = views.transpose(w, [int(k) for k in np.argsort(axes)])
    return views.reshape(w, tuple(wanted[k] if k in axes else 1 for k in range(x.ndim)))


@implements(np.average)
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    x = prim.lift(a)
    axes = axes_of(axis, x)
    if not given(weights):
        result = mean(x, axis, keepdims=keepdims)
        count = count_of(x, axes, False, None)
        scale = prim.cast(count, result.dtype)
    else:
        w = weights_along(x, weights, axis)
        extra = (F8,) if x.dtype.kind in "biu" else ()
        dtype = np.result_type(x.dtype, w.dtype, *extra)
        scale = accumulate_over("sum", prim.cast(w, dtype), axes, truth(keepdims))
        product = prim.elementwise("multiply", prim.cast(x, dtype), prim.cast(w, dtype))
        result = prim.elementwise("divide", sum_(product, axis, keepdims=keepdims), scale)
    if not returned:
        return result
    return result, prim.scalar(views.broadcast_to(scale, result.type.shape))


# Without NaN.


def _nan_mask(x: Tensor) -> Tensor | None:
    """Where `x` is NaN; None for dtypes that have no NaN."""
    return prim.elementwise("isnan", x) if x.dtype.kind in "fc" else None


def _replace_nan(a: Any, value: Any) -> tuple[Tensor, Tensor | None]:
    """`a` with NaN replaced, and where NaN was."""
    x = prim.lift(a)
    mask = _nan_mask(x)
    if mask is None:
        return x, None
    return prim.select(mask, prim.cast(value, x.dtype), x), mask


def _both(mask: Tensor | None, where: Tensor | None) -> Tensor | None:
    """Elements that are not in the NaN `mask` and in `where`."""
    if mask is None:
        return where
    valid = prim.elementwise("logical_not", mask)
    return valid if where is None else prim.elementwise("logical_and", valid, where)


def _require_inexact(dtype: Any) -> None:
    if given(dtype) and prim.as_dtype(dtype).kind not in "fc":
        fail(errors.DTypeError, "If a is inexact, then dtype must be inexact")


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    x, _ = _replace_nan(a, 0)
    return sum_(x, axis, dtype, out, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    x, _ = _replace_nan(a, 1)
    return prod(x, axis, dtype, out, keepdims, initial, where)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    return cumsum(_replace_nan(a, 0)[0], axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    return cumprod(_replace_nan(a, 1)[0], axis, dtype, out)


def _nan_extremum(
    op: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Tensor:
    reduce = {"nanmin": min_, "nanmax": max_}[op]
    limit = np.inf if op == "nanmin" else -np.inf
    x = prim.lift(a)
    axes, keep = axes_of(axis, x), truth(keepdims)
    mask = _nan_mask(x)
    if mask is None:
        return reduce(x, axis, out, keepdims, initial, where)
    if given(initial):
        start = prim.cast(initial, x.dtype)
        x = prim.select(mask, start, x)
        return reduce(x, axis, out, keepdims, initial, where)
    require_elements(x, axes, op.replace("nan", "f"))
    x = prim.select(mask, prim.cast(limit, x.dtype), x)
    result = reduce(x, axis, None, keepdims, MISSING, where)
    only_nan = prim.reduce("all", mask, axes, keep)
    return store(out, prim.select(only_nan, prim.cast(np.nan, x.dtype), result))


@implements(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _nan_extremum("nanmin", a, axis, out, keepdims, initial, where)


@implements(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _nan_extremum("nanmax", a, axis, out, keepdims, initial, where)


def _reduce_fmin(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    x = prim.cast(array, dtype) if given(dtype) else array
    return nanmin(x, axis, out, keepdims, initial, where)


def _reduce_fmax(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    x = prim.cast(array, dtype) if given(dtype) else array
    return nanmax(x, axis, out, keepdims, initial, where)


FUNCTIONS[np.fmin, "reduce"] = _reduce_fmin
FUNCTIONS[np.fmax, "reduce"] = _reduce_fmax


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tensor:
    return argmin(_replace_nan(a, np.inf)[0], axis, out, keepdims=keepdims)


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tensor:
    return argmax(_replace_nan(a, -np.inf)[0], axis, out, keepdims=keepdims)


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Tensor:
    x, nan = _replace_nan(a, 0)
    if nan is None:
        return mean(x, axis, dtype, out, keepdims, where=where)
    _require_inexact(dtype)
    axes, keep, mask = axes_of(axis, x), truth(keepdims), _both(nan, mask_of(where, x))
    total = _sum_in(x, sum_dtype(x, dtype), axes, keep, mask)
    return store(out, _divide(total, count_of(x, axes, keep, mask)))


def _nan_variance(
    a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, mean: Any
) -> Tensor | None:
    x, nan = _replace_nan(a, 0)
    if nan is None:
        return None
    _require_inexact(dtype)
    axes, keep, mask = axes_of(axis, x), truth(keepdims), _both(nan, mask_of(where, x))
    working = sum_dtype(x, dtype)
    count = count_of(x, axes, True, mask)
    if given(mean):
        center = prim.lift(mean)
    else:
        center = _divide(_sum_in(x, working, axes, True, mask), count)
    deviation = prim.cast(prim.elementwise("subtract", x, center), x.dtype)
    squared = squares(deviation)
    total = _sum_in(squared, sum_dtype(squared, dtype), axes, True, mask)
    freedom = prim.elementwise("subtract", count, ddof)
    bad = prim.elementwise("less_equal", freedom, 0)
    result = prim.select(bad, prim.cast(np.nan, total.dtype), _divide(total, freedom))
    if keep:
        return result
    shape = tuple(d for k, d in enumerate(result.type.shape) if k not in axes)
    return prim.scalar(views.reshape(result, shape))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Tensor:
    ddof = _ddof(ddof, correction)
    result = _nan_variance(a, axis, dtype, ddof, keepdims, where, mean)
    if result is None:
        return var(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean)
    return store(out, result)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Tensor:
    ddof = _ddof(ddof, correction)
    result = _nan_variance(a, axis, dtype, ddof, keepdims, where, mean)
    if result is None:
        return std(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean)
    return store(out, prim.elementwise("sqrt", result))
