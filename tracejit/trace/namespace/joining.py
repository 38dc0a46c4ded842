"""Arrays put together, taken apart, repeated and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.creation import as_shape
from tracejit.trace.namespace.elementwise import put_out, strong
from tracejit.trace.namespace.index_keys import slice_bounds
from tracejit.trace.namespace.indexing import getitem
from tracejit.trace.namespace.shape import atleast_1d, atleast_2d, atleast_3d
from tracejit.trace.namespace.sorting import repeat_each
from tracejit.trace.prim import as_dtype, cast, elementwise, lift, normalize_axis
from tracejit.trace.registry import implements, is_method
from tracejit.trace.size import Size, to_dim, to_length, wrap
from tracejit.trace.tensor import Tensor, describe


def part(x: Tensor, axis: int, start: Any = None, stop: Any = None) -> Tensor:
    """`x[..., start:stop, ...]` along `axis`."""
    return getitem(x, (slice(None),) * axis + (slice(start, stop),))


def _items(arrays: Any) -> list[Tensor]:
    """The arrays of a sequence, or the rows of one."""
    if isinstance(arrays, Tensor):
        return [getitem(arrays, k) for k in range(len(arrays))]
    return [strong(a) for a in arrays]


# Joining.


@implements(np.concatenate, np.concat)
def concatenate(
    arrays: Any, /, axis: int | None = 0, out: Any = None, *, dtype: Any = None,
    casting: str = "same_kind",
) -> Tensor:  # fmt: skip
    parts = _items(arrays)
    if not parts:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        parts, axis = [views.reshape(p, (-1,)) for p in parts], 0
    if any(p.ndim == 0 for p in parts):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if any(p.ndim != parts[0].ndim for p in parts):
        fail(
            errors.ShapeError,
            "all the input array dimensions must match in number: "
            + ", ".join(map(describe, parts)),
        )
    target = prim.result_dtype(*parts) if dtype is None else as_dtype(dtype)
    for p in parts:
        if not np.can_cast(p.dtype, target, casting):  # type: ignore[arg-type]
            fail(
                errors.DTypeError,
                f"Cannot cast {describe(p)} to {target!r} according to the rule '{casting}'",
            )
    where = normalize_axis(axis, parts[0].ndim)
    result = prim.concatenate([cast(p, target) for p in parts], where, like=parts)
    return put_out(out, result, "concatenate", casting)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Tensor:
    parts = _items(arrays)
    if not parts:
        raise ValueError("need at least one array to stack")
    if any(p.ndim != parts[0].ndim for p in parts):
        fail(
            errors.ShapeError,
            "all input arrays must have the same shape: " + ", ".join(map(describe, parts)),
        )
    where = normalize_axis(axis, parts[0].ndim + 1)
    new = [views.reshape(p, (*p.shape[:where], 1, *p.shape[where:])) for p in parts]
    return concatenate(new, where, out, dtype=dtype, casting=casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tensor:
    return concatenate([atleast_2d(p) for p in _items(tup)], 0, dtype=dtype, casting=casting)


if hasattr(np, "row_stack"):
    implements(np.row_stack)(vstack)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Tensor:
    parts = [atleast_1d(p) for p in _items(tup)]
    axis = 0 if parts and parts[0].ndim == 1 else 1
    return concatenate(parts, axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Tensor:
    return concatenate([atleast_3d(p) for p in _items(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Tensor:
    parts = [p if p.ndim >= 2 else views.reshape(p, (-1, 1)) for p in _items(tup)]
    return concatenate(parts, 1)


@implements(np.block)
def block(arrays: Any) -> Tensor:
    depth = _depth(arrays)
    rank = max(depth, *(t.ndim for t in _flat(arrays)), 1)

    def join(x: Any, level: int) -> Tensor:
        if not isinstance(x, list):
            leaf = strong(x)
            return prim.copy(views.reshape(leaf, (*(1,) * (rank - leaf.ndim), *leaf.shape)))
        return concatenate([join(v, level + 1) for v in x], -(depth - level))

    return join(arrays, 0)


def _depth(x: Any) -> int:
    return 1 + max(map(_depth, x)) if isinstance(x, list) else 0


def _flat(x: Any) -> list[Tensor]:
    return [t for v in x for t in _flat(v)] if isinstance(x, list) else [strong(x)]


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    x, v = strong(arr), strong(values)
    if axis is None:
        return concatenate([views.reshape(x, (-1,)), views.reshape(v, (-1,))], 0)
    return concatenate([x, v], axis)


# Splitting.


def _split_at(x: Tensor, cuts: Sequence[Any], axis: int) -> list[Tensor]:
    edges = [0, *cuts, None]
    return [part(x, axis, a, b) for a, b in pairwise(edges)]


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    x = strong(ary)
    k = normalize_axis(axis, x.ndim)
    if not isinstance(indices_or_sections, (int, np.integer, Size)):
        return _split_at(x, list(indices_or_sections), k)
    sections = int(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    size = x.shape[k]
    each, extra = divmod(size, sections)
    edges = [0]
    for number in range(sections):
        edges.append(edges[-1] + each + (1 if number < extra else 0))
    return [_piece(x, k, a, b - a) for a, b in pairwise(edges)]


def _piece(x: Tensor, axis: int, start: Any, count: Any) -> Tensor:
    starts: list[Any] = [0] * x.ndim
    sizes = list(x.type.shape)
    starts[axis], sizes[axis] = to_dim(start, "an index"), to_dim(count, "a length")
    return views.slice_(x, starts, sizes, [1] * x.ndim)


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    x = strong(ary)
    k = normalize_axis(axis, x.ndim)
    if isinstance(indices_or_sections, (int, np.integer, Size)):
        sections = int(indices_or_sections)
        if x.shape[k] % sections != 0:
            fail(
                errors.ShapeError,
                f"array split does not result in an equal division: {describe(x)} in {sections}",
                "np.array_split",
            )
        each = x.shape[k] // sections
        return [_piece(x, k, each * number, each) for number in range(sections)]
    return array_split(x, indices_or_sections, k)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    x = strong(ary)
    if x.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    x = strong(ary)
    if x.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(x, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Tensor]:
    x = strong(ary)
    if x.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(x, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    tensor = strong(x)
    if not tensor.ndim:
        raise ValueError("Input array must be at least 1-d.")
    k = normalize_axis(axis, tensor.ndim)
    before, after = (slice(None),) * k, (...,) * (tensor.ndim > 1)  # Of rank 1: scalars.
    return tuple(getitem(tensor, (*before, n, *after)) for n in range(tensor.shape[k].__index__()))


# Repeating.


@implements(np.tile)
def tile(A: Any, reps: Any) -> Tensor:
    x = strong(A)
    counts = list(as_shape(reps))
    rank = max(x.ndim, len(counts))
    counts = [1] * (rank - len(counts)) + counts
    shape = [1] * (rank - x.ndim) + list(x.type.shape)
    if all(c == 1 for c in counts):
        return prim.copy(views.reshape(x, tuple(shape)))
    thin = tuple(d for n in shape for d in (1, n))
    wide = tuple(d for c, n in zip(counts, shape, strict=True) for d in (c, n))
    tiled = views.broadcast_to(views.reshape(x, thin), wide)
    return prim.copy(views.reshape(tiled, tuple(c * n for c, n in zip(counts, shape, strict=True))))


@implements(np.repeat, method="repeat")
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Tensor:
    x = strong(a)
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    k = normalize_axis(axis, x.ndim)
    if isinstance(repeats, (list, tuple)) and not prim.any_traced(repeats):
        counts = np.asarray(repeats).ravel()
        if len(counts) != 1:
            return _repeat_each(x, counts, k)
        repeats = int(counts[0])
    if isinstance(repeats, (list, tuple, np.ndarray)):
        repeats = strong(repeats)
    if isinstance(repeats, Tensor) and repeats.ndim:
        return repeat_each(x, repeats, k)
    count = to_length(repeats, "repeats")
    if isinstance(count, int) and count < 0:
        raise ValueError("repeats may not contain negative values.")
    shape = x.type.shape
    thin = (*shape[: k + 1], 1, *shape[k + 1 :])
    wide = (*shape[: k + 1], count, *shape[k + 1 :])
    repeated = views.broadcast_to(views.reshape(x, thin), wide)
    return prim.copy(views.reshape(repeated, (*shape[:k], shape[k] * count, *shape[k + 1 :])))


def _repeat_each(x: Tensor, counts: np.ndarray, axis: int) -> Tensor:
    if x.shape[axis] != len(counts):
        fail(
            errors.ShapeError,
            f"operands could not be broadcast together: {len(counts)} counts for axis {axis} of "
            + describe(x),
        )
    positions = np.repeat(np.arange(len(counts)), counts)
    return prim.take(x, prim.stack_nested(positions.tolist(), np.int64), axis)


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Tensor:
    x = views.reshape(strong(a), (-1,))
    shape = as_shape(new_shape)
    total: Any = 1
    for d in shape:
        total = total * d
    size = x.shape[0]
    wanted = Size(total) if not isinstance(total, int) else total
    if size == 0 or wanted == 0:
        return prim.full(shape, 0, x.dtype)
    copies = -(-wanted // size)
    return prim.copy(views.reshape(part(tile(x, copies), 0, 0, wanted), shape))


# Shifting.


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Tensor:
    x = strong(a)
    if axis is None:
        return prim.copy(views.reshape(roll(views.reshape(x, (-1,)), shift, 0), x.type.shape))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,)
    count = max(len(axes), len(shifts))
    if min(len(axes), len(shifts)) not in (1, count):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    pairs = zip(
        axes if len(axes) == count else tuple(axes) * count,
        shifts if len(shifts) == count else tuple(shifts) * count,
        strict=True,
    )
    total: dict[int, Any] = {}
    for one, by in pairs:
        k = normalize_axis(one, x.ndim)
        total[k] = total[k] + by if k in total else by
    for k, by in total.items():
        x = _roll(x, by, k)
    return prim.copy(x)


def _roll(x: Tensor, by: Any, axis: int) -> Tensor:
    size = x.shape[axis]
    late = current().is_run_time(to_dim(size, "a size"))
    if late or (isinstance(by, Tensor) and by.value not in current().builder.constants):
        index = (prim.iota(as_shape(size), 0) - by) % lift(size)
        return prim.take(x, index, axis)
    if isinstance(by, Tensor):
        by = by.__index__()
    if by == 0 or size == 0:
        return prim.copy(x)
    if by > 0:
        by = by if by < size else by % size
        cut = size - by
    else:
        cut = -by if -by < size else -by % size
    parts = [part(x, axis, cut, None), part(x, axis, None, cut)]
    return prim.concatenate(parts, axis)


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
    x = strong(a)
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    if x.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    if n == 0:
        return x
    k = normalize_axis(axis, x.ndim)
    parts = [x]
    for extra, front in ((prepend, True), (append, False)):
        if extra is None or extra is np._NoValue:
            continue
        piece = strong(extra)
        if piece.ndim == 0:
            shape = list(x.type.shape)
            shape[k] = 1
            piece = views.broadcast_to(piece, tuple(shape))
        parts = [piece, *parts] if front else [*parts, piece]
    if len(parts) > 1:
        x = concatenate(parts, k)
    op = "not_equal" if x.dtype == bool else "subtract"
    for _ in range(n):
        x = elementwise(op, part(x, k, 1, None), part(x, k, None, -1))
    return x


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Tensor:
    x = views.reshape(strong(ary), (-1,))
    steps = elementwise("subtract", part(x, 0, 1, None), part(x, 0, None, -1))
    parts = [steps]
    for extra, front in ((to_begin, True), (to_end, False)):
        if extra is None:
            continue
        piece = views.reshape(strong(extra), (-1,))
        if not np.can_cast(piece.dtype, x.dtype, "same_kind"):
            raise TypeError("dtype of `to_begin` and `to_end` must be compatible with input `ary`")
        parts = [cast(piece, x.dtype), *parts] if front else [*parts, cast(piece, x.dtype)]
    return prim.concatenate(parts, 0)


# Elements left out and put in, at concrete places.


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Tensor:
    x = strong(arr)
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    k = normalize_axis(axis, x.ndim)
    if isinstance(obj, slice) and obj.step in (None, 1):
        start, count, _ = slice_bounds(obj, x.shape[k])
        return prim.concatenate([part(x, k, 0, wrap(start)), part(x, k, wrap(start + count))], k)
    places = _places(obj, x.shape[k], k, 0, "np.delete")
    edges = [-1, *places, x.shape[k]]
    parts = [part(x, k, a + 1, b) for a, b in pairwise(edges)]
    return prim.concatenate(parts, k)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Tensor:
    x = strong(arr)
    if axis is None:
        x, axis = views.reshape(x, (-1,)), 0
    k = normalize_axis(axis, x.ndim)
    if not isinstance(obj, (int, np.integer)):
        fail(
            errors.UnsupportedError,
            "np.insert at several places is not supported",
            "np.concatenate of the parts",
        )
    (place,) = _places(obj, x.shape[k], k, 1, "np.insert")
    new = cast(values, x.dtype)
    rest = list(x.type.shape)
    if new.ndim == x.ndim:
        rest[k] = new.type.shape[k]
    elif axis == 0 and x.ndim == 1:
        new = views.reshape(new, (-1,))
        rest[k] = new.type.shape[0]
    else:
        rest[k] = 1
        new = views.reshape(views.broadcast_to(new, rest[:k] + rest[k + 1 :]), tuple(rest))
    middle = views.broadcast_to(new, tuple(rest))
    return prim.concatenate([part(x, k, None, place), middle, part(x, k, place, None)], k)


def _places(obj: Any, size: Any, axis: int, beyond: int, name: str) -> list[Any]:
    """Concrete positions, in order, without repetition, each within bounds."""
    if isinstance(obj, slice):
        start, stop, step = obj.indices(size.__index__())
        return list(range(start, stop, step)) if step > 0 else list(range(start, stop, step))[::-1]
    if prim.any_traced(obj) or isinstance(obj, np.ndarray):
        fail(
            errors.UnsupportedError,
            f"{name} at places that are data is not supported",
            "an int or a list of ints; np.where(mask, ...) to leave out by value",
        )
    found = []
    for place in obj if isinstance(obj, (list, tuple)) else (obj,):
        index = place + size if place < 0 else place
        if not (index >= 0 and index < size + beyond):
            fail(
                errors.TracedIndexError,
                f"index {place} is out of bounds for axis {axis} with size {size}",
            )
        found.append(index)
    return sorted(set(found)) if all(isinstance(p, int) for p in found) else found


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Tensor:
    fail(errors.UnsupportedError, "np.trim_zeros has a result whose size depends on the data")


@is_method("resize")
def resize_method(x: Tensor, *new_shape: Any, refcheck: bool = True) -> None:
    fail(
        errors.UnsupportedError,
        "x.resize changes the size of an array in place",
        "np.resize(x, shape), which makes a new one (and repeats x where it is short)",
    )
