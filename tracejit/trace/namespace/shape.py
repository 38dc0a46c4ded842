"""Shape and order of axes, without moving elements: views where NumPy gives views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.graph import Value
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.creation import as_shape
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.prim import cast, normalize_axes, normalize_axis
from tracejit.trace.registry import implements, is_method, is_property
from tracejit.trace.size import to_dim, wrap
from tracejit.trace.tensor import Tensor, ViewStep, describe

# Reshaping.


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Tensor:
    x = strong(a)
    if isinstance(shape, (list, tuple)) and len(shape) == 1 and isinstance(shape[0], (list, tuple)):
        shape = shape[0]
    target = _target(shape)
    if order not in ("C", "F", "A"):
        raise ValueError(f"order must be one of 'C', 'F' or 'A' (got {order!r})")
    if copy:
        x = prim.copy(x)
    if order == "A":
        order = "F" if not views.is_contiguous(x) and views.is_contiguous(reverse_axes(x)) else "C"
    if order == "C":
        found = views.reshape_or_copy(x, target)
    else:
        found = reverse_axes(views.reshape_or_copy(reverse_axes(x), tuple(reversed(target))))
    if copy is False and found.cell is not x.cell:
        found.cell.settle()
        if found.cell is not x.cell:
            raise ValueError("Unable to avoid creating a copy while reshaping.")
    return found


def _target(shape: Any) -> tuple[Any, ...]:
    if isinstance(shape, (list, tuple)):
        return tuple(shape)
    if isinstance(shape, np.ndarray):
        return tuple(shape.tolist()) if shape.ndim else (int(shape),)
    return (shape,)


def reverse_axes(x: Tensor) -> Tensor:
    return views.transpose(x, tuple(reversed(range(x.ndim))))


@is_method("reshape")
def reshape_method(x: Tensor, *shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
    target = shape[0] if len(shape) == 1 else shape
    return reshape(x, target, order, copy=copy)


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: str = "C") -> Tensor:
    """A view only where the elements lie side by side, as in NumPy."""
    x = strong(a)
    if order == "K":
        x = views.transpose(x, views.memory_order(x))
    elif order == "A":
        order = "F" if not views.is_contiguous(x) and views.is_contiguous(reverse_axes(x)) else "C"
    if order == "F":
        x = reverse_axes(x)
    return views.flat(x)


@is_method("flatten")
def flatten(x: Tensor, order: str = "C") -> Tensor:
    return prim.copy(ravel(x, order), "C")


@implements(np.squeeze, method="squeeze")
def squeeze(a: Any, axis: Any = None) -> Tensor:
    x = strong(a)
    shape = x.shape
    if axis is None:
        gone = {k for k, d in enumerate(shape) if d == 1}
    else:
        gone = set(normalize_axes(axis, x.ndim))
        if any(shape[k] != 1 for k in gone):
            fail(
                errors.ShapeError,
                "cannot select an axis to squeeze out which has size not equal to one: "
                + describe(x),
            )
    return views.reshape(x, tuple(d for k, d in enumerate(shape) if k not in gone))


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Tensor:
    x = strong(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.ndim + len(axes)
    new = normalize_axes(tuple(axes), rank)
    rest = iter(x.shape)
    return views.reshape(x, tuple(1 if k in new else next(rest) for k in range(rank)))


def _at_least(rank: int, arrays: Sequence[Any]) -> Any:
    found = []
    for array in arrays:
        x = strong(array)
        if rank == 3 and x.ndim == 2:
            x = views.reshape(x, (*x.shape, 1))
        elif rank == 3 and x.ndim == 1:
            x = views.reshape(x, (1, *x.shape, 1))
        elif x.ndim < rank:
            x = views.reshape(x, (*(1,) * (rank - x.ndim), *x.shape))
        found.append(x)
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    return _at_least(1, arys)


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    return _at_least(2, arys)


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    return _at_least(3, arys)


# Order of axes.


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Tensor:
    x = strong(a)
    if axes is None:
        return reverse_axes(x)
    if len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    order = normalize_axes(tuple(axes), x.ndim)
    return views.transpose(x, order)


@is_method("transpose")
def transpose_method(x: Tensor, *axes: Any) -> Tensor:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
        return transpose(x, axes[0])
    return transpose(x, axes or None)


@is_property("T")
def transposed(x: Tensor) -> Tensor:
    return reverse_axes(x)


@implements(np.matrix_transpose)
@is_property("mT")
def matrix_transpose(x: Any, /) -> Tensor:
    tensor = strong(x)
    if tensor.ndim < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return swapaxes(tensor, -1, -2)


@implements(np.swapaxes, method="swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    x = strong(a)
    order = list(range(x.ndim))
    i, j = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return views.transpose(x, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Tensor:
    x = strong(a)
    old, new = normalize_axes(source, x.ndim), normalize_axes(destination, x.ndim)
    if len(old) != len(new):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [k for k in range(x.ndim) if k not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return views.transpose(x, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Tensor:
    x = strong(a)
    old = normalize_axis(axis, x.ndim)
    new = start + x.ndim if start < 0 else start
    if not 0 <= new <= x.ndim:
        raise np.exceptions.AxisError(start, x.ndim)
    order = [k for k in range(x.ndim) if k != old]
    order.insert(new - (old < new), old)
    return views.transpose(x, order)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Tensor:
    x = strong(m)
    axes = normalize_axes(axis, x.ndim)
    if not x.ndim:
        return prim.scalar(x)
    shape = x.type.shape
    flipped = [k in axes for k in range(x.ndim)]
    starts = [d - 1 if f else 0 for d, f in zip(shape, flipped, strict=True)]
    return views.slice_(x, starts, shape, [-1 if f else 1 for f in flipped])


@implements(np.fliplr)
def fliplr(m: Any) -> Tensor:
    x = strong(m)
    if x.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(x, 1)


@implements(np.flipud)
def flipud(m: Any) -> Tensor:
    x = strong(m)
    if x.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(x, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Tensor:
    x = strong(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    i, j = normalize_axes(tuple(axes), x.ndim)
    turns = k % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, (i, j))
    if turns == 1:
        return swapaxes(flip(x, j), i, j)
    return flip(swapaxes(x, i, j), j)


# Broadcasting.


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Tensor:
    return views.broadcast_to(strong(array), as_shape(shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Tensor, ...]:
    tensors = [strong(a) for a in args]
    shape = prim.broadcast_shapes(*tensors)
    return tuple(views.broadcast_to(t, shape) for t in tensors)


@implements(np.broadcast_shapes)
def broadcast_shapes(*shapes: Any) -> tuple[Any, ...]:
    try:
        return tuple(map(wrap, current().broadcast(*map(as_shape, shapes))))
    except ValueError:
        fail(
            errors.ShapeError,
            "shape mismatch: objects cannot be broadcast to a single shape: "
            + " and ".join(map(str, shapes)),
        )


# Diagonals.


@implements(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """A read-only view, as in NumPy."""
    x = strong(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    i, j = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    rest = tuple(k for k in range(x.ndim) if k not in (i, j))
    n, m = x.shape[i], x.shape[j]
    row, column = max(-offset, 0), max(offset, 0)
    high, wide = n - row, m - column
    length = high if high <= wide else wide
    if not length > 0:
        length = 0
    kept, size = tuple(x.type.shape[k] for k in rest), to_dim(length, "a length")
    start, step = to_dim(row * m + column, "a position"), to_dim(m + 1, "a step")

    def read(base: Value) -> Value:
        apply = views.apply_values
        turned = apply("transpose", base, perm=(*rest, i, j))
        flat = apply("reshape", turned, shape=(*kept, to_dim(n * m, "a size")))
        if isinstance(step, int) and size != 0:
            begin, count, by = (0,) * len(kept), (*kept, size), (1,) * len(kept)
            return apply("slice", flat, starts=(*begin, start), sizes=count, steps=(*by, step))
        index = prim.iota((size,), 0) * wrap(step) + wrap(start)
        return apply("take", flat, cast(index, int).value, axis=len(kept))

    def lie(shape: Any, strides: Any, decisions: Any) -> Any:
        return (*kept, size), (*(strides[k] for k in rest), strides[i] + strides[j])

    attrs = {"offset": offset, "axis1": i, "axis2": j}
    return x.view(ViewStep(read, None, lie, "diagonal", attrs, keeps_order=False))


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Tensor:
    x = strong(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    return diagflat(x, k)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Tensor:
    x = ravel(strong(v))
    n = x.shape[0]
    rows, columns = (0, k) if k >= 0 else (-k, 0)
    row = prim.iota(as_shape((n, 1)), 0)
    column = prim.iota(as_shape((1, n)), 1)
    square = prim.select(row == column, views.reshape(x, (1, *x.type.shape)), cast(0, x.dtype))
    size = n + abs(k)
    result = prim.full(as_shape((size, size)), 0, x.dtype)
    dim = dims.product(x.type.shape)
    views.slice_(result, (rows, columns), (dim, dim), (1, 1)).assign(square.value)
    return result
