"""The small language in which scalar bodies of ops are written, once, for every target.

A body is a function of a builder `o` and its operands, `lambda o, x: o.call("sin", x)`. Operands are
`Scalar`s: a dtype and a payload that only the builder understands (Numba source text, LLVM values, or
NumPy arrays for the tests). Python operators work on them; a Python number beside a `Scalar` takes
the dtype of the `Scalar`. Nothing converts implicitly: both operands of an operator have one dtype,
`o.cast` is the only conversion.

Complex numbers are pairs of real scalars and float16 is a float32 rounded after each operation, so
that a target needs to know neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit.ir.types import BOOL, F2, F4

Number = bool | int | float | complex

REAL_OF = {np.dtype("c8"): np.dtype("f4"), np.dtype("c16"): np.dtype("f8")}
COMPLEX_OF = {real: cplx for cplx, real in REAL_OF.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A value inside a scalar body: its dtype, and what the builder knows it by."""

    o: Scalars
    dtype: np.dtype
    v: Any

    def _other(self, other: Scalar | Number) -> Scalar:
        return other if isinstance(other, Scalar) else self.o.const(other, self.dtype)

    def __add__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("add", self, self._other(other))

    def __radd__(self, other: Number) -> Scalar:
        return self.o.binary("add", self._other(other), self)

    def __sub__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("sub", self, self._other(other))

    def __rsub__(self, other: Number) -> Scalar:
        return self.o.binary("sub", self._other(other), self)

    def __mul__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("mul", self, self._other(other))

    def __rmul__(self, other: Number) -> Scalar:
        return self.o.binary("mul", self._other(other), self)

    def __truediv__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("div", self, self._other(other))

    def __rtruediv__(self, other: Number) -> Scalar:
        return self.o.binary("div", self._other(other), self)

    def __floordiv__(self, other: Scalar | Number) -> Scalar:
        """Integers only: the quotient rounded towards zero, as the hardware divides."""
        return self.o.binary("quo", self, self._other(other))

    def __mod__(self, other: Scalar | Number) -> Scalar:
        """The remainder that goes with a quotient rounded towards zero (C's `%` and `fmod`)."""
        return self.o.binary("rem", self, self._other(other))

    def __and__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("and", self, self._other(other))

    def __or__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("or", self, self._other(other))

    def __xor__(self, other: Scalar | Number) -> Scalar:
        return self.o.binary("xor", self, self._other(other))

    def __lshift__(self, other: Scalar | Number) -> Scalar:
        """Undefined unless 0 <= other < bits; bodies guard it."""
        return self.o.binary("shl", self, self._other(other))

    def __rshift__(self, other: Scalar | Number) -> Scalar:
        """Arithmetic for signed, logical for unsigned; undefined unless 0 <= other < bits."""
        return self.o.binary("shr", self, self._other(other))

    def __neg__(self) -> Scalar:
        return self.o.unary("neg", self)

    def __invert__(self) -> Scalar:
        return self.o.unary("not", self)

    def __lt__(self, other: Scalar | Number) -> Scalar:
        return self.o.compare("<", self, self._other(other))

    def __le__(self, other: Scalar | Number) -> Scalar:
        return self.o.compare("<=", self, self._other(other))

    def __gt__(self, other: Scalar | Number) -> Scalar:
        return self.o.compare(">", self, self._other(other))

    def __ge__(self, other: Scalar | Number) -> Scalar:
        return self.o.compare(">=", self, self._other(other))

    def __eq__(self, other: Scalar | Number) -> Scalar:  # type: ignore[override]
        return self.o.compare("==", self, self._other(other))

    def __ne__(self, other: Scalar | Number) -> Scalar:  # type: ignore[override]
        """Unordered: true when either operand is NaN."""
        return self.o.compare("!=", self, self._other(other))

    __hash__ = None  # type: ignore[assignment]


class Scalars:
    """The builder. A target implements the `emit_*` methods, which see only real dtypes but float16.

    `emit_binary` has add, sub, mul, div (floats), quo (integers), rem, and, or, xor, shl, shr, and
    wraps integers; `emit_unary` has neg and not; `emit_call` has the names of C's math library
    (`sin`, `pow`, `fabs`, `floor`, `rint`, `copysign`, ...) on float32 or float64.
    """

    def emit_const(self, value: Number, dtype: np.dtype) -> Any:
        raise NotImplementedError

    def emit_binary(self, op: str, a: Scalar, b: Scalar) -> Any:
        raise NotImplementedError

    def emit_unary(self, op: str, a: Scalar) -> Any:
        raise NotImplementedError

    def emit_compare(self, relation: str, a: Scalar, b: Scalar) -> Any:
        raise NotImplementedError

    def emit_select(self, cond: Scalar, a: Scalar, b: Scalar) -> Any:
        raise NotImplementedError

    def emit_cast(self, a: Scalar, dtype: np.dtype) -> Any:
        """Float to integer truncates; to bool is `!= 0`; integers wrap."""
        raise NotImplementedError

    def emit_round_half(self, a: Scalar) -> Any:
        """The float32 `a` rounded to the nearest float16, ties to even, as a float32."""
        raise NotImplementedError

    def emit_call(self, name: str, args: tuple[Scalar, ...]) -> Any:
        raise NotImplementedError

    def emit_complex_call(self, name: str, re: Scalar, im: Scalar) -> tuple[Any, Any]:
        """A one-argument function of C's complex library (`csin`, `cexp`, ...) on complex128."""
        raise NotImplementedError

    def emit_bits(self, a: Scalar, dtype: np.dtype) -> Any:
        """The same bits as another dtype of the same width."""
        raise NotImplementedError

    def emit_helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> Any:
        """A call of the function `name`, defined once per module by `body(o, *args)`."""
        raise NotImplementedError

    def emit_while(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[Any, ...]:
        """`while cond(*state): state = step(*state)`; only inside the body of a helper."""
        raise NotImplementedError

    # What bodies use.

    def const(self, value: Number, dtype: np.dtype) -> Scalar:
        dtype = np.dtype(dtype)
        if dtype in REAL_OF:
            number = complex(value)
            real = REAL_OF[dtype]
            return self.complex(self.const(number.real, real), self.const(number.imag, real))
        if dtype == F2:
            return Scalar(self, F2, self.emit_const(float(np.float16(value)), F4))
        return Scalar(self, dtype, self.emit_const(value, dtype))

    def binary(self, op: str, a: Scalar, b: Scalar) -> Scalar:
        self._same(op, a, b)
        if a.dtype in REAL_OF:
            return self._complex_binary(op, a, b)
        if a.dtype == F2:
            return self._half(self.emit_binary(op, self._widen(a), self._widen(b)))
        return Scalar(self, a.dtype, self.emit_binary(op, a, b))

    def unary(self, op: str, a: Scalar) -> Scalar:
        if a.dtype in REAL_OF:
            return self.complex(self.unary(op, self.real(a)), self.unary(op, self.imag(a)))
        return Scalar(self, a.dtype, self.emit_unary(op, self._widen(a)))

    def compare(self, relation: str, a: Scalar, b: Scalar) -> Scalar:
        self._same(relation, a, b)
        if a.dtype in REAL_OF:
            return self._complex_compare(relation, a, b)
        return Scalar(self, BOOL, self.emit_compare(relation, self._widen(a), self._widen(b)))

    def select(self, cond: Scalar, a: Scalar | Number, b: Scalar | Number) -> Scalar:
        """`a` where `cond`, else `b`; both are evaluated."""
        if not isinstance(a, Scalar):
            a = self.const(a, b.dtype)  # type: ignore[union-attr]
        if not isinstance(b, Scalar):
            b = self.const(b, a.dtype)
        self._same("select", a, b)
        if a.dtype in REAL_OF:
            return self.complex(
                self.select(cond, self.real(a), self.real(b)),
                self.select(cond, self.imag(a), self.imag(b)),
            )
        return Scalar(self, a.dtype, self.emit_select(cond, self._widen(a), self._widen(b)))

    def cast(self, a: Scalar, dtype: np.dtype) -> Scalar:
        dtype = np.dtype(dtype)
        if a.dtype == dtype:
            return a
        if a.dtype in REAL_OF:
            if dtype == BOOL:
                return (self.real(a) != 0) | (self.imag(a) != 0)
            if dtype not in REAL_OF:
                return self.cast(self.real(a), dtype)
            real = REAL_OF[dtype]
            return self.complex(self.cast(self.real(a), real), self.cast(self.imag(a), real))
        if dtype in REAL_OF:
            real = REAL_OF[dtype]
            return self.complex(self.cast(a, real), self.const(0.0, real))
        if a.dtype == F2:
            return self.cast(self._widen(a), dtype)
        if dtype == F2:
            # From float64 a direct rounding differs from one through float32 in rare ties.
            return self._half(self.cast(self._odd(a) if a.dtype.itemsize == 8 else a, F4).v)
        return Scalar(self, dtype, self.emit_cast(a, dtype))

    def call(self, name: str, *args: Scalar) -> Scalar:
        """A function of C's math library; all arguments and the result have one float dtype."""
        dtype = args[0].dtype
        if dtype == F2:
            return self._half(self.emit_call(name, tuple(self._widen(a) for a in args)))
        return Scalar(self, dtype, self.emit_call(name, args))

    def complex_call(self, name: str, a: Scalar) -> Scalar:
        """A function of C's complex library; computed in double precision."""
        wide = self.cast(a, np.dtype("c16"))
        re, im = self.emit_complex_call(name, self.real(wide), self.imag(wide))
        f8 = np.dtype("f8")
        return self.cast(self.complex(Scalar(self, f8, re), Scalar(self, f8, im)), a.dtype)

    def complex(self, re: Scalar, im: Scalar) -> Scalar:
        return Scalar(self, COMPLEX_OF[re.dtype], (re, im))

    def real(self, a: Scalar) -> Scalar:
        return a.v[0] if a.dtype in REAL_OF else a

    def imag(self, a: Scalar) -> Scalar:
        return a.v[1] if a.dtype in REAL_OF else self.const(0, a.dtype)

    def bits(self, a: Scalar, dtype: np.dtype) -> Scalar:
        return Scalar(self, np.dtype(dtype), self.emit_bits(a, np.dtype(dtype)))

    def helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> Scalar:
        """Call `name`, a function of scalars of its own whose definition is `body(o, *args)`."""
        return Scalar(self, np.dtype(dtype), self.emit_helper(name, args, body, np.dtype(dtype)))

    def while_(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[Scalar, ...]:
        """`while cond(*state): state = step(*state)`. Only inside the body of a helper."""
        payloads = self.emit_while(state, cond, step)
        return tuple(Scalar(self, s.dtype, v) for s, v in zip(state, payloads, strict=True))

    def isnan(self, a: Scalar) -> Scalar:
        if a.dtype in REAL_OF:
            return self.isnan(self.real(a)) | self.isnan(self.imag(a))
        return a != a if a.dtype.kind == "f" else self.const(False, BOOL)

    def _same(self, op: str, a: Scalar, b: Scalar) -> None:
        if a.dtype != b.dtype:
            raise TypeError(f"scalar body mixes dtypes: {op} of {a.dtype} and {b.dtype}")

    def _widen(self, a: Scalar) -> Scalar:
        return Scalar(self, F4, a.v) if a.dtype == F2 else a

    def _half(self, wide: Any) -> Scalar:
        return Scalar(self, F2, self.emit_round_half(Scalar(self, F4, wide)))

    def _odd(self, a: Scalar) -> Scalar:
        """A float64 (or 64-bit integer) rounded to odd at float32 precision.

        Rounding to odd first makes the second rounding exact (Boldo and Melquiond, 2008).
        """
        u8, f8 = np.dtype("u8"), np.dtype("f8")
        bits = self.bits(self.cast(a, f8), u8)
        low = bits & ((1 << 29) - 1)
        sticky = self.select(low != 0, self.const(1 << 29, u8), self.const(0, u8))
        return self.bits((bits & ~((1 << 29) - 1) % (1 << 64)) | sticky, f8)

    def _complex_binary(self, op: str, a: Scalar, b: Scalar) -> Scalar:
        (ar, ai), (br, bi) = a.v, b.v
        if op in ("add", "sub"):
            return self.complex(self.binary(op, ar, br), self.binary(op, ai, bi))
        if op == "mul":
            return self.complex(ar * br - ai * bi, ar * bi + ai * br)
        if op == "div":
            return self._complex_divide(ar, ai, br, bi)
        raise TypeError(f"no complex {op}")

    def _complex_divide(self, ar: Scalar, ai: Scalar, br: Scalar, bi: Scalar) -> Scalar:
        """Smith's algorithm (CACM 5, 1962), in the order of operations of NumPy's loops."""
        one = self.const(1, br.dtype)
        abs_re, abs_im = self.call("fabs", br), self.call("fabs", bi)
        wide = abs_re >= abs_im
        zero = (abs_re == 0) & (abs_im == 0)
        big, small = self.select(wide, br, bi), self.select(wide, bi, br)
        ratio = small / big
        scale = one / (big + small * ratio)
        re = self.select(wide, ar + ai * ratio, ar * ratio + ai) * scale
        im = self.select(wide, ai - ar * ratio, ai * ratio - ar) * scale
        return self.complex(
            self.select(zero, ar / abs_re, re), self.select(zero, ai / abs_re, im)
        )

    def _complex_compare(self, relation: str, a: Scalar, b: Scalar) -> Scalar:
        (ar, ai), (br, bi) = a.v, b.v
        if relation == "==":
            return (ar == br) & (ai == bi)
        if relation == "!=":
            return (ar != br) | (ai != bi)
        # NumPy orders complex numbers lexicographically, and a NaN in either part is unordered.
        strict = "<" if relation in ("<", "<=") else ">"
        first = self.compare(strict, ar, br) & ~self.isnan(ai) & ~self.isnan(bi)
        return first | ((ar == br) & self.compare(relation, ai, bi))
