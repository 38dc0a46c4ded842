"""Loops stay loops: the graph of a program is as large for one number of steps as for another."""

from __future__ import annotations

import pytest

from tracejit import jit
from tracejit.ir.graph import Graph

from .programs.program import Program
from .test_programs import RUN, arguments

REPEATED = {
    # a list, or an object, is changed in each step
    "collected", "collected_rows", "columns_of_transpose", "objects", "range_down_by_two",
    # Python runs through a comprehension, a generator, or every index of an array
    "all_indices", "any_all", "comprehension_of_rows", "list_comprehension",
    "nested_comprehension", "sum_of_generator",
    # shapes and strides that depend on the step
    "cheapest_seam", "fft_radix2", "sieve_slices", "stockham_fft",
    # a size or a sign that is asked for decides what is recorded
    "contour_integral", "helper_writes", "integer_power", "mandelbrot_arrays",
    "mandelbrot_points", "matmul_blocked",
}  # fmt: skip
"""Programs whose graphs do depend on sizes."""

LOOPS = [p for p in RUN if p.function.__module__.rsplit(".", 1)[1].startswith("loops_")]


def nodes(graph: Graph) -> int:
    return sum(1 + sum(nodes(block) for block in node.blocks) for node in graph.nodes)


def test_the_programs_that_are_repeated_exist():
    assert {program.name for program in LOOPS} >= REPEATED


@pytest.mark.parametrize(
    "program", [p for p in LOOPS if p.name not in REPEATED], ids=lambda p: p.name
)
def test_graphs_do_not_grow_with_the_number_of_steps(program: Program):
    compiled = jit(program.function)
    counts = {nodes(compiled.trace(*arguments(program, seed))) for seed in range(3)}
    assert len(counts) == 1
