"""Comparing compiled functions with NumPy: shape, dtype, values, ownership, arguments untouched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.ops.test_elementwise import differences
from tests.trace.support import leaves
from tracejit import jit
from tracejit.compiler import optimize
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target

SUM_ULP = 32
"""Units in the last place, of the sum of magnitudes, that the order of a summation may cost."""


def random(shape: Sequence[int], dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    """Values of ordinary size: floats from 0.5 to 2 of both signs, integers from -4 to 9."""
    rng = np.random.default_rng([seed, *shape])
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(-4 if dtype.kind == "i" else 0, 10, shape).astype(dtype)
    values = rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
    if dtype.kind == "c":
        values = values + 1j * rng.uniform(-2, 2, shape)
    return np.asarray(values, dtype)


def assert_equal(
    got: Any, want: Any, ulp: float = 0.0, scale: Any = None, eps: float = 0.0
) -> None:
    """Same kind, shape, dtype and values. Floats may be `ulp` apart, in units of `want` itself.

    `scale` instead gives the size of the numbers that were summed, whose units then count; `eps`
    is that of a narrower dtype in which a part was computed.
    """
    assert isinstance(got, np.ndarray) == isinstance(want, np.ndarray), (type(got), type(want))
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype, f"dtype {got.dtype}, NumPy has {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, NumPy has {want.shape}"
    if scale is None or want.dtype.kind not in "fc":
        wrong = differences(got, want, ulp, zeros=False) & ~(np.isnan(got) & np.isnan(want))
    else:
        eps = max(eps, float(np.finfo(want.dtype).eps))
        with np.errstate(all="ignore"):
            near = abs(got - want) <= ulp * eps * np.asarray(scale)
        wrong = ~(near | (got == want) | (np.isnan(got) & np.isnan(want)))
    where = np.argwhere(wrong)[:4]
    shown = [(tuple(map(int, w)), got[tuple(w)], want[tuple(w)]) for w in where]
    assert not np.any(wrong), f"{np.sum(wrong)} of {want.size} differ (index, got, NumPy): {shown}"


def magnitude(x: Any) -> Any:
    """The largest finite magnitude in `x`, at least 1."""
    sizes = np.abs(np.asarray(x)).astype("f8")
    sizes = sizes[np.isfinite(sizes)]
    return max(1.0, float(sizes.max())) if sizes.size else 1.0


def check(
    fn: Callable[..., Any], *args: Any, ulp: float = 4, sums: bool = False, compiled: Any = None
) -> Any:
    """Hold the compiled `fn` against NumPy; the interpreter tells which part of us is wrong.

    With `sums` errors count in units of the largest argument or result, in the dtype of the
    narrowest argument.
    """
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        want = leaves(fn(*before))
    compiled = compiled or jit(fn)
    got = leaves(compiled(*args))
    assert len(got) == len(want)
    scale = max(map(magnitude, [*args, *want]), default=1.0) if sums else None
    floats = [np.asarray(a).dtype for a in args if np.asarray(a).dtype.kind in "fc"]
    eps = max((float(np.finfo(d).eps) for d in floats), default=0.0)
    try:
        for k, (a, b) in enumerate(zip(got, want, strict=True)):
            try:
                assert_equal(a, b, ulp, scale, eps)
            except AssertionError as error:
                raise AssertionError(f"result {k}: {error}") from None
    except AssertionError as error:
        raise AssertionError(f"{error}\nthe passes are {_verdict(compiled, args, want)}") from None
    for a, b in zip(args, before, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg="an argument was changed")
    with np.errstate(all="ignore"):
        there = leaves(fn(*args))  # NumPy on the same memory: copies lie otherwise
    for result, w in zip(got, there, strict=True):
        # Of an identity, as x.reshape(x.shape), NumPy gives a view; we may give the argument.
        if isinstance(result, np.ndarray) and not any(shares(w, a) for a in args):
            # Fresh memory is both; an empty view shares nothing, and is what its base is.
            assert result.flags.writeable or not w.flags.writeable
            assert result.flags.aligned or not w.flags.aligned
            assert not any(shares(result, a) for a in args)
    return got


def _verdict(compiled: Any, args: Sequence[Any], want: Sequence[Any]) -> str:
    """Whether the optimized graph, interpreted node by node, is right."""
    try:
        found = interpret(optimize(compiled.trace(*args), Target()), args)
        near = [
            np.allclose(a, b, rtol=1e-3, atol=1e-6, equal_nan=True)
            for a, b in zip(found, want, strict=False)
        ]
    except Exception as error:
        return f"not to be judged: {type(error).__name__}: {error}"
    return "right" if all(near) else f"wrong: {near}"


def shares(a: Any, b: Any) -> bool:
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.shares_memory(a, b)
