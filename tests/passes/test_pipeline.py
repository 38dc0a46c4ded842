"""The runner: order, observers, checks, stopping; and that passes take linear time."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.passes.graphs import Ops, expressions, graph, op_names, tensor
from tracejit.ir.graph import Graph, Loc, Node, Value
from tracejit.ir.target import Target
from tracejit.ir.verify import VerifyError
from tracejit.passes.pipeline import PASSES, SIMPLIFICATION, Step, dump_to, pass_name, run_pipeline
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.simplify import simplify, simplify_node

TARGET = Target()


def sample() -> Graph:
    return graph(lambda o, x: o.multiply(o.log(o.add(1, o.exp(x))), 1), "f8[n]")


def test_the_observer_sees_each_pass() -> None:
    steps: list[Step] = []
    run_pipeline(sample(), TARGET, observer=steps.append)
    assert [s.name for s in steps] == [pass_name(p) for p in PASSES]
    steps.clear()
    after = run_pipeline(sample(), TARGET, passes=SIMPLIFICATION, observer=steps.append)
    assert steps[-1].after is after
    assert all(s.seconds >= 0 for s in steps)
    assert steps[0].changed
    assert expressions(after) == "softplus(x)"


def test_stop_after() -> None:
    steps: list[Step] = []
    run_pipeline(sample(), TARGET, stop_after="simplify", observer=steps.append)
    assert [s.name for s in steps] == ["simplify"]
    with pytest.raises(ValueError, match="no pass is called 'fues': simplify"):
        run_pipeline(sample(), TARGET, stop_after="fues")


def test_dump() -> None:
    out = io.StringIO()
    run_pipeline(sample(), TARGET, observer=dump_to(out))
    text = out.getvalue()
    assert text.startswith("--- simplify: ")
    assert "softplus(%0)" in text
    assert "unchanged" in text


def test_verification_names_the_pass() -> None:
    def broken(graph: Graph, target: Target) -> Graph:
        return graph.with_(nodes=graph.nodes[1:])

    with pytest.raises(VerifyError, match="after broken: "):
        run_pipeline(sample(), TARGET, passes=[broken], verify=True)
    with pytest.raises(VerifyError, match="after tracing: "):
        run_pipeline(broken(sample(), TARGET), TARGET, verify=True)


def test_nothing_to_do_gives_the_same_object() -> None:
    before = graph(lambda o, x: o.exp(x), "f8[n]")
    assert run_pipeline(before, TARGET, passes=SIMPLIFICATION) is before


def test_lines_and_names_survive() -> None:
    x = Value(tensor("f8[n]"), "x")
    o = Ops()
    p = o.param(x.type, "x")
    o.loc = Loc("model.py", 3)
    total = o.add(1, o.exp(p))
    o.loc = Loc("model.py", 4)
    found = o.log(total)
    before = o.finish("f", (found,))
    named = Value(found.type, "cost")
    last = before.nodes[-1].with_(outputs=(named,))
    before = before.with_(nodes=(*before.nodes[:-1], last), results=(named,))
    (node,) = run_pipeline(before, TARGET, passes=SIMPLIFICATION).nodes
    assert (node.op, node.output.hint, str(node.loc)) == ("softplus", "cost", "model.py:4")


def chain(length: int) -> Graph:
    def build(o: Any, x: Value, y: Value) -> Value:
        v = x
        for k in range(length):
            v = o.add(k + 0.5, o.power(o.multiply(y, v), k % 4 + 1))
            v = o.negative(o.subtract(o.negative(y), v))
        return v

    return graph(build, "f8[n]", "f8[n]")


def visits(graph: Graph) -> int:
    rewriter = Rewriter(simplify_node, TARGET)
    for node in graph.nodes:
        rewriter.visit(node)
    return rewriter.visits


def test_the_work_is_linear() -> None:
    """Counted in nodes looked at, not in seconds."""
    small, large = chain(20), chain(400)
    assert visits(large) <= 20 * visits(small) * 1.05
    assert visits(large) <= 3 * len(large.nodes)
    assert len(run_pipeline(large, TARGET, passes=SIMPLIFICATION).nodes) <= len(large.nodes) * 1.2


def test_simplify_leaves_dead_nodes_to_dce() -> None:
    after = simplify(sample(), TARGET)
    assert "softplus" in op_names(after.nodes)
    assert len(run_pipeline(sample(), TARGET, passes=SIMPLIFICATION).nodes) == 1


def test_planned_nodes_are_left_alone() -> None:
    x = Value(tensor("f8[n]"), "x")
    out = Value(x.type)
    before = Graph("f", (x,), (Node("positive", (x,), (out,), reuses=(0,)),), (out,))
    assert simplify(before, TARGET) is before


def test_target_names() -> None:
    with pytest.raises(ValueError, match="unknown target 'tpu'"):
        Target("tpu")
