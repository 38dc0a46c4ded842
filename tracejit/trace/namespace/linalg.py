"""`numpy.linalg`: solvers and decompositions, each a call of the library at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail, user_loc
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import MISSING, to_bool
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor, describe

_ONE = np.eye(1)
EighResult, EigResult, QRResult, SVDResult, SlogdetResult = (
    type(function(_ONE))
    for function in (np.linalg.eigh, np.linalg.eig, np.linalg.qr, np.linalg.svd, np.linalg.slogdet)
)
"""The named tuples that NumPy returns."""


def fail_linalg(what: str) -> NoReturn:
    """Raise NumPy's LinAlgError at the user's line."""
    raise np.linalg.LinAlgError(str(errors.TraceError(what, loc=user_loc())))


def _operand(x: Any, rank: int = 2) -> Tensor:
    """An array of a dtype that LAPACK takes, of at least this rank."""
    tensor = strong(x)
    if tensor.dtype == np.float16:
        fail(
            errors.DTypeError,
            f"array type float16 is unsupported in linalg: {describe(tensor)}",
            "cast it to float32",
        )
    if tensor.ndim < rank:
        fail_linalg(
            f"{tensor.ndim}-dimensional array given. Array must be at least two-dimensional: "
            f"{describe(tensor)}"
        )
    return tensor


def _square(x: Any) -> Tensor:
    tensor = _operand(x)
    if not current().same(tensor.type.shape[-2], tensor.type.shape[-1], "a square matrix"):
        fail_linalg(f"Last 2 dimensions of the array must be square: {describe(tensor)}")
    return _settled(tensor)


def _settled(x: Tensor) -> Tensor:
    """`x` with the last dim written like the one before it, which it equals."""
    *batch, m, n = x.type.shape
    return x if m == n else prim.apply("reshape", x, shape=(*batch, n, n))


def _shorter(x: Tensor) -> Dim:
    """The smaller of the last two dims; decided by a guard where sizes are known at the call."""
    trace = current()
    m, n = x.type.shape[-2:]
    if trace.hint(m) is None or trace.hint(n) is None:
        return dims.minimum(m, n)
    return n if trace.decide(m, ">=", n, "more rows than columns") else m


def _option(x: Any, name: str) -> bool:
    if isinstance(x, Tensor):
        fail(errors.ConcretizationError, f"{name} must be known while tracing")
    return bool(x)


def _cutoff(x: Tensor, *values: Any) -> list[Tensor]:
    """The cutoff as an input, where one is given: a number, or one for each matrix."""
    found = [strong(v) for v in values if v is not None]
    for t in found:
        if t.ndim > max(x.ndim - 2, 0):
            fail(errors.ShapeError, f"a cutoff for {describe(x)} has too many dims: {describe(t)}")
    return found


# Solving.


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Tensor:
    left, right = _square(a), _operand(b, 0)
    if not right.ndim:
        raise ValueError("solve: Input operand 1 does not have enough dimensions")
    rows = right.type.shape[0 if right.ndim == 1 else -2]
    if not current().same(left.type.shape[-1], rows, "solve"):
        fail(
            errors.ShapeError,
            f"solve: the rows of both sides differ: {describe(left)}, {describe(right)}",
        )
    if right.ndim > 1:
        left, right = _same_batch(left, right)
    return prim.call("solve", left, right)


def _same_batch(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Stacks of matrices whose leading dims broadcast as they are written."""
    try:
        batch = current().broadcast(a.type.shape[:-2], b.type.shape[:-2])
    except ValueError:
        fail(errors.ShapeError, f"stacks do not broadcast: {describe(a)}, {describe(b)}")
    found = []
    for t in (a, b):
        if any(d not in (1, w) for d, w in zip(t.type.shape[-3::-1], batch[::-1], strict=False)):
            t = views.broadcast_to(t, (*batch, *t.type.shape[-2:]))
        found.append(t)
    return found[0], found[1]


@implements(np.linalg.inv)
def inv(a: Any) -> Tensor:
    return prim.call("inv", _square(a))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = MISSING) -> Tensor:
    relative = rtol is not MISSING
    if rcond is not None and relative:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    cutoff = rtol if relative else rcond
    symmetric = _option(hermitian, "hermitian")
    x = _square(a) if symmetric else _operand(a)
    attrs = {"hermitian": symmetric, "relative": relative}
    return prim.call("pinv", x, *_cutoff(x, cutoff), **attrs)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, ...]:
    left, right = _operand(a), _operand(b, 0)
    if left.ndim != 2 or right.ndim not in (1, 2):
        odd = right if left.ndim == 2 else left
        fail_linalg(
            f"{odd.ndim}-dimensional array given. Array must be two-dimensional: {describe(odd)}"
        )
    if not current().same(left.type.shape[0], right.type.shape[0], "lstsq"):
        fail_linalg(f"Incompatible dimensions: {describe(left)}, {describe(right)}")
    return tuple(prim.call("lstsq", left, right, *_cutoff(left, rcond), sizes=1))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Tensor:
    x, y = strong(a), strong(b)
    if axes is not None:
        moved = [k for k in range(x.ndim) if k not in axes] + list(axes)
        x = views.transpose(x, moved)
    shape = x.type.shape[y.ndim :]
    rows, columns = y.type.size, dims.product(shape)
    if not current().same(rows, columns, "tensorsolve"):
        fail_linalg(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == "
            f"prod(a.shape[:b.ndim]): {describe(x)}, {describe(y)}"
        )
    matrix = views.reshape(x, (wrap(rows), wrap(columns)))
    return views.reshape(solve(matrix, views.reshape(y, (wrap(rows),))), tuple(map(wrap, shape)))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: Any = 2) -> Tensor:
    x, split = strong(a), int(ind)
    if split <= 0:
        raise ValueError("Invalid ind argument.")
    front, back = x.type.shape[:split], x.type.shape[split:]
    matrix = views.reshape(x, (wrap(dims.product(front)), wrap(dims.product(back))))
    return views.reshape(inv(matrix), tuple(map(wrap, (*back, *front))))


# Numbers of matrices.


@implements(np.linalg.det)
def det(a: Any) -> Tensor:
    return prim.call("det", _square(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    return SlogdetResult(*prim.call("slogdet", _square(a)))


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: Any = False, *, rtol: Any = None) -> Tensor:
    if tol is not None and rtol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    x = _operand(A, 0)
    if x.ndim < 2:
        return prim.weak_cast(FUNCTIONS[np.any](to_bool(x)), int)
    attrs = {"hermitian": _option(hermitian, "hermitian"), "relative": rtol is not None}
    if attrs["hermitian"]:
        x = _square(x)
    cutoff = _cutoff(x, tol, rtol)
    return prim.call("matrix_rank", x, *cutoff, **attrs)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Tensor:
    if p not in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro"):
        raise ValueError("Invalid norm order for matrices.")
    tensor = _operand(x) if p in (None, 2, -2) else _square(x)
    trace = current()
    for d in tensor.type.shape[-2:]:
        if not trace.decide(d, ">", 0, "cond of a matrix that is not empty"):
            fail_linalg(f"cond is not defined on empty arrays: {describe(tensor)}")
    return prim.call("cond", tensor, p=p)


# Decompositions.


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: Any = False) -> Tensor:
    flag = _option(upper, "upper")
    return prim.call("cholesky", _square(a), upper=flag)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    if mode not in ("reduced", "complete", "r", "raw"):
        if mode in ("f", "full", "e", "economic"):
            fail(errors.UnsupportedError, f"qr's old mode {mode!r}", "mode='reduced' or 'raw'")
        raise ValueError(f"Unrecognized mode '{mode}'")
    x = _operand(a)
    found = prim.call("qr", x, mode=mode, k=_shorter(x))
    if mode in ("r", "raw"):
        return found
    return QRResult(*found)


def _triangle(UPLO: Any) -> str:
    text = str(UPLO).upper()
    if text not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return text


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: Any = "L") -> Any:
    text = _triangle(UPLO)
    return EighResult(*prim.call("eigh", _square(a), UPLO=text))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: Any = "L") -> Tensor:
    text = _triangle(UPLO)
    return prim.call("eigvalsh", _square(a), UPLO=text)


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    return EigResult(*prim.call("eig", _square(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Tensor:
    return prim.call("eigvals", _square(a))


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    symmetric = _option(hermitian, "hermitian")
    x = _square(a) if symmetric else _operand(a)
    if not _option(compute_uv, "compute_uv"):
        return prim.call("svdvals", x, hermitian=symmetric, k=_shorter(x))
    attrs = {"full_matrices": _option(full_matrices, "full_matrices"), "hermitian": symmetric}
    return SVDResult(*prim.call("svd", x, **attrs, k=_shorter(x)))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Tensor:
    tensor = _operand(x)
    return prim.call("svdvals", tensor, hermitian=False, k=_shorter(tensor))


# Axes.


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Tensor:
    tensor = strong(x)
    if tensor.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {tensor.ndim}")
    return FUNCTIONS[np.swapaxes](tensor, -1, -2)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: Any = 0) -> Tensor:
    return FUNCTIONS[np.diagonal](strong(x), offset, -2, -1)


def singular_norm(x: Tensor, order: Any, axes: Sequence[int], keepdims: bool) -> Tensor:
    """The matrix norms 2, -2 and nuc: of the singular values of the matrices in two axes."""
    row, column = axes
    if row == column:
        raise ValueError("Duplicate axes given.")
    rest = [k for k in range(x.ndim) if k not in (row, column)]
    values = svdvals(views.transpose(x, (*rest, row, column)))
    reduce = {2: np.max, -2: np.min, "nuc": np.sum}[order]
    result = FUNCTIONS[reduce](values, axis=-1)
    if keepdims:
        shape = tuple(1 if k in (row, column) else d for k, d in enumerate(x.type.shape))
        result = views.reshape(result, tuple(map(wrap, shape)))
    return result
