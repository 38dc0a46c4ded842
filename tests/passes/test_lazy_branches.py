"""What goes into the side of a branch that needs it, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import branch, loop
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import N, Ops, data, graph, op_names, same
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.lazy_branches import lazy_branches
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline

K = dims.sym("k")


def lazy(before: Graph) -> Graph:
    """`before` after the pass, which gives the same on random arguments."""
    verify(before)
    after = run_pipeline(before, Target(), passes=[lazy_branches], verify=True)
    args = data(before, 0, {"n": 4, "m": 3}, special=0)
    for condition in (True, False):
        args = [np.bool_(condition) if a.dtype == bool else a for a in args]
        for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
            np.testing.assert_array_equal(found, wanted)
    return after


def choose(o: Ops, c: Value, a: Value, b: Value) -> Value:
    return branch(o, c, lambda t, a, b: a, lambda t, a, b: b, [a, b])[0]


def sides(after: Graph) -> list[list[str]]:
    (node,) = (n for n in after.nodes if n.op == "ifelse")
    return [op_names(b.nodes) for b in node.blocks]


def test_each_side_gets_what_it_needs() -> None:
    def build(o: Ops, c: Value, x: Value, y: Value) -> Value:
        a = o.divide(o.sum(x, axes=(0,)), o.cast(o.size(N), dtype=np.dtype("f8")))
        return choose(o, c, a, o.max(o.exp(y), axes=(0,)))

    after = lazy(graph(build, "bool[]", "f8[n]", "f8[n]"))
    assert op_names(after.nodes) == ["ifelse"]
    assert sides(after) == [["sum", "size", "cast", "divide"], ["exp", "max"]]
    node = after.nodes[0]
    assert node.inputs == after.params


def test_the_other_side_does_not_run() -> None:
    """The interpreter would raise there: the inputs of the side not taken are never computed."""

    def build(o: Ops, c: Value, x: Value) -> Value:
        return choose(o, c, o.sum(o.exp(x), axes=(0,)), o.const(0.0, "f8"))

    after = lazy(graph(build, "bool[]", "f8[n]"))
    (node,) = (n for n in after.nodes if n.op == "ifelse")
    broken = node.blocks[0].with_(nodes=(Node("broken", (), ()),))
    nodes = tuple(n.with_(blocks=(broken, n.blocks[1])) if n is node else n for n in after.nodes)
    assert interpret(after.with_(nodes=nodes), [False, np.ones(3)])[0] == 0


def test_what_others_read_stays() -> None:
    def build(o: Ops, c: Value, x: Value) -> Any:
        shared, mine = o.exp(x), o.sin(x)
        both = o.cos(x)
        a = o.sum(o.add(shared, o.add(mine, both)), axes=(0,))
        return choose(o, c, a, o.sum(both, axes=(0,))), shared

    after = lazy(graph(build, "bool[]", "f8[n]"))
    assert op_names(after.nodes) == ["exp", "cos", "ifelse"]
    assert sides(after) == [["sin", "add", "add", "sum"], ["sum"]]


def test_nested_branches() -> None:
    def build(o: Ops, c: Value, d: Value, x: Value) -> Value:
        a, b, e = o.sum(o.exp(x), axes=(0,)), o.sum(o.sin(x), axes=(0,)), o.max(x, axes=(0,))
        return choose(o, c, choose(o, d, a, b), e)

    after = lazy(graph(build, "bool[]", "bool[]", "f8[n]"))
    assert op_names(after.nodes) == ["ifelse"]
    assert sides(after) == [["ifelse"], ["max"]]
    inner = after.nodes[0].blocks[0].nodes[0]
    assert [op_names(b.nodes) for b in inner.blocks] == [["exp", "sum"], ["sin", "sum"]]


def test_loops_go_too_and_branches_in_loops_are_lazy() -> None:
    def body(b: Ops, s: Value, x: Value, c: Value) -> Value:
        return b.add(s, choose(b, c, b.sum(b.exp(x), axes=(0,)), s))

    def build(o: Ops, c: Value, x: Value, s: Value) -> Value:
        (total,) = loop(o, body, [s], [x, c], 3)
        return choose(o, c, total, s)

    after = lazy(graph(build, "bool[]", "f8[n]", "f8[]"))
    assert op_names(after.nodes) == ["ifelse"]
    assert sides(after) == [["loop"], []]
    inner = after.nodes[0].blocks[0].nodes[0].blocks[0]
    assert op_names(inner.nodes) == ["ifelse", "add"]
    assert [op_names(b.nodes) for b in inner.nodes[0].blocks] == [["exp", "sum"], []]


def printing(o: Ops, x: Value) -> Value:
    out = Value(x.type)
    o.nodes.append(Node("print", (x,), (out,)))
    return out


def overwritten(o: Ops, x: Value) -> Value:
    found = o.sum(x, axes=(0,))
    o.update_(x, o.const(0, "f8"), 0, 1)
    return found


STAYS: dict[str, Callable[[Ops, Value], Value]] = {
    "take": lambda o, x: o.take(x, o.const(2, "i8"), axis=0),
    "update": lambda o, x: o.update_(x, o.const(0, "f8"), 0, 1),
    "slice": lambda o, x: o.slice_(x, 1, 1),
    "overwritten": overwritten,
}


@pytest.mark.parametrize("kind", STAYS)
def test_what_stays(kind: str) -> None:
    def build(o: Ops, c: Value, x: Value) -> Value:
        found = STAYS[kind](o, x)
        return choose(o, c, found, o.broadcast_to(o.const(0.0, "f8"), shape=found.type.shape))

    before = graph(build, "bool[]", "f8[n]")
    after = lazy(before)
    assert sides(after)[0] == []


def test_what_fails_goes_into_a_branch_that_is_lazy() -> None:
    def build(o: Ops, c: Value, x: Value, i: Value) -> Value:
        return choose(o, c, o.take(x, i, axis=0), o.const(0.0, "f8"))

    before = graph(build, "bool[]", "f8[n]", "i8[]")
    last = before.nodes[-1].with_(attrs={"lazy": True})
    before = before.with_(nodes=(*before.nodes[:-1], last))
    after = run_pipeline(before, Target(), passes=[lazy_branches], verify=True)
    assert sides(after)[0] == ["take"]
    assert interpret(after, [False, np.ones(3), 7])[0] == 0


def test_effects_stay() -> None:
    def build(o: Ops, c: Value, s: Value) -> Value:
        return choose(o, c, printing(o, s), s)

    before = graph(build, "bool[]", "f8[]")
    assert lazy_branches(before, Target()) is before


def test_an_array_that_is_filled_for_one_side_only() -> None:
    def build(o: Ops, c: Value, x: Value) -> Value:
        t = o.update_(o.empty(shape=(N,), dtype=np.dtype("f8")), o.exp(x), 0, N)
        return choose(o, c, o.sum(t, axes=(0,)), o.const(0.0, "f8"))

    after = lazy(graph(build, "bool[]", "f8[n]"))
    assert sides(after)[0] == ["empty", "exp", "update", "sum"]


def test_nothing_to_do_gives_the_same_object() -> None:
    before = graph(lambda o, c, x, y: choose(o, c, x, y), "bool[]", "f8[n]", "f8[n]")
    assert lazy_branches(before, Target()) is before
    before = graph(lambda o, x: o.exp(x), "f8[n]")
    assert run_pipeline(before, Target(), passes=CONTROL_FLOW) is before


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
    after = run_pipeline(
        graph, Target(), passes=[lazy_branches, *SIMPLIFICATION, lazy_branches], verify=True
    )
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
