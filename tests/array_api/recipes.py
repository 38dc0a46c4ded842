"""Arguments for every function of the standard's namespace, as strategies of `(args, kwargs)`.

They follow what the standard admits: its dtypes, its keywords, shapes of rank 0 to 3 with empty
axes among them, values that are special to the dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

BOOL = [np.dtype("?")]
SIGNED = [np.dtype(d) for d in ("i1", "i2", "i4", "i8")]
UNSIGNED = [np.dtype(d) for d in ("u1", "u2", "u4", "u8")]
INTEGERS = SIGNED + UNSIGNED
FLOATS = [np.dtype(d) for d in ("f4", "f8")]
COMPLEXES = [np.dtype(d) for d in ("c8", "c16")]
REAL = INTEGERS + FLOATS
FLOATING = FLOATS + COMPLEXES
NUMERIC = REAL + COMPLEXES
ALL = BOOL + NUMERIC

Call = tuple[tuple[Any, ...], dict[str, Any]]
Draw = Callable[[st.SearchStrategy], Any]
Recipe = Callable[[Draw], Call]

_OF_KIND = [
    (NUMERIC, "abs conj reciprocal square sign negative positive round isfinite isinf isnan"),
    (NUMERIC, "add multiply subtract divide pow"),
    (REAL, "ceil floor trunc greater greater_equal less less_equal maximum minimum"),
    (REAL, "floor_divide remainder"),
    (FLOATING, "acos acosh asin asinh atan atanh cos cosh exp expm1 log log1p log2 log10"),
    (FLOATING, "sin sinh sqrt tan tanh"),
    (FLOATS, "signbit atan2 copysign hypot logaddexp nextafter"),
    (COMPLEXES, "imag real"),
    (BOOL + INTEGERS, "bitwise_invert bitwise_and bitwise_or bitwise_xor"),
    (INTEGERS, "bitwise_left_shift bitwise_right_shift"),
    (BOOL, "logical_not logical_and logical_or logical_xor"),
    (ALL, "equal not_equal"),
]
KINDS = {name: dtypes for dtypes, names in _OF_KIND for name in names.split()}
"""The dtypes that the standard admits for each elementwise function."""


def shapes(low: int = 0, high: int = 3, side: int = 0) -> st.SearchStrategy:
    return hnp.array_shapes(min_dims=low, max_dims=high, min_side=side, max_side=4)


def values(dtype: np.dtype, tame: bool = False) -> st.SearchStrategy:
    """Elements: `tame` ones are finite, small and sums of few of them exact."""
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = int(info.min), int(info.max)
        return st.integers(max(low, -5), 5) if tame else st.integers(low, high)
    if dtype.kind == "c":
        part = values(np.dtype(f"f{dtype.itemsize // 2}"), tame)
        return st.builds(complex, part, part)
    if tame:
        return st.integers(-20, 20).map(lambda k: k / 4)
    return st.floats(width=dtype.itemsize * 8)


def array(
    draw: Draw, dtypes: list[np.dtype], shape: Any = None, tame: bool = False, order: bool = True
) -> np.ndarray:
    """An array of one of the dtypes; `shape` is a shape, a strategy of shapes or None for any."""
    dtype = draw(st.sampled_from(dtypes))
    shape = shapes() if shape is None else shape
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    size = math.prod(shape)
    items = draw(st.lists(values(dtype, tame), min_size=min(size, 6), max_size=min(size, 6)))
    found = np.resize(np.array(items, dtype), shape) if size else np.empty(shape, dtype)
    if order and found.ndim > 1 and draw(st.booleans()):
        found = np.asarray(found, order="F")
    return found


def keywords(draw: Draw, **strategies: st.SearchStrategy) -> dict[str, Any]:
    """Some of the keywords."""
    return {name: draw(s) for name, s in strategies.items() if draw(st.booleans())}


def axis_of(x: np.ndarray) -> st.SearchStrategy:
    return st.integers(-x.ndim, x.ndim - 1)


def axes_of(x: np.ndarray) -> st.SearchStrategy:
    """None, one axis or several."""
    if not x.ndim:
        return st.none()
    several = st.lists(st.integers(0, x.ndim - 1), unique=True, max_size=x.ndim).map(tuple)
    return st.none() | axis_of(x) | several


RECIPES: dict[str, Recipe] = {}


def recipe(names: str) -> Callable[[Recipe], Recipe]:
    def add(function: Recipe) -> Recipe:
        RECIPES.update(dict.fromkeys(names.split(), function))
        return function

    return add


def unary(name: str) -> Recipe:
    return lambda draw: ((array(draw, KINDS[name]),), {})


def promotable(draw: Draw, dtypes: list[np.dtype], tame: bool = False) -> tuple[Any, Any]:
    """Two arrays that broadcast, their dtypes of kinds that the standard promotes."""
    first = draw(st.sampled_from(dtypes))
    kinds = {"b": "b", "i": "iu", "u": "iu", "f": "fc", "c": "fc"}[first.kind]
    second = draw(st.sampled_from([d for d in dtypes if d.kind in kinds]))
    one, two = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0)
    ).input_shapes
    return array(draw, [first], one, tame), array(draw, [second], two, tame)


def binary(name: str) -> Recipe:
    def draw_call(draw: Draw) -> Call:
        x, y = promotable(draw, KINDS[name])
        if name == "pow" and "c" in (x.dtype.kind, y.dtype.kind):
            # Of large exponents nothing is left of a single's digits.
            return promotable(draw, FLOATING, tame=True), {}
        if name == "pow" and "f" not in x.dtype.kind + y.dtype.kind and y.dtype.kind in "iu":
            y = np.asarray(np.abs(y.astype("f8")) % 7, y.dtype)
        if "shift" in name:
            y = np.asarray(np.abs(y.astype("f8")) % 8, y.dtype)
        if x.dtype.kind in "fc" and draw(st.integers(0, 4)) == 0:
            y = draw(st.floats(width=32) | st.integers(-(2**20), 2**20))
        elif draw(st.integers(0, 6)) == 0 and "shift" not in name and name != "pow":
            y = draw(values(x.dtype)) if x.dtype.kind in "biu" else y
        return (x, y), {}

    return draw_call
