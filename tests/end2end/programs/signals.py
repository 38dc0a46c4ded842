"""Images, signals and fractals."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def mandelbrot_step(z, c, count):
    mask = np.abs(z) < 2
    z[mask] = z[mask] ** 2 + c[mask]
    count[mask] += 1


def mandelbrot(xmin, xmax, ymin, ymax, horizon):
    X = np.linspace(xmin, xmax, 12)
    Y = np.linspace(ymin, ymax, 9)
    C = X + Y[:, None] * 1j
    N = np.zeros(C.shape, dtype=int)
    Z = np.zeros(C.shape, np.complex128)
    for n in range(6):
        I = np.less(abs(Z), horizon)
        N[I] = n
        Z[I] = Z[I] ** 2 + C[I]
    N[N == 5] = 0
    return Z, N


def julia(z, c):
    alive = np.ones(z.shape, dtype=bool)
    steps = np.zeros(z.shape, dtype=np.int32)
    for _ in range(5):
        z = np.where(alive, z * z + c, z)
        alive &= z.real**2 + z.imag**2 < 4.0
        steps += alive
    return steps


def convolve_slices(image, kernel):
    out = np.zeros_like(image)
    inner = out[1:-1, 1:-1]
    h, w = image.shape
    for i in range(3):
        for j in range(3):
            inner += kernel[i, j] * image[i : h - 2 + i, j : w - 2 + j]
    return out


def sobel(image):
    gx = np.zeros_like(image)
    gy = np.zeros_like(image)
    gx[:, 1:-1] = image[:, 2:] - image[:, :-2]
    gy[1:-1, :] = image[2:, :] - image[:-2, :]
    magnitude = np.hypot(gx, gy)
    magnitude *= 255.0 / magnitude.max()
    return magnitude.astype(np.uint8), np.arctan2(gy, gx)


def box_blur_padded(image):
    p = np.pad(image, 1, mode="edge")
    total = np.zeros(image.shape)
    for di in range(3):
        for dj in range(3):
            total += p[di : di + image.shape[0], dj : dj + image.shape[1]]
    return total / 9


def integral_image(image):
    s = np.zeros((image.shape[0] + 1, image.shape[1] + 1))
    s[1:, 1:] = image.cumsum(0).cumsum(1)
    return s[3:, 3:] - s[:-3, 3:] - s[3:, :-3] + s[:-3, :-3]


def max_pool(image):
    h, w = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    blocks = image[:h, :w].reshape(h // 2, 2, w // 2, 2)
    return blocks.max(axis=(1, 3))


def bilinear(image, x, y):
    x0 = np.floor(x).astype(int)
    y0 = np.floor(y).astype(int)
    x1 = np.clip(x0 + 1, 0, image.shape[1] - 1)
    y1 = np.clip(y0 + 1, 0, image.shape[0] - 1)
    x0 = np.clip(x0, 0, image.shape[1] - 1)
    y0 = np.clip(y0, 0, image.shape[0] - 1)
    a, b = image[y0, x0], image[y1, x0]
    c, d = image[y0, x1], image[y1, x1]
    fx, fy = x - x0, y - y0
    return a * (1 - fx) * (1 - fy) + b * (1 - fx) * fy + c * fx * (1 - fy) + d * fx * fy


def gray_and_threshold(rgb, level):
    gray = rgb @ np.array([0.299, 0.587, 0.114])
    mask = gray > level
    rgb[~mask] = 0
    rgb[mask, 0] = 255
    return gray, mask.mean()


def equalize(image):
    counts = np.bincount(image.ravel(), minlength=256)
    cdf = counts.cumsum()
    table = np.floor(255 * cdf / cdf[-1]).astype(np.uint8)
    return table[image]


def low_pass(signal, keep):
    spectrum = np.fft.rfft(signal)
    spectrum[keep:] = 0
    return np.fft.irfft(spectrum, n=len(signal))


def band_power(signal, rate):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
    freqs = np.fft.rfftfreq(len(signal), 1 / rate)
    band = (freqs >= 1.0) & (freqs < 3.0)
    return spectrum[band].sum() / spectrum.sum(), freqs[np.argmax(spectrum)]


def poisson_fft(f):
    kx = np.fft.fftfreq(f.shape[0])[:, None]
    ky = np.fft.fftfreq(f.shape[1])[None, :]
    k2 = kx**2 + ky**2
    k2[0, 0] = 1.0
    F = np.fft.fft2(f)
    F[0, 0] = 0.0
    return np.real(np.fft.ifft2(F / k2))


def zero_crossings(x):
    sign = np.sign(x)
    sign[sign == 0] = 1
    return np.where(np.diff(sign))[0]


def local_maxima(x):
    peak = (x[1:-1] > x[:-2]) & (x[1:-1] > x[2:])
    where = np.flatnonzero(peak) + 1
    return where, x[where]


def run_lengths(x):
    change = np.nonzero(np.diff(x))[0] + 1
    edges = np.concatenate(([0], change, [len(x)]))
    return np.diff(edges), x[edges[:-1]]


def resample(x, y, xs):
    return np.interp(xs, x, y), np.searchsorted(x, xs)


def smooth(x):
    window = np.ones(5) / 5
    return np.convolve(x, window, mode="same"), np.gradient(x)


def planes(dtype: Any = float, low: int = 5) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return (rng.uniform(0, 255, sizes(rng, 2, low, 16)).astype(dtype),)

    return make


def fractal(rng: np.random.Generator) -> tuple[Any, ...]:
    shape = sizes(rng, 2)
    z, c = rng.uniform(-2, 2, (2, *shape)) + 1j * rng.uniform(-2, 2, (2, *shape))
    return z, c, np.zeros(shape, int)


def line(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=sizes(rng, 1, 10, 40)),)


def sampled(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return np.sort(rng.normal(size=n)), rng.normal(size=n), rng.normal(size=m)


def colours(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.uniform(0, 255, (*sizes(rng, 2), 3)), 128.0


def spots(rng: np.random.Generator) -> tuple[Any, ...]:
    h, w, n = sizes(rng, 3)
    return rng.normal(size=(h, w)), rng.uniform(0, w - 1, n), rng.uniform(0, h - 1, n)


PROGRAMS = [
    Program(mandelbrot_step, fractal),
    Program(mandelbrot, lambda rng: (-2.25, 0.75, -1.25, 1.25, 2.0), layouts=(), rtol=1e-9),
    Program(julia, lambda rng: (fractal(rng)[0], -0.4 + 0.6j)),
    Program(convolve_slices, lambda rng: (*planes()(rng), rng.normal(size=(3, 3))), atol=1e-11),
    Program(sobel, planes()),
    Program(box_blur_padded, planes()),
    Program(integral_image, planes(), atol=1e-9),
    Program(max_pool, planes()),
    Program(bilinear, spots),
    Program(gray_and_threshold, colours),
    Program(equalize, planes("u1")),
    Program(low_pass, lambda rng: (*line(rng), 4)),
    Program(band_power, lambda rng: (*line(rng), 10.0), rtol=1e-9),
    Program(poisson_fft, planes(), rtol=1e-9, atol=1e-8),
    Program(zero_crossings, line),
    Program(local_maxima, line),
    Program(run_lengths, lambda rng: (rng.integers(0, 3, 30),)),
    Program(resample, sampled),
    Program(smooth, line),
]
