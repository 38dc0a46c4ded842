"""Graphs and memory plans as text, for functions and graphs alike."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, TextIO

from tracejit.api import Jitted
from tracejit.ir.graph import Graph
from tracejit.ir.plan import format_plan
from tracejit.ir.pprint import format_graph


def debugprint(
    fn_or_graph: Any, *args: Any, memory: bool = False, file: TextIO | None = None, **kwargs: Any
) -> None:
    """Print the graph that runs: of a jitted function for these arguments (or `TensorSpec`s), or a
    graph as it is.

    With `memory` also where every value lies: which arguments are written in place, what shares a
    place of the arena, and which step reads and writes what. Prints to `file` (standard output).
    Raises TypeError for anything but a jitted function or a graph.
    """
    if isinstance(fn_or_graph, Jitted):
        graph = fn_or_graph.optimize(*args, **kwargs)
    elif isinstance(fn_or_graph, Graph):
        graph = fn_or_graph
    else:
        raise TypeError(
            f"debugprint takes a jitted function or a graph, not {type(fn_or_graph).__name__}"
        )
    parts = [format_graph(graph)]
    if memory and isinstance(fn_or_graph, Jitted):
        parts.append(format_plan(fn_or_graph.program(*args, **kwargs)))
    elif memory:
        count = len(graph.params)
        lower = import_module("tracejit.passes.lower").lower
        parts.append(format_plan(lower(graph, ["C"] * count, [None] * count)))
    print("\n".join(parts), file=file or sys.stdout)
