"""Random graphs with nested loops and branches, lowered and compiled: what the interpreter says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codegen.steps_support import run
from tests.passes.control_graphs import control_graphs
from tests.passes.test_control_memory import arguments
from tracejit.ir.graph import Graph
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.passes.lower import lower
from tracejit.passes.pipeline import run_pipeline


def check(graph: Graph, args: list[np.ndarray], bodies: str) -> None:
    expected = interpret(graph, [a.copy() for a in args])
    count = len(graph.params)
    program = lower(run_pipeline(graph, Target()), ["C"] * count, [None] * count)
    mine = [a.copy() for a in args]
    status, found = run(program, mine, bodies)
    assert status == 0
    written = {r: p for p, r in graph.written}
    rest = iter(found)
    for r, wanted in enumerate(expected):
        value = mine[written[r]] if r in written else next(rest)
        np.testing.assert_array_equal(value, wanted)
    for p, (before, after) in enumerate(zip(args, mine, strict=True)):
        if p not in written.values():
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(("bodies", "examples"), [("llvm", 20), ("source", 3)])
def test_control_flow_compiled(bodies: str, examples: int) -> None:
    @given(graph=control_graphs(), seed=st.integers(0, 9), n=st.integers(2, 4), k=st.integers(2, 3))
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    def one(graph: Graph, seed: int, n: int, k: int) -> None:
        check(graph, arguments(seed, n, k), bodies)

    one()
