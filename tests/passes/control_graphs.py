"""Graphs with branches and loops: written by hand, drawn at random, and run in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.passes.graphs import Ops, tensor
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.interpret import bind_sizes
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.shape import resolve_attrs, slices

Body = Callable[..., Any]


def _block(name: str, build: Body, params: Sequence[Value], *extra: Any) -> Graph:
    o = Ops()
    inner = [o.param(v.type, v.hint) for v in params]
    found = build(o, *extra, *inner)
    return o.finish(name, found if isinstance(found, tuple) else (found,))


def loop(
    o: Ops, count: Dim | None, inits: Sequence[Value], build: Body, rest: Sequence[Value] = (),
    test: int | None = None, symbol: str = "i",
) -> tuple[Value, ...]:  # fmt: skip
    """`build(ops, i, *carried, *rest)` gives what is carried on."""
    body = _block("body", build, [*inits, *rest], dims.sym(symbol))
    outputs = tuple(Value(v.type, v.hint) for v in inits)
    attrs = {"symbol": symbol, "count": count, "carried": len(inits), "test": test}
    o.nodes.append(Node("loop", (*inits, *rest), outputs, attrs, (body,)))
    return outputs


def ifelse(
    o: Ops, condition: Value, captured: Sequence[Value], then: Body, otherwise: Body
) -> tuple[Value, ...]:
    blocks = _block("then", then, captured), _block("otherwise", otherwise, captured)
    outputs = tuple(Value(v.type, v.hint) for v in blocks[0].results)
    o.nodes.append(Node("ifelse", (condition, *captured), outputs, {}, blocks))
    return outputs


def element(o: Ops, x: Value, *index: Dim) -> Value:
    """`x[index]`, a row or an element."""
    rest = x.type.shape[len(index) :]
    attrs = {
        "starts": (*index, *(0 for _ in rest)),
        "sizes": (*(1 for _ in index), *rest),
        "steps": (1,) * x.type.ndim,
    }
    return o.apply("reshape", (o.apply("slice", (x,), attrs),), {"shape": rest})


def put(o: Ops, x: Value, value: Value, *index: Dim) -> Value:
    """`x` with `x[index] = value`."""
    rest = x.type.shape[len(index) :]
    attrs = {
        "starts": (*index, *(0 for _ in rest)),
        "sizes": (*(1 for _ in index), *rest),
        "steps": (1,) * x.type.ndim,
    }
    return o.apply("update", (x, value), attrs)


# Graphs at random: what a function would do to two vectors, a matrix and two numbers.

NAMES = ("a", "b", "m", "s", "t")
TYPES = ("i8[n]", "i8[n]", "i8[k, n]", "i8[]", "i8[]")
N, K = dims.sym("n"), dims.sym("k")


class _Writer:
    """Draws statements; `state` is what the five variables are by now."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.loops = 0

    def pick(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def statements(
        self, o: Ops, state: dict[str, Value], index: Sequence[Dim], rows: Sequence[Dim], depth: int
    ) -> dict[str, Value]:
        """`index` are indices that vectors have, `rows` those of rows of the matrix."""
        for _ in range(self.draw(st.integers(1, 4))):
            kinds = ["number", "element", "slice", "whole", "row", "swap", "old"]
            if depth:
                kinds += ["loop", "loop", "if", "while"]
            state = {**state, **getattr(self, self.pick(kinds))(o, state, index, rows, depth)}
        return state

    def scalar(self, o: Ops, state: dict[str, Value], index: Sequence[Dim]) -> Value:
        kind = self.pick(["s", "t", "element", "constant", "index", "sum"])
        if kind in ("s", "t"):
            return state[kind]
        if kind == "element":
            return element(o, state[self.pick("ab")], self.pick(index))
        if kind == "sum":
            return o.sum(state[self.pick("ab")], axes=(0,))
        found = self.pick(index) if kind == "index" else self.draw(st.integers(-2, 3))
        return o.size(found) if not isinstance(found, int) else o.const(found, np.int64)

    def expression(self, o: Ops, x: Value, y: Value) -> Value:
        return o.apply(self.pick(["add", "subtract", "multiply", "minimum", "maximum"]), (x, y))

    def number(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        x, y = (self.scalar(o, state, index) for _ in range(2))
        return {self.pick("st"): self.expression(o, x, y)}

    def element(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        x, y = (self.scalar(o, state, index) for _ in range(2))
        name, at = self.pick("ab"), self.pick(index)
        return {name: put(o, state[name], self.expression(o, x, y), at)}

    def slice(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        """`a[1:] = b[:-1] + s`, with what may be the same vector on both sides."""
        to, source = self.pick("ab"), self.pick("ab")
        start, other = self.pick([(0, 0), (0, 1), (1, 0), (1, 1)])
        part = o.slice_(state[source], other, N - 1)
        if self.draw(st.booleans()):
            part = self.expression(o, part, o.slice_(state[self.pick("ab")], start, N - 1))
        value = self.expression(o, part, self.scalar(o, state, index))
        return {to: o.update_(state[to], value, start, N - 1)}

    def whole(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        to, x, y = (state[self.pick("ab")] for _ in range(3))
        if self.draw(st.booleans()):
            y = self.scalar(o, state, index)
        del to
        return {self.pick("ab"): self.expression(o, x, y)}

    def row(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        """`m[i] = m[j] + a`, or `a = m[i]`."""
        found = element(o, state["m"], self.pick(rows))
        if self.draw(st.booleans()):
            return {self.pick("ab"): found}
        x = state[self.pick("ab")] if self.draw(st.booleans()) else self.scalar(o, state, index)
        return {"m": put(o, state["m"], self.expression(o, found, x), self.pick(rows))}

    def swap(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        x, y = self.pick(["ab", "st"])
        return {x: state[y], y: state[x]}

    def old(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        """A write, and then a read of what was there before."""
        name, at = self.pick("ab"), self.pick(index)
        before = element(o, state[name], at)
        return {
            name: put(o, state[name], self.scalar(o, state, index), at),
            self.pick("st"): before,
        }

    def loop(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        self.loops += 1
        symbol = f"i{self.loops}"
        kind = self.pick(["n", "n - 1", "k", "3", "triangle"])
        if kind == "triangle" and not isinstance(index[-1], int):
            count: Dim = index[-1]
        else:
            count = {"n": N, "n - 1": N - 1, "k": K, "3": 3, "triangle": 2}[kind]

        def body(inner: Ops, i: Dim, *values: Value) -> tuple[Value, ...]:
            now = dict(zip(NAMES, values, strict=True))
            inside = [*index, i] if kind in ("n", "triangle") else [*index]
            if kind == "n - 1":
                inside += [i, i + 1]
            deeper = [*rows, i] if kind == "k" else rows
            now = self.statements(inner, now, inside, deeper, depth - 1)
            return tuple(now[name] for name in NAMES)

        return self._run(o, state, body, count, symbol)

    def _run(
        self, o: Ops, state: dict[str, Value], body: Body, count: Dim | None, symbol: str
    ) -> dict[str, Value]:
        """A loop that carries what changes, and captures the rest."""
        trial = _block("trial", body, [state[n] for n in NAMES], dims.sym(symbol))
        carried = [k for k, r in enumerate(trial.results) if r is not trial.params[k]]
        rest = [k for k in range(len(NAMES)) if k not in carried]
        order = [*carried, *rest]
        body_graph = Graph(
            "body",
            tuple(trial.params[k] for k in order),
            trial.nodes,
            tuple(trial.results[k] for k in carried),
        )
        inits = tuple(state[NAMES[k]] for k in order)
        outputs = tuple(Value(v.type, v.hint) for v in inits[: len(carried)])
        attrs = {"symbol": symbol, "count": count, "carried": len(carried), "test": None}
        o.nodes.append(Node("loop", inits, outputs, attrs, (body_graph,)))
        return {NAMES[k]: v for k, v in zip(carried, outputs, strict=True)}

    def while_(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        """A loop that a test ends: at most three turns, counted in a carried number."""
        self.loops += 1
        symbol = f"i{self.loops}"

        def body(inner: Ops, i: Dim, go: Value, left: Value, *values: Value) -> tuple[Value, ...]:
            now = dict(zip(NAMES, values, strict=True))
            now = self.statements(inner, now, index, rows, depth - 1)
            less = inner.subtract(left, 1)
            more = inner.logical_and(
                inner.greater(less, 0), inner.less(self.scalar(inner, now, index), 40)
            )
            return (more, less, *(now[name] for name in NAMES))

        left = o.const(3, np.int64)
        go = o.less(self.scalar(o, state, index), 20)
        inits = [go, left, *(state[n] for n in NAMES)]
        found = loop(o, None, inits, body, (), 0, symbol)
        return dict(zip(NAMES, found[2:], strict=True))

    def if_(self, o: Ops, state: Any, index: Any, rows: Any, depth: int) -> dict[str, Value]:
        condition = o.less(self.scalar(o, state, index), self.scalar(o, state, index))

        def side(inner: Ops, *values: Value) -> tuple[Value, ...]:
            now = dict(zip(NAMES, values, strict=True))
            if self.draw(st.integers(0, 2)):
                now = self.statements(inner, now, index, rows, depth - 1)
            return tuple(now[name] for name in NAMES)

        found = ifelse(o, condition, [state[n] for n in NAMES], side, side)
        return dict(zip(NAMES, found, strict=True))


setattr(_Writer, "while", _Writer.while_)
setattr(_Writer, "if", _Writer.if_)


@st.composite
def control_graphs(draw: Any) -> Graph:
    """Graphs with nested loops and branches that write in place; some params are written."""
    o = Ops()
    state = {n: o.param(tensor(t), n) for n, t in zip(NAMES, TYPES, strict=True)}
    state = _Writer(draw).statements(o, state, [0, 1], [0, 1], draw(st.integers(1, 3)))
    graph = o.finish("f", [state[name] for name in NAMES])
    written = tuple((k, k) for k in range(3) if draw(st.booleans()))
    return graph.with_(written=written)


# Running in place, as compiled code does: with the memory that `reuses` says.


def run_in_place(graph: Graph, args: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The results of a planned graph. Writes go into memory that exists; params are written."""
    arrays = list(args)
    env = bind_sizes(graph, arrays)
    return [np.array(v) for v in _run(graph, arrays, env)]


def _run(graph: Graph, args: Sequence[Any], env: dict[str, int]) -> list[Any]:
    values: dict[Value, Any] = dict(zip(graph.params, args, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            found = _evaluate(node, [values[v] for v in node.inputs], env)
            values.update(zip(node.outputs, found, strict=True))
    found = [values[v] for v in graph.results]
    for p, r in graph.written:
        target, result = values[graph.params[p]], found[r]
        assert result is target or np.shares_memory(result, target) or not result.size
        assert result.__array_interface__["data"] == target.__array_interface__["data"]
    return found


def _evaluate(node: Node, inputs: list[Any], env: dict[str, int]) -> Sequence[Any]:
    if node.op == "fused":
        return _run(node.blocks[0], inputs, env)
    if node.op == "ifelse":
        side = 0 if inputs[0] else 1
        return _owned(node, inputs, _run(node.blocks[side], inputs[1:], env))
    if node.op == "loop":
        carried = list(inputs[: node.attrs["carried"]])
        rest = inputs[node.attrs["carried"] :]
        count, test, turn = node.attrs["count"], node.attrs["test"], 0
        while count is None or turn < dims.evaluate(count, env):
            if test is not None and not carried[test]:
                break
            inner = {**env, node.attrs["symbol"]: turn}
            found = _run(node.blocks[0], [*carried, *rest], inner)
            carried = list(_owned(node, inputs, found))
            turn += 1
        return carried
    attrs = resolve_attrs(node.attrs, env)
    if node.op == "update":
        assert node.reuses == (0,), "a write that is not in place"
        region = inputs[0][slices(attrs["starts"], attrs["sizes"], attrs["steps"])]
        region[...] = np.array(inputs[1])
        return [inputs[0]]
    found = np.asarray(OPS[node.op].evaluate(*inputs, **attrs), node.output.type.dtype)
    if OPS[node.op].kind != "view":
        found = np.array(found)
    return [found]


def _owned(node: Node, inputs: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """Numbers are values of their own; arrays lie where `reuses` says."""
    kept = []
    for k, value in zip(node.reuses, found, strict=True):
        if k is None:
            assert np.ndim(value) == 0, "an array without memory"
            kept.append(np.array(value))
        else:
            where = inputs[k].__array_interface__["data"]
            assert value.__array_interface__["data"] == where or not value.size
            kept.append(value)
    return kept
