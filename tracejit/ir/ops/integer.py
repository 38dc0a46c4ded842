"""Bits, shifts, divisors: the ops that only integers have."""

from __future__ import annotations

import numpy as np

from tracejit.ir.opdef import op
from tracejit.ir.ops.bodies import tag, unsigned
from tracejit.ir.scalar import Scalar, Scalars

# fmt: off

op("bitwise_and", np.bitwise_and, body=lambda o, x, y: x & y, commutative=True)
op("bitwise_or", np.bitwise_or, body=lambda o, x, y: x | y, commutative=True)
op("bitwise_xor", np.bitwise_xor, body=lambda o, x, y: x ^ y, commutative=True)
op("invert", np.invert, body=lambda o, x: ~x)


def _shift_fits(o: Scalars, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar]:
    """Whether the hardware can shift by `y`, and a `y` by which it always can."""
    fits = o.cast(y, unsigned(y.dtype)) < 8 * x.dtype.itemsize
    return fits, o.select(fits, y, 0)


def _left_shift(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    fits, safe = _shift_fits(o, x, y)
    return o.select(fits, x << safe, 0)


def _right_shift(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    fits, safe = _shift_fits(o, x, y)
    sign = o.const(0, x.dtype) if x.dtype.kind == "u" else o.select(x < 0, o.const(-1, x.dtype), 0)
    return o.select(fits, x >> safe, sign)


op("left_shift", np.left_shift, body=_left_shift, flops=2,
   doc="A shift by as many bits as there are, or by a negative number, gives 0.")
op("right_shift", np.right_shift, body=_right_shift, flops=2,
   doc="A shift by as many bits as there are, or by a negative number, leaves the sign.")


def _magnitude(o: Scalars, x: Scalar) -> Scalar:
    """The absolute value as an unsigned integer, right for the least integer too."""
    size = x if x.dtype.kind in "ub" else o.select(x < 0, -x, x)
    return o.cast(size, unsigned(x.dtype))


def _bitwise_count(o: Scalars, x: Scalar) -> Scalar:
    """Sums of ever wider fields of bits; LLVM turns it into one instruction."""
    x = _magnitude(o, x)
    bits = 8 * x.dtype.itemsize

    def every_byte(byte: int) -> int:
        return int.from_bytes(bytes([byte]) * x.dtype.itemsize, "little")

    x = x - ((x >> 1) & every_byte(0x55))
    x = (x & every_byte(0x33)) + ((x >> 2) & every_byte(0x33))
    x = (x + (x >> 4)) & every_byte(0x0F)
    if bits > 8:
        x = (x * every_byte(0x01)) >> (bits - 8)
    return o.cast(x, np.dtype("u1"))


op("bitwise_count", np.bitwise_count, body=_bitwise_count, flops=6)


def _euclid(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.while_((x, y), lambda a, b: b != 0, lambda a, b: (b, a % b))[0]


def _gcd_of_magnitudes(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.helper(f"gcd_{tag(x.dtype)}", (x, y), _euclid, x.dtype)


def _gcd(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.cast(_gcd_of_magnitudes(o, _magnitude(o, x), _magnitude(o, y)), x.dtype)


def _lcm(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    a, b = _magnitude(o, x), _magnitude(o, y)
    divisor = _gcd_of_magnitudes(o, a, b)
    return o.cast(a // o.select(divisor == 0, 1, divisor) * b, x.dtype)


op("gcd", np.gcd, body=_gcd, flops=100, commutative=True)
op("lcm", np.lcm, body=_lcm, flops=110, commutative=True)
