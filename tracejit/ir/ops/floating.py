"""Floats taken apart and put together: neighbours, exponents, integral parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracejit.ir.opdef import Infer, elementwise_infer, op, resolve_loop
from tracejit.ir.ops.bodies import math, wide
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import F2, F8

# fmt: off

I4, I8, U2 = np.dtype("i4"), np.dtype("i8"), np.dtype("u2")


def _output(ufunc: np.ufunc, index: int) -> tuple[Infer, Callable[..., np.ndarray]]:
    """`infer` and `evaluate` of one output of a ufunc that has several."""
    infer = elementwise_infer(lambda *dtypes: resolve_loop(ufunc, dtypes)[ufunc.nin + index])
    return infer, lambda *xs: ufunc(*xs)[index]


# Neighbours.


def _half_nextafter(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    bits = o.bits(x, U2)
    outwards = (x > 0) == (y > x)
    step = o.select(outwards, bits + 1, bits - 1)
    from_zero = (o.bits(y, U2) & 0x8000) + 1
    moved = o.bits(o.select(x == 0, from_zero, step), F2)
    return o.select(o.isnan(x) | o.isnan(y), np.nan, o.select(x == y, x, moved))


def _spacing(o: Scalars, x: Scalar) -> Scalar:
    """Away from zero to the next float; adding 0.0 drops the sign of -0.0."""
    x = x + 0.0
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    return o.select(o.isnan(x), x, o.bits(o.bits(x, unsigned) + 1, x.dtype) - x)


def _half_spacing(o: Scalars, x: Scalar) -> Scalar:
    """NumPy's float16 loop: positive, and for negative powers of two the spacing towards zero."""
    bits = o.bits(x, U2)
    exponent = (bits >> 10) & 0x1F
    boundary = ((bits & 0x8000) != 0) & ((bits & 0x03FF) == 0)
    lost = o.select(boundary, 11, o.const(10, U2))
    small = exponent - o.select(boundary, 2, o.const(1, U2))
    bit = o.const(1, U2) << o.select((exponent > lost) | (exponent <= 1), 0, small)
    space = o.bits(o.select(exponent > lost, (exponent - lost) << 10, bit), F2)
    return o.select(exponent == 0x1F, np.nan, o.select(x == 65504, np.inf, space))


op("nextafter", np.nextafter, flops=10,
   body=lambda o, x, y: _half_nextafter(o, x, y) if x.dtype == F2 else o.call("nextafter", x, y))
op("spacing", np.spacing, flops=4,
   body=lambda o, x: _half_spacing(o, x) if x.dtype == F2 else _spacing(o, x))

# Exponents. Narrow floats go through float64, where nothing is subnormal and one rounding remains.


def _clamp(o: Scalars, n: Scalar, bound: int) -> Scalar:
    n = o.select(n > bound, bound, n)
    return o.select(n < -bound, -bound, n)


def _power_of_two(o: Scalars, n: Scalar) -> Scalar:
    """2.0**n for the int64 n of a normal float64."""
    return o.bits((n + 1023) << 52, F8)


def _ldexp(o: Scalars, x: Scalar, n: Scalar) -> Scalar:
    y, n = o.cast(x, F8), o.cast(n, I8)
    if x.dtype != F8:
        return o.cast(y * _power_of_two(o, _clamp(o, n, 400)), x.dtype)
    n = _clamp(o, n, 2200)
    for _ in range(2):
        # Down by 969 and not 1022, so that only the last product can round a subnormal.
        up, down = n > 1023, n < -1022
        y = y * o.select(up, 2.0**1023, o.select(down, 2.0**-969, o.const(1, F8)))
        n = o.select(up, n - 1023, o.select(down, n + 969, n))
    return y * _power_of_two(o, n)


def _frexp(o: Scalars, x: Scalar) -> tuple[Scalar, Scalar, Scalar]:
    """The bits of `x` as an int64, its exponent, and whether it has neither (0, inf, NaN)."""
    subnormal = o.call("fabs", x) < 2.0**-1022
    bits = o.bits(o.select(subnormal, x * 2.0**54, x), I8)
    exponent = ((bits >> 52) & 0x7FF) - o.select(subnormal, o.const(1022 + 54, I8), 1022)
    return bits, exponent, (x == 0) | ~(o.call("fabs", x) < np.inf)


def _frexp_mantissa(o: Scalars, x: Scalar) -> Scalar:
    y = o.cast(x, F8)
    bits, _, special = _frexp(o, y)
    mantissa = o.bits((bits & ~(0x7FF << 52)) | (1022 << 52), F8)
    return o.cast(o.select(special, y, mantissa), x.dtype)


def _frexp_exponent(o: Scalars, x: Scalar) -> Scalar:
    _, exponent, special = _frexp(o, o.cast(x, F8))
    return o.cast(o.select(special, 0, exponent), I4)


op("ldexp", np.ldexp, body=_ldexp, flops=6)

_infer, _evaluate = _output(np.frexp, 0)
op("frexp_mantissa", np.frexp, numpy=(), infer=_infer, evaluate=_evaluate, flops=6,
   body=_frexp_mantissa, doc="The first result of `np.frexp`.")
_infer, _evaluate = _output(np.frexp, 1)
op("frexp_exponent", np.frexp, numpy=(), infer=_infer, evaluate=_evaluate, flops=6,
   body=_frexp_exponent, doc="The second result of `np.frexp`.")

# Integral and fractional part.


@wide
def _fraction(o: Scalars, x: Scalar) -> Scalar:
    whole = o.call("fabs", x) == np.inf
    return o.call("copysign", o.select(whole, 0, x - o.call("trunc", x)), x)


_infer, _evaluate = _output(np.modf, 0)
op("modf_frac", np.modf, numpy=(), infer=_infer, evaluate=_evaluate, flops=3, body=_fraction,
   doc="The first result of `np.modf`.")
_infer, _evaluate = _output(np.modf, 1)
op("modf_int", np.modf, numpy=(), infer=_infer, evaluate=_evaluate, body=math("trunc"),
   doc="The second result of `np.modf`.")
