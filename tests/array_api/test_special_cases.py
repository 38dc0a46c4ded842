"""Special values: jitted functions against NumPy's, and against the standard's own sentences."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.array_api import namespace
from tests.array_api.recipes import KINDS
from tests.array_api.sentences import Sentence, sentences, standard_text
from tests.array_api.test_conformance import SPACES, of

LISTED = Path(__file__).with_name("xfails.txt").read_text(encoding="utf-8")
REALS = [
    0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0, 1e30, -1e30, 1e-30,
    np.inf, -np.inf, np.nan,
]  # fmt: skip
PARTS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -3.0, np.inf, -np.inf, np.nan]
FLOATING = [
    name for name in namespace.UNARY + namespace.BINARY if any(d.kind in "fc" for d in KINDS[name])
]


def grid(name: str, kind: str, size: int) -> list[np.ndarray]:
    """Arguments in which every combination of the special values occurs."""
    dtype = f"{kind}{size}"
    if kind == "f":
        count = 2 if name in namespace.BINARY else 1
        mesh = np.meshgrid(*[np.array(REALS, dtype)] * count, indexing="ij")
        return [np.ascontiguousarray(x.ravel()) for x in mesh]
    found = np.empty((len(PARTS), len(PARTS)), dtype)
    found.real, found.imag = np.array(PARTS)[:, None], PARTS
    flat = found.ravel()
    if name not in namespace.BINARY:
        return [flat]
    return [np.repeat(flat, flat.size), np.tile(flat, flat.size)]


def calls(name: str) -> list[tuple[str, int]]:
    kinds = {d.kind for d in KINDS[name]}
    return [(k, s) for k, s in (("f", 4), ("f", 8), ("c", 8), ("c", 16)) if k in kinds]


@functools.cache
def results(mode: str, name: str, kind: str, size: int) -> Any:
    function = getattr(np, name) if mode == "numpy" else of(SPACES[mode], name)
    with np.errstate(all="ignore"):
        return function(*grid(name, kind, size))


def assert_same_values(found: np.ndarray, expected: np.ndarray) -> None:
    """NaN where NaN is, the same zeros and infinities, other numbers up to rounding."""
    assert found.dtype == expected.dtype
    rtol = 1e-5 if found.dtype in (np.float32, np.complex64) else 1e-13
    if found.dtype.kind == "c":
        # A part that is small beside the other one is as exact as the whole number.
        finite = np.isfinite(found) & np.isfinite(expected)
        np.testing.assert_allclose(found[finite], expected[finite], rtol=rtol)
        assert_same_values(found.real[~finite], expected.real[~finite])
        assert_same_values(found.imag[~finite], expected.imag[~finite])
        for a, b in ((found.real, expected.real), (found.imag, expected.imag)):
            zero = (a == 0) & (b == 0)
            np.testing.assert_array_equal(np.signbit(a[zero]), np.signbit(b[zero]))
        return
    np.testing.assert_allclose(found, expected, rtol=rtol)
    if found.dtype.kind == "f":
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("name", FLOATING)
def test_special_values_are_numpys(name: str) -> None:
    for kind, size in calls(name):
        found = results("fast_compile", name, kind, size)
        assert_same_values(found, results("numpy", name, kind, size))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOATING)
def test_compiled_special_values_are_numpys(name: str) -> None:
    for kind, size in calls(name):
        found = results("fast_run", name, kind, size)
        assert_same_values(found, results("numpy", name, kind, size))


# The standard's sentences.


def failures(mode: str, case: Sentence) -> list[str]:
    """The inputs of which the sentence holds and whose outputs are others."""
    wrong = []
    for kind, size in calls(case.function):
        if (kind == "c") != case.is_complex:
            continue
        inputs = grid(case.function, kind, size)
        outputs = results(mode, case.function, kind, size)
        names = ["x_i"] if len(inputs) == 1 else ["x1_i", "x2_i"]
        for items in zip(*inputs, outputs, strict=True):
            values = {n: float(x.real) for n, x in zip(names, items[:-1], strict=True)}
            for (re, im), x in zip(("ab", "cd"), items[:-1], strict=False):
                values |= {re: float(x.real), im: float(x.imag)}
            if case.holds(values) and not case.wants(values, items[-1].item()):
                wrong.append(f"{items[:-1]} -> {items[-1]}")
    return wrong


@pytest.mark.parametrize("mode", ["fast_compile", pytest.param("fast_run", marks=pytest.mark.slow)])
def test_the_standards_sentences(mode: str) -> None:
    text = standard_text()
    if text is None:
        pytest.skip("the package types-array-api is not installed")
    found, unread = sentences(text, FLOATING)
    assert len(found) > 450 and len(unread) < 5
    wrong = [
        f"{case.function}: {case.text}\n    {bad[0]}"
        for case in found
        if (bad := failures(mode, case)) and not failures("numpy", case)
    ]
    assert not [line for line in wrong if line.split("\n")[0] not in LISTED], "\n".join(wrong)
