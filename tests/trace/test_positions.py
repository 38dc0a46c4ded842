"""Functions that read and write at positions, and those that find them, against NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import arrays, shapes
from tests.trace.agreement import agree
from tests.trace.support import values
from tracejit import errors, jit

GIVEN: dict[str, Callable[[], Any]] = {
    "x": lambda: values((4, 5)),
    "t": lambda: np.asfortranarray(values((5, 4), seed=1))[::-1],
    "v": lambda: values((9,)),
    "q": lambda: values((4, 4)),
    "i": lambda: np.array([3, 0, 1, 1, 2, 3]),
    "n": lambda: values((12,), int),
    "u": lambda: values((20,), "u1") % 6,
    "m": lambda: values((4, 5)) > 0,
}
"""What the programs take, by the name of the parameter."""


def put(x: Any, t: Any, i: Any, v: Any) -> None:
    np.put(x, i, v)
    np.put(x, [0, 30], [1.0, 2.0, 3.0], mode="clip")
    np.put(x, [22], 9, mode="wrap")
    x.put([1, -1], 5)
    t.put(i, v[:2])


def place(x: Any, t: Any, v: Any) -> None:
    np.place(x, x > 0, v)
    np.place(x, x < -1, [7, 8])
    np.place(t, t > 0, 3)
    np.place(t, t == 99, 3)


def putmask(x: Any, t: Any, v: Any) -> None:
    np.putmask(x, x > 0.3, v)
    np.putmask(x, x < 0, -x)
    np.putmask(t, t > 0, [1, 2])
    np.copyto(t, 0, where=t < 0)


def fill_diagonal(x: Any, q: Any, v: Any) -> Any:
    np.fill_diagonal(x, 7)
    np.fill_diagonal(q, v[:3])
    tall, cube = np.zeros((7, 3)), np.zeros((3, 3, 3))
    np.fill_diagonal(tall, 1, wrap=True)
    np.fill_diagonal(cube, v)
    return tall, cube


def along_axis(x: Any, t: Any) -> Any:
    order = np.argsort(x, axis=1)
    sorted_rows = np.take_along_axis(x, order, axis=1)
    np.put_along_axis(x, np.argmax(x, axis=0, keepdims=True), 99.0, axis=0)
    np.put_along_axis(t, np.array([[1], [0], [2], [3], [3]]), t[:, :1] * 2, 1)
    np.put_along_axis(x, np.array([0, 3]), 5, None)
    return (
        sorted_rows,
        np.take_along_axis(x, np.array([3, -1]), axis=None),
        np.take_along_axis(x, np.array([[0], [1], [2], [3]]), 1),
    )


def choose(i: Any, v: Any, x: Any) -> Any:
    return (
        np.choose(i % 3, [v[:6], v[1:7], 10]),
        np.choose(i, [1, 2.5], mode="clip"),
        np.choose(i, (1, 2, 3), mode="wrap"),
        (i % 2).choose([v[:6], 0]),
        np.select([x > 1, x > 0], [x, x**2], -1),
    )


def piecewise(x: Any, v: Any) -> Any:
    return (
        np.piecewise(x, [x < 0, x > 1], [lambda t: -t, 5, lambda t: t**2]),
        np.piecewise(x, [x < 0], [1, 2]),
        np.piecewise(v, v > 0, [lambda t, k: t - t.mean() + k, 0], 3),
    )


def at(x: Any, i: Any, v: Any) -> None:
    np.add.at(x, i, 1.5)
    np.add.at(x, (i, i), v[:6])
    np.multiply.at(x, (slice(None), i), 2)
    np.maximum.at(x, x > 0.5, 3)
    np.negative.at(x, [0, 0, 1])
    np.subtract.at(x, ([0, 0], [1, 1]), [1, 2])
    np.add.at(x, 2, 1)
    np.add.at(x, (1, 2), 1)
    np.add.at(x, slice(0, 2), 10)
    np.divide.at(x[1:], [0, 0], 2.0)
    np.logaddexp.at(x, [3], 1.0)


def at_integers(n: Any, i: Any, u: Any) -> None:
    np.add.at(n, i, 1)
    np.add.at(u, i, np.int64(300))
    np.bitwise_or.at(n, i, 4)
    np.power.at(u, [0, 1, 0], 2)
    np.floor_divide.at(n, [0], 2)
    np.add.at(n, [0], 1.7)
    np.gcd.at(n, [1], 6)


def patterns(x: Any) -> Any:
    return (
        np.diag_indices(3), np.diag_indices_from(x[:, :4]), np.tril_indices(3),
        np.triu_indices(4, 1), np.triu_indices(3, -1, 5), np.tril_indices_from(x, 1),
        np.triu_indices_from(x, -1), np.mask_indices(3, np.triu, 1), x[np.triu_indices(4)],
        x[np.tril_indices_from(x)], x[np.diag_indices(4)], np.triu_indices(x.shape[0], 1),
    )  # fmt: skip


def open_meshes(x: Any, i: Any) -> Any:
    x[np.ix_([0, 2], [1, 3])] = 5
    x[np.ix_([True, False, True, True], [0])] += 1
    return x[np.ix_(i, i)], x[np.ix_(x[:, 0] > 0, [1, 2])]


def flat_indices(i: Any) -> Any:
    return (
        np.ravel_multi_index((i, i), (5, 6)), np.unravel_index(i * 3, (6, 7)),
        np.unravel_index(7, (3, 4)), np.unravel_index(i, (4,)),
        np.ravel_multi_index(np.array([[3, 6], [4, 5]]), (7, 6), order="F"),
        np.ravel_multi_index((9, 1), (3, 4), mode="clip"),
    )  # fmt: skip


def grids(x: Any, v: Any) -> Any:
    return (
        np.r_[v, 0, 1, 2:5], np.r_[1:4, 0, 4], np.c_[v, v], np.r_["0,2", v[:5], x],
        np.r_[-1:1:6j, [0] * 3, 5], np.c_[x, x[:, 0]], np.r_["-1", x, x], np.r_["0,2,0", v, v],
        np.r_[0 : x.shape[0]], np.r_[1.5, 2], np.mgrid[0:3, 1:3], np.mgrid[0:1:5j],
        np.mgrid[-1:1:3j, 0:2], np.ogrid[0 : x.shape[0], 0:2], x[np.s_[1:3, ::2]],
    )  # fmt: skip


def found(x: Any, m: Any, v: Any) -> Any:
    return (
        np.nonzero(m), m.nonzero(), np.flatnonzero(v > 0), np.argwhere(x > 0), np.where(x > 0),
        np.compress(v > 0, v), np.compress([True, False, True], x, axis=0),
        x.compress([0, 1, 1, 0, 1], axis=1), np.extract(m, x), np.extract(v > 0, v),
        x[np.nonzero(x)], x[np.where(x > 0)], np.argwhere(v[0] > 0), np.count_nonzero(m, axis=0),
    )  # fmt: skip


def flat(x: Any, t: Any, v: Any, q: Any, i: Any) -> Any:
    x.flat[2] = 9
    x.flat[::3] = [1, 2]
    t.flat[i] += 1
    t.flat[1:4] = v
    q.flat[:: q.shape[1] + 1] = 5
    q.T.flat[q.T.flat > 1] = 0
    t.T[1:].flat = v
    copied = x.flat[:4]
    copied += 1
    return copied, x.flat[3], np.sum(t.flat), x.flat[i], x.ravel() - x.flat


PROGRAMS = [
    flat,
    put, place, putmask, fill_diagonal, along_axis, choose, piecewise, at, at_integers, patterns,
    open_meshes, flat_indices, grids, found,
]  # fmt: skip


@pytest.mark.parametrize("mode", ["fast_compile", "fast_run"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program: Callable[..., Any], mode: str) -> None:
    args = [GIVEN[name]() for name in inspect.signature(program).parameters]
    agree(program, *args, mode=mode)


@settings(max_examples=100)
@given(st.data(), shapes())
def test_finding_in_any_shape(data: Any, shape: tuple[int, ...]) -> None:
    x = np.array(data.draw(arrays(np.dtype("i1"), shape))) % 3
    v = data.draw(arrays(np.dtype("f8"), (data.draw(st.integers(1, 7)),)))

    def program(x: Any, v: Any) -> Any:
        results = np.argwhere(x), np.flatnonzero(x), np.extract(x > 0, x)
        y = np.zeros(x.shape)
        np.place(y, x > 0, v)
        np.putmask(y, x == 2, v)
        if x.size:
            np.put(y, np.flatnonzero(x == 1), v)
        return results, y

    agree(program, x, np.array(v))


@settings(max_examples=60)
@given(st.data())
def test_accumulating_at_random_places(data: Any) -> None:
    ufunc = data.draw(st.sampled_from([np.add, np.subtract, np.multiply, np.maximum, np.fmin]))
    kinds = data.draw(st.tuples(st.sampled_from("df"), st.sampled_from("dfhb")))
    rows = data.draw(st.integers(1, 4))
    x = values((rows, 3), kinds[0])
    count = data.draw(st.integers(0, 9))
    index = np.array(
        data.draw(st.lists(st.integers(-rows, rows - 1), min_size=count, max_size=count)), int
    )
    value = values(data.draw(st.sampled_from([(), (1,), (3,), (count, 3), (count, 1)])), kinds[1])

    def program(x: Any, index: Any, value: Any) -> None:
        ufunc.at(x, index, value)

    agree(program, x, index, value)


def test_out_of_bounds() -> None:
    x = values((4, 5))
    for program in (
        lambda x: np.put(x, [20], 1),
        lambda x: np.take_along_axis(x, np.array([[9]]), 1),
        lambda x: np.add.at(x, [4], 1),
        lambda x: np.compress([0] * 9 + [1], x, axis=0),
    ):
        for mode in ("fast_compile", "fast_run"):
            with pytest.raises(IndexError, match="out of bounds"):
                jit(program, mode=mode)(x.copy())


def test_refused() -> None:
    x = values((4, 5))
    for program, kind in (
        (lambda x: np.nonzero(x[0, 0]), errors.TracedValueError),
        (lambda x: np.place(x, x > 0, []), errors.TracedValueError),
        (lambda x: np.take_along_axis(x, x, 0), errors.TracedIndexError),
        (lambda x: np.fill_diagonal(x[0], 1), ValueError),
        (lambda x: np.ravel_multi_index(([1], [2]), (3,)), ValueError),
        (lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), ValueError),
    ):
        with pytest.raises(kind):
            jit(program, mode="fast_compile")(x)
