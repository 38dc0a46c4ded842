"""Reductions inside a loop nest: how they start, take in an element, and combine."""

from __future__ import annotations

import llvmlite.ir as ll
import numpy as np

from tracejit.codegen_cpu.llvm_scalars import LlvmScalars, extract_lanes
from tracejit.ir.loops import Carry
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import identity
from tracejit.ir.scalar import Scalar
from tracejit.ir.types import F2, F4, INTP


def flatten(value: Scalar) -> list[ll.Value]:
    """The registers of a scalar: two for a complex number."""
    return [part.v for part in value.v] if isinstance(value.v, tuple) else [value.v]


def unflatten(o: LlvmScalars, dtype: np.dtype, registers: list[ll.Value]) -> Scalar:
    """The inverse of `flatten`; takes what it needs from the front of `registers`."""
    if dtype.kind == "c":
        real = np.dtype(f"f{dtype.itemsize // 2}")
        return o.complex(Scalar(o, real, registers.pop(0)), Scalar(o, real, registers.pop(0)))
    return Scalar(o, dtype, registers.pop(0))


class Reduction:
    """One `Carry` as code. A state is a list of scalars: the value, or best value and position."""

    def __init__(self, carry: Carry) -> None:
        self.carry = carry
        self.record = OPS[carry.op]
        self.positional = carry.index is not None
        # float16 sums are accumulated in float32, as NumPy's are.
        self.dtype = F4 if carry.dtype == F2 and not self.positional else carry.dtype
        self.dtypes = [self.dtype, INTP] if self.positional else [self.dtype]

    def start(self, o: LlvmScalars) -> list[Scalar]:
        first = o.const(identity(self.carry.op, self.dtype), self.dtype)
        return [first, o.const(0, INTP)] if self.positional else [first]

    def take(
        self, o: LlvmScalars, state: list[Scalar], new: list[Scalar], mask: ll.Value | None
    ) -> list[Scalar]:
        """The state after one more element per lane; lanes that `mask` turns off stay."""
        assert self.record.body is not None
        if self.positional:
            best, at = state
            value, index = new
            wins = self.record.body(o, value, best)
            if mask is not None:
                wins = wins & Scalar(o, np.dtype(bool), mask)
            return [o.select(wins, value, best), o.select(wins, index, at)]
        (value,) = new
        if value.dtype != self.dtype:
            value = o.cast(value, self.dtype)
        combined = self.record.body(o, state[0], value)
        if mask is not None:
            combined = o.select(Scalar(o, np.dtype(bool), mask), combined, state[0])
        return [combined]

    def merge(self, o: LlvmScalars, a: list[Scalar], b: list[Scalar]) -> list[Scalar]:
        """The state of two disjoint sets of elements, which may be interleaved."""
        assert self.record.body is not None
        if not self.positional:
            return [self.record.body(o, a[0], b[0])]
        wins = self.record.body(o, b[0], a[0])
        loses = self.record.body(o, a[0], b[0])
        earlier = ~wins & ~loses & (b[1] < a[1])
        take = wins | earlier
        return [o.select(take, b[0], a[0]), o.select(take, b[1], a[1])]

    def across_lanes(self, o: LlvmScalars, state: list[Scalar]) -> list[Scalar]:
        """The state of all lanes together, halving the vector until one lane is left."""
        lanes = o.lanes
        while lanes > 1:
            lanes //= 2
            half = LlvmScalars(o.context, o.b, lanes)
            low = [_part(half, s, 0) for s in state]
            high = [_part(half, s, lanes) for s in state]
            state = self.merge(half, low, high)
        return state

    def result(self, o: LlvmScalars, state: list[Scalar]) -> list[tuple[int, Scalar]]:
        """The vars that the finished reduction defines."""
        if self.positional:
            assert self.carry.best is not None
            return [(self.carry.best, state[0]), (self.carry.var, state[1])]
        return [(self.carry.var, o.cast(state[0], self.carry.dtype))]


def _part(o: LlvmScalars, value: Scalar, first: int) -> Scalar:
    if isinstance(value.v, tuple):
        return Scalar(o, value.dtype, tuple(_part(o, p, first) for p in value.v))
    if o.lanes == 1:
        index = ll.Constant(ll.IntType(32), first)
        return Scalar(o, value.dtype, o.b.extract_element(value.v, index))
    return Scalar(o, value.dtype, extract_lanes(o.b, value.v, first, o.lanes))
