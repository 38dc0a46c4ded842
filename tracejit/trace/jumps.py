"""Control statements without jumps: `return`, `break` and `continue` inside them become flags.

What runs a branch or a loop abstractly cannot leave it half-way, so a jump sets a flag, and what
stands behind it runs only where no flag is set. Mostly no flag is needed:

before: if x > 0: return a            after: if x > 0: .rv = a
        y = b                                else: y = b; .rv = y
        return y                             return .rv

before: for i in r:                   after: .brk0 = False
            if x[i] > 0: break               for .s0 in r:
            y = x[i]                             if clear(.brk0):
        else:                                        i = .s0
            y = 0                                    if x[i] > 0: .brk0 = True
                                                     else: y = x[i]
                                             if clear(.brk0): y = 0
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tracejit.trace.bindings import assigned, own_statements
from tracejit.trace.matching import as_choices

DONE, RESULT = ".done", ".rv"
_NONE: frozenset[str] = frozenset()
_UNTRACED_CALLS = frozenset({"isinstance", "issubclass", "callable", "hasattr"})


class Choice(ast.If):
    """An `if` whose test may be traced; `names` is what its sides assign.

    Nobody reads the `spent` ones among them afterwards: only the other side does.
    """

    names: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()


class Each(ast.For):
    """A `for` without jumps and without `else`; its target is the name of the step.

    `flag` is the name of what says that it was broken out of, if it can be.
    """

    names: tuple[str, ...] = ()
    flag: str | None = None


class Repeat(ast.While):
    """A `while` without jumps and without `else`."""

    names: tuple[str, ...] = ()
    flag: str | None = None


class Clear(ast.expr):
    """Whether none of these flags is set."""

    _fields = ("flags",)
    flags: list[ast.expr]


class Undefined(ast.expr):
    """What a variable holds that is not assigned."""


class Inexpressible(Exception):
    """Flags cannot say what a function does."""


def never_traced(test: ast.expr) -> bool:
    """Whether Python itself can always decide `test`."""
    if isinstance(test, ast.Compare):
        return all(isinstance(op, (ast.Is, ast.IsNot)) for op in test.ops)
    if isinstance(test, ast.BoolOp):
        return all(map(never_traced, test.values))
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not) and never_traced(test.operand)
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id in _UNTRACED_CALLS
    return isinstance(test, ast.Constant) or (
        isinstance(test, ast.Name) and test.id in ("__debug__", "TYPE_CHECKING")
    )


def always_jumps(body: Sequence[ast.stmt]) -> bool:
    """Whether what follows `body` is never reached."""
    return any(map(_jumps, body))


def _jumps(s: ast.stmt) -> bool:
    if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
        return True
    if isinstance(s, ast.If):
        return always_jumps(s.body) and always_jumps(s.orelse)
    if isinstance(s, ast.While):
        forever = isinstance(s.test, ast.Constant) and bool(s.test.value)
        return forever and "break" not in escaping(s.body, False)
    if isinstance(s, ast.Try):
        return always_jumps([*s.body, *s.orelse]) and all(always_jumps(h.body) for h in s.handlers)
    return False


def escaping(body: Sequence[ast.stmt], real: bool) -> frozenset[str]:
    """The kinds of jumps out of `body` that need flags; `real`: a `return` here needs none."""
    found: set[str] = set()
    for s in body:
        if isinstance(s, ast.Return):
            found.update(() if real else ("return",))
        elif isinstance(s, ast.Break):
            found.add("break")
        elif isinstance(s, ast.Continue):
            found.add("continue")
        elif isinstance(s, ast.If):
            inside = real and never_traced(s.test)
            found |= escaping(s.body, inside) | escaping(s.orelse, inside)
        elif isinstance(s, (ast.For, ast.While)):
            inner = escaping(s.body, False)
            found |= inner & {"return"}
            found |= escaping(s.orelse, real and not inner & {"break", "return"})
        else:
            for block in _blocks(s):
                found |= escaping(block, real)
    return frozenset(found)


def _blocks(s: ast.stmt) -> list[list[ast.stmt]]:
    """The bodies inside `with`, `try` and `match`."""
    if isinstance(s, ast.With):
        return [s.body]
    if isinstance(s, (ast.Try, ast.TryStar)):
        return [s.body, *(h.body for h in s.handlers), s.orelse, s.finalbody]
    if isinstance(s, ast.Match):
        return [case.body for case in s.cases]
    return []


@dataclass(frozen=True)
class _Place:
    """Where a block stands.

    `real`: a `return` may stay one. `tail`: what reaching the end of the block amounts to
    ("return", "step": the next turn of the loop). `loops` has the break flags of the loops around
    it, `own` the break and continue flags of the innermost loop.
    """

    real: bool
    tail: str | None = None
    loops: tuple[str, ...] = ()
    own: tuple[str, ...] = (DONE,)


def without_jumps(function: ast.FunctionDef, flat: bool = False) -> list[ast.stmt]:
    """The body of `function` with Choice, Each and Repeat for its control statements.

    `flat` guards statement by statement, where nesting them would be too deep for Python. Raises
    Inexpressible, having changed nothing.
    """
    if any(map(_is_inexpressible, own_statements(function.body))):
        raise Inexpressible
    maker = _Maker(flat)
    body = list(function.body)
    falls = not always_jumps(body)
    if falls:
        last = body[-1]
        body.append(_at(ast.Return(_at(ast.Constant(None), last)), last))
    start = int(ast.get_docstring(function, clean=False) is not None)
    first = body[min(start, len(body) - 1)]
    made, _ = maker.block(body, _Place(real=True, tail="return"))
    if falls and made[-1] is body[-1]:
        made.pop()
    setup: list[ast.stmt] = []
    if DONE in maker.used:
        setup.append(_assign(DONE, _at(ast.Constant(False), first), first))
    if RESULT in maker.used:
        setup.append(_assign(RESULT, _at(Undefined(), first), first))
    made[start:start] = setup
    lost = assigned(maker.dropped)
    if lost:
        # What is never reached makes a name local all the same.
        names: list[ast.expr] = [_at(ast.Name(name, ast.Store()), first) for name in lost]
        made.append(_at(ast.Assign(names, _at(ast.Constant(None), first)), first))
    return made


def _is_inexpressible(s: ast.stmt) -> bool:
    """A jump out of `finally`; an `else` that tells a jump from a test that assigns something."""
    if isinstance(s, (ast.Try, ast.TryStar)):
        return bool(escaping(s.finalbody, False))
    return (
        isinstance(s, ast.While)
        and bool(s.orelse)
        and any(isinstance(n, ast.NamedExpr) for n in ast.walk(s.test))
    )


def _else_behind(s: ast.stmt) -> list[ast.stmt]:
    """The `else` of a loop that nothing breaks out of stands behind it just as well."""
    if not isinstance(s, (ast.For, ast.While)) or not s.orelse:
        return [s]
    if "break" in escaping(s.body, False):
        return [s]
    otherwise, s.orelse = s.orelse, []
    return [s, *otherwise]


class _Maker:
    def __init__(self, flat: bool) -> None:
        self.flat = flat
        self.used: set[str] = set()
        self.dropped: list[ast.stmt] = []
        self.count = 0

    def block(self, body: list[ast.stmt], place: _Place) -> tuple[list[ast.stmt], frozenset[str]]:
        """The new statements, and the flags that may be set where their end is reached."""
        body = [new for old in body for new in _else_behind(old)]
        leaves = place.real and always_jumps(body)
        if leaves:
            place = replace(place, tail="return")
        out, pending = self.statements(body, place)
        if leaves and not _ends(out):
            # Whoever gets here has a result.
            self.used.add(RESULT)
            load = _at(ast.Name(RESULT, ast.Load()), body[-1])
            out.append(_at(ast.Return(load), body[-1]))
            pending = _NONE
        return out or ([_at(ast.Pass(), body[0])] if body else []), pending

    def statements(
        self, body: list[ast.stmt], place: _Place
    ) -> tuple[list[ast.stmt], frozenset[str]]:
        out: list[ast.stmt] = []
        todo = list(body)
        while todo:
            s, rest = todo[0], todo[1:]
            if isinstance(s, ast.Match):
                chain = as_choices(s, self.number())
                if chain is not None:
                    todo = chain + rest
                    continue
            elif isinstance(s, ast.If) and self.flat and _arms(s) > 3:
                todo = self.flattened(s) + rest
                continue
            if _jumps(s):
                self.dropped += rest
                rest = []
            elif isinstance(s, ast.If) and not self.flat and escaping([s], place.real):
                rest = self.move(s, rest)
            if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
                new, pending = self.jump(s, place)
            elif isinstance(s, (ast.For, ast.While)):
                new, pending, otherwise = self.loop(s, place)
                rest = otherwise + rest
            else:
                inner = place if not rest else replace(place, tail=None)
                new, pending = self.compound(s, inner)
            out += new
            if pending:
                follow = self.guarded if pending & set(place.own) else self.plain
                new, later = follow(rest, pending, place)
                return out + new, pending | later
            todo = rest
        return out, _NONE

    def plain(
        self, rest: list[ast.stmt], pending: frozenset[str], place: _Place
    ) -> tuple[list[ast.stmt], frozenset[str]]:
        return self.statements(rest, place)

    def guarded(
        self, rest: list[ast.stmt], pending: frozenset[str], place: _Place
    ) -> tuple[list[ast.stmt], frozenset[str]]:
        """`rest`, run where no flag is set."""
        if not rest:
            return [], _NONE
        size = len(rest)
        if self.flat:
            jumping = (k for k, s in enumerate(rest) if escaping([s], False))
            size = next(jumping, size) + 1
        inner = replace(place, real=False, tail=place.tail if size >= len(rest) else None)
        flags = tuple(f for f in place.own if f in pending)
        body, more = self.block(rest[:size], inner)
        out: list[ast.stmt] = [self.choice(self.clear(flags, rest[0]), body, [], rest[0])]
        if size < len(rest):
            others, last = self.guarded(rest[size:], pending | more, place)
            return out + others, more | last
        return out, more

    def jump(self, s: ast.stmt, place: _Place) -> tuple[list[ast.stmt], frozenset[str]]:
        if isinstance(s, ast.Raise) or (isinstance(s, ast.Return) and place.real):
            return [s], _NONE
        out: list[ast.stmt] = []
        if isinstance(s, ast.Return):
            self.used.add(RESULT)
            out.append(_assign(RESULT, s.value or _at(ast.Constant(None), s), s))
            if place.tail == "return":
                return out, _NONE
            flags = (DONE, *place.loops)
        elif isinstance(s, ast.Break):
            flags = place.own[:1]
        elif place.tail == "step":
            return out, _NONE
        else:
            flags = place.own[1:]
        self.used.update(flags)
        return out + [_assign(f, _at(ast.Constant(True), s), s) for f in flags], frozenset(flags)

    def move(self, s: ast.If, rest: list[ast.stmt]) -> list[ast.stmt]:
        """Put what follows `s` into the side that reaches it, where that is one side only."""
        if always_jumps(s.body):
            s.orelse = s.orelse + rest
        elif always_jumps(s.orelse):
            s.body = s.body + rest
        else:
            return rest
        return []

    def flattened(self, s: ast.If) -> list[ast.stmt]:
        """A chain of `elif` one after the other: `taken` is set by the side that runs."""
        taken = f".took{self.number()}"
        out: list[ast.stmt] = [_assign(taken, _at(ast.Constant(False), s), s)]
        while True:
            mark = _assign(taken, _at(ast.Constant(True), s), s)
            arm = _at(ast.If(s.test, [mark, *s.body], []), s)
            out.append(_at(ast.If(self.clear((taken,), s), [arm], []), s))
            if len(s.orelse) != 1 or not isinstance(s.orelse[0], ast.If):
                break
            s = s.orelse[0]
        if s.orelse:
            out.append(_at(ast.If(self.clear((taken,), s), s.orelse, []), s))
        return out

    def compound(self, s: ast.stmt, place: _Place) -> tuple[list[ast.stmt], frozenset[str]]:
        """`if`, `with`, `try` and `match`, and every simple statement."""
        if isinstance(s, ast.If):
            plain = never_traced(s.test)
            inner = place if plain else replace(place, real=False)
            body, one = self.block(s.body, inner)
            orelse, two = self.block(s.orelse, inner)
            if plain:
                return [_at(ast.If(s.test, body, orelse), s)], one | two
            return [self.choice(s.test, body, orelse, s)], one | two
        inner = replace(place, tail=None)
        if isinstance(s, ast.With):
            s.body, pending = self.block(s.body, inner)
            return [s], pending
        if isinstance(s, (ast.Try, ast.TryStar)):
            return [s], self.attempt(s, inner)
        if isinstance(s, ast.Match):
            pending = _NONE
            for case in s.cases:
                case.body, more = self.block(case.body, place)
                pending |= more
            return [s], pending
        return [s], _NONE

    def attempt(self, s: ast.Try | ast.TryStar, place: _Place) -> frozenset[str]:
        s.body, inside = self.block(s.body, place)
        pending = inside
        for handler in s.handlers:
            handler.body, more = self.block(handler.body, place)
            pending |= more
            # An exception out of an inner `finally` takes the place of a jump.
            handler.body[:0] = [
                _assign(f, _at(ast.Constant(False), handler), handler) for f in sorted(inside)
            ]
        if s.orelse:
            if inside & set(place.own):
                s.orelse, more = self.guarded(s.orelse, inside, place)
            else:
                s.orelse, more = self.block(s.orelse, place)
            pending |= more
        s.finalbody, _ = self.block(s.finalbody, replace(place, real=False))
        return pending

    def loop(
        self, s: ast.For | ast.While, place: _Place
    ) -> tuple[list[ast.stmt], frozenset[str], list[ast.stmt]]:
        """The loop, the flags that may be set behind it, and what is left of its `else`."""
        number = self.number()
        breaks = bool(escaping(s.body, False) & {"break", "return"})
        flag, skip = f".brk{number}", f".cont{number}"
        loops = (*place.loops, flag) if breaks else place.loops
        body, pending = self.block(s.body, _Place(False, "step", loops, (flag, skip)))
        breaks = flag in self.used  # Not so where the jumps are behind others.
        before: list[ast.stmt] = []
        if skip in self.used:
            before.append(_assign(skip, _at(ast.Constant(False), s), s))
        step = f".s{number}"
        test = None if isinstance(s, ast.For) else s.test
        if (
            breaks
            and test is not None
            and any(isinstance(n, ast.NamedExpr) for n in ast.walk(test))
        ):
            # Behind a jump the test would be left out, together with what it assigns.
            stop = _assign(flag, _at(ast.Constant(True), test), test)
            body = [self.choice(test, body, [stop], s)]
            test = _at(ast.Constant(True), test)
        if isinstance(s, ast.For):
            load = _at(ast.Name(step, ast.Load()), s.target)
            before.append(_at(ast.Assign([s.target], load), s.target))
        body = before + body
        out: list[ast.stmt] = []
        otherwise = s.orelse
        if breaks:
            out.append(_assign(flag, _at(ast.Constant(False), s), s))
            body = [self.choice(self.clear((flag,), s), body, [], s)]
            if otherwise:
                otherwise = [_at(ast.If(self.clear((flag,), s), otherwise, []), otherwise[0])]
        made: Each | Repeat
        if isinstance(s, ast.For):
            made = Each(_at(ast.Name(step, ast.Store()), s.target), s.iter, body, [])
        else:
            assert test is not None
            made = Repeat(test, body, [])
        made.flag = flag if breaks else None
        out.append(_at(made, s))
        return out, pending - {flag, skip}, otherwise

    def choice(
        self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt
    ) -> ast.stmt:
        return _at(Choice(test, body, orelse), at)

    def clear(self, flags: tuple[str, ...], at: ast.AST) -> ast.expr:
        made = Clear()
        made.flags = [_at(ast.Name(flag, ast.Load()), at) for flag in flags]
        return _at(made, at)

    def number(self) -> int:
        self.count += 1
        return self.count - 1


A = TypeVar("A", bound=ast.AST)


def _at(new: A, old: ast.AST) -> A:
    return ast.copy_location(new, old)


def _assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    return _at(ast.Assign([_at(ast.Name(name, ast.Store()), at)], value), at)


def _ends(body: list[ast.stmt]) -> bool:
    """Whether a block that has been made ends with a real `return` or `raise` on every way."""
    last = body[-1] if body else None
    if isinstance(last, (ast.Return, ast.Raise)):
        return True
    if isinstance(last, ast.Try):
        return _ends([*last.body, *last.orelse]) and all(_ends(h.body) for h in last.handlers)
    return (
        isinstance(last, ast.If)
        and not isinstance(last, Choice)
        and _ends(last.body)
        and _ends(last.orelse)
    )


def _arms(s: ast.If) -> int:
    count = 1
    while len(s.orelse) == 1 and isinstance(s.orelse[0], ast.If):
        s = s.orelse[0]
        count += 1
    return count
