"""The `jit` object: retracing, results, writes, threads, pickling."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

from tracejit import errors, jit


@jit
def module_level(x):
    """Its documentation."""
    return x + 1


class Model:
    def __init__(self, w):
        self.w = w

    @jit
    def forward(this, x):
        return x * this.w

    @classmethod
    @jit
    def make(cls, x):
        return x, cls

    @staticmethod
    @jit
    def plain(x):
        return x - 1


def test_metadata():
    assert module_level.__name__ == "module_level"
    assert module_level.__doc__ == "Its documentation."
    assert repr(module_level) == "<tracejit.jit of module_level>"
    assert jit(module_level).fn is module_level.fn


def test_methods():
    one, two = Model(np.ones(2)), Model(2.0)
    x = np.arange(2.0)
    assert one.forward(x).tolist() == [0, 1]
    assert two.forward(x).tolist() == [0, 2]
    two.w = 3.0
    assert two.forward(x).tolist() == [0, 3]
    assert Model.make(x)[1] is Model and Model.make(x)[0] is x
    assert Model.plain(x).tolist() == [-1, 0]


def test_retraces():
    f = jit(lambda x, k: x * k)
    compiled = lambda: f.cache_info().compiled
    f(np.ones(3), 2), f(np.ones(30), 7)
    assert compiled() == 1
    f(np.ones(3), 2.0)
    assert compiled() == 2
    f(np.ones(3, "f4"), 2)
    assert compiled() == 3
    f(np.ones((3, 3)), 2)
    assert compiled() == 4
    f(np.ones((3, 3)).T[:, ::2], 2)
    assert compiled() == 5
    assert f.cache_info().hits == 1 and f.cache_info().seconds > 0


def test_sizes_of_one():
    f = jit(lambda a, b: a + b)
    cases = [(3, 3), (1, 3), (3, 1), (1, 1), (4, 4), (1, 7), (7, 1), (1, 1)]
    for n, m in cases:
        a, b = np.arange(n) + 1.0, np.arange(m) * 2.0
        np.testing.assert_array_equal(f(a, b), a + b)
    with pytest.raises(errors.ShapeError):
        f(np.ones(3), np.ones(4))
    assert f.cache_info().compiled <= 4


def test_scalars_become_guards_when_needed():
    f = jit(lambda x, n, s: (x * s,) * n)
    for n, s in [(3, 1.0), (3, 2.0), (4, 1.0), (3, 5.0)]:
        np.testing.assert_array_equal(f(np.ones(1), n, s), np.full((n, 1), s))
    assert f.cache_info().compiled == 2
    assert "n == 4" in str(f.explain())


def test_a_size_that_is_an_argument_needs_no_guard():
    f = jit(lambda x, n, s: np.zeros(n) + x[: n - 1].sum() * s)
    for n, s in [(3, 1.0), (3, 2.0), (4, 1.0), (7, 5.0)]:
        np.testing.assert_array_equal(f(np.ones(9), n, s), np.full(n, s * (n - 1)))
    assert f.cache_info().compiled == 1
    with pytest.raises(ValueError, match="negative"):
        f(np.ones(9), -2, 1.0)


def test_kinds_of_results():
    x, s = np.arange(4.0), np.float32(2)

    def f(x, s, k):
        return x, s, k, x.sum(), x[0], x[:1].reshape(()), k * 2, len(x), s + 1, x.copy(), "s", None

    found, expected = jit(f)(x, s, 3), f(x, s, 3)
    assert found[0] is x and found[1] is s
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)


def test_results_are_views_where_numpys_are():
    def f(x):
        return x.T, np.broadcast_to(x[0], (4, 3)), (x + 1).T

    x = np.arange(6.0).reshape(2, 3)
    for got, want in zip(jit(f)(x), f(x), strict=True):
        assert got.flags.writeable == want.flags.writeable
        assert np.shares_memory(got, x) == np.shares_memory(want, x)


def test_same_result_twice_is_one_object():
    def f(x):
        y = x + 1
        return y, y

    a, b = jit(f)(np.ones(2))
    assert a is b


@pytest.mark.parametrize(
    "make", [lambda a: a, lambda a: a[::2], lambda a: a.T, lambda a: a[:, ::-1]]
)
def test_writes_reach_the_callers_memory(make):
    def f(x):
        x[1:] += x[:-1] * 2
        x[0] = -1
        return x

    mine, theirs = make(np.arange(12.0).reshape(4, 3)), make(np.arange(12.0).reshape(4, 3))
    assert jit(f)(mine) is mine
    np.testing.assert_array_equal(mine, f(theirs))


def test_refused_writes():
    @jit
    def f(x, y):
        x += y

    x = np.arange(5.0)
    locked = x.copy()
    locked.flags.writeable = False
    with pytest.raises(errors.MutationError) as info:
        f(locked, x)
    assert str(info.value).splitlines()[1:] == [
        "    x += y",
        "  `f` writes into its argument `x`, which is read-only",
        "  instead: pass a copy",
    ]
    with pytest.raises(errors.MutationError, match="whose memory overlaps with `y`"):
        f(x[1:], x[:-1])
    assert x.tolist() == [0, 1, 2, 3, 4]
    f(x[:2], x[2:4])
    assert x.tolist() == [2, 4, 2, 3, 4]
    f(x[::2][:2], x[1::2])
    assert x.tolist() == [6, 4, 5, 3, 4]


def test_threads():
    f = jit(lambda x: np.exp(x).sum() * 2)
    failures = []

    def work(k):
        for n in range(1, 30):
            x = np.linspace(0, 1, n + k)
            if not np.isclose(f(x), np.exp(x).sum() * 2):
                failures.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert f.cache_info().compiled <= 2


def test_pickle():
    assert pickle.loads(pickle.dumps(len)) is len
    if not hasattr(sys.modules.get(__name__), "module_level"):
        pytest.skip("the test module cannot be imported by name")
    assert pickle.loads(pickle.dumps(module_level)) is module_level


def test_pickle_of_closures():
    pytest.importorskip("cloudpickle")
    k = 3.0
    f = jit(lambda x: x * k, name="scaled")
    g = pickle.loads(pickle.dumps(f))
    assert g.name == "scaled" and g(np.ones(2)).tolist() == [3.0, 3.0]


def test_options_are_checked():
    with pytest.raises(ValueError, match="mode must be one of"):
        jit(lambda x: x, mode="fast")
    with pytest.raises(ValueError, match="target must be"):
        jit(lambda x: x, target="tpu")
    with pytest.raises(TypeError, match="jit takes a function"):
        jit(3)


def test_import_loads_nothing_heavy():
    code = (
        "import sys, tracejit; heavy = {'numba', 'scipy', 'opt_einsum', 'llvmlite', 'numpy.f2py'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_functions_of_numpy_are_jitted_as_they_are() -> None:
    """Defaults that mean "not given" are no arguments."""
    x = np.arange(6.0).reshape(2, 3)
    for function, args, kwargs in [
        (np.add, (x, x), {}),
        (np.sum, (x,), {"axis": 0}),
        (np.sum, (x,), {"axis": (0, 1), "keepdims": True}),
        (np.max, (x,), {"axis": 1}),
        (np.clip, (x, 1, 3), {}),
        (np.std, (x,), {"correction": 1}),
        (np.var, (x,), {"ddof": 1}),
        (np.vecdot, (x, x), {}),
        (np.vecdot, (x, x), {"axis": 0}),
        (np.matmul, (x, x.T), {}),
        (np.diff, (x,), {"n": 1}),
        (np.zeros, ((2, 3),), {}),
        (np.concatenate, ([x, x],), {"axis": 1}),
        (np.linspace, (0.0, 1.0, 5), {}),
        (np.unique_values, (x,), {}),
    ]:
        found, wanted = jit(function)(*args, **kwargs), function(*args, **kwargs)
        assert type(found) is type(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-15)
