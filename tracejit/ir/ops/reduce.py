"""Reductions over `axes` (dropped from the shape) and cumulative operations along `axis`.

The body combines the accumulator with one element. Reductions of sums and products may be
reassociated; minima, maxima and their positions may not change under it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir.opdef import OPS, Attrs, Infer, OpDef, register
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import INTP, TensorType

Types = Sequence[TensorType]


def _infer_reduce(dtype: np.dtype | None = None) -> Infer:
    def infer(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
        x = types[0]
        axes = set(attrs["axes"])
        shape = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        return (TensorType(dtype or x.dtype, shape),)

    return infer


def reduction(
    name: str,
    body: Callable[..., Scalar],
    evaluate: Callable[..., Any],
    identity: Callable[[np.dtype], Any] | None,
    doc: str,
) -> OpDef:
    """Register a reduction that keeps the dtype of its input, which the caller has cast."""
    return register(
        OpDef(
            name,
            "reduce",
            _infer_reduce(),
            evaluate,
            body=body,
            identity=identity,
            commutative=True,
            doc=doc,
        )
    )


def _minimum(o: Scalars, a: Scalar, b: Scalar) -> Scalar:
    return o.select((a <= b) | o.isnan(a), a, b)


def _maximum(o: Scalars, a: Scalar, b: Scalar) -> Scalar:
    return o.select((a >= b) | o.isnan(a), a, b)


reduction(
    "sum",
    lambda o, acc, x: acc + x,
    lambda x, axes: np.sum(x, axis=axes, dtype=x.dtype),
    lambda dtype: dtype.type(0),
    "The sum; wraps for integers.",
)
reduction(
    "prod",
    lambda o, acc, x: acc * x,
    lambda x, axes: np.prod(x, axis=axes, dtype=x.dtype),
    lambda dtype: dtype.type(1),
    "The product; wraps for integers.",
)
reduction(
    "min",
    _minimum,
    lambda x, axes: np.min(x, axis=axes),
    None,
    "The smallest element, NaN if there is one; the reduced size is at least 1.",
)
reduction(
    "max",
    _maximum,
    lambda x, axes: np.max(x, axis=axes),
    None,
    "The largest element, NaN if there is one; the reduced size is at least 1.",
)
reduction(
    "any",
    lambda o, acc, x: acc | x,
    lambda x, axes: np.any(x, axis=axes),
    lambda dtype: np.False_,
    "Whether any element of a bool tensor is true.",
)
reduction(
    "all",
    lambda o, acc, x: acc & x,
    lambda x, axes: np.all(x, axis=axes),
    lambda dtype: np.True_,
    "Whether every element of a bool tensor is true.",
)

ARG_REDUCTIONS = {"argmin": "<", "argmax": ">"}
"""Position of the first extreme element (or first NaN) along one axis: `axes` has one entry."""


def _register_arg(name: str, function: Callable[..., Any]) -> None:
    relation = ARG_REDUCTIONS[name]

    def better(o: Scalars, x: Scalar, acc: Scalar) -> Scalar:
        """Whether `x`, found later, takes the place of `acc`."""
        wins = o.compare(relation, x, acc)
        return (wins | o.isnan(x)) & ~o.isnan(acc)

    register(
        OpDef(
            name,
            "reduce",
            _infer_reduce(INTP),
            lambda x, axes: function(x, axis=axes[0]),
            body=better,
            doc="The first position of the extreme element along one axis, of the first NaN if "
            "there is one. The body says whether a later element replaces the best so far.",
        )
    )


_register_arg("argmin", np.argmin)
_register_arg("argmax", np.argmax)


def _cumulative(name: str, body: Callable[..., Scalar], evaluate: Callable[..., Any]) -> None:
    register(
        OpDef(
            name,
            "structural",
            lambda types, attrs: (types[0],),
            evaluate,
            body=body,
            doc="Element k along `axis` combines elements 0 to k of `x`, in order.",
        )
    )


_cumulative("cumsum", lambda o, acc, x: acc + x, lambda x, axis: np.cumsum(x, axis, x.dtype))
_cumulative("cumprod", lambda o, acc, x: acc * x, lambda x, axis: np.cumprod(x, axis, x.dtype))
_cumulative("cummin", _minimum, lambda x, axis: np.minimum.accumulate(x, axis))
_cumulative("cummax", _maximum, lambda x, axis: np.maximum.accumulate(x, axis))


def identity(op: str, dtype: np.dtype) -> Any:
    """What a reduction starts from: for minima and maxima the extreme of the dtype."""
    record = OPS[op]
    if record.identity is not None:
        return record.identity(dtype)
    low = op in ("max", "argmax")
    if dtype.kind == "b":
        return np.bool_(not low)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return dtype.type(info.min if low else info.max)
    edge = -np.inf if low else np.inf
    return dtype.type(complex(edge, edge) if dtype.kind == "c" else edge)
