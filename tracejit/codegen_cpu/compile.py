"""From a program to the address of its `main`: memory cache, disk cache, compiler."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from importlib import import_module

from tracejit import errors
from tracejit.codegen_cpu import cache, machine
from tracejit.codegen_cpu.llvm_blas import provide_blas
from tracejit.codegen_cpu.llvm_frame import FrameLayout, frame_layout
from tracejit.codegen_cpu.llvm_program import emit_program
from tracejit.codegen_cpu.native_abi import runtime
from tracejit.codegen_cpu.source_program import emit_source
from tracejit.codegen_cpu.steps import has_scalar_loops
from tracejit.config import config
from tracejit.ir.program import Call, MatMul, Program


@dataclass(frozen=True)
class Compiled:
    """Loaded code: `main` takes the address of a frame and returns a status."""

    program: Program
    layout: FrameLayout
    main: int
    symbol: str
    from_disk: bool
    seconds: float


_loaded: dict[str, int] = {}
_lock = threading.Lock()


def compile_program(program: Program) -> Compiled:
    """Load the code of `program`, compiled now unless this or another process did before."""
    started = time.perf_counter()
    runtime()
    if any(isinstance(step, MatMul) for step in program.walk()):
        provide_blas()
    # Library calls, and sizes that only they know, are not in the printed source's power.
    calls = any(isinstance(step, Call) for step in program.walk())
    from_source = config.scalar_bodies == "source" and not calls
    key = ("source_" if from_source else "") + cache.key_of(repr(program))
    symbol = f"main_{key}"
    from_disk = False
    with _lock:
        main = _loaded.get(key)
        if main is None:
            if from_source:
                numba_backend = import_module("tracejit.codegen_cpu.numba_backend")
                main = int(numba_backend.compile_source(emit_source(program), program.name))
            else:
                main, from_disk = _load_or_compile(program, key, symbol)
            _loaded[key] = main
    seconds = time.perf_counter() - started
    return Compiled(program, frame_layout(program), main, symbol, from_disk, seconds)


def _load_or_compile(program: Program, key: str, symbol: str) -> tuple[int, bool]:
    stored = cache.read(key)
    if stored is not None:
        try:
            return machine.load(stored, symbol)[0], True
        except RuntimeError:
            pass  # A damaged entry: compile it again.
    try:
        text = emit_program(program, symbol, machine.host())
        object_code = machine.compile_assembly(text, has_scalar_loops(program))
    except RuntimeError as error:
        raise errors.CompileError(f"LLVM refused the code of `{program.name}`: {error}") from error
    cache.write(key, object_code)
    return machine.load(object_code, symbol)[0], False


def assembly(program: Program) -> str:
    """The LLVM assembly of a program, before LLVM's own passes."""
    return emit_program(program, "main", machine.host())


def source(program: Program) -> str:
    """The program as readable Numba source."""
    return emit_source(program)
