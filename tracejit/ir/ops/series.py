"""Arithmetic of `numpy.polynomial`: NumPy strips zeros, so that only the data tells the sizes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType


def _infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    return tuple(
        TensorType(np.dtype(char), (dims.sym(name),))
        for char, name in zip(attrs["outputs"], attrs["symbols"], strict=True)
    )


def call_series(function: str, *xs: Any) -> tuple[np.ndarray, ...]:
    """`numpy.polynomial.function`, as in `chebyshev.chebadd`, with its results in a tuple."""
    module, name = function.split(".")
    with np.errstate(all="ignore"):
        found = getattr(import_module(f"numpy.polynomial.{module}"), name)(*xs)
    return tuple(map(np.asarray, found if isinstance(found, tuple) else (found,)))


def _evaluate(*xs: Any, function: str, outputs: str, arguments: tuple[Any, ...]) -> Any:
    found = call_series(function, *xs, *arguments)
    cast = tuple(y.astype(char) for y, char in zip(found, outputs, strict=True))
    return cast if len(cast) > 1 else cast[0]


register(
    OpDef(
        "series",
        "library",
        _infer,
        _evaluate,
        flops=20,
        doc="`numpy.polynomial.function` of series, then `arguments`; `outputs` has the characters "
        "of the output dtypes.",
    )
)
