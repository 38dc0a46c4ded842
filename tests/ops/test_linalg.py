"""numpy.linalg against NumPy, on random matrices and stacks of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tracejit
from tests.library import assert_equal, check

DTYPES = ["f4", "f8", "c8", "c16", "i4"]
BATCHES: list[tuple[int, ...]] = [(), (3,), (2, 1)]


def matrix(shape: tuple[int, ...], dtype: str = "f8", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    values = rng.normal(size=shape) * 3
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


def symmetric(shape: tuple[int, ...], dtype: str = "f8") -> np.ndarray:
    a = matrix(shape, dtype)
    return a + np.conj(np.swapaxes(a, -1, -2))


def positive(shape: tuple[int, ...], dtype: str = "f8") -> np.ndarray:
    a = matrix(shape, dtype).astype(np.result_type(dtype, "f4"))
    unit = np.eye(shape[-1], dtype=a.dtype)
    return a @ np.conj(np.swapaxes(a, -1, -2)) + 5 * unit


SQUARE = {
    "inv": lambda a: np.linalg.inv(a),
    "det": lambda a: np.linalg.det(a),
    "slogdet": lambda a: np.linalg.slogdet(a),
    "cond": lambda a: np.linalg.cond(a),
    "cond 1": lambda a: np.linalg.cond(a, 1),
    "cond fro": lambda a: np.linalg.cond(a, "fro"),
    "power": lambda a: np.linalg.matrix_power(a, -2),
    "trace": lambda a: np.linalg.trace(a),
}
ANY = {
    "pinv": lambda a: np.linalg.pinv(a),
    "pinv rcond": lambda a: np.linalg.pinv(a, 0.1),
    "pinv rtol": lambda a: np.linalg.pinv(a, rtol=None),
    "svdvals": lambda a: np.linalg.svdvals(a),
    "svd values": lambda a: np.linalg.svd(a, compute_uv=False),
    "rank": lambda a: np.linalg.matrix_rank(a),
    "rank tol": lambda a: np.linalg.matrix_rank(a, 2.0),
    "rank rtol": lambda a: np.linalg.matrix_rank(a, rtol=0.3),
    "norm 2": lambda a: np.linalg.norm(a, 2, axis=(-2, -1)),
    "norm -2": lambda a: np.linalg.norm(a, -2, axis=(-2, -1)),
    "norm nuc": lambda a: np.linalg.norm(a, "nuc", axis=(-1, -2), keepdims=True),
    "transpose": lambda a: np.linalg.matrix_transpose(a),
    "diagonal": lambda a: np.linalg.diagonal(a, offset=1),
    "qr": lambda a: np.linalg.qr(a),
    "qr complete": lambda a: np.linalg.qr(a, "complete"),
    "qr r": lambda a: np.linalg.qr(a, mode="r"),
    "qr raw": lambda a: np.linalg.qr(a, "raw"),
    "svd": lambda a: np.linalg.svd(a),
    "svd thin": lambda a: np.linalg.svd(a, full_matrices=False),
}
HERMITIAN = {
    "cholesky": lambda a: np.linalg.cholesky(a),
    "cholesky upper": lambda a: np.linalg.cholesky(a, upper=True),
    "eigh": lambda a: np.linalg.eigh(a),
    "eigh U": lambda a: np.linalg.eigh(a, "U"),
    "eigvalsh": lambda a: np.linalg.eigvalsh(a),
    "svd hermitian": lambda a: np.linalg.svd(a, hermitian=True),
    "pinv hermitian": lambda a: np.linalg.pinv(a, hermitian=True),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SQUARE)
def test_square(name: str, dtype: str) -> None:
    for batch in BATCHES:
        check(SQUARE[name], matrix((*batch, 4, 4), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ANY)
def test_any_matrix(name: str, dtype: str) -> None:
    for batch in BATCHES:
        for m, n in ((5, 3), (3, 5), (4, 4)):
            check(ANY[name], matrix((*batch, m, n), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HERMITIAN)
def test_hermitian(name: str, dtype: str) -> None:
    for batch in BATCHES:
        check(HERMITIAN[name], positive((*batch, 4, 4), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_solve(dtype: str) -> None:
    a = matrix((4, 4), dtype)
    check(lambda a, b: np.linalg.solve(a, b), a, matrix((4,), dtype, 1))
    check(lambda a, b: np.linalg.solve(a, b), a, matrix((4, 2), "f8", 1))
    check(lambda a, b: np.linalg.solve(a, b), matrix((3, 4, 4), dtype), matrix((4, 2), dtype))
    check(lambda a, b: np.linalg.solve(a, b), matrix((1, 4, 4), dtype), matrix((3, 4, 2), dtype))
    check(lambda a, b: np.linalg.solve(a.T + 1, b[::2]), a, matrix((8, 3), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4)])
def test_lstsq(shape: tuple[int, int], dtype: str) -> None:
    a = matrix(shape, dtype)
    check(lambda a, b: np.linalg.lstsq(a, b), a, matrix((shape[0],), dtype, 1))
    check(lambda a, b: np.linalg.lstsq(a, b, rcond=0.2), a, matrix((shape[0], 2), dtype, 1))
    # The size of the residuals is known only at run time.
    check(lambda a, b: np.linalg.lstsq(a * 0, b)[1], a, matrix((shape[0], 2), dtype, 1))
    check(lambda a, b: np.linalg.lstsq(a, b)[1].sum(), a, matrix((shape[0], 2), dtype, 1))


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_eig_is_complex(dtype: str) -> None:
    """NumPy gives real arrays where every value is real, which is known only at run time."""
    a = matrix((3, 5, 5), dtype)

    def both(a: np.ndarray) -> Any:
        return np.linalg.eig(a), np.linalg.eigvals(a)

    (values, vectors), alone = tracejit.jit(both)(a)
    expected, expected_vectors = np.linalg.eig(a)
    assert_equal(values, expected.astype(np.result_type(dtype, "c8")))
    assert_equal(vectors, expected_vectors.astype(np.result_type(dtype, "c8")))
    assert_equal(alone, expected.astype(np.result_type(dtype, "c8")))
    assert type(tracejit.jit(np.linalg.eig)(a)) is type(np.linalg.eig(a))


def test_tensors() -> None:
    a = matrix((6, 4, 2, 3, 4))
    check(lambda a, b: np.linalg.tensorsolve(a, b), a, matrix((6, 4)))
    check(
        lambda a, b: np.linalg.tensorsolve(a, b, axes=(0, 2)),
        np.moveaxis(matrix((2, 3, 6)), 2, 1),
        matrix((6,)),
    )
    check(lambda a: np.linalg.tensorinv(a), matrix((4, 6, 8, 3)))
    check(lambda a: np.linalg.tensorinv(a, ind=1), matrix((24, 8, 3)))


def test_errors() -> None:
    singular = np.ones((3, 3))
    check(lambda a: np.linalg.inv(a), singular)
    check(lambda a: np.linalg.cholesky(-a), singular)
    check(lambda a: np.linalg.solve(a, a), singular)
    check(lambda a: np.linalg.inv(a), matrix((3, 4)))
    check(lambda a: np.linalg.det(a), matrix((3,)))
    check(lambda a: np.linalg.solve(a, a[:2]), matrix((3, 3)))
    check(lambda a: np.linalg.inv(a), singular.astype("f2"))
    check(lambda a: np.linalg.svd(a), np.full((3, 3), np.nan))
    check(lambda a: np.linalg.eigh(a, "X"), singular)
    check(lambda a: np.linalg.qr(a, "odd"), singular)
    with pytest.raises(np.linalg.LinAlgError, match=r"test_linalg.py:\d+ in <lambda>"):
        tracejit.jit(lambda a: np.linalg.inv(a) + 1)(singular)


def test_empty() -> None:
    for name in ("inv", "det", "eigvalsh"):
        check(SQUARE.get(name, np.linalg.eigvalsh), np.zeros((0, 3, 3)))
    for name in ("svdvals", "pinv", "qr"):
        check(ANY[name], np.zeros((0, 3, 2)))
    check(lambda a: np.linalg.det(a), np.zeros((0, 0)))


def test_in_a_larger_function() -> None:
    def whiten(x: np.ndarray) -> Any:
        centered = x - x.mean(axis=0)
        covariance = centered.T @ centered / (len(x) - 1)
        values, vectors = np.linalg.eigh(covariance)
        scaled = centered @ vectors / np.sqrt(values + 1e-9)
        return scaled, (scaled**2).sum(axis=0), np.linalg.det(covariance)

    check(whiten, matrix((50, 6)))
    jitted = tracejit.jit(whiten)
    jitted(matrix((50, 6)))
    jitted(matrix((70, 5)))
    assert jitted.cache_info().compiled == 1
    report = str(jitted.explain())
    assert "called: np.linalg.eigh(f8[m, m], UPLO=L)" in report
    assert "np.linalg.eigh(covariance)" in report
