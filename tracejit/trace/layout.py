"""Where the elements of a view lie: strides, in elements, as dims.

A trace has no memory; strides are followed only to know where NumPy's `reshape` would give a view
and where a copy, which a later write makes visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from zlib import crc32

from tracejit.ir.dims import Dim, Shape

Strides = tuple[Dim, ...]


def contiguous(shape: Shape, order: str = "C") -> Strides:
    """The strides of a fresh array."""
    strides: list[Dim] = []
    total: Dim = 1
    for dim in shape if order == "F" else reversed(shape):
        strides.append(total)
        total = total * dim
    return tuple(strides if order == "F" else reversed(strides))


def reshaped(
    shape: Shape, strides: Strides, new: Shape, hint: Callable[[Dim], int | None]
) -> Strides | None:
    """The strides of the view that has the shape `new`, None if there is none (NumPy's algorithm).

    Groups of old axes stand against groups of new ones of the same size; the axes of an old group
    must lie behind each other. `hint` gives the sizes of this call, by which groups are found.
    """
    if strides == contiguous(shape):
        return contiguous(new)
    axes = [(d, s) for d, s in zip(shape, strides, strict=True) if d != 1]
    old_sizes = [_size(d, hint) for d, _ in axes]
    new_sizes = [_size(d, hint) for d in new]
    if 0 in old_sizes:
        return contiguous(new)
    result: list[Dim] = [1] * len(new)
    first_old = first_new = 0
    while first_old < len(axes) and first_new < len(new):
        last_old, last_new = first_old + 1, first_new + 1
        have, want = old_sizes[first_old], new_sizes[first_new]
        while have != want:
            if want < have and last_new < len(new):
                want *= new_sizes[last_new]
                last_new += 1
            elif last_old < len(axes):
                have *= old_sizes[last_old]
                last_old += 1
            else:
                return None
        group = axes[first_old:last_old]
        for (_, outer), (inner, step) in pairwise(group):
            if not _agree(outer, inner * step, hint):
                return None
        total = group[-1][1]
        for k in range(last_new - 1, first_new - 1, -1):
            result[k] = total
            total = total * new[k]
        first_old, first_new = last_old, last_new
    return tuple(result)


def _agree(a: Dim, b: Dim, hint: Callable[[Dim], int | None]) -> bool:
    return a == b or (hint(a) is not None and hint(a) == hint(b))


def is_contiguous(shape: Shape, strides: Strides) -> bool:
    """Whether the elements lie in C order without gaps."""
    wanted = contiguous(shape)
    return all(d == 1 or s == w for d, s, w in zip(shape, strides, wanted, strict=True))


def _size(dim: Dim, hint: Callable[[Dim], int | None]) -> int:
    """A number to find groups by; sizes that a spec leaves open count as large and different."""
    value = hint(dim)
    return value if value is not None else 1_000_003 + crc32(str(dim).encode()) % 9973


def sliced(strides: Strides, steps: Sequence[int]) -> Strides:
    return tuple(s * k for s, k in zip(strides, steps, strict=True))
