"""Functions that make arrays of a shape or from values; they trace without traced arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.types import SHORT_NAMES
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.orders import with_order
from tracejit.trace.prim import as_dtype, cast, lift
from tracejit.trace.registry import implements
from tracejit.trace.size import Size, to_length
from tracejit.trace.tensor import Tensor


def as_shape(shape: Any) -> tuple[Any, ...]:
    """The dims that a `shape` argument gives: an int, a size, or a sequence of them."""
    if isinstance(shape, (list, tuple)):
        entries = tuple(shape)
    elif isinstance(shape, np.ndarray) and shape.ndim:
        entries = tuple(shape.tolist())
    else:
        entries = (shape,)
    found = tuple(to_length(s, "a dimension") for s in entries)
    if any(isinstance(d, int) and d < 0 for d in found):
        fail(errors.TracedValueError, "negative dimensions are not allowed")
    return found


def filled(shape: Any, value: Any, dtype: Any, order: str = "C") -> Tensor:
    """A new array with `value`, 0-d or broadcast to `shape`."""
    if order not in ("C", "F"):
        raise ValueError("only 'C' or 'F' order is permitted")
    found = views.broadcast_to(cast(value, as_dtype(dtype)), as_shape(shape))
    return with_order(prim.fresh_array(found.value), found, order)


@implements(np.zeros, creator=True)
def zeros(
    shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None, like: Any = None
) -> Tensor:
    return filled(shape, 0, dtype or float, order)


@implements(np.ones, creator=True)
def ones(
    shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Tensor:
    return filled(shape, 1, dtype or float, order)


@implements(np.empty, creator=True)
def empty(
    shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None, like: Any = None
) -> Tensor:
    return filled(shape, 0, dtype or float, order)


@implements(np.ndarray, creator=True)
def ndarray(
    shape: Any, dtype: Any = float, buffer: Any = None, offset: int = 0, strides: Any = None,
    order: str | None = None,
) -> Tensor:  # fmt: skip
    if buffer is not None or strides is not None or offset:
        fail(
            errors.UnsupportedError,
            "np.ndarray on other memory is not supported inside a jitted function",
            "np.empty(shape, dtype), or slices and x.reshape(...) of an array",
        )
    return empty(shape, dtype, order or "C")


@implements(np.full, creator=True)
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None,
    like: Any = None,
) -> Tensor:  # fmt: skip
    value = lift(fill_value)
    return filled(shape, value, value.dtype if dtype is None else dtype, order)


def _like(function: Any, constant: Any) -> Callable[..., Tensor]:
    @implements(function, creator=True)
    def like(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
        device: Any = None,
    ) -> Tensor:  # fmt: skip
        x = strong(a)
        return filled_like(x, shape, constant, dtype or x.dtype, order)

    return like


def filled_like(x: Tensor, shape: Any, value: Any, dtype: Any, order: str) -> Tensor:
    """A new array laid out like `x`; for another rank K is C order."""
    found = filled(x.shape if shape is None else shape, value, dtype)
    if found.ndim != x.ndim:
        return with_order(found, found, "F" if order == "F" else "C")
    return with_order(found, x, order)


zeros_like = _like(np.zeros_like, 0)
ones_like = _like(np.ones_like, 1)
empty_like = _like(np.empty_like, 0)


@implements(np.full_like, creator=True)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Tensor:  # fmt: skip
    x = strong(a)
    return filled_like(x, shape, fill_value, dtype or x.dtype, order)


# From values.


@implements(np.array, creator=True)
def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K",
    subok: bool = False, ndmin: int = 0, ndmax: int = 0, like: Any = None,
) -> Tensor:  # fmt: skip
    x = _converted(object, dtype)
    order = "K" if order is None else order
    if copy is not True and order in ("C", "F") and x is object and not x.scalar:
        turned = x if order == "C" else views.transpose(x, tuple(reversed(range(x.ndim))))
        if not views.is_contiguous(turned):
            if copy is False:
                raise ValueError("Unable to avoid copy while creating an array as requested.")
            copy = True
    if copy is False and x is not object:
        fail(
            errors.TracedValueError,
            "Unable to avoid copy while creating an array as requested.",
            "np.asarray(x), which copies where it has to",
        )
    if copy or x.scalar:
        x = prim.copy(x, order)
    elif x is not object and order != "K":
        x = with_order(x, x, order)
    if x.ndim < ndmin:
        x = views.reshape(x, (*(1,) * (ndmin - x.ndim), *x.type.shape))
    return x


def _converted(object: Any, dtype: Any) -> Tensor:
    if isinstance(object, (list, tuple)):
        if not prim.any_traced(object):
            return prim.stack_nested(object, dtype)
        if dtype is not None:
            return cast(_nested(object, as_dtype(dtype)), as_dtype(dtype))
    x = lift(object)
    return x if dtype is None else cast(x, as_dtype(dtype))


def _nested(x: Any, dtype: np.dtype) -> Tensor:
    """Nested lists with each item cast by itself, so that none is promoted first."""
    items = [_nested(v, dtype) if isinstance(v, (list, tuple)) else cast(v, dtype) for v in x]
    return prim.stack_nested(items)


@implements(np.asarray, np.asanyarray, creator=True)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None,
    like: Any = None,
) -> Tensor:  # fmt: skip
    return array(a, dtype, copy=copy, order=order)


@implements(np.ascontiguousarray, creator=True)
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Tensor:
    return array(a, dtype, copy=None, order="C", ndmin=1)


@implements(np.asfortranarray, creator=True)
def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Tensor:
    return array(a, dtype, copy=None, order="F", ndmin=1)


def _scalar_type(dtype: np.dtype) -> Callable[..., Tensor]:
    """`np.float32(x)` and so on: a NumPy scalar of a number, a cast array of an array."""

    def convert(x: Any = 0) -> Tensor:
        tensor = cast(_converted(x, dtype), dtype)
        return tensor if tensor.ndim else prim.scalar(tensor)

    return convert


for _dtype in SHORT_NAMES:
    implements(_dtype.type)(_scalar_type(_dtype))


# Matrices of a pattern.


@implements(np.eye, creator=True)
def eye(
    N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: str = "C", *, device: Any = None,
    like: Any = None,
) -> Tensor:  # fmt: skip
    return prim.copy(cast(_band(N, N if M is None else M, k, "equal"), as_dtype(dtype or float)))


@implements(np.identity, creator=True)
def identity(n: Any, dtype: Any = None, *, like: Any = None) -> Tensor:
    return eye(n, dtype=dtype)


@implements(np.tri, creator=True)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, *, like: Any = None) -> Tensor:
    mask = _band(N, N if M is None else M, k, "greater_equal")
    return prim.copy(cast(mask, as_dtype(dtype or float)))


def _band(rows: Any, columns: Any, k: Any, relation: str) -> Tensor:
    """Where `row + k` stands in `relation` to the column."""
    shape = as_shape((rows, columns))
    row, column = prim.iota((shape[0], 1), 0), prim.iota((1, shape[1]), 1)
    return prim.elementwise(relation, prim.elementwise("add", row, k), column)


def _triangle(m: Any, k: Any, lower: bool) -> Tensor:
    x = strong(m)
    if x.ndim < 2:
        n = x.shape[-1] if x.ndim else 1
        x = views.broadcast_to(x, (n, n))
    mask = _band(x.shape[-2], x.shape[-1], k if lower else k - 1, "greater_equal")
    zero = cast(0, x.dtype)
    return prim.select(mask, x, zero) if lower else prim.select(mask, zero, x)


@implements(np.tril)
def tril(m: Any, k: Any = 0) -> Tensor:
    return _triangle(m, k, True)


@implements(np.triu)
def triu(m: Any, k: Any = 0) -> Tensor:
    return _triangle(m, k, False)


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Tensor:
    v = strong(x)
    if v.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = v.shape[0] if N is None else N
    dtype = prim.result_dtype(v, np.dtype(int).type(0))
    exponent = prim.iota(as_shape(count), 0)
    if not increasing:
        exponent = prim.elementwise("subtract", count - 1, exponent)
    column = views.reshape(v, (*v.type.shape, 1))
    return prim.elementwise("power", cast(column, dtype), cast(exponent, dtype))


# Grids.


@implements(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tensor, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    rank = len(xi)
    axes = list(range(rank))
    if indexing == "xy" and rank > 1:
        axes[:2] = [1, 0]
    flat = [views.reshape(strong(x), -1) for x in xi]
    shape = [None] * rank
    for axis, x in zip(axes, flat, strict=True):
        shape[axis] = x.shape[0]
    grids = []
    for axis, x in zip(axes, flat, strict=True):
        grid = views.reshape(x, tuple(x.shape[0] if k == axis else 1 for k in range(rank)))
        if not sparse:
            grid = views.broadcast_to(grid, tuple(shape))
        grids.append(prim.copy(grid) if copy else grid)
    return tuple(grids)


@implements(np.indices, creator=True)
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    shape = as_shape(tuple(dimensions))
    rank = len(shape)
    if sparse:
        return tuple(
            prim.copy(prim.iota(tuple(d if j == k else 1 for j, d in enumerate(shape)), k, dtype))
            for k in range(rank)
        )
    grids = [prim.iota((1, *shape), k + 1, dtype) for k in range(rank)]
    return prim.concatenate(grids, 0) if grids else filled((0,), 0, dtype)


@implements(np.fromfunction, creator=True)
def fromfunction(
    function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any
) -> Any:
    dims = as_shape(shape)
    return function(*(prim.copy(prim.iota(dims, k, dtype)) for k in range(len(dims))), **kwargs)


def is_int(x: Any) -> bool:
    """Whether `x` is an int or a size."""
    return isinstance(x, (int, Size, np.integer)) and not isinstance(x, bool)
