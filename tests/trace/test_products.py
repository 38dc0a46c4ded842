"""Products, einsum and norms against NumPy, and what their graphs are made of."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.trace.support import check, trace, values
from tracejit import errors
from tracejit.ir.graph import Graph

ULP = 2000
DTYPES = ["?", "i1", "u4", "i8", "f2", "f4", "f8", "c8", "c16"]

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning",
    "ignore::DeprecationWarning",
    "ignore::numpy.exceptions.ComplexWarning",
)


def whole(shape: tuple[int, ...], dtype: Any = float, seed: int = 0) -> np.ndarray:
    """Small whole numbers, whose products and sums are exact in every dtype."""
    rng = np.random.default_rng(seed + sum(shape))
    return rng.integers(0, 3, shape).astype(dtype)


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


def products(graph: Graph) -> tuple[int, int]:
    """How many matrix products and how many elementwise products."""
    found = ops(graph)
    return found.count("matmul"), found.count("multiply")


DOTS = [
    ((), ()), ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)),
    ((2, 3), (3, 4)), ((2, 5, 3), (3,)), ((2, 5, 3), (3, 4)), ((2, 3), (4, 3, 5)),
    ((2, 2, 3), (4, 3, 5)), ((0,), (0,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((1, 1), (1, 4)),
    ((1,), (1,)), ((3, 1), (1, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), DOTS, ids=str)
def test_dot(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    check(np.dot, values(a), values(b, seed=1), ulp=ULP)
    check(lambda x, y: x.dot(y), values(a), values(b, "f4", seed=1), ulp=ULP)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str) -> None:
    a, b, v = whole((2, 3), dtype), whole((3, 4), dtype), whole((3,), dtype)
    for fn in (np.dot, np.matmul):
        check(fn, a, b)
        check(fn, a, v)
        check(fn, v, v)
    check(np.inner, a, v)
    check(np.vdot, v, v)
    check(np.outer, a, v)
    check(lambda a, b: np.tensordot(a, b, axes=1), a, b)
    check(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b)
    check(lambda a: np.einsum("ij->i", a), a)
    check(lambda a: np.einsum("ii", a), whole((3, 3), dtype))
    check(lambda a, b: np.einsum("ij,ij->i", a, b), a, a)
    check(np.kron, a, v)
    check(np.trace, whole((3, 3), dtype))


MATMULS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((0, 2, 3), (3, 4)),
    ((2, 0), (0, 3)), ((6, 5, 2, 3), (5, 3, 4)), ((5, 1, 3), (5, 3, 1)), ((1, 1), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), MATMULS, ids=str)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    graph = check(np.matmul, values(a), values(b, seed=1), ulp=ULP)
    assert "broadcast_to" not in ops(graph)
    check(lambda x, y: x @ y, values(a, "c16"), values(b, "f4", seed=1), ulp=ULP)
    check(np.matmul, values(a, "i4"), values(b, "i4", seed=1))


def test_matmul_with_out() -> None:
    a, b = values((2, 3)), values((3, 4))
    for out in (np.zeros((2, 4)), np.zeros((2, 4), "f4")):
        check(lambda a, b, out: np.matmul(a, b, out=out), a, b, out, ulp=ULP)
    check(lambda a, b, out: np.dot(a, b, out=out), a, b, np.zeros((2, 4)), ulp=ULP)
    check(lambda a, b: np.matmul(a, b, dtype="f4"), whole((2, 3), "f4"), whole((3, 4), "f4"))


def test_a_matrix_product_is_one_node() -> None:
    a, b, v = values((2, 3)), values((3, 4)), values((3,))
    for fn in (np.dot, np.matmul, lambda a, b: np.einsum("ij,jk->ik", a, b)):
        assert products(check(fn, a, b, ulp=ULP)) == (1, 0)
        assert products(check(fn, v[None], b, ulp=ULP)) == (1, 0)
        assert products(check(fn, whole((2, 3), int), whole((3, 4), int))) == (0, 1)
    for fn in (np.dot, np.matmul, np.inner):
        assert products(check(fn, a, v, ulp=ULP)) == (1, 0)
        assert products(check(fn, v, v, ulp=ULP)) == (1, 0)
    graph = check(lambda a, b: np.einsum("ij,jk->ki", a, b), a, b, ulp=ULP)
    assert ops(graph).count("matmul") == 1
    graph = check(np.matmul, values((5, 2, 3)), b, ulp=ULP)
    assert [str(n.output.type) for n in graph.nodes if n.op == "matmul"] == ["f8[x0*x1, y1]"]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "counts"),
    [
        ("i,j->ij", [(3,), (4,)], (0, 1)),
        ("ij,ij->ij", [(3, 4), (3, 4)], (0, 1)),
        ("bi,bi->b", [(3, 4), (3, 4)], (0, 1)),
        ("bij,bjk->bik", [(5, 3, 4), (5, 4, 2)], (1, 0)),
        ("bij,bj->bi", [(5, 3, 4), (5, 4)], (1, 0)),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)], (1, 0)),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 2)], (2, 0)),
        ("ij,kj->", [(3, 4), (2, 4)], (1, 0)),
        ("i,i->", [(3,), (3,)], (1, 0)),
    ],
)
def test_strategy(subscripts: str, shapes: list[tuple[int, ...]], counts: tuple[int, int]) -> None:
    arrays = [values(s, seed=k) for k, s in enumerate(shapes)]
    graph = check(lambda *xs: np.einsum(subscripts, *xs), *arrays, ulp=ULP)
    assert products(graph) == counts


EINSUMS = [
    "i->", "i->i", "ij->", "ij->i", "ij->j", "ij->ji", "ij", "ji", "ijk->kji", "ijk->ik",
    "ii", "ii->i", "ii->", "iij->j", "iji->j", "ijij->ij", "iii->i", "iijj", "iijj->ij", "...ii",
    "...", "...->...", "...i->...", "i...->...i", "i...->i...", "...ij->...ji",
    "i,i", "i,i->i", "i,j", "i,j->ji", "ij,j", "ij,j->i", "ij,i->j", "ij,jk", "ij,jk->ki",
    "ij,jk->", "ij,jk->j", "ij,jk->ijk", "ij,ik->jk", "ij,kj->ik", "ij,kl->ijkl", "ij,kl->ik",
    "ij,ij", "ij,ji", "ij,ji->i", "bij,bjk->bik", "bij,bjk->ibk", "bij,bjk", "ijk,jkl->il",
    "ijk,ljk->il", "ijk,jil->kl", "bij,jk->bik", "ij,bjk->bik", "ij,bjk->ikb", "i,,j->ij",
    "...ij,...jk->...ik", "...ij,jk->...ik", "ij,...jk->...ik", "...i,...i->...", "i...,i...",
    "...i,i->...", "...,...", "i,...->...i", "ii,i->i", "ii,jj->ij", "iij,jk->ik",
    "ij,jk,kl", "ij,jk,kl->il", "i,i,i->i", "i,ij,j->", "ai,bi,ci->abc", "ij,ik,il->jkl",
    "bqd,bkd,bkv->bqv", "...ij,jk,...kl->...il", "ij,jk,kl,lm->im", "a,b,c,d->abcd", "ab,bc,ca",
    "ij , jk -> ik", "ba", "aB,Bc", "cB,Ba",
]  # fmt: skip
SIZES = {
    "i": 3, "j": 4, "k": 2, "l": 5, "m": 3, "a": 2, "b": 3, "c": 4, "d": 2, "q": 3, "v": 5, "B": 3,
}  # fmt: skip


def operands(subscripts: str, sizes: dict[str, int], rank: int, dtype: Any) -> list[np.ndarray]:
    ellipsis = (2, 3)[:rank]
    found = []
    for k, term in enumerate(subscripts.replace(" ", "").partition("->")[0].split(",")):
        before, dots, after = term.partition("...")
        shape = (
            *(sizes[c] for c in before),
            *(ellipsis if dots else ()),
            *(sizes[c] for c in after),
        )
        found.append(whole(shape, dtype, seed=k))
    return found


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_einsum(subscripts: str) -> None:
    for rank in (0, 1, 2) if "..." in subscripts else (0,):
        for dtype in ("f8", "i4"):
            xs = operands(subscripts, SIZES, rank, dtype)
            check(lambda *xs: np.einsum(subscripts, *xs), *xs)
    zeros = dict.fromkeys(SIZES, 0)
    check(lambda *xs: np.einsum(subscripts, *xs), *operands(subscripts, zeros, 1, "f8"))
    ones = dict.fromkeys(SIZES, 1)
    check(lambda *xs: np.einsum(subscripts, *xs), *operands(subscripts, ones, 1, "f8"))


def test_einsum_forms_and_arguments() -> None:
    a, b = whole((2, 3)), whole((3, 4))
    check(lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), a, b)
    check(lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), a, b)
    check(lambda a, b: np.einsum(a, [..., 1], b, [1, 30], [..., 30]), a, b)
    check(lambda a, b, out: np.einsum("ij,jk", a, b, out=out), a, b, np.zeros((2, 4)))
    check(lambda a, b: np.einsum("ij,jk", a, b, optimize=True, dtype="c16"), a, b)
    check(lambda a, b: np.einsum("ij,jk->ik", a, b), a.astype("f4"), b)
    check(lambda a: np.einsum("i,i", a, [1.5, 2, 3]), whole((3,), int))
    check(lambda a, b: np.einsum("ij,jk->ik", a, b), whole((2, 1)), b)
    check(lambda a, b: np.einsum("ij,ij->ij", a, b), whole((2, 1)), whole((1, 3)))
    with pytest.raises(errors.DTypeError, match="safe"):
        trace(lambda a: np.einsum("ij", a, dtype="f4"), a)


def test_python_numbers_are_arrays_here() -> None:
    x = whole((3,), "f4")
    for fn in (np.dot, np.inner, np.outer, np.kron):
        check(fn, 2.0, x)
        check(fn, x, 2)
    check(lambda s, x: np.einsum(",i->i", s, x), 2.0, x)
    check(lambda s: np.dot(s, s), 3)


def test_einsum_views() -> None:
    def write(x: Any) -> Any:
        np.einsum("ij->ji", x)[0] = 7.0
        return x.sum()

    check(write, whole((2, 3)))

    def write_diagonal(x: Any) -> Any:
        np.einsum("ii->i", x)[...] = 7.0

    with pytest.raises(errors.MutationError):
        trace(write_diagonal, whole((3, 3)))


def test_sizes_stay_symbolic() -> None:
    a, b, c = values((2, 3)), values((3, 4)), values((4, 5))
    others = [(values((5, 6)), values((6, 2)), values((2, 3)))]
    chain = lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c)
    graph = check(chain, a, b, c, others=others, ulp=ULP)
    assert not graph.guards
    check(
        lambda x: np.einsum("ii->i", x) + np.trace(x, offset=1), values((3, 3)),
        others=[(values((5, 5)),)], ulp=ULP,
    )  # fmt: skip
    check(np.kron, values((2, 3)), values((3, 2)), others=[(values((4, 5)), values((2, 6)))])


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk", [(2, 3), (4, 5)]),
        ("ii", [(2, 3)]),
        ("ij", [(2,)]),
        ("i,j", [(2,)]),
        ("ij->ik", [(2, 3)]),
        ("ij->ii", [(2, 3)]),
        ("...i->i", [(2, 3)]),
        ("i?->i", [(2, 3)]),
        ("...i,...i->...", [(2, 3), (4, 3)]),
    ],
)
def test_einsum_errors(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    arrays = [values(s) for s in shapes]
    with pytest.raises(ValueError):
        np.einsum(subscripts, *arrays)
    with pytest.raises(errors.ShapeError) as caught:
        trace(lambda *xs: np.einsum(subscripts, *xs), *arrays)
    assert __file__ in str(caught.value) and "x is f8[" in str(caught.value)


@pytest.mark.parametrize(
    ("fn", "a", "b"),
    [
        (np.dot, (2, 3), (2, 3)), (np.dot, (3,), (4,)), (np.matmul, (2, 3), (4,)),
        (np.matmul, (), (3,)), (np.matmul, (2, 2, 3), (4, 3, 2)), (np.inner, (2, 3), (4,)),
        (np.vdot, (3,), (4,)), (np.tensordot, (2, 3), (4,)), (np.vecdot, (2, 3), (4,)),
        (np.matvec, (2, 3), (4,)), (np.vecmat, (2,), (3, 4)), (np.cross, (2, 4), (2, 4)),
        (np.linalg.cross, (2, 2), (2, 2)), (np.linalg.outer, (2, 2), (2, 2)),
    ],
)  # fmt: skip
def test_errors(fn: Any, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        fn(values(a), values(b))
    with pytest.raises(errors.ShapeError) as caught:
        trace(lambda x, y: fn(x, y), values(a), values(b))
    assert str(caught.value).startswith(__file__)
    assert "x is f8[" in str(caught.value) or "y is f8[" in str(caught.value)


def test_inner_vdot_outer() -> None:
    for a, b in [((), ()), ((), (3,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)),
                 ((2, 4, 3), (5, 3))]:  # fmt: skip
        check(np.inner, values(a), values(b, seed=1), ulp=ULP)
        check(np.outer, values(a), values(b, seed=1))
    check(np.vdot, values((2, 3), "c16"), values((2, 3), "c8", seed=1), ulp=ULP)
    check(np.vdot, values((), "c16"), values((), "c8", seed=1), ulp=ULP)
    check(np.linalg.outer, values((2,)), values((3,)))


def test_sizes_equal_by_a_guard() -> None:
    a, b = values((2, 6)), values((3, 4), seed=1)
    others = [(values((4, 2)), values((2, 4)))]
    check(np.vdot, a, b, others=others, ulp=ULP)
    check(np.vdot, whole((2, 6), int), whole((3, 4), int))
    check(lambda a, b: a.ravel() - b.ravel() * 2, a, b, others=others)
    check(lambda a, b: np.where(a.ravel() > 0, a.ravel(), b.ravel()), a, b, others=others)
    check(lambda a, b: a[1:] + b[:-1], a, values((2, 6), seed=1))
    check(lambda a, b: a[1:] * b, a, values((4, 6), seed=1))


def test_generalized_ufuncs() -> None:
    vecdot: Any = np.vecdot
    for dtype in ("f8", "c16", "i4"):
        v, w, m = values((4, 3), dtype), values((3,), dtype), values((4, 2, 3), dtype)
        check(np.vecdot, v, w, ulp=ULP)
        check(np.vecdot, w, w, ulp=ULP)
        check(lambda x, y: vecdot(x, y, axis=0), v, values((4, 1), dtype), ulp=ULP)
        check(np.matvec, m, w, ulp=ULP)
        check(np.matvec, m, v, ulp=ULP)
        check(np.vecmat, values((2,), dtype), m, ulp=ULP)
        check(np.linalg.vecdot, v, w, ulp=ULP)


def test_tensordot() -> None:
    a, b = values((2, 3, 4)), values((4, 3, 5))
    for axes in [1, 0, ([2], [0]), ([1, 2], [1, 0]), ((-1,), (0,)), (2, 0), ([], [])]:
        check(lambda a, b, axes=axes: np.tensordot(a, b, axes=axes), a, b, ulp=ULP)
    check(lambda a: np.tensordot(a, a, 3), a, ulp=ULP)
    check(lambda a: np.tensordot(a, a, ([0, 1], [0, 1])), whole((2, 3, 4), int))
    check(np.tensordot, values((2, 3)), values((2, 3)), ulp=ULP)


def test_multi_dot_and_powers() -> None:
    a, b, c = values((2, 3)), values((3, 4)), values((4, 5))
    check(lambda a, b, c: np.linalg.multi_dot([a, b, c]), a, b, c, ulp=ULP)
    check(lambda a, b, c: np.linalg.multi_dot([a[0], b, c]), a, b, c, ulp=ULP)
    check(lambda a, b, c: np.linalg.multi_dot([a[0], b, c[:, 0]]), a, b, c, ulp=ULP)
    check(lambda a, b: np.linalg.multi_dot([a, b]), a, b, ulp=ULP)
    for n in (0, 1, 2, 3, 7):
        for x in (whole((3, 3), "i4"), whole((2, 3, 3))):
            check(lambda x, n=n: np.linalg.matrix_power(x, n), x)


def test_kron_and_cross() -> None:
    for a, b in [((2, 3), (2,)), ((), (3,)), ((2,), (2, 1, 3)), ((0, 2), (3, 2))]:
        check(np.kron, values(a), values(b))
    check(np.cross, values((4, 3)), values((4, 3), seed=1))
    check(np.cross, values((3,)), values((4, 3), seed=1))
    if np.lib.NumpyVersion(np.__version__) < "2.5.0":  # from there on only 3-dimensional vectors
        check(np.cross, values((4, 2)), values((4, 2), seed=1))
        check(np.cross, values((4, 2)), values((3,), seed=1))
        check(np.cross, values((4, 3)), values((4, 2), seed=1))
    check(lambda a, b: np.cross(a, b, axis=0), values((3, 4)), values((3, 4), seed=1))
    check(lambda a, b: np.cross(a, b, 0, 1, 0), values((3, 4)), values((4, 3), seed=1))
    check(np.linalg.cross, values((4, 3), "i4"), values((4, 3), "i4", seed=1))


def test_trace() -> None:
    for offset in (-3, -1, 0, 1, 2, 5):
        check(lambda x, k=offset: np.trace(x, offset=k), values((3, 4)), ulp=64)
        check(lambda x, k=offset: x.trace(k), whole((3, 2), "i1"))
    check(lambda x: np.trace(x, 0, 1, 2), values((2, 3, 4)), ulp=64)
    check(lambda x: np.trace(x, axis1=2, axis2=0, dtype="c16"), values((2, 3, 4)), ulp=64)
    check(np.linalg.trace, values((2, 3, 4)), ulp=64)


@pytest.mark.parametrize("dtype", ["i4", "f2", "f4", "f8", "c8", "c16"])
def test_norms(dtype: str) -> None:
    x = values((3, 4), dtype)
    order: Any
    norm: Any = np.linalg.norm
    check(np.linalg.norm, x, ulp=64)
    check(np.linalg.norm, x[0], ulp=64)
    check(np.linalg.norm, values((), dtype), ulp=64)
    check(lambda x: norm(x, keepdims=True), x, ulp=64)
    for order in (None, 0, 1, 2, 3, 2.5, -1, -2, np.inf, -np.inf):
        check(lambda x, o=order: np.linalg.norm(x, o, axis=1), x, ulp=64)
        check(lambda x, o=order: np.linalg.norm(x, o, axis=0, keepdims=True), x, ulp=64)
        if order is not None:
            check(lambda x, o=order: np.linalg.vector_norm(x, ord=o), x, ulp=64)
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        check(lambda x, o=order: np.linalg.norm(x, o), x, ulp=64)
        y = values((2, 3, 4), dtype)
        for axes in ((0, 1), (2, 0), (-1, -2)):
            check(lambda x, o=order, a=axes: np.linalg.norm(x, o, a), y, ulp=64)
            check(lambda x, o=order, a=axes: norm(x, o, a, True), y, ulp=64)
        if order is not None:
            check(lambda x, o=order: np.linalg.matrix_norm(x, ord=o), y, ulp=64)


def test_norm_by_singular_values() -> None:
    for order in (2, -2, "nuc"):
        for shape, axis in (((3, 4), None), ((2, 4, 3), (0, 2))):
            check(lambda x, o=order, k=axis: np.linalg.norm(x, o, k), values(shape), ulp=400)


def test_norm_errors() -> None:
    with pytest.raises(errors.ShapeError, match="without axis"):
        trace(lambda x: np.linalg.norm(x, 1), values((2, 2, 2)))


def test_trapezoid() -> None:
    y = values((3, 4))
    check(np.trapezoid, y, ulp=64)
    check(lambda y: np.trapezoid(y, dx=0.1, axis=0), y, ulp=64)
    check(lambda y, x: np.trapezoid(y, x), y, np.array([0.0, 1, 3, 7]), ulp=64)
    check(lambda y, x: np.trapezoid(y, x, axis=0), y, values((3,)), ulp=400)
    check(lambda y, x: np.trapezoid(y, x), y, values((3, 4), seed=1), ulp=400)
    check(np.trapezoid, values((4,), "i4"), ulp=64)
    check(np.trapezoid, values((0,)))
    check(np.trapezoid, values((1,)))


def test_opt_einsum_is_imported_only_when_needed() -> None:
    code = "import sys, tracejit.trace.namespace; print('opt_einsum' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
