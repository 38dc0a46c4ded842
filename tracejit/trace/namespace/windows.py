"""Window functions, whose length may be a size of the trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.trace import prim
from tracejit.trace.namespace.creation import as_shape
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor


def _window(function: Any, values: Callable[..., Any]) -> None:
    """Register a window of `M` points, `values(n, M)` of the odd steps from `1 - M` to `M - 1`."""

    def window(M: Any, *args: Any) -> Any:
        count = M if isinstance(M, Size) else M.__index__()
        if count < 1:
            return prim.full((0,), 0.0, float)
        if count == 1:
            return prim.full((1,), 1.0, float)
        steps = prim.iota(as_shape(count), 0)
        return prim.copy(values(prim.cast(2 * steps + 1 - count, float), count - 1, *args))

    implements(function)(window)


_window(np.hanning, lambda n, m: 0.5 + 0.5 * np.cos(np.pi * n / m))
_window(np.hamming, lambda n, m: 0.54 + 0.46 * np.cos(np.pi * n / m))
_window(
    np.blackman,
    lambda n, m: 0.42 + 0.5 * np.cos(np.pi * n / m) + 0.08 * np.cos(2.0 * np.pi * n / m),
)
_window(np.bartlett, lambda n, m: prim.select(n <= 0, 1 + n / m, 1 - n / m))


def _kaiser(n: Tensor, m: Any, beta: Any) -> Any:
    half = m / 2.0
    inside = 1 - (((n + m) / 2 - half) / half) ** 2.0
    return np.i0(beta * np.sqrt(inside)) / FUNCTIONS[np.i0](prim.cast(beta, float))


_window(np.kaiser, _kaiser)
