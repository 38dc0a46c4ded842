"""The text of the errors that people meet: the user's own line first, then what came, then what to
write instead, in ten lines at most."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from tracejit import errors, jit

A = np.ones((3, 4))
B = np.ones((5, 4))
V = np.ones(3)
SHARED = np.zeros(3)
kept = []


def add(x, y):
    return x + y


def product(x, y):
    return x @ y


def bits(x, y):
    return x & y


def branch(x):
    if x.sum() > 0:
        return x
    return -x[1:]


def step(x):
    while x.sum() > 1:
        x = x[1:]
    return x


def nothing(x):
    if x > 0:
        return x
    return -x


def unsupported(x):
    return np.array_repr(x)


def method(x):
    return x.tolist()


def mask(x):
    return [1] * x[x > 0].size


def item(x, i):
    return x[i] * 2


def fourth(x):
    return x[3]


def keep(x):
    kept.append(x * 2)
    return x


def axis(x):
    return x.sum(axis=3)


def reshape(x):
    return x.reshape(5, -1)


def shared(x):
    SHARED[0] = x[0]
    return x


def smaller(x):
    x += 0.5
    return x


def overflow(x):
    return x + 300


def joined(x, y):
    return np.concatenate([x, y])


def random(x):
    return x + np.random.normal(size=3)


def empty(x):
    return x.max()


CASES = [
    (
        add,
        (A, B),
        errors.ShapeError,
        """
        return x + y
          shapes do not broadcast: x is f8[n=3, m=4], y is f8[k=5, l=4]
          instead: dims must be equal or 1, counted from the last; x[:, np.newaxis] adds one
        """,
    ),
    (
        product,
        (A, B),
        errors.ShapeError,
        """
        return x @ y
          matmul: axis 1 of the first operand and axis 0 of the second differ in size: x is f8[n=3, m=4], y is f8[k=5, l=4]
          instead: transpose one of them with .T
        """,  # noqa: E501
    ),
    (
        bits,
        (V, V),
        errors.DTypeError,
        """
        return x & y
          np.bitwise_and does not take these dtypes: x is f8[n=3], y is f8[m=3]
          instead: cast with x.astype(...) first
        """,
    ),
    (
        branch,
        (V,),
        errors.ControlFlowError,
        """
        if x.sum() > 0:
          what is returned differs between the sides of a branch: x is f8[n=3] and f8[n - 1=2]
          instead: give it the same shape and structure on both ways
        """,
    ),
    (
        step,
        (V,),
        errors.ControlFlowError,
        """
        while x.sum() > 1:
          `x` changes its type in a loop: x is f8[n=3] before, f8[n - 1=2] after a step
          instead: give it one shape and structure in all steps
        """,
    ),
    (
        nothing,
        (V,),
        errors.TracedValueError,
        """
        if x > 0:
          the truth value of an array with more than one element is ambiguous: bool[n=3]
          instead: x.any() or x.all(); np.where(cond, a, b) chooses by element
        """,
    ),
    (
        unsupported,
        (A,),
        errors.UnsupportedError,
        """
        return np.array_repr(x)
          np.array_repr is not supported inside a jitted function
          instead: compute it outside and pass the result as an argument
        """,
    ),
    (
        method,
        (V,),
        errors.UnsupportedError,
        """
        return x.tolist()
          method `tolist` of a traced array is not supported: x is f8[n=3]
          instead: compute it outside and pass the result as an argument
        """,
    ),
    (
        mask,
        (V,),
        errors.ConcretizationError,
        """
        return [1] * x[x > 0].size
          the size d0 is needed as a Python int, but is known only at run time
          instead: use it in arithmetic, shapes and slices, or pass the size as an argument
        """,
    ),
    (
        item,
        (V, np.array([0, 7])),
        IndexError,
        """
        return x[i] * 2
          index 7 is out of bounds for axis 0 with size 3: x is f8[n], i is i8[m]
          instead: np.clip the index, or np.take(x, index, mode='clip')
        """,
    ),
    (
        item,
        (V, -4),
        IndexError,
        """
        return x[i] * 2
          index -4 is out of bounds for axis 0 with size 3: x is f8[n], i is i8[]
          instead: np.clip the index, or np.take(x, index, mode='clip')
        """,
    ),
    (
        fourth,
        (V,),
        IndexError,
        """
        return x[3]
          index 3 is out of bounds for axis 0 with size n=3
        """,
    ),
    (
        keep,
        (V,),
        errors.MutationError,
        """
        kept.append(x * 2)
          a traced value would be stored outside the jitted function, in a list
          instead: return the value, and store it in the caller
        """,
    ),
    (
        axis,
        (A,),
        np.exceptions.AxisError,
        """
        return x.sum(axis=3)
          axis 3 is out of bounds for array of dimension 2
        """,
    ),
    (
        reshape,
        (A,),
        errors.ShapeError,
        """
        return x.reshape(5, -1)
          cannot reshape into (5, -1), the sizes differ: x is f8[n=3, m=4]
          instead: the product of the other dimensions must divide x.size
        """,
    ),
    (
        shared,
        (V,),
        errors.MutationError,
        """
        SHARED[0] = x[0]
          an array from outside the jitted function would be written to
          instead: pass it as an argument, or write into a copy: `x = x.copy()`
        """,
    ),
    (
        smaller,
        (np.ones(3, int),),
        errors.DTypeError,
        """
        x += 0.5
          Cannot cast ufunc 'add' output from dtype('float64') to dtype('int64') with casting rule 'same_kind'
          instead: x = x + y makes a new array of dtype float64
        """,  # noqa: E501
    ),
    (
        overflow,
        (np.ones(3, np.uint8),),
        errors.IntegerOverflowError,
        """
        return x + 300
          the Python int 300 does not fit into uint8
          instead: np.int64(300), which has a dtype of its own, or cast the array first
        """,
    ),
    (
        joined,
        (A, np.ones((3, 5))),
        errors.ShapeError,
        """
        return np.concatenate([x, y])
          all dims but axis 0 must agree to concatenate: x is f8[n=3, m=4], y is f8[k=3, l=5]
          instead: cut or pad the arrays to one size, or concatenate along another axis
        """,
    ),
    (
        random,
        (V,),
        errors.UnsupportedError,
        """
        return x + np.random.normal(size=3)
          `normal` draws from a generator that is no argument: at the first call only
          instead: make it an argument: rng = np.random.default_rng(seed), then f(..., rng)
        """,
    ),
    (
        empty,
        (np.ones(0),),
        errors.ShapeError,
        """
        return x.max()
          zero-size array to reduction operation maximum which has no identity: x is f8[n=0]
          instead: give initial=, or return early where the size is 0
        """,
    ),
]


def as_shown(expected):
    """The text without the first line, as it is indented in an error."""
    line, *more = textwrap.dedent(expected).strip().splitlines()
    return "\n".join([f"    {line}", *more])


@pytest.mark.parametrize(("fn", "args", "kind", "expected"), CASES)
def test_text(fn, args, kind, expected):
    for _ in range(2):  # the first call, and one that might be answered by what it left behind
        with pytest.raises(kind) as info:
            jit(fn)(*args)
        first, *lines = str(info.value).splitlines()
        assert first.startswith(__file__) and first.endswith(f" in {fn.__name__}")
        assert "\n".join(lines).startswith(as_shown(expected)), str(info.value)
        assert len(lines) < 10


def test_the_line_is_that_of_the_helper():
    def helper(x):
        return x + np.ones(7)

    with pytest.raises(errors.ShapeError) as info:
        jit(lambda x: helper(x) * 2)(V)
    assert " in helper\n    return x + np.ones(7)\n" in str(info.value)


def test_an_index_out_of_bounds_in_a_function_called_before():
    f = jit(item)
    np.testing.assert_array_equal(f(V, np.array([0, 1])), [2, 2])
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis 0 with size 3"):
        f(V, np.array([9, 1]))


def test_escaped_tracer():
    class Holder:
        pass

    holder = Holder()

    @jit(capture=False)
    def f(x):
        holder.value = x
        return x + 1

    f(V)
    with pytest.raises(errors.EscapedTracerError) as info:
        holder.value + 1
    assert "instead:" in str(info.value)


def test_arguments():
    @jit(static_argnames="s")
    def f(x, s=1):
        return x

    with pytest.raises(errors.ArgumentError) as info:
        f(V, [1])
    assert str(info.value) == (
        "static argument `s` of `f` is not hashable: list [1]\n"
        "  instead: pass a tuple, or leave it out of static_argnames"
    )
    with pytest.raises(errors.ArgumentError, match="argument `x` of `f` has dtype <U1"):
        f(np.array(["a"]))
    with pytest.raises(errors.ArgumentError, match="argument `x` of `f` is of type object"):
        f(object())
    with pytest.raises(errors.ArgumentError, match="static_argnames has 'k', but the arguments"):
        jit(lambda x: x, static_argnames="k")


def test_the_traceback_has_the_users_frames_only():
    try:
        jit(add)(A, B)
    except errors.ShapeError as error:
        names = []
        traceback = error.__traceback__
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_filename)
            traceback = traceback.tb_next
        inside = [n for n in names if "/tracejit/" in n and not n.endswith("api.py")]
        assert names[-1] == __file__ and not inside
        assert error.__cause__ is None and error.__suppress_context__


@pytest.mark.parametrize("mode", ["fast_run", "fast_compile"])
def test_an_index_out_of_bounds_names_the_line_once(mode: str) -> None:
    def item(x: Any, i: Any) -> Any:
        return x[i]

    with pytest.raises(errors.TracedIndexError, match="index 7 is out of bounds") as caught:
        jit(item, mode=mode)(np.zeros(3), 7)
    assert str(caught.value).count("return x[i]") == 1
