"""The instructions of a loop nest as LLVM IR, and the loops around them.

`NestBody` is the function under construction: its builder, the frame it reads sizes and pointers
from, the current index of each axis. What is emitted goes to the end of the builder's block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_carry import Reduction, flatten, unflatten
from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_division import divide_by_uniform
from tracejit.codegen_cpu.llvm_memory import Memory, offset_pointer
from tracejit.codegen_cpu.llvm_scalars import I64, LlvmScalars, ModuleContext, splat
from tracejit.ir.dims import Dim
from tracejit.ir.loops import (
    Address,
    Check,
    Compute,
    Constant,
    Index,
    Instr,
    Load,
    Nest,
    Put,
    SizeOf,
    Store,
    Take,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.program import INDEX_ERROR, STATUS_BITS, STATUS_WORD
from tracejit.ir.scalar import Scalar
from tracejit.ir.types import F8, INTP

Vars = dict[int, Scalar]


class NestBody:
    """The function that runs a stretch of a nest; `bases` are the pointers of its operands."""

    context: ModuleContext
    nest: Nest
    lanes: int
    b: ll.IRBuilder
    frame: ll.Value
    dims: DimEmitter
    scalar: LlvmScalars
    bases: list[ll.Value]
    extents: list[ll.Value]
    axis: dict[Any, ll.Value]
    place: int = 0
    """Which of `Program.failing` it is."""

    def loop(
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
        self.context.keep_loop(self.b.branch(head))
        self.b.position_at_end(done)
        return list(phis)

    def registers(self, reductions: list[Reduction]) -> list[ll.Value]:
        return [v for r in reductions for s in r.start(self.scalar) for v in flatten(s)]

    def single(self, reduction: Reduction, variables: Vars) -> None:
        """A reduction over one element."""
        o, carry = self.scalar, reduction.carry
        new = [self.operand(carry.value, variables, o)]
        if carry.index is not None:
            new.append(self.operand(carry.index, variables, o))
        state = reduction.take(o, reduction.start(o), new, None)
        variables.update(reduction.result(o, state))

    # Straight code outside the inner loops.

    def straight(self, body: Sequence[Instr], variables: Vars) -> None:
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
                dividend = self.operand(instr.args[0], variables, o)
                divisor = variables[instr.args[1]]
                variables[instr.var] = divide_by_uniform(o, dividend, divisor, mask)
                return
            args = [self.operand(a, variables, o) for a in instr.args]
            result = body(o, *args, **instr.attrs)
            variables[instr.var] = o.cast(result, instr.dtype)
        elif isinstance(instr, Load):
            pointer, stride = self._element(instr.address, inner, rows)
            variables[instr.var] = memory.load(pointer, stride, instr.dtype, mask)
        elif isinstance(instr, Store):
            pointer, stride = self._element(instr.address, inner, rows)
            value = self.operand(instr.value, variables, o)
            memory.store(pointer, stride, value, mask, nontemporal)
        elif isinstance(instr, Constant):
            variables[instr.var] = o.const(instr.value, instr.dtype)
        elif isinstance(instr, SizeOf):
            variables[instr.var] = o.widen(Scalar(self.scalar, INTP, self.dims(instr.dim)))
        elif isinstance(instr, Index):
            variables[instr.var] = self._index(instr, o, inner)
        elif isinstance(instr, Check):
            index = self.operand(instr.index, variables, o)
            self._report(self._outside(self._wrapped(index, instr.size, o)[1], mask), o.lanes)
        elif isinstance(instr, Put):
            self._put(instr, variables, o, memory, inner, mask, rows)
        else:
            self._take(instr, variables, o, memory, inner, mask, rows)

    def _divides_by_one_value(self, instr: Compute, variables: Vars, o: LlvmScalars) -> bool:
        """Whether a division has vectors above and the same float64 below in every lane."""
        if instr.op != "divide" or instr.dtype != F8 or o.lanes == 1:
            return False
        above, below = (variables[a].o for a in instr.args)
        return above is o and below is not o and self.context.machine.has_fma

    def operand(self, var: int, variables: Vars, o: LlvmScalars) -> Scalar:
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
        if o.lanes > 1 and all(variables[k].o is not o for k in instr.indices):
            self._take_row(instr, variables, o, memory, inner, mask, rows)
            return
        places = []
        for var, size in zip(instr.indices, instr.sizes, strict=True):
            index = self.operand(var, variables, o)
            places.append(self._wrapped(index, size, o))
        inside = places[0][1]
        for _, other in places[1:]:
            inside = inside & other
        self._report(self._outside(inside, mask), o.lanes)
        pointer, stride = self._element(instr.address, inner, rows)
        offset = None
        for (index, _), by in zip(places, instr.strides, strict=True):
            step = o.select(inside, index, 0) * o.widen(Scalar(self.scalar, INTP, self.dims(by)))
            offset = step if offset is None else offset + step
        assert offset is not None
        offsets = offset.v
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

    def _wrapped(self, index: Scalar, size: Dim, o: LlvmScalars) -> tuple[Scalar, Scalar]:
        """An index counted from the start, and whether it is within bounds."""
        wide = o.widen(Scalar(self.scalar, INTP, self.dims(size)))
        wrapped = o.select(index < 0, index + wide, index)
        return wrapped, (wrapped >= 0) & (wrapped < wide)

    def _outside(self, inside: Scalar, mask: ll.Value | None) -> ll.Value:
        outside = (~inside).v
        return outside if mask is None else self.b.and_(outside, mask)

    def _put(
        self, instr: Put, variables: Vars, o: LlvmScalars, memory: Memory,
        inner: int | None, mask: ll.Value | None, rows: dict[Any, ll.Value],
    ) -> None:  # fmt: skip
        """A store at indices that are the same for all lanes."""
        pointer, stride = self._element(instr.address, inner, rows)
        for var, by, size in zip(instr.indices, instr.strides, instr.sizes, strict=True):
            index, _ = self._wrapped(variables[var], size, self.scalar)
            pointer = offset_pointer(self.b, pointer, self.b.mul(index.v, self.dims(by)))
        self.put_at(pointer, stride, instr, variables, o, memory, mask)

    def put_at(
        self, pointer: ll.Value, stride: int | ll.Value, instr: Put, variables: Vars,
        o: LlvmScalars, memory: Memory, mask: ll.Value | None,
    ) -> None:  # fmt: skip
        """What a `Put` stores, at a place that has been found."""
        value = self.operand(instr.value, variables, o)
        if instr.op is not None:
            body = OPS[instr.op].body
            assert body is not None
            old = memory.load(pointer, stride, instr.dtype, mask)
            operands = [o.cast(x, d) for x, d in zip((old, value), instr.loop, strict=True)]
            value = o.cast(body(o, *operands), instr.dtype)
        memory.store(pointer, stride, value, mask)

    def _take_row(
        self, instr: Take, variables: Vars, o: LlvmScalars, memory: Memory,
        inner: int | None, mask: ll.Value | None, rows: dict[Any, ll.Value],
    ) -> None:  # fmt: skip
        """A load at indices that are the same for all lanes; a `Check` has reported them."""
        pointer, stride = self._element(instr.address, inner, rows)
        on: ll.Value | None = None
        for var, by, size in zip(instr.indices, instr.strides, instr.sizes, strict=True):
            index, inside = self._wrapped(variables[var], size, self.scalar)
            pointer = offset_pointer(self.b, pointer, self.b.mul(index.v, self.dims(by)))
            on = inside.v if on is None else self.b.and_(on, inside.v)
        assert on is not None
        if isinstance(stride, int) and stride == 0:
            found = self._guarded_load(pointer, on, instr, Memory(self.scalar))
            variables[instr.var] = o.widen(found)
            return
        lanes = splat(self.b, on, o.lanes)
        lanes = lanes if mask is None else self.b.and_(lanes, mask)
        variables[instr.var] = memory.load(pointer, stride, instr.dtype, lanes)

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
            self.b.store(status_of(INDEX_ERROR, self.place), slot)


def status_of(code: int, place: int) -> ll.Constant:
    """The status that says `code`, found by number `place` of `Program.failing`."""
    return number(code | place << STATUS_BITS)
