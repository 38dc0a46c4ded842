"""Control statements and choices in expressions, rewritten so that what they test may be traced.

A branch or a loop becomes a Python loop over a driver, which a hook makes. Where nothing is traced
the driver gives the one side that runs, or the steps one by one, and Python does the rest. A driver
that is `traced` gives both sides, or one step that stands for all, sees in the frame what they
assign, and hands over what the variables are before each side and behind the statement (`state`).
It may start again in another way after an error in the body.

before: if x > 0: y = a              after: .c0 = .tj.branch(x > 0, ("y",))
        else: y = b                         for .w0 in .c0:
                                                if .c0.traced: (y,) = .c0.state
                                                try:
                                                    if .w0: y = a
                                                    else: y = b
                                                except .tj.failure as .error:
                                                    if .c0.failed(.error): continue
                                                    raise
                                            if .c0.traced: (y,) = .c0.state

A loop has its steps in place of the sides; a `while` alternates between its test and its body
(the `try` is left out here):

before: while x > 0: x = f(x)        after: .c0 = .tj.while_(("x",), None)
                                            for .w0 in .c0:
                                                if .c0.traced: (x,) = .c0.state
                                                if .w0:
                                                    .c0.test(x > 0)
                                                    continue
                                                x = f(x)
                                            if .c0.traced: (x,) = .c0.state
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from tracejit.trace.bindings import (
    LOOKING_AROUND,
    Needed,
    Unsure,
    assigned,
    declared,
    own_nodes,
    own_statements,
    seen_from_inside,
)
from tracejit.trace.jumps import (
    Choice,
    Clear,
    Each,
    Inexpressible,
    Repeat,
    Undefined,
    never_traced,
    without_jumps,
)

HOOKS = ".tj"
ERROR = ".error"
LATER = ".later"
"""The parameter of the functions made here, by which their code is known."""
FRAME_SENSITIVE = LOOKING_AROUND | {"super", "globals", "breakpoint", "__import__"}
_BLOCKS: dict[type[ast.AST], int] = {
    Choice: 2, Each: 2, Repeat: 2, ast.For: 1, ast.While: 1, ast.With: 2, ast.Try: 2,
    ast.TryStar: 2,
}  # fmt: skip
"""How much of Python's limit of 20 nested blocks a statement takes."""
_MOST_BLOCKS = 12
_UNMOVABLE = (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def mangle(name: str, owner: str) -> str:
    """A private name as the compiler spells it inside class `owner`."""
    if not owner or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    stripped = owner.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


class Statements(ast.NodeTransformer):
    """`owner` is the class whose private names are in scope.

    `control` says whether control statements are rewritten: "nested", "flat" (see `without_jumps`)
    or "" for no.
    """

    def __init__(self, owner: str, control: str) -> None:
        self.owner = owner
        self.control = control
        self.temporaries = self.drivers = 0
        self.unsure: set[int] = set()
        self.globals: set[str] = set()
        self.in_class = False
        self.blocks = 0
        self.shared: dict[str, None] = {}

    def visit(self, node: ast.AST) -> Any:
        cost = _BLOCKS.get(type(node), 0)
        if self.blocks >= _MOST_BLOCKS and isinstance(node, (Choice, Each, Repeat)):
            return self.outlined(node)
        self.blocks += cost
        try:
            return super().visit(node)
        finally:
            self.blocks -= cost

    def body(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for old in statements:
            shared = self.globals.intersection(assigned([old])) if self.globals else ()
            out += _as_list(self.visit(old))
            if shared and isinstance(old, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
                name = self.text(min(shared), old)
                out.append(self.statement(self.hook("assigned_global", name, at=old), old))
        return out

    # Building blocks.

    def hook(self, name: str, *args: ast.expr, at: ast.AST) -> ast.Call:
        function = ast.Attribute(ast.Name(HOOKS, ast.Load()), name, ast.Load())
        call = ast.Call(function, list(args), [])
        for node in (function.value, function, call):
            ast.copy_location(node, at)
        # The compiler puts a method call at the end of its name, which is to be the first line.
        function.end_lineno, function.end_col_offset = call.lineno, call.col_offset
        return call

    def text(self, value: str, at: ast.AST) -> ast.Constant:
        return ast.copy_location(ast.Constant(value), at)

    def statement(self, call: ast.expr, at: ast.AST) -> ast.Expr:
        return ast.copy_location(ast.Expr(call), at)

    def value(self, node: ast.expr) -> ast.expr:
        """An operand: where it may be a concrete array from outside it is lifted."""
        raise NotImplementedError

    def later(self, body: ast.expr) -> ast.expr:
        """`body`, evaluated only when it is called."""
        return ast.copy_location(ast.Lambda(self.marked(body), body), body)

    def marked(self, at: ast.AST) -> ast.arguments:
        """The parameters of a function that is made here."""
        return ast.arguments([], [], _at(ast.arg(LATER), at), [], [], None, [])

    def movable(self, *nodes: ast.expr | None) -> bool:
        """Whether the expressions mean the same inside a lambda."""
        if not self.control or self.in_class:
            return False
        return not any(
            isinstance(n, _UNMOVABLE) or (isinstance(n, ast.Name) and n.id in FRAME_SENSITIVE)
            for node in nodes
            if node is not None
            for n in ast.walk(node)
        )

    # Functions.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args = self.visit(node.args)
        node.returns = self.visit(node.returns) if node.returns is not None else None
        node.body = self.function(node)
        node.name = mangle(node.name, self.owner)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = mangle(node.arg, self.owner)
        node.annotation = self.visit(node.annotation) if node.annotation is not None else None
        return node

    def visit_Global(self, node: Any) -> ast.stmt:
        node.names = [mangle(name, self.owner) for name in node.names]
        return node

    visit_Nonlocal = visit_Global

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        node.type = self.visit(node.type) if node.type is not None else None
        node.name = mangle(node.name, self.owner) if node.name is not None else None
        node.body = self.body(node.body)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        name = node.asname or node.name
        if mangle(name, self.owner) != name:
            node.asname = mangle(name, self.owner)
        return node

    def function(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """The new body of a function."""
        saved = self.unsure, self.globals, self.in_class, self.blocks, self.shared
        self.unsure, self.globals, self.in_class, self.blocks, self.shared = (
            set(),
            set(),
            False,
            0,
            {},
        )
        if self.control:
            self.globals = declared(node.body, ast.Global)
        try:
            body = self.body(self.structured(node) if self.control else node.body)
            if self.shared:
                # Never run: it says that these are variables of this function.
                stores: list[ast.expr] = [_store(name, body[-1]) for name in self.shared]
                none = _at(ast.Constant(None), body[-1])
                bind = _at(ast.Assign(stores, none), body[-1])
                body.append(_at(ast.If(_at(ast.Constant(False), body[-1]), [bind], []), body[-1]))
            return body
        finally:
            self.unsure, self.globals, self.in_class, self.blocks, self.shared = saved

    def outlined(self, node: Choice | Each | Repeat) -> list[ast.stmt]:
        """A statement that stands too deep, as a function of its own that is called at once."""
        names = dict.fromkeys(n for n in assigned([node]) if not n.startswith(".s"))
        for inner in own_statements([node]):
            if isinstance(inner, (Choice, Each, Repeat)):
                names.update(dict.fromkeys(inner.names))
        own = [mangle(n, self.owner) for n in names if n not in self.globals]
        self.shared.update(dict.fromkeys(own))
        body: list[ast.stmt] = [_at(ast.Nonlocal(own), node)] if own else []
        if self.globals:
            body.append(_at(ast.Global(sorted(self.globals)), node))
        saved, self.blocks = self.blocks, 0
        body += self.visit(node)
        self.blocks = saved
        self.drivers += 1
        name = f".f{self.drivers - 1}"
        function = ast.FunctionDef(name, self.marked(node), body, [])
        call = _at(ast.Call(_load(name, node), [], []), node)
        return [_at(function, node), self.statement(call, node)]

    def structured(self, node: ast.FunctionDef) -> Sequence[ast.stmt]:
        """The body of a function with its control statements ready to be rewritten."""
        control = (ast.If, ast.For, ast.While, ast.Match)
        if not any(isinstance(s, control) for s in own_statements(node.body)):
            return node.body
        own = list(own_nodes(node.body))
        if any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in own):
            return node.body
        args = node.args
        bound = {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        bound |= {a.arg for a in (args.vararg, args.kwarg) if a is not None}
        try:
            body = without_jumps(node, flat=self.control == "flat")
        except Inexpressible:
            return node.body
        names = bound.union(assigned(body))
        read, written = seen_from_inside(body)
        nonlocals = declared(body, ast.Nonlocal)
        if any(isinstance(n, ast.Name) and n.id in LOOKING_AROUND for n in own):
            read |= names
        needed = Needed(declared(body, ast.Global), read | nonlocals, written & names)
        needed.block(body, frozenset())
        handed: set[str] = set()
        for s in own_statements(body):
            if isinstance(s, (Choice, Each, Repeat)):
                handed.update(s.names)
        unsure = Unsure({n for n in handed - nonlocals if not n.startswith(".")})
        unsure.block(body, bound)
        self.unsure = unsure.found
        return body

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.bases = [self.visit(b) for b in node.bases]
        node.keywords = [self.visit(k) for k in node.keywords]
        saved = self.owner, self.in_class
        self.owner, self.in_class = node.name, True
        try:
            node.body = self.body(node.body)
        finally:
            self.owner, self.in_class = saved
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.visit(node.args)
        saved, self.in_class = self.in_class, False
        node.body = self.visit(node.body)
        self.in_class = saved
        return node

    # Control statements.

    def names(self, names: Sequence[str], at: ast.AST) -> ast.expr:
        spelled = tuple(mangle(name, self.owner) for name in names)
        return ast.copy_location(ast.Constant(spelled), at)  # type: ignore[arg-type]

    def driver(self) -> tuple[str, str]:
        """Names for a driver and for its steps."""
        self.drivers += 1
        return f".c{self.drivers - 1}", f".w{self.drivers - 1}"

    def driven(
        self,
        driver: str,
        call: ast.expr,
        step: str,
        statement: Choice | Each | Repeat,
        body: list[ast.stmt],
        at: ast.AST,
    ) -> list[ast.stmt]:
        """A driver and the loop over it, around `body`."""
        names = statement.names
        make = _at(ast.Assign([_store(driver, at)], call), at)
        inside = self.restored(driver, names, at)
        inside.append(self.guarded(driver, body, at))
        flag = getattr(statement, "flag", None)
        if flag is not None:
            broke = _method(driver, "broke", _load(flag, at), at=at)
            inside.append(_at(ast.If(broke, [_at(ast.Break(), at)], []), at))
        loop = _at(ast.For(_store(step, at), _load(driver, at), inside, []), at)
        return [make, loop, *self.restored(driver, names, at)]

    def guarded(self, driver: str, body: list[ast.stmt], at: ast.AST) -> ast.stmt:
        """`body`, after whose errors the driver may start again in another way."""
        failed = _method(driver, "failed", _load(ERROR, at), at=at)
        again = _at(ast.If(failed, [_at(ast.Continue(), at)], []), at)
        errors = _attribute(HOOKS, "failure", at)
        handler = _at(ast.ExceptHandler(errors, ERROR, [again, _at(ast.Raise(), at)]), at)
        return _at(ast.Try(body, [handler], [], []), at)

    def attempted(self, driver: str, body: list[ast.stmt], at: ast.AST) -> ast.stmt:
        """`body`; where it fails the driver may know another way, and goes on with that."""
        name = f".e{driver}"
        failed = _at(ast.Call(_attribute(driver, "failed", at), [_load(name, at)], []), at)
        test = _at(ast.UnaryOp(ast.Not(), failed), at)
        answer = _at(ast.If(test, [_at(ast.Raise(), at)], []), at)
        kind = _attribute(HOOKS, "failure", at)
        handler = _at(ast.ExceptHandler(kind, name, [answer]), at)
        return _at(ast.Try(body, [handler], [], []), at)

    def restored(self, driver: str, names: Sequence[str], at: ast.AST) -> list[ast.stmt]:
        """The variables as the driver says they are."""
        if not names:
            return []
        stores: list[ast.expr] = [_store(mangle(name, self.owner), at) for name in names]
        targets = _at(ast.Tuple(stores, ast.Store()), at)
        assign = _at(ast.Assign([targets], _attribute(driver, "state", at)), at)
        return [_at(ast.If(_attribute(driver, "traced", at), [assign], []), at)]

    def visit_Choice(self, node: Choice) -> list[ast.stmt]:
        driver, step = self.driver()
        at = node.test
        call = self.hook("branch", self.value(node.test), self.names(node.names, at), at=at)
        body, orelse = self.body(node.body), self.body(node.orelse)
        sides = [_at(ast.If(_load(step, at), body, orelse), at)]
        if node.spent:
            # What one side makes of these is not handed over, and need not go with the other.
            stores: list[ast.expr] = [_store(mangle(name, self.owner), at) for name in node.spent]
            forget = _at(ast.Assign(stores, _attribute(HOOKS, "undefined", at)), at)
            sides.append(_at(ast.If(_attribute(driver, "traced", at), [forget], []), at))
        return self.driven(driver, call, step, node, sides, at)

    def visit_Each(self, node: Each) -> list[ast.stmt]:
        driver, _ = self.driver()
        at = node.iter
        assert isinstance(node.target, ast.Name)
        flag = _at(ast.Constant(node.flag), at)
        items = self.hook("iterate", self.visit(at), at=at)
        call = self.hook("loop", items, self.names(node.names, at), flag, at=at)
        return self.driven(driver, call, node.target.id, node, self.body(node.body), at)

    def visit_Repeat(self, node: Repeat) -> list[ast.stmt]:
        driver, step = self.driver()
        at = node.test
        flag = _at(ast.Constant(node.flag), at)
        call = self.hook("while_", self.names(node.names, at), flag, at=at)
        test = self.value(node.test)
        if node.flag is not None:
            # The test comes behind the jumps of the step before: where one was made it is left out.
            clear = self.hook("clear", _load(node.flag, at), at=at)
            known = isinstance(at, ast.Constant) and at.value
            test = clear if known else self.hook("and_", clear, self.later(test), at=at)
        tell = self.statement(_method(driver, "test", test, at=at), at)
        body = [_at(ast.If(_load(step, at), [tell, _at(ast.Continue(), at)], []), at)]
        return self.driven(driver, call, step, node, body + self.body(node.body), at)

    def visit_Clear(self, node: Clear) -> ast.expr:
        return self.hook("clear", *node.flags, at=node)

    def visit_Undefined(self, node: Undefined) -> ast.expr:
        return _attribute(HOOKS, "undefined", node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        unsure = id(node) in self.unsure and isinstance(node.ctx, ast.Load)
        text = self.text(node.id, node)
        node.id = mangle(node.id, self.owner)
        return self.hook("defined", node, text, at=node) if unsure else node

    # Statements that stay Python's own, where they cannot be rewritten.

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self.value(node.test)
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        node.test = self.value(node.test)
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        node.target = self.visit(node.target)
        node.iter = self.hook("iterate", self.visit(node.iter), at=node.iter)
        node.body, node.orelse = self.body(node.body), self.body(node.orelse)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        movable = self.movable(node.msg)
        node.test = self.value(node.test)
        node.msg = self.visit(node.msg) if node.msg is not None else None
        if not movable:
            return node
        message = self.later(node.msg or _at(ast.Constant(None), node.test))
        check = self.statement(self.hook("check", node.test, message, at=node.test), node)
        # As Python does, which leaves assertions out under -O.
        return _at(ast.If(_load("__debug__", node), [check], []), node)

    def visit_Raise(self, node: ast.Raise) -> list[ast.stmt]:
        told = [self.statement(self.hook("raising", at=node), node)]
        self.generic_visit(node)
        return [*told, node] if self.control and node.exc is not None else [node]

    # Choices in expressions.

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        rewritten = self.movable(node.body, node.orelse) and not never_traced(node.test)
        node.test = self.value(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        if not rewritten:
            return node
        sides = self.later(node.body), self.later(node.orelse)
        return self.hook("ternary", node.test, *sides, at=node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        *tests, _ = node.values
        rewritten = self.movable(*node.values[1:]) and not all(map(never_traced, tests))
        first, *rest = node.values = [self.value(v) for v in node.values]
        if not rewritten:
            return node
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return self.hook(name, first, *map(self.later, rest), at=node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        rewritten = isinstance(node.op, ast.Not) and not never_traced(node.operand)
        node.operand = self.value(node.operand)
        if rewritten and self.control:
            return self.hook("not_", node.operand, at=node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            return self.generic_visit(node)  # type: ignore[return-value]
        movable = self.movable(*node.comparators)
        node.left = self.value(node.left)
        node.comparators = [self.value(c) for c in node.comparators]
        if self.control and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            negate = _at(ast.Constant(isinstance(node.ops[0], ast.NotIn)), node)
            return self.hook("contains", node.left, node.comparators[0], negate, at=node)
        if len(node.ops) == 1 or not movable:
            return node
        symbols = tuple(_COMPARISONS[type(op)] for op in node.ops)
        spelled = _at(ast.Constant(symbols), node)  # type: ignore[arg-type]
        return self.hook("chain", node.left, spelled, *map(self.later, node.comparators), at=node)


def _as_list(found: Any) -> list[ast.stmt]:
    return found if isinstance(found, list) else [found]


def _at(new: Any, old: ast.AST) -> Any:
    return ast.copy_location(new, old)


def _load(name: str, at: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def _store(name: str, at: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Store()), at)


def _method(name: str, method: str, *args: ast.expr, at: ast.AST) -> ast.expr:
    call = ast.Call(_attribute(name, method, at), list(args), [])
    return ast.copy_location(call, at)


def _attribute(name: str, attribute: str, at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Attribute(_load(name, at), attribute, ast.Load()), at)
