"""What is captured from outside a jitted function, and that later changes of it are seen."""

import functools

import numpy as np
import pytest

from tracejit import jit

C = np.arange(12.0).reshape(3, 4)
SCALE = 2.0
T = np.arange(4.0)
W = np.arange(3.0)


def check(found, expected):
    if isinstance(expected, (list, tuple)):
        assert type(found) is type(expected) and len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            check(a, b)
    else:
        assert type(found) is type(expected), (type(found), type(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-15)


def helper(x, k=2):
    return x * k + SCALE


def test_helpers_methods_and_recursion():
    class Model:
        def __init__(self, w):
            self.w = w

        @property
        def double(self):
            return self.w * 2

        def __call__(self, x):
            return self.apply(x) + self.double

        def apply(self, x):
            return x * self.w

    model = Model(np.ones(4))
    partial = functools.partial(helper, k=3)
    power = lambda x, n: x if n == 0 else x * power(x, n - 1)

    def f(t):
        return helper(t), partial(t), model(t), model.apply(t), power(t, 3), Model(t).double

    g = jit(f)
    check(g(T), f(T))
    model.w = np.full(4, 5.0)
    check(g(T), f(T))
    model.w[0] = 9.0
    check(g(T), f(T))
    assert g.cache_info().compiled == 1
    model.apply = lambda x: x - 1
    check(g(T), f(T))


def test_globals_closures_attributes_are_guarded(monkeypatch):
    k, arrays = 1.0, {"w": [np.ones(4), np.zeros(4)], "lr": 0.5}

    def f(t):
        for w in arrays["w"]:
            t = t + w * arrays["lr"] * k
        return t * SCALE + W[0]

    g = jit(f)
    module = __import__("sys").modules[__name__]
    check(g(T), f(T))
    assert g.cache_info().compiled == 1
    monkeypatch.setattr(module, "W", np.array([7.0, 8.0]))
    check(g(T), f(T))
    arrays["w"][0][:] = 3
    check(g(T), f(T))
    arrays["w"][1] = np.full(4, 2.0)
    check(g(T), f(T))
    assert g.cache_info().compiled == 1
    monkeypatch.setattr(module, "SCALE", 3.0)
    check(g(T), f(T))
    k = 2.0
    check(g(T), f(T))
    arrays["lr"] = 0.25
    check(g(T), f(T))
    arrays["w"].append(np.ones(4))
    check(g(T), f(T))
    assert g.cache_info().compiled == 5
    monkeypatch.setattr(module, "W", np.array([7, 8]))
    check(g(T), f(T))
    monkeypatch.setattr(module, "helper", None)
    check(g(T), f(T))
    assert g.cache_info().compiled == 6


READS = [
    lambda t, c, d: [a := c[0], a][1] * t,
    lambda t, c, d: sum(c) * t,
    lambda t, c, d: len(c) * t,
    lambda t, c, d: (lambda x, *_: x)(*c) * t,
    lambda t, c, d: max(*c, 0.0) * t,
    lambda t, c, d: {**d}["a"] * t,
    lambda t, c, d: dict(**d)["a"] * t,
    lambda t, c, d: d.get("a", 0) * t,
    lambda t, c, d: sum(d.values()) * t,
    lambda t, c, d: t if "a" in d else -t,
    lambda t, c, d: t if c == [1.0, 2.0] else -t,
    lambda t, c, d: t if c and d else -t,
    lambda t, c, d: np.array(c).sum() * t,
    lambda t, c, d: np.sum(c) * t,
    lambda t, c, d: [x * t for x in c],
    lambda t, c, d: unpacks(t, c),
    lambda t, c, d: [len(k) * t for k in d],
    lambda t, c, d: t * c[-1],
    lambda t, c, d: t * c[:1][0],
]


def unpacks(t, c):
    first, *_ = c
    return first * t


@pytest.mark.parametrize("k", range(len(READS)))
def test_lists_and_dicts_from_outside_are_never_stale(k):
    numbers, table = [1.0, 2.0], {"a": 1.0}

    def f(t):
        return READS[k](t, numbers, table)

    g = jit(f)
    check(g(T), f(T))
    check(g(T), f(T))
    assert g.cache_info().compiled == 1
    numbers[:], table["a"] = [3.0, 4.0], 3.0
    check(g(T), f(T))
    numbers.append(9.0)
    table["b"] = 2.0
    check(g(T), f(T))
    numbers.clear()
    numbers.append(6.0)
    table.clear()
    table["z"] = table["a"] = 7.0
    check(g(T), f(T))


def test_nan_in_a_global_does_not_retrace(monkeypatch):
    monkeypatch.setattr(__import__("sys").modules[__name__], "SCALE", float("nan"))
    g = jit(helper)
    g(T), g(T)
    assert g.cache_info().compiled == 1


def test_inlined_jitted_functions():
    inner = jit(lambda x: x * 2)

    def f(t):
        return inner(t) + inner(C[0])

    g = jit(f)
    check(g(T), f(T))
    assert inner.cache_info().compiled == 1


def test_capture_false():
    f = jit(lambda x: np.exp(x) + 1, capture=False)
    np.testing.assert_allclose(f(np.zeros(2)), [2, 2])
