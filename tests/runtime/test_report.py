"""`explain()`: the whole text for one function, and single facts."""

from __future__ import annotations

import re

import numpy as np

from tracejit import jit

WEIGHTS = np.ones((3, 4))
SCALE = 2.5


@jit(static_argnames="norm")
def layer(x, b, k, norm="max"):
    h = np.tanh(x @ WEIGHTS + b) * SCALE
    if k > 2:
        h = h * k
    return h / h.max(axis=1, keepdims=True)


def plain(report):
    """The text without times."""
    return re.sub(r"\d[\d.]* m?s\b", "T", str(report))


def test_nothing_compiled():
    assert str(jit(lambda x: x, name="f").explain()) == "f: not called yet, nothing is compiled"


def test_a_layer():
    layer(np.ones((2, 3)), np.ones(4), 3)
    layer(np.ones((5, 3)), np.ones(4), 3)
    text = plain(layer.explain())
    assert (
        text.splitlines()[0]
        == ("layer: 1 version in T, of which 0 from disk; 1 call needed no compilation")
        or "1 from disk" in text.splitlines()[0]
    )
    for line in (
        "version 1: layer(x: f8[n, m], b: f8[l], k: int, norm='max')",
        "    global SCALE == 2.5",
        "    global WEIGHTS: f8[m, l]",
        "    1. matrix product by BLAS: f8[n, m] @ f8[m, l]",
        "       test_report.py:17: h = np.tanh(x @ WEIGHTS + b) * SCALE",
        "    4. if a condition holds:",
        "       1. nest on elements of [l*n]: cast, multiply, update",
        "       threads share: n outer iterations",
        "  is called natively: no Python runs between the call and the code",
    ):
        assert line in text.splitlines(), text
    assert max(map(len, text.splitlines())) <= 100


def counted(x, k):
    return x * "abc"[:k].count("a")


def test_a_number_that_was_needed_while_tracing():
    f = jit(counted)
    f(np.ones(3), 2)
    assert "k == 2  k was needed as a Python int, test_report.py:" in str(f.explain())


def test_why_a_call_goes_through_python():
    f = jit(lambda x: {"twice": 2 * x})
    f(np.ones(3))
    assert "is called through Python, because the result is a dict" in str(f.explain())

    @jit
    def write(x, y):
        x += y

    x = np.ones(3)
    write(x, x)
    assert "because two arguments are the same array, which is written" in str(write.explain())


def test_interpreted():
    f = jit(lambda x: x + 1, mode="fast_compile")
    f(np.ones(3))
    assert "runs node by node with NumPy" in str(f.explain())


def until_small(x, most):
    for k in range(most):
        if x.max() < 1:
            return x[: int(x.argmax())].sum(), k
        x = x / 2
    return x.sum(), -1


def test_loops_and_branches_are_shown_with_what_is_in_them():
    f = jit(until_small)
    f(np.array([3.0, 5.0, 1.0]), 9)
    lines = [line.strip() for line in plain(f.explain()).splitlines()]
    assert any(line.endswith("loop, most times, while a condition holds:") for line in lines), lines
    assert any("if a condition holds:" in line for line in lines)
    assert any("a size becomes known" in line for line in lines)
