"""Programs with scans, folds and branches in each other, whose bodies are of all kinds."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit
from tests.library import assert_equal
from tracejit import fori_loop, ifelse, map, reduce, scan, until, while_loop

TABLE = np.arange(4.0)
X = np.array([0.5, 1.5, 3.0, -1.0, 2.0])
ROWS = np.arange(12.0).reshape(4, 3) / 4


class Filter:
    """A body that is a method, and one that is the object itself."""

    def __init__(self, k: float) -> None:
        self.k = k

    def body(self, v: Any, s: Any) -> Any:
        return s * self.k + v

    def __call__(self, v: Any, s: Any) -> Any:
        return s - self.k * v


FILTER = Filter(3.0)
decay = tracejit.jit(lambda v, s: s * 0.5 + v)


def three_deep(x: Any) -> Any:
    def inner(e: Any, s: Any) -> Any:
        return scan(lambda v, t: t * 0.5 + v * e, TABLE, s + 0.0)[-1]

    return scan(lambda row: scan(inner, row, 0.0), x)


def statement_in_body(x: Any) -> Any:
    def body(v: Any, s: Any) -> Any:
        if v > 1:
            s = s + v
        else:
            s = s * 2.0
        return s

    return scan(body, x, 1.0)


def loop_in_body(x: Any) -> Any:
    def body(row: Any) -> Any:
        total = 0.0
        for v in row:
            if v > 1.5:
                continue
            total += v
        return total

    return scan(body, x)


def scan_in_loop(x: Any) -> Any:
    total = 0.0
    for v in x:
        if v > 2:
            break
        total += scan(lambda a, s, v: s + a * v, x, 0.0, v)[-1]
    return total


def scan_on_a_side(x: Any) -> Any:
    sums = ifelse(x[0] > 0, lambda: scan(lambda v, s: s + v, x, 0.0), lambda: x * 2)
    return sums, ifelse(x[0] > 1, lambda: scan(lambda v, s: s + v, x, 0.0), lambda: x * 2)


def side_in_body(x: Any) -> Any:
    return scan(lambda v, s: ifelse(v > 1, lambda: s + v, lambda: s * 2.0), x, 1.0)


def until_inside(x: Any) -> Any:
    def body(row: Any) -> Any:
        found = scan(lambda v, s: (s + v, until(s + v > 2)), row, 0.0)
        return found.sum(), found.shape[0]

    return scan(body, x)


def views(x: Any) -> Any:
    return scan(lambda row: row, x), scan(lambda row: (row[::-1], row[1:], row[:0]), x)


def from_outside(x: Any) -> Any:
    return scan(lambda v, s: s + TABLE[:2] * v, x, np.zeros(2))


def draws(x: Any, rng: Any) -> Any:
    return scan(lambda v, s: s + rng.normal(size=2) * v, x, np.zeros(2))


def other_dtypes(x: Any) -> Any:
    small = x.astype("u1")
    return (
        scan(lambda v, s: s + v, x, np.float16(0)),
        scan(lambda v, s: s * v, small, np.uint8(1)),
        scan(lambda v, s: s * v, small, 1j),
        scan(lambda v, s: s + v, x.astype("f2"), np.float16(0)),
    )


def lists(x: Any) -> Any:
    return scan(lambda a, b, c: a + b * c, [[1, 2, 3], range(5), x])


def bodies(x: Any) -> Any:
    return (
        scan(decay, x, 0.0),
        scan(FILTER.body, x, 0.0),
        scan(FILTER, x, 0.0),
        scan(functools.partial(lambda k, v, s: s + k * v, 2.0), x, 0.0),
        map(np.negative, x),
    )


def writes_sequence(x: Any) -> Any:
    def body(row: Any) -> Any:
        row[0] = 5.0
        return row.sum()

    return scan(body, x), x * 1


def sizes_as_steps(x: Any) -> Any:
    return (
        scan(lambda s: s + 1, None, 0, n_steps=x.shape[0] - 1),
        scan(lambda v: v * 2, x, n_steps=x.shape[0] // 2),
    )


def arrays_in_states(x: Any) -> Any:
    def body(state: Any) -> Any:
        k, y = state
        y[k % 3] += k
        return k + 1, y

    first = x[:3].copy()
    last = while_loop(lambda s: s[1].sum() < 20, body, (0, first))
    return last, first, fori_loop(0, 3, lambda i, s: (s[1], s[0] + i), (x, x * 2))


def structures(x: Any) -> Any:
    def body(i: Any, state: Any) -> Any:
        return {"sum": state["sum"] + x[i], "pair": (state["pair"][1], state["pair"][0] * 2)}

    found = fori_loop(0, 5, body, {"sum": 0, "pair": (1, 2.5)})
    return found["sum"], found["pair"]


def several(x: Any) -> Any:
    return scan(lambda v, a, b: (a + v, b * v, a * 2), x, [0.0, np.ones(2), None])


def powers(x: Any) -> Any:
    A = np.outer(x, x) / 10
    return scan(lambda P, A: P @ A, None, np.eye(5), A, n_steps=4)[-1]


def memory_of_steps(x: Any) -> Any:
    first = dict(initial=np.stack([x, x + 1, x * 2]), taps=[-3, -1])
    return scan(lambda a, b: a * 0.5 - b, None, first, n_steps=6)[-2:]


def ends(x: Any) -> Any:
    rows = scan(lambda v, s: s * 0.5 + v, ROWS, np.zeros(3))
    return rows[-1], rows[-1, 1:], rows[-2:].sum(), x.sum()


def reductions(x: Any) -> Any:
    taps = dict(initial=[1.0, 2.0], taps=[-2, -1])
    return reduce(lambda v, a, b: a + b * v, x, taps), reduce(np.maximum, x, -np.inf)


def rank_zero(x: Any) -> Any:
    return scan(lambda v, s: s + v, x, np.zeros(())), fori_loop(0, 2, lambda i, s: s + 1, x[:1])


def shared(x: Any) -> Any:
    w = np.zeros(3)

    def body(v: Any) -> Any:
        w[:] += v
        return w.sum()

    return scan(body, x), w


def rnn(x: Any) -> Any:
    W, U = np.outer(ROWS[0], ROWS[1]), ROWS[:3] - 1
    return scan(lambda v, h, W, U: np.tanh(W @ h + U @ v), ROWS, x[:3], [W, U])


def collatz(x: Any) -> Any:
    def body(state: Any) -> Any:
        n, steps = state
        return ifelse(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

    return while_loop(lambda s: s[0] != 1, body, (x.size + 22, 0))


def fits(x: Any) -> Any:
    def newton(state: Any) -> Any:
        y, _ = state
        return y - (y * y - x) / (2 * y), y

    last, _ = while_loop(lambda s: np.abs(s[0] - s[1]).max() > 1e-12, newton, (x + 1, x))
    return last


# Sizes that only data tells, or that change from step to step of a loop around.


def masked(x: Any) -> Any:
    return (
        scan(lambda v, s: s + v, x[x > 0], 0.0),
        scan(lambda a, b, s: s + a * b, [x[x > 0], x[x < 1]], 0.0),
        scan(lambda a, b: a - b, dict(input=x[x > 0], taps=[0, 1])),
        scan(lambda a, b: a - b, dict(input=x[x < 0], taps=[-1, 1]), go_backwards=True),
    )


def counted_by_data(x: Any) -> Any:
    k = (x > 0).sum()
    return (
        scan(lambda s: s * 0.5, None, 64.0, n_steps=k),
        scan(lambda v: v, x, n_steps=k - 1),
    )


def triangle(x: Any) -> Any:
    out = np.zeros((3, x.size))
    for i in range(x.size):
        out[0, i] = reduce(lambda v, s: s * 0.5 + v, x[:i], 0.0)
        out[1, i] = scan(lambda v, s: s * 0.5 + v, x[:i], 0.0).sum()
        out[2, i] = scan(lambda v, s: s * 0.5 + v, x[: i + 1], 0.0)[-1]
    return out


def triangle_of_scans(x: Any) -> Any:
    def inner(i: Any, s: Any) -> Any:
        return s + fori_loop(0, i, lambda j, t: t + x[j] * i, 0.0)

    return (
        scan(lambda k: reduce(lambda v, s: s * 0.5 + v, x[:k], 0.0), np.arange(x.size)),
        scan(lambda k: map(lambda v: v * 2, x[:k]).sum(), np.arange(x.size + 1)),
        fori_loop(1, x.size, inner, 0.0),
    )


def stopped(x: Any) -> Any:
    y = scan(lambda v, s: (s + v, until(s + v > 3)), x, 0.0)
    a, b = scan(lambda v, s: ((s + v, v * 2), until(v > 1)), x, [0.0, None])
    more = scan(lambda v: v * 2, y)
    return more, y[::-1], y.mean(), np.concatenate([y, x]), a + b, a[-1]


def returns_in_body(x: Any) -> Any:
    def body(v: Any, s: Any, n: Any) -> Any:
        if v < 0:
            return s, n
        if v > 2:
            return s * 2, n + 1
        return s + v, n + 2

    return scan(body, x, [0.0, 0])


def gram_schmidt(x: Any) -> Any:
    A = np.cos(np.outer(x, np.arange(4)) + 1)

    def body(k: Any, Q: Any) -> Any:
        q = A[:, k].copy()
        for j in range(k):
            q -= (Q[:, j] @ A[:, k]) * Q[:, j]
        Q[:, k] = q / np.sqrt(q @ q)
        return Q

    return fori_loop(0, A.shape[1], body, np.zeros(A.shape))


PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (three_deep, (ROWS,)), (statement_in_body, (X,)), (loop_in_body, (ROWS,)),
    (scan_in_loop, (X,)), (scan_on_a_side, (X,)), (side_in_body, (X,)), (until_inside, (ROWS,)),
    (views, (ROWS,)), (from_outside, (X,)), (draws, (X, np.random.default_rng(1))),
    (other_dtypes, (np.abs(X),)), (lists, (X,)), (bodies, (X,)), (writes_sequence, (ROWS,)),
    (sizes_as_steps, (X,)), (arrays_in_states, (X,)), (structures, (X,)), (several, (X,)),
    (powers, (X,)), (memory_of_steps, (X,)), (ends, (X,)), (reductions, (X,)), (rank_zero, (X,)),
    (shared, (X,)), (rnn, (X,)), (collatz, (X,)), (fits, (np.abs(X),)),
    (masked, (X,)), (counted_by_data, (X,)), (triangle, (X,)), (triangle_of_scans, (X,)),
    (stopped, (X,)), (returns_in_body, (X,)), (gram_schmidt, (X,)),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["fast_compile", "fast_run"])
@pytest.mark.parametrize(("program", "args"), PROGRAMS, ids=[p.__name__ for p, _ in PROGRAMS])
def test_program(mode: str, program: Callable[..., Any], args: tuple[Any, ...]) -> None:
    mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
    expected = program(*theirs)
    jitted = tracejit.jit(program, mode=mode)
    assert_equal(jitted(*mine), expected, 1e-10)
    for a, b in zip(mine, theirs, strict=True):
        if isinstance(a, np.ndarray):
            assert_equal(a, b)


def test_without_capture() -> None:
    f = tracejit.jit(lambda x: scan(lambda v, s: s + v, x, 0.0), capture=False)
    assert_equal(f(X), np.cumsum(X))


def test_open_sizes() -> None:
    f = tracejit.jit(lambda x, y: scan(lambda a, b, s: s + a * b, [x, y], 0.0))
    graph = f.trace(tracejit.TensorSpec(("n",)), tracejit.TensorSpec(("n",)))
    assert [str(v.type) for v in graph.results] == ["f8[n]"]
    assert len(graph.nodes) < 10
