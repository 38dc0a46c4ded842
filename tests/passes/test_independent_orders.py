"""Random loops: where turns are said to be independent, any order of them gives the same."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

from tests.passes.test_independent import marked

PLACES = ("i", "i + 1", "n - 1 - i", "2 * i", "2 * i + 1", "j", "i + j", "3", "2 * i + j", "m + i")


def function(rng: np.random.Generator, number: int, turns: str) -> Any:
    """`f(a, b, c, x, y, z, n, m, order)`: a loop over `turns`, made of random statements."""

    def place() -> str:
        return str(rng.choice(PLACES[:5] if rng.random() < 0.5 else PLACES))

    def element(inner: bool, arrays: str = "abcxyz") -> str:
        while True:
            array = rng.choice(list(arrays))
            found = f"{array}[{place()}]" if array in "xyz" else f"{array}[{place()}, {place()}]"
            if inner or "j" not in found:
                return found

    def statement(inner: bool) -> str:
        kind = rng.integers(6)
        if kind == 0:
            return f"{rng.choice(['a', 'b'])}[{rng.choice(['i', 'i + 1', '2 * i'])}, 1:m] *= 0.5"
        if kind == 1:
            return f"{rng.choice(['a', 'b'])}[1:m, {rng.choice(['i', 'i + 1'])}] += x[1:m]"
        if kind == 2:
            return f"s = {element(inner)} * 0.5"
        return f"{element(inner, rng.choice(['ab', 'xy']))} = {element(inner)} * 0.5 + s"

    lines = [f"for i in {turns}:"]
    lines.append(f"    s = {element(False)}")
    lines += ["    " + statement(False) for _ in range(rng.integers(3))]
    if rng.random() < 0.7:
        lines.append(f"    for j in range({rng.choice(['m', 'i', 'i + 1', 'n - i', '2'])}):")
        lines += ["        " + statement(True) for _ in range(rng.integers(1, 3))]
    lines += ["    " + statement(False) for _ in range(rng.integers(2))]
    lines.append("return a, b, x, y")
    text = "def f(a, b, c, x, y, z, n, m, order):\n" + "".join(f"    {line}\n" for line in lines)
    name = f"<turns {number} {turns}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    return namespace["f"]


def arguments(order: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(5)
    matrices = [rng.random((18, 24)) for _ in range(3)]
    return (*matrices, *(rng.random(30) for _ in range(3)), 5, 6, order)


@pytest.mark.parametrize("block", range(4))
def test_independent_turns_may_run_in_any_order(block):
    found = 0
    for number in range(100 * block, 100 * block + 100):
        f = function(np.random.default_rng(number), number, "range(n)")
        if not any(marked(f, *arguments(0))[:1]):
            continue
        found += 1
        shuffled = function(np.random.default_rng(number), number, "order")
        want = f(*arguments(0))
        for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 0, 3, 2, 4]):
            for one, other in zip(shuffled(*arguments(order)), want, strict=True):
                np.testing.assert_array_equal(one, other)
    assert found
