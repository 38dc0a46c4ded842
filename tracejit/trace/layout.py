"""Where the elements of an array lie: byte strides, as dims, and what NumPy decides by them.

A trace has no memory; strides are followed because NumPy's `reshape` gives a view or a copy by
them, which a later write makes visible. Arguments of unknown layout have symbols for strides.
Whatever does not follow from the sizes alone is decided by the values of this call and recorded as
a guard, or, where no guard is wanted yet, raises `Undecided`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Guard
from tracejit.trace.context import Trace, user_loc

Strides = tuple[Dim, ...]
Perm = tuple[int, ...]
"""Axes in the order of memory, the outermost first."""


def has_strides(dim: Dim) -> bool:
    """Whether a stride symbol, which may be negative, goes into `dim`."""
    return any(name.startswith(dims.STRIDE) for name in dims.free_symbols(dim))


def contiguous(shape: Shape, itemsize: int, perm: Perm | None = None) -> Strides:
    """The strides of a fresh array whose axes lie in the order `perm`, C order by default."""
    strides: list[Dim] = [0] * len(shape)
    total: Dim = itemsize
    for axis in reversed(perm if perm is not None else range(len(shape))):
        strides[axis] = total
        total = total * shape[axis]
    return tuple(strides)


REASON = "memory layout"


class Undecided(Exception):
    """A decision depends on values of this call, and no guard is wanted yet."""


class Decisions:
    """Questions about strides and sizes; with `guards` every one has an answer."""

    def __init__(self, trace: Trace, guards: bool) -> None:
        self.trace = trace
        self.guards = guards

    def relation(self, left: Dim, relation: str, right: Dim) -> bool:
        """Whether `left relation right`."""
        trace = self.trace
        left, right = trace.canonical(left), trace.canonical(right)
        difference = left - right
        if isinstance(difference, int):
            return _RELATIONS[relation](difference)
        if not has_strides(difference):
            if not self.guards:
                known = trace.provable(left, relation, right)
                if known is None:
                    raise Undecided
                return known
            known = self._recorded(left, relation, right)
            return trace.decide(left, relation, right, REASON) if known is None else known
        if not self.guards:
            raise Undecided
        known = self._recorded(left, relation, right)
        if known is not None:
            return known
        value = trace.hint(difference)
        assert value is not None
        holds = _RELATIONS[relation](value)
        sign = relation if holds else _NEGATED[relation]
        trace.root.guards.append(Guard(left, sign, right, user_loc(), REASON))
        return holds

    def _recorded(self, left: Dim, relation: str, right: Dim) -> bool | None:
        """What a guard that is there says."""
        for guard in self.trace.root.guards:
            if (
                isinstance(guard, Guard)
                and (guard.left, guard.right) == (left, right)
                and guard.relation in (relation, _NEGATED[relation])
            ):
                return guard.relation == relation
        return None

    def equal(self, a: Dim, b: Dim) -> bool:
        return self.relation(a, "==", b)

    def is_one(self, dim: Dim) -> bool:
        """Whether an axis has one element. Without guards a size counts as larger."""
        dim = self.trace.canonical(dim)
        if isinstance(dim, int):
            return dim == 1
        return self.equal(dim, 1) if self.guards else False

    def is_empty(self, shape: Shape) -> bool:
        """Whether there are no elements: then nothing that is decided can be seen.

        Without guards a size counts as positive.
        """
        for dim in map(self.trace.canonical, shape):
            if isinstance(dim, int):
                if dim == 0:
                    return True
            elif self.guards and self.trace.hint(dim) == 0:
                return self.equal(dim, 0)
        return False

    def is_zero(self, stride: Dim) -> bool:
        """Whether a stride is 0: that of an axis along which elements repeat."""
        if isinstance(stride, int) or not has_strides(stride):
            return stride == 0
        return self.equal(stride, 0)

    def outer(self, a: Dim, b: Dim) -> bool:
        """Whether the stride `a` is at least as large as `b`, without signs.

        Strides `8*m` and 24 are those of an outer and an inner axis of a contiguous array, or of a
        slice of it: where 8*m is less, the inner axis has one element, and its stride is not used.
        """
        a, b = self.trace.canonical(a), self.trace.canonical(b)
        if isinstance(a, int) and isinstance(b, int):
            return abs(a) >= abs(b)
        if isinstance(b, int) and b == 0:
            return True
        if isinstance(a, int) and a == 0:
            return self.is_zero(b)
        quotient = _quotient(a, b)
        if isinstance(quotient, int) or (quotient is not None and not has_strides(quotient)):
            return True
        inverse = _quotient(b, a)
        if isinstance(inverse, int) or (inverse is not None and not has_strides(inverse)):
            return False
        return self.relation(self.magnitude(a), ">=", self.magnitude(b))

    def magnitude(self, stride: Dim) -> Dim:
        return stride if self.relation(stride, ">=", 0) else -stride


_RELATIONS = {
    "==": lambda d: d == 0,
    "!=": lambda d: d != 0,
    "<": lambda d: d < 0,
    "<=": lambda d: d <= 0,
    ">": lambda d: d > 0,
    ">=": lambda d: d >= 0,
}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _quotient(a: Dim, b: Dim) -> Dim | None:
    """`a / b` where it is a polynomial."""
    quotient = dims.floordiv(a, b) if b != 0 else 0
    return quotient if quotient * b == a else None


class Order:
    """The order of the axes of a fresh array in memory, found when it is first needed."""

    def __init__(self, find: Callable[[Decisions], Perm]) -> None:
        self._find = find
        self._found: Perm | None = None

    def find(self, decisions: Decisions) -> Perm:
        if self._found is None:
            self._found = self._find(decisions)
        return self._found


def iteration_order(
    shape: Shape,
    operands: Sequence[tuple[Shape, Strides]],
    decisions: Decisions,
    repeated: bool = False,
) -> Perm:
    """How NumPy lays out the result of an elementwise function (K order, `NpyIter`).

    An insertion sort of the axes, innermost first; axes of one element have no say, nor, unless
    `repeated`, those along which elements repeat. Where operands differ C order wins.
    """
    rank = len(shape)
    hint = decisions.trace.hint
    ones = [decisions.is_one(d) for d in shape]
    table: list[list[Dim | None]] = []
    for own, strides in operands:
        row: list[Dim | None] = [None] * rank
        for k, (d, s) in enumerate(zip(own, strides, strict=True), rank - len(own)):
            broadcast = hint(d) == 1 != hint(shape[k])  # There is a guard for that.
            if ones[k] or broadcast or decisions.is_one(d):
                continue
            if repeated or not decisions.is_zero(s):
                row[k] = s
        table.append(row)
    perm: list[int] = []
    for axis in reversed(range(rank)):
        position = len(perm)
        for k in reversed(range(len(perm))):
            found = [
                decisions.outer(this, inner)
                for this, inner in ((row[axis], row[perm[k]]) for row in table)
                if this is not None and inner is not None
            ]
            if found and not any(found):
                position = k
            elif found:
                break
        perm.insert(position, axis)
    return tuple(reversed(perm))


def sorted_order(shape: Shape, strides: Strides, decisions: Decisions) -> Perm:
    """How NumPy lays out a copy of one array (K order, by sorted strides): C or F order if it is
    contiguous, else axes by strides, those that repeat innermost."""
    ones = [decisions.is_one(d) for d in shape]
    perm: list[int] = []
    for axis in range(len(shape)):
        if ones[axis]:
            continue
        position = len(perm)
        while position > 0 and not decisions.is_zero(strides[axis]):
            before = strides[perm[position - 1]]
            if not decisions.is_zero(before) and decisions.outer(before, strides[axis]):
                break
            position -= 1
        perm.insert(position, axis)
    return (*(k for k, one in enumerate(ones) if one), *perm)


def is_contiguous(shape: Shape, strides: Strides, itemsize: int, decisions: Decisions) -> bool:
    """Whether the elements lie in C order without gaps."""
    if decisions.is_empty(shape):
        return True
    expected: Dim = itemsize
    for d, s in zip(reversed(shape), reversed(strides), strict=True):
        if s != expected and not decisions.is_one(d):
            # Without guards an axis counts as longer than one element: only a yes is certain then.
            if not decisions.guards and not isinstance(d, int):
                raise Undecided
            if not decisions.equal(s, expected):
                return False
        expected = expected * d
    return True


def reshaped(shape: Shape, strides: Strides, new: Shape, decisions: Decisions) -> Strides | None:
    """The strides of the view that has the shape `new`, None if there is none (NumPy's algorithm).

    Groups of old axes stand against groups of new ones of the same size; the axes of an old group
    must lie behind each other.
    """
    trace = decisions.trace
    axes = [(d, s) for d, s in zip(trace.shape(shape), strides, strict=True) if d != 1]
    new = trace.shape(new)
    kept = [k for k, d in enumerate(new) if d != 1]
    if [d for d, _ in axes] == [new[k] for k in kept]:
        result: list[Dim] = [1] * len(new)
        for k, (_, s) in zip(kept, axes, strict=True):
            result[k] = s
        return tuple(result)
    if decisions.is_empty(shape):
        return contiguous(new, 1)
    if decisions.guards and not _in_a_row(axes, decisions.trace):
        axes = [(d, s) for d, s in axes if not decisions.is_one(d)]
    if len(kept) == 1 and axes:
        found = _one_group(axes, decisions)
        return None if found is None else tuple(found if k in kept else 1 for k in range(len(new)))
    result = [1] * len(new)
    first_old = first_new = 0
    while first_old < len(axes) and first_new < len(new):
        last_old, last_new = first_old + 1, first_new + 1
        have, want = axes[first_old][0], new[first_new]
        while not _same_size(have, want, decisions):
            if _less(want, have, decisions) and last_new < len(new):
                want = want * new[last_new]
                last_new += 1
            elif last_old < len(axes):
                have = have * axes[last_old][0]
                last_old += 1
            elif decisions.guards:
                return None
            else:
                raise Undecided
        total = _one_group(axes[first_old:last_old], decisions)
        if total is None:
            return None
        for k in range(last_new - 1, first_new - 1, -1):
            result[k] = total
            total = total * new[k]
        first_old, first_new = last_old, last_new
    return tuple(result)


def _one_group(group: Sequence[tuple[Dim, Dim]], decisions: Decisions) -> Dim | None:
    """The stride of the one axis that axes make together, None if they do not."""
    for (a, outer), (b, inner) in pairwise(group):
        if outer == inner * b:
            continue
        if not decisions.guards and not (isinstance(a, int) and isinstance(b, int)):
            raise Undecided
        if not decisions.equal(outer, inner * b):
            return None
    return group[-1][1]


def _in_a_row(axes: Sequence[tuple[Dim, Dim]], trace: Trace) -> bool:
    return all(outer == inner * b for (_, outer), (b, inner) in pairwise(axes))


def _same_size(have: Dim, want: Dim, decisions: Decisions) -> bool:
    if have == want:
        return True
    if decisions.guards:
        return decisions.equal(have, want)
    return False


def _less(a: Dim, b: Dim, decisions: Decisions) -> bool:
    """Which group to extend. Groups that prove equal in the end do not depend on it."""
    if decisions.guards:
        return decisions.relation(a, "<", b)
    x, y = decisions.trace.hint(a), decisions.trace.hint(b)
    return x < y if x is not None and y is not None else False


def sliced(strides: Strides, steps: Sequence[int]) -> Strides:
    return tuple(s * k for s, k in zip(strides, steps, strict=True))
