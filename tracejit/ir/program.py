"""The contract between lowering, code generation and the runtime: a program over a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim, maximum
from tracejit.ir.graph import Guard, ScalarGuard
from tracejit.ir.loops import Nest
from tracejit.ir.types import TensorType
from tracejit.source import Loc

STATUS_WORD = 0
"""The frame word in which a step reports that something went wrong, `DONE` otherwise."""
DONE, MISS, INDEX_ERROR, MEMORY_ERROR, CALL_ERROR, SIZE_ERROR = 0, 1, 2, 3, 4, 5
"""What compiled code returns: done; does not fit, nothing has run; or what went wrong."""

STATUS_BITS = 8
"""The bits of a status that say what went wrong; above them is which of `Program.failing`."""

WeakKind = type[int] | type[float] | type[complex] | type[np.random.Generator]
"""The Python type of a Python scalar, or of a random generator, whose address is the value."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter in the frame: `[pointer, dims..., byte strides...]` from word `slot` on.

    For a weak scalar the pointer is to the words behind it, which hold the value. `layout` is what
    the code relies on: `C` (contiguous in C order), `F`, `I` (any strides, elements of the last
    axis adjacent) or `S` (any strides); `weak` is the Python type of a Python scalar.
    """

    slot: int
    type: TensorType
    layout: str = "C"
    weak: WeakKind | None = None
    name: str = field(default="", repr=False)

    @property
    def words(self) -> int:
        return 3 if self.weak is not None else 1 + 2 * self.type.ndim


@dataclass(frozen=True, slots=True)
class MemRef:
    """Where a value lies: the pointer in frame word `slot`, `offset` and `strides` in bytes."""

    slot: int
    offset: Dim
    strides: tuple[Dim, ...]
    shape: tuple[Dim, ...]
    dtype: np.dtype

    @property
    def contiguous(self) -> bool:
        """Whether elements lie one after the other in C order, provably."""
        expected = contiguous_strides(self.shape, self.dtype.itemsize)
        return all(
            s == e or d == 1 for s, e, d in zip(self.strides, expected, self.shape, strict=True)
        )


def contiguous_strides(shape: Sequence[Dim], itemsize: int) -> tuple[Dim, ...]:
    """Byte strides of a C-contiguous array; as in NumPy, none is 0 where the array is empty."""
    strides: list[Dim] = []
    step: Dim = itemsize
    for dim in reversed(shape):
        strides.append(step)
        step = step if dim == 0 else step * dim
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory that a call needs: its pointer goes into frame word `slot`.

    A buffer with `result` is handed to the caller; the others lie in one arena per call, those with
    the same `place` one after the other in time at the same address. A `called` buffer is allocated
    by the `Call` that fills it, which finds out how large it is; one whose size mentions symbols
    that a `Call` binds, by nobody before that.
    """

    slot: int
    nbytes: Dim
    result: bool = False
    place: int = 0
    called: bool = False


@dataclass(frozen=True, slots=True)
class MatMul:
    """`out = a @ b` for batches of matrices, by BLAS; batch axes of inputs may have stride 0."""

    a: MemRef
    b: MemRef
    out: MemRef
    loc: Loc | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`outputs = evaluate(*inputs, **attrs)` of the record `op`, run by Python at this point.

    Frame words from `slot` on: the address of the callback and the number of the site, which the
    runtime puts there (so that the code itself holds neither), then pointer, dims and byte strides
    of each input, then of each output. The call binds `symbols` from the shapes of its outputs, and
    checks `guards` as soon as it has.
    """

    op: str
    attrs: tuple[tuple[str, Any], ...]
    inputs: tuple[MemRef, ...]
    outputs: tuple[MemRef, ...]
    slot: int
    symbols: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    loc: Loc | None = field(default=None, repr=False)

    def operand_words(self) -> list[int]:
        """The first word of each input, then of each output, then the word behind the last."""
        words = [self.slot + 2]
        for ref in (*self.inputs, *self.outputs):
            words.append(words[-1] + 1 + 2 * len(ref.shape))
        return words

    def allocates(self, ref: MemRef) -> bool:
        """Whether the call finds out how large the output `ref` is, and allocates it."""
        return any(dims.free_symbols(d) & set(self.symbols) for d in ref.shape)


@dataclass(frozen=True, slots=True)
class Loop:
    """`steps` for each value of `symbol` from 0 up to `count`, which frame word `slot` holds.

    With `test`, where a bool lies, it is looked at before each turn, and the loop ends where it is
    false; `count` is None where nothing else bounds the loop. With `independent` the turns may run
    in any order, on several threads; each thread then has memory of its own for the buffers
    `private`, which hold nothing from before the turn nor anything that is read after it. `work` is
    then about how many additions a turn is worth.
    """

    symbol: str
    slot: int
    count: Dim | None
    steps: tuple[Step, ...]
    loc: Loc | None = field(default=None, repr=False)
    title: str = field(default="", repr=False)
    test: MemRef | None = None
    independent: bool = False
    private: tuple[int, ...] = ()
    work: Dim = field(default=0, repr=False)


@dataclass(frozen=True, slots=True)
class Branch:
    """The steps of one side: of `then` where the bool at `condition` holds, else of `otherwise`."""

    condition: MemRef
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]
    loc: Loc | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Bind:
    """The size `symbol`, in frame word `slot`, becomes the int64 at `value`, which is an error
    where it is negative. `guards` are checked there and then.
    """

    symbol: str
    slot: int
    value: MemRef
    guards: tuple[Guard, ...] = ()
    loc: Loc | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Allocate:
    """Memory of `nbytes` for one turn of the loop around this step: its pointer goes into `slot`.

    The turn gives it back at its end.
    """

    slot: int
    nbytes: Dim


@dataclass(frozen=True, slots=True)
class Require:
    """The `guards`, on sizes that are known by now, hold, or the program ends with an error."""

    guards: tuple[Guard, ...]
    loc: Loc | None = field(default=None, repr=False)


Step = Nest | MatMul | Call | Loop | Branch | Bind | Allocate | Require


@dataclass(frozen=True, slots=True)
class Result:
    """A result: a new array, or scalar, that takes over the buffer in which `ref` lies."""

    ref: MemRef


@dataclass(frozen=True, slots=True)
class ResultPart:
    """A result that is a view: `ref` in the memory of the `param` or `result` number `of`."""

    ref: MemRef
    kind: str
    of: int
    writeable: bool = True


@dataclass(frozen=True, slots=True)
class Program:
    """What a target compiles: steps over a frame of 64-bit words.

    The caller fills the words of the params. `symbols` says which word holds each size or stride
    symbol (one that a `Call` binds is known from there on); `checks` are words that must equal a
    dim, `guards` conditions on sizes and scalars: where one fails nothing has run and another
    specialization is needed. `constants` are arrays
    whose pointers the runtime puts into the frame once.
    """

    name: str = field(repr=False)
    frame_words: int
    params: tuple[Param, ...]
    symbols: Mapping[str, int]
    checks: tuple[tuple[int, Dim], ...]
    guards: tuple[Guard, ...]
    scalar_guards: tuple[ScalarGuard, ...]
    constants: tuple[tuple[int, np.ndarray], ...] = field(repr=False)
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    results: tuple[Result, ...]
    views: tuple[ResultPart, ...] = ()

    @property
    def given(self) -> tuple[Result | ResultPart, ...]:
        """Everything whose words are filled in at the end: the results, then the views."""
        return (*self.results, *self.views)

    def walk(self) -> Iterator[Step]:
        """Every step, those inside loops and branches included, outer before inner."""
        pending = list(reversed(self.steps))
        while pending:
            step = pending.pop()
            yield step
            if isinstance(step, Loop):
                pending.extend(reversed(step.steps))
            elif isinstance(step, Branch):
                pending.extend(reversed((*step.then, *step.otherwise)))

    @property
    def failing(self) -> tuple[Nest | Bind | Guard, ...]:
        """What may find an error in mid-run: nests with indices, sizes, guards, in order.

        A status has the number of one of them, counted from 1; 0 says nothing.
        """
        found: list[Nest | Bind | Guard] = []
        for step in self.walk():
            if isinstance(step, Nest) and step.may_fail:
                found.append(step)
            elif isinstance(step, Bind):
                found += [step, *step.guards]
            elif isinstance(step, Require):
                found += step.guards
        return tuple(found)

    @property
    def places(self) -> dict[int, Dim]:
        """The bytes of each place of the arena: what the largest of its buffers needs."""
        sizes: dict[int, Dim] = {}
        for buffer in self.buffers:
            if not buffer.result and not buffer.called:
                sizes[buffer.place] = maximum(sizes.get(buffer.place, 0), buffer.nbytes)
        return sizes
