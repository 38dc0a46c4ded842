"""Exact division of vectors by one value: by its reciprocal, with two correction steps.

Dividers take 10 to 16 cycles for a vector, a multiplication half a cycle. With `r` the correctly
rounded reciprocal of `s` and `q` within an ulp of `x / s`, `q + r * (x - q * s)`, both products
inside fused operations, is the correctly rounded quotient (Markstein, IBM J. Res. Dev. 34, 1990).
The first step brings `x * r` within an ulp, the second one gives the result.

That holds while nothing overflows, underflows or is zero, infinite or NaN: vectors with such a lane
are divided.
"""

from __future__ import annotations

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_scalars import LlvmScalars
from tracejit.ir.scalar import Scalar
from tracejit.ir.types import F8

LEAST, MOST = 2.0**-400, 2.0**400
"""Between these the remainder `x - q * s` is exact: a multiple of 2**-904 of at most 53 bits."""


def divide_by_uniform(o: LlvmScalars, x: Scalar, divisor: Scalar, mask: ll.Value | None) -> Scalar:
    """`x / divisor` for float64 vectors; lanes that `mask` turns off may be anything."""
    b, one = o.b, divisor.o
    reciprocal = o.widen(one.const(1.0, F8) / divisor)
    s = o.widen(divisor)
    quotient = b.fmul(x.v, reciprocal.v)
    size = o.call("fabs", Scalar(o, F8, quotient))
    safe = (size >= LEAST) & (size <= MOST)
    width = one.call("fabs", divisor)
    usual = (width >= LEAST) & (width <= MOST)
    lanes = safe.v
    if mask is not None:
        lanes = b.or_(lanes, b.not_(mask))
    bits = ll.IntType(o.lanes)
    every = b.icmp_unsigned("==", b.bitcast(lanes, bits), ll.Constant(bits, -1))
    with b.if_else(b.and_(every, usual.v), likely=True) as (then, otherwise):
        with then:
            fast = _corrected(o, _corrected(o, quotient, x, s, reciprocal), x, s, reciprocal)
            from_fast = b.block
        with otherwise:
            slow = b.fdiv(x.v, s.v)
            from_slow = b.block
    result = b.phi(fast.type)
    result.add_incoming(fast, from_fast)
    result.add_incoming(slow, from_slow)
    return Scalar(o, F8, result)


def _corrected(
    o: LlvmScalars, quotient: ll.Value, x: Scalar, s: Scalar, reciprocal: Scalar
) -> ll.Value:
    type = quotient.type
    fma = o.context.declare(f"llvm.fma.v{o.lanes}f64", type, [type] * 3)
    remainder = o.b.call(fma, [o.b.fneg(quotient), s.v, x.v])
    return o.b.call(fma, [remainder, reciprocal.v, quotient])
