"""Loops and branches whose bodies are functions: what `fori_loop`, `scan` and `ifelse` stand on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace import prim
from tracejit.trace.branches import choose as branch
from tracejit.trace.branches import truth
from tracejit.trace.context import current
from tracejit.trace.loops import Body
from tracejit.trace.registry import METHODS
from tracejit.trace.size import Size, to_dim
from tracejit.trace.symbolic import as_symbolic
from tracejit.trace.tensor import Tensor

__all__ = ["branch", "counted"]

_STATE = "the state"


def counted(count: Any, init: Any, body: Callable[[Any, Any], Any], *, test: bool = False) -> Any:
    """The state after `state = body(k, state)` for `k` from 0 up to `count`.

    `init` is a number, an array or a container of them; `count` an int, a size, a traced int, or
    None where only the body says when to stop. With `test` the body returns the state and whether
    to go on, and `init` is such a pair too.
    """
    state, first = init if test else (init, True)
    first = truth(first)
    if first is False:
        return state
    loop = Body({_STATE: state}, None if count is None else _steps(count), first)
    while True:
        try:
            inside = loop.start()
            found = body(loop.index, inside[_STATE])
            new, go = found if test else (found, None)
            behind = loop.finish({_STATE: new}, go)
        except BaseException:
            loop.give_up()
            raise
        if behind is not None:
            return behind[_STATE]


def _steps(count: Any) -> Dim:
    """The number of steps; none where it is negative."""
    dim = as_symbolic(count) if isinstance(count, (Tensor, Size)) else operator.index(count)
    if dim is None:
        found = METHODS["__length__"](prim.elementwise("maximum", count, 0))
        return to_dim(found, "a number of steps")
    trace = current()
    dim = trace.canonical(dim)
    return dim if trace.provable(dim, ">=", 0) else dims.maximum(dim, 0)
