"""Every elementwise record, on every loop it has: the scalar body equals NumPy."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tracejit.ir.ops  # noqa: F401
from tests.ops.numpy_scalars import run_body
from tests.strategies import random_values, special_values
from tracejit.ir.opdef import OPS, OpDef, resolve_loop
from tracejit.ir.types import SHORT_NAMES, TensorType

MAX_ULP = 4
ATTRS: dict[str, list[dict[str, Any]]] = {"cast": [{"dtype": d} for d in SHORT_NAMES]}


def input_loops(record: OpDef) -> list[tuple[np.dtype, ...]]:
    """The input dtypes of every loop of `record`."""
    if record.ufunc is None:
        assert record.loops, f"{record.name} has neither a ufunc nor loops"
        found = [tuple(map(np.dtype, loop)) for loop in record.loops.split()]
    else:
        names = [loop.split("->")[0] for loop in record.ufunc.types]
        found = [tuple(map(np.dtype, n)) for n in names if not set(n) & set("gGOMm")]
    return list(dict.fromkeys(found))


def cases() -> Iterator[Any]:
    for record in OPS.values():
        if record.elementwise:
            for dtypes in input_loops(record):
                for attrs in ATTRS.get(record.name, [{}]):
                    label = [record.name, *(SHORT_NAMES[d] for d in dtypes), *map(str, attrs.values())]
                    yield pytest.param(record, dtypes, attrs, id="-".join(label))


def operands(record: OpDef, dtypes: tuple[np.dtype, ...]) -> list[np.ndarray]:
    """Special values against each other, then random ones; some of them equal."""
    rng = np.random.default_rng(zlib.crc32(record.name.encode()))
    grids = np.meshgrid(*(thin(special_values(d), len(dtypes)) for d in dtypes), indexing="ij")
    found = []
    for grid, dtype in zip(grids, dtypes, strict=True):
        ordinary = random_values(rng, dtype, 300, record.domain)
        broad = random_values(rng, dtype, 200)
        found.append(np.concatenate([grid.ravel(), ordinary, broad]))
    if len(found) == 2 and dtypes[0] == dtypes[1]:
        found[1][-50:] = found[0][-50:]
    return found


def thin(values: np.ndarray, operands: int) -> np.ndarray:
    return values if operands == 1 or len(values) < 40 else values[::2] if operands == 2 else values[::5]


def restrict(record: OpDef, arrays: list[np.ndarray], attrs: dict[str, Any]) -> list[np.ndarray]:
    """Leaves out what NumPy refuses or leaves to the processor."""
    keep = np.ones(arrays[0].shape, bool)
    if record.name == "power" and arrays[0].dtype.kind == "i":
        keep = arrays[1] >= 0
    if record.name == "cast":
        x, dtype = arrays[0], attrs["dtype"]
        if x.dtype.kind in "fc" and dtype.kind in "iu":
            real = x.real.astype(np.float64)
            info = np.iinfo(dtype)
            keep = (real > float(info.min) - 1) & (real < float(info.max))
    return [a[keep] for a in arrays]


def ulp_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many units in the last place of `b` apart; of equal infinities and two NaN, 0."""
    a8, b8 = a.astype(np.float64), b.astype(np.float64)
    same = (a8 == b8) | (np.isnan(a8) & np.isnan(b8))
    unit = np.abs(np.spacing(np.where(np.isfinite(b), np.abs(b), b.dtype.type(1)))).astype(float)
    distance = np.abs(np.where(same, 0.0, a8 - b8)) / unit
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def complex_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In ULP of the larger part, since the smaller one is a difference in many algorithms."""
    eps = np.finfo(b.dtype).eps
    finite = np.isfinite(a) & np.isfinite(b)
    a16, b16 = a.astype(np.complex128), b.astype(np.complex128)
    size = np.maximum(np.abs(b16.real), np.abs(b16.imag))
    near = np.abs(np.where(finite, a16 - b16, 0)) / (np.where(finite, size, 1) * eps + 1e-300)
    parts = [ulp_distance(p, q) for p, q in ((a.real, b.real), (a.imag, b.imag))]
    return np.where(finite, near, np.maximum(*parts))


def differences(
    found: np.ndarray, expected: np.ndarray, exact: bool, zeros: bool = True
) -> np.ndarray:
    """Where the two differ by more than the contract allows; `zeros` compares their signs too."""
    if expected.dtype.kind == "c":
        return complex_distance(found, expected) > MAX_ULP
    if expected.dtype.kind != "f":
        return found != expected
    wrong = ulp_distance(found, expected) > (0 if exact else MAX_ULP)
    if zeros:
        wrong |= (expected == 0) & (found == 0) & (np.signbit(found) != np.signbit(expected))
    return wrong


@pytest.mark.parametrize(("record", "dtypes", "attrs"), cases())
def test_body_equals_numpy(
    record: OpDef, dtypes: tuple[np.dtype, ...], attrs: dict[str, Any]
) -> None:
    arrays = restrict(record, operands(record, dtypes), attrs)
    (inferred,) = record.infer([TensorType(d, (1,)) for d in dtypes], attrs)
    with np.errstate(all="ignore"):
        expected = np.asarray(record.evaluate(*arrays, **attrs))
    found, exact = run_body(record, arrays, **attrs)
    assert found.dtype == inferred.dtype
    assert expected.dtype == inferred.dtype
    # Of zeros of two signs NumPy takes either, by the processor it runs on.
    zeros = record.name not in ("maximum", "minimum", "fmax", "fmin")
    wrong = np.flatnonzero(differences(found, expected, exact, zeros))
    shown = [([a[k] for a in arrays], found[k], expected[k]) for k in wrong[:8]]
    assert not len(wrong), f"{len(wrong)} of {len(found)}: (inputs, body, NumPy) {shown}"
