"""Sweeps in time over grids: loops around slices, and loops over the points."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def jacobi_1d(TSTEPS, A, B):
    for t in range(1, TSTEPS):
        B[1:-1] = 0.33333 * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = 0.33333 * (B[:-2] + B[1:-1] + B[2:])


def jacobi_1d_points(tsteps, n, A, B):
    for t in range(tsteps):
        for i in range(1, n - 1):
            B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1])
        for i in range(1, n - 1):
            A[i] = 0.33333 * (B[i - 1] + B[i] + B[i + 1])


def jacobi_2d(TSTEPS, A, B):
    for t in range(1, TSTEPS):
        B[1:-1, 1:-1] = 0.2 * (
            A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1]
        )
        A[1:-1, 1:-1] = 0.2 * (
            B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1]
        )


def jacobi_2d_points(tsteps, A, B):
    n, m = A.shape
    for _ in range(tsteps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                B[i, j] = 0.2 * (A[i, j] + A[i, j - 1] + A[i, j + 1] + A[i + 1, j] + A[i - 1, j])
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                A[i, j] = 0.2 * (B[i, j] + B[i, j - 1] + B[i, j + 1] + B[i + 1, j] + B[i - 1, j])


def jacobi_swapped(u, steps):
    """Two buffers whose names change places at every step."""
    new = u.copy()
    for _ in range(steps):
        new[1:-1, 1:-1] = 0.25 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2])
        u, new = new, u
    return u.copy()


def jacobi_until(u, tolerance, most):
    """Returns the solution, the number of sweeps, and the last change."""
    change = tolerance + 1.0
    sweeps = 0
    while change > tolerance and sweeps < most:
        old = u.copy()
        u[1:-1, 1:-1] = 0.25 * (old[2:, 1:-1] + old[:-2, 1:-1] + old[1:-1, 2:] + old[1:-1, :-2])
        change = np.max(np.abs(u - old))
        sweeps += 1
    return u, sweeps, change


def seidel_2d(TSTEPS, N, A):
    for t in range(0, TSTEPS - 1):
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = (
                    A[i - 1, j - 1] + A[i - 1, j] + A[i - 1, j + 1] + A[i, j - 1] + A[i, j]
                    + A[i, j + 1] + A[i + 1, j - 1] + A[i + 1, j] + A[i + 1, j + 1]
                ) / 9.0  # fmt: skip


def seidel_2d_half(TSTEPS, N, A):
    """What does not wait for its left neighbour is done by slices, the rest by a loop."""
    for t in range(0, TSTEPS - 1):
        for i in range(1, N - 1):
            A[i, 1:-1] += (
                A[i - 1, :-2] + A[i - 1, 1:-1] + A[i - 1, 2:]
                + A[i, 2:] + A[i + 1, :-2] + A[i + 1, 1:-1] + A[i + 1, 2:]
            )  # fmt: skip
            for j in range(1, N - 1):
                A[i, j] += A[i, j - 1]
                A[i, j] /= 9.0


def heat_3d(TSTEPS, A, B):
    for t in range(1, TSTEPS):
        B[1:-1, 1:-1, 1:-1] = (
            0.125 * (A[2:, 1:-1, 1:-1] - 2.0 * A[1:-1, 1:-1, 1:-1] + A[:-2, 1:-1, 1:-1])
            + 0.125 * (A[1:-1, 2:, 1:-1] - 2.0 * A[1:-1, 1:-1, 1:-1] + A[1:-1, :-2, 1:-1])
            + 0.125 * (A[1:-1, 1:-1, 2:] - 2.0 * A[1:-1, 1:-1, 1:-1] + A[1:-1, 1:-1, 0:-2])
            + A[1:-1, 1:-1, 1:-1]
        )
        A[1:-1, 1:-1, 1:-1] = (
            0.125 * (B[2:, 1:-1, 1:-1] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[:-2, 1:-1, 1:-1])
            + 0.125 * (B[1:-1, 2:, 1:-1] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[1:-1, :-2, 1:-1])
            + 0.125 * (B[1:-1, 1:-1, 2:] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[1:-1, 1:-1, 0:-2])
            + B[1:-1, 1:-1, 1:-1]
        )


def heat_3d_points(tsteps, n, A, B):
    for t in range(tsteps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                for k in range(1, n - 1):
                    B[i, j, k] = (
                        0.125 * (A[i + 1, j, k] - 2.0 * A[i, j, k] + A[i - 1, j, k])
                        + 0.125 * (A[i, j + 1, k] - 2.0 * A[i, j, k] + A[i, j - 1, k])
                        + 0.125 * (A[i, j, k + 1] - 2.0 * A[i, j, k] + A[i, j, k - 1])
                        + A[i, j, k]
                    )
        A[1:-1, 1:-1, 1:-1] = B[1:-1, 1:-1, 1:-1]


def fdtd_2d(TMAX, ex, ey, hz, _fict_):
    for t in range(TMAX):
        ey[0, :] = _fict_[t]
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


def fdtd_2d_points(TMAX, NX, NY, ex, ey, hz, pulse):
    for t in range(TMAX):
        for j in range(NY):
            ey[0, j] = pulse[t]
        for i in range(1, NX):
            for j in range(NY):
                ey[i, j] = ey[i, j] - 0.5 * (hz[i, j] - hz[i - 1, j])
        for i in range(NX):
            for j in range(1, NY):
                ex[i, j] = ex[i, j] - 0.5 * (hz[i, j] - hz[i, j - 1])
        for i in range(NX - 1):
            for j in range(NY - 1):
                hz[i, j] -= 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])


def adi(TSTEPS, N, u):
    v = np.empty(u.shape, dtype=u.dtype)
    p = np.empty(u.shape, dtype=u.dtype)
    q = np.empty(u.shape, dtype=u.dtype)

    DX = 1.0 / N
    DY = 1.0 / N
    DT = 1.0 / TSTEPS
    B1 = 2.0
    B2 = 1.0
    mul1 = B1 * DT / (DX * DX)
    mul2 = B2 * DT / (DY * DY)

    a = -mul1 / 2.0
    b = 1.0 + mul2
    c = a
    d = -mul2 / 2.0
    e = 1.0 + mul2
    f = d

    for t in range(1, TSTEPS + 1):
        v[0, 1 : N - 1] = 1.0
        p[1 : N - 1, 0] = 0.0
        q[1 : N - 1, 0] = v[0, 1 : N - 1]
        for j in range(1, N - 1):
            p[1 : N - 1, j] = -c / (a * p[1 : N - 1, j - 1] + b)
            q[1 : N - 1, j] = (
                -d * u[j, 0 : N - 2]
                + (1.0 + 2.0 * d) * u[j, 1 : N - 1]
                - f * u[j, 2:N]
                - a * q[1 : N - 1, j - 1]
            ) / (a * p[1 : N - 1, j - 1] + b)
        v[N - 1, 1 : N - 1] = 1.0
        for j in range(N - 2, 0, -1):
            v[j, 1 : N - 1] = p[1 : N - 1, j] * v[j + 1, 1 : N - 1] + q[1 : N - 1, j]

        u[1 : N - 1, 0] = 1.0
        p[1 : N - 1, 0] = 0.0
        q[1 : N - 1, 0] = u[1 : N - 1, 0]
        for j in range(1, N - 1):
            p[1 : N - 1, j] = -f / (d * p[1 : N - 1, j - 1] + e)
            q[1 : N - 1, j] = (
                -a * v[0 : N - 2, j]
                + (1.0 + 2.0 * a) * v[1 : N - 1, j]
                - c * v[2:N, j]
                - d * q[1 : N - 1, j - 1]
            ) / (d * p[1 : N - 1, j - 1] + e)
        u[1 : N - 1, N - 1] = 1.0
        for j in range(N - 2, 0, -1):
            u[1 : N - 1, j] = p[1 : N - 1, j] * u[1 : N - 1, j + 1] + q[1 : N - 1, j]


def wave_1d(u, c, dt, dx, steps):
    """Leap-frog with three arrays that change their roles; the history is kept."""
    previous = u.copy()
    history = np.zeros((steps + 1, u.shape[0]))
    history[0] = u
    r = (c * dt / dx) ** 2
    for n in range(1, steps + 1):
        following = np.zeros_like(u)
        following[1:-1] = 2 * u[1:-1] - previous[1:-1] + r * (u[2:] - 2 * u[1:-1] + u[:-2])
        previous = u
        u = following
        history[n] = u
    return history


def life_steps(board, steps):
    rows, columns = board.shape
    for _ in range(steps):
        new = np.zeros_like(board)
        for i in range(rows):
            for j in range(columns):
                around = 0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if di == 0 and dj == 0:
                            continue
                        around += board[(i + di) % rows, (j + dj) % columns]
                if around == 3 or (board[i, j] == 1 and around == 2):
                    new[i, j] = 1
        board = new
    return board


def gray_scott_steps(u, v, F, k, steps):
    for _ in range(steps):
        Lu = u[:-2, 1:-1] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1] + u[1:-1, 2:] + u[2:, 1:-1]
        Lv = v[:-2, 1:-1] + v[1:-1, :-2] - 4 * v[1:-1, 1:-1] + v[1:-1, 2:] + v[2:, 1:-1]
        U, V = u[1:-1, 1:-1], v[1:-1, 1:-1]
        uvv = U * V * V
        U += 0.16 * Lu - uvv + F * (1 - U)
        V += 0.08 * Lv + uvv - (F + k) * V
        u[0, :] = u[-2, :]
        u[-1, :] = u[1, :]
        u[:, 0] = u[:, -2]
        u[:, -1] = u[:, 1]
        v[0, :] = v[-2, :]
        v[-1, :] = v[1, :]
        v[:, 0] = v[:, -2]
        v[:, -1] = v[:, 1]
    return u.min(), v.max()


def advection_limited(u, c, dt, dx, steps):
    """Upwind with a minmod limiter, point by point, periodic by the remainder."""
    n = len(u)
    for _ in range(steps):
        flux = np.zeros(n)
        for i in range(n):
            left, right = u[i] - u[i - 1], u[(i + 1) % n] - u[i]
            if left * right <= 0.0:
                slope = 0.0
            elif abs(left) < abs(right):
                slope = left
            else:
                slope = right
            flux[i] = c * (u[i] + 0.5 * (1 - c * dt / dx) * slope)
        for i in range(n):
            u[i] -= dt / dx * (flux[i] - flux[i - 1])
    return np.sum(u)


def steps_of(rng: np.random.Generator) -> int:
    return int(rng.integers(2, 6))


def lines(count: int) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return steps_of(rng), *rng.normal(size=(count, *sizes(rng, 1)))

    return make


def planes(count: int) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return steps_of(rng), *rng.normal(size=(count, *sizes(rng, 2)))

    return make


def cubes(rng: np.random.Generator) -> tuple[Any, ...]:
    return steps_of(rng), *rng.normal(size=(2, *sizes(rng, 3, 4, 8)))


def sized(rank: int, count: int) -> Any:
    """The steps, the size, and cubes of that size."""

    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        (n,) = sizes(rng, 1, 4, 9)
        return steps_of(rng), n, *rng.normal(size=(count, *[n] * rank))

    return make


def fields(points: bool) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        t, shape = steps_of(rng), sizes(rng, 2)
        arrays = rng.normal(size=(3, *shape))
        return (t, *(shape if points else ()), *arrays, rng.normal(size=t))

    return make


def line_and(*scalars: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return rng.normal(size=sizes(rng, 1)), *scalars, steps_of(rng)

    return make


def board(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 2, sizes(rng, 2)), steps_of(rng)


def plane_and(*scalars: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return rng.normal(size=sizes(rng, 2)), *scalars

    return make


PROGRAMS = [
    Program(jacobi_1d, lines(2)),
    Program(jacobi_1d_points, sized(1, 2)),
    Program(jacobi_2d, planes(2)),
    Program(jacobi_2d_points, planes(2)),
    Program(jacobi_swapped, lambda rng: planes(1)(rng)[::-1]),
    Program(jacobi_until, plane_and(0.05, 40)),
    Program(seidel_2d, sized(2, 1)),
    Program(seidel_2d_half, sized(2, 1)),
    Program(heat_3d, cubes),
    Program(heat_3d_points, sized(3, 2)),
    Program(fdtd_2d, fields(False)),
    Program(fdtd_2d_points, fields(True)),
    Program(adi, sized(2, 1), rtol=1e-10),
    Program(wave_1d, line_and(1.0, 0.05, 0.1)),
    Program(life_steps, board),
    Program(
        gray_scott_steps,
        lambda rng: (*rng.uniform(0, 1, (2, *sizes(rng, 2))), 0.04, 0.06, steps_of(rng)),
    ),
    Program(advection_limited, line_and(1.0, 0.05, 0.1)),
]
