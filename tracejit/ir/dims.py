"""Symbolic sizes: integer polynomials over size symbols, in one canonical form.

A `Dim` is a Python `int` or an `Expr`. An `Expr` is a polynomial with integer coefficients whose
atoms are size symbols (`n0`) and opaque quotients, remainders, maxima and minima of other dims.
Two dims that are equal as polynomials are equal as Python objects, which is what lets the compiler
prove `x[1:].shape == x[:-1].shape` without a solver. All arithmetic is exact; `floordiv` and `mod`
follow Python (rounding towards minus infinity).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Sym:
    """A size that is known only at the call."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Opaque:
    """`floordiv`, `mod`, `max` or `min` of two dims that does not simplify further."""

    op: str
    left: Dim
    right: Dim

    def __str__(self) -> str:
        if self.op in ("floordiv", "mod"):
            left, right = str(self.left), str(self.right)
            left = f"({left})" if " " in left else left
            right = right if right.isalnum() else f"({right})"
            return f"({left}//{right})" if self.op == "floordiv" else f"({left} % {right})"
        return f"{self.op}({self.left}, {self.right})"


Atom = Sym | Opaque
Monomial = tuple[Atom, ...]


class Expr:
    """A polynomial that is not a constant. Build with `sym` and the operators, never directly."""

    __slots__ = ("__dict__", "_hash", "terms")

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Expr) and self._hash == other._hash and self.terms == other.terms
        )

    def __add__(self, other: Dim) -> Dim:
        return _from_terms(_merge(_terms(self), _terms(other), 1))

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _from_terms(_merge(_terms(self), _terms(other), -1))

    def __rsub__(self, other: Dim) -> Dim:
        return _from_terms(_merge(_terms(other), _terms(self), -1))

    def __neg__(self) -> Dim:
        return self * -1

    def __mul__(self, other: Dim) -> Dim:
        product: dict[Monomial, int] = {}
        for left, a in _terms(self).items():
            for right, b in _terms(other).items():
                key = tuple(sorted(left + right, key=str))
                product[key] = product.get(key, 0) + a * b
        return _from_terms(product)

    __rmul__ = __mul__

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            body = "*".join(map(str, monomial))
            magnitude = abs(coefficient)
            if not body:
                part = str(magnitude)
            else:
                part = body if magnitude == 1 else f"{magnitude}*{body}"
            if not text:
                text = part if coefficient > 0 else f"-{part}"
            else:
                text += f" + {part}" if coefficient > 0 else f" - {part}"
        return text

    __repr__ = __str__

    @cached_property
    def symbols(self) -> frozenset[str]:
        names: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                if isinstance(atom, Sym):
                    names.add(atom.name)
                else:
                    names |= free_symbols(atom.left) | free_symbols(atom.right)
        return frozenset(names)


Dim = int | Expr
Shape = tuple[Dim, ...]

STRIDE = "stride"
"""What the names of stride symbols begin with. Unlike sizes, strides may be negative."""


def stride_symbol(param: int, axis: int) -> str:
    """The name of the byte stride of parameter number `param` along `axis`."""
    return f"{STRIDE}{param}_{axis}"


def sym(name: str) -> Expr:
    """The symbol `name` as a dim."""
    return Expr((((Sym(name),), 1),))


def symbol_name(dim: Dim) -> str | None:
    """The name if `dim` is a bare symbol, else None."""
    if isinstance(dim, Expr) and len(dim.terms) == 1:
        monomial, coefficient = dim.terms[0]
        if coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Sym):
            return monomial[0].name
    return None


def free_symbols(dim: Dim) -> frozenset[str]:
    return dim.symbols if isinstance(dim, Expr) else frozenset()


def floordiv(a: Dim, b: Dim) -> Dim:
    """`a // b`; exact where every coefficient and monomial divides. Raises ZeroDivisionError."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 1:
        return a
    if b == 0:
        raise ZeroDivisionError("division of a size by zero")
    if a == 0:
        return 0
    exact = _divide_exactly(a, b)
    return exact if exact is not None else _opaque("floordiv", a, b)


def mod(a: Dim, b: Dim) -> Dim:
    """`a % b`."""
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if b == 0:
        raise ZeroDivisionError("remainder of a size by zero")
    if b == 1 or _divide_exactly(a, b) is not None:
        return 0
    return _opaque("mod", a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    return _extremum("max", a, b)


def minimum(a: Dim, b: Dim) -> Dim:
    return _extremum("min", a, b)


def product(dims: Shape | list[Dim]) -> Dim:
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def evaluate(dim: Dim, env: Mapping[str, int]) -> int:
    """The value of `dim` when symbols have the values `env`. Raises KeyError for a missing one."""
    if isinstance(dim, int):
        return dim
    total = 0
    for monomial, coefficient in dim.terms:
        term = coefficient
        for atom in monomial:
            term *= env[atom.name] if isinstance(atom, Sym) else _evaluate_opaque(atom, env)
        total += term
    return total


def substitute(dim: Dim, env: Mapping[str, Dim]) -> Dim:
    """`dim` with symbols replaced."""
    if isinstance(dim, int) or not (dim.symbols & env.keys()):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for atom in monomial:
            if isinstance(atom, Sym):
                term = term * env.get(atom.name, sym(atom.name))
            else:
                left, right = substitute(atom.left, env), substitute(atom.right, env)
                term = term * _OPAQUE[atom.op](left, right)
        total = total + term
    return total


def is_nonnegative(dim: Dim) -> bool:
    """Provably >= 0, given that every symbol but strides is >= 0."""
    if isinstance(dim, int):
        return dim >= 0
    return all(c >= 0 and all(map(_atom_nonnegative, m)) for m, c in dim.terms)


def _atom_nonnegative(atom: Atom) -> bool:
    if isinstance(atom, Sym):
        return not atom.name.startswith(STRIDE)
    return _opaque_nonnegative(atom)


def _opaque_nonnegative(atom: Opaque) -> bool:
    if atom.op == "max":
        return is_nonnegative(atom.left) or is_nonnegative(atom.right)
    return is_nonnegative(atom.left) and is_nonnegative(atom.right)


def _terms(dim: Dim) -> dict[Monomial, int]:
    if isinstance(dim, Expr):
        return dict(dim.terms)
    return {(): int(dim)} if dim else {}


def _merge(a: dict[Monomial, int], b: dict[Monomial, int], sign: int) -> dict[Monomial, int]:
    for monomial, coefficient in b.items():
        a[monomial] = a.get(monomial, 0) + sign * coefficient
    return a


def _from_terms(terms: dict[Monomial, int]) -> Dim:
    kept = [(m, c) for m, c in terms.items() if c]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    # Variables first, the constant last, so that a size prints as `n - 1`.
    kept.sort(key=lambda term: (not term[0], tuple(map(str, term[0]))))
    return Expr(tuple(kept))


def _opaque(op: str, a: Dim, b: Dim) -> Expr:
    return Expr((((Opaque(op, a, b),), 1),))


def _extremum(op: str, a: Dim, b: Dim) -> Dim:
    pick = max if op == "max" else min
    if isinstance(a, int) and isinstance(b, int):
        return pick(a, b)
    if a == b:
        return a
    difference = a - b
    if is_nonnegative(difference):
        return a if op == "max" else b
    if is_nonnegative(-difference):
        return b if op == "max" else a
    first, second = sorted((a, b), key=str)
    return _opaque(op, first, second)


def _divide_exactly(a: Dim, b: Dim) -> Dim | None:
    divisor = _terms(b)
    if len(divisor) != 1:
        return 1 if a == b else None
    ((monomial, coefficient),) = divisor.items()
    quotient: dict[Monomial, int] = {}
    for term, c in _terms(a).items():
        if c % coefficient:
            return None
        rest = list(term)
        for atom in monomial:
            if atom not in rest:
                return None
            rest.remove(atom)
        quotient[tuple(rest)] = c // coefficient
    return _from_terms(quotient)


def _evaluate_opaque(atom: Opaque, env: Mapping[str, int]) -> int:
    left, right = evaluate(atom.left, env), evaluate(atom.right, env)
    if atom.op == "floordiv":
        return left // right if right else 0
    if atom.op == "mod":
        return left % right if right else 0
    return max(left, right) if atom.op == "max" else min(left, right)


_OPAQUE = {"floordiv": floordiv, "mod": mod, "max": maximum, "min": minimum}
