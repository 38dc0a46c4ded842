"""Shared test data: dtypes, shapes, layouts, arrays with the values that break things."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tracejit.ir.types import SHORT_NAMES

DTYPES = tuple(SHORT_NAMES)
FLOATS = tuple(d for d in DTYPES if d.kind == "f")
INTEGERS = tuple(d for d in DTYPES if d.kind in "iu")
COMPLEXES = tuple(d for d in DTYPES if d.kind == "c")


def special_values(dtype: np.dtype) -> np.ndarray:
    """The values of `dtype` at which functions go wrong."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = {0, 1, 2, 3, 5, 7, 8, 31, 63, 64, info.max, info.max - 1, info.max // 2}
        if info.min < 0:
            near |= {-1, -2, -7, -8, info.min, info.min + 1}
        return np.array(sorted(near), object).astype(dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        positive = [
            0,
            0.5,
            1,
            1.5,
            2,
            3,
            np.pi,
            10,
            info.max,
            info.tiny,
            info.smallest_subnormal,
            info.tiny / 2,
            info.eps,
            np.inf,
            np.nan,
        ]
        return np.array([s * v for v in positive for s in (1, -1)]).astype(dtype)
    parts = np.array([0.0, -0.0, 0.5, -1, 2, -3, np.inf, -np.inf, np.nan])
    result = np.empty((len(parts), len(parts)), dtype)
    result.real, result.imag = parts[:, None], parts
    return result.ravel()


def random_values(
    rng: np.random.Generator, dtype: np.dtype, n: int, domain: tuple[float, float] | None = None
) -> np.ndarray:
    """`n` ordinary values: within `domain`, or of all sizes in turn."""
    if dtype.kind == "b":
        return rng.random(n) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        bits = rng.integers(1, 8 * dtype.itemsize + 1, n)
        raw = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
        return raw >> (8 * dtype.itemsize - bits).astype(dtype)
    if dtype.kind == "c":
        result = np.empty(n, dtype)
        part = np.dtype("f4") if dtype == np.dtype("c8") else np.dtype("f8")
        result.real = random_values(rng, part, n, domain or (-10, 10))
        result.imag = random_values(rng, part, n, domain or (-10, 10))
        return result
    if domain is not None:
        return rng.uniform(*domain, n).astype(dtype)
    return (rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4, n)).astype(dtype)


def dtypes(kinds: str = "biufc") -> st.SearchStrategy[np.dtype]:
    return st.sampled_from([d for d in DTYPES if d.kind in kinds])


def shapes(max_rank: int = 3, max_size: int = 5) -> st.SearchStrategy[tuple[int, ...]]:
    """0-d, empty and size-1 shapes among them."""
    return st.lists(st.integers(0, max_size), max_size=max_rank).map(tuple)


@st.composite
def arrays(draw: Any, dtype: np.dtype, shape: tuple[int, ...], special: bool = False) -> np.ndarray:
    """An array of random values in any memory layout: strided, reversed, transposed, broadcast."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed", "broadcast"]))
    stored = tuple(2 * n for n in shape) if layout == "strided" else shape
    if layout == "broadcast" and shape:
        stored = (1, *shape[1:])
    size = int(np.prod(stored, dtype=int))
    values = random_values(rng, np.dtype(dtype), size)
    if special and size:
        some = rng.random(size) < 0.3
        values[some] = rng.choice(special_values(np.dtype(dtype)), size)[some]
    array = values.reshape(stored, order="F" if layout == "F" else "C")
    if layout == "strided":
        return array[(slice(None, None, 2),) * len(shape)]
    if layout == "reversed":
        return array[(slice(None, None, -1),) * len(shape)]
    return np.broadcast_to(array, shape)
