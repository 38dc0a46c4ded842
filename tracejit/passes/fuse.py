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

from collections.abc import Iterable
from dataclasses import dataclass, field

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value, producers
from tracejit.ir.opdef import OPS
from tracejit.ir.target import Target
from tracejit.passes import maps
from tracejit.passes.maps import VIEWS, Map

FREE = frozenset({"const", "size", "iota"})
"""Nodes that cost nothing and are repeated in every group that reads them."""

CHEAP_FLOPS = 2.0
"""A value that costs at most this many additions from memory is recomputed rather than stored."""


@dataclass(eq=False)
class Group:
    """A fused node in the making."""

    extents: list[Dim]
    reduced: tuple[int, ...] = ()
    members: dict[Node, None] = field(default_factory=dict)
    copies: dict[Node, None] = field(default_factory=dict)
    maps: dict[Value, Map] = field(default_factory=dict)
    stands_for: Group | None = None

    def find(self) -> Group:
        """The group this one was merged into."""
        group = self
        while group.stands_for is not None:
            group = group.stands_for
        return group

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(range(len(self.extents))) - set(self.reduced)


Unit = Group | Node
Request = tuple[Group, Map]


def fuse(graph: Graph, target: Target) -> Graph:
    """See the module."""
    return _Fuser(graph).run()


def is_free(node: Node) -> bool:
    """Whether a node is repeated wherever it is read; arrays of constants are read from memory."""
    return node.op in FREE and not (node.op == "const" and node.output.type.ndim)


def fusable(node: Node) -> bool:
    """Whether a node can be part of a loop nest."""
    kind = OPS[node.op].kind
    return kind in ("elementwise", "reduce")


class _Fuser:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producer = producers(graph)
        self.requests: dict[Value, list[Request]] = {}
        self.readers: dict[Value, list[Unit]] = {}
        self.stored: set[Value] = set(graph.results)
        self.groups: list[Group] = []

    def run(self) -> Graph:
        for node in reversed(self.graph.nodes):
            if is_free(node):
                continue
            if node.op in VIEWS:
                if node.output in self.stored:
                    self._store(node.inputs[0], self.readers.get(node.output, ()))
            elif fusable(node):
                self._place(node)
            else:
                for value in node.inputs:
                    self._store(value, (node,))
        self._merge_siblings()
        return self._rebuild()

    # Placing one node.

    def _place(self, node: Node) -> None:
        value = node.output
        requests = self.requests.get(value, [])
        stored = value in self.stored
        if not requests and not stored:
            return
        wanted = dict.fromkeys((group.find(), map) for group, map in requests)
        if len(wanted) > 1:
            wanted = self._unite(value, wanted)
        if len(wanted) == 1:
            ((group, map),) = wanted
            if self._join(node, group, map, stored):
                return
        if wanted and not stored and self._cheap(node):
            for group, map in wanted:
                group.copies[node] = None
                self._request_inputs(node, group, map)
            return
        self.stored.add(value)
        for group, _ in wanted:
            self._note_reader(value, group)
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

    def _add(self, node: Node, group: Group, map: Map) -> None:
        group.members[node] = None
        group.maps[node.output] = map
        self._request_inputs(node, group, map)

    def _request_inputs(self, node: Node, group: Group, map: Map) -> None:
        if OPS[node.op].kind == "reduce":
            self._request(node.inputs[0], group, maps.reduce_map(node, map, group.reduced))
            return
        out = node.output.type
        for value in dict.fromkeys(node.inputs):
            self._request(value, group, maps.operand_map(map, out, value.type))

    def _request(self, value: Value, group: Group, map: Map) -> None:
        value, map = maps.through_views(value, map, self.producer)
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
            self._note_reader(value, reader)

    def _note_reader(self, value: Value, reader: Unit) -> None:
        known = self.readers.setdefault(value, [])
        if reader not in known:
            known.append(reader)

    # Whether a node may join.

    def _join(self, node: Node, group: Group, map: Map, stored: bool) -> bool:
        shape = node.output.type.shape
        if stored:
            if not maps.is_plain(map, shape, group.extents):
                return False
            if any(self._reaches(reader, group) for reader in self.readers.get(node.output, ())):
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
        return self._cheap(node)

    def _join_reduction(self, node: Node, group: Group, map: Map) -> bool:
        """Find the nest axes for the reduced axes of `node`; add them where there are none."""
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

    def _cheap(self, node: Node) -> bool:
        return self._cost(node, CHEAP_FLOPS) <= CHEAP_FLOPS

    def _cost(self, node: Node, limit: float) -> float:
        """Additions per element to compute `node` from memory, or anything above `limit`."""
        if OPS[node.op].kind != "elementwise":
            return limit + 1
        total = OPS[node.op].flops
        for value in node.inputs:
            if total > limit:
                break
            inner = self.producer.get(value)
            while inner is not None and inner.op in VIEWS:
                inner = self.producer.get(inner.inputs[0])
            if inner is not None and fusable(inner):
                total += self._cost(inner, limit - total)
        return total

    # Several groups that want one value.

    def _unite(self, value: Value, wanted: dict[Request, None]) -> dict[Request, None]:
        """Merge groups that read `value` at every point and do not depend on each other."""
        pending = list(wanted)
        kept = [pending.pop(0)]
        for group, map in pending:
            group = group.find()
            for k, (other, other_map) in enumerate(kept):
                other = other.find()
                if group is other:
                    continue
                renaming = _axis_renaming(map, other_map)
                if renaming is not None and self._merge(group, other, renaming):
                    kept[k] = (other, other_map)
                    break
            else:
                kept.append((group, map))
        return dict.fromkeys((g.find(), m) for g, m in kept)

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
        if self._reaches(group, into) or self._reaches(into, group):
            return False
        into.reduced = into.reduced or reduced
        into.members.update(group.members)
        into.copies.update(group.copies)
        for value, map in group.maps.items():
            into.maps[value] = _rename(map, renaming)
        for value, requests in self.requests.items():
            self.requests[value] = [
                (into, _rename(m, renaming)) if g.find() is group else (g, m) for g, m in requests
            ]
        group.stands_for = into
        self.groups.remove(group)
        return True

    def _merge_siblings(self) -> None:
        """Merge groups over the same axes that read the same memory, so that it is read once."""
        if len(self.groups) > 64:
            return
        for group in list(self.groups):
            for other in list(self.groups):
                if group is other or group.find() is not group or other.find() is not other:
                    continue
                if group.extents != other.extents or group.reduced != other.reduced:
                    continue
                if not group.extents or not (self._roots(group) & self._roots(other)):
                    continue
                if self._merge(other, group, {a: a for a in range(len(group.extents))}):
                    continue

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

    def _reaches(self, start: Unit, goal: Group) -> bool:
        """Whether something computed by `start` goes, through whatever nodes, into `goal`."""
        pending: list[Unit] = [start.find() if isinstance(start, Group) else start]
        seen: set[Unit] = set()
        while pending:
            unit = pending.pop()
            if unit is goal:
                return True
            if unit in seen:
                continue
            seen.add(unit)
            nodes = unit.members if isinstance(unit, Group) else (unit,)
            for node in nodes:
                for value in node.outputs:
                    for reader in self.readers.get(value, ()):
                        pending.append(reader.find() if isinstance(reader, Group) else reader)
        return False

    # The new graph.

    def _rebuild(self) -> Graph:
        owner = {node: group for group in self.groups for node in group.members}
        fused = {group: self._fused_node(group) for group in self.groups}
        order: list[Node] = []
        done: set[Node | Group] = set()
        needed = {node for node in self.graph.nodes if self._stays(node)}

        def emit(node: Node) -> None:
            stack: list[tuple[Node, bool]] = [(node, False)]
            while stack:
                node, ready = stack.pop()
                unit: Node | Group = owner.get(node, node)
                if unit in done:
                    continue
                new = fused[unit] if isinstance(unit, Group) else node
                if ready:
                    done.add(unit)
                    order.append(new)
                    continue
                stack.append((node, True))
                for value in new.inputs:
                    inner = self.producer.get(value)
                    if inner is not None:
                        stack.append((inner, False))

        for node in self.graph.nodes:
            if node in needed or node in owner:
                emit(node)
        return self.graph.with_(nodes=tuple(order))

    def _stays(self, node: Node) -> bool:
        """Whether a node that is in no group is still needed in memory."""
        if is_free(node) or node.op in VIEWS:
            return node.output in self.stored
        return not fusable(node)

    def _fused_node(self, group: Group) -> Node:
        inside = group.members.keys() | group.copies.keys()
        nodes: dict[Node, None] = {}
        params: dict[Value, None] = {}
        pending = [v for n in group.members for v in n.outputs]
        while pending:
            value = pending.pop()
            node = self.producer.get(value)
            local = node is not None and (
                node in inside or is_free(node) or (node.op in VIEWS and not self._opaque(node))
            )
            if not local:
                params[value] = None
            elif node is not None and node not in nodes:
                nodes[node] = None
                pending.extend(node.inputs)
        position = self._position
        body = sorted(nodes, key=position.__getitem__)
        outputs = [v for n in body if n in group.members for v in n.outputs if v in self.stored]
        inputs = tuple(params)
        block = Graph("fused", inputs, tuple(body), tuple(outputs))
        loc = next((n.loc for n in reversed(body) if n in group.members and n.loc), None)
        return Node(
            "fused",
            inputs,
            tuple(outputs),
            {
                "extents": tuple(group.extents),
                "reduced": group.reduced,
                "maps": tuple(group.maps[v] for v in outputs),
            },
            (block,),
            loc=loc,
        )

    def _opaque(self, node: Node) -> bool:
        """Whether a view cannot be folded into loads (a reshape that merges or splits axes)."""
        return maps.view_map(node, maps.identity(node.output.type.shape)) is None

    @property
    def _position(self) -> dict[Node, int]:
        found = self.__dict__.get("_positions")
        if found is None:
            found = self.__dict__["_positions"] = {n: k for k, n in enumerate(self.graph.nodes)}
        return found


def _axis_renaming(map: Map, other: Map) -> dict[int, int] | None:
    """The renaming of nest axes that turns `map` into `other`, if it is one-to-one."""
    renaming: dict[int, int] = {}
    for (a, start, step), (b, other_start, other_step) in zip(map, other, strict=True):
        if (start, step) != (other_start, other_step) or (a is None) != (b is None):
            return None
        if a is None or b is None:
            continue
        if renaming.setdefault(a, b) != b:
            return None
    return renaming if len(set(renaming.values())) == len(renaming) else None


def _rename(map: Map, renaming: dict[int, int]) -> Map:
    return tuple((None if a is None else renaming[a], s, t) for a, s, t in map)
