"""Products of a matrix and a vector in loops: computed in place, in one nest with what follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracejit
from tracejit.ir.graph import Graph
from tracejit.ir.program import MatMul


def left(h, x, w):
    out = np.zeros((len(x), len(h)))
    for t in range(len(x)):
        h = np.tanh(w @ h + x[t])
        out[t] = h
    return out


def right(h, x, w):
    for t in range(len(x)):
        h = h @ w + x[t]
        h *= 0.5
    return h


def both(h, x, w):
    total = 0.0
    for t in range(len(x)):
        total += (w @ x[t]) @ h
        if total > 1:
            h = h @ w
    return total, h


def outside(h, x, w):
    return w @ h + x[0] @ w


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.walk()]


@pytest.mark.parametrize("function", [left, right, both, outside])
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(5, 8))
def test_results(function, seed, size, steps):
    rng = np.random.default_rng(seed)
    args = rng.normal(size=size), rng.normal(size=(steps, size)), rng.normal(size=(size, size)) / 3
    compiled = tracejit.jit(function)
    for got, want in (
        zip(np.atleast_1d(compiled(*args)), np.atleast_1d(function(*args)), strict=True)
        if function is not both
        else zip(compiled(*args), function(*args), strict=True)
    ):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)


def test_what_calls_blas():
    rng = np.random.default_rng(0)
    args = rng.normal(size=4), rng.normal(size=(6, 4)), rng.normal(size=(4, 4))
    for function, products in [(left, 0), (right, 1), (outside, 2)]:
        program = tracejit.jit(function).program(*args)
        assert sum(isinstance(s, MatMul) for s in program.walk()) == products
    assert "matmul" not in ops(tracejit.jit(left).optimize(*args))
