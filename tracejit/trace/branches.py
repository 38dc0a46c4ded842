"""Branches on traced conditions: both sides are traced, each as a block, and one runs."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tracejit import errors
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.raising import Raised
from tracejit.trace import prim, views
from tracejit.trace.context import Trace, current, fail, tracing, user_loc
from tracejit.trace.protection import protected
from tracejit.trace.regions import Change, Region
from tracejit.trace.size import Size
from tracejit.trace.tensor import Cell, Tensor, constant_of, describe
from tracejit.trace.variables import (
    Kind,
    Maybe,
    Number,
    Undefined,
    alike,
    children,
    described,
    is_concrete,
    is_number,
    joined,
    made,
    mapped,
    read,
    rebuilt,
    refuse,
    same_number,
)


def truth(x: Any) -> Any:
    """What Python's `bool(x)` says of it: a bool, or a traced one."""
    if isinstance(x, Size):
        x = x != 0
    if not isinstance(x, Tensor):
        return bool(x)
    if x.ndim:
        if not all(current().same(d, 1) for d in x.type.shape):
            fail(
                errors.TracedValueError,
                "the truth value of an array with more than one element is ambiguous: "
                + describe(x),
                "x.any() or x.all(); np.where(cond, a, b) chooses by element",
            )
        x = views.reshape(x, ())
    known = constant_of(x)
    if known is not None:
        return bool(known)
    trace = current()
    if trace.running and trace.running[-1] in trace.recursive:
        with suppress(errors.ConcretizationError):
            return bool(x)
    return prim.from_value(x.value) if x.dtype == bool else prim.elementwise("not_equal", x, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Out:
    """The output of the branch with this number."""

    number: int


@dataclass(frozen=True, eq=False)
class _Side:
    region: Region
    values: dict[str, Any]
    changes: dict[Cell, Change]
    draws: Value | None
    dead: bool

    def of(self, change: Change) -> Value:
        """What an array is at the end of this side, which another one has changed."""
        own = self.changes.get(change.cell)
        if own is not None:
            return own.new
        return self.region.inside(change.cell) or change.outer


class Sides:
    """The two sides of a branch: `open`, run, `shut` for each, then `merged`."""

    def __init__(self, condition: Tensor) -> None:
        self.trace = current()
        self.condition = condition.value
        self.loc = user_loc()
        self.sides: list[_Side] = []
        self.region: Region | None = None
        self.merges: list[tuple[Value, Value, Kind]] = []
        self.aliases: dict[int, list[Cell]] = {}

    def open(self, protected: Collection[int] = frozenset()) -> None:
        """Start a side, in which none of the `protected` containers may be changed."""
        self.region = Region(self.trace)
        self.region.protected = protected

    def shut(self, values: dict[str, Any], dead: bool = False) -> None:
        """The end of a side, with what the variables hold there; a `dead` one has raised."""
        region = self.region
        assert region is not None
        settled = {n: x.settled() if isinstance(x, Undefined) else x for n, x in values.items()}
        found = {name: mapped(x, _snapshot) for name, x in settled.items()}
        changes = {change.cell: change for change in region.changes()}
        region.leave()
        self.sides.append(_Side(region, found, changes, region.draws[1], dead))
        self.region = None

    def give_up(self) -> None:
        """Leave whatever side is open."""
        if self.region is not None:
            self.region.leave()
            self.region = None

    def merged(self) -> dict[str, Any]:
        """What the variables hold behind the branch."""
        first, second = self.sides
        names: dict[str, Any] = {}
        for name in first.values:
            names[name] = self._merge(name, first.values[name], second.values[name])
        changed = {**first.changes, **second.changes}
        arrays = [(first.of(c), second.of(c), c) for c in changed.values()]
        draws = self._draws()
        lists: list[list[Value]] = []
        for k, side in enumerate(self.sides):
            with reopened(side.region):
                results = [as_kind((a, b)[k], kind, self.trace) for a, b, kind in self.merges]
            results += [(a, b)[k] for a, b, _ in arrays]
            lists.append(results + [pair[k] for pair in draws])
        outputs = self._node(lists)
        for side in self.sides:
            side.region.keep_notes()
        count = len(self.merges)
        for (_, _, change), value in zip(arrays, outputs[count:], strict=False):
            change.cell.write(value)
        if draws:
            self.trace.draws = outputs[-1]

        def placed(leaf: Any) -> Any:
            return self._placed(leaf, outputs)

        return {name: mapped(x, placed) for name, x in names.items()}

    def _placed(self, leaf: Any, outputs: Sequence[Value]) -> Any:
        if not isinstance(leaf, _Out):
            return leaf
        tensor = made(outputs[leaf.number], self.merges[leaf.number][2])
        cells = self.aliases.get(leaf.number)
        if cells:
            what = "an array that is one of several, depending on a condition,"
            tensor.cell.watched = tuple((c, c.writes) for c in cells)
            if any(c.origin != "temporary" for c in cells):
                tensor.cell.fixed = what
            # Written, it is not what the same memory shows under another name.
            for c in cells:
                c.watched = (*c.watched, (tensor.cell, 0))
        return tensor

    def _draws(self) -> list[tuple[Value, Value]]:
        """The tokens of random draws, where a side draws."""
        pairs = [side.region.draws for side in self.sides]
        if all(now is None or now is start for start, now in pairs):
            return []
        first, second = (side.draws for side in self.sides)
        assert first is not None and second is not None
        return [(first, second)]

    # Variables.

    def _merge(self, name: str, a: Any, b: Any) -> Any:
        """The object that a variable holds behind the branch, with `_Out` for new numbers."""
        if self.sides[0].dead or self.sides[1].dead:
            return self._survivor(b if self.sides[0].dead else a)
        if isinstance(a, Undefined) or isinstance(b, Undefined):
            return self._one_sided(name, a, b)
        if isinstance(a, Number) or isinstance(b, Number) or (is_concrete(a) and is_concrete(b)):
            if not all(isinstance(x, Number) or is_concrete(x) for x in (a, b)):
                self._refuse(name, a, b)
            sources = [x.source if isinstance(x, Number) else x for x in (a, b)]
            if same_number(*sources):
                return sources[0]
            return self._number(name, a, b)
        items, others = children(a), children(b)
        if items is not None and others is not None and alike(a, b):
            found = [self._merge(name, x, y) for x, y in zip(items, others, strict=True)]
            return rebuilt(a, found)
        if a is b or (type(a) is type(b) and not _is_traced(a) and a == b):
            return a
        self._refuse(name, a, b)
        return None

    def _refuse(self, name: str, a: Any, b: Any) -> None:
        shown = [described(x.source if isinstance(x, Number) else x) for x in (a, b)]
        refuse(name, "differs between the sides of a branch", shown[0], shown[1], self.loc)

    def _one_sided(self, name: str, a: Any, b: Any) -> Any:
        """A variable that only one side gives a value, or neither may have."""
        if isinstance(a, Maybe) and isinstance(b, Maybe):
            value = self._merge(name, a.value, b.value)
            return Maybe(value, self._merge(name, a.flag, b.flag), a.why)
        if isinstance(a, Maybe) and not isinstance(b, Undefined):
            return Maybe(self._merge(name, a.value, b), self._merge(name, a.flag, True), a.why)
        if isinstance(b, Maybe) and not isinstance(a, Undefined):
            return Maybe(self._merge(name, a, b.value), self._merge(name, True, b.flag), b.why)
        if isinstance(a, Undefined) and isinstance(b, Undefined) and not _any_maybe(a, b):
            return a
        line = f"line {self.loc.lineno}" if self.loc is not None else "a branch"
        why = f"it is assigned on one side only of the branch in {line}"
        missing = 1 if isinstance(b, Undefined) and not isinstance(b, Maybe) else 0
        given = a if missing else b
        flag: Any = True
        if isinstance(given, Maybe):
            given, flag = given.value, given.flag
        found = self._given(given, missing, name.startswith("."))
        if name.startswith("."):
            # What a `return` gives is read only where it was reached.
            return found
        if found is None:
            return Undefined(why)
        return Maybe(found, self._merge(name, *((flag, False) if missing else (False, flag))), why)

    def _given(self, given: Any, missing: int, anything: bool) -> Any:
        """`given` by one side; nothing in particular on the `missing` one. None where it is no
        number, and not `anything` will do."""
        if is_concrete(given) and not anything:
            with reopened(self.sides[1 - missing].region):
                given = read(given)
        if not anything and not isinstance(given, Number):
            return None

        def one(leaf: Any) -> Any:
            if not isinstance(leaf, Number):
                return leaf
            with reopened(self.sides[missing].region):
                nothing = zero(leaf.kind, self.trace)
            pair = (leaf.value, nothing) if missing else (nothing, leaf.value)
            return self._out(*pair, leaf.kind, () if anything else [leaf])

        return mapped(given, one)

    def _survivor(self, x: Any) -> Any:
        """What a variable holds behind a branch whose other side ends in an exception."""
        live = 1 if self.sides[0].dead else 0

        def one(leaf: Any) -> Any:
            if not isinstance(leaf, Number):
                return leaf
            inside = {v for n in self.sides[live].region.builder.nodes for v in n.outputs}
            if leaf.value not in inside:
                return leaf.source
            with reopened(self.sides[1 - live].region):
                nothing = zero(leaf.kind, self.trace)
            pair = (nothing, leaf.value) if live else (leaf.value, nothing)
            return self._out(*pair, leaf.kind, [leaf])

        return mapped(x, one)

    def _number(self, name: str, a: Any, b: Any) -> _Out:
        found = []
        for x, side in zip((a, b), self.sides, strict=True):
            if not isinstance(x, Number):
                with reopened(side.region):
                    x = read(x)
            found.append(x)
        kind = joined(found[0].kind, found[1].kind)
        if kind is None:
            self._refuse(name, a, b)
            raise AssertionError
        # What is returned is read where nothing is written any more.
        aliases = () if name.startswith(".") else found
        return self._out(found[0].value, found[1].value, kind, aliases)

    def _out(self, a: Value, b: Value, kind: Kind, numbers: Sequence[Number]) -> _Out:
        self.merges.append((a, b, kind))
        number = len(self.merges) - 1
        cells = []
        for x in numbers:
            array = x.array
            if array is not None and self.sides[0].region.existed(array.cell):
                cells.append(array.cell)
        if cells:
            self.aliases[number] = cells
        return _Out(number)

    # The node.

    def _node(self, results: list[list[Value]]) -> tuple[Value, ...]:
        nodes = [n for side in self.sides for n in side.region.builder.nodes]
        if not results[0] and not any(map(_has_effects, nodes)):
            return ()
        blocks: list[Graph] = []
        tables: list[dict[Value, Value]] = []
        captured: dict[Value, None] = {}
        for side, values, name in zip(self.sides, results, ("then", "otherwise"), strict=True):
            block, outer = side.region.close(name, (), values)
            blocks.append(block)
            tables.append(dict(zip(outer, block.params, strict=True)))
            captured.update(dict.fromkeys(outer))
        blocks = [
            block.with_(params=tuple(table.get(v) or Value(v.type, v.hint) for v in captured))
            for block, table in zip(blocks, tables, strict=True)
        ]
        outputs = tuple(Value(v.type) for v in blocks[0].results)
        node = Node("ifelse", (self.condition, *captured), outputs, {}, tuple(blocks), loc=self.loc)
        self.trace.builder.nodes.append(node)
        return outputs


def _has_effects(node: Node) -> bool:
    return OPS[node.op].effects or any(map(_has_effects, [n for b in node.blocks for n in b.nodes]))


def _any_maybe(*values: Any) -> bool:
    return any(isinstance(x, Maybe) for x in values)


def raise_here(error: BaseException) -> None:
    """A node that raises `error` where it is run."""
    trace = current()
    trace.apply("raise", [], {"error": Raised(type(error), tuple(map(str, error.args)))})


def require(holds: Any, error: BaseException) -> None:
    """Raise `error` at run time unless the bool holds, which may be traced."""
    if isinstance(holds, Tensor):
        sides = Sides(holds)
        sides.open()
        sides.shut({})
        sides.open()
        raise_here(error)
        sides.shut({}, dead=True)
        sides.merged()
    elif not holds:
        current().raised = bool(current().regions)
        raise error


def _is_traced(x: Any) -> bool:
    return isinstance(x, (Tensor, Size))


def _snapshot(x: Any) -> Any:
    """A number that is traced, as it is now; everything else as it is."""
    return x if not is_number(x) or is_concrete(x) else read(x)


def as_kind(value: Value, kind: Kind, trace: Trace) -> Value:
    """`value` cast to a kind, in the builder that is open."""
    if value.type.dtype != kind.type.dtype:
        value = trace.builder.apply("cast", [value], {"dtype": kind.type.dtype})
    if value.type.shape != kind.type.shape:
        found = Value(kind.type, value.hint)
        trace.aliases[found] = trace.aliases.get(value, value)
        return found
    return value


def zero(kind: Kind, trace: Trace) -> Value:
    """A value of a kind that nobody reads."""
    if kind.type.shape:
        attrs = {"shape": kind.type.shape, "dtype": kind.type.dtype}
        return trace.builder.apply("empty", (), attrs)
    return trace.builder.const(0, kind.type.dtype)


@contextmanager
def reopened(region: Region) -> Iterator[None]:
    """Append further nodes to a block that has been left."""
    trace = region.trace
    before = trace.builder
    trace.builder = region.builder
    try:
        yield
    finally:
        trace.builder = before


def choose(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """What one of two functions gives: both are traced where the condition is."""
    holds = truth(condition) if tracing() else bool(condition)
    if isinstance(holds, bool):
        return then() if holds else otherwise()
    sides = Sides(holds)
    cells = [c for f in (then, otherwise) for c in getattr(f, "__closure__", None) or ()]
    kept = protected([c.cell_contents for c in cells if not _is_empty(c)])
    try:
        for function in (then, otherwise):
            sides.open(kept)
            sides.shut({"the value": function()})
        return sides.merged()["the value"]
    except BaseException:
        sides.give_up()
        raise


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False
