"""What a traced function returns, as NumPy would give it: arrays, scalars, arguments and views.

Results that share memory in NumPy do so here. A view of an argument is a view of the caller's
array; results that are views of one temporary are views of one hidden result, its owner.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.dims import Dim, sym
from tracejit.ir.graph import ResultView, Value, ViewMemory, free_symbols_of
from tracejit.trace import prim, views
from tracejit.trace.captures import Provenance
from tracejit.trace.context import Trace, current, fail
from tracejit.trace.generators import is_generator
from tracejit.trace.layout import Decisions, Order, Strides, reshaped
from tracejit.trace.pytree import LEAF, TreeDef, flatten, is_container
from tracejit.trace.size import Size, as_dim
from tracejit.trace.tensor import Cell, Tensor, ViewStep
from tracejit.trace.variables import Undefined


@dataclass(frozen=True, slots=True)
class Output:
    """What one leaf of the result is.

    `array`: result number `index`; `scalar`: the same as a NumPy scalar; `python`: as a Python
    number of type `value`; `param`: parameter number `index`, the very object that came in;
    `view`: view number `index` of the graph; `constant`: `value`.
    """

    kind: str
    index: int = 0
    value: Any = None


class Outputs:
    """The results of a trace, collected: `leaves` by `tree`, SSA `results` and `views` of them."""

    def __init__(
        self, trace: Trace, provenance: Provenance, tensors: Sequence[Tensor], result: Any
    ) -> None:
        self.trace = trace
        self.provenance = provenance
        self.results: list[Value] = []
        self.views: list[ResultView] = []
        self._numbers: dict[Any, int] = {}
        self._arguments = {id(t): k for k, t in reversed(list(enumerate(tensors)))}
        self._cells = {id(t.cell): k for k, t in reversed(list(enumerate(tensors)))}
        found: list[Any] = []
        provenance.read_whole(result)
        self.tree = flatten(result, "result", found, _classify)
        found = [prim.lift(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in found]
        self._held = found
        self._members = self._settle(found)
        self.leaves = [self._leaf(leaf) for leaf in found]
        self.view_sizes = self._sizes_of_views()

    def _settle(self, leaves: Sequence[Any]) -> dict[Cell, set[int]]:
        """The tensors (by identity) among the results on each cell, views told from copies."""
        arrays = [x for x in leaves if isinstance(x, Tensor) and not x.scalar]
        roots = [_root(x.cell) for x in arrays]
        sharing: dict[Cell, set[int]] = {}
        for x, root in zip(arrays, roots, strict=True):
            sharing.setdefault(root, set()).add(id(x))
        for x, root in zip(arrays, roots, strict=True):
            if root.origin != "temporary" or len(sharing[root]) > 1 or _is_guarded(x):
                while x.cell.derived is not None:
                    x.cell.settle()
        members: dict[Cell, set[int]] = {}
        for x in arrays:
            members.setdefault(x.cell, set()).add(id(x))
        return members

    def _add(self, value: Value, key: Any) -> int:
        """The number of a result; the same for the same key."""
        if key not in self._numbers:
            self._numbers[key] = len(self.results)
            self.results.append(value)
        return self._numbers[key]

    def _leaf(self, leaf: Any) -> Output:
        if isinstance(leaf, Size):
            dim = as_dim(leaf)
            assert dim is not None
            return Output("python", self._add(self.trace.builder.size(dim), dim), int)
        if is_generator(leaf):
            return Output("param", self._arguments[id(leaf)])
        if not isinstance(leaf, Tensor):
            _check_constant(leaf)
            return Output("constant", value=leaf)
        if not leaf.path and leaf.cell.origin != "temporary":
            return Output("param", self._param(leaf))
        if leaf.weak is not None:
            return Output("python", self._add(leaf.value, (leaf.value, "weak")), leaf.weak)
        if leaf.scalar:
            return Output("scalar", self._add(leaf.value, (leaf.value, "scalar")))
        return self._array(leaf)

    def _param(self, leaf: Tensor) -> int:
        number = self._arguments.get(id(leaf), self._cells.get(id(leaf.cell)))
        return self.trace.root.params.index(leaf.cell.value) if number is None else number

    def _array(self, leaf: Tensor) -> Output:
        cell = leaf.cell
        if not all(step.op and step.layout is not None for step in leaf.path):
            return self._copy(leaf)
        if cell.origin != "temporary":
            return self._view(leaf, "param", self._param(leaf), ())
        if len(self._members.get(cell, ())) > 1 or _is_guarded(leaf):
            value = cell.value
            steps: tuple[Any, ...] = ()
            if isinstance(cell.layout, Order):
                perm = cell.layout.find(Decisions(self.trace, guards=True))
                value = views.apply_values("transpose", value, perm=perm)
                back = tuple(int(k) for k in np.argsort(perm))
                steps = (("transpose", {"perm": back}),)
            number = self._add(value, id(cell))
            if not steps and not leaf.path:
                return Output("array", number)
            return self._view(leaf, "result", number, steps)
        return Output("array", self._add(leaf.value, id(leaf)))

    def _copy(self, leaf: Tensor) -> Output:
        self.provenance.note("a result that NumPy gives as a view is a copy")
        return Output("array", self._add(leaf.value, id(leaf)))

    def _view(self, leaf: Tensor, kind: str, of: int, steps: tuple[Any, ...]) -> Output:
        key = ("view", id(leaf))
        if key not in self._numbers:
            try:
                memory = _memory(leaf)
            except _NoView:
                return self._copy(leaf)
            self._numbers[key] = len(self.views)
            found = (*steps, *(self._step(step) for step in leaf.path))
            self.views.append(ResultView(kind, of, found, memory))
        return Output("view", self._numbers[key])

    def _step(self, step: ViewStep) -> tuple[str, dict[str, Any]]:
        attrs = dict(step.attrs)
        if step.indices:
            attrs["indices"] = tuple(self._add(v, (v, "index")) for v in step.indices)
        return step.op, attrs

    def _sizes_of_views(self) -> tuple[tuple[str, int], ...]:
        """Sizes of views that are known only at run time: further results."""
        settled = self.settled_views()
        names = {
            name
            for view in settled
            for _, attrs in view.steps
            for attr in attrs.values()
            for name in free_symbols_of(attr)
            if name in self.trace.run_time
        }
        size = self.trace.builder.size
        return tuple((name, self._add(size(sym(name)), ("size", name))) for name in sorted(names))

    def settled_views(self) -> tuple[ResultView, ...]:
        """The views with every decision on sizes put in."""
        settled = self.trace.settled
        found = []
        for view in self.views:
            steps = tuple(
                (op, {k: settled(v) for k, v in attrs.items()}) for op, attrs in view.steps
            )
            memory = view.memory
            if memory is not None:
                memory = replace(
                    memory,
                    shape=settled(memory.shape),
                    strides=settled(memory.strides),
                    offset=settled(memory.offset),
                )
            found.append(ResultView(view.kind, view.of, steps, memory))
        return tuple(found)


def _memory(leaf: Tensor) -> ViewMemory | None:
    """Where a view lies in its cell; None where that depends on traced values.

    Raises _NoView for one that its strides do not allow, such as `x.flat`.
    """

    def ask(guards: bool) -> ViewMemory:
        decisions = Decisions(current(), guards)
        shape, strides = Tensor(leaf.cell).memory(decisions)
        offset: Dim = 0
        for step in leaf.path:
            assert step.layout is not None
            if step.op == "reshape":
                target = decisions.trace.shape(step.attrs["shape"])
                if reshaped(shape, strides, target, decisions) is None:
                    raise _NoView
            offset = offset + _offset(step, strides, leaf.itemsize)
            shape, strides = step.layout(shape, strides, decisions)
            shape, strides = decisions.trace.shape(shape), decisions.trace.shape(strides)
        writeable = all(step.write is not None for step in leaf.path)
        return ViewMemory(leaf.dtype, shape, strides, offset, writeable)

    found: ViewMemory = views.asked(ask)
    return None if any(step.indices for step in leaf.path) else found


class _NoView(Exception):
    pass


def _offset(step: ViewStep, strides: Strides, itemsize: int) -> Dim:
    """How far in memory a view begins behind its base."""
    if step.op == "slice":
        starts = step.attrs["starts"]
        total: Dim = 0
        for start, stride in zip(starts, strides, strict=True):
            total = total + stride * start
        return total
    if step.op == "diagonal":
        offset = step.attrs["offset"]
        axis = step.attrs["axis2" if offset > 0 else "axis1"]
        found: Dim = strides[axis] * abs(offset)
        return found
    return itemsize if step.op == "imag" else 0


def _root(cell: Cell) -> Cell:
    while cell.derived is not None:
        cell = cell.derived.parent.cell
    return cell


def _is_guarded(x: Tensor) -> bool:
    """Whether `x`, if it is a view, is a read-only one."""
    if any(step.write is None for step in x.path):
        return True
    return x.cell.derived is not None and _is_guarded(x.cell.derived.parent)


def _classify(value: Any, path: str) -> TreeDef | None:
    return None if is_container(value) and not isinstance(value, Tensor) else LEAF


def _check_constant(leaf: Any) -> None:
    """Traced values inside an object that nothing takes apart would escape."""
    if isinstance(leaf, Undefined):
        fail(
            errors.ControlFlowError,
            f"what is returned may have no value: {leaf.why}",
            "give the variable a value in front of the branch or loop, of one shape in all steps",
        )
    held = vars(leaf) if hasattr(leaf, "__dict__") and not isinstance(leaf, type) else {}
    items = list(leaf) if isinstance(leaf, (set, tuple, list)) else []
    items += list(leaf.values()) if isinstance(leaf, dict) else []
    if isinstance(leaf, types.GeneratorType) or prim.any_traced(items) or prim.any_traced(held):
        fail(
            errors.UnsupportedError,
            f"the result has a {type(leaf).__name__} with traced values in it",
            "return arrays, numbers, or tuples, lists, dicts, namedtuples and dataclasses of them",
        )
