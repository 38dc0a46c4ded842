"""Powers, roots, exponentials, logarithms, trigonometric and hyperbolic functions."""

from __future__ import annotations

import numpy as np

from tracejit.ir.opdef import op
from tracejit.ir.ops.bodies import Body, by_kind, math, tag, wide
from tracejit.ir.scalar import Scalar, Scalars

# fmt: off

LN2, LOG2E, LOG10E = float(np.log(2)), float(np.log2(np.e)), float(np.log10(np.e))

# Powers and roots.


def _square_and_multiply(o: Scalars, base: Scalar, n: Scalar) -> Scalar:
    one = o.const(1, base.dtype)
    _, _, result = o.while_(
        (base, n, one),
        lambda base, n, result: n > 0,
        lambda base, n, result: (
            base * base,
            n >> 1,
            o.select((n & 1) != 0, result * base, result),
        ),
    )
    return result


def _integer_power(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.helper(f"power_{tag(x.dtype)}", (x, y), _square_and_multiply, x.dtype)


def _small_complex_power(o: Scalars, x: Scalar, n: Scalar) -> Scalar:
    size = o.select(n < 0, -n, n)
    power = _square_and_multiply(o, x, size)
    # By themselves, for what they make of infinities.
    for exponent, value in ((1, x), (2, x * x), (3, x * (x * x))):
        power = o.select(n == exponent, value, power)
    return o.select(n < 0, 1 / power, power)


def _complex_power(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    """Products for integers below 100, as in NumPy, which also makes 0 to a negative power NaN."""
    re, im = o.real(y), o.imag(y)
    integral = (im == 0) & (o.call("fabs", re) < 100) & (o.call("rint", re) == re)
    n = o.cast(o.select(integral, re, 0), np.dtype("i4"))
    small = o.helper(f"power_{tag(x.dtype)}", (x, n), _small_complex_power, x.dtype)
    power = o.select(integral, small, o.complex_call("cpow", x, y))
    nan = o.const(complex(np.nan, np.nan), x.dtype)
    power = o.select(x == 0, o.select(re > 0, 0, nan), power)
    return o.select(y == 0, 1, power)


op("power", np.power, flops=30, domain=(0, 5),
   body=by_kind(n=_integer_power, f=math("pow"), c=_complex_power),
   doc="Integers need exponents of 0 or more: NumPy raises ValueError for others, and whoever "
   "compiles the body checks it.")
op("float_power", np.float_power, flops=30, domain=(0, 5),
   body=by_kind(f=math("pow"), c=_complex_power))
op("sqrt", np.sqrt, flops=5, domain=(0, 100), body=math("sqrt", "csqrt"))
op("cbrt", np.cbrt, flops=15, body=math("cbrt"))

# Exponentials and logarithms.


def _scaled_complex(name: str, before: float, after: float) -> Body:
    """`after * name(before * x)`, part by part."""

    def scale(o: Scalars, x: Scalar, factor: float) -> Scalar:
        return o.complex(o.real(x) * factor, o.imag(x) * factor) if factor != 1 else x

    return lambda o, x: scale(o, o.complex_call(name, scale(o, x, before)), after)


def _complex_expm1(o: Scalars, x: Scalar) -> Scalar:
    re, im = o.real(x), o.imag(x)
    half = o.call("sin", im / 2)
    return o.complex(
        o.call("expm1", re) * o.call("cos", im) - 2 * half * half,
        o.call("exp", re) * o.call("sin", im),
    )


def _complex_log1p(o: Scalars, x: Scalar) -> Scalar:
    re, im = o.real(x) + 1, o.imag(x)
    return o.complex(o.call("log", o.call("hypot", re, im)), o.call("atan2", im, re))


def _log_of_sum(exp: str, unit: float, scale: float) -> Body:
    """The logarithm of a sum of powers given by their exponents; equal ones may be infinite."""

    @wide
    def body(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
        difference = x - y
        smaller = o.call("log1p", o.call(exp, -o.call("fabs", difference)))
        apart = o.select(difference > 0, x, y) + (smaller * scale if scale != 1 else smaller)
        return o.select(x == y, x + unit, apart)

    return body


op("exp", np.exp, flops=10, domain=(-10, 10), body=math("exp", "cexp"))
op("exp2", np.exp2, flops=10, domain=(-10, 10),
   body=by_kind(f=math("exp2"), c=_scaled_complex("cexp", LN2, 1)))
op("expm1", np.expm1, flops=15, domain=(-5, 5), body=by_kind(f=math("expm1"), c=_complex_expm1))
op("log", np.log, flops=10, domain=(1e-3, 100), body=math("log", "clog"))
op("log2", np.log2, flops=10, domain=(1e-3, 100),
   body=by_kind(f=math("log2"), c=_scaled_complex("clog", 1, LOG2E)))
op("log10", np.log10, flops=12, domain=(1e-3, 100),
   body=by_kind(f=math("log10"), c=_scaled_complex("clog", 1, LOG10E)))
op("log1p", np.log1p, flops=12, domain=(-0.9, 10), body=by_kind(f=math("log1p"), c=_complex_log1p))
op("logaddexp", np.logaddexp, flops=25, domain=(0, 20), commutative=True,
   body=_log_of_sum("exp", LN2, 1))
op("logaddexp2", np.logaddexp2, flops=26, domain=(0, 20), commutative=True,
   body=_log_of_sum("exp2", 1, LOG2E))

# Trigonometric and hyperbolic functions.

op("sin", np.sin, flops=15, domain=(-100, 100), body=math("sin", "csin"))
op("cos", np.cos, flops=15, domain=(-100, 100), body=math("cos", "ccos"))
op("tan", np.tan, flops=20, domain=(-1.5, 1.5), body=math("tan", "ctan"))
op("arcsin", np.arcsin, flops=15, domain=(-1, 1), body=math("asin", "casin"))
op("arccos", np.arccos, flops=15, domain=(-1, 1), body=math("acos", "cacos"))
op("arctan", np.arctan, flops=15, domain=(-10, 10), body=math("atan", "catan"))
op("arctan2", np.arctan2, flops=20, domain=(-10, 10), body=math("atan2"))
op("sinh", np.sinh, flops=15, domain=(-5, 5), body=math("sinh", "csinh"))
op("cosh", np.cosh, flops=15, domain=(-5, 5), body=math("cosh", "ccosh"))
op("tanh", np.tanh, flops=15, domain=(-5, 5), body=math("tanh", "ctanh"))
op("arcsinh", np.arcsinh, flops=20, domain=(-10, 10), body=math("asinh", "casinh"))
op("arccosh", np.arccosh, flops=20, domain=(1, 10), body=math("acosh", "cacosh"))
op("arctanh", np.arctanh, flops=20, domain=(-0.99, 0.99), body=math("atanh", "catanh"))


def _scaled(numerator: float, denominator: float) -> Body:
    """The factor is a quotient in the precision of the loop."""
    return wide(lambda o, x: x * float(x.dtype.type(numerator) / x.dtype.type(denominator)))


op("degrees", np.degrees, body=_scaled(180, np.pi))
op("rad2deg", np.rad2deg, body=_scaled(180, np.pi))
op("radians", np.radians, body=_scaled(np.pi, 180))
op("deg2rad", np.deg2rad, body=_scaled(np.pi, 180))
