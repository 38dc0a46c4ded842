"""Scalar bodies as LLVM values, one lane or many at a time.

`LlvmScalars(module, builder, lanes)` builds with vectors of `lanes` elements (scalars for one).
What LLVM or libmvec has no vector form of is done lane by lane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ll
import numpy as np

from tracejit.codegen_cpu.machine import Machine
from tracejit.codegen_cpu.special_functions import PREFIX
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import F4

I1, I8, I16, I32, I64 = (ll.IntType(n) for n in (1, 8, 16, 32, 64))
HALF, FLOAT, DOUBLE = ll.HalfType(), ll.FloatType(), ll.DoubleType()
PTR = ll.PointerType()

_TYPES = {
    "?": I1, "b": I8, "B": I8, "h": I16, "H": I16, "i": I32, "I": I32, "l": I64, "L": I64,
    "q": I64, "Q": I64, "f": FLOAT, "d": DOUBLE,
}  # fmt: skip

_INTRINSICS = {"fabs", "sqrt", "floor", "ceil", "trunc", "rint", "copysign"}

CONTRACT = ("contract",)
"""Multiplication and addition may become one fused operation; nothing else may change."""


def element_type(dtype: np.dtype) -> ll.Type:
    """The LLVM type that one real element has in a register."""
    return _TYPES[dtype.char]


class ModuleContext:
    """One LLVM module: its declarations and the helper functions defined in it."""

    def __init__(self, name: str, machine: Machine, scalar_loops: bool = False) -> None:
        """With `scalar_loops` LLVM makes vectors of loops that are not marked by `keep_loop`."""
        self.module = ll.Module(name)
        self.machine = machine
        self.scalar_loops = scalar_loops
        self.declared: dict[str, ll.Function] = {}

    def declare(self, name: str, result: ll.Type, arguments: list[ll.Type]) -> ll.Function:
        """The external function or intrinsic `name`, declared once."""
        found = self.declared.get(name)
        if found is None:
            found = ll.Function(self.module, ll.FunctionType(result, arguments), name)
            self.declared[name] = found
        return found

    def keep_loop(self, branch: ll.Instruction) -> None:
        """The loop that `branch` goes back in is neither made vectors of nor unrolled."""
        if self.scalar_loops:
            kept = [
                self.module.add_metadata(["llvm.loop.unroll.disable"]),
                self.module.add_metadata(["llvm.loop.vectorize.enable", I1(0)]),
            ]
            name = str(len(self.module.metadata))
            branch.set_metadata("llvm.loop", _Distinct(self.module, kept, name))


class _Distinct(ll.MDValue):
    """A node that is not the same as an equal one, as each loop needs: it begins with itself."""

    def descr(self, buf: list[str]) -> None:
        operands = [self.get_reference(), *(op.get_reference() for op in self.operands)]
        buf += (f"distinct !{{ {', '.join(operands)} }}", "\n")


class LlvmScalars(Scalars):
    """See the module."""

    def __init__(self, context: ModuleContext, builder: ll.IRBuilder, lanes: int = 1) -> None:
        self.context, self.b, self.lanes = context, builder, lanes
        self.flags: tuple[str, ...] = CONTRACT

    def type(self, dtype: np.dtype) -> ll.Type:
        element = element_type(dtype)
        return element if self.lanes == 1 else ll.VectorType(element, self.lanes)

    def widen(self, a: Scalar) -> Scalar:
        """A one-lane value of another builder as a value of this one, the same in every lane."""
        if isinstance(a.v, tuple):
            return Scalar(self, a.dtype, tuple(self.widen(part) for part in a.v))
        if self.lanes == 1 or isinstance(a.v.type, ll.VectorType):
            return Scalar(self, a.dtype, a.v)
        return Scalar(self, a.dtype, splat(self.b, a.v, self.lanes))

    def lane(self, value: ll.Value, k: int) -> ll.Value:
        return value if self.lanes == 1 else self.b.extract_element(value, I32(k))

    def by_lane(self, dtype: np.dtype, make: Callable[[int], ll.Value]) -> ll.Value:
        """A value put together from one computed for each lane."""
        if self.lanes == 1:
            return make(0)
        result: ll.Value = ll.Constant(self.type(dtype), ll.Undefined)
        for k in range(self.lanes):
            result = self.b.insert_element(result, make(k), I32(k))
        return result

    # The interface of Scalars.

    def emit_const(self, value: Any, dtype: np.dtype) -> ll.Value:
        element = element_type(dtype)
        if dtype.kind == "f":
            number: Any = float(dtype.type(value))
        elif dtype.kind == "b":
            number = int(bool(value))
        else:
            number = int(value)
        if self.lanes == 1:
            return ll.Constant(element, number)
        return ll.Constant(self.type(dtype), [number] * self.lanes)

    def emit_binary(self, op: str, a: Scalar, b: Scalar) -> ll.Value:
        x, y, kind = a.v, b.v, a.dtype.kind
        if kind == "f":
            float_op = {
                "add": self.b.fadd, "sub": self.b.fsub, "mul": self.b.fmul, "div": self.b.fdiv,
            }.get(op)  # fmt: skip
            if float_op is not None:
                return float_op(x, y, flags=self.flags)
            return self.emit_call("fmod", (a, b))
        signed = kind == "i"
        integer_op = {
            "add": self.b.add, "sub": self.b.sub, "mul": self.b.mul,
            "quo": self.b.sdiv if signed else self.b.udiv,
            "rem": self.b.srem if signed else self.b.urem,
            "and": self.b.and_, "or": self.b.or_, "xor": self.b.xor, "shl": self.b.shl,
            "shr": self.b.ashr if signed else self.b.lshr,
        }[op]  # fmt: skip
        return integer_op(x, y)

    def emit_unary(self, op: str, a: Scalar) -> ll.Value:
        if op == "not":
            return self.b.xor(a.v, self._all_ones(a.dtype))
        if a.dtype.kind == "f":
            return self.b.fneg(a.v)
        return self.b.neg(a.v)

    def _all_ones(self, dtype: np.dtype) -> ll.Value:
        one = 1 if dtype.kind == "b" else -1
        element = element_type(dtype)
        return (
            ll.Constant(element, one)
            if self.lanes == 1
            else ll.Constant(self.type(dtype), [one] * self.lanes)
        )

    def emit_compare(self, relation: str, a: Scalar, b: Scalar) -> ll.Value:
        if a.dtype.kind == "f":
            if relation == "!=":
                return self.b.fcmp_unordered("!=", a.v, b.v)
            return self.b.fcmp_ordered(relation, a.v, b.v)
        if a.dtype.kind == "i":
            return self.b.icmp_signed(relation, a.v, b.v)
        return self.b.icmp_unsigned(relation, a.v, b.v)

    def emit_select(self, cond: Scalar, a: Scalar, b: Scalar) -> ll.Value:
        return self.b.select(cond.v, a.v, b.v)

    def emit_cast(self, a: Scalar, dtype: np.dtype) -> ll.Value:
        source, target = a.dtype.kind, dtype.kind
        result = self.type(dtype)
        if target == "b":
            return self.emit_compare("!=", a, self.const(0, a.dtype))
        if source == "f" and target == "f":
            wider = dtype.itemsize > a.dtype.itemsize
            return self.b.fpext(a.v, result) if wider else self.b.fptrunc(a.v, result)
        if source == "f":
            return self._float_to_int(a, dtype)
        if target == "f":
            return self.b.sitofp(a.v, result) if source == "i" else self.b.uitofp(a.v, result)
        from_bits = 1 if source == "b" else a.dtype.itemsize * 8
        to_bits = dtype.itemsize * 8
        if to_bits == from_bits:
            return a.v
        if to_bits < from_bits:
            return self.b.trunc(a.v, result)
        return self.b.sext(a.v, result) if source == "i" else self.b.zext(a.v, result)

    def _float_to_int(self, a: Scalar, dtype: np.dtype) -> ll.Value:
        """As x86 C code casts: through a wider signed integer, whose low bits are taken."""
        if dtype.itemsize == 8:
            result = self.type(dtype)
            return self.b.fptosi(a.v, result) if dtype.kind == "i" else self.b.fptoui(a.v, result)
        wide = np.dtype("i8") if dtype == np.dtype("u4") else np.dtype("i4")
        value = self.b.fptosi(a.v, self.type(wide))
        return value if wide.itemsize == dtype.itemsize else self.b.trunc(value, self.type(dtype))

    def emit_round_half(self, a: Scalar) -> ll.Value:
        half = HALF if self.lanes == 1 else ll.VectorType(HALF, self.lanes)
        return self.b.fpext(self.b.fptrunc(a.v, half), self.type(F4))

    def emit_bits(self, a: Scalar, dtype: np.dtype) -> ll.Value:
        result = self.type(dtype)
        return a.v if a.v.type == result else self.b.bitcast(a.v, result)

    def emit_call(self, name: str, args: tuple[Scalar, ...]) -> ll.Value:
        dtype = args[0].dtype
        result = self.type(dtype)
        if name in _INTRINSICS:
            suffix = (
                ("f32" if dtype.itemsize == 4 else "f64")
                if self.lanes == 1
                else (f"v{self.lanes}f{dtype.itemsize * 8}")
            )
            function = self.context.declare(f"llvm.{name}.{suffix}", result, [result] * len(args))
            return self.b.call(function, [a.v for a in args])
        symbol = name + ("f" if dtype.itemsize == 4 else "")
        if self.lanes > 1:
            vector = self._vector_call(symbol, dtype, [a.v for a in args])
            if vector is not None:
                return vector
        element = element_type(dtype)
        function = self.context.declare(symbol, element, [element] * len(args))
        return self.by_lane(
            dtype, lambda k: self.b.call(function, [self.lane(a.v, k) for a in args])
        )

    def _vector_call(self, symbol: str, dtype: np.dtype, args: list[ll.Value]) -> ll.Value | None:
        """A call of libmvec, in as many pieces as its widest version needs."""
        table = self.context.machine.vector_functions
        lanes = self.lanes
        while lanes > 1 and (symbol, lanes) not in table:
            lanes //= 2
        if lanes <= 1:
            return None
        piece = ll.VectorType(element_type(dtype), lanes)
        function = self.context.declare(table[symbol, lanes], piece, [piece] * len(args))
        parts = [
            self.b.call(function, [extract_lanes(self.b, a, k, lanes) for a in args])
            for k in range(0, self.lanes, lanes)
        ]
        return join_lanes(self.b, parts)

    def emit_complex_call(self, name: str, *parts: Scalar) -> tuple[ll.Value, ll.Value]:
        """The SysV convention passes a double complex as two doubles and returns it as a pair."""
        pair = ll.LiteralStructType([DOUBLE, DOUBLE])
        function = self.context.declare(name, pair, [DOUBLE] * len(parts))
        f8 = np.dtype("f8")
        results = [
            self.b.call(function, [self.lane(p.v, k) for p in parts]) for k in range(self.lanes)
        ]
        re = self.by_lane(f8, lambda k: self.b.extract_value(results[k], 0))
        im = self.by_lane(f8, lambda k: self.b.extract_value(results[k], 1))
        return re, im

    def emit_special(self, name: str, args: tuple[Scalar, ...]) -> ll.Value:
        """Lane by lane; the last argument is Cython's, which skips the dispatch to Python."""
        function = self.context.declare(PREFIX + name, DOUBLE, [DOUBLE] * len(args) + [I32])
        return self.by_lane(
            args[0].dtype,
            lambda k: self.b.call(function, [*(self.lane(a.v, k) for a in args), I32(0)]),
        )

    def emit_helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> ll.Value:
        function = self._helper(name, [a.dtype for a in args], body, dtype)
        return self.by_lane(
            dtype, lambda k: self.b.call(function, [self.lane(a.v, k) for a in args])
        )

    def _helper(
        self, name: str, dtypes: list[np.dtype], body: Callable[..., Scalar], dtype: np.dtype
    ) -> ll.Function:
        symbol = f"helper_{name}"
        found = self.context.declared.get(symbol)
        if found is None:
            types = [element_type(d) for d in dtypes]
            found = self.context.declare(symbol, element_type(dtype), types)
            found.linkage = "internal"
            inner = LlvmScalars(self.context, ll.IRBuilder(found.append_basic_block("entry")))
            arguments = [Scalar(inner, d, a) for d, a in zip(dtypes, found.args, strict=True)]
            inner.b.ret(body(inner, *arguments).v)
        return found

    def emit_while(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[ll.Value, ...]:
        if self.lanes != 1:
            raise TypeError("a loop inside a scalar body has to be in a helper")
        before = self.b.block
        head = self.b.append_basic_block("head")
        body = self.b.append_basic_block("body")
        done = self.b.append_basic_block("done")
        self.b.branch(head)
        self.b.position_at_end(head)
        phis = [self.b.phi(s.v.type) for s in state]
        current = tuple(Scalar(self, s.dtype, p) for s, p in zip(state, phis, strict=True))
        self.b.cbranch(cond(*current).v, body, done)
        self.b.position_at_end(body)
        after = step(*current)
        for phi, first, later in zip(phis, state, after, strict=True):
            phi.add_incoming(first.v, before)
            phi.add_incoming(later.v, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(done)
        return tuple(phis)


def splat(builder: ll.IRBuilder, value: ll.Value, lanes: int) -> ll.Value:
    """A scalar in every lane."""
    vector = ll.VectorType(value.type, lanes)
    if isinstance(value, ll.Constant):
        return ll.Constant(vector, [value.constant] * lanes)
    undefined = ll.Constant(vector, ll.Undefined)
    first = builder.insert_element(undefined, value, I32(0))
    mask = ll.Constant(ll.VectorType(I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, undefined, mask)


def extract_lanes(builder: ll.IRBuilder, value: ll.Value, first: int, count: int) -> ll.Value:
    """Lanes `first` to `first + count` of a vector."""
    if value.type.count == count:
        return value
    return shuffle(builder, value, value, list(range(first, first + count)))


def join_lanes(builder: ll.IRBuilder, parts: list[ll.Value]) -> ll.Value:
    """Vectors of the same power-of-two length one after the other."""
    while len(parts) > 1:
        wide = list(range(2 * parts[0].type.count))
        parts = [shuffle(builder, a, b, wide) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def shuffle(builder: ll.IRBuilder, a: ll.Value, b: ll.Value, lanes: list[int]) -> ll.Value:
    mask = ll.Constant(ll.VectorType(I32, len(lanes)), lanes)
    return builder.shuffle_vector(a, b, mask)
