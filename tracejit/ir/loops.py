"""Loop nests: what a fused node becomes before a target emits it.

A nest runs its `outer` axes as one flattened range, whose iterations are independent and may be
shared out to threads. For each of them it runs its `sections` in order; a section loops over its
own axes (the last of them the vector axis) or, with no axes, runs once. Values computed in a
section without axes stay visible to later ones; a reduction is a `Carry` of a section; what a later
section needs of an earlier one's elements goes through memory (`Store`, `Load`).

    outer i0 in [lo, hi):                     # rows of a softmax
        section (i1): c = max(c, x[i0, i1])
        section (i1): e = exp(x[i0, i1] - c); out[i0, i1] = e; s = s + e
        section (i1): out[i0, i1] = out[i0, i1] / s

`chunk=(axis, K)` adds one more outer index, in front: the number of a stretch of K iterations of
`axis`, to which the section loops over that axis are confined. It makes one long axis parallel.

Addresses are in bytes, affine in the axes: `offset + sum(stride * axis)`, with dims as
coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.source import Loc

CHUNK = "chunk"
"""The outer index that numbers the stretches of a chunked axis, in `Address.strides`."""


@dataclass(frozen=True, slots=True)
class Address:
    """`base + offset + sum(strides[axis] * axis)`, in bytes; `base` is an operand of the nest."""

    base: int
    offset: Dim
    strides: tuple[tuple[Any, Dim], ...]

    def stride(self, axis: Any) -> Dim:
        for name, stride in self.strides:
            if name == axis:
                return stride
        return 0


@dataclass(frozen=True, slots=True)
class Load:
    var: int
    address: Address
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Take:
    """A load at `address`, moved by `stride` times each of the `indices`, which are vars.

    An index may be negative, `-size <= index < size`; another one is reported, and 0 read.
    """

    var: int
    address: Address
    indices: tuple[int, ...]
    strides: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Check:
    """Report the var `index` unless `-size <= index < size`."""

    index: int
    size: Dim


@dataclass(frozen=True, slots=True)
class Put:
    """A store where a `Take` loads, at indices that were checked before.

    With `op`, the name of an elementwise op, what is stored is `op(old, value)`, computed in the
    dtypes `loop` of its operands and cast to `dtype`.
    """

    address: Address
    indices: tuple[int, ...]
    strides: tuple[Dim, ...]
    sizes: tuple[Dim, ...]
    value: int
    dtype: np.dtype
    op: str | None = None
    loop: tuple[np.dtype, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    var: int
    value: Any
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class SizeOf:
    """A dim as an int64."""

    var: int
    dim: Dim


@dataclass(frozen=True, slots=True)
class Index:
    """`start + step * axis` as a number of `dtype`."""

    var: int
    axis: int
    start: Dim
    step: int
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Compute:
    """An elementwise op of the table on earlier vars."""

    var: int
    op: str
    args: tuple[int, ...]
    attrs: Mapping[str, Any]
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Store:
    address: Address
    value: int
    dtype: np.dtype


Instr = Load | Take | Check | Put | Constant | SizeOf | Index | Compute | Store


@dataclass(frozen=True, slots=True)
class Carry:
    """A reduction: `var` becomes the combination by `op` of `value` over the section's iterations.

    `op` names a reduction record. For argmin and argmax `index` is the var of the position, and
    `var` is the best position; `best` is then the var of the best value.
    """

    var: int
    op: str
    value: int
    dtype: np.dtype
    index: int | None = None
    best: int | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """`body` for every point of `axes`, outermost first; `axes=()` runs it once."""

    axes: tuple[int, ...]
    body: tuple[Instr, ...]
    carries: tuple[Carry, ...] = ()


@dataclass(frozen=True, slots=True)
class Operand:
    """Memory that a nest touches: a pointer found in frame slot `slot`."""

    slot: int
    dtype: np.dtype
    written: bool = False
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scratch:
    """A row of `extent` elements of a nest's own, one a thread. Its operand has slot -1 - index."""

    dtype: np.dtype
    extent: Dim


@dataclass(frozen=True, slots=True)
class Fill:
    """Scratch row `scratch` filled with `repeats` copies of `length` adjacent elements."""

    scratch: int
    source: Address
    length: Dim
    repeats: Dim


@dataclass(frozen=True, slots=True)
class Nest:
    """See the module. `flops` is per innermost iteration; `ops` counts what was fused.

    `serial` nests carry a value from one innermost iteration to the next through memory, so that
    the innermost loop may not be run as vectors; in `ordered` ones the outer iterations follow each
    other on one thread. A nest that is `guarded` does not run once something was reported. `fills`
    run before the outer range. `streams` says that no written memory is read again.
    """

    name: str
    extents: tuple[Dim, ...]
    outer: tuple[int, ...]
    sections: tuple[Section, ...]
    operands: tuple[Operand, ...]
    prologue: tuple[Instr, ...] = ()
    chunk: tuple[int, Dim] | None = None
    scratch: tuple[Scratch, ...] = ()
    fills: tuple[Fill, ...] = ()
    flops: float = 1.0
    ops: int = field(default=1, repr=False)
    streams: bool = False
    serial: bool = False
    ordered: bool = False
    guarded: bool = False
    loc: Loc | None = field(default=None, repr=False)
    title: str = field(default="", repr=False)

    @property
    def straight(self) -> bool:
        """Whether it loops over nothing: a few instructions, which run once."""
        return not self.outer and self.chunk is None and not any(s.axes for s in self.sections)

    @property
    def loaded(self) -> frozenset[int]:
        """The operands that are read."""
        bodies = (self.prologue, *(s.body for s in self.sections))
        instrs = [i for body in bodies for i in body]
        found = {i.address.base for i in instrs if isinstance(i, (Load, Take))}
        found |= {i.address.base for i in instrs if isinstance(i, Put) and i.op is not None}
        return frozenset(found | {f.source.base for f in self.fills})

    @property
    def may_fail(self) -> bool:
        """Whether it may find an index out of bounds."""
        bodies = (self.prologue, *(s.body for s in self.sections))
        return any(isinstance(i, (Take, Check)) for body in bodies for i in body)
