"""Dynamic programming over tables: shortest paths, and how a strand of RNA folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from .loops_recurrences import OWN_LOOPS_ONLY
from .workload import Size, Workload


def floyd_warshall(paths):
    """The lengths of the shortest paths between all pairs of nodes, in place."""
    for k in range(paths.shape[0]):
        paths[...] = np.minimum(paths, paths[:, k, None] + paths[k])
    return paths


def numba_floyd_warshall(nb: Any) -> Any:
    @nb.njit
    def run(paths):
        n = paths.shape[0]
        for k in range(n):
            for i in range(n):
                first = paths[i, k]
                for j in range(n):
                    paths[i, j] = min(paths[i, j], first + paths[k, j])
        return paths

    return run


def jax_floyd_warshall(jax: Any) -> Any:
    jnp = jax.numpy

    def run(paths: Any) -> Any:
        def step(k: Any, paths: Any) -> Any:
            return jnp.minimum(paths, paths[:, k, None] + paths[k])

        return jax.lax.fori_loop(0, paths.shape[0], step, paths)

    return jax.jit(run)


def graph(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    lengths = rng.integers(1, 1000, (*size, *size)).astype(np.float64)
    np.fill_diagonal(lengths, 0.0)
    return (lengths,)


def nussinov(sequence):
    """How many pairs of bases every piece of a strand can form."""
    n = sequence.shape[0]
    table = np.zeros((n, n), dtype=np.int64)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            table[i, j] = max(table[i, j - 1], table[i + 1, j])
            if i < j - 1:
                pair = 1 if sequence[i] + sequence[j] == 3 else 0
                table[i, j] = max(table[i, j], table[i + 1, j - 1] + pair)
            else:
                table[i, j] = max(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], table[i, k] + table[k + 1, j])
    return table


def strand(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.integers(0, 4, size),)


WORKLOADS = [
    Workload(
        "floyd_warshall",
        "all shortest paths in place",
        floyd_warshall,
        graph,
        quick=((150,),),
        full=((50,), (150,), (500,)),
        peers={**OWN_LOOPS_ONLY, "numba": numba_floyd_warshall, "jax": jax_floyd_warshall},
        writes=True,
    ),
    Workload(
        "nussinov",
        "RNA folding, element by element",
        nussinov,
        strand,
        quick=((60,),),
        full=((60,), (200,)),
        peers=OWN_LOOPS_ONLY,
    ),
]
