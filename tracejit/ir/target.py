"""What code is compiled for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that a graph is compiled for, as far as passes need to know it.

    `vector_bytes` is the width of a vector register (of a warp's load on a GPU), `cache_bytes` the
    last level of cache that one thread can count on.
    """

    name: str = "cpu"
    vector_bytes: int = 64
    num_threads: int = 1
    cache_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        if self.name not in ("cpu", "cuda"):
            raise ValueError(f"unknown target {self.name!r}: 'cpu' or 'cuda'")
