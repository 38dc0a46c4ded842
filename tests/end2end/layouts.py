"""Random arrays in every layout."""

from __future__ import annotations

import numpy as np

LAYOUTS = ("C", "C", "F", "strided", "reversed", "inner", "turned", "broadcast")


def make_array(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str, layout: str
) -> np.ndarray:
    """A random array; `layout` says how it lies in memory."""

    def values(shape: tuple[int, ...]) -> np.ndarray:
        kind = np.dtype(dtype).kind
        if kind == "b":
            return rng.random(shape) < 0.5
        x = rng.integers(-9, 10, shape)
        if kind == "c":
            return (x / 4 + 1j * rng.integers(-9, 10, shape) / 4).astype(dtype)
        return (x / 4 if kind == "f" else x).astype(dtype)

    if layout == "F":
        return np.asfortranarray(values(shape))
    if layout == "strided":
        return values(tuple(2 * n + 1 for n in shape))[tuple(slice(1, None, 2) for _ in shape)]
    if layout == "reversed":
        return values(shape)[tuple(slice(None, None, -1) for _ in shape)]
    if layout == "inner":
        return values(tuple(n + 2 for n in shape))[tuple(slice(1, n + 1) for n in shape)]
    if layout == "turned":
        perm = rng.permutation(len(shape))
        back = np.argsort(perm)
        return values(tuple(shape[p] for p in perm)).transpose(back)
    if layout == "broadcast":
        return np.broadcast_to(values(shape[1:]), shape)
    return values(shape)
