"""Nodes that a library computes amid compiled code, and sizes that only they find out."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracejit
from tests.library import assert_equal, check
from tests.runtime.processes import run
from tracejit.codegen_cpu.native_abi import runtime


@pytest.fixture
def pool() -> Iterator[Any]:
    native = runtime()
    if native is None:
        pytest.skip("no native runtime here")
    native.set_pool(0)
    native.set_pool(1 << 30)
    yield native
    native.set_pool(tracejit.config.pool_bytes)


def selected(x: np.ndarray, limit: float) -> Any:
    chosen = x[x > limit]
    scaled = chosen * 2 + 1
    return scaled, scaled.sum(), scaled.size, chosen[1:] - chosen[:-1]


@given(st.integers(1, 5000), st.floats(-1, 2), st.integers(0, 99))
def test_results_of_a_size_known_at_run_time(n: int, limit: float, seed: int) -> None:
    x = np.random.default_rng(seed).random(n)
    assert_equal(JITTED(x, limit), selected(x, limit))


JITTED = tracejit.jit(selected)


def test_one_version_serves_every_size() -> None:
    f = tracejit.jit(selected)
    for n in (5, 0, 1, 100_000, 3):
        x = np.random.default_rng(n).random(n)
        assert_equal(f(x, 0.5), selected(x, 0.5))
    assert f.cache_info().compiled == 1


def test_results_own_their_memory() -> None:
    f = tracejit.jit(lambda x: x[x > 0.5])
    x = np.random.default_rng(0).random(200_000)
    first = f(x)
    again = [f(x) for _ in range(3)]
    assert first.flags.owndata and first.flags.writeable
    assert not any(np.shares_memory(first, other) for other in again)
    expected = x[x > 0.5]
    del again, x
    gc.collect()
    np.testing.assert_array_equal(first, expected)


def test_sizes_that_must_fit() -> None:
    def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x[x > 0.5] + y[y > 0.5]

    x = np.random.default_rng(0).random(100)
    check(add, x, x[::-1].copy())
    for mode in ("fast_run", "fast_compile"):
        f = tracejit.jit(add, mode=mode)
        f(x, x)
        with pytest.raises(tracejit.errors.ShapeError, match=r"in add\n.*x > 0.5") as caught:
            f(x, 1 - x)
        assert "known only at run time" in str(caught.value)
    check(lambda x, y: x[x > 0.5] + y, x, np.ones(np.count_nonzero(x > 0.5)))
    with pytest.raises(tracejit.errors.ShapeError, match="run time"):
        tracejit.jit(lambda x, y: x[x > 0.5] + y)(x, np.ones(3))


def test_what_python_needs_is_refused() -> None:
    def items(x: np.ndarray) -> Any:
        return [k for k in range(x[x > 0.5].size)]

    with pytest.raises(tracejit.errors.ConcretizationError, match="only at run time"):
        tracejit.jit(items)(np.random.default_rng(0).random(20))


def test_sizes_in_conditions() -> None:
    def branch(x: np.ndarray) -> Any:
        return 1 if x[x > 0.5].size > 3 else 2

    compiled = tracejit.jit(branch)
    for seed in range(20):
        x = np.random.default_rng(seed).random(7)
        assert compiled(x) == branch(x)


def test_what_is_provable_about_a_size() -> None:
    def describe(x: np.ndarray) -> Any:
        chosen = x[x > 0.5]
        return (chosen.sum() if chosen.size >= 0 else None), len(chosen) + 1

    check(describe, np.random.default_rng(0).random(20))


def test_sizes_in_shapes_and_numbers() -> None:
    def build(x: np.ndarray) -> Any:
        k = x[x > 0.5].size
        return np.zeros(k) + k, np.arange(k), x * k, np.ones((k, 2)).sum(), x[:k], x[-3:]

    check(build, np.random.default_rng(1).random(17))


def test_what_numpy_does_with_run_time_sizes() -> None:
    def compute(x: np.ndarray) -> Any:
        chosen = x[x > 0.5]
        return (
            np.median(chosen), np.roll(chosen, 2), np.percentile(chosen, [10, 50]), chosen.max(),
            chosen[0] + chosen[-1], np.sort(chosen)[::-1], chosen[:, None] * x, np.cumsum(chosen),
            np.concatenate([chosen, x]), chosen @ chosen, np.fft.rfft(chosen), np.pad(chosen, 1),
        )  # fmt: skip

    x = np.random.default_rng(0).random(31)
    check(compute, x)
    check(lambda x: x[x > 2][0], x)
    check(lambda x: x[x > 2].max(), x)
    with pytest.raises(tracejit.errors.ShapeError, match="not empty"):
        tracejit.jit(lambda x: np.median(x[x > 2]))(x)


def test_values_of_a_run_time_size_go_around() -> None:
    """What feeds the call and what needs its size read the same array: they stay two nests."""

    def around(x: np.ndarray) -> Any:
        mask = x * 3 > 1.5
        k = x[mask].size
        return x * 3 + k, mask

    check(around, np.random.default_rng(2).random(1000))


# Errors.


def invert(x: np.ndarray, y: np.ndarray) -> Any:
    scaled = x * 2.0
    inverse = np.linalg.inv(scaled)
    return scaled, inverse @ y, inverse


def test_an_error_is_the_librarys_at_the_users_line() -> None:
    good, bad = np.eye(3), np.ones((3, 3))
    for mode in ("fast_run", "fast_compile"):
        f = tracejit.jit(invert, mode=mode)
        for _ in range(2):
            with pytest.raises(np.linalg.LinAlgError) as caught:
                f(bad, good)
            message = str(caught.value)
            assert "inverse = np.linalg.inv(scaled)" in message
            assert "Singular matrix" in message
            assert_equal(f(good, good), invert(good, good))


def test_memory_is_given_back_after_an_error(pool: Any) -> None:
    f = tracejit.jit(invert)
    n = 300
    good, bad = np.eye(n), np.ones((n, n))
    f(good, good)
    gc.collect()
    before = pool.word("HELD")
    for _ in range(20):
        with pytest.raises(np.linalg.LinAlgError):
            f(bad, good)
    gc.collect()
    assert pool.word("HELD") == before

    g = tracejit.jit(lambda x, y: x[x > 0.5] * 2 + y[y > 0.5])
    x = np.random.default_rng(0).random(100_000)
    g(x, x)
    gc.collect()
    before = pool.word("HELD")
    for _ in range(20):
        with pytest.raises(tracejit.errors.ShapeError):
            g(x, x * 0.9)
    gc.collect()
    assert pool.word("HELD") <= before + 4 * x.nbytes


def test_errors_of_two_threads_are_their_own() -> None:
    f = tracejit.jit(lambda a, b: np.linalg.solve(a, b) * 2)
    f(np.eye(2), np.ones(2))
    seen: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for k in range(60):
            n = int(rng.integers(2, 40))
            a, b = rng.normal(size=(n, n)) + n * np.eye(n), rng.normal(size=n)
            if k % 3 == 0:
                try:
                    f(np.zeros((n, n)), b)
                    seen.append("no error")
                except np.linalg.LinAlgError:
                    pass
            elif not np.allclose(f(a, b), np.linalg.solve(a, b) * 2):
                seen.append("wrong")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert seen == []


# The cache, the report, the source.


def test_code_from_disk_calls_in_another_process(tmp_path: Path) -> None:
    code = """
        import numpy as np, tracejit
        @tracejit.jit
        def f(x, a):
            inverse = np.linalg.inv(a)
            return x[x > 0.5] * 2, inverse @ inverse
        x = np.random.default_rng(0).random(1000)
        a = np.random.default_rng(1).random((5, 5)) + 3 * np.eye(5)
        chosen, product = f(x, a)
        np.testing.assert_allclose(chosen, x[x > 0.5] * 2)
        np.testing.assert_allclose(product, np.linalg.inv(a) @ np.linalg.inv(a))
        try:
            f(x, np.zeros((5, 5)))
        except np.linalg.LinAlgError as error:
            assert 'np.linalg.inv(a)' in str(error)
        print(f.cache_info().disk_hits)
        """
    cache = str(tmp_path / "cache")
    assert run(tmp_path, code, TRACEJIT_CACHE_DIR=cache) == "0"
    assert run(tmp_path, code, TRACEJIT_CACHE_DIR=cache) == "1"


def test_shown_in_report_and_source() -> None:
    f = tracejit.jit(invert)
    f(np.eye(3), np.eye(3))
    report = str(f.explain())
    assert "called: np.linalg.inv(f8[n, n]) -> f8[n, n]" in report
    assert "is called natively" in report
    assert "call_library(frame" in f.source(np.eye(3), np.eye(3))
    with tracejit.config.override(scalar_bodies="source"):
        assert_equal(tracejit.jit(invert)(np.eye(3), np.eye(3)), invert(np.eye(3), np.eye(3)))


def test_equal_calls_are_done_once_and_unread_ones_never() -> None:
    def twice(a: np.ndarray) -> Any:
        np.linalg.det(a)
        return np.linalg.inv(a) + np.linalg.inv(a)

    calls = [n.op for n in tracejit.jit(twice).optimize(np.eye(3)).nodes]
    assert calls.count("inv") == 1 and "det" not in calls
    check(twice, np.eye(3) * 2)


def test_callbacks_into_jitted_functions() -> None:
    """Python that runs inside a call may call jitted functions, this very one too."""
    inner = tracejit.jit(lambda x: np.linalg.inv(x) * 2)

    def outer(x: np.ndarray) -> np.ndarray:
        return inner(x + 1) @ inner(x)

    x = np.random.default_rng(0).random((4, 4)) + 4 * np.eye(4)
    check(lambda x: np.linalg.inv(x + 1) * 2 @ (np.linalg.inv(x) * 2), x)
    np.testing.assert_allclose(
        tracejit.jit(outer)(x), (np.linalg.inv(x + 1) * 2) @ (np.linalg.inv(x) * 2)
    )
