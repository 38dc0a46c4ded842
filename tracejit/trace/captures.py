"""Where captured values came from, and what about them a compiled function relies on.

An array found outside the traced function (a global, a closure cell, an attribute, an item) is an
input by reference: its `CaptureSource` is fetched again at each call. Everything else that was read
outside (numbers, strings, functions, objects) is a `ValueGuard`: when it has changed, the function
is traced again.
"""

from __future__ import annotations

import opcode
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign
from typing import Any

import numpy as np

from tracejit.ir.graph import Value
from tracejit.trace.context import Trace
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor

_MISSING = object()
_LIBRARIES = frozenset(
    {"numpy", "scipy", "tracejit", "numba", "builtins", *sys.stdlib_module_names}
)


@dataclass(frozen=True, slots=True, eq=False)
class CaptureSource:
    """A place that is read again at each call.

    `global`, `item`: `container[key]` (a dict of globals or of attributes, a list, a tuple);
    `cell`: the closure cell `container` of variable `key`; `attribute`: `getattr(container, key)`;
    `object`: `key` itself, found where no place could be told.
    """

    kind: str
    container: Any
    key: Any

    def fetch(self) -> Any:
        """What is there now. Raises whatever the look-up raises."""
        if self.kind == "cell":
            return self.container.cell_contents
        if self.kind == "attribute":
            return getattr(self.container, self.key)
        return self.key if self.kind == "object" else self.container[self.key]

    def __str__(self) -> str:
        if self.kind == "cell":
            return f"closure variable {self.key}"
        if self.kind == "object":
            return f"an object of type {type(self.key).__name__}"
        if self.kind == "item":
            return f"{type(self.container).__name__}[{self.key!r}]"
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True, eq=False)
class ValueGuard:
    """What `source` gives must be `value` still.

    `relation` says in which sense: the same object (`is`), an equal one of the same type (`equal`),
    one of this type (`type`), a container with these keys (`keys`) or of this length (`len`).
    """

    source: CaptureSource
    relation: str
    value: Any

    def holds(self) -> bool:
        try:
            now = self.source.fetch()
        except Exception:
            return False
        if self.relation == "is":
            return now is self.value
        if self.relation == "equal":
            return same(now, self.value)
        if self.relation == "keys":
            return tuple(now) == self.value
        return type(now) is self.value if self.relation == "type" else len(now) == self.value

    def __str__(self) -> str:
        value = self.value.__name__ if isinstance(self.value, type) else repr(self.value)
        shown = value if len(value) < 40 else value[:37] + "..."
        return f"{self.source} {_RELATIONS[self.relation]} {shown}"


_RELATIONS = {
    "is": "is",
    "equal": "==",
    "type": "is a",
    "keys": "has the keys",
    "len": "has length",
}


def same(a: Any, b: Any) -> bool:
    """Equal, of the same types, -0.0 told from 0.0, NaN equal to itself."""
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is float:
        return (a == b and copysign(1, a) == copysign(1, b)) or (a != a and b != b)
    if kind is complex:
        return same(a.real, b.real) and same(a.imag, b.imag)
    if kind in (tuple, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return bool(a == b) if isinstance(a, (set, *_VALUES)) else False


_VALUES = (
    int, str, bytes, np.dtype, frozenset, range, slice, types.MethodType,
    types.BuiltinMethodType,
)  # fmt: skip


def is_value(x: Any) -> bool:
    """Whether `x` is guarded by what it is worth rather than by its identity."""
    if isinstance(x, tuple) and type(x) is tuple:
        return all(map(is_value, x))
    return x is None or isinstance(x, (float, complex, np.generic, *_VALUES))


class Provenance:
    """What one trace has read from outside. `known` objects are those reached from outside."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, CaptureSource]] = {}
        self.guards: dict[Any, ValueGuard] = {}
        self.arrays: dict[int, tuple[CaptureSource, np.ndarray]] = {}
        self.written: set[tuple[int, Any]] = set()
        self.notes: dict[str, None] = {}
        self._entered: set[Any] = set()
        self._whole: set[int] = set()

    def note(self, text: str) -> None:
        self.notes.setdefault(text)

    def is_known(self, x: Any) -> bool:
        return id(x) in self.known

    def see(self, source: CaptureSource, value: Any) -> None:
        """`value` was read from `source`, a place outside the function."""
        if isinstance(value, (Tensor, Size, types.ModuleType)):
            return
        if isinstance(value, np.ndarray):
            self.known.setdefault(id(value), (value, source))
            self.arrays.setdefault(id(value), (source, value))
        elif is_value(value):
            self._guard(source, "equal", value)
        else:
            self._guard(source, "is", value)
            self.learn(value, source)

    def learn(self, value: Any, source: CaptureSource) -> None:
        """`value` comes from outside, by way of `source`."""
        first = self.known.setdefault(id(value), (value, source))[1] is source
        for k, item in enumerate(value if first and isinstance(value, tuple) else ()):
            place = CaptureSource("item", value, k)
            if isinstance(item, np.ndarray):
                self.known.setdefault(id(item), (item, place))
            elif not is_value(item):
                self.learn(item, place)

    def _guard(self, source: CaptureSource, relation: str, value: Any) -> None:
        place = (id(source.container), source.key)
        if place not in self.written:
            self.guards.setdefault((*place, relation), ValueGuard(source, relation, value))

    # Reading.

    def enter(self, fn: types.FunctionType) -> None:
        """Everything that a function about to be traced can see: its globals and closure cells."""
        cells = fn.__closure__ or ()
        key = (fn.__code__, id(fn.__globals__), *map(id, cells))
        if key in self._entered:
            return
        self._entered.add(key)
        read, stored = names_of(fn.__code__)
        for name in read:
            value = fn.__globals__.get(name, _MISSING)
            if value is _MISSING:
                continue
            if name in stored:
                self.note(f"global `{name}` is written only when `{fn.__name__}` is traced")
                continue
            self.see(CaptureSource("global", fn.__globals__, name), value)
        for name, cell in zip(fn.__code__.co_freevars, cells, strict=True):
            if name in stored:
                self.note(f"variable `{name}` is written only when `{fn.__name__}` is traced")
                continue
            try:
                self.see(CaptureSource("cell", cell, name), cell.cell_contents)
            except ValueError:
                continue
        for value in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
            if not is_value(value):
                self.learn(value, CaptureSource("object", None, value))

    def read_attribute(self, obj: Any, name: str, value: Any) -> None:
        if isinstance(obj, types.ModuleType):
            if obj.__name__.partition(".")[0] not in _LIBRARIES:
                self.see(CaptureSource("global", obj.__dict__, name), value)
        elif id(obj) in self.known:
            own = getattr(obj, "__dict__", None)
            if type(own) is dict and name in own:
                self.see(CaptureSource("item", own, name), value)
            elif not isinstance(value, _METHODS) or type(value) is types.MethodType:
                self.see(CaptureSource("attribute", obj, name), value)

    def read_item(self, container: Any, key: Any, value: Any) -> None:
        if id(container) not in self.known:
            return
        if isinstance(container, tuple) or isinstance(key, slice):
            self.read_whole(container)
        elif isinstance(container, (list, dict)):
            self.see(CaptureSource("item", container, key), value)
        elif not isinstance(value, np.ndarray):
            self.learn(value, CaptureSource("object", None, value))

    def read_whole(self, container: Any) -> None:
        """All of a list, dict or set that comes from outside is used."""
        if id(container) not in self.known or id(container) in self._whole:
            return
        self._whole.add(id(container))
        place = CaptureSource("object", None, container)
        if isinstance(container, dict):
            self._guard_contents(place, "keys", tuple(container))
            items: Any = container.items()
        elif isinstance(container, list):
            if all(map(is_value, container)):
                self._guard_contents(place, "equal", list(container))
                return
            self._guard_contents(place, "len", len(container))
            items = enumerate(container)
        elif isinstance(container, set):
            self._guard_contents(place, "equal", set(container))
            return
        else:
            return
        for key, value in list(items):
            self.see(CaptureSource("item", container, key), value)
            self.read_whole(value)

    def _guard_contents(self, place: CaptureSource, relation: str, value: Any) -> None:
        key = (id(place.key), relation)
        self.guards.setdefault(key, ValueGuard(place, relation, value))

    # Writing, at trace time, to what is outside.

    def wrote(self, container: Any, key: Any, what: str) -> None:
        """A place outside was written while tracing: what it held is no condition any more."""
        for target in (container, getattr(container, "__dict__", None)):
            try:
                place = (id(target), key)
                self.written.add(place)
            except TypeError:
                continue
            for found in [g for g in self.guards if g[:2] == place]:
                del self.guards[found]
        self.note(f"{what} is written only when the function is traced")

    # The result.

    def finish(
        self, trace: Trace
    ) -> tuple[tuple[tuple[CaptureSource, int], ...], tuple[ValueGuard, ...]]:
        """Source and parameter number of each captured array, and the guards that still hold."""
        numbers: dict[Value, int] = {v: k for k, v in enumerate(trace.root.params)}
        sources = []
        for key, (array, value) in trace.captures.items():
            place = self.known.get(key)
            source = place[1] if place is not None else CaptureSource("object", None, array)
            sources.append((source, numbers[value]))
        for key, (source, array) in self.arrays.items():
            if key not in trace.captures:
                self._guard(source, "type", type(array))
        guards = []
        for guard in self.guards.values():
            if guard.holds():
                guards.append(guard)
            else:
                self.note(f"{guard.source} changed while the function was traced")
        return tuple(sources), tuple(guards)


_METHODS = (
    types.MethodType, types.BuiltinMethodType, types.FunctionType, types.MethodWrapperType,
    types.WrapperDescriptorType, types.MethodDescriptorType,
)  # fmt: skip
_names: dict[types.CodeType, tuple[tuple[str, ...], frozenset[str]]] = {}
_LOAD_GLOBAL = opcode.opmap["LOAD_GLOBAL"]
_STORE_GLOBAL = opcode.opmap["STORE_GLOBAL"]
_STORE_DEREF = opcode.opmap["STORE_DEREF"]
_LOAD_NAME = opcode.opmap["LOAD_NAME"]


def names_of(code: types.CodeType) -> tuple[tuple[str, ...], frozenset[str]]:
    """The globals that `code` (inner functions too) reads, the names not local that it writes."""
    found = _names.get(code)
    if found is None:
        read: dict[str, None] = {}
        stored: set[str] = set()
        _scan(code, read, stored, code.co_freevars)
        found = _names[code] = (tuple(read), frozenset(stored))
    return found


def _scan(
    code: types.CodeType, read: dict[str, None], stored: set[str], free: Sequence[str]
) -> None:
    extended = 0
    raw = code.co_code
    for at in range(0, len(raw), 2):
        op, arg = raw[at], raw[at + 1] | extended
        extended = arg << 8 if op == opcode.EXTENDED_ARG else 0
        if op == _LOAD_GLOBAL:
            read.setdefault(code.co_names[arg >> 1])
        elif op == _LOAD_NAME:
            read.setdefault(code.co_names[arg])
        elif op == _STORE_GLOBAL:
            stored.add(code.co_names[arg])
        elif op == _STORE_DEREF:
            name = code._varname_from_oparg(arg)  # type: ignore[attr-defined]
            if name in free:
                stored.add(name)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            _scan(const, read, stored, free)
