"""The namespace of the Array API standard (2024.12), its functions jitted.

Arrays are NumPy's own, and so are dtypes, constants and what describes them. It is a module that
the standard's conformance suite takes as it is: CONTRIBUTING.md says how. The environment variable
`TRACEJIT_MODE=fast_compile` interprets what was traced in place of compiling it; `build(mode)` says
it for one namespace.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import tracejit


def words(text: str) -> list[str]:
    """The names in a text."""
    return text.split()


PASSED_THROUGH = words("""
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
    e inf nan newaxis pi finfo iinfo from_dlpack __array_namespace_info__ __array_api_version__
""")

CREATION = words("""
    arange asarray empty empty_like eye full full_like linspace meshgrid ones ones_like tril triu
    zeros zeros_like
""")

UNARY = words("""
    abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag
    isfinite isinf isnan log log1p log2 log10 logical_not negative positive real reciprocal round
    sign signbit sin sinh square sqrt tan tanh trunc
""")

BINARY = words("""
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign
    divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and
    logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract
""")

STATISTICAL = words("cumulative_prod cumulative_sum max mean min prod std sum var")

MANIPULATION = words("""
    broadcast_arrays broadcast_to concat expand_dims flip moveaxis permute_dims repeat reshape roll
    squeeze stack tile unstack
""")

OTHERS = words("""
    clip astype can_cast isdtype result_type argsort sort argmax argmin count_nonzero nonzero
    searchsorted where all any diff take take_along_axis matmul matrix_transpose tensordot vecdot
    unique_all unique_counts unique_inverse unique_values
""")

LINALG = words("""
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
    matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
""")

FFT = words("""
    fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift
""")

MAIN = CREATION + UNARY + BINARY + STATISTICAL + MANIPULATION + OTHERS

STATIC = words("axis axes k n s shape ord offset num shift")
"""Keywords that shapes hang on, which no traced number can be."""


def jitted(function: Callable[..., Any], mode: str | None) -> Any:
    """A jitted function that calls `function` with whatever arguments it is called with."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    made = tracejit.jit(call, static_argnames=STATIC, mode=mode)
    with contextlib.suppress(ValueError):
        # For the suite's comparison of signatures; a ufunc has one from NumPy 2.4 on only.
        made.__signature__ = inspect.signature(function)
    return made


def build(mode: str | None = None) -> SimpleNamespace:
    """The namespace with all functions jitted in `mode`."""
    found = {name: getattr(np, name) for name in PASSED_THROUGH}
    found |= _jitted(np, MAIN, mode)
    found["linalg"] = SimpleNamespace(**_jitted(np.linalg, LINALG, mode))
    found["fft"] = SimpleNamespace(**_jitted(np.fft, FFT, mode))
    return SimpleNamespace(**found)


def _jitted(module: ModuleType, names: list[str], mode: str | None) -> dict[str, Any]:
    return {name: jitted(getattr(module, name), mode) for name in names}


globals().update(vars(build()))
