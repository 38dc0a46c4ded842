"""From a traced function to code: passes, lowering, the back end of the target, the fast call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.config import config
from tracejit.ir.graph import Graph, Guard
from tracejit.ir.interpret import INDEX_REASON, as_operand, bind_sizes, failing_node, run
from tracejit.ir.program import (
    CALL_ERROR,
    INDEX_ERROR,
    MEMORY_ERROR,
    SIZE_ERROR,
    STATUS_BITS,
    Program,
)
from tracejit.ir.target import Target
from tracejit.passes.lazy_branches import lazy_branches
from tracejit.passes.lower import lower
from tracejit.passes.pipeline import run_pipeline
from tracejit.runtime.calls import take_error
from tracejit.runtime.executable import InputSource, ResultKind, Spec, Table
from tracejit.trace.captures import CaptureSource
from tracejit.trace.function import Traced
from tracejit.trace.outputs import Output
from tracejit.trace.signature import Arguments

Runner = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
STATUS_TEXT = {
    INDEX_ERROR: "an index is out of bounds",
    MEMORY_ERROR: "there is not enough memory",
    SIZE_ERROR: "a size is negative",
}
INDEX_ADVICE = "np.clip the index, or np.take(x, index, mode='clip')"


@dataclass(frozen=True, eq=False)
class Executable:
    """A compiled graph. `run` takes the params as arrays and gives the results as fresh arrays,
    or NumPy scalars where they have rank 0.

    `code` is what the back end made of `program`; None where the graph is interpreted. Compiled
    code writes params that the function writes in place, the interpreter gives what they become.
    """

    graph: Graph
    run: Runner
    program: Program | None = None
    code: Any = None
    seconds: float = 0.0
    from_disk: bool = False


def optimize(graph: Graph, target: Target) -> Graph:
    """The graph after every pass."""
    return run_pipeline(graph, target)


def program_of(traced: Traced, target: Target) -> Program:
    """The program of a traced function."""
    layouts, weak = _layouts(traced)
    return lower(optimize(traced.graph, target), layouts, weak)


def _layouts(traced: Traced) -> tuple[list[str], list[type | None]]:
    """Layout and weak type of every param; captured arrays may change theirs."""
    leaves = traced.leaves
    captured = len(traced.graph.params) - len(leaves)
    layouts = [leaf.layout for leaf in leaves] + [
        traced.capture_layouts[k] for k in range(captured)
    ]
    return layouts, [leaf.weak for leaf in leaves] + [None] * captured


def compile_traced(traced: Traced, target: Target, mode: str | None) -> Executable:
    """Compile for the host. In mode `fast_compile` the graph is interpreted with NumPy.

    Branches are lazy there too: what is not computed cannot fail.
    """
    if (mode or config.mode) == "fast_compile":
        return interpreted(lazy_branches(traced.graph, target))
    backend = import_module("tracejit.codegen_cpu.compile")
    native = import_module("tracejit.codegen_cpu.native_abi").runtime()
    if native is None:
        warnings.warn(
            "tracejit has no native runtime for this platform: functions are interpreted",
            RuntimeWarning,
            stacklevel=4,
        )
        return interpreted(lazy_branches(traced.graph, target))
    program = program_of(traced, target)
    code = backend.compile_program(program)
    sources = [InputSource("argument", argument=k) for k in range(len(program.params))]
    kinds = [
        ResultKind("array" if r.ref.shape else "scalar", place=k)
        for k, r in enumerate(program.results)
    ]
    spec = _spec(program, code, sources, [], kinds, single=False)
    table = Table(len(sources))
    table.add(spec)
    entry = native.make_entry(table.words, traced.graph.name)
    weak = [p.weak for p in program.params]

    written = [p for p, _ in traced.graph.written]

    def call(arrays: Sequence[Any]) -> Sequence[np.ndarray]:
        found = entry(*(a if w else np.asarray(a) for a, w in zip(arrays, weak, strict=True)))
        if found is NotImplemented:
            plain = [_plain(a, p) for a, p in zip(arrays, program.params, strict=True)]
            found = entry(*plain)
            for k in written:
                if not np.may_share_memory(plain[k], arrays[k]):
                    np.copyto(arrays[k], plain[k])
        if type(found) is int:
            raise status_error(found, traced.graph, program, arrays)
        if found is NotImplemented:
            raise AssertionError(f"{traced.graph.name}: the code does not take its arguments")
        return found

    call.table = table  # type: ignore[attr-defined]
    return Executable(traced.graph, call, program, code, code.seconds, code.from_disk)


def status_error(
    status: int, graph: Graph, program: Program | None, arrays: Sequence[Any]
) -> BaseException:
    """The exception for a status that compiled code returned.

    Compiled code says where an index was out of bounds; which one, the interpreter finds out,
    unless that would take as long as loops in Python do.
    """
    code, number = status & ((1 << STATUS_BITS) - 1), status >> STATUS_BITS
    failing = program.failing if program is not None else ()
    place = failing[number - 1] if 0 < number <= len(failing) else None
    if code == CALL_ERROR:
        return take_error()
    if code == MEMORY_ERROR:
        return MemoryError(f"`{graph.name}`: {STATUS_TEXT[MEMORY_ERROR]}")
    if code == SIZE_ERROR and isinstance(place, Guard):
        return _guard_error(place)
    text = STATUS_TEXT.get(code, f"compiled code failed with status {status}")
    if code == SIZE_ERROR:
        return errors.TracedValueError(text, loc=place.loc if place is not None else None)
    found = None
    if not any(node.op in ("loop", "ifelse") for node in graph.walk()):
        found = failing_node(graph, arrays)
    if found is None:
        loc = place.loc if place is not None else None
        where = "" if loc is not None else f"in `{graph.name}` "
        return errors.TracedIndexError(where + text, loc=loc, instead=INDEX_ADVICE)
    node, error = found
    names = [f"{v.hint} is {v.type}" for v in node.inputs if v.hint]
    what = f"{error}: {', '.join(names)}" if names else str(error)
    return errors.TracedIndexError(what, loc=node.loc, instead=INDEX_ADVICE)


def _guard_error(guard: Guard) -> BaseException:
    """What a guard says that failed inside a loop or a branch."""
    why = f" for {guard.reason}" if guard.reason else ""
    what = f"sizes that are known only at run time do not fit: {guard} is needed{why}"
    kind = errors.TracedIndexError if guard.reason == INDEX_REASON else errors.ShapeError
    return kind(what, loc=guard.loc)


def _plain(array: Any, param: Any) -> Any:
    """An array as the native entry takes it: no subclass, the standard descriptor, aligned."""
    if param.weak is not None:
        return array if isinstance(array, np.random.Generator) else param.weak(array)
    plain = np.require(np.asarray(array), requirements=("A",)).view(np.ndarray)
    if plain.dtype is not param.type.dtype:
        plain = plain.view(param.type.dtype)
    if param.layout == "C":
        plain = np.ascontiguousarray(plain).reshape(plain.shape)
    elif param.layout == "F":
        plain = np.asfortranarray(plain)
    elif plain.flags.c_contiguous or plain.flags.f_contiguous:
        # An aligned copy; code for strided arrays is not offered contiguous ones.
        *outer, last = plain.shape
        dense = param.layout == "I"
        room = np.empty((*outer, last + 1 if dense else 2 * last), plain.dtype)
        spread = room[..., :-1] if dense else room[..., ::2]
        spread[...] = plain
        return spread
    return plain


def _spec(
    program: Program,
    code: Any,
    sources: Sequence[InputSource],
    guards: Sequence[tuple[InputSource, Any]],
    results: Sequence[ResultKind],
    single: bool,
    written: Sequence[int] = (),
) -> Spec:
    return Spec(
        program, code.main, code.layout.words, code.layout.results, sources, guards, results,
        single, written=written,
    )  # fmt: skip


def interpreted(graph: Graph) -> Executable:
    """The graph run node by node with NumPy."""

    def call(arrays: Sequence[Any]) -> Sequence[np.ndarray]:
        inputs = [as_operand(a, v.type.dtype) for a, v in zip(arrays, graph.params, strict=True)]
        return [np.array(a) for a in run(graph, inputs, bind_sizes(graph, inputs))]

    return Executable(graph, call)


# The fast call.


def fast_spec(traced: Traced, arguments: Arguments, executable: Executable) -> Spec | str:
    """The words by which the native entry runs a specialization, or why Python is needed.

    Python is needed for nested arguments and results, results that are Python numbers, and
    guards that are more than the identity of an object.
    """
    program = executable.program
    if program is None:
        return "the graph is interpreted"
    if traced.same:
        return "two arguments are the same array, which is written"
    if any(leaf.scalar for leaf in traced.leaves):
        return "an argument is a NumPy scalar"
    sources: list[InputSource] = []
    guards: list[tuple[InputSource, Any]] = []
    for position, tree in enumerate(arguments.trees):
        source = InputSource("argument", argument=position)
        if tree.kind == "leaf":
            sources.append(source)
        elif tree.kind == "static":
            guards.append((source, tree.data.value))
        else:
            return f"argument {position + 1} is a {tree.kind}"
    for capture, _ in traced.captures:
        sources.append(_input(capture))
    for guard in traced.value_guards:
        now = guard.source.fetch()
        if guard.relation != "is" and not (guard.relation == "equal" and _is_immutable(now)):
            return f"it depends on what is in {guard.source}"
        guards.append((_input(guard.source), now))
    tree = traced.out_tree
    single = tree.kind == "leaf"
    if not single and (tree.kind != "tuple" or any(c.kind != "leaf" for c in tree.children)):
        return f"the result is a {tree.kind} of arrays that is no plain tuple"
    kinds = _result_kinds(traced, program)
    if isinstance(kinds, str):
        return kinds
    if single and any(_is_int(k, traced) for k in kinds):
        # An int that the native entry returns is the status of a failure.
        return "the result is a Python int"
    written = [p for p, _ in traced.writebacks]
    return _spec(program, executable.code, sources, guards, kinds, single, written)


def _result_kinds(traced: Traced, program: Program) -> list[ResultKind] | str:
    """A row for each result of the program, each view, then the others; or why Python is needed."""
    if len(traced.graph.views) != len(program.views):
        return "where a result lies in memory depends on a value"
    places: dict[tuple[str, int], int] = {}
    others: list[tuple[int, Output]] = []
    for place, output in enumerate(traced.outputs):
        kind = "result" if output.kind in ("array", "scalar") else output.kind
        if kind == "python":
            return "a result is a Python number"
        if kind in ("result", "view") and (kind, output.index) not in places:
            places[kind, output.index] = place
        else:
            others.append((place, output))
    rows: list[ResultKind] = []
    arrays = {o.index for o in traced.outputs if o.kind == "array"}
    arrays |= {v.of for v in program.views if v.kind == "result"}
    for k, result in enumerate(program.results):
        if k in arrays and not result.ref.shape:
            return "a result is an array of rank 0"
        kind = "array" if result.ref.shape else "scalar"
        rows.append(ResultKind(kind, place=places.get(("result", k), -1)))
    for k, view in enumerate(program.views):
        kind = "view" if view.kind == "param" else "part"
        rows.append(ResultKind(kind, view.of, place=places.get(("view", k), -1)))
    for place, output in others:
        if output.kind == "param":
            rows.append(ResultKind("input", output.index, place=place))
        elif output.kind == "constant":
            rows.append(ResultKind("constant", value=output.value, place=place))
        else:
            row = output.index + (len(program.results) if output.kind == "view" else 0)
            rows.append(ResultKind("same", row, place=place))
    return rows


def _is_int(kind: ResultKind, traced: Traced) -> bool:
    """Whether a result is a Python int that the native entry would pass on as it is."""
    if kind.kind == "input":
        return kind.number < len(traced.leaves) and traced.leaves[kind.number].weak is int
    return kind.kind == "constant" and type(kind.value) is int


def _input(source: CaptureSource) -> InputSource:
    if source.kind == "object":
        return InputSource("object", source.key)
    if source.kind == "cell":
        return InputSource("cell", source.container)
    if source.kind == "attribute":
        return InputSource("attribute", source.container, source.key)
    kind = "dict" if type(source.container) is dict else "item"
    return InputSource(kind, source.container, source.key)


def _is_immutable(value: Any) -> bool:
    """Whether the same object is an equal one for good."""
    if type(value) is tuple:
        return all(map(_is_immutable, value))
    return not isinstance(value, (list, dict, set, bytearray, np.ndarray))
