"""Settings: attributes of `tracejit.config`, each also an environment variable TRACEJIT_<NAME>."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from platformdirs import user_cache_dir


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WATCHERS: dict[str, list[Callable[[Any], None]]] = {}


@dataclass
class Config:
    """The settings and their defaults.

    Change them with `config.update(name=value)` or, for a while, with `with
    config.override(name=value)`. A setting that is baked into compiled code takes effect for
    functions compiled afterwards.
    """

    cache_dir: str = field(default_factory=lambda: user_cache_dir("tracejit", appauthor=False))
    """Folder of the persistent cache of compiled code; empty: no disk cache."""
    num_threads: int = field(default_factory=_cpus)
    """Threads that a large kernel uses, the calling one included."""
    mode: str = "fast_run"
    """`fast_run` (compiled), `fast_compile` (few passes, interpreted by NumPy)."""
    scalar_bodies: str = "llvm"
    """`llvm`: loop nests are built as LLVM IR. `source`: they are compiled from Numba source."""
    pool_bytes: int = 1 << 29
    """Most bytes of released large buffers that are kept for the next call."""
    capture_calls: bool = True
    """Trace into the Python functions that a jitted function calls, by rewriting their source."""

    unroll: int = 4
    """A `for` over at most so many steps is repeated while tracing rather than made a loop."""
    unroll_limit: int = 2000
    """Most operations that a loop which cannot be a loop in the graph may be repeated to."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            text = os.environ.get(f"TRACEJIT_{spec.name.upper()}")
            if text is not None:
                setattr(self, spec.name, _parse(spec.name, text, getattr(self, spec.name)))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dataclass_fields__:
            known = ", ".join(sorted(self.__dataclass_fields__))
            raise AttributeError(f"tracejit.config has no setting {name!r}; it has {known}")
        check = _CHECKS.get(name)
        if check is not None and not check[0](value):
            raise ValueError(f"tracejit.config.{name} must be {check[1]}, not {value!r}")
        object.__setattr__(self, name, value)
        for function in _WATCHERS.get(name, ()):
            function(value)

    def watch(self, name: str, function: Callable[[Any], None]) -> None:
        """Call `function` with the setting `name`, now and whenever it is set."""
        _WATCHERS.setdefault(name, []).append(function)
        function(getattr(self, name))

    def update(self, **settings: Any) -> None:
        """Change settings. Raises AttributeError for an unknown one, ValueError for a bad value."""
        for name, value in settings.items():
            setattr(self, name, value)

    @contextmanager
    def override(self, **settings: Any) -> Iterator[None]:
        """Change settings inside a `with` block."""
        before = {name: getattr(self, name) for name in settings}
        try:
            self.update(**settings)
            yield
        finally:
            self.update(**before)


_CHECKS: dict[str, tuple[Any, str]] = {
    "num_threads": (lambda v: isinstance(v, int) and v >= 1, "an int of at least 1"),
    "unroll": (lambda v: isinstance(v, int) and v >= 0, "a number of steps"),
    "unroll_limit": (lambda v: isinstance(v, int) and v >= 0, "a number of operations"),
    "pool_bytes": (lambda v: isinstance(v, int) and v >= 0, "a number of bytes"),
    "mode": (lambda v: v in ("fast_run", "fast_compile"), "'fast_run' or 'fast_compile'"),
    "scalar_bodies": (lambda v: v in ("llvm", "source"), "'llvm' or 'source'"),
}


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off", ""):
            return False
        raise ValueError(f"environment variable TRACEJIT_{name.upper()}={text!r} is not a bool")
    try:
        return type(default)(text)
    except ValueError:
        kind = type(default).__name__
        raise ValueError(
            f"environment variable TRACEJIT_{name.upper()}={text!r} is not of type {kind}"
        ) from None


config = Config()
