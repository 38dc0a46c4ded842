"""What the passes on branches and loops make of functions as people write them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import tracejit
from tracejit.ir.graph import Graph
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline

RNG = np.random.default_rng(4)


def optimized(fn: Callable[..., Any], *args: Any) -> Graph:
    """The graph of `fn` after the passes on control flow: it gives what `fn` gives."""
    graph = tracejit.jit(fn).trace(*args)
    after = run_pipeline(graph, Target(), passes=[*SIMPLIFICATION, *CONTROL_FLOW], verify=True)
    given, own = copy.deepcopy(args), copy.deepcopy(args)
    expected = interpret(graph, given)
    for found, wanted in zip(interpret(after, given), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    plain = fn(*own)
    written = {r for _, r in graph.written}
    for p, r in graph.written:
        np.testing.assert_allclose(expected[r], own[p], rtol=1e-12)
    if plain is not None and not graph.views:
        rest = [x for k, x in enumerate(expected) if k not in written]
        plain = plain if isinstance(plain, (tuple, list)) else (plain,)
        for found, wanted in zip(rest, plain, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12)
    return after


def ops(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.walk())


def outer(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in graph.nodes)


def test_loops_over_points_are_array_operations() -> None:
    def jacobi(a: Any, b: Any) -> None:
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.2 * (a[i, j] + a[i, j - 1] + a[i, j + 1] + a[i - 1, j] + a[i + 1, j])

    found = ops(optimized(jacobi, RNG.random((5, 6)), RNG.random((5, 6))))
    assert found["loop"] == 0
    assert found["update"] == 1


def test_a_recurrence_stays_a_loop() -> None:
    def smooth(x: Any) -> None:
        for i in range(1, len(x)):
            x[i] = 0.5 * x[i] + 0.5 * x[i - 1]

    assert ops(optimized(smooth, RNG.random(6)))["loop"] == 1


def test_the_product_of_a_recurrent_network_is_one_for_all_steps() -> None:
    def rnn(x: Any, w: Any, u: Any, b: Any) -> Any:
        h = np.zeros(3)
        for t in range(len(x)):
            h = np.tanh(x[t] @ w + h @ u + b)
        return h

    after = optimized(
        rnn, RNG.random((5, 4)), RNG.random((4, 3)), RNG.random((3, 3)), RNG.random(3)
    )
    assert outer(after)["matmul"] == 1
    assert ops(after)["matmul"] == 2


def test_a_power_keeps_the_last_step_only() -> None:
    def power(a: Any, k: int) -> Any:
        return tracejit.scan(lambda p, a: p * a, None, np.ones(3), a, n_steps=k)[-1]

    after = optimized(power, RNG.random(3), 5)
    assert {str(v.type) for n in after.nodes for v in n.outputs} <= {"f8[]", "f8[3]", "i8[]"}


def test_a_polynomial_is_a_sum_of_powers() -> None:
    def polynomial(c: Any, x: float) -> Any:
        terms = tracejit.scan(lambda c, k, x: c * x**k, [c, np.arange(10000)], None, x)
        return terms.sum()

    after = optimized(polynomial, np.array([1.0, 0.0, 2.0]), 3.0)
    assert ops(after)["loop"] == 0


def test_only_one_mean_is_computed() -> None:
    def chosen(a: Any, b: Any, x: Any, y: Any) -> Any:
        return tracejit.ifelse(a < b, np.mean(x), np.mean(y))

    after = optimized(chosen, 1.0, 2.0, RNG.random((3, 4)), RNG.random((3, 4)))
    assert outer(after)["sum"] == 0
    (node,) = (n for n in after.nodes if n.op == "ifelse")
    assert [Counter(n.op for n in b.nodes)["sum"] for b in node.blocks] == [1, 1]


def test_a_cheap_branch_is_a_choice() -> None:
    def largest(x: Any) -> Any:
        best = x[0]
        for value in x:
            if value > best:
                best = value
        return best

    after = optimized(largest, RNG.random(6))
    assert ops(after)["ifelse"] == 0
    assert ops(after)["loop"] == 1


def test_what_is_the_same_in_each_step_is_computed_before() -> None:
    def steps(x: Any, w: Any, n: int) -> Any:
        for _ in range(n):
            x = x + np.exp(w).sum() * 0.01
        return x

    after = optimized(steps, RNG.random(4), RNG.random(9), 50)
    assert outer(after)["exp"] == 1
    (node,) = (n for n in after.nodes if n.op == "loop")
    assert Counter(n.op for n in node.blocks[0].nodes)["sum"] == 0


def test_two_passes_over_a_running_sum_are_one() -> None:
    def spread(x: Any) -> Any:
        sums = np.empty(len(x))
        s = 0.0
        for i in range(len(x)):
            s = s + x[i]
            sums[i] = s
        low = 0.0
        for i in range(len(x)):
            low = low * 0.5 + sums[i]
        return low

    after = optimized(spread, RNG.random(6))
    assert ops(after)["loop"] == 1
    assert ops(after)["update"] == 0
