"""`x.flat`: the elements in C order, read and written through to `x` however it lies in memory."""

from __future__ import annotations

import weakref
from typing import Any

from tracejit.trace import prim, views
from tracejit.trace.context import current
from tracejit.trace.namespace.index_keys import take_apart
from tracejit.trace.namespace.indexing import getitem, setitem
from tracejit.trace.namespace.selection import repeated_to
from tracejit.trace.prim import cast, lift
from tracejit.trace.registry import is_property
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor


class Flat(Tensor):
    """NumPy's `flatiter`: items are copies, and what is assigned is repeated as need be."""

    def __getitem__(self, key: Any) -> Any:
        found = getitem(_array(self), key)
        return found if found.scalar else prim.copy(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        line = _array(self)
        _, found = take_apart(line, key)
        source = cast(value, self.dtype)
        if source.ndim and len(found.shape) == 1:
            count = found.shape[0]
            values = at_most(views.reshape(source, (-1,)), count)
            source = repeated_to(values, (count,))
        setitem(line, key, source)


def _array(x: Tensor) -> Tensor:
    return _with_class(Tensor, x)


def _with_class(kind: type[Tensor], x: Tensor) -> Any:
    """The same place in memory as another kind of handle."""
    found = kind(x.cell, x.path, _base=x._base)
    if x.cell.derived is not None:
        x.cell.derived.members.append(weakref.ref(found))
    return found


def at_most(values: Tensor, count: Any) -> Tensor:
    """A 1-d array, cut where it has more than `count` elements."""
    trace, have = current(), values.type.shape[0]
    known = trace.hint(have), trace.hint(count)
    if None not in known and trace.decide(have, ">", count, "a number of values"):
        return values[: wrap(count)]
    return values


def flat_view(x: Any, what: str) -> Tensor:
    """The elements of an array in C order, as a view that writes through to it."""
    target = lift(x)
    if target.scalar:
        raise TypeError(f"{what} writes into an array, not into a number")
    return views.reshape(target, (-1,))


@is_property("flat")
def flat(x: Tensor) -> Flat:
    return _with_class(Flat, views.reshape(x, (-1,)))
