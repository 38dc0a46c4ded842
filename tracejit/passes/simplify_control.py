"""Branches and loops with less in them: what is known outside is known inside, and the reverse.

    before: %3 = ifelse(%c, %x) { return sin(%x) } else { return sin(%x) }   with %c = const(True)
    after:  %3 = sin(%x)

    before: %4, %5 = loop(%1, %2) k in 0..n { carry %a, carry %b; next add(%a, %b), %b }
    after:  %4 = loop(%1, %2) k in 0..n { carry %a, param %b; next add(%a, %b) }, and %5 is %2

Constants and sizes are made inside the blocks that read them, scalars are spread there. A branch
on its own condition is decided. What a loop carries without ever changing it is no longer carried.
A loop that runs never or once, and a branch whose side is known, are no longer there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tracejit.ir.graph import Graph, Node, Value, producers
from tracejit.ir.target import Target
from tracejit.passes.blocks import (
    first_param,
    has_control,
    inlined,
    keep_inputs,
    keep_outputs,
    passed,
    replace_params,
    substitute_sizes,
    with_passed,
)
from tracejit.passes.chains import CONTROL
from tracejit.passes.maps import FREE
from tracejit.passes.rewrite import is_planned, keep_hints, substitute_inputs


def simplify_control(graph: Graph, target: Target) -> Graph:
    """See the module."""
    if not has_control(graph):
        return graph
    return _Simplifier(target).run(graph)


class _Simplifier:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.nodes: list[Node] = []
        self.defs: dict[Value, Node] = {}
        self.replaced: dict[Value, Value] = {}
        self.changed = False

    def run(self, graph: Graph) -> Graph:
        for node in graph.nodes:
            self.visit(node)
        if not self.changed:
            return graph
        table = self.replaced
        results = tuple(table.get(v, v) for v in graph.results)
        return keep_hints(graph.with_(nodes=tuple(self.nodes), results=results), table)

    def visit(self, node: Node) -> None:
        found = substitute_inputs(node, self.replaced) if self.replaced else node
        if found.op in CONTROL and not is_planned(found):
            made = self.branch(found) if found.op == "ifelse" else self.loop(found)
            self.changed = self.changed or made is not node
            if made is None:
                return
            found = made
        self.changed = self.changed or found is not node
        self.emit(found)

    def emit(self, node: Node) -> None:
        self.nodes.append(node)
        for value in node.outputs:
            self.defs[value] = node

    # Both.

    def inside(self, node: Node, blocks: Sequence[Graph]) -> Node:
        new = [simplify_control(b, self.target) for b in blocks]
        if all(a is b for a, b in zip(new, node.blocks, strict=True)):
            return node
        return with_passed(node, node.inputs, new)

    def with_sources(self, node: Node) -> Node:
        """`node` making inside of its blocks what can be made there, and reading nothing twice."""
        tables: list[dict[Value, Value]] = [{} for _ in node.blocks]
        fronts: list[list[Node]] = [[] for _ in node.blocks]
        inputs, blocks = list(node.inputs), list(node.blocks)
        first = first_param(node)
        seen: dict[Value, int] = {}
        dropped: set[int] = set()
        for k in passed(node):
            value = self.behind_broadcasts(inputs[k])
            source = self.defs.get(value)
            free = source is not None and source.op in FREE
            if value is inputs[k] and not free and value not in seen:
                seen[value] = k
                continue
            other = k if free else seen.setdefault(value, k)
            for number, block in enumerate(blocks):
                old = block.params[k - first]
                new = block.params[other - first]
                if free:
                    assert source is not None
                    new = Value(value.type, old.hint)
                    fronts[number].append(source.with_(outputs=(new,)))
                elif other == k and value is not inputs[k]:
                    new = Value(value.type, old.hint)
                    params = list(block.params)
                    params[k - first] = new
                    blocks[number] = block.with_(params=tuple(params))
                if value.type != old.type:
                    spread = Value(old.type, old.hint)
                    attrs = {"shape": old.type.shape}
                    loc = self.defs[inputs[k]].loc
                    fronts[number].append(Node("broadcast_to", (new,), (spread,), attrs, loc=loc))
                    new = spread
                tables[number][old] = new
            inputs[k] = value
            if free or other != k:
                dropped.add(k)
        if not any(tables) and not dropped:
            return node
        blocks = [replace_params(b, t, f) for b, t, f in zip(blocks, tables, fronts, strict=True)]
        kept = [k for k in range(len(inputs)) if k not in dropped]
        return keep_inputs(with_passed(node, inputs, blocks), kept)

    def behind_broadcasts(self, value: Value) -> Value:
        """What `value` repeats: a block that reads it is better off with that."""
        while (node := self.defs.get(value)) is not None and node.op == "broadcast_to":
            value = node.inputs[0]
        return value

    def constant(self, value: Value) -> np.generic | None:
        return scalar_constant(value, self.defs)

    def put(self, block: Graph, args: Sequence[Value], outputs: Sequence[Value]) -> None:
        """The nodes of a block that runs once, here."""
        nodes, results = inlined(block, args)
        for inner in nodes:
            self.visit(inner)
        for old, new in zip(outputs, results, strict=True):
            self.replaced[old] = self.replaced.get(new, new)

    def merge_outputs(self, node: Node) -> Node:
        """`node` without outputs that are always equal to others."""
        seen: dict[tuple[Value, ...], Value] = {}
        kept = []
        for k, value in enumerate(node.outputs):
            key = tuple(b.results[k] for b in node.blocks)
            if node.op == "loop":
                key = (*key, node.inputs[k])
            first = seen.setdefault(key, value)
            if first is value or k == node.attrs.get("test"):
                kept.append(k)
            else:
                self.replaced[value] = first
                if node.op == "loop":
                    node = self.carry_as(node, k, node.outputs.index(first))
        return keep_outputs(node, kept)

    def carry_as(self, node: Node, number: int, other: int) -> Node:
        (block,) = node.blocks
        table = {block.params[number]: block.params[other]}
        return with_passed(node, node.inputs, [replace_params(block, table)])

    # Branches.

    def branch(self, node: Node) -> Node | None:
        """`node`, made simpler; None where nothing is left of it."""
        negated = self.defs.get(node.inputs[0])
        if negated is not None and negated.op == "logical_not":
            source = negated.inputs[0]
            if source.type == node.inputs[0].type:
                inputs = (source, *node.inputs[1:])
                node = with_passed(node, inputs, (node.blocks[1], node.blocks[0]))
        condition = self.constant(node.inputs[0])
        if condition is not None:
            block = node.blocks[0 if condition else 1]
            if not block.guards:
                self.put(block, node.inputs[1:], node.outputs)
                return None
        node = self.with_sources(self.with_known_condition(node))
        node = self.inside(node, node.blocks)
        return self.without_equal_results(node)

    def with_known_condition(self, node: Node) -> Node:
        """`node` whose sides know which side they are."""
        numbers = [k for k, v in enumerate(node.inputs) if k and v is node.inputs[0]]
        if not numbers:
            return node
        blocks = []
        for block, known in zip(node.blocks, (True, False), strict=True):
            value = Value(block.params[numbers[0] - 1].type)
            front = Node("const", (), (value,), {"value": np.bool_(known)}, loc=node.loc)
            table = {block.params[k - 1]: value for k in numbers}
            blocks.append(replace_params(block, table, [front]))
        kept = [k for k in range(len(node.inputs)) if k not in numbers]
        return keep_inputs(with_passed(node, node.inputs, blocks), kept)

    def without_equal_results(self, node: Node) -> Node | None:
        """`node` without the outputs that are the same on both sides."""
        then, otherwise = node.blocks
        makers = producers(then), producers(otherwise)
        kept = []
        for k, (a, b) in enumerate(zip(then.results, otherwise.results, strict=True)):
            if a in then.params and b in otherwise.params:
                number = then.params.index(a)
                if otherwise.params.index(b) == number:
                    self.replaced[node.outputs[k]] = node.inputs[number + 1]
                    continue
            x, y = scalar_constant(a, makers[0]), scalar_constant(b, makers[1])
            if x is not None and y is not None and _same_bits(x, y):
                value = Value(node.outputs[k].type)
                self.emit(Node("const", (), (value,), {"value": x}, loc=node.loc))
                self.replaced[node.outputs[k]] = value
                continue
            kept.append(k)
        return self.merge_outputs(keep_outputs(node, kept))

    # Loops.

    def loop(self, node: Node) -> Node | None:
        count, test = node.attrs["count"], node.attrs["test"]
        carried = node.attrs["carried"]
        known = None if test is None else self.constant(node.inputs[test])
        if (isinstance(count, int) and count == 0) or (known is not None and not known):
            self.replaced.update(zip(node.outputs, node.inputs[:carried], strict=True))
            return None
        if isinstance(count, int) and count == 1 and not node.blocks[0].guards:
            return self.once(node)
        node = self.with_test_true(node)
        node = self.with_sources(node)
        node = self.inside(node, node.blocks)
        node = self.without_unchanged(node)
        return self.merge_outputs(node)

    def once(self, node: Node) -> Node | None:
        """The body alone, or the body where the test holds."""
        symbol, test, carried = (node.attrs[k] for k in ("symbol", "test", "carried"))
        block = substitute_sizes(node.blocks[0], {symbol: 0})
        if test is None or self.constant(node.inputs[test]) is not None:
            self.put(block, node.inputs, node.outputs)
            return None
        same = tuple(Value(v.type, v.hint) for v in block.params)
        other = Graph("else", same, (), same[:carried])
        inputs = (node.inputs[test], *node.inputs)
        made = Node("ifelse", inputs, node.outputs, {}, (block, other), loc=node.loc)
        return self.branch(made)

    def with_test_true(self, node: Node) -> Node:
        """`node` whose body knows that its test holds."""
        test = node.attrs["test"]
        (block,) = node.blocks
        if test is None:
            return node
        param = block.params[test]
        read = any(param in inner.inputs for inner in block.nodes)
        if not read and not any(v is param for v in block.results):
            return node
        value = Value(param.type)
        front = Node("const", (), (value,), {"value": np.bool_(True)}, loc=node.loc)
        return with_passed(node, node.inputs, [replace_params(block, {param: value}, [front])])

    def without_unchanged(self, node: Node) -> Node:
        """`node` carrying only what may change from step to step."""
        (block,) = node.blocks
        carried, test = node.attrs["carried"], node.attrs["test"]
        makers = producers(block)
        kept, still = [], []
        for k in range(carried):
            if self.is_unchanged(node, k, makers):
                if k != test:
                    still.append(k)
                    continue
                if node.attrs["count"] is not None and self.constant(node.inputs[k]) is not None:
                    # The test held before the loop, and nothing changes it.
                    test = None
                    still.append(k)
                    continue
            kept.append(k)
        if not still:
            return node
        for k in still:
            self.replaced[node.outputs[k]] = node.inputs[k]
        order = [*kept, *still, *range(carried, len(node.inputs))]
        attrs = {
            **node.attrs,
            "carried": len(kept),
            "test": None if test is None else kept.index(test),
        }
        new = block.with_(
            params=tuple(block.params[k] for k in order),
            results=tuple(block.results[k] for k in kept),
        )
        outputs = tuple(node.outputs[k] for k in kept)
        inputs = tuple(node.inputs[k] for k in order)
        return Node("loop", inputs, outputs, attrs, (new,), loc=node.loc)

    def is_unchanged(self, node: Node, k: int, makers: Mapping[Value, Node]) -> bool:
        (block,) = node.blocks
        if block.results[k] is block.params[k]:
            return True
        after, before = scalar_constant(block.results[k], makers), self.constant(node.inputs[k])
        return after is not None and before is not None and _same_bits(after, before)


def scalar_constant(value: Value, makers: Mapping[Value, Node]) -> np.generic | None:
    """The number that `value` is, if it is a constant of rank 0."""
    node = makers.get(value)
    if node is None or node.op != "const":
        return None
    number = node.attrs["value"]
    return number if isinstance(number, np.generic) else None


def _same_bits(a: np.generic, b: np.generic) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()
