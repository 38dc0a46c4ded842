"""Random programs of 3 to 14 statements: compiled they give what NumPy gives.

A program that fails is in the message, with the seed that makes it again.
"""

from __future__ import annotations

import random as python_random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.codegen.support import check, random
from tracejit import jit
from tracejit.codegen_cpu import llvm_nest
from tracejit.config import config
from tracejit.passes import collapse, column_nests, row_nests, short_rows

UNARY = [
    "np.exp(-abs({0}))", "np.sin({0})", "-{0}", "abs({0})", "np.sqrt(abs({0}))", "np.tanh({0})",
    "({0} * 2)", "({0} + 1)", "np.maximum({0}, 0.25)", "np.where({0} > 0, {0}, 0.5)",
]  # fmt: skip
BINARY = [
    "({0} + {1})", "({0} - {1})", "({0} * {1})", "np.maximum({0}, {1})", "np.minimum({0}, {1})",
    "({0} / (abs({1}) + 1))", "np.where({0} > {1}, {0}, {1})", "({0} @ {1})",
]  # fmt: skip
REDUCTIONS = ["sum", "mean", "max", "min", "prod", "std", "var", "ptp", "any", "all"]
ALONG = [
    "np.cumsum({0}, axis={2})", "np.maximum.accumulate({0}, axis={2})", "np.flip({0}, axis={2})",
    "np.cumprod(np.tanh({0}), axis={2})", "np.roll({0}, 2, axis={2})", "np.stack([{0}, {1}], {2})",
    "np.repeat({0}, 2, axis={2})", "np.concatenate([{0}, {1}], axis={2})", "np.pad({0}, 1)",
    "np.argmax({0}, axis={2})", "np.argmin({0}, axis={2}, keepdims=True)", "{0}.reshape(-1)",
]  # fmt: skip
SLICES = ["1:", ":-1", "::2", "::-1", "1::3", "-1:", "None", "0", "-1", "2:5"]
DTYPES = ["f8", "f8", "f8", "f4", "i4", "i8", "f8", "c16", "u1", "?"]


def statement(r: python_random.Random, env: dict[str, np.ndarray]) -> str:
    names = list(env)
    a = r.choice(names[-4:])
    b = r.choice(names)
    rank = env[a].ndim
    kind = r.random()
    if kind < 0.25 or rank == 0:
        return r.choice(UNARY).format(a)
    if kind < 0.5:
        return r.choice(BINARY).format(a, b)
    if kind < 0.72:
        some = tuple(sorted(r.sample(range(rank), r.randint(1, rank))))
        axes = r.choice([None, r.randrange(rank), some])
        return f"np.{r.choice(REDUCTIONS)}({a}, axis={axes}, keepdims={r.random() < 0.6})"
    if kind < 0.82:
        axis = r.randrange(rank)
        return f"{a}[{', '.join([':'] * axis + [r.choice(SLICES)])}]"
    if kind < 0.87:
        return f"{a}.transpose({', '.join(map(str, r.sample(range(rank), rank)))})"
    return r.choice(ALONG).format(a, b, r.randrange(rank))


def program(seed: int) -> tuple[str, list[np.ndarray]]:
    """The source of a function and arguments for it; every statement works in NumPy."""
    r = python_random.Random(seed)
    sizes = r.sample([0, 1, 2, 3, 4, 5, 7, 9, 16, 17, 33, 40], 3)
    args = []
    for _ in range(r.randint(2, 3)):
        shape = tuple(r.choice([d, d, d, 1]) for d in sizes[-r.randint(1, 3) :])
        x = random(shape, r.choice(DTYPES), r.randrange(1000))
        steps = r.choice([1, 1, 1, 2, -1])
        args.append(np.asfortranarray(x) if r.random() < 0.2 else x[..., ::steps])
    env = dict(zip("xyz", args, strict=False))
    lines = []
    for _ in range(r.randint(3, 14) * 4):
        text = statement(r, env)
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(eval(text, {"np": np, **env}))
        except (TypeError, ValueError, IndexError):
            continue
        if value.size < 10_000 and value.ndim < 5:
            name = f"v{len(lines)}"
            env[name] = value
            lines.append(f"    {name} = {text}")
        if len(lines) >= 14:
            break
    names = [n for n in env if n.startswith("v")]
    kept = [names[-1], *(n for n in names[:-1] if r.random() < 0.25)][:5]
    head = f"import numpy as np\n\n\ndef f({', '.join('xyz'[: len(args)])}):\n"
    return head + "\n".join(lines) + f"\n    return {', '.join(kept)}\n", args


def run(seed: int, folder: Path) -> None:
    source, args = program(seed)
    path = folder / f"program{seed}.py"
    path.write_text(source)
    names: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), names)
    try:
        check(names["f"], *args, ulp=1e6, sums=True, compiled=jit(names["f"]))
    except Exception as error:
        shapes = [(a.dtype.str, a.shape, a.strides) for a in args]
        raise AssertionError(f"seed {seed}: {error}\n{shapes}\n{source}") from error


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every nest is cut into many pieces, which threads share."""
    monkeypatch.setattr(row_nests, "REDUCE_CHUNK", 24)
    monkeypatch.setattr(column_nests, "COLUMN_CHUNK", 8)
    monkeypatch.setattr(collapse, "ELEMENTWISE_CHUNK", 16)
    monkeypatch.setattr(short_rows, "CHUNK_ELEMENTS", 20)
    monkeypatch.setattr(llvm_nest, "PARALLEL_WORK", 10)
    monkeypatch.setattr(llvm_nest, "TASK_WORK", 30)
    monkeypatch.setattr(config, "cache_dir", "")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_programs(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 10):
        run(seed, tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(1000, 1040, 10))
def test_random_programs_in_pieces(first: int, tmp_path: Path, small_chunks: None) -> None:
    for seed in range(first, first + 10):
        run(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(2000, 2500, 50))
def test_many_random_programs(first: int, tmp_path: Path, small_chunks: None) -> None:
    for seed in range(first, first + 50):
        run(seed, tmp_path)
