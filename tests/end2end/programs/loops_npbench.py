"""More programs of NPBench and of tutorials, as they are published."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def azimint_naive(data, radius, npt):
    rmax = radius.max()
    res = np.zeros(npt, dtype=np.float64)
    for i in range(npt):
        r1 = rmax * i / npt
        r2 = rmax * (i + 1) / npt
        mask_r12 = np.logical_and((r1 <= radius), (radius < r2))
        values_r12 = data[mask_r12]
        res[i] = values_r12.mean()
    return res


def get_bin_edges(a, bins):
    bin_edges = np.zeros((bins + 1,), dtype=np.float64)
    a_min = a.min()
    a_max = a.max()
    delta = (a_max - a_min) / bins
    for i in range(bin_edges.shape[0]):
        bin_edges[i] = a_min + i * delta

    bin_edges[-1] = a_max  # Avoid roundoff error on last point
    return bin_edges


def compute_bin(x, bin_edges):
    # assuming uniform bins for now
    n = bin_edges.shape[0] - 1
    a_min = bin_edges[0]
    a_max = bin_edges[-1]

    # special case to mirror NumPy behavior for last bin
    if x == a_max:
        return n - 1  # a_max always in last bin

    return int(n * (x - a_min) / (a_max - a_min))


def histogram(a, bins, weights):
    hist = np.zeros((bins,), dtype=a.dtype)
    bin_edges = get_bin_edges(a, bins)

    for i in range(a.shape[0]):
        bin = compute_bin(a[i], bin_edges)
        hist[bin] += weights[i]

    return hist, bin_edges


def azimint_hist(data, radius, npt):
    histu = np.histogram(radius, npt)[0]
    histw = histogram(radius, npt, data)[0]
    return histw / histu


def mandelbrot2(xmin, xmax, ymin, ymax, xn, yn, itermax, horizon=2.0):
    # Adapted from Nicolas Rougier, "From Python to Numpy"
    Xi, Yi = np.mgrid[0:xn, 0:yn]
    X = np.linspace(xmin, xmax, xn, dtype=np.float64)[Xi]
    Y = np.linspace(ymin, ymax, yn, dtype=np.float64)[Yi]
    C = X + Y * 1j
    N_ = np.zeros(C.shape, dtype=np.int64)
    Z_ = np.zeros(C.shape, dtype=np.complex128)
    Xi.shape = Yi.shape = C.shape = xn * yn

    Z = np.zeros(C.shape, np.complex128)
    for i in range(itermax):
        if not len(Z):
            break

        # Compute for relevant points only
        np.multiply(Z, Z, Z)
        np.add(Z, C, Z)

        # Failed convergence
        I = abs(Z) > horizon
        N_[Xi[I], Yi[I]] = i + 1
        Z_[Xi[I], Yi[I]] = Z[I]

        # Keep going with those who have not diverged yet
        np.logical_not(I, I)  # np.negative(I, I) not working any longer
        Z = Z[I]
        Xi, Yi = Xi[I], Yi[I]
        C = C[I]
    return Z_.T, N_.T


def contour_integral(NR, NM, slab_per_bc, Ham, int_pts, Y):
    P0 = np.zeros((NR, NM), dtype=np.complex128)
    P1 = np.zeros((NR, NM), dtype=np.complex128)
    for z in int_pts:
        Tz = np.zeros((NR, NR), dtype=np.complex128)
        for n in range(slab_per_bc + 1):
            zz = np.power(z, slab_per_bc / 2 - n)
            Tz += zz * Ham[n]
        if NR == NM:
            X = np.linalg.inv(Tz)
        else:
            X = np.linalg.solve(Tz, Y)
        if abs(z) < 1.0:
            X = -X
        P0 += X
        P1 += z * X

    return P0, P1


def scattering_self_energies(neigh_idx, dH, G, D, Sigma):
    for k in range(G.shape[0]):
        for E in range(G.shape[1]):
            for q in range(D.shape[0]):
                for w in range(D.shape[1]):
                    for i in range(D.shape[-2]):
                        for j in range(D.shape[-1]):
                            for a in range(neigh_idx.shape[0]):
                                for b in range(neigh_idx.shape[1]):
                                    if E - w >= 0:
                                        dHG = G[k, E - w, neigh_idx[a, b]] @ dH[a, b, i]
                                        dHD = dH[a, b, j] * D[q, w, a, b, i, j]
                                        Sigma[k, E, a] += dHG @ dHD


def batchnorm2d(x, eps=1e-5):
    mean = np.mean(x, axis=0, keepdims=True)
    std = np.std(x, axis=0, keepdims=True)
    return (x - mean) / np.sqrt(std + eps)


def resnet_conv(input, weights):
    K = weights.shape[0]
    N = input.shape[0]
    H_out = input.shape[1] - K + 1
    W_out = input.shape[2] - K + 1
    C_out = weights.shape[3]
    output = np.empty((N, H_out, W_out, C_out), dtype=np.float32)
    for i in range(H_out):
        for j in range(W_out):
            output[:, i, j, :] = np.sum(
                input[:, i : i + K, j : j + K, :, np.newaxis] * weights[np.newaxis, :, :, :],
                axis=(1, 2, 3),
            )
    return output


def resnet_basicblock(input, conv1, conv2, conv3):
    # Pad output of first convolution for second convolution
    padded = np.zeros((input.shape[0], input.shape[1] + 2, input.shape[2] + 2, conv1.shape[3]))

    padded[:, 1:-1, 1:-1, :] = resnet_conv(input, conv1)
    x = batchnorm2d(padded)
    x = np.maximum(x, 0)

    x = resnet_conv(x, conv2)
    x = batchnorm2d(x)
    x = np.maximum(x, 0)
    x = resnet_conv(x, conv3)
    x = batchnorm2d(x)
    return np.maximum(x + input, 0)


def k3mm_loops(A, B, C, D):
    E = np.zeros((A.shape[0], B.shape[1]))
    F = np.zeros((C.shape[0], D.shape[1]))
    G = np.zeros((A.shape[0], D.shape[1]))
    for i in range(E.shape[0]):
        for j in range(E.shape[1]):
            for k in range(A.shape[1]):
                E[i, j] += A[i, k] * B[k, j]
    for i in range(F.shape[0]):
        for j in range(F.shape[1]):
            for k in range(C.shape[1]):
                F[i, j] += C[i, k] * D[k, j]
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            for k in range(E.shape[1]):
                G[i, j] += E[i, k] * F[k, j]
    return G


def tsvc_s(a, b, c, d):
    """Loops of the TSVC suite one after the other: shifts, conditions, recurrences, exits."""
    n = len(a)
    for i in range(n - 1):
        a[i] = a[i + 1] + b[i]
    for i in range(1, n):
        a[i] = a[i - 1] + b[i] * c[i]
    for i in range(n - 2, -1, -1):
        a[i + 1] = a[i] + b[i]
    for i in range(n):
        if d[i] < 0.0:
            b[i] += c[i] * d[i]
        else:
            c[i] = a[i] * d[i] + 1.0
    x = b[n - 1]
    for i in range(n):
        a[i] = (b[i] + x) * 0.5
        x = b[i]
    j = -1
    for i in range(n):
        if b[i] > 0.0:
            j += 1
            a[j] = b[i]
    index = -2
    for i in range(n):
        if a[i] > 1.0:
            index = i
            break
    for i in range(0, n // 2):
        k = n - i - 1
        d[i] = a[k] - d[k]
    m = n // 2
    for i in range(m):
        a[i] = a[i + m] + b[i]
    largest = abs(a[0])
    at = 0
    for i in range(1, n):
        if abs(a[i]) > largest:
            largest = abs(a[i])
            at = i
    return index, largest, at


def black_scholes_paths(S0, K, r, sigma, T, normals):
    """Monte Carlo with the paths in a loop over the dates."""
    dates, paths = normals.shape
    dt = T / dates
    S = np.full(paths, S0)
    highest = S.copy()
    for t in range(dates):
        S = S * np.exp((r - 0.5 * sigma**2) * dt + sigma * np.sqrt(dt) * normals[t])
        highest = np.maximum(highest, S)
    payoff = np.maximum(S - K, 0.0)
    return np.exp(-r * T) * payoff.mean(), highest.max()


def binomial_tree(S, K, r, sigma, T, n):
    dt = T / n
    u = np.exp(sigma * np.sqrt(dt))
    d = 1.0 / u
    p = (np.exp(r * dt) - d) / (u - d)
    values = np.zeros(n + 1)
    for j in range(n + 1):
        values[j] = max(0.0, K - S * u ** (2 * j - n))
    for i in range(n - 1, -1, -1):
        for j in range(i + 1):
            hold = np.exp(-r * dt) * (p * values[j + 1] + (1 - p) * values[j])
            exercise = K - S * u ** (2 * j - i)
            values[j] = max(hold, exercise)
    return values[0]


def explicit_option(V, S, r, sigma, dt, steps):
    for _ in range(steps):
        old = V.copy()
        for i in range(1, len(S) - 1):
            ds = S[i + 1] - S[i]
            delta = (old[i + 1] - old[i - 1]) / (2 * ds)
            gamma = (old[i + 1] - 2 * old[i] + old[i - 1]) / ds**2
            theta = -0.5 * sigma**2 * S[i] ** 2 * gamma - r * S[i] * delta + r * old[i]
            V[i] = old[i] - dt * theta
        V[0] = old[0] * (1 - r * dt)
        V[-1] = 2 * V[-2] - V[-3]
    return V


def dithering(image):
    """Floyd and Steinberg's error diffusion, in place."""
    h, w = image.shape
    for y in range(h):
        for x in range(w):
            old = image[y, x]
            new = 255.0 if old > 127 else 0.0
            image[y, x] = new
            error = old - new
            if x + 1 < w:
                image[y, x + 1] += error * 7 / 16
            if y + 1 < h:
                if x > 0:
                    image[y + 1, x - 1] += error * 3 / 16
                image[y + 1, x] += error * 5 / 16
                if x + 1 < w:
                    image[y + 1, x + 1] += error * 1 / 16
    return image


def bilateral(image, radius, sigma_s, sigma_r):
    h, w = image.shape
    out = np.zeros_like(image)
    for i in range(h):
        for j in range(w):
            total = weight = 0.0
            for a in range(max(0, i - radius), min(h, i + radius + 1)):
                for b in range(max(0, j - radius), min(w, j + radius + 1)):
                    d2 = (a - i) ** 2 + (b - j) ** 2
                    r2 = (image[a, b] - image[i, j]) ** 2
                    g = np.exp(-d2 / (2 * sigma_s**2) - r2 / (2 * sigma_r**2))
                    total += g * image[a, b]
                    weight += g
            out[i, j] = total / weight
    return out


def flood_fill(grid, row, column, value):
    """With a stack in an array."""
    h, w = grid.shape
    stack = np.zeros((4 * h * w + 1, 2), dtype=np.int64)
    stack[0] = row, column
    top = 1
    old = grid[row, column]
    filled = 0
    while top > 0:
        top -= 1
        i, j = stack[top]
        if i < 0 or i >= h or j < 0 or j >= w:
            continue
        if grid[i, j] != old or old == value:
            continue
        grid[i, j] = value
        filled += 1
        for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            stack[top, 0] = i + di
            stack[top, 1] = j + dj
            top += 1
    return filled


def rings(rng: np.random.Generator) -> tuple[Any, ...]:
    n = int(rng.integers(60, 90))
    return rng.normal(size=n), rng.random(n), int(rng.integers(2, 6))


def window(rng: np.random.Generator) -> tuple[Any, ...]:
    return -1.75, 0.25, -1.0, 1.01, *sizes(rng, 2, 5, 12), int(rng.integers(5, 12))


def contour(rng: np.random.Generator) -> tuple[Any, ...]:
    NR, slabs = int(rng.integers(4, 8)), 2
    NM = NR - int(rng.integers(0, 3))

    def waves(*shape: int) -> Any:
        return rng.random(shape) + rng.random(shape) * 1j

    return NR, NM, slabs, waves(slabs + 1, NR, NR), 2 * waves(5), waves(NR, NM)


def energies(rng: np.random.Generator) -> tuple[Any, ...]:
    Nkz, NE, Nqz, Nw, N3D, NA, NB, No = 2, 4, 2, 2, 2, 4, 2, 3
    dH, G = rng.normal(size=(NA, NB, N3D, No, No)), rng.normal(size=(Nkz, NE, NA, No, No))
    D, Sigma = rng.normal(size=(Nqz, Nw, NA, NB, N3D, N3D)), np.zeros((Nkz, NE, NA, No, No))
    return rng.integers(0, NA, (NA, NB)), dH + 0j, G * 1j, D + 0j, Sigma + 0j


def block(rng: np.random.Generator) -> tuple[Any, ...]:
    n, w, h, c1, c2 = 2, *sizes(rng, 2, 4, 7), 4, 2
    shapes = ((n, h if h > 3 else 4, w, c1), (1, 1, c1, c2), (3, 3, c2, c2), (1, 1, c2, c1))
    return tuple(rng.random(s, dtype=np.float32) for s in shapes)


def lines(rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(rng.normal(size=(4, *sizes(rng, 1))))


def priced(rng: np.random.Generator) -> tuple[Any, ...]:
    S = np.linspace(0, 100, sizes(rng, 1)[0])
    return np.maximum(S - 50, 0), S, 0.05, 0.2, 0.001, 8


PROGRAMS = [
    Program(azimint_naive, rings),
    Program(azimint_hist, rings, rtol=1e-10),
    Program(mandelbrot2, window, rtol=1e-9, layouts=()),
    Program(contour_integral, contour, rtol=1e-8),
    Program(scattering_self_energies, energies, rtol=1e-10, atol=1e-11),
    Program(resnet_basicblock, block, rtol=1e-4, atol=1e-4),
    Program(k3mm_loops, lambda rng: tuple(rng.normal(size=(4, 5, 5)))),
    Program(tsvc_s, lines),
    Program(
        black_scholes_paths, lambda rng: (1.0, 1.1, 0.1, 0.3, 1.0, rng.normal(size=sizes(rng, 2)))
    ),
    Program(binomial_tree, lambda rng: (36.0, 40.0, 0.06, 0.2, 1.0, *sizes(rng, 1)), layouts=()),
    Program(explicit_option, priced),
    Program(dithering, lambda rng: (rng.uniform(0, 255, sizes(rng, 2)),), rtol=1e-9),
    Program(bilateral, lambda rng: (rng.random(sizes(rng, 2, 4, 8)), 2, 1.0, 0.5)),
    Program(flood_fill, lambda rng: (rng.integers(0, 2, sizes(rng, 2)), 1, 2, 5)),
]
