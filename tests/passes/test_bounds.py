"""The largest value that a size has in a loop."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.passes.bounds import largest

N, M, I, J, D = map(dims.sym, ("n", "m", "i", "j", "d"))
LIMITS: dict[str, Dim | None] = {"i": N - 1, "j": I - 1, "d": None}


def test_of_triangles() -> None:
    assert largest(N - I - 1, LIMITS) == dims.maximum(N - 1, 0)
    assert largest(8 * J, LIMITS) == dims.maximum(8 * N - 16, 0)
    assert largest(N * M, LIMITS) == N * M


def test_of_what_nothing_bounds() -> None:
    assert largest(D * 8, LIMITS) is None
    assert largest(dims.minimum(D, N), LIMITS) == N
    assert largest(N + 3 - D, LIMITS) == N + 3


def sizes() -> st.SearchStrategy[Dim]:
    leaves = st.sampled_from([N, M, I, J, 0, 1, 2, 3])

    def grown(inner: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
        pairs = st.tuples(inner, inner)
        return st.one_of(
            pairs.map(lambda p: p[0] + p[1]),
            pairs.map(lambda p: p[0] - p[1]),
            pairs.map(lambda p: p[0] * p[1]),
            pairs.map(lambda p: dims.maximum(*p)),
            pairs.map(lambda p: dims.minimum(*p)),
            st.tuples(inner, st.integers(1, 3)).map(lambda p: dims.floordiv(*p)),
        )

    return st.recursive(leaves, grown, max_leaves=5)


@given(size=sizes(), n=st.integers(1, 4), m=st.integers(0, 3))
def test_it_is_never_exceeded(size: Dim, n: int, m: int) -> None:
    found = largest(size, LIMITS)
    if found is None:
        return
    assert not dims.free_symbols(found) & LIMITS.keys()
    most = dims.evaluate(found, {"n": n, "m": m})
    for i, j in itertools.product(range(n), range(n)):
        if j < i:
            assert dims.evaluate(size, {"n": n, "m": m, "i": i, "j": j}) <= most
