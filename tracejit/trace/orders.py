"""How new arrays lie in memory: NumPy lays results out like the operands (K order)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Value
from tracejit.trace.context import Trace, current
from tracejit.trace.layout import (
    Decisions,
    Order,
    Perm,
    Strides,
    Undecided,
    is_contiguous,
    iteration_order,
    sorted_order,
)
from tracejit.trace.tensor import Tensor, from_value


def param_strides(trace: Trace, number: int, array: np.ndarray, dense: bool = False) -> Strides:
    """The byte strides of parameter `number` as symbols that have the values of `array`.

    With `dense` elements of the last axis are known to be adjacent.
    """
    found: list[Dim] = []
    for axis, stride in enumerate(array.strides):
        found.append(trace.new_symbol(dims.stride_symbol(number, axis), stride))
    if dense:
        found[-1] = array.itemsize
    return tuple(found)


def laid_out_like(value: Value, operands: Sequence[Tensor], repeated: bool = False) -> Tensor:
    """A fresh result of an elementwise function, in memory as NumPy lays it out: K order.

    With `repeated`, axes along which elements repeat have a say, as in `np.concatenate`.
    """
    result = from_value(value)
    rank = len(value.type.shape)
    matter = [t for t in operands if len(t.value.type.shape) > 1]
    if rank > 1 and not all(t.c_ordered and not (repeated and t.repeats) for t in matter):

        def find(decisions: Decisions) -> Perm:
            shape = current().shape(value.type.shape)
            operands = [t.memory(decisions) for t in matter]
            return iteration_order(shape, operands, decisions, repeated)

        result.cell.layout = fresh_order(find)
    return result


def fresh_order(find: Callable[[Decisions], Perm]) -> Order | None:
    """The layout that `find` gives, now where it needs no guard."""
    order = Order(find)
    try:
        perm = order.find(Decisions(current(), guards=False))
    except Undecided:
        return order
    return None if perm == tuple(range(len(perm))) else order


def with_order(fresh: Tensor, like: Tensor, order: str) -> Tensor:
    """`fresh`, an array of its own, laid out in `order`: C, F, or A or K as `like` is."""
    rank = fresh.ndim
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    if rank < 2 or order == "C" or like.scalar:
        fresh.cell.layout = None
    elif order == "F":
        fresh.cell.layout = Order(lambda decisions: tuple(reversed(range(rank))))
    elif order == "A":
        itemsize = like.dtype.itemsize

        def first(decisions: Decisions) -> Perm:
            shape, strides = like.memory(decisions)
            columns = shape[::-1], strides[::-1]
            if is_contiguous(shape, strides, itemsize, decisions):
                return tuple(range(rank))
            if is_contiguous(*columns, itemsize, decisions):
                return tuple(reversed(range(rank)))
            return tuple(range(rank))

        fresh.cell.layout = fresh_order(first)
    elif not (like.c_ordered and not like.repeats):
        fresh.cell.layout = fresh_order(
            lambda decisions: sorted_order(*like.memory(decisions), decisions)
        )
    return fresh
