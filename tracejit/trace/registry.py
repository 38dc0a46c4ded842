"""Which traced implementation answers for a NumPy callable or an array method.

The files of `trace/namespace/` fill the two tables with the decorators below; tensors and the call
hook read them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class _Functions(dict[Any, Callable[..., Any]]):
    """A table that fills up with what answers for an optional library, once that is imported."""

    def get(self, key: Any, default: Any = None) -> Any:
        found = super().get(key)
        if found is None and _fill():
            found = super().get(key)
        return default if found is None else found

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(key) or (_fill() and super().__contains__(key))

    def __missing__(self, key: Any) -> Any:
        if _fill() and super().__contains__(key):
            return self[key]
        raise KeyError(key)


_WAITING: dict[str, Callable[[], None]] = {}


def when_imported(module: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Decorate what adds the implementations for `module`, run once somebody has imported it."""

    def decorate(fill: Callable[[], None]) -> Callable[[], None]:
        _WAITING[module] = fill
        return fill

    return decorate


def _fill() -> bool:
    """Whether there is something new in the table."""
    ready = [name for name in _WAITING if name in sys.modules]
    for name in ready:
        _WAITING.pop(name)()
    return bool(ready)


FUNCTIONS: dict[Any, Callable[..., Any]] = _Functions()
"""NumPy callable -> implementation with NumPy's signature, on tensors and whatever NumPy takes."""

CREATORS: set[Any] = set()
"""Those of `FUNCTIONS` that make a new array, and therefore trace without any traced argument."""

METHODS: dict[str, Callable[..., Any]] = {}
"""Name of an array method -> implementation whose first argument is the tensor."""

SUBSCRIPTS: dict[int, Callable[..., Any]] = {}
"""Identity of an object like `np.r_` -> what answers for `object[key]`."""

CALLABLES: dict[type, Callable[..., Any]] = {}
"""Type of a callable object, like `np.vectorize` -> implementation that gets the object first."""

PROPERTIES: dict[str, Callable[..., Any]] = {}
"""Name of an array property -> implementation on the tensor."""


def _on_the_cpu(function: F) -> F:
    """`function`, which takes a `device` and has no choice of them."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        device = kwargs.pop("device", None)
        if device not in (None, "cpu"):
            raise ValueError(
                f'Device not understood. Only "cpu" is allowed, but received: {device}'
            )
        return function(*args, **kwargs)

    return cast(F, checked)


def implements(
    *functions: Any, method: str | None = None, creator: bool = False
) -> Callable[[F], F]:
    """Decorate the traced form of NumPy callables and, with `method`, of an array method."""

    def decorate(implementation: F) -> F:
        code = getattr(implementation, "__code__", None)
        if code and "device" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            implementation = _on_the_cpu(implementation)
        for function in functions:
            FUNCTIONS[function] = implementation
            if creator:
                CREATORS.add(function)
        if method is not None:
            METHODS[method] = implementation
        return implementation

    return decorate


def is_method(name: str) -> Callable[[F], F]:
    """Decorate an array method whose signature differs from the function's."""

    def decorate(implementation: F) -> F:
        METHODS[name] = implementation
        return implementation

    return decorate


def is_property(name: str) -> Callable[[F], F]:
    """Decorate an array property."""

    def decorate(implementation: F) -> F:
        PROPERTIES[name] = implementation
        return implementation

    return decorate
