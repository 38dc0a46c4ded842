"""The memory plan of a program as text: where everything lies, and for how long.

memory of step
  x: f8[n, m], argument, written in place
  result 0: 8*m*n bytes
  arena: 8*m*n bytes in 1 place
    place 0: 8*m*n bytes: t2 (steps 1-2), t4 (steps 3-4)
steps
  1. multiply, add, model.py:4: x, t2 -> t2
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tracejit.ir.dims import Dim
from tracejit.ir.loops import Nest
from tracejit.ir.program import Allocate, Bind, Branch, Call, Loop, Program, Require, Step


@dataclass(frozen=True)
class Access:
    """What a step does with memory: the frame slots it reads and those it writes."""

    reads: frozenset[int]
    writes: frozenset[int]


def accesses(step: Step) -> Access:
    """The frame slots of the memory that a step touches; its own scratch is left out."""
    if isinstance(step, Nest):
        written = frozenset(o.slot for o in step.operands if o.written and o.slot >= 0)
        loaded = frozenset(step.operands[k].slot for k in step.loaded)
        return Access(frozenset(s for s in loaded if s >= 0), written)
    if isinstance(step, Loop):
        test = frozenset() if step.test is None else frozenset({step.test.slot})
        return _together(step.steps, test)
    if isinstance(step, Branch):
        return _together((*step.then, *step.otherwise), frozenset({step.condition.slot}))
    if isinstance(step, Bind):
        return Access(frozenset({step.value.slot}), frozenset())
    if isinstance(step, (Allocate, Require)):
        return Access(frozenset(), frozenset())
    if isinstance(step, Call):
        return Access(
            frozenset(r.slot for r in step.inputs), frozenset(r.slot for r in step.outputs)
        )
    return Access(frozenset({step.a.slot, step.b.slot}), frozenset({step.out.slot}))


def _together(steps: Sequence[Step], reads: frozenset[int]) -> Access:
    inner = [accesses(s) for s in steps]
    return Access(
        reads.union(*(a.reads for a in inner)), frozenset().union(*(a.writes for a in inner))
    )


@dataclass(frozen=True)
class Lifetime:
    """The steps, counted from 1, from the first write of a buffer to its last use."""

    first: int
    last: int


def lifetimes(program: Program) -> dict[int, list[Lifetime]]:
    """When each buffer holds something, by frame slot; results live to the end.

    A buffer is used again, for something else, where it is written but not read.
    """
    found: dict[int, list[Lifetime]] = {}
    slots = {b.slot: b for b in program.buffers}
    for number, step in enumerate(program.steps, 1):
        access = accesses(step)
        for slot in sorted(access.reads | access.writes):
            if slot not in slots:
                continue
            lives = found.setdefault(slot, [])
            if lives and (slot in access.reads or slots[slot].result):
                lives[-1] = Lifetime(lives[-1].first, number)
            else:
                lives.append(Lifetime(number, number))
    end = len(program.steps)
    for slot, lives in found.items():
        if slots[slot].result:
            lives[-1] = Lifetime(lives[-1].first, end)
    return found


def format_plan(program: Program) -> str:
    """The plan as text, without a newline at the end."""
    return "\n".join(_lines(program))


def _lines(program: Program) -> Iterator[str]:
    names = _names(program)
    lives = lifetimes(program)
    written = {s for step in program.steps for s in accesses(step).writes}
    yield f"memory of {program.name}"
    for param in program.params:
        kind = "number" if param.weak is not None else "argument"
        how = ", written in place" if param.slot in written else ""
        yield f"  {names[param.slot]}: {param.type}, {kind}{how}"
    for slot, array in program.constants:
        yield f"  {names[slot]}: constant of {array.nbytes} bytes"
    for buffer in program.buffers:
        if buffer.result:
            yield f"  {names[buffer.slot]}: {buffer.nbytes} bytes"
    places = program.places
    if places:
        count = "1 place" if len(places) == 1 else f"{len(places)} places"
        yield f"  arena: {_sum(list(places.values()))} bytes in {count}"
    for place, nbytes in places.items():
        inside = [
            f"{names[b.slot]} ({_steps(lives.get(b.slot, ()))})"
            for b in program.buffers
            if not b.result and not b.called and b.place == place
        ]
        yield f"    place {place}: {nbytes} bytes: {', '.join(inside)}"
    yield "steps"
    yield from _step_lines(program.steps, names, "  ")


def _step_lines(steps: Sequence[Step], names: Mapping[int, str], indent: str) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        access = accesses(step)
        reads = ", ".join(names[s] for s in sorted(access.reads)) or "nothing"
        writes = ", ".join(names[s] for s in sorted(access.writes)) or "nothing"
        if isinstance(step, Allocate):
            yield f"{indent}{number}. {step.nbytes} bytes for this turn: {names[step.slot]}"
            continue
        where = f", {step.loc}" if step.loc is not None else ""
        if isinstance(step, Require):
            wanted = ", ".join(map(str, step.guards))
            yield f"{indent}{number}. {wanted} is needed{where}"
            continue
        yield f"{indent}{number}. {_title(step, names)}{where}: {reads} -> {writes}"
        if isinstance(step, Branch):
            yield from _step_lines(step.then, names, indent + "   ")
            if step.otherwise:
                yield f"{indent}   else"
                yield from _step_lines(step.otherwise, names, indent + "   ")
        elif isinstance(step, Loop) and not step.title:
            yield from _step_lines(step.steps, names, indent + "   ")


def _names(program: Program) -> dict[int, str]:
    names = {p.slot: p.name or f"x{k}" for k, p in enumerate(program.params)}
    names |= {slot: f"c{slot}" for slot, _ in program.constants}
    results = (b for b in program.buffers if b.result)
    names |= {b.slot: f"result {k}" for k, b in enumerate(results)}
    slots = [b.slot for b in program.buffers if not b.result]
    slots += [step.slot for step in program.walk() if isinstance(step, Allocate)]
    return names | {slot: f"t{slot}" for slot in slots}


def _title(step: Step, names: Mapping[int, str]) -> str:
    match step:
        case Nest():
            return step.title or step.name
        case Loop(title=title) if title:
            return f"{title}, {step.count} times"
        case Loop():
            bound = "" if step.count is None else str(step.count)
            until = "" if step.test is None else f" while {names[step.test.slot]}"
            how = ", turns shared out to threads" if step.independent else ""
            return f"loop {step.symbol} in 0..{bound}{until}{how}"
        case Branch():
            return f"if {names[step.condition.slot]}"
        case Bind():
            return f"{step.symbol} = {names[step.value.slot]}"
        case Call():
            return f"call of {step.op}"
    return "matmul"


def _steps(lives: Sequence[Lifetime]) -> str:
    if not lives:
        return "unused"
    spans = [f"{x.first}" if x.first == x.last else f"{x.first}-{x.last}" for x in lives]
    shown = ", ".join(spans[:4]) + (", ..." if len(spans) > 4 else "")
    return f"step {shown}" if len(spans) == 1 and "-" not in shown else f"steps {shown}"


def _sum(sizes: list[Dim]) -> Dim:
    total: Dim = 0
    for size in sizes:
        total = total + size
    return total
