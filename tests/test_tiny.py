"""The main path in two seconds: trace, call again, other sizes, write back, errors."""

import math

import numpy as np
import pytest

import tracejit
from tracejit import TensorSpec, errors, jit

OFFSET = np.array([1.0, 2.0, 3.0])


@jit
def formula(x, k):
    y = np.exp(x) * OFFSET
    y[1:] += k
    return y, {"sum": y.sum(), "root": math.sqrt(k), "size": len(x)}


def test_formula():
    x = np.linspace(0, 1, 3)
    y, extra = formula(x, 2)
    expected = np.exp(x) * OFFSET
    expected[1:] += 2
    np.testing.assert_allclose(y, expected, rtol=1e-15)
    assert type(extra["sum"]) is np.float64
    assert type(extra["root"]) is float and extra["root"] == math.sqrt(2)
    assert type(extra["size"]) is int and extra["size"] == 3


def test_one_compilation_for_fifty_sizes():
    f = jit(lambda a, b: (a * b + a - b).sum())
    for n in range(2, 52):
        a, b = np.arange(n) + 0.5, np.ones(n)
        assert f(a, b) == pytest.approx((a * b + a - b).sum())
    assert f.cache_info().compiled == 1
    assert f.cache_info().hits == 49


def test_arguments_are_written_back():
    @jit
    def step(x):
        x[1:-1] = (x[:-2] + x[2:]) / 2

    x = np.array([0.0, 5.0, 1.0, 4.0, 2.0])
    expected = x.copy()
    expected[1:-1] = (expected[:-2] + expected[2:]) / 2
    assert step(x) is None
    np.testing.assert_array_equal(x, expected)


def test_wrong_shapes_are_reported_at_the_line():
    @jit
    def add(x, y):
        return x + y

    with pytest.raises(errors.ShapeError) as info:
        add(np.ones((3, 4)), np.ones((5, 4)))
    assert "return x + y\n  shapes do not broadcast: x is f8[n=3, m=4], y is f8[k=5, l=4]" in str(
        info.value
    )


def test_specs():
    graph = jit(lambda x, y: x @ y).trace(TensorSpec(("n", 3)), TensorSpec((3, "m")))
    assert str(graph.results[0].type) == "f8[n, m]"


def test_public_names():
    assert {"jit", "TensorSpec", "config", "errors"} <= set(tracejit.__all__)
