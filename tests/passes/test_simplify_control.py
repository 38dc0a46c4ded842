"""Simplification across the border of branches and loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import branch, loop
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import N, Ops, data, graph, op_names, same
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.pipeline import SIMPLIFICATION, run_pipeline

K = dims.sym("k")


def simplified(before: Graph, seed: int = 0, **sizes: int) -> Graph:
    """`before` after simplification, which gives the same on random arguments."""
    verify(before)
    after = run_pipeline(before, Target(), passes=SIMPLIFICATION, verify=True)
    args = data(before, seed, {"n": 4, "m": 3} | sizes, special=0)
    for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
        np.testing.assert_array_equal(found, wanted)
    return after


def only(after: Graph, op: str) -> Node:
    (node,) = (n for n in after.nodes if n.op == op)
    return node


def test_inside_of_blocks_too() -> None:
    def build(o: Ops, c: Value, x: Value) -> Any:
        return branch(
            o,
            c,
            lambda t, x: t.add(t.multiply(t.exp(x), 1), t.exp(x)),
            lambda t, x: t.negative(t.negative(x)),
            [x],
        )

    after = simplified(graph(build, "bool[]", "f8[n]"))
    then, otherwise = only(after, "ifelse").blocks
    assert op_names(then.nodes) == ["exp", "add"]
    assert otherwise.results[0] is otherwise.params[0]


@pytest.mark.parametrize("known", [True, False])
def test_a_known_condition(known: bool) -> None:
    def build(o: Ops, x: Value) -> Any:
        c = o.const(known, np.bool_)
        return branch(o, c, lambda t, x: t.sin(x), lambda t, x: t.cos(x), [x])

    assert op_names(simplified(graph(build, "f8[n]")).nodes) == ["sin" if known else "cos"]


def test_a_negated_condition() -> None:
    def build(o: Ops, c: Value, x: Value) -> Any:
        return branch(o, o.logical_not(c), lambda t, x: t.sin(x), lambda t, x: t.cos(x), [x])

    after = simplified(graph(build, "bool[]", "f8[n]"))
    assert op_names(after.nodes) == ["ifelse"]
    assert op_names(only(after, "ifelse").blocks[0].nodes) == ["cos"]


def test_a_branch_on_the_condition_of_the_branch_around_it() -> None:
    def inner(t: Ops, c: Value, x: Value) -> Any:
        return branch(t, c, lambda u, x: u.sin(x), lambda u, x: u.cos(x), [x])

    def build(o: Ops, c: Value, x: Value) -> Any:
        return branch(o, c, inner, inner, [c, x])

    node = only(simplified(graph(build, "bool[]", "f8[n]")), "ifelse")
    assert [op_names(b.nodes) for b in node.blocks] == [["sin"], ["cos"]]
    assert len(node.inputs) == 2


def test_equal_results_and_unread_ones() -> None:
    def build(o: Ops, c: Value, x: Value, y: Value) -> Any:
        a, b, d, e = branch(
            o,
            c,
            lambda t, x, y: (x, t.const(2.0, "f8"), t.exp(x), t.log(y)),
            lambda t, x, y: (x, t.const(2.0, "f8"), t.sin(x), t.tan(y)),
            [x, y],
        )
        del e
        return a, o.broadcast_to(b, shape=(N,)), d

    after = simplified(graph(build, "bool[]", "f8[n]", "f8[n]"))
    node = only(after, "ifelse")
    assert len(node.outputs) == 1
    assert len(node.inputs) == 2, "the condition and x"
    assert after.results[0] is after.params[1]


def test_constants_are_made_inside_and_scalars_spread_there() -> None:
    def build(o: Ops, x: Value, s: Value) -> Any:
        zeros = o.broadcast_to(o.const(0.0, "f8"), shape=(N,))
        wide = o.broadcast_to(s, shape=(N,))
        size = o.cast(o.size(N), dtype=np.dtype("f8"))

        def body(b: Ops, x: Value, zeros: Value, wide: Value, again: Value) -> Value:
            return b.add(b.multiply(b.subtract(x, zeros), wide), again)

        return (*loop(o, body, [x], [zeros, wide, wide], 3), size)

    node = only(simplified(graph(build, "f8[n]", "f8[]")), "loop")
    assert [str(v.type) for v in node.inputs] == ["f8[n]", "f8[]"]
    assert "broadcast_to" not in op_names(node.blocks[0].nodes)


def test_what_does_not_change_is_not_carried() -> None:
    def build(o: Ops, x: Value, y: Value, s: Value) -> Any:
        def body(b: Ops, x: Value, y: Value, s: Value, one: Value) -> Any:
            return b.add(b.multiply(x, y), s), y, s, b.const(1.0, "f8")

        return loop(o, body, [x, y, s, o.const(1.0, "f8")], [], N)

    after = simplified(graph(build, "f8[n]", "f8[n]", "f8[]"))
    node = only(after, "loop")
    assert node.attrs["carried"] == 1
    assert len(node.inputs) == 3
    assert after.results[1] is after.params[1]


def test_what_nobody_needs_is_not_carried() -> None:
    """A value that feeds only itself goes, through a branch and a loop inside."""

    def body(b: Ops, x: Value, junk: Value, other: Value) -> Any:
        junk, x = branch(
            b,
            b.greater(x, 0),
            lambda t, junk, x: (t.exp(junk), t.add(x, 1)),
            lambda t, junk, x: (t.sin(junk), x),
            [junk, x],
        )
        junk, other = loop(
            b,
            lambda c, junk, other: (c.add(junk, other), c.add(other, 1)),
            [junk, other],
            [],
            3,
            symbol="j",
        )
        return x, junk, other

    def build(o: Ops, x: Value, y: Value) -> Any:
        return loop(o, body, [x, x, x], [], N)[0]

    node = only(simplified(graph(build, "f8[]", "f8[n]")), "loop")
    assert node.attrs["carried"] == 1
    assert [n.op for n in node.blocks[0].walk() if n.op in ("exp", "sin", "loop")] == []


def test_effects_keep_what_they_need() -> None:
    def body(b: Ops, x: Value, y: Value) -> Any:
        print_ = Node("print", (y,), ())
        b.nodes.append(print_)
        return b.add(x, 1), b.add(y, 2)

    def build(o: Ops, x: Value) -> Any:
        loop(o, body, [x, x], [], 3)
        return x

    after = run_pipeline(graph(build, "f8[]"), Target(), passes=SIMPLIFICATION)
    assert only(after, "loop").attrs["carried"] == 1


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("test", [None, True, False, "x"])
def test_loops_that_run_never_or_once(count: int, test: Any) -> None:
    def body(b: Ops, x: Value, go: Value) -> Any:
        step = b.cast(b.size(K + 2), dtype=np.dtype("f8"))
        return b.add(b.multiply(x, 2), step), b.const(False, np.bool_)

    def build(o: Ops, x: Value, c: Value) -> Any:
        go = c if test == "x" else o.const(True if test is None else test, np.bool_)
        return loop(o, body, [x, go], [], count, None if test is None else 1)

    after = simplified(graph(build, "f8[]", "bool[]"))
    assert "loop" not in [n.op for n in after.walk()]
    assert ("ifelse" in op_names(after.nodes)) == (count == 1 and test == "x")


def test_a_test_that_nothing_changes() -> None:
    def build(o: Ops, x: Value, go: Value) -> Any:
        always = o.const(True, np.bool_)
        first = loop(o, lambda b, x, go: (b.add(x, 1), go), [x, always], [], 3, 1)
        return first[0], loop(o, lambda b, x, go: (b.add(x, 1), go), [x, go], [], 3, 1)[0]

    after = simplified(graph(build, "f8[]", "bool[]"))
    tests = [n.attrs["test"] for n in after.nodes if n.op == "loop"]
    assert tests == [None, 1]


def test_inside_a_loop_its_test_holds() -> None:
    def body(b: Ops, x: Value, go: Value) -> Any:
        (x,) = branch(b, go, lambda t, x: t.add(x, 1), lambda t, x: t.exp(x), [x])
        return x, b.less(x, 10)

    def build(o: Ops, x: Value) -> Any:
        return loop(o, body, [x, o.less(x, 10)], [], None, 1)[0]

    node = only(simplified(graph(build, "f8[]")), "loop")
    assert op_names(node.blocks[0].nodes) == ["const", "add", "const", "less"]


def test_equal_carried_values_are_one() -> None:
    def body(b: Ops, x: Value, y: Value) -> Any:
        z = b.add(x, y)
        return z, z

    def build(o: Ops, x: Value) -> Any:
        return loop(o, body, [x, x], [], 3)

    after = simplified(graph(build, "f8[n]"))
    assert only(after, "loop").attrs["carried"] == 1
    assert after.results[0] is after.results[1]


def test_blocks_with_guards_stay() -> None:
    def side(t: Ops, x: Value) -> Value:
        t.guards.append(Guard(N, ">", 0))
        return t.exp(x)

    def build(o: Ops, x: Value) -> Any:
        return branch(o, o.const(True, np.bool_), side, lambda t, x: x, [x])

    assert op_names(simplified(graph(build, "f8[n]")).nodes) == ["const", "ifelse"]


def test_nothing_to_do_gives_the_same_object() -> None:
    def build(o: Ops, c: Value, x: Value) -> Any:
        (y,) = branch(o, c, lambda t, x: t.sin(x), lambda t, x: t.cos(x), [x])
        return loop(o, lambda b, y: b.exp(y), [y], [], N)

    before = graph(build, "bool[]", "f8[n]")
    assert run_pipeline(before, Target(), passes=SIMPLIFICATION) is before


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
    after = run_pipeline(graph, Target(), passes=SIMPLIFICATION, verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
