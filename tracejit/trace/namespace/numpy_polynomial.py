"""`numpy.polynomial`: values, Vandermonde matrices, derivatives, integrals of series.

Coefficients begin with the lowest power, and how many there are is part of the compiled version.
Arithmetic, which strips zeros of its results, is NumPy's own, called at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

from tracejit.ir.ops.series import call_series
from tracejit.trace import prim, views
from tracejit.trace.namespace.elementwise import inexact, strong
from tracejit.trace.namespace.polynomials import coefficients, stacked
from tracejit.trace.namespace.shape import moveaxis
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.tensor import Tensor

Sum = Callable[[list[Any], Any], Any]
"""The value of a series at `x` from its coefficients."""


def _series(c: Any) -> Tensor:
    x = inexact(c)
    return x if x.ndim else views.reshape(x, (1,))


def _horner(c: list[Any], x: Any) -> Any:
    total = c[-1] + x * 0
    for a in c[-2::-1]:
        total = a + total * x
    return total


def _clenshaw(step: Callable[[Any, Any, int, Any], tuple[Any, Any]], end: Any) -> Sum:
    """Two terms at a time from the highest; `step(a, c1, n, x)` gives what `a` and `c0` become."""

    def evaluate(c: list[Any], x: Any) -> Any:
        if len(c) == 1:
            return c[0] + 0 * end(x)
        c0, c1, n = c[-2], c[-1], len(c)
        for a in c[-3::-1]:
            n -= 1
            first, more = step(a, c1, n, x)
            c0, c1 = first, c0 + more
        return c0 + c1 * end(x)

    return evaluate


_SUMS: dict[Any, Sum] = {
    polynomial.polyval: _horner,
    chebyshev.chebval: _clenshaw(lambda a, c, n, x: (a - c, c * (2 * x)), lambda x: x),
    legendre.legval: _clenshaw(
        lambda a, c, n, x: (a - c * ((n - 1) / n), c * x * ((2 * n - 1) / n)), lambda x: x
    ),
    hermite.hermval: _clenshaw(
        lambda a, c, n, x: (a - c * (2 * (n - 1)), c * (x * 2)), lambda x: x * 2
    ),
    hermite_e.hermeval: _clenshaw(lambda a, c, n, x: (a - c * (n - 1), c * x), lambda x: x),
    laguerre.lagval: _clenshaw(
        lambda a, c, n, x: (a - (c * (n - 1)) / n, (c * ((2 * n - 1) - x)) / n), lambda x: 1 - x
    ),
}


def _value(function: Any, evaluate: Sum) -> Callable[..., Tensor]:
    def value(x: Any, c: Any, tensor: bool = True) -> Tensor:
        series, points = _series(c), strong(x)
        if tensor and points.ndim:
            shape = (*series.type.shape, *(1,) * points.ndim)
            series = views.reshape(series, shape)
        found = prim.lift(evaluate(coefficients(series), points))
        return found if found.ndim else prim.scalar(found)

    implements(function)(value)
    return value


def _grid(function: Any, value: Callable[..., Tensor], count: int) -> None:
    """Register the values of a series in several variables, at points or on a grid."""
    on_grid = "grid" in function.__name__

    def values(*args: Any) -> Tensor:
        points, c = [strong(a) for a in args[:count]], args[count]
        for k, x in enumerate(points):
            c = value(x, c, tensor=on_grid or k == 0)
        return c

    implements(function)(values)


_VANDER: dict[Any, Callable[[list[Any], int, Any], Any]] = {
    polynomial.polyvander: lambda v, i, x: v[-1] * x,
    chebyshev.chebvander: lambda v, i, x: v[-1] * (2 * x) - v[-2],
    legendre.legvander: lambda v, i, x: (v[-1] * x * (2 * i - 1) - v[-2] * (i - 1)) / i,
    hermite.hermvander: lambda v, i, x: v[-1] * (x * 2) - v[-2] * (2 * (i - 1)),
    hermite_e.hermevander: lambda v, i, x: v[-1] * x - v[-2] * (i - 1),
    laguerre.lagvander: lambda v, i, x: (v[-1] * (2 * i - 1 - x) - v[-2] * (i - 1)) / i,
}
_SECOND: dict[Any, Callable[[Any], Any]] = {
    hermite.hermvander: lambda x: x * 2,
    laguerre.lagvander: lambda x: 1 - x,
}


def _vandermonde(function: Any, step: Callable[[list[Any], int, Any], Any]) -> None:
    def vander(x: Any, deg: Any) -> Tensor:
        degree = deg.__index__()
        if degree < 0:
            raise ValueError("deg must be non-negative")
        points: Any = strong(x) + 0.0
        points = points if points.ndim else views.reshape(points, (1,))
        columns = [points * 0 + 1]
        if degree > 0:
            columns.append(_SECOND.get(function, lambda x: x)(points))
        for i in range(2, degree + 1):
            columns.append(step(columns, i, points))
        return moveaxis(stacked(columns, points.dtype), 0, -1)

    implements(function)(vander)


for _function, _evaluate in _SUMS.items():
    _of_points = _value(_function, _evaluate)
    _module = {m.__name__: m for m in (
        polynomial, chebyshev, legendre, hermite, hermite_e, laguerre
    )}[_function.__module__]  # fmt: skip
    for _count in (2, 3):
        for _kind in ("val", "grid"):
            _several = getattr(_module, _function.__name__.replace("val", f"{_kind}{_count}d"))
            _grid(_several, _of_points, _count)
for _function, _step in _VANDER.items():
    _vandermonde(_function, _step)


# Arithmetic.


def _arithmetic(name: str, function: Any) -> None:
    def compute(*args: Any) -> Any:
        operands = 1 if name.endswith(("pow", "trim")) else len(args)
        series = [strong(a) for a in args[:operands]]
        rest = tuple(float(a) if name.endswith("trim") else int(a) for a in args[operands:])
        # The dtypes are those that NumPy finds for other series of the same dtypes.
        sample = call_series(name, *(np.ones(2, x.dtype) for x in series), *rest)
        outputs = "".join(y.dtype.char for y in sample)
        return prim.call(
            "series", *series, sizes=len(outputs), function=name, outputs=outputs, arguments=rest
        )

    implements(function)(compute)


for _module, _prefix in (
    (polynomial, "poly"), (chebyshev, "cheb"), (legendre, "leg"), (hermite, "herm"),
    (hermite_e, "herme"), (laguerre, "lag"),
):  # fmt: skip
    for _suffix in ("add", "sub", "mul", "div", "mulx", "pow", "fromroots", "trim"):
        _full = _prefix + _suffix
        _arithmetic(f"{_module.__name__.rpartition('.')[2]}.{_full}", getattr(_module, _full))


# Power series.


@implements(polynomial.polyder)
def polyder(c: Any, m: Any = 1, scl: Any = 1, axis: int = 0) -> Tensor:
    order = m.__index__()
    if order < 0:
        raise ValueError("The order of derivation must be non-negative")
    series = _series(c)
    k = prim.normalize_axis(axis, series.ndim)
    x: Any = moveaxis(series, k, 0)
    if not x.shape[0] > order:
        return moveaxis(prim.copy(x[:1] * 0), 0, k)
    for _ in range(order):
        powers = views.reshape(prim.iota((x.shape[0],), 0), (-1, *(1,) * (x.ndim - 1)))
        x = prim.cast((x * scl * powers)[1:], series.dtype)
    return moveaxis(prim.copy(x), 0, k)


@implements(polynomial.polyint)
def polyint(c: Any, m: Any = 1, k: Any = (), lbnd: Any = 0, scl: Any = 1, axis: int = 0) -> Tensor:
    order = m.__index__()
    constants = list(k) if isinstance(k, (list, tuple)) else [k]
    if order < 0:
        raise ValueError("The order of integration must be non-negative")
    if len(constants) > order:
        raise ValueError("Too many integration constants")
    constants += [0] * (order - len(constants))
    series = _series(c)
    at = prim.normalize_axis(axis, series.ndim)
    x: Any = moveaxis(series, at, 0)
    for constant in constants:
        powers = views.reshape(prim.iota((x.shape[0],), 0) + 1, (-1, *(1,) * (x.ndim - 1)))
        higher = prim.cast(x * scl / powers, series.dtype)
        whole = prim.concatenate([prim.cast(x[:1] * 0, series.dtype), higher], 0)
        start = constant - _horner(coefficients(whole), strong(lbnd))
        first = prim.cast(views.reshape(prim.lift(start), x[:1].shape), series.dtype)
        x = prim.concatenate([first, higher], 0)
    return moveaxis(x, 0, at)


@implements(polynomial.polyvalfromroots)
def polyvalfromroots(x: Any, r: Any, tensor: bool = True) -> Tensor:
    roots, points = _series(r), strong(x)
    if points.ndim and tensor:
        roots = views.reshape(roots, (*roots.type.shape, *(1,) * points.ndim))
    elif points.ndim and points.ndim >= roots.ndim:
        raise ValueError("x.ndim must be < r.ndim when tensor == False")
    found: Tensor = FUNCTIONS[np.prod](points - roots, axis=0)
    return found
