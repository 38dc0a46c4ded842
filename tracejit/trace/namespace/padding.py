"""`np.pad`: one axis after the other, what is before, the array and what is after concatenated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.joining import part
from tracejit.trace.namespace.shape import flip
from tracejit.trace.prim import cast, elementwise
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import to_dim
from tracejit.trace.tensor import Tensor, describe

Widths = list[tuple[Any, Any]]


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Tensor:
    x = strong(array)
    widths = _pairs(pad_width, x.ndim, "pad_width")
    for pair in widths:
        for width in pair:
            if width < 0:
                raise ValueError("index can't contain negative values")
    if not isinstance(mode, str):
        fail(
            errors.UnsupportedError,
            "np.pad with a function as mode is not supported",
            "np.concatenate of the parts",
        )
    allowed = _OPTIONS.get(mode)
    if allowed is None:
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(kwargs) - set(allowed)
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode in ("constant", "empty"):
        return _constant(x, widths, kwargs.get("constant_values", 0))
    odd = kwargs.get("reflect_type", "even") == "odd"
    if "stat_length" in kwargs and kwargs["stat_length"] is not None:
        lengths: Any = _pairs(kwargs["stat_length"], x.ndim, "stat_length")
    else:
        lengths = [(None, None)] * x.ndim
    ends = _pairs(kwargs.get("end_values", 0), x.ndim, "end_values")
    for axis, (before, after) in enumerate(widths):
        if mode in ("edge", "reflect", "symmetric", "wrap"):
            x = _repeated(x, axis, before, after, mode, odd)
        elif mode == "linear_ramp":
            left = _ramp(part(x, axis, None, 1), axis, before, ends[axis][0])
            right = flip(_ramp(part(x, axis, -1, None), axis, after, ends[axis][1]), axis)
            x = _joined(left, x, right, axis)
        else:
            short, long = lengths[axis]
            left = _statistic(x, axis, mode, short, True)
            right = _statistic(x, axis, mode, long, False)
            x = _joined(_wide(left, axis, before), x, _wide(right, axis, after), axis)
    return prim.copy(x)


_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median,
}  # fmt: skip
_OPTIONS: dict[str, tuple[str, ...]] = {
    "constant": ("constant_values",), "empty": (), "edge": (), "wrap": (),
    "linear_ramp": ("end_values",), "reflect": ("reflect_type",), "symmetric": ("reflect_type",),
    **{name: ("stat_length",) for name in _STATISTICS},
}  # fmt: skip


def _pairs(value: Any, rank: int, name: str) -> list[tuple[Any, Any]]:
    """`value` as (before, after) for each axis, in the forms that NumPy takes."""
    if isinstance(value, dict):
        found = [(0, 0)] * rank
        for axis, entry in value.items():
            found[axis] = entry if isinstance(entry, (tuple, list)) else (entry, entry)
        return [tuple(pair) for pair in found]  # type: ignore[misc]
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return [(value, value)] * rank
    entries = list(value)
    if entries and not isinstance(entries[0], (list, tuple, np.ndarray)):
        if len(entries) == 1:
            return [(entries[0], entries[0])] * rank
        if len(entries) == 2:
            return [tuple(entries)] * rank
    elif len(entries) in (1, rank):
        pairs = [tuple(e) * (2 if len(e) == 1 else 1) for e in entries]
        return pairs * (rank if len(pairs) == 1 else 1)
    fail(errors.ShapeError, f"{name} {value!r} does not fit an array of {rank} dimensions")


def _constant(x: Tensor, widths: Widths, values: Any) -> Tensor:
    """One write into a filled array where one value fills all of it, else axis by axis."""
    pairs = _pairs(values, x.ndim, "constant_values")
    if len({id(v) for pair in pairs for v in pair}) <= 1 or all(p == (0, 0) for p in pairs):
        fill = pairs[0][0] if pairs else 0
        shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
        result = prim.full(shape, cast(fill, x.dtype), x.dtype)
        starts = tuple(to_dim(a, "a width") for a, _ in widths)
        views.slice_(result, starts, x.type.shape, (1,) * x.ndim).assign(x.value)
        return result
    for axis, ((before, after), (left, right)) in enumerate(zip(widths, pairs, strict=True)):
        x = _joined(_filled(x, axis, before, left), x, _filled(x, axis, after, right), axis)
    return x


def _filled(x: Tensor, axis: int, width: Any, value: Any) -> Tensor:
    shape = list(x.type.shape)
    shape[axis] = to_dim(width, "a width")
    return prim.full(tuple(shape), cast(value, x.dtype), x.dtype)


def _joined(left: Tensor | None, x: Tensor, right: Tensor | None, axis: int) -> Tensor:
    parts = [p for p in (left, x, right) if p is not None]
    parts = [p for p in parts if p.type.shape[axis] != 0] or [x]
    return prim.concatenate(parts, axis)


def _wide(line: Tensor, axis: int, width: Any) -> Tensor:
    shape = list(line.type.shape)
    shape[axis] = to_dim(width, "a width")
    return views.broadcast_to(line, tuple(shape))


def _repeated(x: Tensor, axis: int, before: Any, after: Any, mode: str, odd: bool) -> Tensor:
    """Copies of the array's own elements: of the edge, mirrored, or from the other side.

    What is mirrored in the edge's value as well is `odd`.
    """
    size = x.shape[axis]
    if before == 0 and after == 0:
        return x
    if not size > 0:
        fail(
            errors.TracedValueError,
            f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'",
        )
    if mode == "edge":
        left, right = part(x, axis, None, 1), part(x, axis, -1, None)
        return _joined(_wide(left, axis, before), x, _wide(right, axis, after), axis)
    most = size - 1 if mode == "reflect" else size
    if before <= most and after <= most:
        if mode == "wrap":
            left = part(x, axis, size - before, None)
            right = part(x, axis, None, after)
        else:
            skip = 1 if mode == "reflect" else 0
            left = flip(part(x, axis, skip, skip + before), axis)
            right = flip(part(x, axis, size - skip - after, size - skip), axis)
            if odd:
                left = cast(2 * part(x, axis, None, 1) - left, x.dtype)
                right = cast(2 * part(x, axis, -1, None) - right, x.dtype)
        return _joined(left, x, right, axis)
    if odd:
        fail(
            errors.UnsupportedError,
            f"np.pad(reflect_type='odd') wider than the array: {describe(x)}",
            "pad in several steps",
        )
    # Wider than the array: the position of every element, folded back into it.
    index = prim.iota((to_dim(before + size + after, "a size"),), 0) - before
    if mode == "wrap":
        return prim.take(x, index % size, axis)
    period = 2 * size - (2 if mode == "reflect" else 0)
    if mode == "reflect" and size == 1:
        return prim.take(x, index * 0, axis)
    folded = index % period
    last = period if mode == "reflect" else period - 1
    mirrored = elementwise("subtract", last, folded)
    return prim.take(x, elementwise("minimum", folded, mirrored), axis)


def _ramp(edge: Tensor, axis: int, width: Any, end: Any) -> Tensor:
    """`width` steps from `end` to `edge`, which is left out, as `np.linspace` makes them."""
    edge_line = views.reshape(edge, tuple(d for k, d in enumerate(edge.type.shape) if k != axis))
    dtype = edge.dtype
    ramp: Tensor = FUNCTIONS[np.linspace](
        end, edge_line, num=width, endpoint=False, axis=axis, dtype=dtype
    )
    return ramp


def _statistic(x: Tensor, axis: int, mode: str, length: Any, left: bool) -> Tensor:
    size = x.shape[axis]
    if length is not None and length < size:
        x = part(x, axis, None, length) if left else part(x, axis, size - length, None)
    elif length is None and not size > 0:
        fail(errors.TracedValueError, f"can't pad the empty axis of {describe(x)} with its {mode}")
    found = FUNCTIONS.get(_STATISTICS[mode])
    if found is None:
        fail(errors.UnsupportedError, f"np.pad(mode='{mode}') is not supported")
    result: Tensor = found(x, axis=axis, keepdims=True)
    if result.dtype != x.dtype and x.dtype.kind in "iu":
        result = elementwise("rint", result)
    return cast(result, x.dtype)
