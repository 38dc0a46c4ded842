"""Elementwise nests with short rows: several rows are run as one long one.

    before: outer i0: section (i1): out[i0, i1] = f(x[i0, i1], p[i1])         # 26 elements a row
    after:  chunk of i1: section (i1): out[i1] = f(x[i1], copies of p[i1])    # some 2000 elements

Vectors do not fill a row of 26, and each row pays for its own start. Where everything else walks
over the rows as if they were one, what repeats from row to row is written out a few times into
scratch once per thread and piece of work, and the rows become one axis.
"""

from __future__ import annotations

from dataclasses import replace

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.loops import (
    CHUNK,
    Address,
    Check,
    Fill,
    Index,
    Load,
    Nest,
    Operand,
    Put,
    Scratch,
    Store,
    Take,
)

CHUNK_ELEMENTS = 2048
LEAST_FLOPS = 8.0
"""Cheaper bodies gain nothing: reading the copies costs as much as they save."""


def join_short_rows(nest: Nest) -> Nest:
    """See the module. The same nest where it does not apply."""
    if len(nest.outer) != 1 or nest.chunk is not None or nest.scratch:
        return nest
    if len(nest.sections) != 1 or nest.flops < LEAST_FLOPS:
        return nest
    (section,) = nest.sections
    if len(section.axes) != 1 or section.carries:
        return nest
    if any(isinstance(i, (Index, Take, Check, Put)) for i in section.body):
        return nest
    (row,), (column,) = nest.outer, section.axes
    length = nest.extents[column]
    periodic: dict[Address, int] = {}
    for instr in section.body:
        if not isinstance(instr, (Load, Store)):
            continue
        address, item = instr.address, instr.dtype.itemsize
        down, along = address.stride(row), address.stride(column)
        if down == along * length:
            continue
        if isinstance(instr, Load) and down == 0 and along == item:
            periodic.setdefault(address, len(periodic))
        else:
            return nest
    if not periodic:
        return nest
    rows = dims.maximum(1, dims.floordiv(CHUNK_ELEMENTS, length))
    return _joined(nest, row, column, rows, periodic)


def _joined(nest: Nest, row: int, column: int, rows: Dim, periodic: dict[Address, int]) -> Nest:
    (section,) = nest.sections
    length = nest.extents[column]
    piece = rows * length
    operands, scratch, fills = list(nest.operands), [], []
    copies: dict[Address, Address] = {}
    for address, number in periodic.items():
        dtype = next(i.dtype for i in section.body if isinstance(i, Load) and i.address == address)
        item = dtype.itemsize
        scratch.append(Scratch(dtype, piece))
        operands.append(Operand(-1 - number, dtype, True, f"copies{number}"))
        fills.append(Fill(number, Address(address.base, address.offset, ()), length, rows))
        strides = ((column, item), (CHUNK, piece * -item))
        copies[address] = Address(len(operands) - 1, 0, strides)

    def rewritten(address: Address) -> Address:
        if address in copies:
            return copies[address]
        return replace(address, strides=tuple((a, s) for a, s in address.strides if a != row))

    body = tuple(
        replace(i, address=rewritten(i.address)) if isinstance(i, (Load, Store)) else i
        for i in section.body
    )
    extents = list(nest.extents)
    extents[column] = nest.extents[row] * length
    return replace(
        nest,
        extents=tuple(extents),
        outer=(),
        chunk=(column, piece),
        sections=(replace(section, body=body),),
        operands=tuple(operands),
        scratch=tuple(scratch),
        fills=tuple(fills),
    )
