"""Sizes that are values: a number that the graph computes becomes the size of what comes after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracejit.ir import dims
from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import BOOL, TensorType


def _infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    return (TensorType(BOOL, (dims.sym(attrs["symbols"][0]), 0)),)


register(
    OpDef(
        "size_of_value",
        "library",
        _infer,
        lambda x, most=None: np.empty((int(x), 0), bool),
        doc="Binds a size symbol to the integer `x`, which must not be negative, nor more "
        "than the dim `most`, if there is one. The result is an "
        "array of so many rows without columns, which takes no memory.",
    )
)
