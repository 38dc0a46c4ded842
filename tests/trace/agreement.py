"""Comparing a jitted function with NumPy: results, their types, every argument afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.trace.support import leaves
from tracejit import jit


def _outcome(fn: Callable[..., Any], args: tuple[Any, ...]) -> tuple[list[Any], type | None]:
    """Results and arguments afterwards; or the arguments, and the kind of error."""
    copies = [_copy(a) if isinstance(a, np.ndarray) else a for a in args]
    kinds = (IndexError, ValueError, TypeError, ZeroDivisionError)
    with np.errstate(all="ignore"):
        try:
            found = leaves(fn(*copies))
        except kinds as error:
            return copies, next(k for k in kinds if isinstance(error, k))
    return [*found, *copies], None


def _copy(array: np.ndarray) -> np.ndarray:
    """A copy that lies in memory as the original does."""
    order = np.argsort([-abs(s) for s in array.strides], kind="stable")
    turned = array.transpose(order)
    steps = [-1 if s < 0 else 1 for s in turned.strides]
    if steps and abs(turned.strides[-1]) > array.itemsize:
        steps[-1] *= 2
    room = np.zeros([n * abs(k) for n, k in zip(turned.shape, steps, strict=True)], array.dtype)
    view = room[(..., *(slice(None, None, k) for k in steps))]
    view[...] = turned
    return view.transpose(np.argsort(order))


def agree(fn: Callable[..., Any], *args: Any, mode: str = "fast_compile") -> None:
    """Hold jitted `fn` against NumPy on `args`: the same results, or errors, and side effects."""
    want, failed = _outcome(fn, args)
    got, error = _outcome(jit(fn, mode=mode), args)
    assert error is failed, f"{error} came, NumPy has {failed}"
    assert len(got) == len(want)
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        where = f"number {k}"
        assert isinstance(a, np.ndarray) == isinstance(b, np.ndarray), (where, type(a), type(b))
        assert np.asarray(a).dtype == np.asarray(b).dtype, (where, a, b)
        assert np.shape(a) == np.shape(b), (where, np.shape(a), np.shape(b))
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=0, equal_nan=True, err_msg=where)
