"""From a fused node to a loop nest: which axis is innermost, what is computed where.

Row nests have the reduced axes (or the last axis of an elementwise group) innermost: results of
reductions are scalars of the outer iteration. Column nests reduce over an outer axis while the
innermost one is kept: accumulators are rows in scratch memory. A reduction of everything is two
nests, one that reduces chunks in parallel and one that combines them, always in the same order, so
that results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracejit.ir.dims import Dim
from tracejit.ir.graph import Node, Value
from tracejit.ir.loops import Nest
from tracejit.ir.program import MemRef
from tracejit.passes.column_nests import ColumnNests
from tracejit.passes.nest_builder import NestBuilder
from tracejit.passes.row_nests import RowNests


def fused_nests(
    node: Node,
    memory: dict[Value, MemRef],
    name: str,
    new_buffer: Callable[[np.dtype, tuple[Dim, ...]], MemRef],
    at_once: bool = False,
) -> list[Nest]:
    """The nests of a fused node, in the order in which they run.

    With `at_once` a reduction of everything is one nest, on one thread, as inner loops want it.
    """
    builder = NestBuilder(node, memory, name, new_buffer)
    builder.partial = builder.partial and not at_once
    if builder.columns:
        return [ColumnNests(builder).build()]
    return RowNests(builder).build()
