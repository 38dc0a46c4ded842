"""What scalar bodies share: choosing by kind of dtype, and float16 computed in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.ir.scalar import Scalar, Scalars
from tracejit.ir.types import F2, F4

Body = Callable[..., Scalar]


def by_kind(**bodies: Body) -> Body:
    """The body named after the kind of the first operand's dtype: `b`, `i`, `u`, `f` or `c`.

    `n`, for numbers, stands for all kinds that are not named.
    """

    def body(o: Scalars, x: Scalar, *rest: Scalar) -> Scalar:
        return bodies.get(x.dtype.kind, bodies.get("n", _no_loop))(o, x, *rest)

    return body


def _no_loop(o: Scalars, x: Scalar, *rest: Scalar) -> Scalar:
    raise TypeError(f"no scalar body for {x.dtype}")


def wide(body: Body) -> Body:
    """`body`, with float16 computed in float32 and rounded once, as NumPy's loops do."""

    def widened(o: Scalars, *xs: Scalar) -> Scalar:
        if all(x.dtype != F2 for x in xs):
            return body(o, *xs)
        y = body(o, *(o.cast(x, F4) if x.dtype == F2 else x for x in xs))
        return o.cast(y, F2) if y.dtype == F4 else y

    return widened


def wide_reference(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a NumPy reference; the result has the dtype of the first operand."""

    def widened(x: Any, *rest: Any) -> Any:
        dtype = np.asarray(x).dtype
        if dtype != F2:
            return function(x, *rest)
        return np.asarray(function(*(np.asarray(a).astype(F4) for a in (x, *rest)))).astype(F2)

    return widened


def same(o: Scalars, x: Scalar) -> Scalar:
    return x


def false(o: Scalars, x: Scalar) -> Scalar:
    return o.const(False, np.dtype(bool))


def true(o: Scalars, x: Scalar) -> Scalar:
    return o.const(True, np.dtype(bool))


def math(name: str, complex_name: str | None = None) -> Body:
    """The body that calls `name` of C's math library, `complex_name` for complex operands."""

    def body(o: Scalars, *xs: Scalar) -> Scalar:
        if xs[0].dtype.kind == "c":
            if complex_name is None:
                raise TypeError(f"no complex {name}")
            return o.complex_call(complex_name, *xs)
        return o.call(name, *xs)

    return body


def unsigned(dtype: np.dtype) -> np.dtype:
    """The unsigned integer of the same width."""
    return np.dtype(f"u{dtype.itemsize}")


def tag(dtype: np.dtype) -> str:
    """`f8` for float64: for the names of helpers."""
    return dtype.str[1:]
