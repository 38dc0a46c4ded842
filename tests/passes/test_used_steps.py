"""Stacked outputs of which only some steps are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import loop
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import N, Ops, data, graph, op_names, same
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.pipeline import SIMPLIFICATION, run_pipeline
from tracejit.passes.used_steps import used_steps

K = dims.sym("k")
F8 = np.dtype("f8")


def kept(before: Graph, *args: Any) -> Graph:
    """`before` after the pass and simplification, which gives the same."""
    verify(before)
    passes = [*SIMPLIFICATION, used_steps, *SIMPLIFICATION]
    after = run_pipeline(before, Target(), passes=passes, verify=True)
    for n in (3, 5):
        given = args or data(before, 0, {"n": n, "m": 3}, special=0)
        for found, wanted in zip(interpret(after, given), interpret(before, given), strict=True):
            np.testing.assert_array_equal(found, wanted)
    return after


def carried(after: Graph) -> list[str]:
    (node,) = (n for n in after.nodes if n.op == "loop")
    return [str(v.type) for v in node.outputs]


def powers(o: Ops, x: Value, *, ring: bool = False) -> Value:
    """The powers of x, stacked; the rows have the shape of x."""
    ys = o.empty(shape=(N, *x.type.shape), dtype=F8)

    def body(b: Ops, p: Value, ys: Value, x: Value) -> Any:
        now = b.multiply(p, x)
        row = b.reshape(now, shape=(1, *x.type.shape))
        if ring:
            row = b.add(row, 1)
        return now, b.update_(ys, row, K, 1)

    ones = o.broadcast_to(o.const(1.0, "f8"), shape=x.type.shape)
    return loop(o, body, [ones, ys], [x], N)[1]


@pytest.mark.parametrize("type", ["f8[]", "f8[3]", "f8[2, m]"])
def test_the_last_step_of_what_is_carried_anyway(type: str) -> None:
    def build(o: Ops, x: Value, y: Value) -> Value:
        last = o.slice_(powers(o, x), N - 1, 1)
        return o.reshape(last, shape=x.type.shape)

    after = kept(graph(build, type, "f8[n]"))
    assert carried(after) == [type]
    assert not any("n" in str(v.type) for n in after.nodes for v in n.outputs)


@pytest.mark.parametrize("type", ["f8[]", "f8[3]"])
def test_the_last_step_of_what_is_not(type: str) -> None:
    def build(o: Ops, x: Value, y: Value) -> Value:
        return o.slice_(powers(o, x, ring=True), N - 1, 1)

    after = kept(graph(build, type, "f8[n]"))
    assert carried(after) == [type, type]


def test_the_last_steps() -> None:
    def build(o: Ops, x: Value, y: Value) -> Any:
        found = powers(o, x)
        pair = o.slice_(found, N - 3, 2)
        part = o.apply("slice", (found,), {"starts": (N - 1, 1), "sizes": (1, 2), "steps": (1, 1)})
        return pair, part, o.slice_(found, N - 2, 1)

    after = kept(graph(build, "f8[4]", "f8[n]"))
    assert carried(after) == ["f8[4]", "f8[3, 4]"]


@pytest.mark.parametrize("first", [0, N - 20])
def test_what_is_read_elsewhere_is_kept(first: Dim) -> None:
    def build(o: Ops, x: Value, y: Value) -> Any:
        found = powers(o, x)
        return o.slice_(found, N - 1, 1), o.slice_(found, first, 1)

    before = graph(build, "f8[]", "f8[n]")
    assert used_steps(before, Target()) is before


def test_what_the_body_reads_is_kept() -> None:
    def body(b: Ops, ys: Value, x: Value) -> Value:
        before = b.slice_(ys, 0, 1)
        return b.update_(ys, b.add(before, x), K, 1)

    def build(o: Ops, x: Value, y: Value) -> Any:
        zeros = o.broadcast_to(o.const(0.0, "f8"), shape=(N,))
        return o.slice_(loop(o, body, [zeros], [x], N)[0], N - 1, 1)

    before = graph(build, "f8[]", "f8[n]")
    assert used_steps(before, Target()) is before


def test_what_nobody_reads_goes() -> None:
    def build(o: Ops, x: Value, y: Value) -> Any:
        powers(o, x)
        ys = o.empty(shape=(N,), dtype=F8)
        row = loop(
            o,
            lambda b, x, ys: (b.add(x, 1), b.update_(ys, b.reshape(x, shape=(1,)), K, 1)),
            [x, ys],
            [],
            N,
        )
        return row[0]

    after = kept(graph(build, "f8[]", "f8[n]"))
    assert op_names(after.nodes) == ["loop"]
    assert carried(after) == ["f8[]"]


def test_a_loop_that_may_end_early() -> None:
    def body(b: Ops, p: Value, done: Value, go: Value, ys: Value) -> Any:
        ys = b.update_(ys, b.reshape(p, shape=(1,)), K, 1)
        p = b.multiply(p, 2.0)
        return p, b.size(K + 1), b.less(p, 50.0), ys

    def build(o: Ops, x: Value, y: Value) -> Any:
        ys = o.empty(shape=(N,), dtype=F8)
        go, zero = o.const(True, np.bool_), o.const(0, "i8")
        _, done, _, ys = loop(o, body, [x, zero, go, ys], [], N, 2)
        o.apply("size_of_value", (done,), {"symbols": ("s",), "most": N})
        return o.slice_(o.slice_(ys, 0, dims.sym("s")), dims.sym("s") - 1, 1)

    before = graph(build, "f8[]", "f8[n]")
    after = kept(before, np.float64(1.0), np.zeros(20))
    assert interpret(after, [np.float64(1.0), np.zeros(20)])[0] == 32
    assert interpret(after, [np.float64(1.0), np.zeros(4)])[0] == 8
    assert "f8[n]" not in carried(after)


@pytest.mark.parametrize("rows", [N, N + 1])
def test_zeros_that_are_replaced_are_not_filled_in(rows: Dim) -> None:
    def body(b: Ops, ys: Value, x: Value) -> Value:
        return b.update_(ys, b.exp(b.slice_(x, K, 1)), K, 1)

    def build(o: Ops, x: Value) -> Any:
        zeros = o.broadcast_to(o.const(0.0, "f8"), shape=(rows,))
        return loop(o, body, [zeros], [x], N)

    after = kept(graph(build, "f8[n]"))
    assert ("empty" in op_names(after.nodes)) == (rows is N)


def test_an_index_of_a_range() -> None:
    def body(b: Ops, s: Value) -> Value:
        numbers = b.iota(shape=(1000,), axis=0, dtype=np.dtype("i4"))
        return b.add(s, b.reshape(b.slice_(numbers, K + 2, 1), shape=()))

    after = kept(graph(lambda o, x, s: loop(o, body, [s], [], N), "f8[n]", "i4[]"))
    assert "iota" not in [n.op for n in after.walk()]


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
    after = run_pipeline(graph, Target(), passes=[*SIMPLIFICATION, used_steps], verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)


def test_nothing_to_do_gives_the_same_object() -> None:
    before = graph(lambda o, x: loop(o, lambda b, x: b.exp(x), [x], [], 3), "f8[n]")
    assert used_steps(before, Target()) is before
    assert isinstance(before.nodes[0], Node)
