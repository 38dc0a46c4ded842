"""Group elementwise ops, views and reductions into fused nodes, each one loop nest.

    before: %2 = exp(%0); %3 = sum(%2, axes=(1,)); %4 = reshape(%3, (n, 1)); %5 = divide(%2, %4)
    after:  %5 = fused(%0) {the four of them}      # one pass over memory per row

The graph is walked from results to parameters. A node joins the group of its consumers when all of
them read it at the same place (`maps.py`), when no path leaves the group and comes back, and when
it would not be recomputed per broadcast element, unless it is cheap. Cheap nodes are computed again
in every group that wants them rather than stored.

Attributes of a fused node: `extents` of its axes, `reduced` axes, and the `maps` of its outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import (
    Graph,
    Node,
    Value,
    mentioned_symbols,
    symbol_definers,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes import maps
from tracejit.passes.chains import CONTROL, written_input
from tracejit.passes.costs import SHIFTED_FLOPS, Costs, fusable
from tracejit.passes.maps import VIEWS, Entry, Map
from tracejit.passes.order import Group, Order, Unit
from tracejit.passes.regroup import Grouping, is_free, regroup

MOST_SIBLINGS = 64
"""More groups over the same axes than this are not compared with each other."""

Request = tuple[Group, Map]


def fuse(graph: Graph, target: Target) -> Graph:
    """See the module. What is in the blocks of branches and loops is grouped there."""
    return _fused(graph, frozenset(graph.params[p] for p, _ in graph.written))


def _fused(graph: Graph, visible: frozenset[Value]) -> Graph:
    """`graph` fused, where writes into the params `visible` show outside if it fails."""
    if any(n.op in CONTROL for n in graph.nodes):
        order = Order(graph, visible)
        nodes = [_with_fused_blocks(n, order, visible) for n in graph.nodes]
        graph = graph.with_(nodes=tuple(nodes))
    return fuse_alone(graph, visible)


def _with_fused_blocks(node: Node, order: Order, visible: frozenset[Value]) -> Node:
    if node.op not in CONTROL:
        return node
    captured = node.inputs[len(node.inputs) - len(node.blocks[0].params) :]
    seen = [k for k, v in enumerate(captured) if order.memory(v) in visible]
    blocks = tuple([_fused(b, frozenset(b.params[k] for k in seen)) for b in node.blocks])
    return node.with_(blocks=blocks)


def fuse_alone(graph: Graph, visible: frozenset[Value]) -> Graph:
    """`graph` fused, and its blocks as they are."""
    return _Fuser(graph, visible).run()


class _Fuser:
    def __init__(self, graph: Graph, visible: frozenset[Value]) -> None:
        self.graph = graph
        self.order = Order(graph, visible)
        self.producer = self.order.producer
        self.costs = Costs(self.producer)
        self.requests: dict[Value, list[Request]] = {}
        self.stored: set[Value] = set(graph.results)
        self.groups: list[Group] = []
        self.definers = symbol_definers(graph)

    def run(self) -> Graph:
        for node in reversed(self.graph.nodes):
            if is_free(node):
                continue
            if node.op in VIEWS:
                if node.output in self.stored:
                    self._store(node.inputs[0], self.order.readers.get(node.output, ()))
                    for unit in self.order.readers.get(node.output, ()):
                        self._note_sizes(node, unit)
            elif fusable(node):
                self._place(node)
            elif node.op == "update":
                self._place_write(node)
            else:
                self._note_sizes(node, node)
                for value in node.inputs:
                    self._store(value, (node,))
        self._merge_siblings()
        return regroup(self.graph, Grouping(self.groups, self.stored, self.order))

    # Placing one node.

    def _place(self, node: Node) -> None:
        value = node.output
        requests = self.requests.get(value, [])
        stored = value in self.stored
        if not requests and not stored:
            return
        wanted = dict.fromkeys((group.find(), map) for group, map in requests)
        if len(wanted) > 1:
            wanted = self._unite(value)
        alone = False
        if len(wanted) == 1:
            ((group, map),) = wanted
            alone = self._is_better_alone(node, group, map)
            fits = not alone and self._may_read(node, group, map)
            if fits and self._join(node, group, map, stored):
                return
        if wanted and not (stored or alone) and self._is_recomputed(node, list(wanted)):
            for group, map in wanted:
                group.copies[node] = None
                self._request_inputs(node, group, map)
            return
        self.stored.add(value)
        for group, _ in wanted:
            self.order.note_reader(value, group)
        self._start(node)

    def _start(self, node: Node) -> None:
        if OPS[node.op].kind == "reduce":
            shape = node.inputs[0].type.shape
            axes = node.attrs["axes"]
            group = Group(list(shape), tuple(axes))
            map: Map = tuple((k, 0, 1) for k in range(len(shape)) if k not in axes)
        else:
            group = Group(list(node.output.type.shape))
            map = maps.identity(node.output.type.shape)
        self.groups.append(group)
        self._add(node, group, map)

    def _place_write(self, node: Node) -> None:
        """A group that writes a region of memory which exists; what it writes may join it."""
        if node.output not in self.stored:
            return
        base, value = node.inputs
        sizes = node.attrs["sizes"]
        group = Group([d for d in sizes if d != 1])
        self.groups.append(group)
        group.members[node] = None
        group.maps[node.output] = maps.region_map(node)
        self.order.place(node, group)
        self._note_sizes(node, group)
        self.stored.add(base)
        if self.order.root(base) not in self.order.versions:
            self.order.note_reader(base, group)
        region = base.type.with_shape(tuple(sizes))
        here = maps.within(group.maps[node.output])
        self._request(value, group, maps.operand_map(here, region, value.type))

    def _add(self, node: Node, group: Group, map: Map) -> None:
        group.members[node] = None
        group.maps[node.output] = map
        self._request_inputs(node, group, map)

    def _note_sizes(self, node: Node, reader: Unit) -> None:
        """`reader` depends on the nodes that define the sizes which `node` mentions.

        So it does where no value of theirs goes into it; this keeps groups from going round.
        """
        if not self.definers:
            return
        pending = [node]
        while pending:
            found = pending.pop()
            for name in mentioned_symbols(found) & self.definers.keys():
                if self.definers[name] is not node:
                    self.order.note_reader(self.definers[name].outputs[0], reader)
            for value in found.inputs:
                inner = self.producer.get(value)
                if inner is not None and (is_free(inner) or inner.op in VIEWS):
                    pending.append(inner)

    def _request_inputs(self, node: Node, group: Group, map: Map) -> None:
        self._note_sizes(node, group)
        if OPS[node.op].kind == "reduce":
            self._request(node.inputs[0], group, maps.reduce_map(node, map, group.reduced))
            return
        out = node.output.type
        for value in dict.fromkeys(node.inputs):
            self._request(value, group, maps.operand_map(map, out, value.type))

    def _request(self, value: Value, group: Group, map: Map) -> None:
        value, map = maps.through_views(value, map, self.producer)
        self.order.note_read(value, group)
        node = self.producer.get(value)
        if node is None or is_free(node):
            return
        if fusable(node):
            self.requests.setdefault(value, []).append((group, map))
        else:
            self._store(value, (group,))

    def _store(self, value: Value, readers: Iterable[Unit]) -> None:
        self.stored.add(value)
        for reader in readers:
            self.order.note_reader(value, reader)
            self.order.note_read(value, reader)

    # Whether a node may join.

    def _may_read(self, node: Node, group: Group, map: Map) -> bool:
        """Whether `node`, computed in `group`, still sees the memory it reads as it should.

        The write that ends a version of memory must not come before the group; within the group,
        an element may be read only where it is written.
        """
        order = self.order
        for value, at in self.costs.operands(node, map):
            write = order.writer.get(order.root(value))
            while write is not None and order.unit(write) is group:
                if group.reduced or OPS[node.op].kind == "reduce":
                    return False
                if not self._is_aligned(write, value, at, group):
                    return False
                write = order.links.get(write.output)
            if write is not None and order.reaches(order.unit(write), group):
                return False
        return True

    def _may_all_read(self, node: Node, wanted: list[Request]) -> bool:
        """Whether the groups can all run before the writes that end what `node` reads."""
        order = self.order
        before: dict[Unit, list[Unit]] = {}
        for group, map in wanted:
            for value, _ in self.costs.operands(node, map):
                write = order.writer.get(order.root(value))
                if write is not None and order.unit(write) is not group:
                    before.setdefault(group, []).append(order.unit(write))
        return not any(
            order.reaches(write, group, before)
            for group, writes in before.items()
            for write in writes
        )

    def _is_better_alone(self, node: Node, group: Group, map: Map) -> bool:
        """Whether `node`, which is written in `group`, is better computed in front of it.

        Of what it is made of several values would have to be: those that read, shifted, what the
        group writes over. One array in between is less than several.
        """
        written = any(w.inputs[1] is node.output for w in group.writes)
        if not written or not OPS[node.op].elementwise:
            return False
        before: dict[Node, None] = {}
        pending = [(node, map)]
        seen = {node}
        while pending and len(before) < 2:
            inner, at = pending.pop()
            if not self._may_read(inner, group, at):
                before[inner] = None
                continue
            for value, here in self.costs.operands(inner, at):
                source = self.producer.get(value)
                if source is None or source in seen or value in self.stored:
                    continue
                if OPS[source.op].elementwise:
                    seen.add(source)
                    pending.append((source, here))
        return len(before) > 1

    def _is_aligned(self, write: Node, value: Value, at: Map, group: Group) -> bool:
        """Whether `value` is read where `write` replaces it, element by element, or elsewhere."""
        base, there = write.inputs[0], group.maps[write.output]
        while True:
            base, there = maps.through_views(base, there, self.producer)
            earlier = self.producer.get(base)
            into = written_input(earlier) if earlier is not None else None
            if base is value or into is None:
                break
            base = into
        if base is not value:
            return False
        pairs = [(_settled(a, group), _settled(b, group)) for a, b in zip(at, there, strict=True)]
        if maps.in_step(pairs):
            return True
        return any(_are_apart(a, b, group) for a, b in pairs)

    def _join(self, node: Node, group: Group, map: Map, stored: bool) -> bool:
        shape = node.output.type.shape
        if stored:
            if not maps.is_plain(map, shape, group.extents):
                return False
            if any(
                self.order.reaches(reader, group)
                for reader in self.order.readers.get(node.output, ())
            ):
                return False
        if OPS[node.op].kind == "reduce":
            if not self._join_reduction(node, group, map):
                return False
        elif not self._free_of_recomputation(node, group, map) or (
            stored and not self._covers(group, map)
        ):
            return False
        self._add(node, group, map)
        return True

    def _covers(self, group: Group, map: Map) -> bool:
        """Whether a value at `map` is stored however small the group is.

        An axis that it does not have may be empty, and then nothing inside of it runs. The last
        axis is allowed to be one: it is made the innermost, and rows are stored beside its loop.
        """
        axes = {a for a in maps.axes_of(map) if group.extents[a] != 1}
        kept = {a for a in group.kept if group.extents[a] != 1}
        if axes >= kept:
            return True
        return not group.reduced and bool(axes) and axes >= kept - {len(group.extents) - 1}

    def _free_of_recomputation(self, node: Node, group: Group, map: Map) -> bool:
        """Whether `node` is computed once per element of its own, or it does not matter."""
        axes = {a for a in maps.axes_of(map) if group.extents[a] != 1}
        full = {a for a, d in enumerate(group.extents) if d != 1}
        if any(step == 0 and axis is not None for axis, _, step in map):
            return False
        if axes == full or axes == {a for a in group.kept if group.extents[a] != 1}:
            return True
        if not group.reduced and len(group.extents) - 1 not in axes:
            return True
        return self.costs.is_cheap(node)

    def _join_reduction(self, node: Node, group: Group, map: Map) -> bool:
        """Find the nest axes for the reduced axes of `node`; add them where there are none."""
        written = {self.order.root(w.inputs[0]) for w in group.writes}
        read = written and {*self.order.reads(group), *self.order.sources(node.inputs[0])}
        if written.intersection(read):
            return False
        if not maps.is_plain(map, node.output.type.shape, group.extents):
            return False
        source = node.inputs[0].type
        reduced_dims = [source.shape[k] for k in node.attrs["axes"]]
        used = {a for a in maps.axes_of(map)}
        rest = [a for a in range(len(group.extents)) if a not in used and group.extents[a] != 1]
        if group.reduced:
            if [group.extents[a] for a in group.reduced] != reduced_dims:
                return False
            if rest != [a for a in group.reduced if group.extents[a] != 1]:
                return False
            # A reduction of everything is done in chunks, so that no chunk knows another's result.
            several = any(group.extents[a] != 1 for a in used)
            return several or not self._feeds_reduction(node.output, group)
        if not rest:
            first = len(group.extents)
            group.extents.extend(reduced_dims)
            group.reduced = tuple(range(first, first + len(reduced_dims)))
            return True
        # The group also uses the result at every reduced point (as softmax does). With no other
        # axis to share out to threads that is better done in two nests.
        if not any(group.extents[a] != 1 for a in used):
            return False
        if [group.extents[a] for a in rest] != reduced_dims:
            return False
        group.reduced = tuple(rest)
        return True

    def _feeds_reduction(self, value: Value, group: Group) -> bool:
        """Whether a reduction of `group` depends on `value` inside the group."""
        reached = {value}
        inside = group.members.keys() | group.copies.keys()
        for node in self.graph.nodes:
            if (node in inside or node.op in VIEWS) and not reached.isdisjoint(node.inputs):
                if OPS[node.op].kind == "reduce":
                    return True
                reached.update(node.outputs)
        return False

    def _is_recomputed(self, node: Node, wanted: list[Request]) -> bool:
        """Whether to compute `node` wherever it is wanted rather than to store it.

        A stencil that reads a value at some shifted places computes it at each of them, where that
        costs less than a trip to memory.
        """
        if not all(self._may_read(node, group, map) for group, map in wanted):
            return False
        if len(wanted) > 1 and not self._may_all_read(node, wanted):
            return False
        if self.costs.is_cheap(node):
            return True
        (group, first), *others = wanted
        if not others or not all(g is group and maps.is_shifted(m, first) for g, m in others):
            return False
        if not self._free_of_recomputation(node, group, first):
            return False
        once = self.costs.at(node, [first])
        return self.costs.at(node, [m for _, m in wanted]) - once <= SHIFTED_FLOPS

    # Several groups that want one value.

    def _unite(self, value: Value) -> dict[Request, None]:
        """Merge groups that read `value` at every point and do not depend on each other."""
        tried: set[tuple[Request, Request]] = set()
        while True:
            wanted = dict.fromkeys((g.find(), m) for g, m in self.requests[value])
            for (group, map), (other, other_map) in itertools.permutations(wanted, 2):
                pair = (group, map), (other, other_map)
                if group is other or pair in tried:
                    continue
                tried.add(pair)
                renaming = maps.axis_renaming(map, other_map)
                if renaming is not None and self._merge(group, other, renaming):
                    break  # the maps of the group have changed
            else:
                return wanted

    def _merge(self, group: Group, into: Group, renaming: dict[int, int]) -> bool:
        """Move everything of `group` into `into`; False where that is not possible."""
        if len(renaming) != len(group.extents) or len(group.extents) != len(into.extents):
            return False
        if any(into.extents[renaming[a]] != d for a, d in enumerate(group.extents)):
            return False
        reduced = tuple(renaming[a] for a in group.reduced)
        if group.reduced and into.reduced and reduced != into.reduced:
            return False
        full = len(into.extents) == len(reduced or into.reduced)
        if full and bool(group.reduced) != bool(into.reduced):
            # A full reduction and an elementwise group are shared out to threads differently.
            return False
        if not self.order.may_merge(group, into):
            return False
        into.reduced = into.reduced or reduced
        into.members.update(group.members)
        into.copies.update(group.copies)
        for value, map in group.maps.items():
            into.maps[value] = maps.rename(map, renaming)
        for value, requests in self.requests.items():
            self.requests[value] = [
                (into, maps.rename(m, renaming)) if g.find() is group else (g, m)
                for g, m in requests
            ]
        group.stands_for = into
        self.order.merged(group, into)
        self.groups.remove(group)
        return True

    def _merge_siblings(self) -> None:
        """Merge groups over the same axes that read the same memory, so that it is read once.

        Groups that read nothing at all fill memory; they are merged to have fewer nests.
        """
        alike: dict[tuple[tuple[Dim, ...], tuple[int, ...]], list[Group]] = {}
        for group in self.groups:
            if group.extents:
                alike.setdefault((tuple(group.extents), group.reduced), []).append(group)
        for groups in alike.values():
            if len(groups) > MOST_SIBLINGS:
                continue
            roots = {group: self._roots(group) for group in groups}
            for group, other in itertools.permutations(groups, 2):
                if group.find() is not group or other.find() is not other:
                    continue
                if roots[group] & roots[other] or not (roots[group] or roots[other]):
                    same = {a: a for a in range(len(group.extents))}
                    if self._merge(other, group, same):
                        roots[group] |= roots[other]

    def _roots(self, group: Group) -> set[Value]:
        """The large values in memory that a group reads."""
        inside = group.members.keys() | group.copies.keys()
        found = set()
        for node in inside:
            for value in node.inputs:
                value, _ = maps.through_views(value, maps.identity(value.type.shape), self.producer)
                if value.type.ndim and self.producer.get(value) not in inside:
                    found.add(value)
        return found


def _settled(entry: Entry, group: Group) -> Entry:
    """An entry of a map without an axis of size 1, whose index is always 0."""
    axis, start, _ = entry
    return (None, start, 0) if axis is not None and group.extents[axis] == 1 else entry


def _are_apart(a: Entry, b: Entry, group: Group) -> bool:
    """Whether the ranges of two entries provably share no index."""
    (low_a, high_a), (low_b, high_b) = (_range(e, group) for e in (a, b))
    return dims.is_nonnegative(low_a - high_b - 1) or dims.is_nonnegative(low_b - high_a - 1)


def _range(entry: Entry, group: Group) -> tuple[Dim, Dim]:
    """The first and the last index of an entry."""
    axis, start, step = entry
    if axis is None:
        return start, start
    far = start + (group.extents[axis] - 1) * step
    return (start, far) if step > 0 else (far, start)
