"""What a `for` loop can run over without Python stepping through it: ranges and traced arrays.

Each is a number of steps, a dim, and the item of a step whose number is a symbol. Where one is
iterated by Python after all, as in a comprehension, its length is what it is in this call.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace import prim
from tracejit.trace.context import Trace, current, tracing
from tracejit.trace.pybuiltins import BUILTINS
from tracejit.trace.registry import METHODS
from tracejit.trace.size import Size, to_dim, wrap
from tracejit.trace.symbolic import as_symbolic
from tracejit.trace.tensor import Tensor


class Source(Protocol):
    """`count` steps; `item(k)` is what the loop variable is in step `k`, an int or `Size`."""

    @property
    def count(self) -> Dim: ...

    def item(self, k: Any) -> Any: ...


class Span:
    """A range with traced bounds; as a sequence it is what it is in this call."""

    def __init__(self, start: Any, count: Any, step: Any) -> None:
        self.start, self.step, self.length = start, step, count

    @property
    def count(self) -> Dim:
        return to_dim(self.length, "a length")

    def item(self, k: Any) -> Any:
        return self.start + k * self.step

    def _range(self) -> range:
        start = operator.index(self.start)
        step = operator.index(self.step)
        return range(start, start + operator.index(self.length) * step, step)

    def __iter__(self) -> Iterator[Any]:
        # The number of steps is what it is in this call; where they begin need not be.
        return (self.item(k) for k in range(operator.index(self.length)))

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


# Builtins.


def _range(*args: Any) -> Any:
    if not any(isinstance(a, (Size, Tensor)) for a in args):
        return range(*args)
    if not 1 <= len(args) <= 3:
        raise TypeError(f"range expected 1 to 3 arguments, got {len(args)}")
    start, stop = (0, args[0]) if len(args) == 1 else args[:2]
    step = _step_of(args[2]) if len(args) == 3 else 1
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    for bound in (start, stop):
        if isinstance(bound, Tensor) and (bound.ndim or bound.dtype.kind not in "iu"):
            operator.index(bound)
    first, last = as_symbolic(start), as_symbolic(stop)
    if first is None or last is None:
        # What a range gives are Python ints, whatever its bounds are.
        first_item = prim.weak_cast(start, int) if isinstance(start, Tensor) else start
        return Span(first_item, METHODS["__span__"](prim.lift(start), stop, step), step)
    return Span(wrap(first), wrap(_steps(current(), first, last, step)), step)


def _step_of(x: Any) -> Any:
    """The step of a range: an int, or a size that is positive."""
    dim = as_symbolic(x) if isinstance(x, (Size, Tensor)) else None
    trace = current()
    if dim is None or trace.is_local(dim) or trace.is_run_time(dim):
        return operator.index(x)
    return wrap(dim) if trace.decide(dim, ">", 0, "the step of a range") else operator.index(x)


def _steps(trace: Trace, first: Dim, last: Dim, step: Any) -> Dim:
    if isinstance(step, Size):
        by = to_dim(step, "a step")
        distance, less = last - first, by - 1
    else:
        distance = last - first if step > 0 else first - last
        by, less = abs(step), abs(step) - 1
    if trace.is_local(distance) or trace.is_run_time(distance):
        some = trace.for_all(distance, ">=", 0, "a range")
    else:
        some = trace.decide(distance, ">=", 0, "a range")
    if some is False:
        return 0
    count = dims.floordiv(distance + less, by)
    return count if some else dims.maximum(0, count)


def _zip(*parts: Any, strict: bool = False) -> Any:
    sources = [source_of(p) for p in parts] if tracing() and not strict else []
    found = [s for s in sources if s is not None]
    if len(found) == len(parts) and not all(isinstance(s, Known) for s in found):
        return Zipped(found)
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
