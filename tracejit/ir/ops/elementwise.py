"""Arithmetic, rounding and casts.

Their kin: `compare`, `integer`, `transcendental`, `floating`, `special`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.ir.opdef import elementwise_infer, op
from tracejit.ir.ops.bodies import by_kind, math, same, wide
from tracejit.ir.scalar import COMPLEX_OF, Scalar, Scalars, real_of

# fmt: off

ALL_LOOPS = "? b B h H i I l L e f d F D"


def _evaluate_complex(re: Any, im: Any) -> np.ndarray:
    re, im = np.broadcast_arrays(re, im)
    result = np.empty(re.shape, COMPLEX_OF[re.dtype])
    result.real, result.imag = re, im
    return result


def _evaluate_cast(x: Any, dtype: Any) -> np.ndarray:
    x, dtype = np.asarray(x), np.dtype(dtype)
    return (x if dtype.kind in "cb" else x.real).astype(dtype)


# Sums and products.

op("add", np.add, body=by_kind(b=lambda o, x, y: x | y, n=lambda o, x, y: x + y),
   commutative=True)
op("subtract", np.subtract, body=lambda o, x, y: x - y)
op("multiply", np.multiply, body=by_kind(b=lambda o, x, y: x & y, n=lambda o, x, y: x * y),
   commutative=True)
op("negative", np.negative, body=lambda o, x: -x)
op("positive", np.positive, body=same, flops=0)
op("copy", body=same, flops=0, loops=ALL_LOOPS, evaluate=np.array,
   infer=elementwise_infer(lambda x: x),
   doc="`x` in memory of its own, as it is at this point of the program.")
op("square", np.square, body=lambda o, x: x * x)
op("conjugate", np.conjugate, flops=0,
   body=by_kind(n=same, c=lambda o, x: o.complex(o.real(x), -o.imag(x))))
op("real", numpy=(np.real,), evaluate=np.real, infer=elementwise_infer(real_of),
   body=lambda o, x: o.real(x), loops=ALL_LOOPS, flops=0,
   doc="The real part; of a real number itself.")
op("imag", numpy=(np.imag,), evaluate=np.imag, infer=elementwise_infer(real_of),
   body=lambda o, x: o.imag(x), loops=ALL_LOOPS, flops=0,
   doc="The imaginary part; of a real number 0.")
op("complex", evaluate=_evaluate_complex, infer=elementwise_infer(lambda re, im: COMPLEX_OF[re]),
   body=lambda o, re, im: o.complex(re, im), loops="ff dd", flops=0,
   doc="The complex number with the parts `re` and `im`, which have one dtype.")
op("cast", body=lambda o, x, dtype: o.cast(x, dtype), loops=ALL_LOOPS,
   evaluate=_evaluate_cast, infer=elementwise_infer(lambda x, dtype: np.dtype(dtype)),
   doc="`x` as `dtype`: floats to integers truncate, integers wrap, complex numbers lose their "
   "imaginary part, and to bool is `x != 0`.")

# Division. The quotient of integers by zero is 0, and so is the remainder.


def _quotient(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    """Rounded towards zero; dividing the least integer by -1 wraps."""
    if x.dtype.kind == "u":
        return o.select(y == 0, 0, x // o.select(y == 0, 1, y))
    simple = (y == 0) | (y == -1)
    return o.select(simple, o.select(y == 0, 0, -x), x // o.select(simple, 1, y))


def _rest(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    """The remainder with the sign of `x`."""
    simple = (y == 0) | (y == -1) if x.dtype.kind == "i" else y == 0
    return o.select(simple, 0, x % o.select(simple, 1, y))


def _floor_quotient(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    inexact = (_rest(o, x, y) != 0) & ((x < 0) != (y < 0))
    return _quotient(o, x, y) - o.cast(inexact, x.dtype)


def _floor_rest(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    rest = _rest(o, x, y)
    return o.select((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)


@wide
def _float_floor_divide(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    """Python's `//`: the remainder is taken off first, so that the quotient is nearly integral."""
    rest = o.call("fmod", x, y)
    quotient = (x - rest) / y
    quotient = o.select((rest != 0) & ((y < 0) != (rest < 0)), quotient - 1, quotient)
    floor = o.call("floor", quotient)
    floor = o.select(quotient - floor > 0.5, floor + 1, floor)
    exact = x / y
    floor = o.select(quotient == 0, o.call("copysign", o.const(0, x.dtype), exact), floor)
    return o.select(y == 0, exact, floor)


@wide
def _float_remainder(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    rest = o.call("fmod", x, y)
    adjusted = o.select((y < 0) != (rest < 0), rest + y, rest)
    adjusted = o.select(rest == 0, o.call("copysign", o.const(0, y.dtype), y), adjusted)
    return o.select(y == 0, rest, adjusted)


def _integer_reciprocal(o: Scalars, x: Scalar) -> Scalar:
    """1/x, so 0 but for 1 and -1; of zero what the conversion of infinity gives on x86."""
    wraps = x.dtype.kind == "i" and x.dtype.itemsize >= 4
    of_zero = o.const(int(np.iinfo(x.dtype).min) if wraps else 0, x.dtype)
    unit = (x == 1) | (x == -1) if x.dtype.kind == "i" else x == 1
    return o.select(x == 0, of_zero, o.select(unit, x, 0))


def _complex_reciprocal(o: Scalars, x: Scalar) -> Scalar:
    re, im = o.real(x), o.imag(x)
    tall = o.call("fabs", im) <= o.call("fabs", re)
    big, small = o.select(tall, re, im), o.select(tall, im, re)
    ratio = small / big
    scale = big + small * ratio
    one = o.const(1, re.dtype)
    return o.complex(o.select(tall, one, ratio) / scale, -(o.select(tall, ratio, one) / scale))


op("divide", np.divide, body=lambda o, x, y: x / y, flops=5)
op("floor_divide", np.floor_divide, flops=15,
   body=by_kind(u=_quotient, i=_floor_quotient, f=_float_floor_divide))
op("remainder", np.remainder, flops=15, body=by_kind(u=_rest, i=_floor_rest, f=_float_remainder))
op("fmod", np.fmod, flops=12, body=by_kind(u=_rest, i=_rest, f=math("fmod")))
op("reciprocal", np.reciprocal, flops=5,
   body=by_kind(n=_integer_reciprocal, f=lambda o, x: 1 / x, c=_complex_reciprocal))

# Magnitude and sign.


def _complex_sign(o: Scalars, x: Scalar) -> Scalar:
    """x / |x|; along an axis where one part is infinite, NaN where both are.

    Where |x| overflows, the imaginary part counts as the infinite one, as in NumPy.
    """
    re, im = o.real(x), o.imag(x)
    size = o.call("hypot", re, im)
    infinite, zero, nan = size == np.inf, size == 0, (re != re) | (im != im)
    along = o.call("fabs", re) == np.inf
    both = along & (o.call("fabs", im) == np.inf)
    one = o.call("copysign", o.const(1, re.dtype), im)

    def part(a: Scalar, unit: Scalar) -> Scalar:
        far = o.select(both, np.nan, unit)
        near = o.select(zero, 0, a / size)
        return o.select(size != size, np.nan, o.select(infinite, far, near))

    parts = part(re, o.select(along, _real_sign(o, re), 0)), part(im, o.select(along, 0, one))
    return o.select(nan & ~infinite, complex(np.nan, np.nan), o.complex(*parts))


def _real_sign(o: Scalars, x: Scalar) -> Scalar:
    nothing = o.const(0, x.dtype)
    if x.dtype.kind == "f":
        nothing = o.select(x == x, nothing, x)
    negative = nothing if x.dtype.kind == "u" else o.select(x < 0, -1, nothing)
    return o.select(x > 0, 1, negative)


def _heaviside(o: Scalars, x: Scalar, at_zero: Scalar) -> Scalar:
    step = o.select(x < 0, 0, o.const(1, x.dtype))
    return o.select(x == 0, at_zero, o.select(x == x, step, x))


op("absolute", np.absolute,
   body=by_kind(b=same, u=same, i=lambda o, x: o.select(x < 0, -x, x), f=math("fabs"),
                c=lambda o, x: o.call("hypot", o.real(x), o.imag(x))))
op("fabs", np.fabs, body=math("fabs"))
op("sign", np.sign, body=by_kind(n=_real_sign, c=_complex_sign), flops=2)
op("copysign", np.copysign, body=math("copysign"))
op("heaviside", np.heaviside, body=_heaviside, flops=3)
op("hypot", np.hypot, body=math("hypot"), flops=12, commutative=True)

# Rounding.

op("rint", np.rint, flops=1,
   body=by_kind(f=math("rint"),
                c=lambda o, x: o.complex(o.call("rint", o.real(x)), o.call("rint", o.imag(x)))))
op("floor", np.floor, body=by_kind(n=same, f=math("floor")))
op("ceil", np.ceil, body=by_kind(n=same, f=math("ceil")))
op("trunc", np.trunc, body=by_kind(n=same, f=math("trunc")))
