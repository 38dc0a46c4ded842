"""Factorizations and triangular systems: slices and dot products whose bounds depend on the index,
and loops over the elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def cholesky(A):
    A[0, 0] = np.sqrt(A[0, 0])
    for i in range(1, A.shape[0]):
        for j in range(i):
            A[i, j] -= np.dot(A[i, :j], A[j, :j])
            A[i, j] /= A[j, j]
        A[i, i] -= np.dot(A[i, :i], A[i, :i])
        A[i, i] = np.sqrt(A[i, i])


def cholesky_elements(A, n):
    for i in range(n):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] /= A[j, j]
        for k in range(i):
            A[i, i] -= A[i, k] * A[i, k]
        A[i, i] = np.sqrt(A[i, i])


def cholesky_new(A):
    n = len(A)
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j] - L[i, :j] @ L[j, :j]
            if i == j:
                L[i, j] = np.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    return L


def cholesky_columns(A):
    for k in range(A.shape[0]):
        A[k, k] = np.sqrt(A[k, k] - np.dot(A[k, :k], A[k, :k]))
        A[k + 1 :, k] = (A[k + 1 :, k] - A[k + 1 :, :k] @ A[k, :k]) / A[k, k]
    return np.tril(A)


def lu_dots(A):
    for i in range(A.shape[0]):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
        for j in range(i, A.shape[0]):
            A[i, j] -= A[i, :i] @ A[:i, j]


def lu_elements(A):
    n = A.shape[0]
    for i in range(n):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] /= A[j, j]
        for j in range(i, n):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]


def lu_outer(A):
    for k in range(A.shape[0] - 1):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return A


def lu_pivoting(A):
    """Partial pivoting; rows are exchanged in place."""
    n = A.shape[0]
    perm = np.arange(n)
    for k in range(n - 1):
        p = k + np.argmax(np.abs(A[k:, k]))
        if p != k:
            A[[k, p]] = A[[p, k]]
            perm[k], perm[p] = perm[p], perm[k]
        for i in range(k + 1, n):
            A[i, k] /= A[k, k]
            A[i, k + 1 :] -= A[i, k] * A[k, k + 1 :]
    return A, perm


def ludcmp(A, b):
    x = np.zeros_like(b)
    y = np.zeros_like(b)
    for i in range(A.shape[0]):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] /= A[j, j]
        for j in range(i, A.shape[0]):
            A[i, j] -= A[i, :i] @ A[:i, j]
    for i in range(A.shape[0]):
        y[i] = b[i] - A[i, :i] @ y[:i]
    for i in range(A.shape[0] - 1, -1, -1):
        x[i] = (y[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return x, y


def ludcmp_elements(A, b, x, y):
    n = A.shape[0]
    for i in range(n):
        for j in range(i):
            w = A[i, j]
            for k in range(j):
                w -= A[i, k] * A[k, j]
            A[i, j] = w / A[j, j]
        for j in range(i, n):
            w = A[i, j]
            for k in range(i):
                w -= A[i, k] * A[k, j]
            A[i, j] = w
    for i in range(n):
        w = b[i]
        for j in range(i):
            w -= A[i, j] * y[j]
        y[i] = w
    for i in range(n - 1, -1, -1):
        w = y[i]
        for j in range(i + 1, n):
            w -= A[i, j] * x[j]
        x[i] = w / A[i, i]


def trisolv(L, x, b):
    for i in range(x.shape[0]):
        x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]


def trisolv_elements(L, x, b):
    for i in range(len(x)):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] = x[i] / L[i, i]


def back_substitution(U, b):
    n = b.size
    x = np.empty(n)
    for i in reversed(range(n)):
        total = b[i]
        for j in range(i + 1, n):
            total = total - U[i, j] * x[j]
        x[i] = total / U[i, i]
    return x


def substitute_twice(L, b):
    """L L' x = b, each half a loop."""
    n = len(b)
    y = np.zeros(n)
    for i in range(n):
        y[i] = (b[i] - np.sum(L[i, :i] * y[:i])) / L[i, i]
    x = np.zeros(n)
    for i in range(n)[::-1]:
        x[i] = (y[i] - np.sum(L[i + 1 :, i] * x[i + 1 :])) / L[i, i]
    return x


def gauss_elimination(A, b):
    """With partial pivoting by a search, all of it element by element."""
    n = len(b)
    for k in range(n):
        largest = k
        for i in range(k + 1, n):
            if abs(A[i, k]) > abs(A[largest, k]):
                largest = i
        if largest != k:
            for j in range(k, n):
                A[k, j], A[largest, j] = A[largest, j], A[k, j]
            b[k], b[largest] = b[largest], b[k]
        for i in range(k + 1, n):
            factor = A[i, k] / A[k, k]
            for j in range(k, n):
                A[i, j] -= factor * A[k, j]
            b[i] -= factor * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - np.dot(A[i, i + 1 :], x[i + 1 :])) / A[i, i]
    return x


def gauss_jordan_inverse(A):
    n = A.shape[0]
    W = np.hstack([A, np.eye(n)])
    for i in range(n):
        W[i] = W[i] / W[i, i]
        for j in range(n):
            if i != j:
                W[j] = W[j] - W[j, i] * W[i]
    return W[:, n:]


def determinant(A):
    n = len(A)
    A = A.copy()
    det = 1.0
    for k in range(n):
        det *= A[k, k]
        for i in range(k + 1, n):
            A[i, k:] -= A[i, k] / A[k, k] * A[k, k:]
    return det


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


def durbin_elements(r):
    n = r.shape[0]
    y = np.zeros(n)
    z = np.zeros(n)
    y[0] = -r[0]
    beta = 1.0
    alpha = -r[0]
    for k in range(1, n):
        beta = (1 - alpha * alpha) * beta
        total = 0.0
        for i in range(k):
            total += r[k - i - 1] * y[i]
        alpha = -(r[k] + total) / beta
        for i in range(k):
            z[i] = y[i] + alpha * y[k - i - 1]
        for i in range(k):
            y[i] = z[i]
        y[k] = alpha
    return y


def gramschmidt(A):
    Q = np.zeros_like(A)
    R = np.zeros((A.shape[1], A.shape[1]), dtype=A.dtype)
    for k in range(A.shape[1]):
        nrm = np.dot(A[:, k], A[:, k])
        R[k, k] = np.sqrt(nrm)
        Q[:, k] = A[:, k] / R[k, k]
        for j in range(k + 1, A.shape[1]):
            R[k, j] = np.dot(Q[:, k], A[:, j])
            A[:, j] -= Q[:, k] * R[k, j]
    return Q, R


def gramschmidt_elements(A, Q, R):
    m, n = A.shape
    for k in range(n):
        nrm = 0.0
        for i in range(m):
            nrm += A[i, k] * A[i, k]
        R[k, k] = np.sqrt(nrm)
        for i in range(m):
            Q[i, k] = A[i, k] / R[k, k]
        for j in range(k + 1, n):
            R[k, j] = 0.0
            for i in range(m):
                R[k, j] += Q[i, k] * A[i, j]
            for i in range(m):
                A[i, j] = A[i, j] - Q[i, k] * R[k, j]


def householder_qr(A):
    m, n = A.shape
    R = A.copy()
    Q = np.eye(m)
    for k in range(n):
        x = R[k:, k]
        e = np.zeros_like(x)
        e[0] = np.copysign(np.linalg.norm(x), x[0])
        v = x + e
        v = v / np.linalg.norm(v)
        R[k:, k:] -= 2.0 * np.outer(v, v @ R[k:, k:])
        Q[:, k:] -= 2.0 * np.outer(Q[:, k:] @ v, v)
    return Q, R


def givens_qr(A):
    m, n = A.shape
    for j in range(n):
        for i in range(m - 1, j, -1):
            a, b = A[i - 1, j], A[i, j]
            if b == 0.0:
                continue
            r = np.hypot(a, b)
            c, s = a / r, b / r
            upper = c * A[i - 1] + s * A[i]
            lower = c * A[i] - s * A[i - 1]
            A[i - 1] = upper
            A[i] = lower
    return A


def dominant(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (rng.normal(size=(n, n)) + 2 * n * np.eye(n),)


def mixed(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (rng.normal(size=(n, n)),)


def positive(rng: np.random.Generator) -> tuple[Any, ...]:
    (A,) = mixed(rng)
    return (A @ A.T + len(A) * np.eye(len(A)),)


def and_vectors(matrix: Any, count: int) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        (A,) = matrix(rng)
        return (A, *rng.normal(size=(count, len(A))))

    return make


def lower(rng: np.random.Generator) -> tuple[Any, ...]:
    return (np.tril(dominant(rng)[0]),)


def upper(rng: np.random.Generator) -> tuple[Any, ...]:
    return (np.triu(dominant(rng)[0]),)


def toeplitz(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (rng.uniform(-0.5, 0.5, n) / n,)


def tall(rng: np.random.Generator) -> tuple[Any, ...]:
    m, n = sizes(rng, 2)
    return (rng.normal(size=(m + n, n)),)


def tall_and_results(rng: np.random.Generator) -> tuple[Any, ...]:
    (A,) = tall(rng)
    return A, np.zeros_like(A), np.zeros((A.shape[1], A.shape[1]))


PROGRAMS = [
    Program(cholesky, positive),
    Program(cholesky_elements, lambda rng: (A := positive(rng)[0], len(A))),
    Program(cholesky_new, positive),
    Program(cholesky_columns, positive),
    Program(lu_dots, dominant),
    Program(lu_elements, dominant),
    Program(lu_outer, dominant),
    Program(lu_pivoting, mixed, rtol=1e-8, atol=1e-10),
    Program(ludcmp, and_vectors(dominant, 1)),
    Program(ludcmp_elements, and_vectors(dominant, 3)),
    Program(trisolv, and_vectors(lower, 2)),
    Program(trisolv_elements, and_vectors(lower, 2)),
    Program(back_substitution, and_vectors(upper, 1)),
    Program(substitute_twice, and_vectors(lower, 1)),
    Program(gauss_elimination, and_vectors(mixed, 1), rtol=1e-8, atol=1e-10),
    Program(gauss_jordan_inverse, dominant, rtol=1e-10),
    Program(determinant, mixed, rtol=1e-8),
    Program(durbin, toeplitz),
    Program(durbin_elements, toeplitz),
    Program(gramschmidt, tall, rtol=1e-8, atol=1e-10),
    Program(gramschmidt_elements, tall_and_results, rtol=1e-8, atol=1e-10),
    Program(householder_qr, tall, rtol=1e-8, atol=1e-10),
    Program(givens_qr, mixed, rtol=1e-8, atol=1e-10),
]
