"""The oracle: runs any graph at any stage, node by node, on NumPy arrays."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.random import address_of
from tracejit.ir.ops.shape import resolve_attrs

_RELATIONS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


SIZE_ATTRS = frozenset({"symbols", "most"})
"""Attributes about the sizes that a node defines, of which its reference knows nothing."""

INDEX_REASON = "an index"
"""The reason of a guard without which an index is out of bounds."""


def bind_sizes(graph: Graph, args: Sequence[np.ndarray]) -> dict[str, int]:
    """The value of every size and stride symbol, read off the shapes and strides of `args`, and of
    those that are values of scalar parameters.

    Raises ValueError where a shape or a guard on sizes does not hold, and for a size below 0.
    Guards that mention sizes which a node defines are left to `run`.
    """
    env: dict[str, int] = {}
    for name, number in graph.scalars:
        env[name] = int(args[number])
        if env[name] < 0:
            raise ValueError(f"{graph.name}: parameter {number} is a size, {env[name]} came")
    for value, arg in zip(graph.params, args, strict=True):
        for dim, actual in zip(value.type.shape, np.shape(arg), strict=True):
            symbol = dims.symbol_name(dim)
            if symbol is not None:
                env.setdefault(symbol, actual)
    for value, arg in zip(graph.params, args, strict=True):
        expected = tuple(dims.evaluate(d, env) for d in value.type.shape)
        if expected != np.shape(arg):
            raise ValueError(f"{graph.name}: {value.type} expected, shape {np.shape(arg)} came")
    for number, arg in enumerate(args):
        if isinstance(arg, np.ndarray):
            for axis, stride in enumerate(arg.strides):
                env[dims.stride_symbol(number, axis)] = stride
    for guard in graph.guards:
        if not isinstance(guard, Guard) or not guard.symbols <= env.keys():
            continue
        if not guard_holds(guard, env):
            raise ValueError(f"{graph.name}: guard {guard} does not hold")
    return env


def guard_holds(guard: Guard, env: Mapping[str, int]) -> bool:
    left, right = dims.evaluate(guard.left, env), dims.evaluate(guard.right, env)
    return _RELATIONS[guard.relation](left, right)


def check_bound(guards: Sequence[Guard], env: Mapping[str, int]) -> None:
    """Raise ShapeError, at the line that needs it, for a guard on sizes of results that fails."""
    for guard in guards:
        if not guard_holds(guard, env):
            known = ", ".join(f"{name} is {env[name]}" for name in sorted(guard.symbols))
            what = f"sizes that are known only at run time do not fit: {guard} is needed"
            why = f" for {guard.reason}" if guard.reason else ""
            kind = errors.TracedIndexError if guard.reason == INDEX_REASON else errors.ShapeError
            raise kind(f"{what}{why}, but {known}", loc=guard.loc)


def bind_outputs(node: Node, arrays: Sequence[np.ndarray], env: dict[str, int]) -> None:
    """Put the sizes that `node` defines into `env`, read off the shapes of its outputs."""
    symbols = defined_symbols(node)
    for value, array in zip(node.outputs, arrays, strict=True):
        for dim, actual in zip(value.type.shape, np.shape(array), strict=True):
            name = dims.symbol_name(dim)
            if name in symbols:
                env[name] = actual


def as_operand(arg: Any, dtype: np.dtype) -> np.ndarray:
    """An argument as the value of a parameter; a random generator is its address."""
    if isinstance(arg, np.random.Generator):
        return np.asarray(address_of(arg), dtype)
    return np.asarray(arg, dtype)


def interpret(graph: Graph, args: Sequence[Any]) -> list[np.ndarray]:
    """The results of `graph` on `args`, with the dtypes and shapes that the graph declares."""
    arrays = [as_operand(a, v.type.dtype) for v, a in zip(graph.params, args, strict=True)]
    return run(graph, arrays, bind_sizes(graph, arrays))


def run(graph: Graph, args: Sequence[np.ndarray], env: dict[str, int]) -> list[np.ndarray]:
    """Like `interpret`, with sizes already bound. Sizes that nodes define are added to `env`."""
    with np.errstate(all="ignore"):
        return _run(graph, args, env, [])


def failing_node(graph: Graph, args: Sequence[Any]) -> tuple[Node, Exception] | None:
    """The first node, in whatever block, whose reference raises on `args`, and what it raises."""
    # Draws are repeated on copies: the caller's generators have advanced already.
    args = [copy.deepcopy(a) if isinstance(a, np.random.Generator) else a for a in args]
    arrays = [as_operand(a, v.type.dtype) for v, a in zip(graph.params, args, strict=True)]
    trail: list[Node] = []
    env = bind_sizes(graph, arrays)
    try:
        with np.errstate(all="ignore"):
            _run(graph, arrays, env, trail)
    except Exception as error:
        # `_run` has put the line in front of what the reference raised.
        plain = error.__context__ if type(error) is errors.TracedIndexError else None
        return trail[-1], plain if isinstance(plain, IndexError) else error
    return None


def _run(
    graph: Graph, args: Sequence[np.ndarray], env: dict[str, int], trail: list[Node]
) -> list[np.ndarray]:
    """The results of a graph or a block; `trail` has the nodes that are being evaluated."""
    values: dict[Value, np.ndarray] = dict(zip(graph.params, args, strict=True))
    late = [g for g in graph.guards if isinstance(g, Guard) and not g.symbols <= env.keys()]
    for node in graph.nodes:
        trail.append(node)
        try:
            found = _evaluate(node, [values[v] for v in node.inputs], env, trail)
        except IndexError as error:
            if isinstance(error, errors.TracejitError) or OPS[node.op].kind == "library":
                raise
            raise errors.TracedIndexError(str(error), loc=node.loc) from None
        for value, array in zip(node.outputs, found, strict=True):
            values[value] = np.asarray(array, value.type.dtype)
        if late and defined_symbols(node):
            check_bound([g for g in late if g.symbols <= env.keys()], env)
            late = [g for g in late if not g.symbols <= env.keys()]
        trail.pop()
    return [values[v] for v in graph.results]


def _evaluate(
    node: Node, inputs: Sequence[np.ndarray], env: dict[str, int], trail: list[Node]
) -> Sequence[Any]:
    """The outputs of `node`."""
    if node.op == "fused":
        return _run(node.blocks[0], inputs, env, trail)
    if node.op == "ifelse":
        block = node.blocks[0 if inputs[0] else 1]
        return _run_block(node, block, inputs[1:], dict(env), trail)
    if node.op == "loop":
        return _loop(node, inputs, env, trail)
    found = _call(node, inputs, env)
    if len(node.outputs) == 1:
        found = [found]
    if "symbols" in node.attrs:
        bind_outputs(node, found, env)
        most: Any = node.attrs.get("most")
        for name in defined_symbols(node) if most is not None else ():
            if env[name] > dims.evaluate(most, env):
                raise ValueError(f"{node.op}: {name} is at most {most}, {env[name]} came")
    return list(found)


def _loop(
    node: Node, inputs: Sequence[np.ndarray], env: dict[str, int], trail: list[Node]
) -> Sequence[np.ndarray]:
    """The carried values of a loop after its last step."""
    (block,) = node.blocks
    symbol, test = node.attrs["symbol"], node.attrs["test"]
    count = node.attrs["count"]
    steps = range(dims.evaluate(count, env)) if count is not None else itertools.count()
    carried, rest = list(inputs[: node.attrs["carried"]]), inputs[node.attrs["carried"] :]
    for step in steps:
        if test is not None and not carried[test]:
            break
        turn = {**env, symbol: step}
        carried = _run_block(node, block, [*carried, *rest], turn, trail)
    return carried


def _run_block(
    node: Node, block: Graph, args: Sequence[np.ndarray], env: dict[str, int], trail: list[Node]
) -> list[np.ndarray]:
    """The results of a branch or of a step: of the types that `node` declares."""
    known = [g for g in block.guards if isinstance(g, Guard) and g.symbols <= env.keys()]
    check_bound(known, env)
    found = []
    for value, array in zip(node.outputs, _run(block, args, env, trail), strict=True):
        expected = tuple(dims.evaluate(d, env) for d in value.type.shape)
        if np.shape(array) != expected:
            raise ValueError(f"{node.op}: {value.type} expected, shape {np.shape(array)} came")
        found.append(np.asarray(array, value.type.dtype))
    return found


def _call(node: Node, inputs: Sequence[np.ndarray], env: dict[str, int]) -> Any:
    record = OPS[node.op]
    attrs = resolve_attrs({k: v for k, v in node.attrs.items() if k not in SIZE_ATTRS}, env)
    try:
        return record.evaluate(*inputs, **attrs)
    except Exception as error:
        if record.kind == "library":
            raise errors.with_line(error, node.loc) from None
        raise
