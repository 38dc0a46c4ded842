"""A loop nest as LLVM IR: explicit vectors, a masked tail, accumulators in registers.

Each nest is two functions: `name(frame)`, which decides whether threads pay, and `name_body(frame,
lo, hi)`, which runs a stretch of the outer range. Everything they need comes from the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_body import NestBody, Vars
from tracejit.codegen_cpu.llvm_carry import Reduction, unflatten
from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_innermost import Innermost
from tracejit.codegen_cpu.llvm_memory import VOID, offset_pointer
from tracejit.codegen_cpu.llvm_scalars import I64, PTR, LlvmScalars, ModuleContext
from tracejit.ir import dims
from tracejit.ir.loops import (
    CHUNK,
    Fill,
    Nest,
    Section,
)
from tracejit.ir.program import DONE, STATUS_WORD
from tracejit.ir.scalar import REAL_OF
from tracejit.ir.types import F2, INTP

PARALLEL_WORK = 1 << 17
"""Additions in a nest below which one thread is faster than waking another."""
TASK_WORK = 1 << 16
"""Additions that one piece of work for a thread should have at least."""


class NestEmitter(NestBody):
    """Emits one nest into a module."""

    def __init__(
        self, context: ModuleContext, nest: Nest, symbols: Mapping[str, int], place: int
    ) -> None:
        """`place` says which of `Program.failing` it is."""
        self.context, self.nest, self.symbols, self.place = context, nest, symbols, place
        self.lanes = 1 if nest.serial else self._choose_lanes()

    def _choose_lanes(self) -> int:
        """As many lanes as registers hold of the widest number in the inner loops."""
        widest = 1
        for section in self.nest.sections:
            if not section.axes:
                continue
            for item in (*section.body, *section.carries):
                dtype = getattr(item, "dtype", INTP)
                dtype = REAL_OF.get(dtype, dtype)
                widest = max(widest, 4 if dtype == F2 else dtype.itemsize)
        return max(1, self.context.machine.vector_bytes // widest)

    def emit(self) -> ll.Function:
        """Define both functions; the one to call."""
        return self._emit_launch(self._emit_body())

    def _function(self, name: str, arguments: list[ll.Type]) -> ll.Function:
        module = self.context.module
        type = ll.FunctionType(VOID, arguments)
        function = ll.Function(module, type, module.get_unique_name(name))
        function.attributes.add("nounwind")
        function.linkage = "internal"
        for argument, label in zip(function.args, ("frame", "lo", "hi"), strict=False):
            argument.name = label
        return function

    # The function that runs a stretch.

    def _emit_body(self) -> ll.Function:
        nest = self.nest
        function = self._function(f"{nest.name}_body", [PTR, I64, I64])
        self.frame, lo, hi = function.args
        entry = function.append_basic_block("entry")
        start = function.append_basic_block("start")
        self.b = ll.IRBuilder(start)
        self.dims = DimEmitter(ll.IRBuilder(entry), self.frame, self.symbols)
        self.scalar = LlvmScalars(self.context, self.b)
        self.scratch: list[ll.Value] = []
        self.bases = [self._base(operand.slot) for operand in nest.operands]
        self.extents = [self.dims(e) for e in nest.extents]
        self.axis: dict[Any, ll.Value] = {}
        variables: Vars = {}
        self.straight(nest.prologue, variables)
        for fill in nest.fills:
            self._fill(fill)
        self._outer(lo, hi, variables)
        for pointer in self.scratch:
            self.b.call(self.context.declare("tracejit_free", VOID, [PTR]), [pointer])
        self.b.ret_void()
        self.dims.b.branch(start)
        return function

    def _base(self, slot: int) -> ll.Value:
        if slot >= 0:
            return self.dims.word(slot, PTR)
        scratch = self.nest.scratch[-1 - slot]
        # Room for a whole vector behind the end.
        size = self.dims(scratch.extent * scratch.dtype.itemsize + 64)
        allocate = self.context.declare("tracejit_alloc", PTR, [I64])
        pointer = self.dims.b.call(allocate, [size])
        self.scratch.append(pointer)
        return pointer

    def _fill(self, fill: Fill) -> None:
        item = self.nest.scratch[fill.scratch].dtype.itemsize
        nbytes = self.dims(fill.length * item)
        source = self.pointer(fill.source, None)
        target = self.scratch[fill.scratch]
        copy = self.context.declare("memcpy", PTR, [PTR, PTR, I64])

        def once(index: ll.Value, carried: list[ll.Value]) -> list[ll.Value]:
            place = offset_pointer(self.b, target, self.b.mul(index, nbytes))
            self.b.call(copy, [place, source, nbytes])
            return []

        self.loop(number(0), self.dims(fill.repeats), 1, [], once)

    def _outer(self, lo: ll.Value, hi: ll.Value, variables: Vars) -> None:
        """The loop over the flattened outer range, with an index for each outer axis."""
        nest = self.nest
        names: list[Any] = [*([CHUNK] if nest.chunk is not None else []), *nest.outer]
        if not names:
            self._sections(variables)
            return

        def iteration(index: ll.Value, carried: list[ll.Value]) -> list[ll.Value]:
            for name in reversed(names[1:]):
                extent = self.extents[name]
                quotient = self.b.udiv(index, extent)
                self.axis[name] = self.b.sub(index, self.b.mul(quotient, extent))
                index = quotient
            self.axis[names[0]] = index
            self._sections(dict(variables))
            return []

        self.loop(lo, hi, 1, [], iteration)

    def _sections(self, variables: Vars) -> None:
        for section in self.nest.sections:
            reductions = [Reduction(c) for c in section.carries]
            if not section.axes:
                self.straight(section.body, variables)
                for reduction in reductions:
                    self.single(reduction, variables)
                continue
            registers = self._nested(section, section.axes, variables, reductions, None)
            for reduction in reductions:
                state = [unflatten(self.scalar, d, registers) for d in reduction.dtypes]
                variables.update(reduction.result(self.scalar, state))

    # Loops.

    def _bounds(self, axis: int) -> tuple[ll.Value, ll.Value]:
        """Where a section's loop over `axis` starts and stops."""
        chunk = self.nest.chunk
        extent = self.extents[axis]
        if chunk is None or chunk[0] != axis:
            return number(0), extent
        size = self.dims(chunk[1])
        start = self.b.mul(self.axis[CHUNK], size)
        stop = self.b.add(start, size)
        return start, self.b.select(self.b.icmp_signed("<", stop, extent), stop, extent)

    def _nested(
        self, section: Section, axes: tuple[int, ...], variables: Vars,
        reductions: list[Reduction], carried: list[ll.Value] | None,
    ) -> list[ll.Value]:  # fmt: skip
        """The loops over `axes`; `carried` are the registers of the reductions so far."""
        axis = axes[0]
        start, stop = self._bounds(axis)
        if len(axes) == 1:
            return Innermost(self, section, variables, reductions).emit(start, stop, carried)
        if carried is None:
            carried = self.registers(reductions)

        def iteration(index: ll.Value, current: list[ll.Value]) -> list[ll.Value]:
            self.axis[axis] = index
            return self._nested(section, axes[1:], variables, reductions, current)

        return self.loop(start, stop, 1, carried, iteration)

    # The function that shares the work out.

    def _emit_launch(self, body: ll.Function) -> ll.Function:
        nest = self.nest
        function = self._function(nest.name, [PTR])
        (frame,) = function.args
        b = ll.IRBuilder(function.append_basic_block("entry"))
        sizes = DimEmitter(b, frame, self.symbols)
        chunks: dims.Dim = 1
        if nest.chunk is not None:
            axis, size = nest.chunk
            chunks = dims.floordiv(nest.extents[axis] + (size - 1), size)
        looped = {a for s in nest.sections for a in s.axes}
        count = sizes(chunks * dims.product([nest.extents[a] for a in nest.outer]))
        inner = dims.product([nest.extents[a] for a in looped])
        total = sizes(inner * dims.product([nest.extents[a] for a in nest.outer]))
        work = b.mul(total, number(int(max(1, nest.flops))))
        if nest.guarded:
            failed = b.icmp_signed("!=", sizes.word(STATUS_WORD), number(DONE))
            with b.if_then(failed, likely=False):
                b.ret_void()
        if nest.ordered:
            b.call(body, [frame, number(0), count])
            b.ret_void()
            return function
        several = b.and_(
            b.icmp_signed(">", count, number(1)),
            b.icmp_signed(">", work, number(PARALLEL_WORK)),
        )
        with b.if_else(several, likely=None) as (parallel, serial):
            with parallel:
                per_item = b.sdiv(work, count)
                per_item = b.select(b.icmp_signed("<", per_item, number(1)), number(1), per_item)
                grain = b.add(b.sdiv(number(TASK_WORK), per_item), number(1))
                share = self.context.declare("tracejit_parallel_for", VOID, [PTR, PTR, I64, I64])
                b.call(share, [body, frame, count, grain])
            with serial:
                b.call(body, [frame, number(0), count])
        b.ret_void()
        return function
