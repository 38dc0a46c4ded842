"""Sizes: polynomial arithmetic agrees with Python's integers and is canonical."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracejit.ir import dims
from tracejit.ir.dims import Dim

NAMES = ("n", "m", "k")
ENVS = st.fixed_dictionaries({name: st.integers(0, 12) for name in NAMES})
LEAVES = st.one_of(st.integers(-4, 6), st.sampled_from([dims.sym(name) for name in NAMES]))


def _combine(children: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]),
        pairs.map(lambda p: p[0] - p[1]),
        pairs.map(lambda p: p[0] * p[1]),
        pairs.map(lambda p: dims.maximum(*p)),
        pairs.map(lambda p: dims.minimum(*p)),
        st.tuples(children, st.integers(1, 4)).map(lambda p: dims.floordiv(*p)),
        st.tuples(children, st.integers(1, 4)).map(lambda p: dims.mod(*p)),
    )


DIMS = st.recursive(LEAVES, _combine, max_leaves=6)


@given(a=DIMS, b=DIMS, env=ENVS)
def test_arithmetic_is_that_of_integers(a: Dim, b: Dim, env: dict[str, int]) -> None:
    x, y = dims.evaluate(a, env), dims.evaluate(b, env)
    assert dims.evaluate(a + b, env) == x + y
    assert dims.evaluate(a - b, env) == x - y
    assert dims.evaluate(a * b, env) == x * y
    assert dims.evaluate(-a, env) == -x
    assert dims.evaluate(dims.maximum(a, b), env) == max(x, y)
    assert dims.evaluate(dims.minimum(a, b), env) == min(x, y)


@given(a=DIMS, b=DIMS, env=ENVS)
def test_division_is_that_of_integers(a: Dim, b: Dim, env: dict[str, int]) -> None:
    divisor = dims.evaluate(b, env)
    if divisor == 0:
        return
    assert dims.evaluate(dims.floordiv(a, b), env) == dims.evaluate(a, env) // divisor
    assert dims.evaluate(dims.mod(a, b), env) == dims.evaluate(a, env) % divisor


@given(a=DIMS, b=DIMS, c=DIMS)
def test_the_form_is_canonical(a: Dim, b: Dim, c: Dim) -> None:
    for left, right in [
        (a + b, b + a),
        (a * b, b * a),
        ((a + b) + c, a + (b + c)),
        ((a * b) * c, a * (b * c)),
        (a * (b + c), a * b + a * c),
        (a - a, 0),
        (a + 0, a),
        (a * 1, a),
        (a - b + b, a),
        (dims.maximum(a, b), dims.maximum(b, a)),
    ]:
        assert left == right
        assert hash(left) == hash(right)
        assert str(left) == str(right)


@given(a=DIMS, b=DIMS, env=ENVS)
def test_substitution_commutes_with_evaluation(a: Dim, b: Dim, env: dict[str, int]) -> None:
    found = dims.substitute(a, {"n": b})
    assert dims.evaluate(found, env) == dims.evaluate(a, env | {"n": dims.evaluate(b, env)})
    if isinstance(b, int):
        assert "n" not in dims.free_symbols(found)


@given(a=DIMS, env=ENVS)
def test_provably_nonnegative_is_nonnegative(a: Dim, env: dict[str, int]) -> None:
    if dims.is_nonnegative(a):
        assert dims.evaluate(a, env) >= 0


@given(a=DIMS, env=ENVS)
def test_every_symbol_is_found(a: Dim, env: dict[str, int]) -> None:
    needed = {name: env[name] for name in dims.free_symbols(a)}
    assert dims.evaluate(a, needed) == dims.evaluate(a, env)


def test_text() -> None:
    n, m = dims.sym("n"), dims.sym("m")
    assert str(n * m * 2 - 1) == "2*m*n - 1"
    assert str(dims.floordiv(n + 1, 2)) == "((n + 1)//2)"
    assert str(dims.mod(n, m)) == "(n % m)"
    assert str(dims.maximum(n, m)) == "max(m, n)"
    assert str(-n) == "-n"


def test_exact_division_simplifies() -> None:
    n, m = dims.sym("n"), dims.sym("m")
    assert dims.floordiv(6 * n * m, 3 * n) == 2 * m
    assert dims.mod(6 * n * m, 2 * m) == 0
    assert dims.floordiv(n, n) == 1
    assert dims.symbol_name(n) == "n"
    assert dims.symbol_name(n + 1) is None
    assert dims.product((n, 2, m)) == 2 * n * m


def test_division_by_zero() -> None:
    for divide in (dims.floordiv, dims.mod):
        with pytest.raises(ZeroDivisionError):
            divide(dims.sym("n"), 0)
        with pytest.raises(ZeroDivisionError):
            divide(3, 0)
