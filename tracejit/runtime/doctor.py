"""What this machine gives tracejit to work with, as facts that `tracejit doctor` prints."""

from __future__ import annotations

import ctypes
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm

from tracejit.config import config

OK, WARNING = "ok", "warning"

REQUIRED = ("numpy", "numba", "llvmlite", "scipy", "opt-einsum", "platformdirs")
PEERS = ("jax", "pytensor", "numexpr", "torch")

CPU_FEATURES = ("sse4.2", "avx", "fma", "avx2", "avx512f", "avx512vl", "amx-tile", "neon", "sve")

SINCE_2_22 = ("exp", "log", "pow", "sin", "cos")
SINCE_2_35 = (
    *("tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("exp2", "exp10", "expm1", "log2", "log10", "log1p", "cbrt", "erf", "erfc", "hypot"),
)
TWO_ARGUMENTS = ("pow", "atan2", "hypot")
WIDTHS = (("avx512f", "e", 8), ("avx2", "d", 4), ("sse2", "b", 2))
"""CPU feature, letter in libmvec's names, doubles in a vector; the widest first."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, and what to do where it could be better."""

    name: str
    status: str
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """The folder of the disk cache and what lies in it."""

    folder: str
    entries: int
    size: int
    writable: bool


def checks() -> list[Check]:
    """Everything, in the order in which it is printed."""
    return [
        *versions(),
        cpu(),
        vector_math(),
        threads(),
        cache(),
        cuda(),
    ]


def versions() -> list[Check]:
    """Python, what tracejit needs, and which of the peers of `tracejit bench` are installed."""
    found = [Check("python", OK, f"{platform.python_version()} on {platform.platform()}")]
    for name in ("tracejit", *REQUIRED):
        version = _version(name)
        if version is not None:
            found.append(Check(name, OK, version))
        elif name == "tracejit":
            found.append(
                Check(name, WARNING, "not installed: run from a checkout", "pip install -e .")
            )
        else:
            found.append(Check(name, WARNING, "not installed", f"pip install {name}"))
    peers = {name: _version(name) for name in PEERS}
    present = ", ".join(f"{name} {version}" for name, version in peers.items() if version)
    missing = " ".join(name for name, version in peers.items() if not version)
    advice = f"to have more to compare with: pip install {missing}" if missing else ""
    found.append(Check("bench peers", OK, present or "none beside NumPy and Numba", advice))
    return found


def cpu() -> Check:
    features = llvm.get_host_cpu_features()
    have = [name for name in CPU_FEATURES if features.get(name)]
    detail = f"{_cpu_model()} (LLVM: {llvm.get_host_cpu_name()}), {' '.join(have) or 'no vectors'}"
    return Check("cpu", OK, detail)


def vector_math() -> Check:
    """Which vector versions of math functions can be called: without them `exp` stays scalar."""
    name = "vector math"
    scalar = "exp, sin, log and their kin run one element at a time"
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        where = f"{platform.system()} on {platform.machine()}"
        return Check(name, WARNING, f"none on {where}: {scalar}", "use Linux on x86_64 for speed")
    try:
        llvm.load_library_permanently("libmvec.so.1")
    except RuntimeError:
        advice = "install glibc 2.22 or later (2.35 has every function); musl has no libmvec"
        return Check(name, WARNING, f"libmvec.so.1 not found: {scalar}", advice)
    features = llvm.get_host_cpu_features()
    feature, letter, lanes = next((width for width in WIDTHS if features.get(width[0])), WIDTHS[-1])
    resolved = [f for f in (*SINCE_2_22, *SINCE_2_35) if _resolves(f, letter, lanes)]
    missing = [f for f in (*SINCE_2_22, *SINCE_2_35) if f not in resolved]
    total = len(SINCE_2_22) + len(SINCE_2_35)
    detail = f"libmvec, {feature} ({lanes} doubles): {len(resolved)} of {total} functions"
    if not missing:
        return Check(name, OK, detail)
    return Check(
        name, WARNING, f"{detail}; missing: {', '.join(missing)}", "glibc 2.35 or later has them"
    )


def _resolves(function: str, letter: str, lanes: int) -> bool:
    signature = "vv" if function in TWO_ARGUMENTS else "v"
    return bool(llvm.address_of_symbol(f"_ZGV{letter}N{lanes}{signature}_{function}"))


def threads() -> Check:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    layers = threading_layers()
    detail = f"{config.num_threads} of {cpus} CPUs; Numba's threading layers: "
    detail += ", ".join(layers) or "none found"
    chosen = os.environ.get("NUMBA_THREADING_LAYER")
    if chosen:
        detail += f" (NUMBA_THREADING_LAYER={chosen})"
    if not layers:
        return Check("threads", WARNING, detail, "reinstall numba: pip install --force numba")
    if cpus and config.num_threads > cpus:
        advice = f"more threads than CPUs slow each other down: set TRACEJIT_NUM_THREADS={cpus}"
        return Check("threads", WARNING, detail, advice)
    return Check("threads", OK, detail)


def threading_layers() -> list[str]:
    """Numba's threading layers that can be loaded here, tried without importing Numba."""
    spec = importlib.util.find_spec("numba")
    folders = spec.submodule_search_locations if spec is not None else None
    layers = (("tbb", "tbbpool"), ("omp", "omppool"), ("workqueue", "workqueue"))
    return [
        layer
        for layer, module in layers
        if any(
            _loads(file)
            for folder in folders or ()
            for suffix in importlib.machinery.EXTENSION_SUFFIXES
            for file in Path(folder, "np", "ufunc").glob(f"{module}{suffix}")
        )
    ]


def _loads(library: Path) -> bool:
    """Whether a library and what it needs (TBB's own, say) are there."""
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


def cache() -> Check:
    name = "disk cache"
    if not config.cache_dir:
        return Check(name, WARNING, "off", "set TRACEJIT_CACHE_DIR to a folder to keep kernels")
    facts = cache_facts()
    detail = f"{facts.folder}: {facts.entries} entries, {format_bytes(facts.size)}"
    if facts.writable:
        return Check(name, OK, detail)
    advice = "set TRACEJIT_CACHE_DIR to a folder that you can write"
    return Check(name, WARNING, f"{detail}, not writable: each process compiles anew", advice)


def cache_facts() -> CacheFacts:
    files = list(cache_files())
    kernels = sum(1 for file in files if file.suffix == ".tjo")
    size = sum(_size(file) for file in files)
    return CacheFacts(config.cache_dir, kernels, size, _writable(Path(config.cache_dir)))


def cache_files() -> Iterable[Path]:
    """The files that the disk cache wrote: object code (.tjo) and what describes it (.json)."""
    folder = Path(config.cache_dir)
    if not config.cache_dir or not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix in (".tjo", ".json"))


def clear_cache() -> int:
    """Delete the entries of the disk cache; returns how many kernels there were.

    Another process may clear or write at the same time: what is gone already is no error.
    """
    count = 0
    for file in cache_files():
        count += file.suffix == ".tjo"
        file.unlink(missing_ok=True)
    return count


def cuda() -> Check:
    package = _version("numba-cuda")
    driver = cuda_driver()
    if package and driver:
        return Check("cuda", OK, f"numba-cuda {package}, driver for CUDA {driver}")
    if driver:
        advice = "pip install 'tracejit[cuda]'"
        return Check("cuda", WARNING, f"driver for CUDA {driver}, numba-cuda missing", advice)
    if package:
        advice = 'install the NVIDIA driver, or leave target="cuda" alone'
        return Check("cuda", WARNING, f"numba-cuda {package}, no driver", advice)
    return Check("cuda", OK, "no driver and no numba-cuda: CPU only")


def cuda_driver(load: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> str | None:
    """The newest CUDA version that the installed driver knows; None without a working driver."""
    try:
        library = load("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int()
    if library.cuDriverGetVersion(ctypes.byref(number)) != 0 or number.value == 0:
        return None
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def format_bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # cleared by another process meanwhile
        return 0


def _writable(folder: Path) -> bool:
    """Whether files can be made there; a folder that does not exist yet is judged by its parent."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
