"""Random NumPy programs as Python source: aliasing views, writes, reductions, reshapes, helpers.

A program is built statement by statement while NumPy runs it, so that most of it is valid for its
arguments; now and then it ends with a statement that NumPy refuses.
"""

from __future__ import annotations

import linecache
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.end2end.layouts import LAYOUTS, make_array

DTYPES = ("f8", "f8", "f4", "i8", "i4", "?", "c16")

HELPERS = """\
def bump(a, k):
    a += k
    return a


def halves(a):
    middle = a.shape[0] // 2
    return a[:middle], a[middle:]


def turned(a):
    b = a.T
    b[...] = b * 2
    return b, a.reshape(-1)


def flat_first(a, value):
    flat = a.reshape(-1)
    if flat.shape[0] > 0:
        flat[0] = value
    return flat


def into(a, out):
    np.add(a, 1, out=out)
    return out[::-1]


def smooth(a):
    b = a.copy()
    for k in range(2):
        b[1:-1] = b[:-2] + b[2:]
    return b
"""


class Program:
    """A program: its source, its function, and how to make its arguments."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.rank_sizes = [int(n) for n in self.rng.choice([2, 3, 4, 5], 3)]
        count = int(self.rng.integers(1, 4))
        self.parameters = [f"x{k}" for k in range(count)]
        self.kinds = [self._kind() for _ in range(count)]
        self.lines: list[str] = []
        self.names = 0
        self.fails = False
        self._restart()
        for _ in range(int(self.rng.integers(5, 41))):
            self._add()
            if self.fails:
                break
        self._return()
        self.source = self._source()

    # Arguments.

    def _kind(self) -> tuple[tuple[int, ...], str, str]:
        rank = int(self.rng.choice([1, 2, 2, 3]))
        shape = [int(n) for n in self.rng.choice(self.rank_sizes, rank)]
        odd = self.rng.random()
        if odd < 0.08:
            shape[int(self.rng.integers(rank))] = 1
        elif odd < 0.12:
            shape[int(self.rng.integers(rank))] = 0
        layout = str(self.rng.choice(LAYOUTS))
        return tuple(shape), str(self.rng.choice(DTYPES)), layout

    def arguments(self, variant: int = 0) -> list[np.ndarray]:
        """Fresh arguments, the same at every call; others of other sizes and layouts by variant."""
        rng = np.random.default_rng([self.seed, variant])
        kinds = self.kinds
        if variant:
            sizes = {n: int(rng.choice([1, 2, 3, 4, 6])) for n in range(8)}
            if variant % 2:
                sizes = {n: n for n in range(8)}
            kinds = [
                (
                    tuple(sizes[n] for n in shape),
                    dtype,
                    # What may be written stays so: `np.copyto(x, x)` passes on any array.
                    layout if layout == "broadcast" else str(rng.choice(LAYOUTS[:-1])),
                )
                for shape, dtype, layout in kinds
            ]
        return [make_array(rng, *kind) for kind in kinds]

    # Statements.

    def _restart(self) -> None:
        self.state: dict[str, Any] = {"np": np}
        exec(HELPERS, self.state)
        self.state.update(zip(self.parameters, self.arguments(), strict=True))
        for line in self.lines:
            exec(line, self.state)

    def _arrays(self, least: int = 0) -> list[str]:
        return [
            name
            for name, value in self.state.items()
            if isinstance(value, np.ndarray) and value.ndim >= least and name[0] in "xv"
        ]

    def _pick(self, least: int = 0) -> str:
        names = self._arrays(least) or self._arrays()
        recent = names[-4:] if self.rng.random() < 0.5 else names
        return str(self.rng.choice(recent))

    def _new(self) -> str:
        if self.names and self.rng.random() < 0.15:
            return f"v{int(self.rng.integers(self.names))}"
        self.names += 1
        return f"v{self.names - 1}"

    def _add(self) -> None:
        for _ in range(20):
            maker = STATEMENTS[int(self.rng.choice(len(STATEMENTS), p=WEIGHTS))]
            line = maker(self)
            if line is None:
                continue
            names = self.names
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("error", np.exceptions.ComplexWarning)
                    exec(line, self.state)
            except Warning:
                self._restart()
                continue
            except (TypeError, ValueError, IndexError):
                if self.rng.random() < 0.03:
                    self.lines.append(line)
                    self.fails = True
                    return
                self.names = names
                self._restart()
                continue
            if self._is_sane():
                self.lines.append(line)
                return
            self._restart()

    def _is_sane(self) -> bool:
        total = 0
        for name in self._arrays():
            x = self.state[name]
            total += x.size
            if x.ndim > 4 or x.size > 4000:
                return False
            if x.dtype.kind in "fciu" and x.size:
                with np.errstate(all="ignore"):
                    if not np.all(np.isfinite(x)) or np.max(np.abs(x.astype("c16"))) > 1e6:
                        return False
        return total < 40000

    def _return(self) -> None:
        names = self._arrays()
        scalars = [k for k, v in self.state.items() if isinstance(v, np.generic) and k[0] == "v"]
        count = int(self.rng.integers(1, min(5, len(names)) + 1))
        chosen = [str(n) for n in self.rng.choice(names, count)]
        chosen += scalars[:1]
        form = self.rng.random()
        if len(chosen) == 1:
            self.result = chosen[0]
        elif form < 0.7:
            self.result = ", ".join(chosen)
        elif form < 0.85:
            self.result = f"[{', '.join(chosen)}], None"
        else:
            self.result = "{" + ", ".join(f"'{k}': {c}" for k, c in enumerate(chosen)) + "}"

    def _source(self) -> str:
        body = "\n".join(f"    {line}" for line in self.lines)
        head = f"def program({', '.join(self.parameters)}):"
        return f"import numpy as np\n\n\n{HELPERS}\n\n{head}\n{body}\n    return {self.result}\n"

    def function(self) -> Callable[..., Any]:
        """The program, compiled so that its source can be found."""
        name = f"<random program {self.seed}>"
        linecache.cache[name] = (
            len(self.source), None, self.source.splitlines(keepends=True), name
        )  # fmt: skip
        namespace: dict[str, Any] = {"__name__": f"random_program_{self.seed}"}
        exec(compile(self.source, name, "exec"), namespace)
        found: Callable[..., Any] = namespace["program"]
        return found

    # Pieces.

    def slices(self, name: str) -> str:
        entries = []
        for n in self.state[name].shape:
            kind = self.rng.random()
            if kind < 0.4:
                entries.append(":")
            elif kind < 0.55:
                entries.append(f"{int(self.rng.integers(0, max(n, 1)))}:")
            elif kind < 0.65:
                entries.append(f":{int(self.rng.integers(min(n, 1), n + 2))}")
            elif kind < 0.7:
                entries.append(f":{int(self.rng.integers(-n - 1, n + 2))}")
            elif kind < 0.8:
                entries.append("::-1")
            elif kind < 0.88:
                entries.append("::2")
            elif n:
                entries.append(str(int(self.rng.integers(-n, n))))
            else:
                entries.append(":")
        if self.rng.random() < 0.1:
            entries.insert(int(self.rng.integers(len(entries) + 1)), "None")
        if self.rng.random() < 0.1:
            entries = [*entries[:1], "..."]
        return ", ".join(entries) or "..."

    def number(self) -> str:
        return str(self.rng.choice(["2", "7", "-1", "3", "0.5", "1.5", "True"]))

    def operand(self, name: str) -> str:
        """Something that broadcasts against `name`."""
        shape = self.state[name].shape
        fitting = []
        for other in self._arrays():
            try:
                if np.broadcast_shapes(shape, self.state[other].shape) == shape:
                    fitting.append(other)
            except ValueError:
                continue
        kind = self.rng.random()
        if fitting and kind < 0.65:
            return str(self.rng.choice(fitting))
        if fitting and kind < 0.75 and shape:
            return f"{self.rng.choice(fitting)}[::-1]"
        return self.number()

    def chance(self, *choices: str) -> str:
        return str(self.rng.choice(choices))


# Views.


def _slice_view(p: Program) -> str:
    name = p._pick(1)
    return f"{p._new()} = {name}[{p.slices(name)}]"


def _axes_view(p: Program) -> str | None:
    name = p._pick(1)
    rank = p.state[name].ndim
    i, j = (int(k) for k in p.rng.integers(0, max(rank, 1), 2))
    return f"{p._new()} = " + p.chance(
        f"{name}.T", f"{name}.swapaxes({i}, {j})", f"np.moveaxis({name}, {i}, {j})",
        f"{name}[:, None]", f"{name}[None]", f"{name}.squeeze()", f"np.flip({name}, {i})",
        f"np.expand_dims({name}, {i})", f"np.transpose({name})", f"np.atleast_2d({name})",
    )  # fmt: skip


def _reshape_view(p: Program) -> str | None:
    name = p._pick()
    x = p.state[name]
    targets = ["-1"]
    if x.ndim > 1:
        targets += [f"{x.shape[0]}, -1" if x.shape[0] else "-1", "-1, 1"]
        targets.append(str((*x.shape[:-2], x.shape[-1], x.shape[-2])))
    for n in (2, 3, 4):
        if x.size and x.size % n == 0:
            targets += [f"{n}, -1", f"-1, {n}"]
    if x.size == 1:
        targets.append("()")
    order = p.chance("", "", "", ", order='F'", ", order='A'")
    shape = p.chance(*targets)
    form = p.rng.random()
    if form < 0.6:
        if order and shape.count(",") and not shape.startswith("("):
            shape = f"({shape})"
        return f"{p._new()} = {name}.reshape({shape}{order})"
    orders = ("", "", "order='F'", "order='A'", "order='K'")
    method = p.chance("ravel", "ravel", "flatten")
    return f"{p._new()} = {name}.{method}({p.chance(*orders)})"


def _special_view(p: Program) -> str | None:
    name = p._pick(1)
    x = p.state[name]
    choices = [f"np.broadcast_to({name}, {(2, *x.shape)})", f"np.asarray({name})"]
    choices += [f"np.ascontiguousarray({name})", f"np.asfortranarray({name})"]
    if x.dtype.kind == "c":
        choices += [f"{name}.real", f"{name}.imag"] * 4
    if x.ndim > 1:
        offset = int(p.rng.integers(-1, 2))
        choices += [f"np.diagonal({name}, {offset})", f"{name}.diagonal()"]
    if x.ndim and x.shape[0] % 2 == 0 and p.rng.random() < 0.2:
        return f"{p._new()}, {p._new()} = np.split({name}, 2)"
    return f"{p._new()} = {p.chance(*choices)}"


# New arrays.


def _arithmetic(p: Program) -> str:
    name = p._pick()
    other = p.operand(name)
    op = p.chance("+", "-", "*", "+", "-", "*", "/", ">", "==")
    if op == "/" and _any_complex(p, name, other):
        op = "*"  # How the quotient of complex numbers is rounded is not fixed.
    pair = f"{name} {op} {other}" if p.rng.random() < 0.7 else f"{other} {op} {name}"
    return f"{p._new()} = {pair}"


def _any_complex(p: Program, *names: str) -> bool:
    found = (p.state.get(name.split("[")[0]) for name in names)
    return any(np.iscomplexobj(x) for x in found)


def _function(p: Program) -> str:
    name = p._pick()
    other = p.operand(name)
    return f"{p._new()} = " + p.chance(
        f"np.where({name} > 0, {name}, {other})", f"np.maximum({name}, {other})",
        f"np.minimum({name}, {other})", f"np.abs({name})", f"-({name} * 1)",
        f"np.sqrt(np.abs({name}))",
        f"np.clip({name}, -2, 2)", f"np.square({name})", f"np.sign({name})",
        f"({name} + {other}) * 0.5",
    )  # fmt: skip


def _copy(p: Program) -> str:
    name = p._pick()
    order = p.chance("C", "F", "A", "K")
    return f"{p._new()} = " + p.chance(
        f"{name}.copy()", f"{name}.copy('{order}')", f"np.copy({name})", f"np.array({name})",
        f"np.array({name}, order='{order}')", f"{name}.astype('{p.chance(*DTYPES)}')",
        f"{name}.astype('f8', order='{order}')", f"np.zeros_like({name})",
        f"np.full_like({name}, 2)", f"np.ones_like({name}, order='{order}')",
        f"np.zeros({name}.shape)", f"np.full({name}.shape, 1.5, order='{order[0]}')",
        f"{name}.astype({name}.dtype, copy=False)",
    )  # fmt: skip


def _reduction(p: Program) -> str:
    name = p._pick(1)
    axis = int(p.rng.integers(0, max(p.state[name].ndim, 1)))
    where = p.chance("", f"{axis}", f"axis={axis}, keepdims=True", f"axis={axis}")
    method = p.chance("sum", "sum", "max", "min", "mean", "any", "cumsum")
    if method == "cumsum":
        where = where.split(",")[0]
    return f"{p._new()} = {name}.{method}({where})"


def _join(p: Program) -> str:
    name = p._pick(1)
    axis = int(p.rng.integers(0, max(p.state[name].ndim, 1)))
    same = [n for n in p._arrays(1) if p.state[n].shape == p.state[name].shape]
    other = str(p.rng.choice(same)) if same else name
    return f"{p._new()} = " + p.chance(
        f"np.concatenate([{name}, {other}], axis={axis})", f"np.stack([{name}, {other}])",
        f"np.array([{name}, {other}])", f"np.roll({name}, 1)",
    )  # fmt: skip


# Writes.


def _set_slice(p: Program) -> str:
    name = p._pick(1)
    where = p.slices(name)
    try:
        part = p.state[name][eval(f"np.s_[{where}]", {"np": np})]
    except IndexError:
        return f"{name}[{where}] = {p.number()}"
    shape = np.shape(part)
    fitting = [n for n in p._arrays() if _broadcasts(p.state[n].shape, shape)]
    if fitting and p.rng.random() < 0.7:
        value = str(p.rng.choice(fitting)) + p.chance("", "", " * 2", " + 1")
    else:
        value = p.number()
    return f"{name}[{where}] {p.chance('=', '=', '=', '+=', '-=', '*=')} {value}"


def _broadcasts(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(source, target) == target
    except ValueError:
        return False


def _set_mask(p: Program) -> str:
    name = p._pick(1)
    mask = p.chance(f"{name} > 0", f"{name} == 0", f"{name} <= 1")
    return f"{name}[{mask}] {p.chance('=', '=', '+=')} {p.number()}"


def _in_place(p: Program) -> str:
    name = p._pick()
    other = p.operand(name)
    op = p.chance("+=", "-=", "*=", "/=", "+=")
    if op == "/=" and _any_complex(p, name, other):
        op = "*="
    return f"{name} {op} {other}"


def _write_function(p: Program) -> str:
    name = p._pick(1)
    other = p.operand(name)
    if not p.state[name].flags.writeable:  # NumPy lets np.copyto(x, x) pass.
        return f"np.add({name}, {other}, out={name})"
    return p.chance(
        f"np.copyto({name}, {other})", f"np.add({name}, {other}, out={name})",
        f"{name}.fill({p.number()})",
        f"np.multiply({other}, 2, out={name})", f"np.copyto({name}, {other}, where={name} > 0)",
        # (np.negative of a strided array into itself is wrong in NumPy 2.4.)
        f"np.putmask({name}, {name} > 1, {p.number()})", f"np.subtract(0, {name}, out={name})",
        f"np.add({name}, 1, out={name}, where={name} > 0)",
        f"np.maximum({name}, {other}, out={name})",
    )  # fmt: skip


def _swap(p: Program) -> str:
    a, b = p._pick(), p._pick()
    return p.chance(
        f"{a}, {b} = {b}, {a}", f"{a}[...], {b}[...] = {b} * 1, {a} * 1",
        f"{a}[0], {a}[-1] = {a}[-1], {a}[0]",
    )  # fmt: skip


def _call(p: Program) -> str:
    name = p._pick(1)
    other = p.operand(name)
    return p.chance(
        f"{p._new()} = bump({name}, {p.number()})", f"{p._new()}, {p._new()} = halves({name})",
        f"{p._new()}, {p._new()} = turned({name})", f"{p._new()} = into({other}, {name})",
        f"{p._new()} = smooth({name})", f"{p._new()} = flat_first({name}, {p.number()})",
    )  # fmt: skip


def _control(p: Program) -> str:
    name = p._pick(1)
    return p.chance(
        f"for k in range(min(2, {name}.shape[0])): {name}[k] = {name}[-k] * 2",
        f"for row in {name}: row += 1",
        f"if {name}.ndim > 1 and {name}.shape[0] > 2: {name}[0] = {name}[1]",
        f"{p._new()} = {name} if {name}.shape[0] > 2 else {name}[::-1]",
        f"{p._new()} = [{name}, {name}[::2]][1]",
    )  # fmt: skip


_WEIGHTED: dict[Callable[[Program], str | None], int] = {
    _slice_view: 10, _axes_view: 7, _reshape_view: 9, _special_view: 5, _arithmetic: 8,
    _function: 5, _copy: 6, _reduction: 4, _join: 3, _set_slice: 12, _set_mask: 5, _in_place: 7,
    _write_function: 6, _swap: 2, _call: 6, _control: 3,
}  # fmt: skip
STATEMENTS = list(_WEIGHTED)
WEIGHTS = np.array(list(_WEIGHTED.values())) / sum(_WEIGHTED.values())
