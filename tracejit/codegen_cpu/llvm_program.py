"""A program as one LLVM module: `main(frame)` checks sizes, allocates, runs the steps.

`main` returns `DONE`, or `MISS` where a check or guard does not hold (nothing has run then), or
what went wrong. `layout` says which frame words it fills for each result: pointer, dims, byte
strides.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_blas import BlasEmitter
from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_memory import VOID, offset_pointer
from tracejit.codegen_cpu.llvm_nest import NestEmitter
from tracejit.codegen_cpu.llvm_scalars import DOUBLE, I64, PTR, ModuleContext
from tracejit.codegen_cpu.machine import Machine
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import ScalarGuard
from tracejit.ir.loops import Nest
from tracejit.ir.program import (
    DONE,
    MEMORY_ERROR,
    MISS,
    STATUS_WORD,
    Buffer,
    Call,
    Loop,
    Program,
    Step,
)

ALIGNMENT = 64


@dataclass(frozen=True)
class FrameLayout:
    """Words of the frame beyond the program's own: `results[k]` is the first word of result k.

    The views of the program come behind its results.
    """

    words: int
    results: tuple[int, ...]
    small: dict[int, int]
    """For buffers that live in the frame: pointer word -> first word of the memory."""


def frame_layout(program: Program) -> FrameLayout:
    """Give words to the results and to results of rank 0, which need no other memory."""
    words = program.frame_words + 1
    results = []
    for result in program.given:
        results.append(words)
        words += 1 + 2 * len(result.ref.shape)
    # The memory of a result of higher rank is handed to an array, so it cannot lie here.
    arrays = {r.ref.slot for r in program.results if r.ref.shape}
    small = {}
    for buffer in program.buffers:
        fits = isinstance(buffer.nbytes, int) and buffer.nbytes <= 16
        if fits and buffer.slot not in arrays and not buffer.called:
            small[buffer.slot] = words
            words += 2
    return FrameLayout(words, tuple(results), small)


def emit_program(program: Program, symbol: str, machine: Machine) -> str:
    """The text of the module that defines `symbol`, the program's `main`."""
    return _ProgramEmitter(program, symbol, machine).emit()


class _ProgramEmitter:
    def __init__(self, program: Program, symbol: str, machine: Machine) -> None:
        self.program = program
        self.layout = frame_layout(program)
        self.context = ModuleContext(symbol, machine)
        module = self.context.module
        self.main = ll.Function(module, ll.FunctionType(I64, [PTR]), symbol)
        self.main.attributes.add("nounwind")
        (self.frame,) = self.main.args
        self.owned: list[ll.Value] = []
        self.temporary: list[ll.Value] = []
        self.pending = {buffer.slot for buffer in program.buffers}
        self.unbound = {
            s for step in program.walk() if isinstance(step, Call) for s in step.symbols
        }

    def emit(self) -> str:
        names = self._emit_nests()
        functions = {f.name: f for f in self.context.module.functions}
        self.b = ll.IRBuilder(self.main.append_basic_block("entry"))
        self.sizes = DimEmitter(self.b, self.frame, self.program.symbols)
        self.b.store(number(DONE), self.sizes.word_address(STATUS_WORD))
        self._check()
        self._allocate()
        self.nests = iter(functions[name] for name in names)
        self.visible = self.program.writes_params
        for step in self.program.steps:
            self._step(step)
        self._finish()
        return str(self.context.module)

    def _step(self, step: Step) -> None:
        if isinstance(step, Nest):
            self.b.call(next(self.nests), [self.frame])
            if self.visible and step.may_fail:
                self._stop_if_failed()
        elif isinstance(step, Loop):
            self._loop(step)
        elif isinstance(step, Call):
            self._call(step)
            self._allocate()
        else:
            BlasEmitter(self.context, self.b, self.sizes).emit(step)

    def _loop(self, step: Loop) -> None:
        count = self.sizes(step.count)
        before = self.b.block
        body = self.b.append_basic_block("repeat")
        done = self.b.append_basic_block("repeated")
        self.b.cbranch(self.b.icmp_signed(">", count, number(0)), body, done)
        self.b.position_at_end(body)
        index = self.b.phi(I64)
        index.add_incoming(number(0), before)
        self.b.store(index, self.sizes.word_address(step.slot))
        with self.sizes.inside():
            for inner in step.steps:
                self._step(inner)
        following = self.b.add(index, number(1))
        index.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", following, count), body, done)
        self.b.position_at_end(done)

    def _emit_nests(self) -> list[str]:
        """The function to call for each nest. Equal nests, of a step that repeats, share one."""
        emitted: dict[tuple[object, ...], list[tuple[Nest, str]]] = {}
        names = []
        for step in self.program.walk():
            if not isinstance(step, Nest):
                continue
            plain = replace(step, name="", loc=None, title="")
            alike = emitted.setdefault((plain.extents, plain.operands), [])
            name = next((name for nest, name in alike if nest == plain), None)
            if name is None:
                name = NestEmitter(self.context, step, self.program.symbols).emit()
                alike.append((plain, name))
            names.append(name)
        return names

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

    def _allocate(self) -> None:
        """What can be allocated now: results one by one, everything else in one arena.

        Called at the start, and whenever further sizes are known.
        """
        arena: dict[int, Dim] = {}
        ready = [b for b in self.program.buffers if b.slot in self.pending and self._is_known(b)]
        self.pending -= {b.slot for b in ready}
        for buffer in ready:
            if buffer.slot in self.layout.small:
                address = self.sizes.word_address(self.layout.small[buffer.slot])
                self.b.store(address, self.sizes.word_address(buffer.slot))
            elif buffer.result:
                self.owned.append(self._new(self.sizes(buffer.nbytes), buffer))
            else:
                arena[buffer.place] = self.program.places[buffer.place]
        if arena:
            self.temporary.append(self._arena(arena, ready))

    def _is_known(self, buffer: Buffer) -> bool:
        return not buffer.called and self.unbound.isdisjoint(dims.free_symbols(buffer.nbytes))

    def _new(self, nbytes: ll.Value, buffer: Buffer | None) -> ll.Value:
        allocate = self.context.declare("tracejit_alloc", PTR, [I64])
        pointer = self.b.call(allocate, [nbytes])
        missing = self.b.icmp_unsigned("==", self.b.ptrtoint(pointer, I64), number(0))
        with self.b.if_then(missing, likely=False):
            self._fail(number(MEMORY_ERROR))
        if buffer is not None:
            self.b.store(pointer, self.sizes.word_address(buffer.slot))
        return pointer

    @property
    def _free(self) -> ll.Function:
        return self.context.declare("tracejit_free", VOID, [PTR])

    def _fail(self, status: ll.Value) -> None:
        """Give back what has been allocated, and return."""
        for pointer in (*self.owned, *self.temporary):
            self.b.call(self._free, [pointer])
        self.b.ret(status)

    def _arena(self, places: dict[int, Dim], buffers: Sequence[Buffer]) -> ll.Value:
        offsets: dict[int, ll.Value] = {}
        total: ll.Value = number(0)
        for place, nbytes in places.items():
            offsets[place] = total
            padded = self.b.add(self.sizes(nbytes), number(2 * ALIGNMENT - 1))
            total = self.b.add(total, self.b.and_(padded, number(-ALIGNMENT)))
        arena = self._new(total, None)
        for buffer in buffers:
            if not buffer.result and buffer.slot not in self.layout.small:
                pointer = offset_pointer(self.b, arena, offsets[buffer.place])
                self.b.store(pointer, self.sizes.word_address(buffer.slot))
        return arena

    # Calls of libraries.

    def _call(self, step: Call) -> None:
        """Describe the operands in the frame, call back, and take over what was allocated."""
        self._stop_if_failed()
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
        failed = self.b.icmp_signed("!=", status, number(DONE))
        with self.b.if_then(failed, likely=False):
            self._fail(status)
        self.unbound -= set(step.symbols)
        allocated = {ref.slot for ref in step.outputs if step.allocates(ref)}
        self.pending -= allocated
        for buffer in self.program.buffers:
            if buffer.slot in allocated:
                kept = self.owned if buffer.result else self.temporary
                kept.append(self.sizes.word(buffer.slot, PTR))

    def _stop_if_failed(self) -> None:
        status = self.sizes.word(STATUS_WORD)
        failed = self.b.icmp_signed("!=", status, number(DONE))
        with self.b.if_then(failed, likely=False):
            self._fail(status)

    # After everything has run.

    def _finish(self) -> None:
        self._stop_if_failed()
        for pointer in self.temporary:
            self.b.call(self._free, [pointer])
        for result, first in zip(self.program.given, self.layout.results, strict=True):
            ref = result.ref
            pointer = offset_pointer(self.b, self.sizes.word(ref.slot, PTR), self.sizes(ref.offset))
            self.b.store(pointer, self.sizes.word_address(first))
            for k, dim in enumerate((*ref.shape, *ref.strides)):
                self.b.store(self.sizes(dim), self.sizes.word_address(first + 1 + k))
        self.b.ret(number(DONE))
