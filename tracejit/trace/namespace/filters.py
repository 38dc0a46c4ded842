"""Convolution and correlation of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.ops.filters import MODES, correlation_size
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.registry import implements
from tracejit.trace.tensor import Tensor, describe

MOST_TAPS = 32
"""A kernel of a fixed size up to this one is a sum of shifted sequences, fused with the rest."""


def _operands(a: Any, v: Any) -> tuple[Tensor, Tensor]:
    x, y = strong(a), strong(v)
    x, y = (t if t.ndim else views.reshape(t, (1,)) for t in (x, y))
    for name, t in (("a", x), ("v", y)):
        if t.ndim > 1:
            fail(errors.ShapeError, f"object too deep for desired array: {name}, {describe(t)}")
        if not t.shape[0] > 0:
            fail(errors.ShapeError, f"{name} cannot be empty")
    common = prim.result_dtype(x, y)
    return prim.cast(x, common), prim.cast(y, common)


def _mode(mode: Any) -> str:
    if isinstance(mode, str) and mode in MODES:
        return mode
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    x, y = _operands(a, v)
    if y.shape[0] > x.shape[0]:
        x, y = y, x
    return _correlated(x, y[::-1], _mode(mode))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Tensor:
    x, y = _operands(a, v)
    y = prim.elementwise("conjugate", y) if y.dtype.kind == "c" else y
    if not x.shape[0] >= y.shape[0]:
        return _correlated(y, x, _mode(mode))[::-1]
    return _correlated(x, y, _mode(mode))


def _correlated(x: Tensor, y: Tensor, mode: str) -> Tensor:
    """`sum(x[k + j] * y[j])` over `j`, for the shifts `k` of `mode`; `y` is not longer."""
    n, taps = x.type.shape[0], y.type.shape[0]
    if not isinstance(taps, int) or taps > MOST_TAPS or x.dtype == bool:
        found: Tensor = prim.call("correlate", x, y, mode=mode)
        return found
    before = {"valid": 0, "same": taps // 2, "full": taps - 1}[mode]
    size = correlation_size(n, taps, mode)
    padded = _padded(x, before, size + taps - 1)
    result = None
    for j in range(taps):
        term = views.slice_(padded, (j,), (size,), (1,)) * y[j]
        result = term if result is None else result + term
    assert result is not None
    return prim.copy(result)


def _padded(x: Tensor, before: int, total: Any) -> Tensor:
    """`x` with zeros in front and after it, `total` elements in all."""
    after = total - before - x.type.shape[0]
    parts = [prim.full((before,), 0, x.dtype), x, prim.full((after,), 0, x.dtype)]
    parts = [p for p in parts if p.type.shape[0] != 0]
    return prim.concatenate(parts, 0) if len(parts) > 1 else x
