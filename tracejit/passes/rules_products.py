"""Rules for matrix products."""

from __future__ import annotations

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, Value
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import rule


@rule("matmul")
def product_of_vectors(r: Rewriter, node: Node, a: Value, b: Value) -> Value | None:
    """[1, k] @ [k, 1] = sum(a * b): one nest with what is around it, where BLAS wants a call.

    Rounding: the sum is associated in another way. Not for float16, which NumPy adds up in float32,
    and not for bool, where the product of matrices is no sum.
    """
    type = node.outputs[0].type
    if not _is_one(type.shape[-2]) or not _is_one(type.shape[-1]):
        return None
    if (type.dtype.itemsize == 2 and type.dtype.kind == "f") or type.dtype.kind == "b":
        return None
    row = r.reshape(a, (*a.type.shape[:-2], a.type.shape[-1]))
    column = r.reshape(b, b.type.shape[:-1])
    total = r.apply("sum", r.apply("multiply", row, column), axes=(type.ndim - 2,))
    return r.reshape(total, type.shape)


def _is_one(dim: Dim) -> bool:
    return isinstance(dim, int) and dim == 1
