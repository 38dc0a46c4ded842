"""Branches on traced conditions: both sides are traced, each as a block, and one runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tracejit import errors
from tracejit.ir.graph import Graph, Node, Value
from tracejit.trace import prim, views
from tracejit.trace.context import Trace, current, fail, tracing, user_loc
from tracejit.trace.protection import protected
from tracejit.trace.regions import Change, Region
from tracejit.trace.size import Size
from tracejit.trace.tensor import Cell, Tensor, constant_of, describe
from tracejit.trace.variables import (
    UNDEFINED,
    Kind,
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

    def shut(self, values: dict[str, Any]) -> None:
        """The end of a side, with what the variables hold there."""
        region = self.region
        assert region is not None
        found = {name: mapped(x, _snapshot) for name, x in values.items()}
        changes = {change.cell: change for change in region.changes()}
        region.leave()
        self.sides.append(_Side(region, found, changes, region.draws[1]))
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
                results = [as_kind(pair[k], pair[2], self.trace) for pair in self.merges]
            results += [pair[k] for pair in arrays]
            lists.append(results + [pair[k] for pair in draws])
        outputs = self._node(lists)
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
            tensor.cell.fixed = "an array that is one of several, depending on a condition,"
            tensor.cell.watched = tuple((c, c.writes) for c in cells)
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
        if isinstance(a, Undefined) and isinstance(b, Undefined):
            return a
        if not name.startswith("."):
            line = f"line {self.loc.lineno}" if self.loc is not None else "a branch"
            return Undefined(f"it is assigned on one side only of the branch in {line}")
        # What a `return` gives is read only where it was reached.
        given, missing = (b, 0) if isinstance(a, Undefined) else (a, 1)

        def one(leaf: Any) -> Any:
            if not isinstance(leaf, Number):
                return leaf
            with reopened(self.sides[missing].region):
                nothing = zero(leaf.kind, self.trace)
            pair = (leaf.value, nothing) if missing else (nothing, leaf.value)
            return self._out(*pair, leaf.kind, [leaf])

        return mapped(given, one)

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
        return self._out(found[0].value, found[1].value, kind, found)

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
        if not results[0]:
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
        trace.aliases[found] = value
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


# The driver of a rewritten `if`.


class _Taken:
    """A branch whose condition Python knows."""

    __slots__ = ("sides",)
    traced = False
    state = ()

    def __init__(self, holds: bool) -> None:
        self.sides = (holds,)

    def __iter__(self) -> Iterator[bool]:
        return iter(self.sides)

    def failed(self, error: BaseException) -> bool:
        return False


_KNOWN = {True: _Taken(True), False: _Taken(False)}


class Branch:
    """Runs the body of a rewritten `if` once for each side; see `trace/statements.py`."""

    def __init__(self, condition: Tensor, names: tuple[str, ...]) -> None:
        self.condition, self.names = condition, names
        self.traced = True
        self.state: tuple[Any, ...] = ()
        self.stage = 0
        self.decided: bool | None = None

    def __iter__(self) -> Branch:
        return self

    def __next__(self) -> bool:
        here = sys._getframe(1).f_locals
        self.around = here.values()
        found = {name: here.get(name, UNDEFINED) for name in self.names}
        try:
            return self._advance(found)
        except StopIteration:
            raise
        except Exception as error:
            if not self.failed(error):
                raise
            return self._plain()

    def _advance(self, found: dict[str, Any]) -> bool:
        if self.decided is not None:
            return self._plain()
        if self.stage == 0:
            self.entry = found
            self.protected = protected(self.around)
            self.sides = Sides(self.condition)
        else:
            self.sides.shut(found)
        self.stage += 1
        if self.stage == 3:
            merged = self.sides.merged()
            self.state = tuple(merged[name] for name in self.names)
            raise StopIteration
        self.sides.open(self.protected)
        self.state = tuple(self.entry.values())
        return self.stage == 1

    def _plain(self) -> bool:
        self.stage += 1
        if self.stage == 2:
            self.traced = False
            raise StopIteration
        self.state = tuple(self.entry.values())
        return bool(self.decided)

    def failed(self, error: BaseException) -> bool:
        """Whether the branch can be taken in Python after all, by the value of an argument."""
        if self.decided is not None:
            return False
        self.sides.give_up()
        try:
            self.decided = bool(self.condition)
        except errors.TracejitError:
            return False
        self.stage = 0
        return True


def branch(test: Any, names: tuple[str, ...]) -> Any:
    """The driver of `if test:`."""
    if test is True or test is False:
        return _KNOWN[test]
    holds = truth(test) if tracing() else bool(test)
    return _KNOWN[holds] if isinstance(holds, bool) else Branch(holds, names)


def choose(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """What one of two functions gives: both are traced where the condition is."""
    holds = truth(condition) if tracing() else bool(condition)
    if isinstance(holds, bool):
        return then() if holds else otherwise()
    sides = Sides(holds)
    try:
        for function in (then, otherwise):
            sides.open()
            sides.shut({"the value": function()})
        return sides.merged()["the value"]
    except BaseException:
        sides.give_up()
        raise
