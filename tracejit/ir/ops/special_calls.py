"""Functions of `scipy.special` that SciPy computes at run time: complex ones, several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType, broadcast_shapes


def _infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    shape = broadcast_shapes(*(t.shape for t in types))
    return tuple(TensorType(np.dtype(char), shape) for char in attrs["outputs"])


def _evaluate(*xs: Any, function: str, outputs: str) -> Any:
    with np.errstate(all="ignore"):
        found = getattr(import_module("scipy.special"), function)(*xs)
    results = found if isinstance(found, tuple) else (found,)
    cast = tuple(np.asarray(y, char) for y, char in zip(results, outputs, strict=True))
    return cast if len(cast) > 1 else cast[0]


register(
    OpDef(
        "scipy_special",
        "library",
        _infer,
        _evaluate,
        flops=100,
        doc="`scipy.special.function` of inputs that broadcast; `outputs` has the characters of "
        "the output dtypes.",
    )
)
