"""What the variables of a function are: where they are assigned, still needed, and surely assigned.

A control statement hands over only the variables that somebody reads afterwards or on another way
through it: what one side of a branch or one step of a loop makes for itself may be anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LATE = (*_SCOPES, ast.GeneratorExp)
_NONE: frozenset[str] = frozenset()
LOOKING_AROUND = frozenset({"locals", "vars", "dir", "eval", "exec"})
"""Functions that see every variable of their caller."""


def assigned(nodes: Iterable[ast.AST]) -> list[str]:
    """The names that statements and expressions bind or unbind, in order."""
    found: dict[str, None] = {}
    for node in nodes:
        _bind(node, found)
    return list(found)


def _bind(node: ast.AST, found: dict[str, None]) -> None:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            found[node.id] = None
        return
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        found[node.name] = None
        return
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.comprehension):
        _bind(node.iter, found)
        for test in node.ifs:
            _bind(test, found)
        return
    if isinstance(node, ast.alias):
        found[node.asname or node.name.partition(".")[0]] = None
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        if node.name is not None:
            found[node.name] = None
    elif isinstance(node, ast.MatchMapping) and node.rest is not None:
        found[node.rest] = None
    for child in ast.iter_child_nodes(node):
        _bind(child, found)


def loaded(node: ast.AST) -> set[str]:
    """The names that are read anywhere in `node`, later calls of functions in it included."""
    return {
        n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }  # fmt: skip


def own_nodes(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Everything inside a function but what belongs to functions and classes in it."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, _SCOPES):
            todo += ast.iter_child_nodes(node)


def own_statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements of a function, those of the functions and classes in it left out."""
    for s in body:
        yield s
        if isinstance(s, _SCOPES):
            continue
        for inner in ("body", "orelse", "finalbody"):
            yield from own_statements(getattr(s, inner, ()))
        for part in (*getattr(s, "handlers", ()), *getattr(s, "cases", ())):
            yield from own_statements(part.body)


def declared(body: Sequence[ast.stmt], kind: type[ast.Global] | type[ast.Nonlocal]) -> set[str]:
    """The names that a function declares to be global or nonlocal."""
    return {name for s in own_statements(body) if isinstance(s, kind) for name in s.names}


def seen_from_inside(body: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
    """The names that functions defined in `body` read at any time, and those that they assign."""
    read: set[str] = set()
    written: set[str] = set()
    for s in body:
        for node in ast.walk(s):
            if isinstance(node, _LATE):
                read |= loaded(node)
            elif isinstance(node, ast.Nonlocal):
                written.update(node.names)
    return read | written, written


class Needed:
    """Goes backwards through a function and fills in the `names` of its control statements.

    `Choice`, `Each` and `Repeat` are told by their `names`; `aside` are names that are not the
    function's own, `always` names that may be read at any time, `written` names that any call may
    assign.
    """

    def __init__(self, aside: set[str], always: set[str], written: set[str]) -> None:
        self.aside, self.written = aside, written
        self.always: frozenset[str] = frozenset(always)
        self.exposed: dict[int, frozenset[str]] = {}
        self.read: dict[int, set[str]] = {}
        self.bound: dict[int, list[str]] = {}

    def loaded(self, node: ast.AST) -> set[str]:
        """As `loaded`, which need not look twice."""
        found = self.read.get(id(node))
        if found is None:
            found = self.read[id(node)] = loaded(node)
        return found

    def assigned(self, s: ast.stmt) -> list[str]:
        """As `assigned` of one statement, which need not look twice."""
        found = self.bound.get(id(s))
        if found is None:
            if isinstance(s, (ast.If, ast.For, ast.While)):
                head = [s.iter, s.target] if isinstance(s, ast.For) else [s.test]
                names = dict.fromkeys(assigned(head))
                for inner in (*s.body, *s.orelse):
                    names.update(dict.fromkeys(self.assigned(inner)))
                found = list(names)
            else:
                found = assigned([s])
            self.bound[id(s)] = found
        return found

    def block(self, body: Sequence[ast.stmt], after: frozenset[str]) -> frozenset[str]:
        """The names needed before `body`, of which `after` are needed behind it."""
        for s in reversed(body):
            after = self.statement(s, after | self.always)
        return after | self.always

    def statement(self, s: ast.stmt, after: frozenset[str]) -> frozenset[str]:
        if isinstance(s, ast.If):
            one, two = self.block(s.body, after), self.block(s.orelse, after)
            self.name(s, after | one | two, after | self.always)
            return one | two | self.loaded(s.test)
        if isinstance(s, (ast.For, ast.While)):
            return self.loop(s, after)
        if isinstance(s, ast.With):
            inside = self.within(after, s.body, after)
            stored = set(assigned(i.optional_vars for i in s.items if i.optional_vars is not None))
            return (inside - stored).union(*map(self.loaded, s.items))
        if isinstance(s, (ast.Try, ast.TryStar)):
            return self.attempt(s, after)
        if isinstance(s, ast.Match):
            found = after.union(*(self.block(case.body, after) for case in s.cases))
            return found.union(
                self.loaded(s.subject), *(self.loaded(c.guard) for c in s.cases if c.guard)
            )
        if isinstance(s, (ast.Return, ast.Raise)):
            return self.always | self.loaded(s)
        stored = set()
        if isinstance(s, (ast.Assign, ast.AnnAssign)) and s.value is not None:
            targets = s.targets if isinstance(s, ast.Assign) else [s.target]
            stored = set(assigned(targets))
        elif isinstance(s, (ast.AugAssign, ast.Delete)):
            stored = set(assigned(s.targets if isinstance(s, ast.Delete) else [s.target]))
            return after | self.loaded(s) | stored
        return (after - stored) | self.loaded(s)

    def loop(self, s: ast.For | ast.While, after: frozenset[str]) -> frozenset[str]:
        first = self.loaded(s.test) if isinstance(s, ast.While) else self.loaded(s.target)
        if flag := getattr(s, "flag", None):
            first = first | {flag}
        if id(s) not in self.exposed:
            self.exposed[id(s)] = self.block(s.body, frozenset(first))
        head = after | self.exposed[id(s)] | first
        self.block(s.body, head)
        self.name(s, head, head)
        return head | (self.loaded(s.iter) if isinstance(s, ast.For) else _NONE)

    def attempt(self, s: ast.Try | ast.TryStar, after: frozenset[str]) -> frozenset[str]:
        final = self.block(s.finalbody, after)
        caught = final.union(*(self.within(final, h.body, final) for h in s.handlers))
        caught = caught.union(*(self.loaded(h.type) for h in s.handlers if h.type is not None))
        ended = self.within(final, s.orelse, final)
        return self.within(caught, s.body, ended) | caught

    def within(
        self, always: frozenset[str], body: Sequence[ast.stmt], after: frozenset[str]
    ) -> frozenset[str]:
        """As `block`, where an exception may lead to a place that needs `always`."""
        saved, self.always = self.always, self.always | always
        try:
            return self.block(body, after)
        finally:
            self.always = saved

    def name(self, s: Any, needed: frozenset[str], after: frozenset[str]) -> None:
        if not hasattr(s, "names"):
            return
        inside = [name for name in self.assigned(s) if not name.startswith(".s")]
        inside += [name for name in sorted(self.written) if name not in inside]
        s.names = tuple(n for n in inside if n in needed and n not in self.aside)
        s.spent = tuple(n for n in s.names if n not in after)


class Unsure:
    """Goes forwards through a function and collects the reading of names that may be unassigned.

    `names` are those that control statements hand over; `found` has the id of each `Name` node.
    """

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.found: set[int] = set()

    def block(self, body: Sequence[ast.stmt], bound: set[str] | None) -> set[str] | None:
        """The names that are surely assigned behind `body`; None where it never ends."""
        for s in body:
            if bound is None:
                return None
            bound = self.statement(s, set(bound))
        return bound

    def read(self, node: ast.AST | None, bound: set[str]) -> None:
        if node is None:
            return
        unsure = self.names - bound
        for n in ast.walk(node):
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id in unsure:
                self.found.add(id(n))
        bound.update(assigned([node]))

    def statement(self, s: ast.stmt, bound: set[str]) -> set[str] | None:
        if isinstance(s, ast.If):
            self.read(s.test, bound)
            return _either(self.block(s.body, bound), self.block(s.orelse, bound))
        if isinstance(s, ast.For):
            self.read(s.iter, bound)
            self.block(s.body, bound)
            return bound
        if isinstance(s, ast.While):
            self.read(s.test, bound)
            inside = self.block(s.body, bound)
            forever = isinstance(s.test, ast.Constant) and bool(s.test.value)
            if forever and getattr(s, "flag", None) and isinstance(s.body[0], ast.If):
                # The first step has no break behind it.
                inside = self.block(s.body[0].body, bound)
            return (inside or bound) if forever else bound
        if isinstance(s, ast.With):
            for item in s.items:
                self.read(item, bound)
            return self.block(s.body, bound)
        if isinstance(s, (ast.Try, ast.TryStar)):
            ends = [self.block([*s.body, *s.orelse], bound)]
            for handler in s.handlers:
                self.read(handler.type, bound)
                ends.append(self.block(handler.body, bound | {handler.name or ""}))
            self.block(s.finalbody, bound)
            end = None
            for other in ends:
                end = _either(end, other)
            return end
        if isinstance(s, ast.Match):
            self.read(s.subject, bound)
            for case in s.cases:
                inside = set(bound)
                self.read(case.pattern, inside)
                self.read(case.guard, inside)
                self.block(case.body, inside)
            return bound
        if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return bound | {s.name}
        if isinstance(s, ast.Delete):
            self.read(s, bound)
            return bound - set(assigned([s]))
        if isinstance(s, ast.AugAssign) and isinstance(s.target, ast.Name):
            self.found.update({id(s.target)} if s.target.id in self.names - bound else ())
        if isinstance(s, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            self.read(s.value, bound)
        self.read(s, bound)
        if isinstance(s, ast.AnnAssign) and s.value is None and isinstance(s.target, ast.Name):
            return bound - {s.target.id}
        return None if isinstance(s, (ast.Return, ast.Raise)) else bound


def _either(one: set[str] | None, two: set[str] | None) -> set[str] | None:
    if one is None or two is None:
        return two if one is None else one
    return one & two
