"""Steps that do not depend on each other, done at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.control_builder import loop
from tests.passes.control_graphs import control_graphs, put
from tests.passes.control_graphs import element as element_of
from tests.passes.graphs import M, N, Ops, data, graph, op_names, same, tensor
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Guard, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.batch_steps import batch_steps
from tracejit.passes.hoist_invariants import hoist_invariants
from tracejit.passes.pipeline import CONTROL_FLOW, SIMPLIFICATION, run_pipeline

K, J = dims.sym("k"), dims.sym("j")
ENOUGH = (Guard(N, ">=", 2), Guard(M, ">=", 2))


def batched(before: Graph) -> Graph:
    """`before` after the pass and simplification, which gives the same on random arguments."""
    before = before.with_(guards=ENOUGH if "m" in str(before.params[0].type) else ENOUGH[:1])
    verify(before)
    passes = [*SIMPLIFICATION, batch_steps, *SIMPLIFICATION]
    after = run_pipeline(before, Target(), passes=passes, verify=True)
    for n in (2, 5):
        args = data(before, n, {"n": n, "m": 3}, special=0)
        for found, wanted in zip(interpret(after, args), interpret(before, args), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-13)
    return after


def body_of(after: Graph) -> list[str]:
    (node,) = (n for n in after.nodes if n.op == "loop")
    return op_names(node.blocks[0].nodes)


def row(b: Ops, x: Value, at: Dim) -> Value:
    return b.slice_(x, at, 1)


@pytest.mark.parametrize("first", [True, False])
def test_a_product_with_the_rows_of_a_sequence(first: bool) -> None:
    def body(b: Ops, h: Value, x: Value, w: Value) -> Value:
        if first:
            found = b.matmul(row(b, x, K), w)
        else:
            column = b.reshape(row(b, x, K), shape=(M, 1))
            found = b.reshape(b.matmul(w, column), shape=(1, M))
        return b.tanh(b.add(found, h))

    def build(o: Ops, h: Value, x: Value, w: Value) -> Any:
        return loop(o, body, [h], [x, w], N)

    after = batched(graph(build, "f8[1, m]", "f8[n, m]", "f8[m, m]"))
    products = [n for n in after.nodes if n.op == "matmul"]
    assert [str(n.output.type) for n in products] == ["f8[n, m]"]
    assert not {"matmul", "transpose"} & set(body_of(after))


def test_what_costs_something_leaves_and_what_does_not_stays() -> None:
    def body(b: Ops, s: Value, x: Value, y: Value) -> Value:
        a = b.reshape(row(b, x, K), shape=())
        c = b.reshape(row(b, y, N - 1 - K), shape=())
        expensive = b.exp(b.multiply(a, c))
        return b.add(b.multiply(s, expensive), b.add(a, c))

    def build(o: Ops, x: Value, y: Value, s: Value) -> Any:
        return loop(o, body, [s], [x, y], N)

    after = batched(graph(build, "f8[n]", "f8[n]", "f8[]"))
    assert "exp" in op_names(after.nodes)
    assert "exp" not in body_of(after)
    assert body_of(after).count("add") == 2


def test_numbers_of_steps() -> None:
    def body(b: Ops, s: Value, dt: Value) -> Value:
        now = b.multiply(b.cast(b.size(K * 2 + 3), dtype=np.dtype("f8")), dt)
        return b.add(b.multiply(s, 0.5), b.sin(now))

    after = batched(graph(lambda o, x, s, d: loop(o, body, [s], [d], N), "f8[n]", "f8[]", "f8[]"))
    assert {"iota", "sin"} <= set(op_names(after.nodes))
    assert "sin" not in body_of(after)


def test_a_reduction_of_each_row() -> None:
    def body(b: Ops, s: Value, x: Value, w: Value) -> Value:
        dot = b.sum(b.multiply(b.reshape(row(b, x, K), shape=(M,)), w), axes=(0,))
        return b.add(b.multiply(s, 0.5), dot)

    def build(o: Ops, x: Value, w: Value, s: Value) -> Any:
        return loop(o, body, [s], [x, w], N)

    after = batched(graph(build, "f8[n, m]", "f8[m]", "f8[]"))
    assert "sum" not in body_of(after)


def test_arrays_that_are_filled_row_by_row() -> None:
    def body(b: Ops, y: Value, z: Value, x: Value) -> Any:
        now = row(b, x, K + 1)
        old = row(b, y, K)
        y = b.update_(y, b.add(b.multiply(now, 2), old), K, 1)
        column = b.reshape(now, shape=(M, 1))
        where = {"starts": (0, N - 2 - K), "sizes": (M, 1), "steps": (1, 1)}
        return y, b.apply("update", (z, column), where)

    def build(o: Ops, y: Value, z: Value, x: Value) -> Any:
        return loop(o, body, [y, z], [x], N - 1)

    after = batched(graph(build, "f8[n, m]", "f8[m, n]", "f8[n, m]"))
    assert "loop" not in op_names(after.nodes)


def test_two_loops_are_one_array_operation() -> None:
    def inner(c: Ops, b: Value, a: Value) -> Value:
        total = c.add(element_of(c, a, K, J + 1), element_of(c, a, K + 1, J))
        return put(c, b, c.multiply(total, element_of(c, a, K + 1, J + 1)), K + 1, J + 1)

    def body(c: Ops, b: Value, a: Value) -> Any:
        return loop(c, inner, [b], [a], M - 1, symbol="j")

    def build(o: Ops, b: Value, a: Value) -> Any:
        return loop(o, body, [b], [a], N - 1)

    after = batched(graph(build, "f8[n, m]", "f8[n, m]"))
    assert op_names(after.nodes) == ["slice", "slice", "add", "slice", "multiply", "update"]


def test_what_depends_on_other_steps_stays() -> None:
    def before_it(b: Ops, y: Value, x: Value) -> Value:
        return b.update_(y, b.exp(row(b, y, K)), K + 1, 1)

    def same_row(b: Ops, y: Value, x: Value) -> Value:
        return b.update_(y, b.exp(row(b, x, K)), 0, 1)

    def in_its_value(b: Ops, y: Value, x: Value) -> Value:
        y = b.update_(y, row(b, x, K), K, 1)
        return b.update_(y, b.exp(row(b, y, 0)), K, 1)

    for body in (before_it, in_its_value):
        before = graph(lambda o, y, x: loop(o, body, [y], [x], N - 1), "f8[n]", "f8[n]")  # noqa: B023
        after = batched(before)
        assert "exp" in body_of(after)
    after = batched(graph(lambda o, y, x: loop(o, same_row, [y], [x], N - 1), "f8[n]", "f8[n]"))
    assert "loop" in op_names(after.nodes)


def test_what_would_take_more_memory_stays() -> None:
    def body(b: Ops, s: Value, x: Value, w: Value) -> Value:
        outer = b.exp(b.multiply(b.reshape(row(b, x, K), shape=(M, 1)), w))
        return b.add(b.multiply(s, 0.5), outer)

    def build(o: Ops, x: Value, w: Value, s: Value) -> Any:
        return loop(o, body, [s], [x, w], N)

    after = batched(graph(build, "f8[n, m]", "f8[1, m]", "f8[m, m]"))
    assert "exp" in body_of(after)


def test_what_would_take_more_memory_on_the_way_stays() -> None:
    """All distances at once would be a cube."""

    def body(b: Ops, d: Value, x: Value) -> Value:
        apart = b.subtract(x, row(b, x, K))
        return put(b, d, b.sum(b.multiply(apart, b.exp(apart)), axes=(1,)), K)

    def build(o: Ops, d: Value, x: Value) -> Any:
        return loop(o, body, [d], [x], N)

    after = batched(graph(build, "f8[n, n]", "f8[n, m]"))
    assert "exp" in body_of(after)


def test_loops_that_stay_as_they_are() -> None:
    def body(b: Ops, s: Value, go: Value, x: Value) -> Any:
        return b.add(s, b.exp(row(b, x, K))), go

    def guarded(b: Ops, s: Value, x: Value) -> Value:
        b.guards.append(Guard(K, "<", N - 1))
        return b.add(s, b.exp(row(b, x, K + 1)))

    def build(o: Ops, s: Value, x: Value) -> Any:
        go = o.const(True, np.bool_)
        few = loop(o, lambda b, s, x: b.add(s, b.exp(row(b, x, K))), [s], [x], 3)
        return (*loop(o, body, [s, go], [x], N, 1), *loop(o, guarded, [s], [x], N), *few)

    before = graph(build, "f8[1]", "f8[n]")
    assert batch_steps(before, Target()) is before
    may_be_negative = graph(
        lambda o, s, x: loop(o, lambda b, s, x: b.add(s, b.exp(row(b, x, K))), [s], [x], N - 5),
        "f8[1]", "f8[n]",
    )  # fmt: skip
    assert batch_steps(may_be_negative, Target()) is may_be_negative


def test_where_writes_must_stay_where_they_are() -> None:
    def body(b: Ops, y: Value, x: Value, i: Value) -> Value:
        found = b.take(x, i, axis=0)
        return b.update_(y, b.add(b.exp(row(b, x, K)), found), K, 1)

    before = graph(lambda o, y, x, i: loop(o, body, [y], [x, i], N), "f8[n]", "f8[n]", "i8[]")
    before = before.with_(written=((0, 0),))
    after = run_pipeline(before, Target(), passes=[batch_steps], verify=True)
    assert body_of(after).count("update") == 1


# At random: bodies on rows of integers.


class _Body:
    """Statements on the rows of arrays, exact in int64."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def at(self) -> Dim:
        return self.pick([K, K, K + 1, N - 1 - K, 2 * K, 0])

    def __call__(self, b: Ops, *arrays: Value) -> tuple[Value, ...]:
        (y, z, s), rest = arrays[:3], arrays[3:]
        long = (rest[0], rest[2], y)
        values = [b.reshape(row(b, x, self.at()), shape=x.type.shape[1:]) for x in long]
        values.append(b.size(self.pick([K, 2 * K + 1, N - K])))
        for _ in range(self.draw(st.integers(1, 6))):
            op = self.pick(["add", "multiply", "subtract", "sum", "matmul", "carried", "transpose"])
            x, w = self.pick(values), self.pick(values)
            if op == "sum" and x.type.ndim:
                values.append(b.sum(x, axes=(self.pick(range(x.type.ndim)),)))
            elif op == "matmul" and x.type.shape == (M,):
                found = b.matmul(b.reshape(x, shape=(1, M)), rest[1])
                values.append(b.reshape(found, shape=(M,)))
            elif op == "transpose" and x.type.shape == (M,):
                values.append(b.transpose(b.reshape(x, shape=(M, 1)), perm=(1, 0)))
            elif op == "carried":
                values.append(b.add(s, x if not x.type.ndim else 1))
            elif op in ("add", "multiply", "subtract"):
                values.append(b.apply(op, (x, w)))
        fits = [v for v in values[-4:] if v.type.shape in ((), (M,), (1, M))]
        if fits:
            y = put(b, y, self.pick(fits), self.pick([K, K, N - 1 - K, 0, K + 1]))
        scalars = [v for v in values if not v.type.ndim]
        z = put(b, z, self.pick(scalars), self.pick([K, 2 * K, N - 1 - K]))
        if self.draw(st.booleans()):
            s = b.add(s, self.pick(scalars))
        return y, z, s


@st.composite
def row_loops(draw: Any) -> Graph:
    o = Ops()
    types = ("i8[p, m]", "i8[p]", "i8[]", "i8[p, m]", "i8[m, m]", "i8[p]", "i8[n]")
    arrays = [o.param(tensor(t)) for t in types]
    rest = arrays[3:6]
    found = loop(o, _Body(draw), arrays[:3], [rest[0], rest[1], rest[2]], N)
    return o.finish("rows", found).with_(guards=ENOUGH)


@given(graph=row_loops(), seed=st.integers(0, 2**32), n=st.integers(2, 6), m=st.integers(2, 4))
@settings(max_examples=150)
def test_random_rows(graph: Graph, seed: int, n: int, m: int) -> None:
    verify(graph)
    # Matrix rows are read at step numbers up to 2 * n.
    args = data(graph, seed, {"n": n, "m": m, "p": max(2 * n, m)}, special=0)
    expected = interpret(graph, args)
    for passes in ([batch_steps], [*SIMPLIFICATION, *CONTROL_FLOW]):
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
    passes = [*SIMPLIFICATION, hoist_invariants, batch_steps]
    after = run_pipeline(graph, Target(), passes=passes, verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
