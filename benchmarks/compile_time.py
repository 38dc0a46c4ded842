"""The first call of straight-line functions of 10 to 3000 operations."""

from __future__ import annotations

import linecache
import random
from typing import Any

import numpy as np

from .elementwise import two_vectors
from .workload import Function, Size, Workload

STEPS = (  # operations that each costs, and the text; values in [-1, 1] stay there
    (2, "0.5 * ({x} + {y})"),
    (2, "0.5 * ({x} - {y})"),
    (1, "{x} * {y}"),
    (2, "np.cos({x} - {y})"),
    (2, "np.sqrt(np.abs({x}))"),
)


def straight_line_source(operations: int, seed: int) -> str:
    """A function of two vectors; every value is used, and another seed gives another text."""
    draw = random.Random(f"{operations}:{seed}")
    names, left = ["a", "b"], operations
    lines: list[str] = []
    while left > 0:
        cost, text = draw.choice([step for step in STEPS if step[0] <= left])
        names.append(f"t{len(lines)}")
        lines.append(f"    {names[-1]} = {text.format(x=names[-2], y=draw.choice(names[-9:-2]))}")
        left -= cost
    return "\n".join(["def straight_line(a, b):", *lines, f"    return {names[-1]}", ""])


def straight_line(size: Size, seed: int) -> Function:
    """The function, with its source where `inspect` and tracebacks find it."""
    source = straight_line_source(size[0], seed)
    filename = f"<straight line of {size[0]} operations, seed {seed}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    scope: dict[str, Any] = {"np": np, "__name__": __name__}
    exec(compile(source, filename, "exec"), scope)
    function: Function = scope["straight_line"]
    return function


def thousand_elements(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    a, b = two_vectors((1000,), rng)
    return a / 2, b / 2


def numba_loop(nb: Any) -> Any:
    """A loop over the scalar function: Numba takes ten times longer over array expressions."""

    def decorate(function: Function) -> Function:
        scalar = nb.njit(function)

        @nb.njit
        def run(a, b):
            out = np.empty_like(a)
            for i in range(a.size):
                out[i] = scalar(a[i], b[i])
            return out

        compiled: Function = run
        return compiled

    return decorate


WORKLOADS = [
    Workload(
        "compile",
        "first call, operations",
        straight_line((10,), 0),
        thousand_elements,
        quick=((10,), (100,), (1000,)),
        full=((10,), (30,), (100,), (300,), (1000,), (2000,), (3000,)),
        peers={"numba": numba_loop, "numpy": None, "numexpr": None},
        rtol=1e-6,
        atol=1e-9,
        generate=straight_line,
        largest={"numba": 1000, "pytensor": 300, "torch": 300},
    ),
]
