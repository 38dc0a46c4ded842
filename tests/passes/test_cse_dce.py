"""Merging equal nodes, and dropping unread ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.control_builder import branch
from tests.passes.graphs import N, Ops, data, expressions, graph, op_names, tensor
from tracejit.ir.builder import Builder
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.pprint import format_graph
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.cse import attr_key, cse
from tracejit.passes.dce import dce

TARGET = Target()


def test_equal_nodes_are_merged() -> None:
    before = graph(lambda o, x: o.multiply(o.exp(x), o.exp(x)), "f8[n]")
    after = cse(before, TARGET)
    verify(after)
    assert op_names(after.nodes) == ["exp", "multiply"]
    assert after.nodes[1].inputs[0] is after.nodes[1].inputs[1]
    assert cse(after, TARGET) is after


def test_results_are_redirected_and_names_survive() -> None:
    one, two = Value(tensor("f8[n]")), Value(tensor("f8[n]"), "y")
    x = Value(tensor("f8[n]"), "x")
    nodes = (Node("exp", (x,), (one,)), Node("exp", (x,), (two,)))
    after = cse(Graph("f", (x,), nodes, (one, two)), TARGET)
    assert after.results[0] is after.results[1]
    assert after.results[0].hint == "y"
    verify(after)


@pytest.mark.parametrize(
    ("op", "merged"), [("add", True), ("subtract", False), ("maximum", False), ("minimum", False)]
)
def test_order_of_inputs(op: str, merged: bool) -> None:
    """maximum(0.0, -0.0) and maximum(-0.0, 0.0) differ in the sign of zero."""
    before = graph(lambda o, x, y: (o.apply(op, (x, y)), o.apply(op, (y, x))), "f8[n]", "f8[n]")
    after = cse(before, TARGET)
    assert len(after.nodes) == (1 if merged else 2)


def test_attributes_count() -> None:
    before = graph(
        lambda o, x: (o.sum(x, axes=(0,)), o.sum(x, axes=(1,)), o.sum(x, axes=(0,))), "f8[n, 3]"
    )
    assert len(cse(before, TARGET).nodes) == 2


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (np.float64(0.0), np.float64(-0.0), False),
        (np.float64("nan"), np.float64("nan"), True),
        (np.float64(1), np.float32(1), False),
        (np.int64(1), np.float64(1), False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (1, True, False),
        (1, 1.0, False),
        ((1, (0.0, 2)), (1, (-0.0, 2)), False),
        ((N, 1), (N + 1 - 1, 1), True),
        (complex(0, 0.0), complex(0, -0.0), False),
        (np.dtype("f8"), np.dtype("f4"), False),
        (np.zeros(3), np.zeros(3), False),
    ],
)
def test_attribute_keys(a: object, b: object, equal: bool) -> None:
    assert (attr_key(a) == attr_key(b)) is equal
    assert attr_key(a) == attr_key(a)


def test_constants_of_the_same_bits_are_merged() -> None:
    def build(o: Builder, x: Value) -> Value:
        for number in (np.float64("nan"), np.float64("nan"), np.float64(0.0), np.float64(-0.0)):
            x = o.apply("add", (x, o.apply("const", (), {"value": number})))
        return x

    assert op_names(cse(graph(build, "f8[n]"), TARGET).nodes).count("const") == 3


def test_effects_are_neither_merged_nor_dropped() -> None:
    x = Value(tensor("f8[n]"), "x")
    nodes = (Node("print", (x,), ()), Node("print", (x,), ()), Node("exp", (x,), (Value(x.type),)))
    before = Graph("f", (x,), nodes, (x,))
    assert cse(before, TARGET) is before
    assert op_names(dce(before, TARGET).nodes) == ["print", "print"]


def test_what_the_memory_pass_planned_is_not_merged() -> None:
    x = Value(tensor("f8[n]"), "x")
    a, b = Value(x.type), Value(x.type)
    nodes = (Node("exp", (x,), (a,), reuses=(0,)), Node("exp", (x,), (b,)))
    before = Graph("f", (x,), nodes, (a, b))
    assert cse(before, TARGET) is before


def test_dead_chains_go() -> None:
    def build(o: Builder, x: Value) -> Value:
        dead = o.apply("exp", (x,))
        o.apply("log", (dead,))
        return o.apply("sin", (x,))

    before = graph(build, "f8[n]")
    after = dce(before, TARGET)
    assert expressions(after) == "sin(x)"
    assert len(after.nodes) == 1
    assert dce(after, TARGET) is after


def fused() -> Graph:
    """Two outputs of a fused node, the second of which nobody reads."""
    inner = graph(lambda o, x, y: (o.exp(x), o.log(y)), "f8[n]", "f8[n]")
    x, y = Value(tensor("f8[n]"), "x"), Value(tensor("f8[n]"), "y")
    outputs = (Value(x.type), Value(x.type))
    node = Node("fused", (x, y), outputs, {"maps": (0, 1)}, (inner,))
    return Graph("f", (x, y), (node,), outputs[:1])


def test_unread_outputs_of_fused_nodes_go_with_what_made_them() -> None:
    before = fused()
    after = dce(before, TARGET)
    verify(after)
    assert format_graph(after).splitlines() == [
        "graph f",
        "  param %0: f8[n]  # x",
        "  param %1: f8[n]  # y",
        "  %2: f8[n] = fused(%0, maps=(0,)) {",
        "    param %3: f8[n]  # x",
        "    %4: f8[n] = exp(%3)",
        "    return %4",
        "  }",
        "  return %2",
    ]
    args = data(before, 1, {"n": 5})
    np.testing.assert_array_equal(interpret(before, args)[0], interpret(after, args)[0])


def test_passes_enter_blocks() -> None:
    inner = graph(lambda o, x: o.multiply(o.exp(x), o.exp(x)), "f8[n]")
    x, out = Value(tensor("f8[n]"), "x"), Value(tensor("f8[n]"))
    before = Graph("f", (x,), (Node("fused", (x,), (out,), blocks=(inner,)),), (out,))
    after = cse(before, TARGET)
    assert len(after.nodes[0].blocks[0].nodes) == 2
    assert after.nodes[0].outputs == before.nodes[0].outputs


def test_a_side_of_a_branch_gets_numbers_that_are_known() -> None:
    def element(t: Ops, x: Value, i: Value) -> Value:
        return t.add(t.take(x, i, axis=0), 1)

    def build(o: Ops, c: Value, x: Value, i: Value) -> Value:
        known = element(o, x, i)
        (found,) = branch(
            o,
            c,
            lambda t, x, i: t.exp(element(t, x, i)),
            lambda t, x, i: t.exp(t.take(x, t.const(0, "i8"), axis=0)),
            [x, i],
        )
        return o.add(found, known)

    before = graph(build, "bool[]", "f8[n]", "i8[]")
    after = dce(cse(before, TARGET), TARGET)
    verify(after)
    (node,) = (n for n in after.nodes if n.op == "ifelse")
    assert [op_names(b.nodes) for b in node.blocks] == [["exp"], ["const", "take", "exp"]]
    for condition in (True, False):
        args = [np.bool_(condition), np.arange(3.0), 2]
        assert interpret(after, args) == interpret(before, args)
