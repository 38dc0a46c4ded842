"""NumPy's functions on polynomials, whose coefficients begin with the highest power.

The number of coefficients is part of the compiled version; how many points there are is not.
Difference from NumPy: nothing depends on values. `polymul` and `polydiv` keep leading zeros that
turn up while computing, and `poly` of complex roots stays complex.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.types import F8
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.tensor import Tensor, describe

MOST_COEFFICIENTS = 200
"""Longer polynomials would make graphs that grow with their length."""


def coefficients(p: Any) -> list[Tensor]:
    """The coefficients one by one."""
    x = strong(p)
    if not x.ndim:
        x = views.reshape(x, (1,))
    count = x.shape[0].__index__()
    if count > MOST_COEFFICIENTS:
        fail(
            errors.UnsupportedError,
            f"a polynomial of {count} coefficients: {describe(x)}",
            f"polynomials have up to {MOST_COEFFICIENTS}",
        )
    return [x[k] for k in range(count)]


def stacked(parts: list[Any], dtype: np.dtype | None = None) -> Tensor:
    """The coefficients as an array."""
    kind = dtype or prim.result_dtype(*parts)
    rows = [prim.cast(p, kind) for p in parts]
    rank = max(r.ndim for r in rows)
    shape = prim.broadcast_shapes(*rows)
    rows = [views.broadcast_to(r, shape) if rank else r for r in rows]
    return prim.concatenate([views.reshape(r, (1, *r.type.shape)) for r in rows], 0)


def _vector(p: Any) -> Tensor:
    x = strong(p)
    return x if x.ndim else views.reshape(x, (1,))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Tensor:
    points = strong(x)
    result: Any = prim.cast(0, points.dtype)
    for c in coefficients(p):
        result = result * points + c
    if not isinstance(result, Tensor) or result.type.shape != points.type.shape:
        result = views.broadcast_to(prim.lift(result), points.type.shape)
    return prim.scalar(result) if points.scalar else prim.copy(result)


def _sum(a1: Any, a2: Any, name: str) -> Tensor:
    x, y = _vector(a1), _vector(a2)
    difference = y.shape[0] - x.shape[0]
    if difference == 0:
        return prim.elementwise(name, x, y)
    longer = difference > 0
    short = x if longer else y
    zeros = prim.full((abs(difference), *short.type.shape[1:]), 0, short.dtype)
    padded = prim.concatenate([zeros, short], 0)
    return prim.elementwise(name, padded, y) if longer else prim.elementwise(name, x, padded)


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Tensor:
    return _sum(a1, a2, "add")


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Tensor:
    return _sum(a1, a2, "subtract")


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Tensor:
    product: Tensor = FUNCTIONS[np.convolve](_vector(a1), _vector(a2))
    return product


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Tensor, Tensor]:
    top = [c + 0.0 for c in coefficients(u)]
    below = [c + 0.0 for c in coefficients(v)]
    dtype = prim.result_dtype(top[0], below[0])
    steps = len(top) - len(below) + 1
    scale = 1.0 / below[0]
    rest = [prim.cast(c, dtype) for c in top]
    quotient = [prim.cast(0, dtype)] * max(steps, 1)
    for k in range(steps):
        factor = scale * rest[k]
        quotient[k] = prim.cast(factor, dtype)
        for j, c in enumerate(below):
            rest[k + j] = prim.cast(rest[k + j] - factor * c, dtype)
    if steps > 0:
        # What NumPy finds to be 0 and strips.
        rest = rest[steps:] or rest[-1:]
    return stacked(quotient, dtype), stacked(rest, dtype)


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Tensor:
    order = m.__index__()
    if order < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    x = strong(p)
    for _ in range(order):
        n = x.shape[0] - 1
        powers = prim.lift(n) - prim.iota((n,), 0)
        x = prim.elementwise("multiply", x[:-1], powers)
    return x


@implements(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Tensor:
    order = m.__index__()
    if order < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = prim.full((order,), 0.0, F8) if k is None else _vector(k)
    given = constants.shape[0].__index__()
    if given == 1 and order > 1:
        constants, given = constants[0] * prim.full((order,), 1.0, F8), order
    if given < order:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    x: Any = strong(p)
    for j in range(order):
        powers = prim.lift(x.shape[0]) - prim.iota(x.type.shape[:1], 0)
        x = np.concatenate([x / powers, constants[j : j + 1]])
    return x


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    x = strong(seq_of_zeros)
    if not x.ndim:
        x = views.reshape(x, (1,))
    if x.ndim == 2:
        # Complex eigenvalues of a real matrix come in pairs, and their polynomial is real.
        found = poly(FUNCTIONS[np.linalg.eigvals](x))
        return found if x.dtype.kind == "c" else FUNCTIONS[np.real](found).copy()
    elif x.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    dtype = np.dtype(np.mintypecode(x.dtype.char))
    terms = [prim.cast(1, dtype)]
    for root in coefficients(x):
        root = prim.cast(root, dtype)
        shifted = [*terms, prim.cast(0, dtype)]
        for k, c in enumerate(terms):
            shifted[k + 1] = shifted[k + 1] - c * root
        terms = shifted
    return 1.0 if len(terms) == 1 else stacked(terms, dtype)


@implements(np.roots)
def roots(p: Any) -> Tensor:
    """Difference from NumPy: complex, and the first and last coefficient must not be 0."""
    x = _vector(p)
    if x.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if x.dtype.kind in "biu":
        x = prim.cast(x, F8)
    n = x.shape[0].__index__() - 1
    if n < 1:
        return prim.full((0,), 0.0, F8)
    shape = (n, n)
    below = prim.cast(prim.iota(shape, 0) == prim.iota(shape, 1) + 1, x.dtype)
    first = views.reshape(-x[1:] / x[0], (1, n))
    found: Tensor = FUNCTIONS[np.linalg.eigvals](prim.concatenate([first, below[1:]], 0))
    return found


# Fitting.


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    points, values = strong(x) + 0.0, strong(y) + 0.0
    order = deg.__index__() + 1
    _check_fit(points, values, order)
    if rcond is None:
        rcond = prim.lift(points.shape[0]) * np.finfo(points.dtype).eps
    left, right = FUNCTIONS[np.vander](points, order), values
    if w is not None:
        weights = strong(w) + 0.0
        if weights.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if not current().same(weights.type.shape[0], values.type.shape[0], "polyfit"):
            raise TypeError("expected w and y to have the same length")
        left = left * weights[:, None]
        right = right * (weights[:, None] if right.ndim == 2 else weights)
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    solution, residuals, rank, singular = FUNCTIONS[np.linalg.lstsq](left, right, rcond)
    c = (solution.T / scale).T
    if full:
        return c, residuals, rank, singular, rcond
    if not cov:
        return c
    base = FUNCTIONS[np.linalg.inv](np.dot(left.T, left)) / np.outer(scale, scale)
    factor: Any = 1
    if cov != "unscaled":
        count = points.shape[0]
        if not count > order:
            raise ValueError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        # One number where there is one right-hand side; how many there are shows at run time only.
        summed = np.sum(residuals) if values.ndim == 1 else residuals
        factor = summed / prim.lift(count - order)
    return c, (base * factor if values.ndim == 1 else base[:, :, None] * factor)


def _check_fit(x: Tensor, y: Tensor, order: int) -> None:
    if order < 1:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1:
        raise TypeError("expected 1D vector for x")
    if not x.shape[0] > 0:
        raise TypeError("expected non-empty vector for x")
    if y.ndim < 1 or y.ndim > 2:
        raise TypeError("expected 1D or 2D array for y")
    if not current().same(x.type.shape[0], y.type.shape[0], "polyfit"):
        raise TypeError("expected x and y to have same length")
