"""Draws from a Generator that is an argument: NumPy's stream, the caller's generator advances."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracejit
from tests.library import assert_equal

MODES = ("fast_run", "fast_compile")


def check(fn: Callable[..., Any], *args: Any, seed: int = 7) -> None:
    """The same results in each of three calls, and the same generator afterwards."""
    for mode in MODES:
        jitted = tracejit.jit(fn, mode=mode)
        mine, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
        for _ in range(3):
            expected = fn(theirs, *copy.deepcopy(args))
            assert_equal(jitted(mine, *copy.deepcopy(args)), expected)
            assert mine.bit_generator.state == theirs.bit_generator.state
        assert jitted.cache_info().compiled == 1


POSITIVE = np.linspace(0.5, 3, 6).reshape(2, 3)
CALLS: dict[str, tuple[Any, ...]] = {
    "random": (), "standard_normal": (), "standard_exponential": (), "standard_gamma": (2.0,),
    "exponential": (1.5,), "normal": (1.0, 2.0), "uniform": (-1.0, 2.0), "gamma": (2.0, 3.0),
    "beta": (1.0, 2.0), "chisquare": (2.0,), "f": (2.0, 3.0), "gumbel": (), "laplace": (1, 2),
    "logistic": (), "lognormal": (), "noncentral_chisquare": (2.0, 1.0),
    "noncentral_f": (2.0, 3.0, 1.0), "pareto": (2.0,), "power": (2.0,), "rayleigh": (2.0,),
    "standard_cauchy": (), "standard_t": (3.0,), "triangular": (0.0, 1.0, 2.0),
    "vonmises": (0.0, 1.0), "wald": (1.0, 1.0), "weibull": (2.0,), "binomial": (5, 0.3),
    "geometric": (0.3,), "hypergeometric": (5, 6, 7), "logseries": (0.3,),
    "negative_binomial": (5, 0.3), "poisson": (3.0,), "zipf": (3.0,), "integers": (2, 9),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_distributions(name: str) -> None:
    args = CALLS[name]

    def draw(rng: np.random.Generator, x: np.ndarray) -> Any:
        one = getattr(rng, name)(*args)
        some = getattr(rng, name)(*args, size=4)
        many = getattr(rng, name)(*args, size=(2, x.shape[0]))
        none = getattr(rng, name)(*args, size=())
        return one, some * 2, many + x, none

    check(draw, np.ones(3))


@pytest.mark.parametrize("name", ["normal", "uniform", "gamma", "poisson", "exponential"])
def test_traced_parameters(name: str) -> None:
    def draw(rng: np.random.Generator, x: np.ndarray, a: float) -> Any:
        method = getattr(rng, name)
        first = method(x / 4)
        second = method(a / 2), method(a - 1.0, size=x.shape)
        return first, *second, method(x[0] / 4, size=(5, *x[0].shape))

    check(draw, POSITIVE, 1.5)


def test_options() -> None:
    def draw(rng: np.random.Generator, x: np.ndarray) -> Any:
        out = np.zeros(5)
        rng.random(out=out)
        single = rng.standard_normal(3, dtype=np.float32)
        rng.standard_normal(out=out[:])
        return (
            out, single, rng.random(dtype="f4"), rng.standard_exponential(2, method="inv"),
            rng.integers(5, size=3, dtype=np.int8), rng.integers(x.astype(int) + 3),
            rng.integers(0, 4, endpoint=True), rng.integers(7, dtype=int),
            rng.standard_gamma(x, dtype=np.float32),
        )  # fmt: skip

    check(draw, POSITIVE)


def test_vectors() -> None:
    def draw(rng: np.random.Generator, p: np.ndarray) -> Any:
        cov = np.eye(2) * 2 + 0.5
        return (
            rng.multinomial(20, p), rng.multinomial(20, p, size=4), rng.dirichlet(p * 3),
            rng.dirichlet(p, size=(2, 2)), rng.multivariate_normal(p[:2], cov),
            rng.multivariate_normal(p[:2], cov, size=3, method="cholesky"),
        )  # fmt: skip

    check(draw, np.array([0.2, 0.3, 0.5]))


def test_choice() -> None:
    def draw(rng: np.random.Generator, x: np.ndarray, p: np.ndarray, n: int) -> Any:
        return (
            rng.choice(5), rng.choice(x.shape[0], 3), rng.choice(x, (2, 2)), rng.choice(n, size=4),
            rng.choice(x[:, 0], 2, replace=False), rng.choice(x, p=p), rng.choice(x[:, 1]),
            rng.choice(x, 2, axis=1), rng.choice(4, 3, False, p, shuffle=False),
        )  # fmt: skip

    check(draw, np.arange(12.0).reshape(4, 3), np.array([0.1, 0.2, 0.3, 0.4]), 9)


def test_permutations() -> None:
    def draw(rng: np.random.Generator, x: np.ndarray) -> Any:
        y = x.copy()
        rng.shuffle(y)
        rng.shuffle(y[:, ::2], axis=1)
        rng.shuffle(x[0])
        return (
            y, x, rng.permutation(x.shape[0]), rng.permutation(x, axis=1), rng.permuted(x),
            rng.permuted(x, axis=0), rng.permutation(6),
        )  # fmt: skip

    check(draw, np.arange(12.0).reshape(4, 3))


def test_shuffle_writes_the_argument() -> None:
    @tracejit.jit
    def mix(rng: np.random.Generator, x: np.ndarray) -> None:
        rng.shuffle(x)

    x, y = np.arange(10), np.arange(10)
    mix(np.random.default_rng(3), x)
    np.random.default_rng(3).shuffle(y)
    np.testing.assert_array_equal(x, y)


# Order.


def test_unread_draws_advance_the_generator() -> None:
    def draw(rng: np.random.Generator) -> Any:
        rng.random(3)
        first = rng.random()
        rng.normal(size=2)
        return first

    check(draw)
    check(lambda rng: np.random.default_rng(rng).random())


def test_equal_draws_are_two() -> None:
    check(lambda rng: rng.random(3) + rng.random(3) * 2 - rng.random(3))


@given(st.lists(st.sampled_from(["a", "b", "same"]), min_size=2, max_size=8))
def test_the_order_of_draws_is_kept(order: list[str]) -> None:
    """Also where two arguments are the same generator, or share a bit generator."""

    def draw(gens: dict[str, np.random.Generator], x: np.ndarray) -> Any:
        parts = [gens[name].normal(size=x.shape) * x for name in order]
        return parts[::-1], sum(parts[::2])

    def generators() -> dict[str, np.random.Generator]:
        a, b = np.random.default_rng(1), np.random.default_rng(2)
        return {"a": a, "b": b, "same": a}

    x = np.arange(3.0)
    mine, theirs = generators(), generators()
    jitted = tracejit.jit(draw)
    for _ in range(2):
        assert_equal(jitted(mine, x), draw(theirs, x))
    for name in mine:
        assert mine[name].bit_generator.state == theirs[name].bit_generator.state


def test_in_helpers_containers_and_results() -> None:
    def noise(rng: np.random.Generator, like: np.ndarray, scale: float = 0.1) -> np.ndarray:
        assert isinstance(rng, np.random.Generator)
        return scale * rng.standard_normal(like.shape)

    def step(state: tuple[np.ndarray, np.random.Generator]) -> Any:
        x, rng = state
        x = x + noise(rng, x)
        return x, rng

    f = tracejit.jit(step)
    mine, theirs = np.random.default_rng(0), np.random.default_rng(0)
    found, expected = (np.zeros(4), mine), (np.zeros(4), theirs)
    for _ in range(3):
        found, expected = f(found), step(expected)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
        assert found[1] is mine


def test_other_bit_generators_and_seeds_use_one_version() -> None:
    f = tracejit.jit(lambda rng, x: rng.uniform(x, x + 1))
    x = np.arange(4.0)
    for bits in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        mine, theirs = (np.random.Generator(bits(5)) for _ in range(2))
        np.testing.assert_array_equal(f(mine, x), theirs.uniform(x, x + 1))
    assert f.cache_info().compiled == 1
    assert "called: Generator.uniform" in str(f.explain())


# Errors.


def test_an_error_in_a_draw_is_numpys() -> None:
    for mode in MODES:
        f = tracejit.jit(lambda rng, s: rng.normal(0.0, s) + rng.normal(), mode=mode)
        mine, theirs = np.random.default_rng(0), np.random.default_rng(0)
        with pytest.raises(ValueError, match=r"rng.normal(.|\n)*scale < 0"):
            f(mine, -1.0)
        assert mine.bit_generator.state == theirs.bit_generator.state
        assert f(mine, 2.0) == theirs.normal(0.0, 2.0) + theirs.normal()


def test_an_index_out_of_bounds_does_not_draw_twice() -> None:
    def draw(rng: np.random.Generator, x: np.ndarray, i: np.ndarray) -> Any:
        return rng.random(3), x[i]

    f = tracejit.jit(draw)
    mine, theirs = np.random.default_rng(0), np.random.default_rng(0)
    with pytest.raises(IndexError):
        f(mine, np.ones(3), np.array([7]))
    theirs.random(3)
    assert mine.bit_generator.state == theirs.bit_generator.state


OUTSIDE = np.random.default_rng(0)


def test_generators_from_elsewhere_are_refused() -> None:
    state = np.random.RandomState(0)
    functions: list[Callable[[np.ndarray], Any]] = [
        lambda x: x + OUTSIDE.random(),
        lambda x: x + np.random.rand(3),
        lambda x: np.random.seed(1),
        lambda x: x * state.normal(),
        lambda x: np.random.default_rng(1).random(3) + x,
        lambda x: np.random.Generator(np.random.PCG64(1)).random(3) + x,
    ]
    for fn in functions:
        with pytest.raises(tracejit.errors.UnsupportedError) as caught:
            tracejit.jit(fn)(np.ones(3))
        assert "argument" in str(caught.value)
        assert "test_random.py" in str(caught.value)
    with pytest.raises(tracejit.errors.ArgumentError, match="default_rng"):
        tracejit.jit(lambda s: s.rand(3))(state)
    for name in ("spawn", "bit_generator", "bytes"):
        with pytest.raises(tracejit.errors.UnsupportedError, match=name):
            tracejit.jit(lambda rng, name=name: getattr(rng, name))(OUTSIDE)
