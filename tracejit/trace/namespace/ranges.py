"""`arange`, `linspace` and kin: lengths may be sizes, and the bounds of `linspace` traced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.trace import prim, views
from tracejit.trace.context import current
from tracejit.trace.namespace.creation import as_shape, is_int
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.late_sizes import is_late, span
from tracejit.trace.prim import as_dtype, cast, elementwise, lift
from tracejit.trace.registry import implements
from tracejit.trace.size import Size, as_dim, wrap
from tracejit.trace.tensor import Tensor


def ceil_length(span: Any, step: int) -> Any:
    """How many elements `range(0, span, step)` has; decides whether there are any."""
    if step < 0:
        span, step = -span, -step
    length = as_dim(span)
    if length is not None and current().is_run_time(length):
        return wrap(dims.floordiv(dims.maximum(length, 0) + (step - 1), step))
    if not span > 0:
        return 0
    if step == 1:
        return span
    return wrap(dims.floordiv(as_dim(span + (step - 1)), step))  # type: ignore[arg-type]


@implements(np.arange, creator=True)
def arange(
    start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, *,
    device: Any = None, like: Any = None,
) -> Tensor:  # fmt: skip
    if stop is None:
        start, stop = 0, start
    if stop is None:
        raise TypeError("arange() requires stop to be specified.")
    if isinstance(step, (int, np.integer, type(None))) and any(map(is_late, (start, stop))):
        whole, target = 1 if step is None else int(step), as_dtype(int if dtype is None else dtype)
        if whole and not any(isinstance(x, (float, np.floating)) for x in (start, stop)):
            first = 0 if start is None else start
            return _progression(span(first, stop, whole), first, whole, target)
    first, last, by = (
        _bound(x) for x in (0 if start is None else start, stop, 1 if step is None else step)
    )
    if isinstance(by, Size):
        by = by.__index__()
    if by == 0:
        raise ZeroDivisionError("Maximum allowed size exceeded")
    of_ints = all(map(is_int, (first, last, by)))
    if of_ints and dtype is None and (_is_large(first) or _is_large(last)):
        of_ints, dtype = False, np.float64  # The common dtype of uint64 and int64.
    if of_ints:
        target = as_dtype(int if dtype is None else dtype)
        length = ceil_length(last - first, int(by))
        return _progression(length, first, by, target)
    first, last, by = (float(x) if isinstance(x, Size) else x for x in (first, last, by))
    target = as_dtype(prim.result_dtype(first, last, by) if dtype is None else dtype)
    length = max(0, math.ceil((last - first) / by))
    number = target.type
    if target.kind == "f":
        return _progression(length, number(first), number(first + by) - number(first), target)
    return _progression(length, number(first), number(number(first + by) - number(first)), target)


def _bound(x: Any) -> Any:
    """A bound of `arange`: an int, a size or a float. A traced argument gets a guard."""
    if isinstance(x, Tensor):
        return x.__index__() if x.dtype.kind in "iub" else float(x)
    return x


def _is_large(x: Any) -> bool:
    """Whether it is a Python int beyond int64."""
    return not isinstance(x, Size) and x >= 2**63


def _progression(length: Any, first: Any, step: Any, dtype: np.dtype) -> Tensor:
    wide = dtype if dtype.kind in "fc" else np.dtype(int)
    if is_int(first) and _is_large(first):
        # Modulo 2**64 a step backwards is a large step.
        wide, step = np.dtype("u8"), int(step) % 2**64
    index = prim.iota(as_shape(length), 0, wide)
    if not (is_int(step) and step == 1):
        index = elementwise("multiply", index, cast(step, wide))
    if not (is_int(first) and first == 0):
        index = elementwise("add", index, cast(first, wide))
    return prim.copy(cast(index, dtype))


@implements(np.linspace, creator=True)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    count = num if isinstance(num, Size) else num.__index__()
    if not count >= 0:
        raise ValueError(f"Number of samples, {count}, must be non-negative.")
    first, last = strong(start), strong(stop)
    inexact = prim.result_dtype(first, last, 1.0)
    target = inexact if dtype is None else as_dtype(dtype)
    delta = elementwise("subtract", cast(last, inexact), cast(first, inexact))
    parts = count - 1 if endpoint else count
    rank = delta.ndim
    index = prim.iota(as_shape((count, *(1,) * rank)), 0)
    grid = cast(index, inexact)
    if parts > 0:
        step = elementwise("divide", delta, cast(lift(parts), inexact))
        # Where the step underflows to 0, dividing first keeps the digits.
        careful = elementwise(
            "multiply", elementwise("divide", grid, cast(lift(parts), inexact)), delta
        )
        values = prim.select(
            elementwise("equal", step, 0), careful, elementwise("multiply", grid, step)
        )
    else:
        step = cast(np.nan, inexact)
        values = elementwise("multiply", grid, delta)
    values = elementwise("add", values, cast(first, inexact))
    if endpoint and count > 1:
        is_last = elementwise("equal", index, lift(parts))
        values = prim.select(is_last, cast(last, inexact), values)
    if target.kind in "iu":
        values = elementwise("floor", values)
    result = prim.copy(cast(values, target))
    where = prim.normalize_axis(axis, result.ndim)
    if where:
        order = list(range(1, result.ndim))
        order.insert(where, 0)
        result = views.transpose(result, order)
    return (result, prim.scalar(step)) if retstep else result


@implements(np.logspace, creator=True)
def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Tensor:  # fmt: skip
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    foundation = strong(base) if prim.any_traced(base) or np.ndim(base) else base
    if isinstance(foundation, Tensor) and foundation.ndim:
        where = prim.normalize_axis(axis, exponents.ndim + 1)
        shape = list(foundation.type.shape)
        shape.insert(where, 1)
        foundation = views.reshape(foundation, tuple(shape))
    result = elementwise("power", foundation, exponents)
    return result if dtype is None else prim.copy(cast(result, as_dtype(dtype)))


@implements(np.geomspace, creator=True)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    first, last = strong(start), strong(stop)
    inexact = prim.result_dtype(first, last, 1.0)
    if dtype is not None:
        inexact = np.result_type(inexact, dtype)
    target = inexact if dtype is None else as_dtype(dtype)
    first, last = cast(first, inexact), cast(last, inexact)
    sign = elementwise("sign", first)
    low, high = elementwise("divide", first, sign), elementwise("divide", last, sign)
    values = logspace(elementwise("log10", low), elementwise("log10", high), num, endpoint)
    index = prim.iota(as_shape((num, *(1,) * (values.ndim - 1))), 0)
    values = prim.select(elementwise("equal", index, 0), low, values)
    if endpoint and num > 1:
        values = prim.select(elementwise("equal", index, lift(num - 1)), high, values)
    result = prim.copy(cast(elementwise("multiply", cast(values, inexact), sign), target))
    where = prim.normalize_axis(axis, result.ndim)
    if where:
        order = list(range(1, result.ndim))
        order.insert(where, 0)
        result = views.transpose(result, order)
    return result
