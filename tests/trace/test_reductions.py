"""Reductions, cumulative operations and statistics against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.strategies import DTYPES
from tests.trace.support import check, trace, values
from tracejit import errors

SHAPES = [(), (0,), (1,), (5,), (3, 4), (1, 4), (0, 3), (2, 3, 4), (2, 1, 5)]

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning"
)


def axes_for(ndim: int) -> list[Any]:
    found: list[Any] = [None]
    if ndim:
        found += [0, -1, (), tuple(range(ndim))]
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "any", "all", "mean", "var", "std"])
def test_reduction_over_axes(name: str, shape: tuple[int, ...]) -> None:
    x = values(shape)
    fn = getattr(np, name)
    for axis in axes_for(x.ndim):
        for keepdims in (False, True):
            check(lambda x, a=axis, k=keepdims: fn(x, axis=a, keepdims=k), x, ulp=400)
            check(lambda x, a=axis, k=keepdims: getattr(x, name)(axis=a, keepdims=k), x, ulp=400)


@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s], ids=str)
@pytest.mark.parametrize("name", ["min", "max", "ptp", "argmin", "argmax"])
def test_extremum_over_axes(name: str, shape: tuple[int, ...]) -> None:
    x = values(shape)
    if x.size > 3:
        x.flat[3] = np.nan
    fn = getattr(np, name)
    for axis in axes_for(x.ndim):
        if name.startswith("arg") and isinstance(axis, tuple):
            continue
        for keepdims in (False, True):
            check(lambda x, a=axis, k=keepdims: fn(x, axis=a, keepdims=k), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "name",
    [
        "sum", "prod", "min", "max", "any", "all", "argmin", "argmax", "mean", "var", "std",
        "count_nonzero", "cumsum", "cumprod", "nansum", "nanprod", "nanmin", "nanmax", "nanmean",
        "nanvar", "nanstd", "nanargmin", "nanargmax", "nancumsum", "average",
    ],
)  # fmt: skip
def test_reduction_of_dtypes(name: str, dtype: np.dtype) -> None:
    x = values((3, 4), dtype)
    fn = getattr(np, name)
    ulp = 400 if dtype.kind in "fc" else 64
    check(fn, x, ulp=ulp)
    check(lambda x: fn(x, axis=0), x, ulp=ulp)


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i8", "f2", "f4", "c8"])
@pytest.mark.parametrize(
    "name", ["add", "multiply", "maximum", "minimum", "logical_and", "logical_or"]
)
def test_methods_of_ufuncs(name: str, dtype: str) -> None:
    x, ufunc = values((3, 4), dtype), getattr(np, name)
    check(lambda x: ufunc.reduce(x), x, ulp=64)
    check(lambda x: ufunc.reduce(x, axis=(0, 1), keepdims=True), x, ulp=64)
    check(lambda x: ufunc.reduce(x, axis=None, initial=1), x, ulp=64)
    check(lambda x: ufunc.accumulate(x), x, ulp=64)
    check(lambda x: ufunc.accumulate(x, axis=-1), x, ulp=64)


@pytest.mark.parametrize("dtype", ["i1", "f4", "c16"])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "cumsum", "nansum", "nanmean", "var", "std"]
)
@pytest.mark.parametrize("wanted", ["i4", "f4", "f8", "c16"])
def test_dtype_argument(name: str, dtype: str, wanted: str) -> None:
    if dtype == "c16" and wanted != "c16" and name in ("var", "std"):
        pytest.skip("NumPy casts complex away with a warning")
    if wanted == "i4" and name in ("std", "nanmean"):
        pytest.skip("NumPy refuses it")
    x = np.abs(values((3, 4), dtype))
    check(lambda x: getattr(np, name)(x, axis=0, dtype=wanted), x, ulp=2000)


def test_where_and_initial() -> None:
    x, mask = values((3, 4)), values((3, 4), bool)
    row = np.array([True, False, True, True])
    for name in ("sum", "prod", "any", "all", "mean", "var", "std", "nansum", "nanmean", "nanvar"):
        fn = getattr(np, name)
        check(lambda x, m, fn=fn: fn(x, axis=1, where=m), x, mask, ulp=400)
        check(lambda x, m, fn=fn: fn(x, axis=0, where=m, keepdims=True), x, row, ulp=400)
        check(lambda x, m, fn=fn: fn(x, where=m), x, np.zeros((3, 1), bool), ulp=400)
    for name in ("min", "max", "nanmin", "nanmax"):
        fn = getattr(np, name)
        check(lambda x, m, fn=fn: fn(x, axis=1, where=m, initial=0.5), x, mask)
        check(lambda x, fn=fn: fn(x, axis=1, initial=0.5), x)
        check(lambda x, fn=fn: fn(x, axis=0, initial=0.5), np.zeros((0, 3)))
    for name in ("sum", "prod", "nansum", "nanprod"):
        fn = getattr(np, name)
        check(lambda x, fn=fn: fn(x, axis=1, initial=2), x, ulp=64)
        check(lambda x, fn=fn: fn(x, initial=2), values((3,), "i4"))
    check(lambda x: np.sum(x, initial=2.5), values((3,), "i4"))
    check(lambda x: np.max(x, initial=3), values((3,), "i1"))
    with pytest.raises(OverflowError):
        trace(lambda x: np.max(x, initial=300), values((3,), "i1"))


def test_out() -> None:
    x = values((3, 4))
    for name in ("sum", "mean", "max", "cumsum", "any", "std", "nanmean", "nanmax", "nanvar"):

        def into(x: Any, out: Any, name: str = name) -> Any:
            return getattr(np, name)(x, 0, out=out)

        shape = (3, 4) if name == "cumsum" else (4,)
        for dtype in ("f8", "f4"):
            check(into, x, np.zeros(shape, dtype), ulp=64)
    check(lambda x, out: x.argmax(axis=0, out=out), x, np.zeros(4, int))
    check(lambda x, out: np.add.reduce(x, out=out), x, np.zeros(4, int))
    check(lambda x, out: np.sum(x, axis=0, out=out), values((3, 4), "i1"), np.zeros(4, "i1"))
    with pytest.raises(errors.ShapeError, match="out has the wrong shape"):
        trace(lambda x, out: x.sum(axis=0, out=out), x, np.zeros(3))


def test_nan() -> None:
    x = values((4, 5))
    x[0, :3] = np.nan
    x[2] = np.nan
    for name in (
        "nansum", "nanprod", "nanmin", "nanmax", "nanmean", "nanvar", "nanstd", "nancumsum",
        "nancumprod", "sum", "max", "argmax", "argmin", "cumsum",
    ):  # fmt: skip
        fn = getattr(np, name)
        check(lambda x, fn=fn: fn(x, axis=1), x, ulp=400)
        check(fn, x, ulp=400)
    check(lambda x: np.nanargmin(x, axis=0), x)
    check(lambda x: np.nanargmax(x), x)
    check(lambda x: np.nanvar(x, ddof=2), x, ulp=64)
    check(lambda x: np.fmin.reduce(x), x)
    z = x[:, :2] + 1j * x[:, 1:3]
    for fn in (np.nansum, np.nanmean, np.nanmax, np.nanvar):
        check(fn, z, ulp=400)


def test_ddof_mean_and_correction() -> None:
    x = values((3, 4))
    check(lambda x: np.var(x, ddof=1), x, ulp=64)
    check(lambda x: np.std(x, axis=0, correction=1), x, ulp=64)
    check(lambda x: np.var(x, axis=0, ddof=0.5), x, ulp=64)
    check(lambda x: np.var(x, axis=0, ddof=5), x, ulp=64)
    check(lambda x: np.std(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), x, ulp=64)
    check(lambda x: np.nanstd(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), x, ulp=64)


def test_average() -> None:
    x, w = values((3, 4)), np.abs(values((4,)))
    check(lambda x, w: np.average(x, axis=1, weights=w), x, w, ulp=400)
    check(lambda x, w: np.average(x, axis=-1, weights=w, keepdims=True), x, w, ulp=400)
    full, turned = np.abs(values((3, 4))), np.abs(values((4, 3)))
    check(lambda x, w: np.average(x, weights=w, returned=True), x, full, ulp=400)
    check(lambda x, w: np.average(x, (1, 0), w, returned=True), x, turned, ulp=400)
    check(lambda x: np.average(x, axis=0, returned=True), values((3, 4), "i4"))
    check(lambda x, w: np.average(x, axis=1, weights=w), values((3, 4), "f4"), w, ulp=400)
    with pytest.raises(errors.ShapeError, match="shape of weights"):
        trace(lambda x, w: np.average(x, axis=0, weights=w), x, w)


def test_cumulative() -> None:
    for shape in [(), (0,), (5,), (3, 4), (0, 3)]:
        x = values(shape)
        for axis in (None, 0, -1):
            check(lambda x, a=axis: np.cumsum(x, axis=a), x, ulp=64)
            check(lambda x, a=axis: x.cumprod(a), x, ulp=64)
    check(lambda x: np.cumulative_sum(x, axis=1, include_initial=True), values((3, 4)), ulp=64)
    check(lambda x: np.cumulative_prod(x), values((3,), "i2"))


def test_logaddexp() -> None:
    x = values((3, 4)) * 400
    x[0, 0], x[:, 1], x[1, 2] = -np.inf, -np.inf, np.inf
    for axis in (0, 1, None):
        check(lambda x, a=axis: np.logaddexp.reduce(x, a), x, ulp=64)
        check(lambda x, a=axis: np.logaddexp.reduce(x, a, keepdims=True, initial=3), x, ulp=64)
    mask = values((3, 4), bool)
    check(lambda x, m: np.logaddexp.reduce(x, axis=1, where=m), x, mask, ulp=64)
    check(lambda x: np.logaddexp.reduce(x), np.zeros((0, 3)))
    check(lambda x: np.logaddexp.reduce(x), values((3, 2), "f4"), ulp=64)


def test_count_nonzero() -> None:
    x = values((3, 4), "i4")
    check(lambda x: np.count_nonzero(x, axis=0), x)
    check(lambda x: np.count_nonzero(x, axis=(0, 1), keepdims=True), x)


def test_sizes_stay_symbolic() -> None:
    graph = check(
        lambda x: np.mean(x, axis=0) + np.var(x, ddof=1), values((3, 4)),
        others=[(values((7, 2)),), (values((5, 9)),)], ulp=64,
    )  # fmt: skip
    assert not graph.guards
    graph = check(lambda x: x.max(), values((3,)), others=[(values((7,)),)])
    assert [str(g) for g in graph.guards] == ["x0 > 0"]


@pytest.mark.parametrize("name", ["min", "max", "nanmin", "nanmax", "argmin", "argmax", "ptp"])
def test_empty(name: str) -> None:
    fn = getattr(np, name)
    for x, axis in [(np.zeros(0), None), (np.zeros((0, 3)), 0), (np.zeros((3, 0)), 1)]:
        with pytest.raises(ValueError) as expected:
            fn(x, axis)
        with pytest.raises(errors.ShapeError) as caught:
            trace(lambda x, a=axis: fn(x, a), x)
        assert str(expected.value) in str(caught.value)
        assert __file__ in str(caught.value)
    check(lambda x: fn(x, axis=1), np.zeros((0, 3)))


def test_errors() -> None:
    x = values((3, 4))
    with pytest.raises(np.exceptions.AxisError):
        trace(lambda x: x.sum(axis=2), x)
    with pytest.raises(ValueError, match="duplicate"):
        trace(lambda x: x.sum(axis=(0, 0)), x)
    with pytest.raises(ValueError, match="does not have an identity"):
        trace(lambda x: x.max(where=x > 0), x)
    with pytest.raises(errors.ShapeError):
        trace(lambda x: np.sum(x, where=np.ones((2, 3, 4), bool)), x)
