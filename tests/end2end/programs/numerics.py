"""Kernels of numerical codes and of benchmark collections."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def gemver(A, u1, v1, u2, v2, y, z, alpha, beta):
    A += np.outer(u1, v1) + np.outer(u2, v2)
    x = beta * y @ A + z
    w = alpha * A @ x
    return x, w


def doitgen(A, C4):
    A[:] = np.reshape(np.reshape(A, (-1, A.shape[2])) @ C4, A.shape)


def covariance(data):
    data -= np.mean(data, axis=0)
    cov = np.zeros((4, 4))
    for i in range(4):
        cov[i:, i] = cov[i, i:] = data[:, i] @ data[:, i:] / (data.shape[0] - 1.0)
    return cov


def correlation(data):
    mean = np.mean(data, axis=0)
    deviation = np.std(data, axis=0)
    deviation[deviation <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(data.shape[0]) * deviation
    corr = np.eye(4)
    for i in range(3):
        corr[i + 1 :, i] = corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
    return corr


def radial_average(data, radius):
    """Mean of the data in each ring, by masks."""
    edge = radius.max()
    out = np.zeros(4)
    for i in range(4):
        low, high = edge * i / 4, edge * (i + 1) / 4
        ring = np.logical_and(low <= radius, radius < high)
        out[i] = data[ring].mean()
    return out


def radial_histogram(data, radius):
    weighted = np.histogram(radius, 4, weights=data)[0]
    return weighted / np.histogram(radius, 4)[0]


def trace_of_tanh(A):
    trace = 0.0
    for i in range(A.shape[0]):
        trace += np.tanh(A[i, i])
    return A + trace


def mandelbrot_shrinking(xmin, xmax, ymin, ymax):
    """Points that escaped are taken out of the arrays, step by step."""
    Xi, Yi = np.mgrid[0:12, 0:9]
    X = np.linspace(xmin, xmax, 12)[Xi]
    Y = np.linspace(ymin, ymax, 9)[Yi]
    C = X + Y * 1j
    N = np.zeros(C.shape, dtype=np.int64)
    Xi, Yi, C = Xi.ravel(), Yi.ravel(), C.ravel()
    Z = np.zeros(C.shape, np.complex128)
    for i in range(3):
        np.multiply(Z, Z, Z)
        np.add(Z, C, Z)
        gone = abs(Z) > 2.0
        N[Xi[gone], Yi[gone]] = i + 1
        stay = np.logical_not(gone)
        Z, Xi, Yi, C = Z[stay], Xi[stay], Yi[stay], C[stay]
    return N, Z


def convolution_layer(image, weights, bias):
    """A layer of a network: batch, height, width, channels."""
    n = weights.shape[0]
    h, w = image.shape[1] - n + 1, image.shape[2] - n + 1
    out = np.empty((image.shape[0], h, w, weights.shape[3]))
    for i in range(3):
        for j in range(3):
            out[:, i, j, :] = np.sum(
                image[:, i : i + n, j : j + n, :, None] * weights[None], axis=(1, 2, 3)
            )
    out[:, 3:] = 0.0
    out[:, :, 3:] = 0.0
    out += bias
    return np.maximum(out, 0.0)


def vertical_advection(u, w, dtr):
    """Implicit along the third axis: a tridiagonal system at each point, solved in place."""
    c, d = np.zeros_like(u), np.zeros_like(u)
    gcv = 0.25 * (w[1:, :, 1:2] + w[:-1, :, 1:2])
    cs = gcv * 0.3
    c[:, :, 0:1] = gcv * 0.7 / (dtr - gcv)
    d[:, :, 0:1] = (dtr * u[:, :, 0:1] - cs * (u[:, :, 1:2] - u[:, :, 0:1])) / (dtr - gcv)
    for k in range(1, 4):
        a = -0.25 * (w[1:, :, k] + w[:-1, :, k])
        b = dtr - a * c[:, :, k - 1]
        c[:, :, k] = 0.1 / b
        d[:, :, k] = (dtr * u[:, :, k] - a * d[:, :, k - 1]) / b
    u[:, :, 3] = d[:, :, 3]
    for k in range(2, -1, -1):
        u[:, :, k] = d[:, :, k] - c[:, :, k] * u[:, :, k + 1]
    return c


def turbulence(tke, mask, kbot, K_diss, dz, dt):
    """Implicit vertical mixing between a bottom that varies and the surface."""
    ks = kbot - 1
    land = ks >= 0
    levels = np.arange(tke.shape[2])[None, None, :]
    edge = land[:, :, None] & (levels == ks[:, :, None])
    water = land[:, :, None] & (levels >= ks[:, :, None])
    sqrttke = np.sqrt(np.maximum(0.0, tke[:, :, :, 0]))
    a, b = np.zeros_like(K_diss), np.zeros_like(K_diss)
    delta = np.zeros_like(K_diss)
    delta[:, :, :-1] = dt / dz[None, None, 1:] * 0.5 * (K_diss[:, :, :-1] + K_diss[:, :, 1:])
    a[:, :, 1:-1] = -delta[:, :, :-2] / dz[None, None, 1:-1]
    a[:, :, -1] = -delta[:, :, -2] / (0.5 * dz[-1])
    b[:, :, 1:-1] = 1 + (delta[:, :, 1:-1] + delta[:, :, :-2]) / dz[None, None, 1:-1]
    b[:, :, -1] = 1 + delta[:, :, -2] / (0.5 * dz[-1:])
    b += dt * 0.7 * sqrttke
    edge_b = 1 + delta / dz[None, None, :] + dt * 0.7 * sqrttke
    a = np.where(edge, 0.0, a) * water
    b = np.where(water, np.where(edge, edge_b, b), 1.0)
    tke[:, :, :, 1] = np.where(water, (tke[:, :, :, 0] - a) / b, tke[:, :, :, 1])
    surface = np.zeros_like(mask)
    negative = tke[2:-2, 2:-2, -1, 1] < 0.0
    surface[2:-2, 2:-2] = np.where(negative, -tke[2:-2, 2:-2, -1, 1] * 0.5 * dz[-1], 0.0)
    tke[2:-2, 2:-2, -1, 1] = np.maximum(0.0, tke[2:-2, 2:-2, -1, 1])
    return surface * mask


def recursive_filter(image, y, a1, a2, b1):
    """A causal filter along the columns, one column after the other."""
    y[:, 0] = a1 * image[:, 0]
    y[:, 1] = a1 * image[:, 1] + a2 * image[:, 0] + b1 * y[:, 0]
    for j in range(2, image.shape[1]):
        y[:, j] = a1 * image[:, j] + a2 * image[:, j - 1] + b1 * y[:, j - 1]


def self_energies(G, D, neighbours):
    """Contraction over neighbours in a table."""
    sigma = np.zeros_like(G)
    for a in range(3):
        for i in range(2):
            f = neighbours[a, i]
            sigma[:, a] += (G[:, f] @ D[:, a, i][:, None, :, :])[:, 0]
    return sigma


def gaussian_mixture(x, means, variances, weights):
    """Expectation and maximization of a mixture."""
    d2 = (x[:, None] - means) ** 2
    log_p = -0.5 * (d2 / variances + np.log(2 * np.pi * variances)) + np.log(weights)
    top = log_p.max(axis=1, keepdims=True)
    norm = top + np.log(np.exp(log_p - top).sum(axis=1, keepdims=True))
    r = np.exp(log_p - norm)
    n = r.sum(axis=0)
    means[:] = (r * x[:, None]).sum(axis=0) / n
    variances[:] = (r * (x[:, None] - means) ** 2).sum(axis=0) / n + 1e-6
    weights[:] = n / len(x)
    return norm.sum()


def hidden_markov(start, transition, emission, observed):
    """Forward probabilities with scaling."""
    alpha = np.zeros((5, start.shape[0]))
    scale = np.zeros(5)
    alpha[0] = start * emission[:, observed[0]]
    for t in range(5):
        if t > 0:
            alpha[t] = (alpha[t - 1] @ transition) * emission[:, observed[t]]
        scale[t] = alpha[t].sum()
        alpha[t] /= scale[t]
    return alpha, np.log(scale).sum()


def finite_elements(nodes, k):
    """A stiffness matrix assembled from element matrices."""
    n = len(nodes)
    h = np.diff(nodes)
    K = np.zeros((n, n))
    i = np.arange(n - 1)
    for a in range(2):
        for b in range(2):
            np.add.at(K, (i + a, i + b), (1 if a == b else -1) * k / h)
    K[0, :] = K[-1, :] = 0
    K[0, 0] = K[-1, -1] = 1
    return K


def trapezoids(f, a, b):
    x = np.linspace(a, b, 21)
    y = f(x)
    simpson = (b - a) / 60 * (y[0] + 4 * y[1:-1:2].sum() + 2 * y[2:-2:2].sum() + y[-1])
    return np.trapezoid(y, x), simpson


def integrate_sine(a, b):
    return trapezoids(lambda x: np.sin(x) * np.exp(-x), a, b)


def newton_roots(x, steps=4):
    for _ in range(steps):
        x = x - (x**3 - 2 * x - 5) / (3 * x**2 - 2)
    return x, np.polyval([1, 0, -2, -5], x)


def lagrange(xs, ys, x):
    total = np.zeros_like(x)
    for i in range(4):
        basis = np.ones_like(x)
        for j in range(4):
            if i != j:
                basis *= (x - xs[j]) / (xs[i] - xs[j])
        total += ys[i] * basis
    return total


def matrices(*names: str) -> Any:
    """Arguments from words: `nm` is a matrix, `n` a vector, of sizes drawn once for each letter."""

    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        extent = {letter: sizes(rng, 1)[0] for letter in sorted(set("".join(names)))}
        return tuple(rng.normal(size=[extent[letter] for letter in name]) for name in names)

    return make


def gemver_arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    return (*matrices("nn", *"nnnnnn")(rng), 1.5, 1.2)


def records(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=(*sizes(rng, 1), 4)),)


def rings(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=100), np.concatenate([np.linspace(0.0, 1.0, 20), rng.random(80)])


def layer(rng: np.random.Generator) -> tuple[Any, ...]:
    b, c, d = sizes(rng, 3, 2, 5)
    image = rng.normal(size=(b, *sizes(rng, 2, 5, 8), c))
    return image, rng.normal(size=(3, 3, c, d)), rng.normal(size=d)


def columns(rng: np.random.Generator) -> tuple[Any, ...]:
    nx, ny = sizes(rng, 2)
    return rng.normal(size=(nx, ny, 4)), rng.uniform(0, 1, (nx + 1, ny, 4)), 3.0


def mixing(rng: np.random.Generator) -> tuple[Any, ...]:
    nx, ny, nz = sizes(rng, 3, 5)
    mask = (rng.random((nx, ny)) < 0.8).astype(float)
    kbot = rng.integers(0, nz, (nx, ny))
    tke, K = rng.normal(size=(nx, ny, nz, 3)), rng.uniform(0, 1, (nx, ny, nz))
    return tke, mask, kbot, K, rng.uniform(1, 2, nz), 0.1


def energies(rng: np.random.Generator) -> tuple[Any, ...]:
    k, a, n = sizes(rng, 3, 3, 6)
    return (
        rng.normal(size=(k, a, n, n)),
        rng.normal(size=(k, a, 2, n, n)),
        rng.integers(0, a, (a, 2)),
    )


def mixture(rng: np.random.Generator) -> tuple[Any, ...]:
    (k,) = sizes(rng, 1, 2, 5)
    weights = rng.uniform(1, 2, k)
    return rng.normal(size=40), rng.normal(size=k), rng.uniform(1, 2, k), weights / weights.sum()


def points(rng: np.random.Generator) -> tuple[Any, ...]:
    return np.arange(4.0), rng.normal(size=4), rng.uniform(0, 3, sizes(rng, 1))


def chain(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2, 2, 6)
    rows = [rng.random(shape) for shape in ((n,), (n, n), (n, m))]
    return (*(r / r.sum(-1, keepdims=True) for r in rows), rng.integers(0, m, 5))


PROGRAMS = [
    Program(gemver, gemver_arguments),
    Program(doitgen, matrices("abc", "cc")),
    Program(covariance, records),
    Program(correlation, records),
    Program(radial_average, rings),
    Program(radial_histogram, rings),
    Program(trace_of_tanh, matrices("nn")),
    Program(mandelbrot_shrinking, lambda rng: (-2.25, 0.75, -1.25, 1.25), layouts=()),
    Program(convolution_layer, layer),
    Program(vertical_advection, columns),
    Program(turbulence, mixing),
    Program(recursive_filter, lambda rng: (*matrices("nm", "nm")(rng), 0.5, 0.3, 0.2)),
    Program(self_energies, energies),
    Program(gaussian_mixture, mixture, rtol=1e-10),
    Program(hidden_markov, chain),
    Program(finite_elements, lambda rng: (np.cumsum(rng.uniform(1, 2, sizes(rng, 1))), 3.0)),
    Program(integrate_sine, lambda rng: (0.0, float(rng.uniform(1, 3)))),
    Program(newton_roots, lambda rng: (rng.uniform(2, 3, sizes(rng, 2)),), atol=1e-12),
    Program(lagrange, points),
]
