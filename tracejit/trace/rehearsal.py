"""What a body would return, found without running it: on stand-ins, in a trace of its own.

The types of a loop's state do not depend on how many steps are done. In plain Python, where none or
the last one has changed them, a further step on stand-ins says what they come to; it does not write
into any array.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tracejit.ir.graph import Value
from tracejit.ir.types import TensorType
from tracejit.trace import kinds
from tracejit.trace.context import Trace, activate, current
from tracejit.trace.tensor import Tensor, from_value

T = TypeVar("T")
Type = tuple[Any, tuple[Any, ...]]
"""Kind and shape."""

MOST_STEPS = 8
"""So many steps can change the types of a state, until they must have settled."""


def type_of(x: Any) -> Type:
    """Kind and shape of what `kinds.array_of` gave."""
    return kinds.kind_of(x), kinds.shape_of(x)


def stand_in(kind: Any, shape: Sequence[Any]) -> Tensor:
    """A traced value of which nothing but the type is known."""
    weak = kind if isinstance(kind, type) else None
    return from_value(Value(TensorType(kinds.dtype_of(kind), tuple(shape))), weak)


def rehearsed(trial: Callable[[], T], name: str) -> T:
    """What `trial` returns in a trace that is thrown away. Raises whatever it raises."""
    importlib.import_module("tracejit.trace.namespace")
    with activate(Trace(name)):
        return trial()


def known_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """A shape that only sizes of concrete arrays go into."""
    found = tuple(current().hint(dim) for dim in current().shape(tuple(shape)))
    if any(dim is None for dim in found):
        raise ValueError("a shape that depends on values")
    return found  # type: ignore[return-value]


def settled_types(types: Sequence[Type], step: Callable[[list[Tensor]], list[Any]]) -> list[Type]:
    """The types of a state that a `step` leaves as they are, from `types` on. Shapes stay."""
    found = list(types)
    for _ in range(MOST_STEPS):
        new = step([stand_in(*t) for t in found])
        after = [
            kinds.common(kind, kinds.kind_of(kinds.array_of(y)))
            for (kind, _), y in zip(found, new, strict=True)
        ]
        if all(kinds.same(a, kind) for a, (kind, _) in zip(after, found, strict=True)):
            return found
        found = [(a, shape) for a, (_, shape) in zip(after, found, strict=True)]
    raise ValueError("the types do not settle")
