"""The scalar bodies of reductions and cumulative operations against their NumPy references."""

from __future__ import annotations

import numpy as np
import pytest

import tracejit.ir.ops  # noqa: F401
from tests.ops.numpy_scalars import run_body
from tests.strategies import DTYPES, special_values
from tracejit.ir.opdef import OPS

REDUCTIONS = ("sum", "prod", "min", "max", "any", "all")
CUMULATIVE = ("cumsum", "cumprod", "cummin", "cummax")


def columns(dtype: np.dtype) -> np.ndarray:
    """40 columns of 5 elements each, among them all that is special about `dtype`."""
    rng = np.random.default_rng(0)
    return rng.choice(special_values(dtype), (5, 40)).astype(dtype)


def skip_unless_taken(name: str, dtype: np.dtype) -> None:
    anything = name in ("min", "max", "cummin", "cummax")
    if (name in ("any", "all")) != (dtype.kind == "b") and not anything:
        pytest.skip("tracing never applies it to this dtype")
    if name in ("cumprod", "prod") and dtype.kind == "c":
        pytest.skip("inf times a complex number depends on the order")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", (*REDUCTIONS, *CUMULATIVE))
def test_body_of_reduction(name: str, dtype: np.dtype) -> None:
    skip_unless_taken(name, dtype)
    record, x = OPS[name], columns(dtype)
    acc, steps = x[0], [x[0]]
    for row in x[1:]:
        acc = run_body(record, [acc, row])[0].astype(dtype)
        steps.append(acc)
    with np.errstate(all="ignore"):
        if name in CUMULATIVE:
            want, got = record.evaluate(x, axis=0), np.array(steps)
        else:
            want, got = record.evaluate(x, axes=(0,)), acc
    if dtype == np.float16 and name in ("sum", "prod", "cumsum", "cumprod"):
        np.testing.assert_allclose(got, want, rtol=0.02)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["argmin", "argmax"])
def test_body_of_position(name: str, dtype: np.dtype) -> None:
    record, x = OPS[name], columns(dtype)
    best, where = x[0], np.zeros(x.shape[1], int)
    for k, row in enumerate(x[1:], 1):
        better = run_body(record, [row, best])[0].astype(bool)
        best, where = np.where(better, row, best), np.where(better, k, where)
    np.testing.assert_array_equal(where, record.evaluate(x, axes=(0,)))
