"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType, broadcast_shapes


def _infer_matmul(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    a, b = types
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (a.with_shape((*batch, a.shape[-2], b.shape[-1])),)


register(
    OpDef(
        "matmul",
        "library",
        _infer_matmul,
        np.matmul,
        doc="The product of matrices in the last two axes, leading axes broadcast; both inputs "
        "have rank 2 or more and one dtype. Tracing brings `dot`, `@`, `tensordot`, `einsum` and "
        "vectors into this form.",
    )
)
