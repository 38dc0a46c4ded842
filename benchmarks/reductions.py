"""Reductions: a fused sum, column sums, softmax and layer norm over rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import two_vectors
from .workload import Size, Workload, numexpr_builder


def fused_sum(a, b):
    return (a * b + a - b).sum()


def column_sums(x):
    return np.sum(x, axis=0)


def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def layer_norm(x, gain, bias):
    centred = x - np.mean(x, axis=1, keepdims=True)
    variance = np.mean(centred * centred, axis=1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gain + bias


def matrix(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=size),)


def matrix_and_rows(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=size), rng.uniform(0.5, 2, size[1:]), rng.normal(size=size[1:])


def numba_fused_sum(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(a, b):
        total = 0.0
        for i in prange(a.size):
            total += a[i] * b[i] + a[i] - b[i]
        return total

    return run


def numba_column_sums(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x):
        out = np.zeros(x.shape[1])
        block = 256
        for chunk in prange((x.shape[1] + block - 1) // block):
            lo, hi = chunk * block, min((chunk + 1) * block, x.shape[1])
            for i in range(x.shape[0]):
                for j in range(lo, hi):
                    out[j] += x[i, j]
        return out

    return run


def numba_softmax(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x):
        out = np.empty_like(x)
        for i in prange(x.shape[0]):
            top = x[i].max()
            total = 0.0
            for j in range(x.shape[1]):
                out[i, j] = np.exp(x[i, j] - top)
                total += out[i, j]
            for j in range(x.shape[1]):
                out[i, j] /= total
        return out

    return run


def numba_layer_norm(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x, gain, bias):
        out = np.empty_like(x)
        for i in prange(x.shape[0]):
            mean = x[i].mean()
            variance = 0.0
            for j in range(x.shape[1]):
                variance += (x[i, j] - mean) ** 2
            scale = 1.0 / np.sqrt(variance / x.shape[1] + 1e-5)
            for j in range(x.shape[1]):
                out[i, j] = (x[i, j] - mean) * scale * gain[j] + bias[j]
        return out

    return run


SQUARES = ((200, 200), (1000, 1000), (2000, 2000), (4000, 4000))

WORKLOADS = [
    Workload(
        "fused_sum",
        "(a*b + a - b).sum()",
        fused_sum,
        two_vectors,
        quick=((8_000_000,),),
        full=((100_000,), (1_000_000,), (8_000_000,), (32_000_000,)),
        peers={"numba": numba_fused_sum, "numexpr": numexpr_builder("sum(a*b + a - b)", "a", "b")},
        rtol=1e-8,
        atol=1e-6,  # terms of both signs: the sum is small against what it is made of
    ),
    Workload(
        "softmax",
        "softmax over rows",
        softmax,
        matrix,
        quick=((2000, 2000),),
        full=SQUARES,
        peers={"numba": numba_softmax, "numexpr": None},
    ),
    Workload(
        "layer_norm",
        "layer norm over rows",
        layer_norm,
        matrix_and_rows,
        quick=((2000, 2000),),
        full=SQUARES,
        peers={"numba": numba_layer_norm, "numexpr": None},
        atol=1e-12,
    ),
    Workload(
        "column_sums",
        "sums of columns",
        column_sums,
        matrix,
        quick=((2000, 2000),),
        full=SQUARES,
        peers={"numba": numba_column_sums, "numexpr": numexpr_builder("sum(x, axis=0)", "x")},
        atol=1e-10,
    ),
]
