"""What `explain()` says: for which arguments a function was compiled, and into what."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.loops import Compute, Load, Nest, Put, Section, Store, Take
from tracejit.ir.opdef import OPS
from tracejit.ir.pprint import format_attr
from tracejit.ir.program import (
    Allocate,
    Bind,
    Branch,
    Call,
    Loop,
    MatMul,
    MemRef,
    Program,
    Require,
    Step,
)
from tracejit.ir.types import SHORT_NAMES
from tracejit.source import Loc

WIDTH = 100


@dataclass(frozen=True)
class Condition:
    """Something that must hold for a version to be used, and why."""

    text: str
    reason: str = ""
    loc: Loc | None = None


@dataclass(frozen=True)
class Version:
    """The facts about one compiled version. `slow_call` says why the native call is not used."""

    arguments: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    captures: tuple[str, ...] = ()
    program: Program | None = None
    seconds: float = 0.0
    code_seconds: float = 0.0
    from_disk: bool = False
    slow_call: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What `explain()` returns: data, and as text by `str`."""

    name: str
    compiled: int
    hits: int
    disk_hits: int
    seconds: float
    versions: tuple[Version, ...]

    def __str__(self) -> str:
        return "\n".join(_wrapped(self._lines()))

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        if not self.versions:
            yield f"{self.name}: not called yet, nothing is compiled"
            return
        yield (
            f"{self.name}: {_count(self.compiled, 'version')} in {_time(self.seconds)}, of which "
            f"{self.disk_hits} from disk; {_count(self.hits, 'call')} needed no compilation"
        )
        for number, version in enumerate(self.versions, 1):
            yield ""
            yield f"version {number}: {self.name}({', '.join(version.arguments)})"
            yield from (f"  {line}" for line in _version(version))


def _version(version: Version) -> Iterator[str]:
    if version.conditions:
        yield "is used while"
        seen = dict.fromkeys(version.conditions)
        wide = max((len(c.text) for c in seen if len(c.text) <= 40), default=0)
        for condition in seen:
            why = ", ".join(filter(None, [condition.reason, _line(condition.loc)]))
            yield f"  {condition.text:{wide}}  {why}".rstrip()
    if version.captures:
        yield "reads from outside, at every call"
        yield from (f"  {text}" for text in version.captures)
    if version.program is None:
        yield "runs node by node with NumPy: nothing is compiled"
    else:
        yield from _program(version.program)
    if version.slow_call:
        yield f"is called through Python, because {version.slow_call}"
    else:
        yield "is called natively: no Python runs between the call and the code"
    how = "read from disk" if version.from_disk else "compiled"
    yield (
        f"was traced and {how} in {_time(version.seconds)} (machine code: "
        f"{_time(version.code_seconds)})"
    )
    yield from (f"note: {note}" for note in version.notes)


def _program(program: Program) -> Iterator[str]:
    if not program.steps:
        yield "computes nothing: the results are sizes, constants or arguments"
    else:
        yield f"runs {_count(len(program.steps), 'step')}"
    yield from _steps(program.steps, "  ")
    places = program.places
    results = [b.nbytes for b in program.buffers if b.result]
    if results:
        yield f"allocates its results: {_sum(results)} bytes"
    if places:
        shared = sum(not b.result and not b.called for b in program.buffers) - len(places)
        others = f" ({shared} more share them)" if shared else ""
        sizes = _sum(list(places.values()))
        yield f"and {_count(len(places), 'temporary')}: {sizes} bytes{others}"
    elif program.steps:
        yield "and no temporaries"


def _steps(steps: Sequence[Step], indent: str) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        first, *more = _step(step)
        yield f"{indent}{number}. {first}"
        yield from (f"{indent}   {line}" for line in more)


def _loop(loop: Loop) -> Iterator[str]:
    bounds = [] if loop.count is None else [f"{loop.count} times"]
    bounds += [] if loop.test is None else ["while a condition holds"]
    bounds += ["turns shared out to threads"] if loop.independent else []
    yield f"{', '.join((loop.title or 'loop', *bounds))}:"
    if loop.loc:
        yield _line(loop.loc)
    yield from _steps(loop.steps, "")


def _branch(branch: Branch) -> Iterator[str]:
    yield "if a condition holds:" if branch.then else "unless a condition holds:"
    if branch.loc:
        yield _line(branch.loc)
    yield from _steps(branch.then, "")
    if branch.then and branch.otherwise:
        yield "else:"
    yield from _steps(branch.otherwise, "")


def _step(step: Step) -> Iterator[str]:
    if isinstance(step, MatMul):
        return _matmul(step)
    if isinstance(step, Call):
        return _call(step)
    if isinstance(step, Loop):
        return _loop(step)
    if isinstance(step, Branch):
        return _branch(step)
    if isinstance(step, Bind):
        return iter((f"a size becomes known: {step.symbol}", *_where(step.loc)))
    if isinstance(step, Allocate):
        return iter((f"memory for this turn: {step.nbytes} bytes",))
    if isinstance(step, Require):
        wanted = ", ".join(map(str, step.guards))
        return iter((f"checked: {wanted}", *_where(step.loc)))
    return _nest(step)


def _call(step: Call) -> Iterator[str]:
    operands = ", ".join(map(_type, step.inputs))
    attrs = "".join(f", {name}={format_attr(value)}" for name, value in step.attrs)
    results = ", ".join(map(_type, step.outputs))
    yield f"called: {called_name(step.op)}({(operands + attrs).lstrip(', ')}) -> {results}"
    if step.loc:
        yield _line(step.loc)


def called_name(op: str) -> str:
    """What the users of a library call an op: `np.linalg.solve`."""
    functions = OPS[op].numpy
    if not functions:
        return op
    module = str(getattr(functions[0], "__module__", "") or "numpy")
    return f"{module}.{functions[0].__name__}".replace("numpy", "np", 1)


def _matmul(step: MatMul) -> Iterator[str]:
    yield f"matrix product by BLAS: {_type(step.a)} @ {_type(step.b)}"
    if step.loc:
        yield _line(step.loc)


def _nest(nest: Nest) -> Iterator[str]:
    loops = [s for s in nest.sections if s.axes]
    yield f"{_kind(nest, loops)}{_extents(nest, loops)}: {nest.title or 'a size'}"
    if nest.loc:
        yield _line(nest.loc)
    reads, writes = _traffic(nest, loops)
    computes = any(isinstance(i, Compute) or s.carries for s in loops for i in s.body)
    flops = f"{nest.flops:.0f} flops, " if computes else ""
    work = f"per element: {flops}{reads} bytes read, {writes} written"
    if len(loops) > 1:
        work += f", in {len(loops)} loops"
    if loops:
        yield work
    if not nest.straight:
        yield _sharing(nest)
    for row in nest.scratch:
        size = f"{row.extent} x {SHORT_NAMES.get(row.dtype, row.dtype)}"
        yield f"each thread keeps {size} in scratch memory"


def _kind(nest: Nest, loops: Sequence[Section]) -> str:
    computed = {i.op for s in loops for i in s.body if isinstance(i, Compute)}
    if nest.straight:
        return "scalar code"
    if nest.serial:
        return "serial nest"
    if any(s.carries for s in loops):
        return "reduction of chunks" if nest.chunk is not None else "nest on rows"
    if any(OPS[op].kind == "reduce" for op in computed):
        return "nest on columns"
    return "nest on elements" if loops else "scalar code"


def _extents(nest: Nest, loops: Sequence[Section]) -> str:
    axes = dict.fromkeys([*nest.outer, *(a for s in loops for a in s.axes)])
    shown = ", ".join(str(nest.extents[a]) for a in axes)
    return f" of [{shown}]" if axes else ""


def _traffic(nest: Nest, loops: Sequence[Section]) -> tuple[int, int]:
    """Bytes that one innermost iteration reads and writes, as far as they move along with it."""
    reads: dict[object, int] = {}
    writes: dict[object, int] = {}
    for section in loops:
        for instr in section.body:
            if not isinstance(instr, (Load, Take, Put, Store)):
                continue
            address = instr.address
            scratch = nest.operands[address.base].slot < 0
            moves = isinstance(instr, (Take, Put)) or address.stride(section.axes[-1]) != 0
            if moves and not scratch:
                table = writes if isinstance(instr, (Store, Put)) else reads
                table[address] = instr.dtype.itemsize
    kept = {a: n for a, n in reads.items() if a not in writes}
    return sum(kept.values()), sum(writes.values())


def _sharing(nest: Nest) -> str:
    if nest.chunk is not None:
        axis, size = nest.chunk
        outer = "".join(f"{nest.extents[a]} x " for a in nest.outer)
        return f"threads share: {outer}stretches of {size} of the {nest.extents[axis]}"
    if nest.outer and not nest.ordered:
        count = dims.product([nest.extents[a] for a in nest.outer])
        return f"threads share: {count} outer iterations"
    return "runs on one thread"


def _type(ref: MemRef) -> str:
    return f"{SHORT_NAMES.get(ref.dtype, ref.dtype)}[{', '.join(map(str, ref.shape))}]"


def _line(loc: Loc | None) -> str:
    """File, line number and text of the user's line."""
    if loc is None:
        return ""
    text = linecache.getline(loc.filename, loc.lineno).strip()
    return f"{loc}: {text}" if text else str(loc)


def _where(loc: Loc | None) -> tuple[str, ...]:
    return (_line(loc),) if loc else ()


def _sum(sizes: Sequence[Dim]) -> str:
    total: Dim = 0
    for size in sizes:
        total = total + size
    return f"{total:,}" if isinstance(total, int) else str(total)


def _count(number: int, what: str) -> str:
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number} {what if number == 1 else plural}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _wrapped(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 6)
        yield from textwrap.wrap(
            line, WIDTH, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False
        ) or [""]
