"""`match` as a chain of `if`, where its patterns only compare and bind the subject as a whole.

before: match x:                  after: .m0 = x
            case 1 | 2: a                if .m0 == 1 or .m0 == 2: a
            case y if y > 3: b           else:
                                             y = .m0
                                             if y > 3: b
"""

from __future__ import annotations

import ast
from typing import TypeVar

A = TypeVar("A", bound=ast.AST)


def as_choices(s: ast.Match, number: int) -> list[ast.stmt] | None:
    """The statements that stand for `s`; None where a pattern looks into the subject."""
    subject = f".m{number}"
    out: list[ast.stmt] = []
    for case in reversed(s.cases):
        found = _test(case.pattern, subject)
        if found is None:
            return None
        test, name = found
        if name is not None and test is not None and case.guard is not None:
            return None
        bind: list[ast.stmt] = []
        if name is not None:
            target = _at(ast.Name(name, ast.Store()), case.pattern)
            bind = [_at(ast.Assign([target], _load(subject, case.pattern)), case.pattern)]
        if test is None:
            out = bind + (
                case.body if case.guard is None else [_at(ast.If(case.guard, case.body, out), case)]
            )
        elif case.guard is not None:
            both = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), test)
            out = [_at(ast.If(both, case.body, out), case)]
        else:
            out = [_at(ast.If(test, bind + case.body, out), case)]
    return [_at(ast.Assign([_at(ast.Name(subject, ast.Store()), s.subject)], s.subject), s), *out]


def _test(pattern: ast.pattern, subject: str) -> tuple[ast.expr | None, str | None] | None:
    """The test that a pattern is (None: it always fits), and the name that it binds."""
    if isinstance(pattern, ast.MatchValue):
        load = _load(subject, pattern)
        return _at(ast.Compare(load, [ast.Eq()], [pattern.value]), pattern), None
    if isinstance(pattern, ast.MatchSingleton):
        value = _at(ast.Constant(pattern.value), pattern)
        return _at(ast.Compare(_load(subject, pattern), [ast.Is()], [value]), pattern), None
    if isinstance(pattern, ast.MatchOr):
        found = [_test(p, subject) for p in pattern.patterns]
        tests = [f[0] for f in found if f is not None and f[0] is not None and f[1] is None]
        if len(tests) != len(found):
            return None
        return _at(ast.BoolOp(ast.Or(), tests), pattern), None
    if isinstance(pattern, ast.MatchAs):
        if pattern.pattern is None:
            return None, pattern.name
        inner = _test(pattern.pattern, subject)
        return None if inner is None or inner[1] is not None else (inner[0], pattern.name)
    return None


def _load(name: str, at: ast.AST) -> ast.Name:
    return _at(ast.Name(name, ast.Load()), at)


def _at(new: A, old: ast.AST) -> A:
    """`new` at the place of `old`, which may be a `case` and have none of its own."""
    return ast.copy_location(new, old.pattern if isinstance(old, ast.match_case) else old)
