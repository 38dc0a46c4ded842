"""A two-layer perceptron: matrix products with elementwise work around them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload


def perceptron(x, w1, b1, w2, b2):
    return np.tanh(x @ w1 + b1) @ w2 + b2


def layers(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """`size` is rows, inputs, hidden units, outputs."""
    rows, inputs, hidden, outputs = size
    w1 = rng.normal(size=(inputs, hidden)) / np.sqrt(inputs)
    w2 = rng.normal(size=(hidden, outputs)) / np.sqrt(hidden)
    x = rng.normal(size=(rows, inputs))
    return x, w1, rng.normal(size=hidden), w2, rng.normal(size=outputs)


def numba_perceptron(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x, w1, b1, w2, b2):
        h = x @ w1
        for i in prange(h.shape[0]):
            for j in range(h.shape[1]):
                h[i, j] = np.tanh(h[i, j] + b1[j])
        out = h @ w2
        for i in prange(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] += b2[j]
        return out

    return run


WORKLOADS = [
    Workload(
        "perceptron",
        "two-layer perceptron",
        perceptron,
        layers,
        quick=((1000, 256, 512, 10),),
        full=((32, 256, 512, 10), (1000, 256, 512, 10), (4000, 784, 1024, 10)),
        peers={"numba": numba_perceptron, "numexpr": None},
        atol=1e-11,
    ),
]
