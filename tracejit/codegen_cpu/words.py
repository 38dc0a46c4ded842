"""A language of words: Python functions on 64-bit integers, compiled straight to LLVM.

The native runtime (`native.py`) is written in it: functions whose arguments, variables and results
are int64, addresses included. It has assignment, arithmetic, comparison, `and`/`or`/`not` (not
short-circuit), `if`, `while`, `return`, calls of each other and of C functions, and the builtins
below. It compiles in milliseconds, where Numba would take seconds before the first call of a
process, and needs nothing at run time.

    load(a), load32(a)      the word, or sign-extended half word, at address a
    store(a, v), store32(a, v)
    load_atomic(a), store_atomic(a, v)
    atomic_add(a, v)        adds, returns what was there
    swap_if(a, old, new)    compare and exchange, returns what was there
    stack(n)                n words on the stack
    relax()                 a pause in a spinning loop
    call(f, ...)            the C function at address f
    address_of(g)           the address of a function of this module
"""

from __future__ import annotations

import ast
import inspect
import platform
import textwrap
from collections.abc import Callable
from typing import Any

import llvmlite.ir as ll

I32, I64 = ll.IntType(32), ll.IntType(64)
PTR = ll.PointerType()

_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.Mod: "srem",
    ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def compile_words(functions: list[Callable[..., Any]], constants: dict[str, int], name: str) -> str:
    """LLVM assembly that defines `functions`, each under its own name, as `int64 f(int64, ...)`.

    A name that is neither a variable nor in `constants` nor defined here is an external C symbol.
    """
    module = ll.Module(name)
    trees = []
    for function in functions:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        assert isinstance(tree, ast.FunctionDef)
        type = ll.FunctionType(I64, [I64] * len(tree.args.args))
        trees.append((tree, ll.Function(module, type, tree.name)))
    for tree, function in trees:
        _FunctionCompiler(module, tree, function, constants).compile()
    return str(module)


class _FunctionCompiler(ast.NodeVisitor):
    def __init__(
        self, module: ll.Module, tree: ast.FunctionDef, function: ll.Function,
        constants: dict[str, int],
    ) -> None:  # fmt: skip
        self.module, self.tree, self.function, self.constants = module, tree, function, constants

    def compile(self) -> None:
        self.b = ll.IRBuilder(self.function.append_basic_block("entry"))
        names = [a.arg for a in self.tree.args.args]
        assigned = {
            t.id
            for node in ast.walk(self.tree)
            for t in getattr(node, "targets", [getattr(node, "target", None)])
            if isinstance(t, ast.Name)
        }
        self.variables = {n: self.b.alloca(I64, name=n) for n in sorted({*names, *assigned})}
        for name, value in zip(names, self.function.args, strict=True):
            self.b.store(value, self.variables[name])
        self._body(self.tree.body)
        if not self.b.block.is_terminated:
            self.b.ret(I64(0))

    def _body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if self.b.block.is_terminated:
                return
            self.visit(statement)

    def generic_visit(self, node: ast.AST) -> Any:
        raise SyntaxError(f"{self.tree.name}: {ast.unparse(node)} is not in the language of words")

    # Statements.

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        (target,) = node.targets
        assert isinstance(target, ast.Name)
        self.b.store(self.visit(node.value), self.variables[target.id])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        assert isinstance(node.target, ast.Name)
        slot = self.variables[node.target.id]
        operation = getattr(self.b, _BINARY[type(node.op)])
        self.b.store(operation(self.b.load(slot, typ=I64), self.visit(node.value)), slot)

    def visit_Return(self, node: ast.Return) -> None:
        self.b.ret(self.visit(node.value) if node.value is not None else I64(0))

    def visit_If(self, node: ast.If) -> None:
        then, done = (self.b.append_basic_block(n) for n in ("then", "endif"))
        other = self.b.append_basic_block("else") if node.orelse else done
        self.b.cbranch(self._truth(node.test), then, other)
        for block, body in ((then, node.body), (other, node.orelse)):
            if body:
                self.b.position_at_end(block)
                self._body(body)
                if not self.b.block.is_terminated:
                    self.b.branch(done)
        self.b.position_at_end(done)

    def visit_While(self, node: ast.While) -> None:
        head, body, done = (self.b.append_basic_block(n) for n in ("head", "body", "done"))
        self.b.branch(head)
        self.b.position_at_end(head)
        self.b.cbranch(self._truth(node.test), body, done)
        self.b.position_at_end(body)
        self._body(node.body)
        if not self.b.block.is_terminated:
            self.b.branch(head)
        self.b.position_at_end(done)

    # Expressions.

    def _truth(self, node: ast.expr) -> ll.Value:
        return self.b.icmp_signed("!=", self.visit(node), I64(0))

    def visit_Constant(self, node: ast.Constant) -> ll.Value:
        assert isinstance(node.value, int)
        return I64(node.value)

    def visit_Name(self, node: ast.Name) -> ll.Value:
        if node.id in self.variables:
            return self.b.load(self.variables[node.id], typ=I64)
        if node.id in self.constants:
            return I64(self.constants[node.id])
        raise NameError(f"{self.tree.name}: no variable or constant {node.id!r}")

    def visit_BinOp(self, node: ast.BinOp) -> ll.Value:
        operation = getattr(self.b, _BINARY[type(node.op)])
        return operation(self.visit(node.left), self.visit(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ll.Value:
        if isinstance(node.op, ast.Not):
            return self.b.zext(self.b.icmp_signed("==", self.visit(node.operand), I64(0)), I64)
        return self.b.neg(self.visit(node.operand))

    def visit_BoolOp(self, node: ast.BoolOp) -> ll.Value:
        result = self._truth(node.values[0])
        for value in node.values[1:]:
            combine = self.b.and_ if isinstance(node.op, ast.And) else self.b.or_
            result = combine(result, self._truth(value))
        return self.b.zext(result, I64)

    def visit_Compare(self, node: ast.Compare) -> ll.Value:
        (op,), (right,) = node.ops, node.comparators
        relation = _COMPARE[type(op)]
        return self.b.zext(
            self.b.icmp_signed(relation, self.visit(node.left), self.visit(right)), I64
        )

    def visit_Call(self, node: ast.Call) -> ll.Value:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "address_of":
            (argument,) = node.args
            assert isinstance(argument, ast.Name)
            return self.b.ptrtoint(self._function(argument.id, 0), I64)
        arguments = [self.visit(a) for a in node.args]
        builtin = getattr(self, f"_builtin_{name}", None)
        if builtin is not None:
            return builtin(*arguments)
        return self.b.call(self._function(name, len(arguments)), arguments)

    def _function(self, name: str, arity: int) -> ll.Function:
        found = self.module.globals.get(name)
        if found is None:
            found = ll.Function(self.module, ll.FunctionType(I64, [I64] * arity), name)
        return found

    def _at(self, address: ll.Value) -> ll.Value:
        return self.b.inttoptr(address, PTR)

    def _builtin_load(self, address: ll.Value) -> ll.Value:
        return self.b.load(self._at(address), typ=I64)

    def _builtin_load32(self, address: ll.Value) -> ll.Value:
        return self.b.sext(self.b.load(self._at(address), typ=I32), I64)

    def _builtin_store(self, address: ll.Value, value: ll.Value) -> ll.Value:
        self.b.store(value, self._at(address))
        return I64(0)

    def _builtin_store32(self, address: ll.Value, value: ll.Value) -> ll.Value:
        self.b.store(self.b.trunc(value, I32), self._at(address))
        return I64(0)

    def _builtin_load_atomic(self, address: ll.Value) -> ll.Value:
        return self.b.load_atomic(self._at(address), "seq_cst", 8, typ=I64)

    def _builtin_store_atomic(self, address: ll.Value, value: ll.Value) -> ll.Value:
        self.b.atomic_rmw("xchg", self._at(address), value, "seq_cst")
        return I64(0)

    def _builtin_atomic_add(self, address: ll.Value, value: ll.Value) -> ll.Value:
        return self.b.atomic_rmw("add", self._at(address), value, "seq_cst")

    def _builtin_swap_if(self, address: ll.Value, old: ll.Value, new: ll.Value) -> ll.Value:
        pair = self.b.cmpxchg(self._at(address), old, new, "seq_cst", "seq_cst")
        return self.b.extract_value(pair, 0)

    def _builtin_stack(self, words: ll.Value) -> ll.Value:
        return self.b.ptrtoint(self.b.alloca(I64, size=words), I64)

    def _builtin_relax(self) -> ll.Value:
        if platform.machine() in ("x86_64", "AMD64"):
            name = "llvm.x86.sse2.pause"
            pause = self.module.globals.get(name) or ll.Function(
                self.module, ll.FunctionType(ll.VoidType(), []), name
            )
            self.b.call(pause, [])
        return I64(0)

    def _builtin_call(self, function: ll.Value, *arguments: ll.Value) -> ll.Value:
        type = ll.FunctionType(I64, [I64] * len(arguments))
        return self.b.call(self.b.inttoptr(function, type.as_pointer()), list(arguments))
