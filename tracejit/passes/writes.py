"""Writes take over the memory of what they write into; what is still to be read is copied before.

    before: %1 = multiply(%x, 2); %2 = update(%1, %v, ...); %3 = sum(%1)
    after:  %1 = multiply(%x, 2); %4 = copy(%1); %2 = update(%4, %v, ...) reusing %4; %3 = sum(%1)

After this pass every write is in place (`reuses` says of which input), and every copy is a node of
its own. A parameter that the function writes becomes what it becomes in its own memory; there it is
the later readers of an old version that get a copy, of just the part that they read.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.graph import Graph, Node, Value, uses
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.ir.types import TensorType
from tracejit.passes import maps
from tracejit.passes.blocks_in_place import blocks_in_place
from tracejit.passes.chains import BIJECTIVE, CONTROL, chain_of, writes_of, written_into
from tracejit.passes.maps import FREE, VIEWS
from tracejit.passes.rewrite import can_fail, has_effects, substitute_inputs
from tracejit.passes.rules_shape import are_apart, same_region

END = 1 << 60
"""The position of a read that comes after every node: the value is a result."""


def writes_in_place(graph: Graph, target: Target) -> Graph:
    """See the module. What branches and loops write is planned in their blocks too."""
    return _in_blocks(planned(blocks_in_place(graph)), target)


def _in_blocks(graph: Graph, target: Target) -> Graph:
    if not any(n.op in CONTROL for n in graph.nodes):
        return graph
    nodes = []
    for node in graph.nodes:
        if node.op in CONTROL:
            blocks = tuple([writes_in_place(b, target) for b in node.blocks])
            node = node.with_(blocks=blocks)
        nodes.append(node)
    return graph.with_(nodes=tuple(nodes))


def planned(graph: Graph) -> Graph:
    """`graph` with its own writes in place, and those in its blocks as they are."""
    if not graph.written and not any(map(writes_of, graph.nodes)):
        return graph
    return _Planner(_with_chains(_without_overwritten(graph))).run()


def whole(type: TensorType) -> dict[str, tuple[object, ...]]:
    """The attributes of an `update` of every element."""
    return {"starts": (0,) * type.ndim, "sizes": type.shape, "steps": (1,) * type.ndim}


# Writes that nobody sees.


def _without_overwritten(graph: Graph) -> Graph:
    """`x[s] = _`, then `x[s] = v`, is the second alone where nothing reads what comes between.

    A write that a failing node may make visible stays.
    """
    readers = uses(graph)
    results = set(graph.results)
    position = {v: k for k, n in enumerate(graph.nodes) for v in n.outputs}
    failing = [k for k, n in enumerate(graph.nodes) if graph.written and can_fail(n)]
    producer: dict[Value, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        new = node
        while new.op == "update":
            first = producer.get(new.inputs[0])
            if first is None or first.op != "update" or not same_region(first, node):
                break
            if first.output in results or len(readers[first.output]) > 1:
                break
            between = range(position[first.output], position[node.output])
            if first.output is new.inputs[1] or any(k in between for k in failing):
                break
            new = new.with_(inputs=(first.inputs[0], new.inputs[1]))
        nodes.append(new)
        for value in new.outputs:
            producer[value] = new
    if all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
        return graph
    return _without_unread(graph.with_(nodes=tuple(nodes)))


def _without_unread(graph: Graph) -> Graph:
    read = set(graph.results)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        unread = read.isdisjoint(node.outputs) and "symbols" not in node.attrs
        if not unread or has_effects(node) or node.op in CONTROL:
            kept.append(node)
            read.update(node.inputs)
    return graph.with_(nodes=tuple(reversed(kept)))


# Parameters that are written.


def _with_chains(graph: Graph) -> Graph:
    """`graph` with every written parameter at the start of a chain of writes that ends in what it
    becomes: where it is replaced as a whole, by a write of everything."""
    nodes = list(graph.nodes)
    results = list(graph.results)
    claimed: set[Value] = set()
    producer = {v: n for n in nodes for v in n.outputs}
    chains = {p: chain_of(graph.results[r], producer) for p, r in graph.written}
    rooted = {p for p, chain in chains.items() if chain.is_of(graph.params[p])}
    for p in sorted(rooted):
        claimed.update(chains[p].writes)
    for p, r in graph.written:
        if p in rooted:
            continue
        param = graph.params[p]
        first: Value | None = None
        for written, straight in zip(chains[p].writes, chains[p].straight, strict=True):
            if written in claimed or not straight:
                break
            claimed.add(written)
            first = written
        at, value = len(nodes), results[r]
        if first is not None:
            at = next(k for k, n in enumerate(nodes) if first in n.outputs)
            base = written_into(nodes[at], first)
            assert base is not None
            value = base
        made = producer.get(value)
        loc = None if made is None else made.loc
        if made is not None and made.op == "empty":
            # Whatever is in it will do: what the parameter holds.
            if first is not None:
                nodes[at] = _with_base(nodes[at], first, param)
            else:
                results[r] = param
            continue
        new = Value(param.type, param.hint)
        write = Node("update", (param, value), (new,), whole(param.type), loc=loc)
        if first is not None:
            nodes[at] = _with_base(nodes[at], first, new)
        else:
            results[r] = new
        nodes.insert(at, write)
    return graph.with_(nodes=tuple(nodes), results=tuple(results))


def _with_base(node: Node, written: Value, base: Value) -> Node:
    """`node` writing into `base` where it gives `written`."""
    position = dict(writes_of(node))[written]
    inputs = list(node.inputs)
    inputs[position] = base
    return node.with_(inputs=tuple(inputs))


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph.with_(nodes=_views_early(graph))
        self.producer = {v: n for n in self.graph.nodes for v in n.outputs}
        self.position = {n: k for k, n in enumerate(self.graph.nodes)}
        self.views: dict[Value, list[Value]] = {}
        self.direct: dict[Value, list[int]] = {}
        for k, node in enumerate(self.graph.nodes):
            for value in dict.fromkeys(node.inputs):
                if node.op in VIEWS:
                    self.views.setdefault(value, []).append(node.output)
                else:
                    self.direct.setdefault(value, []).append(k)
        for value in self.graph.results:
            self.direct.setdefault(value, []).append(END)
        self.chained: set[Value] = set()
        for p, r in self.graph.written:
            chain = chain_of(self.graph.results[r], self.producer)
            if chain.is_of(self.graph.params[p]):
                self.chained.update(chain.writes)
        self.owned_params = {self.graph.params[p] for p, _ in self.graph.written}
        self.replaced: dict[Value, Value] = {}
        self.nodes: list[Node] = []

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if not writes_of(node):
                self.nodes.append(substitute_inputs(node, self.replaced))
            else:
                self._write(node)
        results = tuple(self.replaced.get(v, v) for v in self.graph.results)
        return self.graph.with_(nodes=tuple(self.nodes), results=results)

    def _write(self, node: Node) -> None:
        """Emit a node that writes in place, with the copies that it needs in front of it."""
        inputs = [self.replaced.get(v, v) for v in node.inputs]
        copies: dict[Value, Value] = {}
        copied: set[int] = set()
        moved: dict[Value, Value] = {}
        elsewhere: list[Value] = []
        for written, position in writes_of(node):
            if position in copied:
                continue
            memory, owned = self._memory(node.inputs[position], written)
            chained = written in self.chained
            late = [v for v in self._family(memory) if self._read_after(v, self.position[node])]
            apart = [v for v in late if self._lies_elsewhere(v, node, memory)]
            old = [v for v in late if v not in apart]
            others = [k for k in range(len(inputs)) if k != position and k not in copied]
            others = [k for k in others if self._is_overwritten(inputs, k, position, memory, node)]
            # What is small is copied rather than what is large.
            kept = owned and (chained or all(v.type.size == 1 for v in old))
            if kept and not chained and node.op in CONTROL:
                kept = all(inputs[k].type.size != memory.type.size for k in others)
            if not kept:
                copied.add(position)
                inputs[position] = self._copy(inputs[position], node, {})
                continue
            for k in others:
                copied.add(k)
                is_written = any(k == at for _, at in writes_of(node))
                inputs[k] = self._copy(inputs[k], node, {} if is_written else copies)
            for value in old:
                self._replace(value, self._copy(self.replaced.get(value, value), node, copies))
            elsewhere += apart
            moved[memory] = written
        reuses = node.reuses if node.op in CONTROL else (OPS[node.op].in_place,)
        self.nodes.append(node.with_(inputs=tuple(inputs), reuses=reuses))
        for value in elsewhere:
            self._read_from(node, value, moved)

    def _read_from(self, write: Node, value: Value, moved: dict[Value, Value]) -> Value:
        """From now on read `value`, which `write` leaves as it is, from its output."""
        if value in moved:
            return moved[value]
        old = self.producer[value]
        source = self._read_from(write, old.inputs[0], moved)
        again = moved[value] = Value(value.type, value.hint)
        view = old.with_(inputs=(source,), outputs=(again,))
        self.nodes.append(view)
        self.producer[again] = view
        self.position[view] = self.position[write]
        self.views.setdefault(source, []).append(again)
        if value in self.direct:
            self.direct[again] = self.direct[value]
        self._replace(value, again)
        return again

    def _replace(self, value: Value, new: Value) -> None:
        for key, found in self.replaced.items():
            if found is value:
                self.replaced[key] = new
        self.replaced[value] = new

    def _is_overwritten(
        self, inputs: Sequence[Value], k: int, position: int, memory: Value, node: Node
    ) -> bool:
        """Whether input `k` looks at what `node` writes, where it takes over input `position`."""
        value = inputs[k]
        seen = value is inputs[position] or self._looks_at(value, memory)
        return seen and not (self._is_apart(node, value) or self._is_in_step(node, value))

    def _is_in_step(self, write: Node, value: Value) -> bool:
        """Whether each element is read before anything is written there, as in `x[0] = x[i]`."""
        if write.op != "update":
            return False
        there = maps.region_map(write)
        region = value.type.with_shape(tuple(write.attrs["sizes"]))
        here = maps.operand_map(maps.within(there), region, value.type)
        base, here = maps.through_views(value, here, self.producer)
        memory, there = maps.through_views(write.inputs[0], there, self.producer)
        return base is memory and maps.in_step(list(zip(here, there, strict=True)))

    def _copy(self, value: Value, node: Node, known: dict[Value, Value]) -> Value:
        """A copy in front of `node`; one for equal values in `known`."""
        if value in known:
            return known[value]
        found = known[value] = Value(value.type, value.hint)
        made = self.producer.get(value)
        if made is not None and made.op == "empty":
            # There is nothing in it yet.
            self.nodes.append(made.with_(outputs=(found,)))
            return found
        self.nodes.append(Node("copy", (value,), (found,), loc=node.loc))
        return found

    def _memory(self, value: Value, written: Value) -> tuple[Value, bool]:
        """The value that is all of the memory of `value`, and whether `written` may lie there."""
        while True:
            if value in self.replaced:
                now = self.replaced[value]
                if now not in self.producer:
                    # A copy is free to be written, once those who read it are through.
                    return value, True
                value = now
                continue
            found = self.producer.get(value)
            if found is None:
                return value, value in self.owned_params and written in self.chained
            if found.op in BIJECTIVE:
                value = found.inputs[0]
                continue
            return value, found.op not in VIEWS and found.op not in FREE

    def _family(self, value: Value) -> list[Value]:
        """`value` and all views of it."""
        found = [value]
        for v in found:
            found.extend(w for w in self.views.get(v, ()) if w not in self.replaced)
        return found

    def _read_after(self, value: Value, position: int) -> bool:
        if self.direct.get(value, (-1,))[-1] > position:
            return True
        return any(self.position[self.producer[v]] > position for v in self.views.get(value, ()))

    def _looks_at(self, value: Value, memory: Value) -> bool:
        """Whether `value` is `memory` or a view of it."""
        while value is not memory:
            node = self.producer.get(value)
            if value in self.replaced or node is None or node.op not in VIEWS:
                return False
            value = node.inputs[0]
        return True

    def _lies_elsewhere(self, value: Value, write: Node, memory: Value) -> bool:
        """Whether `value` looks at a part of `memory` that `write` leaves as it is."""
        if memory in self.replaced:
            return False
        while value is not memory:
            source = self.producer[value].inputs[0]
            if source is memory and self._is_apart(write, value):
                return True
            value = source
        return False

    def _is_apart(self, write: Node, value: Value) -> bool:
        """Whether `value` is a part of what is written into, and provably not the written part."""
        node = self.producer.get(value)
        if node is None or node.op != "slice" or write.op != "update":
            return False
        if node.inputs[0] is not write.inputs[0]:
            return False
        return are_apart(node, write)


def _views_early(graph: Graph) -> tuple[Node, ...]:
    """The nodes with every view directly behind what it looks at.

    A view whose sizes are known only once another node has run stays where it is.
    """
    late = {s for n in graph.nodes for s in n.attrs.get("symbols", ())}
    following: dict[Value, list[Node]] = {}
    moved: set[Node] = set()
    for node in graph.nodes:
        if node.op in VIEWS and not (late and _mentions(node, late)):
            following.setdefault(node.inputs[0], []).append(node)
            moved.add(node)
    order: list[Node] = []

    def follow(values: Sequence[Value]) -> None:
        pending = [n for v in reversed(values) for n in reversed(following.get(v, []))]
        while pending:
            node = pending.pop()
            order.append(node)
            pending.extend(reversed(following.get(node.output, [])))

    follow(graph.params)
    for node in graph.nodes:
        if node not in moved:
            order.append(node)
            follow(node.outputs)
    return tuple(order)


def _mentions(node: Node, symbols: set[str]) -> bool:
    from_types = [d for v in node.outputs for d in v.type.shape]
    flat = [*from_types, *(d for a in node.attrs.values() if isinstance(a, tuple) for d in a)]
    return any(getattr(d, "symbols", frozenset()) & symbols for d in flat)
