"""Fluids: incompressible flow in a cavity and in a periodic channel, shallow water."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def burgers(u, nu, dt, dx):
    """Periodic in x by wrapping the ends around by hand."""
    un = u.copy()
    u[1:-1] = (
        un[1:-1]
        - un[1:-1] * dt / dx * (un[1:-1] - un[:-2])
        + nu * dt / dx**2 * (un[2:] - 2 * un[1:-1] + un[:-2])
    )
    u[0] = (
        un[0] - un[0] * dt / dx * (un[0] - un[-2]) + nu * dt / dx**2 * (un[1] - 2 * un[0] + un[-2])
    )
    u[-1] = u[0]


def source_term(b, rho, dt, u, v, dx, dy):
    b[1:-1, 1:-1] = rho * (
        1 / dt * ((u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx) + (v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dy))
        - ((u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx)) ** 2
        - 2 * (u[2:, 1:-1] - u[:-2, 1:-1]) / (2 * dy) * (v[1:-1, 2:] - v[1:-1, :-2]) / (2 * dx)
        - ((v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dy)) ** 2
    )
    return b


def pressure_sweeps(p, dx, dy, b, nit):
    pn = np.empty_like(p)
    for _ in range(nit):
        pn = p.copy()
        p[1:-1, 1:-1] = (
            (pn[1:-1, 2:] + pn[1:-1, :-2]) * dy**2 + (pn[2:, 1:-1] + pn[:-2, 1:-1]) * dx**2
        ) / (2 * (dx**2 + dy**2)) - dx**2 * dy**2 / (2 * (dx**2 + dy**2)) * b[1:-1, 1:-1]
        p[:, -1] = p[:, -2]
        p[0, :] = p[1, :]
        p[:, 0] = p[:, 1]
        p[-1, :] = 0
    return p


def cavity(u, v, p, dt, dx, dy, rho, nu):
    """One step of the flow under a moving lid."""
    b = np.zeros_like(p)
    un, vn = u.copy(), v.copy()
    b = source_term(b, rho, dt, u, v, dx, dy)
    p = pressure_sweeps(p, dx, dy, b, 4)
    u[1:-1, 1:-1] = (
        un[1:-1, 1:-1]
        - un[1:-1, 1:-1] * dt / dx * (un[1:-1, 1:-1] - un[1:-1, :-2])
        - vn[1:-1, 1:-1] * dt / dy * (un[1:-1, 1:-1] - un[:-2, 1:-1])
        - dt / (2 * rho * dx) * (p[1:-1, 2:] - p[1:-1, :-2])
        + nu * dt / dx**2 * (un[1:-1, 2:] - 2 * un[1:-1, 1:-1] + un[1:-1, :-2])
        + nu * dt / dy**2 * (un[2:, 1:-1] - 2 * un[1:-1, 1:-1] + un[:-2, 1:-1])
    )
    v[1:-1, 1:-1] = (
        vn[1:-1, 1:-1]
        - un[1:-1, 1:-1] * dt / dx * (vn[1:-1, 1:-1] - vn[1:-1, :-2])
        - vn[1:-1, 1:-1] * dt / dy * (vn[1:-1, 1:-1] - vn[:-2, 1:-1])
        - dt / (2 * rho * dy) * (p[2:, 1:-1] - p[:-2, 1:-1])
        + nu * dt / dx**2 * (vn[1:-1, 2:] - 2 * vn[1:-1, 1:-1] + vn[1:-1, :-2])
        + nu * dt / dy**2 * (vn[2:, 1:-1] - 2 * vn[1:-1, 1:-1] + vn[:-2, 1:-1])
    )
    u[0, :] = u[:, 0] = u[:, -1] = 0
    u[-1, :] = 1
    v[0, :] = v[-1, :] = v[:, 0] = v[:, -1] = 0
    return u, v, p


def periodic_pressure(p, b, dx, dy, nit=3):
    for _ in range(nit):
        pn = p.copy()
        scale = 2 * (dx**2 + dy**2)
        p[1:-1, 1:-1] = (
            (pn[1:-1, 2:] + pn[1:-1, :-2]) * dy**2 + (pn[2:, 1:-1] + pn[:-2, 1:-1]) * dx**2
        ) / scale - dx**2 * dy**2 / scale * b[1:-1, 1:-1]
        p[1:-1, -1] = (
            (pn[1:-1, 0] + pn[1:-1, -2]) * dy**2 + (pn[2:, -1] + pn[:-2, -1]) * dx**2
        ) / scale - dx**2 * dy**2 / scale * b[1:-1, -1]
        p[1:-1, 0] = (
            (pn[1:-1, 1] + pn[1:-1, -1]) * dy**2 + (pn[2:, 0] + pn[:-2, 0]) * dx**2
        ) / scale - dx**2 * dy**2 / scale * b[1:-1, 0]
        p[-1, :] = p[-2, :]
        p[0, :] = p[1, :]
    return p


def momentum(w, un, vn, pressure, columns, west, east, dt, dx, dy, nu, force):
    """New values of the velocity `w` in the given columns, whose neighbours wrap around."""
    here = w[1:-1, columns]
    return (
        here
        - un[1:-1, columns] * dt / dx * (here - w[1:-1, west])
        - vn[1:-1, columns] * dt / dy * (here - w[:-2, columns])
        - pressure
        + nu * dt / dx**2 * (w[1:-1, east] - 2 * here + w[1:-1, west])
        + nu * dt / dy**2 * (w[2:, columns] - 2 * here + w[:-2, columns])
        + force * dt
    )


def channel(u, v, p, b, dt, dx, dy, rho, nu, F):
    """A channel whose ends are joined; the share by which u changed is returned."""
    un, vn = u.copy(), v.copy()
    inner = (slice(1, -1), slice(None, -2), slice(2, None))
    p = periodic_pressure(p, b, dx, dy)
    for columns, west, east in (inner, (-1, -2, 0), (0, -1, 1)):
        across = dt / (2 * rho * dx) * (p[1:-1, east] - p[1:-1, west])
        along = dt / (2 * rho * dy) * (p[2:, columns] - p[:-2, columns])
        u[1:-1, columns] = momentum(un, un, vn, across, columns, west, east, dt, dx, dy, nu, F)
        v[1:-1, columns] = momentum(vn, un, vn, along, columns, west, east, dt, dx, dy, nu, 0.0)
    u[0, :] = 0
    u[-1, :] = 0
    v[0, :] = 0
    v[-1, :] = 0
    return (np.sum(u) - np.sum(un)) / np.sum(u)


def shallow_water(h, u, v, dt, dx, g):
    """Centred in space, the neighbours by np.roll."""

    def ddx(a):
        return (np.roll(a, -1, axis=0) - np.roll(a, 1, axis=0)) / (2 * dx)

    def ddy(a):
        return (np.roll(a, -1, axis=1) - np.roll(a, 1, axis=1)) / (2 * dx)

    du = -dt * (u * ddx(u) + v * ddy(u) + g * ddx(h))
    dv = -dt * (u * ddx(v) + v * ddy(v) + g * ddy(h))
    dh = -dt * (ddx(u * h) + ddy(v * h))
    h += dh
    u += du
    v += dv
    energy = 0.5 * (h * (u**2 + v**2) + g * h**2)
    return {"energy": energy.sum(), "deepest": h.max(), "mass": h.mean()}


WEIGHTS = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
OPPOSITE = [0, 3, 4, 1, 2, 7, 8, 5, 6]


def lattice_boltzmann(f, barrier, omega):
    """Streaming by rolls, bounce-back by a mask, collision towards equilibrium."""
    cx = (0, 1, 0, -1, 0, 1, -1, -1, 1)
    cy = (0, 0, 1, 0, -1, 1, 1, -1, -1)
    for i in range(9):
        f[i] = np.roll(f[i], (cx[i], cy[i]), axis=(0, 1))
    bounced = f[:, barrier]
    bounced = bounced[OPPOSITE, :]
    rho = f.sum(axis=0)
    ux = (f[1] + f[5] + f[8] - f[3] - f[6] - f[7]) / rho
    uy = (f[2] + f[5] + f[6] - f[4] - f[7] - f[8]) / rho
    square = 1.5 * (ux**2 + uy**2)
    for i in range(9):
        cu = 3 * (cx[i] * ux + cy[i] * uy)
        f[i] += omega * (WEIGHTS[i] * rho * (1 + cu + 0.5 * cu**2 - square) - f[i])
    f[:, barrier] = bounced
    return ux, uy


def grids(count: int, *scalars: float) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return (*rng.normal(size=(count, *sizes(rng, 2))), *scalars)

    return make


def line(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=sizes(rng, 1, 5, 30)), 0.07, 0.001, 0.1


def water(rng: np.random.Generator) -> tuple[Any, ...]:
    shape = sizes(rng, 2)
    return rng.uniform(1, 2, shape), *rng.normal(size=(2, *shape)), 0.01, 1.0, 9.81


def sources(rng: np.random.Generator) -> tuple[Any, ...]:
    b, u, v = rng.normal(size=(3, *sizes(rng, 2)))
    return b, 1.0, 0.001, u, v, 0.1, 0.2


def lattice(rng: np.random.Generator) -> tuple[Any, ...]:
    shape = sizes(rng, 2)
    return rng.uniform(0.5, 1.5, (9, *shape)), rng.random(shape) < 0.2, 0.8


PROGRAMS = [
    Program(burgers, line),
    Program(source_term, sources, atol=1e-10),
    Program(cavity, grids(3, 0.001, 0.1, 0.1, 1.0, 0.1), atol=1e-11),
    Program(periodic_pressure, grids(2, 0.1, 0.2)),
    Program(channel, grids(4, 0.001, 0.1, 0.1, 1.0, 0.1, 1.0), rtol=1e-10),
    Program(shallow_water, water),
    Program(lattice_boltzmann, lattice),
]
