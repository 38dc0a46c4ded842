"""Every exception class.

A message begins with the user's own line (file, line number, source text), then says what was
expected and what came, then what to write instead.
"""

from __future__ import annotations

import linecache

from tracejit.source import Loc


class TracejitError(Exception):
    """Base of everything this library raises on its own account."""


class TraceError(TracejitError):
    """A function cannot be traced, or not for these arguments. `loc` is the user's line."""

    def __init__(self, what: str, *, loc: Loc | None = None, instead: str = "") -> None:
        self.what, self.loc, self.instead = what, loc, instead
        super().__init__(what)

    def __str__(self) -> str:
        lines = [*_quote(self.loc), *(f"  {line}" for line in self.what.splitlines())]
        if self.instead:
            lines.append(f"  instead: {self.instead}")
        return "\n".join(lines)


class ShapeError(TraceError, ValueError):
    """Shapes that do not go together."""


class DTypeError(TraceError, TypeError):
    """Dtypes that an operation does not take, or a cast that NumPy would refuse."""


class IntegerOverflowError(TraceError, OverflowError):
    """A Python int that the dtype it is combined with cannot hold."""


class ConcretizationError(TraceError, TypeError):
    """A traced value was used where Python needs a concrete one (`if`, `int()`, ...)."""


class UndecidedError(ConcretizationError):
    """A decision about sizes that comes out differently from step to step of a loop."""


class ControlFlowError(TraceError, TypeError):
    """A branch or loop on traced values that cannot be one: types that do not go together."""


class UnrollError(ControlFlowError):
    """A loop that Python repeats has made more operations than `config.unroll_limit`."""


class UnsupportedError(TraceError, NotImplementedError):
    """A function, method or argument that tracing does not cover."""


class TracedIndexError(TraceError, IndexError):
    """An index that is out of bounds or of a wrong type."""


class TracedValueError(TraceError, ValueError):
    """An argument whose value NumPy refuses too."""


class MutationError(TraceError, ValueError):
    """A write that cannot be honoured."""


class EscapedTracerError(TraceError, RuntimeError):
    """A traced tensor was used after the trace that made it had ended."""


class ArgumentError(TracejitError, TypeError):
    """An argument of a jitted function that is neither an array nor static."""


class CompileError(TracejitError, RuntimeError):
    """The compiler failed on a valid program: a defect of tracejit, please report it."""


def with_line(error: Exception, loc: Loc | None) -> Exception:
    """`error` of a library, as the same type of exception with the user's line in front.

    What the user's code raises stays as it is.
    """
    if loc is None or isinstance(error, TracejitError) or getattr(error, "from_user", False):
        return error
    kind = type(error)
    try:
        made = kind(str(TraceError(str(error), loc=loc)))
    except Exception:
        error.add_note("\n".join(_quote(loc)))
        return error
    return made.with_traceback(error.__traceback__)


def _quote(loc: Loc | None) -> list[str]:
    if loc is None:
        return []
    text = linecache.getline(loc.filename, loc.lineno).strip()
    where = f"{loc.filename}:{loc.lineno}"
    if loc.function:
        where += f" in {loc.function}"
    return [where, f"    {text}"] if text else [where]
