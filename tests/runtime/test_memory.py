"""What a process needs: memory at a call, modules and time at the start."""

from __future__ import annotations

import sys

import pytest

from tests.runtime.processes import run

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

CHAIN = """
import numpy as np
from tracejit import jit

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024

def chain(x, y):
    z = x
    for k in range(10):
        z = z * y + k
    return z

f = jit(chain)
small = np.ones(1_000_000)
f(small[:70_000], small[:70_000]), f(small, small)  # all threads and code are there now
n = 8_000_000
x, y = np.linspace(0, 1, n), np.linspace(1, 0, n)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
before = status("VmRSS")
z = f(x, y)
peak = status("VmHWM") - before
print(peak - z.nbytes)
assert np.allclose(z[:10], chain(x[:10], y[:10]))
"""


@linux
def test_a_chain_of_operations_needs_its_result_only(tmp_path):
    extra = int(run(tmp_path, CHAIN))
    assert extra < 10_000_000


@linux
def test_repeated_calls_need_no_more_memory(tmp_path):
    code = """
    import numpy as np
    from tracejit import jit

    def rss():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    f = jit(lambda x, w: (np.exp(x) @ w).sum(axis=0) + x[0, 0])
    x, w = np.ones((500, 500)), np.ones((500, 500))
    for _ in range(20):
        f(x, w)
    before = rss()
    for _ in range(300):
        f(x, w)
    print(rss() - before)
    """
    assert int(run(tmp_path, code)) < 4_000_000


def test_import_is_light(tmp_path):
    code = """
    import sys
    import tracejit
    heavy = {"numba", "llvmlite", "scipy", "opt_einsum", "typer", "rich"}
    print(sorted(heavy & set(sys.modules)))
    """
    assert run(tmp_path, code) == "[]"


def test_a_cached_function_needs_no_numba(tmp_path):
    code = """
    import sys
    import numpy as np
    import tracejit
    f = tracejit.jit(lambda x: np.exp(x).sum(axis=0) * 2)
    f(np.ones((3, 4)))
    print(sorted({"numba", "opt_einsum"} & set(sys.modules)))
    """
    assert run(tmp_path, code) == "[]"
