"""The programs in `examples/` run, print what they should, and do no more work than they say."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tracejit
from tracejit.ir.dims import free_symbols
from tracejit.ir.graph import Graph, Node

FOLDER = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
MODES = ["fast_compile", "fast_run"]
SQUARES = "[ 0.  1.  4.  9. 16. 25. 36. 49. 64. 81.]"


def load(name: str) -> ModuleType:
    """A fresh copy of the program: its jitted functions have compiled nothing yet."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Any:
    with tracejit.config.override(mode=request.param):
        yield request.param


def test_every_program_is_tested():
    assert NAMES == ["ifelse_switch", "scan_polynomial", "scan_power"]


# The programs as a whole.


def test_ifelse_switch(mode, capsys):
    load("ifelse_switch").main(rows=20, columns=30)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["a=0 b=1: 1.0 1.0 1.0", "a=1 b=0: 2.0 2.0 2.0"]
    assert [line.split(" 0.")[0].strip() for line in lines[2:]] == [
        "time spent evaluating both values",
        "time spent evaluating one value",
        "the same by an `if` statement",
    ]


def test_scan_power(mode, capsys):
    load("scan_power").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [SQUARES, SQUARES]
    assert lines[2:] == ["[[ 0.  1.  2.  3.]", " [ 0.  1.  4.  9.]", " [ 0.  1.  8. 27.]]"]


def test_scan_polynomial(mode, capsys):
    load("scan_polynomial").main()
    assert capsys.readouterr().out.splitlines() == ["19.0", "19.0", "19.0"]


# One side only.


def branches(graph: Graph) -> list[Node]:
    return [node for node in graph.walk() if node.op == "ifelse"]


def computed(graph: Graph, op: str) -> list[Node]:
    """The nodes of one op, those inside branches and other blocks included."""
    return [node for node in graph.walk() if node.op == op]


@pytest.mark.parametrize("name", ["lazy", "statement"])
def test_each_mean_is_computed_inside_its_branch(name):
    function = getattr(load("ifelse_switch"), name)
    graph = function.optimize(0.0, 1.0, np.ones((4, 3)), np.ones((4, 3)))
    (branch,) = branches(graph)
    assert len(computed(graph, "sum")) == 2
    assert [len(computed(block, "sum")) for block in branch.blocks] == [1, 1]


def test_switch_has_no_branch():
    x = np.ones((4, 3))
    graph = load("ifelse_switch").switch.optimize(0.0, 1.0, x, x)
    assert branches(graph) == []
    assert len(computed(graph, "sum")) == 2


def by_values(condition, x, i):
    return tracejit.ifelse(condition > 0, x.mean(), x[i])


def by_functions(condition, x, i):
    return tracejit.ifelse(condition > 0, lambda: x.mean(), lambda: x[i])


def by_statement(condition, x, i):
    if condition > 0:
        result = x.mean()
    else:
        result = x[i]
    return result


def by_return(condition, x, i):
    if condition > 0:
        return x.mean()
    return x[i]


def by_expression(condition, x, i):
    return x.mean() if condition > 0 else x[i]


LAZY = [by_functions, by_statement, by_return, by_expression]


@pytest.mark.parametrize(
    ("function", "mode"), [(f, mode) for f in LAZY for mode in MODES] + [(by_values, "fast_run")]
)
def test_the_side_that_is_not_taken_does_not_run(function, mode):
    """An index out of bounds is an error when it is reached, and only then.

    (Where both sides are values, interpreting computes them as they stand.)
    """
    jitted = tracejit.jit(function, mode=mode)
    x = np.arange(5.0)
    beyond = np.array(5)[()]
    assert jitted(1.0, x, beyond) == 2.0
    assert jitted(0.0, x, np.array(4)[()]) == 4.0
    with pytest.raises(IndexError):
        jitted(0.0, x, beyond)
    assert jitted(1.0, x, beyond) == 2.0


def test_a_library_call_on_the_side_that_is_not_taken_does_not_run():
    """A Cholesky factor of what is not positive definite is an error."""

    @tracejit.jit
    def factor(condition, a):
        return tracejit.ifelse(condition > 0, np.linalg.cholesky(a), a)

    a = -np.eye(3)
    np.testing.assert_array_equal(factor(0.0, a), a)
    with pytest.raises(np.linalg.LinAlgError):
        factor(1.0, a)


# Memory.


def sizes(graph: Graph) -> frozenset[str]:
    """The symbols in the shapes of everything that is computed."""
    shapes = [out.type.shape for node in graph.walk() for out in node.outputs]
    return frozenset().union(*(free_symbols(dim) for shape in shapes for dim in shape))


@pytest.mark.parametrize("name", ["power", "power_by_loop"])
def test_a_scan_of_which_the_last_step_is_used_keeps_no_other(name):
    function = getattr(load("scan_power"), name)
    graph = function.optimize(np.arange(3.0), 7)
    dims = frozenset().union(*(free_symbols(d) for p in graph.params for d in p.type.shape))
    assert sizes(graph) <= dims


def test_a_polynomial_that_is_reduced_in_the_scan_keeps_no_terms():
    module = load("scan_polynomial")
    graph = module.polynomial_by_reduction.optimize(np.ones(3, np.float32), 3)
    assert not computed(graph, "update")
    assert all(out.type.ndim == 0 for node in computed(graph, "loop") for out in node.outputs)


@pytest.mark.parametrize("k", [0, 1, 2, 9])
def test_powers(k, mode):
    module = load("scan_power")
    A = np.linspace(-1.5, 1.5, 7)
    expected = np.cumprod(np.broadcast_to(A, (k, 7)), axis=0)
    np.testing.assert_allclose(module.powers(A, k), expected, rtol=1e-14)
    np.testing.assert_allclose(module.power_by_loop(A, k), A**k, rtol=1e-14)
    if k:
        np.testing.assert_allclose(module.power(A, k), A**k, rtol=1e-14)


POLYNOMIALS: list[Callable[[ModuleType], Any]] = [
    lambda m: m.polynomial,
    lambda m: m.polynomial_by_reduction,
    lambda m: m.polynomial_by_horner,
]


@pytest.mark.parametrize("which", POLYNOMIALS)
@pytest.mark.parametrize("count", [1, 2, 6])
def test_polynomials(which, count, mode):
    function = which(load("scan_polynomial"))
    coefficients = np.random.default_rng(count).normal(size=count)
    expected = np.polynomial.polynomial.polyval(1.5, coefficients)
    np.testing.assert_allclose(function(coefficients, 1.5), expected, rtol=1e-12)
