"""Loops, branches and scalar code: what programs say they do, in both back ends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.steps_support import (
    BODIES,
    BOOL,
    F8,
    INTP,
    Build,
    Code,
    check,
    check_fails,
    guard,
    run,
    straight,
)
from tracejit import jit
from tracejit.ir.dims import sym
from tracejit.ir.loops import Carry, Section
from tracejit.ir.program import (
    INDEX_ERROR,
    SIZE_ERROR,
    Allocate,
    Bind,
    Branch,
    Loop,
    MatMul,
    MemRef,
    Program,
    Require,
)

rng = np.random.default_rng(0)


def test_scalar_recurrence() -> None:
    """`for i in range(n): s = s * x[i] + i; out[i] = s`, with the last s as a result."""
    b = Build()
    x, i = b.array("x", "n"), sym("i")
    out = b.temporary(sym("n"), result=True)
    s, last = b.temporary(), b.temporary(result=True)

    def body(c: Code) -> None:
        new = c("add", c("multiply", c.load(s), c.load(x, i)), c.cast(c.size(i), F8))
        c.store(s, new)
        c.store(out, new, i)

    program = b.program(
        straight(lambda c: c.store(s, c.const(0.5))),
        Loop("i", b.symbol("i"), sym("n"), (straight(body),)),
        straight(lambda c: c.store(last, c.load(s))),
    )
    for n in (0, 1, 7):
        values = rng.integers(-2, 3, n).astype(F8)
        want, state = [], 0.5
        for k, v in enumerate(values):
            state = state * v + k
            want.append(state)
        check(program, [values], [np.array(want), state])


def gemm_update(b: Build) -> Program:
    C, A, B = b.array("C", "n", "m"), b.array("A", "n", "p"), b.array("B", "p", "m")
    i, j, k = sym("i"), sym("j"), sym("k")

    def body(c: Code) -> None:
        product = c("multiply", c.load(A, i, k), c.load(B, k, j))
        c.store(C, c("add", c.load(C, i, j), product), i, j)

    inner = Loop("j", b.symbol("j"), sym("m"), (straight(body),))
    middle = Loop("k", b.symbol("k"), sym("p"), (inner,))
    return b.program(Loop("i", b.symbol("i"), sym("n"), (middle,)))


def test_nested_loops() -> None:
    program = gemm_update(Build())
    for n, m, p in ((3, 4, 5), (0, 3, 2), (7, 33, 2)):
        C, A, B = (rng.integers(-4, 5, s).astype(F8) for s in ((n, m), (n, p), (p, m)))
        check(program, [C, A, B], [], [C + A @ B, A, B])


def test_loop_with_test_and_branch() -> None:
    """Collatz: `while n != 1: n = n // 2 if n % 2 == 0 else 3 * n + 1; steps += 1`."""
    b = Build()
    x = b.array("x", "k", dtype=INTP)
    n, steps = b.temporary(dtype=INTP), b.temporary(dtype=INTP, result=True)
    go, even = b.temporary(dtype=BOOL), b.temporary(dtype=BOOL)

    def start(c: Code) -> None:
        value = c.load(x, 0)
        c.store(n, value)
        c.store(steps, c.const(0, INTP))
        c.store(go, c("not_equal", value, c.const(1, INTP), dtype=BOOL))

    def is_even(c: Code) -> None:
        half = c("remainder", c.load(n), c.const(2, INTP), dtype=INTP)
        c.store(even, c("equal", half, c.const(0, INTP), dtype=BOOL))

    def halve(c: Code) -> None:
        c.store(n, c("floor_divide", c.load(n), c.const(2, INTP), dtype=INTP))

    def grow(c: Code) -> None:
        three = c("multiply", c.load(n), c.const(3, INTP), dtype=INTP)
        c.store(n, c("add", three, c.const(1, INTP), dtype=INTP))

    def after(c: Code) -> None:
        c.store(steps, c("add", c.load(steps), c.const(1, INTP), dtype=INTP))
        c.store(go, c("not_equal", c.load(n), c.const(1, INTP), dtype=BOOL))

    for count in (None, 1000, 5):
        turn = (
            straight(is_even),
            Branch(MemRef(even.slot, 0, (), (), BOOL), (straight(halve),), (straight(grow),)),
            straight(after),
        )
        loop = Loop("t", b.symbols.get("t") or b.symbol("t"), count, turn, test=go)
        for value, want in ((1, 0), (6, 8), (27, 111)):
            limited = min(want, count) if count is not None else want
            check(b.program(straight(start), loop), [np.array([value])], [limited])


def sum_nest(x: MemRef, out: MemRef, count: object, line: int = 1) -> object:
    """`out = sum(x[:count])`, a nest of its own."""
    c = Code(line)
    value = c.load(x, axes=(0,))
    total = c.vars
    c.vars += 1
    body, c.body = tuple(c.body), []
    c.store(out, total)
    sections = (Section((0,), body, (Carry(total, "sum", value, F8),)), Section((), tuple(c.body)))
    return c.nest((count,), sections)


def test_registers_that_nests_look_at() -> None:
    """`for i in range(n): s = 2 * s + sum(x[:i]); y[:] = y + s` with both as nests."""
    b = Build()
    x, y = b.array("x", "n"), b.array("y", "m")
    s, part = b.temporary(result=True), b.temporary()
    i = sym("i")
    add = Code()
    add.store(y, add("add", add.load(y, axes=(0,)), add.load(s)), axes=(0,))

    def double(c: Code) -> None:
        c.store(s, c("add", c("multiply", c.load(s), c.const(2.0)), c.load(part)))

    program = b.program(
        straight(lambda c: c.store(s, c.const(1.0))),
        Loop("i", b.symbol("i"), sym("n"),
             (sum_nest(x, part, i), straight(double), add.nest((sym("m"),)))),
    )  # fmt: skip
    for n, m in ((0, 3), (5, 1), (40, 19)):
        values, ys = rng.integers(-3, 4, n).astype(F8), rng.integers(-3, 4, m).astype(F8)
        state, want = 1.0, ys.copy()
        for k in range(n):
            state = 2 * state + values[:k].sum()
            want += state
        check(program, [values, ys], [state], [values, want])


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16"])
def test_registers_of_every_dtype(dtype: str) -> None:
    """`for i in range(n): s = x[i] if s is what it was; out = s` through a branch on its value."""
    b = Build()
    kind = np.dtype(dtype)
    x = b.array("x", "n", dtype=dtype)
    s, t = b.temporary(dtype=dtype, result=True), b.temporary(dtype=dtype)
    other, same = b.temporary(dtype=dtype, result=True), b.temporary(dtype=BOOL)

    def start(c: Code) -> None:
        for ref in (s, t, other):
            c.store(ref, c.const(0, kind))

    def body(c: Code) -> None:
        value = c.load(x, sym("i"))
        c.store(t, value)
        c.store(same, c("equal", c.load(s), value, dtype=BOOL))

    program = b.program(
        straight(start),
        Loop("i", b.symbol("i"), sym("n"), (
            straight(body),
            Branch(same, (straight(lambda c: c.store(other, c.load(t))),),
                   (straight(lambda c: c.store(s, c.load(t))),)),
        )),
    )  # fmt: skip
    values = rng.integers(0, 3, 30).astype(dtype)
    first, second = kind.type(0), kind.type(0)
    for v in values:
        if first == v:
            second = v
        else:
            first = v
    check(program, [values], [first, second])


def test_bound_size_and_memory_of_a_turn() -> None:
    """`for i in range(n): t = x[:k[i]].copy(); s += sum(t)`, where t is allocated in the turn."""
    b = Build()
    x, k = b.array("x", "m"), b.array("k", "n", dtype=INTP)
    s, part, size = b.temporary(result=True), b.temporary(), b.temporary(dtype=INTP)
    slot, length = b.word(), sym("length")
    t = MemRef(slot, 0, (8,), (length,), F8)
    copy = Code()
    copy.store(t, copy.load(x, axes=(0,)), axes=(0,))
    bind = Bind("length", b.symbol("length"), size, (guard(length, "<=", sym("m"), 7),))
    turn = (
        straight(lambda c: c.store(size, c.load(k, sym("i")))),
        bind,
        Allocate(slot, 8 * length),
        copy.nest((length,)),
        sum_nest(t, part, length),
        straight(lambda c: c.store(s, c("add", c.load(s), c.load(part)))),
    )
    loop = Loop("i", b.symbol("i"), sym("n"), turn)
    program = b.program(straight(lambda c: c.store(s, c.const(0.0))), loop)
    values = rng.integers(-5, 5, 50).astype(F8)
    sizes = np.array([0, 3, 50, 17])
    check(program, [values, sizes], [sum(values[:k].sum() for k in sizes)])
    check_fails(program, [values, np.array([3, 51])], SIZE_ERROR, bind.guards[0])
    check_fails(program, [values, np.array([3, -1])], SIZE_ERROR, bind)


def test_a_guard_in_a_turn() -> None:
    b = Build()
    x, i = b.array("x", "n"), sym("i")
    out = b.temporary(sym("n"), result=True)
    require = Require((guard(i + 2, "<=", sym("n"), 3),))
    body = straight(lambda c: c.store(out, c("negative", c.load(x, i + 1)), i))
    program = b.program(Loop("i", b.symbol("i"), sym("n"), (require, body)))
    check_fails(program, [np.ones(4)], SIZE_ERROR, require.guards[0])
    check(program, [np.ones(0)], [np.ones(0)])


def test_indices_in_scalar_code() -> None:
    """`for i in range(n): out[p[i]] = x[p[i]] + 1`, negative indices counted from the end."""
    b = Build()
    p, x = b.array("p", "n", dtype=INTP), b.array("x", "m")
    out, work = b.array("out", "m"), b.temporary(sym("n") * 100, result=True)

    def body(c: Code) -> None:
        index = c.load(p, sym("i"))
        c.put(out, c("add", c.take(x, index), c.const(1.0)), index)
        c.store(work, c.const(1.0), sym("i"))

    def later(c: Code) -> None:
        c.put(out, c.const(5.0), c.size(sym("n")))

    nest, end = straight(body, 4), straight(later, 5)
    program = b.program(Loop("i", b.symbol("i"), sym("n"), (nest,)), end)
    order = np.array([3, -1, 0, -9])
    x_, out_ = rng.uniform(size=9), np.zeros(9)
    want = out_.copy()
    want[order] = x_[order] + 1
    want[4] = 5
    for bodies in BODIES:
        mine = out_.copy()
        assert run(program, [order, x_, mine], bodies)[0] == 0
        np.testing.assert_array_equal(mine, want)
    check_fails(program, [np.array([0, 9, 1]), x_, out_], INDEX_ERROR, nest)
    check_fails(program, [np.array([0, -10, 1]), x_, out_], INDEX_ERROR, nest)
    check_fails(program, [np.arange(9), x_, out_], INDEX_ERROR, end)


def test_matrix_product_in_a_loop() -> None:
    """`for i in range(n): y = A @ x; x = y`."""
    b = Build()
    A, x = b.array("A", "m", "m"), b.array("x", "m")
    y = b.temporary(sym("m"))
    m = sym("m")
    column = MemRef(x.slot, 0, (8, 8), (m, 1), F8)
    product = MatMul(A, column, MemRef(y.slot, 0, (8, 8), (m, 1), F8))
    back = Code()
    back.store(x, back.load(y, axes=(0,)), axes=(0,))
    program = b.program(Loop("i", b.symbol("i"), 3, (product, back.nest((m,)))))
    matrix, vector = rng.integers(-2, 3, (5, 5)).astype(F8), np.arange(5.0)
    check(program, [matrix, vector], [], [matrix, matrix @ (matrix @ (matrix @ vector))])


def test_two_numbers_beside_each_other() -> None:
    """`p = [x[0], i]; for i in range(n): y[i] = sum(x[p])`: a small array, not a number."""
    b = Build()
    x, y = b.array("x", "m"), b.array("y", "n")
    pair, total = b.temporary(2, dtype=INTP), b.temporary()
    i, one = sym("i"), MemRef(0, 0, (), (), INTP)

    def fill(c: Code) -> None:
        for k, value in enumerate((c.const(0, INTP), c.size(i))):
            c.store(MemRef(pair.slot, 8 * k, one.strides, (), INTP), value)

    def add(c: Code) -> None:
        places = [c.load(MemRef(pair.slot, 8 * k, (), (), INTP)) for k in range(2)]
        c.store(total, c("add", *(c.take(x, place) for place in places)))

    turn = (straight(fill), straight(add), straight(lambda c: c.store(y, c.load(total), i)))
    program = b.program(Loop("i", b.symbol("i"), sym("n"), turn))
    values, out = rng.integers(-9, 9, 8).astype(F8), np.zeros(6)
    check(program, [values, out], [], [values, values[0] + values[:6]])


def carried_index(x, p):
    total = 0.0
    for i in range(len(p)):
        x[i] += 1
        total += x[p[i]]
    return total


def test_an_error_names_the_line_and_nothing_is_done_twice() -> None:
    """What was written before the error stays written, as in NumPy; the second call is native."""
    compiled = jit(carried_index)
    line = carried_index.__code__.co_firstlineno + 4
    for _ in range(2):
        x, p = np.arange(5.0), np.array([0, 1, 9, 2])
        with pytest.raises(IndexError, match=rf"test_steps.py:{line} in carried_index"):
            compiled(x, p)
        np.testing.assert_array_equal(x, [1, 2, 3, 3, 4])
    good = np.array([0, -1, 2])
    x, y = np.arange(5.0), np.arange(5.0)
    assert compiled(x, good) == carried_index(y, good)
    np.testing.assert_array_equal(x, y)
