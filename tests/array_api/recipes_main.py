"""Recipes for the functions that are neither elementwise nor linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.array_api.recipes import (
    ALL,
    BOOL,
    FLOATING,
    FLOATS,
    NUMERIC,
    REAL,
    Call,
    Draw,
    array,
    axes_of,
    axis_of,
    keywords,
    promotable,
    recipe,
    shapes,
    values,
)

DTYPES = st.sampled_from(ALL)


# Creation.


@recipe("arange")
def arange(draw: Draw) -> Call:
    dtype = draw(st.sampled_from([None, *REAL]))
    if draw(st.booleans()) and (dtype is None or dtype.kind == "f"):
        number: Any = st.integers(-40, 40).map(lambda k: k / 4)
    else:
        number = st.integers(0, 30)
    args = [draw(number) for _ in range(draw(st.integers(1, 3)))]
    if len(args) == 3 and not args[2]:
        args[2] = 1
    return tuple(args), {} if dtype is None else {"dtype": dtype}


@recipe("linspace")
def linspace(draw: Draw) -> Call:
    number = st.integers(-40, 40).map(lambda k: k / 4) | st.integers(-9, 9)
    ends = [draw(number), draw(number)]
    kwargs = keywords(draw, dtype=st.sampled_from(FLOATING), endpoint=st.booleans())
    return (*ends, draw(st.integers(0, 9))), kwargs


@recipe("zeros ones empty")
def filled(draw: Draw) -> Call:
    shape = draw(shapes() | st.integers(0, 5))
    return (shape,), keywords(draw, dtype=DTYPES, device=st.sampled_from([None, "cpu"]))


@recipe("full")
def full(draw: Draw) -> Call:
    dtype = draw(DTYPES)
    shape = draw(shapes() | st.integers(0, 5))
    return (shape, draw(values(dtype))), {"dtype": dtype}


@recipe("zeros_like ones_like empty_like")
def like(draw: Draw) -> Call:
    return (array(draw, ALL),), keywords(draw, dtype=DTYPES)


@recipe("full_like")
def full_like(draw: Draw) -> Call:
    x = array(draw, ALL)
    return (x, draw(values(x.dtype))), {}


@recipe("eye")
def eye(draw: Draw) -> Call:
    size = st.integers(0, 5)
    args = (draw(size), draw(size | st.none()))
    return args, keywords(draw, k=st.integers(-6, 6), dtype=DTYPES)


@recipe("asarray")
def asarray(draw: Draw) -> Call:
    dtype = draw(DTYPES)
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return (draw(values(dtype)),), {"dtype": dtype}
    if kind == 1:
        return (draw(st.lists(values(dtype), max_size=4)),), {"dtype": dtype}
    return (array(draw, [dtype]),), keywords(draw, copy=st.sampled_from([None, True]))


@recipe("tril triu")
def triangle(draw: Draw) -> Call:
    return (array(draw, ALL, shapes(2)),), keywords(draw, k=st.integers(-5, 5))


@recipe("meshgrid")
def meshgrid(draw: Draw) -> Call:
    dtype = draw(DTYPES)
    arrays = [array(draw, [dtype], shapes(1, 1)) for _ in range(draw(st.integers(0, 3)))]
    return tuple(arrays), keywords(draw, indexing=st.sampled_from(["xy", "ij"]))


# Statistics.


def _reduced(draw: Draw, x: np.ndarray, **more: st.SearchStrategy) -> Call:
    return (x,), keywords(draw, axis=axes_of(x), keepdims=st.booleans(), **more)


@recipe("max min")
def extremum(draw: Draw) -> Call:
    return _reduced(draw, array(draw, REAL, shapes(side=1)))


@recipe("mean")
def mean(draw: Draw) -> Call:
    return _reduced(draw, array(draw, FLOATING, shapes(side=1), tame=True))


@recipe("std var")
def deviation(draw: Draw) -> Call:
    x = array(draw, FLOATS, shapes(side=1), tame=True)
    return _reduced(draw, x, correction=st.sampled_from([0, 1, 0.5]))


@recipe("sum prod")
def total(draw: Draw) -> Call:
    x = array(draw, NUMERIC, tame=True)
    wider = [d for d in NUMERIC if np.can_cast(x.dtype, d)]
    return _reduced(draw, x, dtype=st.sampled_from(wider))


@recipe("cumulative_sum cumulative_prod")
def cumulative(draw: Draw) -> Call:
    x = array(draw, NUMERIC, shapes(1), tame=True)
    kwargs = keywords(draw, include_initial=st.booleans())
    return (x,), kwargs | {"axis": draw(axis_of(x))}


@recipe("all any count_nonzero")
def questions(draw: Draw) -> Call:
    return _reduced(draw, array(draw, ALL))


@recipe("diff")
def diff(draw: Draw) -> Call:
    x = array(draw, NUMERIC, shapes(1), tame=True)
    return (x,), keywords(draw, axis=axis_of(x), n=st.integers(0, 3))


# Manipulation.


@recipe("broadcast_arrays")
def broadcast_arrays(draw: Draw) -> Call:
    return promotable(draw, ALL), {}


@recipe("broadcast_to")
def broadcast_to(draw: Draw) -> Call:
    x = array(draw, ALL)
    shape = tuple(draw(st.integers(0, 3)) if k == 1 else k for k in x.shape)
    return (x, draw(shapes(0, 1)) + shape), {}


@recipe("concat")
def concat(draw: Draw) -> Call:
    x, y = promotable(draw, ALL)
    if draw(st.booleans()) or x.ndim == 0:
        return ([x, y],), {"axis": None}
    y = array(draw, [y.dtype], x.shape)
    return ((x, y, x),), keywords(draw, axis=axis_of(x))


@recipe("stack")
def stack(draw: Draw) -> Call:
    x = array(draw, ALL)
    return ([x, array(draw, [x.dtype], x.shape)],), keywords(
        draw, axis=st.integers(-x.ndim, x.ndim)
    )


@recipe("expand_dims")
def expand_dims(draw: Draw) -> Call:
    x = array(draw, ALL)
    return (x,), {"axis": draw(st.integers(-x.ndim - 1, x.ndim))}


@recipe("flip")
def flip(draw: Draw) -> Call:
    x = array(draw, ALL)
    return (x,), keywords(draw, axis=axes_of(x))


@recipe("moveaxis")
def moveaxis(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1))
    if draw(st.booleans()):
        return (x, draw(axis_of(x)), draw(axis_of(x))), {}
    count = draw(st.integers(0, x.ndim))
    order = st.permutations(range(x.ndim)).map(lambda p: tuple(p[:count]))
    return (x, draw(order), draw(order)), {}


@recipe("permute_dims")
def permute_dims(draw: Draw) -> Call:
    x = array(draw, ALL)
    return (x, tuple(draw(st.permutations(range(x.ndim))))), {}


@recipe("repeat")
def repeat(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1))
    if draw(st.booleans()):
        return (x, draw(st.integers(0, 3))), keywords(draw, axis=axis_of(x))
    axis = draw(axis_of(x))
    return (x, array(draw, [np.dtype("i8")], (x.shape[axis],), tame=True).clip(0)), {"axis": axis}


@recipe("reshape")
def reshape(draw: Draw) -> Call:
    x = array(draw, ALL)
    shape = draw(st.permutations(x.shape).map(tuple))
    flat = (-1,) if x.size else (x.size,)
    shape = draw(st.sampled_from([shape, flat, (1, *shape), (*shape, 1), x.shape]))
    return (x, shape), keywords(draw, copy=st.sampled_from([None, True]))


@recipe("roll")
def roll(draw: Draw) -> Call:
    x = array(draw, ALL)
    shift = draw(st.integers(-6, 6))
    if x.ndim and draw(st.booleans()):
        axes = tuple(draw(st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1)))
        return (x, tuple(shift + k for k in axes)), {"axis": axes}
    return (x, shift), {"axis": draw(axis_of(x))} if x.ndim and draw(st.booleans()) else {}


@recipe("squeeze")
def squeeze(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1, 2, 1))
    axis = draw(st.integers(0, x.ndim))
    return (np.expand_dims(x, axis),), {"axis": draw(st.sampled_from([axis, (axis,)]))}


@recipe("tile")
def tile(draw: Draw) -> Call:
    return (array(draw, ALL), draw(shapes(0, 3))), {}


@recipe("unstack")
def unstack(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1))
    return (x,), keywords(draw, axis=axis_of(x))


# Everything else.


@recipe("clip")
def clip(draw: Draw) -> Call:
    x = array(draw, REAL)
    low, high = draw(values(x.dtype)), draw(values(x.dtype))
    if x.dtype.kind == "f" and draw(st.booleans()):
        low, high = np.asarray(low, x.dtype), array(draw, [x.dtype], x.shape)
    return (x,), keywords(draw, min=st.just(low) | st.none(), max=st.just(high) | st.none())


@recipe("astype")
def astype(draw: Draw) -> Call:
    x = array(draw, ALL, tame=True)
    target = draw(st.sampled_from([d for d in ALL if x.dtype.kind != "c" or d.kind == "c"]))
    if target.kind == "u":
        x = x if x.dtype.kind == "b" else abs(x) if x.dtype.kind != "c" else x
    return (x, target), keywords(draw, copy=st.booleans())


@recipe("can_cast")
def can_cast(draw: Draw) -> Call:
    return (draw(DTYPES | st.builds(lambda d: np.ones(2, d), DTYPES)), draw(DTYPES)), {}


@recipe("isdtype")
def isdtype(draw: Draw) -> Call:
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating",
             "complex floating", "numeric"]  # fmt: skip
    kind = st.sampled_from(kinds) | DTYPES
    return (draw(DTYPES), draw(kind | st.lists(kind, max_size=3).map(tuple))), {}


@recipe("result_type")
def result_type(draw: Draw) -> Call:
    item = DTYPES | st.builds(lambda d: np.ones(2, d), DTYPES)
    return tuple(draw(st.lists(item, min_size=1, max_size=3))), {}


@recipe("sort argsort")
def sort(draw: Draw) -> Call:
    x = array(draw, REAL, shapes(1))
    return (x,), keywords(draw, axis=axis_of(x)) | {"stable": True}


@recipe("argmax argmin")
def arg_extremum(draw: Draw) -> Call:
    x = array(draw, REAL, shapes(1, side=1))
    return (x,), keywords(draw, axis=axis_of(x) | st.none(), keepdims=st.booleans())


@recipe("nonzero")
def nonzero(draw: Draw) -> Call:
    return (array(draw, ALL, shapes(1)),), {}


@recipe("searchsorted")
def searchsorted(draw: Draw) -> Call:
    x = array(draw, REAL, shapes(1, 1), tame=True)
    kwargs = keywords(draw, side=st.sampled_from(["left", "right"]))
    if draw(st.booleans()):
        kwargs["sorter"] = np.argsort(x)
    else:
        x = np.sort(x)
    return (x, array(draw, [x.dtype], tame=True)), kwargs


@recipe("where")
def where(draw: Draw) -> Call:
    x, y = promotable(draw, ALL)
    return (array(draw, BOOL, np.broadcast_shapes(x.shape, y.shape)), x, y), {}


@recipe("take")
def take(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1, side=1))
    axis = draw(axis_of(x))
    index = draw(st.lists(st.integers(-x.shape[axis], x.shape[axis] - 1), max_size=5))
    return (x, np.array(index, draw(st.sampled_from(["i4", "i8"])))), {"axis": axis}


@recipe("take_along_axis")
def take_along_axis(draw: Draw) -> Call:
    x = array(draw, ALL, shapes(1, side=1))
    axis = draw(axis_of(x))
    shape = list(x.shape)
    shape[axis] = draw(st.integers(0, 4))
    index = array(draw, [np.dtype("i8")], tuple(shape)) % x.shape[axis]
    return (x, index), {"axis": axis}


@recipe("unique_all unique_counts unique_inverse unique_values")
def unique(draw: Draw) -> Call:
    return (array(draw, ALL, tame=draw(st.booleans())),), {}
