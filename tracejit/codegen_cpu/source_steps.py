"""The steps of a program as Numba source: `for`, `while`, `if`, scalar code, calls of nests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tracejit.codegen_cpu.source_body import Sizes, memory_dtype, status_text
from tracejit.codegen_cpu.source_names import ProgramNames
from tracejit.codegen_cpu.source_nest import outer_count
from tracejit.codegen_cpu.source_products import ProductSource
from tracejit.codegen_cpu.source_straight import Registers, StraightSource
from tracejit.codegen_cpu.source_text import ADD
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
from tracejit.ir.pprint import format_attr
from tracejit.ir.program import (
    Allocate,
    Bind,
    Branch,
    Call,
    Loop,
    MemRef,
    Require,
    Step,
)
from tracejit.ir.types import BOOL, F2
from tracejit.source import SourceWriter


class StepSource:
    """Writes steps. `kept` are the names of what has been allocated and not given back."""

    def __init__(self, source: ProgramNames) -> None:
        self.source = source
        self.program, self.module = source.program, source.module
        self.layout, self.slot_names = source.layout, source.slot_names
        self.names = self.module.names()
        self.names.taken |= {"frame", *(p.symbol for p in self._loops())}
        self.sizes = Sizes(self.names, self.program.symbols, source.strides)
        self.writer = SourceWriter()
        self.writer.depth = 1
        self.line = self.writer.line
        self.kept: list[str] = []
        self.outside_symbols = outside_symbols(self.program)
        scalar = {x for step in self.program.walk() for x in scalar_accesses(step)}
        # One number, not two small ones beside each other.
        several = {s for s, d in scalar if d.itemsize != self.layout.small_bytes.get(s)}
        small = {slot for slot, _ in scalar if slot in self.layout.small} - several
        self.registers = Registers(self.names, {s: self.slot_names[s] for s in sorted(small)})
        self.scalar_memory = sorted(
            (x for x in scalar if x[0] not in small), key=lambda x: (x[0], x[1].str)
        )
        self.pointers: dict[tuple[int, np.dtype], str] = {}
        outside = [x for step in outside_steps(self.program) for x in accesses(step)]
        given = [(r.ref.slot, r.ref.dtype, False) for r in self.program.given]
        self.outside_slots = {slot for slot, _, _ in (*outside, *given)} | several
        self.homes = {(slot, dtype): "" for slot, dtype, _ in (*outside, *given) if slot in small}

    def _loops(self) -> list[Loop]:
        return [s for s in self.program.walk() if isinstance(s, Loop)]

    # Steps.

    def step(self, step: Step) -> None:
        if isinstance(step, Nest):
            self._nest(step)
        elif isinstance(step, Loop):
            self._loop(step)
        elif isinstance(step, Branch):
            self._branch(step)
        elif isinstance(step, Bind):
            self._bind(step)
        elif isinstance(step, Allocate):
            name = self.names.new(self.slot_names.get(step.slot, "memory"))
            self.allocate(name, self.sizes(step.nbytes))
            self.line(f"frame[{step.slot}] = {name}")
            self.define_pointers([step.slot])
        elif isinstance(step, Require):
            self._require(step.guards)
        elif isinstance(step, Call):
            with self.in_frame(step):
                self._library(step)
            self.sizes_known()
        else:
            with self.in_frame(step):
                ProductSource(self.module, self.names, self.sizes, self.writer).write(step)

    def steps(self, steps: Sequence[Step]) -> None:
        before = len(self.writer.lines)
        for step in steps:
            self.step(step)
        if len(self.writer.lines) == before:
            self.line("pass")

    def _nest(self, step: Nest) -> None:
        loc = str(step.loc or "")
        if is_inline(step):
            if step.guarded:
                self._stop_if_failed()
            if loc:
                self.line("", loc)
            names = [self.pointers.get((o.slot, memory_dtype(o.dtype)), "") or
                     self.slot_names.get(o.slot, "memory") for o in step.operands]  # fmt: skip
            place = self.source.places.get(id(step), 0)
            StraightSource(
                self.module, self.names, self.sizes, self.registers, step, names, place, self.fail
            ).write(self.writer)
            return
        with self.in_frame(step):
            name = self.source.nest_names[id(step)]
            call = f"{name}(frame, 0, {self.sizes(outer_count(step))})"
            if step.guarded:
                self.line("if frame[0] == DONE:")
                call = f"    {call}"
            self.line(call, loc)
        if step.may_fail:
            self._stop_if_failed()

    def fail(self, status: str) -> list[str]:
        """What leaves `main` from here."""
        return [*(self.call("free", name) for name in reversed(self.kept)), f"return {status}"]

    def fail_if(self, condition: str, status: str, comment: str = "") -> None:
        with self.writer.block(f"if {condition}:", comment):
            for line in self.fail(status):
                self.line(line)

    def _stop_if_failed(self) -> None:
        self.fail_if("frame[0] != DONE", "frame[0]")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """For a body or a branch: memory that is allocated there is given back at its end."""
        before, known = len(self.kept), dict(self.sizes.known)
        pointers = dict(self.pointers)
        yield
        for name in reversed(self.kept[before:]):
            self.line(self.call("free", name))
        del self.kept[before:]
        # What was read at the start stays known; what the body has bound does not.
        bound = {s: n for s, n in self.sizes.known.items() if s not in self.bound or s in known}
        self.sizes.known, self.pointers = bound | known, pointers

    def call(self, name: str, *arguments: str) -> str:
        return f"{self.module.backend(name)}({', '.join(arguments)})"

    # Memory.

    def sizes_known(self) -> None:
        """Further sizes are known from here on."""

    def allocate(self, name: str, nbytes: str) -> None:
        self.line(f"{name} = {self.call('alloc', nbytes)}")
        self.fail_if(f"{name} == 0", "MEMORY_ERROR")
        self.kept.append(name)

    def define_pointers(self, slots: Iterable[int]) -> None:
        """The names by which scalar code finds memory."""
        for slot in slots:
            for other, dtype in self.scalar_memory:
                kind = memory_dtype(dtype)
                if other != slot or (slot, kind) in self.pointers:
                    continue
                name = self.names.new(self.slot_names[slot])
                pointer = self.call("pointer", f"frame[{slot}]", self.module.dtype(kind))
                self.line(f"{name} = {pointer}")
                self.pointers[slot, kind] = name

    def define_homes(self) -> None:
        """Pointers to where variables lie while something else looks at them."""
        for slot, dtype in sorted(self.homes, key=lambda x: (x[0], x[1].str)):
            name = self.names.new(f"{self.slot_names[slot]}_home")
            kind = self.module.dtype(memory_dtype(dtype))
            self.line(f"{name} = {self.call('pointer', f'frame[{slot}]', kind)}")
            self.homes[slot, dtype] = name

    @contextmanager
    def in_frame(self, step: Outside) -> Iterator[None]:
        """The variables that a step touches lie in the frame meanwhile."""
        found = [x for x in accesses(step) if x[0] in self.registers]
        for slot, dtype, written in found:
            # What is only written may have no value yet.
            if not written or (slot, dtype) in self.registers.known:
                self.spill(slot, dtype)
        yield
        for slot, dtype, written in found:
            if written:
                home = self.homes[slot, dtype]
                for k, part in enumerate(self.registers.parts(slot, dtype)):
                    self.line(f"{part} = {self._from_home(f'{home}[{k}]', dtype)}")

    def spill(self, slot: int, dtype: np.dtype) -> None:
        home = self.homes[slot, dtype]
        for k, part in enumerate(self.registers.parts(slot, dtype)):
            text = part
            if dtype == BOOL:
                text = f"{self.module.dtype(np.dtype('u1'))}({part})"
            elif dtype == F2:
                text = self.call("half_bits", part)
            self.line(f"{home}[{k}] = {text}")

    def _from_home(self, text: str, dtype: np.dtype) -> str:
        if dtype == BOOL:
            return f"{text} != 0"
        return self.call("half", text) if dtype == F2 else text

    def _value(self, ref: MemRef) -> str:
        """The number, or bool, that lies at `ref`."""
        if ref.slot in self.registers:
            return self.registers.parts(ref.slot, ref.dtype)[0]
        kind = memory_dtype(ref.dtype)
        at = self.sizes(self.sizes.elements(ref.offset, kind.itemsize))
        return self._from_home(f"{self.pointers[ref.slot, kind]}[{at}]", ref.dtype)

    # Control flow.

    def _loop(self, step: Loop) -> None:
        name = step.symbol
        counted = step.count is not None
        test = self._value(step.test) if step.test is not None else "True"
        if step.count is not None:
            head = f"for {name} in range({self.sizes(step.count)}):"
        else:
            self.line(f"{name} = 0")
            head = f"while {test}:"
        how = "turns are independent" if step.independent else ""
        comment = "  ".join(filter(None, [step.title, how, str(step.loc or "")]))
        with self.writer.block(head, comment):
            if counted and step.test is not None:
                self.line(f"if not {test}:" if test.isidentifier() else f"if not ({test}):")
                self.line("    break")
            with self.inside():
                self._bind_symbol(step.symbol, step.slot, name)
                self.steps(step.steps)
            if not counted:
                self.line(f"{name} += 1")

    def _bind_symbol(self, symbol: str, slot: int, name: str) -> None:
        self.sizes.known[symbol] = name
        self.bound.add(symbol)
        if symbol in self.outside_symbols:
            self.line(f"frame[{slot}] = {name}")

    bound: set[str]

    def _branch(self, step: Branch) -> None:
        condition = self._value(step.condition)
        then, otherwise = step.then, step.otherwise
        if not then:
            then, otherwise = otherwise, ()
            condition = f"not {condition}" if condition.isidentifier() else f"not ({condition})"
        with self.writer.block(f"if {condition}:", str(step.loc or "")), self.inside():
            self.steps(then)
        if otherwise:
            with self.writer.block("else:"), self.inside():
                self.steps(otherwise)

    def _bind(self, step: Bind) -> None:
        name = self.names.new(step.symbol)
        self.line(f"{name} = {self._value(step.value)}", str(step.loc or ""))
        place = self.source.places[id(step)]
        self.fail_if(f"{name} < 0", status_text("SIZE_ERROR", place))
        self._bind_symbol(step.symbol, step.slot, name)
        self._require(step.guards)
        self.sizes_known()

    def _require(self, guards: Sequence[Guard]) -> None:
        for guard in guards:
            left, right = self.sizes(guard.left, ADD), self.sizes(guard.right, ADD)
            place = self.source.places[id(guard)]
            condition = f"not ({left} {guard.relation} {right})"
            self.fail_if(condition, status_text("SIZE_ERROR", place), str(guard.loc or ""))

    # Library calls: for reading only, `compile_program` takes the other way.

    def _library(self, step: Call) -> None:
        """What is called, on which memory; sizes that it binds are known from there on."""
        operands = [self.slot_names[ref.slot] for ref in step.inputs]
        operands += [f"{name}={format_attr(value)}" for name, value in step.attrs]
        results = ", ".join(self.slot_names[ref.slot] for ref in step.outputs)
        self.line(f"# {results} = {step.op}({', '.join(operands)})", str(step.loc or ""))
        status = self.call("call_library", "frame", str(step.slot))
        self.fail_if(f"{status} != DONE", "CALL_ERROR")
        for symbol in step.symbols:
            name = self.names.new(symbol)
            self.line(f"{name} = frame[{self.program.symbols[symbol]}]")
            self.sizes.known[symbol] = name
            self.bound.add(symbol)
        self.define_pointers(ref.slot for ref in step.outputs if step.allocates(ref))
