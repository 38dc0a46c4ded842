"""What rewritten control flow calls: the drivers of statements, and the operators of conditions.

Where nothing traced is involved each does exactly what Python does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim
from tracejit.trace.after import AfterLoop
from tracejit.trace.branches import choose, require, truth
from tracejit.trace.choice import branch
from tracejit.trace.context import current, fail, tracing, user_loc
from tracejit.trace.registry import FUNCTIONS
from tracejit.trace.repeat import loop, negated, while_
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor
from tracejit.trace.variables import UNDEFINED, Maybe, Undefined

__all__ = [
    "FAILURE", "and_", "assigned_global", "branch", "chain", "check", "clear", "contains",
    "defined", "loop", "not_", "or_", "raising", "ternary", "undefined", "while_",
]  # fmt: skip

undefined = UNDEFINED

FAILURE = Exception
"""What a body may raise that a driver has an answer to."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne, "is": operator.is_, "is not": operator.is_not,
}  # fmt: skip

Later = Callable[[], Any]


def ternary(test: Any, then: Later, otherwise: Later) -> Any:
    """`then() if test else otherwise()`."""
    return choose(test, then, otherwise)


def and_(first: Any, *rest: Later) -> Any:
    """`first and ...`: the first operand that is false, else the last."""
    if not rest:
        return first
    holds = _truth(first)
    if isinstance(holds, bool):
        return and_(rest[0](), *rest[1:]) if holds else first
    return choose(holds, lambda: and_(rest[0](), *rest[1:]), lambda: first)


def or_(first: Any, *rest: Later) -> Any:
    """`first or ...`: the first operand that is true, else the last."""
    if not rest:
        return first
    holds = _truth(first)
    if isinstance(holds, bool):
        return first if holds else or_(rest[0](), *rest[1:])
    return choose(holds, lambda: first, lambda: or_(rest[0](), *rest[1:]))


def not_(x: Any) -> Any:
    """`not x`."""
    return negated(x) if _is_traced(x) else not x


def _truth(x: Any) -> Any:
    return truth(x) if tracing() and _is_traced(x) else bool(x)


def _is_traced(x: Any) -> bool:
    return isinstance(x, (Tensor, Size))


def chain(first: Any, symbols: tuple[str, ...], *rest: Later) -> Any:
    """`first < rest[0]() <= ...`."""
    second = rest[0]()
    if symbols[0] in ("in", "not in"):
        found = contains(first, second, symbols[0] == "not in")
    else:
        found = _COMPARE[symbols[0]](first, second)
    if len(rest) == 1:
        return found
    return and_(found, lambda: chain(second, symbols[1:], *rest[1:]))


def contains(item: Any, container: Any, negate: bool) -> Any:
    """`item in container`, or `not in`."""
    found: Any
    if _is_traced(container) or (tracing() and prim.any_traced((item, container))):
        found = _contains(item, container)
    else:
        found = item in container
    return not_(found) if negate else found


def _contains(item: Any, container: Any) -> Any:
    if isinstance(container, Tensor):
        return FUNCTIONS[np.any](container == item)
    if isinstance(container, dict):
        container = list(container)
    if not isinstance(container, (tuple, list, set, frozenset, range)):
        return item in container
    if isinstance(container, range) and _is_traced(item):
        inside = (item - container.start) * (1 if container.step > 0 else -1)
        steps = abs(container.step)
        end = len(container) * steps
        return and_(inside >= 0, lambda: inside < end, lambda: inside % steps == 0)
    found: Any = False
    for other in container:
        found = or_(found, lambda other=other: item == other)  # type: ignore[misc]
    return found


def clear(*flags: Any) -> Any:
    """Whether none of the flags is set."""
    found: Any = True
    for flag in flags:
        if flag is True:
            return False
        if flag is not False:
            found = and_(found, lambda flag=flag: not_(flag))  # type: ignore[misc]
    return found


def defined(x: Any, name: str) -> Any:
    """A variable that may have no value here."""
    if type(x) is AfterLoop:
        x = x.settled()
    if type(x) is Maybe:
        what = f"cannot access local variable '{name}' where it is not associated with a value"
        text = str(errors.TraceError(f"{what}: {x.why}", loc=user_loc()))
        require(x.flag, UnboundLocalError(text))
        return x.value
    if isinstance(x, Undefined):
        if not tracing() or x is UNDEFINED:
            raise UnboundLocalError(
                f"cannot access local variable '{name}' where it is not associated with a value"
            )
        fail(
            errors.ControlFlowError,
            f"`{name}` may have no value here: {x.why}",
            f"give `{name}` a value in front of it",
        )
    return x


def raising() -> None:
    """In front of a `raise`: in a branch it happens at run time, where that side is taken."""
    if tracing() and current().regions:
        current().raised = True


def assigned_global(name: str) -> None:
    """Behind an assignment to a global variable."""
    if tracing() and current().regions:
        fail(
            errors.ControlFlowError,
            f"the global `{name}` is assigned in a branch or loop that depends on traced values",
            "return the value, and assign it in the caller",
        )


def check(test: Any, message: Later) -> None:
    """`assert test, message()`."""
    if _is_traced(test) and tracing():
        test = truth(test)
    if isinstance(test, Tensor):
        text = message()
        require(test, AssertionError(text) if text is not None else AssertionError())
    elif not test:
        text = message()
        raise AssertionError(text) if text is not None else AssertionError
