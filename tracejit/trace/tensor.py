"""Traced tensors: a handle on a memory cell, plus the path of views that leads to it.

Two tensors alias exactly when they share a cell, as two NumPy arrays share memory. Reading applies
the path to the cell's current value; writing through any handle replaces the cell's value, so every
other handle sees it. The graph itself stays functional.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir.dims import Shape
from tracejit.ir.graph import Value
from tracejit.ir.opdef import OPS
from tracejit.ir.types import TensorType
from tracejit.trace.context import Trace, current, fail
from tracejit.trace.layout import Decisions, Order, Strides, Undecided, contiguous
from tracejit.trace.operators import Operators
from tracejit.trace.registry import FUNCTIONS, METHODS, PROPERTIES
from tracejit.trace.size import wrap


@dataclass(eq=False)
class Cell:
    """A piece of memory: its current value, and how often that was replaced.

    `writes` counts the writes, `version` all changes of what `value` is, also those on entering and
    leaving a block of control flow. A cell that is one of several arrays, depending on a condition,
    cannot be written: `fixed` says why; nor read any more when one of `watched` was written since.
    `origin` says whose memory it is: a temporary of this function, an argument, or an array taken
    from outside, which may not be written. A `scalar` is a NumPy scalar and no array: it is not
    written, `s += 1` makes a new one. `layout` says how its elements lie: None for C order, else
    the order of a fresh array's axes, or byte strides. A cell with `derived` may turn out to be
    part of another one; `dependents` are the cells of which that may turn out about this one.
    """

    value: Value
    trace: Trace
    origin: str = "temporary"
    version: int = 0
    writes: int = 0
    scalar: bool = False
    layout: Order | Strides | None = None
    derived: Derived | None = None
    dependents: list[weakref.ref[Cell]] = field(default_factory=list)
    fixed: str = ""
    watched: tuple[tuple[Cell, int], ...] = ()

    def __post_init__(self) -> None:
        self.number = self.trace.enter(self)

    def write(self, value: Value) -> None:
        self.value = value
        self.version += 1
        self.writes += 1

    def check_current(self) -> None:
        """Raise where this was one of several arrays, and that one has been written since."""
        for cell, writes in self.watched:
            if cell.writes != writes:
                fail(
                    errors.MutationError,
                    f"{self.fixed or 'an array'} is read after other memory that it may be was "
                    "written, in a branch or loop",
                    "take a copy in the branch or loop: y = x.copy()",
                )

    def settle(self) -> None:
        """Decide whether this is memory of its own or a view of other memory."""
        derived = self.derived
        if derived is None:
            return
        self.derived = None
        if not derived.is_view(Decisions(self.trace, guards=True)):
            return
        parent = derived.parent
        for reference in derived.members:
            member = reference()
            if member is not None:
                if not member.path:
                    member._base = parent
                member.path = (*parent.path, derived.step, *member.path)
                member.cell = parent.cell
                member._cached_version = parent.cell.version
                if parent.cell.derived is not None:
                    parent.cell.derived.members.append(reference)
        parent.cell.dependents += self.dependents

    def settle_dependents(self) -> None:
        """Before a write: decide which other cells it changes."""
        while self.dependents:
            cell = self.dependents.pop()()
            if cell is not None:
                cell.settle()


@dataclass(eq=False)
class Derived:
    """What a cell may be a view of, in case `is_view` says so when it is asked.

    Until one of the two is written, or given to the caller, it makes no difference.
    """

    parent: Tensor
    step: ViewStep
    is_view: Callable[[Decisions], bool]
    members: list[weakref.ref[Tensor]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ViewStep:
    """One view: how it reads its base, and how a write into the view changes the base.

    `write(base, value)` gives the base with the viewed part replaced; None where NumPy gives a copy
    or a read-only view. `layout(shape, strides, decisions)` has the shape and strides of the view.
    `keeps_order` says that axes that lie in C order still do. `op` and `attrs` name the view to
    whoever makes it of a NumPy array, `indices` are positions in it that are traced values; a view
    without a name is given to the caller as a copy.
    """

    read: Callable[[Value], Value]
    write: Callable[[Value, Value], Value] | None
    layout: Callable[[Shape, Strides, Decisions], tuple[Shape, Strides]] | None = None
    op: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    keeps_order: bool = True
    indices: tuple[Value, ...] = ()


@dataclass(eq=False)
class Tensor(Operators):
    """The traced stand-in for an `np.ndarray`, a NumPy scalar or (`weak`) a Python number."""

    cell: Cell
    path: tuple[ViewStep, ...] = ()
    weak: type | None = None
    _cached: Value | None = field(default=None, repr=False)
    _cached_version: int = field(default=-1, repr=False)
    _base: Tensor | None = field(default=None, repr=False)

    __array_priority__ = 1000
    __hash__ = object.__hash__

    @property
    def scalar(self) -> bool:
        """Whether this stands for a NumPy scalar or a Python number, which nothing can write to."""
        return self.weak is not None or (self.cell.scalar and not self.path)

    @property
    def value(self) -> Value:
        """The SSA value that a read sees now."""
        cell = self.cell
        if cell.trace.closed:
            _escaped(cell)
        if cell.watched:
            cell.check_current()
        if self._cached is None or self._cached_version != cell.version:
            if cell.trace is not current():
                _escaped(cell)
            if self._base is not None:
                value = self.path[-1].read(self._base.value)
            else:
                value = cell.value
                for step in self.path:
                    value = step.read(value)
            self._cached, self._cached_version = value, cell.version
        return self._cached

    @property
    def type(self) -> TensorType:
        type = self.value.type
        return TensorType(type.dtype, current().shape(type.shape))

    def memory(self, decisions: Decisions) -> tuple[Shape, Strides]:
        """Shape and byte strides. Raises Undecided where that needs a guard and none is wanted."""
        while self.cell.derived is not None:
            if not decisions.guards:
                raise Undecided
            self.cell.settle()
        cell, trace = self.cell, self.cell.trace
        shape = trace.shape(cell.value.type.shape)
        layout = cell.layout
        if isinstance(layout, tuple):
            strides = trace.shape(layout)
        else:
            perm = None if layout is None else layout.find(decisions)
            strides = contiguous(shape, cell.value.type.dtype.itemsize, perm)
        for step in self.path:
            if step.layout is None:
                shape = trace.shape(self.value.type.shape)
                return shape, contiguous(shape, self.value.type.dtype.itemsize)
            shape, strides = step.layout(shape, strides, decisions)
            shape, strides = trace.shape(shape), trace.shape(strides)
        return shape, strides

    @property
    def c_ordered(self) -> bool:
        """Whether no axis lies inside of a later one, as is plain to see."""
        if not all(step.keeps_order for step in self.path):
            return False
        derived = self.cell.derived
        return self.cell.layout is None if derived is None else derived.parent.c_ordered

    @property
    def repeats(self) -> bool:
        """Whether elements may be in several places, as in a broadcast."""
        if any(step.op == "broadcast_to" for step in self.path):
            return True
        return self.cell.derived is not None and self.cell.derived.parent.repeats

    @property
    def dtype(self) -> np.dtype:
        return self.value.type.dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(map(wrap, self.type.shape))

    @property
    def ndim(self) -> int:
        return self.value.type.ndim

    @property
    def size(self) -> Any:
        return wrap(self.type.size)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return wrap(self.type.nbytes)

    def assign(self, value: Value) -> None:
        """Replace all elements by `value`, which has this tensor's shape and dtype."""
        if self.scalar:
            fail(errors.MutationError, "a NumPy scalar or Python number cannot be written to")
        if self.cell.origin == "captured":
            fail(
                errors.MutationError,
                "an array from outside the jitted function would be written to",
                "pass it as an argument, or write into a copy: `x = x.copy()`",
            )
        if self.cell.fixed:
            fail(
                errors.MutationError,
                f"{self.cell.fixed} would be written to",
                "take a copy in the branch or loop: y = x.copy()",
            )
        if any(step.write is None for step in self.path):
            fail(errors.MutationError, "assignment destination is read-only (a broadcast view)")
        while self.cell.derived is not None:
            self.cell.settle()
        self.cell.settle_dependents()
        bases = [self.cell.value]
        for step in self.path[:-1]:
            bases.append(step.read(bases[-1]))
        for step, base in zip(reversed(self.path), reversed(bases), strict=False):
            assert step.write is not None
            value = step.write(base, value)
        if self.cell.origin == "argument":
            value = self._stored(value)
        self.cell.write(value)

    def _stored(self, value: Value) -> Value:
        """`value` as a write into the argument's memory: also one of everything has its place among
        the nodes, some of which may fail."""
        trace = self.cell.trace
        last = trace.builder.nodes[-1] if trace.builder.nodes else None
        if last is not None and value in last.outputs and OPS[last.op].in_place is not None:
            return value
        shape = trace.shape(self.cell.value.type.shape)
        attrs = {"starts": (0,) * len(shape), "sizes": shape, "steps": (1,) * len(shape)}
        return trace.apply(
            "update", [trace.refreshed(self.cell.value), trace.refreshed(value)], attrs
        )

    def view(self, step: ViewStep) -> Tensor:
        """A view of this array; a scalar has no memory to look at, its view is a new array."""
        if self.scalar:
            return Tensor(Cell(self.value, self.cell.trace), (step,))
        return self._on(self.cell, (*self.path, step), self)

    def reshaped(self, step: ViewStep, is_view: Callable[[Decisions], bool]) -> Tensor:
        """The view `step`, or a copy in C order: whichever `is_view` says NumPy would make.

        Where that depends on more than sizes it is asked when it first makes a difference.
        """
        copy: Tensor | None = None
        if not self.scalar:
            try:
                if is_view(Decisions(self.cell.trace, guards=False)):
                    return self.view(step)
            except Undecided:
                copy = fresh_array(step.read(self.value))
                copy.cell.derived = Derived(self, step, is_view, [weakref.ref(copy)])
                self.cell.dependents.append(weakref.ref(copy.cell))
        return fresh_array(step.read(self.value)) if copy is None else copy

    @staticmethod
    def _on(cell: Cell, path: tuple[ViewStep, ...], base: Tensor) -> Tensor:
        found = Tensor(cell, path, _base=base)
        if cell.derived is not None:
            cell.derived.members.append(weakref.ref(found))
        return found

    # Methods and properties come from the tables that trace/namespace/ fills.

    def __getattr__(self, name: str) -> Any:
        method = METHODS.get(name)
        if method is not None:
            return _BoundMethod(method, self)
        prop = PROPERTIES.get(name)
        if prop is not None:
            return prop(self)
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(np.ndarray, name):
            fail(
                errors.UnsupportedError,
                f"method `{name}` of a traced array is not supported: {describe(self)}",
                OUTSIDE,
            )
        raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        key: Any = ufunc if method == "__call__" else (ufunc, method)
        function = FUNCTIONS.get(key)
        if function is None:
            what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            fail(
                errors.UnsupportedError,
                f"np.{what} is not supported inside a jitted function",
                OUTSIDE,
            )
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        implementation = FUNCTIONS.get(function)
        if implementation is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            fail(
                errors.UnsupportedError,
                f"{name} is not supported inside a jitted function",
                OUTSIDE,
            )
        return implementation(*args, **kwargs)

    # Items.

    def __getitem__(self, key: Any) -> Any:
        return METHODS["__getitem__"](self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        METHODS["__setitem__"](self, key, value)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0].__index__()

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        # One after the other: a loop may write what it has not come to yet.
        return (self[k] for k in range(len(self)))

    def __contains__(self, item: Any) -> Any:
        return bool((self == item).any())

    # Where Python needs a concrete value.

    def __bool__(self) -> bool:
        return bool(concrete(self, "a Python bool", _BOOL_HINT))

    def __int__(self) -> int:
        return int(concrete(self, "a Python int", _CAST_HINT))

    def __float__(self) -> float:
        return float(concrete(self, "a Python float", _CAST_HINT))

    def __complex__(self) -> complex:
        return complex(concrete(self, "a Python complex", _CAST_HINT))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(concrete(self, "a Python int", _INDEX_HINT))

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        fail(
            errors.ConcretizationError,
            f"a traced array {self._text()} would be turned into a concrete NumPy array",
            "use NumPy functions that tracejit supports on it, or compute this part outside",
        )

    def _text(self) -> str:
        return describe(self)

    def __repr__(self) -> str:
        return f"Tensor({self._text()})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        fail(errors.ConcretizationError, f"a traced value {self._text()} would be formatted")


OUTSIDE = "compute it outside and pass the result as an argument"
_BOOL_HINT = (
    "np.where(cond, a, b) for a choice by elements, or list the argument in static_argnames"
)
_CAST_HINT = "x.astype(...) keeps the value traced; or list the argument in static_argnames"
_INDEX_HINT = "list the argument in static_argnames"


class _BoundMethod:
    """A method of a traced array; calls the table's implementation."""

    __slots__ = ("function", "tensor")

    def __init__(self, function: Callable[..., Any], tensor: Tensor) -> None:
        self.function, self.tensor = function, tensor

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.tensor, *args, **kwargs)


def describe(tensor: Tensor) -> str:
    """`x: f8[n=3, 4]` for a message."""
    trace = current()
    type = tensor.type
    dims = ", ".join(trace.describe(d) for d in type.shape)
    if tensor.weak is not None:
        text = f"a traced Python {tensor.weak.__name__}"
    else:
        text = f"{TensorType(type.dtype)!s}"[:-2] + f"[{dims}]"
    hint = tensor.value.hint
    return f"{hint} is {text}" if hint else text


def concrete(tensor: Tensor, wanted: str, instead: str) -> Any:
    """The Python value of a 0-d tensor, if it is a Python scalar argument (then it is guarded).

    Raises ConcretizationError for every other traced value.
    """
    trace = current()
    value = tensor.value
    if value in trace.scalar_values:
        return trace.concretize_scalar(value, f"{value.hint or 'a scalar'} was needed as {wanted}")
    known = constant_of(tensor)
    if known is None:
        known = trace.derived_scalar(value, f"it was needed as {wanted}")
    if known is not None:
        return known
    if tensor.ndim:
        what = f"a traced array would be used as {wanted}: {describe(tensor)}"
    else:
        what = f"a traced value would be used as {wanted}: {describe(tensor)}"
    fail(errors.ConcretizationError, what, instead)


def constant_of(tensor: Tensor) -> Any:
    """The NumPy scalar that a 0-d tensor is when nothing traced went into it, else None."""
    if tensor.ndim or tensor.cell.trace.closed:
        return None
    return tensor.cell.trace.constant_value(tensor.value)


def from_value(value: Value, weak: type | None = None) -> Tensor:
    """A fresh temporary; a 0-d one is a NumPy scalar."""
    return Tensor(Cell(value, current(), scalar=not value.type.shape), weak=weak)


def fresh_array(value: Value) -> Tensor:
    """A fresh temporary that is an array, a 0-d one too."""
    return Tensor(Cell(value, current()))


def _escaped(cell: Cell) -> NoReturn:
    fail(
        errors.EscapedTracerError,
        f"a traced tensor {cell.value.type} is used outside the call of `{cell.trace.name}` that "
        "made it",
        "return it from the jitted function; do not keep it in a global, an attribute or a list",
    )
