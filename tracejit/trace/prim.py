"""The primitive operations on traced tensors; every NumPy name is written in terms of these.

They take what NumPy takes as an operand (tensors, sizes, Python numbers, NumPy scalars, arrays,
nested lists) and return fresh tensors; `views.py` has those that return views. Shapes may hold ints
and sizes. Errors are raised at the user's line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.graph import Value
from tracejit.ir.opdef import OPS, OpDef, resolve_loop
from tracejit.ir.types import SHORT_NAMES
from tracejit.trace.context import current, fail
from tracejit.trace.layout import Decisions, Perm, iteration_order
from tracejit.trace.orders import fresh_order, laid_out_like, param_strides, with_order
from tracejit.trace.size import Size, as_dim
from tracejit.trace.tensor import Tensor, describe, fresh_array, from_value
from tracejit.trace.views import apply_op, broadcast_to, reshape, shape_of

_WEAK_DTYPES = {int: np.dtype("i8"), float: np.dtype("f8"), complex: np.dtype("c16")}
_WIDER = {int: "iufc", float: "fc", complex: "c"}
_WEAK_KINDS = {"b": bool, "i": int, "f": float, "c": complex}


# Operands.


def lift(x: Any) -> Tensor:
    """The tensor that an operand is. Concrete arrays become captured inputs, lists are stacked."""
    if isinstance(x, Tensor):
        # In arithmetic a Python bool is what a NumPy bool is.
        return x if x.weak is not bool else from_value(x.value)
    trace = current()
    if isinstance(x, Size):
        return from_value(trace.builder.size(as_dim(x)), weak=int)  # type: ignore[arg-type]
    if isinstance(x, (bool, np.bool_)):
        return from_value(trace.builder.const(x, bool))
    if isinstance(x, (int, float, complex)) and not isinstance(x, np.generic):
        kind = next(k for k in _WEAK_DTYPES if isinstance(x, k))
        dtype = _WEAK_DTYPES[kind]
        if isinstance(x, int) and x >= 2**63:
            dtype = np.dtype("u8")
        try:
            return from_value(trace.builder.const(x, dtype), weak=kind)
        except OverflowError:
            fail(
                errors.IntegerOverflowError,
                f"the Python int {x} does not fit into {dtype}",
                f"float({x}), where a float is meant",
            )
    if isinstance(x, np.generic):
        _check_dtype(x.dtype)
        return from_value(trace.builder.const(x, x.dtype))
    if isinstance(x, np.ndarray):
        return capture(x)
    if isinstance(x, (list, tuple)):
        return stack_nested(x)
    fail(errors.DTypeError, f"{type(x).__name__} is neither an array nor a number: {x!r}")


def capture(array: np.ndarray) -> Tensor:
    """A concrete array from outside, taken by reference."""
    _check_dtype(array.dtype)
    trace = current()
    value = trace.capture(array)
    tensor = from_value(value)
    tensor.cell.origin = "captured"
    tensor.cell.layout = param_strides(trace, trace.root.params.index(value), array)
    return tensor


def stack_nested(x: Sequence[Any], dtype: Any = None) -> Tensor:
    """`np.array(x)` for nested sequences with traced items in them."""
    if not any_traced(x):
        array = np.array(x, dtype)
        _check_dtype(array.dtype)
        return from_value(current().builder.array(array))
    items = [stack_nested(v) if isinstance(v, (list, tuple)) else lift(v) for v in x]
    common = result_dtype(*items)
    shape = broadcast_shapes(*items)
    if any(t.ndim != len(shape) for t in items):
        fail(errors.ShapeError, "the sequence is ragged: " + ", ".join(map(describe, items)))
    parts = [reshape(cast(t, common), (1, *t.shape)) for t in items]
    return fresh_array(concatenate(parts, 0).value)


def any_traced(x: Any) -> bool:
    """Whether a tensor or size is in `x` or in the lists, tuples and dicts it holds."""
    if isinstance(x, (Tensor, Size)):
        return True
    if isinstance(x, (list, tuple)):
        return any(map(any_traced, x))
    return isinstance(x, dict) and any(map(any_traced, x.values()))


def _check_dtype(dtype: np.dtype) -> None:
    if dtype not in SHORT_NAMES:
        fail(
            errors.DTypeError,
            f"arrays of dtype {dtype} are not supported",
            "bool, integer, float16/32/64 and complex64/128 arrays in native byte order are",
        )


def as_dtype(dtype: Any) -> np.dtype:
    """`np.dtype(dtype)`, checked to be supported."""
    found = np.dtype(dtype)
    _check_dtype(found)
    return found


def operand_dtype(x: Any) -> Any:
    """What NumPy's promotion sees: a dtype, or `int`, `float`, `complex` for weak scalars."""
    if isinstance(x, Tensor):
        return x.weak if x.weak is not None and x.weak is not bool else x.dtype
    if isinstance(x, Size):
        return int
    if isinstance(x, (bool, np.bool_)):
        return np.dtype(bool)
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype
    for kind in _WEAK_DTYPES:
        if isinstance(x, kind):
            return kind
    return lift(x).dtype


def result_dtype(*operands: Any) -> np.dtype:
    """`np.result_type` with weak scalars (NEP 50)."""
    kinds = [operand_dtype(x) for x in operands]
    return np.result_type(*(k(0) if isinstance(k, type) else k for k in kinds))


def broadcast_shapes(*operands: Tensor) -> tuple[Any, ...]:
    """The broadcast shape (of dims) of tensors; a ShapeError describes them."""
    try:
        return current().broadcast(*(t.value.type.shape for t in operands))
    except ValueError:
        fail(
            errors.ShapeError,
            "shapes do not broadcast: " + ", ".join(map(describe, operands)),
            "dims must be equal or 1, counted from the last; x[:, np.newaxis] adds one",
        )


def aligned(*operands: Tensor) -> list[Tensor]:
    """The operands with dims that broadcast as they are written, not only under the guards.

    Where a guard holds that `n*m` is `k*l`, or that `n - 1` is 1, a reshape of the operand says so.
    """
    trace, shape = current(), broadcast_shapes(*operands)
    found = []
    for t in operands:
        own, wanted = t.type.shape, []
        for dim, target in zip(own, shape[len(shape) - len(own) :], strict=True):
            if dim == 1 or dim == target:
                wanted.append(dim)
            else:
                wanted.append(1 if trace.hint(dim) == 1 != trace.hint(target) else target)
        found.append(t if tuple(wanted) == own else apply("reshape", t, shape=tuple(wanted)))
    return found


# Elementwise.


def elementwise(op: str, *operands: Any, dtype: Any = None) -> Tensor:
    """An elementwise op with NumPy's promotion: loop dtypes by `resolve_loop`, operands cast.

    `dtype` asks for the loop that computes in (returns) this dtype, as `ufunc(..., dtype=)` does.
    Weak operands alone give a weak result, as Python's operators do (a ufunc strips that).
    """
    record = OPS[op]
    tensors = [lift(x) for x in operands]
    loop = _loop(record, tensors, dtype)
    inputs = [_cast_value(t, d) for t, d in zip(aligned(*tensors), loop, strict=False)]
    value = apply_op(op, inputs)
    if dtype is None and all(t.weak is not None for t in tensors):
        return from_value(value, _WEAK_KINDS.get(value.type.dtype.kind))
    return laid_out_like(value, tensors)


def _loop(record: OpDef, tensors: Sequence[Tensor], dtype: Any) -> tuple[np.dtype, ...]:
    kinds: tuple[Any, ...] = tuple(operand_dtype(t) for t in tensors)
    if record.ufunc is None:
        common = result_dtype(*tensors) if dtype is None else np.dtype(dtype)
        for loop in (record.loops or "").split():
            if np.can_cast(common, loop[0]):
                return tuple(np.dtype(kind) for kind in loop)
        return (common,) * len(tensors)
    if all(isinstance(k, type) for k in kinds):
        kinds = tuple(_WEAK_DTYPES[k] for k in kinds)
    try:
        if dtype is not None:
            signature = (None,) * record.ufunc.nin + (np.dtype(dtype),) * record.ufunc.nout
            return record.ufunc.resolve_dtypes(
                kinds + (None,) * record.ufunc.nout, signature=signature
            )
        return resolve_loop(record.ufunc, kinds)
    except TypeError:
        types = ", ".join(map(describe, tensors))
        fail(
            errors.DTypeError,
            f"np.{record.ufunc.__name__} does not take these dtypes: {types}",
            "cast with x.astype(...) first",
        )


def apply(op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """Append node `op` (any op with one output) on tensors whose dtypes and shapes already fit."""
    return from_value(apply_op(op, [t.value for t in inputs], attrs))


def call(op: str, *inputs: Tensor, sizes: int = 0, **attrs: Any) -> Any:
    """Append the library node `op`; a tensor, or a tuple of them where it has several outputs.

    With `sizes`, so many fresh size symbols are passed to its type rule as `attrs["symbols"]`: dims
    of the outputs that are known only when the call has run.
    """
    trace = current()
    if sizes:
        attrs["symbols"] = trace.run_time_symbols(sizes)
    outputs = trace.apply_multi(op, [trace.refreshed(t.value) for t in inputs], attrs)
    found = tuple(from_value(value) for value in outputs)
    return found[0] if len(found) == 1 else found


def cast(x: Any, dtype: Any) -> Tensor:
    """`x` with another dtype, unsafe casts included; `x` itself where nothing changes."""
    tensor = lift(x)
    target = as_dtype(dtype)
    if tensor.dtype == target and tensor.weak is None:
        return tensor
    return laid_out_like(_cast_value(tensor, target), [tensor])


def _cast_value(tensor: Tensor, dtype: np.dtype) -> Value:
    value = tensor.value
    if value.type.dtype == dtype:
        return value
    if tensor.weak is int and dtype.kind in "iu":
        _check_weak_int(tensor, dtype)
    if tensor.weak is not None and dtype.kind in _WIDER[tensor.weak]:
        builder = current().builder
        if value in builder.constants:
            with np.errstate(all="ignore"):
                return builder.const(builder.constants[value], dtype)
    return apply_op("cast", [value], {"dtype": dtype})


def known_int(tensor: Tensor) -> tuple[int | None, bool]:
    """The value of a weak int in this call, if known, and whether it is an argument's."""
    trace = current()
    known = trace.scalar_values.get(tensor.value)
    if known is not None:
        return int(known), True
    known = trace.builder.constants.get(tensor.value)
    return (None if known is None else int(known)), False


def _check_weak_int(tensor: Tensor, dtype: np.dtype) -> None:
    """NumPy refuses a Python int that the array's dtype cannot hold; so does the trace."""
    bounds = np.iinfo(dtype)
    known, from_argument = known_int(tensor)
    if known is None:
        return
    if not bounds.min <= known <= bounds.max:
        fail(
            errors.IntegerOverflowError,
            f"the Python int {known} does not fit into {dtype}",
            f"np.int64({known}), which has a dtype of its own, or cast the array first",
        )
    if from_argument and dtype != np.int64:
        trace = current()
        trace.guard_scalar(tensor.value, ">=", int(bounds.min), f"it must fit into {dtype}")
        if dtype.itemsize < 8:
            trace.guard_scalar(tensor.value, "<=", int(bounds.max), f"it must fit into {dtype}")


def weak_cast(x: Any, kind: type) -> Tensor:
    """`x` as a Python number of type `kind`."""
    return from_value(_cast_value(lift(x), _WEAK_DTYPES[kind]), kind)


def select(cond: Any, a: Any, b: Any) -> Tensor:
    """`np.where(cond, a, b)` with promotion of `a` and `b`."""
    condition = cast(cond, bool)
    dtype = result_dtype(a, b)
    parts = [condition, cast(a, dtype), cast(b, dtype)]
    return laid_out_like(apply_op("select", [t.value for t in aligned(*parts)]), parts)


# Values read and written.


def copy(x: Any, order: str = "K") -> Tensor:
    """A fresh array with the value `x` has now; `order` is NumPy's `order` of a copy."""
    tensor = lift(x)
    return with_order(fresh_array(tensor.value), tensor, order)


def scalar(x: Any) -> Tensor:
    """The value `x` has now as an operation would return it: where it is 0-d, a NumPy scalar."""
    return from_value(lift(x).value)


def scalar_of(value: Value) -> Tensor:
    """A 0-d SSA value as a tensor."""
    return from_value(value)


def store(target: Tensor, value: Any) -> None:
    """`target[...] = value`: cast to the dtype of `target`, broadcast to its shape."""
    source = lift(value)
    shape = target.type.shape
    extra = source.ndim - len(shape)
    if extra > 0 and all(current().same(d, 1) for d in source.type.shape[:extra]):
        source = reshape(source, source.type.shape[extra:])
    try:
        source = broadcast_to(cast(source, target.dtype), shape)
    except errors.ShapeError:
        fail(
            errors.ShapeError,
            f"could not broadcast {describe(source)} into {describe(target)}",
            "the right-hand side needs the shape of the left, or dims of 1",
        )
    target.assign(source.value)


# New tensors.


def full(shape: Any, value: Any, dtype: Any) -> Tensor:
    """All elements `value` (a number or 0-d tensor)."""
    scalar = cast(value, dtype)
    return copy(broadcast_to(scalar, shape))


def iota(shape: Any, axis: int, dtype: Any = np.int64) -> Tensor:
    """The index along `axis`, for every element of `shape`."""
    attrs = {"shape": shape_of(shape), "axis": axis, "dtype": np.dtype(dtype)}
    return from_value(apply_op("iota", [], attrs))


def concatenate(parts: Sequence[Tensor], axis: int, like: Sequence[Tensor] | None = None) -> Tensor:
    """Tensors of one dtype and rank along `axis` (non-negative); other dims must agree.

    The result lies in memory as NumPy lays out that of `like`, by default the parts themselves.
    """
    trace = current()
    first = parts[0]
    for other in parts[1:]:
        for k, (a, b) in enumerate(zip(first.type.shape, other.type.shape, strict=True)):
            if k != axis and not trace.same(a, b, "concatenate"):
                fail(
                    errors.ShapeError,
                    f"all dims but axis {axis} must agree to concatenate: "
                    + ", ".join(map(describe, parts)),
                    "cut or pad the arrays to one size, or concatenate along another axis",
                )
    if len(parts) == 1:
        return copy(first)
    return laid_out_like(
        apply_op("concatenate", [t.value for t in parts], {"axis": axis}),
        parts if like is None else like,
        repeated=True,
    )


def take(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """`x` at the integer `index` along `axis`; negative indices count from the end."""
    return apply("take", x, cast(index, np.int64), axis=axis)


# Reductions.


def reduce(op: str, x: Tensor, axes: Sequence[int], keepdims: bool = False) -> Tensor:
    """Reduction `op` over `axes` (non-negative, distinct), in the dtype of `x`."""
    ordered = tuple(sorted(axes))
    result = apply(op, x, axes=ordered) if ordered or op in ("any", "all") else scalar(x)
    kept = [k for k in range(x.ndim) if k not in ordered]
    if len(kept) > 1 and not x.c_ordered:

        def find(decisions: Decisions) -> Perm:
            shape, strides = x.memory(decisions)
            perm = iteration_order(shape, [(shape, strides)], decisions)
            return tuple(kept.index(axis) for axis in perm if axis in kept)

        result.cell.layout = fresh_order(find)
    if not keepdims:
        return result
    shape = tuple(1 if k in ordered else d for k, d in enumerate(x.type.shape))
    return reshape(result, tuple(shape))


def cumulate(op: str, x: Tensor, axis: int) -> Tensor:
    """`cumsum`, `cumprod`, `cummin` or `cummax` along `axis`, in the dtype of `x`."""
    return laid_out_like(apply_op(op, [x.value], {"axis": axis}), [x])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The product of matrices in the last two axes (both of rank >= 2), with promotion."""
    dtype = result_dtype(a, b)
    trace = current()
    if not trace.same(a.type.shape[-1], b.type.shape[-2], "matmul"):
        fail(
            errors.ShapeError,
            f"the inner dims of a matrix product differ: {describe(a)}, {describe(b)}",
            "transpose one of them with .T",
        )
    try:
        trace.broadcast(a.type.shape[:-2], b.type.shape[:-2])
    except ValueError:
        fail(
            errors.ShapeError,
            f"the leading dims of a matrix product do not broadcast: {describe(a)}, {describe(b)}",
        )
    return apply("matmul", cast(a, dtype), cast(b, dtype))


def normalize_axis(axis: Any, ndim: int) -> int:
    """A non-negative axis. Raises np.exceptions.AxisError as NumPy does."""
    index = int(axis)
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(index, ndim)
    return index % ndim if ndim else 0


def normalize_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Non-negative distinct axes; None is all of them."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        axis = (axis,)
    found = tuple(normalize_axis(a, ndim) for a in axis)
    if len(set(found)) != len(found):
        raise ValueError("duplicate value in 'axis'")
    return found
