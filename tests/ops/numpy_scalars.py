"""Scalar bodies run on whole NumPy arrays: the builder whose payloads are arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from tracejit.ir.opdef import OPS, OpDef
from tracejit.ir.scalar import REAL_OF, Number, Scalar, Scalars
from tracejit.ir.types import F2, F4

BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "shl": np.left_shift, "shr": np.right_shift,
    "rem": np.fmod,
}  # fmt: skip
COMPARE = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
ARC = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "pow": "power",
}  # fmt: skip
SPECIAL = {"erf": "erf", "erfc": "erfc", "tgamma": "gamma", "lgamma": "gammaln"}
EXACT_CALLS = {"sqrt", "fabs", "floor", "ceil", "trunc", "rint", "copysign", "fmod", "nextafter"}


class NumpyScalars(Scalars):
    """`exact` turns false when a body used what may differ by some ULP between libraries."""

    def __init__(self) -> None:
        self.exact = True

    def load(self, array: np.ndarray) -> Scalar:
        if array.dtype in REAL_OF:
            return self.complex(self.load(array.real), self.load(array.imag))
        return Scalar(self, array.dtype, array.astype(F4) if array.dtype == F2 else array)

    def store(self, value: Scalar, shape: tuple[int, ...]) -> np.ndarray:
        if value.dtype in REAL_OF:
            result = np.empty(shape, value.dtype)
            result.real, result.imag = (self.store(part, shape) for part in value.v)
            return result
        stored = np.dtype(F4) if value.dtype == F2 else value.dtype
        assert np.asarray(value.v).dtype == stored, f"{value.dtype} held as {value.v.dtype}"
        result = np.asarray(value.v).astype(value.dtype)
        if value.dtype == F2:
            assert np.array_equal(result, value.v, equal_nan=True), "not rounded to float16"
        return np.broadcast_to(result, shape)

    def emit_const(self, value: Number, dtype: np.dtype) -> Any:
        return np.asarray(dtype.type(value))

    def emit_binary(self, op: str, a: Scalar, b: Scalar) -> Any:
        if op == "quo":
            assert a.dtype.kind in "iu", "quo is for integers"
            rest = np.fmod(a.v, b.v)
            return np.floor_divide(a.v - rest, b.v)
        if op == "div":
            assert a.dtype.kind == "f", "div is for floats"
        if a.dtype.kind == "b":
            assert op in ("and", "or", "xor"), f"{op} of bools"
        if op in ("shl", "shr"):
            assert np.all((b.v >= 0) & (b.v < 8 * a.dtype.itemsize)), "shift out of range"
        return BINARY[op](a.v, b.v)

    def emit_unary(self, op: str, a: Scalar) -> Any:
        return np.negative(a.v) if op == "neg" else np.invert(a.v)

    def emit_compare(self, relation: str, a: Scalar, b: Scalar) -> Any:
        return COMPARE[relation](a.v, b.v)

    def emit_select(self, cond: Scalar, a: Scalar, b: Scalar) -> Any:
        assert cond.dtype == bool, f"select on {cond.dtype}"
        return np.where(cond.v, a.v, b.v)

    def emit_cast(self, a: Scalar, dtype: np.dtype) -> Any:
        return a.v.astype(dtype)

    def emit_round_half(self, a: Scalar) -> Any:
        return a.v.astype(F2).astype(F4)

    def emit_call(self, name: str, args: tuple[Scalar, ...]) -> Any:
        self.exact &= name in EXACT_CALLS
        arrays = [a.v for a in args]
        if name in SPECIAL:
            return OPS[SPECIAL[name]].evaluate(*arrays)
        return getattr(np, ARC.get(name, name))(*arrays)

    def emit_complex_call(self, name: str, *parts: Scalar) -> tuple[Any, Any]:
        self.exact = False
        arrays = []
        for re, im in zip(parts[::2], parts[1::2], strict=True):
            array = np.empty(np.broadcast_shapes(re.v.shape, im.v.shape), np.complex128)
            array.real, array.imag = re.v, im.v
            arrays.append(array)
        result = getattr(np, ARC.get(name[1:], name[1:]))(*arrays)
        return result.real, result.imag

    def emit_special(self, name: str, args: tuple[Scalar, ...]) -> Any:
        self.exact = False
        return np.asarray(getattr(scipy.special, name)(*(a.v for a in args)))

    def emit_bits(self, a: Scalar, dtype: np.dtype) -> Any:
        assert a.dtype.itemsize == dtype.itemsize, f"bits of {a.dtype} as {dtype}"
        return a.v.view(dtype)

    def emit_helper(
        self, name: str, args: tuple[Scalar, ...], body: Callable[..., Scalar], dtype: np.dtype
    ) -> Any:
        result = body(self, *args)
        assert result.dtype == dtype, f"helper {name} gives {result.dtype}, not {dtype}"
        return result.v

    def emit_while(
        self,
        state: tuple[Scalar, ...],
        cond: Callable[..., Scalar],
        step: Callable[..., tuple[Scalar, ...]],
    ) -> tuple[Any, ...]:
        active = np.asarray(True)
        for _ in range(10_000):
            active = active & cond(*state).v
            if not np.any(active):
                return tuple(s.v for s in state)
            state = tuple(
                Scalar(self, old.dtype, np.where(active, new.v, old.v))
                for old, new in zip(state, step(*state), strict=True)
            )
        raise AssertionError("a loop of a scalar body does not end")


def run_body(record: OpDef, arrays: list[np.ndarray], **attrs: Any) -> tuple[np.ndarray, bool]:
    """What the body of `record` makes of `arrays`, and whether that is exact."""
    assert record.body is not None
    o = NumpyScalars()
    with np.errstate(all="ignore"):
        result = record.body(o, *map(o.load, arrays), **attrs)
        return o.store(result, np.broadcast_shapes(*(a.shape for a in arrays))), o.exact
