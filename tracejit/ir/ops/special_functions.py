"""The special functions of `scipy.special`.

Those of models are written out and become vector code; the others call SciPy's own compiled
functions, element by element. Float32 is computed in double precision and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tracejit.ir.opdef import elementwise_infer, op
from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import F8

# fmt: off

_same_dtype = elementwise_infer(lambda *dtypes: dtypes[0])
Body = Callable[..., Scalar]

SPECIAL: dict[str, str] = {"erf": "erf", "erfc": "erfc", "gamma": "gamma", "gammaln": "gammaln"}
"""Name in `scipy.special` -> op."""


def _reference(name: str) -> Callable[..., Any]:
    """SciPy's function, in double precision."""

    def evaluate(*xs: Any) -> Any:
        function = getattr(import_module("scipy.special"), name)
        with np.errstate(all="ignore"):
            return np.asarray(function(*(np.asarray(x, F8) for x in xs))).astype(xs[0].dtype)

    return evaluate


def special(
    name: str, arity: int, domain: tuple[float, float], flops: float, body: Body | None = None
) -> None:
    """Register `scipy.special.name`."""

    def call(o: Scalars, *xs: Scalar) -> Scalar:
        return o.special(name, *xs)

    def wide(o: Scalars, *xs: Scalar) -> Scalar:
        assert body is not None
        return o.cast(body(o, *(o.cast(x, F8) for x in xs)), xs[0].dtype)

    op(f"special_{name}", body=call if body is None else wide, infer=_same_dtype, domain=domain,
       loops=f"{'f' * arity} {'d' * arity}", flops=flops, evaluate=_reference(name),
       doc=f"`scipy.special.{name}`.")
    SPECIAL[name] = f"special_{name}"


# Written out.


def _log(o: Scalars, x: Scalar) -> Scalar:
    return o.call("log", x)


def _logit(o: Scalars, x: Scalar) -> Scalar:
    """Near 1/2, where the logarithm of the ratio would lose digits, a difference of two."""
    s = 2 * (x - 0.5)
    near = (x >= 0.3) & (x <= 0.65)
    return o.select(near, o.call("log1p", s) - o.call("log1p", -s), _log(o, x / (1 - x)))


def _log_expit(o: Scalars, x: Scalar) -> Scalar:
    rest = o.call("log1p", o.call("exp", -o.call("fabs", x)))
    return o.select(x < 0, x - rest, -rest)


def _xlogy(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.select((x == 0) & (y == y), 0.0, x * _log(o, y))


def _xlog1py(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    return o.select((x == 0) & (y == y), 0.0, x * o.call("log1p", y))


def _entr(o: Scalars, x: Scalar) -> Scalar:
    return o.select(x == 0, 0.0, o.select(x < 0, -np.inf, -x * _log(o, x)))


def _rel_entr(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    """The ratio by its own logarithm where it is near 1, by two where it is no normal number."""
    ratio = x / y
    value = o.select((ratio > 2.2250738585072014e-308) & (ratio < np.inf), x * _log(o, ratio),
                     x * (_log(o, x) - _log(o, y)))
    value = o.select((ratio > 0.5) & (ratio < 2), x * o.call("log1p", (x - y) / y), value)
    zero = (x == 0) & (y >= 0)
    value = o.select((x > 0) & (y > 0), value, o.select(zero, 0.0, o.const(np.inf, F8)))
    return o.select((x != x) | (y != y), np.nan, value)


def _kl_div(o: Scalars, x: Scalar, y: Scalar) -> Scalar:
    value = x * _log(o, x / y) - x + y
    value = o.select((x > 0) & (y > 0), value, o.select((x == 0) & (y >= 0), y, np.inf))
    return o.select((x != x) | (y != y), np.nan, value)


def _huber(o: Scalars, delta: Scalar, r: Scalar) -> Scalar:
    size = o.call("fabs", r)
    value = o.select(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))
    return o.select(delta < 0, np.inf, value)


special("logit", 1, (0.01, 0.99), 25, _logit)
special("log_expit", 1, (-20, 20), 25, _log_expit)
special("xlogy", 2, (0.1, 20), 20, _xlogy)
special("xlog1py", 2, (0.1, 20), 20, _xlog1py)
special("entr", 1, (0.1, 20), 20, _entr)
special("rel_entr", 2, (0.1, 20), 60, _rel_entr)
special("kl_div", 2, (0.1, 20), 25, _kl_div)
special("huber", 2, (0.1, 20), 5, _huber)
SPECIAL["expit"] = "sigmoid"

# SciPy's own.

for _arity, _domain, _names in (
    (1, (-3, 3), "erfcx erfi dawsn ndtr log_ndtr ndtri_exp wrightomega exprel cosm1 exp10 spence"),
    (1, (-0.99, 0.99), "erfinv"),
    (1, (0.01, 0.99), "ndtri ellipk ellipkm1 ellipe kolmogorov kolmogi"),
    (1, (0.01, 1.99), "erfcinv"),
    (1, (0.1, 20), "loggamma psi rgamma gammasgn zetac expi exp1 j0 j1 y0 y1 i0 i0e i1 i1e k0 k0e "
                   "k1 k1e ber bei ker kei itstruve0"),
    (1, (-90, 90), "sindg cosdg tandg cotdg"),
    (2, (0.1, 20), "beta betaln binom poch gammainc gammaincc jv jve yv yve yn iv ive kv kve kn "
                   "hyp0f1 struve modstruve agm pseudo_huber boxcox boxcox1p inv_boxcox "
                   "inv_boxcox1p powm1 expn chdtr chdtrc pdtr pdtrc stdtr owens_t"),
    (2, (0.01, 0.99), "gammaincinv gammainccinv ellipkinc ellipeinc chdtri tklmbda stdtrit"),
    (3, (0.1, 5), "betainc betaincc betaincinv betainccinv hyp1f1 hyperu fdtr fdtrc fdtri gdtr "
                  "gdtrc voigt_profile elliprd elliprf elliprg"),
    (4, (0.1, 0.9), "hyp2f1"),
):
    for _name in _names.split():
        special(_name, _arity, _domain, 100)
