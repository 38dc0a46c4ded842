"""Which loops have turns that may run in any order: those that provably write apart."""

from __future__ import annotations

import numpy as np
import pytest

from tracejit import jit
from tracejit.ir.program import Loop

N, M = 7, 5


def marked(f, *args):
    """The loops of the program of `f`, outer before inner: whether their turns are independent."""
    return [s.independent for s in jit(f).program(*args).walk() if isinstance(s, Loop)]


def matrix(n=N, m=M):
    return np.random.default_rng(n * 100 + m).normal(size=(n, m))


# Loops with turns that are independent.


def escape_times(h, w, limit):
    out = np.zeros((h, w), np.int64)
    for i in range(h):
        for j in range(w):
            cr, ci = -2.0 + 3.0 * j / w, -1.0 + 2.0 * i / h
            zr = zi = 0.0
            k = 0
            while k < limit and zr * zr + zi * zi <= 4.0:
                zr, zi = zr * zr - zi * zi + cr, 2.0 * zr * zi + ci
                k += 1
            out[i, j] = k
    return out


def forces(p):
    out = np.zeros_like(p)
    for i in range(p.shape[0]):
        ax = ay = 0.0
        for j in range(p.shape[0]):
            dx, dy = p[j, 0] - p[i, 0], p[j, 1] - p[i, 1]
            s = (dx * dx + dy * dy + 0.01) ** -1.5
            ax += dx * s
            ay += dy * s
        out[i, 0] = ax
        out[i, 1] = ay
    return out


def triangle(a, x):
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        out[i] = a[i, :i] @ x[:i]
    return out


def tails(a):
    out = np.zeros((a.shape[0], a.shape[0]))
    for i in range(a.shape[0]):
        out[i, i:] = np.cumsum(np.ones(a.shape[0] - i)) * a[i, 0]
    return out


def backwards(a):
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i):
            s = s * 0.5 + a[i, 0] * j
        out[a.shape[0] - 1 - i] = s
    return out


def in_place(a):
    for i in range(a.shape[0]):
        for j in range(1, a.shape[1]):
            a[i, j] = a[i, j] + 0.5 * a[i, j - 1]
    return a


def with_a_branch(a):
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i + 1):
            if a[i, 0] * j > 0.5:
                s = s * 0.5 + j
            else:
                s -= 1.0
        out[i] = s
    return out


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (escape_times, (6, 9, 20)),
        (forces, (matrix(N, 3),)),
        (triangle, (matrix(N, N), matrix(N, N)[0])),
        (tails, (matrix(),)),
        (backwards, (matrix(),)),
        (in_place, (matrix(),)),
        (with_a_branch, (matrix(),)),
    ],
)
def test_only_the_outer_loop_is_shared_out(f, args):
    first, *inner = marked(f, *args)
    assert first
    assert not any(inner)


def test_the_loop_inside_of_steps_in_time_is_shared_out():
    def f(a, steps):
        for t in range(steps):
            for i in range(a.shape[0]):
                for j in range(1, a.shape[1]):
                    a[i, j] = a[i, j] * 0.5 + a[i, j - 1] + t
        return a

    assert marked(f, matrix(), 3)[:2] == [False, True]


# Loops with turns that are not, or where that is not to be seen.


def recurrence(a):
    x = a[:, 0].copy()
    for i in range(1, x.shape[0]):
        x[i] = np.sin(x[i - 1]) + x[i]
    return x


def reads_the_next(a):
    x = a[:, 0].copy()
    for i in range(x.shape[0] - 1):
        x[i] = np.sin(x[i + 1])
    return x


def reads_a_row(a):
    a = a.copy()
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i):
            s = s * 0.5 + a[0, 0] * j
        a[i, 0] = s
    return a


def writes_two(a):
    x = np.zeros(a.shape[0] + 1)
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i):
            s = s * 0.5 + a[i, 0] * j
        x[i] = s
        x[i + 1] = s + 1
    return x


def accumulates(a):
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(i):
            s = s * 0.5 + a[i, 0] * j
    return s


def keeps_the_last(a):
    out = np.zeros(a.shape[0])
    s = 0.0
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i):
            s = s * 0.5 + a[i, 0] * j
        out[i] = s
    return out, s


def takes_turns(a):
    x, y = a.copy(), a * 2
    for i in range(1, a.shape[0]):
        x[i] = y[i - 1] + 1
        x, y = y, x
    return x, y


def through_a_view(a):
    x = a.copy()
    flat = x[::-1]
    for i in range(a.shape[0]):
        s = 0.0
        for j in range(i):
            s = s * 0.5 + flat[i, 0] * j
        x[i, 0] = s
    return x


def whole_rows_inside(a):
    x = np.zeros(a.shape[1])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            x[j] = x[j] * 0.5 + a[i, j]
    return x


def at_indices(a, places):
    x = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        x[places[i]] = x[places[i]] * 0.5 + a[i, 0]
    return x


def overlapping_stretches(a):
    x = np.zeros(a.shape[0] + 2)
    for i in range(a.shape[0]):
        x[i : i + 3] += a[i, 0]
    return x


def two_numbers(a):
    x = np.zeros(2)
    for i in range(2):
        s = 0.0
        for j in range(a.shape[0]):
            s = s * 0.5 + a[j, 0] * i
        x[i] = s
    return x.sum()


def until(a):
    x = a[:, 0].copy()
    for i in range(x.shape[0]):
        x[i] = x[i] * 0.5
        if x[i] > 0.7:
            break
    return x


def random_numbers(a, rng):
    x = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        x[i] = rng.normal() * a[i, 0]
    return x


@pytest.mark.parametrize(
    ("f", "more"),
    [
        (recurrence, ()),
        (reads_the_next, ()),
        (reads_a_row, ()),
        (writes_two, ()),
        (accumulates, ()),
        (keeps_the_last, ()),
        (takes_turns, ()),
        (through_a_view, ()),
        (at_indices, (np.array([1, 1, 0, 2, 2, 3, 6]),)),
        (overlapping_stretches, ()),
        (two_numbers, ()),
        (until, ()),
        (random_numbers, (np.random.default_rng(0),)),
    ],
)
def test_turns_that_may_touch_the_same_memory_follow_each_other(f, more):
    first, *_ = marked(f, matrix(), *more) or [False]
    assert not first


def test_only_the_loop_over_elements_is_shared_out_where_rows_add_up():
    assert marked(whole_rows_inside, matrix()) in ([False, True], [False], [])


@pytest.mark.parametrize("order", ["strided", "reversed"])
def test_an_array_with_unknown_strides_is_not_written_from_threads(order):
    room = np.zeros((2 * N, 2 * M))
    a = room[::2, ::2] if order == "strided" else matrix()[::-1, ::-1]
    assert not any(marked(in_place, a)[:1])


def test_an_argument_that_is_only_read_may_lie_anywhere():
    assert marked(forces, matrix(2 * N, 6)[::2, ::-2])[0]
