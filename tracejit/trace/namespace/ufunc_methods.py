"""`reduce`, `accumulate` and `reduceat` of the ufuncs whose methods are not compiled.

They are NumPy's own, called at run time; those of sums, products, extrema and logic are compiled,
in `reductions.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import (
    MISSING,
    axes_of,
    given,
    mask_of,
    require_elements,
    store,
    truth,
)
from tracejit.trace.registry import FUNCTIONS
from tracejit.trace.tensor import Tensor, describe

_NAMES = (
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "fmod", "power",
    "float_power", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
    "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "fmax", "fmin", "hypot",
    "arctan2", "copysign", "gcd", "lcm", "logaddexp", "logaddexp2", "nextafter",
    "heaviside",
)  # fmt: skip


def _dtype(ufunc: np.ufunc, x: Tensor, dtype: Any) -> np.dtype:
    """The dtype in which a method of `ufunc` computes on `x`."""
    wanted = (prim.as_dtype(dtype),) * 3 if given(dtype) else None
    try:
        if wanted is not None:
            return ufunc.resolve_dtypes((None, x.dtype, None), signature=wanted, reduction=True)[2]
        return ufunc.resolve_dtypes((None, x.dtype, None), reduction=True)[2]
    except TypeError as error:
        fail(errors.DTypeError, f"np.{ufunc.__name__}: {error}: {describe(x)}")


def _reduce(ufunc: np.ufunc) -> Callable[..., Any]:
    name = ufunc.__name__

    def reduce(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False,
        initial: Any = MISSING, where: Any = True,
    ) -> Tensor:  # fmt: skip
        x = strong(array)
        if mask_of(where, x) is not None:
            fail(
                errors.UnsupportedError,
                f"where= of np.{name}.reduce is not supported",
                "np.where(mask, x, neutral element) before it",
            )
        axes = axes_of(axis, x)
        if len(axes) > 1 and ufunc.identity is None and name in ("subtract", "divide", "power"):
            raise ValueError(f"reduction operation '{name}' is not reorderable")
        kind = _dtype(ufunc, x, dtype)
        if ufunc.identity is None and not given(initial):
            require_elements(x, axes, name)
        x = prim.cast(x, kind)
        result: Tensor = prim.call("ufunc_reduce", x, ufunc=name, axes=axes, dtype=kind)
        if given(initial):
            result = FUNCTIONS[ufunc](prim.cast(initial, kind), result)
        if truth(keepdims):
            kept = tuple(1 if k in axes else d for k, d in enumerate(x.type.shape))
            result = result.reshape(kept)
        return store(out, result)

    return reduce


def _accumulate(ufunc: np.ufunc) -> Callable[..., Any]:
    def accumulate(array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Tensor:
        x = strong(array)
        kind = _dtype(ufunc, x, dtype)
        k = prim.normalize_axis(axis, x.ndim)
        x = prim.cast(x, kind)
        found = prim.call("ufunc_accumulate", x, ufunc=ufunc.__name__, axis=k, dtype=kind)
        return store(out, found)

    return accumulate


def _reduceat(ufunc: np.ufunc) -> Callable[..., Any]:
    def reduceat(
        array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None
    ) -> Tensor:
        x, at = strong(array), prim.cast(strong(indices), np.int64)
        if at.ndim != 1:
            fail(errors.ShapeError, f"the indices of reduceat are one-dimensional: {describe(at)}")
        kind = _dtype(ufunc, x, dtype)
        k = prim.normalize_axis(axis, x.ndim)
        x = prim.cast(x, kind)
        found = prim.call("ufunc_reduceat", x, at, ufunc=ufunc.__name__, axis=k, dtype=kind)
        return store(out, found)

    return reduceat


for _name in _NAMES:
    _ufunc = getattr(np, _name)
    for _method, _make in (
        ("reduce", _reduce), ("accumulate", _accumulate), ("reduceat", _reduceat),
    ):  # fmt: skip
        FUNCTIONS.setdefault((_ufunc, _method), _make(_ufunc))
