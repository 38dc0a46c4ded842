"""A program as one module of Numba source: its nests, and `main(frame)` that runs them.

This is what `f.source()` prints, and what `config.scalar_bodies="source"` compiles. It computes
what the LLVM code computes, one element after the other and on one thread: the readable form, and
a check of the fast one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tracejit.codegen_cpu.llvm_blas import LETTERS, batch_strides, goes_by_rows
from tracejit.codegen_cpu.llvm_frame import frame_layout
from tracejit.codegen_cpu.llvm_program import ALIGNMENT
from tracejit.codegen_cpu.source_nest import NestSource, Sizes, outer_count
from tracejit.codegen_cpu.source_scalars import SourceModule
from tracejit.codegen_cpu.source_text import ADD, ATOM, MUL
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import ScalarGuard
from tracejit.ir.loops import Nest
from tracejit.ir.pprint import format_attr
from tracejit.ir.program import (
    CALL_ERROR,
    DONE,
    INDEX_ERROR,
    MEMORY_ERROR,
    MISS,
    Buffer,
    Call,
    Loop,
    MatMul,
    MemRef,
    Program,
    Step,
)
from tracejit.ir.scalar import COMPLEX_FUNCTIONS, MATH_FUNCTIONS
from tracejit.ir.types import F8
from tracejit.source import SourceWriter

BACKEND = "tracejit.codegen_cpu.numba_backend"
CODES = {
    "DONE": DONE, "MISS": MISS, "INDEX_ERROR": INDEX_ERROR, "MEMORY_ERROR": MEMORY_ERROR,
    "CALL_ERROR": CALL_ERROR,
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
    return _ProgramSource(program).text()


class _ProgramSource:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.layout = frame_layout(program)
        nests = {step.name for step in program.walk() if isinstance(step, Nest)}
        self.module = SourceModule({*BACKEND_NAMES, *CODES, *nests, "main", "frame"})
        self.strides = {
            param.slot + 1 + param.type.ndim + k: param.type.dtype.itemsize
            for param in program.params
            if param.weak is None
            for k in range(param.type.ndim)
        }
        self.slot_names = self._slot_names()

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
        for buffer in self.program.buffers:
            if buffer.slot not in found:
                found[buffer.slot] = hints.get(buffer.slot) or f"temp{buffer.slot}"
        return found

    def text(self) -> str:
        functions = [
            NestSource(
                self.module, step, self.program.symbols, self.strides, self.slot_names
            ).lines()
            for step in self.program.walk()
            if isinstance(step, Nest)
        ]
        main = _Main(self).lines()
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


class _Main:
    """Writes `main`: checks, memory, the steps in order, the words of the results."""

    def __init__(self, source: _ProgramSource) -> None:
        self.program, self.module = source.program, source.module
        self.layout, self.slot_names = source.layout, source.slot_names
        self.names = self.module.names()
        self.names.taken |= {"frame", "arena"}
        self.sizes = Sizes(self.names, self.program.symbols, {})
        self.writer = SourceWriter()
        self.writer.depth = 1
        self.line = self.writer.line

    def lines(self) -> list[str]:
        self._check()
        owned = self._allocate()
        for step in self.program.steps:
            self._step(step)
        self._finish(owned)
        head = SourceWriter()
        head.line(f"@{self.module.backend('entry')}")
        with head.block("def main(frame):"):
            for line in self.sizes.lines:
                head.line(line)
        return head.lines + self.writer.lines

    def _step(self, step: Step) -> None:
        if isinstance(step, Nest):
            call = f"{step.name}(frame, 0, {self.sizes(outer_count(step))})"
            if step.guarded:
                self.line("if frame[0] == DONE:")
                call = f"    {call}"
            self.line(call, str(step.loc or ""))
        elif isinstance(step, Loop):
            self._loop(step)
        elif isinstance(step, Call):
            self._library(step)
        else:
            self._matmul(step)

    def _loop(self, step: Loop) -> None:
        """Sizes that depend on where the loop is are computed inside of it."""
        count, outer = self.sizes(step.count), self.sizes
        self.sizes = Sizes(self.names, self.program.symbols, {})
        with self.writer.block(f"for {step.symbol} in range({count}):", step.title):
            self.line(f"frame[{step.slot}] = {step.symbol}")
            at = len(self.writer.lines)
            for inner in step.steps:
                self._step(inner)
            indent = "    " * self.writer.depth
            self.writer.lines[at:at] = [indent + line for line in self.sizes.lines]
        self.sizes = outer

    def _call(self, name: str, *arguments: str) -> str:
        return f"{self.module.backend(name)}({', '.join(arguments)})"

    def _call_blas(self, name: str, *arguments: str) -> None:
        line = self._call(name, *arguments)
        if len(line) <= 90:
            self.line(line)
            return
        with self.writer.block(f"{name}("):
            for argument in arguments:
                self.line(f"{argument},")
        self.line(")")

    # Before anything runs.

    def _check(self) -> None:
        self.line("frame[0] = DONE")
        for slot, dim in self.program.checks:
            self._require(f"frame[{slot}] == {self.sizes(dim, ADD)}")
        for guard in self.program.guards:
            left, right = self.sizes(guard.left, ADD), self.sizes(guard.right, ADD)
            self._require(f"{left} {guard.relation} {right}", str(guard.loc or ""))
        for scalar in self.program.scalar_guards:
            for condition in self._scalar_conditions(scalar):
                name = self.slot_names[self.program.params[scalar.param].slot]
                self._require(condition, f"{name} {scalar.relation} {scalar.value!r}")

    def _require(self, condition: str, comment: str = "") -> None:
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
            here = self._call("bits", f"frame[{slot}]", self.module.dtype(F8))
            return [f"{here} {guard.relation} {self.module.float_text(value)}"]
        parts = [value.real, value.imag] if isinstance(value, complex) else [value]
        words = [struct.unpack("q", struct.pack("d", part))[0] for part in parts]
        return [f"frame[{slot + k}] == {word}" for k, word in enumerate(words)]

    # Memory.

    def _allocate(self) -> list[str]:
        """Results one by one, everything else in one arena; the names of what was allocated."""
        owned: list[str] = []
        places: dict[int, str] = {}
        total: list[str] = []
        arena: list[Buffer] = []
        for buffer in self.program.buffers:
            if buffer.slot in self.layout.small:
                word = self.layout.small[buffer.slot]
                self.line(f"frame[{buffer.slot}] = {self._call('address', 'frame')} + {8 * word}")
            elif buffer.called:
                continue
            elif buffer.result:
                name = self.names.new(self.slot_names[buffer.slot])
                self.line(f"{name} = {self._call('alloc', self.sizes(buffer.nbytes))}")
                self._or_give_up(name, owned)
                self.line(f"frame[{buffer.slot}] = {name}")
                owned.append(name)
            else:
                if buffer.place not in places:
                    places[buffer.place] = " + ".join(total) or "0"
                    size = self.names.new(f"size{buffer.place}")
                    most = self.program.places[buffer.place]
                    room = self.sizes(most + (2 * ALIGNMENT - 1), MUL)
                    self.line(f"{size} = {room} & -{ALIGNMENT}")
                    total.append(size)
                arena.append(buffer)
        self.arena = bool(arena)
        if arena:
            self.line(f"arena = {self._call('alloc', ' + '.join(total))}")
            self._or_give_up("arena", owned)
        for buffer in arena:
            place = places[buffer.place]
            text = "arena" if place == "0" else f"arena + {place}"
            self.line(f"frame[{buffer.slot}] = {text}", self.slot_names[buffer.slot])
        return owned

    def _or_give_up(self, name: str, owned: list[str]) -> None:
        with self.writer.block(f"if {name} == 0:"):
            for other in owned:
                self.line(self._call("free", other))
            self.line("return MEMORY_ERROR")

    def _finish(self, owned: list[str]) -> None:
        if self.arena:
            self.line(self._call("free", "arena"))
        with self.writer.block("if frame[0] != DONE:"):
            for name in owned:
                self.line(self._call("free", name))
            self.line("return frame[0]")
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

    # Library calls: for reading only, `compile_program` takes the other way.

    def _library(self, step: Call) -> None:
        """What is called, on which memory; sizes that it binds are known from there on."""
        operands = [self.slot_names[ref.slot] for ref in step.inputs]
        operands += [f"{name}={format_attr(value)}" for name, value in step.attrs]
        results = ", ".join(self.slot_names[ref.slot] for ref in step.outputs)
        self.line(f"# {results} = {step.op}({', '.join(operands)})", str(step.loc or ""))
        for name in step.symbols:
            self.line(f"# binds {name} = frame[{self.program.symbols[name]}]")
        status = self._call("call_library", "frame", str(step.slot))
        self.line(f"if {status} != DONE: return CALL_ERROR")

    # Matrix products.

    def _matmul(self, step: MatMul) -> None:
        """`step`, once for each matrix of the batch."""
        batch = step.out.shape[:-2]
        refs = (step.a, step.b, step.out)
        addresses = [self._address(ref) for ref in refs]
        comment = f"matmul  {step.loc}" if step.loc else "matmul"
        if all(d == 1 for d in batch):
            self.line("", comment)
            self._product(step, *addresses)
            return
        index = self.names.new("batch")
        count = self.sizes(dims.product(batch))
        with self.writer.block(f"for {index} in range({count}):", comment):
            inner: Dim = 1
            local: list[str] = []
            for axis in reversed(range(len(batch))):
                here = index if inner == 1 else f"({index} // {self.sizes(inner, ATOM)})"
                wrapped = f"({here} % {self.sizes(batch[axis], ATOM)})" if axis else here
                local.insert(0, wrapped)
                inner = inner * batch[axis]
            for k, ref in enumerate(refs):
                for text, stride in zip(local, batch_strides(ref, batch), strict=True):
                    if stride != 0:
                        addresses[k] += f" + {text} * {self.sizes(stride, MUL + 1)}"
            self._product(step, *addresses)

    def _product(self, step: MatMul, a: str, b: str, out: str) -> None:
        """A row-major `out = a @ b` is `out.T = b.T @ a.T` for BLAS, which goes by columns."""
        letter = LETTERS[step.out.dtype.char]
        m, k = step.a.shape[-2:]
        n = step.b.shape[-1]
        if n == 1 or m == 1:
            self._matrix_vector(step, a, b, out, letter)
            return
        trans_b, ld_b = self._leading(step.b)
        trans_a, ld_a = self._leading(step.a)
        sizes = [self.sizes(d) for d in (n, m, k)]
        ld_out = self.sizes(dims.maximum(n, 1))
        self._call_blas(f"{letter}gemm", trans_b, trans_a, *sizes, b, ld_b, a, ld_a, out, ld_out)

    def _matrix_vector(self, step: MatMul, a: str, b: str, out: str, letter: str) -> None:
        item = step.out.dtype.itemsize
        m, k = step.a.shape[-2:]
        n = step.b.shape[-1]
        if n == 1:
            matrix, ref, vector, step_of = a, step.a, b, step.b.strides[-2]
            rows = goes_by_rows(ref)
            shape = (k, m) if rows else (m, k)
            trans = "T" if rows else "N"
        else:
            matrix, ref, vector, step_of = b, step.b, a, step.a.strides[-1]
            rows = goes_by_rows(ref)
            shape = (n, k) if rows else (k, n)
            trans = "N" if rows else "T"
        increment = dims.floordiv(step_of, item)
        by = self.sizes(increment if increment != 0 else 1)
        if not isinstance(increment, int):
            by = f"max({by}, 1)"
        _, leading = self._leading(ref)
        # gemv does nothing where the inner dim is empty.
        with self.writer.block(f"if {self.sizes(k)} == 0:"):
            self.line(self._call("fill_zero", out, self.sizes(dims.product((m, n)) * item)))
        with self.writer.block("else:"):
            shown = [self.sizes(d) for d in shape]
            flag = self._flag(trans)
            self._call_blas(f"{letter}gemv", flag, *shown, matrix, leading, vector, by, out)

    def _flag(self, letter: str) -> str:
        return self.module.backend("TRANSPOSED" if letter == "T" else "PLAIN")

    def _leading(self, ref: MemRef) -> tuple[str, str]:
        """Whether BLAS is to transpose what lies in memory, and the distance between columns."""
        rows = goes_by_rows(ref)
        distance, least = (
            (ref.strides[-2], ref.shape[-1]) if rows else (ref.strides[-1], ref.shape[-2])
        )
        apart = dims.floordiv(distance, ref.dtype.itemsize)
        leading = dims.maximum(apart, dims.maximum(least, 1))
        return self._flag("N" if rows else "T"), self.sizes(leading)
