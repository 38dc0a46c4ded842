"""Loops whose turns may run in any order, on several threads.

    for i in range(n):          # writes bytes 8*m*i up to 8*m*i + 8*m of `out` in turn i
        for j in range(m):
            out[i, j] = ...

What is looked at are the steps of a turn, with the addresses of all that they read and write.
Memory that is given out within the turn is the turn's own (each thread gets such memory). Of any
other memory that is written, all that a turn touches must lie within a stretch of its own, which is
no longer than it lies behind that of the turn before. Where that cannot be shown, or where a step
may fail or calls a library, turns follow each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Expr, Sym
from tracejit.ir.graph import Guard
from tracejit.ir.loops import Address, Load, Nest, Put, Store, Take
from tracejit.ir.program import Branch, Buffer, Loop, MemRef, Step
from tracejit.passes.arena import SMALL
from tracejit.passes.bounds import Limits, largest, reached

UNKNOWN_TURNS = 64
"""How often a loop that ends by a test is thought to turn."""


class _Unclear(Exception):
    """Nothing can be said about what a step touches."""


@dataclass(frozen=True)
class _Access:
    """Bytes `first` up to `last`, with `distance` times the number of the turn added.

    Without `distance` it may be anywhere.
    """

    slot: int
    written: bool
    distance: Dim | None
    first: Dim = 0
    last: Dim = 0


def with_independent_turns(
    loop: Loop, own: Collection[int], buffers: Mapping[int, Buffer], guards: Sequence[Guard]
) -> Loop:
    """`loop`, marked where its turns are independent; then no loop inside of it is.

    `own` are the slots of memory that was given out while its steps were made; `guards` hold.
    """
    if loop.test is not None or loop.count is None:
        return loop
    try:
        steps = _Steps(loop.symbol)
        found = list(steps.accesses(loop.steps, {loop.symbol: loop.count - 1}))
        work = steps.work(loop.steps, {loop.symbol: loop.count - 1})
    except _Unclear:
        return loop
    found = [a for a in found if a.slot >= 0]  # The others are rows of a nest's own.
    used = {a.slot for a in found}
    private = tuple(sorted(used.intersection(own)))
    if not _have_places_of_their_own(private, used, buffers):
        return loop
    facts = _facts(guards)
    shared = used.difference(private)
    written = {a.slot for a in found if a.written}
    if any(_is_small(buffers[s]) for s in shared & written & buffers.keys()):
        # It lies in the frame, of which each thread has a copy.
        return loop
    if not all(_lie_apart([a for a in found if a.slot == s], facts) for s in shared):
        return loop
    return replace(loop, steps=_serial(loop.steps), independent=True, private=private, work=work)


def _serial(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, with no loop among them that is shared out: what is around it is already."""
    changed: list[Step] = []
    for step in steps:
        if isinstance(step, Loop):
            step = replace(step, steps=_serial(step.steps), independent=False, private=(), work=0)
        elif isinstance(step, Branch):
            step = replace(step, then=_serial(step.then), otherwise=_serial(step.otherwise))
        changed.append(step)
    return tuple(changed)


def _have_places_of_their_own(
    private: Collection[int], used: Collection[int], buffers: Mapping[int, Buffer]
) -> bool:
    """Whether `private` memory is in the arena, in places where nothing else is looked at."""
    if any(s not in buffers or buffers[s].result or buffers[s].called for s in private):
        return False
    places = {buffers[s].place for s in private}
    others = {buffers[s].place for s in used if s in buffers and s not in private}
    return places.isdisjoint(others)


def _is_small(buffer: Buffer) -> bool:
    return isinstance(buffer.nbytes, int) and buffer.nbytes <= SMALL


def _facts(guards: Sequence[Guard]) -> list[Dim]:
    """What is 0 or more where the guards hold."""
    found = []
    for guard in guards:
        difference = guard.right - guard.left
        if guard.relation in ("<", "<=", "=="):
            found.append(difference - (guard.relation == "<"))
        if guard.relation in (">", ">=", "=="):
            found.append(-difference - (guard.relation == ">"))
    return found


def _is_nonnegative(dim: Dim, facts: Sequence[Dim]) -> bool:
    """Whether `dim` is 0 or more, at most because some multiple of one of the facts is."""
    if dims.is_nonnegative(dim):
        return True
    factors = {c for _, c in dim.terms if c > 0} if isinstance(dim, Expr) else set[int]()
    return any(dims.is_nonnegative(dim - fact * c) for fact in facts for c in factors)


def _lie_apart(accesses: Sequence[_Access], facts: Sequence[Dim]) -> bool:
    """Whether no turn writes what another one touches; all of them are of the same memory."""
    written = [a for a in accesses if a.written]
    for one in written:
        for other in accesses:
            if one.distance is None or one.distance != other.distance:
                return False
            lengths = (other.last - one.first, one.last - other.first)
            if not any(
                all(_is_nonnegative(distance - length, facts) for length in lengths)
                for distance in (one.distance, -one.distance)
            ):
                return False
    return True


class _Steps:
    """What the steps of a turn touch. `inner` bounds the symbols of the loop and those inside."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol

    def accesses(self, steps: Sequence[Step], inner: Limits) -> Iterator[_Access]:
        for step in steps:
            if isinstance(step, Nest):
                yield from self._nest(step, inner)
            elif isinstance(step, Loop):
                if step.test is not None:
                    yield self._number(step.test, inner)
                limit = None if step.count is None else step.count - 1
                yield from self.accesses(step.steps, {**inner, step.symbol: limit})
            elif isinstance(step, Branch):
                yield self._number(step.condition, inner)
                yield from self.accesses((*step.then, *step.otherwise), inner)
            else:
                raise _Unclear

    def _number(self, ref: MemRef, inner: Limits) -> _Access:
        return self._at(ref.slot, False, ref.offset, (), ref.dtype.itemsize, inner)

    def _nest(self, nest: Nest, inner: Limits) -> Iterator[_Access]:
        if nest.may_fail or nest.guarded:
            raise _Unclear
        known = set[int]()
        for instr in (i for b in (nest.prologue, *(s.body for s in nest.sections)) for i in b):
            if isinstance(instr, (Load, Store)):
                item, writes = instr.dtype.itemsize, isinstance(instr, Store)
                yield self._access(nest, instr.address, writes, item, inner)
                known.add(instr.address.base)
            elif isinstance(instr, (Take, Put)):
                slot = nest.operands[instr.address.base].slot
                yield _Access(slot, isinstance(instr, Put), None)
        filled = {f.source.base for f in nest.fills}
        for k, operand in enumerate(nest.operands):
            if k not in known or k in filled:
                yield _Access(operand.slot, operand.written, None)

    def _access(
        self, nest: Nest, address: Address, written: bool, nbytes: Dim, inner: Limits
    ) -> _Access:
        slot = nest.operands[address.base].slot
        if slot < 0 or not all(isinstance(axis, int) for axis, _ in address.strides):
            return _Access(slot, written, None)
        axes = [(stride, nest.extents[axis]) for axis, stride in address.strides]
        return self._at(slot, written, address.offset, axes, nbytes, inner)

    def _at(
        self, slot: int, written: bool, offset: Dim, axes: Sequence[tuple[Dim, Dim]],
        nbytes: Dim, inner: Limits,
    ) -> _Access:  # fmt: skip
        try:
            distance, first, last = self._range(offset, axes, inner)
        except _Unclear:
            return _Access(slot, written, None)
        return _Access(slot, written, distance, first, last + nbytes)

    def _range(
        self, offset: Dim, axes: Sequence[tuple[Dim, Dim]], inner: Limits
    ) -> tuple[Dim, Dim, Dim]:
        """By how much an address grows from turn to turn, and its bounds in turn 0."""
        distance: Dim = 0
        first: Dim = 0
        last: Dim = 0
        terms = offset.terms if isinstance(offset, Expr) else (((), offset),)
        for monomial, coefficient in terms:
            rest = list(monomial)
            if Sym(self.symbol) in rest:
                rest.remove(Sym(self.symbol))
                factor = _product(rest, coefficient)
                if not dims.free_symbols(factor).isdisjoint(inner):
                    raise _Unclear
                distance = distance + factor
                continue
            term = _product(rest, 1)
            if dims.free_symbols(term).isdisjoint(inner):
                first, last = first + term * coefficient, last + term * coefficient
                continue
            most = self._most(term, inner)
            if coefficient > 0:
                last = last + most * coefficient
            else:
                first = first + most * coefficient
        for stride, extent in axes:
            if not dims.free_symbols(stride).isdisjoint(inner):
                raise _Unclear
            reach = stride * (self._longest(extent, inner) - 1)
            if dims.is_nonnegative(stride):
                last = last + reach
            elif dims.is_nonnegative(-stride):
                first = first + reach
            else:
                raise _Unclear
        return distance, first, last

    def _most(self, dim: Dim, inner: Limits) -> Dim:
        """What `dim`, which is not negative, never exceeds in any turn."""
        if dims.free_symbols(dim).isdisjoint(inner):
            return dim
        found = reached(dim, inner) if dims.is_nonnegative(dim) else None
        if found is None:
            raise _Unclear
        return found

    def _longest(self, extent: Dim, inner: Limits) -> Dim:
        """The longest that an axis is in any turn where it is not empty."""
        if any(name.startswith(dims.STRIDE) for name in dims.free_symbols(extent)):
            raise _Unclear
        found = reached(extent, inner)
        if found is None:
            raise _Unclear
        return found

    # Work.

    def work(self, steps: Sequence[Step], inner: Limits) -> Dim:
        """About how many additions the steps are worth, in a long turn."""
        total: Dim = 0
        for step in steps:
            if isinstance(step, Nest):
                extents = [self._turns(e, inner) for e in step.extents]
                total = total + dims.product(extents) * int(max(1, step.flops))
            elif isinstance(step, Loop):
                turns: Dim = UNKNOWN_TURNS
                limit = None
                if step.count is not None:
                    limit = step.count - 1
                    if step.test is None:
                        turns = self._turns(step.count, inner)
                total = total + turns * self.work(step.steps, {**inner, step.symbol: limit})
            elif isinstance(step, Branch):
                total = total + self.work((*step.then, *step.otherwise), inner)
        return total

    def _turns(self, dim: Dim, inner: Limits) -> Dim:
        found = largest(dim, inner)
        return UNKNOWN_TURNS if found is None else found


def _product(atoms: Sequence[dims.Atom], coefficient: int) -> Dim:
    total: Dim = coefficient
    for atom in atoms:
        total = total * Expr((((atom,), 1),))
    return total
