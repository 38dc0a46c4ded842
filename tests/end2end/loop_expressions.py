"""Random expressions for programs with loops: all numbers are integers, so that nothing rounds.

What a program assigns is taken modulo a small number, which keeps every sum and product of it exact
in floats too: results are the same whatever the order of summation, and no comparison depends on
the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Kind(NamedTuple):
    """What a name stands for: `f`, `i` or `b`, and the dims, as source text, of an array.

    Of a `stored` array of a narrow dtype only elements are read: NumPy's promotion of whole arrays
    with scalars would depend on how often a loop has run.
    """

    letter: str
    dims: tuple[str, ...] = ()
    stored: bool = False


@dataclass
class Scope:
    """What is known at one place of a program."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    indices: dict[str, list[str]] = field(default_factory=dict)
    """Expressions that are an index into each dim; a dim that has any is not 0."""
    fixed: set[str] = field(default_factory=set)
    """Names that are not assigned: what counts the turns of loops, and arguments."""
    loops: int = 0
    depth: int = 0

    def inside(self, **changes: Any) -> Scope:
        return replace(
            self,
            kinds=dict(self.kinds),
            indices={dim: list(found) for dim, found in self.indices.items()},
            fixed=set(self.fixed),
            depth=self.depth + 1,
            **changes,
        )

    def names(self, letter: str, rank: int = 0, stored: bool = False) -> list[str]:
        return [
            name
            for name, kind in self.kinds.items()
            if kind.letter == letter and len(kind.dims) == rank and (stored or not kind.stored)
        ]

    def arrays(self, letter: str, dims: tuple[str, ...]) -> list[str]:
        return [name for name in self.names(letter, len(dims)) if self.kinds[name].dims == dims]

    def index(self, dim: str, rng: Random) -> str | None:
        found = self.indices.get(dim)
        return rng.choice(found) if found else None


def chosen(rng: Random, weighted: Sequence[tuple[int, T]]) -> T:
    total = sum(weight for weight, _ in weighted)
    left = rng.randrange(total)
    for weight, item in weighted:
        left -= weight
        if left < 0:
            return item
    raise AssertionError(total)


SLICES = (
    ("1:", ":-1"), ("1:-1", "2:", ":-2"), (":{i}", ":{i}"), ("{i}:", "{i}:"),
    ("{i}:", ":{n} - {i}"), ("{i} + 1:", "{i} + 1:"), (":{i} + 1", "{n} - {i} - 1:"),
    ("::2", "::2"), (":", "::-1"),
    ("{i} + 1:", ":{n} - {i} - 1"), ("{i}:{i} + 1", "{i}:{i} + 1"), (":{i}", ":{i}"),
)  # fmt: skip
"""Groups of slices of one length, for an index that is at least 0 and below the size."""


class Expressions:
    """Writes expressions of what is in a scope."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    # Numbers.

    def number(self, scope: Scope, letter: str, depth: int = 2) -> str:
        """An expression for a number, small enough to be added to or multiplied once."""
        if depth <= 0 or self.chance(0.25):
            return self.atom(scope, letter)
        a, b = (self.number(scope, letter, depth - 1) for _ in range(2))
        c = self.condition(scope, depth - 1) if self.chance(0.5) else "i0 > 3"
        shared: list[tuple[int, str]] = [
            (4, f"({a} + {b})"), (3, f"({a} - {b})"), (2, f"({a} % 5) * ({b} % 7)"),
            (1, f"max({a}, {b})"), (1, f"min({a}, {b})"), (1, f"abs({a})"), (1, f"(-{a})"),
            (1, f"({a} // 2)"), (2, f"({a} if {c} else {b})"), (1, f"({a} % 4)"),
        ]  # fmt: skip
        if letter == "f":
            shared += [
                (1, f"np.maximum({a}, {b})"), (1, f"np.where({c}, {a}, {b})"),
                (1, f"np.floor({a} / 3)"), (1, f"np.floor(np.sqrt(abs({a})))"),
                (1, f"clipped({a})"),
            ]  # fmt: skip
        else:
            shared += [
                (1, f"(({a} % 8) ^ ({b} % 8))"), (1, f"(({a} % 8) & 5)"), (1, f"(({a} % 16) >> 1)"),
                (1, f"(({a}) // (abs({b}) + 1))"), (1, f"({a} % 4) ** 2"),
            ]  # fmt: skip
        return chosen(self.rng, shared)

    def atom(self, scope: Scope, letter: str) -> str:
        rng = self.rng
        options: list[tuple[int, str]] = [(2, rng.choice("123") + ".0" * (letter == "f"))]
        names = scope.names(letter)
        if names:
            options.append((4, rng.choice(names)))
        element = self.element(scope, letter)
        if element:
            options.append((6, element))
        if letter == "f":
            total = self.total(scope)
            if total:
                options.append((2, total))
            options.append((1, f"float({self.atom(scope, 'i')})"))
        else:
            options.append((1, rng.choice(["n", "m", "len(x)", "A.shape[1]"])))
            found = [index for indices in scope.indices.values() for index in indices]
            if found:
                options.append((3, f"({rng.choice(found)})"))
            if self.chance(0.1):
                options.append((2, f"int({self.atom(scope, 'f')})"))
        return chosen(rng, options)

    def element(self, scope: Scope, letter: str, stored: bool = True) -> str | None:
        """One element of an array, written so that it can be assigned to as well."""
        names = scope.names(letter, 1, stored) + scope.names(letter, 2, stored)
        self.rng.shuffle(names)
        for name in names:
            indices = [scope.index(dim, self.rng) for dim in scope.kinds[name].dims]
            if None not in indices:
                return f"{name}[{', '.join(map(str, indices))}]"
        return None

    def total(self, scope: Scope) -> str | None:
        """A reduction, most of them over a part that an index bounds."""
        rng = self.rng
        dim = rng.choice(["n", "m"])
        vectors = self.vectors(scope, dim)
        if not vectors:
            return None
        a, b = rng.choice(vectors), rng.choice(vectors)
        i = scope.index(dim, rng) if self.chance(0.7) else None
        if i and i.isidentifier():
            part = rng.choice([f":{i}", f"{i}:", f"{i} + 1:", f":{i} + 1"])
            a, b = (self.part(name, part) for name in (a, b))
        choices = [f"np.sum({a})", f"{a}.sum()", f"({a} @ {b})", f"np.sum({a} * {b})"]
        choices += [f"np.dot({a}, {b})", f"total({a})"]
        if scope.indices.get(dim) and ":" not in a[1:-1]:
            choices += [f"{a}.max()", f"np.min({a})"]
        return f"({rng.choice(choices)} % 11)"

    def vectors(self, scope: Scope, dim: str) -> list[str]:
        """Arrays of rank 1 of floats: names, and rows and columns of those of rank 2."""
        found = scope.arrays("f", (dim,))
        for name in scope.names("f", 2):
            rows, columns = scope.kinds[name].dims
            if columns == dim and (i := scope.index(rows, self.rng)):
                found.append(f"{name}[{i}]")
            if rows == dim and (i := scope.index(columns, self.rng)):
                found.append(f"{name}[:, {i}]")
        return found

    @staticmethod
    def part(vector: str, part: str) -> str:
        """A slice of a name, of a row `A[i]` or of a column `A[:, j]`."""
        if vector.endswith("]") and "[:, " in vector:
            return vector.replace("[:, ", f"[{part}, ")
        return f"{vector[:-1]}, {part}]" if vector.endswith("]") else f"{vector}[{part}]"

    # Conditions.

    def condition(self, scope: Scope, depth: int = 1) -> str:
        rng = self.rng
        letter = rng.choice("ffi")
        a, b = (self.number(scope, letter, min(depth, 1)) for _ in range(2))
        options: list[tuple[int, Callable[[], str]]] = [
            (6, lambda: f"{a} {rng.choice(['<', '>', '<=', '>=', '==', '!='])} {b}"),
            (1, lambda: f"0 <= {a} < {b}"),
            (1, lambda: f"({self.number(scope, 'i', 1)}) % 3 == {rng.choice('01')}"),
            (1, lambda: f"{self.atom(scope, 'i')} in (1, 3, {rng.choice('567')})"),
        ]  # fmt: skip
        if flags := scope.names("b"):
            options.append((2, lambda: rng.choice(["", "not "]) + rng.choice(flags)))
        if depth > 0:
            c, d = (self.condition(scope, depth - 1) for _ in range(2))
            options += [(1, lambda: f"({c} and {d})"), (1, lambda: f"({c} or {d})")]
            options.append((1, lambda: f"not ({c})"))
        return chosen(rng, options)()

    # Arrays.

    def array(self, scope: Scope, letter: str, dims: tuple[str, ...], depth: int = 1) -> str:
        """An expression for an array with these dims, or for a number that broadcasts."""
        rng = self.rng
        names = scope.arrays(letter, dims)
        if letter == "f" and len(dims) == 1:
            names += self.vectors(scope, dims[0])
        if depth <= 0 or not names:
            number = self.atom(scope, letter)
            return rng.choice(names) if names and self.chance(0.7) else number
        a = rng.choice(names)
        b = self.array(scope, letter, dims, depth - 1)
        where = f"np.where({a} > {b}, {a}, {self.atom(scope, letter)})"
        options = [(4, f"({a} + {b})"), (2, f"({a} - {b})"), (2, f"({a} % 5) * ({b} % 7)")]
        options += [(1, f"np.maximum({a}, {b})"), (1, f"abs({a})"), (1, where), (1, f"{a}[::-1]")]
        if len(dims) == 2 and letter == "f":
            rows, columns = (self.vectors(scope, dim) for dim in dims)
            if columns:
                options.append((1, f"({a} + {rng.choice(columns)})"))
            if rows:
                options.append((1, f"({a} * ({rng.choice(rows)} % 7)[:, None])"))
        return chosen(rng, options)
