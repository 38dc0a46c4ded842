"""`scan` and its kin against plain loops: in plain Python, interpreted, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracejit
from tests.end2end.scans import Scan, scans
from tests.library import assert_equal
from tracejit import errors

MODES = ["plain", "fast_compile", "fast_run"]


def run(mode: str, fn: Callable[..., Any], *args: Any) -> Any:
    """`fn` as it is, or jitted."""
    return fn(*args) if mode == "plain" else tracejit.jit(fn, mode=mode)(*args)


def holds(mode: str, case: Scan, n_steps: Any) -> None:
    expected = case.expected()
    found = run(mode, case.call, case.arrays(), n_steps)
    found = [found] if isinstance(found, np.ndarray) else found
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if len(b):
            assert a.shape == b.shape
            np.testing.assert_array_equal(a, b)
        else:
            assert len(a) == 0
    # Dtypes and the shapes of no rows are those of plain Python.
    assert_equal(found, _listed(case.call(case.arrays(), n_steps)))


def _listed(x: Any) -> Any:
    return [x] if isinstance(x, np.ndarray) else x


@settings(max_examples=200)
@given(scans())
def test_plain(case: Scan) -> None:
    holds("plain", case, case.n_steps)
    long = Scan(case.sequences, case.states, case.others, case.n_steps, case.backwards, None)
    if len(long.expected()[0]) > 3:
        assert [x.dtype for x in long.expected()] == [
            x.dtype for x in _listed(long.call(long.arrays(), long.n_steps))
        ]


@settings(max_examples=40)
@given(scans())
def test_interpreted(case: Scan) -> None:
    holds("fast_compile", case, case.n_steps)


@settings(max_examples=15)
@given(scans())
def test_compiled(case: Scan) -> None:
    holds("fast_run", case, case.n_steps)


# The tutorial.


@pytest.mark.parametrize("mode", MODES)
def test_power(mode: str) -> None:
    def power(A: np.ndarray, k: int) -> np.ndarray:
        result = tracejit.scan(
            lambda prior, A: prior * A, outputs_info=np.ones_like(A), non_sequences=A, n_steps=k
        )
        return result[-1]

    assert str(run(mode, power, np.arange(10.0), 2)) == "[ 0.  1.  4.  9. 16. 25. 36. 49. 64. 81.]"


def polynomial(coefficients: np.ndarray, x: float) -> Any:
    components = tracejit.scan(
        lambda coefficient, power, x: coefficient * x**power,
        outputs_info=None,
        sequences=[coefficients, np.arange(10000)],
        non_sequences=x,
    )
    return components.sum()


def reduced_polynomial(coefficients: np.ndarray, x: float) -> Any:
    return tracejit.reduce(
        lambda coefficient, power, total, x: total + coefficient * x**power,
        sequences=[coefficients, np.arange(10000)],
        outputs_info=0.0,
        non_sequences=x,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fn", [polynomial, reduced_polynomial])
def test_polynomial(mode: str, fn: Callable[..., Any]) -> None:
    coefficients = np.asarray([1, 0, 2], np.float32)
    for x in (3, 3.0):
        assert run(mode, fn, coefficients, x) == 19.0


@pytest.mark.parametrize("mode", MODES)
def test_ifelse_of_means(mode: str) -> None:
    def lazy(a: float, b: float, x: np.ndarray, y: np.ndarray) -> Any:
        return tracejit.ifelse(a < b, np.mean(x), np.mean(y))

    x, y = np.ones((10, 4)), np.zeros((7, 3))
    assert run(mode, lazy, 0.0, 1.0, x, y) == 1.0
    assert run(mode, lazy, 1.0, 0.0, x, y) == 0.0


# Types.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_types_of_states_settle(mode: str, n: int) -> None:
    def build(x: np.ndarray) -> Any:
        return (
            tracejit.scan(lambda s: s * 0.5 + 1, outputs_info=1, n_steps=n),
            tracejit.scan(lambda a, b: (b, a + x[0]), outputs_info=[0, 0], n_steps=n),
            tracejit.scan(lambda s: s + 1, outputs_info=2, n_steps=n),
            tracejit.scan(lambda s: s.astype("f4"), outputs_info=np.arange(3), n_steps=n),
            tracejit.scan(lambda s: s | (s > 3), outputs_info=True, n_steps=n),
            tracejit.scan(lambda a: (a, a[:2] > 1), sequences=[x[:n, None] * np.ones(3)]),
        )

    x = np.arange(5, dtype=np.float32)
    found = run(mode, build, x)
    assert [_types(y) for y in found] == [
        ("f8", (n,)), [("f4", (n,)), ("f4", (n,))], ("i8", (n,)), ("f8", (n, 3)), ("?", (n,)),
        [("f8", (n, 3)), ("?", (n, 2))],
    ]  # fmt: skip
    for a, b in zip(found, build(x), strict=True):
        assert_equal(a, b)


def _types(x: Any) -> Any:
    if isinstance(x, list):
        return [_types(y) for y in x]
    return x.dtype.str.lstrip("<|").replace("b1", "?"), x.shape


# How many steps.


@pytest.mark.parametrize("mode", MODES)
def test_number_of_steps_from_data(mode: str) -> None:
    def build(x: np.ndarray, k: np.ndarray) -> Any:
        doubled = tracejit.scan(lambda s: s * 2, outputs_info=1.0, n_steps=k[0])
        taken = tracejit.scan(lambda v, s: s + v, x, 0.0, n_steps=k.max())
        return doubled, taken, tracejit.scan(lambda s: s + 1, outputs_info=0, n_steps=x.size)

    f = build if mode == "plain" else tracejit.jit(build, mode=mode)
    for k in (0, 1, 3):
        x, ks = np.arange(4.0), np.array([k, 0])
        assert_equal(f(x, ks), (2.0 ** np.arange(1, k + 1), np.cumsum(x)[:k], np.arange(1, 5)))
    if mode != "plain":
        assert f.cache_info().compiled == 1


@pytest.mark.parametrize("mode", MODES)
def test_one_version_for_every_number_of_steps(mode: str) -> None:
    def build(n: int) -> Any:
        return tracejit.scan(lambda s: s * 3, outputs_info=1, n_steps=n)

    f = build if mode == "plain" else tracejit.jit(build, mode=mode)
    for n in (4, 0, 1, 7):
        assert_equal(f(n), 3 ** np.arange(1, n + 1))
    if mode != "plain":
        assert f.cache_info().compiled == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [-1.0, 0.0, 4.0, 100.0])
def test_until_in_steps_with_arrays(mode: str, limit: float) -> None:
    def build(x: np.ndarray, limit: float) -> Any:
        def body(row: np.ndarray, total: np.ndarray) -> Any:
            total = total + row
            return [total, row * 2], tracejit.until(total.max() > limit)

        totals, rows = tracejit.scan(body, x, [np.zeros(x.shape[1]), None])
        return totals, rows, totals.shape[0] + 1, rows.sum(axis=0)

    x = np.array([[0.5, 1], [0, 3], [1, 1], [2, 2]])
    assert_equal(run(mode, build, x, limit), build(x, limit))


# What the body does.


@pytest.mark.parametrize("mode", MODES)
def test_nested(mode: str) -> None:
    def build(a: np.ndarray, b: np.ndarray) -> Any:
        def row(x: np.ndarray) -> Any:
            return tracejit.scan(lambda y, s, x: s * 0.5 + np.dot(x, y), b.T, 1, x)

        return tracejit.scan(row, a)

    def loops(a: np.ndarray, b: np.ndarray) -> Any:
        result = np.zeros((len(a), b.shape[1]))
        for i in range(len(a)):
            s = 1
            for j in range(b.shape[1]):
                s = result[i, j] = s * 0.5 + a[i] @ b[:, j]
        return result

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
    assert_equal(run(mode, build, a, b), loops(a, b))


@pytest.mark.parametrize("mode", MODES)
def test_writes_in_the_body(mode: str) -> None:
    def build(x: np.ndarray, count: np.ndarray) -> Any:
        def body(row: np.ndarray, state: np.ndarray) -> Any:
            row[0] = -1
            count[:1] += 1
            state[1:] += row[1:]
            return state

        first = np.zeros(3)
        result = tracejit.scan(body, x, first)
        return result, first, x.copy(), count.copy()

    x, count = np.arange(12.0).reshape(4, 3), np.zeros(2)
    expected = build(x.copy(), count.copy())
    np.testing.assert_array_equal(expected[1], 0)
    mine, counted = x.copy(), count.copy()
    assert_equal(run(mode, build, mine, counted), expected)
    np.testing.assert_array_equal(mine[:, 0], -1)
    assert counted[0] == 4


@pytest.mark.parametrize("mode", MODES)
def test_no_outputs(mode: str) -> None:
    def build(x: np.ndarray) -> Any:
        def body(v: Any, k: Any) -> Any:
            x[k] = v * 2
            return tracejit.until(v > 2)

        assert tracejit.scan(body, [x.copy(), np.arange(len(x))]) is None
        return x.sum()

    assert run(mode, build, np.arange(5.0)) == 0 + 2 + 4 + 6 + 4


@pytest.mark.parametrize("mode", MODES)
def test_map_and_folds(mode: str) -> None:
    def build(x: np.ndarray) -> Any:
        step = lambda v, s, k: s * k + v
        return (
            tracejit.map(lambda a, b, k: a * k - b, [x, x[1:]], 3, go_backwards=True),
            tracejit.reduce(step, x, 1, 2),
            tracejit.foldl(step, [x], 0.5, [2]),
            tracejit.foldr(step, x, 0, 2),
            tracejit.reduce(lambda v, a, b: (b, a + v), x, [0.0, 1]),
            tracejit.foldl(lambda v, s: s + v, x[:0], 7),
            tracejit.reduce(
                lambda v, a, b: a - b * v, x, dict(initial=np.array([1.0, 2.0]), taps=[-1, -2])
            ),
        )

    x = np.arange(1.0, 6)
    found = run(mode, build, x)
    assert_equal(found, build(x))
    np.testing.assert_array_equal(found[0], x[1:][::-1] * 0 + x[1:][::-1] * 3 - x[1:][::-1])
    assert found[1] == 32 + 16 + 2 * 8 + 3 * 4 + 4 * 2 + 5
    assert found[2] == 16 + 16 + 2 * 8 + 3 * 4 + 4 * 2 + 5
    assert found[3] == 5 * 16 + 4 * 8 + 3 * 4 + 2 * 2 + 1
    assert found[5] == 7


@pytest.mark.parametrize("mode", MODES)
@given(data=st.data())
@settings(max_examples=10)
def test_loops_of_jax(mode: str, data: Any) -> None:
    low, high = data.draw(st.integers(-3, 6)), data.draw(st.integers(-3, 6))
    limit = data.draw(st.integers(-2, 40))

    def build(x: np.ndarray, bounds: np.ndarray, limit: float) -> Any:
        def double(state: Any) -> Any:
            return {"x": state["x"] * 2, "n": state["n"] + 1}

        first = {"x": x, "n": 0}
        return (
            tracejit.fori_loop(low, high, lambda i, s: s + i * x[0], 0.0),
            tracejit.fori_loop(bounds[0], bounds[1], lambda i, s: (s[1], s[0] + i), (1, 2)),
            tracejit.fori_loop(0, x.size, lambda i, s: s + x[i], x * 0),
            tuple(tracejit.while_loop(lambda s: s["x"].sum() < limit, double, first).values()),
        )

    x = np.array([1.0, 2, 0.5])
    args = (x, np.array([low, high]), float(limit))
    before = x.copy()
    assert_equal(run(mode, build, *args), build(*args))
    np.testing.assert_array_equal(x, before)


# ifelse.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("c", [0.0, 2.0])
def test_ifelse(mode: str, c: float) -> None:
    def build(c: np.ndarray, x: np.ndarray) -> Any:
        pair = tracejit.ifelse(c > 1, (x, 1), (x * 2, 2.5))
        inner = tracejit.ifelse(c[0], lambda: tracejit.ifelse(x[0] > 5, 1.0, 2), lambda: 3.0)
        same = tracejit.ifelse(c.sum() > 0, x, x)
        same[0] = 7
        return (
            pair,
            inner,
            same,
            x.copy(),
            tracejit.ifelse(True, x[0], 2),
            tracejit.ifelse(c == 0, [x[1:], c], [x[:-1], c + 1]),
            tracejit.ifelse(c, x.astype("f4"), x.astype("i4")),
        )

    args = np.array([c]), np.arange(4.0)
    found = run(mode, build, *args)
    assert_equal(found, build(*args))
    assert type(found[0]) is tuple and found[2][0] == 7 and found[3][0] == 0
    assert found[6].dtype == np.float64


@pytest.mark.parametrize("mode", MODES)
def test_writes_stay_on_their_side(mode: str) -> None:
    def build(c: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        def write(target: np.ndarray) -> Any:
            target[1:] += 1
            return target.sum()

        total = tracejit.ifelse(c[0], lambda: write(x), lambda: write(y))
        x[0] = total

    for c in (True, False):
        mine = np.array([c]), np.zeros(3), np.ones(3)
        theirs = np.array([c]), np.zeros(3), np.ones(3)
        build(*theirs)
        run(mode, build, *mine)
        assert_equal(mine, theirs)


# Errors.


def mistakes() -> dict[str, tuple[Callable[[np.ndarray], Any], type[Exception], str]]:
    """Programs that are refused, with the error and what it says."""
    scan = tracejit.scan
    return {
        "grows": (
            lambda x: scan(lambda s: np.zeros(4), None, x, n_steps=3),
            errors.ControlFlowError, r"f8\[.*3\].*f8\[4\]",
        ),
        "rank": (
            lambda x: scan(lambda s: s + x, None, 0.0, n_steps=3),
            errors.ControlFlowError, r"Python float.*f8\[.*3\]",
        ),
        "long": (
            lambda x: scan(lambda v: v, x, n_steps=4),
            errors.ShapeError, r"n_steps is 4, and sequence 0.*has .*3 steps",
        ),
        "long by taps": (
            lambda x: scan(lambda u, v: v, dict(input=x, taps=[0, 2]), n_steps=3),
            errors.ShapeError, r"n_steps is 3.*1 steps with taps \[0, 2\]",
        ),
        "negative": (
            lambda x: scan(lambda v: v, x, n_steps=-1), errors.TracedValueError, "n_steps is -1",
        ),
        "no count": (
            lambda x: scan(lambda s: s, None, x), errors.TracedValueError, "how many steps",
        ),
        "float count": (
            lambda x: scan(lambda s: s, None, x, n_steps=2.0), errors.DTypeError, "must be an int",
        ),
        "outputs": (
            lambda x: scan(lambda v, s: (s, v), x, 0.0),
            errors.TracedValueError, "entries for 1, and the body returns 2",
        ),
        "updates": (
            lambda x: scan(lambda v: (v, {"a": v}), x), errors.UnsupportedError, "updates",
        ),
        "gradient": (
            lambda x: scan(lambda v: v, x, truncate_gradient=0),
            errors.TracedValueError, "truncate_gradient",
        ),
        "scalar sequence": (
            lambda x: scan(lambda v: v, x[0]), errors.ShapeError, "no axis to run over",
        ),
        "initial": (
            lambda x: scan(lambda s: s, None, dict(initial=x, taps=[-4]), n_steps=2),
            errors.ShapeError, "need 4 earlier values",
        ),
        "positive tap": (
            lambda x: scan(lambda s: s, None, dict(initial=x, taps=[1]), n_steps=2),
            errors.TracedValueError, "only earlier values",
        ),
        "key": (
            lambda x: scan(lambda s: s, dict(inputs=x)), errors.DTypeError, "'inputs'",
        ),
        "no function": (
            lambda x: scan(x, x), errors.DTypeError, "takes a function",
        ),
        "reduce": (
            lambda x: tracejit.reduce(lambda v: v, x, None), errors.DTypeError, "no initial state",
        ),
        "until": (
            lambda x: scan(lambda s: (s, tracejit.until(s > 1)), None, x, n_steps=2),
            errors.TracedValueError, r"condition of until has one element.*\[.*3\]",
        ),
        "structure": (
            lambda x: tracejit.fori_loop(0, 3, lambda i, s: (s, s), x),
            errors.ControlFlowError, r"the body returns \(",
        ),
        "bounds": (
            lambda x: tracejit.fori_loop(0, 3.0, lambda i, s: s, x),
            errors.DTypeError, "`upper` must be an int",
        ),
        "sides": (
            lambda x: tracejit.ifelse(x[0] > 0, x, x[1:]),
            errors.ControlFlowError, r"f8\[.*3\].*f8\[",
        ),
        "condition": (
            lambda x: tracejit.ifelse(x, 1, 2), errors.TracedValueError, "one element",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("name", list(mistakes()))
def test_errors(mode: str, name: str) -> None:
    fn, kind, text = mistakes()[name]
    with pytest.raises(kind, match=f"(?s){text}") as caught:
        run(mode, fn, np.ones(3))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(__file__), lines
    assert len(lines) <= 10


@pytest.mark.parametrize("mode", MODES[:2])
def test_errors_name_the_line_in_the_body(mode: str) -> None:
    def body(v: Any, s: Any) -> Any:
        s = s + v
        return s * np.ones(2)  # the line

    with pytest.raises(errors.ControlFlowError, match=r"return s \* np.ones\(2\)  # the line"):
        run(mode, lambda x: tracejit.scan(body, x, 0.0), np.ones(3))


@pytest.mark.parametrize("mode", MODES)
def test_an_index_out_of_bounds_names_the_line_in_the_body(mode: str) -> None:
    def build(x: np.ndarray, k: np.ndarray) -> Any:
        def body(i: Any, s: Any) -> Any:
            s = s + 1
            return s + x[i]  # the line

        return tracejit.scan(body, k, 0.0)

    x, k = np.arange(4.0), np.array([0, 3, 4, 1])
    with pytest.raises(IndexError, match="out of bounds") as caught:
        run(mode, build, x, k)
    assert mode == "plain" or "return s + x[i]  # the line" in str(caught.value)


@pytest.mark.parametrize("mode", MODES)
def test_steps_beyond_a_sequence_at_run_time(mode: str) -> None:
    def build(x: np.ndarray, k: np.ndarray) -> Any:
        return tracejit.scan(lambda v, s: s + v, x, 0.0, n_steps=k[0])

    with pytest.raises((ValueError, errors.TraceError)):
        run(mode, build, np.ones(3), np.array([4]))


def test_truncation_is_kept_for_derivatives() -> None:
    f = tracejit.jit(lambda x: tracejit.scan(lambda v, s: v + s, x, 0.0, truncate_gradient=3))
    assert any(node.attrs.get("truncate_gradient") == 3 for node in f.trace(np.ones(4)).nodes)
    np.testing.assert_array_equal(f(np.ones(4)), [1, 2, 3, 4])
