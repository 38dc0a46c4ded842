"""Times a workload beside its peers: same process, same data, alternating rounds, medians.

A peer whose result is wrong is reported as wrong and not timed. The first call, which compiles, is
reported apart from the rest.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np

from .peers import Peer, Tracejit
from .workload import Function, Size, Workload, fresh, size_label

Clock = Callable[[], float]

OK, WRONG, FAILED, SKIPPED, ABSENT = "ok", "wrong", "failed", "skipped", "absent"


@dataclass(slots=True)
class Measurement:
    """One peer on one case. Times are seconds for a call."""

    peer: str
    status: str = OK
    first_call: float | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    calls: int = 0
    """Calls in a round: a round of a short function is many calls."""
    ratio: float | None = None
    """This peer's time over tracejit's: above 1, tracejit is faster."""
    problem: str = ""


@dataclass(slots=True)
class Case:
    """One workload at one size. `kind` is `run`, or `compile` where first calls are compared."""

    workload: str
    title: str
    size: str
    kind: str
    measurements: list[Measurement] = field(default_factory=list)

    def of(self, peer: str) -> Measurement | None:
        return next((m for m in self.measurements if m.peer == peer), None)


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a case may be timed, beyond first calls. Times are seconds."""

    seconds: float = 0.8
    min_rounds: int = 5
    max_rounds: int = 40
    sample: float = 1e-3
    """A round of one peer lasts at least this long."""
    rest: float = 2e-3
    """A pause before each round of a peer. The threads of the peer before it (OpenMP, BLAS) spin on
    for about a millisecond, and slow down whoever comes next: a small matrix product a hundredfold.
    """
    first_calls: int = 3
    """Most functions whose first call is timed for one figure."""


QUICK = Budget()
FULL = Budget(seconds=4.0, min_rounds=9, max_rounds=200, first_calls=5)


@dataclass(slots=True)
class _Contestant:
    peer: Peer
    function: Function
    args: tuple[Any, ...]
    measurement: Measurement
    calls: int = 1
    times: list[float] = field(default_factory=list)


def plan(workloads: Sequence[Workload], full: bool) -> list[tuple[Workload, Size]]:
    return [(workload, size) for workload in workloads for size in workload.sizes(full)]


def run(
    workloads: Sequence[Workload],
    peers: Sequence[Peer],
    *,
    full: bool = False,
    budget: Budget | None = None,
    subject: Peer | None = None,
    clock: Clock = time.perf_counter,
    seed: int = 0,
) -> Iterator[Case]:
    """Time every workload at every size; yields a case when it is done."""
    budget = budget or (FULL if full else QUICK)
    contestants = [subject or Tracejit(), *peers]
    for workload in workloads:
        if workload.generate is None:
            built = [(peer, *_build(peer, workload, workload.function)) for peer in contestants]
        for size in workload.sizes(full):
            args = workload.make_args(size, np.random.default_rng(seed))
            case = Case(workload.name, workload.title, size_label(size), "run")
            if workload.generate is None:
                _time_runs(case, workload, built, args, budget, clock)
            else:
                case.kind = "compile"
                for peer in contestants:
                    _time_first_calls(case, workload, peer, size, args, budget, clock)
            set_ratios(case, contestants[0].name)
            yield case


def warm_up(peers: Sequence[Peer]) -> None:
    """Import every peer and let it compile something small: what is paid once a process is not a
    first call's affair."""
    a = np.linspace(0.0, 1.0, 16)
    for peer in peers:
        try:
            function = peer.finishing(peer.compile(_small))
            function(*peer.arguments((a, a)))
        except Exception:  # said where it matters: in the cases
            continue


def _small(a: Any, b: Any) -> Any:
    return np.exp(a) + b


def check_result(got: Sequence[Any], expected: Sequence[Any], rtol: float, atol: float) -> str:
    """What is wrong with a result; empty when nothing is."""
    if len(got) != len(expected):
        return f"{len(got)} results where NumPy gives {len(expected)}"
    for number, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        which = f"result {number}: " if len(expected) > 1 else ""
        if mine.shape != theirs.shape:
            return f"{which}shape {mine.shape} where NumPy gives {theirs.shape}"
        if mine.dtype != theirs.dtype:
            return f"{which}dtype {mine.dtype} where NumPy gives {theirs.dtype}"
        try:
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=atol)
        except AssertionError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return which + "; ".join(lines[1:4])
    return ""


def set_ratios(case: Case, subject: str) -> None:
    """Each peer's time over the subject's: of runs or, where compiling is compared, first calls."""
    mine = _figure(case, case.of(subject))
    for measurement in case.measurements:
        theirs = _figure(case, measurement)
        if mine and theirs is not None and measurement.peer != subject:
            measurement.ratio = theirs / mine


def _figure(case: Case, measurement: Measurement | None) -> float | None:
    if measurement is None or measurement.status != OK:
        return None
    return measurement.first_call if case.kind == "compile" else measurement.median


def _build(peer: Peer, workload: Workload, function: Function) -> tuple[Function | None, str]:
    """What to call and, when building it failed, why."""
    try:
        return peer.build(workload, function), ""
    except Exception as error:
        return None, describe(error)


def describe(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _first_call(
    peer: Peer, function: Function, args: tuple[Any, ...], clock: Clock
) -> tuple[float, tuple[Any, ...]]:
    start = clock()
    value = function(*args)
    return clock() - start, peer.result(value)


def _time_runs(
    case: Case,
    workload: Workload,
    built: Sequence[tuple[Peer, Function | None, str]],
    args: tuple[Any, ...],
    budget: Budget,
    clock: Clock,
) -> None:
    copied = fresh if workload.writes else lambda args: args
    expected = Peer().result(workload.function(*copied(args)))
    ready = []
    for peer, function, problem in built:
        measurement = Measurement(peer.name)
        case.measurements.append(measurement)
        if function is None:
            measurement.status = FAILED if problem else ABSENT
            measurement.problem = problem
            continue
        try:
            own = peer.arguments(copied(args))
            time.sleep(budget.rest)
            measurement.first_call, got = _first_call(peer, function, own, clock)
            wrong = check_result(got, expected, workload.rtol, workload.atol)
            if workload.writes:
                own = peer.arguments(copied(args))
            # once more: what the first call left behind (caches, buffers) may spoil the second
            got = peer.result(function(*own))
            wrong = wrong or check_result(got, expected, workload.rtol, workload.atol)
            del got
        except Exception as error:
            measurement.status, measurement.problem = FAILED, describe(error)
            continue
        if wrong:
            measurement.status, measurement.problem = WRONG, wrong
            continue
        ready.append(_Contestant(peer, function, own, measurement))
    time_rounds(ready, budget, clock)
    for contestant in ready:
        summarize(contestant.measurement, contestant.times, contestant.calls)


def summarize(measurement: Measurement, times: Sequence[float], calls: int) -> None:
    """Median and quartiles of the rounds, as seconds for one call."""
    each = [t / calls for t in times]
    quartiles = statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    measurement.low, measurement.median, measurement.high = quartiles
    measurement.rounds, measurement.calls = len(each), calls


def time_rounds(contestants: Sequence[_Contestant], budget: Budget, clock: Clock) -> None:
    """Rounds in which each contestant runs once, each round starting with another one."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        once = sum(_calibrate(contestant, budget, clock) for contestant in contestants)
        rounds = int(budget.seconds / max(once, 1e-9))
        for number in range(min(max(rounds, budget.min_rounds), budget.max_rounds)):
            shift = number % max(len(contestants), 1)
            for contestant in [*contestants[shift:], *contestants[:shift]]:
                time.sleep(budget.rest)
                contestant.times.append(_sample(contestant, clock))
    finally:
        if enabled:
            gc.enable()


def _calibrate(contestant: _Contestant, budget: Budget, clock: Clock) -> float:
    """Find how many calls last a sample; returns the time of one sample."""
    sample = budget.sample
    time.sleep(budget.rest)
    while True:
        spent = _sample(contestant, clock)
        if spent >= sample or contestant.calls >= 1 << 20:
            return spent
        contestant.calls = min(1 << 20, contestant.calls * (10 if spent < sample / 10 else 2))


def _sample(contestant: _Contestant, clock: Clock) -> float:
    function, args = contestant.function, contestant.args
    start = clock()
    for _ in repeat(None, contestant.calls):
        function(*args)
    return clock() - start


def _time_first_calls(
    case: Case,
    workload: Workload,
    peer: Peer,
    size: Size,
    args: tuple[Any, ...],
    budget: Budget,
    clock: Clock,
) -> None:
    """First calls of functions made for this, until enough of them or the time is up."""
    assert workload.generate is not None
    measurement = Measurement(peer.name)
    case.measurements.append(measurement)
    if size[0] > workload.largest.get(peer.name, size[0]):
        measurement.status = SKIPPED
        measurement.problem = f"takes too long beyond {workload.largest[peer.name]} operations"
        return
    times: list[float] = []
    own = peer.arguments(args)
    while len(times) < budget.first_calls and sum(times) < budget.seconds:
        function = workload.generate(size, len(times))
        expected = Peer().result(function(*args))
        compiled, problem = _build(peer, workload, function)
        if compiled is None:
            measurement.status = FAILED if problem else ABSENT
            measurement.problem = problem
            return
        try:
            spent, got = _first_call(peer, compiled, own, clock)
        except Exception as error:
            measurement.status, measurement.problem = FAILED, describe(error)
            return
        wrong = check_result(got, expected, workload.rtol, workload.atol)
        if wrong:
            measurement.status, measurement.problem = WRONG, wrong
            return
        times.append(spent)
    measurement.first_call = statistics.median(times)
    measurement.rounds = len(times)
