"""Branches between numbers that become choices."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import branch
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import Ops, data, expressions, graph, same
from tracejit.ir.graph import Graph, Guard, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline
from tracejit.passes.select_branches import select_branches


def test_cheap_numbers() -> None:
    def build(o: Ops, c: Value, x: Value, y: Value) -> Any:
        return branch(
            o, c, lambda t, x, y: (t.add(x, 1), x), lambda t, x, y: (y, t.multiply(x, y)), [x, y]
        )

    before = graph(build, "bool[]", "f8[]", "f8[]")
    after = run_pipeline(before, Target(), passes=[select_branches], verify=True)
    assert expressions(after) == "select(x, add(y, 1.0), z); select(x, y, multiply(y, z))"
    for condition in (True, False):
        args = [np.bool_(condition), 2.5, 3.5]
        assert interpret(after, args) == interpret(before, args)


def guarded(t: Ops, x: Value) -> Value:
    t.guards.append(Guard(1, ">", 0))
    return x


def first(t: Ops, w: Value) -> Value:
    return t.reshape(t.slice_(w, 0, 1), shape=())


def test_branches_that_stay() -> None:
    def build(o: Ops, c: Value, x: Value, w: Value) -> Any:
        (a,) = branch(o, c, lambda t, x: t.exp(t.exp(x)), lambda t, x: x, [x])
        (b,) = branch(
            o,
            c,
            lambda t, w: t.reshape(t.slice_(w, 0, 1), shape=()),
            lambda t, w: t.const(0, "f8"),
            [w],
        )
        (d,) = branch(o, c, lambda t, w: t.add(w, 1), lambda t, w: w, [w])
        (e,) = branch(o, c, guarded, lambda t, x: t.negative(x), [x])
        return a, b, d, e

    before = graph(build, "bool[]", "f8[]", "f8[n]")
    assert select_branches(before, Target()) is before


def test_what_is_expensive_is_lazy_first() -> None:
    def build(o: Ops, c: Value, x: Value, y: Value) -> Any:
        a, b = o.sum(x, axes=(0,)), o.sum(y, axes=(0,))
        return branch(o, c, lambda t, a, b: a, lambda t, a, b: b, [a, b])

    after = run_pipeline(
        graph(build, "bool[]", "f8[n]", "f8[n]"), Target(), passes=[*SIMPLIFICATION, *CONTROL_FLOW]
    )
    assert [n.op for n in after.nodes] == ["ifelse"]


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
    after = run_pipeline(graph, Target(), passes=[*SIMPLIFICATION, *CONTROL_FLOW], verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
