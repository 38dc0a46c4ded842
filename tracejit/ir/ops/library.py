"""NumPy functions that compiled programs call at run time: sorting, searching, counting, sets.

`symbols` are the sizes of results that only the data tells.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.opdef import Attrs, Evaluate, Infer, OpDef, register
from tracejit.ir.types import BOOL, INTP, TensorType, broadcast_shapes

Types = Sequence[TensorType]

_numpy: Any = np
"""NumPy without its overloads, which arguments known only at run time do not fit."""


def library(name: str, evaluate: Evaluate, infer: Infer, doc: str) -> None:
    """A record of kind `library` for the function of NumPy that has its name."""
    function = getattr(_numpy, name, None)
    functions = () if function is None else (function,)
    register(OpDef(name, "library", infer, evaluate, functions, flops=20, doc=doc))


def _same(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (types[0],)


def _positions(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (TensorType(INTP, types[0].shape),)


def _sizes(attrs: Attrs) -> list[Dim]:
    return [dims.sym(name) for name in attrs["symbols"]]


# Sorting.

library(
    "sort", lambda x, axis, kind: np.sort(x, axis=axis, kind=kind), _same, "`np.sort` along `axis`."
)
library(
    "argsort",
    lambda x, axis, kind: np.argsort(x, axis=axis, kind=kind),
    _positions,
    "`np.argsort` along `axis`.",
)
library(
    "partition",
    lambda x, kth, axis: np.partition(x, kth, axis=axis),
    _same,
    "`np.partition` along `axis` at the positions `kth`.",
)
library(
    "argpartition",
    lambda x, kth, axis: np.argpartition(x, kth, axis=axis),
    _positions,
    "`np.argpartition` along `axis` at the positions `kth`.",
)
library(
    "lexsort",
    lambda *keys, axis: np.lexsort(keys, axis=axis),
    _positions,
    "`np.lexsort` of keys of one shape, the last of which counts most.",
)

# Searching and counting.

library(
    "searchsorted",
    lambda a, v, *sorter, side: np.searchsorted(a, v, side, *sorter),
    lambda types, attrs: (TensorType(INTP, types[1].shape),),
    "`np.searchsorted(a, v)`, with a sorter as third input or without.",
)
library(
    "digitize",
    lambda x, bins, right: np.digitize(x, bins, right),
    _positions,
    "`np.digitize`; bins that are not monotonic are an error at run time.",
)


def _infer_bincount(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    dtype = np.dtype(float) if len(types) > 1 else INTP
    return (TensorType(dtype, tuple(_sizes(attrs))),)


library(
    "bincount",
    lambda x, *weights, minlength: _numpy.bincount(x, *weights, minlength=minlength),
    _infer_bincount,
    "`np.bincount` with weights as second input or without.",
)
library(
    "repeat_each",
    lambda x, counts, axis: np.repeat(x, counts, axis),
    lambda types, attrs: (
        types[0].with_shape(
            (
                *types[0].shape[: attrs["axis"]],
                *_sizes(attrs),
                *types[0].shape[attrs["axis"] + 1 :],
            )
        ),
    ),
    "`np.repeat(x, counts, axis)` with as many counts as elements.",
)

# Positions.

library(
    "choose",
    lambda a, *choices, mode: np.choose(a, choices, mode=mode),
    lambda types, attrs: (types[1].with_shape(broadcast_shapes(*(t.shape for t in types))),),
    "`np.choose` among choices of one dtype.",
)
library(
    "ravel_multi_index",
    lambda *indices, shape, mode, order: np.ravel_multi_index(
        indices, shape, mode=mode, order=order
    ),
    lambda types, attrs: (TensorType(INTP, broadcast_shapes(*(t.shape for t in types))),),
    "`np.ravel_multi_index` of an array of indices for each axis of `shape`.",
)


def _evaluate_unravel(index: Any, shape: Any, order: str) -> Any:
    found = _numpy.unravel_index(index, shape, order=order)
    return found if len(shape) > 1 else found[0]


library(
    "unravel_index",
    _evaluate_unravel,
    lambda types, attrs: (TensorType(INTP, types[0].shape),) * len(attrs["shape"]),
    "`np.unravel_index`: an array of indices for each axis of `shape`.",
)


def _evaluate_at(x: Any, *inputs: Any, ufunc: str, axes: Any) -> Any:
    result = np.array(x)
    indices, value = inputs[: len(axes)], inputs[len(axes) :]
    rest = [k for k in range(result.ndim) if k not in axes]
    getattr(np, ufunc).at(np.transpose(result, [*axes, *rest]), tuple(indices), *value)
    return result


library(
    "ufunc_at",
    _evaluate_at,
    _same,
    "`ufunc.at(x, indices, value)` as a new array, for ufuncs that no `scatter` knows: the "
    "indices are for `axes`; the value, which a ufunc of one input has not, comes last.",
)

# Sets.


def unique_shape(shape: Shape, axis: int | None) -> Shape:
    """The shape of the inverse."""
    return shape if axis is None else (shape[axis],)


def _infer_unique(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    (x,), axis = types, attrs["axis"]
    (size,) = _sizes(attrs)
    shape = (size,) if axis is None else (*x.shape[:axis], size, *x.shape[axis + 1 :])
    found = [x.with_shape(shape)]
    if attrs["index"]:
        found.append(TensorType(INTP, (size,)))
    if attrs["inverse"]:
        found.append(TensorType(INTP, unique_shape(x.shape, axis)))
    if attrs["counts"]:
        found.append(TensorType(INTP, (size,)))
    return tuple(found)


def _evaluate_unique(
    x: Any, index: bool, inverse: bool, counts: bool, axis: int | None, equal_nan: bool
) -> Any:
    found = _numpy.unique(x, index, inverse, counts, axis, equal_nan=equal_nan)
    if not inverse:
        return found
    parts = list(found)
    at = 2 if index else 1
    parts[at] = parts[at].reshape(unique_shape(x.shape, axis))
    return tuple(parts)


library(
    "unique",
    _evaluate_unique,
    _infer_unique,
    "`np.unique`; `index`, `inverse` and `counts` say which further results there are.",
)
library(
    "isin",
    lambda x, test, assume_unique, invert, kind: np.isin(
        x, test, assume_unique=assume_unique, invert=invert, kind=kind
    ),
    lambda types, attrs: (TensorType(BOOL, types[0].shape),),
    "`np.isin`.",
)


def _infer_set(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    dtype = np.result_type(*(t.dtype for t in types))
    return (TensorType(dtype, tuple(_sizes(attrs))),)


library("union1d", np.union1d, _infer_set, "`np.union1d`.")
library(
    "setdiff1d",
    lambda a, b, assume_unique: np.setdiff1d(a, b, assume_unique),
    lambda types, attrs: (types[0].with_shape(tuple(_sizes(attrs))),),
    "`np.setdiff1d`.",
)
library(
    "setxor1d",
    lambda a, b, assume_unique: np.setxor1d(a, b, assume_unique),
    _infer_set,
    "`np.setxor1d`.",
)


def _infer_intersect(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    (values,) = _infer_set(types, attrs)
    return (values, *(TensorType(INTP, values.shape),) * 2) if attrs["indices"] else (values,)


library(
    "intersect1d",
    lambda a, b, assume_unique, indices: np.intersect1d(a, b, assume_unique, indices),
    _infer_intersect,
    "`np.intersect1d`, with `indices` their positions in both.",
)

# Histograms.


def _evaluate_histogram(
    x: Any, *rest: Any, bins: Any, range: Any, limits: int, density: Any, counts: Any, edges: Any
) -> Any:
    inputs = list(rest)
    bins = inputs.pop(0) if bins is None else bins
    if limits:
        range = [inputs.pop(0)[()] for _ in builtins.range(2)]
    if limits == 2:
        range = [x.item() for x in range]
    weights = inputs.pop(0) if inputs else None
    if density is None:
        return np.histogram_bin_edges(x, bins, range, weights).astype(edges, copy=False)
    found, borders = np.histogram(x, bins, range, density, weights)
    return found.astype(counts, copy=False), borders.astype(edges, copy=False)


def _infer_histogram(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    bins = attrs["bins"]
    if bins is None:
        size = types[1].shape[0]
    elif isinstance(bins, str):
        (size,) = _sizes(attrs)
    else:
        size = bins + 1
    edges = TensorType(attrs["edges"], (size,))
    if attrs["density"] is None:
        return (edges,)
    return TensorType(attrs["counts"], (size - 1,)), edges


library(
    "histogram",
    _evaluate_histogram,
    _infer_histogram,
    "`np.histogram`, or, where `density` is None, `np.histogram_bin_edges`. The inputs are `x`, "
    "then the bins unless `bins` has their number or the name of a rule; where `limits` is not 0 "
    "the ends of the range (2: as Python numbers); the weights. `counts` and `edges` are the "
    "dtypes of the results.",
)


def _evaluate_histogramdd(
    *inputs: Any, rank: int, bins: Any, range: Any, density: bool, edges: Any
) -> Any:
    rest = list(inputs[rank:])
    bins = [rest.pop(0) if b is None else b for b in bins]
    weights = rest.pop(0) if rest else None
    sample = np.stack(inputs[:rank], -1)
    counts, found = np.histogramdd(sample, bins, range, density=density, weights=weights)
    return counts, *(e.astype(d, copy=False) for e, d in zip(found, edges, strict=True))


def _infer_histogramdd(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    given = iter(types[attrs["rank"] :])
    sizes = [next(given).shape[0] if b is None else b + 1 for b in attrs["bins"]]
    counts = TensorType(np.dtype(float), tuple(s - 1 for s in sizes))
    pairs = zip(sizes, attrs["edges"], strict=True)
    return counts, *(TensorType(np.dtype(d), (s,)) for s, d in pairs)


library(
    "histogramdd",
    _evaluate_histogramdd,
    _infer_histogramdd,
    "`np.histogramdd` of `rank` inputs, one for each axis; then come bins and weights. `edges` are "
    "the dtypes of the edges.",
)
