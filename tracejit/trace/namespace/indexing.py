"""`x[...]`, `x[...] = v` and `x[...] op= v`.

Ints, slices, `...` and `np.newaxis` give views, and so does a traced int. Arrays of indices give
copies. A mask that is written with one value for all is a choice by elements; everywhere else it is
the indices of its true elements, whose number is known only at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Value
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.layout import sliced
from tracejit.trace.namespace.elementwise import put_out, strong
from tracejit.trace.namespace.index_keys import Key, check_mask, mask_of, take_apart
from tracejit.trace.prim import cast, lift, normalize_axis
from tracejit.trace.registry import implements, is_method
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor, ViewStep, describe


@is_method("__getitem__")
def getitem(x: Tensor, key: Any) -> Tensor:
    x, found = take_apart(x, key)
    if not found.axes:
        result = _basic(x, found)
    elif any(index.ndim for index in found.indices):
        return _gathered(x, found)
    else:
        result = _place(x, found)
    if found.scalar:
        return prim.scalar(result)
    return prim.copy(result) if found.copies else result


@is_method("__setitem__")
def setitem(x: Tensor, key: Any, value: Any) -> None:
    if x.scalar:
        raise TypeError("'numpy scalar' object does not support item assignment")
    mask = mask_of(key)
    if mask is not None and _set_masked(x, mask, lift(value)):
        return
    x, found = take_apart(x, key)
    if not found.axes:
        prim.store(_basic(x, found), value)
    elif any(index.ndim for index in found.indices):
        x.assign(scattered(x.value, found, fitted(found, value, x.dtype), "set"))
    else:
        prim.store(_place(x, found), value)


@is_method("__augment_item__")
def augment_item(x: Tensor, key: Any, operate: Callable[[Any, Any], Any], other: Any) -> bool:
    """`x[mask] op= other` with `operate(a, b)` for the operator, as a choice by elements.

    False, and nothing done, where that is not possible.
    """
    mask = mask_of(key)
    if mask is None or x.scalar:
        return False
    source = _same_for_all(x, mask, lift(other))
    if source is None:
        return False
    wide = _wide_mask(x, mask)
    new = operate(prim.copy(x), source)
    x.assign(prim.select(wide, cast(new, x.dtype), x).value)
    return True


# Views.


def _basic(x: Tensor, key: Key) -> Tensor:
    view = views.slice_(x, key.starts, key.sizes, key.steps)
    return views.reshape(view, tuple(key.kept_shape))


def _place(x: Tensor, key: Key) -> Tensor:
    """The view of one place along some axes: a write goes there, and costs no more than that."""
    axes, rest = tuple(key.axes), key.rest
    indices = [index.value for index in key.indices]
    whole = _takes_everything(x, key)

    def read(value: Value) -> Value:
        if not whole:
            value = views.apply_op("slice", [value], key.region)
        return _read(value, indices, axes)

    def write(base: Value, value: Value) -> Value:
        attrs = {**key.region, "axes": axes, "mode": "set"}
        return views.apply_op("scatter", [base, value, *indices], attrs)

    def layout(shape: Any, strides: Any, decisions: Any) -> Any:
        moved = sliced(strides, key.steps)
        return tuple(key.sizes[k] for k in rest), tuple(moved[k] for k in rest)

    attrs = {**key.region, "axes": axes}
    view = x.view(ViewStep(read, write, layout, "place", attrs, indices=tuple(indices)))
    return views.reshape(view, tuple(key.kept_shape))


def _takes_everything(x: Tensor, key: Key) -> bool:
    return (
        all(isinstance(s, int) and s == 0 for s in key.starts)
        and tuple(key.sizes) == x.type.shape
        and all(s == 1 for s in key.steps)
    )


def _read(value: Value, indices: list[Value], axes: tuple[int, ...]) -> Value:
    """The dims of the indices in place of the axis where there is one, else in front."""
    if len(axes) == 1:
        return views.apply_op("take", [value, *indices], {"axis": axes[0]})
    return views.apply_op("gather", [value, *indices], {"axes": axes})


# Arrays of indices.


def _gathered(x: Tensor, key: Key) -> Tensor:
    source = views.slice_(x, key.starts, key.sizes, key.steps)
    inner = key.index_shape
    found = prim.scalar_of(
        _read(source.value, [index.value for index in key.indices], tuple(key.axes))
    )
    kept = key.kept_shape
    # Where `take` left the dims of its index, counted in the dims that are kept.
    at = 0
    if len(key.axes) == 1:
        before = [j for j, k in enumerate(key.kept) if k is not None and k < key.axes[0]]
        at = before[-1] + 1 if before else 0
        if all(k is None for k in key.kept[min(at, key.lead) : max(at, key.lead)]):
            at = key.lead
    found = views.reshape(found, (*kept[:at], *inner, *kept[at:]))
    if at != key.lead:
        order = list(range(found.ndim))
        own = order[at : at + len(inner)]
        others = order[:at] + order[at + len(inner) :]
        found = views.transpose(found, others[: key.lead] + own + others[key.lead :])
    return prim.copy(found)


def fitted(key: Key, value: Any, dtype: Any) -> Tensor:
    """`value` with the dims that `scatter` wants: those of the indices, then the other axes."""
    source = cast(value, dtype)
    shape = key.shape
    extra = source.ndim - len(shape)
    if extra > 0 and all(current().same(d, 1) for d in source.type.shape[:extra]):
        source = views.reshape(source, source.type.shape[extra:])
    if not source.ndim:
        return source
    try:
        source = views.broadcast_to(source, shape)
    except errors.ShapeError:
        wanted = ", ".join(current().describe(d) for d in shape)
        fail(
            errors.ShapeError,
            f"shape mismatch: value array {describe(source)} could not be broadcast to indexing "
            f"result of shape ({wanted})",
            "the right-hand side needs the shape of what is indexed, or dims of 1",
        )
    width = len(key.index_shape)
    order = list(range(len(shape)))
    own = order[key.lead : key.lead + width]
    source = views.transpose(source, own + order[: key.lead] + order[key.lead + width :])
    rest: list[Dim] = [key.sizes[k] for k in key.rest]
    return views.reshape(source, (*key.index_shape, *rest))


def scattered(base: Value, key: Key, value: Tensor, mode: str) -> Value:
    """`base` with the elements at `key` written."""
    attrs = {**key.region, "axes": tuple(key.axes), "mode": mode}
    return views.apply_op("scatter", [base, value.value, *(i.value for i in key.indices)], attrs)


# Masks.


def _set_masked(x: Tensor, mask: Tensor, value: Tensor) -> bool:
    """`x[mask] = value` for a value that is the same for every selected element (or row)."""
    source = _same_for_all(x, mask, value)
    if source is None:
        return False
    wide = _wide_mask(x, mask)
    source = views.broadcast_to(cast(source, x.dtype), x.shape[mask.ndim :])
    x.assign(prim.select(wide, source, x).value)
    return True


def _wide_mask(x: Tensor, mask: Tensor) -> Tensor:
    """`mask`, checked to fit the leading axes of `x`, with the others as axes of size 1."""
    if mask.ndim > x.ndim:
        fail(
            errors.TracedIndexError,
            f"too many indices for array: {describe(mask)} for {describe(x)}",
        )
    check_mask(x, mask)
    return views.reshape(mask, (*x.shape[: mask.ndim], *(1,) * (x.ndim - mask.ndim)))


def _same_for_all(x: Tensor, mask: Tensor, source: Tensor) -> Tensor | None:
    """`source` without an axis over the selected elements; None where it has one."""
    extra = source.ndim - (x.ndim - mask.ndim)
    if extra <= 0:
        return source
    trace = current()
    for dim in source.type.shape[:extra]:
        if (trace.hint(dim) is None and dim != 1) or not trace.same(dim, 1):
            return None
    return views.reshape(source, source.type.shape[extra:])


# Functions.


@implements(np.take, method="take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Tensor:
    x, index = strong(a), strong(indices)
    if index.dtype.kind == "b":
        index = cast(index, np.int64)
    if index.dtype.kind not in "iu":
        fail(errors.TracedIndexError, f"np.take needs integer indices, not {describe(index)}")
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    k = normalize_axis(axis, x.ndim)
    index = in_mode(index, wrap(x.type.shape[k]), mode)
    return put_out(out, prim.take(x, index, k), "take", "unsafe")


def in_mode(index: Tensor, size: Any, mode: str) -> Tensor:
    """`index` brought within bounds as `mode`, of `np.take` and kin, says."""
    if mode == "wrap":
        return cast(index, np.int64) % size
    if mode == "clip":
        low = prim.elementwise("maximum", cast(index, np.int64), 0)
        return prim.elementwise("minimum", low, size - 1)
    if mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return index
