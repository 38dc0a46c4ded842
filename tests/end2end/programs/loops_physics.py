"""Bodies and equations of motion: loops over steps, over pairs, over cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def getAcc(pos, mass, G, softening):
    """Acceleration of each particle by all others (Mocz)."""
    x = pos[:, 0:1]
    y = pos[:, 1:2]
    z = pos[:, 2:3]
    dx = x.T - x
    dy = y.T - y
    dz = z.T - z
    inv_r3 = dx**2 + dy**2 + dz**2 + softening**2
    inv_r3[inv_r3 > 0] = inv_r3[inv_r3 > 0] ** (-1.5)
    ax = G * (dx * inv_r3) @ mass
    ay = G * (dy * inv_r3) @ mass
    az = G * (dz * inv_r3) @ mass
    a = np.hstack((ax, ay, az))
    return a


def getEnergy(pos, vel, mass, G):
    KE = 0.5 * np.sum(mass * vel**2)
    x = pos[:, 0:1]
    y = pos[:, 1:2]
    z = pos[:, 2:3]
    dx = x.T - x
    dy = y.T - y
    dz = z.T - z
    inv_r = np.sqrt(dx**2 + dy**2 + dz**2)
    inv_r[inv_r > 0] = 1.0 / inv_r[inv_r > 0]
    PE = G * np.sum(np.triu(-(mass * mass.T) * inv_r, 1))
    return KE, PE


def nbody(mass, pos, vel, N, Nt, dt, G, softening):
    vel -= np.mean(mass * vel, axis=0) / np.mean(mass)
    acc = getAcc(pos, mass, G, softening)
    KE = np.ndarray(Nt + 1, dtype=np.float64)
    PE = np.ndarray(Nt + 1, dtype=np.float64)
    KE[0], PE[0] = getEnergy(pos, vel, mass, G)
    t = 0.0
    for i in range(Nt):
        vel += acc * dt / 2.0
        pos += vel * dt
        acc = getAcc(pos, mass, G, softening)
        vel += acc * dt / 2.0
        t += dt
        KE[i + 1], PE[i + 1] = getEnergy(pos, vel, mass, G)
    return KE, PE


def nbody_pairs(x, v, m, dt, steps):
    n = len(m)
    for _ in range(steps):
        for i in range(n):
            for j in range(i + 1, n):
                d = x[i] - x[j]
                r2 = np.dot(d, d) + 0.01
                magnitude = dt / (r2 * np.sqrt(r2))
                v[i] -= d * m[j] * magnitude
                v[j] += d * m[i] * magnitude
        for i in range(n):
            x[i] += dt * v[i]


def nbody_numbers(x, v, m, dt):
    """The forces, component by component in local names."""
    n = x.shape[0]
    for i in range(n):
        fx = fy = fz = 0.0
        for j in range(n):
            if i != j:
                dx = x[j, 0] - x[i, 0]
                dy = x[j, 1] - x[i, 1]
                dz = x[j, 2] - x[i, 2]
                inv = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz + 0.01)
                f = m[j] * inv * inv * inv
                fx += f * dx
                fy += f * dy
                fz += f * dz
        v[i, 0] += dt * fx
        v[i, 1] += dt * fy
        v[i, 2] += dt * fz
    x += dt * v


def lennard_jones_pairs(x, box, cutoff):
    """Energy and forces in a periodic box; pairs that are far apart are skipped."""
    n, dim = x.shape
    forces = np.zeros_like(x)
    energy = 0.0
    pairs = 0
    for i in range(n - 1):
        for j in range(i + 1, n):
            d = x[i] - x[j]
            d -= box * np.round(d / box)
            r2 = np.sum(d * d)
            if r2 > cutoff**2:
                continue
            s6 = 1.0 / (r2 + 0.1) ** 3
            energy += 4.0 * s6 * (s6 - 1.0)
            f = 24.0 * s6 * (2.0 * s6 - 1.0) / (r2 + 0.1) * d
            forces[i] += f
            forces[j] -= f
            pairs += 1
    return energy, forces, pairs


def lorenz_step(state, sigma, rho, beta):
    x, y, z = state
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz_path(state, dt, steps):
    path = np.empty((steps + 1, 3))
    path[0] = state
    for i in range(steps):
        path[i + 1] = path[i] + dt * lorenz_step(path[i], 10.0, 28.0, 8.0 / 3.0)
    return path


def lorenz_numbers(x, y, z, dt, steps):
    xs = np.zeros(steps)
    for i in range(steps):
        dx = 10.0 * (y - x)
        dy = x * (28.0 - z) - y
        dz = x * y - 2.667 * z
        x, y, z = x + dx * dt, y + dy * dt, z + dz * dt
        xs[i] = x
    return xs, y, z


def pendulum(t, y):
    return np.array([y[1], -0.25 * y[1] - 5.0 * np.sin(y[0])])


def rk4(f, y0, t):
    n = len(t)
    y = np.zeros((n, len(y0)))
    y[0] = y0
    for i in range(n - 1):
        h = t[i + 1] - t[i]
        k1 = f(t[i], y[i])
        k2 = f(t[i] + h / 2.0, y[i] + k1 * h / 2.0)
        k3 = f(t[i] + h / 2.0, y[i] + k2 * h / 2.0)
        k4 = f(t[i] + h, y[i] + k3 * h)
        y[i + 1] = y[i] + (h / 6.0) * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def rk4_pendulum(y0, t):
    return rk4(pendulum, y0, t)


def rk4_number(y, t, h, end):
    """Growth with a limit; steps until the end of time."""
    steps = 0
    while t < end:
        k1 = y * (1 - y)
        k2 = (y + h * k1 / 2) * (1 - (y + h * k1 / 2))
        k3 = (y + h * k2 / 2) * (1 - (y + h * k2 / 2))
        k4 = (y + h * k3) * (1 - (y + h * k3))
        y += h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
        t += h
        steps += 1
    return y, t, steps


def adaptive_steps(y, t, end, tolerance):
    """Heun's method against Euler's: a step is taken again when the error is too large."""
    h = 0.1
    taken = rejected = 0
    while t < end:
        if t + h > end:
            h = end - t
        k1 = -2.0 * y + np.sin(t)
        k2 = -2.0 * (y + h * k1) + np.sin(t + h)
        error = np.abs(h * (k2 - k1) / 2)
        if error > tolerance:
            h = h / 2
            rejected += 1
            continue
        y = y + h * (k1 + k2) / 2
        t = t + h
        taken += 1
        if error < tolerance / 10:
            h = h * 2
    return y, taken, rejected


def leapfrog_spring(x, v, k, dt, steps):
    energy = np.zeros(steps)
    for n in range(steps):
        v = v - 0.5 * dt * k * x
        x = x + dt * v
        v = v - 0.5 * dt * k * x
        energy[n] = 0.5 * np.sum(v**2 + k * x**2)
    return x, v, energy


def predator_prey(x, y, dt, steps):
    history = []
    for _ in range(5):
        x, y = x + dt * (x - x * y), y + dt * (x * y - y)
        history.append(x)
    for _ in range(steps):
        x, y = x + dt * (x - x * y), y + dt * (x * y - y)
    return np.array(history), x, y


def ising_sweep(spins, uniform, beta):
    n, m = spins.shape
    for i in range(n):
        for j in range(m):
            s = spins[i, j]
            around = (
                spins[(i + 1) % n, j] + spins[i - 1, j] + spins[i, (j + 1) % m] + spins[i, j - 1]
            )
            cost = 2 * s * around
            if cost < 0:
                s *= -1
            elif uniform[i, j] < np.exp(-cost * beta):
                s *= -1
            spins[i, j] = s
    return spins.sum()


def ring_walk(steps, size):
    """Where a walker on a ring was; steps are -1 or 1."""
    visits = np.zeros(size, dtype=int)
    at = size // 2
    for s in steps:
        at = (at + s) % size
        visits[at] += 1
    return visits, at


def heat_until_steady(T, alpha, tolerance):
    count = 0
    while True:
        new = T.copy()
        for i in range(1, T.shape[0] - 1):
            new[i] = T[i] + alpha * (T[i + 1] - 2 * T[i] + T[i - 1])
        difference = np.abs(new - T).max()
        T[:] = new
        count += 1
        if difference < tolerance:
            break
    return count


def crank_nicolson_steps(u, r, steps):
    """Thomas' algorithm inside a loop over time."""
    n = u.shape[0]
    for _ in range(steps):
        d = u.copy()
        d[1:-1] = 0.5 * r * u[:-2] + (1 - r) * u[1:-1] + 0.5 * r * u[2:]
        c = np.zeros(n)
        for i in range(1, n - 1):
            m = 1 + r + 0.5 * r * c[i - 1]
            c[i] = -0.5 * r / m
            d[i] = (d[i] + 0.5 * r * d[i - 1]) / m
        for i in range(n - 2, 0, -1):
            d[i] = d[i] - c[i] * d[i + 1]
        u = d
    return u


def euler_bernoulli(times, force):
    """A mass on a spring under a force that is looked up by time."""
    x = v = 0.0
    positions = np.zeros_like(times)
    for i, t in enumerate(times[1:], start=1):
        dt = t - times[i - 1]
        a = force[i] - 4.0 * x - 0.3 * v
        v += a * dt
        x += v * dt
        positions[i] = x
    return positions


def particles(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1, 3, 8)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), rng.uniform(0.5, 2, n)


def galaxy(rng: np.random.Generator) -> tuple[Any, ...]:
    pos, vel, mass = particles(rng)
    return mass[:, None].copy(), pos, vel, len(mass), int(rng.integers(2, 8)), 0.01, 1.0, 0.1


def rod(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.uniform(0, 1, sizes(rng, 1)),)


def times_(rng: np.random.Generator) -> tuple[Any, ...]:
    return (np.cumsum(rng.uniform(0.01, 0.1, sizes(rng, 1, 5, 20))),)


def some(rng: np.random.Generator) -> int:
    return int(rng.integers(1, 20))


PROGRAMS = [
    Program(nbody, galaxy, rtol=1e-9),
    Program(nbody_pairs, lambda rng: (*particles(rng), 0.01, 4)),
    Program(nbody_numbers, lambda rng: (*particles(rng), 0.01)),
    Program(
        lennard_jones_pairs, lambda rng: (rng.uniform(0, 4, (sizes(rng, 1)[0], 3)), 4.0, 1.5), 1e-10
    ),
    Program(lorenz_path, lambda rng: (rng.normal(size=3), 0.01, some(rng)), rtol=1e-9),
    Program(lorenz_numbers, lambda rng: (*rng.normal(size=3).tolist(), 0.01, some(rng)), rtol=1e-9),
    Program(rk4_pendulum, lambda rng: (rng.normal(size=2), *times_(rng)), rtol=1e-9),
    Program(rk4_number, lambda rng: (rng.random(), 0.0, 0.1, rng.random() + 0.5), layouts=()),
    Program(adaptive_steps, lambda rng: (rng.random(), 0.0, 1.0, 1e-3), rtol=1e-9, layouts=()),
    Program(
        leapfrog_spring, lambda rng: (*rng.normal(size=(2, *sizes(rng, 1))), 2.0, 0.1, some(rng))
    ),
    Program(predator_prey, lambda rng: (1.5, 0.7, 0.01, some(rng)), layouts=()),
    Program(
        ising_sweep,
        lambda rng: (2 * rng.integers(0, 2, (5, 6)) - 1, rng.random((5, 6)), 0.4),
    ),
    Program(ring_walk, lambda rng: (2 * rng.integers(0, 2, sizes(rng, 1)) - 1, 7)),
    Program(heat_until_steady, lambda rng: (*rod(rng), 0.25, 1e-3)),
    Program(crank_nicolson_steps, lambda rng: (*rod(rng), 0.3, some(rng))),
    Program(euler_bernoulli, lambda rng: (t := times_(rng)[0], np.sin(3 * t))),
]
