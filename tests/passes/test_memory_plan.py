"""Writes in place and the plan of the memory, held against checks of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracejit
from tests.end2end.test_programs import RUN, arguments
from tests.passes.control_graphs import control_graphs
from tests.passes.graphs import Ops, data, same, tensor
from tests.passes.test_random_graphs import graphs
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.loops import Load, Nest, Put, Store, Take
from tracejit.ir.plan import format_plan
from tracejit.ir.program import (
    Allocate,
    Bind,
    Branch,
    Call,
    Loop,
    MatMul,
    Program,
    Require,
    Step,
)
from tracejit.ir.target import Target
from tracejit.ir.types import TensorType
from tracejit.ir.verify import VerifyError, verify
from tracejit.passes.lower import lower
from tracejit.passes.pipeline import run_pipeline


@st.composite
def writing_graphs(draw: Any) -> Graph:
    """Random graphs in which some parameters become a value of their type."""
    graph: Graph = draw(graphs())
    values = [*graph.params, *(v for n in graph.nodes for v in n.outputs)]
    results, written = list(graph.results), []
    for k, param in enumerate(graph.params):
        fits = [v for v in values if v.type == param.type and v is not param]
        if fits and draw(st.booleans()):
            written.append((k, len(results)))
            results.append(draw(st.sampled_from(fits[-3:])))
    return graph.with_(results=tuple(results), written=tuple(written))


def touched(step: Step) -> tuple[set[int], set[int]]:
    """The frame slots that a step reads and writes, from its instructions."""
    if isinstance(step, MatMul):
        return {step.a.slot, step.b.slot}, {step.out.slot}
    if isinstance(step, Call):
        return {r.slot for r in step.inputs}, {r.slot for r in step.outputs}
    if isinstance(step, Branch):
        return {step.condition.slot}, set()
    if isinstance(step, Bind):
        return {step.value.slot}, set()
    if isinstance(step, Require):
        return set(), set()
    assert isinstance(step, Nest)
    reads, writes = {step.operands[f.source.base].slot for f in step.fills}, set()
    for body in (step.prologue, *(s.body for s in step.sections)):
        for instr in body:
            if isinstance(instr, (Load, Take)):
                reads.add(step.operands[instr.address.base].slot)
            elif isinstance(instr, (Store, Put)):
                writes.add(step.operands[instr.address.base].slot)
    return {s for s in reads if s >= 0}, {s for s in writes if s >= 0}


def in_order(steps: Sequence[Step]) -> Iterator[Step]:
    """Steps as they may run: both sides of each branch, and each body twice."""
    for step in steps:
        if isinstance(step, Loop):
            for _ in range(2):
                yield from in_order(step.steps)
            continue
        yield step
        if isinstance(step, Branch):
            yield from in_order(step.then)
            yield from in_order(step.otherwise)


def check_plan(program: Program, written: set[int]) -> None:
    """Whatever a step reads was written before, and not over by another buffer of its place."""
    buffers = {b.slot: b for b in program.buffers}
    params = {p.slot: k for k, p in enumerate(program.params)}
    constants = {slot for slot, _ in program.constants}
    filled: set[int] = set()
    holder: dict[int, int] = {}
    fresh: set[int] = set()
    for step in in_order(program.steps):
        if isinstance(step, Allocate):
            fresh.add(step.slot)
            continue
        reads, writes = (slots - fresh for slots in touched(step))
        for slot in reads:
            assert slot in params or slot in constants or slot in buffers
            buffer = buffers.get(slot)
            if buffer is not None:
                assert slot in filled, f"{step} reads a buffer that nobody has written"
                assert buffer.result or buffer.called or holder[buffer.place] == slot
        for slot in writes:
            if slot in params:
                assert params[slot] in written
                continue
            buffer = buffers[slot]
            filled.add(slot)
            if not buffer.result and not buffer.called:
                holder[buffer.place] = slot
        for slot in reads - writes:
            buffer = buffers.get(slot)
            if buffer is not None and not buffer.result and not buffer.called:
                assert holder[buffer.place] == slot, "a step writes over what it reads"
    for result in program.results:
        slot = result.ref.slot
        assert slot in params or buffers[slot].result


@given(graph=writing_graphs(), seed=st.integers(0, 2**32), n=st.integers(2, 5), m=st.integers(2, 4))
@settings(max_examples=200)
def test_writes_in_place_keep_the_results(graph: Graph, seed: int, n: int, m: int) -> None:
    args = data(graph, seed, {"n": n, "m": m})
    expected = interpret(graph, args)
    after = run_pipeline(graph, Target(), verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)


@given(graph=control_graphs())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_the_plan_of_branches_and_loops(graph: Graph) -> None:
    count = len(graph.params)
    program = lower(run_pipeline(graph, Target()), ["C"] * count, [None] * count)
    check_plan(program, {p for p, _ in graph.written})
    assert format_plan(program)


@given(graph=writing_graphs())
@settings(max_examples=200)
def test_the_plan_of_random_graphs(graph: Graph) -> None:
    count = len(graph.params)
    program = lower(run_pipeline(graph, Target()), ["C"] * count, [None] * count)
    check_plan(program, {p for p, _ in graph.written})


@pytest.mark.parametrize("program", RUN, ids=lambda p: p.name)
def test_the_plan_of_programs(program: Any) -> None:
    args = arguments(program, 0)
    jitted = tracejit.jit(program.function)
    graph = jitted.trace(*args)
    found = jitted.program(*args)
    check_plan(found, {p for p, _ in graph.written})
    assert format_plan(found)


def test_reading_what_was_written_over_is_found() -> None:
    o = Ops()
    x = o.param(tensor("f8[n]"))
    t = o.square(x)
    written = Value(TensorType(np.dtype("f8"), t.type.shape))
    attrs = {"starts": (0,), "sizes": t.type.shape, "steps": (1,)}
    write = Node("update", (t, x), (written,), attrs, reuses=(0,))
    graph = o.finish("stale", [])
    verify(graph.with_(nodes=(*graph.nodes, write), results=(written,)))
    with pytest.raises(VerifyError, match="is read after it was written over"):
        verify(graph.with_(nodes=(*graph.nodes, write), results=(written, t)))


def test_debugprint_shows_the_plan() -> None:
    def smooth(x: Any, y: Any) -> Any:
        x[1:-1] = (x[:-2] + x[2:]) @ y
        return x.sum()

    out = io.StringIO()
    args = np.ones((6, 6)), np.ones((6, 6))
    tracejit.debugprint(tracejit.jit(smooth), *args, memory=True, file=out)
    text = out.getvalue()
    assert "argument, written in place" in text
    assert "place 0:" in text
    assert "reusing" in text
    with pytest.raises(TypeError, match="a jitted function or a graph"):
        tracejit.debugprint(smooth)


def test_memory_of_different_sizes_shares_a_place() -> None:
    def chain(x: Any, y: Any) -> Any:
        for _ in range(6):
            x = x[1:] @ y
        return x

    program = tracejit.jit(chain).program(np.ones((9, 4)), np.ones((4, 4)))
    assert len(program.buffers) == 6
    assert len(program.places) == 2


def test_steps_of_a_loop_write_in_place() -> None:
    def sweeps(x: Any, y: Any) -> None:
        for _ in range(50):
            y[1:-1] = 0.5 * (x[:-2] + x[2:])
            x[1:-1] = 0.5 * (y[:-2] + y[2:])

    program = tracejit.jit(sweeps).program(np.ones(9), np.ones(9))
    (loop,) = program.steps
    assert isinstance(loop, Loop)
    assert not program.buffers
    assert [type(step) for step in loop.steps] == [Nest, Nest]


def test_a_value_overwrites_the_last_one_to_read_it() -> None:
    def layers(x: Any, y: Any) -> Any:
        t = np.exp(x @ y) + 1
        u = np.tanh(t @ y) * 2
        return u @ x

    args = np.ones((5, 5)), np.ones((5, 5))
    assert len(tracejit.jit(layers).program(*args).buffers) == 3
    np.testing.assert_allclose(tracejit.jit(layers)(*args), layers(*args))
