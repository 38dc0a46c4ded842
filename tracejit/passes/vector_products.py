"""In a loop the product of a matrix and a vector is computed in place, not by a call of BLAS.

    before: loop(...) { %3 = matmul(%w, %2); %4 = tanh(%3) }          # [p, p] @ [p, 1]
    after:  loop(...) { %5 = transpose(%2); %6 = multiply(%w, %5); %7 = sum(%6, axes=(1,));
                        %3 = reshape(%7); %4 = tanh(%3) }

One nest then does it together with what is around it, which for the sizes of a recurrence takes
less time than the call. Not so for a vector in front of the matrix: its nest adds up rows in
memory, where BLAS keeps them in registers. Rounding: the sum is associated in another way.
"""

from __future__ import annotations

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Node, Value
from tracejit.ir.target import Target
from tracejit.passes.blocks import has_control
from tracejit.passes.rewrite import Rewriter, in_blocks


def vector_products(graph: Graph, target: Target) -> Graph:
    """See the module."""
    return _outside(graph, target) if has_control(graph) else graph


def _outside(graph: Graph, target: Target) -> Graph:
    """Loops of `graph` with their bodies changed; what stands outside of loops stays."""
    nodes = []
    for node in graph.nodes:
        pass_ = _inside if node.op == "loop" else _outside
        nodes.append(in_blocks(pass_, node, target) if node.op in ("loop", "ifelse") else node)
    if all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
        return graph
    return graph.with_(nodes=tuple(nodes))


def _inside(graph: Graph, target: Target) -> Graph:
    rewriter = Rewriter(_product, target)
    for node in graph.nodes:
        rewriter.visit(in_blocks(_inside, node, target))
    return rewriter.finish(graph)


def _product(r: Rewriter, node: Node) -> Value | None:
    if node.op != "matmul":
        return None
    a, b = node.inputs
    type = node.outputs[0].type
    if type.ndim != 2 or not _is_plain(type.dtype):
        return None
    if not _is_one(type.shape[1]) or _is_one(type.shape[0]):
        return None
    row = r.apply("transpose", b, perm=(1, 0))
    total = r.apply("sum", r.apply("multiply", a, row), axes=(1,))
    return r.reshape(total, type.shape)


def _is_plain(dtype: object) -> bool:
    """Not float16, which NumPy adds up in float32, and not bool, whose product is no sum."""
    return str(dtype) in ("float32", "float64", "complex64", "complex128")


def _is_one(dim: Dim) -> bool:
    return isinstance(dim, int) and dim == 1
