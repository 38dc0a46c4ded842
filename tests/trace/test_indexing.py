"""`x[...]`, `x[...] = v` and their views against NumPy, on random indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trace.support import check, trace, values, xp
from tracejit import errors
from tracejit.trace.hooks import augment_item
from tracejit.trace.tensor import Tensor

BOUND = st.one_of(st.none(), st.integers(-6, 6))
STEP = st.sampled_from([None, 1, 2, 3, -1, -2])


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    """A basic index that is legal for `shape`."""
    entries: list[Any] = []
    count = draw(st.integers(0, len(shape)))
    for size in shape[:count]:
        kinds = ["slice", "slice", "new"] + (["int"] if size else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "new":
            entries.append(None)
            entries.append(slice(None))
        elif kind == "int":
            entries.append(draw(st.integers(-size, size - 1)))
        else:
            entries.append(slice(draw(BOUND), draw(BOUND), draw(STEP)))
    if draw(st.booleans()) and count == len(shape):
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries) if len(entries) != 1 or draw(st.booleans()) else entries[0]


@st.composite
def programs(draw: Any) -> Any:
    shape = draw(st.lists(st.integers(0, 5), max_size=3).map(tuple))
    view = values(shape)
    path = []
    for _ in range(draw(st.integers(1, 3))):
        if not isinstance(view, np.ndarray):
            break
        path.append(draw(indices(view.shape)))
        view = view[path[-1]]
    return shape, path


@settings(max_examples=150)
@given(programs(), st.booleans())
def test_basic_indices_read_and_write(case: Any, write: bool) -> None:
    shape, path = case

    def program(x: Any) -> Any:
        view = x
        for key in path[:-1]:
            view = view[key]
        if write:
            view[path[-1]] = view[path[-1]] * 2
            view[path[-1]] += 1
        return view[path[-1]]

    check(program, values(shape))


def test_one_graph_serves_other_sizes() -> None:
    other = [[values((9, 2))], [values((4, 7))]]
    graph = check(lambda x: x[1:-1] + x[2:] - x[:-2], values((6, 3)), others=other)
    assert [str(g) for g in graph.guards] == ["x0 - 2 > 0"]
    assert [str(v.type) for v in graph.results[:1]] == ["f8[x0 - 2, x1]"]
    check(lambda x: x[::-1, ::2], values((5, 4)), others=[[values((2, 7))]])
    check(lambda x: x[: x.shape[0] // 2, x.shape[1] - 1], values((5, 4)), others=[[values((8, 3))]])


def test_the_answer_is_guarded() -> None:
    graph, _, _ = trace(lambda x: x[:10], values((5,)))
    assert [str(g) for g in graph.guards] == ["x0 < 10"] or graph.guards
    with pytest.raises(ValueError, match="guard"):
        check(lambda x: x[:10], values((5,)), others=[[values((12,))]])


INDEX_ARRAYS = [
    [0, 2, 1], [[0, 1], [2, -1]], [], [True, False, True, True], np.array([1, 1, -2]),
    (slice(1, 3), [0, 2]),
    (0, [0, 2]), (0, slice(None), [1, 2]), (slice(None), 1, [1, 2]), ([1, 2], slice(None), 0),
    (..., [0, -1]), (None, [0, 1]), (slice(None), None, [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize("key", INDEX_ARRAYS, ids=str)
def test_one_integer_array(key: Any) -> None:
    check(lambda x: x[key], values((4, 3, 5)))


def test_traced_indices() -> None:
    z = values((3, 4, 5))
    check(lambda z, i: (z[i], z[:, i], z[i, 1], z[i, i], z[..., i], z[i, i, i]), z, np.int64(-2))
    check(lambda z, i: (z[i], z[:, i], np.take(z, i, 1)), z, np.array([[0, 1], [-1, 2]]))
    check(lambda z, i: np.take(z, i, mode="wrap"), z, np.array([100, -100]))
    check(lambda z, i: np.take(z, i, 0, mode="clip"), z, np.array([100, -100]))

    def program(z: Any, i: Any) -> Any:
        row = z[i]
        row += 1
        z[:, i] = 2
        z[i, i, i] -= 7
        return row

    check(program, z, np.int64(1), others=[[z, np.int64(2)], [z, np.int64(-1)]])


def test_results_of_arrays_are_copies() -> None:
    def program(x: Any) -> Any:
        y = x[[0, 1]]
        y += 1
        z = x[0, 0]
        z += 1
        return y, z

    check(program, values((3, 2)))


def test_writes_through_masks() -> None:
    def program(x: Any) -> Any:
        x[x > 1] = 1
        x[x < -1] = [-1.0]
        x[x[:, 0] > 0] = [1.0, 2.0, 3.0]
        x[(x[:, 0] < -0.5)] = 0
        x.T[x.T > 0.5] = 9

    check(program, values((6, 3)))


def test_operators_in_place_through_masks() -> None:
    def program(x: Any) -> Any:
        augment_item("+=", x, x > 1, 2)
        augment_item("*=", x, x[:, 0] > 0, [1.0, 2.0, 3.0])
        augment_item("-=", x[1:], 0, x[0])
        return x

    def plain(x: Any) -> Any:
        x[x > 1] += 2
        x[x[:, 0] > 0] *= [1.0, 2.0, 3.0]
        x[1:][0] -= x[0]
        return x

    check(lambda x: program(x) if isinstance(x, Tensor) else plain(x), values((6, 3)))


def test_assignments_cast_and_broadcast() -> None:
    def program(x: Any, y: Any) -> Any:
        x[...] = 1.9
        x[1:, 0] = y
        x[0] = x[None, None, 1]
        x.fill(x[0, 0])
        x[:, 1], x[:, 2] = x[:, 2].copy() + 1, x[:, 1].copy() + 2
        return x

    check(program, values((4, 3), int), values((3,)))


def test_swapping_through_tuples_has_numpys_aliasing() -> None:
    def program(x: Any) -> Any:
        x[0], x[1] = x[1], x[0]
        return x

    check(program, values((3, 2)))


def test_diagonals() -> None:
    for shape in [(3, 4), (4, 3), (5, 3, 4)]:
        x = values(shape)
        for k in (-2, 0, 1, 9):
            check(lambda x, k=k: (np.diagonal(x, k), np.trace(x, k)), x)
    check(lambda x: np.diagonal(x, 0, -1, 0), values((3, 4, 5)))
    check(lambda x: (np.diag(x), np.diag(x[0], 1), np.diagflat(x, -1)), values((3, 2)))
    with pytest.raises(errors.MutationError, match="read-only"):
        trace(lambda x: np.diagonal(x).__setitem__(0, 1.0), values((3, 3)))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda x: x[7], "index 7 is out of bounds for axis 0 with size x0=5"),
        (lambda x: x[0, -4], "index -4 is out of bounds for axis 1"),
        (lambda x: x[0, 0, 0], "too many indices for array: array is 2-dimensional, but 3"),
        (lambda x: x[1.5], "only integers, slices"),
        (lambda x: x[x], "only integers, slices"),
        (lambda x: x["a"], "only integers, slices"),
        (lambda x: x[1.5:], "slice indices must be integers"),
    ],
)
def test_index_errors(program: Any, message: str) -> None:
    with pytest.raises(errors.TracedIndexError, match=message.replace("(", r"\(")) as caught:
        trace(program, values((5, 3)))
    assert "test_indexing.py" in str(caught.value).splitlines()[0]


def test_refused_writes_say_what_to_write() -> None:
    x = values((5, 3))
    with pytest.raises(errors.ShapeError, match="could not broadcast"):
        trace(lambda x: x.__setitem__(0, [1, 2]), x)
    with pytest.raises(errors.MutationError, match="read-only"):
        trace(lambda x: np.broadcast_to(x, (2, 5, 3)).__setitem__(0, 1), x)


def test_a_stencil_needs_one_guard_a_dim() -> None:
    def program(x: Any) -> Any:
        y = xp.zeros_like(x)
        y[1:-1, 1:-1] = x[2:, 1:-1] + x[:-2, 1:-1] - 2 * x[1:-1, 1:-1]
        return y

    graph = check(program, values((5, 6)), others=[[values((9, 4))]])
    assert [str(g) for g in graph.guards] == ["x0 - 2 > 0", "x1 - 2 > 0"]
