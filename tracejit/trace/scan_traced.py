"""`scan` inside a jitted function: a loop that carries the states and fills the outputs.

before: scan(fn, x, 0.0)              after: ys = empty((n,)); s = 0.0
                                             for k in range(n):
                                                 s = fn(x[k], s)
                                                 ys[k] = s
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Shape
from tracejit.trace import kinds, prim
from tracejit.trace.blocks import counted
from tracejit.trace.context import current
from tracejit.trace.control import condition, own_leaf, same_state
from tracejit.trace.loops import MOST_PASSES, Body
from tracejit.trace.registry import METHODS
from tracejit.trace.rehearsal import stand_in
from tracejit.trace.scan_plan import Plan
from tracejit.trace.size import as_dim
from tracejit.trace.tensor import fresh_array

Windows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class _Learned:
    """What one step says of all: kind and shape of each output, whether `until` may stop."""

    windows: Windows
    outputs: tuple[tuple[Any, Shape], ...]
    stops: bool


def run_traced(plan: Plan, last_only: bool) -> list[Any]:
    """The outputs of a scan, stacked, or with `last_only` its states after the last step."""
    trace = current()
    steps, lengths = plan.steps(), [s.steps() for s in plan.sequences]
    learned = _learn(plan, steps, lengths)
    stacked = []
    for kind, shape in () if last_only else learned.outputs:
        attrs = {"shape": (as_dim(steps), *shape), "dtype": kinds.dtype_of(kind)}
        stacked.append(fresh_array(trace.apply("empty", (), attrs)))

    if isinstance(steps, int) and steps == 0:
        return [own_leaf(window[0]) for window in learned.windows] if last_only else stacked

    def body(k: Any, state: Any) -> Any:
        windows = state[0]
        outputs, stop = _step(plan, _elements(plan, k, lengths), windows)
        for rows, y in zip(stacked, outputs, strict=False):
            rows[k] = y
        new = _shifted(plan, windows, outputs)
        if not learned.stops:
            return (new,)
        return (new, k + 1), True if stop is None else _negated(condition(stop, "until"))

    if learned.stops:
        windows, done = counted(steps, ((learned.windows, 0), True), body, test=True)
        _remember(plan)
        if stacked:
            steps = METHODS["__length__"](prim.lift(done), steps)
            stacked = [rows[:steps] for rows in stacked]
    else:
        (windows,) = counted(steps, (learned.windows,), body)
        _remember(plan)
    return [own_leaf(window[0]) for window in windows] if last_only else stacked


def _remember(plan: Plan) -> None:
    """Put on the loop just traced what derivatives will ask for."""
    nodes = current().builder.nodes
    if plan.truncate_gradient != -1 and nodes and nodes[-1].op == "loop":
        attrs = {**nodes[-1].attrs, "truncate_gradient": plan.truncate_gradient}
        nodes[-1] = nodes[-1].with_(attrs=attrs)


def _learn(plan: Plan, steps: Any, lengths: Sequence[Any]) -> _Learned:
    """Trace steps that are thrown away, until the types of the states settle."""
    trace = current()
    windows: Windows = tuple(s.window for s in plan.states or () if s is not None)
    for _ in range(MOST_PASSES):
        outside = set(trace.local)
        none = isinstance(steps, int) and steps == 0
        loop = Body({"the state": windows}, 1 if none else as_dim(steps))
        try:
            inside = loop.start()["the state"]
            elements = _no_elements(plan) if none else _elements(plan, loop.index, lengths)
            outputs, stop = _step(plan, elements, inside)
            numbers = iter(inside)
            for y, state in zip(outputs, plan.states or (), strict=False):
                if state is not None:
                    same_state(next(numbers)[0], y, plan.fn)
            found = tuple((kinds.kind_of(y), kinds.shape_of(y)) for y in outputs)
            for _, shape in found:
                _check_shape(plan, shape, trace.local - outside)
        finally:
            loop.give_up()
        before, windows = windows, _promoted(plan, windows, [kind for kind, _ in found])
        if windows is before:
            settled = iter([kinds.kind_of(kinds.array_of(w[0])) for w in windows])
            states = plan.states or (None,) * len(found)
            outputs_found = tuple(
                (kind if s is None else next(settled), shape)
                for (kind, shape), s in zip(found, states, strict=True)
            )
            return _Learned(windows, outputs_found, stop is not None)
    kinds.fail_in(
        plan.fn,
        errors.ControlFlowError,
        f"{plan.name}: the types of the states do not settle",
        "begin with states of the dtype that the body returns",
    )


def _elements(plan: Plan, k: Any, lengths: Sequence[Any]) -> list[Any]:
    return [x for s, n in zip(plan.sequences, lengths, strict=True) for x in s.at(k, n)]


def _no_elements(plan: Plan) -> list[Any]:
    """What stands for elements where the sequences may have none."""
    arrays = [s.array for s in plan.sequences for _ in s.taps]
    return [stand_in(x.dtype, kinds.shape_of(x)[1:]) for x in arrays]


def _step(plan: Plan, elements: list[Any], windows: Windows) -> tuple[list[Any], Any]:
    return plan.step(elements, [tuple(map(own_leaf, w)) for w in windows])


def _shifted(plan: Plan, windows: Windows, outputs: Sequence[Any]) -> Windows:
    """The windows of the next step."""
    states = plan.states or ()
    new = [y for y, s in zip(outputs, states, strict=False) if s is not None]
    return tuple((own_leaf(y), *w[:-1]) for y, w in zip(new, windows, strict=True))


def _promoted(plan: Plan, windows: Windows, found: Sequence[Any]) -> Windows:
    """`windows` cast to what they have in common with the outputs; the same if they are that."""
    new = iter([k for k, s in zip(found, plan.states or (), strict=False) if s is not None])
    result, changed = [], False
    for window in windows:
        own = kinds.kind_of(kinds.array_of(window[0]))
        kind = kinds.common(own, next(new))
        changed = changed or not kinds.same(kind, own)
        result.append(tuple(kinds.as_kind(x, kind) for x in window))
    return tuple(result) if changed else windows


def _check_shape(plan: Plan, shape: Shape, inner: set[str]) -> None:
    if any(not inner.isdisjoint(dims.free_symbols(current().canonical(d))) for d in shape):
        kinds.fail_in(
            plan.fn,
            errors.ControlFlowError,
            f"{plan.name}: an output has a shape that differs from step to step: "
            f"[{', '.join(map(str, shape))}]",
            "return arrays of one shape, as by padding with zeros or a mask",
        )


def _negated(cond: Any) -> Any:
    return not cond if isinstance(cond, bool) else prim.elementwise("logical_not", cond)
