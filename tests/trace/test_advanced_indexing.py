"""Arrays, masks and mixtures as indices, read and written, against NumPy on random expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import arrays, dtypes
from tests.trace.agreement import agree
from tests.trace.support import values
from tracejit import errors, jit

KINDS = ["slice", "new", "int", "array", "array", "list", "mask", "mask2", "flag", "stop"]
BOUND = st.one_of(st.none(), st.integers(-4, 4))


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index that is, mostly, legal for `shape`: every kind of entry, arrays that broadcast."""
    common = draw(st.sampled_from([(), (1,), (3,), (2, 3), (2, 1), (0,)]))
    entries: list[Any] = []
    axis = 0
    while axis < len(shape):
        size = shape[axis]
        kind = draw(st.sampled_from(KINDS))
        if kind == "stop":
            break
        if kind == "new":
            entries.append(None)
            continue
        if kind == "flag":
            entries.append(draw(st.sampled_from([True, False])))
            continue
        if kind == "int" and size:
            entries.append(draw(st.integers(-size, size - 1)))
        elif kind in ("array", "list"):
            own = common if size else (0,)
            if own and draw(st.booleans()):
                own = draw(st.sampled_from([own[1:], (1,) * len(own), own]))
            count = int(np.prod(own, dtype=int))
            bound = st.integers(-size, size - 1) if size else st.just(0)
            index = np.array(draw(st.lists(bound, min_size=count, max_size=count)), int)
            index = index.reshape(own)
            entries.append(index.tolist() if kind == "list" and index.ndim else index)
        elif kind in ("mask", "mask2"):
            rank = 2 if kind == "mask2" and axis + 2 <= len(shape) else 1
            seed = draw(st.integers(0, 99))
            entries.append(np.random.default_rng(seed).random(shape[axis : axis + rank]) < 0.5)
            axis += rank - 1
        else:
            step = draw(st.sampled_from([None, 1, 2, -1]))
            entries.append(slice(draw(BOUND), draw(BOUND), step))
        axis += 1
    if draw(st.integers(0, 3)) == 0:
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries)


@st.composite
def cases(draw: Any) -> Any:
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
    x = draw(arrays(draw(dtypes("fic")), shape))
    return np.array(x, order="K"), draw(keys(shape))


def split(key: tuple[Any, ...]) -> tuple[Any, list[np.ndarray]]:
    """A function that makes the key of arrays that are arguments, and these arrays."""
    found = [e for e in key if isinstance(e, np.ndarray)]
    places = iter(range(len(found)))
    plan = [next(places) if isinstance(e, np.ndarray) else None for e in key]

    def rebuild(given: Any) -> tuple[Any, ...]:
        pairs = zip(plan, key, strict=True)
        return tuple([e if place is None else given[place] for place, e in pairs])

    return rebuild, found


def refused(fn: Any, *args: Any) -> bool:
    """Whether NumPy refuses what it need not: a value of too many dims for what is indexed."""
    try:
        fn(*(a.copy() for a in args))
    except (ValueError, TypeError):
        return True
    except IndexError:
        return False
    return False


@settings(max_examples=400)
@given(cases())
def test_reading(case: Any) -> None:
    x, key = case
    rebuild, given_arrays = split(key)
    agree(lambda x, *given: x[rebuild(given)], x, *given_arrays)


@settings(max_examples=300)
@given(cases(), st.data())
def test_writing(case: Any, data: Any) -> None:
    x, key = case
    rebuild, given_arrays = split(key)
    try:
        shape = np.shape(x[key])
    except IndexError:
        return
    shape = tuple(1 if n and data.draw(st.integers(0, 4)) == 0 else n for n in shape)
    value = values(shape, "f4")
    if data.draw(st.booleans()):
        value = np.asfortranarray(value)

    def program(x: Any, v: Any, *given: Any) -> Any:
        x[rebuild(given)] = v

    if not refused(program, x, value, *given_arrays):
        agree(program, x, value, *given_arrays)


@settings(max_examples=300)
@given(cases(), st.sampled_from(["scalar", "add", "view", "at", "twice"]))
def test_writing_in_other_ways(case: Any, way: str) -> None:
    x, key = case
    rebuild, given_arrays = split(key)

    def program(x: Any, *given: Any) -> Any:
        key = rebuild(given)
        if way == "scalar":
            x[key] = 3
        elif way == "add":
            x[key] += 2
        elif way == "view":
            y = x[::-1]
            y[key] = 7
        elif way == "at":
            np.add.at(x, key, 1)
        else:
            x[key] = x[key] * 2 + 1
            x[key] -= x[key]
        return x[..., :1]

    if not refused(program, x, *given_arrays):
        agree(program, x, *given_arrays)


COMPILED = [
    (slice(1, 3), np.array([0, 2, -1])),
    (np.array([[0], [2]]), slice(None, None, 2), np.array([1, 3])),
    (np.array([0, 1, 1]), np.array([1, 1, 2])),
    (1, slice(None), np.array([0, 0, 3])),
    (np.array(2), slice(1, None)),
    (values((4, 5)) > 0,),
    (slice(None), values((5,)) > 0, np.array([1])),
    (Ellipsis, np.array([[0, 1], [2, -1]])),
    (np.array(1), np.array(-2), None, np.array(0)),
]


@pytest.mark.parametrize("key", COMPILED, ids=lambda key: str(len(key)))
@pytest.mark.parametrize("dtype", ["f8", "i2", "c8", "?", "f2"])
def test_compiled(key: Any, dtype: str) -> None:
    rebuild, given_arrays = split(key)

    def program(x: Any, y: Any, *given: Any) -> Any:
        key = rebuild(given)
        found = x[key]
        y[key] = x[key]
        x[key] = found[..., ::-1] if found.ndim else found
        return found, y

    for x in (values((4, 5, 6), dtype), np.asfortranarray(values((4, 5, 6), dtype))[::-1]):
        agree(program, x, values((4, 5, 6), dtype, 1), *given_arrays, mode="fast_run")


def test_a_traced_integer_is_a_place() -> None:
    def program(x: Any, i: Any, j: Any, v: Any) -> Any:
        x[i] = v[0]
        x[i, j] += 3
        x[i, :3] = v[:3]
        x[1:][i % 2] -= 1
        x[:, j] *= 2
        x[i], x[j] = x[j], x[i]
        row = x[j]
        row[1:3] = 0
        x.T[j][i] = 5
        return x[i, j], row

    x, v = values((4, 5)), values((5,))
    for mode in ("fast_compile", "fast_run"):
        compiled = jit(program, mode=mode)
        for i, j in [(0, 3), (2, 2), (-1, 1)]:
            mine, plain = x.copy(), x.copy()
            got = compiled(mine, np.int64(i), np.int64(j), v)
            want = program(plain, np.int64(i), np.int64(j), v)
            np.testing.assert_array_equal(mine, plain)
            np.testing.assert_array_equal(got[1], want[1])
            assert got[0] == want[0]


def test_the_last_of_several_writes_stands() -> None:
    def program(x: Any, i: Any, v: Any) -> Any:
        x[i] = v
        x[i, 0] += 1
        np.add.at(x, (i, 1), 1)
        np.subtract.at(x, i, v)

    i = np.array([3, 1, 3, 3, 0, 1])
    for mode in ("fast_compile", "fast_run"):
        agree(program, values((4, 3)), i, values((6, 3)), mode=mode)
        agree(program, values((4, 3), "f4"), i, values((6, 1)), mode=mode)


@pytest.mark.parametrize("mode", ["fast_compile", "fast_run"])
def test_an_index_out_of_bounds_changes_nothing(mode: str) -> None:
    def write(x: Any, i: Any) -> None:
        x[i] = 1

    def read(x: Any, i: Any) -> Any:
        return x[:, i]

    x = values((4, 5))
    for function, axis, size in ((write, 0, 4), (read, 1, 5)):
        mine = x.copy()
        with pytest.raises(
            IndexError, match=f"index 9 is out of bounds for axis {axis} with size {size}"
        ) as caught:
            jit(function, mode=mode)(mine, np.array([0, 9, 1]))
        np.testing.assert_array_equal(mine, x)
        assert mode == "fast_compile" or "test_advanced_indexing.py" in str(caught.value)


def test_masks_beside_each_other() -> None:
    def program(x: Any, y: Any) -> Any:
        m = x > 0
        x[m] = x[m] * 2 - y[m]
        x[~m] = 0
        x[m[:, 0]] += y[m[:, 0]]
        x[m[:, 0], 1:3] = 7
        y[y > 100] = y[y > 100].sum()
        return x[m].sum(), x[m].max(), x[m].mean(), x[m], y[m][::2], x[m[:, 0]][:, m[0]], x[m].shape

    for mode in ("fast_compile", "fast_run"):
        agree(program, values((4, 5)), values((4, 5), seed=1), mode=mode)
        agree(program, values((40, 50)), values((40, 50), seed=1), mode=mode)


def test_a_mask_is_a_choice_by_elements() -> None:
    def program(z: Any, c: Any, m: Any) -> None:
        z[m] = z[m] ** 2 + c[m]

    x = values((4, 5))
    ops = [node.op for node in jit(program).optimize(x, x, x > 0).walk()]
    assert "nonzero" not in ops and "scatter" not in ops and "select" in ops


def test_values_that_do_not_fit_a_mask() -> None:
    def program(x: Any, v: Any) -> None:
        x[x > 0] = v

    x = np.array([1.0, -1.0, 2.0, 3.0])
    for mode in ("fast_compile", "fast_run"):
        agree(program, x, np.array([1.0, 2.0, 3.0]), mode=mode)
        before = x.copy()
        with pytest.raises(ValueError, match="only at run time"):
            jit(program, mode=mode)(x, np.array([1.0, 2.0]))
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: x[[0, 1], [0, 1, 2]], "shape mismatch: indexing arrays could not be broadcast"),
        (lambda x: x[np.zeros(3, bool)], "boolean index did not match indexed array along axis 0"),
        (lambda x: x[[0], [0], [0]], "too many indices for array"),
        (lambda x: x[np.zeros((4, 5, 1), bool)], "too many indices for array"),
        (lambda x: x[[0.5]], "only integers, slices"),
        (lambda x: x.__setitem__([0, 1], np.zeros(3)), "shape mismatch: value array"),
        (lambda x: np.take(x, [0.5]), "integer indices"),
    ],
)
def test_errors(program: Any, message: str) -> None:
    with pytest.raises(errors.TraceError, match=message):
        jit(program, mode="fast_compile")(values((4, 5)))
