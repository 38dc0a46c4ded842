"""One compiled version of a function: whether it fits a call, the call, and what to say of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.compiler import (
    Executable,
    compile_traced,
    fast_spec,
    optimize,
    program_of,
    status_error,
)
from tracejit.ir.graph import ScalarGuard, producers
from tracejit.ir.interpret import bind_sizes
from tracejit.runtime.calls import take_error
from tracejit.runtime.executable import Table
from tracejit.runtime.report import Condition, Report, Version
from tracejit.runtime.views import make_views
from tracejit.trace.captures import same
from tracejit.trace.function import Traced, identical
from tracejit.trace.pytree import unflatten

__all__ = [
    "Report",
    "Specialization",
    "Table",
    "compile_traced",
    "fast_spec",
    "optimize",
    "program_of",
    "take_error",
]


@dataclass(eq=False)
class Specialization:
    """One compiled version of a function: what it was traced for, and the code."""

    traced: Traced
    executable: Executable
    statics: tuple[str, ...] = ()
    seconds: float = 0.0
    slow_call: str = ""
    scalar_guards: tuple[ScalarGuard, ...] = field(init=False)
    written: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        guards = self.traced.graph.guards
        self.scalar_guards = tuple(g for g in guards if isinstance(g, ScalarGuard))
        self.written = tuple(k for k, _ in self.traced.writebacks)

    def inputs(self, leaves: Sequence[Any]) -> list[Any] | None:
        """The parameters of the graph for this call, or None where it does not fit."""
        for value_guard in self.traced.value_guards:
            if not value_guard.holds():
                return None
        arrays = list(leaves)
        params = self.traced.graph.params
        for source, number in self.traced.captures:
            try:
                found = source.fetch()
            except Exception:
                return None
            expected = params[number].type
            if not isinstance(found, np.ndarray) or found.dtype != expected.dtype:
                return None
            if found.ndim != expected.ndim:
                return None
            arrays.append(found)
        if self.written and not self._shares_as_traced(leaves):
            return None
        for guard in self.scalar_guards:
            if not _scalar_holds(leaves[guard.param], guard):
                return None
        try:
            bind_sizes(self.traced.graph, arrays)
        except ValueError:
            return None
        return arrays

    def _shares_as_traced(self, leaves: Sequence[Any]) -> bool:
        """Whether arguments that are written are the same as other ones just as in the trace."""
        same = identical(leaves)
        expected = self.traced.same
        if same == expected:
            return True
        written = set(self.written)
        return not expected and not any(written & set(pair) for pair in same)

    def failure(self, status: int, arrays: Sequence[Any]) -> BaseException:
        """The exception for what a run has returned."""
        return status_error(status, self.traced.graph, self.executable.program, arrays)

    def run(self, arrays: Sequence[Any]) -> Any:
        """The result of the call, writes into arguments done."""
        traced = self.traced
        if self.written:
            _check_writable(traced, arrays)
        found = list(self.executable.run(arrays))
        if self.executable.program is None:
            for number, index in traced.writebacks:
                np.copyto(arrays[number], found[index])
        graph = traced.graph
        for k in {o.index for o in traced.outputs if o.kind == "array"}:
            found[k] = np.asarray(found[k])
        views: list[np.ndarray] = []
        if graph.views:
            for k in {v.of for v in graph.views if v.kind == "result"}:
                found[k] = np.asarray(found[k], order="C")
            sizes = bind_sizes(graph, arrays)
            sizes |= {name: int(found[k]) for name, k in traced.view_sizes}
            views = make_views(graph, arrays, found, sizes)
        leaves: list[Any] = []
        for output in traced.outputs:
            if output.kind == "array":
                leaves.append(found[output.index])
            elif output.kind == "view":
                leaves.append(views[output.index])
            elif output.kind == "scalar":
                leaves.append(found[output.index][()])
            elif output.kind == "python":
                leaves.append(found[output.index].item())
            else:
                leaves.append(arrays[output.index] if output.kind == "param" else output.value)
        return unflatten(traced.out_tree, iter(leaves))

    def describe(self) -> Version:
        """The facts for `explain`."""
        traced, executable = self.traced, self.executable
        params = traced.graph.params
        conditions = []
        for guard in traced.graph.guards:
            text = str(guard)
            if isinstance(guard, ScalarGuard):
                text = f"{params[guard.param].hint} {guard.relation} {guard.value!r}"
            conditions.append(Condition(text, guard.reason, guard.loc))
        conditions += [Condition(str(guard)) for guard in traced.value_guards]
        own = params[: len(traced.leaves)]
        arguments = [
            f"{v.hint}: {leaf.weak.__name__ if leaf.weak else v.type}"
            for v, leaf in zip(own, traced.leaves, strict=True)
        ]
        return Version(
            (*arguments, *self.statics),
            tuple(conditions),
            tuple(f"{source}: {params[number].type}" for source, number in traced.captures),
            executable.program,
            self.seconds,
            executable.seconds,
            executable.from_disk,
            self.slow_call,
            traced.notes,
        )


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": same,
    "!=": lambda a, b: not same(a, b),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _scalar_holds(value: Any, guard: ScalarGuard) -> bool:
    return _COMPARE[guard.relation](value, guard.value)


def _check_writable(traced: Traced, arrays: Sequence[Any]) -> None:
    """Raise before anything runs if a write into an argument could not be done."""
    for number, index in traced.writebacks:
        target = arrays[number]
        if not target.flags.writeable:
            _refuse_write(traced, number, index, "which is read-only", "pass a copy")
        for other, array in enumerate(arrays):
            if other == number or not isinstance(array, np.ndarray):
                continue
            if (other, number) in traced.same:
                continue
            if np.may_share_memory(target, array) and np.shares_memory(target, array):
                name = traced.graph.params[other].hint or "a captured array"
                what = f"whose memory overlaps with `{name}`"
                _refuse_write(traced, number, index, what, "pass a copy of one of them")


def _refuse_write(traced: Traced, number: int, index: int, why: str, instead: str) -> NoReturn:
    graph = traced.graph
    node = producers(graph).get(graph.results[index])
    raise errors.MutationError(
        f"`{graph.name}` writes into its argument `{graph.params[number].hint}`, {why}",
        loc=node.loc if node is not None else None,
        instead=instead,
    )
