"""Filters, transforms, fractals and time series: recursions along one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def deriche(alpha, imgIn):
    k = (
        (1.0 - np.exp(-alpha))
        * (1.0 - np.exp(-alpha))
        / (1.0 + alpha * np.exp(-alpha) - np.exp(2.0 * alpha))
    )
    a1 = a5 = k
    a2 = a6 = k * np.exp(-alpha) * (alpha - 1.0)
    a3 = a7 = k * np.exp(-alpha) * (alpha + 1.0)
    a4 = a8 = -k * np.exp(-2.0 * alpha)
    b1 = 2.0 ** (-alpha)
    b2 = -np.exp(-2.0 * alpha)
    c1 = c2 = 1

    y1 = np.empty_like(imgIn)
    y1[:, 0] = a1 * imgIn[:, 0]
    y1[:, 1] = a1 * imgIn[:, 1] + a2 * imgIn[:, 0] + b1 * y1[:, 0]
    for j in range(2, imgIn.shape[1]):
        y1[:, j] = a1 * imgIn[:, j] + a2 * imgIn[:, j - 1] + b1 * y1[:, j - 1] + b2 * y1[:, j - 2]

    y2 = np.empty_like(imgIn)
    y2[:, -1] = 0.0
    y2[:, -2] = a3 * imgIn[:, -1]
    for j in range(imgIn.shape[1] - 3, -1, -1):
        y2[:, j] = (
            a3 * imgIn[:, j + 1] + a4 * imgIn[:, j + 2] + b1 * y2[:, j + 1] + b2 * y2[:, j + 2]
        )

    imgOut = c1 * (y1 + y2)

    y1[0, :] = a5 * imgOut[0, :]
    y1[1, :] = a5 * imgOut[1, :] + a6 * imgOut[0, :] + b1 * y1[0, :]
    for i in range(2, imgIn.shape[0]):
        y1[i, :] = a5 * imgOut[i, :] + a6 * imgOut[i - 1, :] + b1 * y1[i - 1, :] + b2 * y1[i - 2, :]

    y2[-1, :] = 0.0
    y2[-2, :] = a7 * imgOut[-1, :]
    for i in range(imgIn.shape[0] - 3, -1, -1):
        y2[i, :] = (
            a7 * imgOut[i + 1, :] + a8 * imgOut[i + 2, :] + b1 * y2[i + 1, :] + b2 * y2[i + 2, :]
        )

    imgOut[:] = c2 * (y1 + y2)

    return imgOut


def deriche_points(alpha, img):
    """The pass along rows, with what is carried in numbers."""
    h, w = img.shape
    k = (1 - np.exp(-alpha)) ** 2 / (1 + 2 * alpha * np.exp(-alpha) - np.exp(-2 * alpha))
    a1, a2 = k, k * np.exp(-alpha) * (alpha - 1.0)
    a3, a4 = k * np.exp(-alpha) * (alpha + 1.0), -k * np.exp(-2.0 * alpha)
    b1, b2 = 2.0 * np.exp(-alpha), -np.exp(-2.0 * alpha)
    left, right = np.zeros((h, w)), np.zeros((h, w))
    for i in range(h):
        ym1 = ym2 = xm1 = 0.0
        for j in range(w):
            left[i, j] = a1 * img[i, j] + a2 * xm1 + b1 * ym1 + b2 * ym2
            xm1 = img[i, j]
            ym2 = ym1
            ym1 = left[i, j]
        yp1 = yp2 = xp1 = xp2 = 0.0
        for j in range(w - 1, -1, -1):
            right[i, j] = a3 * xp1 + a4 * xp2 + b1 * yp1 + b2 * yp2
            xp2 = xp1
            xp1 = img[i, j]
            yp2 = yp1
            yp1 = right[i, j]
    return left + right


def mandelbrot_arrays(xmin, xmax, ymin, ymax, xn, yn, maxiter, horizon=2.0):
    X = np.linspace(xmin, xmax, xn, dtype=np.float64)
    Y = np.linspace(ymin, ymax, yn, dtype=np.float64)
    C = X + Y[:, None] * 1j
    N = np.zeros(C.shape, dtype=np.int64)
    Z = np.zeros(C.shape, dtype=np.complex128)
    for n in range(maxiter):
        I = np.less(abs(Z), horizon)
        N[I] = n
        Z[I] = Z[I] ** 2 + C[I]
    N[N == maxiter - 1] = 0
    return Z, N


def mandelbrot_point(c, maxiter):
    z = c
    for n in range(maxiter):
        if abs(z) > 2:
            return n
        z = z * z + c
    return 0


def mandelbrot_points(xmin, xmax, ymin, ymax, width, height, maxiter):
    x = np.linspace(xmin, xmax, width)
    y = np.linspace(ymin, ymax, height)
    out = np.empty((width, height))
    for i in range(width):
        for j in range(height):
            out[i, j] = mandelbrot_point(x[i] + 1j * y[j], maxiter)
    return out


def mandelbrot_while(x0, y0, most):
    """Real and imaginary part by hand."""
    counts = np.zeros(x0.shape, dtype=np.int32)
    for i in range(x0.shape[0]):
        for j in range(x0.shape[1]):
            x = y = 0.0
            n = 0
            while x * x + y * y <= 4.0 and n < most:
                x, y = x * x - y * y + x0[i, j], 2 * x * y + y0[i, j]
                n += 1
            counts[i, j] = n
    return counts


def mandelbrot_break(cr, ci, most):
    image = np.zeros((len(ci), len(cr)), dtype=np.uint8)
    for row, b in enumerate(ci):
        for column, a in enumerate(cr):
            c = complex(a, b)
            z = 0j
            for k in range(most):
                z = z * z + c
                if z.real * z.real + z.imag * z.imag >= 4:
                    image[row, column] = k
                    break
            else:
                image[row, column] = 255
    return image


def julia_counts(grid, c, horizon, most):
    counts = np.zeros(grid.shape, dtype=int)
    z = grid.copy()
    for _ in range(most):
        alive = np.abs(z) < horizon
        if not alive.any():
            break
        counts[alive] += 1
        z = np.where(alive, z * z + c, z)
    return counts


def stockham_fft(N, R, K, x, y):
    """Radix-R Stockham FFT as in NPBench, N = R**K."""
    i_coord, j_coord = np.mgrid[0:R, 0:R]
    dft_mat = np.empty((R, R), dtype=np.complex128)
    dft_mat = np.exp(-2.0j * np.pi * i_coord * j_coord / R)
    y[:] = x[:]
    ii_coord, jj_coord = np.mgrid[0:R, 0 : R**K]
    for i in range(K):
        yv = np.reshape(y, (R**i, R, R ** (K - i - 1)))
        tmp_perm = np.transpose(yv, axes=(1, 0, 2))
        D = np.empty((R, R**i, R ** (K - i - 1)), dtype=np.complex128)
        tmp = np.exp(-2.0j * np.pi * ii_coord[:, : R**i] * jj_coord[:, : R**i] / R ** (i + 1))
        D[:] = np.repeat(np.reshape(tmp, (R, R**i, 1)), R ** (K - i - 1), axis=2)
        tmp_twid = np.reshape(tmp_perm, (N,)) * np.reshape(D, (N,))
        y[:] = np.reshape(dft_mat @ np.reshape(tmp_twid, (R, R ** (K - 1))), (N,))


def fft_radix2(x):
    """In place: bit reversal and butterflies, element by element."""
    n = len(x)
    j = 0
    for i in range(1, n):
        bit = n >> 1
        while j & bit:
            j ^= bit
            bit >>= 1
        j |= bit
        if i < j:
            x[i], x[j] = x[j], x[i]
    length = 2
    while length <= n:
        step = np.exp(-2j * np.pi / length)
        for start in range(0, n, length):
            w = 1.0 + 0.0j
            for k in range(length // 2):
                a = x[start + k]
                b = x[start + k + length // 2] * w
                x[start + k] = a + b
                x[start + k + length // 2] = a - b
                w *= step
        length *= 2


def dft_sums(x):
    n = len(x)
    out = np.zeros(n, dtype=complex)
    for k in range(n):
        for t in range(n):
            out[k] += x[t] * np.exp(-2j * np.pi * k * t / n)
    return out


def ema(x, alpha):
    out = np.empty_like(x)
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = alpha * x[i] + (1 - alpha) * out[i - 1]
    return out


def iir_biquad(b, a, x):
    y = np.zeros_like(x)
    z1 = z2 = 0.0
    for n in range(x.shape[0]):
        y[n] = b[0] * x[n] + z1
        z1 = b[1] * x[n] - a[1] * y[n] + z2
        z2 = b[2] * x[n] - a[2] * y[n]
    return y


def fir_filter(x, taps):
    y = np.zeros(len(x))
    for n in range(len(x)):
        for k in range(len(taps)):
            if n - k >= 0:
                y[n] += taps[k] * x[n - k]
    return y


def moving_mean(x, window):
    n = len(x)
    out = np.full(n, np.nan)
    total = 0.0
    for i in range(n):
        total += x[i]
        if i >= window:
            total -= x[i - window]
        if i >= window - 1:
            out[i] = total / window
    return out


def median_filter(x, half):
    out = x.copy()
    for i in range(half, len(x) - half):
        out[i] = np.median(x[i - half : i + half + 1])
    return out


def garch(returns, omega, alpha, beta):
    n = len(returns)
    sigma2 = np.empty(n)
    sigma2[0] = np.var(returns)
    for t in range(1, n):
        sigma2[t] = omega + alpha * returns[t - 1] ** 2 + beta * sigma2[t - 1]
    loglik = -0.5 * np.sum(np.log(2 * np.pi) + np.log(sigma2) + returns**2 / sigma2)
    return sigma2, loglik


def garch_numbers(returns, omega, alpha, beta):
    s2 = omega / (1.0 - alpha - beta)
    loglik = 0.0
    for r in returns:
        loglik += -0.5 * (np.log(2 * np.pi * s2) + r * r / s2)
        s2 = omega + alpha * r * r + beta * s2
    return loglik


def ar2_simulation(noise, phi1, phi2):
    x = np.zeros(noise.size)
    for t in range(2, noise.size):
        x[t] = phi1 * x[t - 1] + phi2 * x[t - 2] + noise[t]
    return x


def kalman_filter(z, F, H, Q, R, x, P):
    n = len(z)
    estimates = np.zeros((n, x.shape[0]))
    loglik = 0.0
    I = np.eye(x.shape[0])
    for k in range(n):
        x = F @ x
        P = F @ P @ F.T + Q
        innovation = z[k] - H @ x
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        x = x + K @ innovation
        P = (I - K @ H) @ P
        estimates[k] = x
        loglik -= 0.5 * (np.log(np.linalg.det(S)) + innovation @ np.linalg.solve(S, innovation))
    return estimates, P, loglik


def kalman_level(y, q, r):
    """The local level model: everything is a number."""
    a, p = 0.0, 1e6
    out = np.empty(len(y))
    for t in range(len(y)):
        p_predicted = p + q
        gain = p_predicted / (p_predicted + r)
        a = a + gain * (y[t] - a)
        p = (1.0 - gain) * p_predicted
        out[t] = a
    return out, p


def adaptive_filter(x, d, taps, mu):
    """Least mean squares with a window that slides."""
    w = np.zeros(taps)
    errors = np.zeros(len(x))
    for n in range(taps, len(x)):
        window = x[n - taps : n][::-1]
        errors[n] = d[n] - w @ window
        w += mu * errors[n] * window
    return w, errors


def image(rng: np.random.Generator) -> tuple[Any, ...]:
    return 0.25, rng.normal(size=sizes(rng, 2))


def window(rng: np.random.Generator) -> tuple[Any, ...]:
    return -1.75, 0.25, -1.0, 1.01, *sizes(rng, 2, 5, 12), int(rng.integers(5, 12))


def plane(rng: np.random.Generator) -> tuple[Any, ...]:
    return *rng.uniform(-1.7, 1.0, (2, *sizes(rng, 2))), int(rng.integers(5, 20))


def stages(rng: np.random.Generator) -> tuple[Any, ...]:
    R, K = int(rng.integers(2, 4)), int(rng.integers(2, 5))
    x = rng.normal(size=(2, R**K))
    return R**K, R, K, x[0] + 1j * x[1], np.zeros(R**K, complex)


def waves(rng: np.random.Generator) -> tuple[Any, ...]:
    n = 2 ** int(rng.integers(2, 6))
    return (rng.normal(size=n) + 1j * rng.normal(size=n),)


def lines(count: int, *others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return *rng.normal(size=(count, *sizes(rng, 1, 6, 30))), *others

    return make


def tracking(rng: np.random.Generator) -> tuple[Any, ...]:
    t, n, m = sizes(rng, 3, 2, 7)
    F, H = np.eye(n) + 0.1 * rng.normal(size=(n, n)), rng.normal(size=(m, n))
    z = rng.normal(size=(t, m))
    return z, F, H, 0.1 * np.eye(n), 0.5 * np.eye(m), np.zeros(n), np.eye(n)


PROGRAMS = [
    Program(deriche, image),
    Program(deriche_points, image),
    Program(mandelbrot_arrays, window, rtol=1e-8, layouts=()),
    Program(mandelbrot_points, window, layouts=()),
    Program(mandelbrot_while, plane),
    Program(mandelbrot_break, lambda rng: (*(p[0] for p in plane(rng)[:2]), 20)),
    Program(julia_counts, lambda rng: (plane(rng)[0] * (1 + 0.6j), -0.4 + 0.6j, 2.0, 12)),
    Program(stockham_fft, stages, rtol=1e-9, atol=1e-9),
    Program(fft_radix2, waves, rtol=1e-9, atol=1e-9),
    Program(dft_sums, lines(1), rtol=1e-9, atol=1e-9),
    Program(ema, lines(1, 0.3)),
    Program(
        iir_biquad,
        lambda rng: (np.array([0.2, 0.4, 0.2]), np.array([1, -0.3, 0.1]), *lines(1)(rng)),
    ),
    Program(fir_filter, lambda rng: (*lines(1)(rng), rng.normal(size=4))),
    Program(moving_mean, lines(1, 4)),
    Program(median_filter, lines(1, 2)),
    Program(garch, lines(1, 0.1, 0.1, 0.8)),
    Program(garch_numbers, lines(1, 0.1, 0.1, 0.8)),
    Program(ar2_simulation, lines(1, 0.5, -0.3)),
    Program(kalman_filter, tracking, rtol=1e-7, atol=1e-9),
    Program(kalman_level, lines(1, 0.1, 0.5)),
    Program(adaptive_filter, lines(2, 3, 0.05)),
]
