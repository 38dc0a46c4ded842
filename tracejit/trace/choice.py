"""The driver of a rewritten `if`: see `trace/statements.py` for what calls it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from tracejit import errors
from tracejit.trace.branches import Sides, raise_here, truth
from tracejit.trace.context import current, tracing
from tracejit.trace.protection import protected
from tracejit.trace.regions import TooDeepError
from tracejit.trace.tensor import Tensor
from tracejit.trace.variables import UNDEFINED


class _Taken:
    """A branch whose condition Python knows."""

    __slots__ = ("sides",)
    traced = False
    state = ()

    def __init__(self, holds: bool) -> None:
        self.sides = (holds,)

    def __iter__(self) -> Iterator[bool]:
        return iter(self.sides)

    def failed(self, error: BaseException) -> bool:
        return False


_KNOWN = {True: _Taken(True), False: _Taken(False)}


class Branch:
    """Runs the body of a rewritten `if` once for each side; see `trace/statements.py`."""

    def __init__(self, condition: Tensor, names: tuple[str, ...]) -> None:
        self.condition, self.names = condition, names
        self.traced = True
        self.state: tuple[Any, ...] = ()
        self.stage = 0
        self.decided: bool | None = None
        self.dead = False

    def __iter__(self) -> Branch:
        return self

    def __next__(self) -> bool:
        here = sys._getframe(1).f_locals
        self.around = here.values()
        found = {name: here.get(name, UNDEFINED) for name in self.names}
        try:
            return self._advance(found)
        except StopIteration:
            raise
        except Exception as error:
            if not self.failed(error):
                raise
            return self._plain()

    def _advance(self, found: dict[str, Any]) -> bool:
        if self.decided is not None:
            return self._plain()
        if self.stage == 0:
            self.entry = found
            self.protected = protected(self.around)
            self.sides = Sides(self.condition)
        else:
            self.sides.shut(found, self.dead)
            self.dead = False
        self.stage += 1
        if self.stage == 3:
            merged = self.sides.merged()
            self.state = tuple(merged[name] for name in self.names)
            raise StopIteration
        self.sides.open(self.protected)
        self.state = tuple(self.entry.values())
        return self.stage == 1

    def _plain(self) -> bool:
        self.stage += 1
        if self.stage == 2:
            self.traced = False
            raise StopIteration
        self.state = tuple(self.entry.values())
        return bool(self.decided)

    def failed(self, error: BaseException) -> bool:
        """Whether the branch can be taken in Python after all, by the value of an argument."""
        if self.decided is not None:
            return False
        trace = current()
        if trace.raised and not isinstance(error, errors.TracejitError):
            trace.raised = False
            raise_here(error)
            self.dead = True
            return True
        self.sides.give_up()
        if isinstance(error, TooDeepError):
            return False
        try:
            self.decided = bool(self.condition)
        except errors.TracejitError:
            return False
        self.stage = 0
        return True


def branch(test: Any, names: tuple[str, ...]) -> Any:
    """The driver of `if test:`."""
    if test is True or test is False:
        return _KNOWN[test]
    holds = truth(test) if tracing() else bool(test)
    return _KNOWN[holds] if isinstance(holds, bool) else Branch(holds, names)
