"""The results of a program: each in memory that the caller gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.program import Buffer, MemRef, Result, ResultPart, Step
from tracejit.passes.plain_nests import copy_nest


class Memory(Protocol):
    """What of the lowering is needed here."""

    graph: Graph
    memory: dict[Value, MemRef]
    buffers: dict[int, Buffer]
    steps: list[Step]
    places: int

    def new_buffer(
        self, dtype: np.dtype, shape: tuple[Dim, ...], result: bool = False
    ) -> MemRef: ...

    def step_name(self) -> str: ...


def finish_results(lowering: Memory) -> tuple[Result, ...]:
    """Each result in memory of its own, which it fills: views and repeated ones are copied.

    What a written parameter becomes lies in its own memory, and is no result here.
    """
    found: list[Result] = []
    taken: set[int] = set()
    written = {r for _, r in lowering.graph.written}
    owners = {view.of for view in lowering.graph.views if view.kind == "result"}
    for number, value in enumerate(lowering.graph.results):
        if number in written:
            continue
        ref = lowering.memory[value]
        fills = _fills_its_buffer(lowering, ref) and (number not in owners or ref.contiguous)
        if ref.slot in taken or not fills:
            target = lowering.new_buffer(ref.dtype, ref.shape, result=True)
            name = lowering.step_name()
            lowering.steps.append(copy_nest(ref, target, name, None, "copy of a view"))
            ref = target
        taken.add(ref.slot)
        found.append(Result(ref))
    _keep_results(lowering, taken)
    return tuple(found)


def finish_views(lowering: Memory, results: Sequence[Result]) -> tuple[ResultPart, ...]:
    """The results that are views, where all of them lie at places that only sizes decide."""
    found = []
    for view in lowering.graph.views:
        memory = view.memory
        if memory is None:
            return ()
        base = (
            lowering.memory[lowering.graph.params[view.of]]
            if view.kind == "param"
            else results[view.of].ref
        )
        ref = MemRef(base.slot, memory.offset, memory.strides, memory.shape, memory.dtype)
        found.append(ResultPart(ref, view.kind, view.of, memory.writeable))
    return tuple(found)


def _fills_its_buffer(lowering: Memory, ref: MemRef) -> bool:
    buffer = lowering.buffers.get(ref.slot)
    return (
        buffer is not None
        and buffer.result
        and ref.offset == 0
        and dims.product(ref.shape) * ref.dtype.itemsize == buffer.nbytes
        and not _repeats(ref.strides)
    )


def _repeats(strides: Sequence[Dim]) -> bool:
    """Whether a view may repeat elements: a broadcast has stride 0."""
    return any(isinstance(s, int) and s == 0 for s in strides)


def _keep_results(lowering: Memory, taken: set[int]) -> None:
    """Memory that was meant for results, but of which only views are returned, is temporary."""
    for slot, buffer in lowering.buffers.items():
        if buffer.result and slot not in taken:
            lowering.buffers[slot] = replace(buffer, result=False, place=lowering.places)
            lowering.places += 1
