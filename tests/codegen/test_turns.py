"""Independent turns on threads: bit for bit what one thread computes, again and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.passes import test_independent as programs
from tracejit import config, jit
from tracejit.codegen_cpu import llvm_turns

REPEATS = 20


@pytest.fixture
def always_shared(monkeypatch):
    """However little work there is, threads share it."""
    monkeypatch.setattr(llvm_turns, "PARALLEL_WORK", -1)
    monkeypatch.setattr(llvm_turns, "TASK_WORK", 0)
    monkeypatch.setattr(llvm_turns, "FEW_TURNS", 2)


def row_temporaries(a):
    out = np.zeros_like(a)
    for i in range(a.shape[0]):
        row = np.cumsum(a[i] * 2)
        out[i] = row / (1 + np.abs(row).max())
    return out


def steps_in_time(a):
    a = a.copy()
    for t in range(5):
        for i in range(a.shape[0]):
            for j in range(1, a.shape[1]):
                a[i, j] = a[i, j] * 0.5 + a[i, j - 1] + t
    return a


def numbers_around(a):
    s = a.sum()
    scale = np.array([1.5, 0.5]) * s
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        t = s
        while t > a[i, 0]:
            t = t * 0.5 - scale[1] * scale[1] - 1
        out[i] = t
    return out + s


CASES = [
    (programs.escape_times, (40, 30, 50)),
    (programs.forces, (programs.matrix(50, 3),)),
    (programs.triangle, (programs.matrix(60, 60), programs.matrix(60, 60)[0])),
    (programs.tails, (programs.matrix(50, 3),)),
    (programs.backwards, (programs.matrix(64, 3),)),
    (programs.with_a_branch, (programs.matrix(64, 3),)),
    (row_temporaries, (programs.matrix(50, 33),)),
    (steps_in_time, (programs.matrix(40, 20),)),
    (numbers_around, (programs.matrix(40, 20),)),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_threads_compute_what_one_thread_does(f, args, always_shared):
    fast = jit(f)
    with config.override(num_threads=1):
        want = fast(*args)
    np.testing.assert_allclose(want, f(*args), rtol=1e-11, atol=1e-11)
    for threads in (2, 4):
        with config.override(num_threads=threads):
            for _ in range(REPEATS):
                np.testing.assert_array_equal(fast(*args), want)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_few_turns(turns, always_shared):
    a = programs.matrix(5, 4)[:turns].copy()
    with config.override(num_threads=4):
        np.testing.assert_allclose(jit(steps_in_time)(a), steps_in_time(a), rtol=1e-13)


def test_an_argument_is_written_in_place(always_shared):
    want = programs.in_place(programs.matrix(64, 9))
    fast = jit(programs.in_place)
    with config.override(num_threads=4):
        for _ in range(REPEATS):
            a = programs.matrix(64, 9)
            fast(a)
            np.testing.assert_allclose(a, want, rtol=1e-13)


def test_what_fails_names_its_line_as_on_one_thread(always_shared):
    def f(a, places):
        out = np.zeros(a.shape[0])
        for i in range(a.shape[0]):
            out[i] = a[places[i], 0] * 2
        return out

    a = programs.matrix(20, 3)
    places = np.arange(20)
    fast = jit(f)
    with config.override(num_threads=4):
        np.testing.assert_array_equal(fast(a, places), f(a, places))
        places[11] = 99
        with pytest.raises(IndexError):
            fast(a, places)


def test_loops_from_several_python_threads(always_shared):
    f, args = CASES[0]
    fast = jit(f)
    want = fast(*args)
    with config.override(num_threads=4), ThreadPoolExecutor(3) as pool:
        for got in pool.map(lambda _: fast(*args), range(30)):
            np.testing.assert_array_equal(got, want)


def test_explain_says_so():
    fast = jit(programs.escape_times)
    fast(4, 5, 6)
    assert "turns shared out to threads" in str(fast.explain())


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_little_work_stays_on_one_thread(f, args):
    np.testing.assert_allclose(jit(f)(*args), f(*args), rtol=1e-11, atol=1e-11)


def test_temporaries_of_a_loop_in_a_loop(always_shared):
    def f(a):
        a = a.copy()
        for _ in range(4):
            for i in range(a.shape[0]):
                row = np.cumsum(a[i] * 2)
                a[i] = row / (1 + np.abs(row).max())
        return a

    a = programs.matrix(30, 40)
    fast = jit(f)
    for threads in (1, 4):
        with config.override(num_threads=threads):
            for _ in range(REPEATS):
                np.testing.assert_allclose(fast(a), f(a), rtol=1e-12)
