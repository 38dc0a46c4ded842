"""Branches and loops that write in place: the same results with the memory they are given."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.passes.control_graphs import (
    control_graphs,
    element,
    ifelse,
    loop,
    put,
    run_in_place,
)
from tests.passes.graphs import Ops, tensor
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.fuse import fuse
from tracejit.passes.lower import lower
from tracejit.passes.pipeline import run_pipeline
from tracejit.passes.readback import read_back
from tracejit.passes.writes import writes_in_place

COMMON = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def arguments(seed: int, n: int, k: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = ((n,), (n,), (k, n), (), ())
    return [np.array(rng.integers(-9, 9, shape)) for shape in shapes]


def check_in_place(graph: Graph, expected: list[np.ndarray], args: list[np.ndarray]) -> None:
    verify(graph)
    found = run_in_place(graph, [a.copy() for a in args])
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


@given(graph=control_graphs(), seed=st.integers(0, 99), n=st.integers(2, 4), k=st.integers(2, 3))
@COMMON
def test_memory_of_blocks(graph: Graph, seed: int, n: int, k: int) -> None:
    args = arguments(seed, n, k)
    verify(graph)
    expected = interpret(graph, [a.copy() for a in args])
    after = read_back(graph, Target())
    verify(after)
    planned = writes_in_place(after, Target())
    check_in_place(planned, expected, args)
    check_in_place(fuse(planned, Target()), expected, args)


@given(graph=control_graphs(), seed=st.integers(0, 99), n=st.integers(2, 4), k=st.integers(2, 3))
@COMMON
def test_every_pass_keeps_the_results(graph: Graph, seed: int, n: int, k: int) -> None:
    args = arguments(seed, n, k)
    expected = interpret(graph, [a.copy() for a in args])
    after = run_pipeline(graph, Target(), verify=True)
    check_in_place(after, expected, args)


def nodes_of(graph: Graph, op: str) -> int:
    return sum(node.op == op for node in graph.walk())


def test_nothing_is_copied_in_a_factorization() -> None:
    """A[i, j] = (A[i, j] - A[i, :j] @ A[j, :j]) / A[j, j], in loops in a loop, in the argument."""
    o = Ops()
    x = o.param(tensor("f8[n, n]"), "x")

    def row(o: Ops, a: Value, at: Dim, size: Dim) -> Value:
        attrs = {"starts": (at, 0), "sizes": (1, size), "steps": (1, 1)}
        return o.apply("slice", (a,), attrs)

    def outer(o: Ops, i: Dim, a: Value) -> tuple[Value, ...]:
        def inner(o: Ops, j: Dim, a: Value) -> tuple[Value, ...]:
            found = o.sum(o.multiply(row(o, a, i, j), row(o, a, j, j)), axes=(0, 1))
            value = o.divide(o.subtract(element(o, a, i, j), found), element(o, a, j, j))
            return (put(o, a, value, i, j),)

        return loop(o, i, [a], inner, symbol="j")

    (y,) = loop(o, dims.sym("n"), [x], outer)
    graph = o.finish("f", [y]).with_(written=((0, 0),))
    after = run_pipeline(graph, Target(), verify=True)
    assert nodes_of(after, "copy") == 0
    program = lower(after, ["C"], [None])
    assert all(buffer.nbytes == 8 for buffer in program.buffers)


def test_rows_are_copied_over_each_other_without_a_copy_between() -> None:
    """x[0] = x[n - 1]: the same row, or one that lies apart."""
    o = Ops()
    x = o.param(tensor("f8[n, m]"), "x")
    y = put(o, x, element(o, x, dims.sym("n") - 1), 0)
    graph = o.finish("f", [y]).with_(written=((0, 0),))
    assert nodes_of(run_pipeline(graph, Target(), verify=True), "copy") == 0


def test_a_stencil_that_a_loop_repeats_needs_one_array() -> None:
    """Of a sum of two sums of shifted reads one array is stored, not two."""
    o = Ops()
    x = o.param(tensor("f8[n]"), "x")
    n = dims.sym("n")

    def body(o: Ops, i: Dim, a: Value) -> tuple[Value, ...]:
        left = o.square(o.add(o.slice_(a, 0, n - 4), o.slice_(a, 1, n - 4)))
        right = o.square(o.add(o.slice_(a, 3, n - 4), o.slice_(a, 4, n - 4)))
        return (o.update_(a, o.multiply(o.add(left, right), 0.5), 2, n - 4),)

    (y,) = loop(o, 10, [x], body)
    graph = o.finish("f", [y]).with_(written=((0, 0),))
    after = run_pipeline(graph, Target(), verify=True)
    assert nodes_of(after, "fused") == 2


def test_what_a_branch_makes_anew_goes_into_one_memory() -> None:
    o = Ops()
    x, c = o.param(tensor("f8[n]"), "x"), o.param(tensor("bool[]"), "c")
    (y,) = ifelse(o, c, [x], lambda o, x: o.exp(x), lambda o, x: o.sin(x))
    after = run_pipeline(o.finish("f", [y]), Target(), verify=True)
    (node,) = [n for n in after.nodes if n.op == "ifelse"]
    (memory,) = [n for n in after.nodes if n.op == "empty"]
    assert node.inputs[node.reuses[0]] is memory.output
    assert nodes_of(after, "copy") == 0
