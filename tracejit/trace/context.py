"""One function being traced: its graph under construction."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from types import CodeType
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, ScalarGuard, Value, producers
from tracejit.ir.interpret import run
from tracejit.ir.types import TensorType
from tracejit.source import Loc
from tracejit.trace.assumptions import Assumptions
from tracejit.trace.lines import fail, user_frame, user_loc
from tracejit.trace.settling import settled_graph

__all__ = [
    "Trace", "activate", "current", "fail", "producers_of", "tracing", "user_frame", "user_loc",
]  # fmt: skip


class CallsItself(BaseException):
    """A function was called again by one side of a branch in it: the trace begins anew."""

    def __init__(self, code: CodeType) -> None:
        self.code = code


class Trace(Assumptions):
    """The state of one trace.

    `captures` are the concrete arrays found on the way, each an extra parameter. `draws` is the
    token that the next random draw takes. `regions` are the blocks of control flow being traced,
    the innermost last; `builder` is the innermost one's, `root` that of the function itself.
    `raised` says that the user's code raises an exception in a block. `running` are the functions
    being traced, the innermost last; in those that are `recursive`, conditions are what they are
    in this call where that is known, since both sides of a branch would call without end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()
        self.cells: weakref.WeakSet[Any] = weakref.WeakSet()
        self._cells = 0
        self.captures: dict[int, tuple[np.ndarray, Any]] = {}
        self.scalar_values: dict[Value, Any] = {}
        self.draws: Value | None = None
        self.aliases: dict[Value, Value] = {}
        self._refreshed: dict[Value, Value] = {}
        self.has_generators = self.has_blocks = self.raised = False
        self.closed = False
        self.provenance: Any = None
        self.running: list[CodeType] = []
        self.recursive: frozenset[CodeType] = frozenset()

    def enter(self, cell: Any) -> int:
        """Keep track of a piece of memory; its number."""
        self.cells.add(cell)
        self._cells += 1
        return self._cells

    # Nodes.

    def apply(self, op: str, inputs: Any, attrs: dict[str, Any] | None = None) -> Value:
        """Append a node with the user's current line."""
        self.builder.loc = user_loc()
        return self.builder.apply(op, inputs, attrs)

    def apply_multi(
        self, op: str, inputs: Sequence[Value], attrs: dict[str, Any] | None = None
    ) -> tuple[Value, ...]:
        """Append a node with several outputs."""
        self.builder.loc = user_loc()
        return self.builder.apply_multi(op, inputs, attrs)

    def refreshed(self, value: Value) -> Value:
        """`value` with sizes decided since put into its type (the same value in the graph)."""
        type = value.type
        if any(dims.free_symbols(d) & self.renamed.keys() for d in type.shape):
            found = self._refreshed.get(value)
            shape = self.shape(type.shape)
            if found is None or found.type.shape != shape:
                found = Value(type.with_shape(shape), value.hint)
                self._refreshed[value] = found
                self.aliases[found] = self.aliases.get(value, value)
            return found
        return value

    # The end.

    def finish(self, results: Sequence[Value]) -> Graph:
        """The graph of everything traced, with every decision on sizes put in."""
        graph = self.root.finish(self.name, results)
        if self.has_blocks:
            self._check_closed(graph)
        numbers = {v: k for k, v in enumerate(self.root.params)}
        scalars = tuple((name, numbers[value]) for name, value in self.scalar_sizes.items())
        return settled_graph(self, graph.with_(scalars=scalars), self.aliases)

    def _check_closed(self, graph: Graph) -> None:
        """Raise where a value of a block is used outside of it: an object carried it there."""
        known = set(graph.params)

        def require(value: Value, loc: Loc | None) -> None:
            if self.aliases.get(value, value) not in known and value not in known:
                raise errors.EscapedTracerError(
                    "a value that was computed in a loop or branch is used outside of it",
                    loc=loc,
                    instead="assign it to a variable, or an element of an array, in the loop",
                )

        for node in graph.nodes:
            for value in node.inputs:
                require(value, node.loc)
            known.update(node.outputs)
        for value in graph.results:
            require(value, None)

    # Concrete values of traced Python scalars.

    def concretize_scalar(self, value: Value, reason: str) -> Any:
        """The value of a Python scalar argument, now a guard. Raises KeyError for other values."""
        concrete = self.scalar_values[value]
        index = self.root.params.index(value)
        guard = ScalarGuard(index, "==", concrete, user_loc(), reason)
        if not any(
            isinstance(g, ScalarGuard) and g.param == index and g.relation == "=="
            for g in self.root.guards
        ):
            self.root.guards.append(guard)
        return concrete

    def _all(self, value: Value) -> Graph:
        """Everything traced up to here, blocks around included, with the result `value`."""
        graph = self.root.finish(self.name, (value,))
        inner = [node for region in self.regions for node in region.builder.nodes]
        return graph.with_(nodes=(*graph.nodes, *inner)) if inner else graph

    def constant_value(self, value: Value) -> Any:
        """The NumPy scalar or array that `value` is, computed from constants alone, else None."""
        graph = self._all(value)
        producer = producers_of(graph, value)
        if producer is None:
            return None
        (array,) = run(graph.with_(nodes=producer, params=()), (), {})
        return array[()]

    def derived_scalar(self, value: Value, reason: str) -> Any:
        """The value of a 0-d `value` computed from Python scalar arguments and constants alone.

        The arguments become guards. None where anything else goes in.
        """
        graph = self._all(value)
        nodes = producers_of(graph, value, frozenset(self.scalar_values))
        if nodes is None:
            return None
        used = {v for node in nodes for v in node.inputs}
        params = tuple(v for v in graph.params if v in used)
        if value.type.shape:
            return None
        args = [np.asarray(self.concretize_scalar(v, reason), v.type.dtype) for v in params]
        (array,) = run(graph.with_(nodes=nodes, params=params), args, {})
        return array[()]

    def guard_scalar(self, value: Value, relation: str, bound: Any, reason: str) -> None:
        index = self.root.params.index(value)
        self.root.guards.append(ScalarGuard(index, relation, bound, user_loc(), reason))

    def capture(self, array: np.ndarray) -> Value:
        """The parameter that stands for a concrete array from outside, taken by reference."""
        found = self.captures.get(id(array))
        if found is None:
            shape: list[Dim] = []
            for axis, size in enumerate(array.shape):
                shape.append(self.new_symbol(f"c{len(self.captures)}_{axis}", size))
            value = self.root.param(TensorType(array.dtype, tuple(shape)))
            found = self.captures[id(array)] = (array, value)
        return found[1]


def producers_of(
    graph: Graph, value: Value, known: frozenset[Value] = frozenset()
) -> tuple[Node, ...] | None:
    """The nodes that compute `value` from constants and `known` values, in order.

    None if anything traced goes in.
    """
    table = producers(graph)
    wanted: dict[Node, None] = {}
    pending = [value]
    while pending:
        wanted_value = pending.pop()
        if wanted_value in known:
            continue
        node = table.get(wanted_value)
        if node is None or node.op == "size" or node.blocks or len(wanted) > 64:
            return None
        if any(dims.free_symbols(d) for v in node.outputs for d in v.type.shape):
            return None
        wanted[node] = None
        pending.extend(node.inputs)
    return tuple(n for n in graph.nodes if n in wanted)


class _Stack(threading.local):
    def __init__(self) -> None:
        self.traces: list[Trace] = []


_stack = _Stack()


def current() -> Trace:
    """The innermost trace of this thread. Raises EscapedTracerError when there is none."""
    if not _stack.traces:
        fail(
            errors.EscapedTracerError,
            "a traced tensor is used outside the jitted function that made it",
            "return it from the jitted function instead of storing it elsewhere",
        )
    return _stack.traces[-1]


def tracing() -> bool:
    return bool(_stack.traces)


class activate:
    """`with activate(trace):` makes `trace` the current one of this thread."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def __enter__(self) -> Trace:
        _stack.traces.append(self.trace)
        return self.trace

    def __exit__(self, *exc: object) -> None:
        _stack.traces.pop()
        self.trace.closed = True
