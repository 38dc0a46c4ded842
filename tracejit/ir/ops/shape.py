"""Constants, sizes, views, concatenation and functional updates.

A view op is an affine map from output indices to input indices, so that it costs nothing once it is
folded into the loads of whatever reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import INTP, TensorType

Types = Sequence[TensorType]


def _infer_const(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    value = np.asarray(attrs["value"])
    return (TensorType(value.dtype, value.shape),)


register(
    OpDef(
        "const",
        "structural",
        _infer_const,
        lambda value: np.asarray(value),
        flops=0,
        doc="The constant `value`: a NumPy scalar, or an array that nobody writes to.",
    )
)

register(
    OpDef(
        "size",
        "structural",
        lambda types, attrs: (TensorType(INTP),),
        lambda dim: np.int64(dim),
        flops=0,
        doc="The size `dim`, known at the call, as an int64 scalar.",
    )
)

register(
    OpDef(
        "iota",
        "structural",
        lambda types, attrs: (TensorType(np.dtype(attrs["dtype"]), tuple(attrs["shape"])),),
        lambda shape, axis, dtype: np.broadcast_to(
            np.arange(shape[axis], dtype=dtype).reshape(
                [-1 if k == axis else 1 for k in range(len(shape))]
            ),
            shape,
        ),
        flops=0,
        doc="The index along `axis`, for every element of `shape`.",
    )
)


def _infer_with_shape(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (types[0].with_shape(tuple(attrs["shape"])),)


register(
    OpDef(
        "reshape",
        "view",
        _infer_with_shape,
        lambda x, shape: np.reshape(x, shape),
        flops=0,
        doc="The same elements in C order with another `shape` of the same size.",
    )
)

register(
    OpDef(
        "broadcast_to",
        "view",
        _infer_with_shape,
        lambda x, shape: np.broadcast_to(x, shape),
        flops=0,
        doc="`x` repeated, without a copy, along new leading axes and axes of size 1.",
    )
)

register(
    OpDef(
        "transpose",
        "view",
        lambda types, attrs: (
            types[0].with_shape(tuple(types[0].shape[p] for p in attrs["perm"])),
        ),
        lambda x, perm: np.transpose(x, perm),
        flops=0,
        doc="Axis k of the result is axis `perm[k]` of `x`.",
    )
)


def slices(starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> tuple[Any, ...]:
    """The key of the region that `slice` reads and `update` writes."""
    found = []
    for start, size, step in zip(starts, sizes, steps, strict=True):
        stop = start + size * step
        found.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
    return tuple(found)


register(
    OpDef(
        "slice",
        "view",
        lambda types, attrs: (types[0].with_shape(tuple(attrs["sizes"])),),
        lambda x, starts, sizes, steps: x[slices(starts, sizes, steps)],
        flops=0,
        doc="Element k along an axis is element `starts + k*steps` of `x`; `sizes` of them. "
        "Starts are non-negative; a step is a non-zero int.",
    )
)


def _evaluate_update(x: Any, v: Any, starts: Any, sizes: Any, steps: Any) -> Any:
    result = np.array(x)
    result[slices(starts, sizes, steps)] = v
    return result


register(
    OpDef(
        "update",
        "structural",
        lambda types, attrs: (types[0],),
        _evaluate_update,
        flops=0,
        in_place=0,
        doc="`x` with the region of the slice replaced by `v`, which broadcasts to the region and "
        "has the dtype of `x`.",
    )
)


def _infer_concatenate(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    axis = attrs["axis"]
    total: Dim = 0
    for type in types:
        total = total + type.shape[axis]
    shape = list(types[0].shape)
    shape[axis] = total
    return (types[0].with_shape(tuple(shape)),)


register(
    OpDef(
        "concatenate",
        "structural",
        _infer_concatenate,
        lambda *xs, axis: np.concatenate(xs, axis),
        flops=0,
        doc="Inputs of one dtype, one after the other along `axis`; at least one.",
    )
)


def check_bounds(index: Any, axis: int, size: int) -> None:
    """Raise IndexError, as NumPy does, unless `-size <= index < size` everywhere."""
    wrong = (index < -size) | (index >= size)
    if np.any(wrong):
        bad = np.asarray(index)[wrong].flat[0]
        raise IndexError(f"index {bad} is out of bounds for axis {axis} with size {size}")


def _evaluate_take(x: Any, index: Any, axis: int) -> Any:
    check_bounds(index, axis, x.shape[axis])
    return np.take(x, index, axis)


def _infer_take(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    x, index = types
    axis = attrs["axis"]
    return (x.with_shape(x.shape[:axis] + index.shape + x.shape[axis + 1 :]),)


register(
    OpDef(
        "take",
        "structural",
        _infer_take,
        _evaluate_take,
        may_fail=True,
        doc="`np.take(x, index, axis)`, `index` int64; negative indices count from the end.",
    )
)


def resolve_attrs(attrs: Attrs, env: dict[str, int]) -> dict[str, Any]:
    """`attrs` with every dim replaced by its value, as `evaluate` wants them."""

    def number(x: Any) -> Any:
        if isinstance(x, dims.Expr):
            return dims.evaluate(x, env)
        return tuple(map(number, x)) if isinstance(x, tuple) else x

    return {k: number(v) for k, v in attrs.items()}
