"""The innermost loop of a section: a main loop of whole vectors, then a masked tail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_body import NestBody, Vars
from tracejit.codegen_cpu.llvm_carry import Reduction, flatten, unflatten
from tracejit.codegen_cpu.llvm_dims import number
from tracejit.codegen_cpu.llvm_memory import VOID, Memory
from tracejit.codegen_cpu.llvm_scalars import I64, LlvmScalars, splat
from tracejit.ir import dims
from tracejit.ir.loops import Load, Put, Section, Store, Take
from tracejit.ir.scalar import Scalar

UNROLL_OPS = 24
"""Bodies with at most this many instructions are unrolled, to overlap their latencies."""
MASKED_OPS = 200
"""Bodies with more instructions are emitted once, masked, instead of as main loop and tail."""
STREAM_BYTES = 1 << 24
"""Nests that write more than this bypass the caches: nobody could read it from there again."""


class Innermost:
    """Emits the loop over the last axis of `section`, at the end of the builder's block."""

    def __init__(
        self, nest: NestBody, section: Section, variables: Vars, reductions: list[Reduction]
    ) -> None:
        self.nest, self.section, self.variables = nest, section, variables
        self.reductions = reductions
        self.axis = section.axes[-1]
        self.b = nest.b
        self.nontemporal = False

    def emit(
        self, start: ll.Value, stop: ll.Value, carried: list[ll.Value] | None
    ) -> list[ll.Value]:
        nest, b = self.nest, self.b
        lanes = nest.lanes
        self.rows: dict[Any, ll.Value] = {}
        for instr in self.section.body:
            if isinstance(instr, (Load, Store, Take, Put)):
                a = instr.address
                key = (a.base, a.offset, a.strides)
                if key not in self.rows:
                    self.rows[key] = nest.pointer(a, self.axis)
        if lanes == 1:
            first = carried if carried is not None else nest.registers(self.reductions)
            o = nest.scalar
            return nest.loop(start, stop, 1, first, lambda i, c: self._turn(o, i, c, None))
        o = LlvmScalars(nest.context, b, lanes)
        size = len(self.section.body)
        unroll = 1
        if size <= UNROLL_OPS:
            unroll = 4 if self.reductions else 2
        vectors = self._vector_registers(o)
        states = [list(vectors) for _ in range(unroll)]
        middle = start
        if size <= MASKED_OPS:
            whole = number(lanes * unroll)
            span = b.sub(stop, start)
            middle = b.add(start, b.sub(span, b.srem(span, whole)))

            def main(index: ll.Value, current: list[ll.Value]) -> list[ll.Value]:
                after: list[ll.Value] = []
                width = len(vectors)
                for u in range(unroll):
                    at = b.add(index, number(u * lanes)) if u else index
                    after += self._turn(o, at, current[u * width : (u + 1) * width], None)
                return after

            first = [v for s in states for v in s]
            flat = self._main_loop(start, middle, lanes * unroll, first, main)
            width = len(vectors)
            states = [flat[u * width : (u + 1) * width] for u in range(unroll)]

        def tail(index: ll.Value, current: list[ll.Value]) -> list[ll.Value]:
            ramp = ll.Constant(ll.VectorType(I64, lanes), list(range(lanes)))
            position = b.add(splat(b, index, lanes), ramp)
            mask = b.icmp_signed("<", position, splat(b, stop, lanes))
            return self._turn(o, index, current, mask)

        states[0] = nest.loop(middle, stop, lanes, states[0], tail)
        return self._combine(o, states, carried)

    def _main_loop(
        self, start: ll.Value, stop: ll.Value, step: int, first: list[ll.Value],
        body: Callable[[ll.Value, list[ll.Value]], list[ll.Value]],
    ) -> list[ll.Value]:  # fmt: skip
        """The loop over whole vectors; also with streaming stores, where these may pay."""
        nest, b = self.nest, self.b
        streaming = self._streams(start)
        if streaming is None:
            return nest.loop(start, stop, step, first, body)
        with b.if_else(streaming, likely=None) as (then, otherwise):
            with then:
                self.nontemporal = True
                nest.loop(start, stop, step, first, body)
                b.call(nest.context.declare("llvm.x86.sse.sfence", VOID, []), [])
                self.nontemporal = False
            with otherwise:
                nest.loop(start, stop, step, first, body)
        return []

    def _streams(self, start: ll.Value) -> ll.Value | None:
        """Whether the stores of this stretch should bypass the caches: large, and aligned."""
        nest, b = self.nest, self.b
        kernel = nest.nest
        if self.reductions or not nest.context.machine.is_x86:
            return None
        if len(self.section.body) > UNROLL_OPS:
            return None
        written = [i for i in self.section.body if isinstance(i, Store)]
        item = sum(i.dtype.itemsize for i in written)
        if not written or any(
            i.address.stride(self.axis) != i.dtype.itemsize
            or i.dtype.kind == "c"
            or self._read_later(i.address.base)
            for i in written
        ):
            return None
        points = dims.product([kernel.extents[a] for a in (*kernel.outer, *self.section.axes)])
        total = nest.dims(points * item)
        large = b.icmp_signed(">", total, number(STREAM_BYTES))
        for store in written:
            row = self.rows[(store.address.base, store.address.offset, store.address.strides)]
            first = b.add(b.ptrtoint(row, I64), b.mul(start, number(store.dtype.itemsize)))
            width = store.dtype.itemsize * nest.lanes
            low = b.and_(first, number(width - 1))
            large = b.and_(large, b.icmp_signed("==", low, number(0)))
        return large

    def _read_later(self, base: int) -> bool:
        """Whether a section of this nest, this one or a later one, reads the memory of an operand.

        Scratch is read again: that is what it is for.
        """
        kernel = self.nest.nest
        if kernel.operands[base].slot < 0:
            return True
        later = kernel.sections[kernel.sections.index(self.section) :]
        return any(
            isinstance(i, (Load, Take, Put)) and i.address.base == base
            for s in later
            for i in s.body
        )

    def _vector_registers(self, o: LlvmScalars) -> list[ll.Value]:
        return [v for r in self.reductions for s in r.start(o) for v in flatten(s)]

    def _turn(
        self, o: LlvmScalars, index: ll.Value, current: list[ll.Value], mask: ll.Value | None
    ) -> list[ll.Value]:
        """One iteration of all lanes; the registers of the reductions afterwards."""
        nest = self.nest
        nest.axis[self.axis] = index
        variables = dict(self.variables)
        memory = Memory(o)
        for instr in self.section.body:
            streams = self.nontemporal and mask is None
            nest.instruction(instr, variables, o, memory, self.axis, mask, self.rows, streams)
        current = list(current)
        after: list[ll.Value] = []
        for reduction in self.reductions:
            state = [unflatten(o, d, current) for d in reduction.dtypes]
            new = [nest.operand(reduction.carry.value, variables, o)]
            if reduction.carry.index is not None:
                new.append(nest.operand(reduction.carry.index, variables, o))
            after += [v for s in reduction.take(o, state, new, mask) for v in flatten(s)]
        return after

    def _combine(
        self, o: LlvmScalars, states: list[list[ll.Value]], carried: list[ll.Value] | None
    ) -> list[ll.Value]:
        """The registers of one lane, from those of all lanes and unrolled copies."""
        scalar = self.nest.scalar
        queues = [list(s) for s in states]
        before = list(carried) if carried is not None else None
        result: list[ll.Value] = []
        for reduction in self.reductions:
            parts = [[unflatten(o, d, q) for d in reduction.dtypes] for q in queues]
            while len(parts) > 1:
                parts = [
                    reduction.merge(o, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)
                ]
            state = reduction.across_lanes(o, parts[0])
            state = [Scalar(scalar, s.dtype, s.v) for s in state]
            if before is not None:
                old = [unflatten(scalar, d, before) for d in reduction.dtypes]
                state = reduction.merge(scalar, old, state)
            result += [v for s in state for v in flatten(s)]
        return result
