"""numpy.fft against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tracejit
from tests.library import check

NAMES = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2")


def signal(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(list(shape))
    values = rng.normal(size=shape) * 4
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["?", "i4", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("name", NAMES)
def test_one_axis(name: str, dtype: str) -> None:
    f = getattr(np.fft, name)
    x = signal((4, 5, 6), dtype)
    check(lambda x: f(x), x)
    check(lambda x: f(x, axis=0), x)
    check(lambda x: f(x, 7, 1, "ortho"), x)
    check(lambda x: f(x, n=3, norm="forward"), x)
    check(lambda x: f(x, n=x.shape[0]), x)
    check(lambda x: f(x.T[::2] * 2), x)


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name: str, dtype: str) -> None:
    f = getattr(np.fft, name)
    x = signal((4, 5, 6), dtype)
    check(lambda x: f(x), x)
    check(lambda x: f(x, s=(3, 8), axes=(0, 2)), x)
    check(lambda x: f(x, axes=(1, 0), norm="ortho"), x)
    check(lambda x: f(x, s=(-1, 4), axes=(2, 1), norm="forward"), x)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_helpers(n: int) -> None:
    x = signal((n, 3), "f8")
    check(lambda x: (np.fft.fftshift(x), np.fft.ifftshift(x)), x)
    check(lambda x: (np.fft.fftshift(x, 0), np.fft.ifftshift(x, axes=(1, 0))), x)
    check(lambda x: (np.fft.fftfreq(len(x)), np.fft.rfftfreq(x.shape[0], 0.25)), x)
    check(lambda x: np.fft.fftfreq(n, d=0.1) * x[:, 0], x)
    check(lambda x, d: np.fft.fftfreq(len(x), d), x, 0.3)


def test_errors() -> None:
    check(lambda x: np.fft.fft(x), np.ones(0))
    check(lambda x: np.fft.irfft(x), np.ones(1))
    check(lambda x: np.fft.fft(x, norm="odd"), np.ones(4))
    check(lambda x: np.fft.fft(x, axis=2), np.ones(4))
    check(lambda x: np.fft.fftn(x, s=(3,), axes=(0, 1)), np.ones((4, 4)))


def test_out_and_one_version_for_every_size() -> None:
    @tracejit.jit
    def smooth(x: np.ndarray, keep: int) -> np.ndarray:
        spectrum = np.fft.rfft(x)
        low = np.arange(spectrum.shape[0]) < keep
        return np.fft.irfft(spectrum * low, n=x.shape[0])

    for n in (8, 30, 101):
        x = signal((n,), "f8")
        spectrum = np.fft.rfft(x)
        spectrum[4:] = 0
        np.testing.assert_allclose(smooth(x, 4), np.fft.irfft(spectrum, n=n), atol=1e-12)
    assert smooth.cache_info().compiled == 1

    def into(x: np.ndarray) -> np.ndarray:
        target = np.zeros(x.shape, complex)
        np.fft.fft(x, out=target)
        return target

    check(into, signal((6,), "f8"))
