"""`numpy.fft`: transforms are calls of the library at run time, the helpers are compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.trace import prim
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import store
from tracejit.trace.registry import FUNCTIONS, implements
from tracejit.trace.size import Size, to_length, wrap
from tracejit.trace.tensor import Tensor, describe

_NORMS = (None, "backward", "ortho", "forward")
_REAL_INPUT = ("rfft", "ihfft", "rfftn")
_REAL_OUTPUT = ("irfft", "hfft", "irfftn")


def _input(a: Any, name: str) -> Tensor:
    x = strong(a)
    if name in _REAL_INPUT and x.dtype.kind == "c":
        fail(errors.DTypeError, f"np.fft.{name} takes real input: {describe(x)}", "x.real")
    return x


def _norm(norm: Any) -> Any:
    if norm not in _NORMS:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return norm


def _points(size: Dim) -> Dim:
    """A number of points, which must be positive."""
    if not current().decide(size, ">=", 1, "a Fourier transform"):
        raise ValueError(
            f"Invalid number of FFT data points ({current().describe(size)}) specified."
        )
    return size


def _one_axis(name: str) -> Callable[..., Tensor]:
    def transform(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
        x = _input(a, name)
        k = prim.normalize_axis(axis, x.ndim)
        if n is not None:
            size = to_length(n, "n")
        else:
            size = x.type.shape[k]
            size = (size - 1) * 2 if name in _REAL_OUTPUT else size
        found = prim.call(name, x, n=_points(size), axis=k, norm=_norm(norm))
        return store(out, found, "same_kind")

    return transform


def _several_axes(name: str, default: tuple[int, ...] | None) -> Callable[..., Tensor]:
    def transform(
        a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None
    ) -> Tensor:
        x = _input(a, name)
        if s is not None and axes is None:
            axes = tuple(range(x.ndim - len(s), x.ndim))
        wanted = range(x.ndim) if axes is None else axes
        chosen = tuple(prim.normalize_axis(k, x.ndim) for k in wanted)
        sizes = _sizes(x, s, chosen, name)
        if not chosen:
            if name in ("rfftn", "irfftn"):
                raise IndexError("list index out of range")
            return store(out, prim.cast(x, np.result_type(x.dtype, np.complex64)), "same_kind")
        found = prim.call(name, x, s=tuple(map(_points, sizes)), axes=chosen, norm=_norm(norm))
        return store(out, found, "same_kind")

    return transform


def _sizes(x: Tensor, s: Any, axes: Sequence[int], name: str) -> list[Dim]:
    own = [x.type.shape[k] for k in axes]
    if s is None:
        if name in _REAL_OUTPUT and own:
            own[-1] = (own[-1] - 1) * 2
        return own
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    found: list[Dim] = []
    for size, k in zip(s, axes, strict=True):
        dim = x.type.shape[k] if size is None else to_length(size, "s")
        found.append(x.type.shape[k] if isinstance(dim, int) and dim == -1 else dim)
    return found


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    implements(getattr(np.fft, _name))(_one_axis(_name))
for _name in ("fft", "ifft", "rfft", "irfft"):
    implements(getattr(np.fft, f"{_name}n"))(_several_axes(f"{_name}n", None))
    implements(getattr(np.fft, f"{_name}2"))(_several_axes(f"{_name}n", (-2, -1)))


# Helpers.


def _shift(x: Any, axes: Any, sign: int) -> Tensor:
    tensor = strong(x)
    if axes is None:
        chosen = tuple(range(tensor.ndim))
    else:
        chosen = prim.normalize_axes(axes, tensor.ndim)
    half = [dims.floordiv(tensor.type.shape[k], 2) for k in chosen]
    steps = tuple(wrap(h if sign > 0 else -h) for h in half)
    return FUNCTIONS[np.roll](tensor, steps, chosen)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Tensor:
    return _shift(x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Tensor:
    return _shift(x, axes, -1)


def _count(n: Any) -> Dim:
    if not isinstance(n, (int, np.integer, Size, Tensor)):
        raise ValueError("n should be an integer")
    return to_length(n, "n")


def _spacing(size: Dim, d: Any) -> Any:
    """`1 / (n*d)`, computed as NumPy does."""
    if not current().decide(size, "!=", 0, "a number of samples"):
        raise ZeroDivisionError("division by zero")
    return prim.elementwise("divide", 1.0, prim.elementwise("multiply", wrap(size), d))


@implements(np.fft.fftfreq, creator=True)
def fftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Tensor:
    size = _count(n)
    position = prim.iota((wrap(size),), 0)
    positive = prim.elementwise("less", position, wrap(dims.floordiv(size - 1, 2) + 1))
    signed = prim.elementwise("subtract", position, wrap(size))
    frequency = prim.select(positive, position, signed)
    return prim.copy(prim.elementwise("multiply", frequency, _spacing(size, d)))


@implements(np.fft.rfftfreq, creator=True)
def rfftfreq(n: Any, d: Any = 1.0, device: Any = None) -> Tensor:
    size = _count(n)
    position = prim.iota((wrap(dims.floordiv(size, 2) + 1),), 0)
    return prim.copy(prim.elementwise("multiply", position, _spacing(size, d)))
