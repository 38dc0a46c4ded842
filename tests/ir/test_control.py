"""Branches and loops as graphs: what they mean, what they look like, what is legal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.passes.control_builder import branch, loop
from tests.passes.graphs import N, Ops, data, graph, tensor
from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Loc, Node, Value
from tracejit.ir.interpret import failing_node, interpret
from tracejit.ir.pprint import format_graph
from tracejit.ir.verify import VerifyError, verify

K = dims.sym("k")


def powers() -> Graph:
    """a**k for every k below n, and the sum of x over the first steps."""
    o = Ops()
    x, a = o.param(tensor("f8[n]"), "x"), o.param(tensor("f8[]"), "a")
    ys = o.empty(shape=(N,), dtype=np.dtype("f8"))

    def body(b: Ops, power: Value, ys: Value, total: Value, a: Value, x: Value) -> Any:
        now = b.reshape(b.slice_(x, K, 1), shape=())
        return (
            b.multiply(power, a),
            b.update_(ys, b.reshape(power, shape=(1,)), K, 1),
            b.add(total, now),
        )

    found = loop(o, body, [o.const(1.0, "f8"), ys, o.const(0.0, "f8")], [a, x], count=N)
    return o.finish("powers", found)


def test_a_loop_carries_values() -> None:
    before = powers()
    verify(before)
    x = np.arange(5.0)
    last, ys, total = interpret(before, [x, np.float64(3)])
    assert last == 3.0**5
    assert total == 10
    np.testing.assert_array_equal(ys, 3.0 ** np.arange(5))
    last, ys, total = interpret(before, [x[:0], np.float64(3)])
    assert (last, ys.shape, total) == (1, (0,), 0)


TEXT = """\
graph powers
  param %0: f8[n]  # x
  param %1: f8[]  # a
  %2: f8[n] = empty(shape=(n,), dtype=f8)
  %3: f8[] = const(1.0)
  %4: f8[] = const(0.0)
  %5: f8[], %6: f8[n], %7: f8[] = loop(%3, %2, %4, %1, %0) k in 0..n {
    carry %8: f8[] = %3
    carry %9: f8[n] = %2
    carry %10: f8[] = %4
    param %11: f8[] = %1  # a
    param %12: f8[n] = %0  # x
    %13: f8[1] = slice(%12, starts=(k,), sizes=(1,), steps=(1,))
    %14: f8[] = reshape(%13, shape=())
    %15: f8[] = multiply(%8, %11)
    %16: f8[1] = reshape(%8, shape=(1,))
    %17: f8[n] = update(%9, %16, starts=(k,), sizes=(1,), steps=(1,))
    %18: f8[] = add(%10, %14)
    next %15, %17, %18
  }
  return %5, %6, %7"""


def test_a_loop_as_text() -> None:
    assert format_graph(powers()) == TEXT


def collatz() -> Graph:
    """The steps until n is 1."""
    o = Ops()
    n = o.param(tensor("i8[]"), "n")

    def body(b: Ops, n: Value, steps: Value, go: Value) -> Any:
        (n,) = branch(
            b,
            b.equal(b.remainder(n, 2), 0),
            lambda t, n: t.floor_divide(n, 2),
            lambda t, n: t.add(t.multiply(n, 3), 1),
            [n],
        )
        return n, b.add(steps, 1), b.not_equal(n, 1)

    found = loop(o, body, [n, o.const(0, "i8"), o.not_equal(n, 1)], [], count=None, test=2)
    return o.finish("collatz", (found[1],))


def test_a_loop_with_a_test_and_a_branch() -> None:
    before = collatz()
    verify(before)
    assert [int(interpret(before, [k])[0]) for k in (1, 2, 3, 6, 7)] == [0, 1, 7, 8, 16]
    text = format_graph(before)
    assert " k in 0.. while %" in text
    assert "} else {" in text


def failing_sides(side: bool) -> Graph:
    o = Ops()
    x, k = o.param(tensor("f8[n]"), "x"), o.param(tensor("i8[]"), "k")

    def element(b: Ops, x: Value, k: Value) -> Value:
        b.loc = Loc("model.py", 7)
        return b.take(x, k, axis=0)

    def other(b: Ops, x: Value, k: Value) -> Value:
        return b.const(-1, "f8")

    cond = o.greater(k, 100 if side else -100)
    sides = (element, other) if side else (other, element)
    return o.finish("sides", branch(o, cond, *sides, [x, k]))


@pytest.mark.parametrize("side", [True, False])
def test_only_one_side_runs(side: bool) -> None:
    before = failing_sides(side)
    verify(before)
    k = 50 if side else -50
    assert interpret(before, [np.arange(5.0), k])[0] == -1
    wrong = 200 if side else -200
    with pytest.raises(errors.TracedIndexError, match=r"model.py:7"):
        interpret(before, [np.arange(5.0), wrong])
    node, error = failing_node(before, [np.arange(5.0), wrong]) or (None, None)
    assert node is not None
    assert (node.op, str(node.loc)) == ("take", "model.py:7")
    assert str(error) == f"index {wrong} is out of bounds for axis 0 with size 5"


def test_a_size_that_is_an_argument() -> None:
    o = Ops()
    o.param(tensor("i8[]"), "n")
    before = o.finish("f", (o.iota(shape=(N,), axis=0, dtype=np.dtype("i8")),))
    before = before.with_(scalars=(("n", 0),), guards=(Guard(N, "<", 5),))
    verify(before)
    assert "param %0: i8[] = n  # n" in format_graph(before)
    np.testing.assert_array_equal(interpret(before, [3])[0], [0, 1, 2])
    for wrong in (-1, 7):
        with pytest.raises(ValueError):
            interpret(before, [wrong])


def test_a_guard_in_a_body() -> None:
    o = Ops()
    x = o.param(tensor("f8[n]"))

    def body(b: Ops, x: Value) -> Value:
        b.guards.append(Guard(K, "<", 3, Loc("model.py", 3)))
        return b.add(x, 1)

    before = o.finish("f", loop(o, body, [x], [], count=N))
    verify(before)
    np.testing.assert_array_equal(interpret(before, [np.zeros(3)])[0], 3)
    with pytest.raises(errors.ShapeError, match="k < 3 is needed, but k is 3"):
        interpret(before, [np.zeros(4)])


X = Value(tensor("f8[n]"), "x")
C = Value(tensor("bool[]"), "c")
S = Value(tensor("f8[]"), "s")
LOOP = {"symbol": "k", "count": N, "carried": 1, "test": None}


def same(text: str = "f8[n]") -> Graph:
    return graph(lambda o, x: x, text)


def out(text: str = "f8[n]") -> tuple[Value, ...]:
    return (Value(tensor(text)),)


def written(block: Graph) -> Graph:
    """`block`, which ends in a write into its first param, in place."""
    planned = [n.with_(reuses=(0,)) if n.op == "update" else n for n in block.nodes]
    return block.with_(nodes=tuple(planned), written=((0, 0),))


BROKEN: dict[str, Node] = {
    "the condition must be one bool": Node("ifelse", (X, X), out(), {}, (same(), same())),
    "ifelse needs two blocks": Node("ifelse", (C, X), out(), {}, (same(),)),
    r"inputs are f8\[n\], those of else f8\[\]": Node(
        "ifelse", (C, X), out(), {}, (same(), same("f8[]"))
    ),
    r"outputs are f8\[\], those of then f8\[n\]": Node(
        "ifelse", (C, X), out("f8[]"), {}, (same(), same())
    ),
    "loop takes carried, count, symbol, test": Node("loop", (X,), out(), {}, (same(),)),
    "the loop has no end": Node("loop", (X,), out(), LOOP | {"count": None}, (same(),)),
    "the size n is defined twice": Node("loop", (X,), out(), LOOP | {"symbol": "n"}, (same(),)),
    "the test must be one bool": Node("loop", (X,), out(), LOOP | {"test": 0}, (same(),)),
    "the test is carried value 1 of 1": Node("loop", (X,), out(), LOOP | {"test": 1}, (same(),)),
    "carries 2 of 1 inputs, has 1 outputs": Node(
        "loop", (X,), out(), LOOP | {"carried": 2}, (same(),)
    ),
    r"carried values are f8\[\], those of body f8\[n\]": Node(
        "loop", (X,), out("f8[]"), LOOP, (graph(lambda o, x: o.sum(x, axes=(0,)), "f8[n]"),)
    ),
    r"attribute count uses the size q": Node(
        "loop", (X,), out(), LOOP | {"count": dims.sym("q")}, (same(),)
    ),
    r"the shape of %\d+ uses the size k": Node(
        "ifelse", (C, X), out("f8[k]"), {}, (same(), same())
    ),
    "a block writes": Node("loop", (X,), out(), LOOP, (written(same()),)),
    "is not in the memory of parameter 0": Node(
        "loop", (X,), out(), LOOP, (written(graph(lambda o, x: o.exp(x), "f8[n]")),), (0,)
    ),
    "input 0 is written and passed twice": Node(
        "loop", (X, X), out(), LOOP,
        (written(graph(lambda o, x, y: o.update_(x, y, 0, N), "f8[n]", "f8[n]")),), (0,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", BROKEN)
def test_broken_control(message: str) -> None:
    node = BROKEN[message]
    with pytest.raises(VerifyError, match=message):
        verify(Graph("f", (X, C, S), (node,), node.outputs))


def test_a_body_knows_its_step_and_nobody_else_does() -> None:
    body = graph(lambda o, x: o.add(x, o.cast(o.size(K), dtype=np.dtype("f8"))), "f8[]")
    node = Node("loop", (S,), out("f8[]"), LOOP, (body,))
    verify(Graph("f", (X, S), (node,), node.outputs))
    size = Node("size", (), out("i8[]"), {"dim": K})
    with pytest.raises(VerifyError, match="uses the size k, which nothing before it binds"):
        verify(Graph("f", (X, S), (node, size), size.outputs))


def test_what_a_loop_has_written_over_is_not_read() -> None:
    body = written(graph(lambda o, x: o.update_(x, o.const(0, "f8"), K, 1), "f8[n]"))
    copy = Node("copy", (X,), out())
    node = Node("loop", copy.outputs, out(), LOOP, (body,), (0,))
    verify(Graph("f", (X,), (copy, node), node.outputs))
    late = Node("exp", copy.outputs, out())
    with pytest.raises(VerifyError, match="is read after it was written over"):
        verify(Graph("f", (X,), (copy, node, late), late.outputs))


def test_random_data_through_a_loop() -> None:
    before = powers()
    (x, a) = data(before, 3, {"n": 4}, special=0)
    found = interpret(before, [x, a])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found[1], np.cumprod([1, a, a, a]))
