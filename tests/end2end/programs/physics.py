"""Bodies, epidemics, particles: steps of simulations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def nbody_forces(pos, mass, G, softening):
    """All pairs by broadcasting over coordinate columns."""
    x, y, z = pos[:, 0:1], pos[:, 1:2], pos[:, 2:3]
    dx, dy, dz = x.T - x, y.T - y, z.T - z
    inv = dx**2 + dy**2 + dz**2 + softening**2
    inv[inv > 0] = inv[inv > 0] ** (-1.5)
    ax = G * (dx * inv) @ mass
    ay = G * (dy * inv) @ mass
    az = G * (dz * inv) @ mass
    return np.hstack((ax, ay, az))


def nbody_step(pos, vel, mass, dt):
    """Velocity Verlet in place."""
    acc = nbody_forces(pos, mass, 1.0, 0.1)
    vel += acc * dt / 2.0
    pos += vel * dt
    vel += nbody_forces(pos, mass, 1.0, 0.1) * dt / 2.0
    vel -= np.mean(mass * vel, 0) / np.mean(mass)
    kinetic = 0.5 * np.sum(np.sum(mass * vel**2))
    pair = np.triu(-(mass * mass.T) / np.sqrt(((pos[:, None] - pos) ** 2).sum(-1) + 0.01), 1)
    return kinetic, np.sum(pair)


def pair_loop(r, F):
    """Pairs of three bodies, by Python loops; the forces are opposite."""
    F[...] = 0.0
    energy = 0.0
    for i in range(3):
        for j in range(i + 1, 3):
            d = r[i] - r[j]
            r2 = d @ d
            f = d / (r2 * np.sqrt(r2))
            F[i] += f
            F[j] -= f
            energy += 1.0 / np.sqrt(r2)
    return energy


def lennard_jones(pos, box):
    delta = pos[:, None, :] - pos[None, :, :]
    delta -= box * np.round(delta / box)
    r2 = np.sum(delta**2, axis=-1)
    np.fill_diagonal(r2, np.inf)
    s6 = 1.0 / r2**3
    energy = 2.0 * np.sum(s6 * (s6 - 1.0))
    force = np.sum((48.0 * s6 * (s6 - 0.5) / r2)[:, :, None] * delta, axis=1)
    return energy, force


def rk4(f, y, t, dt, *args):
    k1 = f(y, t, *args)
    k2 = f(y + 0.5 * dt * k1, t + 0.5 * dt, *args)
    k3 = f(y + 0.5 * dt * k2, t + 0.5 * dt, *args)
    k4 = f(y + dt * k3, t + dt, *args)
    return y + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)


def sir_rates(y, t, beta, gamma):
    S, I, R = y
    infections = beta * S * I / (S + I + R)
    return np.array([-infections, infections - gamma * I, gamma * I])


def sir(y, beta, gamma, dt):
    """A few steps of an epidemic, its course in rows."""
    course = np.empty((4, 3))
    course[0] = y
    for n in range(3):
        course[n + 1] = rk4(sir_rates, course[n], n * dt, dt, beta, gamma)
    return course, course[:, 1].argmax()


def lorenz(state, dt):
    def rates(s, t):
        out = np.empty_like(s)
        out[0] = 10.0 * (s[1] - s[0])
        out[1] = s[0] * (28.0 - s[2]) - s[1]
        out[2] = s[0] * s[1] - 8.0 / 3.0 * s[2]
        return out

    state[:] = rk4(rates, state, 0.0, dt)
    return state


def pendulum(theta, omega, dt, n):
    """Symplectic Euler; the trajectory is collected in a list."""
    trajectory = []
    for _ in range(4):
        omega = omega - dt * np.sin(theta)
        theta = theta + dt * omega
        trajectory.append(theta)
    return np.array(trajectory), np.stack([theta, omega])


def ising_half_step(spins, uniform, beta):
    """Metropolis on the black cells of a checkerboard."""
    neighbours = (
        np.roll(spins, 1, 0) + np.roll(spins, -1, 0) + np.roll(spins, 1, 1) + np.roll(spins, -1, 1)
    )
    cost = 2 * spins * neighbours
    i, j = np.indices(spins.shape)
    accept = ((i + j) % 2 == 0) & (uniform < np.exp(-beta * cost))
    spins[accept] *= -1
    return spins.sum(), accept.sum()


def deposit(charge, x, weight):
    """Particles to a grid, linearly; several hit the same cell."""
    n = charge.shape[0]
    left = np.floor(x).astype(int)
    share = x - left
    np.add.at(charge, left % n, weight * (1 - share))
    np.add.at(charge, (left + 1) % n, weight * share)
    return charge.sum()


def reflect(pos, vel, length):
    """Walls: what left the box is mirrored back."""
    low, high = pos < 0, pos > length
    pos[low] = -pos[low]
    pos[high] = 2 * length - pos[high]
    vel[low | high] *= -1


def random_walk(rng, walkers):
    steps = rng.choice([-1, 1], size=(walkers, 20))
    paths = np.zeros((walkers, 21), dtype=int)
    np.cumsum(steps, axis=1, out=paths[:, 1:])
    return paths.max(axis=1), (paths == 0).sum(axis=1)


def crank_nicolson(u, r):
    n = len(u)
    A = np.diag((1 + r) * np.ones(n)) - np.diag(r / 2 * np.ones(n - 1), 1)
    A -= np.diag(r / 2 * np.ones(n - 1), -1)
    rhs = (1 - r) * u
    rhs[1:] += r / 2 * u[:-1]
    rhs[:-1] += r / 2 * u[1:]
    A[0, :] = 0
    A[0, 0] = 1
    A[-1] = 0
    A[-1, -1] = 1
    rhs[[0, -1]] = 0
    u[:] = np.linalg.solve(A, rhs)


def rotate(points, axis, angle):
    """Rodrigues' formula."""
    axis = axis / np.linalg.norm(axis)
    c, s = np.cos(angle), np.sin(angle)
    return points * c + np.cross(axis, points) * s + np.outer(points @ axis, axis) * (1 - c)


def rotation_matrix(a):
    c, s = np.cos(a), np.sin(a)
    R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return R @ R.T, np.linalg.det(R)


def binomial_option(S, K, rate, sigma, T):
    """An American put by going back through a tree, in place."""
    n = 6
    dt = T / n
    u = np.exp(sigma * np.sqrt(dt))
    d = 1 / u
    p = (np.exp(rate * dt) - d) / (u - d)
    prices = S * d ** np.arange(n, -1, -1) * u ** np.arange(0, n + 1)
    values = np.maximum(K - prices, 0)
    for _ in range(n):
        values[:-1] = np.exp(-rate * dt) * (p * values[1:] + (1 - p) * values[:-1])
        values = values[:-1]
        prices = prices[:-1] * u
        values = np.maximum(values, K - prices)
    return values[0]


def sieve(limit):
    prime = np.ones(60, dtype=bool)
    prime[:2] = False
    for n in range(2, 8):
        if n * n < 60:
            prime[n * n :: n] = False
    return np.flatnonzero(prime), prime[limit]


def floyd_warshall(D):
    for k in range(4):
        D[:] = np.minimum(D, D[:, k, None] + D[None, k, :])


def page_rank(links, rank, damping):
    out = links.sum(axis=0)
    out[out == 0] = 1
    M = links / out
    for _ in range(5):
        rank = (1 - damping) / len(rank) + damping * (M @ rank)
    return rank / rank.sum()


def edit_distance_row(previous, cost):
    """One row of the table of edit distances."""
    row = np.empty_like(previous)
    row[0] = previous[0] + 1
    for j in range(1, len(previous)):
        row[j] = min(row[j - 1] + 1, previous[j] + 1, previous[j - 1] + cost[j - 1])
    return row


def bodies(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return *rng.normal(size=(2, n, 3)), rng.uniform(0.5, 1.5, (n, 1)), 0.01


def force_arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    pos, _, mass, _ = bodies(rng)
    return pos, mass, 1.0, 0.1


def box(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    corners = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), -1).reshape(-1, 3)[:n]
    return 1.2 * corners + rng.uniform(-0.1, 0.1, corners.shape), 6.0


def magnet(rng: np.random.Generator) -> tuple[Any, ...]:
    shape = sizes(rng, 2)
    return rng.choice([-1, 1], shape), rng.random(shape), 0.4


def particles(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return np.zeros(n), rng.uniform(0, n, 3 * m), rng.normal(size=3 * m)


def graph(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1)
    return (rng.random((n, n)) < 0.4).astype(float), np.full(n, 1 / n), 0.85


PROGRAMS = [
    Program(nbody_forces, force_arguments),
    Program(nbody_step, bodies, rtol=1e-10),
    Program(pair_loop, lambda rng: tuple(rng.normal(size=(2, 3, 3)))),
    Program(lennard_jones, box, rtol=1e-8, atol=1e-9),
    Program(sir, lambda rng: (rng.uniform(1, 100, 3), 0.4, 0.1, 0.5)),
    Program(lorenz, lambda rng: (rng.normal(size=3), 0.01)),
    Program(pendulum, lambda rng: (*rng.normal(size=(2, *sizes(rng, 1))), 0.1, 4)),
    Program(ising_half_step, magnet),
    Program(deposit, particles),
    Program(reflect, lambda rng: (*rng.normal(size=(2, *sizes(rng, 2))), 1.0)),
    Program(random_walk, lambda rng: (np.random.default_rng(11), 15)),
    Program(crank_nicolson, lambda rng: (rng.normal(size=sizes(rng, 1)), 0.4)),
    Program(rotate, lambda rng: (rng.normal(size=(*sizes(rng, 1), 3)), rng.normal(size=3), 0.7)),
    Program(rotation_matrix, lambda rng: (float(rng.normal()),)),
    Program(binomial_option, lambda rng: (100.0, 105.0, 0.03, 0.2, 1.0)),
    Program(sieve, lambda rng: (int(rng.integers(2, 50)),)),
    Program(floyd_warshall, lambda rng: (rng.random(sizes(rng, 1) * 2),)),
    Program(page_rank, graph),
    Program(edit_distance_row, lambda rng: (np.arange(8), rng.integers(0, 2, 7))),
]
