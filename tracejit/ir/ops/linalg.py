"""Matrix products, and what LAPACK does: solvers, decompositions, singular values.

All but `matmul` are called at run time. Inputs have the shapes that NumPy takes, checked while
tracing, and may differ in dtype, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.opdef import Attrs, Infer, OpDef, register
from tracejit.ir.scalar import real_of
from tracejit.ir.types import F8, INTP, TensorType, broadcast_shapes


def _infer_matmul(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    a, b = types
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (a.with_shape((*batch, a.shape[-2], b.shape[-1])),)


register(
    OpDef(
        "matmul",
        "library",
        _infer_matmul,
        np.matmul,
        doc="The product of matrices in the last two axes, leading axes broadcast; both inputs "
        "have rank 2 or more and one dtype. Tracing brings `dot`, `@`, `tensordot`, `einsum` and "
        "vectors into this form.",
    )
)


# LAPACK.


def lapack_dtype(*dtypes: np.dtype) -> np.dtype:
    """The dtype that NumPy computes in: float64 unless all are float32 or complex."""
    real = np.dtype("f4") if all(d in _SINGLE for d in dtypes) else F8
    if any(d.kind == "c" for d in dtypes):
        return np.result_type(real, np.complex64)
    return real


_SINGLE = (np.dtype("f4"), np.dtype("c8"))


def shorter(shape: Shape) -> Dim:
    """The number of singular values of a matrix."""
    return dims.minimum(shape[-2], shape[-1])


def _rule(result: Callable[..., tuple[tuple[np.dtype, Shape], ...]]) -> Infer:
    """The type rule that gives `result(dtype computed in, shape of the first input, attrs)`."""

    def infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        dtype = lapack_dtype(types[0].dtype)
        found = result(dtype, types[0].shape, attrs)
        return tuple(TensorType(np.dtype(d), tuple(shape)) for d, shape in found)

    return infer


def _infer_solve(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    a, b = types
    dtype = lapack_dtype(a.dtype, b.dtype)
    if b.ndim == 1:
        return (TensorType(dtype, (*a.shape[:-2], a.shape[-1])),)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return (TensorType(dtype, (*batch, *b.shape[-2:])),)


def _infer_lstsq(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    a, b = types[:2]
    dtype = lapack_dtype(a.dtype, b.dtype)
    residuals = dims.sym(attrs["symbols"][0])
    return (
        TensorType(dtype, (a.shape[1], *b.shape[1:])),
        TensorType(real_of(dtype), (residuals,)),
        TensorType(np.dtype("i4")),
        TensorType(real_of(dtype), (shorter(a.shape),)),
    )


def _qr(dtype: np.dtype, shape: Shape, attrs: Attrs) -> tuple[tuple[np.dtype, Shape], ...]:
    *batch, m, n = shape
    k, mode = attrs["k"], attrs["mode"]
    if mode == "r":
        return ((dtype, (*batch, k, n)),)
    if mode == "raw":
        return (dtype, (*batch, n, m)), (dtype, (*batch, k))
    inner = m if mode == "complete" else k
    return (dtype, (*batch, m, inner)), (dtype, (*batch, inner, n))


def _svd(dtype: np.dtype, shape: Shape, attrs: Attrs) -> tuple[tuple[np.dtype, Shape], ...]:
    *batch, m, n = shape
    k = attrs["k"]
    left, right = ((m, m), (n, n)) if attrs["full_matrices"] else ((m, k), (k, n))
    return (dtype, (*batch, *left)), (real_of(dtype), (*batch, k)), (dtype, (*batch, *right))


_LAPACK: list[tuple[Callable[..., Any], Infer, Callable[..., Any], str]] = [
    (np.linalg.solve, _infer_solve, np.linalg.solve, "`x` with `a @ x = b`."),
    (
        np.linalg.inv,
        _rule(lambda t, s, _: ((t, s),)),
        np.linalg.inv,
        "The inverse of matrices.",
    ),
    (
        np.linalg.pinv,
        _rule(lambda t, s, _: ((t, (*s[:-2], s[-1], s[-2])),)),
        lambda a, *cutoff, hermitian, relative: np.linalg.pinv(
            a, hermitian=hermitian, **_cutoff("rtol" if relative else "rcond", cutoff or (None,))
        ),
        "The pseudo-inverse; the second input is the cutoff.",
    ),
    (
        np.linalg.det,
        _rule(lambda t, s, _: ((t, s[:-2]),)),
        np.linalg.det,
        "Determinants.",
    ),
    (
        np.linalg.slogdet,
        _rule(lambda t, s, _: ((t, s[:-2]), (real_of(t), s[:-2]))),
        np.linalg.slogdet,
        "Sign, and logarithm of the absolute value, of determinants.",
    ),
    (
        np.linalg.cholesky,
        _rule(lambda t, s, _: ((t, s),)),
        lambda a, upper: np.linalg.cholesky(a, upper=upper),
        "The Cholesky factor.",
    ),
    (
        np.linalg.qr,
        _rule(_qr),
        lambda a, mode, k: np.linalg.qr(a, mode),
        "Q and R, or what `mode` says; `k` is the smaller dim.",
    ),
    (
        np.linalg.eigh,
        _rule(lambda t, s, _: ((real_of(t), s[:-1]), (t, s))),
        lambda a, UPLO: np.linalg.eigh(a, UPLO),
        "Eigenvalues and eigenvectors of Hermitian matrices.",
    ),
    (
        np.linalg.eigvalsh,
        _rule(lambda t, s, _: ((real_of(t), s[:-1]),)),
        lambda a, UPLO: np.linalg.eigvalsh(a, UPLO),
        "Eigenvalues of Hermitian matrices.",
    ),
    (
        np.linalg.eig,
        _rule(lambda t, s, _: ((np.result_type(t, "c8"), s[:-1]), (np.result_type(t, "c8"), s))),
        np.linalg.eig,
        "Eigenvalues and eigenvectors, complex also where all of them are real.",
    ),
    (
        np.linalg.eigvals,
        _rule(lambda t, s, _: ((np.result_type(t, "c8"), s[:-1]),)),
        np.linalg.eigvals,
        "Eigenvalues, complex also where all of them are real.",
    ),
    (
        np.linalg.svd,
        _rule(_svd),
        lambda a, full_matrices, hermitian, k: np.linalg.svd(
            a, full_matrices=full_matrices, hermitian=hermitian
        ),
        "The singular value decomposition; `k` is the smaller dim.",
    ),
    (
        np.linalg.svdvals,
        _rule(lambda t, s, a: ((real_of(t), (*s[:-2], a["k"])),)),
        lambda a, hermitian, k: np.linalg.svd(a, compute_uv=False, hermitian=hermitian),
        "Singular values; `k` is the smaller dim.",
    ),
    (
        np.linalg.lstsq,
        _infer_lstsq,
        lambda a, b, *rcond: np.linalg.lstsq(a, b, **_cutoff("rcond", rcond)),
        "Least squares: solution, residuals (a run-time size: there may be none), rank, singular "
        "values; the third input is the cutoff.",
    ),
    (
        np.linalg.matrix_rank,
        _rule(lambda t, s, _: ((INTP, s[:-2]),)),
        lambda a, *cutoff, hermitian, relative: np.linalg.matrix_rank(
            a, hermitian=hermitian, **_cutoff("rtol" if relative else "tol", cutoff)
        ),
        "The number of singular values above the cutoff, the second input.",
    ),
    (
        np.linalg.cond,
        _rule(lambda t, s, _: ((real_of(t), s[:-2]),)),
        lambda a, p: np.linalg.cond(a, p),
        "The condition number in the norm `p`.",
    ),
]


def _cutoff(name: str, given: Sequence[Any]) -> dict[str, Any]:
    return {name: given[0]} if given else {}


for _function, _infer, _evaluate, _doc in _LAPACK:
    register(OpDef(_function.__name__, "library", _infer, _evaluate, numpy=(_function,), doc=_doc))
