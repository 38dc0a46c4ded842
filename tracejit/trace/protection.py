"""Which containers and objects existed before a block, and may not be changed inside of it.

A list that a loop grows would be one item longer however many steps there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tracejit import errors
from tracejit.trace.context import current, fail

_DEPTH = 4
_PLAIN = (int, float, complex, bool, str, bytes, type(None))


def protected(values: Iterable[Any]) -> set[int]:
    """The ids of lists, dicts, sets and objects that `values` hold."""
    found: set[int] = set()
    level = list(values)
    for _ in range(_DEPTH):
        following: list[Any] = []
        for x in level:
            if isinstance(x, _PLAIN) or id(x) in found:
                continue
            if isinstance(x, (list, set)):
                found.add(id(x))
                following.extend(x)
            elif isinstance(x, tuple):
                following.extend(x)
            elif isinstance(x, Iterator):
                found.add(id(x))
            elif isinstance(x, dict):
                found.add(id(x))
                following.extend(x.values())
            elif type(x).__module__.partition(".")[0] not in ("tracejit", "numpy", "builtins"):
                inner = getattr(x, "__dict__", None)
                if inner is not None:
                    found.add(id(x))
                    following.extend(inner.values())
        level = following
    return found


def check_change(x: Any, what: str) -> None:
    """Raise where `x` existed before a loop or branch that is being traced."""
    for region in current().regions:
        if id(x) in region.protected:
            fail(
                errors.ControlFlowError,
                f"{what} is changed in a loop or branch that depends on traced values",
                "use arrays: make one in front of the loop, and assign its elements",
            )
