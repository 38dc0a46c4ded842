"""Sums, products, extrema and their positions, any and all, cumulative operations, ufunc methods.

Dtypes follow NumPy: sums and products of bools and small integers are int64 or uint64, those of
float16 are accumulated in float32. A reduction without identity asks for reduced sizes
other than 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.opdef import resolve_loop
from tracejit.ir.types import F2, F4
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor, describe

MISSING: Any = np._NoValue
"""NumPy's own default for arguments that were not given."""


# Arguments common to all reductions.


def given(argument: Any) -> bool:
    return argument is not None and argument is not MISSING


def axes_of(axis: Any, x: Tensor) -> tuple[int, ...]:
    """The axes to reduce; a 0-d tensor accepts axis 0 and -1, as in NumPy."""
    if x.ndim == 0 and not isinstance(axis, (tuple, list, type(None))) and int(axis) in (0, -1):
        return ()
    return prim.normalize_axes(axis, x.ndim)


def out_tensor(out: Any) -> Tensor | None:
    """The tensor that `out=` names, or None."""
    if isinstance(out, tuple):
        if len(out) != 1:
            fail(errors.ShapeError, "the 'out' tuple must have exactly one entry")
        (out,) = out
    if not given(out):
        return None
    if isinstance(out, (Tensor, np.ndarray)):
        return prim.lift(out)
    fail(errors.DTypeError, f"return arrays must be of ArrayType, not {type(out).__name__}")


def store(out: Any, result: Tensor, casting: str = "unsafe") -> Tensor:
    """`result`, or `out` once it holds it; shapes must be equal."""
    target = out_tensor(out)
    if target is None:
        return result
    trace = current()
    shape, wanted = target.type.shape, result.type.shape
    if len(shape) != len(wanted) or not all(map(trace.same, shape, wanted)):
        fail(
            errors.ShapeError,
            f"out has the wrong shape: {describe(target)} for a result {describe(result)}",
        )
    if not np.can_cast(result.dtype, target.dtype, casting):  # type: ignore[arg-type]
        fail(
            errors.DTypeError,
            f"cannot cast the result from {result.dtype} to {target.dtype} of out "
            f"with casting rule {casting!r}",
        )
    target.assign(prim.cast(result, target.dtype).value)
    return target


def mask_of(where: Any, x: Tensor) -> Tensor | None:
    """The `where=` mask as a bool tensor of the shape of `x`; None for all elements."""
    if where is MISSING or where is None or where is True:
        return None
    mask = prim.lift(where)
    if mask.dtype != bool:
        fail(errors.DTypeError, f"where must be bool: {describe(mask)}")
    if mask.ndim > x.ndim:
        both = f"{describe(mask)}, {describe(x)}"
        fail(errors.ShapeError, f"where has more dims than the array: {both}")
    return views.broadcast_to(mask, x.type.shape)


def count_of(x: Tensor, axes: Sequence[int], keepdims: bool, mask: Tensor | None) -> Any:
    """How many elements go into each result: a size, or a tensor where there is a mask."""
    if mask is None:
        return wrap(dims.product([x.type.shape[k] for k in axes]))
    return prim.reduce("sum", prim.cast(mask, np.int64), axes, keepdims)


def require_elements(x: Tensor, axes: Sequence[int], ufunc_name: str) -> None:
    """ValueError, as in NumPy, where a reduced size is 0."""
    trace = current()
    for k in axes:
        if not trace.decide(x.type.shape[k], ">", 0, f"a {ufunc_name} over a non-empty axis"):
            fail(
                errors.ShapeError,
                f"zero-size array to reduction operation {ufunc_name} which has no identity: "
                + describe(x),
                "give initial=, or return early where the size is 0",
            )


def to_bool(x: Any) -> Tensor:
    """`x != 0`."""
    tensor = prim.lift(x)
    return tensor if tensor.dtype == bool else prim.elementwise("not_equal", tensor, 0)


def flat(x: Tensor) -> Tensor:
    return views.reshape(x, (dims.product(x.type.shape),))


# Sums and products.


def sum_dtype(x: Tensor, dtype: Any = None, out: Any = None) -> np.dtype:
    """The dtype in which a sum or product of `x` is returned."""
    if given(dtype):
        return prim.as_dtype(dtype)
    target = out_tensor(out)
    if target is not None:
        return np.result_type(x.dtype, target.dtype)
    return np.add.resolve_dtypes((None, x.dtype, None), reduction=True)[0]


def accumulate_over(op: str, x: Tensor, axes: Sequence[int], keepdims: bool) -> Tensor:
    """`sum` or `prod` in the dtype of `x`: logical for bool, in float32 for float16."""
    if x.dtype == bool:
        return prim.reduce({"sum": "any", "prod": "all"}[op], x, axes, keepdims)
    if x.dtype == F2:
        return prim.cast(prim.reduce(op, prim.cast(x, F4), axes, keepdims), F2)
    return prim.reduce(op, x, axes, keepdims)


def _total(
    op: str, a: Any, axis: Any, dtype: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Tensor:
    x = prim.lift(a)
    axes = axes_of(axis, x)
    found = sum_dtype(x, dtype, out)
    x = prim.cast(x, found)
    mask = mask_of(where, x)
    if mask is not None:
        x = prim.select(mask, x, prim.cast(0 if op == "sum" else 1, found))
    result = accumulate_over(op, x, axes, truth(keepdims))
    if given(initial):
        name = "add" if op == "sum" else "multiply"
        result = prim.elementwise(name, result, prim.cast(initial, found))
    return store(out, result)


def truth(keepdims: Any) -> bool:
    return keepdims is not MISSING and bool(keepdims)


@implements(np.sum, method="sum")
def sum_(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _total("sum", a, axis, dtype, out, keepdims, initial, where)


@implements(np.prod, method="prod")
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _total("prod", a, axis, dtype, out, keepdims, initial, where)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Tensor:
    x = to_bool(a)
    return prim.reduce("sum", prim.cast(x, np.int64), axes_of(axis, x), truth(keepdims))


# Extrema.


def _extremum(
    op: str, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any, dtype: Any = None
) -> Tensor:
    name = {"min": "minimum", "max": "maximum"}[op]
    x = prim.lift(a)
    axes = axes_of(axis, x)
    x = prim.cast(x, dtype if given(dtype) else x.dtype)
    mask = mask_of(where, x)
    if not given(initial):
        if mask is not None:
            _fail_no_identity(name)
        require_elements(x, axes, name)
        return store(out, prim.reduce(op, x, axes, truth(keepdims)))
    start = prim.cast(initial, x.dtype)
    if mask is not None:
        x = prim.select(mask, x, start)
    trace = current()
    sizes = [x.type.shape[k] for k in axes]
    if not all(trace.decide(d, ">", 0, f"a {name} over a non-empty axis") for d in sizes):
        kept = [1 if k in axes else d for k, d in enumerate(x.type.shape)]
        if not truth(keepdims):
            kept = [d for k, d in enumerate(x.type.shape) if k not in axes]
        return store(out, prim.scalar(prim.full(tuple(kept), start, x.dtype)))
    result = prim.reduce(op, x, axes, truth(keepdims))
    return store(out, prim.elementwise(name, result, start))


def _fail_no_identity(name: str) -> NoReturn:
    fail(
        errors.ShapeError,
        f"reduction operation '{name}' does not have an identity, "
        "so to use a where mask one has to specify 'initial'",
        "give initial=",
    )


@implements(np.min, np.amin, method="min")
def min_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _extremum("min", a, axis, out, keepdims, initial, where)


@implements(np.max, np.amax, method="max")
def max_(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    return _extremum("max", a, axis, out, keepdims, initial, where)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Tensor:
    x = prim.lift(a)
    high, low = max_(x, axis, keepdims=keepdims), min_(x, axis, keepdims=keepdims)
    return store(out, prim.elementwise("subtract", high, low))


def _position(op: str, a: Any, axis: Any, out: Any, keepdims: Any) -> Tensor:
    x = prim.lift(a)
    shape = x.type.shape
    if axis is None:
        kept: tuple[Any, ...] = (1,) * x.ndim
        x, k = flat(x), 0
    else:
        if x.ndim == 0:
            axes_of(axis, x)
            x = views.reshape(x, (1,))
            k, kept = 0, ()
        else:
            k = prim.normalize_axis(axis, x.ndim)
            kept = tuple(1 if j == k else d for j, d in enumerate(shape))
    if not current().decide(x.type.shape[k], ">", 0, f"{op} over a non-empty axis"):
        fail(
            errors.ShapeError,
            f"attempt to get {op} of an empty sequence: {describe(prim.lift(a))}",
            "return early where the size is 0",
        )
    result = prim.reduce(op, x, (k,))
    if truth(keepdims):
        result = views.reshape(result, kept)
    return store(out, result, "same_kind")


@implements(np.argmin, method="argmin")
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tensor:
    return _position("argmin", a, axis, out, keepdims)


@implements(np.argmax, method="argmax")
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Tensor:
    return _position("argmax", a, axis, out, keepdims)


# Logic.


def _logical(
    op: str, a: Any, axis: Any, out: Any, keepdims: Any, where: Any, initial: Any = MISSING
) -> Tensor:
    x = to_bool(a)
    mask = mask_of(where, x)
    if mask is not None:
        x = prim.select(mask, x, op == "all")
    result = prim.reduce(op, x, axes_of(axis, x), truth(keepdims))
    if given(initial):
        name = "logical_or" if op == "any" else "logical_and"
        result = prim.elementwise(name, result, initial)
    return store(out, result)


@implements(np.any, method="any")
def any_(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Tensor:
    return _logical("any", a, axis, out, keepdims, where)


@implements(np.all, method="all")
def all_(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Tensor:
    return _logical("all", a, axis, out, keepdims, where)


# Cumulative operations.


def _cumulative(op: str, a: Any, axis: Any, dtype: Any, out: Any) -> Tensor:
    x = prim.lift(a)
    x = prim.cast(x, sum_dtype(x, dtype, out))
    return store(out, _along(op, x, axis))


def _along(op: str, x: Tensor, axis: Any) -> Tensor:
    if axis is None or x.ndim == 0:
        if axis is not None:
            axes_of(axis, x)
        x, axis = flat(x), 0
    if x.dtype == bool:
        op = {"cumsum": "cummax", "cumprod": "cummin"}.get(op, op)
    return prim.cumulate(op, x, prim.normalize_axis(axis, x.ndim))


@implements(np.cumsum, method="cumsum")
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    return _cumulative("cumsum", a, axis, dtype, out)


@implements(np.cumprod, method="cumprod")
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Tensor:
    return _cumulative("cumprod", a, axis, dtype, out)


def _cumulative_with_initial(
    op: str, a: Any, axis: Any, dtype: Any, out: Any, include_initial: bool
) -> Tensor:
    x = prim.lift(a)
    if not x.ndim:
        x = views.reshape(prim.copy(x), (1,))
    if axis is None:
        if x.ndim != 1:
            fail(
                errors.ShapeError,
                "for arrays which have more than one dimension ``axis`` argument is required: "
                + describe(x),
            )
        axis = 0
    k = prim.normalize_axis(axis, x.ndim)
    if not include_initial:
        return _cumulative(op, x, k, dtype, out)
    result = _cumulative(op, x, k, dtype, None)
    shape = tuple(1 if j == k else d for j, d in enumerate(result.type.shape))
    first = prim.full(shape, 0 if op == "cumsum" else 1, result.dtype)
    return store(out, prim.concatenate([first, result], k))


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Tensor:
    return _cumulative_with_initial("cumsum", x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: Any = False
) -> Tensor:
    return _cumulative_with_initial("cumprod", x, axis, dtype, out, include_initial)


# Methods of ufuncs.


def _reducer(function: Callable[..., Tensor], takes_dtype: bool, op: str | None = None) -> Any:
    def reduce(
        array: Any,
        axis: Any = 0,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = MISSING,
        where: Any = True,
    ) -> Tensor:
        if takes_dtype:
            return function(array, axis, dtype, out, keepdims, initial, where)
        if op in ("any", "all"):
            if given(dtype) and np.dtype(dtype) != bool:
                fail(errors.DTypeError, f"logical reductions have no loop for dtype {dtype}")
            return _logical(op, array, axis, out, keepdims, where, initial)
        assert op is not None
        return _extremum(op, array, axis, out, keepdims, initial, where, dtype)

    return reduce


for _ufunc, _function, _takes_dtype, _op in (
    (np.add, sum_, True, None),
    (np.multiply, prod, True, None),
    (np.minimum, min_, False, "min"),
    (np.maximum, max_, False, "max"),
    (np.logical_or, any_, False, "any"),
    (np.logical_and, all_, False, "all"),
):
    FUNCTIONS[_ufunc, "reduce"] = _reducer(_function, _takes_dtype, _op)


def _accumulator(op: str, logical: bool) -> Any:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Tensor:
        if op in ("cumsum", "cumprod"):
            return _cumulative(op, array, int(axis), dtype, out)
        x = to_bool(array) if logical else prim.lift(array)
        if given(dtype):
            x = prim.cast(x, dtype)
        return store(out, _along(op, x, int(axis)))

    return accumulate


for _ufunc, _op, _is_logical in (
    (np.add, "cumsum", False),
    (np.multiply, "cumprod", False),
    (np.minimum, "cummin", False),
    (np.maximum, "cummax", False),
    (np.logical_or, "cummax", True),
    (np.logical_and, "cummin", True),
):
    FUNCTIONS[_ufunc, "accumulate"] = _accumulator(_op, _is_logical)


def _reduce_logaddexp(
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Tensor:
    """`log(sum(exp(x)))`, scaled by the largest element so that nothing overflows."""
    x = prim.lift(array)
    x = prim.cast(x, dtype if given(dtype) else resolve_loop(np.logaddexp, (x.dtype,) * 2)[-1])
    axes, keep = axes_of(axis, x), truth(keepdims)
    top = _extremum("max", x, axes, None, True, -np.inf, where)
    top = prim.select(prim.elementwise("isfinite", top), top, 0)
    terms = prim.elementwise("exp", prim.elementwise("subtract", x, top))
    mask = mask_of(where, x)
    if mask is not None:
        terms = prim.select(mask, terms, 0)
    result = prim.elementwise("log", accumulate_over("sum", terms, axes, True))
    result = prim.elementwise("add", result, top)
    if given(initial):
        result = prim.elementwise("logaddexp", result, prim.cast(initial, x.dtype))
    if not keep:
        kept = tuple(d for k, d in enumerate(x.type.shape) if k not in axes)
        result = prim.scalar(views.reshape(result, kept))
    return store(out, result)


FUNCTIONS[np.logaddexp, "reduce"] = _reduce_logaddexp
