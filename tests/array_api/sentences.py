"""The special cases of elementwise functions, read from the standard's own sentences.

The text is that of the package `types-array-api`, whose docstrings are the standard's; it is read
and not imported. A sentence is of the form "If ``x1_i`` is ``NaN`` and ``x2_i`` is not equal to
``0``, the result is ``NaN``."; ``a`` and ``b`` are the parts of a complex number, ``c`` and ``d``
those of the second.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Values = dict[str, float]
Test = Callable[[Values], bool]


@dataclass(frozen=True)
class Sentence:
    """A special case: when it holds of the inputs, what it wants of the output."""

    function: str
    text: str
    is_complex: bool
    holds: Test
    wants: Callable[[Values, complex | bool], bool]


def standard_text(version: str = "2024_12") -> str | None:
    """The source of the package's module, None where it is not installed."""
    spec = importlib.util.find_spec("array_api")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / f"_{version}.py"
    return path.read_text(encoding="utf-8") if path.exists() else None


_CLASSES = re.compile(r'^class (\w+)\[.*?\(Protocol\):\n    r?"""(.*?)"""', re.M | re.S)


def sentences(text: str, names: list[str]) -> tuple[list[Sentence], list[str]]:
    """The special cases of the functions `names`, and the sentences that are not understood."""
    found, unread = [], []
    for match in re.finditer(
        r'^class (\w+)\[.*?\(Protocol\):\n    r?"""(.*?)"""', text, re.M | re.S
    ):
        name, doc = match.groups()
        if name not in names:
            continue
        is_complex = False
        for line in doc[max(doc.lower().find("**special cases"), 0) :].splitlines():
            if line.strip().startswith("For ") and line.strip().endswith((",", "and")):
                is_complex = "complex" in line
            case = re.match(r"\s*- +If (.*?), the (result (?:is|has) .*)", line)
            if case is None:
                continue
            holds, wants = _condition(case[1]), _result(case[2])
            if holds is None or wants is None:
                unread.append(f"{name}: {line.strip()}")
            else:
                found.append(Sentence(name, line.strip()[2:].strip(), is_complex, holds, wants))
    return found, unread


# Conditions.

_NUMBERS = {"NaN": math.nan, "infinity": math.inf, "π": math.pi, "True": 1.0, "False": 0.0}
_CLAUSES = re.compile(
    r",? and (?=(?:the sign bit of )?``[^`]+``(?: is\b| ``| equals| does)|either)"
    r"|, (?=``[^`]+`` is)"
)


def _number(token: str) -> float | None:
    """`+infinity`, `-0`, `3π/4` as a float."""
    match = re.fullmatch(
        r"([+-]?)(\d*\.?\d*)(NaN|infinity|π|True|False)?(?:/(\d+))?", token.strip()
    )
    if match is None or not (match[2] or match[3]):
        return None
    value = float(match[2] or 1) * _NUMBERS.get(match[3] or "", 1.0) / float(match[4] or 1)
    return -value if match[1] == "-" else value


def _is(value: float, token: str) -> bool:
    """Whether `value` is the number; a zero with a sign is that zero only."""
    number = _number(token)
    assert number is not None, token
    if math.isnan(number):
        return math.isnan(value)
    if number == 0 and token.strip()[0] in "+-":
        return value == 0 and math.copysign(1, value) == math.copysign(1, number)
    return value == number


def _operand(token: str) -> Callable[[Values], float] | None:
    if (match := re.fullmatch(r"(-?)(?:abs\((\w+)\)|\|(\w+)\||(\w+))", token)) is None:
        return None
    name, size = match[2] or match[3] or match[4], not match[4]
    if name not in ("x_i", "x1_i", "x2_i", "a", "b", "c", "d"):
        return None
    sign = -1.0 if match[1] else 1.0
    return lambda v: sign * (abs(v[name]) if size else v[name])


def _condition(text: str) -> Test | None:
    if match := re.fullmatch(r"``a``, ``b``, ``c``, (and|or) ``d`` (?:is|are all) ``NaN``", text):
        quantify = all if match[1] == "and" else any
        return lambda v: quantify(math.isnan(v[name]) for name in "abcd")
    if match := re.fullmatch(r"``a`` or ``b`` is ``NaN``", text):
        return lambda v: math.isnan(v["a"]) or math.isnan(v["b"])
    if match := re.fullmatch(r"``(\w+)`` is ``NaN`` or ``(\w+)`` is ``NaN``", text):
        one, two = match[1], match[2]
        return lambda v: math.isnan(v[one]) or math.isnan(v[two])
    tests = [_clause(part) for part in _CLAUSES.split(text)]
    if any(test is None for test in tests):
        return None
    return lambda v: all(test(v) for test in tests)  # type: ignore[misc]


_PREDICATES: list[tuple[str, Callable[[float], bool]]] = [
    (r"any value.*", lambda x: True),
    (r"(either )?a finite number or ``NaN``", lambda x: not math.isinf(x)),
    (r"a finite number", math.isfinite),
    (r"a nonzero finite number", lambda x: math.isfinite(x) and x != 0),
    (r"a nonzero number", lambda x: x != 0 and not math.isnan(x)),
    (r"a positive (\(.*?\) )?finite number", lambda x: math.isfinite(x) and x > 0),
    (r"a negative (\(.*?\) )?finite number", lambda x: math.isfinite(x) and x < 0),
    (r"an odd integer value", lambda x: math.isfinite(x) and x % 2 == 1),
    (r"not an odd integer value", lambda x: not (math.isfinite(x) and x % 2 == 1)),
    (r"not an integer value", lambda x: not (math.isfinite(x) and x == int(x))),
    (r"already integer-valued", lambda x: math.isfinite(x) and x == int(x)),
]


def _clause(text: str) -> Test | None:
    if match := re.fullmatch(r"either ``(\S+)`` or ``(\S+)`` is ``(\S+)``", text):
        one, two, token = _operand(match[1]), _operand(match[2]), match[3]
        return one and two and (lambda v: _is(one(v), token) or _is(two(v), token))  # type: ignore
    if match := re.fullmatch(r"the sign bit of ``(\S+)`` is ``([01])``", text):
        one, negative = _operand(match[1]), match[2] == "1"
        return one and (lambda v: (math.copysign(1, one(v)) < 0) == negative)  # type: ignore
    if match := re.fullmatch(
        r"``(\S+)`` and ``(\S+)`` have (the same|different) mathematical signs?"
        r"( and are both nonzero finite numbers)?",
        text,
    ):
        one, two, same, finite = _operand(match[1]), _operand(match[2]), match[3], match[4]
        if one is None or two is None:
            return None
        return lambda v: (
            (math.copysign(1, one(v)) == math.copysign(1, two(v))) == (same == "the same")
            and not (math.isnan(one(v)) or math.isnan(two(v)))
            and (not finite or all(math.isfinite(f(v)) and f(v) != 0 for f in (one, two)))
        )
    if match := re.fullmatch(r"``(x1_i)`` (equals|does not equal) ``(x2_i)``", text):
        equals = match[2] == "equals"
        return lambda v: (v["x1_i"] == v["x2_i"]) == equals
    if match := re.fullmatch(r"``([^`]+)`` (?:is )?(.*)", text):
        one = _operand(match[1])
        predicate = _predicate(match[2])
        if one is not None and predicate is not None:
            return lambda v: predicate(one(v), v)
    return None


def _predicate(text: str) -> Callable[[float, Values], bool] | None:
    for pattern, function in _PREDICATES:
        if re.fullmatch(pattern, text):
            return lambda x, v, f=function: f(x)  # type: ignore[misc]
    match = re.fullmatch(
        r"(either |not equal to |not |greater than |less than |)``([^`]+)``(?: or ``([^`]+)``)?",
        text,
    )
    if match is None:
        return None
    relation, token, other = match[1].strip(), match[2], match[3]
    if (operand := _operand(token)) is not None:
        return (lambda x, v: x == operand(v)) if not relation else None
    number = _number(token)
    if number is None:
        return None
    return {
        "": lambda x, v: _is(x, token),
        "either": lambda x, v: _is(x, token) or _is(x, other),
        "not": lambda x, v: not _is(x, token),
        "not equal to": lambda x, v: x != number and not math.isnan(x),
        "greater than": lambda x, v: x > number,
        "less than": lambda x, v: x < number,
    }[relation]


# Results.

_PART = r"(?:\d*\.?\d*)(?:NaN|infinity|π)?(?:/\d)?"
_COMPLEX = re.compile(rf"([+±-]?{_PART}) ([+±-]) ({_PART}) ?j(/\d+)?")


def _same(value: float, token: str, signed: bool) -> bool:
    """Whether a part of the result is what the sentence says, its sign too unless it is open."""
    if "±" in token:
        token, signed = token.replace("±", ""), False
    wanted = _number(token)
    assert wanted is not None, token
    if math.isnan(wanted) or math.isnan(value):
        return math.isnan(wanted) and math.isnan(value)
    value, wanted = (value, wanted) if signed else (abs(value), abs(wanted))
    if wanted == 0 and signed and token.strip()[:1] in ("+", "-"):
        return value == 0 and math.copysign(1, value) == math.copysign(1, wanted)
    return value == wanted or math.isclose(value, wanted, rel_tol=1e-5)


def _result(text: str) -> Callable[[Values, complex | bool], bool] | None:
    open_real = "real component is unspecified" in text or "components are unspecified" in text
    open_imag = "imaginary component is unspecified" in text or "components are unspecified" in text
    may_be_nan = "may return ``NaN``" in text
    if "has a positive mathematical sign" in text or "has a negative mathematical sign" in text:
        sign = 1 if "positive" in text else -1
        return lambda v, r: math.isnan(r.real) or math.copysign(1, r.real) == sign
    if "signed infinity" in text:
        return lambda v, r: math.isinf(r.real)
    match = re.match(
        r"result is (?:equal to |equivalent to |an implementation-dependent approximation to )?"
        r"``([^`]+)``(?: with a sign bit of ``([01])``)?",
        text,
    )
    if match is None:
        return None
    token = match[1]
    if match[2]:
        negative = match[2] == "1"
        return lambda v, r: (
            _is(abs(r.real), token.lstrip("+-")) and (math.copysign(1, r.real) < 0) == negative
        )
    if (operand := _operand(token)) is not None:
        return lambda v, r: bool(np.array_equal(r, operand(v), equal_nan=True))
    if cis := re.fullmatch(r"([+-]\w+) \* cis\(b\)( - 1\.0)?", token):
        size, less = _number(cis[1]), 1.0 if cis[2] else 0.0
        assert size is not None
        return lambda v, r: bool(
            np.allclose(
                [r.real, r.imag],
                [
                    (size * math.cos(v["b"]) if v["b"] or size == 0 else size) - less,
                    size * math.sin(v["b"]) if v["b"] else v["b"],
                ],
                equal_nan=True,
            )
        )
    if parts := _COMPLEX.fullmatch(token):
        imag = f"{parts[2]}{parts[3]}{parts[4] or ''}"
        return lambda v, r: (
            _same(r.real, parts[1], not open_real) and _same(r.imag, imag, not open_imag)
        )
    if _number(token.replace("±", "")) is None:
        return None
    return lambda v, r: _same(r.real, token, True) or (may_be_nan and math.isnan(r.real))
