"""The cost of a call: ten elements, one, four and sixteen array arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, numexpr_builder


def call_1(a):
    return np.exp(np.sin(a)) + 1.0


def call_4(a, b, c, d):
    return a * b + c * d


def call_16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p):
    return a * b + c * d + e * f + g * h + i * j + k * l + m * n + o * p


def vectors(count: int) -> Any:
    def make(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
        return tuple(rng.uniform(-2, 2, size) for _ in range(count))

    return make


LETTERS = "abcdefghijklmnop"
EXPRESSIONS = {
    1: "exp(sin(a)) + 1.0",
    4: "a*b + c*d",
    16: "a*b + c*d + e*f + g*h + i*j + k*l + m*n + o*p",
}

WORKLOADS = [
    Workload(
        f"call_{count}",
        f"call overhead, {count} array{'s' if count > 1 else ''}",
        function,
        vectors(count),
        quick=((10,),),
        full=((10,), (100,), (1000,)),
        peers={"numexpr": numexpr_builder(EXPRESSIONS[count], *LETTERS[:count])},
        atol=1e-14,
    )
    for count, function in ((1, call_1), (4, call_4), (16, call_16))
]
