"""Writes in place that once went wrong, or easily would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracejit import jit


def through_the_transpose(x: Any) -> Any:
    b = x.T
    b[...] = b * 2
    return b * x


def minus_its_transpose(x: Any) -> None:
    x -= x.T
    flat = x.T.reshape(2, -1)
    flat[1:][0, None, ::-1] += 2


def one_element_for_all(x: Any) -> Any:
    every_second = x[::2]
    few = every_second[:1]
    x[::-1] = few * 2
    return few * np.flip(every_second, 0)


def swapped(x: Any) -> Any:
    old = x.copy()
    x[0], x[-1] = x[-1].copy(), x[0].copy()
    x[1:] += old[:-1]
    return old - x


def rows_element_by_element(x: Any) -> Any:
    for row in x:
        for j, value in enumerate(row):
            row[j] = value * 2
    return x[0].sum()


def two_rows_element_by_element(x: Any) -> None:
    for i, j in np.ndindex(2, 2):
        x[i, j] += 1
    for row in (x[1], x[0]):
        row[0], row[1] = row[1] * 2, row[0]
    x[0] += x[1]


def a_row_that_is_no_view(x: Any) -> Any:
    row = x[1].copy()
    x[0, 0] += 1
    row[0] = 5
    rest = x[2:].copy()
    x[0] += 1
    rest[0, 1] = 7
    return row, rest


def copies_by_rank_0(x: Any) -> Any:
    row = x[np.array(1)]
    row += 1
    x[np.array(0)] += 1
    return row


def mirrored(x: Any) -> None:
    x[...] = x[::-1, ::-1].T
    x[1:] = x[:-1]


def value_read_again(x: Any) -> Any:
    y = x[1:] * 3
    x[:-1] = y
    z = y + x[1:]
    x[1:] = z
    return y, z, x[:-1] - y


def through_a_flat_view(x: Any) -> Any:
    flat = x.reshape(-1)
    flat[1::2] = x[0, 0]
    x[:, 0] *= 2
    flat[:2] += x[-1, -1]
    return flat.sum()


def parts_of_fresh_arrays(x: Any) -> Any:
    a = np.zeros_like(x)
    b = np.empty_like(x)
    b[...] = 1
    a[1:] = x[:-1]
    a[0] = b[0]
    b[:, 1:] = a[:, :-1] * 2
    a[:, 0] = b[:, -1]
    return a, b, a + b


def moved_after_a_column(x: Any) -> None:
    x[:, 0] = x[:, -1] * 2
    x[1:-1, 2:] = x[:-2, 1:-1]


def copies_with_several_readers(x: Any) -> Any:
    old = x.copy()
    x[0] = 1
    x[1:] += old[:-1]
    old[1] = x[2]
    y = old * 2
    old[2:] = x[:-2]
    x[...] = x[::-1] + old
    return old, y


FUNCTIONS = [
    through_the_transpose, minus_its_transpose, one_element_for_all, swapped, mirrored,
    value_read_again, through_a_flat_view, parts_of_fresh_arrays, rows_element_by_element,
    two_rows_element_by_element, a_row_that_is_no_view, copies_by_rank_0,
    moved_after_a_column, copies_with_several_readers,
]  # fmt: skip


@pytest.mark.parametrize("order", ["C", "F", "reversed"])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_writes(function: Any, order: str) -> None:
    rng = np.random.default_rng(5)
    for n in (4, 6):
        x = rng.integers(-9, 9, (n, n)).astype(float)
        if order == "F":
            x = np.asfortranarray(x)
        elif order == "reversed":
            x = x[::-1, ::-1]
        found = np.array(x, order="K") if order != "reversed" else x.copy()[::-1, ::-1][::-1, ::-1]
        expected = x.copy(order="K")
        result, wanted = jit(function)(found), function(expected)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_equal(result, wanted)


def test_an_error_in_mid_run_leaves_what_was_written_before() -> None:
    def run(x: Any, index: Any) -> None:
        x[0] = 1
        x[1] = x[index]
        x[2] = 3

    for index in (np.array(2), np.array(9)):
        found, expected = np.zeros(5), np.zeros(5)
        if index == 9:
            with pytest.raises(IndexError):
                run(expected, index)
            with pytest.raises(IndexError):
                jit(run)(found, index)
        else:
            run(expected, index)
            jit(run)(found, index)
        np.testing.assert_array_equal(found, expected)


def test_an_error_before_the_run_leaves_everything() -> None:
    def run(x: Any, y: Any) -> None:
        x[0] = 1
        y[0] = 2

    x, y = np.zeros(3), np.zeros(3)
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        jit(run)(x, y)
    np.testing.assert_array_equal(x, 0)


def test_a_write_of_everything_is_there_after_a_later_error() -> None:
    def scatter(x: Any, i: Any) -> None:
        x += 1
        x[i] += 5
        x *= 2

    def other(x: Any, i: Any) -> Any:
        x[...] = x[::-1] * 2
        y = x[1:] + 1
        z = y[i]
        x[0] = 7
        return z

    def solve(x: Any, i: Any) -> Any:
        x *= 3
        return np.linalg.solve(np.zeros((5, 5)) * x[0], x)

    for function, error in ((scatter, IndexError), (other, IndexError), (solve, ValueError)):
        found, expected = np.arange(5.0), np.arange(5.0)
        for run, x in ((jit(function), found), (function, expected)):
            with pytest.raises((error, np.linalg.LinAlgError)):
                run(x, np.array([0, 9]))
        np.testing.assert_array_equal(found, expected)
        if function is not solve:
            index = np.array([0, 1])
            np.testing.assert_equal(jit(function)(found, index), function(expected, index))
            np.testing.assert_array_equal(found, expected)
