"""The peers: how each compiles a workload, takes its arguments, and says that it is done.

A peer's module is imported when the peer is first asked for something, not before.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from typing import Any

import numpy as np

from .workload import Function, Workload, rebind


class Peer:
    """NumPy itself, and the base of the others."""

    name = "numpy"
    module_name = "numpy"
    note = ""
    """What a reader of the figures has to know."""

    def __init__(self) -> None:
        self._module: Any = None

    @property
    def module(self) -> Any:
        if self._module is None:
            self._module = importlib.import_module(self.module_name)
            self.configure()
        return self._module

    @classmethod
    def installed(cls) -> bool:
        return importlib.util.find_spec(cls.module_name) is not None

    def version(self) -> str:
        try:
            return importlib.metadata.version(self.module_name)
        except importlib.metadata.PackageNotFoundError:
            return getattr(self.module, "__version__", "checkout")

    def configure(self) -> None:
        """Once, after the import."""

    def set_threads(self, count: int) -> str:
        """Use `count` threads; where that is not possible, say so."""
        return (
            "NumPy: elementwise work has one thread, the threads of its BLAS are left as they are"
        )

    def build(self, workload: Workload, function: Function) -> Function | None:
        """The function to call, or None when this peer does not run the workload.

        What it returns has finished its work when it returns.
        """
        if self.name in workload.peers:
            builder = workload.peers[self.name]
            if builder is None:
                return None
            own = builder(self.module)
            return self.finishing(own if workload.generate is None else own(function))
        return self.finishing(self.compile(function))

    def compile(self, function: Function) -> Function:
        """`function` as this peer runs it when the workload brings nothing of its own."""
        return function

    def finishing(self, function: Function) -> Function:
        """`function`, made to wait for its result."""
        return function

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments where this peer wants them, made before the clock starts."""
        return args

    def result(self, value: Any) -> tuple[Any, ...]:
        """The results as NumPy arrays."""
        values = value if isinstance(value, list | tuple) else (value,)
        return tuple(np.asarray(item) for item in values)


class Tracejit(Peer):
    name = "tracejit"
    module_name = "tracejit"

    def set_threads(self, count: int) -> str:
        importlib.import_module("tracejit.config").config.update(num_threads=count)
        return ""

    def compile(self, function: Function) -> Function:
        compiled: Function = self.module.jit(function)
        return compiled


class Numba(Peer):
    name = "numba"
    module_name = "numba"
    note = "Numba: loops written by hand, @njit(parallel=True) for large arrays"

    def set_threads(self, count: int) -> str:
        most = self.module.config.NUMBA_NUM_THREADS
        self.module.set_num_threads(min(count, most))
        return f"Numba: {most} threads, the most it has" if count > most else ""

    def compile(self, function: Function) -> Function:
        compiled: Function = self.module.njit(function)
        return compiled


class Jax(Peer):
    name = "jax"
    module_name = "jax"
    note = (
        "JAX: float64 enabled, jax.jit, inputs are device arrays made before the clock starts,"
        " each call waits with block_until_ready"
    )

    def configure(self) -> None:
        self._module.config.update("jax_enable_x64", True)

    def set_threads(self, count: int) -> str:
        return "JAX: its threads cannot be limited inside a process (start it under taskset)"

    def compile(self, function: Function) -> Function:
        compiled: Function = self.module.jit(rebind(function, np=self.module.numpy))
        return compiled

    def finishing(self, function: Function) -> Function:
        def call(*args: Any) -> Any:
            value = function(*args)
            for item in value if type(value) is tuple else (value,):
                item.block_until_ready()
            return value

        return call

    def arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            self.module.numpy.asarray(arg).block_until_ready()
            if isinstance(arg, np.ndarray)
            else arg
            for arg in args
        )


class NumExpr(Peer):
    name = "numexpr"
    module_name = "numexpr"

    def set_threads(self, count: int) -> str:
        most = self.module.MAX_THREADS
        self.module.set_num_threads(min(count, most))
        return f"NumExpr: {most} threads, the most it has" if count > most else ""

    def build(self, workload: Workload, function: Function) -> Function | None:
        return super().build(workload, function) if workload.peers.get(self.name) else None


class PyTensor(Peer):
    name = "pytensor"
    module_name = "pytensor"
    note = "PyTensor: the same source over pytensor.tensor, arguments of unknown size"

    def set_threads(self, count: int) -> str:
        return "PyTensor: its threads are left as they are"

    def compile(self, function: Function) -> Function:
        """Graphs are typed by their arguments, so the first call builds this one."""
        tensor = importlib.import_module("pytensor.tensor")
        symbolic = rebind(function, np=tensor)
        compiled: list[Function] = []

        def call(*args: Any) -> Any:
            if not compiled:
                inputs = [
                    tensor.TensorType(
                        np.asarray(arg).dtype.name,
                        shape=tuple(1 if n == 1 else None for n in np.shape(arg)),
                    )()
                    for arg in args
                ]
                outputs = symbolic(*inputs)
                outputs = list(outputs) if isinstance(outputs, tuple) else outputs
                compiled.append(self.module.function(inputs, outputs))
            return compiled[0](*args)

        return call


class Torch(Peer):
    name = "torch"
    module_name = "torch"
    note = "PyTorch: torch.compile of the NumPy function, arrays in and out"

    def set_threads(self, count: int) -> str:
        self.module.set_num_threads(count)
        return ""

    def compile(self, function: Function) -> Function:
        compiled: Function = self.module.compile(function)
        return compiled


PEERS: dict[str, type[Peer]] = {
    peer.name: peer for peer in (Peer, Numba, Jax, NumExpr, PyTensor, Torch)
}


def installed_peers() -> list[str]:
    return [name for name, peer in PEERS.items() if peer.installed()]
