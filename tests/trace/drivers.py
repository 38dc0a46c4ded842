"""Drivers of control statements for tests of the rewriting: the plain one, and one that rehearses.

`Plain` does what Python does. `Rehearsing` goes the way of a traced driver with concrete values: it
runs both sides of every branch and one more step of every loop, from what the variables were, and
hands over only the variables that the statement names. `speculating` tells the program under test
when what it does does not count.
"""

import operator
import sys

from tracejit.trace.hooks import _HOOKS

COMPARE = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "is": operator.is_, "is not": operator.is_not,
    "in": lambda a, b: a in b, "not in": lambda a, b: a not in b,
}  # fmt: skip


class Undefined:
    def __repr__(self):
        return "<undefined>"


UNDEFINED = Undefined()


class PlainDriver:
    traced = False
    state = ()

    def __init__(self, steps):
        self.steps = steps

    def __iter__(self):
        return iter(self.steps)

    def broke(self, flag):
        return flag

    def failed(self, error):
        return False


class PlainWhile(PlainDriver):
    def __init__(self):
        self.asking, self.truth = False, True

    def __iter__(self):
        return self

    def __next__(self):
        if not self.truth:
            raise StopIteration
        self.asking = not self.asking
        return self.asking

    def test(self, truth):
        self.truth = bool(truth)


class Plain(type(_HOOKS)):
    undefined, failure = UNDEFINED, Exception
    speculating = False

    def branch(self, test, names):
        return PlainDriver((bool(test),))

    def loop(self, items, names, flag):
        return PlainDriver(items)

    def while_(self, names, flag):
        return PlainWhile()

    def ternary(self, test, a, b):
        return a() if test else b()

    def and_(self, value, *rest):
        for later in rest:
            if not value:
                return value
            value = later()
        return value

    def or_(self, value, *rest):
        for later in rest:
            if value:
                return value
            value = later()
        return value

    def not_(self, x):
        return not x

    def chain(self, left, symbols, *rest):
        for symbol, later in zip(symbols, rest, strict=True):
            right = later()
            found = COMPARE[symbol](left, right)
            if not found:
                return found
            left = right
        return found

    def contains(self, x, y, negate):
        return x not in y if negate else x in y

    def clear(self, *flags):
        return not any(flags)

    def check(self, test, message):
        if not test:
            text = message()
            raise AssertionError(*([] if text is None else [text]))

    def raising(self):
        pass

    def assigned_global(self, name):
        pass

    def defined(self, x, name):
        if isinstance(x, Undefined):
            if self.speculating:
                return 0
            raise UnboundLocalError(name)
        return x


class Rehearsal:
    traced = True

    def __init__(self, hooks, names):
        self.hooks, self.names = hooks, names
        self.outer = hooks.speculating
        self.todo = None

    def __iter__(self):
        return self

    def failed(self, error):
        self.hooks.speculating = self.outer
        return False

    def look(self, frame):
        held = frame.f_locals
        return tuple(held.get(name, UNDEFINED) for name in self.names)

    def __next__(self):
        frame = sys._getframe(1)
        if self.todo is None:
            self.todo = self.script()
            next(self.todo)
        try:
            return self.todo.send(self.look(frame))
        except StopIteration:
            self.hooks.speculating = self.outer
            raise StopIteration from None


class RehearsedBranch(Rehearsal):
    def __init__(self, hooks, test, names):
        super().__init__(hooks, names)
        self.truth = bool(test)

    def script(self):
        start = yield
        hooks = self.hooks
        hooks.count += 1
        order = (True, False) if hooks.count % 2 else (False, True)
        ends = {}
        for side in order:
            hooks.speculating = self.outer or side != self.truth
            self.state = start
            ends[side] = yield side
        self.state = ends[self.truth]


def other_than(x):
    return x + 3 if type(x) is int else x


class RehearsedLoop(Rehearsal):
    def __init__(self, hooks, items, names, flag):
        super().__init__(hooks, names)
        self.items, self.flag, self.stop = items, flag, False

    def script(self):
        start = yield
        hooks = self.hooks
        items = list(self.items)
        hooks.speculating = True
        if items:
            self.state = tuple(map(other_than, start))
            yield items[-1]
        hooks.speculating = self.outer
        self.state, self.stop = start, False
        for x in items:
            self.state = yield x
            if self.stop:
                break

    def broke(self, flag):
        self.stop = bool(flag)
        return False


class RehearsedWhile(Rehearsal):
    def __init__(self, hooks, names, flag):
        super().__init__(hooks, names)
        self.stop = self.truth = False

    def script(self):
        hooks = self.hooks
        self.state = start = yield
        rehearsed = False
        while True:
            self.state = yield True
            if not self.truth or self.stop:
                return
            if not rehearsed:
                rehearsed, start = True, self.state
                hooks.speculating = True
                self.state = tuple(map(other_than, start))
                yield False
                hooks.speculating = self.outer
                self.state, self.stop = start, False
            self.state = yield False

    def test(self, truth):
        self.truth = bool(truth)

    def broke(self, flag):
        self.stop = bool(flag)
        return False


class Rehearsing(Plain):
    def __init__(self):
        self.count = 0

    def branch(self, test, names):
        return RehearsedBranch(self, test, names)

    def loop(self, items, names, flag):
        return RehearsedLoop(self, items, names, flag)

    def while_(self, names, flag):
        return RehearsedWhile(self, names, flag)
