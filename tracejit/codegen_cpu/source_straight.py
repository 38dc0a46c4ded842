"""Scalar code in Numba source: nests that loop over nothing, written where they stand.

The small buffers that it touches are local variables (`Registers`). What it computes is written
out before the next step, so that an expression never moves past a change of what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tracejit.codegen_cpu.source_body import Sizes, SourceBody, Vars, status_text
from tracejit.codegen_cpu.source_scalars import SourceModule, SourceScalars, assign_all
from tracejit.codegen_cpu.source_text import ATOM, MUL, Block, Names, Statement, leaf, write
from tracejit.ir.dims import Dim
from tracejit.ir.loops import Address, Instr, Load, Nest, Store, Take
from tracejit.ir.scalar import REAL_OF, Scalar
from tracejit.source import SourceWriter


class Registers:
    """The variables of small buffers, one for each dtype that a buffer is used for."""

    def __init__(self, names: Names, slots: Mapping[int, str]) -> None:
        """`slots` are the buffers and what to call them."""
        self.names, self.slots = names, slots
        self.known: dict[tuple[int, np.dtype], str] = {}

    def __contains__(self, slot: int) -> bool:
        return slot in self.slots

    def parts(self, slot: int, dtype: np.dtype) -> list[str]:
        """The variable; two of them where it is complex."""
        key = slot, dtype
        if key not in self.known:
            self.known[key] = self.names.new(self.slots[slot])
        name = self.known[key]
        return [f"{name}_re", f"{name}_im"] if dtype in REAL_OF else [name]


class StraightSource(SourceBody):
    """Writes one nest. `pointers` names its operands, `fail` gives the lines that leave `main`."""

    def __init__(
        self, module: SourceModule, names: Names, sizes: Sizes, registers: Registers, nest: Nest,
        pointers: list[str], place: int, fail: Callable[[str], list[str]],
    ) -> None:  # fmt: skip
        self.module, self.names, self.sizes, self.nest = module, names, sizes, nest
        self.registers, self.pointers, self.place, self.fail = registers, pointers, place, fail
        self.block = self.body = Block()
        self.o = SourceScalars(module, names, self.block)
        self.axis = {}
        self.last: list[tuple[list[str], Scalar]] = []

    def write(self, writer: SourceWriter) -> None:
        variables: Vars = {}
        bodies = [self.nest.prologue, *(s.body for s in self.nest.sections)]
        instrs = [i for body in bodies for i in body]
        self.stored = [self._slot(i.address) for i in instrs if isinstance(i, Store)]
        self.stored = [s for s in self.stored if s in self.registers]
        self.loaded = {self._slot(i.address) for i in instrs if isinstance(i, Load)}
        self._straight(self.nest.prologue, variables)
        for section in self.nest.sections:
            self.once(section, variables)
        for places, value in self.last:
            super()._store(places, value)
        write(self.body, writer, self.names)

    def _slot(self, address: Address) -> int:
        return self.nest.operands[address.base].slot

    def on_bad_index(self) -> list[str]:
        return self.fail(status_text("INDEX_ERROR", self.place))

    def _instruction(self, instr: Instr, variables: Vars) -> None:
        if isinstance(instr, (Load, Store)) and self._slot(instr.address) in self.registers:
            slot = self._slot(instr.address)
            parts = self.registers.parts(slot, instr.dtype)
            if isinstance(instr, Load):
                variables[instr.var] = self._read(slot, parts, instr.dtype)
            else:
                self._assign(slot, parts, variables[instr.value])
            return
        super()._instruction(instr, variables)

    def _read(self, slot: int, parts: Sequence[str], dtype: np.dtype) -> Scalar:
        """A variable; a copy of it where something is stored there before it may be used."""
        texts = list(parts)
        if slot in self.stored and not self._stores_last(slot):
            texts = [self.names.numbered(part) for part in parts]
            for name, part in zip(texts, parts, strict=True):
                Statement(self.block, f"{name} = {part}")
        if dtype not in REAL_OF:
            return Scalar(self.o, dtype, leaf(texts[0]))
        return self.o.complex(*(Scalar(self.o, REAL_OF[dtype], leaf(t)) for t in texts))

    def _stores_last(self, slot: int) -> bool:
        """Whether it is the only variable both read and changed, which can be done at the end."""
        both = [s for s in self.stored if s in self.loaded]
        return both == [slot]

    def _assign(self, slot: int, parts: list[str], value: Scalar) -> None:
        values = [p.v for p in value.v] if isinstance(value.v, tuple) else [value.v]
        if slot in self.loaded and self._stores_last(slot):
            self.last.append((parts, value))
        elif len(parts) == 1:
            Statement(self.block, f"{parts[0]} = {{0}}", tuple(values))
        else:
            assign_all(self.block, parts, values)

    def _wrap(self, indices: Sequence[Scalar], sizes: Sequence[Dim]) -> list[str]:
        names = []
        for index, size in zip(indices, sizes, strict=True):
            at = self.names.numbered("at")
            names.append(at)
            lines = [f"{at} = {{0}}"]
            if index.dtype.kind == "i":
                lines += [f"if {at} < 0:", f"    {at} += {self.sizes(size, MUL)}"]
            Statement(self.block, "\n".join(lines), (index.v,))
        return names

    def _take(self, instr: Take, variables: Vars) -> Scalar:
        names = self._wrap([variables[k] for k in instr.indices], instr.sizes)
        for at, size in zip(names, instr.sizes, strict=True):
            lines = [f"if not 0 <= {at} < {self.sizes(size, ATOM)}:"]
            lines += [f"    {line}" for line in self.on_bad_index()]
            Statement(self.block, "\n".join(lines))
        return self._load_at(self._chosen(instr, names), instr.address, instr.dtype)
