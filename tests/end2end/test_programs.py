"""Unmodified NumPy programs: results, arguments afterwards and shared memory are NumPy's."""

from __future__ import annotations

import copy
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracejit import jit

from .programs.program import Program
from .programs.waiting import WAITING

FIELDS = (
    "dense", "flow", "learning", "numerics", "physics", "signals", "stencils", "views",
    *(path.stem for path in sorted((Path(__file__).parent / "programs").glob("loops_*.py"))),
)  # fmt: skip
PROGRAMS = [
    program
    for field in FIELDS
    for program in import_module(f"tests.end2end.programs.{field}").PROGRAMS
]
RUN = [program for program in PROGRAMS if program.name not in WAITING]


def test_programs_have_names_of_their_own():
    names = [program.name for program in PROGRAMS]
    assert len(set(names)) == len(names)
    assert set(names) >= WAITING


def arguments(program: Program, seed: int, layout: str = "C") -> tuple[Any, ...]:
    rng = np.random.default_rng([seed, zlib.crc32(program.name.encode())])
    return tuple(laid_out(arg, layout) for arg in program.arguments(rng))


def laid_out(arg: Any, layout: str) -> Any:
    """The array in another place of memory: Fortran's order, or every second element of a larger
    one, backwards along the first axis."""
    if not isinstance(arg, np.ndarray) or layout == "C":
        return np.array(arg) if isinstance(arg, np.ndarray) else arg
    if layout == "F":
        return np.asfortranarray(arg)
    room = np.zeros([2 * n for n in arg.shape], arg.dtype)
    place = room[tuple([slice(None, None, -2), *[slice(1, None, 2)] * (arg.ndim - 1)])]
    place[...] = arg
    return place


def leaves(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return [leaf for key in sorted(x) for leaf in leaves(x[key])]
    if isinstance(x, (list, tuple)):
        return [leaf for item in x for leaf in leaves(item)]
    return [] if x is None else [x]


def structure(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: structure(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x), [structure(item) for item in x]
    return x is None


def assert_same(got: Any, want: Any, program: Program, what: str) -> None:
    if isinstance(want, np.random.Generator):
        assert str(got.bit_generator.state) == str(want.bit_generator.state), what
        return
    assert type(got) is type(want), f"{what}: {type(got)}, NumPy gives {type(want)}"
    a, b = np.asarray(got), np.asarray(want)
    assert a.dtype == b.dtype, f"{what}: {a.dtype}, NumPy gives {b.dtype}"
    assert a.shape == b.shape, f"{what}: {a.shape}, NumPy gives {b.shape}"
    if b.dtype.kind in "fc":
        np.testing.assert_allclose(a, b, rtol=program.rtol, atol=program.atol, err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, err_msg=what)


def shared(results: list[Any], args: list[Any]) -> list[tuple[int, int]]:
    """Which results share memory with which arguments."""
    return [
        (i, j)
        for i, result in enumerate(results)
        for j, arg in enumerate(args)
        if isinstance(result, np.ndarray) and isinstance(arg, np.ndarray)
        if np.shares_memory(result, arg)
    ]


def check(compiled: Any, program: Program, args: tuple[Any, ...]) -> None:
    theirs, mine = _copies(args), _copies(args)
    with np.errstate(all="ignore"):
        want = program.function(*theirs)
    got = compiled(*mine)
    assert structure(got) == structure(want)
    for k, (a, b) in enumerate(zip(leaves(got), leaves(want), strict=True)):
        assert_same(a, b, program, f"result {k}")
    for k, (a, b) in enumerate(zip(leaves(mine), leaves(theirs), strict=True)):
        assert_same(a, b, program, f"argument {k} afterwards")
    assert shared(leaves(got), leaves(mine)) == shared(leaves(want), leaves(theirs))


def _copies(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies with the same strides: the memory that an array is a view of is copied as a whole."""
    return tuple(_copy(a) if isinstance(a, np.ndarray) else copy.deepcopy(a) for a in args)


def _copy(a: np.ndarray) -> np.ndarray:
    if a.base is None:
        return a.copy(order="K")
    base = a.base.copy(order="K")
    offset = a.__array_interface__["data"][0] - a.base.__array_interface__["data"][0]
    return np.ndarray(a.shape, a.dtype, base, offset, a.strides)


@pytest.mark.parametrize("program", RUN, ids=lambda p: p.name)
def test_programs_agree_with_numpy(program):
    compiled = jit(program.function)
    for seed in range(3):
        check(compiled, program, arguments(program, seed))


@pytest.mark.parametrize(
    ("program", "layout"),
    [(program, layout) for program in RUN for layout in program.layouts],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_programs_agree_with_numpy_in_other_layouts(program, layout):
    compiled = jit(program.function, mode="fast_compile")
    check(compiled, program, arguments(program, 3, layout))
