"""What everything in the printed source of a program is called."""

from __future__ import annotations

from tracejit.codegen_cpu.llvm_blas import LETTERS
from tracejit.codegen_cpu.llvm_frame import frame_layout
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


class ProgramNames:
    """The names of one program's functions and memory, and what its text imports."""

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
