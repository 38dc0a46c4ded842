"""Tracing one function for one set of argument types: from a Python function to a graph."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Graph, Value
from tracejit.ir.types import TensorType
from tracejit.source import Loc
from tracejit.trace import hooks, prim
from tracejit.trace.captures import CaptureSource, Provenance, ValueGuard
from tracejit.trace.context import Trace, activate, fail, user_frame
from tracejit.trace.layout import Order
from tracejit.trace.orders import param_strides
from tracejit.trace.pytree import LEAF, TreeDef, flatten, is_container, is_unchanged
from tracejit.trace.signature import (
    Arguments,
    LeafType,
    Signature,
    Static,
    TensorSpec,
    array_type,
)
from tracejit.trace.size import Size, as_dim
from tracejit.trace.tensor import Cell, Tensor

_SYMBOLS = "nmklpqrstuvw"


@dataclass(frozen=True, slots=True)
class Output:
    """What one leaf of the result is.

    `array`: result number `index`; `scalar`: the same as a NumPy scalar; `python`: as a Python
    number of type `value`; `param`: parameter number `index`, the very object that came in;
    `constant`: `value`.
    """

    kind: str
    index: int = 0
    value: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A function traced for one set of argument types.

    The graph's params are the leaves of the arguments (`leaves` has their types), then the captured
    arrays: `captures` pairs each source with its parameter number. `writebacks` pairs parameters
    that the function writes with the results that hold what they become. `notes` is for `explain`.
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


def trace_function(
    fn: Callable[..., Any],
    signature: Signature,
    arguments: Arguments,
    name: str,
    capture: bool = True,
) -> Traced:
    """Run `fn` once on tensors. Raises what `fn` raises, and TraceErrors at the user's line."""
    importlib.import_module("tracejit.trace.namespace")  # fills the tables; late: it takes 50 ms
    trace = Trace(name)
    trace.provenance = provenance = Provenance()
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
        outputs, out_tree, results = _outputs(trace, provenance, tensors, result)
        writebacks = []
        for k, tensor in enumerate(tensors):
            if tensor.cell.version:
                writebacks.append((k, len(results)))
                results.append(tensor.cell.value)
        sources, guards = provenance.finish(trace)
        graph = trace.finish(results).with_(written=tuple(writebacks))
    return Traced(
        graph,
        tuple(_leaf(kind) for kind in arguments.types),
        tuple(paths),
        sources,
        guards,
        out_tree,
        tuple(outputs),
        tuple(writebacks),
        tuple(provenance.notes),
        tuple(array_type(array).layout for array, _ in trace.captures.values()),
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


def _param(trace: Trace, names: _Names, leaf: Any, kind: Any, path: str) -> Tensor:
    shape: list[Dim] = []
    if isinstance(leaf, TensorSpec):
        for dim in leaf.shape:
            if isinstance(dim, int):
                shape.append(dim)
            elif dim in trace.hints:
                shape.append(dims.sym(dim))
            else:
                shape.append(trace.new_symbol(dim, None))
        value = trace.builder.param(TensorType(kind.dtype, tuple(shape)), path)
        return Tensor(Cell(value, trace, "argument"))
    for size in np.shape(leaf):
        shape.append(trace.new_symbol(names.next(), size))
    value = trace.builder.param(TensorType(kind.dtype, tuple(shape)), path)
    if kind.weak is not None:
        trace.scalar_values[value] = leaf
    cell = Cell(value, trace, "argument", scalar=kind.scalar)
    rank = len(shape)
    if kind.layout == "F":
        cell.layout = Order(lambda decisions: tuple(reversed(range(rank))))
    elif kind.layout != "C":
        number = trace.builder.params.index(value)
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


# Results.


def _classify_output(value: Any, path: str) -> TreeDef | None:
    return None if is_container(value) and not isinstance(value, Tensor) else LEAF


def _outputs(
    trace: Trace, provenance: Provenance, tensors: list[Tensor], result: Any
) -> tuple[list[Output], TreeDef, list[Value]]:
    leaves: list[Any] = []
    provenance.read_whole(result)
    tree = flatten(result, "result", leaves, _classify_output)
    results: list[Value] = []
    seen: dict[Any, int] = {}

    def add(value: Value, key: Any) -> int:
        if key not in seen:
            seen[key] = len(results)
            results.append(value)
        return seen[key]

    outputs = []
    arguments = {id(t.cell): k for k, t in enumerate(tensors)}
    for leaf in leaves:
        if isinstance(leaf, np.ndarray):
            leaf = prim.lift(leaf)
        if isinstance(leaf, Size):
            dim = as_dim(leaf)
            assert dim is not None
            outputs.append(Output("python", add(trace.builder.size(dim), dim), int))
        elif not isinstance(leaf, Tensor):
            _check_constant(leaf)
            outputs.append(Output("constant", value=leaf))
        elif not leaf.path and leaf.cell.origin != "temporary":
            number = arguments.get(id(leaf.cell))
            if number is None:
                number = trace.builder.params.index(leaf.cell.value)
            outputs.append(Output("param", number))
        elif leaf.weak is not None:
            outputs.append(Output("python", add(leaf.value, (leaf.value, "weak")), leaf.weak))
        elif leaf.scalar:
            outputs.append(Output("scalar", add(leaf.value, (leaf.value, "scalar"))))
        else:
            if leaf.path and leaf.cell.origin != "temporary":
                provenance.note("a result that NumPy gives as a view of an argument is a copy")
            outputs.append(Output("array", add(leaf.value, (id(leaf.cell), leaf.path))))
    return outputs, tree, results


def _check_constant(leaf: Any) -> None:
    """Traced values inside an object that nothing takes apart would escape."""
    held = vars(leaf) if hasattr(leaf, "__dict__") and not isinstance(leaf, type) else {}
    items = list(leaf) if isinstance(leaf, (set, tuple, list)) else []
    items += list(leaf.values()) if isinstance(leaf, dict) else []
    if isinstance(leaf, types.GeneratorType) or prim.any_traced(items) or prim.any_traced(held):
        fail(
            errors.UnsupportedError,
            f"the result has a {type(leaf).__name__} with traced values in it",
            "return arrays, numbers, or tuples, lists, dicts, namedtuples and dataclasses of them",
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
