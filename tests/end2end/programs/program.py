"""What a program is: a NumPy function and how to make arguments of random size for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Program:
    """`function` is plain NumPy; `arguments` makes fresh ones, of another size for each generator.

    Floats agree within `rtol` of themselves or `atol`; anything else exactly. `layouts` are the
    memory layouts in which the arguments are tried besides C order.
    """

    function: Callable[..., Any]
    arguments: Callable[[np.random.Generator], tuple[Any, ...]]
    rtol: float = 1e-12
    atol: float = 1e-13
    layouts: tuple[str, ...] = ("F", "strided")

    @property
    def name(self) -> str:
        return self.function.__name__


def sizes(rng: np.random.Generator, count: int, low: int = 4, high: int = 12) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(low, high, count))
