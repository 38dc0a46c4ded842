"""The array object of the standard inside jitted functions: operators, indexing, attributes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tracejit
from tests.array_api.namespace import words
from tests.array_api.recipes import (
    ALL,
    FLOATING,
    INTEGERS,
    NUMERIC,
    Draw,
    array,
    binary,
    shapes,
    values,
)
from tests.array_api.test_conformance import outcome
from tests.library import assert_equal

OPERATORS = dict(
    item.split(":")
    for item in words("""
        add:add sub:subtract mul:multiply truediv:divide floordiv:floor_divide mod:remainder pow:pow
        and_:bitwise_and or_:bitwise_or xor:bitwise_xor lshift:bitwise_left_shift
        rshift:bitwise_right_shift eq:equal ne:not_equal lt:less le:less_equal gt:greater
        ge:greater_equal
    """)
)
"""Of the module `operator`: the function of the standard that each is."""

UNARY = {"abs": NUMERIC, "neg": NUMERIC, "pos": NUMERIC, "invert": INTEGERS}
IN_PLACE = [name for name in OPERATORS if hasattr(operator, f"i{name.rstrip('_')}")]


def both(function: Callable[..., Any]) -> tuple[Any, Any]:
    return tracejit.jit(function, mode="fast_compile"), tracejit.jit(function, mode="fast_run")


def check(jitted: Any, function: Callable[..., Any], args: tuple) -> None:
    """The same result or error, and the same arguments afterwards."""
    mine = tuple(np.copy(x) if isinstance(x, np.ndarray) else x for x in args)
    theirs = tuple(np.copy(x) if isinstance(x, np.ndarray) else x for x in args)
    found, expected = outcome(jitted, mine, {}), outcome(function, theirs, {})
    if isinstance(expected, Exception):
        builtin = [k for k in type(expected).__mro__ if k.__module__ == "builtins"]
        assert isinstance(found, builtin[0]), (found, expected)
    elif isinstance(found, Exception):
        raise found
    elif expected is None:
        assert found is None
    else:
        assert_equal(found, expected)
    for a, b in zip(mine, theirs, strict=True):
        assert_equal(a, b)


JITTED = {name: both(getattr(operator, name)) for name in [*OPERATORS, *UNARY]}


@pytest.mark.parametrize("mode", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=20)
@given(data=st.data())
def test_binary_operators(name: str, mode: int, data: st.DataObject) -> None:
    """Arrays, Python numbers on either side."""
    (x, y), _ = binary(OPERATORS[name])(data.draw)
    if not isinstance(y, np.ndarray) and name not in ("lshift", "rshift", "pow"):
        x, y = data.draw(st.sampled_from([(x, y), (y, x)]))
    check(JITTED[name][mode], getattr(operator, name), (x, y))


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=20)
@given(data=st.data())
def test_unary_operators(name: str, data: st.DataObject) -> None:
    check(JITTED[name][0], getattr(operator, name), (array(data.draw, UNARY[name]),))


def in_place(name: str) -> Callable[..., Any]:
    """An operator that changes its argument, which is given back."""
    function = getattr(operator, f"i{name.rstrip('_')}")

    def change(x: Any, y: Any) -> Any:
        x = function(x, y)
        return x

    return change


CHANGING = {name: (both(in_place(name)), in_place(name)) for name in IN_PLACE}


@pytest.mark.parametrize("mode", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", IN_PLACE)
@settings(max_examples=20)
@given(data=st.data())
def test_operators_in_place(name: str, mode: int, data: st.DataObject) -> None:
    """Casts and shapes that NumPy refuses are refused, the argument as it was."""
    (x, y), _ = binary(OPERATORS[name])(data.draw)
    jitted, function = CHANGING[name]
    check(jitted[mode], function, (x, y))


def matrices(draw: Draw) -> tuple:
    n = draw(st.integers(0, 3))
    x = array(draw, NUMERIC, shapes(1, 3), tame=True)
    y = array(draw, [x.dtype], (x.shape[-1], n), tame=True)
    return x, y


MATMUL = both(operator.matmul)


@settings(max_examples=25)
@given(st.data())
def test_matmul(data: st.DataObject) -> None:
    check(MATMUL[0], operator.matmul, matrices(data.draw))


# Indexing: integers, slices, Ellipsis, None, a mask.


def index(draw: Draw, shape: tuple[int, ...]) -> tuple:
    """Up to as many entries as there are axes, and all within them."""
    entries: list[Any] = []
    count = draw(st.integers(0, len(shape)))
    for size in shape[:count]:
        part = st.slices(size)
        entries.append(draw(part | st.integers(-size, size - 1) if size else part))
    if draw(st.booleans()):
        entries.append(...)
    for _ in range(draw(st.integers(0, 1))):
        entries.insert(draw(st.integers(0, len(entries))), None)
    return tuple(entries)


def pick(key: Any) -> Callable[..., Any]:
    return lambda x: x[key]


def assign(key: Any) -> Callable[..., Any]:
    def change(x: Any, value: Any) -> None:
        x[key] = value

    return change


@settings(max_examples=150)
@given(st.data())
def test_getitem(data: st.DataObject) -> None:
    x = array(data.draw, ALL)
    function = pick(index(data.draw, x.shape))
    check(tracejit.jit(function, mode="fast_compile"), function, (x,))


@settings(max_examples=150)
@given(st.data())
def test_setitem(data: st.DataObject) -> None:
    x = array(data.draw, ALL)
    key = index(data.draw, x.shape)
    value = array(data.draw, [x.dtype], np.shape(x[key]))
    if data.draw(st.booleans()):
        value = data.draw(values(x.dtype))
    function = assign(key)
    check(tracejit.jit(function, mode="fast_compile"), function, (x, value))


MASKED = both(lambda x, mask: x[mask])
MASK_WRITES = both(lambda x, mask, value: x.__setitem__(mask, value))


@settings(max_examples=50)
@given(st.data())
def test_masks(data: st.DataObject) -> None:
    x = array(data.draw, ALL)
    mask = array(data.draw, [np.dtype("?")], x.shape)
    check(MASKED[0], MASKED[0].fn, (x, mask))
    check(MASK_WRITES[0], MASK_WRITES[0].fn, (x, mask, data.draw(values(x.dtype))))


# Attributes and conversions.


ATTRIBUTES = both(
    lambda x: (x.shape, x.ndim, x.size, x.dtype == np.float32, x.T if x.ndim == 2 else x)
)
TRANSPOSED = both(lambda x: x.mT)


@settings(max_examples=40)
@given(st.data())
def test_attributes(data: st.DataObject) -> None:
    x = array(data.draw, ALL)
    found, expected = ATTRIBUTES[0](x), ATTRIBUTES[0].fn(x)
    assert found[:4] == expected[:4]
    assert_equal(found[4], expected[4])
    check(TRANSPOSED[0], TRANSPOSED[0].fn, (x,))


def test_namespace_and_device() -> None:
    def f(x: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.sum(x.to_device("cpu")), x.device

    total, device = tracejit.jit(f)(np.arange(3.0))
    assert total == 3.0 and device == "cpu"
    for wrong in (
        lambda x: x.to_device("gpu"),
        lambda x: x.to_device("cpu", stream=1),
        lambda x: x.__array_namespace__(api_version="1999.12"),
    ):
        with pytest.raises(ValueError):
            wrong(np.arange(3.0))
        with pytest.raises(ValueError):
            tracejit.jit(wrong)(np.arange(3.0))


def test_conversions_choose_a_version() -> None:
    """`bool`, `int`, `float`, `complex` and `index` of what depends on no array's content."""

    def f(x: Any, k: Any) -> Any:
        if bool(k > 1):
            return x[int(k) :], float(k), complex(k)
        return x[operator.index(k) :], float(k), complex(k)

    for k in (0, 1, 2):
        x = np.arange(4.0)
        found, expected = tracejit.jit(f)(x, k), f(x, k)
        assert_equal(found[0], expected[0])
        assert found[1:] == expected[1:]


@pytest.mark.parametrize("convert", [bool, int, float, complex])
def test_conversions_of_content_in_conditions(convert: Callable[..., Any]) -> None:
    def f(x: Any) -> Any:
        return x if convert(x[0]) else -x

    compiled = tracejit.jit(f)
    for x in (np.arange(3), np.arange(1, 4)):
        assert_equal(compiled(x), f(x))
    assert compiled.cache_info().compiled == 1


def test_positions_of_content_are_refused() -> None:
    """What depends on the content of an array is known at run time only: an error says so."""
    with pytest.raises(tracejit.errors.TracejitError):
        tracejit.jit(lambda x: x if operator.index(x[0]) else -x)(np.arange(3))


@settings(max_examples=30)
@given(
    hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3),
    st.sampled_from(FLOATING),
)
def test_operators_promote_and_broadcast(shape: Any, dtype: np.dtype) -> None:
    """A chain of operators is as its steps are, in compiled code."""
    x, y, z = (np.ones(s, dtype) * k for k, s in enumerate(shape.input_shapes, 1))
    f = lambda x, y, z: (x + y) * z - x / y
    assert_equal(tracejit.jit(f, mode="fast_compile")(x, y, z), f(x, y, z))
