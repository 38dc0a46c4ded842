"""Comparing jitted functions with NumPy: values, dtypes, shapes and the types of results."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit


def assert_equal(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    """The same structure, types, dtypes, shapes; the same numbers up to rounding."""
    assert type(found) is type(expected), (type(found), type(expected))
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_equal(a, b, rtol)
        return
    if isinstance(expected, (np.ndarray, np.generic)):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if expected.dtype.kind in "fc":
            single = np.finfo(expected.dtype).eps > 1e-10
            half = expected.dtype == np.float16
            rtol = 1e-2 if half else 2e-4 if single else rtol
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def check(fn: Callable[..., Any], *args: Any, rtol: float = 1e-10, times: int = 1) -> None:
    """`fn`, compiled and interpreted, gives what NumPy gives, or raises the same exception."""
    for mode in ("fast_run", "fast_compile"):
        jitted = tracejit.jit(fn, mode=mode)
        for _ in range(times):
            try:
                expected = fn(*copy.deepcopy(args))
            except Exception as error:
                with pytest.raises(type(error)):
                    jitted(*copy.deepcopy(args))
                continue
            assert_equal(jitted(*copy.deepcopy(args)), expected, rtol)
