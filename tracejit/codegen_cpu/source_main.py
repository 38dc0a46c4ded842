"""`main(frame)` of a program as Numba source: checks, memory, steps, the words of the results."""

from __future__ import annotations

import struct

from tracejit.codegen_cpu.llvm_program import ALIGNMENT
from tracejit.codegen_cpu.source_names import ProgramNames
from tracejit.codegen_cpu.source_steps import StepSource
from tracejit.codegen_cpu.source_text import ADD, MUL
from tracejit.ir import dims
from tracejit.ir.graph import ScalarGuard
from tracejit.ir.program import Allocate, Bind, Buffer, Call, MemRef
from tracejit.ir.types import F8
from tracejit.source import SourceWriter


class MainSource(StepSource):
    """Writes the function."""

    def __init__(self, source: ProgramNames) -> None:
        super().__init__(source)
        steps = list(self.program.walk())
        self.unbound = {s.symbol for s in steps if isinstance(s, Bind)}
        self.unbound |= {s.symbol for s in self._loops()}
        self.unbound |= {x for s in steps if isinstance(s, Call) for x in s.symbols}
        self.bound = set()
        allocated = {s.slot for s in steps if isinstance(s, Allocate)}
        self.pending = [b for b in self.program.buffers if b.slot not in allocated and not b.called]
        self.owned: set[str] = set()

    def lines(self) -> list[str]:
        self._check()
        self.define_pointers([p.slot for p in self.program.params])
        self.define_pointers([slot for slot, _ in self.program.constants])
        self.sizes_known()
        self.define_homes()
        for step in self.program.steps:
            self.step(step)
        self._finish()
        head = SourceWriter()
        head.line(f"@{self.module.backend('entry')}")
        with head.block("def main(frame):"):
            for line in self.sizes.lines:
                head.line(line)
        return head.lines + self.writer.lines

    # Before anything runs.

    def _check(self) -> None:
        self.line("frame[0] = DONE")
        for slot, dim in self.program.checks:
            self._require_at_entry(f"frame[{slot}] == {self.sizes(dim, ADD)}")
        for guard in self.program.guards:
            left, right = self.sizes(guard.left, ADD), self.sizes(guard.right, ADD)
            self._require_at_entry(f"{left} {guard.relation} {right}", str(guard.loc or ""))
        for scalar in self.program.scalar_guards:
            for condition in self._scalar_conditions(scalar):
                name = self.slot_names[self.program.params[scalar.param].slot]
                self._require_at_entry(condition, f"{name} {scalar.relation} {scalar.value!r}")

    def _require_at_entry(self, condition: str, comment: str = "") -> None:
        with self.writer.block(f"if not ({condition}):", comment):
            self.line("return MISS")

    def _scalar_conditions(self, guard: ScalarGuard) -> list[str]:
        """A Python scalar is compared by its bits, so that NaN and -0.0 are values like others."""
        slot = self.program.params[guard.param].slot + 1
        value = guard.value
        if not isinstance(value, (float, complex)):
            return [f"frame[{slot}] {guard.relation} {int(value)}"]
        if guard.relation != "==":
            assert isinstance(value, float)
            here = self.call("bits", f"frame[{slot}]", self.module.dtype(F8))
            return [f"{here} {guard.relation} {self.module.float_text(value)}"]
        parts = [value.real, value.imag] if isinstance(value, complex) else [value]
        words = [struct.unpack("q", struct.pack("d", part))[0] for part in parts]
        return [f"frame[{slot + k}] == {word}" for k, word in enumerate(words)]
        values = {p.slot + 1 for p in self.program.params if p.weak is int}
        for slot in sorted(values.intersection(self.program.symbols.values())):
            self._require_at_entry(f"frame[{slot}] >= 0", "a size")

    # Memory.

    def sizes_known(self) -> None:
        """Allocate what can be allocated: results one by one, everything else in one arena."""
        unbound = self.unbound - self.bound
        ready = [b for b in self.pending if unbound.isdisjoint(dims.free_symbols(b.nbytes))]
        self.pending = [b for b in self.pending if b not in ready]
        places: dict[int, str] = {}
        total: list[str] = []
        arena: list[Buffer] = []
        for buffer in ready:
            if buffer.slot in self.layout.small:
                word = self.layout.small[buffer.slot]
                if buffer.slot in self.outside_slots:
                    home = f"{self.call('address', 'frame')} + {8 * word}"
                    self.line(f"frame[{buffer.slot}] = {home}")
            elif buffer.result:
                name = self.slot_names[buffer.slot]
                if any(slot == buffer.slot for slot, _ in self.scalar_memory):
                    name += "_memory"
                name = self.names.new(name)
                self.allocate(name, self.sizes(buffer.nbytes))
                self.line(f"frame[{buffer.slot}] = {name}")
                self.owned.add(name)
            else:
                if buffer.place not in places:
                    places[buffer.place] = " + ".join(total) or "0"
                    size = self.names.new(f"size{buffer.place}")
                    most = self.program.places[buffer.place]
                    room = self.sizes(most + (2 * ALIGNMENT - 1), MUL)
                    self.line(f"{size} = {room} & -{ALIGNMENT}")
                    total.append(size)
                arena.append(buffer)
        if arena:
            self.arena = self.names.new("arena")
            self.allocate(self.arena, " + ".join(total))
        for buffer in arena:
            place = places[buffer.place]
            text = self.arena if place == "0" else f"{self.arena} + {place}"
            self.line(f"frame[{buffer.slot}] = {text}", self.slot_names[buffer.slot])
        self.define_pointers(b.slot for b in ready)

    def _finish(self) -> None:
        self.fail_if("frame[0] != DONE", "frame[0]")
        for name in reversed(self.kept):
            if name not in self.owned:
                self.line(self.call("free", name))
        for slot, dtype in dict.fromkeys((r.ref.slot, r.ref.dtype) for r in self.program.given):
            if slot in self.registers:
                self.spill(slot, dtype)
        given = zip(self.program.given, self.layout.results, strict=True)
        for number, (result, first) in enumerate(given):
            ref = result.ref
            self.line(f"frame[{first}] = {self._address(ref)}", f"result {number}")
            for k, dim in enumerate((*ref.shape, *ref.strides), first + 1):
                self.line(f"frame[{k}] = {self.sizes(dim)}")
        self.line("return DONE")

    def _address(self, ref: MemRef) -> str:
        offset = "" if ref.offset == 0 else f" + {self.sizes(ref.offset, ADD)}"
        return f"frame[{ref.slot}]{offset}"
