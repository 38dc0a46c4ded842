"""The type of every value in the IR: a NumPy dtype and a shape of dims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape

SHORT_NAMES = {
    np.dtype(t): s
    for t, s in [
        ("?", "bool"), ("i1", "i1"), ("i2", "i2"), ("i4", "i4"), ("i8", "i8"), ("u1", "u1"),
        ("u2", "u2"), ("u4", "u4"), ("u8", "u8"), ("f2", "f2"), ("f4", "f4"), ("f8", "f8"),
        ("c8", "c8"), ("c16", "c16"),
    ]
}  # fmt: skip
"""The dtypes a traced tensor can have, with the names the printer uses."""

BOOL, INTP, F2, F4, F8 = (np.dtype(t) for t in ("?", "i8", "f2", "f4", "f8"))


@dataclass(frozen=True, slots=True)
class TensorType:
    """`dtype` and `shape` of a tensor; a scalar has shape `()`. Prints as `f8[n, 3]`."""

    dtype: np.dtype
    shape: Shape = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        return dims.product(self.shape)

    @property
    def nbytes(self) -> Dim:
        return self.size * self.dtype.itemsize

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: np.dtype) -> TensorType:
        return TensorType(np.dtype(dtype), self.shape)

    def substitute(self, env: Mapping[str, Dim]) -> TensorType:
        return TensorType(self.dtype, tuple(dims.substitute(d, env) for d in self.shape))

    def __str__(self) -> str:
        name = SHORT_NAMES.get(self.dtype, str(self.dtype))
        return f"{name}[{', '.join(map(str, self.shape))}]"


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting for dims already known to agree: a dim of 1 gives way to the other.

    Raises ValueError where two dims are neither structurally equal nor 1; whether two different
    symbols are equal is decided while tracing, before a node is built.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = [1] * rank
    for shape in shapes:
        for axis, dim in enumerate(shape, rank - len(shape)):
            if dim == 1 or dim == result[axis]:
                continue
            if result[axis] != 1:
                raise ValueError(f"shapes do not broadcast: {' and '.join(map(str, shapes))}")
            result[axis] = dim
    return tuple(result)
