"""What is written into an array and read later is read back from the array.

    before: %1 = add(%a, %b); %2 = update(%x, %1, ...); %3 = sin(%1)
    after:  %1 = add(%a, %b); %2 = update(%x, %1, ...); %4 = slice(%2, ...); %3 = sin(%4)

Reading `x[1:-1]` after `x[1:-1] = v` is simplified to `v`. That is right where both go into one
nest. Where they do not, `v` would be stored twice: once for its readers, once in the array. Which
is the case is known once nodes are grouped, so the grouping is tried first.
"""

from __future__ import annotations

from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.target import Target
from tracejit.passes.blocks_in_place import blocks_in_place
from tracejit.passes.chains import CONTROL, writes_of
from tracejit.passes.fuse import fuse_alone
from tracejit.passes.maps import VIEWS
from tracejit.passes.rewrite import substitute_inputs
from tracejit.passes.writes import planned


def read_back(graph: Graph, target: Target) -> Graph:
    """See the module."""
    return _read_back(graph, blocks_in_place(graph))


def _read_back(graph: Graph, prepared: Graph) -> Graph:
    """`graph` read back; `prepared` is the same graph, where blocks have memory."""
    graph = _in_blocks(graph, prepared)
    readers = _Readers(prepared)
    if not any(readers.has_others(n) for n in prepared.nodes if n.op == "update"):
        return graph
    visible = frozenset(prepared.params[p] for p, _ in prepared.written)
    copies = _pure_copies(fuse_alone(planned(prepared), visible))
    chosen = [n for n in graph.nodes if n.op == "update" and n.inputs[1] in copies]
    found = [n for n in chosen if readers.can_move(n)]
    return _moved(graph, found) if found else graph


def _in_blocks(graph: Graph, prepared: Graph) -> Graph:
    known = iter([n for n in prepared.nodes if n.op in CONTROL])
    nodes, changed = [], False
    for old in graph.nodes:
        node = old
        if node.op in CONTROL:
            pairs = zip(node.blocks, next(known).blocks, strict=True)
            blocks = tuple([_read_back(block, with_memory) for block, with_memory in pairs])
            if any(a is not b for a, b in zip(blocks, node.blocks, strict=True)):
                node, changed = node.with_(blocks=blocks), True
        nodes.append(node)
    return graph.with_(nodes=tuple(nodes)) if changed else graph


class _Readers:
    """Where values of a graph are read."""

    def __init__(self, graph: Graph) -> None:
        self.position = {n: k for k, n in enumerate(graph.nodes)}
        self.at: dict[Value, list[int]] = {}
        self.written: dict[Value, int] = {}
        self.results = set(graph.results)
        for k, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.at.setdefault(value, []).append(k)
            for _, position in writes_of(node):
                self.written[node.inputs[position]] = k

    def has_others(self, write: Node) -> bool:
        """Whether something behind `write` reads what it writes."""
        value = write.inputs[1]
        return self.at[value][-1] > self.position[write] and value not in self.results

    def can_move(self, write: Node) -> bool:
        """Whether those readers still find it in the array when they run."""
        if not self.has_others(write) or write.inputs[1].type.shape != write.attrs["sizes"]:
            return False
        last = self.at[write.inputs[1]][-1]
        return self.written.get(write.output, last + 1) > last


def _pure_copies(fused: Graph) -> set[Value]:
    """The values in memory that a nest does nothing with but write them into an array."""
    found: set[Value] = set()
    computed = {v for n in fused.nodes if n.op == "fused" for v in n.outputs}
    for node in fused.nodes:
        if node.op != "fused":
            continue
        nodes = [n for n in node.blocks[0].nodes if n.op not in VIEWS]
        if all(n.op == "update" for n in nodes):
            found.update(n.inputs[1] for n in nodes if n.inputs[1] in computed)
    return found


def _moved(graph: Graph, writes: list[Node]) -> Graph:
    """`graph` with the readers behind each write reading from what it gives."""
    replaced: dict[Value, Value] = {}
    nodes: list[Node] = []
    chosen = set(writes)
    for old in graph.nodes:
        node = substitute_inputs(old, replaced)
        nodes.append(node)
        if old in chosen:
            value = old.inputs[1]
            again = Value(value.type, value.hint)
            nodes.append(Node("slice", (old.output,), (again,), old.attrs, loc=old.loc))
            replaced[value] = again
    return graph.with_(nodes=tuple(nodes))
