"""The checker: what every legal graph has in common, as code.

Values are defined once and before they are read; a block reads nothing but its own parameters;
every node is a known op with the inputs and attributes that its record takes, and the types it
declares are those that the record infers, or for branches and loops those of the blocks; every size
can be computed from the parameters' shapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any

import numpy as np

from tracejit.errors import TracejitError
from tracejit.ir import dims
from tracejit.ir.graph import Graph, Guard, Node, Value, defined_symbols
from tracejit.ir.interpret import SIZE_ATTRS
from tracejit.ir.opdef import OPS, OpDef, resolve_loop
from tracejit.ir.ops.index import gathered_shape
from tracejit.ir.pprint import Names, format_node
from tracejit.ir.types import BOOL, INTP, SHORT_NAMES, TensorType, broadcast_shapes

BLOCK_OPS = {"fused"}
"""Ops without a record: their one block, applied to the inputs, gives the outputs."""

RELATIONS = ("==", "!=", "<", "<=", ">", ">=")


class VerifyError(TracejitError):
    """A graph that is not legal: a bug in whatever made it, never in the user's code."""


def verify(graph: Graph) -> None:
    """Raise VerifyError, naming the node, unless `graph` is legal."""
    strides = frozenset(
        dims.stride_symbol(number, axis)
        for number, value in enumerate(graph.params)
        for axis in range(value.type.ndim)
    )
    _Verifier(Names()).graph(graph, strides)


class _Verifier:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.where = ""

    def fail(self, what: str) -> VerifyError:
        return VerifyError(f"{self.where}: {what}")

    def require(self, condition: bool, what: str) -> None:
        if not condition:
            raise self.fail(what)

    def graph(
        self, graph: Graph, symbols: frozenset[str], inner: bool = False, nest: bool = False
    ) -> None:
        """Check `graph`, inside which the sizes `symbols` of the graph around it are known too."""
        self.where = f"graph {graph.name}"
        defined: set[Value] = set()
        for name, number in graph.scalars:
            self.require(0 <= number < len(graph.params), f"{name} is parameter {number}")
            type = graph.params[number].type
            whole = type.ndim == 0 and type.dtype.kind in "iu"
            self.require(whole, f"the size {name} is a parameter of type {type}")
            symbols = symbols.union({name})
        for value in graph.params:
            self.require(value not in defined, f"parameter {self.names[value]} appears twice")
            defined.add(value)
            self.type(value)
            symbols = symbols.union(*map(dims.free_symbols, value.type.shape))
        for node in graph.nodes:
            symbols = self.node(node, defined, symbols)
        self.where = f"graph {graph.name}"
        for guard in graph.guards:
            self.guard(guard, graph, symbols)
        for value in graph.results:
            self.require(value in defined, f"result {self.names[value]} is not defined")
        cells = self.memory(graph, nest)
        if inner:
            for p, r in graph.written:
                value = graph.results[r]
                lies = cells.get(value, value) is graph.params[p]
                self.require(lies, f"{self.names[value]} is not in the memory of parameter {p}")

    def memory(self, graph: Graph, nest: bool) -> dict[Value, Value]:
        """Nothing reads memory as it was before a write in place that has run.

        What a control node writes is not passed to it a second time, and the results of its blocks
        that take over the memory of a parameter lie there. In a nest every write is a result, also
        one that others come after.
        """
        cells: dict[Value, Value] = {}
        current: dict[Value, Value] = {}
        version: dict[Value, Value] = {}

        def require_current(value: Value) -> None:
            newest = current.get(cells.get(value, value))
            stale = newest is not None and version.get(value, value) is not newest
            self.require(not stale, f"{self.names[value]} is read after it was written over")

        for node in graph.nodes:
            self.where = f"{format_node(node, self.names)}  # {node.loc or 'no line'}"
            for value in node.inputs:
                require_current(value)
            if node.op in CONTROL:
                passed = [cells.get(v, v) for v in node.inputs]
                for number in node.reuses:
                    twice = number is not None and passed.count(passed[number]) > 1
                    self.require(not twice, f"input {number} is written and passed twice")
            if node.op in OPS and OPS[node.op].kind == "view":
                source = node.inputs[0]
                cells[node.output] = cells.get(source, source)
                version[node.output] = version.get(source, source)
            for value, number in zip(node.outputs, node.reuses, strict=False):
                if number is not None:
                    source = node.inputs[number]
                    cell = cells[value] = cells.get(source, source)
                    current[cell] = version[value] = value
        self.where = f"graph {graph.name}"
        for value in graph.results:
            if not (nest and version.get(value) is value):
                require_current(value)
        return cells

    def guard(self, guard: Any, graph: Graph, symbols: frozenset[str]) -> None:
        self.require(guard.relation in RELATIONS, f"guard with relation {guard.relation!r}")
        if isinstance(guard, Guard):
            self.sizes(guard.left, symbols, "a guard")
            self.sizes(guard.right, symbols, "a guard")
            return
        self.require(0 <= guard.param < len(graph.params), f"guard on parameter {guard.param}")
        self.require(graph.params[guard.param].type.ndim == 0, "guard on a value of an array")

    def type(self, value: Value) -> None:
        type = value.type
        self.require(type.dtype in SHORT_NAMES, f"{self.names[value]} has dtype {type.dtype!r}")
        for dim in type.shape:
            legal = dim >= 0 if isinstance(dim, int) else isinstance(dim, dims.Expr)
            self.require(legal, f"{self.names[value]} has a dim {dim!r}")

    def sizes(self, attr: Any, symbols: frozenset[str], what: str) -> None:
        """Every symbol in `attr` is bound."""
        if isinstance(attr, tuple):
            for entry in attr:
                self.sizes(entry, symbols, what)
        elif isinstance(attr, dims.Expr) and not attr.symbols <= symbols:
            unbound = ", ".join(sorted(attr.symbols - symbols))
            raise self.fail(f"{what} uses the size {unbound}, which nothing before it binds")

    def node(self, node: Node, defined: set[Value], symbols: frozenset[str]) -> frozenset[str]:
        """Check `node`; the symbols that are known behind it."""
        self.where = f"{format_node(node, self.names)}  # {node.loc or 'no line'}"
        for value in node.inputs:
            self.require(value in defined, f"{self.names[value]} is read before it is defined")
        made = defined_symbols(node)
        bare = {dims.symbol_name(d) for v in node.outputs for d in v.type.shape}
        for name in made:
            self.require(name not in symbols, f"the size {name} is defined twice")
            self.require(name in bare, f"no output has the size {name} as a dim")
        known = symbols.union(made)
        for value in node.outputs:
            self.require(value not in defined, f"{self.names[value]} is defined twice")
            self.type(value)
            self.sizes(value.type.shape, known, f"the shape of {self.names[value]}")
            defined.add(value)
        for key, attr in node.attrs.items():
            self.require(
                isinstance(attr, (np.ndarray, Hashable)) and _hashable(attr),
                f"attribute {key} is neither hashable nor an array",
            )
            self.sizes(attr, symbols, f"attribute {key}")
        self.reuses(node)
        where = self.where
        if node.op in CONTROL:
            CONTROL[node.op](self, node, symbols)
        inside = symbols.union({node.attrs["symbol"]}) if node.op == "loop" else symbols
        for block in node.blocks:
            self.graph(block, inside, node.op in CONTROL, node.op == "fused")
        self.where = where
        if node.op in BLOCK_OPS:
            self.block_op(node)
        else:
            self.require(node.op in OPS, f"unknown op {node.op!r}")
            self.record(node, OPS[node.op])
        return known

    def reuses(self, node: Node) -> None:
        self.require(
            len(node.reuses) in (0, len(node.outputs)), "reuses has not one entry for each output"
        )
        taken = [k for k in node.reuses if k is not None]
        self.require(all(0 <= k < len(node.inputs) for k in taken), "reuses an input out of range")
        once = node.op == "fused" or len(set(taken)) == len(taken)
        self.require(once, "reuses one input twice")

    def block_op(self, node: Node) -> None:
        self.require(len(node.blocks) == 1, f"{node.op} needs one block")
        (block,) = node.blocks
        for what, outer, inner in (
            ("inputs", node.inputs, block.params),
            ("outputs", node.outputs, block.results),
        ):
            found, expected = [v.type for v in inner], [v.type for v in outer]
            self.require(found == expected, f"{what} do not have the types of the block's")

    def ifelse(self, node: Node, symbols: frozenset[str]) -> None:
        self.require(node.attrs.keys() <= {"lazy"}, "ifelse takes no attribute but lazy")
        self.require(len(node.blocks) == 2, "ifelse needs two blocks")
        self.require(bool(node.inputs), "ifelse needs a condition")
        self.require(node.inputs[0].type == TensorType(BOOL), "the condition must be one bool")
        for side, block in zip(("then", "else"), node.blocks, strict=True):
            self.pairs(side, "inputs", node.inputs[1:], block.params)
            self.pairs(side, "outputs", node.outputs, block.results)
            self.in_place(node, block, 1)

    def loop(self, node: Node, symbols: frozenset[str]) -> None:
        wanted = {"symbol", "count", "carried", "test"}
        given = node.attrs.keys() - {"truncate_gradient"}
        self.require(given == wanted, f"loop takes {', '.join(sorted(wanted))}")
        symbol, count, carried, test = (
            node.attrs[k] for k in ("symbol", "count", "carried", "test")
        )
        self.require(isinstance(symbol, str), "the symbol of a loop is a name")
        self.require(symbol not in symbols, f"the size {symbol} is defined twice")
        legal = count is None or isinstance(count, dims.Expr)
        self.require(legal or (isinstance(count, int) and count >= 0), f"{count!r} steps")
        self.require(count is not None or test is not None, "the loop has no end")
        self.require(len(node.blocks) == 1, "loop needs one block")
        self.require(
            carried == len(node.outputs) <= len(node.inputs),
            f"carries {carried} of {len(node.inputs)} inputs, has {len(node.outputs)} outputs",
        )
        if test is not None:
            self.require(0 <= test < carried, f"the test is carried value {test} of {carried}")
            self.require(node.inputs[test].type == TensorType(BOOL), "the test must be one bool")
        (block,) = node.blocks
        self.pairs("body", "inputs", node.inputs, block.params)
        self.pairs("body", "outputs", node.outputs, block.results)
        self.pairs("body", "carried values", node.outputs, node.inputs[:carried])
        self.in_place(node, block, 0)

    def pairs(
        self, side: str, what: str, outer: tuple[Value, ...], inner: tuple[Value, ...]
    ) -> None:
        found, expected = tuple(v.type for v in inner), tuple(v.type for v in outer)
        same = found == expected
        self.require(same, f"{what} are {_types(expected)}, those of {side} {_types(found)}")

    def in_place(self, node: Node, block: Graph, first: int) -> None:
        """A block writes into the params whose memory outputs take over, and no others."""
        reused = {(i - first, k) for k, i in enumerate(node.reuses) if i is not None}
        self.require(
            set(block.written) == reused,
            f"a block writes {block.written}, the node reuses {node.reuses}",
        )

    def record(self, node: Node, record: OpDef) -> None:
        types = [v.type for v in node.inputs]
        if record.kind == "control":
            return
        operands, variadic = _operands(record)
        surplus = [key for key in node.attrs if key not in operands and key not in SIZE_ATTRS]
        self.require(not surplus or _takes_any(record), f"takes no attribute {', '.join(surplus)}")
        if variadic:
            self.require(bool(types), "at least one input is needed")
        else:
            expected = [n for n in operands if n not in node.attrs and n not in SIZE_ATTRS]
            self.require(
                len(types) == len(expected),
                f"takes {', '.join(operands) or 'nothing'}; has {len(types)} inputs "
                f"and attributes {', '.join(node.attrs) or 'none'}",
            )
        try:
            for problem in _problems(node, record, types):
                raise self.fail(problem)
            inferred = record.infer(types, node.attrs)
        except VerifyError:
            raise
        except Exception as error:
            raise self.fail(f"types cannot be inferred: {error!r}") from error
        declared = tuple(v.type for v in node.outputs)
        self.require(
            inferred == declared,
            f"declares {_types(declared)}, but the op gives {_types(inferred)}",
        )


CONTROL = {"ifelse": _Verifier.ifelse, "loop": _Verifier.loop}
"""Ops whose blocks are run or not, once or many times."""


def _types(types: tuple[TensorType, ...]) -> str:
    return ", ".join(map(str, types)) or "nothing"


def _hashable(attr: Any) -> bool:
    if isinstance(attr, np.ndarray):
        return True
    try:
        hash(attr)
    except TypeError:
        return False
    return True


@cache
def _takes_any(record: OpDef) -> bool:
    """Whether the reference of a record passes its attributes on."""
    found = inspect.signature(record.evaluate) if record.kind == "library" else None
    return found is not None and any(p.kind == p.VAR_KEYWORD for p in found.parameters.values())


@cache
def _signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool] | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    named = tuple(p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return named, any(p.kind == p.VAR_POSITIONAL for p in parameters)


def _operands(record: OpDef) -> tuple[tuple[str, ...], bool]:
    """The names of the inputs, then of the attributes, and whether any number of inputs goes."""
    if isinstance(record.evaluate, np.ufunc):
        return tuple(f"x{k}" for k in range(record.evaluate.nin)), False
    if record.elementwise and record.body is not None:
        found = _signature(record.body)
        if found is not None:
            return found[0][1:], found[1]
    return _signature(record.evaluate) or ((), True)


def _problems(node: Node, record: OpDef, types: list[TensorType]) -> Iterator[str]:
    """What is wrong beyond types, op by op."""
    if record.elementwise:
        yield from _elementwise_problems(record, types)
        return
    if record.kind == "reduce":
        axes = node.attrs["axes"]
        if any(not 0 <= axis < types[0].ndim for axis in axes) or len(set(axes)) < len(axes):
            yield f"axes {axes} of a tensor of rank {types[0].ndim}"
    check = _CHECKS.get(node.op)
    if check is not None:
        yield from check(node, types)


def _elementwise_problems(record: OpDef, types: list[TensorType]) -> Iterator[str]:
    if record.ufunc is not None:
        wanted = resolve_loop(record.ufunc, tuple(t.dtype for t in types))
        if wanted[: len(types)] != tuple(t.dtype for t in types):
            yield f"inputs must have the loop dtypes {', '.join(map(str, wanted))}"
    if record.name == "select":
        if types[0].dtype != BOOL:
            yield "the condition of select must be bool"
        if types[1].dtype != types[2].dtype:
            yield "the branches of select have two dtypes"


def _const(node: Node, types: list[TensorType]) -> Iterator[str]:
    if not isinstance(node.attrs["value"], (np.generic, np.ndarray)):
        yield "the value must be a NumPy scalar or array"


def _reshape(node: Node, types: list[TensorType]) -> Iterator[str]:
    old, new = types[0].size, dims.product(tuple(node.attrs["shape"]))
    if isinstance(old, int) and isinstance(new, int) and old != new:
        yield f"{old} elements into {new}"


def _broadcast_to(node: Node, types: list[TensorType]) -> Iterator[str]:
    shape = tuple(node.attrs["shape"])
    try:
        fits = broadcast_shapes(types[0].shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        yield f"{types[0]} does not broadcast to {shape}"


def _transpose(node: Node, types: list[TensorType]) -> Iterator[str]:
    if sorted(node.attrs["perm"]) != list(range(types[0].ndim)):
        yield f"perm {node.attrs['perm']} is no permutation of {types[0].ndim} axes"


def _slice(node: Node, types: list[TensorType]) -> Iterator[str]:
    starts, sizes, steps = (node.attrs[k] for k in ("starts", "sizes", "steps"))
    if not len(starts) == len(sizes) == len(steps) == types[0].ndim:
        yield f"starts, sizes and steps must have {types[0].ndim} entries"
        return
    for dim, start, size, step in zip(types[0].shape, starts, sizes, steps, strict=True):
        if not isinstance(step, int) or step == 0:
            yield f"step {step} must be a non-zero int"
        elif all(isinstance(x, int) for x in (dim, start, size)) and size > 0:
            last = start + (size - 1) * step
            if not (0 <= start < dim and 0 <= last < dim):
                yield f"elements {start} to {last} of an axis of size {dim}"


def _update(node: Node, types: list[TensorType]) -> Iterator[str]:
    yield from _slice(node, types)
    if types[0].dtype != types[1].dtype:
        yield f"{types[1]} is written into {types[0]}: two dtypes"
    sizes = tuple(node.attrs["sizes"])
    try:
        fits = broadcast_shapes(types[1].shape, sizes) == sizes
    except ValueError:
        fits = False
    if not fits:
        yield f"{types[1]} does not broadcast to the region {sizes}"


def _concatenate(node: Node, types: list[TensorType]) -> Iterator[str]:
    axis = node.attrs["axis"]
    if not all(0 <= axis < t.ndim for t in types):
        yield f"axis {axis} of tensors of rank {', '.join(str(t.ndim) for t in types)}"
        return
    rest = {(t.dtype, t.shape[:axis], t.shape[axis + 1 :]) for t in types}
    if len(rest) > 1:
        yield f"{_types(tuple(types))} differ in more than axis {axis}"


def _take(node: Node, types: list[TensorType]) -> Iterator[str]:
    if types[1].dtype != INTP:
        yield "the index must be int64"
    if not 0 <= node.attrs["axis"] < types[0].ndim:
        yield f"axis {node.attrs['axis']} of a tensor of rank {types[0].ndim}"


def _gather(node: Node, types: list[TensorType]) -> Iterator[str]:
    yield from _indexed(node, types[0], types[1:])


def _scatter(node: Node, types: list[TensorType]) -> Iterator[str]:
    region = types[0].with_shape(tuple(node.attrs["sizes"]))
    yield from _slice(node, types)
    yield from _indexed(node, region, types[2:])
    mode = node.attrs["mode"]
    if mode == "set":
        if types[0].dtype != types[1].dtype:
            yield f"{types[1]} is written into {types[0]}: two dtypes"
    elif mode not in OPS or OPS[mode].ufunc is None or not OPS[mode].elementwise:
        yield f"mode {mode!r} is no ufunc"
    try:
        wanted = gathered_shape(region.shape, [t.shape for t in types[2:]], node.attrs["axes"])
        fits = broadcast_shapes(types[1].shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        yield f"{types[1]} does not broadcast to what is indexed"


def _indexed(node: Node, base: TensorType, indices: list[TensorType]) -> Iterator[str]:
    axes = node.attrs["axes"]
    if not indices or len(axes) != len(indices) or len(set(axes)) != len(axes):
        yield f"{len(indices)} indices for axes {axes}"
    if not all(0 <= axis < base.ndim for axis in axes):
        yield f"axes {axes} of a tensor of rank {base.ndim}"
    if any(t.dtype != INTP for t in indices):
        yield "indices must be int64"


def _cumulative(node: Node, types: list[TensorType]) -> Iterator[str]:
    if not 0 <= node.attrs["axis"] < types[0].ndim:
        yield f"axis {node.attrs['axis']} of a tensor of rank {types[0].ndim}"


def _iota(node: Node, types: list[TensorType]) -> Iterator[str]:
    if not 0 <= node.attrs["axis"] < len(node.attrs["shape"]):
        yield f"axis {node.attrs['axis']} of a tensor of rank {len(node.attrs['shape'])}"


def _matmul(node: Node, types: list[TensorType]) -> Iterator[str]:
    a, b = types
    if a.dtype != b.dtype:
        yield f"{a} @ {b}: two dtypes"
    if min(a.ndim, b.ndim) < 2:
        yield f"{a} @ {b}: rank 2 or more is needed"
    elif a.shape[-1] != b.shape[-2]:
        yield f"{a} @ {b}: {a.shape[-1]} against {b.shape[-2]}"


_CHECKS: dict[str, Callable[[Node, list[TensorType]], Iterator[str]]] = {
    "const": _const, "reshape": _reshape, "broadcast_to": _broadcast_to, "transpose": _transpose,
    "slice": _slice, "update": _update, "concatenate": _concatenate, "take": _take,
    "gather": _gather, "scatter": _scatter,
    "iota": _iota, "matmul": _matmul, "cumsum": _cumulative, "cumprod": _cumulative,
    "cummin": _cumulative, "cummax": _cumulative,
}  # fmt: skip
