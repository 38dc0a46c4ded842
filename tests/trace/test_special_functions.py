"""`scipy.special` inside jitted functions: dtypes, values, special values, compiled and called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

from tests.trace.support import check, leaves, values
from tests.trace.test_library import run
from tracejit import errors, jit

pytestmark = pytest.mark.filterwarnings("ignore")

UFUNCS = (
    "erf erfc erfinv erfcinv erfcx erfi gamma gammaln loggamma psi digamma rgamma beta betaln "
    "gammainc gammaincc gammaincinv betainc expit logit log_expit xlogy xlog1py entr rel_entr "
    "kl_div ndtr ndtri log_ndtr j0 j1 jn jv y0 y1 yn yv i0 i0e i1 i1e iv ive kv k0 k1 kn exprel "
    "zetac binom huber pseudo_huber boxcox inv_boxcox ellipk ellipe expi exp1 expn hyp2f1 hyp1f1 "
    "poch log1p expm1 exp2 cbrt sici shichi fresnel airy ellipj"
)


@pytest.mark.parametrize("name", UFUNCS.split())
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4"])
def test_ufuncs(name: str, dtype: str) -> None:
    """The dtypes of SciPy's loops; float32 may be rounded better than there."""
    ufunc, rng = getattr(sp, name), np.random.default_rng(0)
    shapes = [(4, 5)] * ufunc.nin
    if ufunc.nin > 1:
        shapes[-1] = (5,)
    if dtype == "i4":
        operands = [rng.integers(1, 5, s).astype(dtype) for s in shapes]
    else:
        operands = [rng.uniform(0.05, 0.95, s).astype(dtype) for s in shapes]
    check(lambda *xs: ufunc(*xs), *operands, ulp=64 if dtype in ("f8", "i4") else 500)


@pytest.mark.parametrize(("name", "dtype"), [("erf", "c16"), ("gamma", "c16"), ("loggamma", "c8"),
                                             ("wofz", "c16")])  # fmt: skip
def test_complex(name: str, dtype: str) -> None:
    check(lambda x: getattr(sp, name)(x), values((3,), dtype), ulp=500)


def test_options_of_ufuncs() -> None:
    x, out = values((4,)), np.zeros(4)
    check(lambda x, out: sp.expit(x, out=out), x, out, ulp=8)
    check(lambda x, out: sp.erfinv(x / 9, out=out, where=x > 0), x, out, ulp=8)
    check(lambda x: sp.xlogy(x, 2.0), values((4,), "f4"), ulp=8)
    for scalar in (2.5, np.float32(2.5), 3):
        check(lambda x: sp.erf(x), scalar, ulp=8)
    with pytest.raises(errors.DTypeError, match="erfinv"):
        jit(lambda x: sp.erfinv(x))(x + 1j)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i1"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_sums_of_exponentials(axis: Any, dtype: str) -> None:
    for shape in ((5,), (3, 4)):
        x, b = values(shape, dtype), values(shape, dtype, 3)
        run(lambda x: sp.logsumexp(x, axis=axis), x)
        run(lambda x: sp.logsumexp(x, axis=axis, keepdims=True), x)
        run(lambda x: sp.logsumexp(x, axis=axis, return_sign=True), x)
        run(lambda x, b: sp.logsumexp(x, axis=axis, b=b), x, b)
        run(lambda x, b: sp.logsumexp(x, axis=axis, b=b, return_sign=True), x, b)
        run(lambda x: sp.softmax(x, axis=axis), x)
        run(lambda x: sp.log_softmax(x, axis=axis), x)


SPECIAL = [
    [-np.inf] * 3, [np.inf, 1, 2], [np.nan, 1], [0, -50], [1e3, 1e3], [-1e3, 2], [np.inf, -np.inf],
    [-0.0], [0.0, -0.0],
]  # fmt: skip


@pytest.mark.parametrize("case", SPECIAL, ids=str)
def test_special_values(case: list[float]) -> None:
    x = np.array(case, float)
    for fn in (sp.logsumexp, sp.log_softmax, sp.softmax, sp.softplus, sp.expit, sp.entr, sp.logit,
               sp.log_expit, sp.ndtr, sp.gamma, sp.psi, sp.erfinv):  # fmt: skip
        run(lambda x, fn=fn: fn(x), x, ulp=16)
    for two in (sp.xlogy, sp.rel_entr, sp.kl_div, sp.huber):
        run(lambda x, y, two=two: two(x[:, None], y), x, x, ulp=16)
    run(lambda x: sp.logsumexp(x, b=[2.0] * len(case), return_sign=True), x)


def test_empty() -> None:
    run(lambda x: sp.logsumexp(x), np.zeros(0))
    run(lambda x: sp.erfinv(x), np.zeros((0, 3)))


PYTHON: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x: sp.zeta(x), (np.array([1.5, 2, 3, 0.5, -1]),)),
    (lambda x, q: sp.zeta(x, q), (np.array([1.5, 2, 3]), np.array([1.0, 2, 0.5]))),
    (lambda n, x: sp.polygamma(n, x), (np.array([0, 1, 2]), np.array([0.5, 1, 2]))),
    (lambda x: sp.polygamma(1, x), (np.array([0.5, 1, 2], "f4"),)),
    (lambda n, k: sp.comb(n, k), (np.array([5, 6, 3, -1]), np.array([2, 3, 7, 1]))),
    (lambda n, k: sp.comb(n, k, repetition=True), (np.array([5, 6, 0]), np.array([2, 3, 0]))),
    (lambda n, k: sp.perm(n, k), (np.array([5, 6, 3]), np.array([2, 3, 7]))),
    (lambda n: sp.factorial(n), (np.array([0, 1, 5, -1]),)),
    (lambda a: sp.multigammaln(a, 3), (np.array([4.0, 5]),)),
]


@pytest.mark.parametrize(("fn", "args"), PYTHON)
def test_functions_in_python(fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    run(fn, *args, ulp=64)


def test_compiled() -> None:
    """In one function: vector code, calls of SciPy's compiled functions, calls at run time."""
    x = np.random.default_rng(0).uniform(0.1, 0.9, 1000)

    def fn(x: Any, y: Any) -> Any:
        mixed = sp.erfinv(x * 0.5) + sp.gammaincc(y, x) * sp.expit(y)
        return mixed, sp.logsumexp(x), sp.sici(x)[0], sp.softmax(y), sp.jv(1.5, x)

    run(fn, x, x * 3, ulp=1000, mode="fast_run")
    run(fn, x.astype("f4"), x.astype("f4") * 3, ulp=1000, mode="fast_run")
    for leaf in leaves(jit(fn)(x, x)):
        assert np.all(np.isfinite(leaf))


def test_printed_source() -> None:
    fn = jit(lambda x: sp.erfinv(x) + 1)
    assert "special_erfinv" in fn.source(np.ones(3))


PROGRAM = """
import sys
import numpy as np
import tracejit
assert "scipy" not in sys.modules
assert tracejit.jit(lambda x: np.exp(x))(np.zeros(3)).sum() == 3
assert "scipy" not in sys.modules
import scipy.special as sp
f = tracejit.jit(lambda x: sp.ndtri(x))
np.testing.assert_allclose(f(np.full(3, 0.25)), sp.ndtri(0.25))
print(f.cache_info().disk_hits)
"""


def test_scipy_is_loaded_late_and_code_from_the_disk_finds_it(tmp_path: Any) -> None:
    environment = {**os.environ, "TRACEJIT_CACHE_DIR": str(tmp_path)}
    hits = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert hits == ["0", "1"]
