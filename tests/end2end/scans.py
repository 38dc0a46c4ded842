"""Random scans, and the loops that say what they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tracejit

DTYPES = ("i8", "f8", "f4", "i4")


@dataclass(frozen=True)
class Scan:
    """A call of `scan`. `sequences` and `states` are pairs of an array and its taps; a state that
    is None is an output that is not fed back; `stop` is where `until` stops, if at all."""

    sequences: tuple[tuple[np.ndarray, tuple[int, ...]], ...]
    states: tuple[tuple[np.ndarray, tuple[int, ...]] | None, ...]
    others: tuple[Any, ...]
    n_steps: int | None
    backwards: bool
    stop: int | None

    def body(self, *args: Any) -> Any:
        """Outputs that tell the arguments and their order apart; all arithmetic is exact."""
        total = 0
        for k, x in enumerate(args):
            total = total + (k + 2) * x
        outputs = [(total * (j + 3) + j) % 17 for j in range(len(self.states))]
        if self.stop is None:
            return outputs[0] if len(outputs) == 1 else tuple(outputs)
        return outputs, tracejit.until(np.max(outputs[0]) >= self.stop)

    def call(self, arrays: Any, n_steps: Any) -> Any:
        """The scan itself, on `arrays()` or traced ones."""
        sequences, states, others = arrays
        return tracejit.scan(
            self.body,
            [
                x if taps == (0,) else dict(input=x, taps=list(taps))
                for x, (_, taps) in zip(sequences, self.sequences, strict=True)
            ],
            [
                None if s is None else x if s[1] == (-1,) else dict(initial=x, taps=list(s[1]))
                for x, s in zip(states, self.states, strict=True)
            ],
            others,
            n_steps,
            go_backwards=self.backwards,
        )

    def arrays(self) -> Any:
        return (
            [x for x, _ in self.sequences],
            [np.zeros(0) if s is None else s[0] for s in self.states],
            list(self.others),
        )

    def expected(self) -> list[np.ndarray]:
        """What it gives, by a loop over Python lists."""
        columns = []
        for x, taps in self.sequences:
            low, high = min(0, *taps), max(0, *taps)
            positions = range(-low, len(x) - high)
            order = list(reversed(positions)) if self.backwards else list(positions)
            columns.append([[x[p + tap] for tap in taps] for p in order])
        steps = min(map(len, columns), default=0) if self.n_steps is None else self.n_steps
        history = [
            [] if s is None else [s[0]] if s[1] == (-1,) else list(s[0][: -min(s[1])])
            for s in self.states
        ]
        given = [len(h) for h in history]
        for k in range(steps):
            args = [x for column in columns for x in column[k]]
            for s, h in zip(self.states, history, strict=True):
                args += [] if s is None else [h[tap] for tap in s[1]]
            found = self.body(*args, *self.others)
            stop = False
            if self.stop is not None:
                found, condition = found
                stop = bool(condition.cond)
            found = found if isinstance(found, (tuple, list)) else [found]
            for h, y in zip(history, found, strict=True):
                h.append(y)
            if stop:
                break
        return [np.array(h[n:]) for h, n in zip(history, given, strict=True)]


@st.composite
def scans(draw: Callable[..., Any]) -> Scan:
    shape = draw(st.sampled_from([(), (), (2,), (2, 3)]))
    backwards = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def array(*dims: int) -> np.ndarray:
        found = rng.integers(-4, 5, (*dims, *shape)).astype(draw(st.sampled_from(DTYPES)))
        return found / 2 if found.dtype.kind == "f" else found

    sequences = []
    for _ in range(draw(st.integers(0, 2))):
        taps = draw(st.lists(st.integers(-2, 2), min_size=1, max_size=3, unique=True))
        chosen = (0,) if draw(st.booleans()) else tuple(taps)
        sequences.append((array(draw(st.integers(0, 8))), chosen))
    states: list[Any] = []
    for _ in range(draw(st.integers(1, 2))):
        if sequences and draw(st.integers(0, 3)) == 0:
            states.append(None)
        elif draw(st.booleans()):
            states.append((array(), (-1,)))
        else:
            taps = tuple(draw(st.lists(st.integers(-3, -1), min_size=1, max_size=3, unique=True)))
            rows = -min(taps) + draw(st.integers(0, 1))
            states.append((array() if taps == (-1,) else array(rows), taps))
    lengths = [max(0, len(x) - max(0, *taps) + min(0, *taps)) for x, taps in sequences]
    most = min(lengths, default=7)
    n_steps = draw(st.integers(0, most)) if not sequences or draw(st.booleans()) else None
    others = (array(),) if draw(st.booleans()) else ()
    stop = draw(st.one_of(st.none(), st.integers(5, 18)))
    return Scan(tuple(sequences), tuple(states), others, n_steps, backwards, stop)
