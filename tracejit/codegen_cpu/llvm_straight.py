"""Nests that loop over nothing, emitted where they stand: scalar code, as between loops in C.

What such code alone touches of the small buffers never goes through memory (`llvm_steps.py` keeps
these in variables that LLVM makes registers of). An index out of bounds leaves the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_body import NestBody, Vars, status_of
from tracejit.codegen_cpu.llvm_carry import Reduction
from tracejit.codegen_cpu.llvm_dims import DimEmitter
from tracejit.codegen_cpu.llvm_memory import Memory
from tracejit.codegen_cpu.llvm_scalars import CONTRACT, I8, I64, LlvmScalars, ModuleContext
from tracejit.ir.dims import Dim
from tracejit.ir.loops import Address, Check, Compute, Instr, Load, Nest, Put, Take
from tracejit.ir.program import INDEX_ERROR
from tracejit.ir.types import INTP

Tags = Mapping[str, Any]


class StraightNest(NestBody):
    """Emits one such nest at the end of the builder's block.

    `bases` and `tags` are the pointers of its operands and what their accesses are tagged with,
    `own` the numbers of those that are variables;
    `fail_if` leaves the function with a status where a condition holds.
    """

    def __init__(
        self, context: ModuleContext, b: ll.IRBuilder, sizes: DimEmitter, nest: Nest,
        bases: list[ll.Value], tags: list[Tags], own: set[int],
        fail_if: Callable[[ll.Value, ll.Value], None], place: int,
    ) -> None:  # fmt: skip
        self.context, self.b, self.dims, self.nest = context, b, sizes, nest
        self.bases, self.tags, self.fail_if, self.place = bases, tags, fail_if, place
        self.lanes, self.scalar = 1, LlvmScalars(context, b)
        self.axis, self.extents = {}, []
        self.own, self.carried = own, set[int]()

    def emit(self) -> None:
        variables: Vars = {}
        self.straight(self.nest.prologue, variables)
        for section in self.nest.sections:
            self.straight(section.body, variables)
            for carry in section.carries:
                self.single(Reduction(carry), variables)

    def straight(self, body: Sequence[Instr], variables: Vars) -> None:
        memory = Memory(self.scalar)
        for instr in body:
            address = getattr(instr, "address", None)
            if address is not None:
                memory.tags = self.tags[address.base]
                if isinstance(instr, Load) and address.base in self.own:
                    self.carried.add(instr.var)
            if isinstance(instr, Check):
                self._place(instr.index, instr.size, variables, check=True)
            elif isinstance(instr, Take):
                pointer = self._chosen(instr, variables, check=True)
                variables[instr.var] = memory.load(pointer, 0, instr.dtype, None)
            elif isinstance(instr, Put):
                pointer = self._chosen(instr, variables, check=False)
                self.put_at(pointer, 0, instr, variables, self.scalar, memory, None)
            elif self._accumulates(instr):
                # An addition is quicker done than a fused one, and here the next waits for it.
                self.scalar.flags = ()
                self.instruction(instr, variables, self.scalar, memory, None, None, {})
                self.scalar.flags = CONTRACT
            else:
                self.instruction(instr, variables, self.scalar, memory, None, None, {})

    def _accumulates(self, instr: Instr) -> bool:
        """Whether something is added to what a register holds, or subtracted from it."""
        if not isinstance(instr, Compute) or instr.op not in ("add", "subtract"):
            return False
        return len(self.carried.intersection(instr.args)) == 1

    def pointer(self, address: Address, inner: int | None) -> ll.Value:
        return self._moved(address, self.dims(address.offset))

    def _moved(self, address: Address, offset: ll.Value) -> ll.Value:
        """`offset` bytes behind the base, in one step: the result lies within the same memory."""
        base = self.bases[address.base]
        if isinstance(offset, ll.Constant) and offset.constant == 0:
            return base
        return self.b.gep(base, [offset], inbounds=True, source_etype=I8)

    def _chosen(self, instr: Take | Put, variables: Vars, check: bool) -> ll.Value:
        """The element at an address moved by indices."""
        places = [
            self._place(var, size, variables, check)
            for var, size in zip(instr.indices, instr.sizes, strict=True)
        ]
        offset = self.dims(instr.address.offset)
        for place, stride in zip(places, instr.strides, strict=True):
            offset = self.b.add(offset, self.b.mul(place, self.dims(stride)))
        return self._moved(instr.address, offset)

    def _place(self, var: int, size: Dim, variables: Vars, check: bool) -> ll.Value:
        """An index counted from the start; with `check` it is within bounds from there on."""
        index = variables[var]
        limit = self.dims(size)
        place = self.scalar.cast(index, INTP).v
        if index.dtype.kind == "i":
            negative = self.b.icmp_signed("<", place, ll.Constant(I64, 0))
            place = self.b.select(negative, self.b.add(place, limit), place)
        if check:
            outside = self.b.icmp_unsigned(">=", place, limit)
            self.fail_if(outside, status_of(INDEX_ERROR, self.place))
        return place
