"""Random programs of scans, folds, loops and branches agree with what they do in plain Python.

`TRACEJIT_RANDOM_SCANS=1000` runs that many; `TRACEJIT_RANDOM_SEED=k` starts with the one of that
seed.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import tracejit
from tests.end2end.scan_generator import Program
from tests.library import assert_equal

COUNT = int(os.environ.get("TRACEJIT_RANDOM_SCANS", "60"))
FIRST = int(os.environ.get("TRACEJIT_RANDOM_SEED", "0"))
COMPILED = 3
"""One in so many is compiled as well."""
CHUNK = 10


@pytest.mark.parametrize("start", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_scans(start: int) -> None:
    for seed in range(start, min(start + CHUNK, FIRST + COUNT)):
        agrees(Program(seed), "fast_compile")
        if seed % COMPILED == 0:
            agrees(Program(seed), "fast_run")


def agrees(program: Program, mode: str) -> None:
    function, theirs, mine = program.function(), program.arguments(), program.arguments()
    with np.errstate(all="ignore"):
        expected = function(*theirs)
    if not all(map(is_ordinary, (*expected, *theirs))):
        return
    try:
        found = tracejit.jit(function, mode=mode)(*mine)
        for a, b in zip((*found, *mine), (*expected, *theirs), strict=True):
            assert_equal(np.asarray(a), np.asarray(b), 1e-9)
    except Exception as error:
        raise AssertionError(f"seed {program.seed}, {mode}:\n{program.source}") from error


def is_ordinary(x: Any) -> bool:
    """Whether no number is so large, or NaN, that rounding decides what becomes of it."""
    return bool(np.all(np.isfinite(x)) and np.all(np.abs(x) < 1e6))
