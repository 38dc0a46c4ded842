"""Scalar bodies as text: `math.exp(x0) * y0`, every number in the dtype it has in NumPy.

Numba promotes narrow integers to 64 bits, so that their results are cast back; a number beside a
float32 is a `float32(...)`. Complex numbers are two variables, a float16 is a float32 that
`round_half` rounds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.codegen_cpu.source_text import (
    ADD,
    AND,
    ATOM,
    COMPARE,
    MUL,
    NOT,
    OR,
    SHIFT,
    TERNARY,
    UNARY,
    XOR,
    Block,
    Expression,
    Loop,
    Names,
    Statement,
    leaf,
    write,
)
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import BOOL
from tracejit.source import SourceWriter

PYTHON_MATH = {
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "exp", "expm1", "log", "log10", "log1p", "pow", "sqrt", "fabs", "copysign", "erf",
    "erfc",
}  # fmt: skip
"""What Numba's `math` does as C does; the other functions come from the back end."""

_OPERATORS = {
    "add": ("+", ADD), "sub": ("-", ADD), "mul": ("*", MUL), "div": ("/", MUL), "quo": ("//", MUL),
    "rem": ("%", MUL), "and": ("&", AND), "or": ("|", OR), "xor": ("^", XOR), "shl": ("<<", SHIFT),
    "shr": (">>", SHIFT),
}  # fmt: skip

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

_I4, _I8 = np.dtype("i4"), np.dtype("i8")


class SourceModule:
    """What the functions of one module share: the names they import, and the helpers they call."""

    def __init__(self, names: set[str]) -> None:
        """`names` are those that no local variable may have."""
        self.reserved = names
        self.from_numpy: set[str] = set()
        self.from_backend: set[str] = set()
        self.math = False
        self.helpers: dict[str, list[str]] = {}

    def names(self) -> Names:
        """The names of a new function."""
        return Names({*self.reserved, *self.helpers, *_DTYPE_NAMES.values(), "math"})

    def dtype(self, dtype: np.dtype) -> str:
        """NumPy's name of a dtype, imported."""
        self.from_numpy.add(_DTYPE_NAMES[dtype])
        return _DTYPE_NAMES[dtype]

    def backend(self, name: str) -> str:
        """A function of the back end, imported."""
        self.from_backend.add(name)
        return name

    def float_text(self, number: float) -> str:
        """A float64 as Python text that gives exactly it."""
        if math.isfinite(number):
            return repr(number)
        self.math = True
        return "math.nan" if math.isnan(number) else "math.inf" if number > 0 else "-math.inf"


_DTYPE_NAMES = {
    np.dtype(n): n
    for n in (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32",
        "float64",
    )
}  # fmt: skip


class SourceScalars(Scalars):
    """Builds expressions at the end of `block`, which may be changed from outside."""

    def __init__(self, module: SourceModule, names: Names, block: Block) -> None:
        self.module, self.names, self.block = module, names, block

    def new(
        self, template: str, args: Sequence[Expression], needs: Sequence[int] = (),
        level: int = ATOM,
    ) -> Expression:  # fmt: skip
        return Expression(self.block, template, tuple(args), tuple(needs), level)

    def function(self, name: str, args: Sequence[Expression]) -> Expression:
        """A call of `name`."""
        return self.new(f"{name}({', '.join(f'{{{k}}}' for k in range(len(args)))})", args)

    def typed(self, value: Expression, dtype: np.dtype) -> Expression:
        return self.function(self.module.dtype(dtype), (value,))

    # The interface of Scalars.

    def emit_const(self, value: Any, dtype: np.dtype) -> Expression:
        found = self._const(value, dtype)
        found.value = dtype.type(value).item()
        return found

    def _const(self, value: Any, dtype: np.dtype) -> Expression:
        if dtype.kind == "b":
            return leaf(str(bool(value)))
        if dtype.kind == "f":
            return self._float(dtype.type(value), dtype)
        number = int(value)
        if dtype == _I8 and number > -(2**63):
            return leaf(str(number), UNARY if number < 0 else ATOM)
        name = self.module.dtype(dtype)
        if number == -(2**63):
            # Numba takes the number for an unsigned one.
            return leaf(f"{name}({2**63})")
        found = leaf(f"{name}({number})")
        found.bare = str(number) if dtype.itemsize < 8 else ""
        return found

    def _float(self, value: Any, dtype: np.dtype) -> Expression:
        number = float(value)
        level = UNARY if math.copysign(1.0, number) < 0 else ATOM
        text = self.module.float_text(number)
        if dtype.itemsize == 8:
            return leaf(text, level)
        short = str(value)
        if math.isfinite(number) and np.float32(float(short)) == value:
            inner = short
        else:
            inner = text
        return leaf(f"{self.module.dtype(dtype)}({inner})")

    def emit_binary(self, op: str, a: Scalar, b: Scalar) -> Expression:
        dtype = a.dtype
        if dtype.kind == "b" and op in ("and", "or"):
            for known, other in ((a, b), (b, a)):
                if known.v.value is not None:
                    return other.v if known.v.value == (op == "and") else known.v
        if op == "rem" and dtype.kind == "f":
            return self.emit_call("fmod", (a, b))
        if op in ("quo", "rem") and dtype.kind == "i":
            name = self.module.backend("quotient" if op == "quo" else "remainder")
            return self._wrapped(self.function(name, (a.v, b.v)), dtype)
        symbol, level = _OPERATORS[op]
        x, y = (self._bare(s.v, dtype) if dtype.kind in "iu" else s.v for s in (a, b))
        found = self.new(f"{{0}} {symbol} {{1}}", (x, y), (level, level + 1), level)
        return self._wrapped(found, dtype)

    def _bare(self, value: Expression, dtype: np.dtype) -> Expression:
        """A number without its dtype, which the cast of the result takes care of."""
        if not value.bare:
            return value
        return leaf(value.bare, UNARY if value.bare.startswith("-") else ATOM)

    def _wrapped(self, value: Expression, dtype: np.dtype) -> Expression:
        """The result of integer arithmetic, which has 64 bits, as `dtype`."""
        if dtype.kind not in "iu" or dtype.itemsize == 8:
            return value
        return self.typed(value, dtype)

    def emit_unary(self, op: str, a: Scalar) -> Expression:
        if op == "not" and a.dtype.kind == "b":
            return self.new("not {0}", (a.v,), (NOT,), NOT)
        if a.v.value is not None and a.dtype.kind in "iu":
            change = np.invert if op == "not" else np.negative
            return self.emit_const(change(np.array(a.v.value, a.dtype)), a.dtype)
        found = self.new("~{0}" if op == "not" else "-{0}", (a.v,), (UNARY,), UNARY)
        if a.dtype.kind == "f" or a.dtype == _I8:
            return found
        return self.typed(found, a.dtype)

    def emit_compare(self, relation: str, a: Scalar, b: Scalar) -> Expression:
        if a.v.value is not None and b.v.value is not None:
            return self.emit_const(_RELATIONS[relation](a.v.value, b.v.value), BOOL)
        x, y = (self._bare(s.v, s.dtype) for s in (a, b))
        needs = (COMPARE + 1, COMPARE + 1)
        return self.new(f"{{0}} {relation} {{1}}", (x, y), needs, COMPARE)

    def emit_select(self, cond: Scalar, a: Scalar, b: Scalar) -> Expression:
        if cond.v.value is not None:
            return a.v if cond.v.value else b.v
        args, needs = (a.v, cond.v, b.v), (TERNARY + 1, TERNARY + 1, TERNARY)
        return self.new("{0} if {1} else {2}", args, needs, TERNARY)

    def emit_cast(self, a: Scalar, dtype: np.dtype) -> Expression:
        if dtype.kind == "b":
            return self.emit_compare("!=", a, self.const(0, a.dtype))
        value = a.v
        if value.value is not None and a.dtype.kind in "iu" and dtype.kind in "iu":
            return self.emit_const(np.array(value.value, a.dtype).astype(dtype), dtype)
        if a.dtype.kind == "f" and dtype.kind in "iu" and dtype.itemsize < 8 and dtype != _I4:
            # As x86 C code casts: through a wider signed integer, whose low bits are taken.
            value = self.typed(value, _I8 if dtype.itemsize == 4 else _I4)
        return self.typed(value, dtype)

    def emit_round_half(self, a: Scalar) -> Expression:
        return self.function(self.module.backend("round_half"), (a.v,))

    def emit_call(self, name: str, args: tuple[Scalar, ...]) -> Expression:
        if name in PYTHON_MATH:
            self.module.math = True
            return self.function(f"math.{name}", [a.v for a in args])
        return self.function(self.module.backend(name), [a.v for a in args])

    def emit_special(self, name: str, args: tuple[Scalar, ...]) -> Expression:
        zero = self.const(0, np.dtype("i4")).v
        return self.function(self.module.backend(f"special_{name}"), [*(a.v for a in args), zero])

    def emit_complex_call(self, name: str, *parts: Scalar) -> tuple[Expression, Expression]:
        pair = self.function(self.module.backend(name), [p.v for p in parts])
        pair.name = self.names.numbered(name)
        return self.new("{0}[0]", (pair,), (ATOM,)), self.new("{0}[1]", (pair,), (ATOM,))

    def emit_bits(self, a: Scalar, dtype: np.dtype) -> Expression:
        target = leaf(self.module.dtype(dtype))
        return self.function(self.module.backend("bits"), (a.v, target))

    def emit_helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> Expression:
        name = f"helper_{name}"
        if name not in self.module.helpers:
            self.module.helpers[name] = []  # Reserves the place, and the name.
            self.module.helpers[name] = self._define(name, [a.dtype for a in args], body)
        return self.function(name, [a.v for a in args])

    def _define(self, name: str, dtypes: list[np.dtype], body: Callable[..., Scalar]) -> list[str]:
        """The lines of a helper function."""
        names, block = self.module.names(), Block()
        inner = SourceScalars(self.module, names, block)
        arguments = [names.new(letter) for letter, _ in zip("xyzw", dtypes, strict=False)]
        result = body(
            inner,
            *(Scalar(inner, d, leaf(a)) for d, a in zip(dtypes, arguments, strict=True)),
        )
        Statement(block, "return {0}", (result.v,))
        writer = SourceWriter()
        writer.line(f"@{self.module.backend('kernel')}")
        with writer.block(f"def {name}({', '.join(arguments)}):"):
            write(block, writer, names)
        return writer.lines

    def emit_while(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[Expression, ...]:
        outside, tests, inside = self.block, Block(), Block()
        names = [self.names.new(letter) for letter, _ in zip("abcdefgh", state, strict=False)]
        current = [Scalar(self, s.dtype, leaf(n)) for s, n in zip(state, names, strict=True)]
        assign_all(outside, names, [s.v for s in state])
        self.block = tests
        test = cond(*current).v
        self.block = inside
        assign_all(inside, names, [s.v for s in step(*current)])
        self.block = outside
        Loop(outside, inside, tests=tests, test=test)
        return tuple(s.v for s in current)


def assign_all(block: Block, names: Sequence[str], values: Sequence[Expression]) -> None:
    """Assign all names at once, so that every value is made of what they were before."""
    places = ", ".join(f"{{{k}}}" for k in range(len(values)))
    Statement(block, f"{', '.join(names)} = {places}", tuple(values))


def wish(value: Scalar, name: str) -> None:
    """The name that a result would like; its parts' where it is complex."""
    if isinstance(value.v, tuple):
        for part, suffix in zip(value.v, ("re", "im"), strict=True):
            wish(part, f"{name}_{suffix}")
    elif value.v.args and not value.v.wish:
        value.v.wish = name
