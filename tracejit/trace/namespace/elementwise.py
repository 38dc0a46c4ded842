"""NumPy functions that work element by element without being ufuncs, casts and copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib import _function_base_impl

from tracejit import errors
from tracejit.ir.types import F8
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.arithmetic import write_out
from tracejit.trace.orders import with_order
from tracejit.trace.prim import as_dtype, cast, elementwise, lift, select
from tracejit.trace.registry import FUNCTIONS, implements, is_method, is_property
from tracejit.trace.tensor import Tensor, ViewStep, describe


def strong(x: Any) -> Tensor:
    """`x` as an array or NumPy scalar: a Python number gets its default dtype."""
    tensor = lift(x)
    return prim.scalar(tensor) if tensor.weak is not None else tensor


def inexact(x: Any) -> Tensor:
    """`x` as `strong` has it, ints and bools as float64."""
    tensor = strong(x)
    return prim.cast(tensor, F8) if tensor.dtype.kind in "biu" else tensor


def squares(x: Tensor) -> Tensor:
    """`abs(x)**2`, real."""
    if x.dtype.kind != "c":
        return prim.elementwise("multiply", x, x)
    real, imag = prim.elementwise("real", x), prim.elementwise("imag", x)
    return prim.elementwise(
        "add", prim.elementwise("multiply", real, real), prim.elementwise("multiply", imag, imag)
    )


def put_out(out: Any, result: Tensor, name: str, casting: str = "same_kind") -> Tensor:
    """`result`, written into `out` if there is one."""
    return result if out is None else write_out(out, result, name, casting)


# Choice.


@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return FUNCTIONS[np.nonzero](condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    return prim.copy(select(condition, x, y))


@implements(np.select)
def select_(condlist: Any, choicelist: Any, default: Any = 0) -> Tensor:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    dtype = prim.result_dtype(*choicelist, default)
    result = cast(default, dtype)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        if lift(condition).dtype != bool:
            raise TypeError("invalid entry in condlist: should be boolean ndarray")
        result = select(condition, cast(choice, dtype), result)
    return prim.copy(result)


@implements(np.clip)
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *,
    min: Any = None, max: Any = None, **kwargs: Any,
) -> Tensor:  # fmt: skip
    low = _bound(a, min if a_min is None else a_min, ">=")
    high = _bound(a, max if a_max is None else a_max, "<=")
    if low is None and high is None:
        result = elementwise("positive", strong(a))
    elif low is None:
        result = elementwise("minimum", strong(a), high, **kwargs)
    elif high is None:
        result = elementwise("maximum", strong(a), low, **kwargs)
    else:
        dtype = kwargs.get("dtype") or prim.result_dtype(strong(a), low, high)
        bound = cast(low, dtype), cast(high, dtype)
        result = elementwise("minimum", elementwise("maximum", cast(a, dtype), bound[0]), bound[1])
    return put_out(out, result, "clip")


def _bound(a: Any, bound: Any, relation: str) -> Any:
    """`bound`, or None where it is a Python int that every value of the dtype of `a` is within."""
    dtype = strong(a).dtype
    if bound is None or dtype.kind not in "iu" or prim.operand_dtype(bound) is not int:
        return bound
    info, number = np.iinfo(dtype), lift(bound)
    known, from_argument = prim.known_int(number)
    end, excess = (info.min, "<=") if relation == ">=" else (info.max, ">=")
    if known is None or (known > end if relation == ">=" else known < end):
        return bound
    if from_argument:
        current().guard_scalar(number.value, excess, int(end), f"it bounds no {dtype}")
    return None


@is_method("clip")
def clip_method(x: Tensor, min: Any = None, max: Any = None, out: Any = None, **kw: Any) -> Tensor:
    return clip(x, min, max, out, **kw)


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    target, source = lift(dst), lift(src)
    rule: Any = casting
    if source.weak is not None and casting in ("safe", "equiv", "no"):
        rule = "same_kind"  # NumPy looks at the value of a Python number.
    if not np.can_cast(source.dtype, target.dtype, rule):
        fail(
            errors.DTypeError,
            f"Cannot cast array data from {source.dtype!r} to {target.dtype!r} according to the "
            f"rule '{casting}'",
        )
    value = cast(source, target.dtype)
    prim.store(target, value if where is True else select(where, value, target))


# Parts of numbers.


def _part_layout(shape: Any, strides: Any, decisions: Any) -> Any:
    return shape, strides


def _real_write(base: Any, value: Any) -> Any:
    return views.apply_values("complex", value, views.apply_values("imag", base))


def _imag_write(base: Any, value: Any) -> Any:
    return views.apply_values("complex", views.apply_values("real", base), value)


@implements(np.real)
@is_property("real")
def real(val: Any) -> Tensor:
    x = strong(val)
    if x.dtype.kind != "c":
        return x
    return _part(
        x,
        ViewStep(
            lambda value: views.apply_values("real", value), _real_write, _part_layout, "real"
        ),
    )


@implements(np.imag)
@is_property("imag")
def imag(val: Any) -> Tensor:
    x = strong(val)
    if x.dtype.kind != "c":
        zeros = _as_kind(x, prim.full(x.type.shape, 0, x.dtype))
        return zeros if zeros.scalar else views.read_only(zeros)
    return _part(
        x,
        ViewStep(
            lambda value: views.apply_values("imag", value), _imag_write, _part_layout, "imag"
        ),
    )


def _part(x: Tensor, step: ViewStep) -> Tensor:
    return prim.scalar(x.view(step)) if x.scalar else x.view(step)


def _as_kind(x: Tensor, result: Tensor) -> Tensor:
    """`result` as a NumPy scalar where `x` is one."""
    return prim.scalar(result) if x.scalar else result


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Tensor:
    x = strong(z)
    result = elementwise("arctan2", imag(x) if x.dtype.kind == "c" else 0, real(x))
    return elementwise("multiply", result, 180 / np.pi) if deg else result


@implements(np.iscomplex)
def iscomplex(x: Any) -> Tensor:
    return elementwise("not_equal", imag(x), 0)


@implements(np.isreal)
def isreal(x: Any) -> Tensor:
    return elementwise("equal", imag(x), 0)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return bool(lift(x).dtype.kind == "c")


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return not iscomplexobj(x)


def _infinite(x: Any, out: Any, sign: bool, name: str) -> Tensor:
    tensor = strong(x)
    if tensor.dtype.kind == "c":
        raise TypeError(f"This operation is not supported for {tensor.dtype} values")
    negative = elementwise("signbit", tensor)
    side = negative if sign else elementwise("logical_not", negative)
    return put_out(out, elementwise("logical_and", elementwise("isinf", tensor), side), name)


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Tensor:
    return _infinite(x, out, False, "isposinf")


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Tensor:
    return _infinite(x, out, True, "isneginf")


# Comparing.


@implements(np.isclose)
def isclose(
    a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Tensor:
    x, y = strong(a), strong(b)
    y = cast(y, prim.result_dtype(y, 1.0))
    error = elementwise("absolute", elementwise("subtract", x, y))
    limit = lift(atol) + lift(rtol) * elementwise("absolute", y)
    close = (error <= limit) & elementwise("isfinite", y) | elementwise("equal", x, y)
    if equal_nan:
        close = close | elementwise("isnan", x) & elementwise("isnan", y)
    return close


@implements(np.allclose)
def allclose(
    a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False
) -> Tensor:
    return _all(isclose(a, b, rtol, atol, equal_nan))


def _all(x: Tensor) -> Tensor:
    return prim.reduce("all", x, tuple(range(x.ndim)))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    x, y = strong(a1), strong(a2)
    trace = current()
    if x.ndim != y.ndim or not all(map(trace.same, x.type.shape, y.type.shape)):
        return False
    same = elementwise("equal", x, y)
    if equal_nan and x.dtype.kind in "fc" and y.dtype.kind in "fc":
        same = same | elementwise("isnan", x) & elementwise("isnan", y)
    return _all(same)


# Rounding and special values.


@implements(np.round, np.around, method="round")
def round_(a: Any, decimals: int = 0, out: Any = None) -> Tensor:
    result = _round(strong(a), int(decimals))
    return put_out(out, prim.scalar(result), "rint", "same_kind")


def _round(x: Tensor, decimals: int) -> Tensor:
    if x.dtype.kind == "b":
        return elementwise("rint", x)
    if x.dtype.kind == "c":
        parts = [_round(cast(part, part.dtype), decimals) for part in (real(x), imag(x))]
        return prim.apply("complex", *parts)
    if x.dtype.kind in "iu":
        if decimals >= 0:
            return prim.copy(x)
        tens = 10.0**-decimals
        wide = elementwise("rint", elementwise("divide", x, tens))
        return cast(elementwise("multiply", wide, tens), x.dtype)
    if decimals == 0:
        return elementwise("rint", x)
    tens = 10.0 ** abs(decimals)
    first, last = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    return elementwise(last, elementwise("rint", elementwise(first, x, tens)), tens)


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Tensor:
    return put_out(out, elementwise("trunc", strong(x)), "trunc")


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Tensor:
    tensor = strong(x)
    if tensor.dtype.kind == "c":
        parts = [
            _finite(cast(p, p.dtype), nan, posinf, neginf) for p in (real(tensor), imag(tensor))
        ]
        result = prim.apply("complex", *parts)
    elif tensor.dtype.kind == "f":
        result = _finite(tensor, nan, posinf, neginf)
    else:
        result = prim.copy(tensor)
    if not copy and not tensor.scalar:
        prim.store(tensor, result)
        return tensor
    return _as_kind(tensor, prim.copy(result))


def _finite(x: Tensor, nan: Any, posinf: Any, neginf: Any) -> Tensor:
    info = np.finfo(x.dtype)
    dtype = x.dtype
    high = info.max if posinf is None else posinf
    low = info.min if neginf is None else neginf
    result = select(elementwise("isnan", x), cast(nan, dtype), x)
    result = select(elementwise("equal", x, np.inf), cast(high, dtype), result)
    return select(elementwise("equal", x, -np.inf), cast(low, dtype), result)


@implements(np.sinc)
def sinc(x: Any) -> Tensor:
    angle = elementwise("multiply", strong(x), np.pi)
    tiny = np.finfo(angle.dtype).eps if angle.dtype.kind == "f" else 1e-20
    y = select(elementwise("not_equal", angle, 0), angle, cast(float(tiny), angle.dtype))
    return elementwise("divide", elementwise("sin", y), y)


@implements(np.i0)
def i0(x: Any) -> Tensor:
    tensor = strong(x)
    if tensor.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    if tensor.dtype.kind != "f":
        tensor = cast(tensor, float)
    x = elementwise("absolute", tensor)
    small = _chebyshev(x / 2.0 - 2.0, _function_base_impl._i0A)  # type: ignore[attr-defined]
    large = _chebyshev(32.0 / x - 2.0, _function_base_impl._i0B)  # type: ignore[attr-defined]
    scale = elementwise("exp", x)
    return select(x <= 8.0, scale * small, scale * large / elementwise("sqrt", x))


def _chebyshev(x: Any, coefficients: list[float]) -> Any:
    b0, b1, b2 = lift(coefficients[0]), lift(0.0), lift(0.0)
    for c in coefficients[1:]:
        b2, b1 = b1, b0
        b0 = x * b1 - b2 + c
    return (b0 - b2) * 0.5


# Casts and copies.


@implements(np.astype)
def astype_function(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    if isinstance(x, (list, tuple, bool)) or isinstance(prim.operand_dtype(x), type):
        kind = "Python number" if isinstance(x, Tensor) else type(x).__name__
        fail(errors.DTypeError, f"Input should be a NumPy array or scalar. It is a {kind} instead.")
    return astype(lift(x), dtype, copy=copy)


@is_method("astype")
def astype(
    x: Tensor, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
    copy: bool = True,
) -> Tensor:  # fmt: skip
    target = as_dtype(dtype)
    if not np.can_cast(x.dtype, target, casting):  # type: ignore[arg-type]
        fail(
            errors.DTypeError,
            f"Cannot cast {describe(x)} to {target!r} according to the rule '{casting}'",
        )
    if not copy and x.dtype == target and x.weak is None:
        return x
    result = with_order(prim.copy(cast(x, target)), x, order)
    return prim.scalar(result) if x.scalar else result


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Tensor:
    return prim.copy(a, order)


@is_method("copy")
def copy_method(x: Tensor, order: str = "C") -> Tensor:
    return _as_kind(x, prim.copy(x, order))


@is_method("__copy__")
def copy_module(x: Tensor) -> Tensor:
    return copy_method(x)


@is_method("__deepcopy__")
def deepcopy_module(x: Tensor, memo: Any) -> Tensor:
    return copy_method(x)


@is_method("fill")
def fill(x: Tensor, value: Any) -> None:
    if lift(value).ndim:
        fail(errors.ShapeError, f"fill takes a scalar, not {describe(lift(value))}")
    prim.store(x, value)


@is_method("item")
def item(x: Tensor, *index: Any) -> Tensor:
    """The Python number that an array of one element holds; it stays traced."""
    if index:
        x = x.reshape(-1)[index[0]] if len(index) == 1 else x[index]
    elif x.ndim:
        if not current().same(x.type.size, 1):
            fail(
                errors.TracedValueError,
                f"can only convert an array of size 1 to a Python scalar, not {describe(x)}",
            )
        x = views.reshape(x, ())
    kind = {"f": float, "c": complex, "i": int, "u": int}.get(x.dtype.kind)
    return prim.scalar(x) if kind is None else prim.weak_cast(x, kind)


# Questions about types and shapes.


@implements(np.shape)
def shape(a: Any) -> tuple[Any, ...]:
    return strong(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    return strong(a).ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> Any:
    tensor = strong(a)
    if axis is None:
        return tensor.size
    total: Any = 1
    for k in prim.normalize_axes(axis, tensor.ndim):
        total = total * tensor.shape[k]
    return total


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    kinds = [prim.operand_dtype(x) if prim.any_traced(x) else x for x in arrays_and_dtypes]
    weak = (int, float, complex)
    return np.result_type(*(k(0) if any(k is w for w in weak) else k for k in kinds))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    source = prim.operand_dtype(from_) if isinstance(from_, Tensor) else from_
    if isinstance(from_, Tensor) and from_.weak is not None:
        source = from_.weak(0)  # NumPy refuses Python numbers.
    return np.can_cast(source, to, casting)  # type: ignore[arg-type]


@implements(np.isscalar)
def isscalar(element: Any) -> bool:
    return lift(element).scalar


@implements(np.iterable)
def iterable(y: Any) -> bool:
    return bool(lift(y).ndim)


@implements(np.may_share_memory, np.shares_memory)
def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.cell is b.cell
