"""Where elements are not 0, and the elements a condition selects: sizes known at run time only."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.creation import tri
from tracejit.trace.namespace.elementwise import put_out, strong
from tracejit.trace.namespace.indexing import getitem, setitem
from tracejit.trace.namespace.nonzero import nonzero_of, true_everywhere
from tracejit.trace.namespace.shape import ravel
from tracejit.trace.prim import cast, lift, normalize_axis
from tracejit.trace.registry import implements, is_method
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor


@implements(np.nonzero, method="nonzero")
def nonzero(a: Any) -> tuple[Tensor, ...]:
    x = strong(a)
    if not x.ndim:
        fail(
            errors.TracedValueError,
            "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() "
            "instead.",
        )
    return tuple(prim.copy(index) for index in nonzero_of(true_everywhere(x)))


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Tensor:
    return nonzero(ravel(strong(a)))[0]


@implements(np.argwhere)
def argwhere(a: Any) -> Tensor:
    x = strong(a)
    if not x.ndim:
        return getitem(argwhere(views.reshape(x, (1,))), (slice(None), slice(0, 0)))
    columns = [views.reshape(k, (*k.type.shape, 1)) for k in nonzero_of(true_everywhere(x))]
    return prim.concatenate(columns, 1)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Tensor:
    mask, x = strong(condition), strong(a)
    if mask.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    (index,) = nonzero_of(true_everywhere(mask))
    found = prim.copy(prim.take(x, index, normalize_axis(axis, x.ndim)))
    return put_out(out, found, "compress")


@is_method("compress")
def compress_method(x: Tensor, condition: Any, axis: Any = None, out: Any = None) -> Tensor:
    return compress(condition, x, axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Tensor:
    return compress(ravel(strong(condition)), ravel(strong(arr)), 0)


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    target, chosen = lift(arr), true_everywhere(strong(mask))
    if target.scalar:
        raise TypeError("argument 1 must be numpy.ndarray, not a number")
    values = views.reshape(cast(vals, target.dtype), (-1,))
    trace = current()
    if not trace.same(chosen.type.size, target.type.size, "np.place"):
        raise ValueError("place: mask and data must be the same size")
    count = values.type.shape[0]
    if trace.same(count, 1) if trace.hint(count) is not None else count == 1:
        prim.store(target, prim.select(_like(chosen, target), values[0], target))
        return
    if isinstance(count, int) and count == 0:
        fail(errors.TracedValueError, "Cannot insert from an empty array!")
    (index,) = nonzero_of(views.reshape(chosen, (-1,)))
    order = prim.iota(index.type.shape, 0)
    repeated = prim.take(values, order % values.shape[0], 0)
    setitem(views.reshape(target, (-1,)), index, repeated)


def _like(mask: Tensor, target: Tensor) -> Tensor:
    return views.reshape(mask, target.type.shape)


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    target, chosen = lift(a), true_everywhere(strong(mask))
    if not current().same(chosen.type.size, target.type.size, "np.putmask"):
        raise ValueError("putmask: mask and data must be the same size")
    source = strong(values)
    fits = np.can_cast(source.dtype, target.dtype)
    if source.scalar:  # Converted as Python converts a number: only complex ones do not go.
        fits = source.dtype.kind != "c" or target.dtype.kind == "c"
    if not fits:
        fail(
            errors.DTypeError,
            f"Cannot cast array data from {source.dtype!r} to {target.dtype!r} according to the "
            "rule 'safe'",
        )
    value = repeated_to(views.reshape(cast(source, target.dtype), (-1,)), target.type.shape)
    prim.store(target, prim.select(_like(chosen, target), value, target))


def repeated_to(values: Tensor, shape: Any) -> Tensor:
    """A 1-d array over and over again, in a shape; one element is broadcast."""
    trace = current()
    count, total = values.type.shape[0], values.type.with_shape(shape).size
    if isinstance(count, int) and count == 0:
        fail(errors.TracedValueError, "cannot take elements from an empty array")
    if trace.hint(count) == 1 and trace.same(count, 1):
        return views.broadcast_to(views.reshape(values, ()), shape)
    if trace.hint(count) == trace.hint(total) and trace.same(count, total):
        return views.reshape(values, shape)
    order = prim.iota((total,), 0)
    return views.reshape(prim.take(values, order % values.shape[0], 0), shape)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Tensor, ...]:
    found = []
    for k, arg in enumerate(args):
        x = strong(arg)
        if x.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if isinstance(arg, (list, tuple)) and not arg:
            x = cast(x, np.int64)
        if x.dtype == bool:
            (x,) = nonzero_of(x)
        found.append(views.reshape(x, tuple(x.shape[0] if j == k else 1 for j in range(len(args)))))
    return tuple(found)


# Index arrays of patterns.


def known(*sizes: Any) -> bool:
    """Whether sizes are plain ints."""
    return not any(isinstance(n, (Tensor, Size)) for n in sizes)


def constants(arrays: tuple[np.ndarray, ...]) -> tuple[Tensor, ...]:
    """Index arrays that are known now."""
    return tuple(prim.copy(prim.stack_nested(a.tolist(), np.int64)) for a in arrays)


@implements(np.diag_indices, creator=True)
def diag_indices(n: Any, ndim: int = 2) -> tuple[Tensor, ...]:
    index = prim.copy(prim.iota((n,), 0))
    return (index,) * ndim


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> tuple[Tensor, ...]:
    x = strong(arr)
    if x.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if not all(current().same(d, x.type.shape[0]) for d in x.type.shape[1:]):
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(x.shape[0], x.ndim)


@implements(np.tril_indices, creator=True)
def tril_indices(n: Any, k: Any = 0, m: Any = None) -> tuple[Tensor, ...]:
    if known(n, k, m):
        return constants(np.tril_indices(n, k, m))
    return nonzero(tri(n, m, k, bool))


@implements(np.triu_indices, creator=True)
def triu_indices(n: Any, k: Any = 0, m: Any = None) -> tuple[Tensor, ...]:
    if known(n, k, m):
        return constants(np.triu_indices(n, k, m))
    return nonzero(prim.elementwise("logical_not", tri(n, m, k - 1, bool)))


def _matrix(arr: Any) -> Tensor:
    x = strong(arr)
    if x.ndim != 2:
        raise ValueError("input array must be 2-d")
    return x


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: Any = 0) -> tuple[Tensor, ...]:
    x = _matrix(arr)
    return tril_indices(x.shape[0], k, x.shape[1])


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: Any = 0) -> tuple[Tensor, ...]:
    x = _matrix(arr)
    return triu_indices(x.shape[0], k, x.shape[1])


@implements(np.mask_indices, creator=True)
def mask_indices(n: Any, mask_func: Any, k: Any = 0) -> tuple[Tensor, ...]:
    ones = prim.full((n, n), 1, int)
    return nonzero(mask_func(ones, k))
