"""Sequences correlated with others by NumPy at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType

MODES = ("valid", "same", "full")


def correlation_size(n: Dim, taps: Dim, mode: str) -> Dim:
    """How many shifts of `taps` elements along `n` elements `mode` has; `taps` is not larger."""
    return {"valid": n - taps + 1, "same": n, "full": n + taps - 1}[mode]


def _infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    x, y = types
    return (x.with_shape((correlation_size(x.shape[0], y.shape[0], attrs["mode"]),)),)


def _evaluate(x: Any, y: Any, mode: Any) -> Any:
    # NumPy conjugates the second operand, which is plain here.
    return np.correlate(x, np.conj(y), mode)


register(
    OpDef(
        "correlate",
        "library",
        _infer,
        _evaluate,
        flops=16,
        doc="The sums of `x[k + j] * y[j]` over `j`, for the shifts `k` of `mode`; `y` is not "
        "longer than `x`, and both have one dtype.",
    )
)
