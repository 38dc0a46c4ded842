"""`reduce`, `accumulate` and `reduceat` of any ufunc of two operands, by NumPy at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType

Types = Sequence[TensorType]


def _infer_reduce(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    axes = attrs["axes"]
    shape = tuple(d for k, d in enumerate(types[0].shape) if k not in axes)
    return (TensorType(np.dtype(attrs["dtype"]), shape),)


def _infer_accumulate(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (TensorType(np.dtype(attrs["dtype"]), types[0].shape),)


def _infer_reduceat(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    shape = list(types[0].shape)
    shape[attrs["axis"]] = types[1].shape[0]
    return (TensorType(np.dtype(attrs["dtype"]), tuple(shape)),)


def _reduce(x: Any, ufunc: str, axes: tuple[int, ...], dtype: Any) -> Any:
    with np.errstate(all="ignore"):
        axis = axes if len(axes) != 1 else axes[0]
        return np.asarray(getattr(np, ufunc).reduce(x, axis=axis)).astype(dtype)


def _accumulate(x: Any, ufunc: str, axis: int, dtype: Any) -> Any:
    with np.errstate(all="ignore"):
        return getattr(np, ufunc).accumulate(x, axis=axis).astype(dtype, copy=False)


def _reduceat(x: Any, indices: Any, ufunc: str, axis: int, dtype: Any) -> Any:
    with np.errstate(all="ignore"):
        return getattr(np, ufunc).reduceat(x, indices, axis=axis).astype(dtype, copy=False)


for _name, _infer, _evaluate, _doc in (
    ("ufunc_reduce", _infer_reduce, _reduce, "`np.ufunc.reduce` over `axes`."),
    ("ufunc_accumulate", _infer_accumulate, _accumulate, "`np.ufunc.accumulate` along `axis`."),
    ("ufunc_reduceat", _infer_reduceat, _reduceat, "`np.ufunc.reduceat` of `x` at indices."),
):
    register(OpDef(_name, "library", _infer, _evaluate, flops=4, doc=_doc))
