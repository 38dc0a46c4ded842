"""The frame of a program as code knows it: words of the program, of its results, small memory."""

from __future__ import annotations

from dataclasses import dataclass

from tracejit.ir.program import Program

SMALL_BYTES = 16
"""Buffers of at most this size need no memory but two words of the frame."""


@dataclass(frozen=True)
class FrameLayout:
    """Words of the frame beyond the program's own: `results[k]` is the first word of result k.

    The views of the program come behind its results.
    """

    words: int
    results: tuple[int, ...]
    small: dict[int, int]
    """For buffers that live in the frame: pointer word -> first word of the memory."""
    small_bytes: dict[int, int]
    """How large they are."""


def frame_layout(program: Program) -> FrameLayout:
    """Give words to the results and to results of rank 0, which need no other memory."""
    words = program.frame_words + 1
    results = []
    for result in program.given:
        results.append(words)
        words += 1 + 2 * len(result.ref.shape)
    # The memory of a result of higher rank is handed to an array, so it cannot lie here.
    arrays = {r.ref.slot for r in program.results if r.ref.shape}
    small, sizes = {}, {}
    for buffer in program.buffers:
        fits = isinstance(buffer.nbytes, int) and buffer.nbytes <= SMALL_BYTES
        if fits and buffer.slot not in arrays and not buffer.called:
            small[buffer.slot] = words
            sizes[buffer.slot] = int(buffer.nbytes)  # type: ignore[arg-type]
            words += 2
    return FrameLayout(words, tuple(results), small, sizes)
