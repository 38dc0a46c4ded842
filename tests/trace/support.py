"""Comparing a traced function with NumPy, through the interpreter of graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tracejit.ir.ops
import tracejit.trace.namespace  # noqa: F401
from tracejit.ir.graph import Graph, ScalarGuard
from tracejit.ir.interpret import interpret
from tracejit.ir.types import TensorType
from tracejit.ir.verify import verify
from tracejit.trace.context import Trace, activate, tracing
from tracejit.trace.prim import lift
from tracejit.trace.registry import FUNCTIONS
from tracejit.trace.tensor import Cell, Tensor

_WEAK = {int: np.dtype("i8"), float: np.dtype("f8"), complex: np.dtype("c16")}


def trace(fn: Callable[..., Any], *args: Any) -> tuple[Graph, Any, list[np.ndarray]]:
    """The graph of `fn`, what `fn` returned, and the concrete arrays it took from outside."""
    return _trace(fn, *args)[:3]


def _trace(
    fn: Callable[..., Any], *args: Any
) -> tuple[Graph, Any, list[np.ndarray], list[bool | None]]:
    """The graph of `fn`, whose results are those of `fn`, then each array argument afterwards.

    Also what `fn` returned, the concrete arrays it took from outside, which are further arguments,
    and for each 0-d tensor it returned whether that is a scalar.
    """
    state = Trace(getattr(fn, "__name__", "fn"))
    tensors = [_param(state, k, arg) for k, arg in enumerate(args)]
    with activate(state):
        result = fn(*tensors)
        scalars = [leaf.scalar if _is_0d(leaf) else None for leaf in leaves(result)]
        outputs = [lift(x).value for x in leaves(result)]
        outputs += [t.value for t in tensors if t.weak is None]
        graph = state.finish(outputs)
    verify(graph)
    return graph, result, [array for array, _ in state.captures.values()], scalars


def _is_0d(x: Any) -> bool:
    return isinstance(x, Tensor) and x.ndim == 0


def _param(state: Trace, k: int, arg: Any) -> Tensor:
    name = "xyzwuv"[k]
    if isinstance(arg, (int, float, complex)) and not isinstance(arg, (bool, np.generic)):
        kind = type(arg)
        value = state.builder.param(TensorType(_WEAK[kind]), name)
        state.scalar_values[value] = arg
        return Tensor(Cell(value, state, scalar=True), weak=kind)
    array = np.asarray(arg)
    shape = [
        n if n == 1 else state.new_symbol(f"{name}{axis}", n) for axis, n in enumerate(array.shape)
    ]
    value = state.builder.param(TensorType(array.dtype, tuple(shape)), name)
    is_scalar = isinstance(arg, np.generic)
    return Tensor(Cell(value, state, "argument", scalar=is_scalar))


def leaves(x: Any) -> list[Any]:
    """The arrays and numbers in a result."""
    if x is None:
        return []
    if isinstance(x, (list, tuple)):
        return [leaf for item in x for leaf in leaves(item)]
    return [x]


def check(
    fn: Callable[..., Any], *args: Any, others: Sequence[Sequence[Any]] = (), ulp: int = 4
) -> Graph:
    """Hold the trace of `fn` on `args` against NumPy, on `args` and on `others` of the same graph.

    Dtypes, shapes, values, whether a 0-d result is a scalar, and every argument afterwards are
    compared; `others` that the guards refuse are an error of the test.
    """
    graph, _, captured, scalars = _trace(fn, *args)
    for scalar, want in zip(scalars, leaves(_run(fn, args)[0]), strict=True):
        assert scalar is None or scalar == (not isinstance(want, np.ndarray)), type(want)
    for case in (args, *others):
        compare(graph, fn, case, ulp, captured)
    return graph


def compare(
    graph: Graph,
    fn: Callable[..., Any],
    args: Sequence[Any],
    ulp: int = 4,
    captured: Sequence[np.ndarray] = (),
) -> None:
    for guard in graph.guards:
        assert not isinstance(guard, ScalarGuard) or _holds(guard, args), guard
    got = interpret(graph, [*args, *captured])
    want, after = _run(fn, args)
    wanted = leaves(want) + [x for x in after if isinstance(x, (np.ndarray, np.generic))]
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert_same(a, np.asarray(b), ulp)


def _run(fn: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, list[Any]]:
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        return fn(*copies), copies


def _holds(guard: ScalarGuard, args: Sequence[Any]) -> bool:
    value = args[guard.param]
    return {
        "==": value == guard.value,
        "!=": value != guard.value,
        "<": value < guard.value,
        "<=": value <= guard.value,
        ">": value > guard.value,
        ">=": value >= guard.value,
    }[guard.relation]


def assert_same(got: np.ndarray, want: np.ndarray, ulp: int = 4) -> None:
    """Same dtype, shape and values; floats within some units in the last place."""
    assert got.dtype == want.dtype, f"dtype {got.dtype}, NumPy has {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, NumPy has {want.shape}"
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want)
    else:
        eps = np.finfo(want.dtype).eps
        np.testing.assert_allclose(got, want, rtol=ulp * eps, atol=0, equal_nan=True)


def values(shape: tuple[int, ...], dtype: Any = float, seed: int = 0) -> np.ndarray:
    """Random values of ordinary size; integers from -4 to 9 (0 to 9 if unsigned)."""
    rng = np.random.default_rng(seed + 7 * len(shape) + sum(shape))
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) < 0.5
    if kind in "iu":
        return rng.integers(-4 if kind == "i" else 0, 10, shape).astype(dtype)
    if kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    return np.asarray(rng.normal(size=shape) * 2, dtype)


class Numpy:
    """`np` as a jitted function sees it: creators trace without traced arguments."""

    def __getattr__(self, name: str) -> Any:
        original = getattr(np, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return (FUNCTIONS[original] if tracing() else original)(*args, **kwargs)

        return call if original in FUNCTIONS else original


xp = Numpy()
