"""What leaves a loop, and what stays in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import branch, loop
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import M, N, Ops, data, graph, op_names, same
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.hoist_invariants import hoist_invariants
from tracejit.passes.pipeline import SIMPLIFICATION, run_pipeline

K, J = dims.sym("k"), dims.sym("j")


def hoisted(before: Graph) -> Graph:
    """`before` after the pass, which gives the same on random arguments."""
    verify(before)
    after = run_pipeline(before, Target(), passes=[hoist_invariants], verify=True)
    args = data(before, 0, {"n": 4, "m": 3}, special=0)
    for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
        np.testing.assert_array_equal(found, wanted)
    return after


def body_of(after: Graph) -> list[str]:
    (node,) = (n for n in after.nodes if n.op == "loop")
    return op_names(node.blocks[0].nodes)


def test_expensive_work_leaves_with_what_it_needs() -> None:
    def body(b: Ops, x: Value, w: Value) -> Value:
        table = b.sum(b.exp(b.add(w, 1)), axes=(0,))
        return b.add(b.multiply(x, table), b.add(w, 1))

    def build(o: Ops, x: Value, w: Value) -> Any:
        return loop(o, body, [x], [w], N)

    after = hoisted(graph(build, "f8[n]", "f8[n]"))
    assert op_names(after.nodes) == ["const", "add", "exp", "sum", "loop"]
    assert body_of(after) == ["const", "multiply", "add", "add"]


def test_cheap_work_stays() -> None:
    def body(b: Ops, x: Value, w: Value, v: Value, s: Value) -> Value:
        wide = b.add(b.reshape(w, shape=(N, 1)), b.reshape(v, shape=(1, M)))
        return b.add(b.multiply(x, b.multiply(wide, 2)), b.multiply(s, s))

    def build(o: Ops, x: Value, w: Value, v: Value, s: Value) -> Any:
        return loop(o, body, [x], [w, v, s], 3)

    before = graph(build, "f8[n, m]", "f8[n]", "f8[m]", "f8[]")
    assert hoist_invariants(before, Target()) is before


def test_numbers_that_cost_something() -> None:
    def body(b: Ops, x: Value, s: Value) -> Value:
        return b.add(x, b.multiply(b.exp(s), s))

    after = hoisted(graph(lambda o, x, s: loop(o, body, [x], [s], 3), "f8[]", "f8[]"))
    assert op_names(after.nodes) == ["exp", "multiply", "loop"]
    assert body_of(after) == ["add"]


def test_matrix_products_and_whole_loops() -> None:
    def inner(c: Ops, total: Value, a: Value) -> Value:
        row = c.reshape(c.slice_(a, J, 1), shape=(N,))
        return c.add(total, c.sum(row, axes=(0,)))

    def body(b: Ops, x: Value, a: Value) -> Value:
        (total,) = loop(b, inner, [b.const(0.0, "f8")], [a], N, symbol="j")
        return b.add(b.matmul(b.matmul(a, a), x), total)

    after = hoisted(graph(lambda o, x, a: loop(o, body, [x], [a], 3), "f8[n, m]", "f8[n, n]"))
    assert op_names(after.nodes) == ["const", "loop", "matmul", "loop"]


def test_out_of_two_loops() -> None:
    def inner(c: Ops, x: Value, w: Value, k: Value) -> Value:
        return c.add(x, c.add(c.exp(w), c.sin(k)))

    def body(b: Ops, x: Value, w: Value) -> Value:
        k = b.cast(b.size(K), dtype=np.dtype("f8"))
        return loop(b, inner, [x], [w, k], N, symbol="j")[0]

    after = hoisted(graph(lambda o, x, w: loop(o, body, [x], [w], N), "f8[n]", "f8[n]"))
    assert op_names(after.nodes) == ["exp", "loop"]
    assert body_of(after) == ["size", "cast", "sin", "add", "loop"]


def first_of(b: Ops, x: Value, w: Value) -> Value:
    return b.add(x, b.exp(b.reshape(b.slice_(w, 0, 1), shape=())))


@pytest.mark.parametrize("surely", [True, False])
def test_an_element_of_what_may_be_empty(surely: bool) -> None:
    before = graph(lambda o, x, w: loop(o, first_of, [x], [w], N), "f8[]", "f8[n]")
    if surely:
        before = before.with_(guards=(Guard(N, ">=", 1),))
    after = hoisted(before)
    assert (body_of(after) == ["add"]) == surely
    if not surely:
        interpret(after, [1.0, np.zeros(0)])


def test_a_part_that_is_there_in_any_case() -> None:
    def body(b: Ops, x: Value, w: Value) -> Value:
        return b.add(x, b.sum(b.exp(b.slice_(w, 0, N)), axes=(0,)))

    after = hoisted(graph(lambda o, x, w, v: loop(o, body, [x], [w], M), "f8[]", "f8[n]", "f8[m]"))
    assert body_of(after) == ["add"]


def test_what_may_not_leave() -> None:
    def body(b: Ops, x: Value, w: Value, i: Value) -> Value:
        printed = Value(x.type)
        b.nodes.append(Node("print", (w,), (printed,)))
        found = b.take(b.reshape(w, shape=(1,)), i, axis=0)
        (chosen,) = branch(b, b.greater(x, 0), lambda t, w: t.exp(w), lambda t, w: w, [w])
        return b.add(x, b.add(b.exp(found), b.add(chosen, b.exp(printed))))

    def build(o: Ops, x: Value, w: Value, i: Value, v: Value) -> Any:
        return loop(o, body, [x], [w, i], N)

    before = graph(build, "f8[]", "f8[]", "i8[]", "f8[n]")
    assert hoist_invariants(before, Target()) is before


def test_what_each_step_writes_into_is_made_in_each_step() -> None:
    def body(b: Ops, x: Value, w: Value) -> Value:
        fresh = b.multiply(w, 3)
        expensive = b.matmul(fresh, fresh)
        a = b.update_(fresh, b.exp(x), 0, N)
        c = b.update_(expensive, b.exp(x), 0, N)
        return b.add(b.matmul(a, c), x)

    after = hoisted(graph(lambda o, x, w: loop(o, body, [x], [w], 3), "f8[n, n]", "f8[n, n]"))
    assert op_names(after.nodes) == ["const", "multiply", "matmul", "loop"]
    assert "multiply" in body_of(after)


def test_in_a_loop_with_a_test() -> None:
    def body(b: Ops, x: Value, go: Value, w: Value) -> Any:
        x = b.add(x, b.exp(w))
        return x, b.less(x, 10.0)

    def build(o: Ops, x: Value, w: Value) -> Any:
        return loop(o, body, [x, o.const(False, np.bool_)], [w], None, 1)

    assert op_names(hoisted(graph(build, "f8[]", "f8[]")).nodes) == ["const", "exp", "loop"]


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
    passes = [hoist_invariants, *SIMPLIFICATION, hoist_invariants]
    after = run_pipeline(graph, Target(), passes=passes, verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
