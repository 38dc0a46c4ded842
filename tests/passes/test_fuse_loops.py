"""Loops over the same steps that become one, and those that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import loop
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import M, N, Ops, data, graph, op_names, same, tensor
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.fuse_loops import fuse_loops
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline
from tracejit.passes.used_steps import used_steps

K, J = dims.sym("k"), dims.sym("j")


def joined(before: Graph) -> Graph:
    """`before` after the pass, which gives the same on random arguments."""
    verify(before)
    after = run_pipeline(before, Target(), passes=[*SIMPLIFICATION, fuse_loops], verify=True)
    for n in (2, 5):
        args = data(before, n, {"n": n, "m": 3}, special=0)
        for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
            np.testing.assert_array_equal(found, wanted)
    return after


def count(after: Graph) -> int:
    return op_names(after.nodes).count("loop")


def running_sums(o: Ops, y: Value, x: Value) -> tuple[Value, ...]:
    """y[k] = x[0] + ... + x[k]"""

    def body(b: Ops, s: Value, y: Value, x: Value) -> Any:
        s = b.add(s, b.reshape(b.slice_(x, K, 1), shape=()))
        return s, b.update_(y, b.reshape(s, shape=(1,)), K, 1)

    return loop(o, body, [o.const(0.0, "f8"), y], [x], N)


def products(at: Dim = J) -> Callable[[Ops, Value], tuple[Value, ...]]:
    def body(b: Ops, s: Value, y: Value) -> Value:
        return b.multiply(s, b.reshape(b.slice_(y, at, 1), shape=()))

    return lambda o, y: loop(o, body, [o.const(1.0, "f8")], [y], N, symbol="j")


def test_what_one_stacks_up_the_other_reads() -> None:
    def build(o: Ops, x: Value) -> Value:
        _, y = running_sums(o, o.empty(shape=(N,), dtype=np.dtype("f8")), x)
        return products()(o, y)[0]

    after = joined(graph(build, "f8[n]"))
    assert count(after) == 1
    after = run_pipeline(after, Target(), passes=[used_steps, *SIMPLIFICATION], verify=True)
    (node,) = (n for n in after.nodes if n.op == "loop")
    assert [str(v.type) for v in node.outputs] == ["f8[]", "f8[]"]


@pytest.mark.parametrize("at", [N - 1 - J, 0])
def test_another_step_is_not_there_yet(at: Dim) -> None:
    def build(o: Ops, x: Value) -> Value:
        _, y = running_sums(o, o.empty(shape=(N,), dtype=np.dtype("f8")), x)
        return products(at)(o, y)[0]

    assert count(joined(graph(build, "f8[n]"))) == 2


def test_what_is_in_between() -> None:
    def build(o: Ops, x: Value, z: Value) -> Any:
        total, y = running_sums(o, o.empty(shape=(N,), dtype=np.dtype("f8")), x)
        doubled = o.multiply(total, 2)
        early = o.exp(z)

        def body(b: Ops, s: Value, y: Value, w: Value) -> Value:
            return b.multiply(s, b.add(b.reshape(b.slice_(y, J, 1), shape=()), w))

        found = loop(o, body, [o.const(1.0, "f8")], [y, early], N, symbol="j")
        return found[0], doubled

    after = joined(graph(build, "f8[n]", "f8[]"))
    assert count(after) == 1


def test_what_the_second_needs_of_the_end_of_the_first() -> None:
    def build(o: Ops, x: Value) -> Any:
        total, y = running_sums(o, o.empty(shape=(N,), dtype=np.dtype("f8")), x)

        def body(b: Ops, s: Value, y: Value, w: Value) -> Value:
            return b.multiply(s, b.add(b.reshape(b.slice_(y, J, 1), shape=()), w))

        return loop(o, body, [o.const(1.0, "f8")], [y, o.multiply(total, 2)], N, symbol="j")

    assert count(joined(graph(build, "f8[n]"))) == 2


def test_written_by_both_row_by_row() -> None:
    def scaled(b: Ops, p: Value, y: Value) -> Any:
        now = b.slice_(y, J, 1)
        p = b.multiply(p, 1.5)
        return p, b.update_(y, b.multiply(now, p), J, 1)

    def build(o: Ops, y: Value, x: Value) -> Any:
        total, y = running_sums(o, y, x)
        return *loop(o, scaled, [o.const(1.0, "f8"), y], [], N, symbol="j"), total

    after = joined(graph(build, "f8[n]", "f8[n]"))
    assert count(after) == 1
    (node,) = (n for n in after.nodes if n.op == "loop")
    assert [str(v.type) for v in node.outputs].count("f8[n]") == 1


def sums_of(symbol: str, more: int) -> Callable[..., tuple[Value, ...]]:
    def body(b: Ops, s: Value, x: Value) -> Value:
        now = b.reshape(b.slice_(x, dims.sym(symbol), 1), shape=())
        return b.add(b.multiply(s, more), now)

    return lambda o, x, n: loop(o, body, [o.const(0.0, "f8")], [x], n, symbol=symbol)


@pytest.mark.parametrize(("n", "loops"), [(N, 1), (N - 1, 2)])
def test_the_same_sequence(n: Dim, loops: int) -> None:
    def build(o: Ops, x: Value) -> Any:
        return *sums_of("k", 2)(o, x, N), *sums_of("j", 3)(o, x, n)

    assert count(joined(graph(build, "f8[n]"))) == loops


def test_nothing_in_common() -> None:
    def build(o: Ops, x: Value, y: Value) -> Any:
        return *sums_of("k", 2)(o, x, N), *sums_of("j", 3)(o, y, N)

    assert count(joined(graph(build, "f8[n]", "f8[n]"))) == 2


def test_what_would_have_to_be_copied() -> None:
    """The second reads what the first writes over."""

    def build(o: Ops, x: Value, y: Value) -> Any:
        first = running_sums(o, y, x)
        return *first, *sums_of("j", 3)(o, y, N)

    assert count(joined(graph(build, "f8[n]", "f8[n]"))) == 2


def test_loops_that_end_early_or_fail() -> None:
    def ending(b: Ops, s: Value, go: Value, x: Value) -> Any:
        s = b.add(s, b.reshape(b.slice_(x, K, 1), shape=()))
        return s, b.less(s, 3.0)

    def failing(b: Ops, s: Value, x: Value, i: Value) -> Value:
        return b.add(s, b.take(x, i, axis=0))

    def build(o: Ops, x: Value, i: Value) -> Any:
        go, zero = o.const(True, np.bool_), o.const(0.0, "f8")
        first = loop(o, ending, [zero, go], [x], N, 1)
        second = loop(o, failing, [zero], [x, i], N, symbol="j")
        return first[0], second[0], sums_of("l", 2)(o, x, N)[0]

    before = graph(build, "f8[n]", "i8[]")
    assert fuse_loops(before, Target()) is before


def test_inside_of_loops() -> None:
    def body(b: Ops, s: Value, x: Value) -> Value:
        _, y = running_sums(b, b.empty(shape=(N,), dtype=np.dtype("f8")), x)
        return b.add(s, products()(b, y)[0])

    def build(o: Ops, x: Value, z: Value) -> Any:
        return loop(o, body, [o.const(0.0, "f8")], [x], M, symbol="i")

    after = joined(graph(build, "f8[n]", "f8[m]"))
    (node,) = (n for n in after.nodes if n.op == "loop")
    assert count(node.blocks[0]) == 1


# At random: a few loops over the rows of the same arrays.


@st.composite
def rows_in_turn(draw: Any) -> Graph:
    o = Ops()
    arrays = [o.param(tensor("i8[q]"), name) for name in "abc"]
    total = o.param(tensor("i8[]"), "t")
    o.param(tensor("i8[n]"))

    def pick(options: Any) -> Any:
        return draw(st.sampled_from(options))

    for number in range(draw(st.integers(2, 4))):
        symbol = f"k{number}"
        k = dims.sym(symbol)
        order = draw(st.permutations(range(3)))
        written, rest = order[0], [arrays[n] for n in order[1 : draw(st.integers(1, 3))]]

        def body(b: Ops, y: Value, s: Value, *rest: Value, k: Dim = k) -> Any:
            read = [
                b.reshape(b.slice_(x, pick([k, k, k, k + 1, N - k]), 1), shape=())
                for x in (*rest, y)
            ]
            value = b.add(pick(read), b.multiply(pick(read), pick([*read, s])))
            y = b.update_(y, b.reshape(value, shape=(1,)), pick([k, k, k, N - k]), 1)
            return y, b.add(s, pick(read)) if draw(st.booleans()) else s

        arrays[written], found = loop(
            o, body, [arrays[written], total], rest, pick([N, N, N - 1]), symbol=symbol
        )
        total = pick([total, found])
        if draw(st.integers(0, 3)) == 0:
            arrays[pick([0, 1, 2])] = o.add(pick(arrays), 1)
    return o.finish("rows", (*arrays, total))


@given(graph=rows_in_turn(), seed=st.integers(0, 2**32), n=st.integers(2, 6))
@settings(max_examples=150)
def test_random_rows(graph: Graph, seed: int, n: int) -> None:
    verify(graph)
    args = data(graph, seed, {"n": n, "q": n + 2}, special=0)
    expected = interpret(graph, args)
    for passes in ([fuse_loops], [*SIMPLIFICATION, *CONTROL_FLOW]):
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
    after = run_pipeline(graph, Target(), passes=[*SIMPLIFICATION, fuse_loops], verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
