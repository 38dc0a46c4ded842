"""Stencils with a loop over time steps: at small sizes the loop itself and the calls count."""

from __future__ import annotations

from typing import Any

import numpy as np

from .loops_recurrences import OWN_LOOPS_ONLY
from .workload import Size, Workload


def jacobi2d_steps(steps, a, b):
    """Sweeps there and back."""
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
        )
        a[1:-1, 1:-1] = 0.2 * (
            b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
        )
    return a, b


def numba_jacobi2d_steps(nb: Any) -> Any:
    @nb.njit
    def sweep(a, b):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.2 * (a[i, j] + a[i, j - 1] + a[i, j + 1] + a[i + 1, j] + a[i - 1, j])

    @nb.njit
    def run(steps, a, b):
        for _ in range(steps):
            sweep(a, b)
            sweep(b, a)
        return a, b

    return run


def jax_jacobi2d_steps(jax: Any) -> Any:
    def sweep(a: Any, b: Any) -> Any:
        return b.at[1:-1, 1:-1].set(
            0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        )

    def both(_: Any, state: Any) -> Any:
        a, b = state
        b = sweep(a, b)
        return sweep(b, a), b

    return jax.jit(lambda steps, a, b: jax.lax.fori_loop(0, steps, both, (a, b)))


def heat3d_steps(steps, u, v):
    """Explicit steps of the heat equation, there and back."""
    for _ in range(steps):
        v[1:-1, 1:-1, 1:-1] = (
            0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * u[1:-1, 1:-1, 1:-1] + u[:-2, 1:-1, 1:-1])
            + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * u[1:-1, 1:-1, 1:-1] + u[1:-1, :-2, 1:-1])
            + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * u[1:-1, 1:-1, 1:-1] + u[1:-1, 1:-1, :-2])
            + u[1:-1, 1:-1, 1:-1]
        )
        u[1:-1, 1:-1, 1:-1] = (
            0.125 * (v[2:, 1:-1, 1:-1] - 2.0 * v[1:-1, 1:-1, 1:-1] + v[:-2, 1:-1, 1:-1])
            + 0.125 * (v[1:-1, 2:, 1:-1] - 2.0 * v[1:-1, 1:-1, 1:-1] + v[1:-1, :-2, 1:-1])
            + 0.125 * (v[1:-1, 1:-1, 2:] - 2.0 * v[1:-1, 1:-1, 1:-1] + v[1:-1, 1:-1, :-2])
            + v[1:-1, 1:-1, 1:-1]
        )
    return u, v


def numba_heat3d_steps(nb: Any) -> Any:
    @nb.njit
    def step(u, v):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                for k in range(1, u.shape[2] - 1):
                    twice = 2.0 * u[i, j, k]
                    v[i, j, k] = (
                        0.125 * (u[i + 1, j, k] - twice + u[i - 1, j, k])
                        + 0.125 * (u[i, j + 1, k] - twice + u[i, j - 1, k])
                        + 0.125 * (u[i, j, k + 1] - twice + u[i, j, k - 1])
                        + u[i, j, k]
                    )

    @nb.njit
    def run(steps, u, v):
        for _ in range(steps):
            step(u, v)
            step(v, u)
        return u, v

    return run


def jax_heat3d_steps(jax: Any) -> Any:
    def step(u: Any, v: Any) -> Any:
        middle = u[1:-1, 1:-1, 1:-1]
        return v.at[1:-1, 1:-1, 1:-1].set(
            0.125 * (u[2:, 1:-1, 1:-1] - 2.0 * middle + u[:-2, 1:-1, 1:-1])
            + 0.125 * (u[1:-1, 2:, 1:-1] - 2.0 * middle + u[1:-1, :-2, 1:-1])
            + 0.125 * (u[1:-1, 1:-1, 2:] - 2.0 * middle + u[1:-1, 1:-1, :-2])
            + middle
        )

    def both(_: Any, state: Any) -> Any:
        u, v = state
        v = step(u, v)
        return step(v, u), v

    return jax.jit(lambda steps, u, v: jax.lax.fori_loop(0, steps, both, (u, v)))


def start(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """`size` is the number of steps, then the shape."""
    return size[0], rng.normal(size=size[1:]), rng.normal(size=size[1:])


WORKLOADS = [
    Workload(
        "jacobi2d_steps",
        "Jacobi sweeps in a loop, steps x shape",
        jacobi2d_steps,
        start,
        quick=((100, 150, 150),),
        full=((100, 20, 20), (100, 150, 150), (100, 500, 500)),
        peers={**OWN_LOOPS_ONLY, "numba": numba_jacobi2d_steps, "jax": jax_jacobi2d_steps},
        atol=1e-12,
        writes=True,
    ),
    Workload(
        "heat3d_steps",
        "heat equation in a loop, steps x shape",
        heat3d_steps,
        start,
        quick=((50, 25, 25, 25),),
        full=((50, 10, 10, 10), (50, 25, 25, 25), (50, 70, 70, 70)),
        peers={**OWN_LOOPS_ONLY, "numba": numba_heat3d_steps, "jax": jax_heat3d_steps},
        atol=1e-12,
        writes=True,
    ),
]
