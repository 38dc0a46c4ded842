"""What holds before and behind a loop: of what kind a variable was, whether there was a step."""

from __future__ import annotations

from typing import Any

from tracejit import errors
from tracejit.ir.dims import Dim
from tracejit.ir.types import TensorType
from tracejit.trace import prim
from tracejit.trace.context import current
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor
from tracejit.trace.variables import Kind, Maybe, Undefined, is_concrete, read, weak_type


def has_steps(count: Dim | None, first: Any) -> Any:
    """Whether a loop has a step at least: a bool, with a guard where sizes tell, or a traced one.

    `first` says so where nothing bounds the number of steps.
    """
    trace = current()
    if count is None:
        return first
    if trace.is_local(count):
        holds = trace.for_all(count, ">", 0, "a loop with a step at least")
    elif trace.is_run_time(count):
        holds = trace.provable(count, ">", 0)
    else:
        holds = trace.decide(count, ">", 0, "a loop with a step at least")
    return prim.lift(Size(count)) > 0 if holds is None else holds


class AfterLoop(Undefined):
    """A variable that only the body assigns: it has a value where there was a step at least."""

    __slots__ = ("count", "first", "value")

    def __init__(self, value: Any, count: Dim | None, first: Any, why: str) -> None:
        super().__init__(why)
        self.value, self.count, self.first = value, count, first

    def settled(self) -> Maybe:
        """The value, and whether there was a step."""
        return Maybe(self.value, has_steps(self.count, self.first), self.why)


def kind_of(x: Any) -> Kind | None:
    """The kind of a number before the loop; None for what only Python can hold."""
    if isinstance(x, Size):
        return Kind(TensorType(prim.as_dtype(int)), int, True)
    try:
        tensor: Tensor = prim.lift(x)
    except errors.TracejitError:
        return None
    return Kind(tensor.type, weak_type(x, tensor), tensor.scalar)


def kind_before(x: Any) -> Kind:
    """The kind of an array before the loop, read or not."""
    if isinstance(x, Tensor) and not x.path:
        return Kind(x.cell.trace.refreshed(x.cell.value).type, x.weak, x.scalar)
    return read(x).kind


def nothing_like(x: Any) -> Any:
    """A number of the kind of `x`, for a variable that has none yet; None for an array."""
    if isinstance(x, Tensor):
        if x.ndim or not x.scalar:
            return None
        return x.weak(0) if x.weak is not None else x.dtype.type(0)
    return type(x)(0) if is_concrete(x) else 0 if isinstance(x, Size) else None


def equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:
        return False
