"""`np.r_`, `np.c_`, `np.mgrid` and `np.ogrid`: grids and joined arrays written as an index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.trace import prim, views
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.ranges import arange, linspace
from tracejit.trace.prim import cast
from tracejit.trace.registry import FUNCTIONS, SUBSCRIPTS
from tracejit.trace.tensor import Tensor


def subscript(owner: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate what answers for `owner[key]` inside a trace."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        SUBSCRIPTS[id(owner)] = function
        return function

    return decorate


def _line(part: slice, default: Any = 0) -> Tensor:
    """The numbers of a slice: an imaginary step is how many there are."""
    start = default if part.start is None else part.start
    step = 1 if part.step is None else part.step
    if isinstance(step, complex):
        return linspace(start, part.stop, int(abs(step)))
    return arange(start, part.stop, step)


def _join(key: Any, axis: int, ndmin: int, trans1d: int) -> Tensor:
    """What `np.lib.index_tricks.AxisConcatenator` does."""
    entries = key if isinstance(key, tuple) else (key,)
    if entries and isinstance(entries[0], str):
        axis, ndmin, trans1d = _directive(entries[0], axis, ndmin, trans1d)
        entries = entries[1:]
    parts: list[Tensor] = []
    operands: list[Any] = []
    for entry in entries:
        if isinstance(entry, slice):
            part = _line(entry)
            own = 1
        else:
            # A Python number does not decide the dtype.
            scalar = isinstance(entry, (int, float, complex)) and not isinstance(entry, np.generic)
            part = strong(entry)
            own = part.ndim
            if scalar or (isinstance(entry, Tensor) and entry.weak is not None):
                operands.append(entry)
                parts.append(views.reshape(part, (1,) * max(ndmin, 1)))
                continue
        operands.append(part)
        parts.append(_placed(part, own, ndmin, trans1d))
    dtype = prim.result_dtype(*operands)
    rank = max((p.ndim for p in parts), default=1)
    where = prim.normalize_axis(axis, rank)
    return prim.copy(prim.concatenate([cast(p, dtype) for p in parts], where))


def _placed(part: Tensor, own: int, ndmin: int, trans1d: int) -> Tensor:
    if own >= ndmin:
        return part if part.ndim else views.reshape(part, (1,))
    wide = views.reshape(part, (*(1,) * (ndmin - part.ndim), *part.type.shape))
    if trans1d == -1:
        return wide
    missing = ndmin - own
    first = trans1d + missing + 1 if trans1d < 0 else trans1d
    axes = list(range(ndmin))
    return views.transpose(wide, [*axes[:first], *axes[missing:], *axes[first:missing]])


def _directive(text: str, axis: int, ndmin: int, trans1d: int) -> tuple[int, int, int]:
    if text in ("r", "c"):
        raise ValueError("matrices are not supported: np.r_['r', ...]")
    try:
        numbers = [int(x) for x in text.split(",")]
    except ValueError:
        raise ValueError(f"special directives must be the first entry: {text!r}") from None
    fields = [axis, ndmin, trans1d]
    fields[: len(numbers)] = numbers
    return fields[0], fields[1], fields[2]


@subscript(np.r_)
def r_(key: Any) -> Tensor:
    return _join(key, 0, 1, -1)


@subscript(np.c_)
def c_(key: Any) -> Tensor:
    return _join(key, -1, 2, 0)


def _lines(key: Any) -> list[Tensor]:
    """The lines of a grid with the dtype they all have."""
    lines = [_line(part) for part in key]
    dtype = prim.result_dtype(*lines)
    return [cast(line, dtype) for line in lines]


@subscript(np.ogrid)
def ogrid(key: Any) -> Any:
    if isinstance(key, slice):
        return _line(key)
    lines = _lines(key)
    rank = len(lines)
    return tuple(
        views.reshape(x, tuple(x.shape[0] if j == k else 1 for j in range(rank)))
        for k, x in enumerate(lines)
    )


@subscript(np.mgrid)
def mgrid(key: Any) -> Tensor:
    if isinstance(key, slice):
        return _line(key)
    return FUNCTIONS[np.stack](FUNCTIONS[np.meshgrid](*_lines(key), indexing="ij"))
