"""Calling jitted functions: the native entry, and the way through Python behind it."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from typing import NamedTuple

import numpy as np
import pytest

from tests.runtime.processes import run
from tracejit import config, errors, jit


@jit
def scaled(x, factor=2.0, *, shift=0.0):
    return x * factor + shift


@jit(static_argnames="mode")
def either(x, mode="sin"):
    return np.sin(x) if mode == "sin" else np.cos(x)


def spins(f, *args, times=3):
    """The results of several calls: compiled, then answered by the native entry."""
    return [f(*args) for _ in range(times)]


# Arguments.


def test_defaults_and_keywords():
    x = np.arange(5.0)
    for _ in range(2):
        np.testing.assert_array_equal(scaled(x), x * 2)
        np.testing.assert_array_equal(scaled(x, 3.0), x * 3)
        np.testing.assert_array_equal(scaled(x, factor=3.0), x * 3)
        np.testing.assert_array_equal(scaled(factor=3.0, x=x, shift=1.0), x * 3 + 1)
    assert scaled.cache_info().compiled <= 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f: f(), "missing a required argument: 'x'"),
        (lambda f: f(1, 2, 3), "too many positional arguments"),
        (lambda f: f(1, wrong=2), "got an unexpected keyword argument 'wrong'"),
    ],
)
def test_wrong_arguments(call, text):
    x = np.ones(3)
    scaled(x)
    with pytest.raises(TypeError) as found:
        call(scaled)
    assert str(found.value) == f"scaled() {text}; it takes (x, factor=2.0, *, shift=0.0)"
    np.testing.assert_array_equal(scaled(x), x * 2)


def test_a_python_int_as_result_is_no_failure():
    for f in (lambda n: n, lambda n: 17, lambda n: n + 1):
        compiled = jit(f)
        assert [compiled(5) for _ in range(3)] == [f(5)] * 3


def test_static_arguments():
    x = np.linspace(0, 1, 7)
    for mode in ("sin", "cos", "sin", "".join(["s", "in"]), "cos"):
        np.testing.assert_allclose(either(x, mode), getattr(np, mode)(x), rtol=1e-15)
        np.testing.assert_allclose(either(x, mode=mode), getattr(np, mode)(x), rtol=1e-15)
    assert either.cache_info().compiled == 2


def test_python_ints_beyond_int64():
    f = jit(lambda x, k: x + k)
    x = np.ones(3)
    for _ in range(2):
        np.testing.assert_array_equal(f(x, 2), x + 2)
    for k in (2**63, 2**64 - 1):
        large = f(x.astype("u8"), k - 1)
        assert large.dtype == np.uint64
        np.testing.assert_array_equal(large, x.astype("u8") + (k - 1))
        np.testing.assert_array_equal(f(x, k), x + k)
        with pytest.raises(OverflowError):
            f(x.astype("i8"), k)
    with pytest.raises(errors.ArgumentError, match="does not fit into int64"):
        f(x, 2**70)  # a listed difference
    np.testing.assert_array_equal(f(x, 3), x + 3)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_subclasses_and_scalars(tmp_path):
    f = jit(lambda x: np.exp(x) * 2 + 1)
    x = np.linspace(0, 1, 6).reshape(2, 3)
    expected = f(x)
    np.testing.assert_allclose(expected, np.exp(x) * 2 + 1, rtol=1e-15)
    mapped = np.memmap(tmp_path / "x.bin", np.float64, "w+", shape=(2, 3))
    mapped[:] = x
    for _ in range(2):
        assert type(f(mapped)) is np.ndarray
        np.testing.assert_array_equal(f(mapped), expected)
    zero = np.array(0.5)
    for _ in range(2):
        assert isinstance(f(zero), np.float64) and f(zero) == pytest.approx(np.exp(0.5) * 2 + 1)
        found = f(np.float64(0.5))
        assert isinstance(found, np.float64) and found == pytest.approx(np.exp(0.5) * 2 + 1)
        assert f(0.5) == pytest.approx(np.exp(0.5) * 2 + 1)
    assert f(np.float32(0.5)).dtype == np.float32


def test_lists_are_containers():
    f = jit(lambda xs: xs[0] + xs[1])
    for _ in range(2):
        np.testing.assert_array_equal(f([np.ones(2), np.ones(2)]), [2, 2])
        assert f([1.0, 2.0]) == 3.0


def test_layouts():
    f = jit(lambda x: x * 2 + x[::-1])
    base = np.arange(48.0).reshape(6, 8)
    views = [base, base.T, base[::2], base[:, ::2], base[::-1], base[:, ::-1], base[1:, 2:],
             np.asfortranarray(base), np.broadcast_to(base[0], (4, 8)), base[:0]]  # fmt: skip
    for _ in range(2):
        for x in views:
            np.testing.assert_array_equal(f(x), x * 2 + x[::-1])


def test_unaligned_and_swapped_arrays():
    f = jit(lambda x: x * 2)
    raw = np.zeros(8 * 5 + 1, np.uint8)
    x = raw[1:].view(np.float64)
    x[:] = np.arange(5)
    np.testing.assert_array_equal(f(x), np.arange(5) * 2)
    np.testing.assert_array_equal(f(np.arange(5.0)), np.arange(5) * 2)
    np.testing.assert_array_equal(f(x), np.arange(5) * 2)
    with pytest.raises((errors.TracejitError, TypeError)):
        f(np.arange(5.0).astype(">f8"))


def test_many_specializations():
    f = jit(lambda *xs: xs[0] * 2)
    kinds = [np.dtype(t) for t in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2",
                                   "f4", "f8", "c8", "c16")]  # fmt: skip
    cases = [np.ones((2,) * rank, kind) for kind in kinds for rank in (1, 2)]
    assert len(cases) > 24
    for _ in range(2):
        for x in cases:
            found = f(x)
            np.testing.assert_array_equal(found, x * 2)
            assert found.dtype == (x * 2).dtype
    assert f.cache_info().compiled == len(cases)


class Pair(NamedTuple):
    a: np.ndarray
    b: np.ndarray


def test_containers():
    f = jit(lambda p: {"sum": p.a + p.b, "pair": Pair(p.b, p.a * 2)})
    for n in (2, 3):
        found = f(Pair(np.ones(n), np.arange(n) * 1.0))
        np.testing.assert_array_equal(found["sum"], np.ones(n) + np.arange(n))
        assert type(found["pair"]) is Pair


# Threads, processes, recursion.


def test_threads_at_once():
    f = jit(lambda x: np.sqrt(x) * 2 + x)
    arrays = [np.arange(300_000.0) + k for k in range(4)]
    expected = [np.sqrt(x) * 2 + x for x in arrays]
    wrong = []

    def work(k):
        for _ in range(20):
            if not np.allclose(f(arrays[k]), expected[k], rtol=1e-14):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert f.cache_info().compiled == 1


def test_results_of_concurrent_reductions():
    f = jit(lambda x: (x * x).sum())
    x = np.random.default_rng(0).normal(size=400_000)
    expected = f(x)
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda: found.extend(f(x) for _ in range(20))) for _ in range(3)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(found) == {expected}


def test_calls_inside_a_trace_and_recursion():
    inner = jit(lambda x: x + 1)
    outer = jit(lambda x: inner(x) * 2)
    np.testing.assert_array_equal(outer(np.ones(3)), np.full(3, 4.0))

    @jit
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    np.testing.assert_array_equal(power(np.full(2, 3.0), 3), np.full(2, 81.0))

    def fibonacci(k):
        return k if k < 2 else fibonacci(k - 1) + fibonacci(k - 2)

    assert jit(fibonacci)(9) == 34

    def steps(x):
        return 0 if x[0] > 100 else 1 + steps(x * 2)

    with pytest.raises(errors.ControlFlowError, match="calls itself"):
        jit(steps)(np.ones(2))


def test_a_call_from_a_callback_of_numpy():
    f = jit(lambda x: x * 2)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.apply_along_axis(f, 1, x), x * 2)
    np.testing.assert_array_equal(np.vectorize(f)(x), x * 2)


@pytest.mark.filterwarnings("ignore:This process")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork():
    f = jit(lambda x: np.sqrt(x) * 2)
    x = np.arange(400_000.0)
    expected = f(x)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        good = all(np.array_equal(f(x), expected) for _ in range(5))
        other = jit(lambda x: x + 1)
        good = good and np.array_equal(other(x), x + 1)
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(f(x), expected)


def test_pickle(tmp_path):
    data = pickle.dumps(scaled)
    assert pickle.loads(data) is scaled
    pytest.importorskip("cloudpickle")
    made = jit(lambda x: np.exp(x) + 1, name="made")
    (tmp_path / "f.pkl").write_bytes(pickle.dumps(made))
    code = f"""
    import pickle
    import numpy as np
    f = pickle.loads(open({str(tmp_path / "f.pkl")!r}, "rb").read())
    print(f(np.zeros(2)).tolist(), f.cache_info().compiled)
    """
    assert run(tmp_path / "p", code) == "[2.0, 2.0] 1"


# Memory of results.


def test_results_survive_reuse_of_the_pool():
    f = jit(lambda x, k: x + k)
    x = np.zeros(300_000)
    kept = [f(x, float(k)) for k in range(6)]
    del kept[3]
    gc.collect()
    more = [f(x, float(k)) for k in range(10, 16)]
    for k, result in zip((0, 1, 2, 4, 5), kept, strict=True):
        assert (result == k).all()
    for k, result in enumerate(more, 10):
        assert (result == k).all()


def test_views_keep_a_result_alive():
    f = jit(lambda x: x * 2)
    view = f(np.ones(300_000))[1000:1010]
    for _ in range(4):
        f(np.zeros(300_000))
    np.testing.assert_array_equal(view, np.full(10, 2.0))


@pytest.mark.parametrize("size", [10, 300_000])
def test_results_can_be_resized(size):
    found = jit(lambda x: x + 1)(np.zeros(size))
    found.resize(2 * size, refcheck=False)
    assert (found[:size] == 1).all()
    found.resize(5, refcheck=False)
    np.testing.assert_array_equal(found, np.ones(5))
    assert found.flags.owndata and found.flags.writeable


def test_a_function_and_its_constants_are_collected():
    def make():
        big = np.ones(1000)

        @jit
        def f(x):
            return x + big

        f(np.ones(1000))
        f(np.ones(1000))
        return weakref.ref(f), weakref.ref(f.fn)

    found = make()
    gc.collect()
    assert found[0]() is None, "a jitted function is never collected"


def test_arguments_are_not_leaked():
    f = jit(lambda x, y: (x + y, x))
    x, y = np.ones(5), np.ones(5)
    spins(f, x, y)
    before = sys.getrefcount(x), sys.getrefcount(y), sys.getrefcount(x.dtype)
    for _ in range(100):
        f(x, y)
    after = sys.getrefcount(x), sys.getrefcount(y), sys.getrefcount(x.dtype)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 10


# Settings.


def _threads() -> int:
    return int(subprocess.check_output(["ls", f"/proc/{os.getpid()}/task"]).split().__len__())


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_num_threads_takes_effect_at_once(tmp_path):
    code = """
    import os
    import numpy as np
    from tracejit import config, jit
    def threads():
        return len(os.listdir("/proc/self/task"))
    config.update(num_threads=1)
    f = jit(lambda x: np.exp(x))
    x = np.zeros(2_000_000)
    f(x); f(x)
    alone = threads()
    with config.override(num_threads=3):
        f(x)
        print(threads() - alone)
    f(x)
    print(threads() - alone)
    config.num_threads = 4
    f(x)
    print(threads() - alone, (f(x) == 1).all())
    """
    assert run(tmp_path, code).split() == ["2", "2", "3", "True"]


def test_pool_bytes_takes_effect_at_once():
    from importlib import import_module

    f = jit(lambda x: x + 1)
    x = np.zeros(300_000)
    f(x)
    native = import_module("tracejit.codegen_cpu.native_abi").runtime()
    if native is None:
        pytest.skip("no native runtime")
    with config.override(pool_bytes=1 << 26):
        f(x)
        assert native.word("HELD") >= x.nbytes
        config.update(pool_bytes=0)
        assert native.word("HELD") == 0
        f(x)
        assert native.word("HELD") == 0


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"config.num_threads must be an int of at least 1, not 0"):
        config.update(num_threads=0)
    with pytest.raises(AttributeError, match="has no setting 'threads'"):
        config.update(threads=2)
    before = config.num_threads
    with pytest.raises(ValueError), config.override(num_threads=before + 1, mode="wrong"):
        pass
    assert config.num_threads == before


# Errors.


def test_a_function_stays_usable_after_an_error():
    @jit
    def f(x, y):
        return x + y

    class Odd(Exception):
        pass

    @jit
    def g(x):
        if x.shape[0] == 3:
            raise Odd("three")
        return x * 2

    for _ in range(2):
        with pytest.raises(errors.ShapeError):
            f(np.ones(3), np.ones(4))
        np.testing.assert_array_equal(f(np.ones(3), np.ones(3)), np.full(3, 2.0))
        with pytest.raises(Odd):
            g(np.ones(3))
        np.testing.assert_array_equal(g(np.ones(4)), np.full(4, 2.0))


def test_an_index_error_leaves_no_trace():
    f = jit(lambda x, i: x[i] * 2)
    x = np.arange(5.0)
    for _ in range(3):
        np.testing.assert_array_equal(f(x, np.array([1, 4])), [2, 8])
        with pytest.raises(IndexError):
            f(x, np.array([1, 5]))
