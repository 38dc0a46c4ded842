"""Questions about dtypes and about arrays as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit import errors
from tracejit.trace import prim
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.registry import implements
from tracejit.trace.tensor import Tensor, describe


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    x, y = strong(a1), strong(a2)
    try:
        current().broadcast(x.type.shape, y.type.shape)
    except ValueError:
        return False
    same = prim.elementwise("equal", x, y)
    return prim.reduce("all", same, tuple(range(same.ndim)))


def _on_dtypes(function: Any) -> None:
    """Register a function of dtypes, which takes arrays for them."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        return function(*(_as_dtype(a) for a in args), **kwargs)

    implements(function)(answer)


def _as_dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, Tensor) else x


for _function in (np.isdtype, np.promote_types, np.issubdtype, np.finfo, np.iinfo):
    _on_dtypes(_function)


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    return np.common_type(*(np.empty(0, strong(a).dtype) for a in arrays))


@implements(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype:
    """Difference from NumPy: of a traced scalar its dtype, whatever its value."""
    return strong(a).dtype


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Tensor:
    """Of complex numbers refused: whether their imaginary parts are 0 depends on the values."""
    x = strong(a)
    if x.dtype.kind != "c":
        return x
    fail(
        errors.UnsupportedError,
        f"np.real_if_close has a dtype that depends on the data: {describe(x)}",
        "x.real",
    )
