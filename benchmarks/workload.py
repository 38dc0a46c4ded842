"""What a workload is: a plain NumPy function, its arguments, and what to run beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

Size = tuple[int, ...]
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """One benchmark. `function` is what NumPy runs and what `tracejit.jit` gets, unmodified.

    JAX and PyTensor run the same source with `np` bound to their own module (see `rebind`); a peer
    that cannot, or would be at a disadvantage, has a builder in `peers`: it gets the imported
    module and returns the function to call. A peer mapped to None does not run this workload.
    """

    name: str
    title: str
    function: Function
    make_args: Callable[[Size, np.random.Generator], tuple[Any, ...]]
    quick: tuple[Size, ...]
    full: tuple[Size, ...]
    peers: Mapping[str, Callable[[Any], Function] | None] = field(default_factory=dict)
    rtol: float = 1e-9
    atol: float = 0.0
    generate: Callable[[Size, int], Function] | None = None
    """Makes a fresh function for a size and a seed. Then first calls are timed, and nothing else;
    a builder in `peers` returns what to decorate the fresh function with."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """For generated functions: the largest size worth waiting for, by peer."""
    writes: bool = False
    """The function writes into its arguments: every peer works on arrays of its own."""

    def sizes(self, full: bool) -> tuple[Size, ...]:
        return self.full if full else self.quick


def fresh(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments again, in memory of their own."""
    return tuple(arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args)


def rebind(function: Function, **names: Any) -> Function:
    """A copy of `function` that sees `names` in place of its module's globals.

    Helper functions of the same module are copied along: `rebind(f, np=jax.numpy)` is what a person
    gets who changes the import line at the head of the file.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"expected a Python function, got {function!r}")
    scope = {**function.__globals__, **names}
    for name in function.__code__.co_names:
        helper = function.__globals__.get(name)
        if name in names or helper is function or not isinstance(helper, FunctionType):
            continue
        if helper.__module__ == function.__module__:
            scope[name] = rebind(helper, **names)
    copy = FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def size_label(size: Size) -> str:
    """`(1000000,)` reads `1M`, `(204, 204, 26)` reads `204x204x26`."""
    return "x".join(_short(n) if len(size) == 1 else str(n) for n in size)


def _short(n: int) -> str:
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= unit and n % (unit // 10) == 0:
            return f"{n / unit:g}{letter}"
    return str(n)


def numexpr_builder(expression: str, *names: str) -> Callable[[Any], Function]:
    """A NumExpr peer: the expression over positional arguments called `names`."""

    def build(ne: Any) -> Function:
        def call(*args: Any) -> Any:
            return ne.evaluate(expression, dict(zip(names, args, strict=True)))

        return call

    return build
