"""An index taken apart: slices and arrays of positions by axis, the order of the result's dims.

Masks become the positions where they are true. A single traced integer stays a view of one place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.late_sizes import clipped, slice_bound
from tracejit.trace.namespace.nonzero import constant_array, nonzero_of
from tracejit.trace.namespace.ranges import ceil_length
from tracejit.trace.prim import cast, lift
from tracejit.trace.size import Size, to_dim
from tracejit.trace.tensor import Tensor, describe

INTS = (int, Size, np.integer)


@dataclass
class Key:
    """What an index of an array means.

    `starts`, `sizes` and `steps` are a slice of all axes, an int being a slice of one element.
    `axes` of it are then indexed by the int64 `indices`, which broadcast against each other.
    `kept` are the other dims of the result, each an axis, or None for a new one; the dims of the
    indices come before number `lead` of them. `scalar` says that the result is an element and no
    view, `copies` that it is a copy although no index has a dim.
    """

    starts: list[Dim] = field(default_factory=list)
    sizes: list[Dim] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    axes: list[int] = field(default_factory=list)
    indices: list[Tensor] = field(default_factory=list)
    kept: list[int | None] = field(default_factory=list)
    lead: int = 0
    scalar: bool = False
    copies: bool = False

    @property
    def region(self) -> dict[str, Any]:
        """The slice, as attributes of an op."""
        return {
            "starts": tuple(self.starts), "sizes": tuple(self.sizes), "steps": tuple(self.steps)
        }  # fmt: skip

    @property
    def rest(self) -> list[int]:
        """The axes that are not indexed by arrays, those that ints remove among them."""
        return [k for k in range(len(self.sizes)) if k not in self.axes]

    @property
    def kept_shape(self) -> list[Dim]:
        return [1 if k is None else self.sizes[k] for k in self.kept]

    @property
    def index_shape(self) -> tuple[Dim, ...]:
        return prim.broadcast_shapes(*self.indices) if self.indices else ()

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The shape of the result."""
        kept = self.kept_shape
        return (*kept[: self.lead], *self.index_shape, *kept[self.lead :])


class _Break:
    """An ellipsis that stands for no axis; it still parts what is on its sides."""


def take_apart(x: Tensor, key: Any) -> tuple[Tensor, Key]:
    """The key, and `x` with an axis of size 1 for every index that is a single bool."""
    entries = [_entry(e) for e in (key if isinstance(key, tuple) else (key,))]
    entries = _fill_up(x, entries)
    x, entries = _axes_for_bools(x, entries)
    found = Key()
    shape = x.shape
    flags: list[bool] = []
    fancy = any(_is_fancy(e) for e in entries)
    first = None
    for entry in entries:
        advanced = isinstance(entry, (Tensor, *INTS))
        flags.append(advanced)
        if advanced and first is None:
            first = len(found.kept)
        axis = len(found.sizes)
        if isinstance(entry, _Break):
            continue
        if entry is None:
            found.kept.append(None)
        elif isinstance(entry, slice):
            start, count, step = slice_bounds(entry, shape[axis])
            found.kept.append(axis)
            _add(found, start, count, step)
        else:
            if not isinstance(entry, Tensor):
                entry = _place(entry, shape[axis], axis)
            if not isinstance(entry, Tensor):
                _add(found, entry, 1, 1)
                continue
            for index in _positions(x, entry, axis):
                found.axes.append(len(found.sizes))
                found.indices.append(index)
                _add(found, 0, to_dim(shape[len(found.sizes)], "a size"), 1)
    apart = sum(1 for flag, _ in itertools.groupby(flags) if flag) > 1
    found.lead = 0 if apart or first is None else first
    found.indices = _broadcast(found.indices)
    if not fancy:
        found.scalar = all(isinstance(e, (Tensor, *INTS)) for e in entries)
        found.copies = any(isinstance(e, Tensor) and not e.scalar for e in entries)
    return x, found


def _add(key: Key, start: Dim, size: Dim, step: int) -> None:
    key.starts.append(start)
    key.sizes.append(size)
    key.steps.append(step)


def _is_fancy(entry: Any) -> bool:
    return isinstance(entry, Tensor) and (entry.ndim > 0 or entry.dtype == bool)


def _broadcast(indices: Sequence[Tensor]) -> list[Tensor]:
    if len(indices) < 2:
        return list(indices)
    trace = current()
    last = {trace.canonical(t.type.shape[-1]) for t in indices if t.ndim} - {1}
    try:
        if len(last) > 1 and any(map(trace.is_run_time, last)):
            # How many elements a mask has, one among them, is seen when the indices are broadcast.
            known = [t for t in indices if not (t.ndim and trace.is_run_time(t.type.shape[-1]))]
            settled = dict(zip(map(id, known), prim.aligned(*known), strict=True))
            indices = [settled.get(id(t), t) for t in indices]
            found = iter(prim.call("broadcast_indices", *(t for t in indices if t.ndim), sizes=1))
            return [next(found) if t.ndim else t for t in indices]
        return prim.aligned(*indices)
    except errors.ShapeError:
        fail(
            errors.TracedIndexError,
            "shape mismatch: indexing arrays could not be broadcast together: "
            + ", ".join(map(describe, indices)),
        )


# The entries.


def _entry(e: Any) -> Any:
    """One entry of an index: None, Ellipsis, a slice, an int or size, or a tensor."""
    if e is None or e is Ellipsis or isinstance(e, slice):
        return e
    if isinstance(e, (bool, np.bool_)):
        return lift(e)
    if isinstance(e, INTS):
        return e
    if isinstance(e, (list, tuple, range)):
        e = list(e)
        if not prim.any_traced(e):
            array = np.array(e, dtype=None if e else np.int64)
            if array.dtype.kind in "iub":
                return prim.stack_nested(array.tolist(), None if array.size else array.dtype)
    if isinstance(e, (list, np.ndarray, Tensor)):
        index = lift(e)
        if index.dtype.kind in "iu":
            if index.scalar and index.value in current().builder.constants:
                # An array of rank 0 stays one: what it selects is a copy.
                return int(current().builder.constants[index.value])
            return index
        if index.dtype == bool:
            return index
        what = describe(index)
    else:
        what = type(e).__name__
    fail(
        errors.TracedIndexError,
        "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
        f"boolean arrays are valid indices, not {what}",
    )


def _fill_up(x: Tensor, entries: list[Any]) -> list[Any]:
    """The entries with a slice for every axis that none of them is about."""
    used = 0
    for e in entries:
        if isinstance(e, Tensor) and e.dtype == bool:
            used += e.ndim
        elif e is not None and e is not Ellipsis:
            used += 1
    dots = [k for k, e in enumerate(entries) if e is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > x.ndim:
        fail(
            errors.TracedIndexError,
            f"too many indices for array: array is {x.ndim}-dimensional, but {used} were indexed: "
            + describe(x),
        )
    missing: list[Any] = [slice(None)] * (x.ndim - used)
    if not dots:
        return entries + missing
    return entries[: dots[0]] + (missing or [_Break()]) + entries[dots[0] + 1 :]


def _axes_for_bools(x: Tensor, entries: list[Any]) -> tuple[Tensor, list[Any]]:
    """A single bool is a mask of one element along an axis that there is not."""
    shape: list[Any] = []
    changed: list[Any] = []
    axis = 0
    for e in entries:
        if isinstance(e, Tensor) and e.dtype == bool and not e.ndim:
            shape.append(1)
            known = current().builder.constants.get(e.value)
            if known is None:
                e = views.reshape(prim.copy(e), (1,))
            else:
                e = prim.stack_nested([0] if known else [], np.int64)
        else:
            count = e.ndim if isinstance(e, Tensor) and e.dtype == bool else 1
            count = 0 if e is None or isinstance(e, _Break) else count
            shape += x.shape[axis : axis + count]
            axis += count
        changed.append(e)
    return (views.reshape(x, tuple(shape)) if len(shape) > x.ndim else x), changed


def _positions(x: Tensor, index: Tensor, axis: int) -> list[Tensor]:
    """The int64 indices that an array is, one for each axis it is about."""
    if index.dtype != bool:
        return [cast(index, np.int64)]
    check_mask(x, index, axis)
    return list(nonzero_of(index))


def check_mask(x: Tensor, mask: Tensor, first: int = 0) -> None:
    """Raise where the dims of `mask` are not those of `x` from axis `first` on."""
    trace = current()
    shape = x.type.shape[first : first + mask.ndim]
    for axis, (have, want) in enumerate(zip(mask.type.shape, shape, strict=True), first):
        if not trace.same(have, want, "a mask"):
            fail(
                errors.TracedIndexError,
                f"boolean index did not match indexed array along axis {axis}; size of axis is "
                f"{trace.describe(want)} but size of corresponding boolean axis is "
                f"{trace.describe(have)}: {describe(mask)} for {describe(x)}",
            )


def mask_of(key: Any) -> Tensor | None:
    """The mask that a key consists of, if it is one; masks of known values are none."""
    if isinstance(key, tuple) and len(key) == 1:
        (key,) = key
    if isinstance(key, list):
        key = _entry(key)
    if not isinstance(key, (Tensor, np.ndarray, bool, np.bool_)):
        return None
    mask = lift(key)
    return mask if mask.dtype == bool and constant_array(mask) is None else None


# Ints and slices.


def _place(index: Any, size: Any, axis: int) -> Dim | Tensor:
    """The element that an int chooses; where that may be out of bounds in some step of a loop, a
    traced index, which is checked there."""
    try:
        return position(index, size, axis)
    except (errors.UndecidedError, errors.TracedIndexError):
        if not current().regions:
            raise
        return lift(index)


def position(index: Any, size: Any, axis: int) -> Dim:
    """The element that an int chooses."""
    trace = current()
    limit = to_dim(size, "a size")
    here = to_dim(index, "an index")
    negative = here < 0 if isinstance(here, int) else not trace.decide(here, ">=", 0, "an index")
    found = here + limit if negative else here
    if not (
        trace.decide(found, ">=", 0, "an index") and trace.decide(found, "<", limit, "an index")
    ):
        fail(
            errors.TracedIndexError,
            f"index {index} is out of bounds for axis {axis} with size {trace.describe(limit)}",
        )
    return found


def slice_bounds(entry: slice, size: Any) -> tuple[Dim, Dim, int]:
    """Start, length and step; decisions are ordered so that the common ones need one guard."""
    step = 1 if entry.step is None else entry.step
    step = step.__index__()
    if step == 0:
        raise ValueError("slice step cannot be zero")
    start, stop = (_bound(slice_bound(b, size, step)) for b in (entry.start, entry.stop))
    known = [to_dim(b, "a slice bound") for b in (size, start, stop) if b is not None]
    if any(current().is_run_time(d) or current().is_local(d) for d in known):
        return _open_bounds(start, stop, step, to_dim(size, "a size"))
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
    if x is None or isinstance(x, INTS):
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


def _open_bounds(start: Any, stop: Any, step: int, size: Dim) -> tuple[Dim, Dim, int]:
    """Bounds with sizes that are known only at run time: nothing is decided, dims say it all."""
    if start is None and stop is None and abs(step) == 1:
        return (0, size, 1) if step == 1 else (dims.maximum(size - 1, 0), size, -1)
    least, most = (0, size) if step > 0 else (-1, size - 1)

    trace = current()

    def settle(bound: Any, default: Dim) -> Dim:
        if bound is None:
            return default
        dim = to_dim(bound, "a slice bound")
        if isinstance(dim, int):
            dim = dim + size if dim < 0 else dim
        elif trace.is_local(dim):
            positive = trace.for_all(dim, ">=", 0, "a slice bound")
            if positive is None and step > 0:
                return to_dim(clipped(lift(bound), size), "a slice bound")
            if not positive:
                dim = dim + size
        elif not dims.is_nonnegative(dim) and not trace.decide(dim, ">=", 0, "a slice bound"):
            dim = dim + size
        return larger(least, smaller(dim, most))

    def smaller(a: Dim, b: Dim) -> Dim:
        below = trace.for_all(a, "<=", b, "a slice bound")
        return dims.minimum(a, b) if below is None else a if below else b

    def larger(a: Dim, b: Dim) -> Dim:
        below = trace.for_all(a, "<=", b, "a slice bound")
        return dims.maximum(a, b) if below is None else b if below else a

    low = settle(start, 0 if step > 0 else size - 1)
    high = settle(stop, size if step > 0 else -1)
    span = high - low if step > 0 else low - high
    count = larger(0, dims.floordiv(span + (abs(step) - 1), abs(step)))
    return larger(0, low), count, step
