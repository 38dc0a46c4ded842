"""What must run before what, while groups are being made: data, overwriting, failing.

A unit (a group, or a node that stays alone) comes before the units that read what it computes. It
comes before a write in place that ends a version of memory which it reads. And where parameters are
written, writes and nodes that can fail in mid-run keep their order, so that after an error the
caller's arrays are as NumPy would have left them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value, producers
from tracejit.ir.opdef import OPS
from tracejit.passes.chains import writes_of, written_input, written_into
from tracejit.passes.maps import VIEWS, Map
from tracejit.passes.rewrite import can_fail
from tracejit.passes.rules_shape import are_apart


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

    @property
    def writes(self) -> list[Node]:
        """The members that write into memory which exists already."""
        return [n for n in self.members if written_input(n) is not None]


Unit = Group | Node


class Order:
    """The order of units; `place` is told where each write has gone."""

    def __init__(self, graph: Graph, visible: frozenset[Value]) -> None:
        self.producer = producers(graph)
        self.readers: dict[Value, list[Unit]] = {}
        self.writer: dict[Value, Node] = {}
        self._reads: dict[Value, list[Unit]] = {}
        self._read_by: dict[Unit, dict[Value, None]] = {}
        self._group: dict[Node, Group] = {}
        self._roots: dict[Value, Value] = {}
        self.links: dict[Value, Node] = {}
        self.versions: set[Value] = set()
        for node in graph.nodes:
            for _, position in writes_of(node):
                root = self.root(node.inputs[position])
                # Rows written one by one are put into the whole at the end: the first write counts.
                self.writer.setdefault(root, node)
                before = self.producer.get(root)
                if before is not None and written_into(before, root) is not None:
                    self.links.setdefault(root, node)
                    self.versions.add(root)
        self.next, self.previous = self._barriers(graph, visible)

    def _barriers(
        self, graph: Graph, visible: frozenset[Value]
    ) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
        """For writes into memory of the caller and nodes that can fail: what comes next, before."""
        after: dict[Node, list[Node]] = {}
        before: dict[Node, list[Node]] = {}
        if not visible:
            return after, before
        failing: list[Node] = []
        writes: list[Node] = []
        for node in graph.nodes:
            is_seen = any(self.memory(node.inputs[k]) in visible for _, k in writes_of(node))
            if is_seen and failing:
                before[node] = failing[-1:]
            if can_fail(node):
                before[node] = [*before.get(node, []), *writes, *failing[-1:]]
                writes = []
                failing.append(node)
            if is_seen:
                writes.append(node)
        for node, earlier in before.items():
            for other in earlier:
                after.setdefault(other, []).append(node)
        return after, before

    def root(self, value: Value) -> Value:
        """The value whose memory `value` looks at."""
        found = self._roots.get(value)
        if found is None:
            found = value
            node = self.producer.get(found)
            while node is not None and node.op in VIEWS:
                found = node.inputs[0]
                node = self.producer.get(found)
            self._roots[value] = found
        return found

    def memory(self, value: Value) -> Value:
        """The value that first filled the memory of `value`, through all writes in place."""
        value = self.root(value)
        while (node := self.producer.get(value)) is not None:
            base = written_into(node, value)
            if base is None:
                break
            value = self.root(base)
        return value

    def sources(self, value: Value) -> set[Value]:
        """The memory from which `value` is computed by elementwise ops and views alone."""
        found: set[Value] = set()
        pending, seen = [value], {value}
        while pending:
            current = pending.pop()
            node = self.producer.get(current)
            if node is None or not (node.op in VIEWS or OPS[node.op].elementwise):
                found.add(self.root(current))
                continue
            new = [v for v in node.inputs if v not in seen]
            seen.update(new)
            pending += new
        return found

    # What is told.

    def note_reader(self, value: Value, reader: Unit) -> None:
        known = self.readers.setdefault(value, [])
        if reader not in known:
            known.append(reader)

    def note_read(self, value: Value, reader: Unit) -> None:
        """`reader` reads the memory of `value`: it has to run before that is written."""
        root = self.root(value)
        if root in self.writer:
            self._reads.setdefault(root, []).append(reader)
            self._read_by.setdefault(reader, {})[root] = None

    def place(self, write: Node, group: Group) -> None:
        self._group[write] = group

    def merged(self, group: Group, into: Group) -> None:
        self._read_by.setdefault(into, {}).update(self._read_by.pop(group, {}))

    # What is asked.

    def unit(self, node: Node) -> Unit:
        group = self._group.get(node)
        return node if group is None else group.find()

    def reads(self, group: Group) -> dict[Value, None]:
        """The memory read by a group that is written later, or by itself."""
        return self._read_by.get(group, {})

    def earlier(self, unit: Unit) -> Iterator[Unit]:
        """The units that must run before `unit` although it reads nothing of theirs."""
        nodes = unit.members if isinstance(unit, Group) else (unit,)
        for node in nodes:
            for _, position in writes_of(node):
                for reader in self._reads.get(self.root(node.inputs[position]), ()):
                    reader = reader.find() if isinstance(reader, Group) else reader
                    if reader is not unit:
                        yield reader
            for other in self.previous.get(node, ()):
                if self.unit(other) is not unit:
                    yield self.unit(other)

    def later(self, unit: Unit, loose: Sequence[Node] = ()) -> Iterator[Unit]:
        """The units that must run after `unit`; the next write after a `loose` one need not."""
        nodes = unit.members if isinstance(unit, Group) else (unit,)
        for node in nodes:
            for value in node.outputs:
                if value in self.links and node not in loose:
                    yield self.unit(self.links[value])
                for reader in self.readers.get(value, ()):
                    yield reader.find() if isinstance(reader, Group) else reader
            for other in self.next.get(node, ()):
                yield self.unit(other)
        for root in self._read_by.get(unit, ()):
            yield self.unit(self.writer[root])

    def may_merge(self, a: Group, b: Group) -> bool:
        """Whether neither of two groups has to run before the other.

        Writes into parts of one array that share no element may run as one.
        """
        if self._sees(a, b) or self._sees(b, a):
            return False
        return not self._comes_before(a, b) and not self._comes_before(b, a)

    def _comes_before(self, first: Group, second: Group) -> bool:
        """Whether `second` must run after `first`, or after something that runs after `first`."""
        loose = [n for n in first.writes if self._leaves_alone(n, second)]
        for unit in self.later(first, loose):
            if unit is second or (unit is not first and self.reaches(unit, second)):
                return True
        return False

    def _leaves_alone(self, write: Node, group: Group) -> bool:
        """Whether the next write into the same memory is in `group`, and replaces other parts."""
        following = self.links.get(write.output)
        if following is None or self.unit(following) is not group:
            return False
        return write.op == following.op == "update" and are_apart(write, following)

    def _sees(self, reader: Group, writer: Group) -> bool:
        """Whether a group reads memory, at whatever version, that another one writes."""
        read = {self.memory(v) for v in self.reads(reader)}
        return any(self.memory(n.inputs[0]) in read for n in writer.writes)

    def reaches(
        self, start: Unit, goal: Unit, more: Mapping[Unit, Sequence[Unit]] | None = None
    ) -> bool:
        """Whether `goal` is `start` or has to run after it.

        `more` has units that would have to run after others besides.
        """
        pending: list[Unit] = [start.find() if isinstance(start, Group) else start]
        seen: set[Unit] = set()
        while pending:
            unit = pending.pop()
            if unit is goal:
                return True
            if unit not in seen:
                seen.add(unit)
                pending.extend(self.later(unit))
                if more is not None:
                    pending.extend(more.get(unit, ()))
        return False
