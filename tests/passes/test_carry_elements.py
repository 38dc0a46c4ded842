"""Elements of arrays that loops carry as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracejit
from tests.passes.control_builder import loop
from tests.passes.control_graphs import control_graphs, element, put
from tests.passes.graphs import M, N, Ops, data, graph, op_names, same, tensor
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.carry_elements import carry_elements
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline

K, J = dims.sym("k"), dims.sym("j")


def innermost(graph: Graph) -> list[list[str]]:
    """What the loops without loops in them carry."""
    loops = [n for n in graph.walk() if n.op == "loop"]
    inner = [n for n in loops if not any(m.op == "loop" for m in n.blocks[0].walk())]
    return [[str(v.type) for v in n.outputs] for n in inner]


def traced(fn: Any, *args: Any) -> Graph:
    before = tracejit.jit(fn).trace(*args)
    after = run_pipeline(before, Target(), passes=[*SIMPLIFICATION, *CONTROL_FLOW], verify=True)
    for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
        np.testing.assert_array_equal(found, wanted)
    return after


def triangular(lower: Any, x: Any) -> None:
    for i in range(len(x)):
        for j in range(i):
            x[i] -= lower[i, j] * x[j]
        x[i] = x[i] / lower[i, i]


def product(a: Any, b: Any, c: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


def cholesky(a: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        for k in range(i):
            a[i, i] -= a[i, k] * a[i, k]
        a[i, i] = np.sqrt(a[i, i])


def total(a: Any, s: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            s[0] += a[i, j]


RNG = np.random.default_rng(2)
SQUARE = RNG.random((5, 5)) + 5 * np.eye(5)


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (triangular, (SQUARE, RNG.random(5))),
        (product, (RNG.random((3, 4)), RNG.random((4, 2)), RNG.random((3, 2)))),
        (cholesky, (SQUARE + SQUARE.T,)),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_programs(fn: Any, args: Any) -> None:
    assert all(carried == ["f8[]"] for carried in innermost(traced(fn, *args)))


def test_out_of_two_loops() -> None:
    after = traced(total, RNG.random((3, 4)), RNG.random(2))
    loops = [n for n in after.walk() if n.op == "loop"]
    assert [str(v.type) for n in loops for v in n.outputs] in (["f8[]"] * 2, ["f8[2]", "f8[]"])


def sums(first: Dim, read: Dim, count: Dim) -> Graph:
    def body(b: Ops, x: Value, y: Value) -> Value:
        found = b.add(element(b, x, first), element(b, x, read))
        return put(b, x, b.multiply(found, element(b, y, K)), first)

    return graph(lambda o, x, y, z: loop(o, body, [x], [y], count), "f8[n]", "f8[n]", "f8[m]")


@pytest.mark.parametrize(
    ("first", "read", "count", "goes"),
    [
        (N - 1, K, N - 1, True),
        (N - 1, K, N, False),
        (0, K + 1, N - 1, True),
        (0, N - 1 - K, N - 1, True),
        (0, N - 1 - K, N, False),
        (0, K, N - 1, False),
        (K, 0, N, False),
    ],
)
def test_what_lies_elsewhere(first: Dim, read: Dim, count: Dim, goes: bool) -> None:
    before = sums(first, read, count)
    # The element is there: it is read before the loop too.
    if goes:
        start = Ops()
        x = before.params[0]
        element(start, x, first)
        before = before.with_(nodes=(*start.nodes, *before.nodes))
    verify(before)
    after = run_pipeline(before, Target(), passes=[carry_elements], verify=True)
    assert (after is not before) == goes
    for n in (1, 2, 5):
        args = data(before, n, {"n": n, "m": 3}, special=0)
        assert same(interpret(after, args)[0], interpret(before, args)[0])


def test_an_element_that_may_not_be_there() -> None:
    before = sums(M - 1, M - 1, N)
    assert carry_elements(before, Target()) is before


def test_what_else_is_done_with_the_array() -> None:
    def whole(b: Ops, x: Value, y: Value) -> Value:
        return put(b, x, b.add(b.sum(x, axes=(0,)), element(b, x, 0)), 0)

    def two(b: Ops, x: Value, y: Value) -> Value:
        x = put(b, x, b.add(element(b, x, 0), 1), 0)
        return put(b, x, b.add(element(b, x, 1), 1), 1)

    def failing(b: Ops, x: Value, y: Value) -> Value:
        return put(b, x, b.add(element(b, x, 0), b.take(y, b.const(0, "i8"), axis=0)), 0)

    for body in (whole, two, failing):
        before = graph(lambda o, x, y: loop(o, body, [x], [y], 3), "f8[n]", "f8[n]")  # noqa: B023
        assert carry_elements(before, Target()) is before


def test_versions_of_the_element() -> None:
    def body(b: Ops, x: Value, y: Value) -> Value:
        old = element(b, x, 0)
        new = put(b, x, b.multiply(old, 2), 0)
        return put(b, new, b.add(element(b, new, 0), b.multiply(old, element(b, x, 1))), 0)

    before = graph(lambda o, x, y: loop(o, body, [x], [y], 3), "f8[n]", "f8[n]")
    after = run_pipeline(before, Target(), passes=[carry_elements], verify=True)
    assert op_names(after.nodes) == ["slice", "reshape", "loop", "broadcast_to", "update"]
    for seed in range(5):
        args = data(before, seed, {"n": 4}, special=0)
        assert same(interpret(after, args)[0], interpret(before, args)[0])


@st.composite
def accumulations(draw: Any) -> Graph:
    """Nested loops that add to elements which are chosen by the outer loops."""
    o = Ops()
    arrays = [o.param(tensor(t)) for t in ("i8[n]", "i8[n, n]")]
    o.param(tensor("i8[m]"))

    def pick(options: Any) -> Any:
        return draw(st.sampled_from(options))

    def level(b: Ops, x: Value, a: Value, at: list[Dim], depth: int) -> tuple[Value, Value]:
        k = dims.sym(f"k{depth}")
        count = pick([N, N - 1, N - 1, *(d for d in at[1:])])
        inside = [*at, k] if depth else [0, k]

        def body(c: Ops, x: Value, a: Value) -> tuple[Value, Value]:
            for _ in range(draw(st.integers(1, 2))):
                e = c.add(element(c, x, pick(inside)), element(c, a, pick(inside), pick(inside)))
                if draw(st.booleans()):
                    x = put(c, x, e, pick(inside))
                else:
                    a = put(c, a, c.subtract(e, 1), pick(inside), pick(inside))
            if depth < 2:
                x, a = level(c, x, a, inside, depth + 1)
            return x, a

        found = loop(b, body, [x, a], [], count, symbol=f"k{depth}")
        return found[0], found[1]

    return o.finish("sums", level(o, *arrays, [], 0))


@given(graph=accumulations(), seed=st.integers(0, 2**32), n=st.integers(1, 5))
@settings(max_examples=200)
def test_random_accumulations(graph: Graph, seed: int, n: int) -> None:
    verify(graph)
    args = data(graph, seed, {"n": n, "m": 2}, special=0)
    expected = interpret(graph, args)
    for passes in ([*SIMPLIFICATION, carry_elements], [*SIMPLIFICATION, *CONTROL_FLOW]):
        after = run_pipeline(graph, Target(), passes=passes, verify=True)
        for found, wanted in zip(interpret(after, args), expected, strict=True):
            assert same(found, wanted)


@given(
    graph=control_graphs(),
    seed=st.integers(0, 2**32),
    n=st.integers(2, 5),
    k=st.integers(2, 4),
)
@settings(max_examples=200)
def test_random_programs_keep_their_results(graph: Graph, seed: int, n: int, k: int) -> None:
    args = data(graph, seed, {"n": n, "k": k}, special=0)
    expected = interpret(graph, args)
    after = run_pipeline(graph, Target(), passes=[*SIMPLIFICATION, carry_elements], verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
