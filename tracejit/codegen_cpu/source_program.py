"""A program as one module of Numba source: its nests, and `main(frame)` that runs them.

This is what `f.source()` prints, and what `config.scalar_bodies="source"` compiles. It computes
what the LLVM code computes, one element after the other and on one thread: the readable form, and
a check of the fast one.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracejit.codegen_cpu.llvm_blas import LETTERS
from tracejit.codegen_cpu.llvm_frame import frame_layout
from tracejit.codegen_cpu.source_main import MainSource
from tracejit.codegen_cpu.source_nest import NestSource
from tracejit.codegen_cpu.source_scalars import SourceModule
from tracejit.codegen_cpu.source_text import Names
from tracejit.codegen_cpu.steps import outside_steps
from tracejit.ir.loops import Nest
from tracejit.ir.program import (
    CALL_ERROR,
    DONE,
    INDEX_ERROR,
    MEMORY_ERROR,
    MISS,
    SIZE_ERROR,
    Allocate,
    Program,
)
from tracejit.ir.scalar import COMPLEX_FUNCTIONS, MATH_FUNCTIONS
from tracejit.source import SourceWriter

BACKEND = "tracejit.codegen_cpu.numba_backend"
CODES = {
    "DONE": DONE, "MISS": MISS, "INDEX_ERROR": INDEX_ERROR, "MEMORY_ERROR": MEMORY_ERROR,
    "CALL_ERROR": CALL_ERROR, "SIZE_ERROR": SIZE_ERROR,
}  # fmt: skip
BACKEND_NAMES = {
    "kernel", "entry", "call_library", "pointer", "scratch", "release", "address", "alloc", "free",
    "fill_zero", "bits", "half", "half_bits", "round_half", "quotient", "remainder", "PLAIN",
    "TRANSPOSED", *MATH_FUNCTIONS, *COMPLEX_FUNCTIONS,
    *(letter + routine for letter in LETTERS.values() for routine in ("gemm", "gemv")),
}  # fmt: skip
"""What the text may import from the back end."""


def emit_source(program: Program) -> str:
    """The text of the module that defines `main`."""
    return ProgramSource(program).text()


class ProgramSource:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.layout = frame_layout(program)
        self.nest_names = self._unique_names()
        taken = self.nest_names.values()
        self.module = SourceModule({*BACKEND_NAMES, *CODES, *taken, "main", "frame"})
        self.strides = {
            param.slot + 1 + param.type.ndim + k: param.type.dtype.itemsize
            for param in program.params
            if param.weak is None
            for k in range(param.type.ndim)
        }
        self.slot_names = self._slot_names()
        self.places = {id(x): k for k, x in enumerate(self.program.failing, 1)}

    def _unique_names(self) -> dict[int, str]:
        """The name of each function; nests in different loops may be called the same."""
        names = Names({*BACKEND_NAMES, *CODES, "main", "frame"})
        nests = [s for s in outside_steps(self.program) if isinstance(s, Nest)]
        return {id(nest): names.new(nest.name) for nest in {id(n): n for n in nests}.values()}

    def _slot_names(self) -> dict[int, str]:
        """What memory is called: after params, results, the user's own names."""
        found = {p.slot: p.name or f"arg{k}" for k, p in enumerate(self.program.params)}
        found |= {slot: f"const{k}" for k, (slot, _) in enumerate(self.program.constants)}
        hints = {
            operand.slot: operand.name
            for step in self.program.walk()
            if isinstance(step, Nest)
            for operand in step.operands
            if operand.name
        }
        results = [r.ref.slot for r in self.program.results if r.ref.slot not in found]
        for k, slot in enumerate(dict.fromkeys(results)):
            found[slot] = hints.get(slot) or ("out" if len(set(results)) == 1 else f"out{k}")
        allocated = (s.slot for s in self.program.walk() if isinstance(s, Allocate))
        for slot in (*(b.slot for b in self.program.buffers), *allocated):
            if slot not in found:
                found[slot] = hints.get(slot) or f"temp{slot}"
        return found

    def text(self) -> str:
        functions = []
        for step in {id(s): s for s in outside_steps(self.program)}.values():
            if isinstance(step, Nest):
                place, name = self.places.get(id(step), 0), self.nest_names[id(step)]
                nest = NestSource(
                    self.module, step, self.program.symbols, self.strides, self.slot_names,
                    place, name,
                )  # fmt: skip
                functions.append(nest.lines())
        main = MainSource(self).lines()
        writer = SourceWriter()
        self._header(writer)
        for lines in (*self.module.helpers.values(), *functions, main):
            writer.line()
            writer.line()
            writer.lines += lines
        return str(writer)

    def _header(self, writer: SourceWriter) -> None:
        program = self.program
        writer.line(f'"""`{program.name}`, as compiled by tracejit.')
        writer.line()
        writer.line("`frame` is an array of 64-bit words: the status, then from the word given")
        for param in program.params:
            what = "pointer, value" if param.weak is not None else "pointer, shape, byte strides"
            if not param.type.ndim and param.weak is None:
                what = "pointer"
            name = self.slot_names[param.slot]
            writer.line(f"    {param.slot:<4d} argument {name}: {param.type} ({what})")
        for k, (result, first) in enumerate(zip(program.given, self.layout.results, strict=True)):
            ref = result.ref
            shape = ", ".join(map(str, ref.shape))
            what = "pointer, shape, byte strides" if ref.shape else "pointer"
            writer.line(f"    {first:<4d} result {k}: {ref.dtype.str[1:]}[{shape}] ({what})")
        writer.line("and pointers to temporary memory.")
        writer.line('"""')
        writer.line()
        if self.module.math:
            writer.line("import math")
            writer.line()
        self._imports(writer, "numpy", self.module.from_numpy)
        self._imports(writer, BACKEND, self.module.from_backend)
        writer.line()
        writer.line(f"{', '.join(CODES)} = {', '.join(map(str, CODES.values()))}")

    def _imports(self, writer: SourceWriter, module: str, names: Iterable[str]) -> None:
        found = sorted(names)
        line = f"from {module} import {', '.join(found)}"
        if not found:
            return
        if len(line) <= 100:
            writer.line(line)
            return
        with writer.block(f"from {module} import ("):
            for name in found:
                writer.line(f"{name},")
        writer.line(")")
