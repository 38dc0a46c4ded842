"""Random programs with loops agree with NumPy: in results, and in arguments afterwards.

`TRACEJIT_RANDOM_PROGRAMS=10000` runs a third of that many, as they take longer than those without
loops; `TRACEJIT_RANDOM_SEED=k` runs the one of that seed.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tracejit
from tests.end2end.loop_generator import LARGEST, LoopProgram
from tracejit import errors

COUNT = -(-int(os.environ.get("TRACEJIT_RANDOM_PROGRAMS", "300")) // 3)
FIRST = int(os.environ.get("TRACEJIT_RANDOM_SEED", "0"))
CHUNK = 20
VARIANTS = 3
COMPILED = 8
"""How many are compiled; the others are interpreted, which tests the trace."""
REFUSALS = errors.MutationError, errors.ControlFlowError
"""Where a name may be one array or another, what is written through it may be refused."""
MOST_REFUSALS = 3


def is_ordinary(x: Any) -> bool:
    """Whether every number is one that floats hold exactly."""
    return bool(np.all(np.abs(np.asarray(x, "f8")) < LARGEST))


def compare(want: Any, got: Any, what: str) -> None:
    """Exactly equal. The dtype of a number that a loop computes is the one that NumPy's promotion
    gives to all of its turns, that of an array does not depend on turns."""
    assert np.shape(want) == np.shape(got), f"{what}: {np.shape(want)} but {np.shape(got)}"
    if np.ndim(want):
        assert want.dtype == got.dtype, f"{what}: {want.dtype} but {got.dtype}"
    np.testing.assert_array_equal(got, want, err_msg=what)


def check(program: LoopProgram, mode: str) -> None:
    """One program, with arguments of several sizes."""
    function = program.function()
    jitted = tracejit.jit(function, mode=mode)
    for variant in range(VARIANTS):
        wanted, given = program.arguments(variant), program.arguments(variant)
        want = function(*wanted)
        if not all(map(is_ordinary, [*wanted, *want])):
            continue
        got = jitted(*given)
        assert len(want) == len(got)
        for k, (x, y) in enumerate(zip(wanted, given, strict=True)):
            compare(x, y, f"call {variant}, argument {k}")
        for k, (x, y) in enumerate(zip(want, got, strict=True)):
            compare(x, y, f"call {variant}, result {k}")


def run(program: LoopProgram, mode: str) -> bool:
    """Whether it agrees with NumPy; False where it is refused."""
    try:
        check(program, mode)
        return True
    except REFUSALS:
        return False
    except Exception as error:
        error.add_note(f"program {program.label}, mode {mode}\n{program.source}")
        raise


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_traced(first: int) -> None:
    seeds = range(first, min(first + CHUNK, FIRST + COUNT))
    done = [run(LoopProgram(Random(seed), str(seed)), "fast_compile") for seed in seeds]
    assert done.count(False) <= MOST_REFUSALS


@pytest.mark.parametrize("seed", range(FIRST, FIRST + min(COUNT, COMPILED)))
def test_compiled(seed: int) -> None:
    run(LoopProgram(Random(seed), str(seed)), "fast_run")


@settings(
    max_examples=max(20, COUNT // 5),
    suppress_health_check=[
        HealthCheck.large_base_example,
        HealthCheck.data_too_large,
        HealthCheck.too_slow,
    ],
)
@given(st.randoms(use_true_random=False))
def test_shrinking(rng: Random) -> None:
    """The same programs as Hypothesis chooses them: what fails here is shrunk."""
    run(LoopProgram(rng, "of Hypothesis"), "fast_compile")
