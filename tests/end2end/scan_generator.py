"""Random programs made of scans, folds, loops and branches in each other, as Python source.

A program is an expression of numbers and arrays of three elements, whose parts may be a scan over a
part, a branch on a part, or a helper that writes.
"""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from typing import Any

import numpy as np

import tracejit

SOURCE = """\
def put(v, k, e):
    v = v.copy()
    v[k] = e
    return v


def pad(y):
    out = np.zeros(3)
    out[: y.shape[0]] = y
    return out


def program(x, A, n, count):
    def tally(e):
        count[0] += 1
        count[1:] += np.max(e) * 0.125
        return e * 1.0

    number = {number}
    array = {array}
    return number, array, x * 1
"""

BOTH = ("add", "mix", "minimum", "tanh", "ifelse", "values", "while", "fori", "tally")
NUMBERS = ("sum", "item", "max", "dot", "reduce", "reduce_two")
ARRAYS = ("scale", "reverse", "roll", "outer", "put", "scan", "scan_two", "map", "until", "taps")

Names = list[tuple[str, int]]
"""Expressions that may be used as they are, each with its rank."""


class Expressions:
    """Random expressions; `depth` bounds how deep they nest."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def fresh(self, count: int) -> list[str]:
        self.names += count
        return [f"v{k}" for k in range(self.names - count, self.names)]

    def threshold(self) -> float:
        return self.random.choice([-0.5, 0.1, 0.6])

    def any(self, known: Names, rank: int, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.12:
            return self.random.choice([text for text, r in known if r == rank])
        name = self.random.choice(BOTH + (ARRAYS if rank else NUMBERS))
        made = getattr(self, "_" + name)(known, rank, depth - 1)
        return f"({made})"

    def _add(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, rank, depth)} + {self.any(known, rank, depth)}"

    def _mix(self, known: Names, rank: int, depth: int) -> str:
        factor = self.random.choice([0.5, -0.25, 2])
        return f"{self.any(known, rank, depth)} * {factor} - {self.any(known, rank, depth)}"

    def _minimum(self, known: Names, rank: int, depth: int) -> str:
        return f"np.minimum({self.any(known, rank, depth)}, {self.any(known, rank, depth)})"

    def _tanh(self, known: Names, rank: int, depth: int) -> str:
        return f"np.tanh({self.any(known, rank, depth)})"

    def _tally(self, known: Names, rank: int, depth: int) -> str:
        return f"tally({self.any(known, rank, depth)})"

    def _ifelse(self, known: Names, rank: int, depth: int) -> str:
        test, *sides = (self.any(known, r, depth) for r in (0, rank, rank))
        # Floats both: in plain Python the side that is not called has no say in the dtype.
        first, second = (f"lambda: {side} * 1.0" for side in sides)
        return f"ifelse({test} > {self.threshold()}, {first}, {second})"

    def _values(self, known: Names, rank: int, depth: int) -> str:
        test, *sides = (self.any(known, r, depth) for r in (0, rank, rank))
        return f"ifelse({test} > {self.threshold()}, {sides[0]}, {sides[1]})"

    def _while(self, known: Names, rank: int, depth: int) -> str:
        (v,) = self.fresh(1)
        steps = self.random.randint(0, 3)
        body = self.any([*known, (f"{v}[0]", rank)], rank, depth - 1)
        first = self.any(known, rank, depth - 1)
        return (
            f"while_loop(lambda {v}: {v}[1] < {steps}, lambda {v}: ({body}, {v}[1] + 1), "
            f"({first}, 0))[0]"
        )

    def _fori(self, known: Names, rank: int, depth: int) -> str:
        i, v = self.fresh(2)
        low = self.random.choice(["0", "1", "x.shape[0] - 3", "n - 1"])
        high = self.random.choice(["2", "3", "n", "x.shape[0]"])
        body = self.any([*known, (v, rank), (f"{i} * 0.25", 0)], rank, depth)
        first = self.any(known, rank, depth - 1)
        return f"fori_loop({low}, {high}, lambda {i}, {v}: {body}, {first})"

    # Numbers.

    def _sum(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)}.sum()"

    def _item(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)}[{self.random.choice(['0', '1', '-1', 'n % 3'])}]"

    def _max(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)}.max()"

    def _dot(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)} @ {self.any(known, 1, depth)} * 0.25"

    def _initial(self, known: Names, depth: int) -> str:
        return self.random.choice(["0", "0.5", self.any(known, 0, depth)])

    def _reduce(self, known: Names, rank: int, depth: int) -> str:
        a, v = self.fresh(2)
        body = self.any([*known, (a, 0), (v, 0)], 0, depth)
        over = self.any(known, 1, depth - 1)
        return f"reduce(lambda {a}, {v}: {body}, {over}, {self._initial(known, depth - 1)})"

    def _reduce_two(self, known: Names, rank: int, depth: int) -> str:
        a, v, w = self.fresh(3)
        inner = [*known, (a, 0), (v, 0), (w, 1)]
        body = f"{self.any(inner, 0, depth)}, {self.any(inner, 1, depth - 1)}"
        over, first = self.any(known, 1, depth - 1), self.any(known, 1, depth - 1)
        return f"reduce(lambda {a}, {v}, {w}: ({body}), {over}, [0.25, {first}])[0]"

    # Arrays.

    def _scale(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)} * {self.any(known, 0, depth - 1)}"

    def _reverse(self, known: Names, rank: int, depth: int) -> str:
        return f"{self.any(known, 1, depth)}[::-1]"

    def _roll(self, known: Names, rank: int, depth: int) -> str:
        return f"np.roll({self.any(known, 1, depth)}, 1)"

    def _outer(self, known: Names, rank: int, depth: int) -> str:
        return f"(A * {self.any(known, 0, depth - 1)}).sum(axis=0)"

    def _put(self, known: Names, rank: int, depth: int) -> str:
        k = self.random.choice(["0", "1", "2", "n % 3"])
        return f"put({self.any(known, 1, depth)}, {k}, {self.any(known, 0, depth - 1)})"

    def _scan(self, known: Names, rank: int, depth: int) -> str:
        a, v = self.fresh(2)
        body = self.any([*known, (a, 0), (v, 0)], 0, depth)
        over, first = self.any(known, 1, depth - 1), self._initial(known, depth - 1)
        backwards = self.random.choice(["", ", go_backwards=True"])
        return f"scan(lambda {a}, {v}: {body}, {over}, {first}{backwards})"

    def _scan_two(self, known: Names, rank: int, depth: int) -> str:
        a, v, w = self.fresh(3)
        inner = [*known, (a, 1), (v, 0), (w, 1)]
        body = f"{self.any(inner, 0, depth)}, {self.any(inner, 1, depth - 1)}"
        used = self.random.choice(["[0]", "[1][-1]", "[1].sum(axis=0)"])
        first = self.any(known, 1, depth - 1)
        return f"scan(lambda {a}, {v}, {w}: ({body}), A, [0.25, {first}]){used}"

    def _map(self, known: Names, rank: int, depth: int) -> str:
        (a,) = self.fresh(1)
        body = self.any([*known, (a, 0)], 0, depth)
        return f"map(lambda {a}: {body}, {self.any(known, 1, depth - 1)})"

    def _until(self, known: Names, rank: int, depth: int) -> str:
        a, v = self.fresh(2)
        body = self.any([*known, (a, 0), (v, 0)], 0, depth)
        over = self.any(known, 1, depth - 1)
        return f"pad(scan(lambda {a}, {v}: ({body}, until({v} > 0.3)), {over}, 0.25))"

    def _taps(self, known: Names, rank: int, depth: int) -> str:
        a, v = self.fresh(2)
        body = self.any([*known, (a, 0), (v, 0)], 0, depth)
        first = f"dict(initial=np.array([0.5, {self.any(known, 0, depth - 1)}]), taps=[-2, -1])"
        return f"scan(lambda {a}, {v}: {body}, None, {first}, n_steps=3)"


class Program:
    """A program: its source, its function, and how to make its arguments."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        made = Expressions(seed)
        depth = made.random.choice([2, 3, 4, 5])
        known: Names = [
            ("x", 1), ("A[0]", 1), ("A[:, 1]", 1), ("x[0]", 0), ("n * 0.1", 0), ("count[1]", 0),
        ]  # fmt: skip
        number = made.any(known, 0, depth)
        array = made.any([*known, ("number", 0)], 1, depth)
        self.source = SOURCE.format(number=number, array=array)

    def function(self) -> Callable[..., Any]:
        file = f"<scans {self.seed}>"
        lines = self.source.splitlines(keepends=True)
        linecache.cache[file] = (len(self.source), None, lines, file)
        names = {name: getattr(tracejit, name) for name in tracejit.__all__}
        names["np"] = np
        exec(compile(self.source, file, "exec"), names)
        return names["program"]  # type: ignore[no-any-return]

    def arguments(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(self.seed)
        return rng.normal(size=3), rng.normal(size=(3, 3)), int(rng.integers(0, 4)), np.zeros(3)
