"""Elementwise work: `exp(a)*b + sin(b)`, `a + b` beyond the cache, and the Rosenbrock function."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, numexpr_builder


def exp_sin(a, b):
    return np.exp(a) * b + np.sin(b)


def add(a, b):
    return a + b


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def two_vectors(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.uniform(-2, 2, size), rng.uniform(-2, 2, size)


def one_vector(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.uniform(-2, 2, size),)


def numba_exp_sin(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(a, b):
        out = np.empty_like(a)
        for i in prange(a.size):
            out[i] = np.exp(a[i]) * b[i] + np.sin(b[i])
        return out

    return run


def numba_add(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(a, b):
        out = np.empty_like(a)
        for i in prange(a.size):
            out[i] = a[i] + b[i]
        return out

    return run


def numba_rosenbrock(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x):
        total = 0.0
        for i in prange(x.size - 1):
            total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
        return total

    return run


def numexpr_rosenbrock(ne: Any) -> Any:
    def run(x):
        names = {"x": x[:-1], "y": x[1:]}
        return ne.evaluate("sum(100.0 * (y - x**2)**2 + (1.0 - x)**2)", names)

    return run


WORKLOADS = [
    Workload(
        "exp_sin",
        "exp(a)*b + sin(b)",
        exp_sin,
        two_vectors,
        quick=((10_000,), (1_000_000,)),
        full=((1_000,), (10_000,), (100_000,), (1_000_000,), (8_000_000,)),
        peers={"numba": numba_exp_sin, "numexpr": numexpr_builder("exp(a)*b + sin(b)", "a", "b")},
        atol=1e-14,
    ),
    Workload(
        "add",
        "a + b beyond the cache",
        add,
        two_vectors,
        quick=((8_000_000,),),
        full=((100_000,), (1_000_000,), (8_000_000,), (32_000_000,)),
        peers={"numba": numba_add, "numexpr": numexpr_builder("a + b", "a", "b")},
    ),
    Workload(
        "rosenbrock",
        "Rosenbrock function",
        rosenbrock,
        one_vector,
        quick=((1_000_000,),),
        full=((10_000,), (1_000_000,), (8_000_000,)),
        peers={"numba": numba_rosenbrock, "numexpr": numexpr_rosenbrock},
    ),
]
