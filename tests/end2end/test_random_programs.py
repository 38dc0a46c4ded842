"""Random programs agree with NumPy: in results, in arguments afterwards, in what shares memory.

`TRACEJIT_RANDOM_PROGRAMS=10000` runs that many; `TRACEJIT_RANDOM_SEED=k` runs the one of that seed.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import tracejit
from tests.end2end.generator import Program
from tracejit import errors

COUNT = int(os.environ.get("TRACEJIT_RANDOM_PROGRAMS", "300"))
FIRST = int(os.environ.get("TRACEJIT_RANDOM_SEED", "0"))
CHUNK = 25
VARIANTS = 3
COMPILED = 24
"""How many are compiled; the others are interpreted, which tests the trace."""


def leaves(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return [leaf for value in x.values() for leaf in leaves(value)]
    if isinstance(x, (list, tuple)):
        return [leaf for item in x for leaf in leaves(item)]
    return [x]


def call(function: Any, arguments: list[np.ndarray]) -> tuple[Any, Exception | None]:
    try:
        with np.errstate(all="ignore"):
            return function(*arguments), None
    except Exception as error:
        return None, error


def is_ordinary(x: Any) -> bool:
    """Whether no number is so large, or NaN, that it is not defined what becomes of it."""
    if not isinstance(x, (np.ndarray, np.generic)) or not x.size:
        return True
    with np.errstate(all="ignore"):
        return bool(np.all(np.isfinite(x))) and float(np.max(np.abs(x.astype("c16")))) < 1e6


def sharing(arrays: list[Any]) -> list[list[bool]]:
    return [[bool(np.shares_memory(a, b)) for b in arrays] for a in arrays]


def compare(want: Any, got: Any, what: str) -> None:
    assert type(want) is type(got), f"{what}: {type(want)} but {type(got)}"
    if not isinstance(want, (np.ndarray, np.generic)):
        assert want == got, what
        return
    assert want.dtype == got.dtype, f"{what}: dtype {want.dtype} but {got.dtype}"
    assert want.shape == got.shape, f"{what}: shape {want.shape} but {got.shape}"
    if isinstance(want, np.ndarray):
        assert want.flags.writeable == got.flags.writeable, f"{what}: writeable"
    if want.dtype.kind in "fc":
        single = want.dtype.itemsize <= (4 if want.dtype.kind == "f" else 8)
        tolerance = 1e-4 if single else 1e-9
        np.testing.assert_allclose(got, want, tolerance, tolerance, err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, err_msg=what)


def check(seed: int, mode: str) -> None:
    """One program, with its arguments and with others that the same traces may be used for."""
    program = Program(seed)
    function = program.function()
    jitted = tracejit.jit(function, mode=mode)
    for variant in range(VARIANTS):
        check_call(program, function, jitted, variant)


def check_call(program: Program, function: Any, jitted: Any, variant: int) -> None:
    wanted, given = program.arguments(variant), program.arguments(variant)
    want, expected = call(function, wanted)
    got, error = call(jitted, given)
    if expected is not None:
        assert error is not None, f"NumPy raises {expected!r}"
        assert isinstance(error, type(expected).__mro__[-4:-1]), f"{error!r}, not {expected!r}"
        for k, (x, y) in enumerate(zip(program.arguments(variant), given, strict=True)):
            compare(x, y, f"argument {k} after an error")
        return
    if isinstance(error, errors.MutationError) and variant and "np.copyto" in program.source:
        return  # NumPy lets np.copyto(x, x) pass where x is a view of a read-only array.
    if error is not None:
        raise error
    if isinstance(want, (dict, list, tuple)):
        assert type(want) is type(got)
    wants, gots = [*wanted, *leaves(want)], [*given, *leaves(got)]
    assert len(wants) == len(gots)
    if variant and not all(map(is_ordinary, wants)):
        return
    for k, (x, y) in enumerate(zip(wants, gots, strict=True)):
        place = f"argument {k}" if k < len(wanted) else f"result {k - len(wanted)}"
        compare(x, y, f"call {variant}, {place}")
    arrays = [k for k, x in enumerate(wants) if isinstance(x, np.ndarray)]
    ours = sharing([gots[k] for k in arrays])
    theirs = sharing([wants[k] for k in arrays])
    assert ours == theirs, (
        f"call {variant}, shared memory of arguments, then results: {theirs} but {ours}"
    )


def run(seed: int, mode: str) -> None:
    try:
        check(seed, mode)
    except Exception as error:
        error.add_note(f"seed {seed}, mode {mode}\n{Program(seed).source}")
        raise


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_traced(first: int) -> None:
    for seed in range(first, min(first + CHUNK, FIRST + COUNT)):
        run(seed, "fast_compile")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + min(COUNT, COMPILED)))
def test_compiled(seed: int) -> None:
    run(seed, "fast_run")
