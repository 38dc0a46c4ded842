"""A loop: the body is traced for a step whose number is a symbol, and becomes a block.

What the body assigns is carried from step to step. Of what type that is shows only when the body
has been traced, so it is traced again where the types of a step's end are not those of its start:
`total = 0` is carried as a float where floats are added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, Value, defined_symbols
from tracejit.ir.types import BOOL, TensorType
from tracejit.source import Loc
from tracejit.trace import prim
from tracejit.trace.after import AfterLoop, equal, has_steps, kind_before, kind_of, nothing_like
from tracejit.trace.branches import as_kind, reopened, truth, zero
from tracejit.trace.context import Trace, current, user_loc
from tracejit.trace.regions import Region
from tracejit.trace.size import Size
from tracejit.trace.tensor import Cell, Tensor
from tracejit.trace.variables import (
    Kind,
    Maybe,
    Undefined,
    alike,
    children,
    described,
    is_number,
    joined,
    made,
    read,
    rebuilt,
    same_number,
)

MOST_PASSES = 8
"""So often a body is traced until its types must have settled."""

FLAG = Kind(TensorType(BOOL), None, True)

Place = tuple[Any, ...]
"""A variable, and which item of it: `("state", 0)`."""


class NotALoop(errors.ControlFlowError):
    """A body that cannot be carried from step to step; Python may repeat it."""


class Rotation(NotALoop):
    """Variables that exchange arrays which the body writes."""


class _Again(Exception):
    """The types of a step's end differ from those of its start."""


@dataclass(eq=False)
class _Slot:
    """A number that is carried: as `kind`, and as `value` inside the body."""

    kind: Kind
    value: Value
    entry: Any
    cell: Cell


@dataclass(eq=False)
class _Carried:
    """`stood_for` at the start of a step is `new` at its end; `initial` makes it before the loop.

    `cell` is the array that it is; one that is the body's `own` has no meaning before. `entry` is
    the array that a variable was, and still is where there is no step.
    """

    stood_for: Value
    initial: Callable[[], Value]
    new: Value
    kind: Kind
    cell: Cell | None = None
    own: bool = False
    entry: Tensor | None = None


class Body:
    """One loop: `start` opens a pass over the body, `finish` ends it.

    `entry` is what the variables hold before; `count` bounds the steps, None where nothing does;
    `first` says whether there is a first step, where the body says whether there is another.
    """

    def __init__(self, entry: dict[str, Any], count: Dim | None, first: Any = True) -> None:
        self.trace = current()
        self.entry, self.count, self.first = entry, count, first
        self.loc: Loc | None = user_loc()
        self.kinds: dict[Place, Kind] = {}
        self.passes = 0
        self.changed: NotALoop | None = None
        self.region: Region | None = None
        self.symbol = _fresh_symbol(self.trace)

    @property
    def index(self) -> Size:
        """The number of the step."""
        return Size(dims.sym(self.symbol))

    # The start of a step.

    def start(self) -> dict[str, Any]:
        """Open a pass; what the variables hold in the body."""
        trace = self.trace
        self.passes += 1
        self.region = Region(trace)
        if self.count is not None:
            trace.most[self.symbol] = self.count - 1
            trace.nonnegative.append(self.count - 1)
            trace.nonnegative.append(self.count - 1 - dims.sym(self.symbol))
        self.slots: dict[Place, _Slot] = {}
        self.kept: list[tuple[_Slot, Any]] = []
        self.retyped: list[tuple[Place, Value, Kind]] = []
        self.carried: list[_Carried] = []
        return {name: self._inside(x, (name,)) for name, x in self.entry.items()}

    def _inside(self, x: Any, place: Place) -> Any:
        """What stands for an entry value in the body."""
        items = children(x)
        if items is not None:
            return rebuilt(x, [self._inside(item, (*place, k)) for k, item in enumerate(items)])
        if not is_number(x):
            return x
        array = isinstance(x, Tensor) and not x.scalar
        kind = self.kinds.get(place)
        if kind is None:
            # An array is carried only if the variable becomes another one.
            kind = None if array else kind_of(x)
            if kind is None:
                return x
        kind = Kind(kind.type.with_shape(self.trace.shape(kind.type.shape)), kind.weak, kind.scalar)
        value = Value(kind.type)
        found = made(value, kind)
        self.slots[place] = _Slot(kind, value, x, found.cell)
        returned = place[0].startswith(".")
        if array and self.region is not None and self.region.existed(x.cell) and not returned:
            if x.cell.origin != "temporary" or x.path:
                found.cell.fixed = "an array that the loop replaces by another one"
            found.cell.watched = ((x.cell, x.cell.writes),)
        return found

    def give_up(self) -> None:
        """Leave the body without a trace."""
        if self.region is not None:
            self.region.leave()
            self.region = None

    # The end of a step.

    def finish(self, values: dict[str, Any], go: Any = None) -> dict[str, Any] | None:
        """End a pass with what the variables hold, and whether to go on (None: always).

        Returns what they hold behind the loop; None where another pass is needed. Raises NotALoop.
        """
        region = self.region
        assert region is not None
        outs: dict[str, Any] = {}
        again = False
        self.ends: list[Value] = []
        for name, x in values.items():
            self._note_end(x, (name,))
        for name, x in values.items():
            try:
                outs[name] = self._end(name, self.entry[name], x, (name,))
            except _Again:
                again = True
        for place, value, kind in self.retyped:
            if any(carried.new is value for carried in self.carried):
                # Another variable takes it over, and was not looked at yet.
                self.kinds[place] = kind
                again = True
        if again:
            self.give_up()
            if self.passes >= MOST_PASSES:
                raise NotALoop("the types of what the loop carries do not settle", loc=self.loc)
            return None
        self._check_replaced()
        if go is not None:
            self._carry_flag(go)
        for change in region.changes():
            kind = Kind(change.stood_for.type, None, False)
            carried = _Carried(change.stood_for, _given(change.outer), change.new, kind)
            carried.cell = change.cell
            self.carried.append(carried)
        region.leave()
        self.region = None
        start, now = region.draws
        draws = start is not None and now is not None and now is not start
        if start is not None and now is not None and draws:
            kind = Kind(start.type, None, True)
            self.carried.append(_Carried(start, _given(region.outer_of[start]), now, kind))
        region.keep_notes()
        outputs = self._node(region, 0 if go is not None else None)
        for carried, value in zip(self.carried, outputs, strict=True):
            if carried.cell is not None:
                carried.cell.write(value)
        if draws:
            self.trace.draws = outputs[-1]
        self._forget_replaced()
        table = dict(zip(map(id, self.carried), outputs, strict=True))
        return {name: self._behind(x, name, table) for name, x in outs.items()}

    def _note_end(self, x: Any, place: Place) -> None:
        """Note what variables hold that they did not hold before: a step may exchange values."""
        items = children(x)
        for k, item in enumerate(items or ()):
            self._note_end(item, (*place, k))
        slot = self.slots.get(place)
        if isinstance(x, Tensor) and x.scalar and (slot is None or x.value is not slot.value):
            self.ends.append(x.value)

    def _end(self, name: str, entry: Any, x: Any, place: Place) -> Any:
        """The object behind the loop, with `_Carried` for what is carried. Raises _Again."""
        if isinstance(x, AfterLoop):
            x = x.settled()
        if isinstance(x, Maybe) and type(entry) is Undefined:
            start = nothing_like(x.value)
            if start is not None:
                self.entry[name] = Maybe(start, False, x.why)
                raise _Again
        if isinstance(entry, Maybe) and not isinstance(x, Maybe):
            x = x if isinstance(x, Undefined) else Maybe(x, True, entry.why)
        items, before = children(x), children(entry)
        if items is not None and before is not None and alike(x, entry):
            found, again = [], False
            for k, (item, old) in enumerate(zip(items, before, strict=True)):
                try:
                    found.append(self._end(name, old, item, (*place, k)))
                except _Again:
                    again = True
            if again:
                raise _Again
            return rebuilt(entry, found)
        if isinstance(x, Undefined):
            return x if isinstance(entry, Undefined) else Undefined("it is deleted in a loop")
        if isinstance(entry, Undefined):
            return self._own(x) if not isinstance(x, Undefined) else x
        if is_number(x) and is_number(entry):
            return self._number(name, entry, x, place)
        if x is entry or (type(x) is type(entry) and not is_number(x) and equal(x, entry)):
            return entry
        self._refuse(name, entry, x)
        return None

    def _refuse(self, name: str, entry: Any, x: Any) -> None:
        raise self._changed(name, entry, x)

    def _changed(self, name: str, entry: Any, x: Any) -> NotALoop:
        shown = "what is returned" if name.startswith(".") else f"`{name}`"
        return NotALoop(
            f"{shown} changes its type in a loop: {described(entry)} before, {described(x)} after "
            "a step",
            loc=self.loc,
            instead="give it one shape and structure in all steps",
        )

    def _number(self, name: str, entry: Any, x: Any, place: Place) -> Any:
        slot = self.slots.get(place)
        if slot is None:
            # An array, which was left as it is until the body gave the variable another one.
            if same_number(entry, x):
                return entry
            kind = joined(kind_before(entry), read(x).kind)
            if kind is None:
                # It may be assigned before it is read; if not, another pass fails.
                self.changed = self._changed(name, entry, x)
                self.entry[name] = Undefined(
                    "a loop changes its shape from step to step, or assigns it before it reads it"
                )
                raise _Again
            self._check_rotation(name, x)
            self.kinds[place] = kind
            raise _Again
        number = read(x)
        if number.value is slot.value and slot.kind.scalar:
            self.kept.append((slot, entry))
            return entry
        kind = joined(slot.kind, number.kind)
        if kind is None:
            if self._is_read(slot.value):
                self._refuse(name, entry, x)
            return self._own(x)
        if kind != slot.kind:
            if self._is_read(slot.value) or kind.type.shape != slot.kind.type.shape:
                self.kinds[place] = kind
                raise _Again
            self.retyped.append((place, slot.value, kind))
            slot.kind, slot.value = kind, Value(kind.type)

        def initial() -> Value:
            return as_kind(read(entry).value, kind, self.trace)

        carried = _Carried(slot.value, initial, number.value, kind)
        if isinstance(entry, Tensor) and not entry.scalar and not name.startswith("."):
            carried.entry = entry
        self.carried.append(carried)
        return carried

    def _own(self, x: Any) -> Any:
        """A variable that the body assigns before it reads it: its value after the last step."""
        items = children(x)
        if items is not None:
            return rebuilt(x, [self._own(item) for item in items])
        if not is_number(x):
            return x
        number = read(x)
        kind = number.kind
        inner = {self.symbol, *_symbols_of(self.region)}
        if any(not inner.isdisjoint(dims.free_symbols(d)) for d in kind.type.shape):
            return Undefined("its shape depends on the step of a loop")
        carried = _Carried(Value(kind.type), lambda: zero(kind, self.trace), number.value, kind)
        carried.own = True
        self.carried.append(carried)
        return carried

    def _check_rotation(self, name: str, x: Any) -> None:
        """An array that a variable takes turns with would be another one in every step."""
        region = self.region
        assert region is not None
        if not isinstance(x, Tensor) or x.scalar or not region.existed(x.cell):
            return
        for change in region.changes():
            if change.cell is x.cell:
                raise Rotation(
                    f"`{name}` becomes another array, which the loop writes",
                    loc=self.loc,
                    instead=f"copy its elements: {name}[...] = other",
                )

    def _check_replaced(self) -> None:
        """An array that its first step writes has other names that see this, and those of later
        steps do not: the body may not read it by another name."""
        region = self.region
        assert region is not None
        for place, slot in self.slots.items():
            if not slot.cell.writes or not isinstance(slot.entry, Tensor) or slot.entry.scalar:
                continue
            inner = region.inside(slot.entry.cell)
            if inner is not None and self._is_read(inner):
                raise NotALoop(
                    f"`{place[0]}` is written and becomes another array in a loop that reads the "
                    "array it was before",
                    loc=self.loc,
                    instead=f"read a copy of it, which is made in front of the loop: "
                    f"{place[0]}.copy()",
                )

    def _is_read(self, value: Value) -> bool:
        """Whether the body reads a carried value before it assigns the variable."""
        region = self.region
        assert region is not None
        return (
            any(value in node.inputs for node in region.builder.nodes)
            or any(change.new is value for change in region.changes())
            or any(c.new is value for c in self.carried)
            or self.ends.count(value) > 0
        )

    def _carry_flag(self, go: Any) -> None:
        """Carry whether to go on, as number 0."""
        flag = read(truth(go))
        first = self.first

        def initial() -> Value:
            return prim.lift(first).value

        self.carried.insert(0, _Carried(Value(FLAG.type), initial, flag.value, FLAG))

    def _forget_replaced(self) -> None:
        """An array that was written before the variable became another one may have other names.

        Only its first step wrote it, which is not done: nobody may read it any more.
        """
        for slot in self.slots.values():
            if slot.cell.writes and isinstance(slot.entry, Tensor) and not slot.entry.scalar:
                if has_steps(self.count, self.first) is False:
                    continue
                cell = slot.entry.cell
                cell.fixed = cell.fixed or "an array that a loop writes and then replaces"
                cell.watched = (*cell.watched, (slot.cell, 0))

    def _behind(self, x: Any, name: str, outputs: dict[int, Value]) -> Any:
        """What a variable holds behind the loop."""
        items = children(x)
        if items is not None:
            return rebuilt(x, [self._behind(item, name, outputs) for item in items])
        if not isinstance(x, _Carried):
            return x
        tensor = made(outputs[id(x)], x.kind)
        if x.entry is not None:
            return self._replaced(x.entry, tensor)
        if x.own and not name.startswith("."):
            line = f"line {self.loc.lineno}" if self.loc is not None else "a loop"
            why = f"it is assigned only inside the loop in {line}, which may have no step"
            return AfterLoop(tensor, self.count, self.first, why)
        return tensor

    def _replaced(self, entry: Tensor, tensor: Tensor) -> Tensor:
        """The array that a variable is behind the loop: without a step the one from before."""
        holds = has_steps(self.count, self.first)
        holds = holds if isinstance(holds, bool) else None
        if holds is False:
            return entry
        if holds is None:
            old = entry.cell
            tensor.cell.watched = ((old, old.writes),)
            old.watched = (*old.watched, (tensor.cell, 0))
            if old.origin != "temporary" or entry.path:
                tensor.cell.fixed = "an array that a loop replaces if it has a step"
        return tensor

    def _node(self, region: Region, test: int | None) -> Sequence[Value]:
        trace = self.trace
        with reopened(region):
            results = [as_kind(c.new, c.kind, trace) for c in self.carried]
        initial = [c.initial() for c in self.carried]
        params = [c.stood_for for c in self.carried]
        for slot, entry in self.kept:
            # The body may read what it assigns to itself.
            region.outer_of[slot.value] = as_kind(read(entry).value, slot.kind, trace)
        block, around = region.close("loop", params, results)
        outputs = tuple(Value(v.type) for v in initial)
        attrs = {
            "symbol": self.symbol, "count": self.count, "carried": len(params), "test": test,
        }  # fmt: skip
        node = Node("loop", (*initial, *around), outputs, attrs, (block,), loc=self.loc)
        trace.builder.nodes.append(node)
        return outputs


def _given(value: Value) -> Callable[[], Value]:
    return lambda: value


def _fresh_symbol(trace: Trace) -> str:
    number = len(trace.local)
    while f"i{number}" in trace.hints:
        number += 1
    trace.new_symbol(f"i{number}", None)
    trace.local.add(f"i{number}")
    return f"i{number}"


def _symbols_of(region: Region | None) -> Iterator[str]:
    for node in region.builder.nodes if region is not None else ():
        yield from defined_symbols(node)
