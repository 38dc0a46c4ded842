"""Whole graphs drawn at random mean the same before and after every pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.passes.graphs import DTYPES, N, Ops, data, same, tensor
from tracejit.ir.dims import Shape
from tracejit.ir.graph import Graph, Value
from tracejit.ir.interpret import interpret
from tracejit.ir.target import Target
from tracejit.ir.types import broadcast_shapes
from tracejit.ir.verify import verify
from tracejit.passes.pipeline import PASSES, SIMPLIFICATION, pass_name, run_pipeline

# Ops and numbers on which every rule is exact, so that results can be compared to the bit: no
# transcendental functions, no float sums, and no minima of floats (NumPy's order of zeros varies).
UNARY = {
    "f": ["negative", "absolute", "square", "sqrt", "reciprocal", "positive", "floor"],
    "i": ["negative", "absolute", "square", "invert", "positive"],
    "b": ["logical_not", "invert"],
}
BINARY = {
    "f": ["add", "subtract", "multiply", "divide", "power", "select"],
    "i": ["add", "subtract", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor", "maximum",
          "floor_divide", "remainder", "select"],
    "b": ["logical_and", "logical_or", "bitwise_xor", "select"],
}  # fmt: skip
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
NUMBERS: dict[str, list[Any]] = {
    "f": [0.0, -0.0, 1.0, -1.0, 2.0, 0.25, 3.0],
    "i": [0, 1, -1, 2, 8, 3],
    "b": [False, True],
}
REDUCTIONS = {"f": ["any_nan"], "i": ["sum", "prod", "min", "max"], "b": ["any", "all"]}
VIEWS = ["reshape", "transpose", "broadcast_to", "slice", "update", "concatenate"]
PARAMS = ["f8[n]", "f8[m, n]", "i8[n]", "i8[m, n]", "bool[n]", "f8[]", "i8[]", "f8[m, 1]", "f4[n]"]


class Grower:
    """Appends random legal nodes to a graph."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.o = Ops()
        self.values: list[Value] = []

    def pick(self, options: list[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def value(self, dtype: Any = None) -> Value:
        found = [v for v in self.values if dtype is None or v.type.dtype == dtype]
        # Recent values make deep graphs, which give rules something to match.
        return self.pick(found[-6:] + found) if found else self.number(dtype)

    def number(self, dtype: Any) -> Value:
        return self.o.const(self.pick(NUMBERS[dtype.kind]), dtype)

    def partner(self, x: Value) -> Value:
        """Something of the dtype of `x` that broadcasts with it."""
        if self.draw(st.integers(0, 2)) == 0:
            return self.number(x.type.dtype)
        y = self.value(x.type.dtype)
        return y if _broadcast(x.type.shape, y.type.shape) is not None else x

    def grow(self) -> None:
        x = self.value()
        kind = x.type.dtype.kind
        step = self.pick(["unary", "binary", "binary", "compare", "cast", "view", "view", "reduce"])
        if step == "unary":
            found = self.o.apply(self.pick(UNARY[kind]), (x,))
        elif step == "binary":
            found = self.binary(x, self.pick(BINARY[kind]))
        elif step == "compare":
            found = self.o.apply(self.pick(COMPARISONS), self.swap(x, self.partner(x)))
        elif step == "cast":
            targets = {"f": ["f4", "f8", "bool"], "i": ["f8", "i4", "i8", "f4"], "b": ["i8", "f8"]}
            found = self.o.cast(x, dtype=DTYPES[self.pick(targets[kind])])
        elif step == "reduce":
            found = self.reduce(x)
        else:
            found = self.view(x, self.pick(VIEWS))
        if found.type.ndim <= 4:
            self.values.append(found)

    def swap(self, x: Value, y: Value) -> tuple[Value, Value]:
        return (y, x) if self.draw(st.booleans()) else (x, y)

    def binary(self, x: Value, op: str) -> Value:
        if op == "power":
            exponent = self.pick([0.0, 1.0, 2.0, -1.0])
            return self.o.apply(op, (x, self.o.const(exponent, x.type.dtype)))
        if op in ("floor_divide", "remainder"):
            return self.o.apply(op, (x, self.o.const(self.pick([1, 2, 8, 3]), x.type.dtype)))
        y = self.partner(x)
        if op != "select":
            return self.o.apply(op, self.swap(x, y))
        cond = self.value(DTYPES["bool"])
        if _broadcast(cond.type.shape, x.type.shape, y.type.shape) is None:
            cond = self.number(DTYPES["bool"])
        return self.o.apply("select", (cond, *self.swap(x, y)))

    def reduce(self, x: Value) -> Value:
        op = self.pick(REDUCTIONS[x.type.dtype.kind])
        if op == "any_nan":
            x, op = self.o.isnan(x), "any"
        axes = tuple(k for k in range(x.type.ndim) if self.draw(st.booleans()))
        return self.o.apply(op, (x,), {"axes": axes})

    def view(self, x: Value, op: str) -> Value:
        shape = x.type.shape
        if op == "transpose":
            perm = self.draw(st.permutations(range(len(shape))))
            return self.o.transpose(x, perm=tuple(perm))
        if op == "broadcast_to":
            target = tuple(self.pick([2, N]) if d == 1 else d for d in shape)
            extra = self.pick([(), (1,), (2,)])
            return self.o.broadcast_to(x, shape=(*extra, *target))
        if op == "reshape":
            inner = [d for d in shape if d != 1]
            inner.insert(self.draw(st.integers(0, len(inner))), 1)
            return self.o.reshape(x, shape=self.pick([shape, tuple(inner), (x.type.size,)]))
        if not shape or isinstance(shape[0], int):
            return x
        rest = shape[0]
        if op == "concatenate":
            return self.o.concatenate(*self.pick([[x], [x, x]]), axis=0)
        start, size, step = self.pick(
            [(0, rest, 1), (rest - 1, rest, -1), (1, rest - 1, 1), (0, rest - 1, 1), (0, 1, 1),
             (1, 1, 1), (1, 0, 1)]
        )  # fmt: skip
        if op == "slice":
            return self.o.slice_(x, start, size, step)
        v = self.pick([self.number(x.type.dtype), self.o.slice_(x, start, size, step)])
        return self.o.update_(x, v, start, size, step)


def _broadcast(*shapes: Shape) -> Shape | None:
    try:
        return broadcast_shapes(*shapes)
    except ValueError:
        return None


@st.composite
def graphs(draw: Any) -> Graph:
    grower = Grower(draw)
    for text in draw(st.lists(st.sampled_from(PARAMS), min_size=2, max_size=4)):
        grower.values.append(grower.o.param(tensor(text)))
    # The sizes must be bound whatever was drawn.
    grower.values.append(grower.o.param(tensor("f8[m, n]")))
    for _ in range(draw(st.integers(1, 25))):
        grower.grow()
    count = draw(st.integers(1, 3))
    return grower.o.finish("random", grower.values[-count:])


@given(graph=graphs(), seed=st.integers(0, 2**32), n=st.integers(2, 5), m=st.integers(2, 4))
@settings(max_examples=200)
def test_passes_keep_the_results(graph: Graph, seed: int, n: int, m: int) -> None:
    verify(graph)
    args = data(graph, seed, {"n": n, "m": m})
    expected = interpret(graph, args)
    after = run_pipeline(graph, Target(), passes=SIMPLIFICATION, verify=True)
    for found, wanted in zip(interpret(after, args), expected, strict=True):
        assert same(found, wanted)
    assert len(after.nodes) <= 3 * len(graph.nodes) + 10


@given(graph=graphs())
@settings(max_examples=100)
def test_the_pipeline_ends_where_it_cannot_go_on(graph: Graph) -> None:
    """At most two more rounds: merging equal values lets a rule see that they are."""
    for _ in range(3):
        graph = run_pipeline(graph, Target(), passes=SIMPLIFICATION)
    assert run_pipeline(graph, Target(), passes=SIMPLIFICATION) is graph


@pytest.mark.parametrize("name", [pass_name(p) for p in PASSES])
@given(graph=graphs())
@settings(max_examples=20)
def test_a_pass_keeps_params_and_types(name: str, graph: Graph) -> None:
    after = run_pipeline(graph, Target(), stop_after=name)
    assert after.params is graph.params
    assert [v.type for v in after.results] == [v.type for v in graph.results]
