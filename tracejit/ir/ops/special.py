"""Stable forms that simplification finds, and special functions of C's math library."""

from __future__ import annotations

import math as python_math
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.ir.opdef import elementwise_infer, op
from tracejit.ir.ops.bodies import math, wide, wide_reference
from tracejit.ir.scalar import Scalar, Scalars

# fmt: off

FLOAT_LOOPS = "e f d"
_same_dtype = elementwise_infer(lambda x: x)


@wide
def _sigmoid(o: Scalars, x: Scalar) -> Scalar:
    """The exponential never overflows, and tiny results keep all their bits."""
    power = o.call("exp", -o.call("fabs", x))
    return o.select(x < 0, power, 1) / (1 + power)


def _sigmoid_reference(x: Any) -> Any:
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, x.dtype.type(1)) / (1 + power)


@wide
def _softplus(o: Scalars, x: Scalar) -> Scalar:
    return o.select(x > 0, x, 0) + o.call("log1p", o.call("exp", -o.call("fabs", x)))


op("sigmoid", body=_sigmoid, infer=_same_dtype, loops=FLOAT_LOOPS, flops=16, domain=(-20, 20),
   evaluate=wide_reference(_sigmoid_reference), doc="1 / (1 + exp(-x)).")
op("softplus", body=_softplus, infer=_same_dtype, loops=FLOAT_LOOPS, flops=25, domain=(-20, 20),
   evaluate=wide_reference(lambda x: np.logaddexp(x, x.dtype.type(0))),
   doc="log(1 + exp(x)), which never overflows.")


def _reference(function: Callable[[float], float], pole: Callable[[float], float]) -> Any:
    """`function` of Python's math module on arrays; `pole` gives the value where it raises."""

    def scalar(x: float) -> float:
        try:
            return function(x)
        except (OverflowError, ValueError):
            return pole(x)

    def evaluate(x: Any) -> np.ndarray:
        x = np.asarray(x)
        return np.vectorize(scalar, otypes=[np.float64])(x).astype(x.dtype)

    return evaluate


def _gamma_pole(x: float) -> float:
    return python_math.copysign(np.inf, x) if x > -1 else np.nan


op("erf", body=math("erf"), infer=_same_dtype, loops=FLOAT_LOOPS, flops=20, domain=(-3, 3),
   evaluate=_reference(python_math.erf, lambda x: np.nan),
   doc="The error function.")
op("erfc", body=math("erfc"), infer=_same_dtype, loops=FLOAT_LOOPS, flops=25, domain=(-3, 5),
   evaluate=_reference(python_math.erfc, lambda x: np.nan),
   doc="1 - erf(x).")
op("gamma", body=math("tgamma"), infer=_same_dtype, loops=FLOAT_LOOPS, flops=60, domain=(0.1, 20),
   evaluate=_reference(python_math.gamma, _gamma_pole),
   doc="The gamma function.")
op("gammaln", body=math("lgamma"), infer=_same_dtype, loops=FLOAT_LOOPS, flops=60,
   domain=(0.1, 50), evaluate=_reference(python_math.lgamma, lambda x: np.inf),
   doc="The logarithm of the absolute value of the gamma function.")
