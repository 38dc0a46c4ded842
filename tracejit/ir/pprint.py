"""Graphs as text: one line a node, numbered in the order of definition, with the user's line.

    graph f
      param %0: f8[n, 3]  # x
      param %1: f8[3]  # y
      guard n >= 2  # model.py:4
      %2: f8[n, 3] = multiply(%0, %1)  # scaled, model.py:5
      %3: f8[3] = sum(%2, axes=(0,))  # model.py:6
      return %3

Branches and loops show what their blocks read and carry:

      %4: f8[], %5: i8[] = loop(%1, %2, %0) k in 0..n {
        carry %6: f8[] = %1
        carry %7: i8[] = %2
        param %8: f8[n, 3] = %0
        ...
        next %9, %10
      }

Numbers run through nested blocks, so that each names one value of the whole graph. The text depends
on nothing but the graph: no addresses, no set order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from typing import Any, TextIO

import numpy as np

from tracejit.ir.graph import Graph, Guard, Node, Value
from tracejit.ir.types import SHORT_NAMES, TensorType

INDENT = "  "
SHOWN_ELEMENTS = 6
"""Constant arrays with more elements than this print as their type."""


def format_graph(graph: Graph) -> str:
    """`graph` as text, without a newline at the end."""
    names = Names()
    params = _params(graph, names, INDENT)
    return "\n".join([f"graph {graph.name}", *params, *_body(graph, names, INDENT, "return")])


def pprint(graph: Graph, file: TextIO | None = None) -> None:
    """Print `graph` to `file` (standard output)."""
    print(format_graph(graph), file=file or sys.stdout)


def format_node(node: Node, names: Names | None = None) -> str:
    """One node as one line; blocks are left out. Without `names` its values are numbered from 0."""
    names = names or Names()
    inputs = [names[v] for v in node.inputs]
    outputs = ", ".join(f"{names[v]}: {v.type}" for v in node.outputs)
    attrs = [] if node.op == "loop" else [_attribute(node.op, k, v) for k, v in node.attrs.items()]
    reuses = [
        f"{names[v]} in {inputs[k] if k < len(inputs) else f'input {k}'}"
        for v, k in zip(node.outputs, node.reuses, strict=False)
        if k is not None
    ]
    text = f"{outputs} = {node.op}({', '.join(inputs + attrs)})"
    if node.op == "loop":
        text += _turns(node, names)
    return f"{text} reusing {', '.join(reuses)}" if reuses else text


def _turns(node: Node, names: Names) -> str:
    """How often a loop runs."""
    count, test = node.attrs.get("count"), node.attrs.get("test")
    text = f" {node.attrs.get('symbol')} in 0..{'' if count is None else count}"
    if test is None or not node.blocks:
        return text
    params = [names[v] for v in node.blocks[0].params]
    return f"{text} while {params[test] if test < len(params) else f'input {test}'}"


class Names:
    """`%0`, `%1`, ... for values, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[Value, str] = {}
        self._numbers = count()

    def __getitem__(self, value: Value) -> str:
        if value not in self._names:
            self._names[value] = f"%{next(self._numbers)}"
        return self._names[value]


def format_attr(value: Any) -> str:
    """An attribute as text, the same in every process."""
    if isinstance(value, np.ndarray):
        if value.size > SHOWN_ELEMENTS:
            return f"array {TensorType(value.dtype, value.shape)}"
        return str(value.tolist())
    if isinstance(value, np.generic):
        return str(value.item())
    if isinstance(value, np.dtype):
        return SHORT_NAMES.get(value, str(value))
    if isinstance(value, tuple):
        inner = ", ".join(map(format_attr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    return str(value)


def _attribute(op: str, key: str, value: Any) -> str:
    return format_attr(value) if op == "const" else f"{key}={format_attr(value)}"


def _params(graph: Graph, names: Names, indent: str) -> Iterator[str]:
    sizes = {number: symbol for symbol, number in graph.scalars}
    for number, value in enumerate(graph.params):
        size = f" = {sizes[number]}" if number in sizes else ""
        yield f"{indent}param {names[value]}: {value.type}{size}{_comment(value.hint)}"


def _passed(node: Node, block: Graph, names: Names, indent: str) -> Iterator[str]:
    """The params of a branch's or loop's block, and what they are."""
    carried = node.attrs["carried"] if node.op == "loop" else 0
    inputs = node.inputs if node.op == "loop" else node.inputs[1:]
    for k, (value, outer) in enumerate(zip(block.params, inputs, strict=False)):
        what = "carry" if k < carried else "param"
        yield f"{indent}{what} {names[value]}: {value.type} = {names[outer]}{_comment(value.hint)}"


def _body(graph: Graph, names: Names, indent: str, end: str) -> Iterator[str]:
    for guard in graph.guards:
        if isinstance(guard, Guard):
            condition = str(guard)
        else:
            condition = f"{names[graph.params[guard.param]]} {guard.relation} {guard.value}"
        where = str(guard.loc) if guard.loc else ""
        yield f"{indent}guard {condition}{_comment(guard.reason, where)}"
    for node in graph.nodes:
        comment = _comment(*(v.hint for v in node.outputs), str(node.loc) if node.loc else "")
        line = indent + format_node(node, names)
        if not node.blocks:
            yield line + comment
            continue
        yield f"{line} {{{comment}"
        inside = indent + INDENT
        control = node.op in ("loop", "ifelse")
        for k, block in enumerate(node.blocks):
            if k:
                yield f"{indent}}} {'else ' if control else ''}{{"
            yield from (
                _passed(node, block, names, inside) if control else _params(block, names, inside)
            )
            yield from _body(block, names, inside, "next" if node.op == "loop" else "return")
        yield f"{indent}}}"
    yield f"{indent}{end} {', '.join(names[v] for v in graph.results)}".rstrip()


def _comment(*parts: str) -> str:
    kept = [part for part in parts if part]
    return f"  # {', '.join(kept)}" if kept else ""


# A graph prints as its text wherever this module is loaded; graph.py cannot import its own printer.
setattr(Graph, "__str__", format_graph)  # noqa: B010
