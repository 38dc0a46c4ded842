"""How large a size can become over all turns of the loops that it depends on."""

from __future__ import annotations

from collections.abc import Mapping

from tracejit.ir import dims
from tracejit.ir.dims import Atom, Dim, Opaque, Sym

Limits = Mapping[str, Dim | None]
"""The largest value of each symbol of a loop, in terms of others; None where nothing bounds it."""


def largest(dim: Dim, limits: Limits) -> Dim | None:
    """A size that `dim` never exceeds, without the symbols in `limits`; None if there is none.

    All symbols are 0 or more.
    """
    found = _extreme(dim, limits, upwards=True)
    if found is None or dims.is_nonnegative(found):
        return found
    return dims.maximum(found, 0)


def reached(dim: Dim, limits: Limits) -> Dim | None:
    """As `largest`, for what is computed only inside of the loops: each of them has a turn."""
    return _extreme(dim, limits, upwards=True)


def _extreme(dim: Dim, limits: Limits, upwards: bool) -> Dim | None:
    if not dims.free_symbols(dim) & limits.keys():
        return dim
    assert not isinstance(dim, int)
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term = _product(monomial, limits, (coefficient > 0) == upwards)
        if term is None:
            return None
        total = total + term * coefficient
    return total


def _product(monomial: tuple[Atom, ...], limits: Limits, upwards: bool) -> Dim | None:
    """The extreme of a product of numbers that are 0 or more."""
    total: Dim = 1
    for atom in monomial:
        alone = dims.Expr((((atom,), 1),))
        if not alone.symbols & limits.keys():
            total = total * alone
            continue
        if not dims.is_nonnegative(alone) and len(monomial) > 1:
            return None
        found = _atom(atom, limits, upwards)
        if found is None:
            return None if upwards else 0
        total = total * found
    return total


def _atom(atom: Atom, limits: Limits, upwards: bool) -> Dim | None:
    if isinstance(atom, Sym):
        limit = limits[atom.name]
        if not upwards or limit is None:
            return None if upwards else 0
        return _extreme(limit, limits, upwards)
    return _opaque(atom, limits, upwards)


def _opaque(atom: Opaque, limits: Limits, upwards: bool) -> Dim | None:
    left, right = (_extreme(d, limits, upwards) for d in (atom.left, atom.right))
    if atom.op == "mod":
        return right if upwards else 0
    if atom.op == "floordiv":
        if dims.free_symbols(atom.right) & limits.keys():
            return left if upwards else 0
        return None if left is None else dims.floordiv(left, atom.right)
    if atom.op == "min" and upwards:
        known = [d for d in (left, right) if d is not None]
        return dims.minimum(known[0], known[-1]) if known else None
    if left is None or right is None:
        return None
    return dims.maximum(left, right) if atom.op == "max" else dims.minimum(left, right)
