"""What a call of `scan` asks for, checked: sequences, states, their taps, how many steps."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.trace import hooks, kinds, prim
from tracejit.trace.context import current, fail, tracing
from tracejit.trace.iteration import as_symbolic
from tracejit.trace.registry import FUNCTIONS, METHODS
from tracejit.trace.size import Size, as_dim, wrap
from tracejit.trace.tensor import Tensor


@dataclass(frozen=True)
class Until:
    """What `until` returns: the condition after which a scan stops."""

    cond: Any


@dataclass(frozen=True)
class ScannedOver:
    """A sequence: in each step the body gets the elements at `taps` from the current position."""

    array: Any
    taps: tuple[int, ...]
    backwards: bool

    @property
    def first(self) -> int:
        return min(0, *self.taps)

    @property
    def span(self) -> int:
        return max(0, *self.taps) - self.first

    def steps(self) -> Any:
        """How many steps have all of their taps inside of the sequence."""
        length = self.array.shape[0]
        if not self.span:
            return length
        if isinstance(length, Size):
            trace, dim = current(), as_dim(length)
            assert dim is not None
            if trace.is_run_time(dim):
                return hooks.call(builtins.max, length - self.span, 0)
            enough = trace.decide(dim, ">=", self.span, "the taps of a sequence")
            return length - self.span if enough else 0
        return max(length - self.span, 0)

    def at(self, k: Any, steps: Any) -> list[Any]:
        """The elements for step `k`; `steps` is what `self.steps()` gives."""
        position = (steps - 1 - k if self.backwards else k) - self.first
        return [self.array[position + tap] for tap in self.taps]


@dataclass(frozen=True)
class State:
    """A recurrent output: `window[j]` is its value `j + 1` steps before the first."""

    window: tuple[Any, ...]
    taps: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A call of `scan`. `states` has None for outputs that are mapped, and is None where the body
    alone says how many outputs there are, all of them mapped."""

    fn: Callable[..., Any]
    sequences: tuple[ScannedOver, ...]
    states: tuple[State | None, ...] | None
    others: tuple[Any, ...]
    n_steps: Any
    truncate_gradient: int
    name: str

    def steps(self) -> Any:
        """The number of steps: an int or a size."""
        lengths = [s.steps() for s in self.sequences]
        if self.n_steps is None:
            if not lengths:
                fail(
                    errors.TracedValueError,
                    f"{self.name} cannot know how many steps to do",
                    "give n_steps, or a sequence to run over",
                )
            return _least(lengths)
        n = _step_count(self.n_steps, self.name)
        for number, (sequence, length) in enumerate(zip(self.sequences, lengths, strict=True)):
            self._check_length(n, number, sequence, length)
        return 0 if any(isinstance(x, int) and x == 0 for x in lengths) else n

    def _check_length(self, n: Any, number: int, sequence: ScannedOver, length: Any) -> None:
        if isinstance(n, int) and isinstance(length, int):
            enough = n <= length
        else:
            left, right = as_dim(n), as_dim(length)
            assert left is not None and right is not None
            trace = current()
            enough = trace.decide(left, "<=", right, f"the number of steps of {self.name}")
            if enough and not trace.is_local(right - left):
                trace.assumed.append(trace.canonical(right - left))
        if enough:
            return
        taps = f" with taps {list(sequence.taps)}" if sequence.taps != (0,) else ""
        fail(
            errors.ShapeError,
            f"n_steps is {_size_text(n)}, and sequence {number}, {kinds.text_of(sequence.array)}, "
            f"has {_size_text(length)} steps{taps}",
            "leave n_steps out to do as many steps as the shortest sequence has",
        )

    def step(
        self, elements: Sequence[Any], windows: Sequence[tuple[Any, ...]]
    ) -> tuple[list[Any], Any]:
        """One call of the body: its outputs, and the condition of `until` or None."""
        states = [s for s in self.states or () if s is not None]
        earlier = [
            window[-tap - 1] for s, window in zip(states, windows, strict=True) for tap in s.taps
        ]
        outputs, stop = self._taken_apart(hooks.call(self.fn, *elements, *earlier, *self.others))
        if self.states is not None and len(outputs) != len(self.states):
            self._fail(
                errors.TracedValueError,
                f"outputs_info has entries for {len(self.states)}, and the body returns "
                f"{len(outputs)} outputs",
                "give one entry per output, None for one that is no state",
            )
        return outputs, stop

    def _taken_apart(self, result: Any) -> tuple[list[Any], Any]:
        stop = None
        if isinstance(result, Until):
            result, stop = None, result.cond
        elif isinstance(result, (tuple, list)) and result and isinstance(result[-1], Until):
            *items, last = result
            result, stop = items[0] if len(items) == 1 else items, last.cond
        if result is None:
            return [], stop
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for x in outputs:
            if isinstance(x, dict):
                self._fail(
                    errors.UnsupportedError,
                    "the body returns a dict of updates",
                    "assign to the shared value in the body: w[...] = new",
                )
            if x is None or isinstance(x, Until):
                what = "until(...) before the end" if isinstance(x, Until) else "None"
                self._fail(
                    errors.DTypeError,
                    f"the body returns {what} among its outputs",
                    "return outputs, or (outputs, until(cond))",
                )
        return [kinds.array_of(x) for x in outputs], stop

    def _fail(self, cls: type[errors.TraceError], what: str, instead: str) -> NoReturn:
        kinds.fail_in(self.fn, cls, f"{self.name}: {what}", instead)


def make_plan(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any,
    n_steps: Any,
    truncate_gradient: Any,
    go_backwards: Any,
    name: str,
) -> Plan:
    """The plan of a call. Raises TraceErrors at the line of the call for arguments it refuses."""
    if not callable(fn):
        fail(errors.DTypeError, f"{name} takes a function, not {kinds.text_of(fn)}")
    if (
        isinstance(truncate_gradient, bool)
        or not isinstance(truncate_gradient, (int, np.integer))
        or (truncate_gradient < 1 and truncate_gradient != -1)
    ):
        fail(
            errors.TracedValueError,
            f"truncate_gradient is a number of steps, or -1 for all of them, not "
            f"{truncate_gradient!r}",
        )
    states = None
    if outputs_info is not None:
        states = tuple(_state(x, k, name) for k, x in enumerate(_listed(outputs_info)))
    return Plan(
        fn,
        tuple(_sequence(x, k, bool(go_backwards), name) for k, x in enumerate(_listed(sequences))),
        states,
        tuple(hooks.value(x) for x in _listed(non_sequences)),
        n_steps,
        int(truncate_gradient),
        name,
    )


def _listed(x: Any) -> list[Any]:
    """One thing, or several in a list or tuple, as a list."""
    if x is None:
        return []
    return list(hooks.value(x)) if isinstance(x, (list, tuple)) else [x]


def _sequence(x: Any, number: int, backwards: bool, name: str) -> ScannedOver:
    given: Any = x
    taps: tuple[int, ...] = (0,)
    if isinstance(x, dict):
        _check_keys(hooks.value(x), {"input", "taps"}, f"sequence {number} of {name}")
        given = x.get("input")
        taps = _taps(x.get("taps"), (0,), f"sequence {number} of {name}")
    if given is None:
        fail(
            errors.DTypeError,
            f"sequence {number} of {name} has no input",
            "dict(input=array, taps=[...])",
        )
    array = _array(given)
    if not len(kinds.shape_of(array)):
        fail(
            errors.ShapeError,
            f"sequence {number} of {name} has no axis to run over: {kinds.text_of(array)}",
            "pass what is the same in every step in non_sequences",
        )
    return ScannedOver(array, taps, backwards)


def _array(x: Any) -> Any:
    """What a sequence runs over; of a range the numbers in it."""
    if isinstance(x, range):
        x = np.arange(x.start, x.stop, x.step)
    if not tracing():
        return np.asarray(x)
    return FUNCTIONS[np.asarray](x) if np.asarray in FUNCTIONS else prim.lift(x)


def _state(x: Any, number: int, name: str) -> State | None:
    where = f"output {number} of {name}"
    taps: tuple[int, ...] = (-1,)
    if isinstance(x, dict):
        _check_keys(hooks.value(x), {"initial", "taps"}, where)
        if x.get("initial") is None:
            if x.get("taps") is not None:
                fail(
                    errors.DTypeError,
                    f"{where} has taps and no initial state",
                    "dict(initial=states, taps=[...])",
                )
            return None
        taps = _taps(x.get("taps"), (-1,), where)
        x = x["initial"]
    if x is None:
        return None
    if max(taps) >= 0:
        fail(
            errors.TracedValueError,
            f"{where} has the taps {list(taps)}: only earlier values can be had",
            "negative taps: -1 is the value one step ago",
        )
    initial, depth = kinds.array_of(x), -min(taps)
    if taps == (-1,):
        return State((_value(initial),), taps)
    shape = kinds.shape_of(initial)
    if not shape or not _at_least(shape[0], depth):
        fail(
            errors.ShapeError,
            f"{where} has the taps {list(taps)}, which need {depth} earlier values along axis 0, "
            f"and initial is {kinds.text_of(initial)}",
            "stack them: np.stack([two_steps_ago, one_step_ago])",
        )
    return State(tuple(_value(initial[depth - 1 - j]) for j in range(depth)), taps)


def _value(x: Any) -> Any:
    """A state: an array of its own, or a number."""
    if isinstance(x, Tensor):
        return x if x.scalar else prim.copy(x) if x.ndim else prim.scalar(x)
    return x.copy()[()] if isinstance(x, np.ndarray) else x


def _at_least(length: Any, depth: int) -> bool:
    if isinstance(length, int):
        return length >= depth
    return current().decide(length, ">=", depth, "initial values of a scan")


def _check_keys(x: dict[Any, Any], known: set[str], where: str) -> None:
    unknown = [k for k in x if k not in known]
    if unknown:
        fail(
            errors.DTypeError,
            f"{where} is a dict with the key {unknown[0]!r}",
            f"the keys are {' and '.join(sorted(known))}",
        )


def _taps(x: Any, default: tuple[int, ...], where: str) -> tuple[int, ...]:
    if x is None:
        return default
    found = x if isinstance(x, (list, tuple, range, np.ndarray)) else [x]
    try:
        taps = tuple(operator.index(t) for t in found)
    except TypeError:
        fail(errors.DTypeError, f"the taps of {where} are ints, not {x!r}")
    if not taps or len(set(taps)) != len(taps):
        fail(errors.TracedValueError, f"the taps of {where} are different ints, not {x!r}")
    return taps


# Numbers of steps.


def _step_count(n: Any, name: str) -> Any:
    if isinstance(n, np.ndarray) and tracing():
        n = prim.lift(n)
    if isinstance(n, Size):
        found: Any = n
    elif isinstance(n, Tensor):
        if n.ndim or n.dtype.kind not in "iu":
            _not_a_count(n, name)
        dim = as_symbolic(n)
        found = METHODS["__length__"](n) if dim is None else wrap(dim)
    else:
        try:
            found = operator.index(n)
        except TypeError:
            _not_a_count(n, name)
        if isinstance(n, (bool, np.bool_)):
            _not_a_count(n, name)
    if isinstance(found, int):
        negative = found < 0
    else:
        trace, dim = current(), as_dim(found)
        assert dim is not None
        negative = not trace.is_run_time(dim) and not trace.decide(
            dim, ">=", 0, f"the number of steps of {name}"
        )
    if negative:
        fail(
            errors.TracedValueError,
            f"n_steps is {_size_text(found)}: there are no negative steps",
            "go_backwards=True runs over the sequences from their ends",
        )
    return found


def _not_a_count(n: Any, name: str) -> NoReturn:
    fail(errors.DTypeError, f"n_steps of {name} must be an int, not {kinds.text_of(n)}")


def _least(lengths: list[Any]) -> Any:
    found = lengths[0]
    for other in lengths[1:]:
        if isinstance(found, int) and isinstance(other, int):
            found = min(found, other)
            continue
        a, b = as_dim(found), as_dim(other)
        assert a is not None and b is not None
        trace = current()
        if trace.provable(a, "<=", b):
            continue
        if trace.provable(b, "<=", a):
            found = other
            continue
        x, y = trace.hint(a), trace.hint(b)
        if x is None or y is None:
            found = hooks.call(builtins.min, found, other)
        elif x == y:
            trace.decide(a, "==", b, "sequences of one length")
            found = wrap(trace.canonical(a))
        elif not trace.decide(a, "<", b, "the shortest sequence"):
            found = other
    return found


def _size_text(n: Any) -> str:
    return current().describe(n.dim) if isinstance(n, Size) else str(n)
