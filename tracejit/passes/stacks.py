"""Arrays that a loop fills part by part: in step k the part `first + k * step` along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, free_symbols_of, producers
from tracejit.passes.blocks import linear_in


@dataclass(frozen=True)
class Row:
    """The part of an array that step k reads or writes: `first + k * step` along `axis`."""

    axis: int
    first: Dim
    step: int


def row_of(node: Node, symbol: str) -> Row | None:
    """Which part a `slice` or `update` is about, if it is one of these parts."""
    starts, sizes, steps = (node.attrs[k] for k in ("starts", "sizes", "steps"))
    axes = [k for k, d in enumerate(starts) if symbol in dims.free_symbols(d)]
    if len(axes) != 1 or sizes[axes[0]] != 1 or symbol in free_symbols_of(tuple(sizes)):
        return None
    found = linear_in(starts[axes[0]], symbol)
    if found is None or steps[axes[0]] != 1:
        return None
    return Row(axes[0], *found)


@dataclass(frozen=True)
class Stack:
    """Carried value `number` of a loop: `write` replaces its part `row`, all that a step sees."""

    number: int
    write: Node
    row: Row


def stacks_of(loop: Node) -> dict[int, Stack]:
    """The carried values of which no step sees what another one has written, by number."""
    (block,) = loop.blocks
    producer = producers(block)
    symbol = loop.attrs["symbol"]
    found = {}
    for number in range(loop.attrs["carried"]):
        param, result = block.params[number], block.results[number]
        write = producer.get(result)
        if write is None or write.op != "update" or write.inputs[0] is not param:
            continue
        row = row_of(write, symbol)
        if row is None or param is write.inputs[1]:
            continue
        if [v for v in block.results if v is param or v is result] != [result]:
            continue
        if all(_sees_only(n, write, row, symbol) for n in block.nodes):
            found[number] = Stack(number, write, row)
    return found


def _sees_only(node: Node, write: Node, row: Row, symbol: str) -> bool:
    """Whether `node` reads no part of a stack but the one that its own step writes."""
    if node is write:
        return True
    if write.output in node.inputs:
        return False
    if write.inputs[0] not in node.inputs:
        return True
    return node.op == "slice" and row_of(node, symbol) == row
