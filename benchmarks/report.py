"""What the harness measured, as tables, as JSON and as a plot."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .harness import ABSENT, FAILED, OK, SKIPPED, Case, Measurement
from .peers import Peer

SUBJECT = "tracejit"
TIE = 0.95
"""Ratios within five percent of 1 are noise."""


def duration(seconds: float | None) -> str:
    """`1.23 ms`: three digits and a unit."""
    if seconds is None:
        return "-"
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
    scale, unit = next((u for u in units if seconds >= u[0]), units[-1])
    value = seconds / scale
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def ratio_text(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x" if ratio < 100 else f"{ratio:.0f}x"


def _first_call(measurement: Measurement | None, case: Case) -> Text:
    return Text(duration(measurement.first_call if measurement else None))


def _figure(measurement: Measurement | None, case: Case) -> Text:
    if measurement is None or measurement.status == ABSENT:
        return Text("-", style="dim")
    if measurement.status == SKIPPED:
        return Text("skipped", style="dim")
    if measurement.status != OK:
        return Text("failed" if measurement.status == FAILED else "wrong result", style="bold red")
    seconds = measurement.first_call if case.kind == "compile" else measurement.median
    text = Text(duration(seconds))
    if measurement.ratio is not None:
        style = (
            "yellow" if measurement.ratio < TIE else "green" if measurement.ratio > 1 / TIE else ""
        )
        text.append(f" {ratio_text(measurement.ratio):>6}", style=style)
    return text


def _print_table(
    console: Console,
    title: str,
    cases: Sequence[Case],
    peers: Sequence[str],
    cell: Callable[[Measurement | None, Case], Text],
    notes: Sequence[str],
) -> None:
    """The table and, as wide as the console, what a reader has to know about it."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("workload", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for peer in (SUBJECT, *peers):
        table.add_column(peer, justify="right", no_wrap=True)
    for case in cases:
        cells = [cell(case.of(peer), case) for peer in (SUBJECT, *peers)]
        table.add_row(case.workload, case.size, *cells)
    console.print(table)
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)
    console.print()


def print_report(
    console: Console, cases: Sequence[Case], peers: Sequence[Peer], notes: Sequence[str]
) -> None:
    names = [peer.name for peer in peers]
    compilers = [name for name in names if name != "numpy"]
    runs = [case for case in cases if case.kind == "run"]
    compiles = [case for case in cases if case.kind == "compile"]
    if runs:
        about = (
            "Median of a call, float64; beside it the peer's time over tracejit's: above 1x,"
            " tracejit is faster."
        )
        about_peers = [peer.note for peer in peers if peer.note]
        lines = [about, *about_peers, *notes]
        _print_table(console, "Run time", runs, names, _figure, lines)
        # without ratios: at a second size most peers have nothing left to compile
        lines = ["Compiles, or finds that nothing is left to compile for this size; then runs."]
        _print_table(console, "First call", runs, compilers, _first_call, lines)
    if compiles:
        lines = ["First calls of straight-line functions made for this, none seen before."]
        _print_table(console, "Compile time, by operations", compiles, compilers, _figure, lines)
    for line in problems(cases):
        console.print(line, style="red", markup=False, highlight=False)
    losses = slower_than(cases)
    if losses:
        line = "tracejit is slower here: " + "; ".join(losses)
        console.print(line, markup=False, highlight=False)


def problems(cases: Sequence[Case]) -> list[str]:
    """A line for every wrong result and every failure."""
    return [
        f"{case.workload} {case.size}: {m.peer}: "
        + ("failed: " if m.status == FAILED else "wrong result: ")
        + m.problem
        for case in cases
        for m in case.measurements
        if m.status not in (OK, ABSENT, SKIPPED)
    ]


def slower_than(cases: Sequence[Case]) -> list[str]:
    return [
        f"{case.workload} {case.size} ({m.peer} {ratio_text(m.ratio)})"
        for case in cases
        for m in case.measurements
        if m.ratio is not None and m.ratio < TIE
    ]


def environment(peers: Sequence[Peer], threads: int) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "versions": {peer.name: peer.version() for peer in peers},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def write_json(
    path: Path, cases: Sequence[Case], facts: dict[str, Any], notes: Sequence[str]
) -> None:
    """Times in seconds; `ratio` is the peer's time over tracejit's."""
    data = {
        "format": 1,
        "environment": facts,
        "notes": list(notes),
        "cases": [asdict(case) for case in cases],
    }
    path.write_text(json.dumps(data, indent=1) + "\n")


def write_plot(path: Path, cases: Sequence[Case], peers: Sequence[str]) -> None:
    """Bars of ratios, a group for each case, on a logarithmic axis; right of 1, tracejit wins."""
    from matplotlib.figure import Figure  # a heavy import that only --plot needs

    shown = [case for case in cases if any(m.ratio is not None for m in case.measurements)]
    figure = Figure(figsize=(9, 1.5 + 0.16 * len(shown) * (len(peers) + 1)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / max(len(peers), 1)
    for number, peer in enumerate(peers):
        bars = [
            (row + (number - (len(peers) - 1) / 2) * height, m.ratio)
            for row, case in enumerate(shown)
            if (m := case.of(peer)) is not None and m.ratio is not None
        ]
        if bars:
            places, ratios = zip(*bars, strict=True)
            drawn = axes.barh(places, [r - 1 for r in ratios], height, left=1.0, label=peer)
            axes.bar_label(drawn, [ratio_text(r) for r in ratios], padding=2, fontsize=7)
    axes.axvline(1.0, color="black", linewidth=0.8)
    if shown:
        axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.legend()
    axes.set_yticks(range(len(shown)), [f"{case.title}, {case.size}" for case in shown])
    axes.invert_yaxis()
    axes.set_xlabel("time of the peer / time of tracejit (compile rows: first calls)")
    figure.savefig(path, dpi=150)
