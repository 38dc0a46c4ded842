"""Comparisons, logic, selection, maxima and minima."""

from __future__ import annotations

import numpy as np

from tracejit.ir.opdef import elementwise_infer, op
from tracejit.ir.ops.bodies import Body, by_kind, false, true
from tracejit.ir.ops.elementwise import ALL_LOOPS
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import BOOL

# fmt: off

MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _relation(relation: str) -> Body:
    def body(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
        if x.dtype == y.dtype:
            return o.compare(relation, x, y)
        # NumPy has loops of int64 against uint64, which compare the numbers they stand for.
        if x.dtype.kind == "u":
            return _mixed(o, MIRRORED[relation], y, x)
        return _mixed(o, relation, x, y)

    return body


def _mixed(o: Scalars, relation: str, signed: Scalar, unsigned: Scalar) -> Scalar:
    compared = o.compare(relation, o.cast(signed, unsigned.dtype), unsigned)
    return o.select(signed < 0, relation in ("<", "<=", "!="), compared)


op("equal", np.equal, body=_relation("=="), commutative=True)
op("not_equal", np.not_equal, body=_relation("!="), commutative=True)
op("less", np.less, body=_relation("<"))
op("less_equal", np.less_equal, body=_relation("<="))
op("greater", np.greater, body=_relation(">"))
op("greater_equal", np.greater_equal, body=_relation(">="))

# Logic, on any dtype.


def _logical(combine: Body) -> Body:
    return lambda o, *xs: combine(o, *(o.cast(x, BOOL) for x in xs))


op("logical_and", np.logical_and, body=_logical(lambda o, x, y: x & y), commutative=True)
op("logical_or", np.logical_or, body=_logical(lambda o, x, y: x | y), commutative=True)
op("logical_xor", np.logical_xor, body=_logical(lambda o, x, y: x ^ y), commutative=True)
op("logical_not", np.logical_not, body=_logical(lambda o, x: ~x))
op("select", body=lambda o, c, a, b: o.select(c, a, b), evaluate=np.where,
   infer=elementwise_infer(lambda c, a, b: a),
   loops=" ".join(f"?{t}{t}" for t in ALL_LOOPS.split()),
   doc="`a` where the bool `c` is true, else `b`; both have one dtype.")

# Extremes. Where one is NaN, `maximum` and `minimum` give it, `fmax` and `fmin` the other operand.


def _extreme(relation: str) -> Body:
    """Of equal floats the second is taken, as NumPy and the processor do for zeros of two signs."""

    def body(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
        strict = relation if x.dtype.kind == "f" else relation + "="
        return o.select(o.compare(strict, x, y) | o.isnan(x), x, y)

    return body


def _number_extreme(relation: str) -> Body:
    def body(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
        return o.select(o.compare(relation + "=", x, y) | o.isnan(y), x, y)

    return body


op("maximum", np.maximum, commutative=True,
   body=by_kind(b=lambda o, x, y: x | y, n=_extreme(">")))
op("minimum", np.minimum, commutative=True,
   body=by_kind(b=lambda o, x, y: x & y, n=_extreme("<")))
op("fmax", np.fmax, commutative=True,
   body=by_kind(b=lambda o, x, y: x | y, n=_number_extreme(">")))
op("fmin", np.fmin, commutative=True,
   body=by_kind(b=lambda o, x, y: x & y, n=_number_extreme("<")))

# Classification.


def _both_parts(join: str, test: Body) -> Body:
    """`test` of a float, of both parts of a complex number."""

    def body(o: Scalars, x: Scalar) -> Scalar:
        return o.binary(join, test(o, o.real(x)), test(o, o.imag(x)))

    return by_kind(f=test, c=body)


def _is_inf(o: Scalars, x: Scalar) -> Scalar:
    return o.call("fabs", x) == np.inf


def _is_finite(o: Scalars, x: Scalar) -> Scalar:
    return o.call("fabs", x) < np.inf


def _signbit(o: Scalars, x: Scalar) -> Scalar:
    if x.dtype.itemsize == 2:
        x = o.cast(x, np.dtype("f4"))
    return o.bits(x, np.dtype(f"i{x.dtype.itemsize}")) < 0


op("isnan", np.isnan, body=lambda o, x: o.isnan(x))
op("isinf", np.isinf, body=by_kind(n=false, f=_is_inf, c=_both_parts("or", _is_inf)))
op("isfinite", np.isfinite, body=by_kind(n=true, f=_is_finite, c=_both_parts("and", _is_finite)))
op("signbit", np.signbit, body=_signbit)
