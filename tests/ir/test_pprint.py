"""What graphs look like."""

from __future__ import annotations

import io

import numpy as np

from tests.passes.graphs import N, Ops, tensor
from tracejit.ir.graph import Graph, Guard, Loc, Node, ScalarGuard, Value
from tracejit.ir.pprint import format_graph, format_node, pprint


def sample() -> Graph:
    o = Ops()
    x, y = o.param(tensor("f8[n, 3]"), "x"), o.param(tensor("f8[3]"), "y")
    k = o.param(tensor("i8[]"))
    o.guards += [
        Guard(N, ">=", 2, Loc("/home/u/model.py", 4), "n >= 2"),
        ScalarGuard(2, "==", 5),
    ]
    o.loc = Loc("/home/u/model.py", 5)
    scaled = o.multiply(x, y)
    o.loc = Loc("/home/u/model.py", 6)
    total = o.sum(o.add(scaled, 0.5), axes=(0,))
    weights = o.array(np.arange(12.0))
    small = o.array(np.arange(3.0))
    last = o.apply("slice", (x,), {"starts": (N - 1, 0), "sizes": (1, 3), "steps": (1, 1)})
    return o.finish("f", (total, o.cast(k, dtype=np.dtype("f4")), weights, small, last))


TEXT = """\
graph f
  param %0: f8[n, 3]  # x
  param %1: f8[3]  # y
  param %2: i8[]
  guard n >= 2  # n >= 2, model.py:4
  guard %2 == 5
  %3: f8[n, 3] = multiply(%0, %1)  # model.py:5
  %4: f8[] = const(0.5)  # model.py:6
  %5: f8[n, 3] = add(%3, %4)  # model.py:6
  %6: f8[3] = sum(%5, axes=(0,))  # model.py:6
  %7: f8[12] = const(array f8[12])  # model.py:6
  %8: f8[3] = const([0.0, 1.0, 2.0])  # model.py:6
  %9: f8[1, 3] = slice(%0, starts=(n - 1, 0), sizes=(1, 3), steps=(1, 1))  # model.py:6
  %10: f4[] = cast(%2, dtype=f4)  # model.py:6
  return %6, %10, %7, %8, %9"""


def test_a_graph() -> None:
    assert format_graph(sample()) == TEXT
    assert format_graph(sample()) == TEXT, "the same for another graph of the same structure"
    out = io.StringIO()
    pprint(sample(), out)
    assert out.getvalue() == TEXT + "\n"


def test_blocks_names_and_reuse() -> None:
    o = Ops()
    inner = o.finish("body", (o.exp(o.param(tensor("f8[n]"))),))
    x, y = Value(tensor("f8[n]"), "x"), Value(tensor("f8[n]"), "y")
    node = Node("fused", (x,), (y,), blocks=(inner, inner), reuses=(0,), loc=Loc("model.py", 9))
    assert format_graph(Graph("g", (x,), (node,), (y,))).splitlines() == [
        "graph g",
        "  param %0: f8[n]  # x",
        "  %1: f8[n] = fused(%0) reusing %1 in %0 {  # y, model.py:9",
        "    param %2: f8[n]",
        "    %3: f8[n] = exp(%2)",
        "    return %3",
        "  } {",
        "    param %2: f8[n]",
        "    %3: f8[n] = exp(%2)",
        "    return %3",
        "  }",
        "  return %1",
    ]


def test_a_node() -> None:
    x, y = Value(tensor("f8[n]")), Value(tensor("f8[n]"))
    assert format_node(Node("exp", (x,), (y,))) == "%1: f8[n] = exp(%0)"
