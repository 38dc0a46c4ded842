"""The list of supported NumPy names, from the tables that dispatch them and what samples show."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

import tracejit
from docs.sampled_calls import DTYPES, WITHOUT_ARRAYS, Outcome, outcome
from tracejit.ir.ops.special_functions import SPECIAL
from tracejit.trace.generators import DRAWS
from tracejit.trace.namespace.scipy_special import PYTHON
from tracejit.trace.registry import CALLABLES, FUNCTIONS, METHODS, PROPERTIES

VERSION = f"NumPy {np.__version__.rsplit('.', 1)[0]}"
HEAD = f"""\
# Supported NumPy

Generated with {VERSION} by `docs/generate_functions.py`: the names are those of the tables of
`tracejit/trace/registry.py`, the rest is what becomes of a sample call for each dtype
(`docs/sampled_calls.py`). Inside a jitted function these work on traced arrays; anything else
raises an error that says so.

- **runs**: *compiled* is machine code, BLAS for products of matrices included. *calls f* is a step
  at which compiled code calls NumPy or SciPy at run time; `explain()` shows it.
- **dtypes**: those that NumPy takes as well. int and uint have 8 to 64 bits, float 16 to 64
  unless float16 is excepted, complex 64 and 128.
- **derivative**: whether there is one, or *not yet*.
- **differences**: from NumPy, beside those of [rounding](differences.md#rounding),
  [warnings](differences.md#errors-and-warnings) and [memory](differences.md#memory), which concern
  all functions; a name of a section leads to where it says more.
"""
COLUMNS = ("function", "runs", "dtypes", "derivative", "differences")
METHODS_OF_UFUNCS = ("reduce", "accumulate", "reduceat", "outer", "at")
DIFFERENCES = Path(__file__).parent / "differences.md"

Entry = tuple[str, Callable[..., Any], Callable[..., Any]]
"""A name, NumPy's function, the traced one."""


def render() -> str:
    """The page as Markdown."""
    importlib.import_module("tracejit.trace.namespace")
    special = importlib.import_module("scipy.special")
    numpy = [e for e in _entries(np, "np.") if not _is_scalar_type(e[1])]
    series = (chebyshev, hermite, hermite_e, laguerre, legendre, polynomial)
    compiled = {*SPECIAL, *PYTHON}
    refused: list[str] = []
    parts = [
        HEAD,
        _table("Universal functions", (e for e in numpy if isinstance(e[1], np.ufunc)), refused),
        _methods_of_ufuncs(),
        _table("Functions", (e for e in numpy if not isinstance(e[1], np.ufunc)), refused),
        _list("Classes whose objects are called", "np.", {k.__name__ for k in CALLABLES}),
        _list("Scalar types as functions, compiled", "np.", _scalar_types()),
        _table("Linear algebra", _entries(np.linalg, "np.linalg."), refused),
        _table("Fourier transforms", _entries(np.fft, "np.fft."), refused),
        _table("Series", (e for m in series for e in _entries(m, _series_prefix(m))), refused),
        _table(
            "Special functions",
            (e for e in _entries(special, "scipy.special.") if e[0].split(".")[-1] in compiled),
            refused,
        ),
        "Every other ufunc of `scipy.special` is called at run time.\n",
        _list("Methods of random generators, called", "rng.", set(DRAWS)),
        "`rng` is a `numpy.random.Generator` that is an argument; the stream is NumPy's.\n",
        _table("Methods of arrays", _methods(), refused),
        _table("Properties of arrays", _properties(), refused),
        _list("Control flow, also outside of jitted functions", "tracejit.", _control_flow()),
        "[Branches and loops](control_flow.md) says what they take and give.\n",
    ]
    parts.append(_list("Refused, by an error that says so", "", set(refused)))
    return "\n".join(part for part in parts if part)


# What there is.


def _entries(module: ModuleType, prefix: str) -> Iterator[Entry]:
    for name in sorted(dir(module)):
        found = getattr(module, name, None)
        try:
            known = found in FUNCTIONS
        except TypeError:
            known = False
        if known and found is not None and not name.startswith("_"):
            yield prefix + name, found, FUNCTIONS[found]


def _is_scalar_type(x: Any) -> bool:
    return isinstance(x, type) and issubclass(x, np.generic)


def _scalar_types() -> set[str]:
    return {n.removeprefix("np.") for n, f, _ in _entries(np, "np.") if _is_scalar_type(f)}


def _control_flow() -> set[str]:
    rooms = ("tracejit.trace.control", "tracejit.trace.scan")
    names = tracejit.__all__
    return {n for n in names if getattr(getattr(tracejit, n), "__module__", "") in rooms}


def _series_prefix(module: ModuleType) -> str:
    return f"np.polynomial.{module.__name__.rpartition('.')[2]}."


def _methods() -> Iterator[Entry]:
    for name in sorted(n for n in METHODS if hasattr(np.ndarray, n) and not n.startswith("_")):
        yield f"x.{name}", getattr(np.ndarray, name), METHODS[name]


def _properties() -> Iterator[Entry]:
    for name in sorted(n for n in PROPERTIES if not n.startswith("_")):
        yield f"x.{name}", attrgetter(name), PROPERTIES[name]


# Tables.


def _table(title: str, entries: Iterable[Entry], refused: list[str]) -> str:
    rows = []
    for name, original, traced in entries:
        found = outcome(name, original, traced)
        if not found.traced:
            refused.append(name)
            continue
        derivative = "yes" if found.differentiable else "not yet"
        notes = "; ".join(_differences(name, original, traced, found))
        dtypes = "" if name in WITHOUT_ARRAYS else _kinds(found.traced)
        rows.append((f"`{name}`", _runs(found), dtypes, derivative, notes))
    return "\n".join([f"## {title} ({len(rows)})", "", *_rows(COLUMNS, rows), ""])


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row).rstrip() + " |"


def _runs(found: Outcome) -> str:
    usual = found.calls.get("float", next(iter(found.calls.values())))
    text = _calls(usual)
    for kind, calls in found.calls.items():
        if calls != usual:
            text += f"; {kind}: {_calls(calls)}"
    if found.others:
        text += f"; with other arguments {_calls(found.others)}"
    return text


def _calls(names: Iterable[str]) -> str:
    return "calls " + ", ".join(f"`{n}`" for n in sorted(names)) if names else "compiled"


def _kinds(kinds: list[str]) -> str:
    """As few words as say it: float16 is named where only one of it and float is taken."""
    if len(kinds) == len(DTYPES):
        return "all"
    words = [k for k in kinds if k != "float16" or "float" not in kinds]
    if "float" in kinds and "float16" not in kinds:
        words[words.index("float")] = "float but float16"
    return ", ".join(words)


def _differences(
    name: str, original: Callable[..., Any], traced: Callable[..., Any], found: Outcome
) -> Iterator[str]:
    if found.refused:
        yield "no " + ", ".join(found.refused)
    missing = _missing_parameters(original, traced)
    if missing:
        yield "no " + ", ".join(f"`{p}=`" for p in missing)
    for section in _sections().get(name, ()):
        yield f"[{section}](differences.md#{section.lower().replace(' ', '-')})"


def _missing_parameters(original: Callable[..., Any], traced: Callable[..., Any]) -> list[str]:
    try:
        wanted = inspect.signature(original).parameters.values()
        given = inspect.signature(traced).parameters.values()
    except (TypeError, ValueError):
        return []
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in given):
        return []
    names = {p.name for p in given}
    return [
        p.name
        for p in wanted
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.default is not p.empty
        and p.name not in names
    ]


def _sections() -> dict[str, list[str]]:
    """The sections of the differences that mention a function."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in DIFFERENCES.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        for name in re.findall(r"`((?:np|x|scipy)\.[\w.]+)[`(]", line):
            sections = found.setdefault(name, [])
            if section not in sections:
                sections.append(section)
    return found


def _methods_of_ufuncs() -> str:
    rows = []
    count = 0
    for method in METHODS_OF_UFUNCS:
        by_form: dict[str, list[str]] = {"compiled": [], "called": []}
        derivative = True
        keys = {k[0].__name__: k for k in FUNCTIONS if isinstance(k, tuple) and k[1] == method}
        for name, key in sorted(keys.items()):
            try:
                found = outcome(method, getattr(key[0], method), FUNCTIONS[key])
            except LookupError:
                continue
            if found.traced:
                derivative &= found.differentiable
                called = any(found.calls.values())
                by_form["called" if called else "compiled"].append(name)
        for form, names in by_form.items():
            if names:
                count += len(names)
                functions = ", ".join(f"`{n}`" for n in names)
                yes = "yes" if derivative else "not yet"
                rows.append((f"`{method}`", form, functions, yes))
    head = ("method", "runs", "of", "derivative")
    title = f"## Methods of universal functions ({count})"
    return "\n".join([title, "", "Dtypes are those of the function.", "", *_rows(head, rows), ""])


def _list(title: str, prefix: str, names: set[str]) -> str:
    if not names:
        return ""
    text = ", ".join(f"`{prefix}{name}`" for name in sorted(names))
    lines = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"## {title} ({len(names)})", "", *lines, ""])
