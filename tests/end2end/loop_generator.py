"""Random programs with loops as Python source: nested `for` and `while`, branches, jumps, writes.

A program is written from what is known at each place: the kinds of names, the expressions that are
an index into each dim. It is right by construction, and NumPy runs it to see that it stays within
the numbers that are exact. `rng` chooses; Hypothesis has one that it can shrink.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from tests.end2end.loop_expressions import SLICES, Expressions, Kind, Scope, chosen

HELPERS = """\
def clipped(v, low=1):
    if v < low:
        return low - v
    return v


def total(a):
    s = 0.0
    for v in a:
        s += v
    return s % 17


def first_above(a, limit):
    for i in range(len(a)):
        if a[i] > limit:
            return i
    return 0


def shifted(a, k):
    for i in range(len(a) - 1):
        if a[i] > 9:
            continue
        a[i] = (a[i + 1] + k) % 17
    return a


def running(a, b):
    last = 0.0
    for i, v in enumerate(a):
        last = (last * 2 + v) % 13
        b[i] = last
"""
PARAMETERS = {
    "x": Kind("f", ("n",)), "A": Kind("f", ("n", "m")), "y": Kind("i", ("n",)),
    "z": Kind("f", ("m",)), "h": Kind("f", ("n",), True), "c": Kind("i", ("m",), True),
    "t": Kind("f"), "k": Kind("i"),
}  # fmt: skip
DTYPES = {"h": "f4", "c": "i4"}
START = """\
n, m = A.shape
f0, f1 = 0.0, t
i0, i1 = 0, k
b0 = False
u = x.copy()
w = np.zeros(n)
g = np.arange(n) % 3
M = A * 2 % 7
v = x[1:]\
"""
LOCALS = {
    "f0": Kind("f"), "f1": Kind("f"), "i0": Kind("i"), "i1": Kind("i"), "b0": Kind("b"),
    "u": Kind("f", ("n",)), "w": Kind("f", ("n",)), "g": Kind("i", ("n",)),
    "M": Kind("f", ("n", "m")), "v": Kind("f", ("n - 1",)),
}  # fmt: skip
RESULT = "f0, f1, i0, i1, b0, u, w, g, M"
LARGEST = 1e6
DEEPEST = 4
"""Blocks inside blocks."""

Lines = list[str]


def indented(lines: Lines) -> Lines:
    return [f"    {line}" for line in lines]


class LoopProgram(Expressions):
    """A program: its source, its function, and how to make its arguments."""

    def __init__(self, rng: Random, label: str) -> None:
        super().__init__(rng)
        self.label = label
        self.names = 0
        scope = Scope({**PARAMETERS, **LOCALS}, fixed=set(PARAMETERS))
        body = self.block(scope, rng.choice([2, 3, 4, 5, 6]))
        lines = [*START.splitlines(), *body, f"return {RESULT}"]
        text = "\n".join(indented(lines))
        head = f"def program({', '.join(PARAMETERS)}):"
        self.source = f"import numpy as np\n\n\n{HELPERS}\n\n{head}\n{text}\n"
        self.seed = rng.randrange(2**32)

    def arguments(self, variant: int) -> list[Any]:
        """Fresh arguments, the same at every call; of other sizes in each variant."""
        rng = np.random.default_rng([self.seed, variant])
        n, m = (int(s) for s in rng.choice([0, 1, 2, 3, 4, 5, 5], 2))
        sizes = {"n": n, "m": m}
        found: list[Any] = []
        for name, kind in PARAMETERS.items():
            shape = tuple(sizes[dim] for dim in kind.dims)
            numbers = rng.integers(-9, 17, shape)
            if not shape:
                found.append(float(numbers) if kind.letter == "f" else int(abs(numbers)) % 6)
            else:
                found.append(numbers.astype(DTYPES.get(name, f"{kind.letter}8")))
        return found

    def function(self) -> Callable[..., Any]:
        """The program, compiled so that its source can be found."""
        name = f"<random loops {self.label}>"
        linecache.cache[name] = (
            len(self.source), None, self.source.splitlines(keepends=True), name
        )  # fmt: skip
        namespace: dict[str, Any] = {"__name__": "random_loops"}
        exec(compile(self.source, name, "exec"), namespace)
        found: Callable[..., Any] = namespace["program"]
        return found

    # Blocks.

    def block(self, scope: Scope, count: int) -> Lines:
        lines: Lines = []
        for _ in range(count):
            lines += self.statement(scope)
        return lines or ["pass"]

    def statement(self, scope: Scope) -> Lines:
        deep = scope.depth < DEEPEST
        loop = (9 if scope.depth < 2 else 4) if deep and scope.loops < 3 else 0
        options: list[tuple[int, Callable[[Scope], Lines]]] = [
            (7, self.set_number), (8, self.set_element), (8, self.set_part), (4, self.set_array),
            (2, self.new_name), (1, self.swap), (2, self.call), (loop, self.for_loop),
            (loop // 3, self.while_loop), (6 * deep, self.branch), (deep, self.match),
        ]  # fmt: skip
        if scope.depth:
            options.append((2 if scope.loops else 1, self.jump))
        for _ in range(20):
            if lines := chosen(self.rng, options)(scope):
                return lines
        return ["pass"]

    def inner(self, scope: Scope) -> Lines:
        return self.block(scope, self.rng.choice([1, 1, 2, 2, 3]))

    def fresh(self, letter: str) -> str:
        self.names += 1
        return f"{letter}_{self.names}"

    # Assignments.

    def set_number(self, scope: Scope) -> Lines:
        if self.chance(0.15):
            return [f"b0 = {self.condition(scope)}"]
        letter = self.rng.choice("ffi")
        names = [name for name in scope.names(letter) if name not in scope.fixed]
        name = self.rng.choice(names)
        value = self.number(scope, letter)
        if self.chance(0.2):
            return [f"{name} += {value} % 5"]
        return [f"{name} = {value} % {13 if letter == 'i' else 17}"]

    def set_element(self, scope: Scope) -> Lines:
        letter = self.rng.choice("ffi")
        place = self.element(scope, letter)
        if place is None:
            return []
        value = self.number(scope, letter)
        if self.chance(0.25):
            return [f"{place} {self.rng.choice('+-')}= {value} % 7"]
        return [f"{place} = {value} % 17"]

    def set_part(self, scope: Scope) -> Lines:
        """Assign to a slice, a row, a column, or where a mask holds."""
        rng = self.rng
        form = rng.random()
        if form < 0.2:
            name = rng.choice(scope.names("f", 1) + scope.names("f", 2))
            return [f"{name}[{name} {rng.choice('<>')} {self.atom(scope, 'f')}] = 3"]
        if form < 0.35:
            name = rng.choice(scope.names("f", 1) + scope.names("f", 2))
            value = self.array(scope, "f", scope.kinds[name].dims)
            return [rng.choice([f"{name}[...] = {value} % 17", f"{name}[:] = {value} % 17"])]
        dim = rng.choice(["n", "m"])
        vectors = self.vectors(scope, dim)
        if not vectors:
            return []
        rng.shuffle(vectors)
        target = vectors[0]
        sources = [rng.choice(vectors) for _ in range(2)]
        if form < 0.5 and target.endswith("]"):
            return [f"{target} = ({sources[0]} + {self.array(scope, 'f', (dim,))}) % 17"]
        index = scope.index(dim, rng) if self.chance(0.8) else None
        group = rng.choice(SLICES)
        if any("{i}" in part for part in group) and not (index and index.isidentifier()):
            group = SLICES[rng.randrange(2)]
        texts = [part.format(i=index, n=dim) for part in group]
        written = self.part(target, rng.choice(texts))
        a, b = (self.part(source, rng.choice(texts)) for source in sources)
        op = rng.choice(["=", "=", "=", "+=", "-="])
        value = rng.choice([a, f"{a} + {b}", f"{a} * 2 - {b}", f"{a} + {self.atom(scope, 'f')}"])
        return [f"{written} {op} ({value}) % {17 if op == '=' else 5}"]

    def set_array(self, scope: Scope) -> Lines:
        """Bind one of the program's own arrays anew, or change it as a whole."""
        rng = self.rng
        name, letter, dims = rng.choice(
            [("u", "f", ("n",)), ("w", "f", ("n",)), ("g", "i", ("n",)), ("M", "f", ("n", "m"))]
        )
        value = self.array(scope, letter, dims, 2)
        if self.chance(0.3):
            return [f"{name} {rng.choice('+-')}= {value} % 5"]
        own = f"({name} + {value}) % 17"
        return [f"{name} = " + rng.choice([own, own, f"{name}.copy()", f"np.zeros_like({name})"])]

    def new_name(self, scope: Scope) -> Lines:
        """A name of this block only: a number, an array, or a view."""
        rng = self.rng
        form = rng.random()
        if form < 0.4:
            letter = rng.choice("fi")
            name, value = self.fresh(letter), self.number(scope, letter)
            scope.kinds[name] = Kind(letter)
            return [f"{name} = {value} % 17"]
        dim = rng.choice(["n", "m"])
        if form < 0.6:
            name, value = self.fresh("a"), self.array(scope, "f", (dim,), 2)
            scope.kinds[name] = Kind("f", (dim,))
            return [f"{name} = ({value} + np.zeros({dim})) % 17"]
        vectors = self.vectors(scope, dim)
        index = scope.index(dim, rng)
        if not vectors or not index or not index.isidentifier():
            return []
        name = self.fresh("p")
        view = (
            f"{name} = {self.part(rng.choice(vectors), rng.choice([':{}', '{}:']).format(index))}"
        )
        use = rng.choice(
            [f"{name}[...] = ({name} + {self.atom(scope, 'f')}) % 17", f"{name} += 1",
             f"f0 = ({name}.sum() + {self.atom(scope, 'f')}) % 17", f"{name}[:] = {name}[::-1] * 1"]
        )  # fmt: skip
        return [view, use]

    def swap(self, scope: Scope) -> Lines:
        first, second = self.element(scope, "f", False), self.element(scope, "f", False)
        options = ["u, w = w, u", "f0, f1 = f1, f0", "i0, i1 = i1 % 13, (i0 + i1) % 13"]
        if first and second:
            options += [f"{first}, {second} = {second}, {first}"] * 2
        return [self.rng.choice(options)]

    def call(self, scope: Scope) -> Lines:
        names = scope.names("f", 1)
        a, b = self.rng.choice(names), self.rng.choice(["u", "w"])
        return [
            self.rng.choice(
                [f"i0 = first_above({a}, {self.atom(scope, 'f')})", f"f0 = total({a})",
                 f"shifted({a}, {self.atom(scope, 'i')})", "running(x, w)", f"running({b}, {b})"]
            )
        ]  # fmt: skip

    # Branches.

    def branch(self, scope: Scope) -> Lines:
        if self.chance(0.1):
            test = f"{self.atom(scope, 'i')} % 2"
        else:
            test = self.condition(scope)
        lines = [f"if {test}:", *indented(self.inner(scope.inside()))]
        while self.chance(0.2):
            lines.append(f"elif {self.condition(scope)}:")
            lines += indented(self.inner(scope.inside()))
        if self.chance(0.5):
            lines += ["else:", *indented(self.inner(scope.inside()))]
        return lines

    def match(self, scope: Scope) -> Lines:
        lines = [f"match ({self.number(scope, 'i', 1)}) % 4:"]
        for pattern in (
            "0",
            "1 | 2",
            self.rng.choice(["_", "3", f"q if q > {self.atom(scope, 'i')}"]),
        ):
            lines += [f"    case {pattern}:", *indented(indented(self.inner(scope.inside())))]
        return lines

    def jump(self, scope: Scope) -> Lines:
        options = ["break", "break", "continue"] if scope.loops else []
        options += ["return"] if self.chance(0.3) or not scope.loops else []
        if not options:
            return []
        word = self.rng.choice(options)
        return [
            f"if {self.condition(scope)}:",
            *indented([f"return {RESULT}" if word == "return" else word]),
        ]

    # Loops.

    def for_loop(self, scope: Scope) -> Lines:
        body = scope.inside(loops=scope.loops + 1)
        head = self.rng.choice(HEADS)(self, scope, body)
        if head is None:
            return []
        lines = [f"for {head}:", *indented(self.inner(body))]
        if self.chance(0.15):
            lines += ["else:", *indented(self.inner(scope.inside()))]
        return lines

    def while_loop(self, scope: Scope) -> Lines:
        """At most so many turns, counted first so that no `continue` goes round the counting."""
        counter, most = self.fresh("q"), self.rng.choice("2345")
        body = scope.inside(loops=scope.loops + 1)
        body.kinds[counter] = Kind("i")
        body.fixed.add(counter)
        start, count = f"{counter} = 0", f"{counter} += 1"
        test = self.condition(scope)
        form = self.rng.random()
        if form < 0.5:
            lines = [start, f"while {counter} < {most} and {test}:", f"    {count}"]
        elif form < 0.7:
            stop = f"if {counter} > {most} or {test}:"
            lines = [start, "while True:", f"    {count}", f"    {stop}", "        break"]
        elif form < 0.85:
            start = f"{counter} = {self.number(scope, 'i', 1)} % 6"
            lines = [start, f"while {counter}:", f"    {counter} -= 1"]
        else:
            start = f"{counter} = {self.number(scope, 'i', 1)} % 40 + 40"
            lines = [start, f"while {counter} > 1:", f"    {counter} //= 2"]
        lines += indented(self.inner(body))
        if self.chance(0.15):
            lines += ["else:", *indented(self.inner(scope.inside()))]
        return lines


def _ranges(p: LoopProgram, scope: Scope, body: Scope) -> str | None:
    """Over the indices of a dim, in some order, perhaps from or up to another index."""
    dim = p.rng.choice("nm")
    name = p.fresh("j" if scope.loops else "i")
    size = p.rng.choice([dim, f"len({'x' if dim == 'n' else 'z'})", f"A.shape[{'nm'.index(dim)}]"])
    outer = scope.index(dim, p.rng)
    forms = [
        (6, (f"range({size})", [name, name, f"{dim} - 1 - {name}", f"-{name} - 1"])),
        (2, (f"range(1, {size})", [name, f"{name} - 1"])),
        (2, (f"range({size} - 1)", [name, f"{name} + 1"])),
        (1, (f"range(1, {size} - 1)", [name, f"{name} - 1", f"{name} + 1"])),
        (1, (f"range({size} - 1, -1, -1)", [name])),
        (1, (f"reversed(range({size}))", [name])),
        (1, (f"range(0, {size}, 2)", [name])),
        (1, (f"range(-{size}, 0)", [f"{name} + {dim}"])),
        (1, (f"range(min({size}, {p.number(scope, 'i', 0)}))", [name])),
    ]
    if outer and outer.isidentifier():
        forms += [
            (4, (f"range({outer})", [name])),
            (3, (f"range({outer} + 1, {size})", [name])),
            (2, (f"range({outer}, {size})", [name])),
            (1, (f"range({outer}, -1, -1)", [name])),
        ]
    iterable, indices = chosen(p.rng, forms)
    body.indices.setdefault(dim, []).extend(indices)
    body.kinds[name] = Kind("i")
    body.fixed.add(name)
    return f"{name} in {iterable}"


def _elements(p: LoopProgram, scope: Scope, body: Scope) -> str | None:
    """Over the elements of arrays, perhaps with their numbers."""
    first, second = p.rng.choice(["x", "u", "w", "x[::-1]"]), p.rng.choice(["y", "g"])
    v, c, i = p.fresh("v"), p.fresh("c"), p.fresh("i")
    form = p.rng.choice(["x", "xy", "ix", "ixy", "rx", "v"])
    if form in ("ix", "ixy"):
        body.indices.setdefault("n", []).append(i)
    for name, kind in {v: Kind("f"), c: Kind("i"), i: Kind("i")}.items():
        if {v: "x" in form or form == "v", c: "y" in form, i: "i" in form or "r" in form}[name]:
            body.kinds[name] = kind
            body.fixed.add(name)
    return {
        "x": f"{v} in {first}",
        "xy": f"{v}, {c} in zip({first}, {second})",
        "ix": f"{i}, {v} in enumerate({first})",
        "ixy": f"{i}, ({v}, {c}) in enumerate(zip({first}, {second}))",
        "rx": f"{i}, {v} in zip(range(1, n), {first})",
        "v": f"{v} in v",
    }[form]


def _rows(p: LoopProgram, scope: Scope, body: Scope) -> str | None:
    """Over the rows of an array of rank 2: views, which may be written."""
    row, i = p.fresh("r"), p.fresh("i")
    body.kinds[row] = Kind("f", ("m",))
    matrix = p.rng.choice(["A", "M"])
    if p.chance(0.5):
        return f"{row} in {matrix}"
    body.indices.setdefault("n", []).append(i)
    body.kinds[i] = Kind("i")
    body.fixed |= {i}
    return f"{i}, {row} in enumerate({matrix})"


def _counts(p: LoopProgram, scope: Scope, body: Scope) -> str | None:
    """So many times: a constant, an argument, a number that was computed."""
    name = p.fresh("i")
    body.kinds[name] = Kind("i")
    body.fixed.add(name)
    count = p.rng.choice(["2", "3", "k", f"{p.atom(scope, 'i')} % 4", "1, 6, 2", "3, 0, -1"])
    return f"{name} in range({count})"


def _constants(p: LoopProgram, scope: Scope, body: Scope) -> str | None:
    """Over Python's own numbers."""
    v, i = p.fresh("v"), p.fresh("i")
    body.kinds |= {v: Kind("f"), i: Kind("i")}
    body.fixed |= {v, i}
    return f"{v}, {i} in " + p.rng.choice(
        ["((1.0, 2), (3.0, 1))", "zip([1.0, 2.0, 4.0], range(9))"]
    )


HEADS: list[Callable[[LoopProgram, Scope, Scope], str | None]] = [
    *[_ranges] * 10, *[_elements] * 3, *[_rows] * 2, *[_counts] * 3, _constants,
]  # fmt: skip
