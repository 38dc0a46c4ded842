"""`jit`: from a Python function to compiled code that is called in its place."""

from __future__ import annotations

import functools
import threading
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tracejit import errors
from tracejit.ir.graph import Graph
from tracejit.ir.program import CALL_ERROR, Program
from tracejit.ir.target import Target
from tracejit.trace import hooks
from tracejit.trace.context import tracing
from tracejit.trace.function import Traced, located, trace_function, user_traceback
from tracejit.trace.signature import Arguments, Signature

if TYPE_CHECKING:
    from tracejit.specialization import Report, Specialization, Table

_MODES = ("fast_run", "fast_compile")


def _compiler() -> Any:
    """The compiler, imported when first needed: a third of what `import tracejit` would load."""
    return import_module("tracejit.specialization")


@dataclass(frozen=True)
class CacheInfo:
    """How often a function was compiled, and calls answered by what was compiled before."""

    compiled: int
    hits: int
    disk_hits: int
    seconds: float


class Jitted:
    """A function that is traced and compiled when called, once for each kind of arguments.

    `trace`, `optimize` and `source` take the arguments of a call, or `TensorSpec`s for arrays.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        static_argnames: Sequence[str] = (),
        target: str = "cpu",
        mode: str | None = None,
        profile: Any = None,
        capture: bool = True,
        name: str | None = None,
    ) -> None:
        self.fn = fn
        self.options = {
            "static_argnames": tuple(static_argnames), "target": target, "mode": mode,
            "profile": profile, "capture": capture, "name": name,
        }  # fmt: skip
        functools.update_wrapper(self, fn)
        self.name: str = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.target = Target(target)
        self.mode = mode
        self.capture = capture
        self.signature = Signature(fn, static_argnames)
        self.profile = None
        self._table: dict[Any, tuple[Specialization, ...]] = {}
        self._fast_table: Table | None = None
        self._entry: Callable[..., Any] = _no_entry
        self._lock = threading.RLock()
        self._hits = 0
        self._disk_hits = 0
        self._seconds = 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            found = self._entry(*args)
            if found is not NotImplemented and type(found) is not int:
                return found
            if type(found) is int:
                if found == CALL_ERROR:
                    raise _trimmed(_compiler().take_error())
                return self._call(args, kwargs, found)
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], failed: int = 0) -> Any:
        """A call that the native entry does not answer, or to which it answered with the status
        `failed`: then nothing is run again, as arguments may have been written already."""
        if tracing():
            return self.__tracejit_inline__(*args, **kwargs)
        try:
            arguments = self.signature.flatten(args, kwargs)
            for specialization in self._table.get(arguments.key, ()):
                arrays = specialization.inputs(arguments.leaves)
                if arrays is not None:
                    if failed:
                        raise specialization.failure(failed, arrays)
                    self._hits += 1
                    return specialization.run(arrays)
            specialization, arrays = self._compile(arguments)
            return specialization.run(arrays)
        except Exception as error:
            raise _trimmed(error)  # noqa: B904

    def __set_name__(self, owner: type, name: str) -> None:
        self.signature.make_method()

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __tracejit_inline__(self, *args: Any, **kwargs: Any) -> Any:
        """A call from inside another trace."""
        return hooks.call(self.fn, *args, **kwargs) if self.capture else self.fn(*args, **kwargs)

    def trace(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph as traced, before any pass."""
        try:
            return self._trace(self.signature.flatten(args, kwargs)).graph
        except Exception as error:
            raise _trimmed(error)  # noqa: B904

    def optimize(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph after all passes."""
        try:
            traced = self._trace(self.signature.flatten(args, kwargs))
            return _compiler().optimize(traced.graph, self.target)
        except Exception as error:
            raise _trimmed(error)  # noqa: B904

    def source(self, *args: Any, **kwargs: Any) -> str:
        """The emitted code, as readable Numba source."""
        program = self.program(*args, **kwargs)
        return str(import_module("tracejit.codegen_cpu.compile").source(program))

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """The loop nests and calls that the graph is lowered to, with their memory plan."""
        try:
            traced = self._trace(self.signature.flatten(args, kwargs))
            return _compiler().program_of(traced, self.target)
        except Exception as error:
            raise _trimmed(error)  # noqa: B904

    def explain(self) -> Report:
        """What was compiled for which arguments, under which conditions, and into what."""
        versions = [v.describe() for found in self._table.values() for v in reversed(found)]
        info = self.cache_info()
        return _compiler().Report(
            self.name, info.compiled, info.hits, info.disk_hits, info.seconds, tuple(versions)
        )

    def cache_info(self) -> CacheInfo:
        """Counts of compilations and of calls that needed none."""
        compiled = sum(map(len, self._table.values()))
        fast = self._fast_table.hits if self._fast_table is not None else 0
        return CacheInfo(compiled, self._hits + fast, self._disk_hits, self._seconds)

    def _trace(self, arguments: Arguments) -> Traced:
        try:
            return trace_function(self.fn, self.signature, arguments, self.name, self.capture)
        except Exception as error:
            raise located(error)  # noqa: B904

    def _compile(self, arguments: Arguments) -> tuple[Specialization, list[Any]]:
        with self._lock:
            for found in self._table.get(arguments.key, ()):
                arrays = found.inputs(arguments.leaves)
                if arrays is not None:
                    return found, arrays
            started = time.perf_counter()
            traced = self._trace(arguments)
            executable = _compiler().compile_traced(traced, self.target, self.mode)
            made = _compiler().Specialization(traced, executable, self._statics(arguments))
            arrays = made.inputs(arguments.leaves)
            if arrays is None:
                raise errors.CompileError(
                    f"`{self.name}` does not accept the arguments it was traced for"
                )
            self._table[arguments.key] = (made, *self._table.get(arguments.key, ()))
            self._disk_hits += made.executable.from_disk
            made.slow_call = self._offer_fast_call(made, arguments)
            made.seconds = time.perf_counter() - started
            self._seconds += made.seconds
            return made, arrays

    def _statics(self, arguments: Arguments) -> tuple[str, ...]:
        """Arguments that the code is specialized on by value, as text."""
        names = [p.name for p in self.signature.parameters]
        return tuple(
            f"{name}={tree.data.value!r}"
            for name, tree in zip(names, arguments.trees, strict=False)
            if tree.kind == "static"
        )

    def _offer_fast_call(self, made: Specialization, arguments: Arguments) -> str:
        """Let the native entry answer calls like this one from now on; why not, where it cannot."""
        spec = _compiler().fast_spec(made.traced, arguments, made.executable)
        if isinstance(spec, str):
            return spec
        native = import_module("tracejit.codegen_cpu.native_abi").runtime()
        if native is None:
            return "there is no native runtime for this platform"
        if self._fast_table is None:
            self._fast_table = _compiler().Table(len(arguments.trees))
            self._entry = native.make_entry(self._fast_table.words, self.name)
        self._fast_table.add(spec)
        return ""

    def __reduce__(self) -> Any:
        if _is_importable(self):
            return self.__qualname__  # type: ignore[attr-defined]
        cloudpickle = import_module("cloudpickle")
        return _unpickle, (cloudpickle.dumps(self.fn), self.options)

    def __repr__(self) -> str:
        return f"<tracejit.jit of {self.name}>"


def _no_entry(*args: Any) -> Any:
    """Stands in for the native entry until there is one."""
    return NotImplemented


def _is_importable(jitted: Jitted) -> bool:
    module = getattr(jitted, "__module__", None)
    try:
        found: Any = import_module(str(module))
        for part in jitted.__qualname__.split("."):  # type: ignore[attr-defined]
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return found is jitted


def _unpickle(function: bytes, options: dict[str, Any]) -> Jitted:
    cloudpickle = import_module("cloudpickle")
    return Jitted(cloudpickle.loads(function), **options)


def _trimmed(error: Exception) -> Exception:
    """`error` with a traceback of the user's frames only."""
    if isinstance(error, errors.TracejitError):
        error.__cause__ = None
    error.__suppress_context__ = True
    return error.with_traceback(user_traceback(error.__traceback__))


def jit(
    fn: Callable[..., Any] | None = None,
    *,
    static_argnames: str | Sequence[str] = (),
    target: str = "cpu",
    mode: str | None = None,
    profile: Any = None,
    capture: bool = True,
    name: str | None = None,
) -> Any:
    """Compile a function of NumPy arrays.

    `static_argnames` are arguments that the code is specialized on by value. `mode` is `fast_run`
    (the default) or `fast_compile`; `capture=False` leaves the source of the function alone, so
    that only NumPy's dispatch protocols trace it. Raises ValueError for an unknown mode or target,
    NotImplementedError for `target="cuda"` and `profile`, which later versions bring.
    """
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if mode is not None and mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
    if target == "cuda":
        raise NotImplementedError("target='cuda' is not there yet; target='cpu' is")
    if target != "cpu":
        raise ValueError(f"target must be 'cpu', not {target!r}")
    if profile:
        raise NotImplementedError("profile= is not there yet; f.explain() says what was compiled")

    def decorate(function: Callable[..., Any]) -> Jitted:
        if isinstance(function, Jitted):
            function = function.fn
        if not callable(function):
            raise TypeError(f"jit takes a function, not {type(function).__name__}")
        return Jitted(function, names, target, mode, profile, capture, name)

    return decorate if fn is None else decorate(fn)
