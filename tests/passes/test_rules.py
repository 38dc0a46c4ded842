"""Each rule of `simplify`: what it makes of a small graph, and that the numbers stay."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.graphs import DTYPES, N, data, expressions, graph, same, ulps
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.passes.pipeline import SIMPLIFICATION, run_pipeline
from tracejit.passes.rules import ELEMENTWISE, RULES

simplify_module: Any = importlib.import_module("tracejit.passes.simplify")


@dataclass(frozen=True)
class Case:
    """`build` on parameters of `types` becomes `after`. Within `ulps`, which is 0 for most rules.

    Rules that move towards the exact answer give `exact`, the formula as float64 of float32 inputs,
    and are compared with it.
    """

    rule: str
    build: Callable[..., Any]
    types: tuple[str, ...]
    after: str
    ulps: float = 0
    exact: Callable[..., Any] | None = None
    id: str = ""


def case(rule: str, build: Any, types: str, after: str, **options: Any) -> Case:
    kinds = tuple(t if "[" in t else f"{t}[n]" for t in types.split())
    return Case(rule, build, kinds, after, id=f"{rule}-{types}-{after}", **options)


def spread(o: Any, x: Any, *shape: Any) -> Any:
    return o.broadcast_to(x, shape=shape)


def places(o: Any, mask: Any) -> tuple[Any, ...]:
    """The indices of the true elements of a mask, made once."""
    made = next((n for n in o.nodes if n.op == "nonzero" and n.inputs == (mask,)), None)
    if made is None:
        return o.apply_multi("nonzero", (mask,), {"symbols": ("d0",)})
    return made.outputs


def selected(o: Any, x: Any, mask: Any) -> Any:
    return o.gather(x, *places(o, mask), axes=tuple(range(mask.type.ndim)))


def scatter(o: Any, x: Any, value: Any, *indices: Any) -> Any:
    region = {"starts": (0,) * x.type.ndim, "sizes": x.type.shape, "steps": (1,) * x.type.ndim}
    axes = tuple(range(len(indices)))
    return o.apply("scatter", (x, value, *indices), {"axes": axes, **region, "mode": "set"})


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softplus(x: Any) -> Any:
    return np.logaddexp(x, 0)


F8, I8, I4, I2, F4 = (DTYPES[k] for k in ("f8", "i8", "i4", "i2", "f4"))

CASES = [
    case("drop_broadcasts", lambda o, x, y: o.add(spread(o, x, 4, N), y), "f8 f8[4,n]",
         "add(x, y)"),
    case("drop_broadcasts", lambda o, x: o.exp(spread(o, x, 4, N)), "f8",
         "broadcast_to(exp(x), shape=(4, n))"),
    case("drop_broadcasts", lambda o, x, y: o.multiply(y, spread(o, o.const(1, "f8"), N)),
         "f8 f8", "y"),
    case("fold_constants", lambda o, x: o.multiply(x, o.sqrt(o.const(9, "f8"))), "f8",
         "multiply(x, 3.0)"),
    case("fold_constants", lambda o, x: o.add(x, o.cast(o.const(3, "i8"), dtype=F8)), "f8",
         "add(x, 3.0)"),
    case("constants_right", lambda o, x: o.add(2, x), "f8", "add(x, 2.0)"),
    case("constants_right", lambda o, x: o.maximum(0.0, x), "f8", "maximum(0.0, x)"),
    # Sums and differences.
    case("add_zero", lambda o, x: o.add(x, 0), "i4", "x"),
    case("add_zero", lambda o, x: o.add(x, -0.0), "f8", "x"),
    case("add_zero", lambda o, x: o.add(x, 0.0), "f8", "add(x, 0.0)"),
    case("add_zero", lambda o, x: o.add(x, complex(-0.0, -0.0)), "c16", "x"),
    case("add_zero", lambda o, x: o.add(x, False), "bool", "x"),
    case("subtract_zero", lambda o, x: o.subtract(x, 0.0), "f8", "x"),
    case("subtract_zero", lambda o, x: o.subtract(x, -0.0), "f8", "subtract(x, -0.0)"),
    case("subtract_zero", lambda o, x: o.subtract(x, 0), "u2", "x"),
    case("subtract_from_zero", lambda o, x: o.subtract(0, x), "i8", "negative(x)"),
    case("subtract_from_zero", lambda o, x: o.subtract(-0.0, x), "f4", "negative(x)"),
    case("subtract_from_zero", lambda o, x: o.subtract(0.0, x), "f4", "subtract(0.0, x)"),
    case("subtract_itself", lambda o, x: o.subtract(x, x), "i2",
         "broadcast_to(0, shape=(n,))"),
    case("subtract_itself", lambda o, x: o.subtract(x, x), "f8", "subtract(x, x)"),
    case("add_negative", lambda o, x, y: o.add(x, o.negative(y)), "f8 f8", "subtract(x, y)"),
    case("add_negative", lambda o, x, y: o.add(o.negative(x), y), "i8 i8", "subtract(y, x)"),
    case("subtract_negative", lambda o, x, y: o.subtract(x, o.negative(y)), "c8 c8", "add(x, y)"),
    case("subtract_constant", lambda o, x: o.add(o.subtract(x, 1), 1), "i8", "x"),
    case("subtract_constant", lambda o, x: o.subtract(o.subtract(x, 1), 2), "u1", "add(x, 253)"),
    case("combine_constants", lambda o, x: o.multiply(o.multiply(x, 3), 5), "i4",
         "multiply(x, 15)"),
    case("negate_twice", lambda o, x: o.negative(o.negative(x)), "f8", "x"),
    case("negate_difference", lambda o, x, y: o.negative(o.subtract(x, y)), "i4 i4",
         "subtract(y, x)"),
    case("negate_difference", lambda o, x, y: o.negative(o.subtract(x, y)), "f4 f4",
         "negative(subtract(x, y))"),
    case("nothing_to_do", lambda o, x: o.conjugate(o.positive(x)), "f8", "x"),
    case("nothing_to_do", lambda o, x: o.conjugate(x), "c16", "conjugate(x)"),
    # Products and quotients.
    case("multiply_by_one", lambda o, x: o.multiply(x, 1), "f8", "x"),
    case("multiply_by_one", lambda o, x: o.divide(x, -1), "f8", "negative(x)"),
    case("multiply_by_one", lambda o, x: o.multiply(x, -1), "i1", "negative(x)"),
    case("multiply_by_one", lambda o, x: o.multiply(x, 1), "c8", "multiply(x, (1+0j))"),
    case("multiply_by_zero", lambda o, x: o.multiply(x, 0), "i8",
         "broadcast_to(0, shape=(n,))"),
    case("multiply_by_zero", lambda o, x: o.multiply(x, 0), "f8", "multiply(x, 0.0)"),
    case("cancel_signs", lambda o, x, y: o.divide(o.negative(x), o.negative(y)), "f8 f8",
         "divide(x, y)"),
    case("cancel_signs", lambda o, x: o.multiply(o.negative(x), 3), "i4", "multiply(x, -3)"),
    case("multiply_by_itself", lambda o, x: o.multiply(x, x), "f4", "square(x)"),
    case("divide_by_power_of_two", lambda o, x: o.divide(x, -8), "f4", "multiply(x, -0.125)"),
    case("divide_by_power_of_two", lambda o, x: o.divide(x, 2.0**14), "f2",
         "multiply(x, 6.103515625e-05)"),
    case("divide_by_power_of_two", lambda o, x: o.divide(x, 3), "f4", "divide(x, 3.0)"),
    case("floor_divide_to_shift", lambda o, x: o.floor_divide(x, 8), "i4", "right_shift(x, 3)"),
    case("floor_divide_to_shift", lambda o, x: o.floor_divide(x, 1), "u1", "x"),
    case("remainder_to_mask", lambda o, x: o.remainder(x, 8), "i4", "bitwise_and(x, 7)"),
    # Powers.
    case("power_of_constant", lambda o, x: o.power(x, 0), "f8", "broadcast_to(1.0, shape=(n,))"),
    case("power_of_constant", lambda o, x: o.power(x, 1), "f8", "x"),
    case("power_of_constant", lambda o, x: o.power(x, 2), "f8", "square(x)"),
    case("power_of_constant", lambda o, x: o.power(x, -1), "f8", "reciprocal(x)"),
    case("power_of_constant", lambda o, x: o.power(x, 0.5), "f4", "sqrt(x)"),
    case("power_of_constant", lambda o, x: o.power(x, 0.5), "f2", "power(x, 0.5)"),
    case("power_of_constant", lambda o, x: o.power(x, 3), "f8", "multiply(square(x), x)", ulps=4),
    case("power_of_constant", lambda o, x: o.power(x, 4), "f4", "square(square(x))", ulps=4),
    case("power_of_constant", lambda o, x: o.power(x, 5), "f8",
         "multiply(square(square(x)), x)", ulps=4),
    case("power_of_constant", lambda o, x: o.power(x, 6), "f8",
         "square(multiply(square(x), x))", ulps=4),
    case("power_of_constant", lambda o, x: o.power(x, 7), "f8",
         "multiply(square(multiply(square(x), x)), x)", ulps=4),
    case("power_of_constant", lambda o, x: o.power(x, 8), "f8", "power(x, 8.0)"),
    case("power_of_constant", lambda o, x: o.power(x, 5), "i4", "multiply(square(square(x)), x)"),
    case("even_function", lambda o, x: o.square(o.negative(x)), "f8", "square(x)"),
    case("even_function", lambda o, x: o.absolute(o.absolute(x)), "f4", "absolute(x)"),
    case("even_function", lambda o, x: o.cos(o.negative(x)), "f8", "cos(x)"),
    case("absolute_of_positive", lambda o, x: o.absolute(o.exp(x)), "f8", "exp(x)"),
    case("absolute_of_positive", lambda o, x: o.absolute(x), "u4", "x"),
    # Stable forms, as Theano finds them.
    case("exp_minus_one", lambda o, x: o.subtract(o.exp(x), 1), "f4", "expm1(x)",
         ulps=4, exact=np.expm1),
    case("exp_plus_minus_one", lambda o, x: o.add(-1, o.exp(x)), "f4", "expm1(x)",
         ulps=4, exact=np.expm1),
    case("log_of_one_plus", lambda o, x: o.log(o.add(1, x)), "f4", "log1p(x)",
         ulps=4, exact=np.log1p),
    case("log_of_one_plus", lambda o, x: o.log(o.subtract(1, x)), "f4", "log1p(negative(x))",
         ulps=4, exact=lambda x: np.log1p(-x)),
    case("log_of_exps", lambda o, x, y: o.log(o.add(o.exp(x), o.exp(y))), "f4 f4",
         "logaddexp(x, y)", ulps=np.inf, exact=np.logaddexp),
    case("log1p_of_exp", lambda o, x: o.log(o.add(1, o.exp(x))), "f4", "softplus(x)",
         ulps=4, exact=softplus),
    case("log_of_sigmoid", lambda o, x: o.log(o.sigmoid(x)), "f4",
         "negative(softplus(negative(x)))", ulps=4, exact=lambda x: -softplus(-x)),
    case("log_of_sigmoid", lambda o, x: o.log(o.subtract(1, o.sigmoid(x))), "f4",
         "negative(softplus(x))", ulps=4, exact=lambda x: -softplus(x)),
    case("log1p_of_minus_sigmoid", lambda o, x: o.log1p(o.negative(o.sigmoid(x))), "f4",
         "negative(softplus(x))", ulps=4, exact=lambda x: -softplus(x)),
    case("one_minus_sigmoid", lambda o, x: o.subtract(1, o.sigmoid(x)), "f4",
         "sigmoid(negative(x))", ulps=4, exact=lambda x: sigmoid(-x)),
    case("divide_to_sigmoid", lambda o, x: o.divide(1, o.add(1, o.exp(o.negative(x)))), "f4",
         "sigmoid(x)", ulps=4, exact=sigmoid),
    case("divide_to_sigmoid", lambda o, x: o.divide(o.exp(x), o.add(1, o.exp(x))), "f4",
         "sigmoid(x)", ulps=4, exact=sigmoid),
    case("reciprocal_to_sigmoid", lambda o, x: o.reciprocal(o.add(o.exp(x), 1)), "f4",
         "sigmoid(negative(x))", ulps=4, exact=lambda x: sigmoid(-x)),
    # Logic and comparisons.
    case("idempotent", lambda o, x: o.bitwise_and(x, x), "i8", "x"),
    case("idempotent", lambda o, x: o.logical_or(x, x), "bool", "x"),
    case("extremum_of_itself", lambda o, x: o.maximum(x, x), "f8", "x"),
    case("and_constant", lambda o, x: o.bitwise_and(x, 0), "u1", "broadcast_to(0, shape=(n,))"),
    case("and_constant", lambda o, x: o.bitwise_and(x, -1), "i8", "x"),
    case("and_constant", lambda o, x: o.logical_and(True, x), "bool", "x"),
    case("or_constant", lambda o, x: o.bitwise_or(x, 0), "i8", "x"),
    case("or_constant", lambda o, x: o.logical_or(x, True), "bool",
         "broadcast_to(True, shape=(n,))"),
    case("zero_on_the_right", lambda o, x: o.left_shift(o.bitwise_xor(x, 0), 0), "i4", "x"),
    case("xor_itself", lambda o, x: o.bitwise_xor(x, x), "i4", "broadcast_to(0, shape=(n,))"),
    case("negate_twice", lambda o, x: o.invert(o.invert(x)), "i4", "x"),
    case("negate_twice", lambda o, x: o.logical_not(o.logical_not(x)), "bool", "x"),
    case("invert_bool", lambda o, x: o.invert(x), "bool", "logical_not(x)"),
    case("negate_comparison", lambda o, x, y: o.logical_not(o.equal(x, y)), "f8 f8",
         "not_equal(x, y)"),
    case("negate_comparison", lambda o, x, y: o.logical_not(o.less(x, y)), "i8 i8",
         "greater_equal(x, y)"),
    case("negate_comparison", lambda o, x, y: o.logical_not(o.less(x, y)), "f8 f8",
         "logical_not(less(x, y))"),
    case("compare_constant_right", lambda o, x: o.less(2, x), "f8", "greater(x, 2.0)"),
    case("compare_with_itself", lambda o, x: o.less_equal(x, x), "i8",
         "broadcast_to(True, shape=(n,))"),
    case("compare_bool", lambda o, x: o.equal(x, False), "bool", "logical_not(x)"),
    case("select_known", lambda o, x, y: o.select(o.const(True, "?"), x, y), "f8 f8", "x"),
    case("select_known", lambda o, x, y: o.select(x, y, y), "bool f8", "y"),
    case("select_bools", lambda o, x: o.select(x, o.const(False, "?"), True), "bool",
         "logical_not(x)"),
    case("select_not", lambda o, x, y, z: o.select(o.logical_not(x), y, z), "bool f8 f8",
         "select(x, z, y)"),
    case("select_nested", lambda o, x, y, z: o.select(x, o.select(x, y, z), z), "bool f8 f8",
         "select(x, y, z)"),
    case("select_nested", lambda o, x, y, z: o.select(x, y, o.select(x, y, z)), "bool f8 f8",
         "select(x, y, z)"),
    case("cast_to_same", lambda o, x: o.cast(x, dtype=F8), "f8", "x"),
    case("cast_of_cast", lambda o, x: o.cast(o.cast(x, dtype=F8), dtype=I8), "i4",
         "cast(x, dtype=i8)"),
    case("cast_of_cast", lambda o, x: o.cast(o.cast(x, dtype=I4), dtype=I2), "i8",
         "cast(x, dtype=i2)"),
    case("cast_of_cast", lambda o, x: o.cast(o.cast(x, dtype=F8), dtype=F4), "f2",
         "cast(x, dtype=f4)"),
    case("cast_of_cast", lambda o, x: o.cast(o.cast(x, dtype=F4), dtype=F8), "f8",
         "cast(cast(x, dtype=f4), dtype=f8)"),
    # Views.
    case("same_shape", lambda o, x: o.reshape(spread(o, x, N), shape=(N,)), "f8", "x"),
    case("view_of_scalar", lambda o, x: o.transpose(spread(o, x, 2, 5), perm=(1, 0)), "f8[]",
         "broadcast_to(x, shape=(5, 2))"),
    case("reshape_adds_leading_ones", lambda o, x, y: o.add(o.reshape(x, shape=(1, N)), y),
         "f8 f8[2,n]", "add(x, y)"),
    case("reshape_of_reshape", lambda o, x: o.reshape(o.reshape(x, shape=(3, N)), shape=(3 * N,)),
         "f8[n,3]", "reshape(x, shape=(3*n,))"),
    case("reshape_of_reshape", lambda o, x: o.reshape(o.reshape(x, shape=(1, N)), shape=(N, 1)),
         "f8", "reshape(x, shape=(n, 1))"),
    case("broadcast_of_broadcast", lambda o, x: spread(o, spread(o, x, 2, N), 3, 2, N), "f8",
         "broadcast_to(x, shape=(3, 2, n))"),
    case("transpose_nothing", lambda o, x: o.transpose(x, perm=(0, 1)), "f8[n,3]", "x"),
    case("transpose_of_transpose",
         lambda o, x: o.transpose(o.transpose(x, perm=(1, 2, 0)), perm=(1, 0, 2)), "f8[n,3,4]",
         "transpose(x, perm=(2, 1, 0))"),
    case("transpose_of_transpose", lambda o, x: o.transpose(o.transpose(x, perm=(1, 0)),
                                                            perm=(1, 0)), "f8[n,3]", "x"),
    case("transpose_ones", lambda o, x: o.transpose(x, perm=(1, 0)), "f8[n,1]",
         "reshape(x, shape=(1, n))"),
    case("slice_everything", lambda o, x: o.slice_(x, 0, N), "f8[n,3]", "x"),
    case("slice_of_slice", lambda o, x: o.slice_(o.slice_(x, 1, 8, 2), 7, 3, -2), "f8[20]",
         "slice(x, starts=(15,), sizes=(3,), steps=(-4,))"),
    case("slice_of_slice", lambda o, x: o.slice_(o.slice_(x, N - 1, N, -1), N - 1, N, -1), "f8",
         "x"),
    case("slice_of_update", lambda o, x, y: o.slice_(o.update_(x, y, 2, 3), 2, 3), "f8[9] f8[3]",
         "y"),
    case("slice_of_update", lambda o, x, y: o.slice_(o.update_(x, y, 2, 3), 5, 4), "f8[9] f8[3]",
         "slice(x, starts=(5,), sizes=(4,), steps=(1,))"),
    case("update_everything", lambda o, x, y: o.update_(x, y, 0, N), "f8 f8[1]",
         "broadcast_to(y, shape=(n,))"),
    case("update_with_itself", lambda o, x: o.update_(x, o.slice_(x, 1, 4), 1, 4), "f8[9]", "x"),
    case("update_nothing", lambda o, x, y: o.update_(x, y, 1, 0), "f8[9] f8[1]", "x"),
    case("update_of_part",
         lambda o, x, y: o.update_(x, o.update_(o.slice_(x, 1, 4), y, 2, 1), 1, 4), "f8[9] f8[1]",
         "update(x, y, starts=(3,), sizes=(1,), steps=(1,))"),
    # Indices.
    case("update_of_scatter",
         lambda o, x, y: o.update_(x, scatter(o, o.slice_(x, 1, 4), y, o.const(2, "i8")), 1, 4),
         "f8[9] f8[]",
         "scatter(x, y, 2, axes=(0,), starts=(1,), sizes=(4,), steps=(1,), mode=set)"),
    case("write_under_mask",
         lambda o, x, m: scatter(o, x, o.add(selected(o, x, m), 1), *places(o, m)), "f8 bool",
         "select(y, add(x, 1.0), x)"),
    case("write_under_mask",
         lambda o, x, m, z: scatter(o, x, o.multiply(selected(o, x, m), z), *places(o, m)),
         "f8[n,3,4] bool[n,3] f8[1,4]",
         "select(reshape(y, shape=(n, 3, 1)), multiply(x, reshape(z, shape=(4,))), x)"),
    case("reduce_under_mask", lambda o, x, m: o.sum(selected(o, x, m), axes=(0,)), "i8 bool",
         "sum(select(y, x, 0), axes=(0,))"),
    case("reduce_under_mask", lambda o, x, m: o.any(selected(o, x, m), axes=(0, 1)),
         "bool[n,3,4] bool[n,3]",
         "any(select(reshape(y, shape=(n, 3, 1)), x, False), axes=(0, 1, 2))"),
    case("concatenate_parts", lambda o, x: o.concatenate(x, axis=0), "f8", "x"),
    case("concatenate_parts", lambda o, x, y: o.concatenate(y, x, y, x, axis=0), "f8 f8[0]",
         "concatenate(x, x, axis=0)"),
    case("size_known", lambda o, x: o.multiply(x, o.apply("size", (), {"dim": 5})), "i8",
         "multiply(x, 5)"),
    case("iota_of_one", lambda o, x: o.add(x, o.iota(shape=(1,), axis=0, dtype=I8)), "i8", "x"),
    case("slice_of_iota",
         lambda o, x: o.add(x, o.slice_(o.iota(shape=(N,), axis=0, dtype=I8), N - 1, 1)),
         "i8", "add(x, size(dim=n - 1))"),
    # Reductions.
    case("reduce_nothing", lambda o, x: o.sum(x, axes=()), "f8", "x"),
    case("reduce_ones", lambda o, x: o.max(x, axes=(1,)), "f8[n,1]", "reshape(x, shape=(n,))"),
    case("product_of_vectors", lambda o, x, y: o.matmul(x, y), "i8[1,n] i8[n,1]",
         "broadcast_to(sum(multiply(reshape(x, shape=(n,)), reshape(y, shape=(n,))), axes=(0,)), "
         "shape=(1, 1))"),
    case(
        "reduce_ones",
        lambda o, x: o.sum(x, axes=(1,)),
        "f8[n,1]",
        "add(reshape(x, shape=(n,)), 0.0)",
    ),
    case("position_in_one", lambda o, x: o.argmax(x, axes=(1,)), "f8[n,1]",
         "broadcast_to(0, shape=(n,))"),
    case("reduce_of_reduce", lambda o, x: o.sum(o.sum(x, axes=(1,)), axes=(1,)), "i8[n,2,3]",
         "sum(x, axes=(1, 2))"),
    case("reduce_of_reduce", lambda o, x: o.max(o.max(x, axes=(1,)), axes=(1,)), "i8[n,2,3]",
         "max(x, axes=(1, 2))"),
    case("accumulate_one", lambda o, x: o.cumsum(x, axis=1), "f8[n,1]", "x"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_rule_rewrites(case: Case) -> None:
    before = graph(case.build, *case.types)
    after = run_pipeline(before, Target(), passes=SIMPLIFICATION, verify=True)
    assert expressions(after) == case.after
    assert run_pipeline(after, Target(), passes=SIMPLIFICATION) is after, (
        "nothing is left to simplify"
    )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 40))
@settings(max_examples=20)
def test_rule_keeps_the_numbers(case: Case, seed: int, n: int) -> None:
    before = graph(case.build, *case.types)
    after = run_pipeline(before, Target(), passes=SIMPLIFICATION)
    args = data(before, seed, {"n": n})
    (expected,), (found,) = interpret(before, args), interpret(after, args)
    if case.exact is None:
        assert ulps(found, expected) <= case.ulps if case.ulps else same(found, expected)
        return
    with np.errstate(all="ignore"):
        exact = np.asarray(case.exact(*(a.astype("f8") for a in args))).astype("f4")
    assert np.array_equal(np.isnan(found), np.isnan(exact))
    # Where the result is subnormal, 1 / (1 + exp(-x)) is 0, in NumPy as in the record of sigmoid.
    usual = np.isfinite(exact) & (np.abs(exact) >= np.finfo("f4").tiny)
    found, exact, expected = found[usual], exact[usual], expected[usual]
    if np.isfinite(case.ulps):
        assert ulps(found, exact) <= case.ulps
    near = np.isfinite(expected)
    with np.errstate(over="ignore"):
        allowed = np.abs(expected - exact) + 4 * np.spacing(np.abs(exact))
    assert np.all(np.abs(found - exact)[near] <= allowed[near])


def test_every_rule_has_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    fired: set[str] = set()

    def watch(rule: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            found = rule(*args)
            if found is not None:
                fired.add(rule.__name__)
            return found

        return watched

    monkeypatch.setattr(simplify_module, "RULES", {k: [*map(watch, v)] for k, v in RULES.items()})
    monkeypatch.setattr(simplify_module, "ELEMENTWISE", [*map(watch, ELEMENTWISE)])
    for case in CASES:
        simplify_module.simplify(graph(case.build, *case.types), Target())
    known = {rule.__name__ for rules in RULES.values() for rule in rules}
    assert known | {rule.__name__ for rule in ELEMENTWISE} == fired


def test_every_rule_says_its_identity() -> None:
    for rules in RULES.values():
        for rule in rules:
            assert rule.__doc__, rule.__name__


def test_folding_leaves_errors_to_the_call() -> None:
    before = graph(lambda o, x: o.add(x, o.power(o.const(2, "i8"), -1)), "i8[n]")
    after = run_pipeline(before, Target(), passes=SIMPLIFICATION, verify=True)
    assert expressions(after) == "add(x, power(2, -1))"
