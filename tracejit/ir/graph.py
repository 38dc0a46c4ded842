"""The SSA graph: values, nodes and graphs, all immutable.

Every value is defined once, by a parameter or by one output of one node; a node's inputs say all
that it reads. Updates are functional (`update(x, index, v)`); writing in place is decided by the
memory pass, which records it in `reuses`. `blocks` holds the bodies of fused, branch and loop
nodes. `loc` is the user's own line and survives every pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim, Expr, Shape, free_symbols
from tracejit.ir.types import TensorType
from tracejit.source import Loc


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One SSA value, compared by identity. `hint` is the name the user gave it, if any."""

    type: TensorType
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. `attrs` are static; output k takes over the memory of input `reuses[k]`.

    The attribute `symbols`, names of size symbols, says that the node defines these: each appears
    as a bare dim in the type of an output, and is known when the node has run.
    """

    op: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    blocks: tuple[Graph, ...] = ()
    reuses: tuple[int | None, ...] = ()
    loc: Loc | None = None

    @property
    def output(self) -> Value:
        """The only output. Raises ValueError when there are several."""
        (value,) = self.outputs
        return value

    def with_(self, **changes: Any) -> Node:
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on sizes under which a graph is valid: `left relation right` must hold.

    `relation` is one of `==`, `!=`, `<`, `<=`, `>`, `>=`. Checked at each call before anything
    runs; one that mentions symbols which a node defines, when that node has run.
    """

    left: Dim
    relation: str
    right: Dim
    loc: Loc | None = None
    reason: str = ""

    @property
    def symbols(self) -> frozenset[str]:
        return free_symbols(self.left) | free_symbols(self.right)

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@dataclass(frozen=True, slots=True)
class ScalarGuard:
    """Parameter number `param`, a scalar, must satisfy `param relation value`."""

    param: int
    relation: str
    value: bool | int | float | complex
    loc: Loc | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ViewMemory:
    """Where the elements of a view lie: `strides` in bytes, `offset` in bytes from its base."""

    dtype: np.dtype
    shape: Shape
    strides: tuple[Dim, ...]
    offset: Dim
    writeable: bool


@dataclass(frozen=True, slots=True)
class ResultView:
    """A result that is a view of other memory, in the way NumPy's views are.

    `kind` is `result` or `param`, and `of` the number of the result or parameter whose memory it
    looks at. `steps` are view ops with their attributes, in the order in which they are applied;
    `memory` is where that leads in memory that holds the base in C order (a parameter: as it is),
    None where that depends on more than sizes.
    """

    kind: str
    of: int
    steps: tuple[tuple[str, Mapping[str, Any]], ...]
    memory: ViewMemory | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A function on tensors: `params` in, `results` out, `nodes` in an order that can be run.

    `written` pairs numbers `(p, r)`: result `r` is what parameter `p` becomes, and belongs into its
    memory. `views` come after the results; they have no value of their own. `scalars` pairs size
    symbols with the numbers of params of rank 0 whose values they are; none of these is negative.
    """

    name: str
    params: tuple[Value, ...]
    nodes: tuple[Node, ...]
    results: tuple[Value, ...]
    guards: tuple[Guard | ScalarGuard, ...] = field(default=())
    written: tuple[tuple[int, int], ...] = ()
    views: tuple[ResultView, ...] = ()
    scalars: tuple[tuple[str, int], ...] = ()

    def with_(self, **changes: Any) -> Graph:
        return replace(self, **changes)

    def walk(self) -> Iterator[Node]:
        """Every node, those inside blocks included, outer before inner."""
        for node in self.nodes:
            yield node
            for block in node.blocks:
                yield from block.walk()


def defined_symbols(node: Node) -> tuple[str, ...]:
    """The size symbols that are known when `node` has run: bare dims of its outputs."""
    found: tuple[str, ...] = node.attrs.get("symbols", ())
    return found


def symbol_definers(graph: Graph) -> dict[str, Node]:
    """The node that defines each size symbol that is known only at run time."""
    return {name: node for node in graph.nodes for name in defined_symbols(node)}


def free_symbols_of(attr: Any) -> frozenset[str]:
    """The size symbols in an attribute."""
    if isinstance(attr, Expr):
        return attr.symbols
    if not isinstance(attr, tuple):
        return _NONE
    found: set[str] = set()
    for entry in attr:
        if type(entry) is not int:
            found |= free_symbols_of(entry)
    return frozenset(found)


_NONE: frozenset[str] = frozenset()


def mentioned_symbols(node: Node) -> frozenset[str]:
    """The size symbols in the types and attributes of `node` and of what is in its blocks."""
    found: set[str] = set()
    _mention(node, found)
    return frozenset(found)


def _mention(node: Node, found: set[str]) -> None:
    # Most dims of most nodes are ints, and this is asked often.
    for values in (node.inputs, node.outputs):
        for value in values:
            for dim in value.type.shape:
                if type(dim) is Expr:
                    found |= dim.symbols
    for attr in node.attrs.values():
        if type(attr) in (tuple, Expr):
            found |= free_symbols_of(attr)
    for block in node.blocks:
        for guard in block.guards:
            if isinstance(guard, Guard):
                found |= guard.symbols
        for inner in block.nodes:
            _mention(inner, found)


def producers(graph: Graph) -> dict[Value, Node]:
    """The node that defines each value of `graph` (blocks not entered)."""
    return {value: node for node in graph.nodes for value in node.outputs}


def uses(graph: Graph) -> dict[Value, list[Node]]:
    """The nodes that read each value, in order; a result counts as no use."""
    table: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in dict.fromkeys(node.inputs):
            table.setdefault(value, []).append(node)
    return table
