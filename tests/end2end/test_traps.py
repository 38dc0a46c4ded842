"""What looks right and is silently wrong in a naive tracer: NumPy's answer, or a clear error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit
from tracejit import errors

GLOBAL = np.arange(5.0)
MODES = ["fast_compile", "fast_run"]


def zeros_written(t):
    b = np.zeros(3)
    b[1] = t[0]
    b[2:] = t[1:2]
    return b


def full_of(t):
    return np.full(4, t[0])


def full_like_of(t):
    return np.full_like(GLOBAL, t[0])


def array_of(t):
    return np.array([t[0], t[1]])


def copied(t):
    b = np.zeros(t.shape)
    np.copyto(b, t)
    return b


def put(t):
    b = np.zeros(5)
    np.put(b, [0, 3], t[:2])
    return b


def masked(t):
    b = np.ones(t.shape[0])
    np.putmask(b, t > 1, t)
    return b


def alias_in_place(t):
    b = np.zeros(t.shape)
    alias = b[1:]
    b += t
    alias *= 2
    return b, alias


def alias_of_argument(t):
    alias = t[::2]
    t += 1
    return alias.copy()


def concrete_indexed(t):
    return GLOBAL[t.astype(int)]


def concrete_indexed_once(t):
    return GLOBAL[t.astype(int)[0]]


def range_of_size(t):
    return np.arange(t.shape[0]) * t


def root(t):
    return math.sqrt(t[0])


def number(t):
    return float(t[1]) * 2


def branch(t):
    if t[0] > 1:
        return t * 2
    return t


def ranged(t):
    return np.arange(t[1])


def captured_written(t):
    GLOBAL[0] = t[0]
    return t


def captured_in_place(t):
    b = GLOBAL
    b += t[0]
    return b


RIGHT_OR_REFUSED: list[Callable[..., Any]] = [
    zeros_written, full_of, full_like_of, array_of, copied, put, masked, alias_in_place,
    alias_of_argument, concrete_indexed, concrete_indexed_once, range_of_size, root, number,
    branch, ranged,
]  # fmt: skip
MUST_WORK = {
    zeros_written, full_of, full_like_of, array_of, copied, put, masked, alias_in_place,
    alias_of_argument, concrete_indexed, concrete_indexed_once, range_of_size,
}  # fmt: skip


def same(got: Any, want: Any) -> None:
    if isinstance(want, tuple):
        assert type(got) is tuple
        for a, b in zip(got, want, strict=True):
            same(a, b)
        return
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, 1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fn", RIGHT_OR_REFUSED, ids=lambda f: f.__name__)
def test_numpys_answer_or_a_clear_error(fn, mode):
    jitted = tracejit.jit(fn, mode=mode)
    for values in ([1.0, 2.0, 4.0], [2.0, 3.0, 0.0], [0.0, 1.0, 3.0]):
        ours, theirs = np.array(values), np.array(values)
        want = fn(theirs)
        try:
            got = jitted(ours)
        except errors.TraceError as error:
            assert fn not in MUST_WORK, error
            assert __file__ in str(error) and fn.__name__ in str(error)
            np.testing.assert_array_equal(ours, values)
            continue
        same(got, want)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fn", [captured_written, captured_in_place], ids=lambda f: f.__name__)
def test_arrays_from_outside_are_not_written(fn, mode):
    before = GLOBAL.copy()
    with pytest.raises(errors.MutationError):
        tracejit.jit(fn, mode=mode)(np.ones(3))
    np.testing.assert_array_equal(GLOBAL, before)


# Arguments.


def add_into(a, b):
    a[1:] += b[:-1]
    return a[0]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_array_twice(mode):
    jitted = tracejit.jit(add_into, mode=mode)
    for make in (lambda: [np.arange(5.0)] * 2, lambda: [np.arange(5.0), np.ones(5)]):
        ours, theirs = make(), make()
        for _ in range(2):
            got, want = jitted(*ours), add_into(*theirs)
            np.testing.assert_array_equal(got, want)
            for x, y in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("mode", MODES)
def test_overlap_is_refused_before_anything_runs(mode):
    jitted = tracejit.jit(add_into, mode=mode)
    jitted(np.arange(5.0), np.ones(5))
    base = np.arange(8.0)
    with pytest.raises(errors.MutationError, match="overlaps"):
        jitted(base[:5], base[3:])
    np.testing.assert_array_equal(base, np.arange(8.0))
    base = np.arange(10.0)
    jitted(base[::2], base[1::2])
    want = np.arange(10.0)
    add_into(want[::2], want[1::2])
    np.testing.assert_array_equal(base, want)


@pytest.mark.parametrize("mode", MODES)
def test_read_only_arguments_are_refused(mode):
    jitted = tracejit.jit(add_into, mode=mode)
    jitted(np.arange(5.0), np.ones(5))
    x = np.arange(5.0)
    x.flags.writeable = False
    with pytest.raises(errors.MutationError, match="read-only"):
        jitted(x, np.ones(5))
    np.testing.assert_array_equal(x, np.arange(5.0))
    jitted(np.arange(5.0), x)


@pytest.mark.parametrize("mode", MODES)
def test_empty_arrays_do_not_overlap(mode):
    base = np.arange(4.0)

    def fill(a, b):
        a[...] = 1
        return b + 1

    jitted = tracejit.jit(fill, mode=mode)
    np.testing.assert_array_equal(jitted(base[1:1], base), np.arange(4.0) + 1)
    np.testing.assert_array_equal(base, np.arange(4.0))


# Results.


@pytest.mark.parametrize("mode", MODES)
def test_results_are_views_of_arguments(mode):
    def f(x):
        return x[1:], x.T, x.reshape(-1), np.diagonal(x), np.broadcast_to(x[0], (2, 3)), x

    jitted = tracejit.jit(f, mode=mode)
    for x in (np.ones((4, 3)), np.ones((3, 4)).T, np.ones((8, 6))[::2, ::2]):
        for got, want in zip(jitted(x), f(x), strict=True):
            assert got.shape == want.shape and got.strides == want.strides
            assert got.flags.writeable == want.flags.writeable
            assert np.shares_memory(got, x) == np.shares_memory(want, x)
        assert jitted(x)[-1] is x


@pytest.mark.parametrize("mode", MODES)
def test_results_share_memory_with_each_other(mode):
    def f(x):
        t = x + 1
        return t, t[1:], t.T, t.copy()

    t, part, turned, copy = tracejit.jit(f, mode=mode)(np.zeros((3, 2)))
    t[2, 1] = 7
    assert part[1, 1] == 7 and turned[1, 2] == 7 and copy[2, 1] == 1


@pytest.mark.parametrize("mode", MODES)
def test_views_show_what_was_written(mode):
    def f(x):
        y = x[1:]
        x[...] = 5
        return y

    x = np.zeros(4)
    y = tracejit.jit(f, mode=mode)(x)
    assert np.all(y == 5) and np.shares_memory(x, y)
    x[2] = 1
    assert y[1] == 1


@pytest.mark.parametrize("mode", MODES)
def test_parts_of_complex_numbers_are_views(mode):
    def f(x):
        x.real[1:] = 3
        x.imag *= 2
        return x.imag

    ours, theirs = np.full(3, 1 + 1j), np.full(3, 1 + 1j)
    got, want = tracejit.jit(f, mode=mode)(ours), f(theirs)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(got, want)
    assert np.shares_memory(got, ours)
