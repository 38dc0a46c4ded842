"""What decisions on sizes say: bounds of a size, guards that imply others, equations solved."""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Guard, ScalarGuard


def lower_bound(difference: Dim, relation: str) -> tuple[str, int] | None:
    """The symbol and its least value, if `difference relation 0` says just that."""
    if relation in ("<", "<="):
        difference, relation = -difference, ">" if relation == "<" else ">="
    if relation == "!=" and dims.is_nonnegative(difference):
        relation = ">"
    if relation not in (">", ">=") or isinstance(difference, int):
        return None
    if relation == ">":
        difference = difference - 1
    names = dims.free_symbols(difference)
    if len(names) != 1:
        return None
    (name,) = names
    offset = dims.evaluate(difference, {name: 0})
    factor = dims.evaluate(difference, {name: 1}) - offset
    if factor <= 0 or difference != dims.sym(name) * factor + offset:
        return None
    return name, -(offset // factor)


def without_implied(guards: Sequence[Guard | ScalarGuard]) -> tuple[Guard | ScalarGuard, ...]:
    """`guards` with only the strongest of the lower bounds of each size."""
    strongest: dict[str, int] = {}
    bounds: list[tuple[str, int] | None] = []
    for guard in guards:
        found = None
        if isinstance(guard, Guard):
            found = lower_bound(guard.left - guard.right, guard.relation)
        if found is not None:
            strongest[found[0]] = max(found[1], strongest.get(found[0], 0))
        bounds.append(found)
    kept = []
    for guard, found in zip(guards, bounds, strict=True):
        if found is None or strongest.get(found[0]) == found[1]:
            kept.append(guard)
            if found is not None:
                del strongest[found[0]]
    return tuple(kept)


def solve(difference: Dim) -> tuple[str, Dim] | None:
    """A symbol, and what it is where `difference` is 0: `m` and `n + 1` for `n - m + 1`."""
    found = None
    for monomial, coefficient in difference.terms if isinstance(difference, dims.Expr) else ():
        if len(monomial) == 1 and isinstance(monomial[0], dims.Sym) and coefficient in (1, -1):
            name = monomial[0].name
            rest = (difference - coefficient * dims.sym(name)) * -coefficient
            if name in dims.free_symbols(rest):
                continue
            if dims.is_nonnegative(rest):
                return name, rest
            found = found or (name, rest)
    return found
