"""Source text: a line of the user's code (`Loc`), the writer of emitted code (`SourceWriter`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loc:
    """A line of the user's code."""

    filename: str
    lineno: int
    function: str = ""

    def __str__(self) -> str:
        return f"{self.filename.rsplit('/', 1)[-1]}:{self.lineno}"


class SourceWriter:
    """Collects lines of Python source at the current indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def line(self, text: str = "", comment: str = "") -> None:
        """Append one line; `comment` goes behind it."""
        if comment:
            text = f"{text}  # {comment}" if text else f"# {comment}"
        self.lines.append("    " * self.depth + text if text else "")

    @contextmanager
    def block(self, head: str, comment: str = "") -> Iterator[None]:
        """`head` on a line of its own, and what is written inside indented below it."""
        self.line(head, comment)
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"
