"""What follows from the ranges of loops: bounds of dims over all steps.

A symbol of a loop over `range(n)` is at least 0 and at most `n - 1` in its body; a size that was
clipped to an axis is at most the size of that axis. Whether `A[i, j + 1]` is within bounds is then
a question about sizes that are known outside of the loops, which one guard can answer for all
steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tracejit.ir import dims
from tracejit.ir.dims import Dim, Expr, Opaque, Sym


def extreme(dim: Dim, most: Mapping[str, Dim], lowest: bool) -> Dim | None:
    """A bound of `dim` below (or above) while each symbol in `most` is between 0 and that value.

    It mentions none of these symbols; None where none is found. Later entries of `most` may be
    about earlier ones.
    """
    for name in reversed(list(most)):
        if name in dims.free_symbols(dim):
            found = _without(dim, name, most[name], lowest)
            if found is None:
                return None
            dim = found
    return dim


def _without(dim: Dim, name: str, most: Dim, lowest: bool) -> Dim | None:
    """The bound of `dim` over `name` between 0 and `most`."""
    if isinstance(dim, int) or name not in dim.symbols:
        return dim
    rest: Dim = 0
    factor: Dim = 0
    for monomial, coefficient in dim.terms:
        with_it = [a for a in monomial if isinstance(a, Sym) and a.name == name]
        opaque = [a for a in monomial if isinstance(a, Opaque) and name in _symbols(a)]
        if not with_it and not opaque:
            rest = rest + Expr(((monomial, coefficient),)) if monomial else rest + coefficient
        elif opaque:
            if len(monomial) > 1:
                return None
            bound = _opaque(opaque[0], name, most, lowest if coefficient > 0 else not lowest)
            if bound is None:
                return None
            rest = rest + bound * coefficient
        elif len(with_it) == 1:
            others = list(monomial)
            others.remove(with_it[0])
            factor = factor + dims.product([_atom(a) for a in others]) * coefficient
        else:
            return None
    if isinstance(factor, int) and factor == 0:
        return rest
    if dims.is_nonnegative(factor):
        return rest if lowest else rest + factor * most
    if dims.is_nonnegative(-factor):
        return rest + factor * most if lowest else rest
    return None


def _atom(atom: Sym | Opaque) -> Dim:
    return Expr((((atom,), 1),))


def _symbols(atom: Opaque) -> frozenset[str]:
    return dims.free_symbols(atom.left) | dims.free_symbols(atom.right)


def _opaque(atom: Opaque, name: str, most: Dim, lowest: bool) -> Dim | None:
    if atom.op in ("max", "min"):
        left = _without(atom.left, name, most, lowest)
        right = _without(atom.right, name, most, lowest)
        if left is None or right is None:
            return None
        return dims.maximum(left, right) if atom.op == "max" else dims.minimum(left, right)
    if not isinstance(atom.right, int) or atom.right <= 0:
        return None
    if atom.op == "floordiv":
        inner = _without(atom.left, name, most, lowest)
        return None if inner is None else dims.floordiv(inner, atom.right)
    return 0 if lowest else atom.right - 1


def follows(
    difference: Dim,
    known: list[Dim],
    most: Mapping[str, Dim],
    nonnegative: Callable[[Dim], bool],
) -> bool:
    """Whether `difference >= 0` follows from the ranges and from `known` dims, which are >= 0.

    `nonnegative` is asked about what is left.
    """
    candidates = [difference, *(difference - fact for fact in known)]
    if any(map(nonnegative, candidates)):
        return True
    for candidate in candidates:
        bound = extreme(candidate, most, lowest=True)
        if bound is not None and nonnegative(bound):
            return True
    return False
