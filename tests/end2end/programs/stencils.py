"""Sweeps over grids that write slices in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.cli import benchmarks

from .program import Program, sizes

iso = benchmarks("isoneutral")
stencils = benchmarks("stencils")


def jacobi1d(A, B, steps=3):
    for _ in range(steps):
        B[1:-1] = 0.33333 * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = 0.33333 * (B[:-2] + B[1:-1] + B[2:])


def jacobi_alternating(u, steps=3):
    """Two buffers whose names change places."""
    old, new = u, u.copy()
    for _ in range(steps):
        new[1:-1, 1:-1] = 0.25 * (old[2:, 1:-1] + old[:-2, 1:-1] + old[1:-1, 2:] + old[1:-1, :-2])
        old, new = new, old
    return old


def relax_until(u, tolerance):
    """The change of a sweep is returned; the caller's array is updated."""
    before = u.copy()
    u[1:-1, 1:-1] += 0.8 * (
        0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]) - u[1:-1, 1:-1]
    )
    change = np.sqrt(np.sum((u - before) ** 2) / np.sum(before**2))
    return change, change < tolerance


def red_black(u, f, h):
    """Gauss-Seidel in two colours, by slices with a step."""
    for odd in (0, 1):
        for row in (1, 2):
            start = 1 + (row + odd) % 2
            here = u[row:-1:2, start:-1:2]
            rows = len(range(*slice(row, -1, 2).indices(u.shape[0])))
            columns = len(range(*slice(start, -1, 2).indices(u.shape[1])))
            up = u[row - 1 :: 2, start:-1:2][:rows, :columns]
            down = u[row + 1 :: 2, start:-1:2][:rows, :columns]
            left = u[row:-1:2, start - 1 :: 2][:rows, :columns]
            right = u[row:-1:2, start + 1 :: 2][:rows, :columns]
            here[...] = 0.25 * (up + down + left + right - h * h * f[row:-1:2, start:-1:2])
    return u


def seidel_rows(A):
    """Each row uses the row above, already updated: a loop over the rows."""
    for i in range(1, A.shape[0] - 1):
        A[i, 1:-1] = (A[i - 1, 1:-1] + A[i, 1:-1] + A[i + 1, 1:-1] + A[i, :-2] + A[i, 2:]) / 5.0


def advection_upwind(u, c, dt, dx):
    un = u.copy()
    u[1:] = un[1:] - c * dt / dx * (un[1:] - un[:-1])
    u[0] = 1.0
    return u


def wave_step(u_prev, u, u_next, c2):
    u_next[1:-1, 1:-1] = (
        2 * u[1:-1, 1:-1]
        - u_prev[1:-1, 1:-1]
        + c2 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])
    )
    u_next[[0, -1], :] = 0
    u_next[:, 0] = u_next[:, -1] = 0
    u_prev[:], u[:] = u.copy(), u_next


def fdtd2d(ex, ey, hz, pulse):
    for t in range(3):
        ey[0, :] = pulse[t]
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


def gray_scott(u, v, F, k):
    U, V = u[1:-1, 1:-1], v[1:-1, 1:-1]

    def laplacian(Z):
        return Z[:-2, 1:-1] + Z[1:-1, :-2] - 4 * Z[1:-1, 1:-1] + Z[1:-1, 2:] + Z[2:, 1:-1]

    for _ in range(2):
        Lu, Lv = laplacian(u), laplacian(v)
        uvv = U * V * V
        U += 0.16 * Lu - uvv + F * (1 - U)
        V += 0.08 * Lv + uvv - (F + k) * V
        for Z in (u, v):
            Z[0, :] = Z[-2, :]
            Z[-1, :] = Z[1, :]
            Z[:, 0] = Z[:, -2]
            Z[:, -1] = Z[:, 1]
    return u.min(), v.max()


def life(Z):
    """The game of life on slices; `Z` is the board with a border of zeros."""
    N = (
        Z[:-2, :-2] + Z[:-2, 1:-1] + Z[:-2, 2:] + Z[1:-1, :-2]
        + Z[1:-1, 2:] + Z[2:, :-2] + Z[2:, 1:-1] + Z[2:, 2:]
    )  # fmt: skip
    birth = (N == 3) & (Z[1:-1, 1:-1] == 0)
    survive = ((N == 2) | (N == 3)) & (Z[1:-1, 1:-1] == 1)
    Z[...] = 0
    Z[1:-1, 1:-1][birth | survive] = 1
    return Z


def life_torus(board):
    neighbours = sum(
        np.roll(np.roll(board, i, 0), j, 1)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i, j) != (0, 0)
    )
    return (neighbours == 3) | (board & (neighbours == 2))


def weather(rng: np.random.Generator) -> tuple[Any, ...]:
    return stencils.weather(sizes(rng, 3), rng)


def planes(count: int, *scalars: float) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        shape = sizes(rng, 2)
        return (*rng.normal(size=(count, *shape)), *scalars)

    return make


def lines(count: int, *scalars: float) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return (*rng.normal(size=(count, *sizes(rng, 1, 6, 30))), *scalars)

    return make


def cubes(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(rng.normal(size=(2, *sizes(rng, 3))))


def fields_and_pulse(rng: np.random.Generator) -> tuple[Any, ...]:
    return (*rng.normal(size=(3, *sizes(rng, 2))), rng.normal(size=3))


def cells(dtype: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return ((rng.random(sizes(rng, 2, 5, 20)) < 0.4).astype(dtype),)

    return make


PROGRAMS = [
    Program(iso.isoneutral, lambda rng: iso.ocean(sizes(rng, 3, 6), rng), rtol=1e-9),
    Program(stencils.hdiff, weather),
    Program(stencils.jacobi2d, planes(2)),
    Program(stencils.heat3d, cubes),
    Program(jacobi1d, lines(2)),
    Program(jacobi_alternating, planes(1)),
    Program(relax_until, planes(1, 1e-3)),
    Program(red_black, planes(2, 0.1)),
    Program(seidel_rows, planes(1)),
    Program(advection_upwind, lines(1, 0.5, 0.01, 0.1)),
    Program(wave_step, planes(3, 0.1)),
    Program(fdtd2d, fields_and_pulse),
    Program(gray_scott, planes(2, 0.04, 0.06)),
    Program(life, cells("i8")),
    Program(life_torus, cells("?")),
]
