"""Rewriting the source of a function: what Python does with traced values goes through hooks.

`captured(fn)` is a function with the code of `fn` in which calls, subscripts, attribute loads and
stores, augmented assignments and operands go through the functions of `trace/hooks.py`. It has the
same globals and closure cells, the same filename and line numbers. The hooks come in as one more
closure cell, under a name that no Python program can spell.

before: y[1:] += np.exp(a) * b
after:  .tj.augment_item("+=", y, .tj.slice(1, None, None),
                         .tj.value(.tj.call(.tj.attr(np, "exp"), a)) * .tj.value(b))
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterator, Sequence
from typing import Any

from tracejit.trace.jumps import Clear
from tracejit.trace.locate import NoSource, definition
from tracejit.trace.statements import FRAME_SENSITIVE, HOOKS, LATER, Statements, mangle

_FACTORY, _FUNCTION = ".factory", ".function"
_FUTURE_FLAGS = 0x1FE0000
_rewritten: dict[tuple[types.CodeType, str, bool], types.CodeType | str] = {}
_made: dict[int, types.CodeType] = {}


def captured(fn: types.FunctionType, hooks: Any) -> types.FunctionType | None:
    """`fn` with its code rewritten; None where no source is to be had (see `why_not`)."""
    code = fn.__code__
    if is_rewritten(code):
        return fn
    new = _rewrite_cached(code, hasattr(hooks, "branch"))
    if isinstance(new, str):
        return None
    cells = dict(zip(code.co_freevars, fn.__closure__ or (), strict=True))
    cells[HOOKS] = types.CellType(hooks)
    made = types.FunctionType(
        new,
        fn.__globals__,
        fn.__name__,
        fn.__defaults__,
        tuple(cells[name] for name in new.co_freevars),
    )
    made.__kwdefaults__ = fn.__kwdefaults__
    made.__qualname__, made.__module__, made.__doc__ = fn.__qualname__, fn.__module__, fn.__doc__
    return made


def is_rewritten(code: types.CodeType) -> bool:
    """Whether `code` comes out of this file (functions defined inside rewritten ones do too)."""
    return id(code) in _made


def why_not(fn: types.FunctionType) -> str:
    """Why `captured` gives None for `fn`."""
    found = _rewrite_cached(fn.__code__, True)
    return found if isinstance(found, str) else ""


def _rewrite_cached(code: types.CodeType, control: bool) -> types.CodeType | str:
    key = (code, code.co_filename, control)
    found = _rewritten.get(key)
    if found is None:
        try:
            found = _rewrite(code, control)
        except NoSource as error:
            found = str(error)
        _rewritten[key] = found
    return found


def _rewrite(code: types.CodeType, control: bool) -> types.CodeType:
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise NoSource("it is a coroutine")
    made = None
    for how in ("nested", "flat", "") if control else ("",):
        node = definition(code)
        _check_same(code, node)
        try:
            made = _compiled(code, node, how)
            break
        except (SyntaxError, RecursionError):
            if not how:
                raise
            # Python does not nest statements deeper than some twenty levels.
    assert made is not None
    extra = set(made.co_freevars) - set(code.co_freevars) - {HOOKS}
    if extra:
        raise NoSource(f"its source has changed: {', '.join(sorted(extra))}")
    made = _named(made, code.co_name, code.co_qualname)
    _remember(made)
    return made


def _compiled(
    code: types.CodeType, node: ast.FunctionDef | ast.Lambda, control: str
) -> types.CodeType:
    _strip(node)
    rewriter = _Rewriter(_class_name(code), control)
    rewriter.visit(node.args)
    if isinstance(node, ast.FunctionDef):
        node.body = rewriter.function(node)
        node.name = _FUNCTION  # A global of its own name is not hidden.
    else:
        node.body = rewriter.visit(node.body)
    module = _factory(node, (*code.co_freevars, HOOKS))
    ast.fix_missing_locations(module)
    flags = code.co_flags & _FUTURE_FLAGS
    whole = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    name = _FUNCTION if isinstance(node, ast.FunctionDef) else code.co_name
    return _nested(_nested(whole, _FACTORY), name)


def _named(code: types.CodeType, name: str, qualname: str) -> types.CodeType:
    """`code` with a name; functions that rewriting has made have the name of theirs."""
    consts = []
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            made_here = const.co_varnames[:1] == (LATER,)
            names = (name, qualname) if made_here else (const.co_name, const.co_qualname)
            const = _named(const, *names)
        consts.append(const)
    return code.replace(co_name=name, co_qualname=qualname, co_consts=tuple(consts))


def _remember(code: types.CodeType) -> None:
    _made[id(code)] = code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            _remember(const)


def _nested(code: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


def _factory(node: ast.FunctionDef | ast.Lambda, free: Sequence[str]) -> ast.Module:
    """A function around `node` whose parameters are the names that are free in it."""
    inner: ast.stmt = node if isinstance(node, ast.FunctionDef) else ast.Expr(node)
    arguments = ast.arguments(
        posonlyargs=[],
        args=[ast.arg(name) for name in free],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )
    factory = ast.FunctionDef(_FACTORY, arguments, [inner], [], lineno=1, col_offset=0)
    return ast.Module([factory], [])


def _strip(node: ast.FunctionDef | ast.Lambda) -> None:
    """Take off what belongs to the place of definition: decorators, defaults, annotations."""
    args = node.args
    args.defaults, args.kw_defaults = [], [None] * len(args.kwonlyargs)
    for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if arg is not None:
            arg.annotation = None
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
    # Defaults only say how many arguments may be left out, which the function object knows.


def _check_same(code: types.CodeType, node: ast.FunctionDef | ast.Lambda) -> None:
    args = node.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    names += [a.arg for a in (args.vararg, args.kwarg) if a is not None]
    owner = _class_name(code)
    if tuple(mangle(n, owner) for n in names) != code.co_varnames[: len(names)]:
        raise NoSource("its source has changed since it was imported")


def _class_name(code: types.CodeType) -> str:
    """The class whose body the function stands in, for private names; '' if there is none."""
    parts = code.co_qualname.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else ""


# Rewriting.

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/=", ast.FloorDiv: "//=", ast.Mod: "%=",
    ast.Pow: "**=", ast.MatMult: "@=", ast.BitAnd: "&=", ast.BitOr: "|=", ast.BitXor: "^=",
    ast.LShift: "<<=", ast.RShift: ">>=",
}  # fmt: skip


_OPERANDS = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.JoinedStr, Clear)


class _Rewriter(Statements):
    """What is no control statement."""

    def value(self, node: ast.expr) -> ast.expr:
        """An operand: where it may be a concrete array from outside it is lifted."""
        new = self.visit(node)
        if isinstance(node, _OPERANDS):
            return new
        return self.hook("value", new, at=node)

    def temporary(self, at: ast.AST) -> tuple[ast.Name, ast.Name]:
        """A fresh local name, to store to and to load from."""
        name = f".t{self.temporaries}"
        self.temporaries += 1
        store = ast.copy_location(ast.Name(name, ast.Store()), at)
        return store, ast.copy_location(ast.Name(name, ast.Load()), at)

    def unpacked(self, old: ast.expr, new: ast.expr) -> ast.expr:
        """A value that is taken apart, unless it is spelled out item by item."""
        return new if isinstance(old, (ast.Tuple, ast.List)) else self.hook("iterate", new, at=old)

    # Expressions.

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        new = self.visit(node.value)
        node.value = self.unpacked(node.value, new) if isinstance(node.ctx, ast.Load) else new
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        new = self.visit(node.value)
        node.value = new if node.arg is not None else self.hook("iterate", new, at=node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        for k, (key, old) in enumerate(zip(node.keys, node.values, strict=True)):
            new = self.visit(old)
            node.keys[k] = self.visit(key) if key is not None else None
            node.values[k] = new if key is not None else self.hook("iterate", new, at=old)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in FRAME_SENSITIVE:
            return self.generic_visit(node)  # type: ignore[return-value]
        call = self.hook("call", self.visit(node.func), at=node)
        call.args += [self.visit(a) for a in node.args]
        call.keywords = [self.visit(k) for k in node.keywords]
        return call

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = self.visit(node.value)
        name = mangle(node.attr, self.owner)
        if isinstance(node.ctx, ast.Load):
            return self.hook("attr", value, self.text(name, node), at=node)
        return ast.copy_location(ast.Attribute(value, name, node.ctx), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            return self.hook("item", self.visit(node.value), self.index(node.slice), at=node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def index(self, node: ast.expr) -> ast.expr:
        """A subscript as a value: slices become slice objects."""
        if isinstance(node, ast.Slice):
            none = lambda: ast.copy_location(ast.Constant(None), node)
            parts = [
                self.visit(p) if p is not None else none()
                for p in (node.lower, node.upper, node.step)
            ]
            return self.hook("slice", *parts, at=node)
        if isinstance(node, ast.Tuple):
            items = [self.index(e) for e in node.elts]
            return ast.copy_location(ast.Tuple(items, ast.Load()), node)
        return self.visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node.left, node.right = self.value(node.left), self.value(node.right)
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        node.value = self.hook("text", self.visit(node.value), at=node.value)
        if node.format_spec is not None:
            node.format_spec = self.visit(node.format_spec)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        node.target = self.visit(node.target)
        node.iter = self.hook("iterate", self.visit(node.iter), at=node.iter)
        node.ifs = [self.value(test) for test in node.ifs]
        return node

    # Statements.

    def visit_Assign(self, node: ast.Assign) -> Any:
        value = self.visit(node.value)
        if any(isinstance(t, (ast.Tuple, ast.List)) for t in node.targets):
            value = self.unpacked(node.value, value)
        if all(_plain(t) for t in node.targets):
            node.value = value
            node.targets = [self.visit(t) for t in node.targets]
            return node
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Subscript, ast.Attribute)):
            return self.store(node.targets[0], value)
        store, load = self.temporary(node)
        out: list[ast.stmt] = [ast.copy_location(ast.Assign([store], value), node)]
        for target in node.targets:
            out += self.assign(target, load)
        return out

    def assign(self, target: ast.expr, value: ast.expr) -> Iterator[ast.stmt]:
        """`target = value` as statements whose stores into items and attributes are hooks."""
        if isinstance(target, (ast.Subscript, ast.Attribute)):
            yield self.store(target, value)
        elif isinstance(target, (ast.Tuple, ast.List)) and not _plain(target):
            names: list[ast.expr] = []
            rest: list[tuple[ast.expr, ast.Name]] = []
            for item in target.elts:
                store, load = self.temporary(item)
                if isinstance(item, ast.Starred):
                    names.append(ast.copy_location(ast.Starred(store, ast.Store()), item))
                    rest.append((item.value, load))
                else:
                    names.append(store)
                    rest.append((item, load))
            unpack = ast.copy_location(ast.Tuple(names, ast.Store()), target)
            yield ast.copy_location(ast.Assign([unpack], value), target)
            for item, load in rest:
                yield from self.assign(item, load)
        else:
            yield ast.copy_location(ast.Assign([self.visit(target)], value), target)

    def store(self, target: ast.Subscript | ast.Attribute, value: ast.expr) -> ast.stmt:
        base = self.visit(target.value)
        if isinstance(target, ast.Subscript):
            call = self.hook("set_item", value, base, self.index(target.slice), at=target)
        else:
            name = self.text(mangle(target.attr, self.owner), target)
            call = self.hook("set_attr", value, base, name, at=target)
        return self.statement(call, target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if isinstance(node.target, ast.Name) and not self.in_class:
            # Annotations of variables are not evaluated, and get in the way of `nonlocal`.
            none = ast.copy_location(ast.Constant(None), node)
            value = self.visit(node.value) if node.value is not None else none
            new = ast.copy_location(ast.Assign([self.visit(node.target)], value), node)
            if node.value is not None:
                return new
            never = ast.copy_location(ast.Constant(False), node)
            return ast.copy_location(ast.If(never, [new], []), node)
        if node.value is None or isinstance(node.target, ast.Name):
            node.value = self.visit(node.value) if node.value is not None else None
            node.target = self.visit(node.target)
            return node
        return self.store(node.target, self.visit(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        symbol = self.text(_OPERATORS[type(node.op)], node)
        value = self.visit(node.value)
        target = node.target
        if isinstance(target, ast.Name):
            name = mangle(target.id, self.owner)
            load: ast.expr = ast.copy_location(ast.Name(name, ast.Load()), target)
            if id(target) in self.unsure:
                load = self.hook("defined", load, self.text(target.id, target), at=target)
            store = ast.copy_location(ast.Name(name, ast.Store()), target)
            call = self.hook("augment", symbol, load, value, at=node)
            return ast.copy_location(ast.Assign([store], call), node)
        base = self.visit(target.value)
        if isinstance(target, ast.Subscript):
            call = self.hook("augment_item", symbol, base, self.index(target.slice), value, at=node)
        else:
            attribute = self.text(mangle(target.attr, self.owner), target)
            call = self.hook("augment_attr", symbol, base, attribute, value, at=node)
        return self.statement(call, node)

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                base = self.visit(target.value)
                call = self.hook("delete_item", base, self.index(target.slice), at=target)
                out.append(self.statement(call, target))
            else:
                out.append(ast.copy_location(ast.Delete([self.visit(target)]), node))
        return out


def _plain(target: ast.expr) -> bool:
    """Whether storing to `target` binds names only."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_plain, target.elts))
    if isinstance(target, ast.Starred):
        return _plain(target.value)
    return isinstance(target, ast.Name)
