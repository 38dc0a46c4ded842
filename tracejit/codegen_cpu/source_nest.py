"""A loop nest as a function of Numba source: `def nest0(frame, lo, hi)`.

It runs iterations `lo` to `hi` of the flattened outer range, one element after the other; how many
there are is `outer_count`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracejit.codegen_cpu.source_body import (
    ReductionSource,
    Sizes,
    SourceBody,
    Vars,
    memory_dtype,
)
from tracejit.codegen_cpu.source_scalars import SourceModule, SourceScalars
from tracejit.codegen_cpu.source_text import (
    ADD,
    ATOM,
    Block,
    Loop,
    Statement,
    write,
)
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.loops import CHUNK, Fill, Nest, Section
from tracejit.source import SourceWriter


def outer_count(nest: Nest) -> Dim:
    """Iterations of the outer range."""
    chunks: Dim = 1
    if nest.chunk is not None:
        axis, size = nest.chunk
        chunks = dims.floordiv(nest.extents[axis] + (size - 1), size)
    return chunks * dims.product([nest.extents[a] for a in nest.outer])


class NestSource(SourceBody):
    """Writes one nest. `slot_names` says what to call the memory that a frame word points to."""

    def __init__(
        self, module: SourceModule, nest: Nest, symbols: Mapping[str, int],
        stride_slots: Mapping[int, int], slot_names: Mapping[int, str], place: int,
        name: str,
    ) -> None:  # fmt: skip
        self.module, self.nest, self.place, self.name = module, nest, place, name
        self.names = module.names()
        axes = [f"i{k}" for k in range(len(nest.extents))]
        self.names.taken |= {"frame", "lo", "hi", "chunk", "row", "j", "k", *axes}
        self.block = self.body = Block()
        self.o = SourceScalars(module, self.names, self.block)
        self.sizes = Sizes(self.names, symbols, stride_slots)
        self.axis: dict[Any, str] = {CHUNK: "chunk", **dict(enumerate(axes))}
        self.heads: list[str] = []
        self.pointers: list[str] = []
        for operand in nest.operands:
            self._pointer(operand.slot, operand.dtype, slot_names.get(operand.slot, operand.name))
        for fill in nest.fills:
            self._fill(fill)

    def _pointer(self, slot: int, dtype: np.dtype, name: str) -> None:
        local = self.names.new(name or "memory")
        self.pointers.append(local)
        target = self.module.dtype(memory_dtype(dtype))
        if slot >= 0:
            pointer = self.module.backend("pointer")
            self.heads.append(f"{local} = {pointer}(frame[{slot}], {target})")
            return
        scratch = self.nest.scratch[-1 - slot]
        nbytes = self.sizes(scratch.extent * scratch.dtype.itemsize)
        self.heads.append(f"{local} = {self.module.backend('scratch')}({nbytes}, {target})")

    def _fill(self, fill: Fill) -> None:
        """Copies of some adjacent elements, one behind the other, in a row of scratch."""
        nest = self.nest
        scratch = next(k for k, x in enumerate(nest.operands) if x.slot == -1 - fill.scratch)
        item = memory_dtype(nest.operands[scratch].dtype).itemsize
        parts = nest.operands[scratch].dtype.itemsize // item
        target, source = self.pointers[scratch], self.pointers[fill.source.base]
        length = self.sizes(fill.length * parts, ATOM)
        start = self.sizes.elements(fill.source.offset, item)
        first = "" if start == 0 else f"{self.sizes(start, ADD)} + "
        self.heads += [
            f"for k in range({self.sizes(fill.repeats)}):",
            f"    for j in range({length}):",
            f"        {target}[k * {length} + j] = {source}[{first}j]",
        ]

    def lines(self) -> list[str]:
        """The function, decorator and comment included."""
        nest = self.nest
        variables: Vars = {}
        self._straight(nest.prologue, variables)
        self._outer(variables)
        writer = SourceWriter()
        writer.line(f"@{self.module.backend('kernel')}")
        with writer.block(f"def {self.name}(frame, lo, hi):"):
            writer.line("", "  ".join(filter(None, [nest.title, str(nest.loc or "")])))
            inside = SourceWriter()
            inside.depth = writer.depth
            write(self.body, inside, self.names)
            for line in (*self.sizes.lines, *self.heads):
                writer.line(line)
            writer.lines += inside.lines
            for operand, local in zip(nest.operands, self.pointers, strict=True):
                if operand.slot < 0:
                    writer.line(f"{self.module.backend('release')}({local})")
        return writer.lines

    # Loops.

    def _for(self, name: str, start: str, stop: str) -> Block:
        """A loop at the end of the block; what follows goes inside. Gives the block around it."""
        outside, inside = self.block, Block()
        bounds = stop if start == "0" else f"{start}, {stop}"
        Loop(outside, inside, f"for {name} in range({bounds}):")
        self._enter(inside)
        return outside

    def _outer(self, variables: Vars) -> None:
        nest = self.nest
        names: list[Any] = [*([CHUNK] if nest.chunk is not None else []), *nest.outer]
        if not names:
            self._sections(variables)
            return
        flat = self.axis[names[0]] if len(names) == 1 else "row"
        outside = self._for(flat, "lo", "hi")
        inner: Dim = 1
        for k, name in reversed(list(enumerate(names))):
            text = "row" if inner == 1 else f"row // {self.sizes(inner, ATOM)}"
            if len(names) > 1:
                extent = 1 if name == CHUNK else nest.extents[name]
                wrap = f" % {self.sizes(extent, ATOM)}" if k else ""
                Statement(self.block, f"{self.axis[name]} = {text}{wrap}")
                inner = inner * extent
        self._sections(dict(variables))
        self._enter(outside)

    def _sections(self, variables: Vars) -> None:
        for section in self.nest.sections:
            if section.axes:
                self._section(section, variables)
            else:
                self.once(section, variables)

    def _section(self, section: Section, variables: Vars) -> None:
        reductions = [ReductionSource(self, c) for c in section.carries]
        outside = self.block
        for axis in section.axes:
            self._for(self.axis[axis], *self._bounds(axis))
        inside = dict(variables)
        self._straight(section.body, inside)
        for reduction in reductions:
            reduction.take(inside)
        self._enter(outside)
        for reduction in reductions:
            variables.update(reduction.result())

    def _bounds(self, axis: int) -> tuple[str, str]:
        chunk, extent = self.nest.chunk, self.sizes(self.nest.extents[axis])
        if chunk is None or chunk[0] != axis:
            return "0", extent
        size = self.sizes(chunk[1], ATOM)
        return f"chunk * {size}", f"min((chunk + 1) * {size}, {extent})"
