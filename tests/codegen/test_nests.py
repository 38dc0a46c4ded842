"""Compiled loop nests equal NumPy: reductions over all axes, what is fused with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.codegen.support import SUM_ULP, check, random
from tracejit import jit

REDUCTIONS = {
    "sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "any": np.any, "all": np.all,
    "mean": np.mean, "var": np.var, "std": np.std, "ptp": np.ptp,
}  # fmt: skip
POSITIONS = {"argmin": np.argmin, "argmax": np.argmax}
SHAPES = [(37,), (9, 70), (5, 3, 34), (2, 3, 4, 17)]


def axes_of(rank: int) -> list[Any]:
    """Every subset of the axes but the empty one, and None."""
    return [None, *(c for n in range(1, rank + 1) for c in combinations(range(rank), n))]


def all_reductions(rank: int, names: list[str]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        found = []
        for name in names:
            if name in REDUCTIONS:
                found += [REDUCTIONS[name](x, axis=a) for a in axes_of(rank)]
                found.append(REDUCTIONS[name](x, axis=rank - 1, keepdims=True))
                found.append(REDUCTIONS[name](x, axis=0, keepdims=True))
            else:
                found += [POSITIONS[name](x, axis=a) for a in (None, *range(rank))]
        return found

    return run


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "names", [["sum", "min", "argmin", "any"], ["mean", "max", "argmax", "all"], ["prod", "var"],
              ["std", "ptp"]], ids="-".join)  # fmt: skip
def test_reductions_over_every_axes(shape: tuple[int, ...], names: list[str]) -> None:
    function = all_reductions(len(shape), names)
    compiled = jit(function)
    check(function, random(shape), ulp=SUM_ULP, sums=True, compiled=compiled)
    empty = np.zeros((*shape[:-1], 0)) + 1.0
    if names == ["sum"]:
        check(function, empty, compiled=compiled)


DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions_of_every_dtype(dtype: str) -> None:
    def run(x: Any) -> Any:
        axes = (None, 0, 1)
        found = [f(x, axis=a) for f in (np.sum, np.min, np.max, np.any) for a in axes]
        found += [f(x, axis=a) for f in (np.argmin, np.argmax) for a in axes]
        found += [np.count_nonzero(x, axis=a) for a in axes]
        if x.dtype != bool:
            found += [np.cumsum(x, axis=a) for a in axes]
            found += [np.mean(x, axis=a) for a in axes]
        return found

    check(run, random((7, 150), dtype), ulp=SUM_ULP * 2, sums=True)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "f2"])
def test_nan_in_extremes_and_positions(dtype: str) -> None:
    def run(x: Any) -> Any:
        functions = (np.min, np.max, np.argmin, np.argmax)
        return [f(x, axis=a) for f in functions for a in (None, 0, 1)]

    compiled = jit(run)
    for shape in ((1, 70), (70, 2), (40, 33)):
        for k in range(6):
            x = random(shape, dtype, k)
            x.flat[:: max(1, 7 * k)] = np.nan if k % 2 else np.inf
            check(run, x, compiled=compiled)
        check(run, np.full(shape, np.inf, dtype), compiled=compiled)
        check(run, np.full(shape, -np.inf, dtype), compiled=compiled)
        check(run, np.full(shape, np.nan, dtype), compiled=compiled)
        check(run, np.zeros(shape, dtype), compiled=compiled)


def test_first_of_equal_extremes() -> None:
    def run(x: Any) -> Any:
        return [f(x, axis=a) for f in (np.argmin, np.argmax) for a in (None, 0, 1)]

    compiled = jit(run)
    rng = np.random.default_rng(0)
    for shape in ((3, 1000), (1000, 3), (260, 300)):
        for top in (1, 2, 5):
            check(run, rng.integers(0, top, shape), compiled=compiled)


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def layer_norm(x: Any, axis: int) -> Any:
    mean = x.mean(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)


def standard(x: Any, axis: int) -> Any:
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


def shares(x: Any, axis: int) -> Any:
    return x / np.abs(x).sum(axis, keepdims=True)


def logsumexp(x: Any, axis: int) -> Any:
    top = x.max(axis, keepdims=True)
    return np.log(np.exp(x - top).sum(axis, keepdims=True)) + top


FORMULAS = [softmax, layer_norm, standard, shares, logsumexp]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(33,), (12, 40), (40, 12), (5, 6, 19)], ids=str)
def test_formulas_over_every_axis(formula: Any, shape: tuple[int, ...]) -> None:
    def run(x: Any) -> Any:
        return [formula(x, axis) for axis in range(len(shape))]

    compiled = jit(run)
    check(run, random(shape), ulp=64, sums=True, compiled=compiled)
    check(run, np.asfortranarray(random(shape, seed=1)), ulp=64, sums=True, compiled=compiled)


LARGE = [(100_003,), (513, 700), (3, 70_001), (70_001, 3), (1030, 600)]


@pytest.mark.parametrize("shape", LARGE, ids=str)
def test_large_arrays_are_cut_into_chunks(shape: tuple[int, ...]) -> None:
    """Sizes beyond every chunk, so that threads share the work and partial results combine."""

    def run(x: Any) -> Any:
        whole = [
            x.sum(),
            x.mean(),
            x.var(),
            x.std(),
            x.min(),
            x.argmax(),
            np.abs(x - x.mean()).max(),
        ]
        rows = [x.sum(-1), x.max(-1), x.argmin(-1), x.sum(0), x.var(0), x.argmax(0)]
        return [*whole, *rows, np.exp(x), x - x.sum(), x * 2 + x.sum(0)]

    check(run, random(shape), ulp=1e6, sums=True)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_formulas_over_everything(formula: Any) -> None:
    """A full reduction that needs the result of another one waits for all of its chunks."""
    check(lambda x: formula(x, None), random((300, 500)), ulp=1e4, sums=True)
    check(lambda x: formula(x, 0), random((90_000,)), ulp=1e4, sums=True)


@pytest.mark.parametrize("n", [1, 2, 63, 511, 512, 513, 16383, 16384, 16385, 32768, 32769, 70000])
def test_sizes_around_chunks(n: int) -> None:
    x = random((n,))
    check(_around_chunks, x, ulp=1e5, sums=True, compiled=AROUND)
    check(_columns, random((3, n)), ulp=1e4, sums=True, compiled=COLUMNS)


def _around_chunks(x: Any) -> Any:
    return x.sum(), x.max(), x.argmin(), np.sqrt(np.abs(x)), x.var()


def _columns(x: Any) -> Any:
    return x.sum(0), x - x.mean(0), x.argmax(0), x.max(1)


AROUND, COLUMNS = jit(_around_chunks), jit(_columns)


CASES: dict[str, Callable[..., Any]] = {
    "several": lambda x, y: (x + y, x * y, (x - y).sum(0), (x * y).max(1), x.mean(), (y > 0).any()),
    "siblings": lambda x, y: (x.sum(1), (x * x).sum(1), x.max(1), x.min(1), np.exp(x).sum(1)),
    "column siblings": lambda x, y: (x.sum(0), (x * y).sum(0), x.max(0), x.argmin(0)),
    "distances": lambda x, y: np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)),
    "far pairs": lambda x, y: np.abs(x[:, None] - y[None]).max(axis=(0, 2)),
    "slices of computed": lambda x, y: (np.exp(x)[1:] - np.exp(x)[:-1], (x * y)[:, ::-2]),
    "slices of slices": lambda x, y: ((x + y)[::-1][1::3][::-1], np.sin(x)[:, 1:][1:, ::2]),
    "differences": lambda x, y: np.diff(x * y, axis=0) + np.diff(x + y, axis=0),
    "second differences": lambda x, y: (x * 2)[2:] - 2 * (x * 2)[1:-1] + (x * 2)[:-2],
    "ranges": lambda x, y: x * np.arange(x.shape[1]) + np.arange(x.shape[0])[:, None],
    "eye": lambda x, y: (x @ x.T) * np.eye(x.shape[0]) + np.eye(x.shape[0], k=1),
    "tri": lambda x, y: np.tril(x) + np.triu(y, 1),
    "outer": lambda x, y: np.exp(-x[:, :1]) * np.sin(y[:1]),
    "row and column": lambda x, y: x - x.mean(0) - x.mean(1, keepdims=True) + x.mean(),
    "chain": lambda x, y: ((x - x.max(0)).sum(1) * y.T).max(1) - y.min(),
    "where": lambda x, y: np.where(x > y, x, np.nan).sum() + np.nansum(np.where(x > 0, x, np.nan)),
    "transposed": lambda x, y: (x.T + y.T).sum(0) + (x.T * 2).sum(0),
    "concatenate": lambda x, y: np.concatenate([x * 2, y + x, x], axis=1).sum(1),
    "stack": lambda x, y: np.stack([x, y * 2, x + y], axis=1),
    "hstack": lambda x, y: (np.hstack([x, y]), np.vstack([x, y])),
    "pad": lambda x, y: (np.pad(x + y, 2), np.pad(x, ((1, 0), (0, 3)), constant_values=7.0)),
    "pad edge": lambda x, y: (np.pad(x, 2, mode="edge"), np.pad(y, 2, mode="reflect")),
    "roll": lambda x, y: (np.roll(x, 3, axis=0), np.roll(x * y, -1, axis=1), np.roll(x, 5)),
    "tile": lambda x, y: (np.tile(x, (2, 3)), np.repeat(x, 3, axis=0), np.repeat(y, 2, axis=1)),
    "take": lambda x, y: (np.take(x, [0, 2, -1], axis=0), x[:, [1, 1, 0]], y[-1], y[..., 2]),
    "flip": lambda x, y: (np.flip(x), np.flip(x + y, 0), x[::-1, ::-1] * y),
    "reshape": lambda x, y: (x.reshape(-1) * y.ravel(), (x + y).T.reshape(-1), x.T.ravel() + 1),
    "views": lambda x, y: (x.T, x[1:], (x + y).T, (x * y)[::-1], x[:, None] + 0.0),
    "gather": lambda x, y: ((x * 2)[np.argmax(y, 0)], np.take(x + y, np.argmin(y, 1), 1)),
    "products": lambda x, y: (x @ y.T, x.T @ y, (x + 1) @ (y.T * 2), x[0] @ y[1], x @ y[0]),
    "polynomial": lambda x, y: ((x * 0.5 + y) * x + 1.5) * x + y * y - x / (y * y + 1),
    "constant results": lambda x, y: (np.zeros(3), len(x) + np.ones(2), np.full((2, 2), x.sum())),
    "scalars": lambda x, y: (x[0, 0], x.sum() + y.sum(), x.size, np.float32(2) * y[1, 1]),
    "accumulate": lambda x, y: (np.cumsum(x * y, axis=0), np.cumsum(x, axis=1), np.cumsum(x)),
    "accumulated extremes": lambda x, y: (np.maximum.accumulate(x), np.minimum.accumulate(y, 1)),
    "cumprod": lambda x, y: (np.cumprod(np.tanh(x), axis=1), np.cumprod(np.tanh(y), axis=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_nests(name: str) -> None:
    function = CASES[name]
    compiled = jit(function)
    for shape in ((11, 7), (5, 83)):
        x, y = random(shape), random(shape, seed=3)
        check(function, x, y, ulp=64, sums=True, compiled=compiled)
        check(function, np.asfortranarray(x), y[::-1], ulp=64, sums=True, compiled=compiled)


@pytest.mark.parametrize("dtype", ["f4", "c16", "c8", "f2", "i4", "u1"])
@pytest.mark.parametrize("name", ["several", "siblings", "slices of computed", "polynomial", "tile",
                                  "accumulate", "products", "concatenate"])  # fmt: skip
def test_nests_of_other_dtypes(name: str, dtype: str) -> None:
    if dtype in ("i4", "u1") and name == "polynomial":
        dtype = "i2"
    x, y = random((9, 35), dtype), random((9, 35), dtype, seed=3)
    if dtype[0] == "c" and name == "several":
        check(lambda x, y: (x + y, x * y, (x - y).sum(0), x.mean()), x, y, ulp=64, sums=True)
        return
    check(CASES[name], x, y, ulp=64, sums=True)


def test_accumulate_over_every_axis() -> None:
    def run(x: Any) -> Any:
        functions = [np.cumsum, np.cumprod, np.maximum.accumulate, np.minimum.accumulate]
        return [f(x, axis=a) for f in functions for a in range(x.ndim)]

    compiled = jit(run)
    x = random((4, 5, 37))
    check(run, x, ulp=64, sums=True, compiled=compiled)
    check(run, x.transpose(2, 0, 1), ulp=1e4, sums=True, compiled=compiled)
    check(run, x[:, ::-1, ::2], ulp=64, sums=True, compiled=compiled)
    check(run, x[:0], compiled=compiled)
    x[1, 2, 3] = np.nan
    check(run, x, ulp=64, sums=True, compiled=compiled)


def test_indices_out_of_bounds_are_reported() -> None:
    take = jit(lambda x, i: x[i] * 2)
    x = np.arange(5.0)
    for index in ([0, 4, -5], []):
        check(lambda x, i: x[i] * 2, x, np.array(index, int), compiled=take)
    for index in ([5], [0, -6], [0] * 40 + [7], [1 << 40]):
        with pytest.raises(IndexError):
            take(x, np.array(index))
    check(lambda x, i: x[i] * 2, x, np.array([1]), compiled=take)


def test_arguments_of_sections_without_iterations() -> None:
    """What does not depend on an axis is there although the axis is empty."""

    def run(x: Any, s: Any) -> Any:
        y = np.sin(s)
        return x * y, y, (x * y).sum(0)

    compiled = jit(run)
    for n, m in ((4, 3), (0, 3), (4, 0), (0, 0)):
        check(run, np.ones((n, m)), random((m,)), compiled=compiled)
    column = jit(lambda x, s: (x * np.sin(s), np.sin(s)))
    for n, m in ((4, 3), (0, 3), (4, 0)):
        x = np.asfortranarray(np.ones((n, m)))
        check(lambda x, s: (x * np.sin(s), np.sin(s)), x, random((n, 1)), compiled=column)


def test_reductions_over_axes_of_size_one() -> None:
    def run(x: Any) -> Any:
        y = x + 1
        return y.sum(2), y.var(2), np.argmax(y, 2), y.max((1, 2)), y.mean(), x.sum(2), -x.sum(0)

    for shape in ((5, 6, 1), (1, 6, 1), (1, 1, 1)):
        check(run, random(shape), ulp=16, sums=True)
    zero = jit(lambda x: x.sum(0))(np.full((1, 3), -0.0))
    assert not np.signbit(zero).any()


def test_slices_of_axes_of_size_one_are_empty() -> None:
    """Such a part is empty for sure, and what it is cut from is stored all the same."""

    def run(x: Any) -> Any:
        e = np.exp(x)
        return np.sqrt(e[..., :-1] + x), e, np.where(x > e, x, e)[..., 1:]

    for shape in ((7, 1), (9, 7, 1), (1, 1), (1,)):
        check(run, random(shape))
    y = random((4, 1))
    check(lambda x, y: np.minimum(x.max(), y)[None, :, 1::3], random((3,)), y)


def test_slices_of_slices_of_arguments() -> None:
    """The start of the outer slice counts in steps of the inner one."""

    def run(x: Any, y: Any) -> Any:
        return x[::-1][1::3] * 2, (np.flip(y, 0) * x)[1::3, 1:], x[1::2][1:][::-1] + 0

    check(run, random((17,)), random((8, 17)))


def test_where_of_scalars_is_an_array() -> None:
    check(lambda x: (np.where(x.max() > 0, x.max(), 0.5), np.where(x > 0, x, 1)[0]), random((5,)))
