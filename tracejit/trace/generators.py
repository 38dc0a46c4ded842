"""A `numpy.random.Generator` that is an argument of a traced function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np

from tracejit import errors
from tracejit.trace.context import current, fail
from tracejit.trace.tensor import Cell

F = TypeVar("F", bound=Callable[..., Any])

DRAWS: dict[str, Callable[..., Any]] = {}
"""Name of a method of Generator -> its traced form, which takes the traced generator first."""


def draws(name: str) -> Callable[[F], F]:
    """Decorate the traced form of a method of `Generator`."""

    def decorate(implementation: F) -> F:
        DRAWS[name] = implementation
        return implementation

    return decorate


class TracedGenerator:
    """The stand-in for a generator; `cell` holds the parameter that it is."""

    __slots__ = ("cell",)

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What `isinstance` in the user's code asks for."""
        return np.random.Generator

    def __getattr__(self, name: str) -> Any:
        implementation = DRAWS.get(name)
        if implementation is not None:
            return Draw(implementation, self)
        if not hasattr(np.random.Generator, name) or name.startswith("__"):
            raise AttributeError(f"'Generator' object has no attribute {name!r}")
        fail(
            errors.UnsupportedError,
            f"`{name}` of a generator is not supported inside a jitted function",
            "use it outside and pass what it gives as an argument",
        )

    def check(self) -> None:
        """Raise where the trace that made this has ended."""
        if self.cell.trace.closed or self.cell.trace is not current():
            fail(
                errors.EscapedTracerError,
                f"a generator is used outside the call of `{self.cell.trace.name}` that got it",
                "pass it as an argument; do not keep it in a global, an attribute or a list",
            )


class Draw:
    """A method of a traced generator."""

    __slots__ = ("function", "generator")

    def __init__(self, function: Callable[..., Any], generator: TracedGenerator) -> None:
        self.function, self.generator = function, generator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.generator.check()
        return self.function(self.generator, *args, **kwargs)

    __tracejit_inline__ = __call__


def refuse_random(name: str) -> NoReturn:
    """Random numbers of a generator that is no argument would be the same at every call."""
    fail(
        errors.UnsupportedError,
        f"`{name}` draws from a generator that is no argument: at the first call only",
        "make it an argument: rng = np.random.default_rng(seed), then f(..., rng)",
    )


def is_generator(x: Any) -> bool:
    """Whether `x` is a traced generator; `isinstance` is asked for what it stands for."""
    return type(x) is TracedGenerator
