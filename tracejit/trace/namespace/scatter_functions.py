"""Functions that read or write at positions: `put`, `take_along_axis`, `np.add.at` and kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.opdef import BY_NUMPY
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import put_out, strong
from tracejit.trace.namespace.flat import at_most, flat_view
from tracejit.trace.namespace.index_keys import Key, take_apart
from tracejit.trace.namespace.indexing import (
    fitted,
    getitem,
    in_mode,
    scattered,
    setitem,
)
from tracejit.trace.namespace.selection import repeated_to
from tracejit.trace.namespace.shape import ravel
from tracejit.trace.prim import cast, lift, normalize_axis
from tracejit.trace.registry import FUNCTIONS, implements, is_method
from tracejit.trace.size import to_dim
from tracejit.trace.size import wrap as size_of
from tracejit.trace.tensor import Tensor, describe


def _integers(index: Any, what: str) -> Tensor:
    found = strong(index)
    if found.dtype.kind not in "iu":
        fail(errors.TracedIndexError, f"{what} must be an integer array, not {describe(found)}")
    return cast(found, np.int64)


@implements(np.put, method="put")
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    flat = flat_view(a, "np.put")
    index = views.reshape(_integers(ind, "the indices of np.put"), (-1,))
    values = views.reshape(cast(v, flat.dtype), (-1,))
    count = values.type.shape[0]
    if isinstance(count, int) and count == 0:
        return
    wanted = index.type.shape
    values = repeated_to(at_most(values, wanted[0]), wanted)
    setitem(flat, in_mode(index, size_of(flat.type.shape[0]), mode), values)


# Along an axis.


def _along(x: Tensor, index: Tensor, axis: int) -> tuple[Any, ...]:
    """The key of `take_along_axis`: the positions themselves along all other axes."""
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    key = []
    for k, size in enumerate(x.type.shape):
        line = tuple(size if j == k else 1 for j in range(x.ndim))
        key.append(index if k == axis else prim.iota(line, k))
    return tuple(key)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Tensor:
    x, index = strong(arr), _integers(indices, "`indices`")
    if axis is None:
        if index.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        return getitem(ravel(x), index)
    return getitem(x, _along(x, index, normalize_axis(axis, x.ndim)))


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    x, index = lift(arr), _integers(indices, "`indices`")
    if axis is None:
        if index.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        setitem(flat_view(x, "np.put_along_axis"), index, values)
        return
    setitem(x, _along(x, index, normalize_axis(axis, x.ndim)), values)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    x = lift(a)
    if x.ndim < 2:
        raise ValueError("array must be at least 2-d")
    shape, trace = x.type.shape, current()
    if x.ndim > 2 and not all(trace.same(d, shape[0]) for d in shape[1:]):
        raise ValueError("All dimensions of input must be of equal length")
    count = dims.minimum(*shape) if x.ndim == 2 else shape[0]
    if wrap and x.ndim == 2:
        step = shape[1] + 1
        count = dims.floordiv(x.type.size + (step - 1), step)
        place = prim.iota((count,), 0) * lift(size_of(step))
        columns = lift(size_of(shape[1]))
        key: tuple[Any, ...] = (place // columns, place % columns)
    else:
        key = (prim.iota((count,), 0),) * x.ndim
    values = views.reshape(cast(val, x.dtype), (-1,))
    setitem(x, key, repeated_to(at_most(values, count), (count,)))


# Choosing.


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Tensor:
    index = strong(a)
    if isinstance(choices, Tensor):
        choices = [choices[k] for k in range(len(choices))]
    if index.dtype.kind not in "iub":
        raise TypeError("Cannot cast array data to dtype('int64') according to the rule 'safe'")
    dtype = prim.result_dtype(*(strong(c) for c in choices))
    parts = prim.aligned(cast(index, np.int64), *(cast(c, dtype) for c in choices))
    return put_out(out, prim.call("choose", *parts, mode=mode), "choose")


@is_method("choose")
def choose_method(x: Tensor, choices: Any, out: Any = None, mode: str = "raise") -> Tensor:
    return choose(x, choices, out, mode)


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Tensor:
    source = strong(x)
    single = np.isscalar(condlist)
    if isinstance(condlist, (Tensor, np.ndarray)):
        single = condlist.ndim == 0 or (condlist.ndim == 1 and source.ndim > 0)
    elif not single and source.ndim:
        single = not isinstance(condlist[0], (list, Tensor, np.ndarray))
    conditions = [condlist] if single else list(condlist)
    masks = [cast(c, bool) for c in conditions]
    if len(masks) == len(funclist) - 1:
        other = masks[0]
        for mask in masks[1:]:
            other = prim.elementwise("logical_or", other, mask)
        masks.append(prim.elementwise("logical_not", other))
    if len(masks) != len(funclist):
        raise ValueError(
            f"with {len(masks)} condition(s), either {len(masks)} or {len(masks) + 1} functions "
            "are expected"
        )
    result = prim.full(source.type.shape, 0, source.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        value = function(getitem(source, mask), *args, **kw) if callable(function) else function
        setitem(result, mask, value)
    return result


# Indices of flattened arrays.


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Tensor:
    if isinstance(multi_index, Tensor):
        multi_index = [multi_index[k] for k in range(len(multi_index))]
    parts = prim.aligned(*(_integers(k, "multi_index") for k in multi_index))
    shape = tuple(to_dim(d, "a dimension") for d in dims)
    if len(parts) != len(shape):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(shape)}")
    return prim.call("ravel_multi_index", *parts, shape=shape, mode=mode, order=order)


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Tensor, ...]:
    index = _integers(indices, "indices")
    entries = shape if isinstance(shape, (tuple, list)) else (shape,)
    wanted = tuple(to_dim(d, "a dimension") for d in entries)
    if not wanted:
        raise ValueError("multiple indices are not supported for 0d array")
    found = prim.call("unravel_index", index, shape=wanted, order=order)
    return found if isinstance(found, tuple) else (found,)


# ufunc.at.


def _at(ufunc: np.ufunc) -> Callable[..., None]:
    """`ufunc.at(a, indices, b)`: every repeated index counts."""

    def at(a: Any, indices: Any, *operands: Any) -> None:
        if len(operands) != ufunc.nin - 1:
            raise TypeError(f"{ufunc.__name__}.at() takes {ufunc.nin - 1} operands")
        target = lift(a)
        if target.scalar:
            raise TypeError("first operand must be array")
        x, key = take_apart(target, indices)
        if not any(index.ndim for index in key.indices):
            view = getitem(x, indices) if not key.scalar else None
            old = getitem(x, indices) if view is None else view
            result = FUNCTIONS[ufunc](prim.copy(old), *operands)
            setitem(x, indices, cast(result, x.dtype))
            return
        record = BY_NUMPY.get(ufunc)
        value = [fitted(key, strong(b), strong(b).dtype) for b in operands]
        if (
            value
            and record is not None
            and record.ufunc is ufunc
            and _accumulates(record, x, value)
        ):
            x.assign(scattered(x.value, key, value[0], record.name))
            return
        prim.store(x, _called_at(ufunc, x, key, value))

    return at


def _accumulates(record: Any, x: Tensor, value: list[Tensor]) -> bool:
    """Whether a scatter can do it: a binary elementwise op with a loop for the dtypes."""
    try:
        record.ufunc.resolve_dtypes((x.dtype, value[0].dtype, None))
    except TypeError:
        fail(
            errors.DTypeError,
            f"np.{record.ufunc.__name__}.at does not take {describe(x)}, {describe(value[0])}",
        )
    return bool(record.elementwise)


def _called_at(ufunc: np.ufunc, x: Tensor, key: Key, value: list[Tensor]) -> Tensor:
    """The region of `key`, after `ufunc.at` was called on it, in the place it has in `x`."""
    region = views.slice_(prim.copy(x), key.starts, key.sizes, key.steps)
    operands = [*key.indices]
    shape = (*key.index_shape, *(key.sizes[k] for k in key.rest))
    operands += [views.broadcast_to(v, shape) for v in value]
    found = prim.call(
        "ufunc_at", prim.copy(region), *operands, ufunc=ufunc.__name__, axes=tuple(key.axes)
    )
    whole = prim.copy(x)
    prim.store(views.slice_(whole, key.starts, key.sizes, key.steps), found)
    return whole


for _ufunc in vars(np).values():
    if isinstance(_ufunc, np.ufunc) and _ufunc.nout == 1 and _ufunc.signature is None:
        FUNCTIONS[_ufunc, "at"] = _at(_ufunc)
