"""Shape functions against NumPy, which of them are views included."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trace.support import check, trace, values, xp
from tracejit import errors

MATRIX: dict[str, Any] = {
    "reshape": lambda x: (x.reshape(-1), np.reshape(x, (-1, 1)), x.reshape((x.shape[1], -1))),
    "reshape_order": lambda x: (x.reshape(-1, order="F"), x.flatten("F"), x.ravel("F")),
    "flatten": lambda x: (x.flatten(), np.ravel(x), x.ravel()),
    "squeeze": lambda x: (
        np.squeeze(x[None, :, None]),
        np.squeeze(x[None], 0),
        x[:, None].squeeze(1),
    ),
    "expand_dims": lambda x: (np.expand_dims(x, 0), np.expand_dims(x, (0, -1))),
    "atleast": lambda x: (np.atleast_1d(x[0, 0]), np.atleast_2d(x[0], x), np.atleast_3d(x[0], x)),
    "transpose": lambda x: (x.T, np.transpose(x), x.transpose(1, 0), x[None].transpose((2, 0, 1))),
    "mT": lambda x: (x.mT, np.matrix_transpose(x[None]), np.permute_dims(x, (1, 0))),
    "swapaxes": lambda x: (np.swapaxes(x, 0, 1), x[None].swapaxes(0, -1)),
    "moveaxis": lambda x: (np.moveaxis(x[None], 0, -1), np.moveaxis(x[None], (0, 1), (2, 0))),
    "rollaxis": lambda x: (np.rollaxis(x[None], 2), np.rollaxis(x[None], 1, 3)),
    "flip": lambda x: (np.flip(x), np.flip(x, 1), np.fliplr(x), np.flipud(x)),
    "rot90": lambda x: [np.rot90(x, k) for k in range(-1, 4)],
    "broadcast": lambda x: (np.broadcast_to(x, (2, *x.shape)), np.broadcast_arrays(x, x[0], 3)),
    "concatenate": lambda x: (
        np.concatenate([x, x * 2]),
        np.concatenate([x, x], None),
        np.concat((x, x), 1),
    ),
    "concatenate_types": lambda x: np.concatenate([x, np.astype(x, "c16")], dtype="c16"),
    "stack": lambda x: (np.stack([x, x]), np.stack((x, x), -1), np.stack([x[0, 0], x[0, 1]])),
    "stacks": lambda x: (np.vstack([x, x[0]]), np.hstack([x, x]), np.dstack([x, x])),
    "column_stack": lambda x: (np.column_stack([x, x[:, 0]]), np.hstack([x[0], x[0]])),
    "block": lambda x: (np.block([[x, x], [x, x * 2]]), np.block([x[0], x[1]])),
    "append": lambda x: (np.append(x, 3), np.append(x, x, 0)),
    "split": lambda x: (np.split(x, [1, 2]), np.split(x, 2, 1), np.vsplit(x, [1]), np.hsplit(x, 2)),
    "array_split": lambda x: (np.array_split(x, 4), np.array_split(x, 3, 1)),
    "dsplit": lambda x: np.dsplit(x[None], 2),
    "unstack": lambda x: np.unstack(x, axis=1),
    "tile": lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 3)), np.tile(x[0, 0], 3), np.tile(x, 1)),
    "repeat": lambda x: (np.repeat(x, 2), x.repeat(3, 1), np.repeat(x[0, 0], 2)),
    "resize": lambda x: (np.resize(x, (3, 7)), np.resize(x, 2), np.resize(x, (x.shape[1], 2))),
    "roll": lambda x: (np.roll(x, 1), np.roll(x, -1, 0), np.roll(x, (1, 1), (0, 1)), np.roll(x, 0)),
    "roll_far": lambda x: (np.roll(x, 9, 1), np.roll(x, -11), np.roll(x, 2, (0, 1))),
    "diff": lambda x: (
        np.diff(x),
        np.diff(x, axis=0),
        np.diff(x, 1, 1, prepend=0, append=x[:, :1]),
    ),
    "ediff1d": lambda x: (np.ediff1d(x), np.ediff1d(x, [1, 2], 3)),
    "delete": lambda x: (np.delete(x, 0, 0), np.delete(x, [0, -1], 1), np.delete(x, slice(0, 2))),
    "insert": lambda x: (np.insert(x, 1, 3), np.insert(x, 1, 3, 0), np.insert(x, -1, x[0], 0)),
    "sizes": lambda x: (np.zeros_like(x) + np.shape(x)[0], x * np.size(x), x * len(x.T)),
}


@pytest.mark.parametrize("name", sorted(MATRIX))
@pytest.mark.parametrize("dtype", ["f8", "i4"])
def test_functions(name: str, dtype: str) -> None:
    check(MATRIX[name], values((4, 6), dtype))


SYMBOLIC = set(MATRIX) - {"unstack", "array_split", "resize", "roll_far", "sizes"}


@pytest.mark.parametrize("name", sorted(SYMBOLIC))
def test_one_graph_serves_other_sizes(name: str) -> None:
    check(MATRIX[name], values((4, 6)), others=[[values((7, 8))], [values((5, 4))]])


def test_repeat_counts() -> None:
    check(lambda x: np.repeat(x, [1, 0, 2], 0), values((3, 2)))
    check(lambda x, n: np.repeat(x, n), values((3,)), np.array([1, 0, 3]))


def test_traced_shift() -> None:
    check(lambda x, s: np.roll(x, s, 0), values((5, 2)), np.int64(-7))


def test_empty_and_scalar() -> None:
    check(lambda x: (np.flip(x), np.roll(x, 3), x.reshape(0, 3), np.tile(x, 2)), values((0,)))
    check(lambda x: (x.reshape(1), np.flip(x), np.tile(x, 2), x.T, x.ravel()), values(()))
    check(lambda x: (np.concatenate([x, x]), np.diff(x), np.repeat(x, 2, 1)), values((0, 3)))


PADS: list[Any] = [1, (1, 2), ((1, 0), (2, 3)), ((7, 9), (0, 5)), 0, {-1: (1, 2)}]
pad: Any = np.pad
MODES = [
    "constant",
    "edge",
    "reflect",
    "symmetric",
    "wrap",
    "linear_ramp",
    "maximum",
    "minimum",
    "mean",
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["f8", "i8"])
def test_pad(mode: str, dtype: str) -> None:
    for width in PADS:
        others = [[values((8, 9), dtype)]] if width in (1, 0) else []
        check(lambda x, w=width: pad(x, w, mode), values((5, 4), dtype), others=others, ulp=50)


def test_pad_arguments() -> None:
    x = values((5, 4))
    check(lambda x: np.pad(x, 2, constant_values=((1, 2), (3, 4))), x)
    check(lambda x: np.pad(x, 2, constant_values=x[0, 0]), x)
    check(lambda x: np.pad(x, (1, 2), "maximum", stat_length=2), x)
    check(lambda x: np.pad(x, (1, 2), "linear_ramp", end_values=(2, 3)), x, ulp=50)


VIEWS: list[Any] = [
    lambda x: x.T, lambda x: x[:, ::2], lambda x: x[1:], lambda x: x[:, 1:3], lambda x: x[::-1],
    lambda x: x[0], lambda x: x[:, :, 0], lambda x: x[None], lambda x: np.swapaxes(x, 0, 1),
    lambda x: np.swapaxes(x, -1, -2), lambda x: x.reshape(2, 2, 6, 2), lambda x: x.reshape(8, -1),
    lambda x: x.ravel(), lambda x: x.reshape(-1, 1, 2), lambda x: x.reshape(4, 3, 2, 2),
    lambda x: x.reshape(3, -1, order="F"), lambda x: np.flip(x), lambda x: np.squeeze(x),
    lambda x: np.split(x, 2)[1], lambda x: np.moveaxis(x, 0, -1), lambda x: np.rot90(x),
    lambda x: np.expand_dims(x, 1), lambda x: x.reshape(-1), lambda x: xp.asarray(x),
    lambda x: np.flipud(x), lambda x: x.copy(), lambda x: x.flatten(), lambda x: np.atleast_2d(x),
]  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.sampled_from(VIEWS), min_size=1, max_size=4))
def test_writes_reach_the_base_exactly_where_numpy_has_views(chain: list[Any]) -> None:
    def program(x: Any) -> Any:
        handles = [x]
        for view in chain:
            handles.append(view(handles[-1]))
        handles[-1] += 1
        handles[len(handles) // 2][...] *= 2
        return handles

    x = values((4, 6, 2))
    try:
        program(x.copy())
    except (ValueError, IndexError, TypeError):
        return
    check(program, x)


@pytest.mark.parametrize("pair", list(itertools.product(range(len(VIEWS)), repeat=2)), ids=str)
def test_two_views(pair: tuple[int, int]) -> None:
    test_writes_reach_the_base_exactly_where_numpy_has_views.hypothesis.inner_test(  # type: ignore[attr-defined]
        [VIEWS[k] for k in pair]
    )


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda x: x.reshape(5, 5), errors.ShapeError, "cannot reshape x is f8"),
        (lambda x: x.reshape(5, -1), errors.ShapeError, "cannot reshape"),
        (lambda x: np.squeeze(x, 0), errors.ShapeError, "not equal to one"),
        (lambda x: np.concatenate([x, x[:, 1:]]), errors.ShapeError, "must agree"),
        (lambda x: np.stack([x, x[0]]), errors.ShapeError, "same shape"),
        (lambda x: np.split(x, 5), errors.ShapeError, "equal division"),
        (lambda x: np.swapaxes(x, 0, 2), np.exceptions.AxisError, "out of bounds"),
        (lambda x: np.broadcast_to(x, (3, 2)), errors.ShapeError, "cannot broadcast"),
        (lambda x: np.trim_zeros(x), errors.UnsupportedError, "depends on the data"),
        (lambda x: np.delete(x, 9, 0), errors.TracedIndexError, "out of bounds"),
    ],
)
def test_refused(program: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        trace(program, values((4, 6)))
