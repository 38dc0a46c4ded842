"""Writing branches and loops by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.passes.graphs import Ops
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value


def block(name: str, build: Callable[..., Any], like: Sequence[Value], **given: Any) -> Graph:
    """The block of `build(ops, *params)`, with params of the types of `like`."""
    o = Ops()
    o.loc = given.get("loc")
    results = build(o, *(o.param(v.type, v.hint) for v in like))
    return o.finish(name, results if isinstance(results, tuple) else (results,))


def loop(
    o: Ops,
    body: Callable[..., Any],
    inits: Sequence[Value],
    invariants: Sequence[Value],
    count: Dim | None,
    test: int | None = None,
    symbol: str = "k",
) -> tuple[Value, ...]:
    """`body(ops, *carried, *invariants)` gives the carried values after a step."""
    inputs = (*inits, *invariants)
    attrs = {"symbol": symbol, "count": count, "carried": len(inits), "test": test}
    outputs = tuple(Value(v.type) for v in inits)
    made = block("body", body, inputs, loc=o.loc)
    o.nodes.append(Node("loop", inputs, outputs, attrs, (made,), loc=o.loc))
    return outputs


def branch(
    o: Ops,
    condition: Value,
    then: Callable[..., Any],
    otherwise: Callable[..., Any],
    captured: Sequence[Value],
) -> tuple[Value, ...]:
    """`then(ops, *captured)` where the condition holds, else `otherwise(ops, *captured)`."""
    sides = (
        block("then", then, captured, loc=o.loc),
        block("else", otherwise, captured, loc=o.loc),
    )
    outputs = tuple(Value(v.type) for v in sides[0].results)
    inputs = (condition, *captured)
    o.nodes.append(Node("ifelse", inputs, outputs, {}, sides, loc=o.loc))
    return outputs
