"""Independent turns of a loop: a function that runs a stretch of them, shared out to threads.

The function works on a copy of the frame, so that what each thread binds, and the small memory in
which its turns keep numbers, is its own; for other memory that is private to a turn it allocates.
"""

from __future__ import annotations

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_dims import number
from tracejit.codegen_cpu.llvm_memory import VOID
from tracejit.codegen_cpu.llvm_nest import PARALLEL_WORK, TASK_WORK
from tracejit.codegen_cpu.llvm_scalars import I64, PTR
from tracejit.codegen_cpu.llvm_steps import Outline, StepEmitter
from tracejit.codegen_cpu.steps import free_symbols_in, is_inline, steps_inside
from tracejit.ir import dims
from tracejit.ir.loops import Nest
from tracejit.ir.program import DONE, STATUS_WORD, Bind, Branch, Loop

FEW_TURNS = 16
"""With fewer turns than this, threads rather share the nests in them, where there are any."""


class _Uses:
    """What the turns of a loop look at: slots of the frame, and symbols known before it."""

    def __init__(self, outline: Outline, loop: Loop) -> None:
        inside = list(steps_inside(loop.steps))
        self.slots: set[int] = set()
        for step in inside:
            if isinstance(step, Nest):
                self.slots.update(o.slot for o in step.operands if o.slot >= 0)
            elif isinstance(step, Branch):
                self.slots.add(step.condition.slot)
            elif isinstance(step, Loop) and step.test is not None:
                self.slots.add(step.test.slot)
        self.nests = any(isinstance(s, Nest) and not is_inline(s) for s in inside)
        bound = {loop.symbol, *(s.symbol for s in inside if isinstance(s, Loop))}
        self.symbols = free_symbols_in(loop.steps) - bound
        small = outline.layout.small.keys()
        self.small = self.slots & small
        self.given = self.small.difference(loop.private)
        buffers = {b.slot: b for b in outline.program.buffers}
        self.allocated = [buffers[s] for s in loop.private if s in self.slots - small]


def share_turns(main: StepEmitter, loop: Loop, often: bool) -> None:
    """The turns of `loop` on threads where that pays, at the end of the block of `main`.

    What runs `often`, in a loop itself, also stands here for where it does not pay: the call of a
    function with a frame of its own is then too much.
    """
    uses = _Uses(main.outline, loop)
    body = _TurnsEmitter(main.outline, loop, uses).emit()
    for slot in sorted(uses.given & main.registers.keys()):
        main.spill(slot)
    steps = main.program.walk()
    bound = {s.symbol for s in steps if isinstance(s, (Loop, Bind))}
    for name in sorted(uses.symbols & bound):
        address = main.sizes.word_address(main.program.symbols[name])
        main.b.store(main.sizes(dims.sym(name)), address)
    assert loop.count is not None
    b, count = main.b, main.sizes(loop.count)
    turn = main.sizes(dims.maximum(loop.work, 1))
    several = b.and_(
        b.icmp_signed(">=", count, number(FEW_TURNS if uses.nests else 2)),
        b.icmp_signed(">", b.mul(turn, count), number(PARALLEL_WORK)),
    )
    with b.if_else(several) as (parallel, serial):
        with parallel:
            grain = b.add(b.sdiv(number(TASK_WORK), turn), number(1))
            share = main.context.declare("tracejit_parallel_for", VOID, [PTR, PTR, I64, I64])
            b.call(share, [body, main.frame, count, grain])
        with serial:
            if often:
                with main.sizes.inside():
                    main.turns(loop, number(0), count)
            else:
                b.call(body, [main.frame, number(0), count])
    if uses.allocated:
        main.stop_if_failed()


class _TurnsEmitter(StepEmitter):
    """The function `turns(frame, lo, hi)`."""

    def __init__(self, outline: Outline, loop: Loop, uses: _Uses) -> None:
        module = outline.context.module
        type = ll.FunctionType(VOID, [PTR, I64, I64])
        function = ll.Function(module, type, module.get_unique_name("turns"))
        function.attributes.add("nounwind")
        function.linkage = "internal"
        self.caller, self.lo, self.hi = function.args
        super().__init__(outline, function, self.caller)
        self.loop_step, self.uses = loop, uses

    def emit(self) -> ll.Function:
        self._own_frame()
        for name in sorted(self.uses.symbols):
            self.sizes(dims.sym(name))
        self.make_registers(self.uses.small & self.outline.scalar_slots)
        for slot in sorted(self.uses.given & self.registers.keys()):
            self.fetch(slot)
        for buffer in self.uses.allocated:
            pointer = self.new(self.sizes(buffer.nbytes))
            self.temporary.append(pointer)
            self.set_pointer(buffer.slot, pointer)
        for slot in sorted(self.uses.slots & self.outline.scalar_memory):
            self.sizes.pointer(slot)
        self.turns(self.loop_step, self.lo, self.hi)
        for pointer in self.temporary:
            self.b.call(self.free, [pointer])
        self.b.ret_void()
        return self.function

    def _own_frame(self) -> None:
        words = self.layout.words
        self.frame = self.b.alloca(ll.ArrayType(I64, words), name="own")
        self.frame.type = PTR  # llvmlite makes it a typed pointer.
        copy = self.context.declare("memcpy", PTR, [PTR, PTR, I64])
        self.b.call(copy, [self.frame, self.caller, number(8 * words)])
        self.sizes = type(self.sizes)(self.b, self.frame, self.program.symbols)
        self.b.store(number(DONE), self.sizes.word_address(STATUS_WORD))
        for slot in sorted(self.uses.small & self.outline.outside_slots):
            home = self.sizes.word_address(self.layout.small[slot])
            self.b.store(home, self.sizes.word_address(slot))

    def leave(self, status: ll.Value) -> None:
        for pointer in self.kept:
            self.b.call(self.free, [pointer])
        word = self.b.gep(self.caller, [number(STATUS_WORD)], source_etype=I64)
        self.b.store(status, word)
        self.b.ret_void()
