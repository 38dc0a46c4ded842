"""The layout of the package, read from the imports of its files."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tracejit"
FILES = sorted(PACKAGE.rglob("*.py"))

SIBLINGS = {"trace", "passes", "codegen_cpu", "codegen_cuda", "runtime"}
BASE = {"config", "errors", "source"}
"""Modules that everybody may import."""
TOP = {"", "compiler", "specialization", "api", "printing", "cli", "__main__"}
"""Modules that may import everything; `` is the package itself."""
MOST_LINES = 550
NUMBA = {"tracejit/codegen_cpu/numba_backend.py"}


def room(path: Path) -> str:
    """The folder of the package, or module of the top level, that a file is in."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules that a file imports by statement, or by `import_module("...")`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            (name, *_) = node.args
            if isinstance(name, ast.Constant):
                yield name.value, node.lineno


def _rooms() -> dict[str, set[str]]:
    """Who may import whom."""
    rooms = {name: BASE | {name} for name in BASE}
    rooms["ir"] = BASE | {"ir"}
    rooms |= {name: BASE | {"ir", name} for name in SIBLINGS}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    allowed = _rooms().get(room(path))
    if allowed is None:
        assert room(path) in TOP, f"{path}: a new room; say here what it may import"
        return
    for name, line in imports(path):
        assert name != "tracejit", f"{path}:{line} imports the whole package"
        library, _, rest = name.partition(".")
        if library != "tracejit":
            continue
        target = rest.split(".")[0]
        assert target in allowed, f"{path}:{line}: {room(path)} must not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_numba_stays_where_it_belongs(path):
    where = str(path.relative_to(ROOT))
    for name, line in imports(path):
        library = name.split(".")[0]
        if library == "numba":
            cuda = name.startswith("numba.cuda") and room(path) == "codegen_cuda"
            assert cuda or where in NUMBA, f"{where}:{line} imports {name}"
        if library == "llvmlite":
            assert room(path) in ("codegen_cpu", "codegen_cuda", "runtime"), f"{where}:{line}"
            assert room(path) != "runtime" or path.name == "doctor.py", f"{where}:{line}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MOST_LINES, f"{path} has {lines} lines: it is usually two rooms"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_import_inside_a_function(path):
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                late = isinstance(node, (ast.Import, ast.ImportFrom))
                assert not late, f"{path}:{node.lineno} imports inside a function"


def run(code: str, **env: str) -> str:
    """What a fresh process prints."""
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_import_loads_no_compiler():
    loaded = run(
        """
        import sys
        import tracejit
        heavy = ("numba", "llvmlite", "scipy", "opt_einsum", "rich", "typer")
        print([m for m in heavy if m in sys.modules])
        """
    )
    assert loaded == "[]"


ONE_RECORD = """
    import linecache, os, sys, tempfile
    import numpy as np
    from tracejit.ir.opdef import elementwise_infer, op

    def cube(x):
        return x * x * x

    op("cube", numpy=(cube,), body=lambda o, x: x * x * x, evaluate=lambda x: x * x * x,
       infer=elementwise_infer(lambda x: x), loops="e f d", domain=(-10, 10), flops=2)

    import scipy.special
    op("spence", scipy.special.spence, body=lambda o, x: x + 1, evaluate=lambda x: x + 1)

    import tracejit
    from tracejit.ir.interpret import interpret

    f = tracejit.jit(lambda x: np.sum(cube(x) + scipy.special.spence(x)))
    x = np.linspace(-1, 2, 40)
    expected = (x * x * x + x + 1).sum()
    assert np.isclose(f(x), expected), (f(x), expected)
    assert f(x.astype("f4")).dtype == np.float32
    graph = f.trace(x)
    assert "cube" in str([n.op for n in graph.nodes])
    assert np.isclose(interpret(graph, [x])[0], expected)
    assert np.isclose(interpret(f.optimize(x), [x])[0], expected)
    print("ok")
"""


def test_one_record_makes_an_op(tmp_path):
    script = tmp_path / "one_record.py"
    script.write_text(textwrap.dedent(ONE_RECORD))
    assert run(f"import runpy; runpy.run_path({str(script)!r})").endswith("ok")
