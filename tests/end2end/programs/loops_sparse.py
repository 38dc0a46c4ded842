"""Sparse matrices row by row, and methods that iterate until they converge."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def spmv(A_row, A_col, A_val, x):
    y = np.empty(A_row.size - 1, A_val.dtype)
    for i in range(A_row.size - 1):
        cols = A_col[A_row[i] : A_row[i + 1]]
        vals = A_val[A_row[i] : A_row[i + 1]]
        y[i] = vals @ x[cols]
    return y


def spmv_elements(ptr, ind, val, x, y):
    for i in range(len(ptr) - 1):
        total = 0.0
        for k in range(ptr[i], ptr[i + 1]):
            total += val[k] * x[ind[k]]
        y[i] = total


def spmv_transposed(ptr, ind, val, x, n):
    y = np.zeros(n)
    for i in range(len(ptr) - 1):
        for k in range(ptr[i], ptr[i + 1]):
            y[ind[k]] += val[k] * x[i]
    return y


def sparse_to_dense(ptr, ind, val, n):
    A = np.zeros((len(ptr) - 1, n))
    for i in range(len(ptr) - 1):
        start, end = ptr[i], ptr[i + 1]
        A[i, ind[start:end]] = val[start:end]
    return A


def dense_to_sparse(A):
    n, m = A.shape
    ptr = np.zeros(n + 1, dtype=np.int64)
    ind = np.empty(n * m, dtype=np.int64)
    val = np.empty(n * m)
    k = 0
    for i in range(n):
        for j in range(m):
            if A[i, j] != 0.0:
                ind[k] = j
                val[k] = A[i, j]
                k += 1
        ptr[i + 1] = k
    return ptr, ind[:k], val[:k]


def sparse_gauss_seidel(ptr, ind, val, b, x, sweeps):
    for _ in range(sweeps):
        for i in range(len(b)):
            diagonal = 10.0
            total = b[i]
            for k in range(ptr[i], ptr[i + 1]):
                j = ind[k]
                if j == i:
                    diagonal += val[k]
                else:
                    total -= val[k] * x[j]
            x[i] = total / diagonal
    return x


def power_iterations(A, v, tolerance, most):
    value = 0.0
    for k in range(most):
        w = A @ v
        v = w / np.linalg.norm(w)
        new = v @ A @ v
        if abs(new - value) < tolerance:
            break
        value = new
    return new, v, k


def page_rank_rows(links, damping):
    n = links.shape[0]
    rank = np.ones(n) / n
    out = links.sum(axis=1)
    difference = 1.0
    while difference > 1e-10:
        new = np.full(n, (1 - damping) / n)
        for i in range(n):
            if out[i] == 0:
                new += damping * rank[i] / n
            else:
                new += damping * rank[i] / out[i] * links[i]
        difference = np.abs(new - rank).sum()
        rank = new
    return rank


def conjugate_gradients(A, b, tolerance=1e-10):
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    k = 0
    while np.sqrt(rs) > tolerance and k < 10 * len(b):
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        p = r + (new / rs) * p
        rs = new
        k += 1
    return x


def gauss_seidel(A, b, tolerance):
    n = len(b)
    x = np.zeros(n)
    for iteration in range(1000):
        old = x.copy()
        for i in range(n):
            s = A[i, :i] @ x[:i] + A[i, i + 1 :] @ old[i + 1 :]
            x[i] = (b[i] - s) / A[i, i]
        if np.max(np.abs(x - old)) < tolerance:
            return x, iteration
    raise ValueError("no convergence")


def sor(A, b, x, omega, sweeps):
    n = A.shape[0]
    for _ in range(sweeps):
        for i in range(n):
            sigma = 0.0
            for j in range(n):
                if j != i:
                    sigma += A[i, j] * x[j]
            x[i] = (1 - omega) * x[i] + omega / A[i, i] * (b[i] - sigma)


def jacobi_eigenvalues(A, sweeps):
    n = A.shape[0]
    for _ in range(sweeps):
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(A[p, q]) < 1e-14:
                    continue
                theta = (A[q, q] - A[p, p]) / (2 * A[p, q])
                t = np.sign(theta) / (abs(theta) + np.sqrt(theta**2 + 1))
                c = 1 / np.sqrt(t**2 + 1)
                s = t * c
                col_p, col_q = A[:, p].copy(), A[:, q].copy()
                A[:, p], A[:, q] = c * col_p - s * col_q, s * col_p + c * col_q
                row_p, row_q = A[p].copy(), A[q].copy()
                A[p], A[q] = c * row_p - s * row_q, s * row_p + c * row_q
    return np.sort(np.diag(A))


def csr(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    A = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.4)
    return *dense_to_sparse(A), rng.normal(size=n)


def system(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    A = rng.normal(size=(n, n))
    return A @ A.T + 2 * n * np.eye(n), rng.normal(size=n)


PROGRAMS = [
    Program(spmv, csr),
    Program(spmv_elements, lambda rng: (*(a := csr(rng)), np.zeros(len(a[0]) - 1))),
    Program(spmv_transposed, lambda rng: (*(a := csr(rng)), len(a[3]))),
    Program(sparse_to_dense, lambda rng: (*(a := csr(rng))[:3], len(a[3]))),
    Program(dense_to_sparse, lambda rng: (np.maximum(rng.normal(size=sizes(rng, 2)), 0),)),
    Program(sparse_gauss_seidel, lambda rng: (*(a := csr(rng)), np.zeros(len(a[3])), 3)),
    Program(power_iterations, lambda rng: (*system(rng), 1e-9, 200), rtol=1e-6, atol=1e-7),
    Program(
        page_rank_rows, lambda rng: (rng.integers(0, 2, (6, 6)).astype(float), 0.85), rtol=1e-8
    ),
    Program(conjugate_gradients, system, rtol=1e-8, atol=1e-9),
    Program(gauss_seidel, lambda rng: (*system(rng), 1e-9), rtol=1e-8, atol=1e-10),
    Program(sor, lambda rng: (*(a := system(rng)), np.zeros(len(a[1])), 1.2, 4), rtol=1e-9),
    Program(jacobi_eigenvalues, lambda rng: system(rng)[:1] + (4,), rtol=1e-8),
]
