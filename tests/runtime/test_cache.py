"""The cache on disk: what is damaged, missing or of another version costs a recompile only."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.runtime.processes import finish, run, start
from tracejit import config, jit
from tracejit.codegen_cpu import cache, compile

CODE = """
import numpy as np
from tracejit import jit
f = jit(lambda x: np.exp(x) * 2 + x.sum())
x = np.linspace(0, 1, 50)
np.testing.assert_allclose(f(x), np.exp(x) * 2 + x.sum(), rtol=1e-14)
print(f.cache_info().disk_hits)
"""


@pytest.fixture
def folder(tmp_path):
    """A disk cache of its own, and nothing loaded from before."""
    loaded = dict(compile._loaded)
    compile._loaded.clear()
    with config.override(cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache"
    compile._loaded.clear()
    compile._loaded.update(loaded)


def call_fresh():
    """Compile a function as another process would; whether it came from disk."""
    compile._loaded.clear()
    f = jit(lambda x: np.exp(x) * 2 + x.sum())
    x = np.linspace(0, 1, 50)
    np.testing.assert_allclose(f(x), np.exp(x) * 2 + x.sum(), rtol=1e-14)
    return f.cache_info().disk_hits == 1


def test_a_second_process_reads_what_the_first_compiled(tmp_path):
    found = [run(tmp_path, CODE, TRACEJIT_CACHE_DIR=str(tmp_path / "cache")) for _ in range(2)]
    assert found == ["0", "1"]


def test_from_disk_is_counted(folder):
    assert not call_fresh()
    assert call_fresh()
    assert all(p.suffix == cache.SUFFIX for p in folder.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: bytes(len(data)),
        lambda data: os.urandom(len(data)),
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
        lambda data: data + b"more",
    ],
)
def test_damaged_files_are_compiled_again(folder, damage):
    assert not call_fresh()
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    assert not call_fresh()
    assert call_fresh()


def test_an_entry_of_another_function(tmp_path):
    """A right checksum around the wrong code, in a process that knows neither."""
    env = {"TRACEJIT_CACHE_DIR": str(tmp_path / "cache")}
    run(tmp_path, CODE, **env)
    known = set((tmp_path / "cache").iterdir())
    run(tmp_path, CODE.replace("* 2", "* 3"), **env)
    (other,) = set((tmp_path / "cache").iterdir()) - known
    for path in known:
        path.write_bytes(other.read_bytes())
    assert run(tmp_path, CODE, **env) == "0"
    assert run(tmp_path, CODE, **env) == "1"


def test_an_entry_that_is_a_folder(folder):
    assert not call_fresh()
    for path in list(folder.iterdir()):
        path.unlink()
        path.mkdir()
    assert not call_fresh()


@pytest.mark.parametrize("place", ["/proc/no/such/folder", "/dev/null/cache"])
def test_a_folder_that_cannot_be_written(tmp_path, place):
    assert run(tmp_path, CODE, TRACEJIT_CACHE_DIR=place) == "0"


def test_no_cache(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = {"TRACEJIT_CACHE_DIR": "", "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    assert [run(tmp_path, CODE, **env) for _ in range(2)] == ["0", "0"]
    assert not list(home.rglob("*" + cache.SUFFIX))


def test_processes_that_compile_at_once(tmp_path):
    env = {"TRACEJIT_CACHE_DIR": str(tmp_path / "cache")}
    processes = [start(tmp_path / str(k), CODE, **env) for k in range(3)]
    assert all(finish(p) in ("0", "1") for p in processes)
    assert run(tmp_path, CODE, **env) == "1"
    assert not list((tmp_path / "cache").glob("*.tmp"))


def test_the_key_depends_on_versions_and_machine(monkeypatch):
    before = cache.key_of("text")
    assert cache.key_of("text") == before != cache.key_of("other")
    monkeypatch.setattr(cache, "_compiler_version", lambda: "another version")
    assert cache.key_of("text") != before
