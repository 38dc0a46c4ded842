"""A program as one LLVM module: `main(frame)` checks sizes, allocates, runs the steps.

`main` returns `DONE`, or `MISS` where a check or guard does not hold (nothing has run then), or
what went wrong. `layout` says which frame words it fills for each result: pointer, dims, byte
strides.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_dims import number
from tracejit.codegen_cpu.llvm_frame import frame_layout
from tracejit.codegen_cpu.llvm_memory import VOID, offset_pointer
from tracejit.codegen_cpu.llvm_scalars import DOUBLE, I64, PTR, ModuleContext
from tracejit.codegen_cpu.llvm_steps import Outline, StepEmitter
from tracejit.codegen_cpu.llvm_turns import share_turns
from tracejit.codegen_cpu.machine import Machine
from tracejit.codegen_cpu.steps import has_scalar_loops
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import ScalarGuard
from tracejit.ir.program import (
    DONE,
    MISS,
    STATUS_WORD,
    Allocate,
    Bind,
    Buffer,
    Call,
    Loop,
    Program,
)

ALIGNMENT = 64


def emit_program(program: Program, symbol: str, machine: Machine) -> str:
    """The text of the module that defines `symbol`, the program's `main`."""
    return _Main(program, symbol, machine).emit()


class _Main(StepEmitter):
    def __init__(self, program: Program, symbol: str, machine: Machine) -> None:
        context = ModuleContext(symbol, machine, has_scalar_loops(program))
        outline = Outline(context, program, frame_layout(program))
        main = ll.Function(context.module, ll.FunctionType(I64, [PTR]), symbol)
        main.attributes.add("nounwind")
        super().__init__(outline, main, main.args[0])
        self.owned: list[ll.Value] = []
        self.depth = 0
        steps = list(program.walk())
        allocated = {s.slot for s in steps if isinstance(s, Allocate)}
        self.pending = {b.slot for b in program.buffers} - allocated
        self.unbound = {s for step in steps if isinstance(step, Call) for s in step.symbols}
        self.unbound |= {s.symbol for s in steps if isinstance(s, (Loop, Bind))}

    def emit(self) -> str:
        self.b.store(number(DONE), self.sizes.word_address(STATUS_WORD))
        self._read_frame()
        self._check()
        self.make_registers(self.outline.scalar_slots)
        self.sizes_known()
        self.steps(self.program.steps)
        self._finish()
        return str(self.context.module)

    @property
    def kept(self) -> list[ll.Value]:
        return [*self.owned, *self.temporary]

    def leave(self, status: ll.Value) -> None:
        for pointer in self.kept:
            self.b.call(self.free, [pointer])
        self.b.ret(status)

    def _read_frame(self) -> None:
        """What scalar code inside loops needs to know is read once."""
        if not self.outline.has_loops:
            return
        for name in self.program.symbols:
            if name not in self.unbound:
                self.sizes(dims.sym(name))
        given = [p.slot for p in self.program.params] + [s for s, _ in self.program.constants]
        for slot in given:
            if slot in self.outline.scalar_memory:
                self.sizes.pointer(slot)

    # Before anything runs.

    def _check(self) -> None:
        conditions = [
            self.b.icmp_signed("==", self.sizes.word(slot), self.sizes(dim))
            for slot, dim in self.program.checks
        ]
        for guard in self.program.guards:
            left, right = self.sizes(guard.left), self.sizes(guard.right)
            conditions.append(self.b.icmp_signed(guard.relation, left, right))
        for scalar_guard in self.program.scalar_guards:
            conditions += self._scalar_conditions(scalar_guard)
        values = {p.slot + 1 for p in self.program.params if p.weak is int}
        for slot in sorted(values.intersection(self.program.symbols.values())):
            # A Python int that is a size.
            conditions.append(self.b.icmp_signed(">=", self.sizes.word(slot), number(0)))
        if not conditions:
            return
        holds = conditions[0]
        for condition in conditions[1:]:
            holds = self.b.and_(holds, condition)
        with self.b.if_then(self.b.not_(holds), likely=False):
            self.b.ret(number(MISS))

    def _scalar_conditions(self, guard: ScalarGuard) -> list[ll.Value]:
        """A Python scalar is compared by its bits, so that NaN and -0.0 are values like others."""
        slot = self.program.params[guard.param].slot + 1
        value = guard.value
        if isinstance(value, complex):
            parts = [struct.pack("d", value.real), struct.pack("d", value.imag)]
        elif isinstance(value, float):
            parts = [struct.pack("d", value)]
        else:
            word = self.sizes.word(slot)
            return [self.b.icmp_signed(guard.relation, word, number(int(value)))]
        if guard.relation == "==":
            return [
                self.b.icmp_signed(
                    "==", self.sizes.word(slot + k), number(struct.unpack("q", part)[0])
                )
                for k, part in enumerate(parts)
            ]
        here = self.sizes.word(slot, DOUBLE)
        return [self.b.fcmp_ordered(guard.relation, here, ll.Constant(DOUBLE, value))]

    # Memory.

    def sizes_known(self) -> None:
        """Allocate what can be allocated now: results one by one, all else in one arena.

        At the start, and whenever further sizes are known.
        """
        arena: dict[int, Dim] = {}
        ready = [b for b in self.program.buffers if b.slot in self.pending and self._is_known(b)]
        self.pending -= {b.slot for b in ready}
        for buffer in ready:
            if buffer.slot in self.layout.small:
                if buffer.slot in self.outline.outside_slots:
                    address = self.sizes.word_address(self.layout.small[buffer.slot])
                    self.b.store(address, self.sizes.word_address(buffer.slot))
            elif buffer.result:
                pointer = self.new(self.sizes(buffer.nbytes))
                self.owned.append(pointer)
                self.set_pointer(buffer.slot, pointer)
            else:
                arena[buffer.place] = self.program.places[buffer.place]
        if arena:
            self._arena(arena, ready)

    def loop(self, step: Loop) -> None:
        if step.independent:
            share_turns(self, step, often=self.depth > 0)
            return
        self.depth += 1
        super().loop(step)
        self.depth -= 1

    def bind_symbol(self, symbol: str, slot: int, value: ll.Value) -> None:
        super().bind_symbol(symbol, slot, value)
        # Of symbols that are bound inside of a block no buffer's size is made.
        self.unbound.discard(symbol)

    def _is_known(self, buffer: Buffer) -> bool:
        return not buffer.called and self.unbound.isdisjoint(dims.free_symbols(buffer.nbytes))

    def _arena(self, places: dict[int, Dim], buffers: Sequence[Buffer]) -> None:
        offsets: dict[int, ll.Value] = {}
        total: ll.Value = number(0)
        for place, nbytes in places.items():
            offsets[place] = total
            padded = self.b.add(self.sizes(nbytes), number(2 * ALIGNMENT - 1))
            total = self.b.add(total, self.b.and_(padded, number(-ALIGNMENT)))
        arena = self.new(total)
        self.temporary.append(arena)
        for buffer in buffers:
            if not buffer.result and buffer.slot not in self.layout.small:
                pointer = offset_pointer(self.b, arena, offsets[buffer.place])
                self.set_pointer(buffer.slot, pointer)

    # Calls of libraries.

    def call(self, step: Call) -> None:
        """Describe the operands in the frame, call back, and take over what was allocated."""
        self.stop_if_failed()
        words = step.operand_words()
        for ref, first in zip((*step.inputs, *step.outputs), words[:-1], strict=True):
            if step.allocates(ref):
                continue
            pointer = offset_pointer(self.b, self.sizes.word(ref.slot, PTR), self.sizes(ref.offset))
            self.b.store(pointer, self.sizes.word_address(first))
            for k, dim in enumerate((*ref.shape, *ref.strides)):
                self.b.store(self.sizes(dim), self.sizes.word_address(first + 1 + k))
        memory = [
            self.context.declare("tracejit_alloc", PTR, [I64]),
            self.context.declare("tracejit_free", VOID, [PTR]),
        ]
        type = ll.FunctionType(I64, [PTR, I64, PTR, PTR])
        callback = self.b.inttoptr(self.sizes.word(step.slot), type.as_pointer())
        status = self.b.call(callback, [self.frame, self.sizes.word(step.slot + 1), *memory])
        self.fail_if(self.b.icmp_signed("!=", status, number(DONE)), status)
        self.unbound -= set(step.symbols)
        allocated = {ref.slot for ref in step.outputs if step.allocates(ref)}
        self.pending -= allocated
        for buffer in self.program.buffers:
            if buffer.slot in allocated:
                kept = self.owned if buffer.result else self.temporary
                pointer = self.sizes.word(buffer.slot, PTR)
                kept.append(pointer)
                self.sizes.pointers[buffer.slot] = pointer

    # After everything has run.

    def _finish(self) -> None:
        self.stop_if_failed()
        for pointer in self.temporary:
            self.b.call(self.free, [pointer])
        for slot in sorted({r.ref.slot for r in self.program.given} & self.registers.keys()):
            self.spill(slot)
        for result, first in zip(self.program.given, self.layout.results, strict=True):
            ref = result.ref
            pointer = offset_pointer(self.b, self.sizes.word(ref.slot, PTR), self.sizes(ref.offset))
            self.b.store(pointer, self.sizes.word_address(first))
            for k, dim in enumerate((*ref.shape, *ref.strides)):
                self.b.store(self.sizes(dim), self.sizes.word_address(first + 1 + k))
        self.b.ret(number(DONE))
