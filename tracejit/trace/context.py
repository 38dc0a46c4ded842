"""One function being traced: its graph under construction, and what was assumed about sizes.

Every size symbol carries a hint, the value it has in the call that is traced. A decision on sizes
(`n == m`, `n > 1`) is taken by the hints and recorded, as a guard or as a substitution of one size
by another, so that the graph is used only where the same decisions come out.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.builder import Builder
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Graph, Guard, Node, ScalarGuard, Value, defined_symbols, producers
from tracejit.ir.interpret import run
from tracejit.ir.opdef import OPS
from tracejit.ir.types import TensorType
from tracejit.source import Loc
from tracejit.trace.facts import extreme, follows
from tracejit.trace.solving import lower_bound, solve, without_implied

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def as_nonnegative(difference: Dim, relation: str) -> list[Dim]:
    """The dims that must all be >= 0 for `difference relation 0`; [] asks for nothing at all.

    That two dims differ is said by no such list.
    """
    return {
        ">=": [difference], ">": [difference - 1], "<=": [-difference], "<": [-difference - 1],
        "==": [difference, -difference], "!=": [-1],
    }[relation]  # fmt: skip


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_USER_FOLDERS = (_PACKAGE + "benchmarks" + os.sep,)
_is_user_file: dict[str, bool] = {}


def user_frame(filename: str) -> bool:
    """Whether code of `filename` is the user's, neither this package's nor NumPy's."""
    known = _is_user_file.get(filename)
    if known is None:
        inside = filename.startswith((_PACKAGE, _NUMPY, "<__array_function__"))
        known = _is_user_file[filename] = not inside or filename.startswith(_USER_FOLDERS)
    return known


def user_loc() -> Loc | None:
    """The innermost line of user code on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if user_frame(code.co_filename):
            return Loc(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def fail(cls: type[errors.TraceError], what: str, instead: str = "") -> NoReturn:
    """Raise `cls` at the user's line."""
    raise cls(what, loc=user_loc(), instead=instead)


class Trace:
    """The state of one trace.

    `hints` has the value of each size symbol in this call (None where a `TensorSpec` names it, and
    for those in `run_time`, which nodes define, numbered in this order).
    `captures` are the concrete arrays found on the way, each an extra parameter. `draws` is the
    token that the next random draw takes. `regions` are the blocks of control flow being traced,
    the innermost last; `builder` is the innermost one's, `root` that of the function itself.
    `local` symbols are known inside blocks only; `most` bounds symbols from above, `nonnegative`
    dims are not negative wherever the code being traced runs, `assumed` ones anywhere. `raised`
    says that the user's code raises an exception in a block.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = self.builder = Builder()
        self.regions: list[Any] = []
        self.cells: weakref.WeakSet[Any] = weakref.WeakSet()
        self.most: dict[str, Dim] = {}
        self.nonnegative: list[Dim] = []
        self.assumed: list[Dim] = []
        self.scalar_sizes: dict[str, Value] = {}
        self.hints: dict[str, int | None] = {}
        self.renamed: dict[str, Dim] = {}
        self._canonical: dict[Dim, Dim] = {}
        self.run_time: dict[str, int] = {}
        self._decided: dict[str, tuple[Loc | None, str]] = {}
        self.captures: dict[int, tuple[np.ndarray, Any]] = {}
        self.scalar_values: dict[Value, Any] = {}
        self.draws: Value | None = None
        self.aliases: dict[Value, Value] = {}
        self._refreshed: dict[Value, Value] = {}
        self._lower: dict[str, int] = {}
        self.local: set[str] = set()
        self.has_generators = self.has_blocks = self.raised = False
        self.closed = False
        self.provenance: Any = None

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
                self.aliases[found] = value
            return found
        return value

    # Sizes.

    def new_symbol(self, name: str, hint: int | None) -> Dim:
        self.hints[name] = hint
        return dims.sym(name)

    def run_time_symbols(self, count: int) -> tuple[str, ...]:
        """Names of fresh symbols for sizes that are known only when a node has run."""
        found: list[str] = []
        while len(found) < count:
            name = f"d{len(self.run_time)}"
            while name in self.hints:
                name += "_"
            self.run_time[name] = len(self.run_time)
            self.new_symbol(name, None)
            if self.regions:
                self.local.add(name)
            found.append(name)
        return tuple(found)

    def is_local(self, dim: Dim) -> bool:
        """Whether `dim` is known only inside a block of control flow."""
        if not self.local or isinstance(dim, int):
            return False
        return not self.local.isdisjoint(dims.free_symbols(self.canonical(dim)))

    def is_run_time(self, dim: Dim) -> bool:
        """Whether `dim` is known only at run time, after some node."""
        if not self.run_time or isinstance(dim, int):
            return False
        return not self.run_time.keys().isdisjoint(dims.free_symbols(self.canonical(dim)))

    def canonical(self, dim: Dim) -> Dim:
        """`dim` with everything that was decided since put in."""
        if isinstance(dim, int) or not self.renamed:
            return dim
        known = self._canonical.get(dim)
        if known is not None:
            return known
        found: Dim = dim
        while True:
            further = dims.substitute(found, self.renamed)
            if further is found or further == found:
                break
            found = further
        self._canonical[dim] = found
        return found

    def shape(self, shape: Shape) -> Shape:
        return tuple(self.canonical(d) for d in shape) if self.renamed else shape

    def hint(self, dim: Dim) -> int | None:
        """The value of `dim` in this call, None where a spec leaves it open."""
        if isinstance(dim, int):
            return dim
        env: dict[str, int] = {}
        for name in dim.symbols:
            value = self.hints[name]
            if value is None:
                return None
            env[name] = value
        return dims.evaluate(dim, env)

    def describe(self, dim: Dim) -> str:
        """A dim for a message: `n=3`."""
        dim = self.canonical(dim)
        value = self.hint(dim)
        return str(dim) if isinstance(dim, int) or value is None else f"{dim}={value}"

    def decide(self, left: Dim, relation: str, right: Dim, reason: str = "") -> bool:
        """Whether `left relation right` holds in this call; recorded unless provable."""
        left, right = self.canonical(left), self.canonical(right)
        difference = left - right
        if isinstance(difference, int):
            return _RELATIONS[relation](difference, 0)
        if self.is_local(difference):
            found = self.for_all(difference, relation, 0, reason)
            if found is None:
                fail(
                    errors.UndecidedError,
                    f"whether {left} {relation} {right} depends on the step of a loop",
                    "np.where or np.minimum and np.maximum, which take such values",
                )
            return found
        a, b = self.hint(left), self.hint(right)
        if self.is_run_time(difference):
            # What is asked for is taken to hold, unless it cannot; checked when the size is known.
            holds = not self._provable(difference, _NEGATED[relation])
        elif a is None or b is None:
            holds = self._decide_open(difference, relation)
        else:
            holds = _RELATIONS[relation](a, b)
        proved = self._provable(difference, relation if holds else _NEGATED[relation])
        if not proved:
            self._record(left, relation if holds else _NEGATED[relation], right, reason)
        return holds

    def provable(self, left: Dim, relation: str, right: Dim) -> bool | None:
        """Whether a relation holds wherever the trace is used; None where that cannot be told."""
        difference = self.canonical(left) - self.canonical(right)
        if isinstance(difference, int):
            return _RELATIONS[relation](difference, 0)
        if self._provable(difference, relation):
            return True
        return False if self._provable(difference, _NEGATED[relation]) else None

    def for_all(self, left: Dim, relation: str, right: Dim, reason: str = "") -> bool | None:
        """Whether a relation holds in all steps of the loops around, or in none; else None.

        A guard on sizes that are known outside may say so.
        """
        difference = self.canonical(left) - self.canonical(right)
        known = self.provable(difference, relation, 0)
        if known is not None:
            return known
        for wanted in (relation, _NEGATED[relation]):
            parts = as_nonnegative(difference, wanted)
            bounds = [extreme(d, self.most, lowest=True) for d in parts]
            found = [b for b in bounds if b is not None]
            if len(found) < len(bounds) or any(map(self.is_local, found)):
                continue
            if any(map(self.is_run_time, found)):
                continue
            values = [self.hint(b) for b in found]
            if all(v is None or v >= 0 for v in values):
                for bound in found:
                    if not self._provable(bound, ">="):
                        self._record(bound, ">=", 0, reason)
                        self.assumed.append(bound)
                return wanted == relation
        return None

    def _decide_open(self, difference: Dim, relation: str) -> bool:
        """For symbols without a value: sizes are taken to be large and different."""
        env = {name: self.hints[name] for name in dims.free_symbols(difference)}
        primes = {
            name: value if value is not None else 1_000_003 + 7919 * k
            for k, (name, value) in enumerate(sorted(env.items()))
        }
        return _RELATIONS[relation](dims.evaluate(difference, primes), 0)

    def _provable(self, difference: Dim, relation: str) -> bool:
        """Whether the relation to 0 follows from sizes being >= 0 and from what was recorded."""
        if self.most and not isinstance(difference, int):
            known = [*self.nonnegative, *self.assumed]
            parts = as_nonnegative(difference, relation)
            if relation == "!=":
                apart = (difference - 1, -difference - 1)
                return any(follows(d, known, self.most, self._nonnegative) for d in apart)
            return all(follows(d, known, self.most, self._nonnegative) for d in parts)
        difference = self._from_least(difference)
        if relation == ">=":
            return dims.is_nonnegative(difference)
        if relation == "<=":
            return dims.is_nonnegative(-difference)
        if relation == ">":
            return dims.is_nonnegative(difference - 1)
        if relation == "<":
            return dims.is_nonnegative(-difference - 1)
        if relation == "!=":
            return dims.is_nonnegative(difference - 1) or dims.is_nonnegative(-difference - 1)
        return False

    def _from_least(self, dim: Dim) -> Dim:
        """`dim` in terms of how much larger sizes are than the least that they can be."""
        least = dims.free_symbols(dim) & self._lower.keys()
        if not least:
            return dim
        return dims.substitute(dim, {name: dims.sym(name) + self._lower[name] for name in least})

    def _nonnegative(self, dim: Dim) -> bool:
        return dims.is_nonnegative(self._from_least(dim))

    def _record(self, left: Dim, relation: str, right: Dim, reason: str) -> None:
        if relation == "==" and self._unify(left, right, reason):
            return
        self._guards_for(left - right).append(Guard(left, relation, right, user_loc(), reason))
        found = lower_bound(left - right, relation)
        if found is not None:
            name, bound = found
            self._lower[name] = max(bound, self._lower.get(name, 0))

    def _guards_for(self, dim: Dim) -> list[Guard | ScalarGuard]:
        """Where a guard on `dim` belongs: into the block that knows the sizes, or the function."""
        return self.builder.guards if self.is_local(dim) else self.root.guards

    def _unify(self, left: Dim, right: Dim, reason: str) -> bool:
        """Replace a bare symbol by the other side from now on; the shapes of params then say so."""
        for name, other in (
            (dims.symbol_name(right), left),
            (dims.symbol_name(left), right),
        ):
            if name is None or name in dims.free_symbols(other):
                continue
            if self._defined_after(name, other):
                self._rename(name, other, reason)
                return True
        solved = solve(left - right)
        if solved is None or not self._defined_after(*solved):
            return False
        self._rename(*solved, reason)
        return True

    def _rename(self, name: str, other: Dim, reason: str) -> None:
        self.renamed[name] = other
        self._canonical.clear()
        if name in self.run_time or name in self.scalar_sizes:
            self._decided[name] = (user_loc(), reason)

    def _defined_after(self, name: str, other: Dim) -> bool:
        """Whether everything in `other` is known where the size `name` becomes known."""
        if not self.run_time:
            return True
        known = self.run_time.get(name, -1)
        latest = max((self.run_time.get(s, -1) for s in dims.free_symbols(other)), default=-1)
        return latest < known or latest == -1

    def same(self, left: Dim, right: Dim, reason: str = "") -> bool:
        """Whether two sizes are equal; open symbols of a spec are made equal."""
        left, right = self.canonical(left), self.canonical(right)
        if left == right:
            return True
        if self.hint(left) is None or self.hint(right) is None:
            if isinstance(left - right, int):
                return False
            if not self._unify(left, right, reason):
                self._guards_for(left - right).append(Guard(left, "==", right, user_loc(), reason))
            return True
        return self.decide(left, "==", right, reason)

    def broadcast(self, *shapes: Shape) -> Shape:
        """NumPy's broadcasting. Raises ValueError where shapes do not go together."""
        rank = max((len(s) for s in shapes), default=0)
        result: list[Dim] = [1] * rank
        for shape in shapes:
            for axis, raw in enumerate(shape, rank - len(shape)):
                dim, other = self.canonical(raw), self.canonical(result[axis])
                if dim == 1 or dim == other:
                    continue
                if other == 1:
                    result[axis] = dim
                elif self.hint(dim) == 1 and self.hint(other) != 1:
                    self.decide(dim, "==", 1, "broadcasting")
                elif self.hint(other) == 1 and self.hint(dim) != 1:
                    self.decide(other, "==", 1, "broadcasting")
                    result[axis] = dim
                elif not self.same(dim, other, "broadcasting"):
                    raise ValueError("shapes do not broadcast")
        return self.shape(tuple(result))

    def finish(self, results: Sequence[Value]) -> Graph:
        """The graph of everything traced, with every decision on sizes put in."""
        graph = self.root.finish(self.name, results)
        if self.has_blocks:
            self._check_closed(graph)
        graph = graph.with_(guards=without_implied(graph.guards))
        graph = graph.with_(scalars=self._scalars())
        if not self.renamed:
            return graph
        settled: dict[Value, Value] = {}

        def settle(value: Value) -> Value:
            value = self.aliases.get(value, value)
            found = settled.get(value)
            if found is None:
                type = value.type.with_shape(self.shape(value.type.shape))
                found = settled[value] = Value(type, value.hint)
            return found

        def inside(block: Graph) -> Graph:
            return block.with_(
                params=tuple(map(settle, block.params)),
                nodes=tuple(new for node in block.nodes for new in settled_node(node)),
                results=tuple(map(settle, block.results)),
                guards=tuple(dict.fromkeys(self._settled_guards(block.guards))),
            )

        def settled_node(node: Node) -> list[Node]:
            inputs = tuple(map(settle, node.inputs))
            attrs = {k: self.settled(v) for k, v in node.attrs.items()}
            outputs = tuple(map(settle, node.outputs))
            blocks = tuple(map(inside, node.blocks))
            if any(name in self._decided for name in defined_symbols(node)):
                # It still defines what it finds; a guard says that this is what was decided.
                own = OPS[node.op].infer([v.type for v in inputs], attrs)
                found = tuple(map(Value, own))
                return [
                    node.with_(inputs=inputs, outputs=found, attrs=attrs),
                    *(
                        Node("reshape", (a,), (b,), {"shape": b.type.shape}, loc=node.loc)
                        for a, b in zip(found, outputs, strict=True)
                    ),
                ]
            return [node.with_(inputs=inputs, outputs=outputs, attrs=attrs, blocks=blocks)]

        params = tuple(map(settle, graph.params))
        nodes = tuple(new for node in graph.nodes for new in settled_node(node))
        guards: list[Guard | ScalarGuard] = [
            Guard(dims.sym(name), "==", self.canonical(dims.sym(name)), *self._decided[name])
            for name in self._decided
        ]
        guards += self._settled_guards(graph.guards)
        return Graph(
            graph.name,
            params,
            nodes,
            tuple(map(settle, graph.results)),
            tuple(dict.fromkeys(guards)),
            scalars=self._scalars(),
        )

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

    def _scalars(self) -> tuple[tuple[str, int], ...]:
        numbers = {v: k for k, v in enumerate(self.root.params)}
        return tuple((name, numbers[value]) for name, value in self.scalar_sizes.items())

    def _settled_guards(
        self, guards: Sequence[Guard | ScalarGuard]
    ) -> Iterator[Guard | ScalarGuard]:
        for guard in guards:
            if isinstance(guard, Guard):
                left, right = self.canonical(guard.left), self.canonical(guard.right)
                if isinstance(left, int) and isinstance(right, int):
                    continue
                guard = replace(guard, left=left, right=right)
            yield guard

    def settled(self, attr: Any) -> Any:
        """An attribute with every decision on sizes put in."""
        if isinstance(attr, dims.Expr):
            return self.canonical(attr)
        return tuple(map(self.settled, attr)) if isinstance(attr, tuple) else attr

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
