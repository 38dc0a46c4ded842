"""The standard's namespace with every function jitted gives what NumPy's own gives.

NumPy implements the standard, so a jitted namespace that agrees with it in values, dtypes, shapes
and errors, for all arguments that the standard admits, conforms where NumPy does.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.array_api import namespace, recipes_linalg, recipes_main
from tests.array_api.recipes import KINDS, RECIPES, Call, binary, unary
from tests.library import assert_equal

assert recipes_linalg and recipes_main  # They add their recipes.
RECIPES.update({name: unary(name) for name in namespace.UNARY})
RECIPES.update({name: binary(name) for name in namespace.BINARY})

NAMES = [
    *namespace.MAIN,
    *(f"linalg.{name}" for name in namespace.LINALG),
    *(f"fft.{name}" for name in namespace.FFT),
]
SPACES = {mode: namespace.build(mode) for mode in ("fast_compile", "fast_run")}
COMPILED = namespace.words("""
    add divide where sum max cumulative_sum concat reshape take sort searchsorted matmul roll eye
    clip astype argmax unique_values linalg.solve fft.fft
""")
"""What is compiled too in the default run: one function of each kind."""


def of(space: Any, name: str) -> Any:
    for part in name.split("."):
        space = getattr(space, part)
    return space


def outcome(function: Any, args: Any, kwargs: Any) -> Any:
    """The result, or the exception."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except Exception as error:
        return error


def check(mode: str, name: str, call: Call) -> None:
    mine, theirs = copy.deepcopy(call), copy.deepcopy(call)
    found = outcome(of(SPACES[mode], name), *mine)
    expected = outcome(of(np, name), *theirs)
    if isinstance(expected, Exception):
        kinds = [k for k in type(expected).__mro__ if k.__module__ == "builtins"]
        assert isinstance(found, kinds[0]), (found, expected)
        return
    if isinstance(found, Exception):
        raise found
    if name in ("empty", "empty_like"):
        found, expected = np.zeros_like(found), np.zeros_like(expected)
    if name == "unique_values":
        # The standard leaves the order open, and NumPy's is that of a hash table.
        found, expected = np.sort(found), np.sort(expected)
    if isinstance(expected, (bool, np.dtype)):
        assert type(found) is type(expected) and found == expected
    else:
        assert_equal(found, expected)
    assert shared(found, mine) == shared(expected, theirs)


def shared(result: Any, call: Any) -> list[bool]:
    """Of each array of the result and each that was passed, whether they share memory."""
    results = result if isinstance(result, tuple) else (result,)
    args = [x for item in call[0] for x in (item if isinstance(item, (list, tuple)) else [item])]
    arrays = [x for x in args if isinstance(x, np.ndarray)]
    return [isinstance(r, np.ndarray) and np.shares_memory(r, x) for r in results for x in arrays]


def test_the_namespace_is_complete() -> None:
    """Every name that NumPy has in its namespace for the standard, and a recipe for each."""
    assert set(RECIPES) == set(NAMES)
    assert set(KINDS) == {*namespace.UNARY, *namespace.BINARY}
    for name in NAMES:
        assert callable(of(namespace, name))
    for name in namespace.PASSED_THROUGH:
        assert getattr(namespace, name) is getattr(np, name)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_interpreted(name: str, data: st.DataObject) -> None:
    check("fast_compile", name, RECIPES[name](data.draw))


@pytest.mark.parametrize("name", COMPILED)
@settings(max_examples=3)
@given(data=st.data())
def test_compiled(name: str, data: st.DataObject) -> None:
    check("fast_run", name, RECIPES[name](data.draw))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=300)
@given(data=st.data())
def test_interpreted_thoroughly(name: str, data: st.DataObject) -> None:
    check("fast_compile", name, RECIPES[name](data.draw))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_compiled_thoroughly(name: str, data: st.DataObject) -> None:
    check("fast_run", name, RECIPES[name](data.draw))


def test_the_first_power_is_the_matrix() -> None:
    x = np.eye(3)
    assert np.shares_memory(SPACES["fast_run"].linalg.matrix_power(x, 1), x)


WRONG: dict[str, list[Call]] = {
    "astype": [(([1], np.float64), {})],
    "can_cast": [((3, np.int8), {})],
    "concat": [(([],), {}), (([np.ones(2), np.ones((2, 2))],), {})],
    "stack": [(([],), {}), (([np.ones(2), np.ones(3)],), {})],
    "reshape": [((np.ones(3), (2, 2)), {})],
    "broadcast_to": [((np.ones(3), (2, 2)), {})],
    "expand_dims": [((np.ones(3),), {"axis": 3})],
    "permute_dims": [((np.ones((2, 2)), (0, 0)), {})],
    "moveaxis": [((np.ones((2, 2)), (0, 0), (1, 1)), {})],
    "squeeze": [((np.ones((1, 2)),), {"axis": 1})],
    "unstack": [((np.array(1.0),), {})],
    "take": [((np.ones(3), np.array([5])), {"axis": 0})],
    "repeat": [((np.array([]), np.array([])), {})],
    "matmul": [((np.ones(3), np.ones(4)), {}), ((np.array(3.0), np.ones(3)), {})],
    "vecdot": [((np.ones(3), np.ones(4)), {})],
    "nonzero": [((np.array(3.0),), {})],
    "zeros": [((-1,), {}), ((3,), {"device": "gpu"})],
    "arange": [((0, 10, 0), {}), ((3,), {"device": "gpu"})],
    "linspace": [((0, 1, -1), {})],
    "asarray": [(([[1, 2], [3]],), {}), ((np.ones(3, "f4"),), {"dtype": "f8", "copy": False})],
    "max": [((np.ones(0),), {})],
    "argmax": [((np.ones((0, 3)),), {"axis": 0})],
    "isdtype": [((np.float32, "foo"), {})],
    "cumulative_sum": [((np.ones((2, 2)),), {})],
    "add": [((np.ones(2), np.ones(3)), {}), ((np.ones(1, "u8"), -1), {})],
    "bitwise_invert": [((np.ones(2),), {})],
    "floor": [((np.ones(2, "c16"),), {})],
    "linalg.inv": [((np.zeros((2, 2)),), {}), ((np.ones((2, 3)),), {})],
    "linalg.cholesky": [((-np.eye(2),), {})],
    "linalg.cross": [((np.ones(2), np.ones(2)), {})],
    "linalg.matrix_norm": [((np.ones((2, 2)),), {"ord": 3})],
    "linalg.qr": [((np.ones((2, 2)),), {"mode": "foo"})],
    "fft.fft": [((np.ones(3),), {"n": 0}), ((np.ones(3),), {"norm": "x"})],
    "fft.rfft": [((np.ones(3, "c16"),), {})],
    "fft.fftfreq": [((0,), {}), ((4,), {"device": "gpu"})],
}


@pytest.mark.parametrize("mode", SPACES)
@pytest.mark.parametrize("name", WRONG)
def test_what_numpy_refuses(name: str, mode: str) -> None:
    for call in WRONG[name]:
        assert isinstance(outcome(of(np, name), *copy.deepcopy(call)), Exception)
        check(mode, name, call)


CORNERS: dict[str, list[Call]] = {
    "arange": [
        ((2**63, 2**63 + 3), {}),
        ((2**64 - 9, 2**64 - 1, 3), {"dtype": np.uint64}),
        ((2**63 + 5, 2**63, -2), {"dtype": np.uint64}),
        ((5, 0), {}),
    ],
    "full": [((3, 2**64 - 1), {"dtype": np.uint64}), ((3, 2**63), {}), (((), 1j), {})],
    "cumulative_sum": [((np.array(1.0),), {}), ((np.ones(3, bool),), {})],
    "sum": [((np.ones((0,)),), {"axis": 0}), ((np.array(3.0),), {})],
    "prod": [((np.ones((0,), "u1"),), {})],
    "argmax": [((np.ones((0, 3)),), {"axis": 1})],
    "clip": [
        ((np.ones(2, "f4"), np.array([0.0, 2.0]), None), {}),
        ((np.array([3, 200], "u1"), -1, 100), {}),
        ((np.array([3, 4], "i8"), 0, 2**63), {}),
        ((np.ones(2),), {}),
    ],
    "floor_divide": [((np.array([5, -5]), 0), {})],
    "remainder": [((np.array([5, -5]), 0), {})],
    "bitwise_left_shift": [((np.array([1, 2], "i1"), 9), {})],
    "bitwise_right_shift": [((np.array([-1], "i1"), 100), {})],
    "equal": [((np.array([1, 2]), 2**63), {}), ((np.array([2**63], "u8"), 2**63), {})],
    "where": [((True, 1, 2.5), {}), ((np.array([True]), np.float32(1), 2.5), {})],
    "searchsorted": [((np.arange(3.0), 1.5), {}), ((np.arange(3.0), np.array(1.5)), {})],
    "var": [((np.array(1.0),), {"correction": 1}), ((np.arange(4.0),), {"correction": 1.5})],
    "tile": [((np.array(3), ()), {})],
    "roll": [((np.array(3), 1), {})],
}


@pytest.mark.parametrize("mode", SPACES)
@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str, mode: str) -> None:
    for call in CORNERS[name]:
        assert not isinstance(outcome(of(np, name), *copy.deepcopy(call)), Exception)
        check(mode, name, call)
