"""The small language in which scalar bodies of ops are written, once, for every target.

A body is a function of a builder `o` and its operands, `lambda o, x: o.call("sin", x)`. Operands
are `Scalar`s: a dtype and a payload that only the builder understands (Numba source text, LLVM
values, or NumPy arrays for the tests). Python operators work on them; a Python number beside a
`Scalar` takes the dtype of the `Scalar`. Nothing converts implicitly: both operands of an operator
have one dtype, `o.cast` is the only conversion.

Complex numbers are pairs of real scalars and float16 is a float32 rounded after each operation, so
that a target needs to know neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit.ir.types import BOOL, F2, F4

Number = bool | int | float | complex

REAL_OF: dict[np.dtype, np.dtype] = {
    np.dtype("c8"): np.dtype("f4"),
    np.dtype("c16"): np.dtype("f8"),
}
COMPLEX_OF = {real: cplx for cplx, real in REAL_OF.items()}


def real_of(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part."""
    return REAL_OF.get(dtype, dtype)


MATH_FUNCTIONS = {
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1, "atan2": 2,
    "sinh": 1, "cosh": 1, "tanh": 1, "asinh": 1, "acosh": 1, "atanh": 1,
    "exp": 1, "exp2": 1, "expm1": 1, "log": 1, "log2": 1, "log10": 1, "log1p": 1,
    "pow": 2, "cbrt": 1, "hypot": 2, "fmod": 2, "sqrt": 1, "fabs": 1,
    "floor": 1, "ceil": 1, "trunc": 1, "rint": 1, "copysign": 2, "nextafter": 2,
    "erf": 1, "erfc": 1, "tgamma": 1, "lgamma": 1,
}  # fmt: skip
"""What `Scalars.call` can name, functions of C's math library, with the number of arguments."""

COMPLEX_FUNCTIONS = {
    "csin": 1, "ccos": 1, "ctan": 1, "casin": 1, "cacos": 1, "catan": 1,
    "csinh": 1, "ccosh": 1, "ctanh": 1, "casinh": 1, "cacosh": 1, "catanh": 1,
    "cexp": 1, "clog": 1, "csqrt": 1, "cpow": 2,
}  # fmt: skip
"""What `Scalars.complex_call` can name, functions of C's complex library."""


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
    """The builder. A target implements the `emit_*`, which see only real dtypes but float16.

    `emit_binary` has add, sub, mul, div (floats), quo (integers), rem, and, or, xor, shl, shr, and
    wraps integers; `emit_unary` has neg and not; `emit_call` has the names of `MATH_FUNCTIONS` on
    float32 or float64.
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

    def emit_complex_call(self, name: str, *parts: Scalar) -> tuple[Any, Any]:
        """A function of `COMPLEX_FUNCTIONS`; the arguments come as float64 parts: re, im, re, im.

        Returns the payloads of the real and the imaginary part of the result.
        """
        raise NotImplementedError

    def emit_special(self, name: str, args: tuple[Scalar, ...]) -> Any:
        """SciPy's compiled function `name` of float64 arguments."""
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
            return Scalar(self, F2, self.emit_const(float(np.float16(complex(value).real)), F4))
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
        """A function of `MATH_FUNCTIONS`; all arguments and the result have one float dtype."""
        if MATH_FUNCTIONS.get(name) != len(args):
            raise TypeError(f"no math function {name!r} of {len(args)} arguments")
        dtype = args[0].dtype
        for other in args:
            self._same(name, args[0], other)
        if dtype.kind != "f":
            raise TypeError(f"math function {name!r} on {dtype}")
        if dtype == F2:
            return self._half(self.emit_call(name, tuple(self._widen(a) for a in args)))
        return Scalar(self, dtype, self.emit_call(name, args))

    def complex_call(self, name: str, *args: Scalar) -> Scalar:
        """A function of `COMPLEX_FUNCTIONS`; computed in double precision."""
        if COMPLEX_FUNCTIONS.get(name) != len(args):
            raise TypeError(f"no complex function {name!r} of {len(args)} arguments")
        wide = [self.cast(a, np.dtype("c16")) for a in args]
        re, im = self.emit_complex_call(name, *(part for a in wide for part in a.v))
        f8 = np.dtype("f8")
        return self.cast(self.complex(Scalar(self, f8, re), Scalar(self, f8, im)), args[0].dtype)

    def special(self, name: str, *args: Scalar) -> Scalar:
        """`scipy.special.name` of floats of one dtype; computed in double precision."""
        f8 = np.dtype("f8")
        wide = tuple(self.cast(a, f8) for a in args)
        return self.cast(Scalar(self, f8, self.emit_special(name, wide)), args[0].dtype)

    def complex(self, re: Scalar, im: Scalar) -> Scalar:
        return Scalar(self, COMPLEX_OF[re.dtype], (re, im))

    def real(self, a: Scalar) -> Scalar:
        return a.v[0] if a.dtype in REAL_OF else a

    def imag(self, a: Scalar) -> Scalar:
        return a.v[1] if a.dtype in REAL_OF else self.const(0, a.dtype)

    def bits(self, a: Scalar, dtype: np.dtype) -> Scalar:
        """The same bits as another dtype of the same width (no complex ones)."""
        dtype = np.dtype(dtype)
        if a.dtype == dtype:
            return a
        if a.dtype == F2:
            return self.bits(self._half_to_bits(a), dtype)
        if dtype == F2:
            return self._half_from_bits(self.bits(a, np.dtype("u2")))
        return Scalar(self, dtype, self.emit_bits(a, dtype))

    def helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> Scalar:
        """Call `name`, a function of scalars of its own whose definition is `body(o, *args)`.

        The name identifies the body, so it has to contain the dtypes the body depends on. A complex
        result costs a function for each part.
        """
        dtype = np.dtype(dtype)
        dtypes = [a.dtype for a in args]

        def emit(name: str, real: np.dtype, pick: Callable[[Scalar], Scalar]) -> Scalar:
            def part(o: Scalars, *parts: Scalar) -> Scalar:
                return pick(body(o, *o._join(parts, dtypes)))

            return Scalar(self, real, self.emit_helper(name, self._split(args), part, real))

        if dtype in REAL_OF:
            re = emit(name + "_re", REAL_OF[dtype], lambda y: y.v[0])
            return self.complex(re, emit(name + "_im", REAL_OF[dtype], lambda y: y.v[1]))
        if dtype == F2:
            return Scalar(self, F2, emit(name, F4, lambda y: y.o._widen(y)).v)
        return emit(name, dtype, lambda y: y)

    def while_(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[Scalar, ...]:
        """`while cond(*state): state = step(*state)`. Only inside the body of a helper."""
        dtypes = [s.dtype for s in state]
        split = self._split(state)
        payloads = self.emit_while(
            split,
            lambda *parts: cond(*self._join(parts, dtypes)),
            lambda *parts: self._split(step(*self._join(parts, dtypes))),
        )
        parts = [Scalar(self, s.dtype, v) for s, v in zip(split, payloads, strict=True)]
        return self._join(parts, dtypes)

    def _split(self, values: Sequence[Scalar]) -> tuple[Scalar, ...]:
        """`values` as the targets see them: complex ones in parts, float16 as float32."""
        return tuple(
            part
            for value in values
            for part in (value.v if value.dtype in REAL_OF else (self._widen(value),))
        )

    def _join(self, parts: Sequence[Scalar], dtypes: Sequence[np.dtype]) -> tuple[Scalar, ...]:
        """The values of `dtypes` that `_split` took apart."""
        rest = iter(parts)
        return tuple(
            self.complex(next(rest), next(rest))
            if dtype in REAL_OF
            else Scalar(self, dtype, next(rest).v)
            for dtype in dtypes
        )

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

    def _half_to_bits(self, a: Scalar) -> Scalar:
        """A float16, which is a float32 here, as the 16 bits it has in memory."""
        u4 = np.dtype("u4")
        wide = self._widen(a)
        bits = self.bits(wide, u4)
        size = bits & 0x7FFFFFFF
        normal = (size - 0x38000000) >> 13
        subnormal = self.cast(self.call("fabs", wide) * 2.0**24, u4)
        special = self.select(size > 0x7F800000, self.const(0x7E00, u4), 0x7C00)
        half = self.select(size < 0x38800000, subnormal, normal)
        half = self.select(size >= 0x7F800000, special, half)
        return self.cast(half | ((bits >> 16) & 0x8000), np.dtype("u2"))

    def _half_from_bits(self, a: Scalar) -> Scalar:
        u4 = np.dtype("u4")
        bits = self.cast(a, u4)
        half = bits & 0x7FFF
        subnormal = self.bits(self.cast(half, F4) * 2.0**-24, u4)
        bias = self.select(half >= 0x7C00, self.const(0x70000000, u4), 0x38000000)
        size = self.select(half < 0x400, subnormal, (half << 13) + bias)
        return Scalar(self, F2, self.bits(size | ((bits & 0x8000) << 16), F4).v)

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
        return self.complex(self.select(zero, ar / abs_re, re), self.select(zero, ai / abs_re, im))

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
