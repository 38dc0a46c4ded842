"""Kernels of weather codes and of fluids: implicit vertical advection, diffusion, transport."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes

BET_M = 0.5
BET_P = 0.5


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    """Implicit vertical advection: Thomas' algorithm for all columns at once."""
    I, J, K = utens_stage.shape[0], utens_stage.shape[1], utens_stage.shape[2]
    ccol = np.ndarray((I, J, K), dtype=utens_stage.dtype)
    dcol = np.ndarray((I, J, K), dtype=utens_stage.dtype)
    data_col = np.ndarray((I, J), dtype=utens_stage.dtype)

    for k in range(1):
        gcv = 0.25 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
        cs = gcv * BET_M
        ccol[:, :, k] = gcv * BET_P
        bcol = dtr_stage - ccol[:, :, k]
        correction_term = -cs * (u_stage[:, :, k + 1] - u_stage[:, :, k])
        dcol[:, :, k] = (
            dtr_stage * u_pos[:, :, k]
            + utens[:, :, k]
            + utens_stage[:, :, k]
            + correction_term
        )  # fmt: skip
        divided = 1.0 / bcol
        ccol[:, :, k] = ccol[:, :, k] * divided
        dcol[:, :, k] = dcol[:, :, k] * divided

    for k in range(1, K - 1):
        gav = -0.25 * (wcon[1:, :, k] + wcon[:-1, :, k])
        gcv = 0.25 * (wcon[1:, :, k + 1] + wcon[:-1, :, k + 1])
        as_ = gav * BET_M
        cs = gcv * BET_M
        acol = gav * BET_P
        ccol[:, :, k] = gcv * BET_P
        bcol = dtr_stage - acol - ccol[:, :, k]
        correction_term = -as_ * (u_stage[:, :, k - 1] - u_stage[:, :, k]) - cs * (
            u_stage[:, :, k + 1] - u_stage[:, :, k]
        )
        dcol[:, :, k] = (
            dtr_stage * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k] + correction_term
        )
        divided = 1.0 / (bcol - ccol[:, :, k - 1] * acol)
        ccol[:, :, k] = ccol[:, :, k] * divided
        dcol[:, :, k] = (dcol[:, :, k] - (dcol[:, :, k - 1]) * acol) * divided

    for k in range(K - 1, K):
        gav = -0.25 * (wcon[1:, :, k] + wcon[:-1, :, k])
        as_ = gav * BET_M
        acol = gav * BET_P
        bcol = dtr_stage - acol
        correction_term = -as_ * (u_stage[:, :, k - 1] - u_stage[:, :, k])
        dcol[:, :, k] = (
            dtr_stage * u_pos[:, :, k] + utens[:, :, k] + utens_stage[:, :, k] + correction_term
        )
        divided = 1.0 / (bcol - ccol[:, :, k - 1] * acol)
        dcol[:, :, k] = (dcol[:, :, k] - (dcol[:, :, k - 1]) * acol) * divided

    for k in range(K - 1, K - 2, -1):
        datacol = dcol[:, :, k]
        data_col[:] = datacol
        utens_stage[:, :, k] = dtr_stage * (datacol - u_pos[:, :, k])

    for k in range(K - 2, -1, -1):
        datacol = dcol[:, :, k] - ccol[:, :, k] * data_col[:, :]
        data_col[:] = datacol
        utens_stage[:, :, k] = dtr_stage * (datacol - u_pos[:, :, k])


def hdiff_columns(in_field, out_field, coeff):
    """Horizontal diffusion, one level at a time."""
    for k in range(in_field.shape[2]):
        a = in_field[:, :, k]
        lap = 4.0 * a[1:-1, 1:-1] - (a[2:, 1:-1] + a[:-2, 1:-1] + a[1:-1, 2:] + a[1:-1, :-2])
        flx = lap[1:, 1:-1] - lap[:-1, 1:-1]
        flx = np.where(flx * (a[2:-1, 2:-2] - a[1:-2, 2:-2]) > 0, 0, flx)
        fly = lap[1:-1, 1:] - lap[1:-1, :-1]
        fly = np.where(fly * (a[2:-2, 2:-1] - a[2:-2, 1:-2]) > 0, 0, fly)
        out_field[:, :, k] = a[2:-2, 2:-2] - coeff[:, :, k] * (
            flx[1:, :] - flx[:-1, :] + fly[:, 1:] - fly[:, :-1]
        )


def burgers_steps(u, nu, dt, dx, nt):
    """Ends joined by indices that wrap around."""
    nx = u.shape[0]
    for n in range(nt):
        un = u.copy()
        for i in range(1, nx - 1):
            u[i] = (
                un[i]
                - un[i] * dt / dx * (un[i] - un[i - 1])
                + nu * dt / dx**2 * (un[i + 1] - 2 * un[i] + un[i - 1])
            )
        u[0] = (
            un[0]
            - un[0] * dt / dx * (un[0] - un[-2])
            + nu * dt / dx**2 * (un[1] - 2 * un[0] + un[-2])
        )
        u[-1] = u[0]
    return u


def lattice_steps(f, omega, steps):
    """A lattice Boltzmann method with nine velocities."""
    cx = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
    cy = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
    weights = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
    for _ in range(steps):
        for i, x, y in zip(range(9), cx, cy):
            f[i] = np.roll(np.roll(f[i], x, axis=0), y, axis=1)
        rho = f.sum(axis=0)
        ux = np.tensordot(cx, f, axes=1) / rho
        uy = np.tensordot(cy, f, axes=1) / rho
        for i, x, y, w in zip(range(9), cx, cy, weights):
            cu = 3 * (x * ux + y * uy)
            equilibrium = rho * w * (1 + cu + 0.5 * cu**2 - 1.5 * (ux**2 + uy**2))
            f[i] += omega * (equilibrium - f[i])
    return rho, ux, uy


def weather(rng: np.random.Generator) -> tuple[Any, ...]:
    I, J, K = sizes(rng, 3, 3, 8)
    stage, u_stage, u_pos, utens = rng.normal(size=(4, I, J, K))
    return stage, u_stage, rng.normal(size=(I + 1, J, K)), u_pos, utens, 3.0 / 20.0


def diffusion(rng: np.random.Generator) -> tuple[Any, ...]:
    I, J, K = sizes(rng, 3, 3, 8)
    field, out, coefficients = (
        rng.normal(size=s) for s in ((I + 4, J + 4, K), (I, J, K), (I, J, K))
    )
    return field, out, coefficients


PROGRAMS = [
    Program(vadv, weather, rtol=1e-9, atol=1e-10),
    Program(hdiff_columns, diffusion),
    Program(burgers_steps, lambda rng: (rng.normal(size=sizes(rng, 1)), 0.07, 0.001, 0.1, 5)),
    Program(
        lattice_steps,
        lambda rng: (rng.uniform(0.5, 1.5, (9, *sizes(rng, 2))), 0.8, 3),
        layouts=("F",),
    ),
]
