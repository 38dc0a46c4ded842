"""The compiler's table of contents, and the runner that leads a graph through it.

The runner, not the passes, takes the time, shows the graph and checks it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TextIO

from tracejit.ir import verify as checker
from tracejit.ir.graph import Graph
from tracejit.ir.pprint import format_graph
from tracejit.ir.target import Target
from tracejit.passes.batch_steps import batch_steps
from tracejit.passes.blocks import has_control
from tracejit.passes.carry_elements import carry_elements
from tracejit.passes.cse import cse
from tracejit.passes.dce import dce
from tracejit.passes.fuse import fuse
from tracejit.passes.fuse_loops import fuse_loops
from tracejit.passes.hoist_invariants import hoist_invariants
from tracejit.passes.lazy_branches import lazy_branches
from tracejit.passes.readback import read_back
from tracejit.passes.select_branches import select_branches
from tracejit.passes.simplify import simplify
from tracejit.passes.simplify_control import simplify_control
from tracejit.passes.used_steps import used_steps
from tracejit.passes.vector_products import vector_products
from tracejit.passes.writes import writes_in_place

Pass = Callable[[Graph, Target], Graph]

SIMPLIFICATION: tuple[Pass, ...] = (
    simplify,
    simplify_control,
    cse,
    simplify,
    dce,
)
"""The passes that leave a graph of single ops. What `cse` merges lets `simplify` see more."""


def tidy(graph: Graph, target: Target) -> Graph:
    """Simplification once more, of what the passes before have left of branches and loops.

    before: %5 = loop(%1) k in 0..n { carry %2; %3 = multiply(%2, %1.0); next %3 }
    after:  %5 is %1
    """
    if not has_control(graph):
        return graph
    for pass_ in SIMPLIFICATION:
        graph = pass_(graph, target)
    return graph


CONTROL_FLOW: tuple[Pass, ...] = (
    carry_elements,
    hoist_invariants,
    batch_steps,
    fuse_loops,
    used_steps,
    vector_products,
    lazy_branches,
    select_branches,
    tidy,
)
"""The passes about branches and loops; a graph without any goes through them as it is."""

PASSES: tuple[Pass, ...] = (
    *SIMPLIFICATION,
    *CONTROL_FLOW,
    read_back,
    writes_in_place,
    fuse,
)
"""Every pass, in the order in which they run."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass did: `after is before` when it changed nothing."""

    name: str
    seconds: float
    before: Graph
    after: Graph

    @property
    def changed(self) -> bool:
        return self.after is not self.before


Observer = Callable[[Step], None]


def run_pipeline(
    graph: Graph,
    target: Target,
    *,
    passes: Sequence[Pass] = PASSES,
    observer: Observer | None = None,
    verify: bool = False,
    stop_after: str | None = None,
) -> Graph:
    """`graph` after every pass, or after the pass named `stop_after`.

    `observer` is told of each step. With `verify` the graph is checked before the first pass and
    after each that changes it; VerifyError names the pass. Raises ValueError when no pass is
    `stop_after`.
    """
    names = [pass_name(p) for p in passes]
    if stop_after is not None and stop_after not in names:
        raise ValueError(f"no pass is called {stop_after!r}: {', '.join(names)}")
    if verify:
        _check(graph, "tracing")
    for name, pass_ in zip(names, passes, strict=True):
        start = perf_counter()
        found = pass_(graph, target)
        step = Step(name, perf_counter() - start, graph, found)
        if observer is not None:
            observer(step)
        if verify and step.changed:
            _check(found, name)
        graph = found
        if name == stop_after:
            break
    return graph


def pass_name(pass_: Pass) -> str:
    return getattr(pass_, "__name__", type(pass_).__name__)


def dump_to(file: TextIO | None = None) -> Observer:
    """An observer that prints the graph after each pass that changed it."""

    def dump(step: Step) -> None:
        out = file or sys.stderr
        print(f"--- {step.name}: {step.seconds * 1e3:.2f} ms", file=out)
        print(format_graph(step.after) if step.changed else "unchanged", file=out)

    return dump


def _check(graph: Graph, after: str) -> None:
    try:
        checker.verify(graph)
    except checker.VerifyError as error:
        raise checker.VerifyError(f"after {after}: {error}") from error
