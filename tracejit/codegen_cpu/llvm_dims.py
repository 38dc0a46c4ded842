"""Sizes as LLVM int64 values, read from the frame and computed once per function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import llvmlite.ir as ll

from tracejit.codegen_cpu.llvm_scalars import I64, PTR
from tracejit.ir.dims import Atom, Dim, Expr, Opaque, Sym, free_symbols


def number(value: int) -> ll.Constant:
    return ll.Constant(I64, value)


class DimEmitter:
    """Evaluates dims at the end of one block, whatever is built elsewhere in the function.

    What has been evaluated, and the `pointers` that were read from frame words, are kept.
    """

    def __init__(self, builder: ll.IRBuilder, frame: ll.Value, symbols: Mapping[str, int]) -> None:
        self.b, self.frame, self.symbols = builder, frame, symbols
        self.known: dict[Dim | Atom, ll.Value] = {}
        self.pointers: dict[int, ll.Value] = {}

    def pointer(self, slot: int) -> ll.Value:
        """The pointer in frame word `slot`."""
        found = self.pointers.get(slot)
        if found is None:
            found = self.pointers[slot] = self.word(slot, PTR)
        return found

    def bind(self, symbol: str, value: ll.Value) -> None:
        """From here on `symbol` is `value`, whatever the frame says."""
        self.known = {dim: v for dim, v in self.known.items() if symbol not in _symbols(dim)}
        self.known[Sym(symbol)] = value

    def word(self, slot: int, type: ll.Type = I64) -> ll.Value:
        """The frame word `slot`, loaded now."""
        return self.b.load(self.word_address(slot), typ=type)

    def word_address(self, slot: int) -> ll.Value:
        return self.b.gep(self.frame, [number(slot)], source_etype=I64)

    def __call__(self, dim: Dim) -> ll.Value:
        if isinstance(dim, int):
            return number(dim)
        found = self.known.get(dim)
        if found is None:
            found = self.known[dim] = self._sum(dim)
        return found

    @contextmanager
    def inside(self) -> Iterator[None]:
        """For code that may not run, a loop or a branch: what is computed there is forgotten."""
        known, pointers = dict(self.known), dict(self.pointers)
        yield
        self.known, self.pointers = known, pointers

    def _sum(self, dim: Expr) -> ll.Value:
        total: ll.Value | None = None
        for monomial, coefficient in dim.terms:
            term: ll.Value | None = None
            for atom in monomial:
                value = self._atom(atom)
                term = value if term is None else self.b.mul(term, value)
            if term is None:
                term = number(coefficient)
            elif coefficient != 1:
                term = self.b.mul(term, number(coefficient))
            total = term if total is None else self.b.add(total, term)
        assert total is not None
        return total

    def _atom(self, atom: Atom) -> ll.Value:
        found = self.known.get(atom)
        if found is None:
            found = self.known[atom] = self._new_atom(atom)
        return found

    def _new_atom(self, atom: Atom) -> ll.Value:
        if isinstance(atom, Sym):
            return self.word(self.symbols[atom.name])
        a, b = self(atom.left), self(atom.right)
        if atom.op in ("max", "min"):
            first = self.b.icmp_signed(">" if atom.op == "max" else "<", a, b)
            return self.b.select(first, a, b)
        # Rounds towards minus infinity; a division by zero gives 0, as `dims.evaluate` has it.
        zero = number(0)
        by_zero = self.b.icmp_signed("==", b, zero)
        safe = self.b.select(by_zero, number(1), b)
        quotient, remainder = self.b.sdiv(a, safe), self.b.srem(a, safe)
        off = self.b.and_(
            self.b.icmp_signed("!=", remainder, zero),
            self.b.icmp_signed("<", self.b.xor(remainder, safe), zero),
        )
        if atom.op == "floordiv":
            value = self.b.sub(quotient, self.b.zext(off, I64))
        else:
            value = self.b.add(remainder, self.b.select(off, safe, zero))
        return self.b.select(by_zero, zero, value)


def _symbols(item: Dim | Atom) -> frozenset[str]:
    if isinstance(item, Sym):
        return frozenset({item.name})
    if isinstance(item, Opaque):
        return free_symbols(item.left) | free_symbols(item.right)
    return free_symbols(item)
