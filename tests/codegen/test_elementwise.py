"""Every elementwise record, compiled, on every loop it has: equal to NumPy's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.ops.numpy_scalars import run_body
from tests.ops.test_elementwise import (
    ATTRS,
    MAX_ULP,
    SLACK,
    differences,
    input_loops,
    operands,
    restrict,
)
from tracejit import jit
from tracejit.ir.opdef import OPS, OpDef
from tracejit.ir.types import SHORT_NAMES
from tracejit.trace import prim

Case = tuple[OpDef, dict[str, Any]]
OPS_PER_FUNCTION = 8
LOOSE: dict[str, Any] = {
    "gamma": lambda expected: 16,
    # A sum of logarithms: what counts is their size, where they cancel.
    "gammaln": lambda expected: 16 / np.minimum(np.abs(expected), 1),
}
"""How many ULP C's own library may be off."""


def signatures() -> dict[tuple[np.dtype, ...], list[Case]]:
    """The records that have a loop for these input dtypes."""
    found: dict[tuple[np.dtype, ...], list[Case]] = {}
    for record in OPS.values():
        if record.elementwise:
            for dtypes in input_loops(record):
                for attrs in ATTRS.get(record.name, [{}]):
                    found.setdefault(dtypes, []).append((record, attrs))
    return found


def batches() -> Iterator[Any]:
    """Some ops of one signature each; a few of them run by default, that meet every op once."""
    seen: set[str] = set()
    common = {"d", "f", "dd", "ff", "l", "ll", "?", "D", "DD", "e", "ee", "BB", "hh"}
    for dtypes, cases in signatures().items():
        name = "-".join(SHORT_NAMES[d] for d in dtypes)
        chars = "".join(d.char for d in dtypes)
        for k in range(0, len(cases), OPS_PER_FUNCTION):
            batch = cases[k : k + OPS_PER_FUNCTION]
            new = {record.name for record, _ in batch} - seen
            quick = chars in common and bool(new or chars in ("d", "dd"))
            seen |= new if quick else set()
            marks = () if quick else (pytest.mark.slow,)
            yield pytest.param(dtypes, batch, id=f"{name}-{batch[0][0].name}", marks=marks)


def compiled(batch: list[Case]) -> Any:
    """A function of a list of operands for each op, that gives the result of each op."""

    def run(inputs: Any) -> Any:
        return tuple(
            prim.apply(record.name, *prim.aligned(*xs), **attrs)
            for (record, attrs), xs in zip(batch, inputs, strict=True)
        )

    return jit(run)


def sample(arrays: list[np.ndarray], n: int) -> list[np.ndarray]:
    """`n` elements, of the special values and the ordinary ones in turn."""
    total = len(arrays[0])
    rng = np.random.default_rng(n)
    keep = rng.permutation(total)[:n] if n < total else np.arange(total)
    return [np.ascontiguousarray(a[keep]) for a in arrays]


def check(record: OpDef, attrs: dict[str, Any], arrays: list[np.ndarray], found: Any) -> None:
    with np.errstate(all="ignore"):
        expected = np.asarray(record.evaluate(*arrays, **attrs))
    assert found.dtype == expected.dtype, record.name
    assert found.shape == expected.shape, record.name
    _, exact = run_body(record, arrays, **attrs)
    zeros = record.name not in ("maximum", "minimum", "fmax", "fmin")
    slack = SLACK.get((record.name, expected.dtype.kind))
    allowed: Any = 0 if exact else MAX_ULP + (slack(expected, *arrays) if slack else 0)
    if record.name in LOOSE:
        with np.errstate(all="ignore"):
            allowed = np.nan_to_num(LOOSE[record.name](expected), posinf=1e300)
    wrong = np.flatnonzero(differences(found, expected, allowed, zeros))
    shown = [([a[k] for a in arrays], found[k], expected[k]) for k in wrong[:6]]
    assert not len(wrong), (
        f"{record.name}: {len(wrong)} of {len(found)}: (inputs, compiled, NumPy) {shown}"
    )


@pytest.mark.parametrize(("dtypes", "batch"), list(batches()))
def test_compiled_equals_numpy(dtypes: tuple[np.dtype, ...], batch: list[Case]) -> None:
    function = compiled(batch)
    whole = [restrict(record, operands(record, dtypes), attrs) for record, attrs in batch]
    wrong = []
    # All lanes and a tail, a tail alone, one element, none.
    for n in (10_000, 67, 3, 1, 0):
        inputs = [sample(arrays, n) for arrays in whole]
        for (record, attrs), arrays, found in zip(batch, inputs, function(inputs), strict=True):
            try:
                check(record, attrs, arrays, found)
            except AssertionError as error:
                wrong.append(f"n={n} {error}")
    assert not wrong, "\n".join(wrong)
