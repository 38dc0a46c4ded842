"""`x[...]` and `x[...] = v`.

Ints, slices, `...` and `np.newaxis` give views. A traced int is a view too, whose writes select by
position; one integer array or list copies. A mask may be written through, not read: how many
elements it has is known only at run time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Value
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import put_out, strong
from tracejit.trace.namespace.ranges import ceil_length
from tracejit.trace.prim import cast, lift, normalize_axis
from tracejit.trace.registry import implements, is_method
from tracejit.trace.size import Size, to_dim, wrap
from tracejit.trace.tensor import Tensor, ViewStep, describe

_INTS = (int, Size, np.integer)


@dataclass
class _Plan:
    """An index, taken apart: the slice of every axis, the shape that gives, and arrays by axis.

    `shape` has the dims after the slice, without those that ints remove and with new axes; `arrays`
    are the positions in `shape` that an integer array indexes. `moved` says that NumPy puts the
    array's dims first, because ints and arrays are not side by side.
    """

    starts: list[Dim]
    sizes: list[Dim]
    steps: list[int]
    shape: list[Dim]
    arrays: list[tuple[int, Tensor]]
    moved: bool = False
    scalar: bool = False


@is_method("__getitem__")
def getitem(x: Tensor, key: Any) -> Tensor:
    mask = _mask_of(x, key)
    if mask is not None:
        fail(
            errors.UnsupportedError,
            f"{describe(x)} is indexed with a mask: how many elements it selects is not known "
            "while tracing",
            "np.where(mask, x, 0), or a reduction with where=mask; x[mask] = v works",
        )
    plan = _plan(x, key)
    view = _basic(x, plan)
    for position, index in plan.arrays:
        view = _take_view(view, index, position)
        if plan.moved:
            order = list(range(view.ndim))
            first = order[position : position + index.ndim]
            rest = order[:position] + order[position + index.ndim :]
            view = views.transpose(view, first + rest)
    if plan.scalar:
        return prim.scalar(view)
    if any(index.ndim for _, index in plan.arrays):
        return prim.copy(view)
    return view


@is_method("__setitem__")
def setitem(x: Tensor, key: Any, value: Any) -> None:
    if x.scalar:
        raise TypeError("'numpy scalar' object does not support item assignment")
    mask = _mask_of(x, key)
    if mask is not None:
        _set_masked(x, mask, value)
        return
    plan = _plan(x, key)
    view = _basic(x, plan)
    for position, index in plan.arrays:
        if index.ndim:
            fail(
                errors.UnsupportedError,
                f"assignment to elements chosen by an integer array is not supported: "
                f"{describe(x)} indexed with {describe(index)}",
                "a loop over the indices, or by position: np.where(np.arange(n) == i, v, x)",
            )
        view = _take_view(view, index, position)
    prim.store(view, value)


# Taking an index apart.


def _plan(x: Tensor, key: Any) -> _Plan:
    entries = list(key) if isinstance(key, tuple) else [key]
    entries = [_entry(e) for e in entries]
    used = sum(1 for e in entries if e is not None and e is not Ellipsis)
    if sum(1 for e in entries if e is Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        fail(
            errors.TracedIndexError,
            f"too many indices for array: array is {x.ndim}-dimensional, but {used} were indexed: "
            + describe(x),
        )
    missing = [slice(None)] * (x.ndim - used)
    had_ellipsis = Ellipsis in [e for e in entries if not isinstance(e, Tensor)]
    if had_ellipsis:
        at = next(k for k, e in enumerate(entries) if e is Ellipsis)
        entries[at : at + 1] = missing
    else:
        entries += missing
    plan = _Plan([], [], [], [], [])
    shape = x.shape
    axis = 0
    for entry in entries:
        if entry is None:
            plan.shape.append(1)
            continue
        size = shape[axis]
        if isinstance(entry, slice):
            start, count, step = slice_bounds(entry, size)
            plan.shape.append(count)
        elif isinstance(entry, Tensor):
            start, count, step = 0, to_dim(size, "a size"), 1
            plan.arrays.append((len(plan.shape), entry))
            plan.shape.append(count)
        else:
            start, count, step = _position(entry, size, axis), 1, 1
        plan.starts.append(start)
        plan.sizes.append(count)
        plan.steps.append(step)
        axis += 1
    arrays = [e for e in entries if isinstance(e, Tensor)]
    if len(arrays) > 1 and any(a.ndim for a in arrays):
        fail(
            errors.UnsupportedError,
            "several arrays in one index are not supported: " + ", ".join(map(describe, arrays)),
            "index one axis after the other, or np.take on x.reshape(-1)",
        )
    plan.moved = any(a.ndim for a in arrays) and _apart(entries)
    plan.scalar = not had_ellipsis and all(
        isinstance(e, _INTS) or (isinstance(e, Tensor) and not e.ndim) for e in entries
    )
    # Several traced ints: each removes its axis, so the ones behind it move up.
    plan.arrays = (
        [(p - k, a) for k, (p, a) in enumerate(plan.arrays)]
        if not any(a.ndim for a in arrays)
        else plan.arrays
    )
    return plan


def _apart(entries: Sequence[Any]) -> bool:
    """Whether ints and arrays, of which there are several, have something else between them."""
    advanced = [not (e is None or isinstance(e, slice)) for e in entries]
    return sum(1 for flag, _ in itertools.groupby(advanced) if flag) > 1


def _entry(e: Any) -> Any:
    """One entry of an index: None, Ellipsis, a slice, an int or size, or an integer tensor."""
    if e is None or e is Ellipsis or isinstance(e, slice):
        return e
    if isinstance(e, _INTS) and not isinstance(e, bool):
        return e
    if isinstance(e, (list, np.ndarray, Tensor)):
        if isinstance(e, list) and not prim.any_traced(e):
            concrete = np.array(e, dtype=None if e else np.int64)
            if concrete.dtype == bool:
                concrete = concrete.nonzero()[0]
            e = concrete
            if concrete.dtype.kind in "iu":
                return prim.lift(current_array(concrete))
        index = lift(e)
        if index.dtype.kind in "iu":
            if not index.ndim and index.value in current().builder.constants:
                return int(current().builder.constants[index.value])
            return index
        what = describe(index)
    else:
        what = type(e).__name__
    fail(
        errors.TracedIndexError,
        "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
        f"boolean arrays are valid indices, not {what}",
    )


def current_array(array: np.ndarray) -> Tensor:
    """A concrete array as a constant of the graph."""
    return prim.stack_nested(array.tolist(), np.int64)


def _position(index: Any, size: Any, axis: int) -> Dim:
    """The element that an int chooses."""
    found = index + size if index < 0 else index
    if not (found >= 0 and found < size):
        dim = to_dim(size, "a size")
        fail(
            errors.TracedIndexError,
            f"index {index} is out of bounds for axis {axis} with size {current().describe(dim)}",
        )
    return to_dim(found, "an index")


def slice_bounds(entry: slice, size: Any) -> tuple[Dim, Dim, int]:
    """Start, length and step; decisions are ordered so that the common ones need one guard."""
    step = 1 if entry.step is None else entry.step
    step = step.__index__()
    if step == 0:
        raise ValueError("slice step cannot be zero")
    start, stop = _bound(entry.start), _bound(entry.stop)
    if step > 0:
        low = 0 if start is None else _clamp(start, size, 0, size)
        high = size if stop is None else _clamp(stop, size, 0, size)
    else:
        low = size - 1 if start is None else _clamp(start, size, -1, size - 1)
        high = -1 if stop is None else _clamp(stop, size, -1, size - 1)
    whole = start is None and stop is None and abs(step) == 1
    count = size if whole else ceil_length(high - low, step)
    if isinstance(count, int) and count == 0:
        low = 0
    return to_dim(low, "a slice bound"), to_dim(count, "a length"), step


def _bound(x: Any) -> Any:
    if x is None or isinstance(x, _INTS):
        return x
    if isinstance(x, Tensor) or hasattr(x, "__index__"):
        return x.__index__()
    fail(
        errors.TracedIndexError,
        f"slice indices must be integers or None or have an __index__ method, not {x!r}",
    )


def _clamp(index: Any, size: Any, low: Any, high: Any) -> Any:
    """A slice bound between `low` and `high`, counted from the end where it is negative."""
    if index < 0:
        index = index + size
        return index if index >= low else low
    return index if index <= high else high


# Views.


def _basic(x: Tensor, plan: _Plan) -> Tensor:
    view = views.slice_(x, plan.starts, plan.sizes, plan.steps)
    return views.reshape(view, tuple(plan.shape))


def _take_view(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """`x` at `index` along `axis`. With one index it is a view: a write goes to that position."""
    if index.ndim:
        return prim.take(x, index, axis)
    position = cast(index, np.int64).value

    def read(value: Value) -> Value:
        return views.apply_values("take", value, position, axis=axis)

    def write(base: Value, value: Value) -> Value:
        shape = base.type.shape
        size = shape[axis]
        where = prim.scalar_of(position)
        where = prim.select(where < 0, where + wrap(size), where)
        line = tuple(size if k == axis else 1 for k in range(len(shape)))
        here = prim.iota(line, axis).value
        same = views.apply_values("equal", here, where.value)
        kept = tuple(1 if k == axis else d for k, d in enumerate(shape))
        new = views.apply_values("reshape", value, shape=kept)
        return views.apply_values("select", same, new, base)

    def layout(shape: Any, strides: Any) -> Any:
        return shape[:axis] + shape[axis + 1 :], strides[:axis] + strides[axis + 1 :]

    return x.view(ViewStep(read, write, layout))


# Masks.


def _mask_of(x: Tensor, key: Any) -> Tensor | None:
    """The mask that `key` is, or None."""
    if isinstance(key, (bool, np.bool_)):
        return lift(key)
    if isinstance(key, tuple):
        for entry in key:
            if (
                isinstance(entry, (Tensor, np.ndarray, bool, np.bool_))
                and lift(entry).dtype == bool
            ):
                if len(key) == 1:
                    return lift(entry)
                fail(
                    errors.UnsupportedError,
                    f"a mask beside other indices is not supported: {describe(lift(entry))}",
                    "np.where",
                )
        return None
    if isinstance(key, (Tensor, np.ndarray)):
        mask = lift(key)
        return mask if mask.dtype == bool else None
    return None


def _set_masked(x: Tensor, mask: Tensor, value: Any) -> None:
    """`x[mask] = value`, for a value that is the same for every selected element (or row)."""
    wide = _wide_mask(x, mask)
    source = _same_for_all(x, mask, cast(value, x.dtype))
    source = views.broadcast_to(source, x.shape[mask.ndim :])
    x.assign(prim.select(wide, source, x).value)


@is_method("__augment_item__")
def augment_item(x: Tensor, key: Any, operate: Callable[[Any, Any], Any], other: Any) -> bool:
    """`x[mask] op= other` with `operate(a, b)` for the operator; False where `key` is no mask."""
    mask = _mask_of(x, key)
    if mask is None:
        return False
    wide = _wide_mask(x, mask)
    new = operate(prim.copy(x), _same_for_all(x, mask, lift(other)))
    x.assign(prim.select(wide, new, x).value)
    return True


def _wide_mask(x: Tensor, mask: Tensor) -> Tensor:
    """`mask`, checked to fit the leading axes of `x`, with the others as axes of size 1."""
    trace = current()
    if mask.ndim > x.ndim:
        fail(
            errors.TracedIndexError,
            f"too many indices for array: {describe(mask)} for {describe(x)}",
        )
    for axis, (have, want) in enumerate(zip(mask.type.shape, x.type.shape, strict=False)):
        if not trace.same(have, want, "a mask"):
            fail(
                errors.TracedIndexError,
                f"boolean index did not match indexed array along axis {axis}: "
                f"{describe(mask)} for {describe(x)}",
            )
    return views.reshape(mask, (*x.shape[: mask.ndim], *(1,) * (x.ndim - mask.ndim)))


def _same_for_all(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`source` without an axis over the selected elements, which it must not have."""
    extra = source.ndim - (x.ndim - mask.ndim)
    if extra <= 0:
        return source
    if not all(current().same(d, 1) for d in source.type.shape[:extra]):
        fail(
            errors.UnsupportedError,
            f"{describe(x)} is assigned the elements of {describe(source)} one by one where a "
            "mask is true",
            "x[...] = np.where(mask, values, x) with values of the shape of x",
        )
    return views.reshape(source, source.shape[extra:])


# Functions.


@implements(np.take, method="take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Tensor:
    x, index = strong(a), strong(indices)
    if index.dtype.kind not in "iu":
        fail(errors.TracedIndexError, f"np.take needs integer indices, not {describe(index)}")
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    k = normalize_axis(axis, x.ndim)
    if mode != "raise":
        size = wrap(x.type.shape[k])
        if mode == "wrap":
            index = index % size
        elif mode == "clip":
            index = prim.elementwise("minimum", prim.elementwise("maximum", index, 0), size - 1)
        else:
            raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return put_out(out, prim.take(x, index, k), "take", "unsafe")
