"""Slopes, windows, covariance, quantiles, polynomials, functions of functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

from tests.trace.support import assert_same, check, leaves, values, xp
from tracejit import config, errors, jit

pytestmark = pytest.mark.filterwarnings("ignore")

ULP = 5000


def run(fn: Callable[..., Any], *args: Any, ulp: int = ULP, mode: str = "fast_compile") -> None:
    """Hold the jitted `fn` against NumPy, types of results included."""
    with config.override(mode=mode):
        got = jit(fn)(*args)
    with np.errstate(all="ignore"):
        want = fn(*args)
    assert isinstance(got, tuple) == isinstance(want, tuple)
    for a, b in zip(leaves(got), leaves(want), strict=True):
        assert isinstance(a, np.ndarray) == isinstance(b, np.ndarray), (type(a), type(b))
        assert_same(np.asarray(a), np.asarray(b), ulp)


def with_nan(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind in "fc":
        x = x.copy()
        x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    return x


# Slopes and phases.


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4"])
def test_gradient(dtype: str, edge_order: int) -> None:
    x, line = values((5, 6), dtype), values((7,), dtype)
    check(lambda x: np.gradient(x, edge_order=edge_order), x, ulp=ULP)
    check(lambda x: np.gradient(x, 2.0, axis=1, edge_order=edge_order), x, ulp=ULP)
    check(lambda x: np.gradient(x, 2.0, 3, edge_order=edge_order), x, ulp=ULP)
    uneven = np.sort(values((7,), "f8", 3))
    check(lambda x, s: np.gradient(x, s, edge_order=edge_order), line, uneven, ulp=ULP)
    check(lambda x, s: np.gradient(x, s, edge_order=edge_order), line, np.arange(7), ulp=ULP)
    if dtype[0] == "f":
        line[3] = np.nan
        check(lambda x, s: np.gradient(x, s), line, np.arange(7.0), ulp=ULP)


def test_gradient_of_too_few() -> None:
    with pytest.raises(ValueError, match="too small"):
        jit(lambda x: np.gradient(x))(np.ones(1))


@pytest.mark.parametrize("period", [2 * np.pi, 4, 5, 2.5])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_unwrap(dtype: str, period: float) -> None:
    x = values((5, 6), dtype) * 3
    check(lambda x: np.unwrap(x, period=period), x, ulp=ULP)
    check(lambda x: np.unwrap(x, axis=0, period=period), x, ulp=ULP)


@pytest.mark.parametrize("period", [None, 3.0])
def test_interp(period: float | None) -> None:
    points, heights = np.sort(values((8,))), values((8,), seed=4)
    special = [np.nan, points[0], points[3], points[-1], np.inf, -np.inf]
    at = np.append(values((20,), seed=9) * 2, special)
    check(lambda a, x, y: np.interp(a, x, y, period=period), at, points, heights, ulp=ULP)
    check(lambda a, x, y: np.interp(a, x, y + 1j, -1, 7, period=period), at, points, heights,
          ulp=ULP)  # fmt: skip
    check(lambda a, x, y: np.interp(a, x, y), np.float64(0.3), points, heights, ulp=ULP)
    heights[2] = np.inf
    check(lambda a, x, y: np.interp(a, x, y), at, points, heights, ulp=ULP)


# Sequences.


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "c16", "?"])
@pytest.mark.parametrize("sizes", [(5, 3), (3, 5), (4, 4), (1, 1), (1, 4), (6, 2)])
def test_convolve_and_correlate(sizes: tuple[int, int], dtype: str) -> None:
    a, v = values(sizes[:1], dtype), values(sizes[1:], dtype, 3)
    for mode in ("full", "same", "valid"):
        check(lambda a, v, mode=mode: np.convolve(a, v, mode), a, v, ulp=ULP)
        check(lambda a, v, mode=mode: np.correlate(a, v, mode), a, v, ulp=ULP)
        check(lambda a, mode=mode: np.convolve(a, [1.0, 2, 1], mode), a, ulp=ULP)
        check(lambda a, mode=mode: np.correlate([1, 2, 1, 7], a, mode), a, ulp=ULP)


@pytest.mark.parametrize("name", ["hanning", "hamming", "blackman", "bartlett"])
def test_windows(name: str) -> None:
    for n in (0, 1, 2, 5, 8):
        found = jit(lambda x: getattr(np, name)(x.shape[0]))(np.zeros(n))
        np.testing.assert_allclose(found, getattr(np, name)(n), rtol=1e-13, atol=1e-15)
    for n in (1, 2, 7):
        check(lambda x, beta: xp.kaiser(x.shape[0], beta), np.zeros(n), 8.6, ulp=ULP)


# Statistics.


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "c16"])
def test_cov_and_corrcoef(dtype: str) -> None:
    x, y = values((3, 8), dtype), values((3, 8), dtype, 5)
    counts, weights = np.array([1, 2, 1, 3, 1, 1, 2, 1]), np.abs(values((8,))) + 0.1
    loose = 10**7
    for kw in ({}, {"bias": True}, {"ddof": 0}):
        check(lambda x, kw=kw: np.cov(x, **kw), x, ulp=loose)
        check(lambda x, f, kw=kw: np.cov(x, fweights=f, **kw), x, counts, ulp=loose)
        check(lambda x, f, w, kw=kw: np.cov(x, fweights=f, aweights=w, **kw), x, counts, weights,
              ulp=loose)  # fmt: skip
    check(lambda x, y: np.cov(x, y, rowvar=False), x, y, ulp=loose)
    check(lambda x: np.cov(x), x[0], ulp=loose)
    for rows in (x, x[0]):
        check(lambda x: np.corrcoef(x), rows, ulp=loose)
    check(lambda x, y: np.corrcoef(x, y), x, y, ulp=loose)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i4", "?", "c16"])
@pytest.mark.parametrize("shape", [(6,), (7,), (4, 5), (3, 2, 6)])
def test_median(shape: tuple[int, ...], dtype: str) -> None:
    for axis in (None, 0, -1, tuple(range(len(shape)))):
        for x in (values(shape, dtype), with_nan(values(shape, dtype))):
            check(lambda x, axis=axis: np.median(x, axis, keepdims=True), x)
            check(lambda x, axis=axis: np.median(x, axis=axis), x)
            if dtype != "c16":
                check(lambda x, axis=axis: np.nanmedian(x, axis=axis), x)


def test_median_of_nothing_and_of_one() -> None:
    check(np.median, np.zeros(0))
    check(lambda x: np.median(x, axis=0), np.zeros((0, 3)))
    check(np.median, np.full(3, np.nan))
    check(np.nanmedian, np.full(3, np.nan))


METHODS = [
    "linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased",
    "normal_unbiased", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    "interpolated_inverted_cdf",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fn", [np.quantile, np.nanquantile])
def test_quantile_methods(fn: Any, method: str) -> None:
    for dtype in ("f8", "f4", "i4"):
        for n in (1, 2, 5, 8):
            x = values((n, 3), dtype)
            for q in (0.5, [0, 0.25, 0.5, 0.33, 1.0]):
                for y in (x, with_nan(x)):
                    check(lambda x, q=q: fn(x, q, axis=0, method=method), y, ulp=64)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1"])
def test_quantiles(dtype: str) -> None:
    x = values((4, 5), dtype)
    for y in (x, with_nan(x)):
        for axis in (None, 0, -1, (0, 1)):
            for q in (0.3, 0, 1, 0.5, [0.1, 0.9], np.float32(0.4)):
                check(lambda x, q=q, axis=axis: np.quantile(x, q, axis), y, ulp=64)
                check(lambda x, q=q, axis=axis: np.nanquantile(x, q, axis, keepdims=True), y,
                      ulp=64)  # fmt: skip
            check(lambda x, q, axis=axis: np.percentile(x, q, axis), y, 25, ulp=64)
            check(lambda x, q, axis=axis: np.nanpercentile(x, q, axis), y, np.array([25, 80.0]),
                  ulp=64)  # fmt: skip
    with pytest.raises(ValueError, match=r"range \[0, 1\]"):
        jit(lambda x: np.quantile(x, 1.5))(x)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_weighted_quantiles(dtype: str) -> None:
    x, one = values((5, 4), dtype), np.array([0, 1, 2, 0, 3])
    weights = np.abs(values((5, 4), "i4", 3))
    weights[0] += 1
    for q in (0.5, [0, 0.25, 0.5, 1]):
        for axis, w in ((0, weights), (None, weights), (0, one)):
            check(
                lambda x, w, q=q, axis=axis: np.quantile(
                    x, q, axis, weights=w, method="inverted_cdf"
                ),
                x,
                w,
            )
        check(
            lambda x, w, q=q: np.nanquantile(x, q, 0, weights=w, method="inverted_cdf"),
            with_nan(x),
            weights,
        )


# Polynomials.


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "c16"])
def test_polynomials(dtype: str) -> None:
    a, b = values((5,), dtype), values((3,), dtype, 3)
    a[0], b[0], a[-1], b[-1] = 2, 3, 1, 2
    for x in (values((4, 3), dtype), np.float64(2.5), values((0,)), values((2,), "f4")):
        check(np.polyval, a, x, ulp=ULP)
    check(np.polyval, a, 3, ulp=ULP)
    for fn in (np.polyadd, np.polysub):
        for p, q in ((a, b), (b, a), (a, a), (a, 2.0)):
            check(fn, p, q)
    check(np.polymul, a, b, ulp=ULP)
    check(lambda u, v: np.polydiv(u, v)[0], a, b, ulp=10**5)
    for m in (1, 2):
        check(lambda p, m=m: np.polyder(p, m), a)
        check(lambda p, m=m: np.polyint(p, m), a)
        check(lambda p, m=m: np.polyint(p, m, [3, 4.5]), a)
    if dtype != "c16":
        check(np.poly, a, ulp=10**6)


def test_remainder_of_polynomials() -> None:
    check(np.polydiv, np.array([1.0, 5, 7, 9]), np.array([2.0, 3, 4]), ulp=ULP)


def test_fits() -> None:
    x, y, w = np.linspace(0, 3, 12), values((12,)), np.abs(values((12,))) + 0.1
    loose = 10**8
    run(lambda x, y: np.polyfit(x, y, 2), x, y, ulp=loose)
    run(lambda x, y, w: np.polyfit(x, y, 2, w=w), x, y, w, ulp=loose)
    run(lambda x, y: np.polyfit(x, y, 2), x, values((12, 2)), ulp=loose)
    run(lambda x, y: np.polyfit(x, y, 1, full=True), x, y, ulp=loose)
    for cov in (True, "unscaled"):
        run(lambda x, y, cov=cov: np.polyfit(x, y, 1, cov=cov), x, y, ulp=loose)


def test_roots() -> None:
    p = np.array([1.0, 2, 1, 5])
    run(lambda p: np.sort(np.roots(p)), p, ulp=10**8)
    run(lambda m: np.poly(m), np.array([[2.0, 1], [1, 3]]), ulp=10**8)
    real = jit(lambda p: np.sort(np.roots(p)))(np.array([1.0, -6, 11, -6]))
    np.testing.assert_allclose(real, [1, 2, 3])


SERIES = [
    (polynomial, "poly"), (chebyshev, "cheb"), (legendre, "leg"), (hermite, "herm"),
    (hermite_e, "herme"), (laguerre, "lag"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "prefix"), SERIES, ids=lambda x: x if type(x) is str else "")
def test_series(module: Any, prefix: str) -> None:
    value, vander = getattr(module, prefix + "val"), getattr(module, prefix + "vander")
    c, c2, x, x2 = values((4,)), values((4, 3)), values((5,)) / 4, values((2, 3)) / 4
    for n in (1, 2, 3, 4):
        run(lambda x, c: value(x, c), x, c[:n])
        run(lambda x, c: value(x, c), x2, c2[:n])
    run(lambda x, c: value(x, c), np.float64(0.5), c2)
    run(lambda x, c: value(x, c, tensor=False), values((3,)), c2)
    for degree in (0, 1, 2, 5):
        run(lambda x, degree=degree: vander(x, degree), x2)
    at_points, on_grid = getattr(module, prefix + "val2d"), getattr(module, prefix + "grid2d")
    run(lambda x, y, c: at_points(x, y, c), x, x + 0.1, c2)
    run(lambda x, y, c: on_grid(x, y, c), x, x[:3], c2)


@pytest.mark.parametrize(("module", "prefix"), SERIES, ids=lambda x: x if type(x) is str else "")
def test_arithmetic_of_series(module: Any, prefix: str) -> None:
    a, b = values((4,)), values((2,))
    for name in ("add", "sub", "mul", "div"):
        fn = getattr(module, prefix + name)
        run(lambda x, y, fn=fn: fn(x, y), a, b)
        run(lambda x, fn=fn: fn(x, [1, 2]), a.astype("f4"))
        run(lambda x, fn=fn: fn(2.0, x), a)
    # Zeros are stripped.
    run(lambda x, y: getattr(module, prefix + "sub")(x, y), a, a)
    run(lambda x: getattr(module, prefix + "pow")(x, 3), b)
    run(lambda x: getattr(module, prefix + "mulx")(x), b)
    run(lambda x: getattr(module, prefix + "fromroots")(x), a)


def test_power_series() -> None:
    c, c2, x = values((4,)), values((4, 3)), values((5,))
    run(lambda c: polynomial.polyder(c, 2, 3.0), c2)
    run(lambda c: polynomial.polyder(c, 9), c)
    run(lambda c: polynomial.polyder(c, axis=1), c2)
    run(lambda c: polynomial.polyint(c, 2, [1, 2]), c)
    run(lambda c: polynomial.polyint(c, 1, 3, lbnd=0.5, scl=2), c)
    run(lambda x, r: polynomial.polyvalfromroots(x, r), x, c)


# Functions of functions.


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_apply_along_axis(axis: int) -> None:
    x, deep = values((3, 4)), values((2, 3, 4))
    for fn in (np.sum, np.sort, np.cumsum, np.median):
        run(lambda x, fn=fn: np.apply_along_axis(fn, axis, x), deep)
    run(lambda x: np.apply_along_axis(lambda v: v[0] * v.sum(), axis, x), x)
    run(lambda x: np.apply_along_axis(lambda v, k: v[:2] * k, axis, x, 2), deep)
    run(lambda x: np.apply_along_axis(lambda v: np.outer(v, v[:2]), axis, x), deep)


def test_apply_along_axis_does_not_grow() -> None:
    with pytest.raises(errors.UnsupportedError, match="200 times"):
        jit(lambda x: np.apply_along_axis(lambda v: v[0], 1, x))(np.ones((200, 3)))


def test_apply_over_axes() -> None:
    run(lambda x: np.apply_over_axes(np.sum, x, [0, 2]), values((2, 3, 4)))


def test_vectorize() -> None:
    x, n = values((3, 4)), values((3, 4), "i4")
    both = np.vectorize(lambda a, b: a * 2 + b)
    run(lambda x, y: both(x, y), x, n)
    run(lambda x: both(x, 1), x.astype("f4"))
    run(lambda x: both(x, [1, 2, 3, 4]), n)
    run(lambda x: np.vectorize(lambda a: (a, a > 0))(x), x)
    run(lambda x: np.vectorize(lambda a: np.exp(a), otypes=["f"])(x), x)
    run(lambda x: np.vectorize(lambda a: 3)(x), x)
    run(lambda x: np.vectorize(lambda a: math.exp(a) + math.log(abs(a)) * float(a))(x), x)
    run(lambda x, y: np.vectorize(lambda a, b: max(a, b) + min(a, 0))(x, y), x, x[::-1].copy())
    run(lambda x: np.vectorize(math.sin)(x), x)


REDUCED = ["bitwise_and", "bitwise_xor", "subtract", "gcd", "hypot", "power", "fmin", "logical_xor"]


@pytest.mark.parametrize("name", REDUCED)
def test_ufunc_methods(name: str) -> None:
    ufunc, x = getattr(np, name), np.abs(values((3, 4), "i4")) % 3 + 1
    run(lambda x: ufunc.reduce(x, axis=1), x)
    run(lambda x: ufunc.reduce(x, axis=0, keepdims=True), x)
    run(lambda x: ufunc.accumulate(x, axis=1), x)
    run(lambda x: ufunc.reduceat(x, [0, 2, 1], axis=1), x)
    if name in ("bitwise_xor", "gcd", "logical_xor"):
        run(lambda x: ufunc.reduce(x, axis=None, initial=1), x)


def test_reduceat_of_sums() -> None:
    run(lambda x: np.add.reduceat(x, [0, 2]), values((4,), "?"))
    run(lambda x, at: np.multiply.reduceat(x, at), values((4,), "i1"), np.array([0, 2]))


def test_questions() -> None:
    x, n = values((3, 4)), values((3, 4), "i4")
    for other in (x, x[0], x[0, :2], x + 1):
        assert jit(lambda x, y: np.array_equiv(x, y))(x, other) == np.array_equiv(x, other)
    run(lambda x: x.astype(np.promote_types(x.dtype, "f4")), n)
    run(lambda x: x * np.finfo(x.dtype).eps, x)
    run(lambda x: x * np.issubdtype(x.dtype, np.integer), n)
    run(lambda x: x.astype(np.common_type(x)), n)
    with pytest.raises(errors.UnsupportedError, match="real_if_close"):
        jit(lambda x: np.real_if_close(x))(x + 1j)


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
@pytest.mark.parametrize("width", [0, 2, 3, ((1, 2), (0, 3))], ids=str)
def test_odd_reflection(width: Any, mode: Any) -> None:
    run(lambda x: np.pad(x, width, mode, reflect_type="odd"), values((5, 4), "i4"))


COMPILED: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x, y: np.gradient(x * y, 0.5), (values((9,)), values((9,), seed=1))),
    (lambda x, y: np.interp(x, np.sort(y), y), (values((9,)), values((9,), seed=1))),
    (lambda x: np.convolve(x, [1.0, 2.0, 1.0], "same") * 2, (values((50,)),)),
    (lambda x, y: np.convolve(x, y), (values((50,)), values((7,)))),
    (lambda x: np.median(x, axis=0) + 1, (values((7, 5)),)),
    (lambda x: np.nanpercentile(x, [20, 50], axis=1), (with_nan(values((7, 5))),)),
    (lambda x: np.cov(x), (values((3, 40)),)),
    (lambda x: np.polyval([1.0, 2.0, 3.0], x), (values((40,)),)),
    (lambda x: np.bitwise_xor.reduce(x), (values((40,), int),)),
    (lambda x: legendre.legval(x, [1.0, 2.0, 3.0, 4.0]), (values((40,)) / 9,)),
    (lambda x: np.unwrap(x * 4), (values((40,)),)),
]


@pytest.mark.parametrize(("fn", "args"), COMPILED)
def test_compiled(fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    run(fn, *args, ulp=10**6, mode="fast_run")
