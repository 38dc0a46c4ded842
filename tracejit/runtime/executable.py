"""Compiled programs as something Python can call.

The fast way is a built-in function made by the native runtime, which checks the arguments and calls
the code without running a line of Python; it is driven by the words that `spec_words` writes (see
`codegen_cpu/native.py` for their meaning).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit.ir.program import Call, Program, Result, ResultPart
from tracejit.runtime.calls import CALLBACK, Site

C_CONTIGUOUS, F_CONTIGUOUS, ALIGNED, WRITEABLE = 1, 2, 0x100, 0x400
_WEAK_KINDS = {float: 1, int: 2, complex: 3, np.random.Generator: 5}


@dataclass(frozen=True)
class InputSource:
    """Where an input comes from at a call: `argument` a number, or a container and key.

    `kind` is `argument`, `dict`, `cell`, `object`, `attribute` or `item`.
    """

    kind: str
    holder: Any = None
    key: Any = None
    argument: int = 0


_SOURCES = {"argument": 0, "dict": 1, "cell": 2, "object": 3, "attribute": 4, "item": 5}


@dataclass(frozen=True)
class ResultKind:
    """How a result becomes an object: `array` and `scalar` are new, `input` is input number
    `number` itself, `view` a view of it, `constant` is `value`; `same` is the result of row
    `number`, `part` a view of it. `place` is where in the tuple, -1 for what is only an owner."""

    kind: str
    number: int = 0
    value: Any = None
    place: int = 0


_RESULTS = {"array": 0, "scalar": 1, "input": 2, "view": 3, "constant": 4, "same": 5, "part": 6}


class Spec:
    """The words of one specialization, and what they point to, kept alive."""

    def __init__(
        self,
        program: Program,
        main: int,
        frame_words: int,
        result_words: Sequence[int],
        sources: Sequence[InputSource],
        guards: Sequence[tuple[InputSource, Any]],
        results: Sequence[ResultKind],
        single: bool,
        always_release: bool = False,
        written: Sequence[int] = (),
    ) -> None:
        self.kept: list[Any] = [program]
        header = 10
        inputs = [
            self._input(source, param, number in written)
            for number, (source, param) in enumerate(zip(sources, program.params, strict=True))
        ]
        inputs += [self._guard(source, expected) for source, expected in guards]
        shown: list[Result | ResultPart] = [*program.results, *program.views]
        given = iter(zip(shown, result_words, strict=True))
        outputs = []
        for kind in results:
            if kind.kind in ("array", "scalar", "view", "part"):
                row = self._result(kind, *next(given))
            elif kind.kind == "constant":
                row = [_RESULTS["constant"], 0, self._keep(kind.value), 0, 0, 0]
            else:
                row = [_RESULTS[kind.kind], 0, 0, 0, kind.number, 0]
            outputs.append([*row, kind.place])
        constants = []
        for slot, array in program.constants:
            self.kept.append(array)
            constants.append([slot, array.ctypes.data])
        for step in program.walk():
            if isinstance(step, Call):
                site = Site(program, step)
                self.kept.append(site)
                constants += [[step.slot, CALLBACK], [step.slot + 1, site.number]]
                # Python runs in between: nothing that the call looks at may go meanwhile.
                always_release = True
        first_output = header + 12 * len(inputs)
        items = -1 if single else sum(kind.place >= 0 for kind in results)
        first_constant = first_output + 7 * len(outputs)
        words = [
            main, frame_words, len(inputs), header, len(outputs), first_output, items,
            int(always_release), len(constants), first_constant,
        ]  # fmt: skip
        for row in (*inputs, *outputs, *constants):
            words += row
        self.words = np.array(words, np.int64)

    @property
    def address(self) -> int:
        return int(self.words.ctypes.data)

    def _keep(self, obj: Any) -> int:
        self.kept.append(obj)
        return id(obj)

    def _source(self, source: InputSource) -> list[int]:
        kind = _SOURCES[source.kind]
        if source.kind == "argument":
            return [kind, source.argument, 0]
        key = self._keep(source.key) if source.key is not None else 0
        return [kind, self._keep(source.holder), key]

    def _input(self, source: InputSource, param: Any, written: bool) -> list[int]:
        where = self._source(source)
        if param.weak is not None:
            kind = _WEAK_KINDS[param.weak]
            return [*where, 0, kind, param.slot, 0, 0, 0, 0, id(param.weak), 0]
        type = param.type
        # Strided code also works for contiguous arrays, but these deserve code of their own.
        mask = C_CONTIGUOUS | F_CONTIGUOUS
        mask, flags = {"C": (C_CONTIGUOUS,) * 2, "F": (F_CONTIGUOUS,) * 2}.get(
            param.layout, (mask, 0)
        )
        distance = type.dtype.itemsize if param.layout == "I" else 0
        descr = self._keep(np.dtype(type.dtype))
        if written:
            mask, flags = mask | WRITEABLE, flags | WRITEABLE
        return [
            *where, 2 * type.dtype.itemsize + written, 0, param.slot, descr, type.ndim,
            mask | ALIGNED, flags | ALIGNED, id(np.ndarray), distance,
        ]  # fmt: skip

    def _guard(self, source: InputSource, expected: Any) -> list[int]:
        return [*self._source(source), self._keep(expected), 4, 0, 0, 0, 0, 0, 0, 0]

    def _result(self, kind: ResultKind, result: Result | ResultPart, word: int) -> list[int]:
        ref = result.ref
        descr = self._keep(np.dtype(ref.dtype))
        flags = ALIGNED | WRITEABLE
        if isinstance(result, ResultPart) and not result.writeable:
            flags = ALIGNED
        return [_RESULTS[kind.kind], word, descr, len(ref.shape), kind.number, flags]


class Table:
    """The specializations of one function, as the native entry reads them; the newest is first."""

    MOST = 24

    def __init__(self, arguments: int) -> None:
        self.words = np.zeros(3 + self.MOST, np.int64)
        self.words[0] = arguments
        self.specs: list[Spec] = []

    def add(self, spec: Spec) -> None:
        """Put `spec` in front. One beyond the room drops out of the fast way, not out of use."""
        self.specs.insert(0, spec)
        shown = self.specs[: self.MOST]
        # A reader without the lock sees fewer specializations for a moment, never a wrong one.
        self.words[1] = 0
        self.words[3 : 3 + len(shown)] = [s.address for s in shown]
        self.words[1] = len(shown)

    @property
    def hits(self) -> int:
        return int(self.words[2])
