"""The drivers of rewritten `for` and `while`: see `trace/statements.py` for what calls them.

A driver decides whether Python repeats the body or the body becomes a loop of the graph. For the
latter it runs the body on stand-ins, once or several times. Where that does not work, because the
body indexes a Python list or grows one, say, it starts again and lets Python repeat it, as long as
that does not make too many nodes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from tracejit import errors
from tracejit.config import config
from tracejit.ir import dims
from tracejit.trace import prim
from tracejit.trace.branches import Sides, truth
from tracejit.trace.context import current, tracing, user_loc
from tracejit.trace.iteration import Source, source_of
from tracejit.trace.loops import Body, Rotation
from tracejit.trace.protection import protected
from tracejit.trace.regions import TooDeepError
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor
from tracejit.trace.variables import UNDEFINED

Locals = dict[str, Any]


class Driver:
    """What both kinds of loop share. `names` are the variables that the body may assign.

    `flag` is the name of the variable that says that the loop was left, if it can be.
    """

    traced = False

    def __init__(self, names: tuple[str, ...], flag: str | None) -> None:
        self.names, self.flag = names, flag
        self.state: tuple[Any, ...] = ()
        self.body: Body | None = None
        self.restarting = False
        self.unrolled_from = -1
        self.reason: BaseException | None = None
        self.loc = user_loc() if tracing() else None

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        here = sys._getframe(1).f_locals
        self.around = list(here.values())
        found = {name: here.get(name, UNDEFINED) for name in self.names}
        try:
            return self._advance(found)
        except StopIteration:
            raise
        except Exception as error:
            if not self.failed(error):
                raise
            return self._restart()

    def _advance(self, here: Locals) -> Any:
        raise NotImplementedError

    def _restart(self) -> Any:
        raise NotImplementedError

    def _give(self, values: Locals) -> None:
        """Have the function's variables set to these at the next step."""
        self.traced = True
        self.state = tuple(values[name] for name in self.names)

    def broke(self, flag: Any) -> bool:
        """Whether Python leaves the loop."""
        return not self.traced and not isinstance(flag, Tensor) and bool(flag)

    def _clear(self, values: Locals) -> Locals:
        """At the start of a step the loop was not left, and nothing was returned."""
        return {**values, **{n: False for n in values if n.startswith(".") and n in self._flags}}

    @property
    def _flags(self) -> frozenset[str]:
        return frozenset() if self.flag is None else frozenset((self.flag,))

    def _protect(self) -> None:
        assert self.body is not None and self.body.region is not None
        self.body.region.protected = protected(self.around)

    # Falling back to Python.

    def failed(self, error: BaseException) -> bool:
        """Whether the loop can be repeated by Python after all."""
        if self.body is None:
            return False
        current().raised = False
        self.body.give_up()
        if not isinstance(error, Exception) or isinstance(error, TooDeepError):
            return False
        # What the body says of a variable without a value is not what is wrong with it.
        found = self.body.changed or error
        if not self._can_unroll(found):
            if found is not error:
                raise found from None
            return False
        self.reason = found
        self.restarting = True
        return True

    def _can_unroll(self, error: Exception) -> bool:
        raise NotImplementedError

    def _unroll(self) -> None:
        trace = current()
        self.body = None
        self.unrolled_from = len(trace.builder.nodes)
        what = getattr(self.reason, "what", None) or str(self.reason) or repr(self.reason)
        if trace.provenance is not None and self.loc is not None:
            first = str(what).splitlines()[0]
            trace.provenance.note(f"the loop at {self.loc} is repeated by Python: {first}")

    def _check_limit(self) -> None:
        """A graph must not grow with the number of steps beyond what was allowed."""
        if self.unrolled_from < 0 or not tracing():
            return
        nodes = len(current().builder.nodes) - self.unrolled_from
        if nodes > config.unroll_limit:
            cause = getattr(self.reason, "what", None) or str(self.reason or "")
            why = f", because as a loop it cannot be traced:\n{cause}" if cause else ""
            raise errors.UnrollError(
                f"a loop that Python repeats has made {nodes} operations, more than "
                f"config.unroll_limit={config.unroll_limit}{why}",
                loc=self.loc,
                instead="use arrays rather than Python lists in the body, or raise the limit: "
                "tracejit.config.unroll_limit",
            )


class ForLoop(Driver):
    """`for` over a source; `turn` counts the bodies in one step where arrays take turns."""

    def __init__(
        self, items: Any, source: Source, names: tuple[str, ...], flag: str | None
    ) -> None:
        super().__init__(names, flag)
        self.items, self.source = items, source
        self.plain: Iterator[Any] | None = None
        self.turns, self.turn = 1, 0
        self.rest: Sides | None = None
        self.stage = "start"

    def _advance(self, here: Locals) -> Any:
        if self.plain is not None:
            return self._next_plain()
        if self.stage == "start":
            self.entry = here
            self.stage = "body"
            return self._begin()
        if self.restarting:
            return self._restart()
        if self.stage == "rest":
            return self._end_rest(here)
        self.turn += 1
        if self.turn < self.turns:
            self._give(here)
            return self._item(self.turn)
        return self._end(here)

    def _begin(self) -> Any:
        count = self.source.count
        steps = count if self.turns == 1 else dims.floordiv(count, self.turns)
        if self.body is None or self.body.count != steps:
            first = True
            self.body = Body(self._clear(self.entry), steps, first)
        return self._pass()

    def _pass(self) -> Any:
        assert self.body is not None
        self.turn = 0
        inside = self.body.start()
        self._protect()
        self._give(self._clear(inside))
        return self._item(0)

    def _item(self, turn: int) -> Any:
        assert self.body is not None
        return self.source.item(self.body.index * self.turns + turn)

    def _end(self, here: Locals) -> Any:
        assert self.body is not None
        go = None
        if self.flag is not None:
            left = here[self.flag]
            if left is not False:
                go = negated(left)
            here = {**here, self.flag: left}
        try:
            behind = self.body.finish(here, go)
        except Rotation:
            self.body.give_up()
            if self.turns > 1 or self.flag is not None:
                raise
            self.turns = 2
            return self._begin()
        if behind is None:
            return self._pass()
        if self.turns > 1:
            return self._begin_rest(behind)
        self._give(behind)
        raise StopIteration

    # One more step, where an odd number of them are done two by two.

    def _begin_rest(self, behind: Locals) -> Any:
        trace = current()
        odd = dims.mod(self.source.count, self.turns)
        known = trace.hint(odd) if isinstance(odd, int) else None
        if known == 0:
            self._give(behind)
            raise StopIteration
        self.stage = "rest"
        self._give(behind)
        self.before_rest = behind
        if known is None:
            self.rest = Sides(prim.lift(wrap(odd)) != 0)
            self.rest.open()
        last: Any = wrap(self.source.count - 1)
        if trace.is_run_time(self.source.count):
            # A size would be an index for certain, and there may be no step.
            last = prim.lift(last)
        return self.source.item(last)

    def _end_rest(self, here: Locals) -> Any:
        if self.rest is not None:
            self.rest.shut(here)
            self.rest.open()
            self.rest.shut(self.before_rest)
            here = self.rest.merged()
        self._give(here)
        raise StopIteration

    # Repeated by Python.

    def _can_unroll(self, error: Exception) -> bool:
        count = self.source.count
        return isinstance(count, int) or current().hint(count) is not None

    def _restart(self) -> Any:
        self.restarting = False
        self._unroll()
        self.plain = iter(self.items)
        try:
            found = next(self.plain)
        except StopIteration:
            self._give(self.entry)
            raise
        self._give(self.entry)
        return found

    def _next_plain(self) -> Any:
        self.traced = False
        assert self.plain is not None
        self._check_limit()
        return next(self.plain)


class WhileLoop(Driver):
    """`while`: yields True to have the test evaluated, False to have the body run."""

    def __init__(self, names: tuple[str, ...], flag: str | None) -> None:
        super().__init__(names, flag)
        self.stage = "first test"
        self.tested: Any = None
        self.plain = not tracing()

    def test(self, value: Any) -> None:
        """What the test gave."""
        self.tested = bool(value) if self.plain and not tracing() else truth(value)

    def _advance(self, here: Locals) -> bool:
        if self.plain:
            return self._next_plain()
        if self.restarting:
            return self._restart()
        if self.stage == "first test":
            self.stage = "tested"
            return True
        if self.stage == "tested":
            self.entry = here  # The test may assign variables too.
            if self.tested is False:
                raise StopIteration
            self.stage = "body"
            self.first = self.tested
            self.body = Body(self._clear(self.entry), None, self.first)
            return self._pass()
        if self.stage == "body":
            return self._next_test(here)
        return self._end(here)

    def _pass(self) -> bool:
        assert self.body is not None
        self.stage = "body"
        inside = self.body.start()
        self._protect()
        self._give(self._clear(inside))
        return False

    def _next_test(self, here: Locals) -> bool:
        """Have the test evaluated for the next step, unless the loop was left."""
        self._give(here)
        self.stage = "test"
        if self.flag is not None and here[self.flag] is True:
            self.tested = False
            return self._end(here)
        return True

    def _end(self, here: Locals) -> bool:
        """The test says nothing of a loop that was left: what was rewritten asks for that too."""
        assert self.body is not None
        go = self.tested
        if go is True and self.flag is not None and isinstance(here[self.flag], Tensor):
            go = negated(here[self.flag])
        if go is True:
            raise errors.ControlFlowError(
                "a `while` goes on by what Python knows, not by a traced condition", loc=self.loc
            )
        behind = self.body.finish(here, go)
        if behind is None:
            return self._pass()
        self._give(behind)
        raise StopIteration

    # Repeated by Python.

    def _can_unroll(self, error: Exception) -> bool:
        return self.first is True

    def _restart(self) -> bool:
        self.restarting = False
        self._unroll()
        self.plain = True
        self.stage = "run"
        self._give(self.entry)
        return False

    def _next_plain(self) -> bool:
        self.traced = False
        if self.stage == "test":
            if isinstance(self.tested, Tensor):
                try:
                    self.tested = bool(self.tested)  # The value that an argument has, if it is one.
                except errors.ConcretizationError as error:
                    raise self.reason or error from None
            if not self.tested:
                raise StopIteration
            self.stage = "run"
            return False
        self._check_limit()
        self.stage = "test"
        return True


def negated(flag: Any) -> Any:
    """`not flag` of a bool or a traced one."""
    found = truth(flag)
    return prim.elementwise("logical_not", found) if isinstance(found, Tensor) else not found


class _Plain:
    """A loop that Python runs: everything but traced ranges and arrays."""

    __slots__ = ("driver", "items")
    traced = False
    state = ()

    def __init__(self, items: Iterator[Any], driver: Driver | None) -> None:
        self.items, self.driver = items, driver

    def __iter__(self) -> _Plain:
        return self

    def __next__(self) -> Any:
        if self.driver is not None:
            self.driver._check_limit()
        return next(self.items)

    def broke(self, flag: Any) -> bool:
        return not isinstance(flag, Tensor) and bool(flag)

    def failed(self, error: BaseException) -> bool:
        return False


def loop(items: Any, names: tuple[str, ...], flag: str | None) -> Any:
    """The driver of `for ... in items:`."""
    if not tracing():
        return _Plain(iter(items), None)
    source = source_of(items)
    count = None if source is None else source.count
    if source is None or (isinstance(count, int) and count <= config.unroll):
        driver = Driver(names, flag)
        driver.unrolled_from = len(current().builder.nodes)
        return _Plain(iter(items), driver)
    return ForLoop(items, source, names, flag)


def while_(names: tuple[str, ...], flag: str | None) -> WhileLoop:
    """The driver of `while`."""
    return WhileLoop(names, flag)
