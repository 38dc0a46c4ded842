"""What the variables of a function hold, taken apart where control flow has to tell it apart.

A branch leaves every variable with one of two values, a loop with the value of its last step. Where
the two are the same object nothing happens; numbers and arrays become values of the graph; tuples,
lists and dicts are taken apart; anything else has to be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir.graph import Value
from tracejit.ir.types import TensorType
from tracejit.source import Loc
from tracejit.trace import prim
from tracejit.trace.context import current
from tracejit.trace.size import Size
from tracejit.trace.tensor import Cell, Tensor, describe

_WEAK_ORDER: tuple[type, ...] = (bool, int, float, complex)


class Undefined:
    """What a variable holds that is not assigned yet, or on one side of a branch only."""

    __slots__ = ("why",)

    def __init__(self, why: str = "") -> None:
        self.why = why

    def settled(self) -> Undefined:
        """The same, in a form that branches and loops can hand on."""
        return self

    def __repr__(self) -> str:
        return "<undefined>"

    def __bool__(self) -> bool:
        raise NameError(f"a variable has no value: {self.why}")


UNDEFINED = Undefined("it is not assigned before it is read")


class Maybe(Undefined):
    """What a variable holds that was assigned where `flag` says so, a bool that may be traced."""

    __slots__ = ("flag", "value")

    def __init__(self, value: Any, flag: Any, why: str) -> None:
        super().__init__(why)
        self.value, self.flag = value, flag


@dataclass(frozen=True, slots=True)
class Kind:
    """What type of number or array: `weak` is the Python type of a Python number, `scalar` tells a
    NumPy scalar or Python number from an array of rank 0."""

    type: TensorType
    weak: Any
    scalar: bool

    def __str__(self) -> str:
        if self.weak is not None:
            return f"a Python {self.weak.__name__}"
        return str(self.type)


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number or array as the block in which it was read sees it; `source` is the object."""

    value: Value
    kind: Kind
    source: Any

    @property
    def array(self) -> Tensor | None:
        """The tensor, if this is an array that others may look at too."""
        source = self.source
        return source if isinstance(source, Tensor) and not source.scalar else None


def is_number(x: Any) -> bool:
    return isinstance(x, (Tensor, Size, np.ndarray, np.generic, bool, int, float, complex))


def is_concrete(x: Any) -> bool:
    """Whether `x` is a number that Python knows."""
    return isinstance(x, (np.generic, bool, int, float, complex))


def read(x: Any) -> Number:
    """A number or array as it is now, in the block being traced."""
    tensor: Tensor = prim.lift(x)
    value = current().refreshed(tensor.value)
    return Number(value, Kind(value.type, weak_type(x, tensor), tensor.scalar), x)


def weak_type(x: Any, lifted: Tensor) -> Any:
    """The Python type of a Python number, a bool among them."""
    is_bool = type(x) is bool or (isinstance(x, Tensor) and x.weak is bool)
    return bool if is_bool else lifted.weak


def made(value: Value, kind: Kind) -> Tensor:
    """A fresh tensor of a kind."""
    return Tensor(Cell(value, current(), scalar=kind.scalar), weak=kind.weak)


def same_number(a: Any, b: Any) -> bool:
    """Whether two numbers are one: the same place of the same memory, or equal constants."""
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.scalar or b.scalar or a.cell is not b.cell or len(a.path) != len(b.path):
            return False
        return all(p is q for p, q in zip(a.path, b.path, strict=True))
    if isinstance(a, Size) and isinstance(b, Size):
        return a.dim == b.dim
    if is_concrete(a) and is_concrete(b) and type(a) is type(b):
        return a == b and np.copysign(1, np.real(a)) == np.copysign(1, np.real(b))
    return False


def joined(a: Kind, b: Kind) -> Kind | None:
    """The kind that can hold both, by NumPy's promotion; None where shapes differ."""
    trace = current()
    first, second = trace.shape(a.type.shape), trace.shape(b.type.shape)
    if len(first) != len(second):
        return None
    for left, right in zip(first, second, strict=True):
        if left != right and (
            trace.is_local(left - right)
            or trace.is_run_time(left - right)
            or not trace.same(left, right, "two values of one variable")
        ):
            return None
    shape = trace.shape(first)
    scalar = a.scalar and b.scalar
    if a.weak is not None and b.weak is not None:
        weak = max(a.weak, b.weak, key=_WEAK_ORDER.index)
        return Kind(TensorType(np.dtype(weak), shape), weak, scalar)
    types: list[Any] = [k.weak(0) if k.weak is not None else k.type.dtype for k in (a, b)]
    return Kind(TensorType(np.result_type(*types), shape), None, scalar)


def children(x: Any) -> list[Any] | None:
    """The items of a tuple, list or dict; None for anything else."""
    if type(x) in (tuple, list) or (isinstance(x, tuple) and hasattr(x, "_fields")):
        return list(x)
    if isinstance(x, Maybe):
        return [x.value, x.flag]
    return list(x.values()) if type(x) is dict else None


def alike(a: Any, b: Any) -> bool:
    """Whether two containers have the same structure on top."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Maybe):
        return True
    return list(a) == list(b) if type(a) is dict else len(a) == len(b)


def rebuilt(x: Any, items: list[Any]) -> Any:
    """A container like `x` with other items."""
    if type(x) is dict:
        return dict(zip(x, items, strict=True))
    if isinstance(x, Maybe):
        return items[0] if items[1] is True else Maybe(items[0], items[1], x.why)
    if hasattr(x, "_fields"):
        return type(x)(*items)
    return type(x)(items)


def mapped(x: Any, function: Callable[[Any], Any]) -> Any:
    """`x` with `function` applied to everything in it that is no container."""
    items = children(x)
    if items is None:
        return function(x)
    return rebuilt(x, [mapped(item, function) for item in items])


def described(x: Any) -> str:
    """A value for a message."""
    if isinstance(x, Tensor):
        return describe(x)
    if isinstance(x, Size):
        return "a Python int"
    if isinstance(x, Undefined):
        return "not assigned"
    if isinstance(x, (tuple, list, dict)):
        return f"a {type(x).__name__} of {len(x)}"
    return f"{x!r}" if is_concrete(x) or isinstance(x, (str, type(None))) else type(x).__name__


def refuse(name: str, where: str, first: str, second: str, loc: Loc | None) -> NoReturn:
    """Say, at the line `loc`, that the two values of a variable do not go together."""
    shown = "what is returned" if name.startswith(".") else f"`{name}`"
    raise errors.ControlFlowError(
        f"{shown} {where}: {first} and {second}",
        loc=loc,
        instead="give it the same shape and structure on both ways; np.where chooses by element",
    )
