"""Arguments of any memory layout, results that own theirs: compiled code equals NumPy."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.codegen.support import assert_equal, check, random
from tracejit import jit

DTYPES = ["?", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
LAYOUTS = [
    "C", "F", "strided", "reversed", "partly reversed", "transposed", "broadcast", "field", "inner",
    "swapped halves",
]  # fmt: skip


def laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    """An array equal to `x` (to its first row repeated, if "broadcast") in another layout."""
    shape, rank = x.shape, x.ndim
    if not rank:
        return x.copy()
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "strided":
        base = np.zeros(tuple(2 * n + 1 for n in shape), x.dtype)
        view = base[tuple(slice(1, None, 2) for _ in shape)]
    elif layout == "reversed":
        view = np.zeros(shape, x.dtype)[(slice(None, None, -1),) * rank]
    elif layout == "partly reversed":
        steps = [slice(None, None, -3 if k % 2 else 1) for k in range(rank)]
        view = np.zeros(tuple(3 * n if k % 2 else n for k, n in enumerate(shape)), x.dtype)
        view = view[tuple(steps)]
    elif layout == "transposed":
        view = np.zeros(shape[1:] + shape[:1], x.dtype)
        view = view.transpose((rank - 1, *range(rank - 1))) if rank else view
    elif layout == "broadcast" and rank and shape[0]:
        return np.broadcast_to(x[:1], shape)
    elif layout == "field":
        # A packed record: elements lie 5 bytes further than they are long, at odd addresses.
        record = np.dtype([("pad", "S5"), ("x", x.dtype)])
        view = np.zeros(shape, record)["x"]
    elif layout == "inner":
        view = np.zeros((*shape[:-1], shape[-1] + 3) if rank else (), x.dtype)
        view = view[..., 1:-2] if rank else view
    elif layout == "swapped halves" and rank == 2:
        view = np.zeros((shape[1], shape[0] + 1), x.dtype).T[1:]
    else:
        return x.copy()
    view[...] = x
    return view


def abs_sum(x: Any, y: Any) -> Any:
    return np.abs(x).sum() + np.abs(y).sum(-1, keepdims=True)


EXPRESSIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "copy": (0, lambda x, y: (x + x.dtype.type(0), y.copy())),
    "arithmetic": (0, lambda x, y: (x + y, x * y, x * x)),
    "compare": (0, lambda x, y: (x < y, x == y, np.where(x > y, x, y))),
    "maximum": (0, lambda x, y: (np.maximum(x, y), np.minimum(y, x))),
    "math": (0, lambda x, y: (np.sqrt(np.abs(x)), np.sin(y), np.exp(-np.abs(x)))),
    "views": (1, lambda x, y: (x[::-1], y[1:] * 2, x.T, (x + y)[::2])),
    "row sums": (1, lambda x, y: (x.sum(-1), (x * y).sum(-1), y.any(-1))),
    "column sums": (1, lambda x, y: (x.sum(0), (x + y).sum(0), y.all(0))),
    "everything": (1, lambda x, y: (x.sum(), np.abs(x + y).sum())),
    "sums": (1, abs_sum),
    "cumulative": (1, lambda x, y: (np.cumsum(x, 0), np.cumsum(x + y, -1))),
    "normalised": (1, lambda x, y: x / (1 + np.abs(x).sum(0)) + y),
    "joined": (1, lambda x, y: (np.concatenate([x, x]), np.stack([x, x + x]))),
    "flat": (1, lambda x, y: (x.ravel() * 2, (x + y).reshape(-1), y.T.ravel())),
    "matrix": (2, lambda x, y: (x @ x.T, y.T @ y, x.sum(0) @ y.T)),
}


@cache
def compiled(name: str) -> Any:
    return jit(EXPRESSIONS[name][1])


@st.composite
def arguments(draw: Any) -> tuple[str, np.ndarray, np.ndarray]:
    name = draw(st.sampled_from(list(EXPRESSIONS)))
    least = EXPRESSIONS[name][0]
    rank = draw(st.integers(least, 2 if name == "matrix" else 3))
    shape = tuple(draw(st.sampled_from([0, 1, 1, 2, 3, 5, 9, 17, 35])) for _ in range(rank))
    arrays = []
    for seed in range(2):
        dtype = draw(st.sampled_from(DTYPES))
        own = tuple(1 if draw(st.integers(0, 4)) == 0 else n for n in shape)
        own = own if name == "matrix" or draw(st.booleans()) else shape
        own = shape if name == "matrix" else own
        x = laid_out(random(own, dtype, seed), draw(st.sampled_from(LAYOUTS)))
        arrays.append(x)
    return name, arrays[0], arrays[1]


def run(name: str, x: np.ndarray, y: np.ndarray) -> None:
    function = EXPRESSIONS[name][1]
    try:
        with np.errstate(all="ignore"):
            function(x, y)
    except (TypeError, ValueError) as error:
        # NumPy refuses: so must we, whatever we say.
        with pytest.raises(Exception):  # noqa: B017
            compiled(name)(x, y)
        assert error
        return
    kinds = {x.dtype, y.dtype}
    half = np.dtype("f2") in kinds
    check(function, x, y, ulp=16 if half else 64, sums=True, compiled=compiled(name))


@given(arguments())
@settings(max_examples=100)
def test_any_layout(drawn: tuple[str, np.ndarray, np.ndarray]) -> None:
    run(*drawn)


@pytest.mark.slow
@given(arguments())
@settings(max_examples=1500, derandomize=False)
def test_any_layout_at_length(drawn: tuple[str, np.ndarray, np.ndarray]) -> None:
    run(*drawn)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i2"])
def test_each_layout(layout: str, dtype: str) -> None:
    function = compiled("arithmetic")
    for shape in ((), (1,), (70,), (5, 21), (2, 3, 19), (1, 1), (3, 0)):
        x = laid_out(random(shape, dtype), layout)
        run("arithmetic", x, random(shape, dtype, 1))
        run("arithmetic", x, x)
    assert function.cache_info().compiled > 0


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16", "i4", "f2", "?"])
def test_matrix_products_of_every_layout(dtype: str) -> None:
    product = jit(lambda a, b: a @ b)
    shapes = [
        ((3, 4), (4, 5)), ((1, 4), (4, 1)), ((4,), (4,)), ((4,), (4, 3)), ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((3, 0), (0, 4)),
        ((0, 3), (3, 4)), ((5, 40), (40, 33)),
    ]  # fmt: skip
    for k, (left, right) in enumerate(shapes):
        for layouts in (("C", "F"), ("strided", "reversed"), ("transposed", "broadcast"),
                        ("inner", "swapped halves"), ("field", "partly reversed")):  # fmt: skip
            if k > 7 and layouts[0] != "C":
                continue
            a = laid_out(random(left, dtype), layouts[0])
            b = laid_out(random(right, dtype, 1), layouts[1])
            check(lambda a, b: a @ b, a, b, ulp=64, sums=True, compiled=product)


def test_several_matrix_products_of_a_batch() -> None:
    """The sizes that the loop over one batch computed are not there in the next one's."""
    a, b = random((3, 4, 5)), random((3, 2, 5, 5), seed=1)
    for n in (3, 0):
        x, y = a[:n], b[:n]
        check(lambda a, b: (a @ b[:, 0] + a @ b[:, 1]) @ b[:, 0], x, y, ulp=64, sums=True)
        check(lambda a, b: (a @ b[0, 0, 0], a @ b[0, 0, 1]), a, y if n else b, ulp=64, sums=True)


def test_results_stay_valid() -> None:
    """Results own memory that no later call writes to while someone holds it."""
    function = jit(lambda x: (x + 1, (x * 2)[1:], x.sum(0), np.cumsum(x), x[::-1]))
    held = []
    for k in range(30):
        x = np.full((40, 30), float(k))
        results = function(x)
        want = (x + 1, (x * 2)[1:], x.sum(0), np.cumsum(x), x[::-1])
        held.append((results, [w.copy() for w in want]))
        if k % 3 == 0:
            held.pop(0)
        del x, results
        gc.collect(0)
    for results, want in held:
        for a, b in zip(results, want, strict=True):
            assert_equal(a, b)


def test_views_of_results_keep_them_alive() -> None:
    function = jit(lambda x: x + 1)
    views = [function(np.full(1000, float(k)))[k::7] for k in range(20)]
    others = [function(np.full(1000, -5.0)) for _ in range(20)]
    for k, view in enumerate(views):
        assert_equal(view, np.full(1000, k + 1.0)[k::7])
    assert all((o == -4).all() for o in others)


def test_results_are_writable_and_apart() -> None:
    function = jit(lambda x: (x * 2, x * 2, x[1:] + 0, np.broadcast_to(x, (3, 4)) + 0))
    x = random((4,))
    results = function(x)
    for k, a in enumerate(results):
        for b in (*results[k + 1 :], x):
            assert not np.shares_memory(a, b)
        a[...] = 99
    assert_equal(x, random((4,)))
    assert_equal(function(x)[0], x * 2)


def test_memory_of_which_only_a_view_is_returned_is_given_back() -> None:
    resource = pytest.importorskip("resource")
    function = jit(lambda x: (x + 1)[1:])
    x = np.ones(1_000_000)
    for _ in range(4):
        function(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20):
        function(x)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


@example((17,))
@example((1,))
@given(st.lists(st.integers(0, 40), min_size=1, max_size=2).map(tuple))
@settings(max_examples=20)
def test_inputs_that_overlap_or_are_the_same(shape: tuple[int, ...]) -> None:
    x = random((shape[0] + 2, *shape[1:]))
    function = jit(_overlapping)
    check(_overlapping, x[1:-1], x[2:], ulp=8, compiled=function)
    check(_overlapping, x[2:], x[2:][::-1], ulp=8, compiled=function)


def _overlapping(a: Any, b: Any) -> Any:
    return a * 2 + b, np.maximum(a, b)
