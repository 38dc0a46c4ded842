"""The workloads of `tracejit bench`, and the harness that times them beside their peers.

A folder of its own in the checkout; an installed tracejit has it as `tracejit.benchmarks`. One
file per family of workloads, each with a list `WORKLOADS`; `peers.py` knows how each peer compiles,
calls and waits, `harness.py` times and compares, `report.py` prints, saves and draws.
"""

from __future__ import annotations

from . import (
    compile_time,
    elementwise,
    finance,
    geometry,
    isoneutral,
    loops_factorizations,
    loops_recurrences,
    loops_stencils,
    loops_tables,
    network,
    overhead,
    reductions,
    seawater,
    stencils,
)
from .workload import Workload

WORKLOADS: tuple[Workload, ...] = (
    *elementwise.WORKLOADS,
    *finance.WORKLOADS,
    *seawater.WORKLOADS,
    *isoneutral.WORKLOADS,
    *stencils.WORKLOADS,
    *reductions.WORKLOADS,
    *geometry.WORKLOADS,
    *network.WORKLOADS,
    *loops_recurrences.WORKLOADS,
    *loops_stencils.WORKLOADS,
    *loops_factorizations.WORKLOADS,
    *loops_tables.WORKLOADS,
    *overhead.WORKLOADS,
    *compile_time.WORKLOADS,
)
