"""The steps of a program as LLVM IR: loops, branches, calls of nests, scalar code between them.

`StepEmitter` is one function over a frame under construction. Scalar code is emitted where it
stands. The small buffers that it touches are variables (`registers`), which LLVM keeps in machine
registers; they lie in the frame only while something else, a nest or a library, looks at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_blas import BlasEmitter
from tracejit.codegen_cpu.llvm_body import status_of
from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_frame import FrameLayout
from tracejit.codegen_cpu.llvm_memory import VOID, Memory, offset_pointer
from tracejit.codegen_cpu.llvm_nest import NestEmitter
from tracejit.codegen_cpu.llvm_scalars import I64, PTR, LlvmScalars, ModuleContext
from tracejit.codegen_cpu.llvm_straight import StraightNest, Tags
from tracejit.codegen_cpu.steps import (
    Outside,
    accesses,
    is_inline,
    outside_steps,
    outside_symbols,
    scalar_accesses,
)
from tracejit.ir.graph import Guard
from tracejit.ir.loops import Nest
from tracejit.ir.program import (
    DONE,
    MEMORY_ERROR,
    SIZE_ERROR,
    STATUS_WORD,
    Allocate,
    Bind,
    Branch,
    Call,
    Loop,
    MemRef,
    Program,
    Require,
    Step,
)
from tracejit.ir.types import INTP

MOST_SCOPES = 40
"""With more separate pieces of memory than this, nothing is said about what lies apart."""


class Outline:
    """What all functions of a module share: the nests that are functions of their own, and what of
    the program these and libraries look at."""

    def __init__(self, context: ModuleContext, program: Program, layout: FrameLayout) -> None:
        self.context, self.program, self.layout = context, program, layout
        self.places = {id(x): k for k, x in enumerate(program.failing, 1)}
        steps = list(program.walk())
        self.nests = [s for s in outside_steps(program) if isinstance(s, Nest)]
        self.functions = self._emit_nests()
        scalar = {slot for step in steps for slot, _ in scalar_accesses(step)}
        self.scalar_slots = scalar & layout.small.keys()
        self.outside_symbols = outside_symbols(program)
        self.outside_slots = {r.ref.slot for r in program.given}
        for step in outside_steps(program):
            self.outside_slots |= {slot for slot, _, _ in accesses(step)}
        self.scalar_memory = scalar - layout.small.keys()
        self.has_loops = context.scalar_loops
        self.tags = self._tags(steps)

    def _emit_nests(self) -> dict[int, ll.Function]:
        """The function to call for each nest. Equal nests, of a step that repeats, share one."""
        emitted: dict[tuple[object, ...], list[tuple[Nest, ll.Function]]] = {}
        functions: dict[int, ll.Function] = {}
        for nest in self.nests:
            # An error names the line, which is then part of the nest.
            plain = replace(nest, name="", loc=nest.loc if nest.may_fail else None, title="")
            alike = emitted.setdefault((plain.extents, plain.operands), [])
            found = next((f for other, f in alike if other == plain), None)
            if found is None:
                place = self.places.get(id(nest), 0)
                found = NestEmitter(self.context, nest, self.program.symbols, place).emit()
                alike.append((plain, found))
            functions[id(nest)] = found
        return functions

    def _tags(self, steps: Sequence[Step]) -> dict[int, Tags]:
        """For scalar code, by frame slot: accesses of which memory are apart from all others.

        Params that are written are checked not to overlap; places of the arena, results and what
        is allocated in between are memory of their own.
        """
        places = {b.slot: b.place for b in self.program.buffers if not (b.result or b.called)}
        allocated = {s.slot for s in steps if isinstance(s, Allocate)}
        names = {
            s: f"place {places[s]}" if s in places and s not in allocated else f"slot {s}"
            for s in self.scalar_memory
        }
        kinds = sorted(set(names.values()))
        if not self.has_loops or not 1 < len(kinds) <= MOST_SCOPES:
            return {}
        module = self.context.module
        domain = module.add_metadata(["tracejit"])
        scopes = {name: module.add_metadata([name, domain]) for name in kinds}
        tags = {}
        for name in kinds:
            others = [scopes[other] for other in kinds if other != name]
            tags[name] = {
                "alias.scope": module.add_metadata([scopes[name]]),
                "noalias": module.add_metadata(others),
            }
        return {slot: tags[name] for slot, name in names.items()}


class StepEmitter:
    """See the module. What is emitted goes to the end of the builder's block."""

    def __init__(self, outline: Outline, function: ll.Function, frame: ll.Value) -> None:
        self.outline, self.context = outline, outline.context
        self.program, self.layout = outline.program, outline.layout
        self.function, self.frame = function, frame
        self.b = ll.IRBuilder(function.append_basic_block("entry"))
        self.sizes = DimEmitter(self.b, frame, self.program.symbols)
        self.temporary: list[ll.Value] = []
        self.exits: dict[tuple[int, ...], tuple[ll.Block, ll.PhiInstr]] = {}
        self.registers: dict[int, ll.Value] = {}

    def leave(self, status: ll.Value) -> None:
        """Give back what has been allocated, and return."""
        raise NotImplementedError

    @property
    def kept(self) -> list[ll.Value]:
        """What would have to be given back now."""
        return self.temporary

    def make_registers(self, slots: Iterable[int]) -> None:
        """Variables for small buffers; in the entry block."""
        for slot in sorted(slots):
            room = self.b.alloca(ll.ArrayType(I64, 2), name=f"small{slot}")
            room.type = PTR  # llvmlite makes it a typed pointer.
            self.registers[slot] = room

    def fail_if(self, condition: ll.Value, status: ll.Value) -> None:
        """Leave with `status` where `condition` holds."""
        block, phi = self._exit()
        fine = self.b.append_basic_block("fine")
        self.b.cbranch(condition, block, fine).set_weights([1, 1 << 20])
        phi.add_incoming(status, self.b.block)
        self.b.position_at_end(fine)

    def _exit(self) -> tuple[ll.Block, ll.PhiInstr]:
        """Where to leave from here; places with the same memory to give back share it."""
        key = tuple(map(id, self.kept))
        if key not in self.exits:
            block = self.b.append_basic_block("failed")
            here = self.b.block
            self.b.position_at_end(block)
            status = self.b.phi(I64)
            self.leave(status)
            self.b.position_at_end(here)
            self.exits[key] = block, status
        return self.exits[key]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """For a body or a branch: memory that is allocated there is given back at its end."""
        before = len(self.temporary)
        with self.sizes.inside():
            yield
        for pointer in self.temporary[before:]:
            self.b.call(self.free, [pointer])
        del self.temporary[before:]

    # Memory.

    def new(self, nbytes: ll.Value) -> ll.Value:
        allocate = self.context.declare("tracejit_alloc", PTR, [I64])
        pointer = self.b.call(allocate, [nbytes])
        missing = self.b.icmp_unsigned("==", self.b.ptrtoint(pointer, I64), number(0))
        self.fail_if(missing, number(MEMORY_ERROR))
        return pointer

    @property
    def free(self) -> ll.Function:
        return self.context.declare("tracejit_free", VOID, [PTR])

    def sizes_known(self) -> None:
        """Further sizes are known from here on."""

    # Steps.

    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.step(step)

    def step(self, step: Step) -> None:
        if isinstance(step, Nest):
            self._nest(step)
        elif isinstance(step, Loop):
            self.loop(step)
        elif isinstance(step, Branch):
            self._branch(step)
        elif isinstance(step, Bind):
            self._bind(step)
        elif isinstance(step, Allocate):
            pointer = self.new(self.sizes(step.nbytes))
            self.temporary.append(pointer)
            self.set_pointer(step.slot, pointer)
        elif isinstance(step, Require):
            self._require(step.guards)
        elif isinstance(step, Call):
            with self.in_frame(step):
                self.call(step)
            self.sizes_known()
        else:
            with self.in_frame(step):
                BlasEmitter(self.context, self.b, self.sizes).emit(step)

    def set_pointer(self, slot: int, pointer: ll.Value) -> None:
        self.b.store(pointer, self.sizes.word_address(slot))
        self.sizes.pointers[slot] = pointer

    def call(self, step: Call) -> None:
        raise NotImplementedError

    def _nest(self, step: Nest) -> None:
        place = self.outline.places.get(id(step), 0)
        if is_inline(step):
            if step.guarded:
                self.stop_if_failed()
            slots = [o.slot for o in step.operands]
            tags = [{} if s in self.registers else self.outline.tags.get(s, {}) for s in slots]
            registers = {k for k, s in enumerate(slots) if s in self.registers}
            StraightNest(
                self.context, self.b, self.sizes, step, [self.address(s) for s in slots], tags,
                registers, self.fail_if, place,
            ).emit()  # fmt: skip
            return
        with self.in_frame(step):
            self.b.call(self.outline.functions[id(step)], [self.frame])
        if step.may_fail:
            self.stop_if_failed()

    def stop_if_failed(self) -> None:
        status = self.sizes.word(STATUS_WORD)
        self.fail_if(self.b.icmp_signed("!=", status, number(DONE)), status)

    def address(self, slot: int) -> ll.Value:
        """Where scalar code finds the memory of a slot."""
        found = self.registers.get(slot)
        return found if found is not None else self.sizes.pointer(slot)

    @contextmanager
    def in_frame(self, step: Outside) -> Iterator[None]:
        """The registers that a step touches lie in the frame meanwhile."""
        found = [x for x in accesses(step) if x[0] in self.registers]
        for slot in dict.fromkeys(slot for slot, _, _ in found):
            self.spill(slot)
        yield
        for slot in dict.fromkeys(slot for slot, _, written in found if written):
            self.fetch(slot)

    def spill(self, slot: int) -> None:
        self._copy(slot, self.registers[slot], self._home(slot))

    def fetch(self, slot: int) -> None:
        self._copy(slot, self._home(slot), self.registers[slot])

    def _home(self, slot: int) -> ll.Value:
        return self.sizes.word_address(self.layout.small[slot])

    def _copy(self, slot: int, source: ll.Value, target: ll.Value) -> None:
        nbytes = self.outline.layout.small_bytes[slot]
        for at in range(0, nbytes, 8):
            type = ll.IntType(8 * min(8, nbytes - at))
            here, there = (offset_pointer(self.b, p, number(at)) for p in (source, target))
            self.b.store(self.b.load(here, typ=type, align=1), there, align=1)

    def _value(self, ref: MemRef) -> ll.Value:
        """The number, or bool, that lies at `ref`."""
        memory = Memory(LlvmScalars(self.context, self.b))
        pointer = offset_pointer(self.b, self.address(ref.slot), self.sizes(ref.offset))
        return memory.load(pointer, 0, ref.dtype, None).v

    # Control flow.

    def loop(self, step: Loop) -> None:
        self.turns(step, number(0), self.sizes(step.count) if step.count is not None else None)

    def turns(self, step: Loop, first: ll.Value, count: ll.Value | None) -> None:
        """The turns from number `first` on, up to `count`, or until the test fails."""
        before = self.b.block
        head, body, done = (self.b.append_basic_block(n) for n in ("turn", "repeat", "repeated"))
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64, name=step.symbol)
        index.add_incoming(first, before)
        with self.inside():
            self._test(step, index, count, body, done)
            self.b.position_at_end(body)
            self.bind_symbol(step.symbol, step.slot, index)
            self.steps(step.steps)
        following = self.b.add(index, number(1), flags=("nuw", "nsw"))
        index.add_incoming(following, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(done)

    def _test(
        self, step: Loop, index: ll.Value, count: ll.Value | None, body: ll.Block, done: ll.Block
    ) -> None:
        """Whether there is another turn."""
        tests = []
        if count is not None:
            tests.append(self.b.icmp_signed("<", index, count))
        if step.test is not None:
            tests.append(self._value(step.test))
        if not tests:
            self.b.branch(body)
            return
        self.b.cbranch(tests[0] if len(tests) == 1 else self.b.and_(*tests), body, done)

    def bind_symbol(self, symbol: str, slot: int, value: ll.Value) -> None:
        """`symbol` is `value` from here on, for nests and libraries too."""
        self.sizes.bind(symbol, value)
        if symbol in self.outline.outside_symbols:
            self.b.store(value, self.sizes.word_address(slot))

    def _branch(self, step: Branch) -> None:
        then, otherwise, done = (self.b.append_basic_block(n) for n in ("then", "else", "joined"))
        self.b.cbranch(self._value(step.condition), then, otherwise)
        for block, steps in ((then, step.then), (otherwise, step.otherwise)):
            self.b.position_at_end(block)
            with self.inside():
                self.steps(steps)
            self.b.branch(done)
        self.b.position_at_end(done)

    def _bind(self, step: Bind) -> None:
        assert step.value.dtype == INTP
        value = self._value(step.value)
        place = self.outline.places[id(step)]
        self.fail_if(self.b.icmp_signed("<", value, number(0)), status_of(SIZE_ERROR, place))
        self.bind_symbol(step.symbol, step.slot, value)
        self._require(step.guards)
        self.sizes_known()

    def _require(self, guards: Sequence[Guard]) -> None:
        for guard in guards:
            left, right = self.sizes(guard.left), self.sizes(guard.right)
            fails = self.b.not_(self.b.icmp_signed(guard.relation, left, right))
            self.fail_if(fails, status_of(SIZE_ERROR, self.outline.places[id(guard)]))
