"""The blocks of branches and loops get memory: what each of them writes, and whose memory it is.

    before: %2 = loop(%0) {param %a; %b = update(%a, ...); return %b}
    after:  %2 = loop(%0) reusing %2 in %0 {...; written: what becomes of %a lies in %a}

An array that a loop carries stays where it is through all of its steps. An array that a branch
gives lies where the array lies that both sides start from, where there is one; else in fresh memory
(`empty`), which both sides fill.
"""

from __future__ import annotations

from tracejit.ir.graph import Graph, Node, Value, producers
from tracejit.passes.chains import CONTROL, chain_of
from tracejit.passes.maps import FREE, VIEWS


def blocks_in_place(graph: Graph) -> Graph:
    """See the module. The same graph where every branch and loop has its memory already."""
    return _with_memory(graph, outermost=True)


def _with_memory(graph: Graph, outermost: bool) -> Graph:
    if not any(_waits(n) for n in graph.nodes):
        return graph
    graph = graph.with_(
        nodes=tuple([_with_inner_memory(n) if _waits(n) else n for n in graph.nodes])
    )
    nodes: list[Node] = []
    for position, node in enumerate(graph.nodes):
        if not _waits(node):
            nodes.append(node)
        elif node.op == "loop":
            nodes.append(_loop(node))
        else:
            nodes += _branch(node, _Dying(graph, position, outermost))
    return graph.with_(nodes=tuple(nodes))


def _waits(node: Node) -> bool:
    return node.op in CONTROL and not node.reuses


def _with_inner_memory(node: Node) -> Node:
    return node.with_(blocks=tuple(_with_memory(b, outermost=False) for b in node.blocks))


def _loop(node: Node) -> Node:
    (body,) = node.blocks
    carried = range(node.attrs["carried"])
    arrays = [k for k in carried if body.params[k].type.ndim]
    written = tuple((k, k) for k in arrays)
    reuses = tuple(k if k in arrays else None for k in carried)
    return node.with_(blocks=(body.with_(written=written),), reuses=reuses)


class _Dying:
    """Whether what a node reads may be overwritten by it, as far as that is to be seen here."""

    def __init__(self, graph: Graph, position: int, outermost: bool) -> None:
        self.graph, self.position = graph, position
        self.producer = producers(graph)
        self.fixed = set(graph.params) if outermost else set()
        self.fixed -= {graph.params[p] for p, _ in graph.written}

    def is_free(self, value: Value) -> bool:
        """Whether nobody reads the memory of `value` behind the node, and it is nobody else's."""
        root = value
        while (node := self.producer.get(root)) is not None and node.op in VIEWS:
            root = node.inputs[0]
        if root in self.fixed or (node is not None and node.op in FREE):
            return False
        looking = {root}
        for k, reader in enumerate(self.graph.nodes):
            if looking.isdisjoint(reader.inputs):
                continue
            if reader.op in VIEWS:
                looking.update(reader.outputs)
            elif k > self.position:
                return False
        return looking.isdisjoint(self.graph.results)


def _branch(node: Node, dying: _Dying) -> list[Node]:
    """The node with memory for each array that it gives, and the nodes for that in front of it."""
    captured = list(node.inputs[1:])
    params = [list(b.params) for b in node.blocks]
    produced = [producers(b) for b in node.blocks]
    front: list[Node] = []
    reuses: list[int | None] = []
    for k, output in enumerate(node.outputs):
        if not output.type.ndim:
            reuses.append(None)
            continue
        roots = []
        for block, producer in zip(node.blocks, produced, strict=True):
            chain = chain_of(block.results[k], producer)
            fits = chain.root_straight and chain.root in block.params
            roots.append(block.params.index(chain.root) if fits else None)
        found = [p for p in roots if p is not None and p + 1 not in reuses]
        if len(found) == 2 and found[0] == found[1]:
            reuses.append(found[0] + 1)
            continue
        place = next((p for p in found if dying.is_free(captured[p])), None)
        if place is None:
            place = len(captured)
            fresh = Value(output.type, output.hint)
            attrs = {"shape": output.type.shape, "dtype": output.type.dtype}
            front.append(Node("empty", (), (fresh,), attrs, loc=node.loc))
            captured.append(fresh)
            for side in params:
                side.append(Value(output.type))
        reuses.append(place + 1)
    written = tuple((r - 1, k) for k, r in enumerate(reuses) if r is not None)
    blocks = tuple(
        block.with_(params=tuple(side), written=written)
        for block, side in zip(node.blocks, params, strict=True)
    )
    inputs = (node.inputs[0], *captured)
    return [*front, node.with_(inputs=inputs, blocks=blocks, reuses=tuple(reuses))]
