"""What is assumed about sizes while a function is traced.

Every size symbol carries a hint, the value it has in the call that is traced. A decision on sizes
(`n == m`, `n > 1`) is taken by the hints and recorded, as a guard or as a substitution of one size
by another, so that the graph is used only where the same decisions come out. About sizes that only
a block of control flow knows nothing can be decided once: there the ranges of loops speak.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.builder import Builder
from tracejit.ir.dims import Dim, Shape
from tracejit.ir.graph import Guard, ScalarGuard, Value
from tracejit.source import Loc
from tracejit.trace.facts import extreme, follows
from tracejit.trace.lines import fail, user_loc
from tracejit.trace.solving import lower_bound, solve

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def as_nonnegative(difference: Dim, relation: str) -> list[Dim]:
    """The dims that must all be >= 0 for `difference relation 0`; [] asks for nothing at all.

    That two dims differ is said by no such list.
    """
    parts: dict[str, list[Dim]] = {
        ">=": [difference], ">": [difference - 1], "<=": [-difference], "<": [-difference - 1],
        "==": [difference, -difference], "!=": [-1],
    }  # fmt: skip
    return parts[relation]


class Assumptions:
    """The sizes of one trace.

    `hints` has the value of each size symbol in this call (None where a `TensorSpec` names it, and
    for those in `run_time`, which nodes define, numbered in this order). `renamed` are symbols that
    were found to be other dims, `decided` those of them that need a guard which says so. `local`
    symbols are known inside blocks only; `most` bounds symbols from above, `nonnegative` dims are
    not negative wherever the code being traced runs, `assumed` ones anywhere. `scalar_sizes` are
    the symbols that are Python int arguments.
    """

    def __init__(self) -> None:
        self.root = self.builder = Builder()
        self.regions: list[Any] = []
        self.most: dict[str, Dim] = {}
        self.nonnegative: list[Dim] = []
        self.assumed: list[Dim] = []
        self.scalar_sizes: dict[str, Value] = {}
        self.hints: dict[str, int | None] = {}
        self.renamed: dict[str, Dim] = {}
        self._canonical: dict[Dim, Dim] = {}
        self.run_time: dict[str, int] = {}
        self.decided: dict[str, tuple[Loc | None, str]] = {}
        self._lower: dict[str, int] = {}
        self.local: set[str] = set()

    def new_symbol(self, name: str, hint: int | None) -> Dim:
        self.hints[name] = hint
        return dims.sym(name)

    def run_time_symbols(self, count: int) -> tuple[str, ...]:
        """Names of fresh symbols for sizes that are known only when a node has run."""
        found: list[str] = []
        while len(found) < count:
            name = f"d{len(self.run_time)}"
            while name in self.hints:
                name += "_"
            self.run_time[name] = len(self.run_time)
            self.new_symbol(name, None)
            if self.regions:
                self.local.add(name)
            found.append(name)
        return tuple(found)

    def is_local(self, dim: Dim) -> bool:
        """Whether `dim` is known only inside a block of control flow."""
        if not self.local or isinstance(dim, int):
            return False
        return not self.local.isdisjoint(dims.free_symbols(self.canonical(dim)))

    def is_run_time(self, dim: Dim) -> bool:
        """Whether `dim` is known only at run time, after some node."""
        if not self.run_time or isinstance(dim, int):
            return False
        return not self.run_time.keys().isdisjoint(dims.free_symbols(self.canonical(dim)))

    def canonical(self, dim: Dim) -> Dim:
        """`dim` with everything that was decided since put in."""
        if isinstance(dim, int) or not self.renamed:
            return dim
        known = self._canonical.get(dim)
        if known is not None:
            return known
        found: Dim = dim
        while True:
            further = dims.substitute(found, self.renamed)
            if further is found or further == found:
                break
            found = further
        self._canonical[dim] = found
        return found

    def shape(self, shape: Shape) -> Shape:
        return tuple(self.canonical(d) for d in shape) if self.renamed else shape

    def hint(self, dim: Dim) -> int | None:
        """The value of `dim` in this call, None where a spec leaves it open."""
        if isinstance(dim, int):
            return dim
        env: dict[str, int] = {}
        for name in dim.symbols:
            value = self.hints[name]
            if value is None:
                return None
            env[name] = value
        return dims.evaluate(dim, env)

    def describe(self, dim: Dim) -> str:
        """A dim for a message: `n=3`."""
        dim = self.canonical(dim)
        value = self.hint(dim)
        return str(dim) if isinstance(dim, int) or value is None else f"{dim}={value}"

    def decide(self, left: Dim, relation: str, right: Dim, reason: str = "") -> bool:
        """Whether `left relation right` holds in this call; recorded unless provable."""
        left, right = self.canonical(left), self.canonical(right)
        difference = left - right
        if isinstance(difference, int):
            return _RELATIONS[relation](difference, 0)
        if self.is_local(difference):
            found = self.for_all(difference, relation, 0, reason)
            if found is None:
                fail(
                    errors.UndecidedError,
                    f"whether {left} {relation} {right} depends on the step of a loop",
                    "np.where or np.minimum and np.maximum, which take such values",
                )
            return found
        a, b = self.hint(left), self.hint(right)
        if self.is_run_time(difference):
            # What is asked for is taken to hold, unless it cannot; checked when the size is known.
            holds = not self._provable(difference, _NEGATED[relation])
        elif a is None or b is None:
            holds = self._decide_open(difference, relation)
        else:
            holds = _RELATIONS[relation](a, b)
        proved = self._provable(difference, relation if holds else _NEGATED[relation])
        if not proved:
            self._record(left, relation if holds else _NEGATED[relation], right, reason)
        return holds

    def provable(self, left: Dim, relation: str, right: Dim) -> bool | None:
        """Whether a relation holds wherever the trace is used; None where that cannot be told."""
        difference = self.canonical(left) - self.canonical(right)
        if isinstance(difference, int):
            return _RELATIONS[relation](difference, 0)
        if self._provable(difference, relation):
            return True
        return False if self._provable(difference, _NEGATED[relation]) else None

    def for_all(self, left: Dim, relation: str, right: Dim, reason: str = "") -> bool | None:
        """Whether a relation holds in all steps of the loops around, or in none; else None.

        A guard on sizes that are known outside may say so.
        """
        difference = self.canonical(left) - self.canonical(right)
        known = self.provable(difference, relation, 0)
        if known is not None:
            return known
        for wanted in (relation, _NEGATED[relation]):
            parts = as_nonnegative(difference, wanted)
            bounds = [extreme(d, self.most, lowest=True) for d in parts]
            found = [b for b in bounds if b is not None]
            if len(found) < len(bounds) or any(map(self.is_local, found)):
                continue
            if any(map(self.is_run_time, found)):
                continue
            values = [self.hint(b) for b in found]
            if all(v is None or v >= 0 for v in values):
                for bound in found:
                    if not self._provable(bound, ">="):
                        self._record(bound, ">=", 0, reason)
                        self.assumed.append(bound)
                return wanted == relation
        return None

    def _decide_open(self, difference: Dim, relation: str) -> bool:
        """For symbols without a value: sizes are taken to be large and different."""
        env = {name: self.hints[name] for name in dims.free_symbols(difference)}
        primes = {
            name: value if value is not None else 1_000_003 + 7919 * k
            for k, (name, value) in enumerate(sorted(env.items()))
        }
        return _RELATIONS[relation](dims.evaluate(difference, primes), 0)

    def _provable(self, difference: Dim, relation: str) -> bool:
        """Whether the relation to 0 follows from sizes being >= 0 and from what was recorded."""
        if self.most and not isinstance(difference, int):
            known = [*self.nonnegative, *self.assumed]
            parts = as_nonnegative(difference, relation)
            if relation == "!=":
                apart = (difference - 1, -difference - 1)
                return any(follows(d, known, self.most, self._nonnegative) for d in apart)
            return all(follows(d, known, self.most, self._nonnegative) for d in parts)
        difference = self._from_least(difference)
        if relation == ">=":
            return dims.is_nonnegative(difference)
        if relation == "<=":
            return dims.is_nonnegative(-difference)
        if relation == ">":
            return dims.is_nonnegative(difference - 1)
        if relation == "<":
            return dims.is_nonnegative(-difference - 1)
        if relation == "!=":
            return dims.is_nonnegative(difference - 1) or dims.is_nonnegative(-difference - 1)
        return False

    def _from_least(self, dim: Dim) -> Dim:
        """`dim` in terms of how much larger sizes are than the least that they can be."""
        least = dims.free_symbols(dim) & self._lower.keys()
        if not least:
            return dim
        return dims.substitute(dim, {name: dims.sym(name) + self._lower[name] for name in least})

    def _nonnegative(self, dim: Dim) -> bool:
        return dims.is_nonnegative(self._from_least(dim))

    def _record(self, left: Dim, relation: str, right: Dim, reason: str) -> None:
        if relation == "==" and self._unify(left, right, reason):
            return
        self._guards_for(left - right).append(Guard(left, relation, right, user_loc(), reason))
        found = lower_bound(left - right, relation)
        if found is not None:
            name, bound = found
            self._lower[name] = max(bound, self._lower.get(name, 0))

    def _guards_for(self, dim: Dim) -> list[Guard | ScalarGuard]:
        """Where a guard on `dim` belongs: into the block that knows the sizes, or the function."""
        return self.builder.guards if self.is_local(dim) else self.root.guards

    def _unify(self, left: Dim, right: Dim, reason: str) -> bool:
        """Replace a bare symbol by the other side from now on; the shapes of params then say so."""
        for name, other in (
            (dims.symbol_name(right), left),
            (dims.symbol_name(left), right),
        ):
            if name is None or name in dims.free_symbols(other):
                continue
            if self._defined_after(name, other):
                self._rename(name, other, reason)
                return True
        solved = solve(left - right)
        if solved is None or not self._defined_after(*solved):
            return False
        self._rename(*solved, reason)
        return True

    def _rename(self, name: str, other: Dim, reason: str) -> None:
        self.renamed[name] = other
        self._canonical.clear()
        if name in self.run_time or name in self.scalar_sizes:
            self.decided[name] = (user_loc(), reason)

    def _defined_after(self, name: str, other: Dim) -> bool:
        """Whether everything in `other` is known where the size `name` becomes known."""
        if not self.run_time:
            return True
        known = self.run_time.get(name, -1)
        latest = max((self.run_time.get(s, -1) for s in dims.free_symbols(other)), default=-1)
        return latest < known or latest == -1

    def same(self, left: Dim, right: Dim, reason: str = "") -> bool:
        """Whether two sizes are equal; open symbols of a spec are made equal."""
        left, right = self.canonical(left), self.canonical(right)
        if left == right:
            return True
        if self.hint(left) is None or self.hint(right) is None:
            if isinstance(left - right, int):
                return False
            if not self._unify(left, right, reason):
                self._guards_for(left - right).append(Guard(left, "==", right, user_loc(), reason))
            return True
        return self.decide(left, "==", right, reason)

    def broadcast(self, *shapes: Shape) -> Shape:
        """NumPy's broadcasting. Raises ValueError where shapes do not go together."""
        rank = max((len(s) for s in shapes), default=0)
        result: list[Dim] = [1] * rank
        for shape in shapes:
            for axis, raw in enumerate(shape, rank - len(shape)):
                dim, other = self.canonical(raw), self.canonical(result[axis])
                if dim == 1 or dim == other:
                    continue
                if other == 1:
                    result[axis] = dim
                elif self.hint(dim) == 1 and self.hint(other) != 1:
                    self.decide(dim, "==", 1, "broadcasting")
                elif self.hint(other) == 1 and self.hint(dim) != 1:
                    self.decide(other, "==", 1, "broadcasting")
                    result[axis] = dim
                elif not self.same(dim, other, "broadcasting"):
                    raise ValueError("shapes do not broadcast")
        return self.shape(tuple(result))

    def settled(self, attr: Any) -> Any:
        """An attribute with every decision on sizes put in."""
        if isinstance(attr, dims.Expr):
            return self.canonical(attr)
        return tuple(map(self.settled, attr)) if isinstance(attr, tuple) else attr
