"""Integers that the graph computes, as sizes, bounds and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracejit
from tests.library import assert_equal, check


def test_shapes_from_values() -> None:
    def build(x: np.ndarray) -> Any:
        k = (x > 0.5).sum()
        return (
            np.zeros(k), np.ones((k, 2)) * x.sum(), np.full((2, k + 1), k), np.empty(k).shape[0],
            np.repeat(x, k).sum(), np.broadcast_to(x, (k, x.size)), np.eye(k),
        )  # fmt: skip

    for seed in range(3):
        check(build, np.random.default_rng(seed).random(9))


@given(st.integers(-5, 9), st.integers(-5, 9))
def test_slices_with_computed_bounds(a: int, b: int) -> None:
    x, bounds = np.arange(6.0), np.array([a, b])
    assert_equal(SLICES(x, bounds), slices(x, bounds))
    assert SLICES.cache_info().compiled == 1


def slices(x: np.ndarray, bounds: np.ndarray) -> Any:
    low, high = bounds[0], bounds[1]
    y = x.copy()
    y[low:high] = -1
    y[low:] += 2
    return x[low:high], x[:high].sum(), x[low::2], y, x[1:high] * 2


SLICES = tracejit.jit(slices)


@given(st.integers(-4, 9), st.integers(-4, 9), st.sampled_from([1, 2, 3, -1, -2]))
def test_ranges(a: int, b: int, step: int) -> None:
    def ranges(bounds: np.ndarray) -> Any:
        low, high = bounds[0], bounds[1]
        return np.arange(high), np.arange(low, high, step), np.arange(low, 7, dtype=float)

    check(ranges, np.array([a, b]))


def test_negative_sizes() -> None:
    check(lambda x: np.zeros(x.sum()), np.array([-3]))


def test_one_version_for_every_value() -> None:
    f = tracejit.jit(lambda x: np.arange(x.max()) + np.zeros(x.max()))
    for n in (0, 4, 1, 100):
        np.testing.assert_array_equal(f(np.array([n])), np.arange(n))
    assert f.cache_info().compiled == 1


def test_draws_of_a_computed_size() -> None:
    @tracejit.jit
    def draw(rng: np.random.Generator, x: np.ndarray) -> Any:
        return rng.normal(size=rng.poisson(4.0)) * x.sum(), rng.permutation(x[0])

    mine, theirs = np.random.default_rng(3), np.random.default_rng(3)
    for k in (4, 9):
        x = np.array([k])
        found = draw(mine, x)
        expected = theirs.normal(size=theirs.poisson(4.0)) * k, theirs.permutation(k)
        assert_equal(found, expected)


def test_backward_slices_say_what_to_do() -> None:
    with pytest.raises(tracejit.errors.ConcretizationError):
        tracejit.jit(lambda x, k: x[k[0] :: -1])(np.arange(4.0), np.array([2]))
