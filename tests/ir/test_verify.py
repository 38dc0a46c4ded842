"""The checker accepts what the builder makes and names what is wrong with anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.passes.graphs import M, N, Ops, graph, tensor
from tracejit.errors import TracejitError
from tracejit.ir.dims import sym
from tracejit.ir.graph import Graph, Guard, Loc, Node, ScalarGuard, Value
from tracejit.ir.types import TensorType
from tracejit.ir.verify import VerifyError, verify

X = Value(tensor("f8[n]"), "x")
Y = Value(tensor("f8[n]"), "y")
MATRIX = Value(tensor("f8[n, 4]"))
INTS = Value(tensor("i8[n]"))
NINE = Value(tensor("f8[9]"))
THREE = Value(tensor("f8[3]"))
SCALAR = Value(tensor("f8[]"))


def out(text: str = "f8[n]") -> tuple[Value, ...]:
    return (Value(tensor(text)),)


def test_legal_graphs() -> None:
    verify(graph(lambda o, x, y: o.sum(o.add(o.exp(x), y), axes=(0,)), "f8[n, 3]", "f8[3]"))
    verify(graph(lambda o, x: o.matmul(x, o.transpose(x, perm=(1, 0))), "f8[n, 3]"))
    verify(graph(lambda o, x, y: o.take(x, y, axis=0), "f8[n, 3]", "i8[m]"))
    verify(graph(lambda o, x: o.array(np.zeros((2, 3))), "f8[n]"))
    verify(graph(lambda o, x: o.iota(shape=(N, 2), axis=1, dtype=np.dtype("i4")), "f8[n]"))
    verify(graph(lambda o, x: (o.size(N + 1), o.concatenate(x, x, x, axis=0)), "f8[n]"))
    verify(Graph("empty", (), (), ()))


def check(*nodes: Node, results: tuple[Value, ...] = (), guards: Any = ()) -> None:
    verify(Graph("f", (X, Y, MATRIX, INTS, NINE, THREE, SCALAR), nodes, results, guards))


def region(start: Any, size: Any, step: Any = 1) -> dict[str, Any]:
    return {"starts": (start,), "sizes": (size,), "steps": (step,)}


BROKEN: dict[str, Node] = {
    "unknown op 'sinus'": Node("sinus", (X,), out()),
    "is read before it is defined": Node("exp", (Value(X.type),), out()),
    "is defined twice": Node("exp", (X,), (Y,)),
    "takes x0, x1; has 1 inputs": Node("add", (X,), out()),
    "takes no attribute axis": Node("exp", (X,), out(), {"axis": 0}),
    r"takes x, perm; has 1 inputs and attributes none": Node("transpose", (MATRIX,), out()),
    r"declares f8\[n, 4\], but the op gives f8\[n\]": Node("exp", (X,), out("f8[n, 4]")),
    r"declares f4\[n\], but the op gives f8\[n\]": Node("exp", (X,), out("f4[n]")),
    "types cannot be inferred: ValueError": Node("add", (X, NINE), out()),
    "types cannot be inferred: KeyError": Node("reshape", (X, Y), out()),
    "inputs must have the loop dtypes": Node("add", (X, INTS), out()),
    "the condition of select must be bool": Node("select", (INTS, X, Y), out()),
    "has dtype dtype..<M8": Node("exp", (X,), (Value(TensorType(np.dtype("M8[s]"), ())),)),
    "has a dim -1": Node("exp", (X,), (Value(TensorType(np.dtype("f8"), (-1,))),)),
    "has a dim 2.5": Node("exp", (X,), (Value(TensorType(np.dtype("f8"), (2.5,))),)),  # type: ignore[arg-type]
    "attribute axes is neither hashable": Node("sum", (X,), out("f8[]"), {"axes": [0]}),
    "the shape of %7 uses the size q": Node("exp", (X,), (Value(tensor("f8[q]")),)),
    "attribute dim uses the size q": Node("size", (), out("i8[]"), {"dim": sym("q")}),
    "reuses an input out of range": Node("exp", (X,), out(), reuses=(1,)),
    "reuses has not one entry": Node("exp", (X,), out(), reuses=(0, 0)),
    r"axes \(1,\) of a tensor of rank 1": Node("sum", (X,), out(), {"axes": (1,)}),
    r"axes \(0, 0\)": Node("sum", (X,), out(), {"axes": (0, 0)}),
    "must be a NumPy scalar": Node("const", (), out("f8[]"), {"value": 1.0}),
    "9 elements into 8": Node("reshape", (NINE,), out("f8[8]"), {"shape": (8,)}),
    "does not broadcast to": Node("broadcast_to", (NINE,), out("f8[8]"), {"shape": (8,)}),
    "is no permutation of 2 axes": Node("transpose", (MATRIX,), out(), {"perm": (0, 0)}),
    "must have 1 entries": Node("slice", (X,), out(), {"starts": (), "sizes": (N,), "steps": (1,)}),
    "step 0 must be a non-zero int": Node("slice", (X,), out(), region(0, N, 0)),
    "elements 7 to 9 of an axis of size 9": Node("slice", (NINE,), out("f8[3]"), region(7, 3)),
    "two dtypes": Node("update", (X, INTS), out(), region(0, N)),
    "does not broadcast to the region": Node("update", (NINE, THREE), out("f8[9]"), region(0, 2)),
    "at least one input": Node("concatenate", (), out(), {"axis": 0}),
    "differ in more than axis 0": Node("concatenate", (X, INTS), out(), {"axis": 0}),
    "axis 1 of tensors of rank 1, 1": Node("concatenate", (X, Y), out(), {"axis": 1}),
    "the index must be int64": Node("take", (X, Y), out(), {"axis": 0}),
    "axis 2 of a tensor of rank 1": Node("cumsum", (X,), out(), {"axis": 2}),
    "axis 1 of a tensor of rank 1": Node(
        "iota", (), out(), {"shape": (N,), "axis": 1, "dtype": np.dtype("f8")}
    ),
    "4 against n": Node("matmul", (MATRIX, MATRIX), out("f8[n, 4]")),
    "rank 2 or more is needed": Node("matmul", (X, MATRIX), out()),
    "fused needs one block": Node("fused", (X,), out()),
    "inputs do not have the types of the block's": Node(
        "fused", (MATRIX,), out(), blocks=(graph(lambda o, x: o.exp(x), "f8[n]"),)
    ),
    "graph body: result %9 is not defined": Node(
        "fused", (X,), out(), blocks=(Graph("body", (Value(X.type),), (), (Value(X.type),)),)
    ),
}


@pytest.mark.parametrize("message", BROKEN, ids=lambda m: m)
def test_broken_nodes(message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        check(BROKEN[message])


def test_a_block_reads_only_its_parameters() -> None:
    inner = Graph("body", (), (Node("exp", (X,), out()),), ())
    with pytest.raises(VerifyError, match="read before it is defined"):
        check(Node("fused", (), (), blocks=(inner,)))


def test_a_block_may_use_the_sizes_around_it() -> None:
    o = Ops()
    inner = o.finish("body", (o.size(N),))
    check(Node("fused", (), out("i8[]"), blocks=(inner,)))


BROKEN_GRAPHS: dict[str, Callable[[], None]] = {
    "result %7 is not defined": lambda: check(results=out()),
    "parameter %0 appears twice": lambda: verify(Graph("f", (X, X), (), ())),
    "a guard uses the size m": lambda: check(guards=(Guard(N, "==", M),)),
    "guard with relation '<>'": lambda: check(guards=(Guard(N, "<>", 1),)),
    "guard on parameter 9": lambda: check(guards=(ScalarGuard(9, "==", 1),)),
    "guard on a value of an array": lambda: check(guards=(ScalarGuard(0, "==", 1),)),
}


@pytest.mark.parametrize("message", BROKEN_GRAPHS)
def test_broken_graphs(message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        BROKEN_GRAPHS[message]()


def test_the_message_names_the_node_and_its_line() -> None:
    node = Node("exp", (X,), out("f4[n]"), loc=Loc("/home/u/model.py", 7))
    with pytest.raises(TracejitError, match=r"^%7: f4\[n\] = exp\(%0\)  # model.py:7: declares"):
        check(node)
