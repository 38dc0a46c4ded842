"""The records of every op; importing this package fills `opdef.OPS`."""

from tracejit.ir.ops import compare, elementwise, linalg, reduce, shape

__all__ = ["compare", "elementwise", "linalg", "reduce", "shape"]
