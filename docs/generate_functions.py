"""The list of supported NumPy names, from the tables that dispatch them."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

from tracejit.ir.ops.special_functions import SPECIAL
from tracejit.trace.generators import DRAWS
from tracejit.trace.namespace.scipy_special import PYTHON
from tracejit.trace.registry import CALLABLES, FUNCTIONS, METHODS, PROPERTIES

VERSION = f"NumPy {np.__version__.rsplit('.', 1)[0]}"
HEAD = f"""\
# Supported NumPy

Generated with {VERSION} from the tables of `tracejit/trace/registry.py` by
`docs/generate_functions.py`. Inside a jitted function these work on traced arrays; anything else
raises an error that says so. What differs from NumPy is in [differences.md](differences.md).
"""


def render() -> str:
    """The page as Markdown."""
    importlib.import_module("tracejit.trace.namespace")
    ufuncs = {n for n, f in _names(np) if isinstance(f, np.ufunc)}
    functions = {n for n, f in _names(np) if not isinstance(f, np.ufunc)}
    functions |= {kind.__name__ for kind in CALLABLES}
    kinds = {n for n in functions if issubclass(_type(n), np.generic)}
    methods = {n for n in METHODS if not n.startswith("_")}
    reductions = sorted(
        {f"{key[0].__name__}.{key[1]}" for key in FUNCTIONS if isinstance(key, tuple)}
    )
    parts = [
        HEAD,
        _section("Universal functions", "np.", ufuncs),
        _section("Methods of universal functions", "np.", reductions),
        _section("Functions", "np.", functions - kinds),
        _section("Scalar types as functions", "np.", kinds),
        _section("Linear algebra", "np.linalg.", {n for n, _ in _names(np.linalg)}),
        _section("Fourier transforms", "np.fft.", {n for n, _ in _names(np.fft)}),
        _section("Series", "np.polynomial.", _series()),
        _section("Special functions, compiled", "scipy.special.", {*SPECIAL, *PYTHON}),
        "Every other ufunc of `scipy.special` is called at run time.\n",
        _section("Methods of random generators", "rng.", set(DRAWS)),
        _section("Methods of arrays", "x.", methods),
        _section("Properties of arrays", "x.", {n for n in PROPERTIES if not n.startswith("_")}),
    ]
    return "\n".join(part for part in parts if part)


def _series() -> set[str]:
    modules = (chebyshev, hermite, hermite_e, laguerre, legendre, polynomial)
    return {f"{m.__name__.rpartition('.')[2]}.{n}" for m in modules for n, _ in _names(m)}


def _names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in sorted(dir(module)):
        found = getattr(module, name, None)
        try:
            known = found in FUNCTIONS
        except TypeError:
            known = False
        if known and not name.startswith("_"):
            yield name, found


def _type(name: str) -> type:
    found = getattr(np, name)
    return found if isinstance(found, type) else object


def _section(title: str, prefix: str, names: Any) -> str:
    if not names:
        return ""
    text = ", ".join(f"`{prefix}{name}`" for name in sorted(names))
    lines = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"## {title} ({len(names)})", "", *lines, ""])
