"""Distinct elements and operations on sets of them, done by NumPy at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib import _arraysetops_impl

from tracejit.trace import prim, views
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.prim import normalize_axis
from tracejit.trace.registry import implements
from tracejit.trace.tensor import Tensor

_RESULTS: Any = _arraysetops_impl
"""Where NumPy has its namedtuples."""


def _unique(
    x: Tensor, axis: Any, index: bool, inverse: bool, counts: bool, equal_nan: bool
) -> tuple[Tensor, ...]:
    if axis is not None:
        axis = normalize_axis(axis, x.ndim)
    if not x.ndim and axis is None:
        x = views.reshape(prim.copy(x), (1,)) if not inverse else x
    found = prim.call(
        "unique", x, sizes=1, axis=axis, index=index, inverse=inverse, counts=counts,
        equal_nan=bool(equal_nan),
    )  # fmt: skip
    several = found if isinstance(found, tuple) else (found,)
    # NumPy gives the inverse of a 0-d array as a 0-d array, no scalar.
    return tuple(t if t.ndim else prim.fresh_array(t.value) for t in several)


@implements(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, axis: Any = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    found = _unique(
        strong(ar), axis, bool(return_index), bool(return_inverse), bool(return_counts), equal_nan
    )
    return found if len(found) > 1 else found[0]


@implements(np.unique_values)
def unique_values(x: Any) -> Tensor:
    """Sorted; NumPy leaves the order open."""
    return _unique(strong(x), None, False, False, False, False)[0]


@implements(np.unique_counts)
def unique_counts(x: Any) -> Any:
    found = _unique(strong(x), None, False, False, True, False)
    return _RESULTS.UniqueCountsResult(*found)


@implements(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    found = _unique(strong(x), None, False, True, False, False)
    return _RESULTS.UniqueInverseResult(*found)


@implements(np.unique_all)
def unique_all(x: Any) -> Any:
    found = _unique(strong(x), None, True, True, True, False)
    return _RESULTS.UniqueAllResult(*found)


# Membership.


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Tensor:  # fmt: skip
    if kind not in (None, "sort", "table"):
        raise ValueError(f"Invalid kind: '{kind}'. Please use None, 'sort' or 'table'.")
    x = strong(element)
    return prim.copy(
        prim.call(
            "isin", x, strong(test_elements), assume_unique=bool(assume_unique),
            invert=bool(invert), kind=kind,
        )
    )  # fmt: skip


# Two sets.


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Tensor:
    return prim.call("union1d", strong(ar1), strong(ar2), sizes=1)


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    return prim.call(
        "intersect1d", strong(ar1), strong(ar2), sizes=1, assume_unique=bool(assume_unique),
        indices=bool(return_indices),
    )  # fmt: skip


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Tensor:
    a, b = strong(ar1), strong(ar2)
    return prim.call("setdiff1d", a, b, sizes=1, assume_unique=bool(assume_unique))


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Tensor:
    a, b = strong(ar1), strong(ar2)
    return prim.call("setxor1d", a, b, sizes=1, assume_unique=bool(assume_unique))
