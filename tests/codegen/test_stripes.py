"""Stencils that write what they read: computed in stripes of rows, without an array between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracejit import jit
from tracejit.ir.program import Loop
from tracejit.passes import stripes


@pytest.fixture(autouse=True)
def short_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes of a few rows, so that small arrays have several."""
    monkeypatch.setattr(stripes, "STRIPE_ELEMENTS", 12)


def shifted(x: Any, offsets: tuple[int, ...], reach: int) -> Any:
    return x[tuple(slice(reach + k, n - reach + k) for k, n in zip(offsets, x.shape, strict=True))]


def sweep(offsets: list[tuple[int, ...]], reach: int, factor: float) -> Any:
    def run(x: Any, y: Any) -> None:
        inner = tuple(slice(reach, n - reach) for n in x.shape)
        total = y[inner] * 2
        for k, offset in enumerate(offsets):
            total = total + shifted(x, offset, reach) * (k + 1)
        x[inner] = total * factor

    return run


@given(data=st.data())
@settings(max_examples=25)
def test_random_stencils(data: Any) -> None:
    rank = data.draw(st.integers(1, 3))
    reach = data.draw(st.integers(1, 2))
    offset = st.tuples(*[st.integers(-reach, reach)] * rank)
    offsets = data.draw(st.lists(offset, min_size=2, max_size=4, unique=True))
    shape = data.draw(st.tuples(*[st.integers(2 * reach, 11)] * rank))
    dtype = data.draw(st.sampled_from(["f8", "f4", "i8"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, y = rng.integers(-9, 9, (2, *shape)).astype(dtype)
    order = data.draw(st.sampled_from(["C", "F", "strided"]))
    if order == "strided":
        x = np.repeat(x, 2, -1)[..., ::2]
    found = np.array(x, order="F") if order == "F" else np.array(x)
    run = sweep(offsets, reach, 2 if dtype == "i8" else 0.5)
    jit(run)(found, y)
    run(x, y)
    np.testing.assert_array_equal(found, x)


def loops(function: Any, *args: Any) -> int:
    return sum(isinstance(step, Loop) for step in jit(function).program(*args).walk())


def test_no_array_is_kept_between_reading_and_writing() -> None:
    def heat(u: Any) -> None:
        for _ in range(20):
            u[1:-1, 1:-1] += 0.1 * (
                u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
            )

    u = np.random.default_rng(1).random((30, 9))
    program = jit(heat).program(u)
    assert loops(heat, u) == 2  # over the steps, and over the stripes of each
    assert len(program.buffers) == 1
    expected = u.copy()
    heat(expected)
    jit(heat)(u)
    np.testing.assert_allclose(u, expected, rtol=1e-13)


def test_where_rows_do_not_follow_each_other_the_value_is_kept() -> None:
    def mirrored(x: Any) -> None:
        x[1:-1] = x[::-1][1:-1] + 1

    def spread(x: Any) -> None:
        x[1:] = x[:1] + x[:-1]

    def columns(x: Any) -> None:
        x[1:-1] = x[:-2] + x[2:]

    for function in (mirrored, spread):
        assert loops(function, np.ones((8, 3))) == 0
        x = np.random.default_rng(2).random((40, 3))
        expected = x.copy()
        function(expected)
        jit(function)(x)
        np.testing.assert_array_equal(x, expected)
    assert loops(columns, np.ones((8, 3))) == 1
    assert loops(columns, np.ones((8, 3), order="F")) == 0


def test_what_else_is_read_and_computed() -> None:
    def step(x: Any, y: Any, row: Any, k: float) -> Any:
        total = x[:-2] + x[2:] * row
        x[1:-1] = total * k + np.arange(x.shape[0] - 2)[:, np.newaxis]
        y[2:] = x[1:-1] + y[2:]
        return x[1:-1] - row

    rng = np.random.default_rng(3)
    args = rng.random((17, 4)), rng.random((17, 4)), rng.random(4), 0.5
    again = args[0].copy(), args[1].copy(), args[2], 0.5
    np.testing.assert_allclose(jit(step)(*args), step(*again), rtol=1e-13)
    for found, wanted in zip(args, again, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
