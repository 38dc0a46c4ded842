"""Readable Python text from expressions: what is named, what stays inside a longer line.

Code is built as blocks of items: expressions (pure but for loads, which have a name of their own),
statements and loops. Only when all uses are known is it written: an expression that is used once
stays where it is used, as long as the line stays short; one that nobody uses is not written at all.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tracejit.source import SourceWriter

TERNARY, NOT, COMPARE, OR, XOR, AND, SHIFT, ADD, MUL, UNARY, ATOM = range(11)
"""How tightly the outer operator of an expression binds, as in Python's grammar."""

INLINE_WIDTH = 60
"""Characters up to which an expression that is used once stays inside another."""
LINE_WIDTH = 90
"""Characters of a line from which parts of it get names."""


class Names:
    """The names of one function, each given once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.taken = {*reserved, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)}

    def new(self, wish: str) -> str:
        """`wish` as an identifier, with a number behind it where it is taken."""
        base = re.sub(r"\W", "_", wish, flags=re.ASCII)
        if not base or base[0].isdigit():
            base = "v" + base
        name, k = base, 1
        while name in self.taken:
            name, k = f"{base}_{k}", k + 1
        self.taken.add(name)
        return name

    def numbered(self, wish: str) -> str:
        """`wish0`, `wish1`, and so on."""
        # `i0` is the name of a loop index.
        base = f"{wish}_" if wish[-1:].isdigit() or wish == "i" else wish
        k = 0
        while f"{base}{k}" in self.taken:
            k += 1
        return self.new(f"{base}{k}")


@dataclass(eq=False, slots=True)
class Block:
    """Lines of one indentation, in order."""

    items: list[Expression | Statement | Loop] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Expression:
    """`template` with `{0}`, `{1}` for `args`, which need parentheses below the levels `needs`.

    One with a `name` is always assigned to that; another one would like `wish`, if it gets a name
    at all. A number has a `value`, and as `bare` its text beside what gives it its type.
    """

    block: Block | None
    template: str
    args: tuple[Expression, ...] = ()
    needs: tuple[int, ...] = ()
    level: int = ATOM
    name: str = ""
    wish: str = ""
    bare: str = ""
    value: bool | int | float | None = None
    uses: int = 0
    elsewhere: bool = False
    text: str = ""

    def __post_init__(self) -> None:
        if self.block is not None:
            self.block.items.append(self)
        elif not self.args:
            self.text = self.template

    def within(self, need: int) -> str:
        """The text, in parentheses where its operator binds less tightly than `need`."""
        return self.text if self.level >= need else f"({self.text})"


def leaf(text: str, level: int = ATOM) -> Expression:
    """A name or a number."""
    return Expression(None, text, level=level)


@dataclass(eq=False, slots=True)
class Statement:
    """Lines of text with `{0}`, `{1}` for `args`."""

    block: Block
    template: str
    args: tuple[Expression, ...] = ()
    needs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.block.items.append(self)


@dataclass(eq=False, slots=True)
class Loop:
    """A `for` with its `head`, or a `while` whose condition `test` is computed by `tests`."""

    block: Block
    body: Block
    head: str = ""
    tests: Block | None = None
    test: Expression | None = None

    def __post_init__(self) -> None:
        self.block.items.append(self)


def _fill(item: Expression | Statement, writer: SourceWriter, names: Names) -> str:
    """The text of an item; where it gets long, the longest of its parts become lines before it."""
    args, needs = item.args, item.needs
    while True:
        text = item.template.format(
            *(a.within(needs[k] if k < len(needs) else TERNARY) for k, a in enumerate(args))
        )
        parts = [a for a in args if a.block is not None and a.text != a.name and " " in a.text]
        if len(text) <= LINE_WIDTH or not parts or "\n" in text:
            return text
        _assign(max(parts, key=lambda a: len(a.text)), writer, names)


def write(block: Block, writer: SourceWriter, names: Names) -> None:
    """Count the uses, then write what is needed."""
    _count(block)
    _write(block, writer, names)


def _count(block: Block) -> None:
    for item in reversed(block.items):
        if isinstance(item, Loop):
            _count(item.body)
            if item.tests is not None and item.test is not None:
                _use(item.test, item.tests)
                _count(item.tests)
        elif isinstance(item, Statement) or item.uses:
            for arg in item.args:
                _use(arg, block)


def _use(expression: Expression, block: Block) -> None:
    expression.uses += 1
    expression.elsewhere |= expression.block is not block


def _write(block: Block, writer: SourceWriter, names: Names) -> None:
    for item in block.items:
        if isinstance(item, Statement):
            for line in _fill(item, writer, names).split("\n"):
                writer.line(line)
        elif isinstance(item, Expression):
            if item.uses:
                _write_expression(item, writer, names)
        elif item.tests is None:
            with writer.block(item.head):
                _write(item.body, writer, names)
        else:
            _write_while(item, writer, names)


def _write_expression(item: Expression, writer: SourceWriter, names: Names) -> None:
    item.text = _fill(item, writer, names)
    short = item.uses == 1 and not item.elsewhere and len(item.text) <= INLINE_WIDTH
    if item.name or (item.args and not short):
        _assign(item, writer, names)


def _assign(item: Expression, writer: SourceWriter, names: Names) -> None:
    """Give an expression a name, here."""
    name = item.name or (names.new(item.wish) if item.wish else names.numbered("t"))
    writer.line(f"{name} = {item.text}")
    item.name = item.text = name
    item.level = ATOM


def _write_while(loop: Loop, writer: SourceWriter, names: Names) -> None:
    assert loop.tests is not None and loop.test is not None
    tests = SourceWriter()
    tests.depth = writer.depth + 1
    _write(loop.tests, tests, names)
    if not tests.lines:
        with writer.block(f"while {loop.test.text}:"):
            _write(loop.body, writer, names)
        return
    with writer.block("while True:"):
        writer.lines += tests.lines
        writer.line(f"if not {loop.test.within(UNARY)}:")
        writer.line("    break")
        _write(loop.body, writer, names)
