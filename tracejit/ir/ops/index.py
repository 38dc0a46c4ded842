"""Elements chosen by arrays of indices: `gather` reads them, `scatter` writes them.

Both index several axes at once with int64 arrays that broadcast against each other; negative
indices count from the end. The dims of the indices come first in what is read or written, the axes
that are not indexed follow in their order. Where NumPy has them elsewhere, a transpose says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Shape
from tracejit.ir.opdef import OPS, Attrs, OpDef, register
from tracejit.ir.ops.shape import check_bounds, slices
from tracejit.ir.types import INTP, TensorType, broadcast_shapes

Types = Sequence[TensorType]


def gathered_shape(shape: Shape, indices: Sequence[Shape], axes: Sequence[int]) -> Shape:
    """The dims of the indices, then those of `shape` whose axes are not in `axes`."""
    rest = tuple(d for k, d in enumerate(shape) if k not in axes)
    return broadcast_shapes(*indices) + rest


def _leading(x: Any, axes: Sequence[int]) -> Any:
    """A view of `x` with `axes` in front."""
    rest = [k for k in range(np.ndim(x)) if k not in axes]
    return np.transpose(x, [*axes, *rest])


def _in_order(indices: Sequence[Any]) -> tuple[Any, ...]:
    """The indices broadcast and in C order, so that NumPy writes elements in that order."""
    return tuple(np.ascontiguousarray(i) for i in np.broadcast_arrays(*indices))


def _check(shape: Sequence[int], indices: Sequence[Any], axes: Sequence[int]) -> None:
    """Raise IndexError as NumPy does: also where nothing lies at an index.

    Indices that are broadcast to no element are not looked at, a single one is nevertheless.
    """
    empty = 0 in np.broadcast_shapes(*(i.shape for i in indices))
    for axis, index in zip(axes, indices, strict=True):
        if not empty or not index.ndim:
            check_bounds(index, axis, shape[axis])


def _evaluate_gather(x: Any, *indices: Any, axes: tuple[int, ...]) -> Any:
    _check(x.shape, indices, axes)
    return _leading(x, axes)[tuple(indices)]


register(
    OpDef(
        "gather",
        "structural",
        lambda types, attrs: (
            types[0].with_shape(
                gathered_shape(types[0].shape, [t.shape for t in types[1:]], attrs["axes"])
            ),
        ),
        _evaluate_gather,
        may_fail=True,
        doc="`x` at int64 `indices`, one for each of `axes`.",
    )
)


def _evaluate_scatter(
    x: Any, value: Any, *indices: Any, axes: tuple[int, ...], starts: Any, sizes: Any, steps: Any,
    mode: str,
) -> Any:  # fmt: skip
    result = np.array(x)
    region = result[slices(starts, sizes, steps)]
    _check(region.shape, indices, axes)
    target = _leading(region, axes)
    key = _in_order(indices)
    if mode == "set":
        shape = key[0].shape + target.shape[len(axes) :]
        target[key] = np.ascontiguousarray(np.broadcast_to(value, shape))
    else:
        ufunc = OPS[mode].ufunc
        assert ufunc is not None
        # Casts are decided on when the function is traced; what comes here is to be done.
        for at in np.ndindex(key[0].shape):
            place = tuple(k[at] for k in key)
            row = np.broadcast_to(value, key[0].shape + target.shape[len(axes) :])[at]
            target[place] = np.asarray(ufunc(target[place], row)).astype(target.dtype)
    return result


register(
    OpDef(
        "scatter",
        "structural",
        lambda types, attrs: (types[0],),
        _evaluate_scatter,
        flops=2,
        in_place=0,
        may_fail=True,
        doc="`x` where, in the region of the slice (`starts`, `sizes`, `steps` as `update` has "
        "them), the elements at int64 `indices` of the region's `axes` are written, in C order of "
        "the indices. `mode` is 'set', and `value` then has the dtype of `x` and the last of "
        "several writes to one element stands; or the name of a binary ufunc of one output, which "
        "accumulates. `value` broadcasts to the dims of the indices, then those of the other axes.",
    )
)


def region_of(attrs: Attrs) -> TensorType:
    """The sizes that a scatter indexes, as a type (of no particular dtype)."""
    return TensorType(INTP, tuple(attrs["sizes"]))


def _infer_nonzero(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    (name,) = attrs["symbols"]
    return (TensorType(INTP, (dims.sym(name),)),) * types[0].ndim


register(
    OpDef(
        "nonzero",
        "library",
        _infer_nonzero,
        lambda x: np.nonzero(x) if x.ndim > 1 else np.nonzero(x)[0],
        numpy=(np.nonzero,),
        doc="The indices of the elements that are not 0, an array for each axis of `x`.",
    )
)


def _infer_broadcast(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    (name,) = attrs["symbols"]
    lead = broadcast_shapes(*(t.shape[:-1] for t in types if t.ndim))
    return (TensorType(INTP, (*lead, dims.sym(name))),) * len(types)


def _evaluate_broadcast(*indices: Any) -> Any:
    try:
        return tuple(np.broadcast_arrays(*indices))
    except ValueError:
        shapes = " ".join(str(i.shape) for i in indices)
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
        ) from None


register(
    OpDef(
        "broadcast_indices",
        "library",
        _infer_broadcast,
        _evaluate_broadcast,
        doc="Two or more arrays of indices broadcast against each other; the size of the last axis "
        "is known only then.",
    )
)
