"""What a `for` loop can run over without Python stepping through it: ranges and traced arrays.

Each is a number of steps, a dim, and the item of a step whose number is a symbol. Where one is
iterated by Python after all, as in a comprehension, its length is what it is in this call.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, ScalarGuard, Value
from tracejit.trace import prim
from tracejit.trace.context import Trace, current, tracing, user_loc
from tracejit.trace.namespace.late_sizes import span
from tracejit.trace.pybuiltins import BUILTINS
from tracejit.trace.size import Size, to_dim, wrap
from tracejit.trace.tensor import Tensor


class Source(Protocol):
    """`count` steps; `item(k)` is what the loop variable is in step `k`, an int or `Size`."""

    @property
    def count(self) -> Dim: ...

    def item(self, k: Any) -> Any: ...


class Span:
    """A range with traced bounds; as a sequence it is what it is in this call."""

    def __init__(self, start: Any, count: Any, step: int) -> None:
        self.start, self.step, self.length = start, step, count

    @property
    def count(self) -> Dim:
        return to_dim(self.length, "a length")

    def item(self, k: Any) -> Any:
        return self.start + k * self.step

    def _range(self) -> range:
        start = operator.index(self.start)
        return range(start, start + operator.index(self.length) * self.step, self.step)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range())

    def __len__(self) -> int:
        return operator.index(self.length)

    def __getitem__(self, key: Any) -> Any:
        return self._range()[key]

    def __contains__(self, x: Any) -> bool:
        return x in self._range()

    def __reversed__(self) -> Any:
        return Reversed(self)

    def __eq__(self, other: object) -> bool:
        return self._range() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"range({self.start}, ..., {self.step})"


class _Sequence:
    """Iteration by Python: every item, one after the other."""

    count: Dim

    def item(self, k: Any) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        return (self.item(k) for k in range(operator.index(wrap(self.count))))

    def __next__(self) -> Any:
        # `next(zip(...))` on a fresh object; what a loop runs over is not taken apart otherwise.
        at = self.__dict__.setdefault("_at", iter(self))
        return next(at)


class Rows(_Sequence):
    """The items of an array along its first axis."""

    def __init__(self, array: Tensor) -> None:
        self.array = array
        self.count = array.type.shape[0]

    def item(self, k: Any) -> Any:
        return self.array[k]


class Known(_Sequence):
    """A `range` that Python knows."""

    def __init__(self, items: range) -> None:
        self.items, self.count = items, len(items)

    def item(self, k: Any) -> Any:
        return self.items.start + k * self.items.step


class Zipped(_Sequence):
    """`zip`: as long as the shortest."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts = parts
        trace = current()
        count = parts[0].count
        for part in parts[1:]:
            count = _shorter(trace, count, part.count)
        self.count = count

    def item(self, k: Any) -> Any:
        return tuple(part.item(k) for part in self.parts)


class Enumerated(_Sequence):
    """`enumerate`."""

    def __init__(self, part: Source, start: Any = 0) -> None:
        self.part, self.start, self.count = part, start, part.count

    def item(self, k: Any) -> Any:
        return self.start + k, self.part.item(k)


class Reversed(_Sequence):
    """`reversed`."""

    def __init__(self, part: Source) -> None:
        self.part, self.count = part, part.count

    def item(self, k: Any) -> Any:
        return self.part.item(wrap(self.count) - 1 - k)


def _shorter(trace: Trace, a: Dim, b: Dim) -> Dim:
    if trace.is_local(a - b) or trace.is_run_time(a - b):
        return dims.minimum(a, b)
    return a if trace.decide(a, "<=", b, "zip") else b


def source_of(x: Any) -> Source | None:
    """`x` as something that a loop can run over symbolically; None for what Python iterates."""
    if isinstance(x, (Span, _Sequence)):
        return x
    if type(x) is range:
        return Known(x)
    if isinstance(x, np.ndarray) and tracing():
        x = prim.lift(x)
    if isinstance(x, Tensor) and x.ndim:
        return Rows(x)
    return None


# Bounds that are values.


def as_symbolic(x: Any) -> Dim | None:
    """The dim that an int is: a size, or a Python int argument, or what they give in arithmetic.

    None for a value that only data tells.
    """
    if isinstance(x, Size):
        return to_dim(x, "a size")
    if isinstance(x, Tensor):
        if x.ndim or x.dtype.kind not in "iu":
            return None
        return _dim_of(current(), x.value)
    return operator.index(x)


_ARITHMETIC: dict[str, Callable[[Dim, Dim], Dim]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "maximum": dims.maximum,
    "minimum": dims.minimum,
}


def _dim_of(trace: Trace, value: Value) -> Dim | None:
    table: dict[Value, Node] | None = None
    pending = 32

    def find(value: Value) -> Dim | None:
        nonlocal table, pending
        pending -= 1
        value = trace.aliases.get(value, value)
        if value in trace.scalar_values:
            return _scalar_size(trace, value)
        known = trace.root.constants.get(value)
        if known is not None:
            return int(known)
        if pending < 0 or value.type.shape:
            return None
        if table is None:
            builders = [trace.root, *(region.builder for region in trace.regions)]
            table = {v: node for b in builders for node in b.nodes for v in node.outputs}
        node = table.get(value)
        if node is None:
            return None
        if node.op == "size":
            found: Dim = node.attrs["dim"]
            return trace.canonical(found)
        if node.op == "negative":
            inner = find(node.inputs[0])
            return None if inner is None else -inner
        if node.op == "cast" and node.inputs[0].type.dtype.kind in "iu":
            return find(node.inputs[0])
        if node.op in _ARITHMETIC or node.op in ("floor_divide", "remainder"):
            left, right = map(find, node.inputs)
            if left is None or right is None:
                return None
            if node.op in _ARITHMETIC:
                return _ARITHMETIC[node.op](left, right)
            if isinstance(right, int) and right > 0:
                return (dims.floordiv if node.op == "floor_divide" else dims.mod)(left, right)
        return None

    return find(value)


def _scalar_size(trace: Trace, value: Value) -> Dim | None:
    """The size symbol that a Python int argument is; None for a negative one."""
    known = trace.scalar_values[value]
    if isinstance(known, bool) or not isinstance(known, int) or known < 0:
        return None
    for name, other in trace.scalar_sizes.items():
        if other is value:
            return trace.canonical(dims.sym(name))
    name = re.sub(r"\W+", "_", value.hint).strip("_") or "number"
    while name in trace.hints:
        name += "_"
    trace.scalar_sizes[name] = value
    number = trace.root.params.index(value)
    trace.root.guards.append(
        ScalarGuard(number, ">=", 0, user_loc(), f"{value.hint} is a number of steps")
    )
    return trace.new_symbol(name, known)


# Builtins.


def _range(*args: Any) -> Any:
    if not any(isinstance(a, (Size, Tensor)) for a in args):
        return range(*args)
    if not 1 <= len(args) <= 3:
        raise TypeError(f"range expected 1 to 3 arguments, got {len(args)}")
    start, stop = (0, args[0]) if len(args) == 1 else args[:2]
    step = operator.index(args[2]) if len(args) == 3 else 1
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    for bound in (start, stop):
        if isinstance(bound, Tensor) and (bound.ndim or bound.dtype.kind not in "iu"):
            operator.index(bound)
    first, last = as_symbolic(start), as_symbolic(stop)
    if first is None or last is None:
        # What a range gives are Python ints, whatever its bounds are.
        first_item = prim.weak_cast(start, int) if isinstance(start, Tensor) else start
        return Span(first_item, span(start, stop, step), step)
    return Span(wrap(first), wrap(_steps(current(), first, last, step)), step)


def _steps(trace: Trace, first: Dim, last: Dim, step: int) -> Dim:
    distance = last - first if step > 0 else first - last
    if trace.is_local(distance) or trace.is_run_time(distance):
        some = trace.for_all(distance, ">=", 0, "a range")
    else:
        some = trace.decide(distance, ">=", 0, "a range")
    if some is False:
        return 0
    count = dims.floordiv(distance + (abs(step) - 1), abs(step))
    return count if some else dims.maximum(0, count)


def _zip(*parts: Any, strict: bool = False) -> Any:
    sources = [source_of(p) for p in parts] if tracing() and not strict else []
    if sources and any(s is not None and not isinstance(s, Known) for s in sources):
        if all(s is not None for s in sources):
            return Zipped([s for s in sources if s is not None])
    return zip(*parts, strict=strict)


def _enumerate(part: Any, start: Any = 0) -> Any:
    found = source_of(part) if tracing() else None
    if found is None or isinstance(found, Known):
        return enumerate(part, start)
    return Enumerated(found, start)


def _reversed(part: Any) -> Any:
    found = source_of(part) if tracing() else None
    if found is None or isinstance(found, Known):
        return reversed(part)
    return Reversed(found)


BUILTINS[range] = _range
BUILTINS[zip] = _zip
BUILTINS[enumerate] = _enumerate
BUILTINS[reversed] = _reversed
