"""Factorizations and triangular products: loops over rows with slices that depend on the index.

The hand-written loops go along rows of memory wherever the order of the sums allows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .loops_recurrences import OWN_LOOPS_ONLY
from .workload import Size, Workload


def cholesky(a):
    """The lower factor; what is above the diagonal is left alone."""
    a = a.copy()
    a[0, 0] = np.sqrt(a[0, 0])
    for i in range(1, a.shape[0]):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[j, :j]
            a[i, j] /= a[j, j]
        a[i, i] -= a[i, :i] @ a[i, :i]
        a[i, i] = np.sqrt(a[i, i])
    return a


def numba_cholesky(nb: Any) -> Any:
    @nb.njit
    def run(a):
        a = a.copy()
        for i in range(a.shape[0]):
            for j in range(i):
                total = a[i, j]
                for k in range(j):
                    total -= a[i, k] * a[j, k]
                a[i, j] = total / a[j, j]
            total = a[i, i]
            for k in range(i):
                total -= a[i, k] * a[i, k]
            a[i, i] = np.sqrt(total)
        return a

    return run


def lu(a):
    """Both factors, in one matrix."""
    a = a.copy()
    for i in range(a.shape[0]):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, j] /= a[j, j]
        for j in range(i, a.shape[0]):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


def numba_lu(nb: Any) -> Any:
    @nb.njit
    def run(a):
        a = a.copy()
        n = a.shape[0]
        for i in range(n):
            for j in range(i):
                a[i, j] /= a[j, j]
                for k in range(j + 1, n):
                    a[i, k] -= a[i, j] * a[j, k]
        return a

    return run


def positive(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """A symmetric positive definite matrix."""
    a = rng.normal(size=(*size, *size))
    return (a @ a.T / size[0] + np.eye(*size),)


def trmm(alpha, a, b):
    """The product of a triangular matrix, transposed, and another one."""
    b = b.copy()
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[i, j] += a[i + 1 :, i] @ b[i + 1 :, j]
    b *= alpha
    return b


def numba_trmm(nb: Any) -> Any:
    @nb.njit
    def run(alpha, a, b):
        b = b.copy()
        m, n = b.shape
        for i in range(m):
            for k in range(i + 1, m):
                for j in range(n):
                    b[i, j] += a[k, i] * b[k, j]
            for j in range(n):
                b[i, j] *= alpha
        return b

    return run


def syrk(alpha, beta, c, a):
    """`beta * c + alpha * a @ a.T`, the lower triangle."""
    for i in range(a.shape[0]):
        c[i, : i + 1] *= beta
        for k in range(a.shape[1]):
            c[i, : i + 1] += alpha * a[i, k] * a[: i + 1, k]
    return c


def numba_syrk(nb: Any) -> Any:
    @nb.njit
    def run(alpha, beta, c, a):
        for i in range(a.shape[0]):
            for j in range(i + 1):
                total = 0.0
                for k in range(a.shape[1]):
                    total += a[i, k] * a[j, k]
                c[i, j] = beta * c[i, j] + alpha * total
        return c

    return run


def triangular(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    rows, columns = size
    return 1.5, rng.normal(size=(rows, rows)) / rows, rng.normal(size=(rows, columns))


def rank_update(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    rows, columns = size
    return 1.5, 0.5, rng.normal(size=(rows, rows)), rng.normal(size=(rows, columns))


def covariance(data):
    """The covariance of columns, one row of the result after the other."""
    points, columns = data.shape
    data -= data.mean(axis=0)
    result = np.zeros((columns, columns))
    for i in range(columns):
        result[i:, i] = data[:, i] @ data[:, i:] / (points - 1.0)
        result[i, i:] = result[i:, i]
    return result


def numba_covariance(nb: Any) -> Any:
    @nb.njit
    def run(data):
        points, columns = data.shape
        means = np.zeros(columns)
        for p in range(points):
            for j in range(columns):
                means[j] += data[p, j]
        means /= points
        result = np.zeros((columns, columns))
        for p in range(points):
            for j in range(columns):
                data[p, j] -= means[j]
            for i in range(columns):
                for j in range(i, columns):
                    result[i, j] += data[p, i] * data[p, j]
        for i in range(columns):
            for j in range(i, columns):
                result[i, j] /= points - 1.0
                result[j, i] = result[i, j]
        return result

    return run


def observations(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=size),)


def durbin(r):
    """The solution of the Yule-Walker equations."""
    y = np.empty_like(r)
    alpha, beta = -r[0], 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.flip(r[:k]) @ y[:k]) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


def numba_durbin(nb: Any) -> Any:
    @nb.njit
    def run(r):
        n = r.shape[0]
        y, z = np.empty(n), np.empty(n)
        alpha, beta = -r[0], 1.0
        y[0] = -r[0]
        for k in range(1, n):
            beta *= 1.0 - alpha * alpha
            total = r[k]
            for i in range(k):
                total += r[k - i - 1] * y[i]
            alpha = -total / beta
            for i in range(k):
                z[i] = y[i] + alpha * y[k - i - 1]
            for i in range(k):
                y[i] = z[i]
            y[k] = alpha
        return y

    return run


def autocorrelation(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (0.9 ** np.arange(1, size[0] + 1) * rng.uniform(0.9, 1.0) / 2,)


def gramschmidt(a):
    """The factors of a QR decomposition, by the modified method of Gram and Schmidt."""
    a = a.copy()
    q = np.zeros_like(a)
    r = np.zeros((a.shape[1], a.shape[1]))
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(a[:, k] @ a[:, k])
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = q[:, k] @ a[:, j]
            a[:, j] -= q[:, k] * r[k, j]
    return q, r


def numba_gramschmidt(nb: Any) -> Any:
    @nb.njit
    def run(a):
        a = a.copy()
        m, n = a.shape
        q, r = np.zeros((m, n)), np.zeros((n, n))
        for k in range(n):
            total = 0.0
            for i in range(m):
                total += a[i, k] * a[i, k]
            r[k, k] = np.sqrt(total)
            for i in range(m):
                q[i, k] = a[i, k] / r[k, k]
                for j in range(k + 1, n):
                    r[k, j] += q[i, k] * a[i, j]
            for i in range(m):
                for j in range(k + 1, n):
                    a[i, j] -= q[i, k] * r[k, j]
        return q, r

    return run


def _workload(
    function: Any, title: str, make: Any, numba: Any, *sizes: Size, writes: bool = False
) -> Workload:
    """The first of its sizes is the quick one."""
    return Workload(
        function.__name__,
        title,
        function,
        make,
        quick=sizes[:1],
        full=tuple(sorted(sizes)),
        peers={**OWN_LOOPS_ONLY, "numba": numba},
        rtol=1e-8,
        atol=1e-10,
        writes=writes,
    )


WORKLOADS = [
    _workload(cholesky, "Cholesky factor", positive, numba_cholesky, (100,), (400,)),
    _workload(lu, "LU factors", positive, numba_lu, (80,), (300,)),
    _workload(trmm, "triangular product", triangular, numba_trmm, (80, 90), (200, 240)),
    _workload(
        syrk, "symmetric update, lower half", rank_update, numba_syrk, (90, 80), (240, 200),
        writes=True,
    ),
    _workload(
        covariance, "covariance by rows", observations, numba_covariance, (300, 200), writes=True
    ),
    _workload(durbin, "Yule-Walker equations", autocorrelation, numba_durbin, (1000,), (4000,)),
    _workload(gramschmidt, "QR by Gram-Schmidt", observations, numba_gramschmidt, (100, 60)),
]  # fmt: skip
