"""Branches and loops as steps: their blocks become steps of their own, over the same frame.

What a loop carries of rank 0 lies in a place of its own, which is filled before the loop and at the
end of each turn, all at once; arrays stay where they are. So it is with what a branch gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols
from tracejit.ir.loops import Address, Constant, Instr, Load, Nest, Operand, Section, SizeOf, Store
from tracejit.ir.program import (
    Bind,
    Branch,
    Buffer,
    Loop,
    MemRef,
    Require,
    Step,
    contiguous_strides,
)
from tracejit.passes.calls import newly_known
from tracejit.passes.independent import with_independent_turns
from tracejit.source import Loc


class Lowering(Protocol):
    """What of the lowering is needed here."""

    graph: Graph
    memory: dict[Value, MemRef]
    steps: list[Step]
    symbols: dict[str, int]
    limits: dict[str, Dim | None]
    numbers: dict[Value, Node]
    depth: int
    turns: int
    buffers: dict[int, Buffer]
    given_out: list[int]
    entry_guards: tuple[Guard, ...]

    def new_words(self, count: int) -> int: ...

    def new_buffer(
        self, dtype: np.dtype, shape: tuple[Dim, ...], result: bool = False
    ) -> MemRef: ...

    def step_name(self) -> str: ...

    def block(
        self, graph: Graph, refs: Sequence[MemRef], finish: Callable[[], None]
    ) -> tuple[Step, ...]: ...


def lower_loop(lowering: Any, node: Node) -> None:
    """A `Loop` step."""
    _lower_loop(lowering, node)


def _lower_loop(lowering: Lowering, node: Node) -> None:
    (body,) = node.blocks
    symbol, count, test = (node.attrs[k] for k in ("symbol", "count", "test"))
    refs = _outputs(lowering, node)
    inits = node.inputs[: len(refs)]
    move(lowering, [(v, r) for v, r in zip(inits, refs, strict=True) if not r.shape], node.loc)
    slot = lowering.symbols[symbol] = lowering.new_words(1)
    lowering.limits[symbol] = None if count is None else count - 1
    rest = [lowering.memory[v] for v in node.inputs[len(refs) :]]
    before = len(lowering.given_out)
    lowering.turns += 1
    steps = _block(lowering, body, [*refs, *rest], refs, node.loc)
    lowering.turns -= 1
    ended = None if test is None else refs[test]
    loop = Loop(symbol, slot, count, steps, node.loc, "loop", ended)
    own = set(lowering.given_out[before:])
    loop = with_independent_turns(loop, own, lowering.buffers, lowering.entry_guards)
    lowering.steps.append(loop)


def lower_ifelse(lowering: Any, node: Node) -> None:
    """A `Branch` step."""
    _lower_ifelse(lowering, node)


def _lower_ifelse(lowering: Lowering, node: Node) -> None:
    refs = _outputs(lowering, node)
    condition, *captured = (lowering.memory[v] for v in node.inputs)
    then, otherwise = (_block(lowering, b, captured, refs, node.loc) for b in node.blocks)
    lowering.steps.append(Branch(condition, then, otherwise, node.loc))


def _outputs(lowering: Lowering, node: Node) -> list[MemRef]:
    """Where the outputs lie: in the memory that they take over, numbers in places of their own."""
    refs = []
    for value, number in zip(node.outputs, node.reuses, strict=True):
        if number is None:
            ref = lowering.new_buffer(value.type.dtype, ())
        else:
            ref = lowering.memory[node.inputs[number]]
        lowering.memory[value] = ref
        refs.append(ref)
    return refs


def _block(
    lowering: Lowering,
    block: Graph,
    params: Sequence[MemRef],
    refs: Sequence[MemRef],
    loc: Loc | None,
) -> tuple[Step, ...]:
    """The steps of a block, whose results of rank 0 end up in `refs`."""

    def finish() -> None:
        pairs = zip(block.results, refs, strict=True)
        move(lowering, [(v, r) for v, r in pairs if not r.shape], loc)

    return lowering.block(block, params, finish)


def required(lowering: Lowering) -> None:
    """The guards that can be checked when the block begins."""
    known = tuple(
        g
        for g in lowering.graph.guards
        if isinstance(g, Guard) and g.symbols <= lowering.symbols.keys()
    )
    if known:
        lowering.steps.append(Require(known, known[0].loc))


def move(lowering: Lowering, pairs: Sequence[tuple[Value, MemRef]], loc: Loc | None) -> None:
    """Store numbers, all of them read before the first is stored."""
    operands: dict[int, Operand] = {}
    loads: list[Instr] = []
    stores: list[Instr] = []

    def operand(ref: MemRef, written: bool) -> int:
        known = operands.get(ref.slot)
        written = written or (known is not None and known.written)
        operands[ref.slot] = Operand(ref.slot, ref.dtype, written)
        return list(operands).index(ref.slot)

    for value, target in pairs:
        var = len(loads)
        known = lowering.numbers.get(value)
        if known is None:
            source = lowering.memory[value]
            if source == target:
                continue
            loads.append(
                Load(var, Address(operand(source, False), source.offset, ()), source.dtype)
            )
        elif known.op == "const":
            loads.append(Constant(var, np.asarray(known.attrs["value"])[()], target.dtype))
        else:
            loads.append(SizeOf(var, known.attrs["dim"]))
        address = Address(operand(target, True), target.offset, ())
        stores.append(Store(address, var, target.dtype))
    if not stores:
        return
    section = Section((), (*loads, *stores))
    name = lowering.step_name()
    lowering.steps.append(
        Nest(name, (), (), (section,), tuple(operands.values()), loc=loc, title="carry")
    )


def bind(lowering: Any, node: Node) -> None:
    """A size that is a value: a `Bind` step."""
    _bind(lowering, node)


def _bind(lowering: Lowering, node: Node) -> None:
    (name,) = defined_symbols(node)
    before = frozenset(lowering.symbols)
    slot = lowering.symbols[name] = lowering.new_words(1)
    if lowering.depth:
        lowering.limits[name] = node.attrs.get("most")
    value = lowering.memory[node.inputs[0]]
    guards = newly_known(lowering.graph, before, lowering.symbols)
    lowering.steps.append(Bind(name, slot, value, guards, node.loc))
    type = node.output.type
    strides = contiguous_strides(type.shape, type.dtype.itemsize)
    lowering.memory[node.output] = MemRef(value.slot, 0, strides, type.shape, type.dtype)


def empty(lowering: Any, node: Node) -> None:
    """Memory that the nodes behind it fill."""
    lowering.allocate(node.output)
