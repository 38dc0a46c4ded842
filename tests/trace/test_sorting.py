"""Sorting, searching, counting, sets and histograms against NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import arrays, dtypes, shapes
from tests.trace.agreement import agree
from tests.trace.support import values
from tracejit import errors, jit

GIVEN: dict[str, Callable[[], Any]] = {
    "x": lambda: values((4, 5)),
    "t": lambda: np.asfortranarray(values((5, 4), seed=1))[::-1],
    "v": lambda: values((9,)),
    "c": lambda: values((8,), int) + 1j * values((8,), int, 1),
    "i": lambda: np.array([3, 0, 1, 1, 2, 3]),
    "n": lambda: values((12,), int),
    "u": lambda: values((20,), "u1") % 6,
}


def sorting(x: Any, t: Any, v: Any, c: Any, u: Any, n: Any) -> Any:
    results = (
        np.sort(x), np.sort(x, axis=0), np.sort(x, axis=None), np.argsort(x), np.sort(c),
        np.argsort(n, kind="stable"), np.sort(u, kind="mergesort"), np.sort(x, stable=True),
        x.argsort(axis=0), np.lexsort((n, n % 3)), np.lexsort(x), np.sort(t), t.argsort(),
        np.sort_complex(n), np.sort(x[:, ::-1].T), np.sort(x[x > 0]), np.sort([3, 1, 2]),
    )  # fmt: skip
    x.sort()
    v[::-1].sort()
    t.sort(axis=0)
    n[1::2].sort()
    x.T[1:].sort(axis=1)
    return results


def partitions(x: Any, v: Any, n: Any) -> Any:
    results = (
        np.partition(v, 3)[3], v[np.argpartition(v, 4)[4]], np.partition(x, [1, 2], axis=0)[1:3],
        np.sort(np.partition(n, -2)[-2:]),
    )  # fmt: skip
    n.partition(0)
    return (*results, n[0], np.sort(n))


def searching(v: Any, n: Any, x: Any) -> Any:
    s = np.sort(v)
    return (
        np.searchsorted(s, x), np.searchsorted(s, 0.1), np.searchsorted(s, [0, 1.5], side="right"),
        s.searchsorted(v), np.searchsorted(v, 0.2, sorter=np.argsort(v)),
        np.searchsorted([1, 2, 3], n), np.searchsorted(np.arange(5), 2), np.digitize(0.5, s),
        np.digitize(x, [-1, 0, 1]), np.digitize(x, np.array([2.0, 0, -1]), right=True),
    )  # fmt: skip


def counting(u: Any, i: Any, v: Any, n: Any, x: Any) -> Any:
    return (
        np.bincount(u), np.bincount(i, weights=v[:6]), np.bincount(i, minlength=10),
        np.bincount([1, 1, 3]), np.bincount(u, minlength=3) / u.size,
        np.repeat(v, np.abs(n[:9])), np.repeat(x, i[:4], axis=0), np.repeat(x, [1, 2, 0, 1], 0),
        np.bincount(i)[i], np.bincount(u).argmax(), np.cumsum(np.bincount(i)),
    )  # fmt: skip


def histograms(v: Any, x: Any, i: Any, u: Any) -> Any:
    return (
        np.histogram(v), np.histogram(x, 5), np.histogram(v, bins=[-1, 0, 1.5]),
        np.histogram(v, 4, range=(-1, 1)), np.histogram(v, 4, density=True),
        np.histogram(i, 3, weights=v[:6]), np.histogram(u), np.histogram(v.astype("f4"), 5),
        np.histogram(v, np.linspace(-2, 2, 7)), np.histogram_bin_edges(v, 6),
        np.histogram_bin_edges(v, "auto"), np.histogram(v, "sturges"),
        np.histogram(v, 3, range=(v.min(), v.max())), np.histogram(i, 3, weights=i, density=True),
        np.histogram2d(v, v, 3), np.histogramdd(x[:, :3], bins=2),
        np.histogram2d(v, v, bins=[2, [-1, 0, 1]], range=[[-1, 1], [-1, 1]]),
        np.histogramdd((v, v), (2, 3), density=True), np.histogram2d(v, v, 2, weights=v),
    )  # fmt: skip


def sets(u: Any, n: Any, x: Any, i: Any) -> Any:
    return (
        np.unique(u), np.unique(n, return_index=True, return_inverse=True, return_counts=True),
        np.unique(x > 0, axis=0), np.unique(x), np.unique(x > 0, return_inverse=True),
        np.unique(x > 0, axis=1, return_counts=True, return_inverse=True), np.isin(n, i),
        np.isin(x, [0, 1], invert=True), np.intersect1d(n, i), np.union1d(n, u),
        np.intersect1d(n, i, return_indices=True), np.setdiff1d(n, i), np.setxor1d(n, i),
        tuple(np.unique_all(n)), tuple(np.unique_counts(n)), tuple(np.unique_inverse(x > 0)),
        np.sort(np.unique_values(n)), np.unique_all(n).values, np.unique(n)[::-1] * 2,
    )  # fmt: skip


PROGRAMS = [sorting, partitions, searching, counting, histograms, sets]


@pytest.mark.parametrize("mode", ["fast_compile", "fast_run"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program: Callable[..., Any], mode: str) -> None:
    args = [GIVEN[name]() for name in inspect.signature(program).parameters]
    agree(program, *args, mode=mode)


@settings(max_examples=150)
@given(st.data(), shapes().filter(bool))
def test_sorting_in_any_shape(data: Any, shape: tuple[int, ...]) -> None:
    x = data.draw(arrays(data.draw(dtypes()), shape, special=True)).copy("K")
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    part = data.draw(st.sampled_from([slice(None), slice(1, None), slice(None, None, -2)]))

    def program(x: Any) -> Any:
        results = np.sort(x, axis), np.argsort(x, axis, kind="stable"), np.sort(x, None)
        view = x[part]
        view.sort(axis=axis)
        return results

    agree(program, x)


@settings(max_examples=150)
@given(st.data())
def test_sets_and_counts_of_any_data(data: Any) -> None:
    dtype = data.draw(st.sampled_from(["i1", "u4", "i8", "f8", "f4", "?"]))
    a = values((data.draw(st.integers(0, 12)),), dtype, data.draw(st.integers(0, 99)))
    b = values((data.draw(st.integers(0, 9)),), dtype, data.draw(st.integers(0, 99)))

    def program(a: Any, b: Any) -> Any:
        s = np.sort(b)
        return (
            np.unique(a, return_index=True, return_inverse=True, return_counts=True),
            np.isin(a, b), np.union1d(a, b), np.intersect1d(a, b), np.setdiff1d(a, b),
            np.setxor1d(a, b), np.searchsorted(s, a), np.searchsorted(s, a, "right"),
        )  # fmt: skip

    agree(program, a, b)


def test_errors_at_run_time() -> None:
    for program, message in (
        (lambda x: np.digitize(x, x), "monoton"),
        (lambda x: np.bincount((x * 0 - 1).astype(int)), "negative"),
        (lambda x: np.histogram(x * np.nan, 3), "finite"),
    ):
        for mode in ("fast_compile", "fast_run"):
            with pytest.raises(ValueError, match=message):
                jit(program, mode=mode)(values((9,)))


def test_refused() -> None:
    for program, kind in (
        (lambda x: np.sort(x, kind="bogus"), ValueError),
        (lambda x: np.sort(x, axis=3), np.exceptions.AxisError),
        (lambda x: np.partition(x, 99), ValueError),
        (lambda x: np.bincount(x), errors.DTypeError),
        (lambda x: np.histogram(x, bins=0), ValueError),
        (lambda x: np.searchsorted(x, x, side="middle"), ValueError),
    ):
        with pytest.raises(kind):
            jit(program, mode="fast_compile")(values((9,)))
