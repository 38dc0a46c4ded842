"""Recipes for linear algebra and the Fourier transforms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.array_api.recipes import (
    ALL,
    FLOATING,
    FLOATS,
    NUMERIC,
    Call,
    Draw,
    array,
    axes_of,
    axis_of,
    keywords,
    recipe,
    shapes,
)

# Products.


@recipe("matmul linalg.matmul")
def matmul(draw: Draw) -> Call:
    a, n, b = (draw(st.integers(0, 4)) for _ in range(3))
    batch = draw(shapes(0, 1))
    left, right = [(n,), (a, n), (*batch, a, n)], [(n,), (n, b), (*batch, n, b)]
    return _pair(draw, draw(st.sampled_from(left)), draw(st.sampled_from(right))), {}


def _pair(draw: Draw, left: tuple, right: tuple) -> tuple[np.ndarray, np.ndarray]:
    x = array(draw, NUMERIC, left, tame=True)
    kinds = "iu" if x.dtype.kind in "iu" else "fc"
    return x, array(draw, [d for d in NUMERIC if d.kind in kinds], right, tame=True)


@recipe("vecdot linalg.vecdot")
def vecdot(draw: Draw) -> Call:
    shape = draw(shapes(1))
    x, y = _pair(draw, shape, shape)
    return (x, y), keywords(draw, axis=st.integers(-len(shape), -1))


@recipe("tensordot linalg.tensordot")
def tensordot(draw: Draw) -> Call:
    n, m = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        return _pair(draw, (2, n, m), (n, m, 2)), {"axes": 2}
    return _pair(draw, (m, n, 2), (n, 3, m)), {"axes": ((0, 1), (2, 0))}


@recipe("matrix_transpose linalg.matrix_transpose")
def matrix_transpose(draw: Draw) -> Call:
    return (array(draw, ALL, shapes(2)),), {}


# Transforms.


NORM = st.sampled_from(["backward", "ortho", "forward"])


@recipe("fft.rfft fft.ihfft")
def real_fft(draw: Draw, dtypes: Any = FLOATS) -> Call:
    x = array(draw, dtypes, shapes(1, side=2), tame=True)
    return (x,), keywords(draw, axis=axis_of(x), n=st.integers(2, 6), norm=NORM)


@recipe("fft.fft fft.ifft fft.hfft fft.irfft")
def fft(draw: Draw) -> Call:
    return real_fft(draw, FLOATING)


@recipe("fft.rfftn")
def real_fftn(draw: Draw, dtypes: Any = FLOATS) -> Call:
    x = array(draw, dtypes, shapes(2, side=2), tame=True)
    kwargs = keywords(draw, norm=NORM)
    if draw(st.booleans()):
        axes = tuple(draw(st.permutations(range(x.ndim)))[: draw(st.integers(1, x.ndim))])
        kwargs["axes"] = axes
        if draw(st.booleans()):
            kwargs["s"] = tuple(draw(st.integers(2, 5)) for _ in axes)
    return (x,), kwargs


@recipe("fft.fftn fft.ifftn fft.irfftn")
def fftn(draw: Draw) -> Call:
    return real_fftn(draw, FLOATING)


@recipe("fft.fftfreq fft.rfftfreq")
def frequencies(draw: Draw) -> Call:
    return (draw(st.integers(1, 9)),), keywords(draw, d=st.sampled_from([0.5, 2.0, 1.0]))


@recipe("fft.fftshift fft.ifftshift")
def shifted(draw: Draw) -> Call:
    x = array(draw, FLOATING, shapes(1))
    return (x,), keywords(draw, axes=axes_of(x))


# Linear algebra.


def _matrix(draw: Draw, dtypes: Any = FLOATING, square: bool = False, side: int = 0) -> np.ndarray:
    """A stack of well-conditioned matrices."""
    n = draw(st.integers(side, 4))
    shape = (*draw(shapes(0, 1)), n, n if square else draw(st.integers(side, 4)))
    dtype = draw(st.sampled_from(list(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0)
    return np.asarray((x + 3 * np.eye(*shape[-2:])).astype(dtype))


def _hermitian(draw: Draw) -> np.ndarray:
    x = _matrix(draw, square=True)
    return np.asarray(x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(x.shape[-1], dtype=x.dtype))


@recipe("linalg.inv linalg.det linalg.slogdet")
def square(draw: Draw) -> Call:
    return (_matrix(draw, square=True),), {}


@recipe("linalg.svdvals linalg.pinv linalg.matrix_rank")
def decomposed(draw: Draw) -> Call:
    return (_matrix(draw, side=1),), {}


@recipe("linalg.svd")
def svd(draw: Draw) -> Call:
    return (_matrix(draw),), keywords(draw, full_matrices=st.booleans())


@recipe("linalg.qr")
def qr(draw: Draw) -> Call:
    return (_matrix(draw),), keywords(draw, mode=st.sampled_from(["reduced", "complete"]))


@recipe("linalg.eigh linalg.eigvalsh linalg.cholesky")
def hermitian(draw: Draw) -> Call:
    return (_hermitian(draw),), {}


@recipe("linalg.solve")
def solve(draw: Draw) -> Call:
    x = _matrix(draw, square=True)
    shape = (*x.shape[:-1], draw(st.integers(0, 3)))
    return (x, array(draw, [x.dtype], shape, tame=True)), {}


@recipe("linalg.matrix_power")
def matrix_power(draw: Draw) -> Call:
    return (_matrix(draw, square=True), draw(st.integers(-3, 5))), {}


@recipe("linalg.matrix_norm")
def matrix_norm(draw: Draw) -> Call:
    order = st.sampled_from(["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
    return (_matrix(draw, side=1),), keywords(draw, ord=order, keepdims=st.booleans())


@recipe("linalg.vector_norm")
def vector_norm(draw: Draw) -> Call:
    x = array(draw, FLOATING, shapes(1, side=1), tame=True)
    order = st.sampled_from([0, 1, 2, 3, 0.5, -1, -2, math.inf, -math.inf])
    axis = axes_of(x).filter(lambda a: a != ())
    return (x,), keywords(draw, ord=order, keepdims=st.booleans(), axis=axis)


@recipe("linalg.cross")
def cross(draw: Draw) -> Call:
    axis = draw(st.sampled_from([-1, -2]))
    shape = (*draw(shapes(0, 1)), 3, 3)
    return _pair(draw, shape, shape), {"axis": axis}


@recipe("linalg.outer")
def outer(draw: Draw) -> Call:
    return _pair(draw, draw(shapes(1, 1)), draw(shapes(1, 1))), {}


@recipe("linalg.diagonal")
def diagonal(draw: Draw) -> Call:
    return (array(draw, ALL, shapes(2)),), keywords(draw, offset=st.integers(-3, 3))


@recipe("linalg.trace")
def trace(draw: Draw) -> Call:
    x = array(draw, NUMERIC, shapes(2), tame=True)
    return (x,), keywords(draw, offset=st.integers(-3, 3))
