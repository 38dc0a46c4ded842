"""Operators, ufuncs and elementwise functions against NumPy, on random dtypes and shapes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trace.support import check, trace, values
from tracejit import errors, jit

UFUNCS = sorted(
    {
        f
        for name in dir(np)
        if isinstance(f := getattr(np, name), np.ufunc)
        and f.signature is None
        and f is not np.isnat
    },
    key=lambda f: f.__name__,
)
DTYPES = ["?", "i1", "u1", "i4", "i8", "u8", "f4", "f8", "c16"]
SHAPES = [(), (1,), (0,), (4,), (3, 4), (3, 1), (1, 4), (2, 1, 4)]

OPERATORS = {
    name: getattr(operator, name)
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"),
        *("lshift", "rshift", "eq", "ne", "lt", "le", "gt", "ge"),
    )
}
SCALARS = [2, -1, 0.5, 3.0, 1 + 2j, True, np.float32(1.5), np.int8(3), np.uint64(7)]


def agree(fn: Any, *args: Any) -> None:
    """`fn` traced does what NumPy does, or both refuse."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    try:
        with np.errstate(all="ignore"):
            fn(*copies)
    except (TypeError, ValueError, OverflowError) as expected:
        with pytest.raises(Exception) as caught:
            trace(fn, *args)
        for kind in (TypeError, OverflowError, ValueError):
            if isinstance(expected, kind):
                assert isinstance(caught.value, kind), caught.value
    else:
        check(fn, *args, ulp=8)


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", ["?", "i8", "u1", "f4", "c16"])
def test_every_ufunc(ufunc: np.ufunc, dtype: str) -> None:
    args = [values((3, 4), dtype, k) for k in range(ufunc.nin)]
    if ufunc in (np.power, np.float_power) and dtype == "i8":
        args[1] = abs(args[1])
    agree(lambda *xs: ufunc(*xs), *args)


@given(
    st.sampled_from(sorted(OPERATORS)), st.sampled_from(DTYPES), st.sampled_from(DTYPES),
    st.sampled_from(SHAPES), st.sampled_from(SHAPES), st.integers(0, 9),
)  # fmt: skip
def test_operators_on_arrays(name: str, d: str, e: str, s: Any, t: Any, seed: int) -> None:
    x, y = values(s, d, seed), abs(values(t, e, seed + 1)).astype(e)
    agree(lambda x, y: OPERATORS[name](x, y), x, y)


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize("dtype", DTYPES)
def test_operators_with_scalars(name: str, dtype: str) -> None:
    apply = OPERATORS[name]
    for scalar in SCALARS:
        if name == "pow" and scalar == -1:
            continue
        agree(lambda x, k=scalar: apply(x, k), values((3,), dtype))
        agree(lambda x, k=scalar: apply(k, abs(x)), values((3,), dtype))


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize("dtype", ["i4", "u1", "f4"])
def test_operators_with_python_arguments(name: str, dtype: str) -> None:
    apply = OPERATORS[name]
    agree(lambda x, n: apply(x, n), values((3,), dtype), 3)
    agree(lambda x, t: apply(x, t), values((3,), dtype), 1.5)
    agree(lambda x, n, m: apply(x, apply(n, m)), values((3,), dtype), 3, 2)


def test_unary_operators_and_power() -> None:
    for dtype in ("i8", "f4", "c16"):
        x = values((3, 2), dtype)
        check(lambda x: (-x, +x, abs(x)), x)
        for exponent in (0, 1, 2, 3, 0.5, 2.0, 1j):
            agree(lambda x, k=exponent: x**k, x)
    agree(lambda x: x**-1, values((3,), "i8"))
    agree(lambda x: x**-1, values((3,), "f8"))
    check(lambda x: ~x, values((3,), "u1"))
    check(lambda x: divmod(x, 3), values((3,), "i8"))


def test_comparisons_with_what_is_no_number() -> None:
    x = values((3,))
    check(lambda x: (x == None, x != None), x)  # noqa: E711
    for relation in (operator.eq, operator.lt, operator.ge, operator.ne):
        for number in (300, -300, 5):
            check(lambda x, k=number, r=relation: (r(x, k), r(k, x)), values((3,), "u1"))
            check(lambda x, k, r=relation: r(x, k), values((3,), "i1"), number)
    with pytest.raises(TypeError):
        trace(lambda x: x < None, x)


def test_in_place_writes_every_alias() -> None:
    def program(x: Any) -> Any:
        view = x[1:]
        other = x
        view += 1
        other *= 2
        x **= 2
        x[0] -= x[2]
        return view, other

    check(program, values((4, 3)))


def test_in_place_of_scalars_rebinds() -> None:
    def program(x: Any, t: Any) -> Any:
        total = x.sum()
        old, before = total, t
        total += 1
        t += 1
        return total, old, t * x, before * x

    check(program, values((4, 3)), 1.5)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: operator.iadd(x, 0.5),
        lambda x: operator.itruediv(x, 2),
        lambda x: operator.iadd(x, 1j),
        lambda x: np.add(x, 0.5, out=x),
    ],
)
def test_in_place_refuses_what_numpy_refuses(program: Any) -> None:
    with pytest.raises(errors.DTypeError, match="Cannot cast ufunc") as caught:
        trace(program, values((3,), int))
    assert "test_ufuncs.py" in str(caught.value).splitlines()[0]


def test_in_place_does_not_grow() -> None:
    with pytest.raises(errors.ShapeError, match="non-broadcastable output operand"):
        trace(lambda x, y: operator.iadd(x, y), values((3,)), values((4, 3)))


def test_ufunc_arguments() -> None:
    x, y, z = values((3, 4)), values((4,)), values((3, 4), "f4")
    check(lambda x, y, z: np.multiply(x, y, out=z), x, y, z)
    check(lambda x, y, z: np.multiply(x, y, z), x, y, z)
    check(lambda x, y, z: np.multiply(x, y, out=(z,), where=x > 0), x, y, z)
    check(lambda x: np.add(x, 1, dtype="f4", casting="unsafe"), x)
    check(lambda x: np.sqrt(x, dtype="f8"), abs(z))
    check(lambda x: np.modf(x, out=(None, x)), x)  # type: ignore[arg-type]
    check(lambda x, y: np.subtract.outer(x, y), x, y)
    agree(lambda x: np.add(x, 1.5, casting="no"), values((3,), "i4"))
    agree(lambda x: np.add(x, 1, dtype="i4"), x)
    graph, _, _ = trace(lambda x: np.sqrt(x, where=x > 0), x)
    assert graph.nodes[-1].op == "select"


def test_a_captured_array_is_not_written() -> None:
    outside = np.zeros(3)
    with pytest.raises(errors.MutationError, match="outside the jitted function"):
        trace(lambda x: np.add(x, 1, out=outside), values((3,)))
    assert not outside.any()


ELEMENTWISE: dict[str, Any] = {
    "where": lambda x: np.where(x > 0, x, 1),
    "where_broadcast": lambda x: np.where(x[:, :1] > 0, x, x[0]),
    "select": lambda x: np.select([x > 1, x > 0], [x * 2, x], -1),
    "clip": lambda x: (np.clip(x, 0, 2), x.clip(1), np.clip(x, None, 2), x.clip(max=1)),
    "clip_arrays": lambda x: np.clip(x, x[0], x[1] + 2),
    "real_imag": lambda x: (x.real, x.imag, np.real(x), np.imag(x), np.conj(x), x.conj()),
    "angle": lambda x: (np.angle(x), np.angle(x, deg=True)),
    "isreal": lambda x: (np.isreal(x), np.iscomplex(x)),
    "nan_to_num": lambda x: (np.nan_to_num(x / x[0]), np.nan_to_num(x / x[0], nan=1, posinf=2)),
    "isclose": lambda x: (np.isclose(x, x + 1e-9), np.allclose(x, x), np.allclose(x, x + 1)),
    "array_equal": lambda x: np.array_equal(x, x * 1),
    "round": lambda x: (np.round(x, 1), x.round(), np.around(x, -1)),
    "sinc": lambda x: np.sinc(x),
    "astype": lambda x: (x.astype("c8"), x.astype(bool), np.astype(x, "c16"), x.copy()),
    "copies": lambda x: (np.copy(x), x.astype(x.dtype), x[0, 0].copy(), np.copy(x[0, 0])),
}


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
@pytest.mark.parametrize("dtype", ["i8", "f4", "f8", "c16"])
def test_elementwise_functions(name: str, dtype: str) -> None:
    check(ELEMENTWISE[name], values((3, 4), dtype), others=[[values((5, 2), dtype)]], ulp=8)


def test_real_functions() -> None:
    x = values((3, 4))
    check(lambda x: (np.fix(x), np.i0(x), np.isposinf(1 / x), np.isneginf(x)), x, ulp=8)
    check(lambda x: x.astype(int), x)
    check(lambda x: np.round(x, -1), values((3, 4), int) * 7)
    assert trace(lambda x: np.shape(x) + (np.ndim(x), np.size(x, 0)), x)[1][2] == 2
    agree(lambda x: x.astype("i4", casting="safe"), x)


def test_writes_through_real_and_imag() -> None:
    def program(z: Any) -> Any:
        z.real += 1
        z[1:].imag[...] = 2
        np.copyto(z, 0, where=z.real > 2)
        return z.real

    check(program, values((5,), complex))


def test_item_and_python_round_stay_traced() -> None:
    check(lambda x, y: y * x[0].item(), values((3,)), values((3,), "f4"))
    check(lambda x, y: y * round(x[0].item()), values((3,)), values((3,), "f4"))


def test_refused_with_the_users_line() -> None:
    with pytest.raises(errors.ShapeError, match="do not broadcast") as shape_error:
        trace(lambda x, y: x + y, values((3,)), values((4,)))
    assert "x is f8[x0=3], y is f8[y0=4]" in str(shape_error.value)
    with pytest.raises(errors.UnsupportedError, match="signature="):
        trace(lambda x: np.add(x, x, signature="dd->d"), values((3,)))


def test_parts_of_real_arrays() -> None:
    def parts(x: np.ndarray) -> Any:
        same = x.conj()
        same[0] = 7
        return same, x.conjugate(), np.conj(x), x.imag

    def write(x: np.ndarray) -> None:
        x.imag[0] = 1

    x = np.arange(3.0)
    same, again, copy, zeros = jit(parts)(x)
    assert x[0] == 7
    assert np.shares_memory(same, x) and np.shares_memory(again, x)
    assert not np.shares_memory(copy, x)
    assert not zeros.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        jit(write)(x)
