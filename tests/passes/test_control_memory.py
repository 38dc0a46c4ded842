"""Branches and loops that write in place: the same results with the memory they are given."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.passes.control_graphs import control_graphs, run_in_place
from tracejit.ir.graph import Graph
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.verify import verify
from tracejit.passes.fuse import fuse
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
