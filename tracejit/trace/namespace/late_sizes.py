"""Traced integers as sizes: of arrays, and as the bounds of slices and ranges.

Where the value of an integer can be known while tracing it is, as ever, a guard. What the graph
computes becomes a size that is known only at run time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.trace import prim
from tracejit.trace.context import current
from tracejit.trace.registry import is_method
from tracejit.trace.size import to_dim, wrap
from tracejit.trace.symbolic import as_symbolic
from tracejit.trace.tensor import Tensor


def is_late(x: Any) -> bool:
    """Whether `x` is a traced integer whose value the trace cannot know."""
    if not isinstance(x, Tensor) or x.ndim or x.dtype.kind not in "iu":
        return False
    try:
        x.__index__()
    except errors.ConcretizationError:
        return True
    return False


@is_method("__length__")
def length(x: Tensor, most: Any = None) -> Any:
    """A traced integer as a dimension: an int where it can be known, else a run-time size.

    It must not be negative, nor more than the size `most`.
    """
    known = as_symbolic(x)
    if known is not None:
        return wrap(known)
    if not is_late(x):
        return x.__index__()
    trace = current()
    attrs = {} if most is None else {"most": to_dim(most, "a size")}
    found = prim.call("size_of_value", prim.cast(x, np.int64), sizes=1, **attrs)
    dim = trace.canonical(found.type.shape[0])
    name = dims.symbol_name(dim)
    if most is not None and name is not None:
        trace.most[name] = attrs["most"]
    return wrap(dim)


def slice_bound(x: Any, size: Any, step: int) -> Any:
    """A bound of a slice of an axis of `size`; a traced integer is clipped to the axis as Python
    does it, so that it is a size. Backwards it could be -1, which is none."""
    if isinstance(x, Tensor):
        known = as_symbolic(x)
        if known is not None:
            return wrap(known)
    if x is None or step < 0 or not is_late(x):
        return x
    return clipped(x, size)


def clipped(x: Any, size: Any) -> Any:
    """A traced position, or one that depends on the step of a loop, clipped to an axis."""
    size = wrap(to_dim(size, "a size"))
    position = prim.cast(x, np.int64)
    wrapped = prim.select(position < 0, position + size, position)
    inside = prim.elementwise("minimum", prim.elementwise("maximum", wrapped, 0), size)
    return length(inside, size)


@is_method("__span__")
def span(first: Any, last: Any, step: int) -> Any:
    """How many numbers `range(first, last, step)` has, where one of them is late."""
    sign = 1 if step > 0 else -1
    distance = (prim.lift(last) - prim.lift(first)) * sign
    count = prim.elementwise("floor_divide", distance + (abs(step) - 1), abs(step))
    return length(prim.elementwise("maximum", count, 0))
