"""Programs as Numba source: the text reads well, and computes what LLVM and NumPy compute."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.codegen.source_support import Case, run_cases
from tests.codegen.support import check, random
from tests.ops.numpy_scalars import run_body
from tests.ops.test_elementwise import (
    MAX_ULP,
    SLACK,
    cases,
    differences,
    operands,
    restrict,
)
from tracejit import errors, jit
from tracejit.codegen_cpu import numba_backend
from tracejit.codegen_cpu.source_nest import Sizes
from tracejit.codegen_cpu.source_scalars import SourceModule, SourceScalars
from tracejit.codegen_cpu.source_text import Block, Names, Statement, leaf, write
from tracejit.config import config
from tracejit.ir import dims
from tracejit.ir.scalar import Scalar
from tracejit.ir.types import TensorType
from tracejit.source import SourceWriter


def by_source(fn: Callable[..., Any], *args: Any) -> Callable[..., Any]:
    """`fn` compiled from source for `args`."""
    with config.override(scalar_bodies="source"):
        compiled = jit(fn)
        compiled(*args)
    return compiled


def check_both(fn: Callable[..., Any], *args: Any, **how: Any) -> None:
    """Both back ends against NumPy."""
    with config.override(scalar_bodies="llvm"):
        check(fn, *args, **how)
    before = _sources_compiled()
    check(fn, *args, compiled=by_source(fn, *args), **how)
    assert _sources_compiled() > before, "the source was not compiled"


def _sources_compiled() -> int:
    return len(numba_backend._kept)


# What the code computes.


def test_elementwise_layouts_and_dtypes() -> None:
    def f(x: Any, y: Any, s: Any, z: Any, h: Any, b: Any, i: Any) -> Any:
        return (
            np.exp(x) * y[:, None] + np.sin(x.T[::-1].T),
            np.where(b, s, -s) + np.arange(s.shape[0])[:, None],
            np.sqrt(z) * z.conj() / (z + 1),
            h * h + np.sin(h) - 1,
            ~b & (x[:, :1] > 0),
            i.astype(np.float32) / 3 + i.astype(bool),
        )

    wide = random((8, 10))
    check_both(
        f, random((4, 5)), random((4,)), wide[::2, ::-2], random((3, 2), "c16"),
        random((7,), "f2"), random((4, 5), "?"), random((6,), "i2"), sums=True,
    )  # fmt: skip


def test_complex64_fortran_order_and_scalars() -> None:
    def f(x: Any, z: Any, k: Any, t: Any) -> Any:
        return x * k + t, np.exp(z) * z, x.T + 1, np.abs(z), x.sum() * t

    check_both(f, np.asfortranarray(random((4, 3))), random((5,), "c8"), 3, 2.5, sums=True)


def test_integers_wrap_and_divide_by_zero() -> None:
    def f(a: Any, b: Any, u: Any, w: Any) -> Any:
        return (
            a // b, a % b, a << (b & 7), a >> (b & 7), a * a * a, np.gcd(a, b), a**2, a ** (b & 3),
            u - w, u // w, u >> (w & 63), u * w, -a, ~u, np.abs(a), np.lcm(b, a), u > w, u % w,
        )  # fmt: skip

    a = np.array([-128, 127, -7, 7, 0, 5, -1, 100], "i1")
    b = np.array([-1, 0, 2, -2, 3, 0, -128, 7], "i1")
    u = np.array([0, 2**64 - 1, 5, 2**63], "u8")
    check_both(f, a, b, u, np.array([1, 2, 0, 3], "u8"))
    check_both(f, a.astype("i8") * 2**56, b.astype("i8"), u, u[::-1].copy())


def test_reductions() -> None:
    def softmax(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    def f(x: Any, z: Any, h: Any, b: Any) -> Any:
        return (
            softmax(x), x.sum(), x.sum(axis=0), x.mean(axis=1), np.argmax(x), x.argmin(axis=0),
            np.argmax(x, axis=1), z.sum(axis=0), z.prod(), h.sum(), h.max(axis=1), b.any(),
            b.all(axis=0), x.astype(np.int32).prod(axis=1), np.max(np.abs(x), axis=0),
        )  # fmt: skip

    check_both(
        f, random((6, 7)), random((3, 4), "c16"), random((5, 6), "f2"), random((3, 5), "?"),
        sums=True,
    )  # fmt: skip


def test_long_reductions_have_chunks() -> None:
    def f(x: Any) -> Any:
        return x.sum(), np.argmax(x), (x.reshape(10, -1)).sum(axis=0)

    x = random((100_000,))
    x[77_777] = 9
    check_both(f, x, sums=True)


def test_nan_wins_in_extremes() -> None:
    def f(x: Any) -> Any:
        return x.max(), x.argmax(), x.min(axis=0), x.argmin(axis=1)

    x = random((4, 5))
    x[2, 3] = np.nan
    check_both(f, x)


def test_structure() -> None:
    def f(x: Any, i: Any, h: Any) -> Any:
        y = x * 1
        y[1:, ::2] = x[:-1, :3] + 1
        return (
            np.concatenate([x, x[:2] * 2, -x]), y, x[i], np.take(h, i), np.cumsum(x, axis=0),
            np.cumsum(x, axis=1), np.cumprod(h), np.take(x, i, axis=1) > 0, x[::-1, 1:],
        )  # fmt: skip

    check_both(f, random((4, 5)), np.array([0, -1, 3]), random((5,), "f2"), sums=True)


def test_take_of_bools_and_complex() -> None:
    def f(b: Any, z: Any, i: Any) -> Any:
        return b[i], z[i]

    check_both(f, random((5,), "?"), random((4, 2), "c8"), np.array([[0, -1], [3, -4]]))


def test_matrix_products() -> None:
    def f(a: Any, b: Any, v: Any, c: Any, z: Any) -> Any:
        return a @ b, a @ v, v @ b, c @ a.T, a.T @ a, z @ z, v @ v, c @ v

    def empty(a: Any, b: Any) -> Any:
        return a @ b

    check_both(
        f, random((4, 3)), random((3, 5)), random((3,)), random((2, 6, 3)), random((3, 3), "c8"),
        sums=True,
    )  # fmt: skip
    check_both(empty, random((3, 0)), random((0,)))


def test_empty_arrays() -> None:
    check_both(lambda x: (x + 1, x.sum(), x.sum(axis=0)), random((0, 3)))


def test_an_index_out_of_bounds_is_reported() -> None:
    def f(x: Any, i: Any) -> Any:
        return x[i] * 2

    x = random((4,))
    compiled = by_source(f, x, np.array([1, -4]))
    with pytest.raises(IndexError):
        compiled(x, np.array([0, 4]))
    np.testing.assert_array_equal(compiled(x, np.array([3])), x[[3]] * 2)


def test_sizes_change_and_guards_hold() -> None:
    def f(x: Any, y: Any) -> Any:
        return x[: y.shape[0]] + y if x.shape[0] > 3 else y

    compiled = by_source(f, random((5,)), random((2,)))
    for n, m in ((5, 2), (9, 4), (9, 9), (2, 7)):
        x, y = random((n,)), random((m,))
        np.testing.assert_array_equal(compiled(x, y), f(x, y))


def _table(step: int) -> list[tuple[str, Case, Any]]:
    """Each `step`-th case of the table of ops, with what NumPy gives."""
    found = []
    for param in list(cases())[::step]:
        record, dtypes, attrs = param.values
        arrays = restrict(record, operands(record, dtypes), attrs)
        (inferred,) = record.infer([TensorType(d, (1,)) for d in dtypes], attrs)
        found.append((str(param.id), (record, arrays, attrs, inferred.dtype), inferred))
    return found


def check_table(step: int, together: int = 40) -> None:
    table = _table(step)
    for first in range(0, len(table), together):
        part = table[first : first + together]
        for (name, case, _), found in zip(part, run_cases([c for _, c, _ in part]), strict=True):
            record, arrays, attrs, _ = case
            if record.name in ("gamma", "gammaln"):
                continue  # The C library and Python are further apart near its roots.
            with np.errstate(all="ignore"):
                expected = np.asarray(record.evaluate(*arrays, **attrs))
            slack: Any = SLACK.get((record.name, expected.dtype.kind))
            exact = run_body(record, arrays, **attrs)[1]
            allowed = 0 if exact else MAX_ULP + (slack(expected, *arrays) if slack else 0)
            zeros = record.name not in ("maximum", "minimum", "fmax", "fmin")
            wrong = np.flatnonzero(differences(found, expected, allowed, zeros))
            shown = [([a[k] for a in arrays], found[k], expected[k]) for k in wrong[:4]]
            assert not len(wrong), f"{name}: (inputs, source, NumPy) {shown}"


def test_bodies_equal_numpy() -> None:
    check_table(11)


@pytest.mark.slow
def test_all_bodies_equal_numpy() -> None:
    check_table(1)


# The text.


def model(x: Any, w: Any) -> Any:
    h = np.tanh(x @ w)
    return h / np.sum(h * h, axis=1, keepdims=True)


def test_the_text_is_python_with_the_users_lines() -> None:
    text = jit(model).source(random((4, 3)), random((3, 5)))
    compile(text, "model", "exec")
    first = model.__code__.co_firstlineno
    assert f"matmul  test_source.py:{first + 1}" in text
    assert re.search(rf"# tanh.*sum.*test_source.py:({first + 1}|{first + 2})", text)
    for part in ("def nest1(frame, lo, hi):", "def main(frame):", "math.tanh(", "dgemm("):
        assert part in text
    assert all(len(line) <= 100 for line in text.split("\n"))


def test_names_of_the_user_hide_nothing() -> None:
    def f(floor: Any, pointer: Any, frame: Any, float64: Any, dgemm: Any, i0: Any, max: Any) -> Any:
        math = np.floor(floor) + np.exp(pointer) * frame
        return math - float64 + i0 / max, dgemm @ dgemm

    vectors = [random((5,), seed=k) for k in range(4)]
    check_both(f, *vectors, random((3, 3)), vectors[0], vectors[1], sums=True)


def test_the_text_is_stable() -> None:
    args = random((4, 3)), random((3, 5))
    first, second = (jit(model).source(*args) for _ in range(2))
    assert first == second
    assert not re.search(r"0x[0-9a-f]{6}|\d{12}", first)


def test_a_refusal_of_numba_is_an_error_of_ours() -> None:
    head = f"from {numba_backend.__name__} import entry"
    text = f"{head}\n@entry\ndef main(frame):\n    return {{}}[0]"
    with pytest.raises(errors.CompileError, match="Numba refused"):
        numba_backend.compile_source(text, "f")


def written(build: Callable[..., Any], *dtypes: str) -> list[str]:
    """The lines for what `build(o, x, y)` returns."""
    names, block = Names(), Block()
    o = SourceScalars(SourceModule(set()), names, block)
    arguments = [Scalar(o, np.dtype(d), leaf(n)) for d, n in zip(dtypes, "xyz", strict=False)]
    Statement(block, "return {0}", (build(o, *arguments).v,))
    writer = SourceWriter()
    write(block, writer, names)
    return writer.lines


@pytest.mark.parametrize(
    ("build", "dtypes", "lines"),
    [
        (lambda o, x, y: (x + y) * x - y * (x - (y - x)), "dd",
         ["return (x + y) * x - y * (x - (y - x))"]),
        (lambda o, x, y: x / (y / x) / y, "dd", ["return x / (y / x) / y"]),
        (lambda o, x: -(x + 1) * 0.1, "f", ["return -(x + float32(1.0)) * float32(0.1)"]),
        (lambda o, x: (x + 1) >> 2, "b", ["return int8(int8(x + 1) >> 2)"]),
        (lambda o, x: x + 1, "Q", ["return x + uint64(1)"]),
        (lambda o, x: o.select((x > 0) & ~(x > 1), x, -x), "d",
         ["return x if (x > 0.0) & (not x > 1.0) else -x"]),
        (lambda o, x: (x + 1) * (x + 1), "d", ["return (x + 1.0) * (x + 1.0)"]),
        (lambda o, x: (lambda y: y * y)(x + 1), "d", ["t0 = x + 1.0", "return t0 * t0"]),
        (lambda o, x: x * np.inf + -np.inf, "d", ["return x * math.inf + -math.inf"]),
        (lambda o, x: o.cast(x, np.dtype("u1")), "d", ["return uint8(int32(x))"]),
        (lambda o, x: x & -(2**63), "q", ["return x & int64(9223372036854775808)"]),
        (lambda o, x: o.select(o.const(3, x.dtype) > 2, x, x * x), "d", ["return x"]),
    ],
)  # fmt: skip
def test_expressions(build: Callable[..., Any], dtypes: str, lines: list[str]) -> None:
    assert written(build, *dtypes) == lines


def test_long_lines_are_cut() -> None:
    def build(o: Any, x: Any, y: Any) -> Any:
        for _ in range(40):
            x = o.call("atan2", x + y, y)
        return x

    lines = written(build, "d", "d")
    assert all(len(line) <= 100 for line in lines)
    env: dict[str, Any] = {"math": __import__("math")}
    exec("def f(x, y):\n    " + "\n    ".join(lines), env)
    expected = 0.3
    for _ in range(40):
        expected = np.arctan2(expected + 0.7, 0.7)
    assert env["f"](0.3, 0.7) == pytest.approx(expected)


def _dims() -> st.SearchStrategy[Any]:
    atoms = st.one_of(st.integers(-5, 9), st.sampled_from("nm").map(dims.sym))

    def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        combine = st.sampled_from(
            [
                lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, dims.maximum,
                dims.minimum, lambda a, b: dims.floordiv(a, b if b != 0 else 1),
                lambda a, b: dims.mod(a, b if b != 0 else 1),
            ]
        )  # fmt: skip
        return st.builds(lambda f, a, b: f(a, b), combine, inner, inner)

    return st.recursive(atoms, grow, max_leaves=8)


@given(_dims(), st.integers(1, 9), st.integers(1, 9))
def test_sizes_as_text(dim: Any, n: int, m: int) -> None:
    sizes = Sizes(Names(), {"n": 1, "m": 2}, {})
    try:
        for need in (0, 7, 8, 10):
            value = eval(f"{sizes(dim, need)}", {"n": n, "m": m})
            assert value == dims.evaluate(dim, {"n": n, "m": m})
        product = eval(f"2 * {sizes(dim, 10)}", {"n": n, "m": m})
        assert product == 2 * dims.evaluate(dim, {"n": n, "m": m})
    except ZeroDivisionError:
        pass  # In compiled code that gives 0.
