"""Views of traced tensors: reshape, transpose, broadcast, slice. Each is a tensor on the same cell.

A view is a step of a path from the cell: how to read through it, how to write through it, how its
memory lies. Shapes may hold ints and sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Value
from tracejit.trace import layout
from tracejit.trace.context import current, fail
from tracejit.trace.layout import Decisions, Strides, Undecided, contiguous, sliced
from tracejit.trace.size import Size, as_dim, to_length
from tracejit.trace.tensor import Cell, Tensor, ViewStep, describe


def apply_op(op: str, inputs: Sequence[Value], attrs: dict[str, Any] | None = None) -> Value:
    """Apply `op` with input types brought up to date with the sizes decided since."""
    trace = current()
    if trace.renamed:
        inputs = [trace.refreshed(v) for v in inputs]
    return trace.apply(op, inputs, attrs)


def apply_values(op: str, *inputs: Value, **attrs: Any) -> Value:
    """Like `apply_op`: what the functions of a `ViewStep` are made of."""
    return apply_op(op, inputs, attrs)


def shape_of(shape: Any) -> Shape:
    if isinstance(shape, (int, Size)) or as_dim(shape) is not None:
        shape = (shape,)
    return tuple(to_length(s, "a dimension") for s in shape)


def reshape(x: Tensor, shape: Any) -> Tensor:
    """`x` with another shape, one entry of which may be -1; a view, as if `x` were contiguous.

    `reshape_or_copy` copies where the strides do not allow a view, as NumPy does.
    """
    old = x.type.shape
    new = list(shape_of(shape))
    total = dims.product(old)
    if -1 in [d for d in new if isinstance(d, int)]:
        if sum(1 for d in new if d == -1) > 1:
            fail(errors.ShapeError, "only one dimension can be -1 in a reshape")
        at = new.index(-1)
        rest = dims.product([d for k, d in enumerate(new) if k != at])
        _require_divides(x, total, rest, new)
        new[at] = dims.floordiv(total, rest)
    elif not current().same(total, dims.product(new), "reshape"):
        _fail_reshape(x, new)
    target = current().shape(tuple(new))
    if target == old:
        return x

    return x.view(_reshape_step(x, target))


def _reshape_step(x: Tensor, target: Shape) -> ViewStep:
    itemsize = x.value.type.dtype.itemsize

    def read(value: Value) -> Value:
        return apply_op("reshape", [value], {"shape": target})

    def write(base: Value, value: Value) -> Value:
        return apply_op("reshape", [value], {"shape": current().shape(base.type.shape)})

    def lie(shape: Shape, strides: Strides, decisions: Decisions) -> tuple[Shape, Strides]:
        found = layout.reshaped(shape, strides, target, decisions)
        return target, contiguous(target, itemsize) if found is None else found

    return ViewStep(read, write, lie, "reshape", {"shape": target})


def reshape_or_copy(x: Tensor, shape: Any) -> Tensor:
    """NumPy's `x.reshape(shape)`: a view where the strides allow one, else a copy in C order."""
    target = reshape(Tensor(Cell(x.value, current())), shape).type.shape
    if target == x.type.shape:
        return x

    def is_view(decisions: Decisions) -> bool:
        found = layout.reshaped(*x.memory(decisions), current().shape(target), decisions)
        return found is not None

    return x.reshaped(_reshape_step(x, target), is_view)


def flat(x: Tensor) -> Tensor:
    """NumPy's `x.ravel()`: a view where the elements lie in C order without gaps, else a copy."""
    target: Shape = (current().canonical(dims.product(x.type.shape)),)
    if x.ndim == 1:
        target = x.type.shape
    itemsize = x.value.type.dtype.itemsize

    def is_view(decisions: Decisions) -> bool:
        return layout.is_contiguous(*x.memory(decisions), itemsize, decisions)

    return x.reshaped(_reshape_step(x, target), is_view)


def is_contiguous(x: Tensor) -> bool:
    """Whether the elements of `x` lie in C order without gaps; a guard where that may change."""
    if x.scalar:
        return True
    itemsize = x.value.type.dtype.itemsize

    def ask(guards: bool) -> bool:
        decisions = Decisions(current(), guards)
        return layout.is_contiguous(*x.memory(decisions), itemsize, decisions)

    return asked(ask)


def memory_order(x: Tensor) -> tuple[int, ...]:
    """The axes of `x` as they lie in memory, the outermost first; a guard where that may change."""

    def ask(guards: bool) -> tuple[int, ...]:
        decisions = Decisions(current(), guards)
        memory = x.memory(decisions)
        return layout.iteration_order(memory[0], [memory], decisions)

    found: tuple[int, ...] = asked(ask)
    return found


def asked(ask: Callable[[bool], Any]) -> Any:
    """The answer of `ask(guards)`, with guards only where it needs them."""
    try:
        return ask(False)
    except Undecided:
        return ask(True)


def _require_divides(x: Tensor, total: Dim, rest: Dim, new: Sequence[Dim]) -> None:
    trace = current()
    if rest == 0 or not trace.decide(rest, "!=", 0, "reshape"):
        _fail_reshape(x, new)
    if not trace.same(dims.mod(total, rest), 0, "reshape"):
        _fail_reshape(x, new)


def _fail_reshape(x: Tensor, new: Sequence[Dim]) -> None:
    wanted = ", ".join(current().describe(d) for d in new)
    computed = any(isinstance(d, int) and d == -1 for d in new)
    fail(
        errors.ShapeError,
        f"cannot reshape into ({wanted}), the sizes differ: {describe(x)}",
        "the product of the other dimensions must divide x.size"
        if computed
        else "use -1 for one dimension to have it computed",
    )


def transpose(x: Tensor, perm: Sequence[int]) -> Tensor:
    """Axis k of the view is axis `perm[k]` of `x`."""
    order = tuple(int(p) for p in perm)
    if order == tuple(range(x.ndim)):
        return x
    back = tuple(int(k) for k in np.argsort(order))
    return x.view(
        ViewStep(
            lambda value: apply_op("transpose", [value], {"perm": order}),
            lambda base, value: apply_op("transpose", [value], {"perm": back}),
            lambda shape, strides, decisions: (
                tuple(shape[p] for p in order),
                tuple(strides[p] for p in order),
            ),
            "transpose",
            {"perm": order},
            keeps_order=False,
        )
    )


def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """A read-only view of `x` with another shape that it broadcasts to."""
    target = shape_of(shape)
    old = x.type.shape
    if old == target:
        return x
    trace = current()
    try:
        found = trace.broadcast(old, target)
        if len(found) != len(target) or not all(
            trace.same(a, b) for a, b in zip(found, target, strict=True)
        ):
            raise ValueError
    except ValueError:
        wanted = ", ".join(trace.describe(d) for d in target)
        fail(errors.ShapeError, f"cannot broadcast {describe(x)} to ({wanted})")
    target = trace.shape(target)
    x = _aligned(x, target)
    return x.view(
        ViewStep(
            lambda value: apply_op("broadcast_to", [value], {"shape": target}),
            None,
            lambda shape, strides, decisions: (target, _broadcast_strides(shape, strides, target)),
            "broadcast_to",
            {"shape": target},
        )
    )


def _aligned(x: Tensor, target: Shape) -> Tensor:
    """`x` with dims that broadcast to `target` as they are written, not only under the guards."""
    hint = current().hint
    old = x.type.shape
    pairs = list(zip(old, target[len(target) - len(old) :], strict=True))
    if all(d in (1, t) for d, t in pairs):
        return x
    return reshape(x, tuple(1 if hint(d) == 1 != hint(t) else t for d, t in pairs))


def _broadcast_strides(shape: Shape, strides: Strides, target: Shape) -> Strides:
    hint = current().hint
    added = len(target) - len(shape)
    pairs = zip(shape, strides, target[added:], strict=True)
    return (0,) * added + tuple(0 if hint(d) == 1 != hint(t) else s for d, s, t in pairs)


def slice_(x: Tensor, starts: Sequence[Dim], sizes: Sequence[Dim], steps: Sequence[int]) -> Tensor:
    """Element k of the view along an axis is element `starts + k*steps` of `x`, within bounds."""
    attrs = {"starts": tuple(starts), "sizes": tuple(sizes), "steps": tuple(steps)}
    if all(s == 0 for s in starts) and tuple(sizes) == x.type.shape and all(s == 1 for s in steps):
        return x
    return x.view(
        ViewStep(
            lambda value: apply_op("slice", [value], attrs),
            lambda base, value: apply_op("update", [base, value], attrs),
            lambda shape, strides, decisions: (tuple(sizes), sliced(strides, steps)),
            "slice",
            attrs,
        )
    )


def read_only(x: Tensor) -> Tensor:
    """`x` as NumPy's read-only views are: on the same cell, but never written."""
    return x.view(
        ViewStep(
            lambda value: value,
            None,
            lambda shape, strides, decisions: (shape, strides),
            "read_only",
        )
    )
