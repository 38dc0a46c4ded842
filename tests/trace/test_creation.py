"""Constructors against NumPy; their sizes stay symbolic."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trace.support import check, trace, values, xp
from tracejit import errors
from tracejit.ir.graph import ScalarGuard

X = values((3, 4))
OTHERS = [[values((5, 2))], [values((2, 7))]]

OF_SIZES: dict[str, Any] = {
    "zeros": lambda x: (xp.zeros(x.shape), xp.zeros(x.shape[0], "i4"), xp.zeros((x.shape[1], 2))),
    "ones": lambda x: (xp.ones(x.shape), xp.ones((), "f4"), xp.ones(x.size, bool)),
    "full": lambda x: (xp.full(x.shape, 7), xp.full(3, x[0, 0]), xp.full((2, 4), 1.5, "f4")),
    "full_row": lambda x: xp.full((2, *x.shape), x),
    "like": lambda x: (xp.zeros_like(x), xp.ones_like(x, "i8"), xp.full_like(x, x[0, 1])),
    "like_shape": lambda x: (xp.ones_like(x, shape=(2, 2)), xp.full_like(x, 2, dtype=int)),
    "arange": lambda x: (
        xp.arange(x.shape[0]),
        xp.arange(2, x.shape[1] + 2),
        xp.arange(x.shape[1], 0, -1),
    ),
    "arange_steps": lambda x: (xp.arange(0, x.size, 2), xp.arange(1, x.size + 3, 3, dtype="f4")),
    "arange_back": lambda x: xp.arange(x.size, 0, -2),
    "linspace": lambda x: (xp.linspace(0, 1, x.shape[0]), xp.linspace(x[0], 2, 5, axis=-1)),
    "linspace_step": lambda x: xp.linspace(1, 3, x.shape[0] + 2, endpoint=False, retstep=True),
    "eye": lambda x: (
        xp.eye(x.shape[0]),
        xp.eye(3, x.shape[1], 1, dtype=int),
        xp.identity(x.shape[0]),
    ),
    "tri": lambda x: (xp.tri(x.shape[0]), xp.tri(3, x.shape[1], -1), xp.tril(x, 1), xp.triu(x, -1)),
    "tril_3d": lambda x: (xp.tril(x[None] * xp.ones((2, 1, 1))), xp.triu(x[0])),
    "vander": lambda x: (xp.vander(x[0]), xp.vander(x[0], 3, increasing=True)),
    "meshgrid": lambda x: (xp.meshgrid(x[0], x[:, 0]), xp.meshgrid(x[0], x[:, 0], indexing="ij")),
    "meshgrid_sparse": lambda x: xp.meshgrid(x[0], x[:, 0], x[1], sparse=True),
    "indices": lambda x: (xp.indices(x.shape), xp.indices(x.shape, sparse=True)),
    "fromfunction": lambda x: xp.fromfunction(lambda i, j: i * j + x.shape[0], x.shape),
    "ix_": lambda x: xp.ix_(x[0], x[:, 1]),
    "array": lambda x: (xp.array(x), xp.array([x[0, 0], 1.5, x[1, 1]]), xp.array([x[0], x[1]])),
    "array_nested": lambda x: xp.array([[x[0, 0], 1], [2, x[1, 1]]]),
    "array_dtype": lambda x: (
        xp.array(x, "f4"),
        xp.array([x[0, 0], 2], int),
        xp.array(x[0], ndmin=3),
    ),
    "asarray": lambda x: (xp.asarray(x), xp.asarray(x, "c8"), xp.ascontiguousarray(x[0, 0])),
    "sizes_as_numbers": lambda x: x / x.shape[0] + x.shape[1] * 2 - x.size**0.5,
}


@pytest.mark.parametrize("name", sorted(OF_SIZES))
def test_sizes_stay_symbolic(name: str) -> None:
    check(OF_SIZES[name], X, others=OTHERS)


CONCRETE: dict[str, Any] = {
    "floats": lambda x: (xp.arange(3.5), xp.arange(0.1, 1, 0.1), xp.arange(1, 2, 0.25, dtype="f4")),
    "ints": lambda x: (xp.arange(5), xp.arange(0), xp.arange(5, 2), xp.arange(3, dtype="u1")),
    "linspace": lambda x: (xp.linspace(0, 10, 7), xp.linspace(2, 2, 3)),
    "linspace_int": lambda x: xp.linspace(0, 9, 4, dtype=int),
    "linspace_edge": lambda x: (xp.linspace(0, 1, 1), xp.linspace(0, 1, 0)),
    "linspace_tiny": lambda x: xp.linspace(0, 5e-324, 3),
    "linspace_complex": lambda x: xp.linspace(0, 1 + 1j, 4),
    "logspace": lambda x: (xp.logspace(0, 2, 5), xp.logspace(0, 2, 3, base=2, dtype="f4")),
    "geomspace": lambda x: (xp.geomspace(1, 1000, 4), xp.geomspace(-8, -1, 4)),
    "geomspace_traced": lambda x: xp.geomspace(x[0] ** 2 + 1, 9, 3),
    "empty_shape": lambda x: xp.empty((2, 3)) * 0,
    "lists": lambda x: (xp.array([[1, 2], [3, 4]]), xp.array(3), xp.array([True]), xp.array([])),
    "zero_d": lambda x: (xp.zeros(()), xp.zeros(()) + 1, xp.array(x[0, 0]), xp.full((), 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONCRETE))
def test_concrete_arguments(name: str) -> None:
    check(CONCRETE[name], X, ulp=16)


def test_new_arrays_are_written() -> None:
    def program(x: Any, t: Any) -> Any:
        b = xp.zeros(x.shape[0])
        b[0] = t
        b[1:] = x[1:, 0]
        c = xp.zeros(())
        c += t
        d = xp.array([t, t])
        d[1] *= 2
        e = xp.array(b)
        e += 1
        f = xp.asarray(b)
        f -= 1
        return b, c, d, e, f, xp.full_like(b, t), xp.full(3, t)

    check(program, X, 2.5, others=[[values((6, 2)), -1.0]])


def test_scalar_types() -> None:
    check(lambda x: (xp.float32(x[0, 0]), xp.int64(x[0, 0]) * 2, xp.complex64(x), xp.uint8(3)), X)


def test_traced_bounds_become_guards() -> None:
    graph, _, _ = trace(lambda x, n: xp.arange(n) + x[0, 0], X, 5)
    assert [(g.param, g.value) for g in graph.guards if isinstance(g, ScalarGuard)] == [(1, 5)]
    check(lambda x, t: xp.arange(0, t, 0.5) + x[0, 0], X, 2.25)


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda x: xp.arange(x.sum()), errors.ConcretizationError, "traced value would be used"),
        (lambda x: xp.zeros(-1), errors.TracedValueError, "negative dimensions"),
        (lambda x: xp.zeros(x[0, 0]), TypeError, "integer"),
        (lambda x: xp.array([x[0], x[0, 0]]), errors.ShapeError, "ragged"),
        (lambda x: xp.full((2, 2), x), errors.ShapeError, "cannot broadcast"),
        (lambda x: xp.zeros(3, "M8[s]"), errors.DTypeError, "not supported"),
    ],
)
def test_refused(program: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        trace(program, X)
