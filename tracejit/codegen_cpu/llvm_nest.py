"""A loop nest as LLVM IR: explicit vectors, a masked tail, accumulators in registers.

Each nest is two functions: `name(frame)`, which decides whether threads pay, and `name_body(frame,
lo, hi)`, which runs a stretch of the outer range. Everything they need comes from the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_carry import Reduction, flatten, unflatten
from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_division import divide_by_uniform
from tracejit.codegen_cpu.llvm_innermost import Innermost
from tracejit.codegen_cpu.llvm_memory import VOID, Memory, offset_pointer
from tracejit.codegen_cpu.llvm_scalars import I64, PTR, LlvmScalars, ModuleContext, splat
from tracejit.ir import dims
from tracejit.ir.loops import (
    CHUNK,
    Address,
    Compute,
    Constant,
    Fill,
    Index,
    Instr,
    Load,
    Nest,
    Section,
    SizeOf,
    Store,
    Take,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.scalar import REAL_OF, Scalar
from tracejit.ir.types import F2, F8, INTP

PARALLEL_WORK = 1 << 17
"""Additions in a nest below which one thread is faster than waking another."""
TASK_WORK = 1 << 16
"""Additions that one piece of work for a thread should have at least."""
STATUS_WORD = 0
INDEX_ERROR = 2

Vars = dict[int, Scalar]


class NestEmitter:
    """Emits one nest into a module."""

    def __init__(self, context: ModuleContext, nest: Nest, symbols: Mapping[str, int]) -> None:
        self.context, self.nest, self.symbols = context, nest, symbols
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

    def emit(self) -> str:
        """Define both functions; the name of the one to call."""
        self._emit_launch(self._emit_body())
        return self.nest.name

    def _function(self, name: str, arguments: list[ll.Type]) -> ll.Function:
        function = ll.Function(self.context.module, ll.FunctionType(VOID, arguments), name)
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
        self._straight(nest.prologue, variables)
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

        self._loop(number(0), self.dims(fill.repeats), 1, [], once)

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

        self._loop(lo, hi, 1, [], iteration)

    def _sections(self, variables: Vars) -> None:
        for section in self.nest.sections:
            reductions = [Reduction(c) for c in section.carries]
            if not section.axes:
                self._straight(section.body, variables)
                for reduction in reductions:
                    self._single(reduction, variables)
                continue
            registers = self._nested(section, section.axes, variables, reductions, None)
            for reduction in reductions:
                state = [unflatten(self.scalar, d, registers) for d in reduction.dtypes]
                variables.update(reduction.result(self.scalar, state))

    def _single(self, reduction: Reduction, variables: Vars) -> None:
        """A reduction over one element."""
        o, carry = self.scalar, reduction.carry
        new = [self._operand(carry.value, variables, o)]
        if carry.index is not None:
            new.append(self._operand(carry.index, variables, o))
        state = reduction.take(o, reduction.start(o), new, None)
        variables.update(reduction.result(o, state))

    # Loops.

    def _loop(
        self,
        start: ll.Value,
        stop: ll.Value,
        step: int,
        carried: Sequence[ll.Value],
        body: Callable[[ll.Value, list[ll.Value]], list[ll.Value]],
    ) -> list[ll.Value]:
        """`for index in range(start, stop, step)`, carrying registers from turn to turn."""
        before = self.b.block
        head = self.b.append_basic_block("head")
        inside = self.b.append_basic_block("loop")
        done = self.b.append_basic_block("done")
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64)
        phis = [self.b.phi(v.type) for v in carried]
        self.b.cbranch(self.b.icmp_signed("<", index, stop), inside, done)
        self.b.position_at_end(inside)
        after = body(index, list(phis))
        following = self.b.add(index, number(step), flags=("nsw",))
        index.add_incoming(start, before)
        index.add_incoming(following, self.b.block)
        for phi, first, later in zip(phis, carried, after, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(done)
        return list(phis)

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
            carried = self._registers(reductions)

        def iteration(index: ll.Value, current: list[ll.Value]) -> list[ll.Value]:
            self.axis[axis] = index
            return self._nested(section, axes[1:], variables, reductions, current)

        return self._loop(start, stop, 1, carried, iteration)

    def _registers(self, reductions: list[Reduction]) -> list[ll.Value]:
        return [v for r in reductions for s in r.start(self.scalar) for v in flatten(s)]

    # Straight code outside the inner loops.

    def _straight(self, body: Sequence[Instr], variables: Vars) -> None:
        memory = Memory(self.scalar)
        for instr in body:
            self.instruction(instr, variables, self.scalar, memory, None, None, {})

    def pointer(self, address: Address, inner: int | None) -> ll.Value:
        """The address at the current indices of all axes but `inner`."""
        pointer = self.bases[address.base]
        offset = self.dims(address.offset)
        terms = [] if isinstance(offset, ll.Constant) and offset.constant == 0 else [offset]
        for axis, stride in address.strides:
            if axis != inner and stride != 0:
                terms.append(self.b.mul(self.axis[axis], self.dims(stride)))
        for term in terms:
            pointer = offset_pointer(self.b, pointer, term)
        return pointer

    def instruction(
        self, instr: Instr, variables: Vars, o: LlvmScalars, memory: Memory,
        inner: int | None, mask: ll.Value | None, rows: dict[Any, ll.Value],
        nontemporal: bool = False,
    ) -> None:  # fmt: skip
        """One instruction; `rows` has the pointers computed in front of the innermost loop."""
        if isinstance(instr, Compute):
            body = OPS[instr.op].body
            assert body is not None
            if self._divides_by_one_value(instr, variables, o):
                dividend = self._operand(instr.args[0], variables, o)
                divisor = variables[instr.args[1]]
                variables[instr.var] = divide_by_uniform(o, dividend, divisor, mask)
                return
            args = [self._operand(a, variables, o) for a in instr.args]
            result = body(o, *args, **instr.attrs)
            variables[instr.var] = o.cast(result, instr.dtype)
        elif isinstance(instr, Load):
            pointer, stride = self._element(instr.address, inner, rows)
            variables[instr.var] = memory.load(pointer, stride, instr.dtype, mask)
        elif isinstance(instr, Store):
            pointer, stride = self._element(instr.address, inner, rows)
            value = self._operand(instr.value, variables, o)
            memory.store(pointer, stride, value, mask, nontemporal)
        elif isinstance(instr, Constant):
            variables[instr.var] = o.const(instr.value, instr.dtype)
        elif isinstance(instr, SizeOf):
            variables[instr.var] = o.widen(Scalar(self.scalar, INTP, self.dims(instr.dim)))
        elif isinstance(instr, Index):
            variables[instr.var] = self._index(instr, o, inner)
        else:
            self._take(instr, variables, o, memory, inner, mask, rows)

    def _divides_by_one_value(self, instr: Compute, variables: Vars, o: LlvmScalars) -> bool:
        """Whether a division has vectors above and the same float64 below in every lane."""
        if instr.op != "divide" or instr.dtype != F8 or o.lanes == 1:
            return False
        above, below = (variables[a].o for a in instr.args)
        return above is o and below is not o and self.context.machine.has_fma

    def _operand(self, var: int, variables: Vars, o: LlvmScalars) -> Scalar:
        value = variables[var]
        return value if value.o is o else o.widen(value)

    def _element(
        self, address: Address, inner: int | None, rows: dict[Any, ll.Value]
    ) -> tuple[ll.Value, int | ll.Value]:
        """The address of the first lane, and the distance between lanes."""
        key = (address.base, address.offset, address.strides)
        pointer = rows.get(key)
        if pointer is None:
            pointer = self.pointer(address, inner)
        stride = address.stride(inner) if inner is not None else 0
        if inner is None or stride == 0:
            return pointer, 0
        by = self.dims(stride)
        pointer = offset_pointer(self.b, pointer, self.b.mul(self.axis[inner], by))
        return pointer, stride if isinstance(stride, int) else by

    def _index(self, instr: Index, o: LlvmScalars, inner: int | None) -> Scalar:
        first = self.b.mul(self.axis[instr.axis], number(instr.step))
        first = self.b.add(first, self.dims(instr.start))
        value = o.widen(Scalar(self.scalar, INTP, first))
        if instr.axis == inner and o.lanes > 1:
            steps = [k * instr.step for k in range(o.lanes)]
            ramp = ll.Constant(ll.VectorType(I64, o.lanes), steps)
            value = Scalar(o, INTP, self.b.add(value.v, ramp))
        return o.cast(value, instr.dtype)

    def _take(
        self, instr: Take, variables: Vars, o: LlvmScalars, memory: Memory,
        inner: int | None, mask: ll.Value | None, rows: dict[Any, ll.Value],
    ) -> None:  # fmt: skip
        """A gather with wrap-around; an index out of bounds sets the status and reads nothing."""
        index = self._operand(instr.index, variables, o)
        size = o.widen(Scalar(self.scalar, INTP, self.dims(instr.size)))
        wrapped = o.select(index < 0, index + size, index)
        inside = (wrapped >= 0) & (wrapped < size)
        outside = (~inside).v
        if mask is not None:
            outside = self.b.and_(outside, mask)
        self._report(outside, o.lanes)
        safe = o.select(inside, wrapped, 0)
        pointer, stride = self._element(instr.address, inner, rows)
        by = o.widen(Scalar(self.scalar, INTP, self.dims(instr.stride)))
        offsets = (safe * by).v
        if o.lanes == 1:
            variables[instr.var] = self._guarded_load(
                offset_pointer(self.b, pointer, offsets), inside.v, instr, memory
            )
            return
        pointers = memory.spread(pointer, offsets)
        if not (isinstance(stride, int) and stride == 0):
            steps = ll.Constant(ll.VectorType(I64, o.lanes), list(range(o.lanes)))
            by_lane = number(stride) if isinstance(stride, int) else stride
            steps = self.b.mul(steps, splat(self.b, by_lane, o.lanes))
            pointers = memory.spread(pointers, steps)
        on = inside.v if mask is None else self.b.and_(inside.v, mask)
        variables[instr.var] = memory.load_many(pointers, instr.dtype, on)

    def _guarded_load(
        self, pointer: ll.Value, inside: ll.Value, instr: Take, memory: Memory
    ) -> Scalar:
        """The element where `inside`, else zero."""
        before = self.b.block
        with self.b.if_then(inside):
            registers = flatten(memory.load(pointer, 0, instr.dtype, None))
            last = self.b.block
        merged = []
        for register in registers:
            phi = self.b.phi(register.type)
            phi.add_incoming(register, last)
            phi.add_incoming(ll.Constant(register.type, None), before)
            merged.append(phi)
        return unflatten(self.scalar, instr.dtype, merged)

    def _report(self, outside: ll.Value, lanes: int) -> None:
        if lanes > 1:
            bits = self.b.bitcast(outside, ll.IntType(lanes))
            outside = self.b.icmp_unsigned("!=", bits, ll.Constant(ll.IntType(lanes), 0))
        with self.b.if_then(outside, likely=False):
            slot = self.b.gep(self.frame, [number(STATUS_WORD)], source_etype=I64)
            self.b.store(number(INDEX_ERROR), slot)

    # The function that shares the work out.

    def _emit_launch(self, body: ll.Function) -> None:
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
