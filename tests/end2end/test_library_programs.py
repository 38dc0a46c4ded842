"""Random programs that mix library calls, run-time sizes, draws, views and writes in place."""

from __future__ import annotations

import copy
import linecache
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit

SIZE = 7
VECTORS = [
    "{v} * 2 + 1",
    "np.linalg.solve({m} + 9 * np.eye(7), {v})",
    "rng.normal(size=x.shape)",
    "rng.gamma(np.abs({v}) + 1)",
    "rng.permutation({v})",
    "np.sort({v})",
    "np.fft.irfft(np.fft.rfft({v}) * 0.5, n=7)",
    "{v}[::-1]",
    "{m}.sum(axis=0) + rng.random()",
    "{v}[np.argsort({v})]",
    "np.cumsum({v}) / 7",
    "{m}[{i}]",
    "np.linalg.det({m} / 5) * {v}",
    "np.clip({v}, -3, 3)",
    "x * {v}[{v} > 0.2].sum() + {v}[{v} < 0.7].size",
    "np.full(7, np.unique(np.round({v}, 1)).size) + {v}",
]
MATRICES = ["np.linalg.qr({m})[1]", "{m} @ {m}.T / 9", "np.outer({v}, {v}) / 5", "{m}.T"]
WRITES = [
    "{v}[1:] += {i}",
    "{v}[{v} > 1] = 0.5",
    "{m}[{i}] = {v}",
    "rng.shuffle({v})",
    "{v}[: ({v} > 0.3).sum()] -= 0.25",
    "{m}[:, {i}] *= {v}",
]


def program(seed: int) -> str:
    """The text of a function of two vectors, a matrix and a generator."""
    choose = random.Random(seed)
    vectors, matrices = ["x", "y"], ["a"]
    lines = ["def f(x, y, a, rng):"]
    for k in range(choose.randint(4, 14)):
        kind = choose.choice([VECTORS, VECTORS, MATRICES, WRITES])
        text = choose.choice(kind)
        while "{v}" in text or "{m}" in text or "{i}" in text:
            text = text.replace("{v}", choose.choice(vectors), 1)
            text = text.replace("{m}", choose.choice(matrices), 1)
            text = text.replace("{i}", str(choose.randrange(SIZE)), 1)
        if kind is not WRITES:
            text = f"t{k} = {text}"
            (vectors if kind is VECTORS else matrices).append(f"t{k}")
        lines.append(f"    {text}")
    shown = choose.sample(vectors, min(3, len(vectors)))
    lines.append(f"    return {', '.join(shown)}, {choose.choice(matrices)}")
    return "\n".join(lines)


def function(seed: int) -> Callable[..., Any]:
    source, name = program(seed), f"<program {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(60))
def test_program(seed: int) -> None:
    f = function(seed)
    data = np.random.default_rng(seed)
    mine = [data.random(SIZE), data.random(SIZE), data.random((SIZE, SIZE))]
    theirs = copy.deepcopy(mine)
    my_rng, their_rng = np.random.default_rng(1), np.random.default_rng(1)
    jitted = tracejit.jit(f)
    for _ in range(2):
        try:
            expected = f(*theirs, their_rng)
        except np.linalg.LinAlgError:
            return
        found = jitted(*mine, my_rng)
        for a, b in zip((*found, *mine), (*expected, *theirs), strict=True):
            if not np.all(np.isfinite(b)) or np.abs(b).max(initial=0) > 1e6:
                return
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=program(seed))
        assert my_rng.bit_generator.state == their_rng.bit_generator.state
