"""Matrix kernels of PolyBench and NPBench: triangular loops, sums over parts, statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def symm(alpha, beta, C, A, B):
    temp2 = np.empty((C.shape[1],), dtype=C.dtype)
    C *= beta
    for i in range(C.shape[0]):
        for j in range(C.shape[1]):
            C[:i, j] += alpha * B[i, j] * A[i, :i]
            temp2[j] = B[:i, j] @ A[i, :i]
        C[i, :] += alpha * B[i, :] * A[i, i] + alpha * temp2


def symm_elements(alpha, beta, C, A, B):
    m, n = C.shape
    for i in range(m):
        for j in range(n):
            temp2 = 0.0
            for k in range(i):
                C[k, j] += alpha * B[i, j] * A[i, k]
                temp2 += B[k, j] * A[i, k]
            C[i, j] = beta * C[i, j] + alpha * B[i, j] * A[i, i] + alpha * temp2


def syrk(alpha, beta, C, A):
    for i in range(A.shape[0]):
        C[i, : i + 1] *= beta
        for k in range(A.shape[1]):
            C[i, : i + 1] += alpha * A[i, k] * A[: i + 1, k]


def syrk_elements(alpha, beta, C, A):
    n, m = A.shape
    for i in range(n):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(m):
            for j in range(i + 1):
                C[i, j] += alpha * A[i, k] * A[j, k]


def syr2k(alpha, beta, C, A, B):
    for i in range(A.shape[0]):
        C[i, : i + 1] *= beta
        for k in range(A.shape[1]):
            C[i, : i + 1] += A[: i + 1, k] * alpha * B[i, k] + B[: i + 1, k] * alpha * A[i, k]


def syr2k_elements(alpha, beta, C, A, B):
    n, m = A.shape
    for i in range(n):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(m):
            for j in range(i + 1):
                C[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]


def trmm(alpha, A, B):
    for i in range(B.shape[0]):
        for j in range(B.shape[1]):
            B[i, j] += np.dot(A[i + 1 :, i], B[i + 1 :, j])
    B *= alpha


def trmm_elements(alpha, A, B):
    m, n = B.shape
    for i in range(m):
        for j in range(n):
            for k in range(i + 1, m):
                B[i, j] += A[k, i] * B[k, j]
            B[i, j] = alpha * B[i, j]


def gemm_elements(alpha, beta, C, A, B):
    for i in range(C.shape[0]):
        for j in range(C.shape[1]):
            C[i, j] *= beta
            for k in range(A.shape[1]):
                C[i, j] += alpha * A[i, k] * B[k, j]
    return C


def matmul_blocked(A, B, block):
    n, m = A.shape[0], B.shape[1]
    C = np.zeros((n, m))
    for i in range(0, n, block):
        for j in range(0, m, block):
            for k in range(0, A.shape[1], block):
                C[i : i + block, j : j + block] += (
                    A[i : i + block, k : k + block] @ B[k : k + block, j : j + block]
                )
    return C


def matrix_chain(matrices_, vector):
    """A stack of square matrices, applied one after the other."""
    for M in matrices_:
        vector = M @ vector
    return vector


def covariance_loop(M, float_n, data):
    mean = np.mean(data, axis=0)
    data -= mean
    cov = np.zeros((M, M), dtype=data.dtype)
    for i in range(M):
        cov[i:M, i] = cov[i, i:M] = data[:, i] @ data[:, i:M] / (float_n - 1.0)
    return cov


def covariance_elements(data):
    n, m = data.shape
    mean = np.zeros(m)
    for j in range(m):
        for i in range(n):
            mean[j] += data[i, j]
        mean[j] /= n
    for i in range(n):
        for j in range(m):
            data[i, j] -= mean[j]
    cov = np.zeros((m, m))
    for i in range(m):
        for j in range(i, m):
            for k in range(n):
                cov[i, j] += data[k, i] * data[k, j]
            cov[i, j] /= n - 1.0
            cov[j, i] = cov[i, j]
    return cov


def correlation_loop(M, float_n, data):
    mean = np.mean(data, axis=0)
    stddev = np.std(data, axis=0)
    stddev[stddev <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(float_n) * stddev
    corr = np.eye(M, dtype=data.dtype)
    for i in range(M - 1):
        corr[i + 1 : M, i] = corr[i, i + 1 : M] = data[:, i] @ data[:, i + 1 : M]
    return corr


def doitgen_loops(NR, NQ, NP, A, C4):
    for r in range(NR):
        for q in range(NQ):
            total = np.zeros(NP)
            for p in range(NP):
                for s in range(NP):
                    total[p] += A[r, q, s] * C4[s, p]
            for p in range(NP):
                A[r, q, p] = total[p]


def doitgen_rows(A, C4):
    for r in range(A.shape[0]):
        for q in range(A.shape[1]):
            A[r, q, :] = A[r, q, :] @ C4


def bicg_loops(A, p, r):
    n, m = A.shape
    s = np.zeros(m)
    q = np.zeros(n)
    for i in range(n):
        for j in range(m):
            s[j] = s[j] + r[i] * A[i, j]
            q[i] = q[i] + A[i, j] * p[j]
    return s, q


def atax_loops(A, x):
    m, n = A.shape
    y = np.zeros(n)
    tmp = np.zeros(m)
    for i in range(m):
        for j in range(n):
            tmp[i] += A[i, j] * x[j]
        for j in range(n):
            y[j] += A[i, j] * tmp[i]
    return y


def mvt_loops(x1, x2, y1, y2, A):
    n = len(A)
    for i in range(n):
        for j in range(n):
            x1[i] = x1[i] + A[i, j] * y1[j]
    for i in range(n):
        for j in range(n):
            x2[i] = x2[i] + A[j, i] * y2[j]


def gemver_loops(alpha, beta, A, u1, v1, u2, v2, w, x, y, z):
    n = A.shape[0]
    for i in range(n):
        for j in range(n):
            A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    for i in range(n):
        for j in range(n):
            x[i] = x[i] + beta * A[j, i] * y[j]
    for i in range(n):
        x[i] = x[i] + z[i]
    for i in range(n):
        for j in range(n):
            w[i] = w[i] + alpha * A[i, j] * x[j]


def gesummv_loops(alpha, beta, A, B, x):
    n = A.shape[0]
    y = np.empty(n)
    for i in range(n):
        a = b = 0.0
        for j in range(n):
            a += A[i, j] * x[j]
            b += B[i, j] * x[j]
        y[i] = alpha * a + beta * b
    return y


def pairwise_distances(X):
    n, d = X.shape
    D = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            s = 0.0
            for k in range(d):
                t = X[i, k] - X[j, k]
                s += t * t
            D[i, j] = np.sqrt(s)
    return D


def pairwise_rows(X):
    n = X.shape[0]
    D = np.zeros((n, n))
    for i in range(n):
        D[i, :] = np.sqrt(((X - X[i]) ** 2).sum(axis=1))
    return D


def go_fast(a):
    trace = 0.0
    for i in range(a.shape[0]):
        trace += np.tanh(a[i, i])
    return a + trace


def power_of_matrix(A, k):
    """By squaring, k known at run time only."""
    result = np.eye(len(A))
    while k > 0:
        if k % 2 == 1:
            result = result @ A
        A = A @ A
        k //= 2
    return result


def power_by_loop(A, k):
    result = np.ones_like(A)
    for _ in range(k):
        result = result * A
    return result


def compressed_diagonals(A):
    """Sums along the anti-diagonals and the largest element above each one of the diagonal."""
    n = A.shape[0]
    sums = np.zeros(2 * n - 1)
    above = np.full(n, -np.inf)
    for i in range(n):
        for j in range(n):
            sums[i + j] += A[i, j]
            if j > i and A[i, j] > above[i]:
                above[i] = A[i, j]
    return sums, above


def matrices(*names: str) -> Any:
    """Arguments from words: `nm` is a matrix, `n` a vector, of sizes drawn once for each letter;
    `N` is the size itself, `.` a number."""

    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        size = dict(zip("nmkp", sizes(rng, 4, 3, 9)))
        return tuple(
            rng.normal()
            if name == "."
            else size[name.lower()]
            if name.isupper()
            else rng.normal(size=[size[c] for c in name])
            for name in names
        )

    return make


def stack(rng: np.random.Generator) -> tuple[Any, ...]:
    k, n = sizes(rng, 2)
    return rng.normal(size=(k, n, n)), rng.normal(size=n)


def measured(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return m, float(n), rng.normal(size=(n, m))


def cubed(rng: np.random.Generator) -> tuple[Any, ...]:
    r, q, p = sizes(rng, 3, 3, 7)
    return r, q, p, rng.normal(size=(r, q, p)), rng.normal(size=(p, p))


PROGRAMS = [
    Program(symm, matrices(".", ".", "nm", "nn", "nm")),
    Program(symm_elements, matrices(".", ".", "nm", "nn", "nm")),
    Program(syrk, matrices(".", ".", "nn", "nm")),
    Program(syrk_elements, matrices(".", ".", "nn", "nm")),
    Program(syr2k, matrices(".", ".", "nn", "nm", "nm")),
    Program(syr2k_elements, matrices(".", ".", "nn", "nm", "nm")),
    Program(trmm, matrices(".", "nn", "nm"), rtol=1e-10),
    Program(trmm_elements, matrices(".", "nn", "nm"), rtol=1e-10),
    Program(gemm_elements, matrices(".", ".", "nm", "nk", "km")),
    Program(matmul_blocked, lambda rng: (*matrices("nk", "km")(rng), 3), atol=1e-11),
    Program(matrix_chain, stack, rtol=1e-10),
    Program(covariance_loop, measured),
    Program(covariance_elements, matrices("nm")),
    Program(correlation_loop, measured),
    Program(doitgen_loops, cubed),
    Program(doitgen_rows, lambda rng: cubed(rng)[3:]),
    Program(bicg_loops, matrices("nm", "m", "n")),
    Program(atax_loops, matrices("nm", "m")),
    Program(mvt_loops, matrices("n", "n", "n", "n", "nn")),
    Program(gemver_loops, matrices(".", ".", "nn", *"nnnnnnnn"), rtol=1e-10),
    Program(gesummv_loops, matrices(".", ".", "nn", "nn", "n")),
    Program(pairwise_distances, matrices("nm")),
    Program(pairwise_rows, matrices("nm")),
    Program(go_fast, matrices("nn")),
    Program(power_of_matrix, lambda rng: (*matrices("nn")(rng), int(rng.integers(0, 20))), 1e-8),
    Program(power_by_loop, lambda rng: (*matrices("n")(rng), int(rng.integers(0, 20)))),
    Program(compressed_diagonals, matrices("nn")),
]
