"""A block of control flow being traced: what happens in it stays in it until it is closed.

While a `Region` is open nodes go into a builder of its own, and every array of the code around
stands for itself by a fresh value, so that what the block reads of it and what it makes of it can
be told apart. `leave` puts everything back as it was; `close` makes the block a graph that reads
nothing but its own parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tracejit import errors
from tracejit.ir.builder import Builder
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.types import INTP
from tracejit.trace.context import Trace, fail
from tracejit.trace.tensor import Cell

_MOST_REGIONS = 40
SOURCES = frozenset({"const", "size", "iota"})
"""Ops that are made again inside a block rather than passed to it."""


class TooDeepError(errors.ControlFlowError):
    """Blocks are inside each other without an end: no driver tries another way."""


@dataclass(frozen=True)
class Change:
    """An array of the code around that the block writes: `stood_for` is what it was inside."""

    cell: Cell
    outer: Value
    stood_for: Value
    new: Value


class Region:
    """See the module."""

    def __init__(self, trace: Trace) -> None:
        if len(trace.regions) >= _MOST_REGIONS:
            fail(
                TooDeepError,
                f"more than {_MOST_REGIONS} branches and loops are inside each other, as where a "
                "function calls itself depending on a traced value",
                "use a loop, or list what the depth depends on in static_argnames",
            )
        self.trace = trace
        self.outer = trace.builder
        self.builder = Builder()
        self.builder.constants = trace.root.constants
        self.outer_of: dict[Value, Value] = {}
        self._before: list[tuple[Cell, Value, int, int, Any]] = []
        self._notes: list[tuple[Cell, Any]] = []
        self._inside: dict[Cell, Value] = {}
        self.protected: Collection[int] = frozenset()
        self._facts = len(trace.nonnegative)
        if trace.draws is None and trace.has_generators:
            trace.draws = trace.builder.const(0, INTP)
        self._draws = self._inside_draws = trace.draws
        self._last_draws = trace.draws
        # In the order in which they were made, so that the same code gives the same graph.
        for cell in sorted(trace.cells, key=lambda cell: cell.number):
            if cell.scalar or cell.origin == "captured" or cell.value in trace.scalar_values:
                continue
            outer = trace.refreshed(cell.value)
            inner = Value(outer.type, outer.hint)
            notes = cell.fixed, cell.watched
            self._before.append((cell, cell.value, cell.version, cell.writes, notes))
            self._inside[cell] = inner
            self.outer_of[inner] = outer
            cell.value = inner
            cell.version += 1
        trace.builder = self.builder
        trace.regions.append(self)
        trace.has_blocks = True
        if trace.draws is not None:
            trace.draws = self._inside_draws = self.stand_in(trace.draws)

    def stand_in(self, outer: Value) -> Value:
        """A value of the block for one of the code around."""
        inner = Value(outer.type, outer.hint)
        self.outer_of[inner] = outer
        return inner

    def existed(self, cell: Cell) -> bool:
        """Whether `cell` was there before the block."""
        return cell in self._inside

    def inside(self, cell: Cell) -> Value | None:
        """What stands for an array of the code around at the start of the block."""
        return self._inside.get(cell)

    def changes(self) -> list[Change]:
        """The arrays that the block writes, so far."""
        found = []
        for cell, *_ in self._before:
            inner = self._inside[cell]
            if cell.value is not inner:
                found.append(Change(cell, self.outer_of[inner], inner, cell.value))
        return found

    @property
    def draws(self) -> tuple[Value | None, Value | None]:
        """The token of random draws at the start and at the end of a block that was left."""
        return self._inside_draws, self._last_draws

    def leave(self) -> None:
        """Put the trace back to where it was; the nodes are still in `builder`."""
        trace = self.trace
        assert trace.regions[-1] is self
        trace.regions.pop()
        trace.builder = self.outer
        del trace.nonnegative[self._facts :]
        self._last_draws, trace.draws = trace.draws, self._draws
        for cell, value, version, writes, notes in self._before:
            cell.value, cell.writes = value, writes
            # What was read inside is not what a read outside sees.
            cell.version = max(version, cell.version) + 1
            if notes != (cell.fixed, cell.watched):
                self._notes.append((cell, (cell.fixed, cell.watched)))
                cell.fixed, cell.watched = notes

    def keep_notes(self) -> None:
        """What was found out inside about arrays of the code around holds behind the block too."""
        for cell, (fixed, watched) in self._notes:
            cell.fixed = cell.fixed or fixed
            cell.watched = tuple(dict.fromkeys((*cell.watched, *watched)))

    def close(
        self, name: str, params: Sequence[Value], results: Sequence[Value]
    ) -> tuple[Graph, list[Value]]:
        """The block with `params` and one more param for everything else that it reads.

        The second result are the values of the code around which these stand for.
        """
        return _Closing(self, params).run(name, results)


class _Closing:
    def __init__(self, region: Region, params: Sequence[Value]) -> None:
        self.region, self.trace = region, region.trace
        self.params = list(params)
        self.read: list[Value] = []
        self.table: dict[Value, Value] = {v: v for v in params}
        self.known = {v for node in region.builder.nodes for v in node.outputs}
        self.nodes: list[Node] = []
        self.front: list[Node] = []

    def run(self, name: str, results: Sequence[Value]) -> tuple[Graph, list[Value]]:
        for node in self.region.builder.nodes:
            self.nodes.append(node.with_(inputs=tuple(map(self.value, node.inputs))))
        found = tuple(map(self.value, results))
        guards = tuple(self.region.builder.guards)
        nodes = (*self.front, *self.nodes)
        return Graph(name, tuple(self.params), nodes, found, guards), self.read

    def value(self, value: Value) -> Value:
        """`value` as the block sees it."""
        found = self.table.get(value)
        if found is not None:
            return found
        trace = self.trace
        origin = trace.aliases.get(value, value)
        if origin in self.table:
            found = self.table[origin]
        elif origin in self.known:
            found = origin
        elif origin in self.region.outer_of:
            found = self.value(self.region.outer_of[origin])
        else:
            source = self._source(origin)
            if source is not None:
                found = Value(origin.type, origin.hint)
                self.front.append(source.with_(outputs=(found,)))
            else:
                found = Value(origin.type, origin.hint)
                self.params.append(found)
                self.read.append(origin)
        self.table[value] = self.table[origin] = found
        return found

    def _source(self, value: Value) -> Node | None:
        builder: Builder | None = self.region.outer
        regions = list(self.trace.regions)
        while builder is not None:
            node = builder.sources.get(value)
            if node is not None:
                large = node.op == "const" and value.type.ndim
                return None if large else node
            builder = regions.pop().outer if regions else None
        return None


def restart(cell: Cell, value: Value) -> None:
    """`cell` holds `value` from here on, as its own memory."""
    cell.value = value
    cell.version += 1
