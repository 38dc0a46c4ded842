"""What this CPU offers: vector width, target machine, and the vector functions of libmvec.

llvmlite is imported here and in the modules that emit; Numba only where source is compiled.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from dataclasses import dataclass
from functools import lru_cache

import llvmlite
import llvmlite.binding as llvm

from tracejit.codegen_cpu.special_functions import provide_special

VECTOR_MATH = {
    "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1, "sinh": 1, "cosh": 1, "tanh": 1,
    "asinh": 1, "acosh": 1, "atanh": 1, "exp": 1, "exp2": 1, "expm1": 1, "log": 1, "log2": 1,
    "log10": 1, "log1p": 1, "cbrt": 1, "erf": 1, "erfc": 1, "pow": 2, "atan2": 2, "hypot": 2,
}  # fmt: skip
"""Functions that glibc's libmvec has vector versions of, with their number of arguments."""

_WIDTHS = {64: "e", 32: "d", 16: "b"}


@dataclass(frozen=True)
class Machine:
    """The host. `vector_functions` maps (C name, lanes) to the symbol of the vector version."""

    cpu: str
    features: str
    vector_bytes: int
    vector_functions: dict[tuple[str, int], str]

    @property
    def is_x86(self) -> bool:
        return platform.machine() in ("x86_64", "AMD64")

    @property
    def has_fma(self) -> bool:
        """Whether a multiplication and an addition are one instruction, rounded once."""
        return "+fma," in self.features + ","

    @property
    def fingerprint(self) -> str:
        """Changes whenever code compiled here might not run, or not be found, elsewhere."""
        text = "|".join(
            [
                llvmlite.__version__,
                ".".join(map(str, llvm.llvm_version_info)),
                self.cpu,
                self.features,
                ",".join(sorted(self.vector_functions.values())),
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def host() -> Machine:
    """Facts about this machine, found out once."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    width = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return Machine(llvm.get_host_cpu_name(), features.flatten(), width, _vector_functions(width))


def _vector_functions(width: int) -> dict[tuple[str, int], str]:
    try:
        llvm.load_library_permanently("libmvec.so.1")
    except RuntimeError:
        return {}
    found: dict[tuple[str, int], str] = {}
    for name, arity in VECTOR_MATH.items():
        for size, letter in _WIDTHS.items():
            if size > width:
                continue
            for suffix, item in (("", 8), ("f", 4)):
                lanes = size // item
                symbol = f"_ZGV{letter}N{lanes}{'v' * arity}_{name}{suffix}"
                if llvm.address_of_symbol(symbol):
                    found[name + suffix, lanes] = symbol
    return found


def target_machine() -> llvm.TargetMachine:
    """A code generator for this CPU; one per compilation, they are not shared between threads."""
    machine = host()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=2, reloc="static", codemodel="jitdefault",
        jit=True,
    )  # fmt: skip


def compile_assembly(text: str, scalar_loops: bool = False) -> bytes:
    """Object code of a module in LLVM assembly, optimized.

    Nests are emitted as vectors and unrolled as far as that pays. `scalar_loops` are those that
    are written as scalar code, for LLVM to make vectors of.
    """
    host()
    module = llvm.parse_assembly(text)
    machine = target_machine()
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.loop_unrolling = scalar_loops
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


class _Loader:
    """The one execution engine that holds all loaded code for the life of the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engine: llvm.ExecutionEngine | None = None

    def load(self, object_code: bytes, symbols: tuple[str, ...]) -> tuple[int, ...]:
        with self.lock:
            if self.engine is None:
                host()
                self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
            provide_special(object_code)
            self.engine.add_object_file(llvm.ObjectFileRef.from_data(object_code))
            return tuple(self.engine.get_function_address(name) for name in symbols)


_LOADER = _Loader()


def load(object_code: bytes, *symbols: str) -> tuple[int, ...]:
    """Put object code into the process; the addresses of its `symbols`, unique in the process.

    Raises RuntimeError for code that is damaged or lacks a symbol.
    """
    addresses = _LOADER.load(object_code, symbols)
    if not all(addresses):
        raise RuntimeError(f"object code lacks one of {symbols}")
    return addresses
