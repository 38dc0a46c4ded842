"""Tracing one function for one set of argument types: from a Python function to a graph."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph
from tracejit.ir.types import TensorType
from tracejit.source import Loc
from tracejit.trace import hooks
from tracejit.trace.captures import CaptureSource, Provenance, ValueGuard
from tracejit.trace.context import CallsItself, Trace, activate, fail, user_frame
from tracejit.trace.generators import TracedGenerator
from tracejit.trace.layout import Order
from tracejit.trace.orders import param_strides
from tracejit.trace.outputs import Output, Outputs
from tracejit.trace.pytree import TreeDef, is_unchanged
from tracejit.trace.signature import (
    Arguments,
    LeafType,
    Signature,
    Static,
    TensorSpec,
    array_type,
)
from tracejit.trace.tensor import Cell, Tensor

_SYMBOLS = "nmklpqrstuvw"


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A function traced for one set of argument types.

    The graph's params are the leaves of the arguments (`leaves` has their types), then the captured
    arrays: `captures` pairs each source with its parameter number. `writebacks` pairs parameters
    that the function writes with the results that hold what they become. `notes` is for `explain`.
    `same` pairs arguments with earlier ones whose very memory they are, `view_sizes` sizes of the
    views among the results, known only at run time, with results.
    """

    graph: Graph
    leaves: tuple[LeafType, ...]
    paths: tuple[str, ...]
    captures: tuple[tuple[CaptureSource, int], ...]
    value_guards: tuple[ValueGuard, ...]
    out_tree: TreeDef
    outputs: tuple[Output, ...]
    writebacks: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()
    capture_layouts: tuple[str, ...] = ()
    same: tuple[tuple[int, int], ...] = ()
    view_sizes: tuple[tuple[str, int], ...] = ()


def trace_function(
    fn: Callable[..., Any],
    signature: Signature,
    arguments: Arguments,
    name: str,
    capture: bool = True,
) -> Traced:
    """Run `fn` on tensors. Raises what `fn` raises, and TraceErrors at the user's line.

    Arguments with the same memory are told apart first; where the function writes them it runs
    again with one tensor for both.
    """
    recursive: frozenset[types.CodeType] = frozenset()
    same: tuple[tuple[int, int], ...] = ()
    while True:
        try:
            traced = _trace_once(fn, signature, arguments, name, capture, same, recursive)
        except CallsItself as found:
            recursive |= {found.code}
            continue
        if not traced.writebacks or same:
            return traced
        same = identical(arguments.leaves)
        written = {k for k, _ in traced.writebacks}
        if not any(written & set(pair) for pair in same):
            return traced


def identical(leaves: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    """Arrays that are the same memory in the same layout as an earlier one, and which one."""
    seen: dict[Any, int] = {}
    pairs = []
    for k, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray) and leaf.size:
            key = leaf.ctypes.data, leaf.shape, leaf.strides, leaf.dtype, leaf.flags.writeable
            first = seen.setdefault(key, k)
            if first != k:
                pairs.append((k, first))
    return tuple(pairs)


def _trace_once(
    fn: Callable[..., Any],
    signature: Signature,
    arguments: Arguments,
    name: str,
    capture: bool,
    same: tuple[tuple[int, int], ...],
    recursive: frozenset[types.CodeType],
) -> Traced:
    importlib.import_module("tracejit.trace.namespace")  # fills the tables; late: it takes 50 ms
    trace = Trace(name)
    trace.provenance = provenance = Provenance()
    trace.recursive = recursive
    names = _Names(
        {s for leaf in arguments.leaves if isinstance(leaf, TensorSpec) for s in leaf.shape}
        | {parameter.name for parameter in signature.parameters}
    )
    with activate(trace):
        paths = signature.paths(arguments.trees)
        tensors = [
            _param(trace, names, leaf, kind, path)
            for leaf, kind, path in zip(arguments.leaves, arguments.types, paths, strict=True)
        ]
        for k, first in same:
            tensors[k] = Tensor(tensors[first].cell)
        made: list[tuple[Any, Any]] = []
        args, kwargs = signature.rebuild(arguments.trees, iter(tensors), made)
        for tree in arguments.trees:
            for static in _statics(tree):
                hooks.remember(static)
        if not capture:
            provenance.note("capture=False: only NumPy's dispatch protocols trace this function")
        run = hooks.call if capture else _plain_call
        result = run(fn, *args, **kwargs)
        _check_containers(made, name)
        outputs = Outputs(trace, provenance, tensors, result)
        results = outputs.results
        writebacks = []
        for k, tensor in enumerate(tensors):
            if tensor.cell.writes and k not in dict(same):
                writebacks.append((k, len(results)))
                results.append(tensor.cell.value)
        sources, guards = provenance.finish(trace)
        graph = trace.finish(results)
        graph = graph.with_(written=tuple(writebacks), views=outputs.settled_views())
    return Traced(
        graph,
        tuple(_leaf(kind) for kind in arguments.types),
        tuple(paths),
        sources,
        guards,
        outputs.tree,
        tuple(outputs.leaves),
        tuple(writebacks),
        tuple(provenance.notes),
        tuple(array_type(array).layout for array, _ in trace.captures.values()),
        same,
        outputs.view_sizes,
    )


def _plain_call(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


class _Names:
    """Names of size symbols: n, m, k, ..., then n1, m1, ...; those in specs are taken."""

    def __init__(self, taken: set[Any]) -> None:
        self.taken = taken
        self.fresh = self._all()

    def _all(self) -> Iterator[str]:
        yield from _SYMBOLS
        round = 1
        while True:
            yield from (f"{letter}{round}" for letter in _SYMBOLS)
            round += 1

    def next(self) -> str:
        return next(name for name in self.fresh if name not in self.taken)


def _leaf(kind: Any) -> LeafType:
    return LeafType(kind.dtype, len(kind.shape)) if isinstance(kind, TensorSpec) else kind


def _param(trace: Trace, names: _Names, leaf: Any, kind: Any, path: str) -> Any:
    shape: list[Dim] = []
    if isinstance(leaf, TensorSpec):
        for dim in leaf.shape:
            if isinstance(dim, int):
                shape.append(dim)
            elif dim in trace.hints:
                shape.append(dims.sym(dim))
            else:
                shape.append(trace.new_symbol(dim, None))
        value = trace.root.param(TensorType(kind.dtype, tuple(shape)), path)
        return Tensor(Cell(value, trace, "argument"))
    for size in np.shape(leaf):
        shape.append(trace.new_symbol(names.next(), size))
    value = trace.root.param(TensorType(kind.dtype, tuple(shape)), path)
    if kind.weak is np.random.Generator:
        trace.has_generators = True
        return TracedGenerator(Cell(value, trace, "argument"))
    if kind.weak is not None:
        trace.scalar_values[value] = leaf
    cell = Cell(value, trace, "argument", scalar=kind.scalar)
    rank = len(shape)
    if kind.layout == "F":
        cell.layout = Order(lambda decisions: tuple(reversed(range(rank))))
    elif kind.layout != "C":
        number = trace.root.params.index(value)
        cell.layout = param_strides(trace, number, leaf, kind.layout == "I")
    return Tensor(cell, weak=kind.weak)


def _statics(tree: TreeDef) -> Iterator[Any]:
    if tree.kind == "static" and isinstance(tree.data, Static):
        yield tree.data.value
    for child in tree.children:
        yield from _statics(child)


def _check_containers(made: list[tuple[Any, Any]], name: str) -> None:
    for container, contents in made:
        if not is_unchanged(container, contents):
            fail(
                errors.MutationError,
                f"`{name}` puts other items into a {type(container).__name__} that is an argument",
                "change arrays in place, or return a new container",
            )


# Errors.


def located(error: Exception) -> Exception:
    """`error`, raised while tracing, with the user's line in front as TraceErrors have it.

    What the user's own code raised stays as it is.
    """
    kind = type(error)
    if kind not in (TypeError, ValueError, IndexError, OverflowError, np.exceptions.AxisError):
        return error
    lines: list[Loc] = []
    traceback = error.__traceback__
    inside = False
    while traceback is not None:
        code = traceback.tb_frame.f_code
        inside = not user_frame(code.co_filename)
        if not inside:
            lines.append(Loc(code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    if not inside or not lines:
        return error
    text = str(errors.TraceError(str(error), loc=lines[-1]))
    return kind(text).with_traceback(error.__traceback__)


def user_traceback(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """`traceback` without the frames of this package and of NumPy."""
    frames = []
    while traceback is not None:
        if user_frame(traceback.tb_frame.f_code.co_filename):
            frames.append(traceback)
        traceback = traceback.tb_next
    found: types.TracebackType | None = None
    for entry in reversed(frames):
        found = types.TracebackType(found, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return found
