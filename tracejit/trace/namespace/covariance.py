"""Covariance and correlation of variables observed together."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.types import F8
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import given
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.tensor import Tensor, describe


def _variables(x: Any, name: str, rowvar: bool, dtype: np.dtype, transposable: bool) -> Tensor:
    """The operand as a matrix with a variable in each row."""
    tensor = prim.cast(x, dtype)
    if tensor.ndim < 2:
        return views.reshape(tensor, (1, -1))
    return tensor.T if not rowvar and transposable else tensor


def _weights(weights: Any, x: Tensor, name: str) -> Tensor | None:
    if weights is None:
        return None
    w = prim.cast(strong(weights), F8)
    if w.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if not w.ndim or not current().same(w.type.shape[0], x.type.shape[1], name):
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    return w


@implements(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Tensor:  # fmt: skip
    """Difference from NumPy: weights are not checked to be whole or positive numbers."""
    if ddof is not None and not prim.any_traced(ddof) and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    operands = [strong(m)] + ([] if y is None else [strong(y)])
    for name, operand in zip("my", operands, strict=False):
        if operand.ndim > 2:
            fail(
                errors.ShapeError,
                f"{name} has more than 2 dimensions: {describe(operand)}",
            )
    kind = (
        prim.as_dtype(dtype) if given(dtype) else np.result_type(F8, *(t.dtype for t in operands))
    )
    x: Any = _variables(operands[0], "m", rowvar, kind, operands[0].ndim != 1)
    if len(operands) == 2:
        other = _variables(operands[1], "y", True, kind, False)
        if not rowvar and not current().same(other.type.shape[0], 1):
            other = other.T
        x = np.concatenate([x, other])
    if ddof is None:
        ddof = 0 if bias else 1
    return _covariance(
        x, ddof, _weights(fweights, x, "fweights"), _weights(aweights, x, "aweights")
    )


def _covariance(x: Any, ddof: Any, counts: Tensor | None, weights: Tensor | None) -> Tensor:
    if counts is None or weights is None:
        w = weights if counts is None else counts
    else:
        w = counts * weights
    means: Any = np.average(x, axis=1, weights=w, returned=True)
    average, total = means
    # As in NumPy: what is left of the observations once `ddof` are taken off.
    if w is None:
        freedom = prim.lift(x.shape[1]) - ddof
    else:
        freedom = total[0]
        if prim.any_traced(ddof) or ddof != 0:
            lost = ddof if weights is None else ddof * np.sum(w * weights) / freedom
            freedom = freedom - lost
    freedom = prim.select(freedom <= 0, 0.0, freedom)
    centered = x - average[:, None]
    other = centered.T if w is None else (centered * w).T
    product = np.dot(centered, np.conj(other)) * np.true_divide(1, freedom)
    found: Tensor = FUNCTIONS[np.squeeze](prim.cast(product, x.dtype))
    return found


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Tensor:
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    deviation = np.sqrt(np.real(np.diag(c)))
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind != "c":
        return np.clip(c, -1, 1)
    return prim.apply("complex", np.clip(c.real, -1, 1), np.clip(c.imag, -1, 1))
