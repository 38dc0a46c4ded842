"""The command line: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import tracejit
from tracejit import cli
from tracejit.config import config
from tracejit.runtime import doctor

harness = cli.benchmarks("harness")


def invoke(*words):
    return CliRunner().invoke(cli.app, words)


@pytest.fixture
def cache(tmp_path):
    with config.override(cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache"


@pytest.fixture
def quick(monkeypatch):
    """`bench` on tiny sizes, with NumPy itself in tracejit's place."""
    seen = []

    def jit(function):
        seen.append(Path(config.cache_dir))
        return function

    monkeypatch.setattr(tracejit, "jit", jit, raising=False)
    tiny = harness.Budget(seconds=0.0, min_rounds=1, max_rounds=1, sample=0.0)
    monkeypatch.setattr(harness, "QUICK", tiny)
    return seen


def test_bench_prints_a_table_and_writes_json(quick, cache, tmp_path):
    path = tmp_path / "figures.json"
    result = invoke("bench", "--only", "call_*", "--against", "numpy", "--json", str(path))
    assert result.exit_code == 0, result.output
    assert "call_16" in result.output and "First call" in result.output
    data = json.loads(path.read_text())
    assert [case["workload"] for case in data["cases"]] == ["call_1", "call_4", "call_16"]
    assert {m["peer"] for m in data["cases"][0]["measurements"]} == {"tracejit", "numpy"}
    assert data["environment"]["versions"]["numpy"] == np.__version__
    assert all(folder != cache for folder in quick), "first calls must not find an old cache"
    assert Path(config.cache_dir) == cache


def test_bench_sets_threads_and_puts_them_back(quick):
    before = config.num_threads
    result = invoke("bench", "--only", "call_1", "--against", "numpy", "--threads", "1")
    assert result.exit_code == 0, result.output
    assert "NumPy: elementwise work has one thread" in result.output
    assert config.num_threads == before


def test_bench_fails_when_our_own_result_is_wrong(quick, monkeypatch):
    monkeypatch.setattr(tracejit, "jit", lambda function: lambda *args: args[0], raising=False)
    result = invoke("bench", "--only", "call_1", "--against", "numpy")
    assert result.exit_code == 1
    assert "call_1 10: tracejit: wrong result" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--only", "exp_sin,nope"), "no workload is called 'nope'. There are: exp_sin, add"),
        (("--only", ","), "--only names no workload"),
        (("--against", "fortran"), "no peer is called 'fortran'. There are: numpy, numba, jax"),
        (("--json", "/no/such/folder/x.json"), "cannot write /no/such/folder/x.json"),
        (("--threads", "0"), "--threads"),
    ],
)
def test_mistakes_are_found_before_the_run(words, expected, monkeypatch):
    monkeypatch.setattr(harness, "run", None)
    result = invoke("bench", *words)
    assert result.exit_code == 2
    assert expected in result.output


def test_a_peer_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(cli.benchmarks("peers").Jax, "installed", lambda: False)
    result = invoke("bench", "--against", "jax")
    assert result.exit_code == 2
    assert "jax is not installed (pip install jax)" in result.output


def test_a_plot_of_unknown_format(tmp_path):
    pytest.importorskip("matplotlib")
    result = invoke("bench", "--plot", str(tmp_path / "x.doc"))
    assert result.exit_code == 2
    assert "must end in one of" in result.output
    assert list(tmp_path.iterdir()) == []


def test_cache_info_and_clear(cache):
    cache.mkdir()
    for name, size in (("a.tjo", 1000), ("a.json", 100), ("b.tjo", 948), ("keep.txt", 5)):
        (cache / name).write_bytes(b"x" * size)
    result = invoke("cache", "info")
    assert str(cache) in result.output
    assert "entries  2" in result.output and "2048 (2.0 KiB)" in result.output
    result = invoke("cache", "clear")
    assert result.exit_code == 0 and "deleted 2 entries" in result.output
    assert [file.name for file in cache.iterdir()] == ["keep.txt"]


def test_an_empty_cache_is_no_error(cache):
    assert "entries  0" in invoke("cache", "info").output
    assert "deleted 0 entries" in invoke("cache", "clear").output
    assert not cache.exists()
    with config.override(cache_dir=""):
        assert "off" in invoke("cache", "info").output


def test_doctor(cache):
    result = invoke("doctor")
    assert result.exit_code == 0, result.output
    for word in ("numpy", "numba", "vector math", "threads", "disk cache", "cuda"):
        assert word in result.output


def test_doctor_says_what_to_do(monkeypatch, tmp_path):
    def no_library(name):
        raise RuntimeError(name)

    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor.llvm, "load_library_permanently", no_library)
    check = doctor.vector_math()
    assert check.status == doctor.WARNING and "glibc" in check.advice
    monkeypatch.setattr(doctor.platform, "machine", lambda: "arm64")
    assert "none on Linux on arm64" in doctor.vector_math().detail
    with config.override(num_threads=10_000):
        assert "TRACEJIT_NUM_THREADS" in doctor.threads().advice
    file = tmp_path / "file"
    file.touch()
    with config.override(cache_dir=str(file / "cache")):
        check = doctor.cache()
        assert check.status == doctor.WARNING and "TRACEJIT_CACHE_DIR" in check.advice


def test_doctor_finds_no_driver_where_none_is():
    def missing(name):
        raise OSError(name)

    assert doctor.cuda_driver(missing) is None


def test_the_command_starts_without_the_heavy_parts():
    code = "import sys, tracejit.cli; print([m for m in sys.modules if m in sys.argv])"
    heavy = ["numba", "llvmlite", "jax", "matplotlib", "scipy"]
    words = [sys.executable, "-c", code, *heavy]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "[]\n"
