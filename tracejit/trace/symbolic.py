"""Python ints that are sizes: a number of steps that is an argument is a symbol, not a constant.

What is computed from arguments and sizes alone by whole-number arithmetic is a dim, as a size is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, ScalarGuard, Value
from tracejit.trace.context import Trace, current, user_loc
from tracejit.trace.size import Size, to_dim
from tracejit.trace.tensor import Tensor


def as_symbolic(x: Any) -> Dim | None:
    """The dim that an int is: a size, or a Python int argument, or what they give in arithmetic.

    None for a value that only data tells.
    """
    if isinstance(x, Size):
        return to_dim(x, "a size")
    if isinstance(x, Tensor):
        if x.ndim or x.dtype.kind not in "iu":
            return None
        return _dim_of(current(), x.value)
    return operator.index(x)


_ARITHMETIC: dict[str, Callable[[Dim, Dim], Dim]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "maximum": dims.maximum,
    "minimum": dims.minimum,
}


def _dim_of(trace: Trace, value: Value) -> Dim | None:
    table: dict[Value, Node] | None = None
    pending = 32

    def find(value: Value) -> Dim | None:
        nonlocal table, pending
        pending -= 1
        value = trace.aliases.get(value, value)
        if value in trace.scalar_values:
            return _scalar_size(trace, value)
        known = trace.root.constants.get(value)
        if known is not None:
            return int(known)
        if pending < 0 or value.type.shape:
            return None
        if table is None:
            builders = [trace.root, *(region.builder for region in trace.regions)]
            table = {v: node for b in builders for node in b.nodes for v in node.outputs}
        node = table.get(value)
        if node is None:
            return None
        if node.op == "size":
            found: Dim = node.attrs["dim"]
            return trace.canonical(found)
        if node.op == "negative":
            inner = find(node.inputs[0])
            return None if inner is None else -inner
        if node.op == "cast" and node.inputs[0].type.dtype.kind in "iu":
            return find(node.inputs[0])
        if node.op in _ARITHMETIC or node.op in ("floor_divide", "remainder"):
            left, right = map(find, node.inputs)
            if left is None or right is None:
                return None
            if node.op in _ARITHMETIC:
                return _ARITHMETIC[node.op](left, right)
            known = not (trace.is_local(right) or trace.is_run_time(right))
            if known and trace.decide(right, ">", 0, "a divisor"):
                return (dims.floordiv if node.op == "floor_divide" else dims.mod)(left, right)
        return None

    return find(value)


def _scalar_size(trace: Trace, value: Value) -> Dim | None:
    """The size symbol that a Python int argument is; None for a negative one."""
    known = trace.scalar_values[value]
    if isinstance(known, bool) or not isinstance(known, int) or known < 0:
        return None
    for name, other in trace.scalar_sizes.items():
        if other is value:
            return trace.canonical(dims.sym(name))
    name = re.sub(r"\W+", "_", value.hint).strip("_") or "number"
    while name in trace.hints:
        name += "_"
    trace.scalar_sizes[name] = value
    number = trace.root.params.index(value)
    trace.root.guards.append(
        ScalarGuard(number, ">=", 0, user_loc(), f"{value.hint} is a number of steps")
    )
    return trace.new_symbol(name, known)
