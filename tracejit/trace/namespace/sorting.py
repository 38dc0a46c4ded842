"""Sorting and searching. NumPy does it at run time; what is known here is the shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.prim import cast, lift, normalize_axis
from tracejit.trace.registry import implements, is_method
from tracejit.trace.size import to_dim
from tracejit.trace.tensor import Tensor, describe

_KINDS = {"q": "quicksort", "h": "heapsort", "m": "mergesort", "s": "stable"}


def _kind(kind: Any, order: Any, stable: Any) -> str:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if kind is not None and stable is not None:
        raise ValueError("`kind` and keyword parameters can't be provided at the same time.")
    if stable:
        return "stable"
    if kind is None:
        return "quicksort"
    found = _KINDS.get(str(kind).lower()[:1])
    if found is None:
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")
    return found


def _flattened(x: Tensor, axis: Any) -> tuple[Tensor, int]:
    if axis is None:
        return views.reshape(x, (-1,)), 0
    return x, normalize_axis(axis, x.ndim)


@implements(np.sort)
def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Tensor:
    x, k = _flattened(strong(a), axis)
    return prim.copy(prim.call("sort", x, axis=k, kind=_kind(kind, order, stable)))


@is_method("sort")
def sort_method(
    x: Tensor, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    k = normalize_axis(axis, x.ndim)
    prim.store(x, sort(x, k, kind, order, stable=stable))


@implements(np.argsort, method="argsort")
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Tensor:
    x, k = _flattened(strong(a), axis)
    return prim.copy(prim.call("argsort", x, axis=k, kind=_kind(kind, order, stable)))


def _positions(kth: Any, size: Any) -> tuple[Any, ...]:
    entries = kth if isinstance(kth, (tuple, list)) else (kth,)
    if isinstance(kth, np.ndarray):
        entries = kth.ravel().tolist()
    found = []
    trace, limit = current(), to_dim(size, "a size")
    for entry in entries:
        place = to_dim(entry, "kth")
        if not isinstance(place, int) or place >= 0:
            inside = trace.decide(place, "<", limit, "kth")
        else:
            inside = trace.decide(place + limit, ">=", 0, "kth")
        if not inside:
            raise ValueError(f"kth(={entry}) out of bounds ({size})")
        found.append(place)
    return tuple(found)


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Tensor:
    x, k = _flattened(strong(a), axis)
    return prim.copy(prim.call("partition", x, kth=_positions(kth, x.shape[k]), axis=k))


@is_method("partition")
def partition_method(
    x: Tensor, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> None:
    prim.store(x, partition(x, kth, normalize_axis(axis, x.ndim), kind, order))


@implements(np.argpartition, method="argpartition")
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Tensor:
    x, k = _flattened(strong(a), axis)
    return prim.copy(prim.call("argpartition", x, kth=_positions(kth, x.shape[k]), axis=k))


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Tensor:
    if isinstance(keys, (Tensor, np.ndarray)):
        whole = lift(keys)
        keys = [whole[k] for k in range(whole.shape[0].__index__())]
    parts = [strong(key) for key in keys]
    if not parts:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    trace, shape = current(), parts[0].type.shape
    for other in parts[1:]:
        mine = other.type.shape
        if len(mine) != len(shape) or not all(map(trace.same, mine, shape)):
            raise ValueError("all keys need to be the same shape")
    k = normalize_axis(axis, len(shape)) if shape else 0
    return prim.copy(prim.call("lexsort", *parts, axis=k if shape else -1))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Tensor:
    x = sort(a)
    if x.dtype.kind == "c":
        return x
    small = x.dtype.char in "bhBH" or x.dtype.char in "ef?"
    return prim.copy(cast(x, np.complex64 if small and x.dtype.char != "?" else np.complex128))


# Searching.


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    if not isinstance(side, str) or side[:1].lower() not in ("l", "r"):
        raise ValueError(f"search side must be 'left' or 'right' (got {side!r})")
    x, wanted = strong(a), strong(v)
    if x.ndim != 1:
        raise ValueError(
            "object too deep for desired array"
            if x.ndim
            else "object of too small depth for desired array"
        )
    inputs = [x, wanted]
    if sorter is not None:
        order = strong(sorter)
        if order.dtype.kind not in "iu":
            raise TypeError("sorter must only contain integers")
        if not current().same(order.type.shape[0], x.type.shape[0], "np.searchsorted"):
            raise ValueError("sorter.size must equal len(a)")
        inputs.append(cast(order, np.int64))
    found = prim.call("searchsorted", *inputs, side="left" if side[0] in "lL" else "right")
    return found if wanted.scalar else prim.copy(found) if wanted.ndim else found


@is_method("searchsorted")
def searchsorted_method(x: Tensor, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
    return searchsorted(x, v, side, sorter)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Tensor:
    values, edges = strong(x), strong(bins)
    if values.dtype.kind == "c":
        raise TypeError("x may not be complex")
    if edges.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    found = prim.call("digitize", values, edges, right=bool(right))
    return found if not values.ndim else prim.copy(found)


# Counting.


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Tensor:
    values = strong(x)
    if isinstance(x, (list, tuple)) and not x:
        values = cast(values, np.int64)
    if values.ndim != 1:
        raise ValueError(
            "object too deep for desired array"
            if values.ndim
            else "object of too small depth for desired array"
        )
    if not np.can_cast(values.dtype, np.int64, "safe"):
        fail(
            errors.DTypeError,
            f"Cannot cast array data from {values.dtype!r} to dtype('int64') according to the "
            f"rule 'safe': {describe(values)}",
            "x.astype(int)",
        )
    inputs = [cast(values, np.int64)]
    if weights is not None:
        amounts = strong(weights)
        if not np.can_cast(amounts.dtype, float, "safe"):
            fail(
                errors.DTypeError,
                f"Cannot cast array data from {amounts.dtype!r} to dtype('float64') according to "
                "the rule 'safe'",
            )
        inputs.append(cast(amounts, float))
        if amounts.ndim != 1 or not current().same(
            amounts.type.shape[0], values.type.shape[0], "the weights of np.bincount"
        ):
            raise ValueError("The weights and list don't have the same length.")
    least = to_dim(minlength, "minlength")
    if isinstance(least, int) and least < 0:
        raise ValueError("'minlength' must not be negative")
    return prim.call("bincount", *inputs, sizes=1, minlength=least)


def repeat_each(x: Tensor, repeats: Tensor, axis: int) -> Tensor:
    """`np.repeat` with a traced count for every element along `axis`."""
    if repeats.dtype.kind not in "iub":
        raise TypeError("Cannot cast array data to dtype('int64') according to the rule 'safe'")
    counts = cast(repeats, np.int64)
    trace, size = current(), x.type.shape[axis]
    if counts.ndim > 1:
        raise ValueError("object too deep for desired array")
    count = counts.type.shape[0] if counts.ndim else 1
    one = count == 1 or (trace.hint(count) == 1 and trace.same(count, 1, "np.repeat"))
    if not one and not trace.same(count, size, "np.repeat"):
        raise ValueError("operands could not be broadcast together")
    return prim.call("repeat_each", x, counts, axis=axis, sizes=1)
