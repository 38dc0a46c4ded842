"""Dense linear algebra by slices, and with numpy.linalg."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def lu_steps(A):
    """The first steps of an elimination in place."""
    for k in range(3):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return A


def lu(A):
    n = A.shape[0]
    for k in range(n - 1):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])


def cholesky_steps(A):
    for k in range(3):
        A[k, k] = np.sqrt(A[k, k] - np.dot(A[k, :k], A[k, :k]))
        A[k + 1 :, k] = (A[k + 1 :, k] - A[k + 1 :, :k] @ A[k, :k]) / A[k, k]
    return np.tril(A)


def forward_substitution(L, b):
    x = np.zeros_like(b)
    for i in range(4):
        x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]
    return x


def swap_rows(A, i, j):
    A[[i, j]] = A[[j, i]]
    A[:, [0, 1]] = A[:, [1, 0]]
    return A


def swap_by_tuples(a, b, A):
    a[0], a[-1] = a[-1], a[0]
    A[0, :], A[1, :] = A[1, :].copy(), A[0, :].copy()
    a, b = b, a
    a += 1
    return a, b


def pivoted_step(A, perm):
    """One step of an elimination with partial pivoting: the pivot is known at run time only."""
    p = np.argmax(np.abs(A[:, 0]))
    A[[0, p]] = A[[p, 0]]
    perm[[0, p]] = perm[[p, 0]]
    A[1:, 0] /= A[0, 0]
    A[1:, 1:] -= A[1:, :1] * A[:1, 1:]
    return perm


def gram_schmidt(A):
    Q = np.zeros_like(A)
    R = np.zeros((3, 3))
    for k in range(3):
        v = A[:, k].copy()
        for j in range(k):
            R[j, k] = Q[:, j] @ A[:, k]
            v -= R[j, k] * Q[:, j]
        R[k, k] = np.sqrt(v @ v)
        Q[:, k] = v / R[k, k]
    return Q, R


def householder(A):
    v = A[:, 0].copy()
    v[0] += np.copysign(np.linalg.norm(v), v[0])
    v /= np.linalg.norm(v)
    A -= 2.0 * np.outer(v, v @ A)
    return v


def conjugate_gradient(A, b, x):
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    for _ in range(3):
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        p *= new / rs
        p += r
        rs = new
    return np.sqrt(rs)


def power_iteration(A, v):
    for _ in range(5):
        v = A @ v
        v /= np.linalg.norm(v)
    return v @ A @ v, v


def tridiagonal(lower, diagonal, upper, rhs):
    """Thomas' algorithm, every statement a scalar one."""
    for i in range(1, 5):
        w = lower[i - 1] / diagonal[i - 1]
        diagonal[i] -= w * upper[i - 1]
        rhs[i] -= w * rhs[i - 1]
    x = np.empty_like(rhs)
    x[-1] = rhs[-1] / diagonal[-1]
    for i in range(3, -1, -1):
        x[i] = (rhs[i] - upper[i] * x[i + 1]) / diagonal[i]
    return x


def kalman(x, P, F, Q, H, R, z):
    x = F @ x
    P = F @ P @ F.T + Q
    y = z - H @ x
    S = H @ P @ H.T + R
    K = P @ H.T @ np.linalg.inv(S)
    x = x + K @ y
    P = (np.eye(x.shape[0]) - K @ H) @ P
    loglik = -0.5 * (y @ np.linalg.solve(S, y) + np.linalg.slogdet(S)[1])
    return x, P, loglik


def ridge(X, y, penalty):
    G = X.T @ X
    G[np.diag_indices_from(G)] += penalty
    return np.linalg.solve(G, X.T @ y)


def pca(X, keep):
    centred = X - X.mean(axis=0)
    U, s, Vt = np.linalg.svd(centred, full_matrices=False)
    explained = s**2 / np.sum(s**2)
    approximation = (U[:, :keep] * s[:keep]) @ Vt[:keep]
    return explained, approximation


def whiten(X):
    C = np.cov(X, rowvar=False)
    w, V = np.linalg.eigh(C + np.eye(C.shape[0]))
    return (X - X.mean(0)) @ (V / np.sqrt(w)) @ V.T


def least_squares_line(x, y):
    A = np.vstack([x, np.ones(len(x))]).T
    (slope, intercept), _, rank, singular = np.linalg.lstsq(A, y, rcond=None)
    return slope, intercept, rank, singular


def gaussian_process(x, y, xs, noise):
    def kernel(a, b):
        return np.exp(-0.5 * np.subtract.outer(a, b) ** 2)

    K = kernel(x, x) + noise * np.eye(len(x))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    Ks = kernel(x, xs)
    v = np.linalg.solve(L, Ks)
    return Ks.T @ alpha, 1.0 - np.sum(v**2, axis=0)


def attention(Q, K, V):
    scores = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    scores[
        ..., np.triu_indices(scores.shape[-1], 1)[0], np.triu_indices(scores.shape[-1], 1)[1]
    ] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights @ V


def dominant(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1, 5)
    return (rng.normal(size=(n, n)) + 2 * n * np.eye(n),)


def positive(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1, 5)
    A = rng.normal(size=(n, n))
    return (A @ A.T + n * np.eye(n),)


def system(rng: np.random.Generator) -> tuple[Any, ...]:
    (A,) = positive(rng)
    return (A, *rng.normal(size=(2, len(A))))


def triangle(rng: np.random.Generator) -> tuple[Any, ...]:
    (A,) = dominant(rng)
    return np.tril(A), rng.normal(size=len(A))


def eigen(rng: np.random.Generator) -> tuple[Any, ...]:
    (A,) = positive(rng)
    return A, rng.normal(size=len(A))


def rows(rng: np.random.Generator) -> tuple[Any, ...]:
    m, n = sizes(rng, 2)
    return rng.normal(size=(m, n)), 1, int(rng.integers(0, m))


def pivots(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return rng.normal(size=(n, n)), np.arange(n)


def tall(rng: np.random.Generator) -> tuple[Any, ...]:
    m, n = sizes(rng, 2)
    return (rng.normal(size=(m + n, n)),)


def vectors(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (*rng.normal(size=(2, n)), rng.normal(size=(n, 3)))


def bands(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=4), rng.uniform(4, 6, 5), rng.normal(size=4), rng.normal(size=5)


def filtering(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2, 2, 6)
    x, F, H = rng.normal(size=n), rng.normal(size=(n, n)), rng.normal(size=(m, n))
    return x, np.eye(n), F, 0.1 * np.eye(n), H, 0.5 * np.eye(m), rng.normal(size=m)


def regression(rng: np.random.Generator) -> tuple[Any, ...]:
    (X,) = tall(rng)
    return X, rng.normal(size=len(X)), 0.3


def samples(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return rng.normal(size=n), rng.normal(size=n), rng.normal(size=m), 0.1


def heads(rng: np.random.Generator) -> tuple[Any, ...]:
    h, n, d = sizes(rng, 3, 2, 7)
    return tuple(rng.normal(size=(3, h, n, d)))


PROGRAMS = [
    Program(lu_steps, dominant),
    Program(lu, dominant),
    Program(cholesky_steps, positive),
    Program(forward_substitution, triangle),
    Program(swap_rows, rows),
    Program(swap_by_tuples, vectors),
    Program(pivoted_step, pivots),
    Program(gram_schmidt, tall, rtol=1e-9),
    Program(householder, tall),
    Program(conjugate_gradient, system, rtol=1e-9),
    Program(power_iteration, eigen),
    Program(tridiagonal, bands),
    Program(kalman, filtering, rtol=1e-9, atol=1e-9),
    Program(ridge, regression, rtol=1e-9),
    Program(pca, lambda rng: (*tall(rng), 2), rtol=1e-9, atol=1e-11),
    Program(whiten, tall, rtol=1e-9, atol=1e-11),
    Program(least_squares_line, lambda rng: samples(rng)[:2], rtol=1e-9),
    Program(gaussian_process, samples, rtol=1e-7, atol=1e-9),
    Program(attention, heads),
]
