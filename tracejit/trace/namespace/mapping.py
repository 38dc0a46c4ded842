"""Python functions applied along axes and to elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import hooks, prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.pybuiltins import ELEMENTS
from tracejit.trace.registry import CALLABLES, FUNCTIONS, implements
from tracejit.trace.tensor import Tensor, describe

MOST_SLICES = 128
"""More calls of the function would make a graph that grows with the array."""

_ALONG: tuple[Callable[..., Any], ...] = (
    np.sum, np.prod, np.mean, np.median, np.std, np.var, np.min, np.max, np.amin, np.amax, np.ptp,
    np.argmin, np.argmax, np.any, np.all, np.cumsum, np.cumprod, np.sort, np.argsort, np.nansum,
    np.nanmean, np.nanstd, np.nanvar, np.nanmin, np.nanmax, np.nanprod, np.nanmedian, np.average,
    np.count_nonzero, np.diff, np.linalg.norm, np.flip, np.unwrap, np.gradient, np.trapezoid,
)  # fmt: skip
"""Functions that take `axis` themselves and do the same with it to every slice."""


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Difference from NumPy: other functions than NumPy's own are called for up to 128 slices."""
    x = strong(arr)
    k = prim.normalize_axis(axis, x.ndim)
    if not args and "axis" not in kwargs and any(func1d is f for f in _ALONG):
        return FUNCTIONS[func1d](x, axis=k, **kwargs)
    lanes = views.transpose(x, [*(j for j in range(x.ndim) if j != k), k])
    outer = lanes.shape[:-1]
    sizes = [int(n) for n in outer]
    count = int(np.prod(sizes, dtype=int))
    if count == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    if count > MOST_SLICES:
        fail(
            errors.UnsupportedError,
            f"np.apply_along_axis would call the function {count} times: {describe(x)}",
            "write the function for the whole array, with axis=",
        )
    results = [strong(hooks.call(func1d, lanes[at], *args, **kwargs)) for at in np.ndindex(*sizes)]
    inner = results[0].type.shape
    dtype = results[0].dtype
    rows = [views.reshape(prim.cast(r, dtype), (1, *inner)) for r in results]
    whole = views.reshape(prim.concatenate(rows, 0), (*outer, *inner))
    # The axes of a result stand where the axis was.
    before, added = k, len(inner)
    order = [*range(before), *range(len(outer), len(outer) + added), *range(before, len(outer))]
    moved = views.transpose(whole, order)
    return prim.scalar(moved) if not moved.ndim else prim.copy(moved)


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    x: Any = strong(a)
    rank = x.ndim
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        k = prim.normalize_axis(axis, rank)
        result = strong(hooks.call(func, x, k))
        if result.ndim != x.ndim:
            result = FUNCTIONS[np.expand_dims](result, k)
            if result.ndim != x.ndim:
                raise ValueError("function is not returning an array of the correct shape")
        x = result
    return x


# Functions of elements.

_ELEMENT_DTYPES = {"b": bool, "i": np.int64, "u": np.int64, "f": np.float64, "c": np.complex128}
"""The function gets Python numbers, which know no narrower dtypes."""


def vectorized(function: np.vectorize, *args: Any, **kwargs: Any) -> Any:
    """`function(*args)`: the function is traced once, on the arrays that stand for their elements.

    Its code has to work on arrays: what branches on an element raises an error that says so.
    """
    own: Any = function
    if own.signature is not None:
        fail(
            errors.UnsupportedError,
            "np.vectorize with a signature is not supported",
            "write the function for the whole array",
        )
    excluded = own.excluded
    numbers = {
        name: _elements(value) if name not in excluded else value for name, value in kwargs.items()
    }
    operands = [_elements(v) if k not in excluded else v for k, v in enumerate(args)]
    tensors = [t for t in (*operands, *numbers.values()) if isinstance(t, Tensor)]
    shape = prim.broadcast_shapes(*tensors)
    token = ELEMENTS.set(True)
    try:
        found = hooks.call(own.pyfunc, *operands, **numbers)
    finally:
        ELEMENTS.reset(token)
    several = isinstance(found, tuple)
    parts = list(found) if several else [found]
    otypes = own.otypes or [None] * len(parts)
    if len(otypes) != len(parts):
        raise ValueError("the function returns another number of results than otypes has")
    results = []
    for part, char in zip(parts, otypes, strict=True):
        result = strong(part) if char is None else prim.cast(strong(part), np.dtype(char))
        results.append(prim.copy(views.broadcast_to(result, shape)))
    return tuple(results) if several else results[0]


def _elements(x: Any) -> Tensor:
    tensor = strong(x)
    return prim.cast(tensor, _ELEMENT_DTYPES[tensor.dtype.kind])


CALLABLES[np.vectorize] = vectorized
