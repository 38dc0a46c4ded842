"""Every elementwise record, on every loop it has: the scalar body equals NumPy."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracejit.ir.ops  # noqa: F401
from tests.ops.numpy_scalars import NumpyScalars, run_body
from tests.strategies import arrays, random_values, shapes, special_values
from tracejit.ir.opdef import BY_NUMPY, OPS, OpDef, resolve_loop
from tracejit.ir.types import SHORT_NAMES, TensorType

MAX_ULP = 4
ATTRS: dict[str, list[dict[str, Any]]] = {"cast": [{"dtype": d} for d in SHORT_NAMES]}


def _amplified(expected: np.ndarray, *arrays: np.ndarray) -> Any:
    """ULP of the result that one ULP of an intermediate value makes."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.max([abs(a) for a in arrays], axis=0) / abs(expected), posinf=1e300)


def _exponent(expected: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
    with np.errstate(all="ignore"):
        return np.nan_to_num(2 * abs(y.astype("c16") * np.log(x.astype("c16"))))


SLACK = {
    ("logaddexp", "f"): _amplified,
    ("logaddexp2", "f"): _amplified,
    ("special_kl_div", "f"): lambda expected, *xs: 4 * _amplified(expected, *xs),
    ("power", "c"): _exponent,  # C's own float version multiplies a rounded logarithm.
    ("float_power", "c"): _exponent,
}
"""Where NumPy is itself no better: how many ULP to add."""


WILD = {"special_yn", "special_hyp1f1", "special_hyp2f1", "special_hyperu"}
"""SciPy's functions that loop for ever, or overflow the stack, on some extreme operands."""


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
                    label = [SHORT_NAMES[d] for d in dtypes] + [str(v) for v in attrs.values()]
                    yield pytest.param(record, dtypes, attrs, id="-".join([record.name, *label]))


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
    """Fewer special values, where every one meets every other."""
    return values if len(values) < 40 else values[:: {1: 1, 2: 2, 3: 5}[operands]]


def restrict(record: OpDef, arrays: list[np.ndarray], attrs: dict[str, Any]) -> list[np.ndarray]:
    """Leaves out what NumPy refuses or leaves to the processor."""
    keep = np.ones(arrays[0].shape, bool)
    if record.name == "power" and arrays[0].dtype.kind == "i":
        keep = arrays[1] >= 0
    if record.name in WILD:
        keep = np.all([(a >= 0.1) & (a <= 0.9) for a in arrays], axis=0)
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
    finite = np.where(np.isfinite(b), np.abs(b), b.dtype.type(1))
    same = (a8 == b8) | (np.isnan(a8) & np.isnan(b8))
    with np.errstate(all="ignore"):
        unit = np.minimum(np.spacing(finite), b.dtype.type(np.finfo(b.dtype).max)).astype(float)
        distance = np.abs(a8 - b8) / unit
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def complex_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In ULP of the larger part, since the smaller one is a difference in many algorithms."""
    eps = np.finfo(b.dtype).eps
    finite = np.isfinite(a) & np.isfinite(b)
    a16, b16 = a.astype(np.complex128), b.astype(np.complex128)
    size = np.maximum(np.abs(b16.real), np.abs(b16.imag))
    with np.errstate(all="ignore"):
        near = np.abs(a16 - b16) / (size * eps + 1e-300)
    parts = [ulp_distance(p, q) for p, q in ((a.real, b.real), (a.imag, b.imag))]
    return np.where(finite, near, np.maximum(*parts))


def differences(
    found: np.ndarray, expected: np.ndarray, allowed: Any, zeros: bool = True
) -> np.ndarray:
    """Where the two differ by more than the contract allows; `zeros` compares their signs too."""
    if expected.dtype.kind == "c":
        return complex_distance(found, expected) > np.maximum(allowed, MAX_ULP)
    if expected.dtype.kind != "f":
        return found != expected
    wrong = ulp_distance(found, expected) > allowed
    if zeros:
        wrong |= (expected == 0) & (found == 0) & (np.signbit(found) != np.signbit(expected))
    return wrong


@pytest.mark.parametrize(("record", "dtypes", "attrs"), list(cases()))
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
    slack = SLACK.get((record.name, expected.dtype.kind))
    allowed = 0 if exact else MAX_ULP + (slack(expected, *arrays) if slack else 0)
    wrong = np.flatnonzero(differences(found, expected, allowed, zeros))
    shown = [([a[k] for a in arrays], found[k], expected[k]) for k in wrong[:8]]
    assert not len(wrong), f"{len(wrong)} of {len(found)}: (inputs, body, NumPy) {shown}"


def ufuncs() -> list[np.ufunc]:
    found = {getattr(np, name) for name in dir(np) if isinstance(getattr(np, name), np.ufunc)}
    found = {u for u in found if u.nout == 1 and u.signature is None}
    return sorted(found, key=lambda u: u.__name__)


@pytest.mark.parametrize("ufunc", ufuncs(), ids=lambda u: u.__name__)
def test_every_ufunc_has_a_record(ufunc: np.ufunc) -> None:
    if ufunc is not np.isnat:
        assert BY_NUMPY[ufunc].name == ufunc.__name__


WEAK = (int, float, complex)


def weak(kind: Any) -> bool:
    """A dtype equals a Python type, so `kind in WEAK` would not tell."""
    return isinstance(kind, type)


@pytest.mark.parametrize("ufunc", ufuncs(), ids=lambda u: u.__name__)
def test_resolve_loop_is_numpy_s(ufunc: np.ufunc) -> None:
    """The dtype of the result, weak scalars included; TypeError where NumPy raises it."""
    operand_sets: list[tuple[Any, ...]] = [(d,) for d in SHORT_NAMES]
    if ufunc.nin == 2:
        kinds = (*SHORT_NAMES, *WEAK)
        operand_sets = [(a, b) for a in kinds for b in kinds if not (weak(a) and weak(b))]
    for operands in operand_sets:
        values = [k(1) if weak(k) else np.ones(2, k) for k in operands]
        try:
            with np.errstate(all="ignore"):
                expected = ufunc(*values).dtype
        except TypeError:
            with pytest.raises(TypeError):
                resolve_loop(ufunc, operands)
            continue
        assert resolve_loop(ufunc, operands)[-1] == expected, operands


HALVES = np.arange(1 << 16, dtype="u2").view("f2")


def test_all_float16_have_their_bits() -> None:
    o = NumpyScalars()
    with np.errstate(all="ignore"):
        bits = o.store(o.bits(o.load(HALVES), np.dtype("u2")), HALVES.shape)
        back = o.store(o.bits(o.load(HALVES.view("u2")), np.dtype("f2")), HALVES.shape)
    number = ~np.isnan(HALVES)
    assert np.array_equal(bits[number], HALVES.view("u2")[number])
    assert np.array_equal(back, HALVES, equal_nan=True)


@pytest.mark.parametrize("name", ["spacing", "frexp_mantissa", "frexp_exponent", "nextafter"])
def test_all_float16(name: str) -> None:
    record = OPS[name]
    rest = [np.roll(HALVES, 7919)] if name == "nextafter" else []
    with np.errstate(all="ignore"):
        expected = record.evaluate(HALVES, *rest)
    found, _ = run_body(record, [HALVES, *rest])
    assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8"])
def test_casts_to_float16_round_once(dtype: str) -> None:
    """Ties between neighbouring float16, and what lies a little beside them."""
    finite = HALVES[np.isfinite(HALVES)].astype("f8")
    middle = (np.sort(finite)[:-1] + np.sort(finite)[1:]) / 2
    near = np.concatenate([np.nextafter(middle, np.inf), middle, np.nextafter(middle, -np.inf)])
    x = near.astype(dtype) if dtype[0] == "f" else np.unique(near.astype(dtype))
    found, _ = run_body(OPS["cast"], [x], dtype=np.dtype("f2"))
    assert np.array_equal(found, x.astype("f2"))


LAYOUT_OPS = [r for r in OPS.values() if r.elementwise and r.name not in {"power", "cast"} | WILD]


@given(st.data())
def test_broadcasting_and_layouts(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(LAYOUT_OPS))
    dtypes = data.draw(st.sampled_from(input_loops(record)))
    shape = data.draw(shapes())
    operands = []
    for dtype in dtypes:
        own = tuple(1 if data.draw(st.booleans()) else n for n in shape)
        own = own[data.draw(st.integers(0, len(own))) :]
        operands.append(data.draw(arrays(dtype, own, special=True)))
    with np.errstate(all="ignore"):
        expected = np.asarray(record.evaluate(*operands))
    found, exact = run_body(record, operands)
    (inferred,) = record.infer([TensorType(a.dtype, a.shape) for a in operands], {})
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert (inferred.shape, inferred.dtype) == (expected.shape, expected.dtype)
    if exact:
        assert not np.any(differences(found, expected, 0, zeros=False))


def test_math_calls_are_checked() -> None:
    o = NumpyScalars()
    x, n = o.load(np.ones(1)), o.load(np.ones(1, int))
    for call in (
        lambda: o.call("sine", x),
        lambda: o.call("sin", x, x),
        lambda: o.call("sin", n),
        lambda: o.complex_call("cpow", o.complex(x, x)),
        lambda: x + n,
    ):
        with pytest.raises(TypeError):
            call()
