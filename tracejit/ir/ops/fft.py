"""Discrete Fourier transforms, called at run time.

`n` and `s` are the sizes that the transforms work on, one for each axis transformed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.opdef import Attrs, Infer, OpDef, register
from tracejit.ir.types import F2, F4, F8, TensorType

_SINGLE = (F2, F4, np.dtype("c8"))


def complex_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex result."""
    return np.dtype("c8" if dtype in _SINGLE else "c16")


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of a real result; float16 stays what it is."""
    return F2 if dtype == F2 else F4 if dtype in _SINGLE else F8


def _half(size: Dim) -> Dim:
    return dims.floordiv(size, 2) + 1


def _whole(size: Dim) -> Dim:
    return size


Rule = tuple[Callable[[np.dtype], np.dtype], Callable[[Dim], Dim]]
_COMPLEX: Rule = (complex_dtype, _whole)
_TO_HALF: Rule = (complex_dtype, _half)
_TO_REAL: Rule = (real_dtype, _whole)


def _infer(rule: Rule) -> Infer:
    """The last axis of `axes` gets what `rule` says, the others their size."""
    dtype, length = rule

    def infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        (x,) = types
        axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
        sizes = attrs["s"] if "s" in attrs else (attrs["n"],)
        shape = list(x.shape)
        for axis, size in reversed(list(zip(axes, sizes, strict=True))):
            shape[axis] = size
        if axes:
            shape[axes[-1]] = length(shape[axes[-1]])
        return (TensorType(dtype(x.dtype), tuple(shape)),)

    return infer


_RULES: dict[str, Rule] = {
    "fft": _COMPLEX, "ifft": _COMPLEX, "rfft": _TO_HALF, "irfft": _TO_REAL, "hfft": _TO_REAL,
    "ihfft": _TO_HALF, "fftn": _COMPLEX, "ifftn": _COMPLEX, "rfftn": _TO_HALF, "irfftn": _TO_REAL,
}  # fmt: skip


def _evaluate(function: Callable[..., Any]) -> Callable[..., Any]:
    if function.__name__.endswith("n"):
        return lambda a, s, axes, norm: function(a, s, axes, norm)
    return lambda a, n, axis, norm: function(a, n, axis, norm)


for _name, _rule in _RULES.items():
    _function = getattr(np.fft, _name)
    register(
        OpDef(
            _name,
            "library",
            _infer(_rule),
            _evaluate(_function),
            numpy=(_function,),
            doc=f"As `np.fft.{_name}`.",
        )
    )
