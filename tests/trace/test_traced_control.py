"""Control statements whose conditions and step counts are traced give what Python gives."""

import linecache
import random
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trace.generated_functions import functions
from tests.trace.traced_cases import CASES
from tracejit import config, errors, jit


def outcome(fn, x, n):
    """The result of a call, or the exception that it ends with."""
    try:
        with np.errstate(all="ignore"):
            return fn(x, n)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_cases(case):
    made = jit(case)
    with config.override(mode="fast_compile"):
        for n in (4, 3, 1, 0):
            for values in ([0, 1, 2, 3], [3, 1, -2, 0]):
                x, y = np.array(values, float), np.array(values, float)
                found, expected = outcome(made, x, n), outcome(case, y, n)
                np.testing.assert_equal(found, expected)
                np.testing.assert_array_equal(x, y)


def traced_function(lines, seed):
    """A generated function on an array and a number: ranges are traced, and nothing is said."""
    draw = random.Random(seed)
    out = ["def f(x, n):", "    a, b, c = " + draw.choice(["x[0], x[1], x[2]", "x[0], n, 2"])]
    for line in lines[1:]:
        text = line.strip()
        pad = line[: len(line) - len(line.lstrip())]
        counted = re.match(r"for (\w+) in range\(", text)
        if text.startswith("return"):
            text = "return a, b, c, d, e"
        elif text.startswith("say("):
            text = f"e = (e + np.sum({text[4:-1]})) % 1000"
        elif counted and draw.random() < 0.5:
            count = draw.choice(["n", "n + 1", "a % 4", "len(x)"])
            text = f"for {counted[1]} in range({count}):"
        out.append(pad + text)
    name, text = f"<traced {hash(tuple(out))}>", "\n".join([*out, "    return a, b, c, d, e\n"])
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace = {"np": np}
    exec(compile(text, name, "exec"), namespace)
    return namespace["f"]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    functions(),
    st.integers(0, 10**6),
    st.lists(st.integers(-3, 6), min_size=4, max_size=4),
    st.integers(0, 5),
)
def test_generated(source, seed, values, n):
    fn = traced_function(source, seed)
    made = jit(fn)
    with config.override(mode="fast_compile"):
        for x, k in ((np.array(values), n), (np.array(values[::-1]), (n + 3) % 6)):
            assert list(map(int, made(x, k))) == list(map(int, fn(x, k)))


def gcd(a, b):
    if b == 0:
        return a
    return gcd(b, a % b)


def test_recursion_on_arguments():
    made = jit(gcd)
    for a, b in [(12, 8), (12, 5), (7, 0), (0, 3), (12, 8)]:
        assert made(a, b) == gcd(a, b)


def test_recursion_that_has_no_end_is_refused():
    def f(x):
        def halved(v):
            return v if v.sum() < 1 else halved(v / 2)

        return halved(x)

    with pytest.raises(errors.ControlFlowError, match="calls itself"):
        jit(f)(np.ones(3))
