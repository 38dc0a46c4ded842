"""Rules for sums, products, powers, exponentials and logarithms."""

from __future__ import annotations

from math import frexp

import numpy as np

from tracejit.ir.graph import Node, Value
from tracejit.passes.rewrite import Rewriter
from tracejit.passes.rules import equals, is_minus_zero, kind, rule

LARGEST_POWER = 7
"""x**7 by repeated squaring is within 4 ULP of NumPy's, x**8 is 5 away (measured)."""

MOST_NEGATIVE_EXPONENT, LARGEST_EXPONENT = -14, 14
"""Powers of two whose reciprocal is normal in every float dtype, float16 the narrowest."""


def one_plus(r: Rewriter, value: Value) -> Value | None:
    """`x` if `value` is `x + 1.0`, of floats."""
    node = r.definition(value, "add")
    if node is None or kind(value) != "f" or not equals(r, node.inputs[1], 1):
        return None
    return node.inputs[0]


def one_plus_exp(r: Rewriter, value: Value) -> Value | None:
    """`x` if `value` is `1.0 + exp(x)`, of floats."""
    found = one_plus(r, value)
    return None if found is None else r.operand(found, "exp")


# Sums and differences.


@rule("add")
def add_zero(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x + 0 = x for integers, x + (-0.0) = x for floats (but -0.0 + 0.0 is 0.0)."""
    number = r.constant(y)
    if number is None or number != 0:
        return None
    return x if kind(x) in "iub" or is_minus_zero(number) else None


@rule("subtract")
def subtract_zero(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x - 0 = x; for real floats too, since -0.0 - 0.0 is -0.0 (but x - (-0.0) is not x)."""
    number = r.constant(y)
    if number is None or number != 0:
        return None
    return x if kind(x) in "iu" or (kind(x) == "f" and not is_minus_zero(number)) else None


@rule("subtract")
def subtract_from_zero(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """0 - x = -x for integers, -0.0 - x = -x for floats."""
    number = r.constant(x)
    if number is None or number != 0:
        return None
    return r.apply("negative", y) if kind(x) in "iu" or is_minus_zero(number) else None


@rule("subtract")
def subtract_itself(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x - x = 0 for integers (inf - inf is NaN)."""
    return r.full(0, node) if x is y and kind(x) in "iu" else None


@rule("add")
def add_negative(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x + (-y) = x - y."""
    if (negated := r.operand(y, "negative")) is not None:
        return r.apply("subtract", x, negated)
    if (negated := r.operand(x, "negative")) is not None:
        return r.apply("subtract", y, negated)
    return None


@rule("subtract")
def subtract_negative(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x - (-y) = x + y."""
    negated = r.operand(y, "negative")
    return None if negated is None else r.apply("add", x, negated)


@rule("subtract")
def subtract_constant(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x - c = x + (-c) for integers, which wrap: so that chains of both add up."""
    if kind(x) not in "iu" or r.constant(y) is None:
        return None
    return r.apply("add", x, r.apply("negative", y))


@rule("add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor")
def combine_constants(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """(x + a) + b = x + (a + b), for integers."""
    if kind(x) not in "iu" or r.constant(y) is None:
        return None
    inner = r.definition(x, node.op)
    if inner is None or r.constant(inner.inputs[1]) is None:
        return None
    return r.apply(node.op, inner.inputs[0], r.apply(node.op, inner.inputs[1], y))


@rule("negative")
def negate_twice(r: Rewriter, node: Node, x: Value) -> Value | None:
    """-(-x) = x."""
    return r.operand(x, "negative")


@rule("negative")
def negate_difference(r: Rewriter, node: Node, x: Value) -> Value | None:
    """-(x - y) = y - x for integers (for floats 0.0 would become -0.0)."""
    difference = r.definition(x, "subtract")
    if difference is None or kind(x) not in "iu":
        return None
    a, b = difference.inputs
    return r.apply("subtract", b, a)


@rule("positive", "conjugate", "real")
def nothing_to_do(r: Rewriter, node: Node, x: Value) -> Value | None:
    """+x = x; conjugate(x) = real(x) = x for real x."""
    return x if kind(x) != "c" or node.op == "positive" else None


# Products and quotients.


@rule("multiply", "divide")
def multiply_by_one(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x * 1 = x / 1 = x and x * -1 = x / -1 = -x. Not for complex: inf * (1 + 0j) has a NaN."""
    number = r.constant(y)
    if number is None or kind(x) == "c" or number not in (1, -1):
        return None
    if number == 1:
        return x
    return r.apply("negative", x) if kind(x) in "if" else None


@rule("multiply")
def multiply_by_zero(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x * 0 = 0 for integers (0.0 * inf is NaN)."""
    return r.full(0, node) if kind(x) in "iub" and equals(r, y, 0) else None


@rule("multiply", "divide")
def cancel_signs(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """(-x) * (-y) = x * y; (-x) * c = x * (-c). The same for division, which has floats."""
    a = r.operand(x, "negative")
    if a is None or kind(x) == "c":
        return None
    b = r.operand(y, "negative")
    if b is None and r.constant(y) is not None:
        b = r.apply("negative", y)
    return None if b is None else r.apply(node.op, a, b)


@rule("multiply")
def multiply_by_itself(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x * x = square(x)."""
    return r.apply("square", x) if x is y and kind(x) in "iuf" else None


@rule("divide")
def divide_by_power_of_two(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x / 2**k = x * 2**-k: both round the same exact number."""
    number = r.constant(y)
    if number is None or kind(x) != "f" or not np.isfinite(number):
        return None
    mantissa, exponent = frexp(float(number))
    if abs(mantissa) != 0.5 or not MOST_NEGATIVE_EXPONENT <= exponent - 1 <= LARGEST_EXPONENT:
        return None
    return r.apply("multiply", x, r.scalar(1 / number, number.dtype))


@rule("divide")
def divide_to_sigmoid(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """1 / (1 + exp(-x)) = exp(x) / (1 + exp(x)) = sigmoid(x).

    Rounding: by a few ULP; exp(x) / (1 + exp(x)) was NaN where exp(x) overflows, and is 1; where
    it was subnormal it can become 0, as it always was for 1 / (1 + exp(-x)).
    """
    power = one_plus_exp(r, y)
    if power is None:
        return None
    if equals(r, x, 1):
        return r.apply("sigmoid", r.apply("negative", power))
    return r.apply("sigmoid", power) if r.operand(x, "exp") is power else None


@rule("reciprocal")
def reciprocal_to_sigmoid(r: Rewriter, node: Node, x: Value) -> Value | None:
    """1 / (1 + exp(-x)) = sigmoid(x). Rounding: by a few ULP."""
    power = one_plus_exp(r, x)
    return None if power is None else r.apply("sigmoid", r.apply("negative", power))


@rule("floor_divide")
def floor_divide_to_shift(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x // 2**k = x >> k for integers, rounding towards minus infinity both; x // 1 = x."""
    number = r.constant(y)
    if number is None or kind(x) not in "iu" or number <= 0 or int(number) & (int(number) - 1):
        return None
    shift = int(number).bit_length() - 1
    return r.apply("right_shift", x, r.scalar(shift, number.dtype)) if shift else x


@rule("remainder")
def remainder_to_mask(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x % 2**k = x & (2**k - 1) for integers, which have two's complement."""
    number = r.constant(y)
    if number is None or kind(x) not in "iu" or number <= 0 or int(number) & (int(number) - 1):
        return None
    return r.apply("bitwise_and", x, r.scalar(int(number) - 1, number.dtype))


# Powers, exponentials, logarithms.


@rule("power")
def power_of_constant(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """x**0 = 1, x**1 = x, x**2 = square(x), and x**-1, x**0.5 as NumPy's own fast paths have it.

    NumPy takes these paths for an exponent that is one number, not for an array of equal ones; they
    differ in (-0.0)**0.5 and (-inf)**0.5.

    Rounding: x**3 to x**7 become multiplications, within 4 ULP. Integers wrap, so any power does.
    """
    number = r.constant(y)
    if number is None or kind(x) not in "iuf":
        return None
    if number == 0:
        return r.full(1, node)
    if kind(x) == "f" and number == -1:
        return r.apply("reciprocal", x)
    if kind(x) == "f" and number == 0.5 and x.type.dtype.itemsize > 2:
        return r.apply("sqrt", x)
    if 1 <= number <= (LARGEST_POWER if kind(x) == "f" else 64) and number == int(number):
        return repeated_squaring(r, x, int(number))
    return None


def repeated_squaring(r: Rewriter, x: Value, n: int) -> Value:
    if n == 1:
        return x
    if n % 2:
        return r.apply("multiply", repeated_squaring(r, x, n - 1), x)
    return r.apply("square", repeated_squaring(r, x, n // 2))


@rule("square", "absolute", "cosh", "cos")
def even_function(r: Rewriter, node: Node, x: Value) -> Value | None:
    """f(-x) = f(x); also square(|x|) = square(x) and ||x|| = |x|. Not for unsigned |-x|."""
    if kind(x) not in "if":
        return None
    inner = r.operand(x, "negative")
    if inner is None and kind(x) == "f":
        inner = r.operand(x, "absolute")
    if inner is None or inner.type.dtype != x.type.dtype:  # |x| of a complex x is real
        return None
    return r.apply(node.op, inner)


@rule("absolute")
def absolute_of_positive(r: Rewriter, node: Node, x: Value) -> Value | None:
    """|exp(x)| = exp(x), |square(x)| = square(x), for floats; |x| = x for unsigned x."""
    positive = r.definition(x, "exp") or r.definition(x, "square")
    if kind(x) in "ub" or (positive is not None and kind(x) == "f"):
        return x
    return None


@rule("subtract")
def exp_minus_one(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """exp(x) - 1 = expm1(x). Rounding: towards the exact answer where x is small."""
    return exp_plus(r, x, y, 1)


@rule("add")
def exp_plus_minus_one(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """exp(x) + (-1) = expm1(x). Rounding: towards the exact answer where x is small."""
    return exp_plus(r, x, y, -1)


def exp_plus(r: Rewriter, x: Value, y: Value, number: int) -> Value | None:
    """expm1(x) for x = exp(x) if `y` is `number`."""
    if kind(x) != "f" or not equals(r, y, number):
        return None
    power = r.operand(x, "exp")
    return None if power is None else r.apply("expm1", power)


@rule("subtract")
def one_minus_sigmoid(r: Rewriter, node: Node, x: Value, y: Value) -> Value | None:
    """1 - sigmoid(x) = sigmoid(-x). Rounding: towards the exact answer where x is large."""
    inner = r.operand(y, "sigmoid")
    if inner is None or kind(y) != "f" or not equals(r, x, 1):
        return None
    return r.apply("sigmoid", r.apply("negative", inner))


@rule("log")
def log_of_one_plus(r: Rewriter, node: Node, x: Value) -> Value | None:
    """log(1 + x) = log1p(x), log(1 - x) = log1p(-x).

    Rounding: towards the exact answer where x is small.
    """
    if (found := one_plus(r, x)) is not None:
        return r.apply("log1p", found)
    node_ = r.definition(x, "subtract")
    if node_ is None or kind(x) != "f" or not equals(r, node_.inputs[0], 1):
        return None
    return r.apply("log1p", r.apply("negative", node_.inputs[1]))


@rule("log")
def log_of_exps(r: Rewriter, node: Node, x: Value) -> Value | None:
    """log(exp(a) + exp(b)) = logaddexp(a, b).

    Rounding: towards the exact answer; it was infinite where exp overflows or underflows.
    """
    total = r.definition(x, "add")
    if total is None or kind(x) != "f":
        return None
    a, b = (r.operand(v, "exp") for v in total.inputs)
    return None if a is None or b is None else r.apply("logaddexp", a, b)


@rule("log")
def log_of_sigmoid(r: Rewriter, node: Node, x: Value) -> Value | None:
    """log(sigmoid(x)) = -softplus(-x).

    Rounding: towards the exact answer; it was -inf where sigmoid underflows.
    """
    inner = r.operand(x, "sigmoid")
    if inner is None or kind(x) != "f":
        return None
    return r.apply("negative", r.apply("softplus", r.apply("negative", inner)))


@rule("log1p")
def log1p_of_exp(r: Rewriter, node: Node, x: Value) -> Value | None:
    """log(1 + exp(x)) = softplus(x).

    Rounding: by a few ULP; it was infinite where exp overflows.
    """
    inner = r.operand(x, "exp")
    return r.apply("softplus", inner) if inner is not None and kind(x) == "f" else None


@rule("log1p")
def log1p_of_minus_sigmoid(r: Rewriter, node: Node, x: Value) -> Value | None:
    """log1p(-sigmoid(x)) = -softplus(x). Rounding: towards the exact answer."""
    negated = r.operand(x, "negative")
    inner = r.operand(negated, "sigmoid") if negated is not None else None
    if inner is None or kind(x) != "f":
        return None
    return r.apply("negative", r.apply("softplus", inner))
