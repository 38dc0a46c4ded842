"""Loops that are easy to get wrong: arrays that change while a loop runs over them, names that
become other arrays, variables whose types settle late. Random programs found them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.library import check


def iterated_and_written(x):
    s = np.float64(0.0)
    for v in x:
        s = s * 2 + v
        x -= 1
    return s


def iterated_written_and_replaced(x):
    u = x.copy()
    s = 0.0
    for v in u:
        s = s * 2 + v
        u -= 1
        u = u + x
    return s, u


def another_name_of_what_is_replaced(x):
    u = x.copy()
    other = u
    for i in range(len(x)):
        u -= other[i] + 1
        u = u + 1
    return u


def items_into_a_list(x):
    found = []
    for v, w in zip(x, x[::-1], strict=True):
        x += 1
        found.append(v + 2 * w)
    return tuple(found)


def replaced_on_one_side(x, k):
    u = x.copy()
    for _ in range(len(x)):
        if k == 0:
            u = x + x
        u -= u[0]
    return u


def written_and_replaced(x, k):
    g = x * 2
    if k:
        for _ in range(len(x)):
            g -= x
            g = g.copy()
    return g


def left_early(x, k):
    s = 0
    while k > 1:
        k -= 1
        s += k
        if s > 25:
            break
    return s


def assigned_where_it_is_never_taken(x, k):
    never = False
    i0 = 0
    for i in range(len(x)):
        if never:
            i0 = k
        x[i] -= x[0] if i0 > 3 else 2.0
    return x


def least_of_a_number_that_changes(x, k):
    q = k
    if k < 7:
        for i in range(len(x)):
            x[i] = min(i, q)
        for i in range(len(x)):
            q = i // 2
    return x, q


def fewer_steps_than_elements(x, k):
    for i in range(min(len(x), k)):
        x[i] = x[i] * 2 + 1
    return x


def numbers_take_turns(x, k):
    first, second = 0.0, x.sum()
    while k > 0:
        k -= 1
        first, second = second, first
    return float(first), float(second)


def arrays_take_turns(x, k):
    u = x.copy()
    w = np.zeros(len(x))
    for i in range(min(len(x), k)):
        u, w = w, u
        u[i] -= k
    return u, w


FUNCTIONS = [
    iterated_and_written, iterated_written_and_replaced, another_name_of_what_is_replaced,
    items_into_a_list, replaced_on_one_side, written_and_replaced, left_early,
    assigned_where_it_is_never_taken, least_of_a_number_that_changes, fewer_steps_than_elements,
    numbers_take_turns, arrays_take_turns,
]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_loops_do_what_python_does(function: Any, size: int) -> None:
    x = np.arange(size) * 3.0 - 4
    if function.__code__.co_argcount == 1:
        check(function, x)
    else:
        for k in (0, 1, 9):
            check(function, x, k)
