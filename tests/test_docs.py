"""The documentation prints what its code prints; `python -m tests.test_docs` rewrites it."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs.generate_functions import VERSION, render
from tracejit import config, errors, jit
from tracejit.ir.pprint import format_graph

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = ["docs/architecture.md", "docs/control_flow.md", "README.md"]
_PAIR = re.compile(r"```python ?(\S*)\n((?:(?!```).)*)```\n\n```text\n(.*?)```", re.DOTALL)


def rendered(text: str, folder: Path) -> str:
    """`text` with every block of output replaced by what the code before it prints."""
    names: dict[str, Any] = {
        "__name__": "docs",
        "graph_text": format_graph,
        "explanation": lambda f: re.sub(r"\d[\d.]* m?s\b", "...", str(f.explain())),
    }
    count = 0

    def run(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        file = folder / (match[1] or f"block{count}.py")
        file.write_text(match[2])
        out = io.StringIO()
        with contextlib.redirect_stdout(out), config.override(cache_dir=""):
            exec(compile(match[2], str(file), "exec"), names)
        return match[0].removesuffix(f"{match[3]}```") + out.getvalue() + "```"

    return _PAIR.sub(run, text)


@pytest.mark.parametrize("page", PAGES)
def test_printed_output(page, tmp_path):
    text = (ROOT / page).read_text()
    found = rendered(text, tmp_path)
    assert found == text, "run `python -m tests.test_docs` and read what changed"


def test_list_of_functions():
    text = (DOCS / "functions.md").read_text()
    if VERSION not in text:
        pytest.skip("the page was generated with another version of NumPy")
    assert render() == text, "run `python -m tests.test_docs` and read what changed"


ONES = np.ones(3)


@pytest.mark.parametrize(
    ("fn", "args", "expected"),
    [
        (lambda x: 1 / x, (np.zeros(2),), [np.inf, np.inf]),
        (lambda x: 5 // x, (np.zeros(2, int),), [0, 0]),
        (lambda x, w: np.average(x, weights=w), (ONES, 0 * ONES), np.nan),
        (lambda x: np.nanargmax(x), (np.nan * ONES,), 0),
        (lambda k: k * k, (2**40,), 0),
        (lambda k: 1 / k, (0.0,), np.inf),
        (lambda k: k**0.5, (-1.0,), np.nan),
        (lambda x: np.add(x, x, where=x > 1), (np.arange(3.0),), [0, 0, 4]),
    ],
)
def test_differences_are_as_written(fn, args, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(jit(fn)(*args), expected)


def test_memory_of_results():
    x = np.ones((3, 4))
    assert np.shares_memory(jit(lambda x: x[1:])(x), x)
    assert jit(lambda x: x[:])(x) is x
    assert not np.shares_memory(jit(lambda x: np.einsum("ii->i", x))(x[:, :3]), x)
    with pytest.raises(errors.MutationError):
        jit(lambda x: np.copyto(x, x))(np.broadcast_to(1.0, 3))
    assert jit(lambda x: x)(x) is x
    assert jit(lambda x: x.T * 1)(x).flags.c_contiguous


if __name__ == "__main__":
    for name in PAGES:
        with tempfile.TemporaryDirectory() as scratch:
            new = rendered((ROOT / name).read_text(), Path(scratch))
        (ROOT / name).write_text(new)
    (DOCS / "functions.md").write_text(render())
