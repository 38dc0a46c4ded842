"""A program as one module of Numba source: its nests, and `main(frame)` that runs them.

This is what `f.source()` prints, and what `config.scalar_bodies="source"` compiles. It computes
what the LLVM code computes, one element after the other and on one thread: the readable form, and
a check of the fast one.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracejit.codegen_cpu.source_main import MainSource
from tracejit.codegen_cpu.source_names import BACKEND, CODES, ProgramNames
from tracejit.codegen_cpu.source_nest import NestSource
from tracejit.codegen_cpu.steps import outside_steps
from tracejit.ir.loops import Nest
from tracejit.ir.program import Program
from tracejit.source import SourceWriter


def emit_source(program: Program) -> str:
    """The text of the module that defines `main`."""
    return _ProgramSource(program).text()


class _ProgramSource(ProgramNames):
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
