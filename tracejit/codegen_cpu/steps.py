"""What the steps of a program touch, and which of them are scalar code; for both emitters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from tracejit.ir.dims import Expr
from tracejit.ir.loops import Nest
from tracejit.ir.program import Bind, Branch, Call, Loop, MatMul, MemRef, Program, Step


def steps_inside(steps: Iterable[Step]) -> Iterator[Step]:
    """Every one of the steps, those inside loops and branches included."""
    for step in steps:
        yield step
        if isinstance(step, Loop):
            yield from steps_inside(step.steps)
        elif isinstance(step, Branch):
            yield from steps_inside((*step.then, *step.otherwise))


def is_inline(nest: Nest) -> bool:
    """Whether a nest is scalar code, which is emitted where it stands."""
    return nest.straight and not nest.scratch and not nest.fills


def has_scalar_loops(program: Program) -> bool:
    """Whether scalar code stands inside of a loop."""
    loops = [step for step in program.walk() if isinstance(step, Loop)]
    return any(
        isinstance(inner, Nest) and is_inline(inner)
        for loop in loops
        for inner in replace(program, steps=loop.steps).walk()
    )


def scalar_accesses(step: Step) -> Iterator[tuple[int, np.dtype]]:
    """The frame slots that a step touches by scalar code, and as numbers of which dtype."""
    if isinstance(step, Nest):
        if is_inline(step):
            yield from ((o.slot, o.dtype) for o in step.operands)
    elif isinstance(step, Loop):
        if step.test is not None:
            yield step.test.slot, step.test.dtype
    elif isinstance(step, Branch):
        yield step.condition.slot, step.condition.dtype
    elif isinstance(step, Bind):
        yield step.value.slot, step.value.dtype


Outside = Nest | MatMul | Call
"""Steps that find their operands through the frame."""


def outside_steps(program: Program) -> list[Outside]:
    """Nests that are functions of their own, matrix products, calls."""
    return [
        step
        for step in program.walk()
        if isinstance(step, (MatMul, Call)) or (isinstance(step, Nest) and not is_inline(step))
    ]


def accesses(step: Outside) -> Iterator[tuple[int, np.dtype, bool]]:
    """Slot and dtype of what such a step touches, and whether it writes there."""
    if isinstance(step, Nest):
        yield from ((o.slot, o.dtype, o.written) for o in step.operands if o.slot >= 0)
        return
    refs: list[tuple[MemRef, bool]]
    if isinstance(step, MatMul):
        refs = [(step.a, False), (step.b, False), (step.out, True)]
    else:
        refs = [*((r, False) for r in step.inputs), *((r, True) for r in step.outputs)]
    yield from ((ref.slot, ref.dtype, written) for ref, written in refs)


def free_symbols_in(item: Any) -> set[str]:
    """The size symbols that are mentioned anywhere inside of `item`, as a nest."""
    if isinstance(item, Expr):
        return set(item.symbols)
    if isinstance(item, (tuple, list)):
        parts: Iterable[Any] = item
    elif isinstance(item, Mapping):
        parts = item.values()
    elif is_dataclass(item):
        parts = [getattr(item, f.name) for f in fields(item)]
    else:
        return set()
    return {name for part in parts for name in free_symbols_in(part)}


def outside_symbols(program: Program) -> set[str]:
    """The size symbols that are looked up in the frame."""
    return free_symbols_in([s for s in outside_steps(program) if not isinstance(s, MatMul)])
