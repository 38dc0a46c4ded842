"""The records of every op; importing this package fills `opdef.OPS`."""

from tracejit.ir.ops import (
    compare,
    elementwise,
    filters,
    floating,
    index,
    integer,
    linalg,
    reduce,
    shape,
    special,
    transcendental,
)

__all__ = [
    "compare",
    "elementwise",
    "filters",
    "floating",
    "index",
    "integer",
    "linalg",
    "reduce",
    "shape",
    "special",
    "transcendental",
]
