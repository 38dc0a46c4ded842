"""Dot products, matrix products and their kin, all in terms of `contraction.contract`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.contraction import Labels, contract
from tracejit.trace.namespace.einsum import contract_all, diagonal
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import accumulate_over, given, store, sum_dtype
from tracejit.trace.registry import FUNCTIONS, implements, is_method
from tracejit.trace.tensor import Tensor, describe

# What the products share.


def _pair(a: Any, b: Any, dtype: Any = None) -> tuple[Tensor, Tensor]:
    """Both operands in the dtype of the product."""
    x, y = strong(a), strong(b)
    common = prim.as_dtype(dtype) if given(dtype) else prim.result_dtype(x, y)
    return prim.cast(x, common), prim.cast(y, common)


def _require_same(x: Tensor, p: int, y: Tensor, q: int, what: str, instead: str = "") -> None:
    """ShapeError where axis `p` of `x` and axis `q` of `y`, to be summed over, differ in size."""
    if not current().same(x.type.shape[p], y.type.shape[q], what):
        fail(
            errors.ShapeError,
            f"{what}: axis {p % x.ndim} of the first operand and axis {q % y.ndim} of the second "
            f"differ in size: {describe(x)}, {describe(y)}",
            instead or "transpose one of them with .T",
        )


def _names(prefix: str, count: int) -> Labels:
    return tuple((prefix, k) for k in range(count))


def _conjugate(x: Tensor) -> Tensor:
    return prim.elementwise("conjugate", x) if x.dtype.kind == "c" else x


def _contracted(x: Tensor, lx: Sequence[Hashable], y: Tensor, ly: Sequence[Hashable],
                out: Sequence[Hashable]) -> Tensor:  # fmt: skip
    return prim.scalar(contract(x, lx, y, ly, out))


def _sum_last(x: Tensor, y: Tensor, p: int, q: int, what: str) -> Tensor:
    """The sum over axis `p` of `x` and `q` of `y`; the other axes of `x`, then those of `y`."""
    _require_same(x, p, y, q, what)
    lx, ly = list(_names("x", x.ndim)), list(_names("y", y.ndim))
    lx[p] = ly[q] = "sum"
    out = [n for n in (*lx, *ly) if n != "sum"]
    return _contracted(x, lx, y, ly, out)


# Products of two.


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Tensor:
    x, y = _pair(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return store(out, prim.scalar(prim.elementwise("multiply", x, y)), "no")
    return store(out, _sum_last(x, y, -1, -2 if y.ndim > 1 else -1, "dot"), "no")


@is_method("dot")
def _method_dot(self: Tensor, b: Any, out: Any = None) -> Tensor:
    return dot(self, b, out)


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Tensor:
    x, y = _pair(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return prim.scalar(prim.elementwise("multiply", x, y))
    return _sum_last(x, y, -1, -1, "inner")


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Tensor:
    x, y = (views.reshape(t, (dims.product(t.type.shape),)) for t in _pair(a, b))
    return _sum_last(_conjugate(x), y, -1, -1, "vdot")


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Tensor:
    x, y = _pair(a, b)
    column = views.reshape(x, (dims.product(x.type.shape), 1))
    row = views.reshape(y, (1, dims.product(y.type.shape)))
    return store(out, prim.elementwise("multiply", column, row), "same_kind")


@implements(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Tensor:
    x, y = prim.lift(x1), prim.lift(x2)
    if x.ndim != 1 or y.ndim != 1:
        both = f"{describe(x)}, {describe(y)}"
        fail(errors.ShapeError, f"linalg.outer takes two vectors: {both}", "np.outer flattens")
    return outer(x, y)


def _reject(what: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if given(value) and value is not False:
            fail(
                errors.UnsupportedError,
                f"{name}= of np.{what} is not supported",
                "bring the core axes to the end with np.moveaxis",
            )


def _matrix_product(
    what: str, x: Tensor, y: Tensor, core_x: Labels, core_y: Labels, out: Labels
) -> Tensor:
    """A product over the core axes (the last ones), leading axes broadcast."""
    for number, (t, core) in enumerate(((x, core_x), (y, core_y))):
        if t.ndim < len(core):
            fail(
                errors.ShapeError,
                f"{what}: operand {number} does not have enough dimensions: {describe(t)}",
                "x * y multiplies by a number" if what == "matmul" else "",
            )
    for name in core_x:
        if name in core_y:
            p, q = core_x.index(name) - len(core_x), core_y.index(name) - len(core_y)
            _require_same(x, p, y, q, what)
    lead_x = tuple(range(len(core_x) - x.ndim, 0))
    lead_y = tuple(range(len(core_y) - y.ndim, 0))
    lead = max(lead_x, lead_y, key=len)
    nx, ny = x.ndim - len(core_x), y.ndim - len(core_y)
    try:
        current().broadcast(x.type.shape[:nx], y.type.shape[:ny])
    except ValueError:
        fail(
            errors.ShapeError,
            f"{what}: the leading dims do not broadcast: {describe(x)}, {describe(y)}",
        )
    found = contract(x, (*lead_x, *core_x), y, (*lead_y, *core_y), (*lead, *out))
    return prim.scalar(found)


@implements(np.matmul, np.linalg.matmul)
def matmul(
    x1: Any,
    x2: Any,
    /,
    out: Any = None,
    *,
    casting: str = "same_kind",
    order: str = "K",
    dtype: Any = None,
    subok: bool = True,
    axes: Any = None,
    axis: Any = None,
    keepdims: Any = None,
) -> Tensor:
    _reject("matmul", axes=axes, axis=axis, keepdims=keepdims)
    x, y = _pair(x1, x2, dtype)
    core_x: Labels = ("m", "k") if x.ndim > 1 else ("k",)
    core_y: Labels = ("k", "n") if y.ndim > 1 else ("k",)
    result = tuple(n for n in ("m", "n") if n in core_x or n in core_y)
    return store(out, _matrix_product("matmul", x, y, core_x, core_y, result), casting)


@implements(np.vecdot)
def vecdot(
    x1: Any, x2: Any, /, out: Any = None, *, axis: Any = -1, keepdims: bool = False,
    casting: str = "same_kind", dtype: Any = None, axes: Any = None, order: str = "K",
    subok: bool = True,
) -> Tensor:  # fmt: skip
    axis, keepdims = axis if given(axis) else -1, given(keepdims) and keepdims
    _reject("vecdot", axes=axes)
    x, y = _pair(x1, x2, dtype)
    axis = int(axis)
    if axis != -1 and x.ndim and y.ndim:
        x, y = _axis_last(x, axis), _axis_last(y, axis)
    result = _matrix_product("vecdot", _conjugate(x), y, ("k",), ("k",), ())
    if keepdims:
        at = prim.normalize_axis(axis, result.ndim + 1)
        shape = result.type.shape
        result = views.reshape(result, (*shape[:at], 1, *shape[at:]))
    return store(out, result, casting)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: Any = -1) -> Tensor:
    return vecdot(x1, x2, axis=axis)


def _axis_last(x: Tensor, axis: Any) -> Tensor:
    k = prim.normalize_axis(axis, x.ndim)
    return views.transpose(x, [j for j in range(x.ndim) if j != k] + [k])


@implements(np.matvec)
def matvec(
    x1: Any, x2: Any, /, out: Any = None, *, casting: str = "same_kind", dtype: Any = None,
    axes: Any = None, order: str = "K", subok: bool = True, axis: Any = None, keepdims: Any = None,
) -> Tensor:  # fmt: skip
    _reject("matvec", axes=axes, axis=axis, keepdims=keepdims)
    x, y = _pair(x1, x2, dtype)
    return store(out, _matrix_product("matvec", x, y, ("m", "k"), ("k",), ("m",)), casting)


@implements(np.vecmat)
def vecmat(
    x1: Any, x2: Any, /, out: Any = None, *, casting: str = "same_kind", dtype: Any = None,
    axes: Any = None, order: str = "K", subok: bool = True, axis: Any = None, keepdims: Any = None,
) -> Tensor:  # fmt: skip
    _reject("vecmat", axes=axes, axis=axis, keepdims=keepdims)
    x, y = _pair(x1, x2, dtype)
    result = _matrix_product("vecmat", _conjugate(x), y, ("k",), ("k", "n"), ("n",))
    return store(out, result, casting)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    x, y = _pair(a, b)
    if isinstance(axes, (tuple, list, np.ndarray)):
        first, second = (_axis_list(s) for s in axes)
    else:
        count = int(axes)
        if not 0 <= count <= min(x.ndim, y.ndim):
            both = f"{describe(x)}, {describe(y)}"
            fail(errors.ShapeError, f"tensordot over {count} axes of {both}")
        first, second = list(range(-count, 0)), list(range(count))
    if len(first) != len(second):
        fail(errors.ShapeError, f"tensordot: axes {first} and {second} differ in number")
    lx, ly = list(_names("x", x.ndim)), list(_names("y", y.ndim))
    summed = set(range(len(first)))
    for number, (p, q) in enumerate(zip(first, second, strict=True)):
        p, q = prim.normalize_axis(p, x.ndim), prim.normalize_axis(q, y.ndim)
        _require_same(x, p, y, q, "tensordot", "axes=(axes of a, axes of b) names other axes")
        lx[p] = ly[q] = number
    out = [n for n in (*lx, *ly) if n not in summed]
    found = contract(x, lx, y, ly, out)
    return prim.copy(found)


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tensor:
    return tensordot(x1, x2, axes)


def _axis_list(axes: Any) -> list[int]:
    return [int(k) for k in axes] if isinstance(axes, (tuple, list, np.ndarray)) else [int(axes)]


# Products of many, powers, Kronecker and cross products.


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Tensor:
    tensors = [strong(x) for x in arrays]
    if len(tensors) < 2:
        raise ValueError("Expecting at least two arrays.")
    for k, t in enumerate(tensors):
        if t.ndim != 2 and not (t.ndim == 1 and k in (0, len(tensors) - 1)):
            fail(
                errors.ShapeError,
                "multi_dot takes matrices, and vectors at the ends: "
                + ", ".join(map(describe, tensors)),
            )
    for x, y in pairwise(tensors):
        _require_same(x, -1, y, 0, "multi_dot")
    common = prim.result_dtype(*tensors)
    labels: list[Labels] = [(k, k + 1) for k in range(len(tensors))]
    out_labels: list[Hashable] = [0, len(tensors)]
    if tensors[0].ndim == 1:
        labels[0], out_labels = (1,), out_labels[1:]
    if tensors[-1].ndim == 1:
        labels[-1], out_labels = (len(tensors) - 1,), out_labels[:-1]
    found = contract_all([prim.cast(t, common) for t in tensors], labels, tuple(out_labels))
    return store(out, found, "no")


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Tensor:
    x = strong(a)
    if x.ndim < 2:
        fail(errors.ShapeError, f"matrix_power takes square matrices: {describe(x)}")
    _require_same(x, -1, x, -2, "matrix_power of a square matrix")
    power = int(n)
    if power < 0:
        x, power = FUNCTIONS[np.linalg.inv](x), -power
    if power == 0:
        shape = x.type.shape
        rows, columns = prim.iota(shape, x.ndim - 2), prim.iota(shape, x.ndim - 1)
        return prim.cast(prim.elementwise("equal", rows, columns), x.dtype)
    result: Tensor | None = None
    square = x  # The first power is the array itself.
    while True:
        if power & 1:
            result = square if result is None else matmul(result, square)
        power >>= 1
        if not power:
            assert result is not None
            return result
        square = matmul(square, square)


@implements(np.kron)
def kron(a: Any, b: Any) -> Tensor:
    x, y = _pair(a, b)
    rank = max(x.ndim, y.ndim)
    mine = (*(1,) * (rank - x.ndim), *x.type.shape)
    other = (*(1,) * (rank - y.ndim), *y.type.shape)
    left = views.reshape(x, tuple(d for m in mine for d in (m, 1)))
    right = views.reshape(y, tuple(d for n in other for d in (1, n)))
    product = prim.elementwise("multiply", left, right)
    shape = tuple(m * n for m, n in zip(mine, other, strict=True))
    return prim.scalar(views.reshape(product, shape))


@implements(np.cross)
def cross(
    a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None
) -> Tensor:
    x, y = strong(a), strong(b)
    if x.ndim < 1 or y.ndim < 1:
        fail(errors.ShapeError, f"cross takes vectors: {describe(x)}, {describe(y)}")
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = _axis_last(x, axisa), _axis_last(y, axisb)
    x_parts, y_parts = _components(x), _components(y)

    def minor(i: int, j: int) -> Tensor | None:
        """`x[i]*y[j] - x[j]*y[i]`; a third component that is not there is 0."""
        return _difference(_product(x_parts[i], y_parts[j]), _product(x_parts[j], y_parts[i]))

    if x_parts[2] is None and y_parts[2] is None:
        flat = minor(0, 1)
        assert flat is not None
        return prim.scalar(flat)
    parts = [p for p in (minor(1, 2), minor(2, 0), minor(0, 1)) if p is not None]
    columns = [views.reshape(p, (*p.type.shape, 1)) for p in parts]
    result = prim.concatenate(columns, columns[0].ndim - 1)
    k = prim.normalize_axis(axisc, result.ndim)
    order = list(range(result.ndim - 1))
    order.insert(k, result.ndim - 1)
    return views.transpose(result, order)


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: Any = -1) -> Tensor:
    x, y = prim.lift(x1), prim.lift(x2)
    for t in (x, y):
        k = prim.normalize_axis(axis, t.ndim)
        if not current().same(t.type.shape[k], 3, "cross"):
            fail(errors.ShapeError, f"linalg.cross takes vectors of 3 components: {describe(t)}")
    return cross(x, y, axis=axis)


def _components(x: Tensor) -> list[Tensor | None]:
    """The two or three components along the last axis."""
    trace = current()
    size = x.type.shape[-1]
    count = 3 if trace.same(size, 3, "cross") else 2
    if count == 2 and not trace.same(size, 2, "cross"):
        fail(errors.ShapeError, f"cross takes vectors of 2 or 3 components: {describe(x)}")
    shape = x.type.shape[:-1]
    zeros, ones = (0,) * len(shape), (1,) * x.ndim
    parts: list[Tensor | None] = [
        views.reshape(views.slice_(x, (*zeros, k), (*shape, 1), ones), shape) for k in range(count)
    ]
    return parts if count == 3 else [*parts, None]


def _product(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    return None if x is None or y is None else prim.elementwise("multiply", x, y)


def _difference(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    if y is None:
        return x
    return prim.elementwise("negative", y) if x is None else prim.elementwise("subtract", x, y)


# Traces.


@implements(np.trace, method="trace")
def trace(
    a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None
) -> Tensor:
    x = prim.lift(a)
    if x.ndim < 2:
        fail(errors.ShapeError, f"a diagonal requires an array of two dims or more: {describe(x)}")
    p, q = prim.normalize_axis(axis1, x.ndim), prim.normalize_axis(axis2, x.ndim)
    if p == q:
        raise ValueError("axis1 and axis2 cannot be the same")
    line = diagonal(x, p, q, int(offset))
    line = prim.cast(line, sum_dtype(x, dtype, out))
    return store(out, accumulate_over("sum", line, (line.ndim - 1,), False))


@implements(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: Any = 0, dtype: Any = None) -> Tensor:
    return trace(x, offset, -2, -1, dtype)
