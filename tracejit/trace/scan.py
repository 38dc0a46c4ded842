"""`scan` with Theano's contract, and what is made of it: `map`, `reduce`, `foldl`, `foldr`.

A call becomes a plan (`scan_plan.py`), which runs in plain Python outside of a jitted function
(here) and as a loop node inside (`scan_traced.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import kinds
from tracejit.trace.context import fail, tracing
from tracejit.trace.control import condition, own_leaf, settled_leaf
from tracejit.trace.rehearsal import Type, known_shape, rehearsed, settled_types, stand_in
from tracejit.trace.scan_plan import Plan, Until, make_plan
from tracejit.trace.scan_traced import run_traced


def until(cond: Any) -> Until:
    """Returned from a scan's body, as `return outputs, until(cond)`: stop after this step.

    `cond` is a bool, a number or an array of one element. The outputs of the scan hold the steps
    that were done, the one that stopped it among them.
    """
    return Until(cond)


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    name: str | None = None,
) -> Any:
    """Repeat `fn` along sequences, feeding its outputs back, and stack what it returns.

    Each step calls `fn(*elements, *earlier_outputs, *non_sequences)`:

    - `sequences`: an array, or a list of them, run over along axis 0; the shortest says how many
      steps there are. `dict(input=x, taps=[-1, 0, 2])` passes `x[t - 1], x[t], x[t + 2]`, in this
      order, for all `t` that have them.
    - `outputs_info`: one entry per output, or a list of them. An array or number is the initial
      state: `fn` gets the output of the step before. `dict(initial=x0, taps=[-3, -1])` passes the
      outputs of three steps and of one step ago; `x0` holds the three states before the first
      step along axis 0, the oldest first. None is an output that is not fed back.
    - `non_sequences`: values that are passed as they are.
    - `n_steps`: the number of steps, an int, a size or a traced integer; needed without sequences.
    - `go_backwards`: run over the sequences from their ends.
    - `truncate_gradient`: how many steps a derivative goes back, -1 for all of them.
    - `name`: what error messages call it.

    `fn` returns one output, or a tuple or list of them, or `(outputs, until(cond))`. The result is
    one array, or a list of them if there are several outputs (None if there is none), with one row
    per step along axis 0; no steps give no rows. An output has the shape of its initial state; its
    dtype settles by NumPy's promotion of that and of what `fn` returns, so that 0 and a body that
    returns floats give floats. What `fn` writes into the states that it gets is forgotten; what it
    writes into a sequence or any other array stays written.

    Outside a jitted function this is a loop in Python; where only a further step would show the
    dtypes, as without any steps, `fn` is called with traced stand-ins.

    Raises ShapeError for `n_steps` beyond a sequence and for too few initial states;
    ControlFlowError, at the line where `fn` returns, for a state or output that changes its shape;
    TracedValueError for other arguments, and where the body returns other outputs than
    `outputs_info` says; DTypeError for arguments of a wrong type.
    """
    plan = make_plan(
        fn, sequences, outputs_info, non_sequences, n_steps, truncate_gradient, go_backwards,
        name or "scan",
    )  # fmt: skip
    return _result(_run(plan, False))


def map(
    fn: Callable[..., Any],
    sequences: Any,
    non_sequences: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    name: str | None = None,
) -> Any:
    """`fn` of each element of the sequences, stacked: `scan` without states.

    Arguments, result and errors are those of `scan`.
    """
    plan = make_plan(
        fn, sequences, None, non_sequences, None, truncate_gradient, go_backwards, name or "map"
    )
    return _result(_run(plan, False))


def reduce(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    go_backwards: bool = False,
    name: str | None = None,
) -> Any:
    """The state after the last step of `scan`, and nothing of those before; a list of several.

    With sequences of length 0 this is the initial state. Arguments and errors are those of `scan`;
    every output needs an initial state.
    """
    plan = make_plan(
        fn, sequences, outputs_info, non_sequences, None, -1, go_backwards, name or "reduce"
    )
    if plan.states is None or None in plan.states:
        fail(
            errors.DTypeError,
            f"an output of {plan.name} has no initial state",
            "scan(...)[-1] is the last of outputs that are no states",
        )
    return _result(_run(plan, True))


def foldl(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    name: str | None = None,
) -> Any:
    """`reduce` from the first element to the last."""
    return reduce(fn, sequences, outputs_info, non_sequences, False, name or "foldl")


def foldr(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any = None,
    name: str | None = None,
) -> Any:
    """`reduce` from the last element to the first."""
    return reduce(fn, sequences, outputs_info, non_sequences, True, name or "foldr")


def _result(outputs: list[Any]) -> Any:
    if not outputs:
        return None
    return outputs[0] if len(outputs) == 1 else outputs


def _run(plan: Plan, last_only: bool) -> list[Any]:
    return run_traced(plan, last_only) if tracing() else _run_plainly(plan, last_only)


# In plain Python.


@dataclass
class _Output:
    """What is known of one output: its rows so far, their kind and shape, its last states."""

    window: tuple[Any, ...] = ()
    kind: Any = None
    shape: tuple[int, ...] | None = None
    rows: list[Any] = field(default_factory=list)

    def take(self, y: Any, plan: Plan, keep: bool) -> bool:
        """Add what a step returned; whether the type has changed by that."""
        if self.window:
            y = settled_leaf(self.window[0], y, plan.fn)
        elif self.shape is not None and np.shape(y) != self.shape:
            kinds.fail_in(
                plan.fn,
                errors.ControlFlowError,
                f"{plan.name}: an output has shape {self.shape} in one step, and is "
                f"{kinds.text_of(y)} in another",
                "every step returns arrays of one shape",
            )
        before = self.kind
        kind = kinds.kind_of(y)
        self.kind = kind if self.kind is None else kinds.common(self.kind, kind)
        self.shape = np.shape(y)
        if self.window:
            window = (own_leaf(y), *self.window[:-1])
            self.window = tuple(kinds.as_kind(x, self.kind) for x in window)
        if keep:
            self.rows.append(own_leaf(y))
        return before is None or not kinds.same(before, self.kind)

    def stacked(self) -> np.ndarray:
        found = np.empty((len(self.rows), *(self.shape or ())), kinds.dtype_of(self.kind))
        for k, row in enumerate(self.rows):
            found[k] = row
        return found


def _run_plainly(plan: Plan, last_only: bool) -> list[Any]:
    steps, lengths = plan.steps(), [s.steps() for s in plan.sequences]
    outputs = None
    if plan.states is not None:
        outputs = [_Output() if s is None else _initial(s.window) for s in plan.states]
    changed = True
    for k in range(steps):
        elements = [x for s, n in zip(plan.sequences, lengths, strict=True) for x in s.at(k, n)]
        outputs, changed, stop = _step(plan, elements, outputs, not last_only)
        if stop:
            break
    if changed:
        outputs = _learned(plan, outputs)
    if last_only:
        return [own_leaf(o.window[0]) for o in outputs or ()]
    return [o.stacked() for o in outputs or ()]


def _initial(window: tuple[Any, ...]) -> _Output:
    return _Output(window, kinds.kind_of(window[0]), np.shape(window[0]))


def _step(
    plan: Plan, elements: list[Any], outputs: list[_Output] | None, keep: bool
) -> tuple[list[_Output], bool, bool]:
    windows = [tuple(own_leaf(x) for x in o.window) for o in outputs or () if o.window]
    found, cond = plan.step(elements, windows)
    if outputs is None:
        outputs = [_Output() for _ in found]
    if len(found) != len(outputs):
        kinds.fail_in(
            plan.fn,
            errors.TracedValueError,
            f"{plan.name}: the body returns {len(outputs)} outputs in one step and {len(found)} in "
            "another",
        )
    changed = [o.take(y, plan, keep) for o, y in zip(outputs, found, strict=True)]
    stop = cond is not None and condition(cond, "until")
    return outputs, any(changed), stop


def _learned(plan: Plan, outputs: list[_Output] | None) -> list[_Output]:
    """`outputs` with the types that a further step would give: what they are does not depend on how
    many steps there were. Where that cannot be told, those of the states so far."""

    def trial() -> list[Type]:
        elements = [
            stand_in(s.array.dtype, s.array.shape[1:]) for s in plan.sequences for _ in s.taps
        ]
        states = [o for o in outputs or () if o.window]
        depths = [len(o.window) for o in states]
        found: list[Any] = []

        def step(values: list[Any]) -> list[Any]:
            windows = [(x,) * depth for x, depth in zip(values, depths, strict=True)]
            found[:], _ = plan.step(elements, windows)
            return [y for y, s in zip(found, plan.states or (), strict=False) if s is not None]

        types = iter(settled_types([(o.kind, o.shape or ()) for o in states], step))
        return [
            next(types) if s is not None else (kinds.kind_of(y), known_shape(kinds.shape_of(y)))
            for y, s in zip(found, plan.states or (None,) * len(found), strict=True)
        ]

    try:
        types = rehearsed(trial, plan.name)
    except Exception:
        if outputs is None or any(o.kind is None for o in outputs):
            raise
        return outputs
    if outputs is None:
        outputs = [_Output() for _ in types]
    for o, (kind, shape) in zip(outputs, types, strict=True):
        o.kind, o.shape = kind, shape
        o.window = tuple(kinds.as_kind(x, kind) for x in o.window)
    return outputs
