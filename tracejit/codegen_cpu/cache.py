"""The persistent cache of object code, shared by all processes.

An entry is a file whose name is a hash of everything the code depends on: what was to be compiled,
the versions of the tools, the features of the CPU. It is written under another name and renamed, so
that a reader sees all of it or nothing; it carries a checksum, so that a damaged one is recompiled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from tracejit.codegen_cpu import machine
from tracejit.config import config

SUFFIX = ".tjo"
_MAGIC = b"tracejit object 1\n"


@lru_cache(maxsize=1)
def _compiler_version() -> str:
    """Changes with every change of the compiler's own files."""
    root = Path(__file__).parent.parent
    facts = [
        f"{path.relative_to(root)}:{stat.st_size}:{stat.st_mtime_ns}"
        for folder in ("codegen_cpu", "ir")
        for path in sorted((root / folder).rglob("*.py"))
        for stat in [path.stat()]
    ]
    return "|".join([machine.host().fingerprint, *facts])


def key_of(text: str) -> str:
    """The name of the entry for what `text` describes."""
    return hashlib.sha256(f"{_compiler_version()}\n{text}".encode()).hexdigest()[:32]


def read(key: str) -> bytes | None:
    """The object code stored under `key`; None where there is none, or it is damaged."""
    if not config.cache_dir:
        return None
    try:
        data = (Path(config.cache_dir) / (key + SUFFIX)).read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + 32
    checksum, object_code = data[len(_MAGIC) : head], data[head:]
    if not data.startswith(_MAGIC) or hashlib.sha256(object_code).digest() != checksum:
        return None
    return object_code


def write(key: str, object_code: bytes) -> None:
    """Store object code; a folder that cannot be written only means that nothing is kept."""
    if not config.cache_dir:
        return
    folder = Path(config.cache_dir)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(object_code).digest() + object_code)
            os.replace(name, folder / (key + SUFFIX))
        except OSError:
            os.unlink(name)
            raise
