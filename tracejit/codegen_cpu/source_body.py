"""The instructions of a loop nest as Numba source, one element after the other.

`SourceBody` is code under construction: a block that takes expressions and statements, the names
of the function around it, its sizes. Memory is read through typed pointers with indices in
elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.codegen_cpu.source_scalars import SourceModule, SourceScalars, assign_all, wish
from tracejit.codegen_cpu.source_text import (
    ADD,
    ATOM,
    MUL,
    Block,
    Expression,
    Names,
    Statement,
    leaf,
)
from tracejit.ir import dims
from tracejit.ir.dims import Atom, Dim
from tracejit.ir.loops import (
    Address,
    Carry,
    Check,
    Compute,
    Constant,
    Index,
    Instr,
    Load,
    Put,
    Section,
    SizeOf,
    Store,
    Take,
)
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import identity
from tracejit.ir.program import STATUS_BITS
from tracejit.ir.scalar import REAL_OF, Scalar
from tracejit.ir.types import BOOL, F2, F4, INTP

Vars = dict[int, Scalar]


class Sizes:
    """Dims as text over local variables, named after their symbols.

    A stride symbol becomes a variable that counts elements of `item` bytes.
    """

    def __init__(
        self, names: Names, symbols: Mapping[str, int], stride_slots: Mapping[int, int]
    ) -> None:
        self.names, self.symbols, self.stride_slots = names, symbols, stride_slots
        self.reads: list[tuple[int, str]] = []
        self.known: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        """What reads the symbols from the frame."""
        return [line for _, line in sorted(self.reads)]

    def __call__(self, dim: Dim, need: int = 0) -> str:
        """The text of a dim, in parentheses where it binds less tightly than `need`."""
        if isinstance(dim, int):
            return str(dim) if dim >= 0 or need <= ADD else f"({dim})"
        text, level = "", MUL
        if len(dim.terms) == 1 and need <= MUL:
            ((monomial, coefficient),) = dim.terms
            if len(monomial) == 1 and coefficient == 1:
                text = self._atom(monomial[0])
                return text[1:-1] if text.startswith("(") else text
        for monomial, coefficient in dim.terms:
            factors = [self._atom(atom) for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            part = " * ".join(factors)
            if not text:
                text = part if coefficient > 0 else f"-{part}"
                level = ATOM if len(factors) == 1 and coefficient > 0 else MUL
            else:
                text += f" + {part}" if coefficient > 0 else f" - {part}"
                level = ADD
        return text if level >= need else f"({text})"

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, dims.Sym):
            return self._symbol(atom.name)
        if atom.op in ("max", "min"):
            return f"{atom.op}({self(atom.left)}, {self(atom.right)})"
        sign = "//" if atom.op == "floordiv" else "%"
        return f"({self(atom.left, MUL)} {sign} {self(atom.right, ATOM)})"

    def _symbol(self, symbol: str) -> str:
        if symbol not in self.known:
            name = self.known[symbol] = self.names.new(symbol)
            slot = self.symbols[symbol]
            self.reads.append((slot, f"{name} = frame[{slot}]"))
        return self.known[symbol]

    def elements(self, nbytes: Dim, item: int) -> Dim:
        """A distance in bytes as one in elements; strides of arrays are whole elements."""
        env: dict[str, Dim] = {}
        for name in dims.free_symbols(nbytes):
            slot = self.symbols.get(name)
            if slot is not None and slot in self.stride_slots:
                step = f"step{slot}_{item}"
                if step not in self.known:
                    local = self.known[step] = self.names.new(f"step{slot}")
                    self.reads.append((slot, f"{local} = frame[{slot}] // {item}"))
                env[name] = dims.sym(step) * item
        whole = dims.substitute(nbytes, env)
        if dims.mod(whole, item) != 0:
            raise NotImplementedError(f"an address of {nbytes} bytes in elements of {item}")
        return dims.floordiv(whole, item)


def memory_dtype(dtype: np.dtype) -> np.dtype:
    """What a pointer to `dtype` points to: bytes for bool, bits for float16, parts for complex."""
    if dtype == BOOL:
        return np.dtype("u1")
    return np.dtype("u2") if dtype == F2 else REAL_OF.get(dtype, dtype)


class SourceBody:
    """Writes instructions at the end of `block`; `pointers` are the names of the operands."""

    module: SourceModule
    names: Names
    block: Block
    o: SourceScalars
    sizes: Sizes
    axis: dict[Any, str]
    pointers: list[str]
    place: int = 0
    """Which of `Program.failing` it is."""

    def _enter(self, block: Block) -> None:
        self.block = self.o.block = block

    def on_bad_index(self) -> list[str]:
        """What is done about an index out of bounds."""
        return [f"frame[0] = {status_text('INDEX_ERROR', self.place)}"]

    def _straight(self, body: Sequence[Instr], variables: Vars) -> None:
        for instr in body:
            self._instruction(instr, variables)

    def once(self, section: Section, variables: Vars) -> None:
        """A section without axes."""
        self._straight(section.body, variables)
        for carry in section.carries:
            reduction = ReductionSource(self, carry)
            reduction.take(variables)
            variables.update(reduction.result())

    def _instruction(self, instr: Instr, variables: Vars) -> None:
        o = self.o
        if isinstance(instr, Store):
            self._store(self._place(instr.address, instr.dtype), variables[instr.value])
            return
        if isinstance(instr, Check):
            self._check(variables[instr.index], instr.size)
            return
        if isinstance(instr, Put):
            self._put(instr, variables)
            return
        if isinstance(instr, Compute):
            body = OPS[instr.op].body
            assert body is not None
            result = body(o, *(variables[a] for a in instr.args), **instr.attrs)
            value = o.cast(result, instr.dtype)
            wish(value, f"v{instr.var}")
        elif isinstance(instr, Load):
            value = self._load(instr.address, instr.dtype)
        elif isinstance(instr, Constant):
            value = o.const(instr.value, instr.dtype)
        elif isinstance(instr, SizeOf):
            value = self._number(instr.dim)
        elif isinstance(instr, Index):
            value = self._index(instr)
        else:
            value = self._take(instr, variables)
        variables[instr.var] = value

    def _number(self, dim: Dim) -> Scalar:
        if isinstance(dim, int):
            return self.o.const(dim, INTP)
        return Scalar(self.o, INTP, leaf(self.sizes(dim), ADD))

    def _index(self, instr: Index) -> Scalar:
        axis = Scalar(self.o, INTP, leaf(self.axis[instr.axis]))
        value = axis if instr.step == 1 else axis * instr.step
        if instr.start != 0:
            value = value + self._number(instr.start)
        return self.o.cast(value, instr.dtype)

    def _place(self, address: Address, dtype: np.dtype, more: Sequence[str] = ()) -> list[str]:
        """`x[i0 * n + i1]`: the element at an address, its two parts where it is complex."""
        item = memory_dtype(dtype).itemsize
        text = " + ".join(more)
        for axis, stride in address.strides:
            by = self.sizes.elements(stride, item)
            sign = "+"
            if text and isinstance(by, int) and by < 0:
                sign, by = "-", -by
            if by != 0:
                times = "" if by == 1 else f" * {self.sizes(by, MUL + 1)}"
                text += f" {sign} {self.axis[axis]}{times}" if text else f"{self.axis[axis]}{times}"
        offset = self.sizes.elements(address.offset, item)
        if not text:
            text = self.sizes(offset)
        elif offset != 0:
            text += f" + {self.sizes(offset)}".replace("+ -", "- ")
        base = self.pointers[address.base]
        if dtype in REAL_OF:
            return [f"{base}[{text}]", f"{base}[{text} + 1]".replace("[0 + 1]", "[1]")]
        return [f"{base}[{text}]"]

    def _load(self, address: Address, dtype: np.dtype) -> Scalar:
        return self._load_at(self._place(address, dtype), address, dtype)

    def _load_at(self, places: Sequence[str], address: Address, dtype: np.dtype) -> Scalar:
        name = self.names.numbered(self.pointers[address.base])
        if dtype in REAL_OF:
            real = REAL_OF[dtype]
            names = [self.names.new(name + suffix) for suffix in ("_re", "_im")]
            parts = [
                Expression(self.block, place, name=part)
                for place, part in zip(places, names, strict=True)
            ]
            return self.o.complex(*(Scalar(self.o, real, part) for part in parts))
        text = self._from_memory(places[0], dtype)
        return Scalar(self.o, dtype, Expression(self.block, text, name=name))

    def _from_memory(self, text: str, dtype: np.dtype) -> str:
        """What memory holds, as a real value."""
        if dtype == BOOL:
            return f"{text} != 0"
        return f"{self.module.backend('half')}({text})" if dtype == F2 else text

    def _store(self, places: Sequence[str], value: Scalar) -> None:
        values = value.v if isinstance(value.v, tuple) else (value,)
        for place, part in zip(places, values, strict=True):
            text = "{0}"
            if value.dtype == BOOL:
                text = f"{self.module.dtype(np.dtype('u1'))}({{0}})"
            elif value.dtype == F2:
                text = f"{self.module.backend('half_bits')}({{0}})"
            Statement(self.block, f"{place} = {text}", (part.v,))

    def _wrap(self, indices: Sequence[Scalar], sizes: Sequence[Dim]) -> list[str]:
        """Variables that count the indices from the start."""
        names = []
        for index, size in zip(indices, sizes, strict=True):
            at = self.names.numbered("at")
            names.append(at)
            lines = [f"{at} = {{0}}", f"if {at} < 0:", f"    {at} += {self.sizes(size, MUL)}"]
            Statement(self.block, "\n".join(lines), (index.v,))
        return names

    def _check(self, index: Scalar, size: Dim) -> None:
        text = self.sizes(size, MUL)
        lines = [f"if {{0}} < -{self.sizes(size, ATOM)} or {{0}} >= {text}:"]
        Statement(
            self.block,
            "\n".join([*lines, *(f"    {line}" for line in self.on_bad_index())]),
            (index.v,),
            (ATOM,),
        )

    def _chosen(self, instr: Take | Put, names: Sequence[str]) -> list[str]:
        """The element at an address moved by indices."""
        item, more = memory_dtype(instr.dtype).itemsize, []
        for at, stride in zip(names, instr.strides, strict=True):
            by = self.sizes.elements(stride, item)
            if by != 0:
                more.append(at if by == 1 else f"{at} * {self.sizes(by, MUL + 1)}")
        return self._place(instr.address, instr.dtype, more)

    def _put(self, instr: Put, variables: Vars) -> None:
        names = self._wrap([variables[k] for k in instr.indices], instr.sizes)
        places, value = self._chosen(instr, names), variables[instr.value]
        if instr.op is not None:
            body = OPS[instr.op].body
            assert body is not None
            old = self._load_at(places, instr.address, instr.dtype)
            operands = [self.o.cast(x, d) for x, d in zip((old, value), instr.loop, strict=True)]
            value = self.o.cast(body(self.o, *operands), instr.dtype)
        self._store(places, value)

    def _take(self, instr: Take, variables: Vars) -> Scalar:
        """A gather with wrap-around; an index out of bounds sets the status and reads nothing."""
        dtype = instr.dtype
        names = self._wrap([variables[k] for k in instr.indices], instr.sizes)
        name = self.names.numbered(self.pointers[instr.address.base])
        zero = self.variable(name, self.o.const(0, dtype))
        places = [self._from_memory(p, dtype) for p in self._chosen(instr, names)]
        bounds = [
            f"0 <= {at} and {at} < {self.sizes(size, MUL)}"
            for at, size in zip(names, instr.sizes, strict=True)
        ]
        lines = [f"if {' and '.join(bounds)}:"]
        lines += [f"    {n} = {p}" for n, p in zip(_texts(zero), places, strict=True)]
        lines += ["else:", *(f"    {line}" for line in self.on_bad_index())]
        Statement(self.block, "\n".join(lines), ())
        return zero

    def variable(self, name: str, start: Scalar) -> Scalar:
        """A variable, one for each part of a complex number, that starts with a value."""
        if isinstance(start.v, tuple):
            parts = [
                self.variable(self.names.new(f"{name}_{suffix}"), part)
                for part, suffix in zip(start.v, ("re", "im"), strict=True)
            ]
            return self.o.complex(*parts)
        Statement(self.block, f"{name} = {{0}}", (start.v,))
        return Scalar(self.o, start.dtype, leaf(name))


class ReductionSource:
    """A `Carry` as running variables, started in front of the loops."""

    def __init__(self, nest: SourceBody, carry: Carry) -> None:
        self.nest, self.carry, self.o = nest, carry, nest.o
        self.positional = carry.index is not None
        # float16 sums are accumulated in float32, as NumPy's are.
        self.dtype = F4 if carry.dtype == F2 and not self.positional else carry.dtype
        start = self.o.const(identity(carry.op, self.dtype), self.dtype)
        name = nest.names.numbered("best" if self.positional else carry.op)
        self.running = nest.variable(name, start)
        if self.positional:
            at = nest.names.numbered("at")
            self.at = nest.variable(at, self.o.const(0, INTP))

    def take(self, variables: Vars) -> None:
        """Take in the element of this iteration."""
        value = variables[self.carry.value]
        body: Callable[..., Scalar] | None = OPS[self.carry.op].body
        assert body is not None
        if not self.positional:
            self._assign(body(self.o, self.running, self.o.cast(value, self.dtype)))
            return
        assert self.carry.index is not None
        wins = body(self.o, value, self.running)
        index = variables[self.carry.index]
        targets = [*_texts(self.running), *_texts(self.at)]
        values = [*_parts(value), *_parts(index)]
        lines = ["if {0}:", *(f"    {t} = {{{k}}}" for k, t in enumerate(targets, 1))]
        Statement(self.nest.block, "\n".join(lines), (wins.v, *values))

    def _assign(self, value: Scalar) -> None:
        assign_all(self.nest.block, _texts(self.running), _parts(value))

    def result(self) -> list[tuple[int, Scalar]]:
        """The vars that the finished reduction defines."""
        if self.positional:
            assert self.carry.best is not None
            return [(self.carry.best, self.running), (self.carry.var, self.at)]
        return [(self.carry.var, self.o.cast(self.running, self.carry.dtype))]


def _parts(value: Scalar) -> list[Expression]:
    return [part.v for part in value.v] if isinstance(value.v, tuple) else [value.v]


def _texts(value: Scalar) -> list[str]:
    return [part.text for part in _parts(value)]


def status_text(code: str, place: int) -> str:
    """The status that says `code`, found by number `place` of `Program.failing`."""
    return f"{code} | {place << STATUS_BITS}" if place else code
