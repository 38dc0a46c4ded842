"""Stencils that write slices in place: weather, heat, pressure."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, rebind

NO_ARRAYS_TO_WRITE: dict[str, Any] = {
    "jax": None, "numexpr": None, "pytensor": None, "torch": None,
}  # fmt: skip


def diffused(field, coefficient):
    """Fourth-order diffusion along the horizontal, with fluxes that never run uphill."""
    laplace = 4.0 * field[1:-1, 1:-1, :] - (
        field[2:, 1:-1, :] + field[:-2, 1:-1, :] + field[1:-1, 2:, :] + field[1:-1, :-2, :]
    )
    flux = laplace[1:, 1:-1, :] - laplace[:-1, 1:-1, :]
    uphill = flux * (field[2:-1, 2:-2, :] - field[1:-2, 2:-2, :]) > 0.0
    east = np.where(uphill, 0.0, flux)
    flux = laplace[1:-1, 1:, :] - laplace[1:-1, :-1, :]
    uphill = flux * (field[2:-2, 2:-1, :] - field[2:-2, 1:-2, :]) > 0.0
    north = np.where(uphill, 0.0, flux)
    return field[2:-2, 2:-2, :] - coefficient * (
        east[1:, :, :] - east[:-1, :, :] + north[:, 1:, :] - north[:, :-1, :]
    )


def hdiff(field, coefficient, out):
    """Diffusion into an output argument; `field` has a halo of two cells."""
    out[:, :, :] = diffused(field, coefficient)
    return out


def weather(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    nx, ny, nz = size
    field = rng.normal(size=(nx + 4, ny + 4, nz))
    return field, rng.uniform(0.0, 0.1, size), np.zeros(size)


def jax_hdiff(jax: Any) -> Any:
    """JAX has no output arguments: the result is a new array."""
    compiled = jax.jit(rebind(diffused, np=jax.numpy))
    return lambda field, coefficient, out: compiled(field, coefficient)


def numba_hdiff(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit
    def limited(flux, difference):
        return 0.0 if flux * difference > 0.0 else flux

    @nb.njit(parallel=True)
    def run(field, coefficient, out):
        nx, ny, nz = out.shape
        laplace = np.empty((nx + 2, ny + 2, nz))
        for i in prange(nx + 2):
            for j in range(ny + 2):
                for k in range(nz):
                    laplace[i, j, k] = 4.0 * field[i + 1, j + 1, k] - (
                        field[i + 2, j + 1, k]
                        + field[i, j + 1, k]
                        + field[i + 1, j + 2, k]
                        + field[i + 1, j, k]
                    )
        for i in prange(nx):
            for j in range(ny):
                for k in range(nz):
                    here, mine = laplace[i + 1, j + 1, k], field[i + 2, j + 2, k]
                    west = limited(here - laplace[i, j + 1, k], mine - field[i + 1, j + 2, k])
                    east = limited(laplace[i + 2, j + 1, k] - here, field[i + 3, j + 2, k] - mine)
                    south = limited(here - laplace[i + 1, j, k], mine - field[i + 2, j + 1, k])
                    north = limited(laplace[i + 1, j + 2, k] - here, field[i + 2, j + 3, k] - mine)
                    balance = east - west + north - south
                    out[i, j, k] = mine - coefficient[i, j, k] * balance
        return out

    return run


def jacobi2d(a, b):
    """One sweep there and one back."""
    b[1:-1, 1:-1] = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
    a[1:-1, 1:-1] = 0.2 * (b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1])
    return a, b


def two_planes(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=size), rng.normal(size=size)


def numba_jacobi2d(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def sweep(a, b):
        for i in prange(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                b[i, j] = 0.2 * (a[i, j] + a[i, j - 1] + a[i, j + 1] + a[i + 1, j] + a[i - 1, j])

    @nb.njit
    def run(a, b):
        sweep(a, b)
        sweep(b, a)
        return a, b

    return run


def jax_jacobi2d(jax: Any) -> Any:
    def sweep(a: Any, b: Any) -> Any:
        return b.at[1:-1, 1:-1].set(
            0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        )

    def run(a: Any, b: Any) -> Any:
        b = sweep(a, b)
        return sweep(b, a), b

    return jax.jit(run)


def heat3d(u, v):
    """One explicit step of the heat equation there and one back."""
    for old, new in ((u, v), (v, u)):
        middle = old[1:-1, 1:-1, 1:-1]
        new[1:-1, 1:-1, 1:-1] = (
            0.125 * (old[2:, 1:-1, 1:-1] - 2.0 * middle + old[:-2, 1:-1, 1:-1])
            + 0.125 * (old[1:-1, 2:, 1:-1] - 2.0 * middle + old[1:-1, :-2, 1:-1])
            + 0.125 * (old[1:-1, 1:-1, 2:] - 2.0 * middle + old[1:-1, 1:-1, :-2])
            + middle
        )
    return u, v


def numba_heat3d(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def step(u, v):
        for i in prange(1, u.shape[0] - 1):
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
    def run(u, v):
        step(u, v)
        step(v, u)
        return u, v

    return run


WORKLOADS = [
    Workload(
        "hdiff",
        "horizontal diffusion with limited fluxes",
        hdiff,
        weather,
        quick=((256, 256, 64),),
        full=((64, 64, 60), (256, 256, 64), (512, 512, 64)),
        peers={**NO_ARRAYS_TO_WRITE, "numba": numba_hdiff, "jax": jax_hdiff},
        atol=1e-12,
        writes=True,
    ),
    Workload(
        "jacobi2d",
        "Jacobi sweeps in place, 2-D",
        jacobi2d,
        two_planes,
        quick=((1000, 1000),),
        full=((100, 100), (1000, 1000), (3000, 3000)),
        peers={**NO_ARRAYS_TO_WRITE, "numba": numba_jacobi2d, "jax": jax_jacobi2d},
        atol=1e-12,
        writes=True,
    ),
    Workload(
        "heat3d",
        "heat equation in place, 3-D",
        heat3d,
        two_planes,
        quick=((120, 120, 120),),
        full=((40, 40, 40), (120, 120, 120), (200, 200, 200)),
        peers={**NO_ARRAYS_TO_WRITE, "numba": numba_heat3d},
        atol=1e-12,
        writes=True,
    ),
]
