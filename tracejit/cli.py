"""The `tracejit` command: `bench`, `doctor`, `cache`."""

from __future__ import annotations

import fnmatch
import importlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tracejit.config import config

app = typer.Typer(
    help="A JIT compiler for NumPy code.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(help="The disk cache of compiled kernels.", no_args_is_help=True)
app.add_typer(cache_app, name="cache")


def _fail(message: str) -> NoReturn:
    """A mistake on the command line: say what, and leave with 2."""
    typer.echo(f"tracejit: {message}", err=True)
    raise typer.Exit(2)


def _console() -> Console:
    """As wide as the terminal; in a file or a pipe, wide enough for every table."""
    return Console() if sys.stdout.isatty() else Console(width=120)


def benchmarks(name: str = "") -> ModuleType:
    """A module of the benchmarks: `tracejit.benchmarks` installed, `benchmarks` in a checkout."""
    suffix = f".{name}" if name else ""
    try:
        return importlib.import_module(f"tracejit.benchmarks{suffix}")
    except ModuleNotFoundError as error:
        if error.name != "tracejit.benchmarks":
            raise
    return importlib.import_module(f"benchmarks{suffix}")


@app.command()
def bench(
    only: Annotated[
        str, typer.Option(metavar="NAME,...", help="Workloads to run; patterns as in call_*.")
    ] = "*",
    against: Annotated[
        str,
        typer.Option(metavar="PEER,...", help="Peers to compare with. Default: all installed."),
    ] = "",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads for tracejit and its peers.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full/--quick", help="More sizes and more rounds, some minutes.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every figure as JSON.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the ratios (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Time real workloads beside NumPy, Numba, JAX and others, results compared."""
    harness, report = benchmarks("harness"), benchmarks("report")
    workloads = _pick_workloads(benchmarks().WORKLOADS, only)
    peers = _pick_peers(benchmarks("peers"), against)
    for path in (json, plot):
        if path is not None:
            _check_writable(path)
    if plot is not None:
        _check_plot(plot)
    console = _console()
    subject = benchmarks("peers").Tracejit()
    # a folder of its own: first calls compile, whatever earlier runs left in the cache
    with (
        tempfile.TemporaryDirectory(prefix="tracejit-bench-") as folder,
        config.override(cache_dir=folder, num_threads=config.num_threads),
    ):
        notes = [] if threads is None else [p.set_threads(threads) for p in (subject, *peers)]
        notes = [note for note in notes if note]
        cases = _run_with_progress(console, harness, workloads, [subject, *peers], full)
        facts = report.environment([subject, *peers], config.num_threads)
    report.print_report(console, cases, peers, notes)
    if json is not None:
        report.write_json(json, cases, facts, notes)
        console.print(f"figures: {json}", markup=False, highlight=False)
    if plot is not None:
        report.write_plot(plot, cases, [peer.name for peer in peers])
        console.print(f"plot: {plot}", markup=False, highlight=False)
    if any(m.peer == subject.name and m.problem for case in cases for m in case.measurements):
        raise typer.Exit(1)


def _run_with_progress(
    console: Console,
    harness: ModuleType,
    workloads: Sequence[Any],
    contestants: Sequence[Any],
    full: bool,
) -> list[Any]:
    subject, *peers = contestants
    cases = []
    with Progress(
        TextColumn("{task.description:20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        planned = harness.plan(workloads, full)
        task = progress.add_task("warming up", total=len(planned))
        harness.warm_up(contestants)
        names = [workload.name for workload, _ in planned]
        progress.update(task, description=names[0])
        for case in harness.run(workloads, peers, full=full, subject=subject):
            cases.append(case)
            upcoming = names[len(cases)] if len(cases) < len(names) else "done"
            progress.update(task, advance=1, description=upcoming)
    return cases


def _pick_workloads(workloads: Sequence[Any], only: str) -> list[Any]:
    patterns = [pattern.strip() for pattern in only.split(",") if pattern.strip()]
    names = [workload.name for workload in workloads]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            _fail(f"no workload is called {pattern!r}. There are: {', '.join(names)}")
    if not patterns:
        _fail(f"--only names no workload. There are: {', '.join(names)}")
    return [w for w in workloads if any(fnmatch.fnmatchcase(w.name, p) for p in patterns)]


def _pick_peers(peers: ModuleType, against: str) -> list[Any]:
    names = [name.strip() for name in against.split(",") if name.strip()]
    for name in names:
        if name not in peers.PEERS:
            _fail(f"no peer is called {name!r}. There are: {', '.join(peers.PEERS)}")
        if not peers.PEERS[name].installed():
            have = ", ".join(peers.installed_peers())
            _fail(f"{name} is not installed (pip install {name}). Installed: {have}")
    return [peers.PEERS[name]() for name in dict.fromkeys(names or peers.installed_peers())]


def _check_writable(path: Path) -> None:
    """Find out before the run, not after it, that a file cannot be written."""
    existed = path.exists()
    try:
        with path.open("a"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}")


def _check_plot(path: Path) -> None:
    try:
        figure = importlib.import_module("matplotlib.figure").Figure()
    except ImportError:
        _fail("--plot needs matplotlib: pip install 'tracejit[bench]'")
    formats = sorted(figure.canvas.get_supported_filetypes())
    if path.suffix.lstrip(".").lower() not in formats:
        _fail(f"cannot draw {path}: its name must end in one of {', '.join(formats)}")


@app.command()
def doctor() -> None:
    """Show what this machine gives tracejit: versions, CPU, vector math, threads, cache, CUDA."""
    facts = importlib.import_module("tracejit.runtime.doctor")  # loads LLVM: not for `--help`
    table = Table()
    table.add_column("what")
    table.add_column("")
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    found = facts.checks()
    for check in found:
        mark = "[green]OK[/]" if check.status == facts.OK else "[yellow]warning[/]"
        table.add_row(check.name, mark, _plain(check.detail), _plain(check.advice))
    console = _console()
    console.print(table, highlight=False)
    warnings = sum(check.status != facts.OK for check in found)
    console.print(f"{warnings} warning{'s' if warnings != 1 else ''}" if warnings else "All well.")


def _plain(text: str) -> str:
    """Text that rich prints as it is: `tracejit[cuda]` is no markup."""
    return text.replace("[", r"\[")


@cache_app.command("info")
def cache_info() -> None:
    """Show the folder of the disk cache, its entries and its size."""
    facts = importlib.import_module("tracejit.runtime.doctor")
    if not config.cache_dir:
        typer.echo("the disk cache is off (TRACEJIT_CACHE_DIR is empty)")
        return
    found = facts.cache_facts()
    typer.echo(f"folder   {found.folder}")
    typer.echo(f"entries  {found.entries}")
    typer.echo(f"bytes    {found.size} ({facts.format_bytes(found.size)})")


@cache_app.command("clear")
def cache_clear() -> None:
    """Delete the entries of the disk cache."""
    facts = importlib.import_module("tracejit.runtime.doctor")
    try:
        count = facts.clear_cache()
    except OSError as error:
        typer.echo(f"tracejit: cannot clear {config.cache_dir}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"deleted {count} {'entry' if count == 1 else 'entries'} from {config.cache_dir}")


def main() -> None:
    """The entry point of the `tracejit` command."""
    app()


if __name__ == "__main__":
    main()
