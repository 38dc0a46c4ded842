"""`scipy.special`: every ufunc, and the functions of models that SciPy has in Python.

A ufunc of real numbers that has an op is compiled; others are called at run time. The table is
filled once SciPy has been imported by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.opdef import resolve_loop
from tracejit.ir.ops.special_functions import SPECIAL
from tracejit.ir.types import F8
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.elementwise import inexact, strong
from tracejit.trace.namespace.reductions import axes_of
from tracejit.trace.namespace.ufuncs import implementation
from tracejit.trace.registry import FUNCTIONS, when_imported
from tracejit.trace.tensor import Tensor, describe

_AS_NUMPY = {
    "log1p": np.log1p, "expm1": np.expm1, "exp2": np.exp2, "cbrt": np.cbrt, "round": np.rint,
}  # fmt: skip
"""Ufuncs that SciPy has beside NumPy's own."""


@when_imported("scipy.special")
def register() -> None:
    """Add what answers for `scipy.special`, which has been imported."""
    module = import_module("scipy.special")
    for name in dir(module):
        found = getattr(module, name)
        if isinstance(found, np.ufunc) and found.__name__ and found.signature is None:
            FUNCTIONS.setdefault(found, implementation(found, _computation(found, name)))
    for name, function in PYTHON.items():
        original = getattr(module, name, None)
        if original is not None and not isinstance(original, np.ufunc):
            FUNCTIONS[original] = function


def _computation(ufunc: np.ufunc, name: str) -> Callable[..., tuple[Tensor, ...]]:
    op = SPECIAL.get(name) or SPECIAL.get(ufunc.__name__)

    def compute(xs: Sequence[Tensor], dtype: Any) -> tuple[Tensor, ...]:
        loop = _loop(ufunc, xs, dtype)
        outputs = loop[ufunc.nin :]
        if name in _AS_NUMPY and outputs[0].kind == "f":
            return (FUNCTIONS[_AS_NUMPY[name]](prim.cast(xs[0], outputs[0])),)
        if op is not None and all(d.kind in "iuf" for d in loop):
            return (prim.apply(op, *prim.aligned(*(prim.cast(x, outputs[0]) for x in xs))),)
        inputs = prim.aligned(*(prim.cast(x, d) for x, d in zip(xs, loop, strict=False)))
        return called(name, inputs, "".join(d.char for d in outputs))

    return compute


def called(name: str, inputs: Sequence[Tensor], outputs: str) -> tuple[Tensor, ...]:
    """`scipy.special.name`, called at run time."""
    found = prim.call("scipy_special", *inputs, function=name, outputs=outputs)
    return found if isinstance(found, tuple) else (found,)


def _loop(ufunc: np.ufunc, xs: Sequence[Tensor], dtype: Any) -> tuple[np.dtype, ...]:
    kinds: tuple[Any, ...] = tuple(prim.operand_dtype(x) for x in xs)
    if all(isinstance(k, type) for k in kinds):
        kinds = tuple(np.dtype(k) for k in kinds)
    try:
        if dtype is None:
            return resolve_loop(ufunc, kinds)
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
        return ufunc.resolve_dtypes(kinds + (None,) * ufunc.nout, signature=signature)
    except TypeError:
        types = ", ".join(map(describe, xs))
        fail(
            errors.DTypeError,
            f"scipy.special.{ufunc.__name__} does not take these dtypes: {types}",
            "cast with x.astype(...) first",
        )


def _special(name: str, *xs: Any) -> Tensor:
    """The elementwise op of `scipy.special.name`."""
    dtype = prim.result_dtype(*xs)
    dtype = dtype if dtype.kind == "f" and dtype.itemsize >= 4 else F8
    return prim.apply(SPECIAL[name], *prim.aligned(*(prim.cast(x, dtype) for x in xs)))


# Sums of exponentials.


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """The largest terms are taken out, as in SciPy, so that nothing overflows or is lost."""
    x: Any = inexact(a)
    if x.dtype.kind == "c":
        fail(errors.DTypeError, f"logsumexp of complex numbers is not supported: {describe(x)}")
    weights: Any = None
    if b is not None:
        weights = strong(b)
        dtype = prim.result_dtype(x, weights)
        x, weights = prim.cast(x, dtype), prim.cast(weights, dtype)
        shape = prim.broadcast_shapes(x, weights)
        x, weights = (views.broadcast_to(t, shape) for t in (x, weights))
    if not x.ndim:
        x = views.reshape(x, (1,))
        weights = None if weights is None else views.reshape(weights, (1,))
    axes = axes_of(axis, x)
    if not all(x.shape[k] > 0 for k in axes):
        kept = tuple(1 if k in axes else d for k, d in enumerate(x.type.shape))
        size: Any = prim.full(kept, -np.inf, x.dtype)
        sign: Any = np.sign(size)
    else:
        size, sign = _log_of_sum(x, weights, axes, return_sign)
    if not keepdims:
        kept = tuple(d for k, d in enumerate(x.type.shape) if k not in axes)
        size, sign = (prim.scalar(views.reshape(y, kept)) for y in (size, sign))
    return (size, sign) if return_sign else size


def _log_of_sum(x: Any, b: Any, axes: tuple[int, ...], signed: bool) -> tuple[Any, Any]:
    """The logarithm of `sum(b * exp(x))`, and the sign of the sum."""
    zero, full = prim.cast(0, x.dtype), x
    if b is not None:
        x = prim.select(b == 0, prim.cast(-np.inf, x.dtype), x)
    top: Any = prim.reduce("max", x, axes, True)
    largest = x == top
    powers = prim.select(largest, zero, np.exp(x - top))
    heads = prim.cast(largest, x.dtype)
    if b is not None:
        powers, heads = b * powers, b * heads
    m: Any = prim.reduce("sum", heads, axes, True)
    s: Any = prim.reduce("sum", powers, axes, True)
    s = prim.select(s == 0, s, s / m)
    sign = np.sign(s + 1) * np.sign(m)
    s = prim.select(s < -1, -s - 2, s)
    size = np.log1p(s) + np.log(np.abs(m)) + top
    if not signed:
        size = prim.select(sign < 0, prim.cast(np.nan, size.dtype), size)
    finite = np.isfinite(size)
    if b is None:
        plain, plain_sign = top, np.sign(np.exp(top))
    else:
        total: Any = prim.reduce("sum", b * np.exp(full), axes, True)
        plain, plain_sign = np.log(np.abs(total) if signed else total), np.sign(total)
    return prim.select(finite, size, plain), prim.select(finite, sign, plain_sign)


def softmax(x: Any, axis: Any = None) -> Tensor:
    tensor: Any = strong(x)
    axes = axes_of(axis, tensor)
    powers = np.exp(tensor - prim.reduce("max", tensor, axes, True))
    return powers / FUNCTIONS[np.sum](powers, axis=axes, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Tensor:
    tensor: Any = strong(x)
    axes = axes_of(axis, tensor)
    top: Any = prim.reduce("max", tensor, axes, True)
    shifted = tensor - prim.select(np.isfinite(top), top, prim.cast(0, top.dtype))
    return shifted - np.log(FUNCTIONS[np.sum](np.exp(shifted), axis=axes, keepdims=True))


# Functions that SciPy has in Python.


def softplus(x: Any, **kwargs: Any) -> Tensor:
    tensor = inexact(x)
    return FUNCTIONS[np.logaddexp](prim.cast(0, tensor.dtype), tensor, **kwargs)


def zeta(x: Any, q: Any = None, out: Any = None) -> Tensor:
    operands = [strong(x)] if q is None else [strong(x), strong(q)]
    if any(t.dtype.kind == "c" for t in operands):
        fail(errors.UnsupportedError, "scipy.special.zeta of complex numbers is not supported")
    dtype = prim.result_dtype(*operands)
    dtype = dtype if dtype.kind == "f" and dtype.itemsize >= 4 else F8
    inputs = prim.aligned(*(prim.cast(t, dtype) for t in operands))
    (result,) = called("zeta", inputs, dtype.char)
    if out is not None:
        prim.store(prim.lift(out), result)
        return prim.lift(out)
    return result


def polygamma(n: Any, x: Any) -> Tensor:
    order, at = prim.cast(strong(n), F8), prim.cast(strong(x), F8)
    sign = prim.select(order % 2 == 0, -1.0, 1.0)
    factor = sign * _special("gamma", order + 1.0)
    return prim.select(order == 0, _special("psi", at), factor * zeta(order + 1, at))


def _refuse_exact(name: str, exact: bool) -> None:
    if exact:
        fail(
            errors.UnsupportedError,
            f"scipy.special.{name}(exact=True) of traced numbers is not supported",
            "exact=False, which computes with floats",
        )


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Tensor:
    _refuse_exact("comb", exact)
    n, m = strong(N), strong(k)
    if repetition:
        found = _special("binom", n + m - 1, m)
        return prim.select((m == 0) & (n >= 0), prim.cast(1, found.dtype), found)
    inside = (m <= n) & (n >= 0) & (m >= 0)
    found = _special("binom", n, m)
    return prim.select(inside, found, prim.cast(0, found.dtype))


def perm(N: Any, k: Any, exact: bool = False) -> Tensor:
    _refuse_exact("perm", exact)
    n, m = strong(N), strong(k)
    inside = (m <= n) & (n >= 0) & (m >= 0)
    found = _special("poch", n - m + 1, m)
    return prim.select(inside, found, prim.cast(0, found.dtype))


def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Tensor:
    if exact or extend != "zero":
        fail(
            errors.UnsupportedError,
            "scipy.special.factorial of traced numbers is supported with exact=False only",
            "exact=False, which computes with floats",
        )
    x = strong(n)
    found = _special("gamma", prim.cast(x, _special("gamma", x).dtype) + 1)
    return prim.select(x < 0, prim.cast(0, found.dtype), found)


def multigammaln(a: Any, d: Any) -> Tensor:
    x: Any = strong(a)
    order = d.__index__()
    result = order * (order - 1) * 0.25 * np.log(np.pi)
    for j in range(1, order + 1):
        result = result + _special("gammaln", x - (j - 1.0) / 2)
    return result


PYTHON: dict[str, Callable[..., Any]] = {
    "logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax, "softplus": softplus,
    "zeta": zeta, "polygamma": polygamma, "comb": comb, "perm": perm, "factorial": factorial,
    "multigammaln": multigammaln,
}  # fmt: skip
"""Functions that are no ufuncs, by their names in `scipy.special`."""
