"""Words of the frame and the memory that temporaries share: who has which, from when to when."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.program import STATUS_WORD, Allocate, Buffer, MemRef, Step, contiguous_strides
from tracejit.passes.bounds import largest

SMALL = 16
"""Buffers of at most so many bytes hold numbers."""


class Arena:
    """Gives out words and buffers; `steps` is the list to which steps are being appended.

    `late` are the size symbols that nodes of the graph define; `limits` has the symbols that are
    known only inside a block, with the largest value of each. `given_out` has the slot of each
    piece of memory that was asked for, in order. `has_blocks`: numbers are kept in places of their
    own, where code generation can make registers of them.
    """

    def __init__(self, late: Collection[str], has_blocks: bool) -> None:
        self.late = frozenset(late)
        self.has_blocks = has_blocks
        self.words = STATUS_WORD + 1
        self.steps: list[Step] = []
        self.limits: dict[str, Dim | None] = {}
        self.buffers: dict[int, Buffer] = {}
        self.free: list[tuple[int, Dim]] = []
        self.places = 0
        self.slots: dict[tuple[int, Dim], int] = {}
        self.single: set[int] = set()
        self.given_out: list[int] = []

    def new_words(self, count: int) -> int:
        first = self.words
        self.words += count
        return first

    def release(self, ref: MemRef) -> None:
        """Let others have the memory of `ref`, if it is in the arena."""
        buffer = self.buffers.get(ref.slot)
        if buffer is None or buffer.result or buffer.called or ref.slot in self.single:
            return
        self.free.append((buffer.place, buffer.nbytes))

    def new_buffer(self, dtype: np.dtype, shape: tuple[Dim, ...], result: bool = False) -> MemRef:
        """Fresh C-contiguous memory, in a released place of the arena where there is one.

        A buffer of the same size at the same place is the same buffer again, so that steps that
        repeat are equal.
        """
        nbytes = dims.product(shape) * dtype.itemsize
        strides = contiguous_strides(shape, dtype.itemsize)
        if not self.limits.keys().isdisjoint(dims.free_symbols(nbytes)):
            bound = largest(nbytes, self.limits)
            if bound is None:
                slot = self.new_words(1)
                self.given_out.append(slot)
                self.steps.append(Allocate(slot, nbytes))
                return MemRef(slot, 0, strides, shape, dtype)
            nbytes = bound
        if not result and self.has_blocks and isinstance(nbytes, int) and nbytes <= SMALL:
            return MemRef(self._single(nbytes), 0, strides, shape, dtype)
        place = -1 if result else self._place(nbytes)
        known = self.slots.get((place, nbytes))
        if result or known is None:
            slot = self.new_words(1)
            self.buffers[slot] = Buffer(slot, nbytes, result, place)
            self.slots[place, nbytes] = slot
        else:
            slot = known
        self.given_out.append(slot)
        return MemRef(slot, 0, strides, shape, dtype)

    def _single(self, nbytes: int) -> int:
        """The slot of a number, which shares its place with no other: it can be a register."""
        slot = self.new_words(1)
        self.buffers[slot] = Buffer(slot, nbytes, False, self.places)
        self.places += 1
        self.single.add(slot)
        self.given_out.append(slot)
        return slot

    def _place(self, nbytes: Dim) -> int:
        """A place of the arena that nobody uses, best one of this size; it grows where it must.

        Memory whose size shows only at run time shares a place with its like alone.
        """
        late = dims.free_symbols(nbytes) & self.late
        fits = [
            k for k, (_, size) in enumerate(self.free)
            if size == nbytes or not (late or dims.free_symbols(size) & self.late)
        ]  # fmt: skip
        if not fits:
            self.places += 1
            return self.places - 1

        def quality(k: int) -> int:
            size = self.free[k][1]
            if size == nbytes:
                return 3
            return 2 if dims.is_nonnegative(size - nbytes) else dims.is_nonnegative(nbytes - size)

        return self.free.pop(max(fits, key=quality))[0]
