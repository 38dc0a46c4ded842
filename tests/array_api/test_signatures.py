"""Every keyword of the standard's signatures, given with its default."""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.array_api import namespace
from tests.array_api.sentences import standard_text
from tests.array_api.test_conformance import NAMES, RECIPES, SPACES, check, of, outcome

_CALL = re.compile(
    r"^class (\w+)\[(?:(?!^class ).)*?^    (def __call__\(.*?\)) (?:->.*?)?:", re.M | re.S
)


def signatures() -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Of each function, its parameters that may be passed by position, and keywords' defaults."""
    found = {}
    for match in _CALL.finditer(standard_text() or ""):
        function = ast.parse(f"{match[2]}: ...").body[0]
        assert isinstance(function, ast.FunctionDef)
        given_args = function.args
        names = [a.arg for a in (*given_args.posonlyargs, *given_args.args)][1:]
        defaults = {
            a.arg: ast.literal_eval(d)
            for a, d in zip(given_args.kwonlyargs, given_args.kw_defaults, strict=True)
            if d is not None
        }
        found[match[1]] = names, defaults
    return found


SIGNATURES = signatures()
NOT_IN_NUMPY = {
    ("sort", "descending"), ("argsort", "descending"),
    ("fft.fftfreq", "dtype"), ("fft.rfftfreq", "dtype"),
    ("diff", "prepend"), ("diff", "append"),  # None is an object to it.
}  # fmt: skip
"""Keywords of the standard that NumPy's functions do not have, or not with this default."""


def test_every_function_has_a_signature() -> None:
    if not SIGNATURES:
        pytest.skip("the package types-array-api is not installed")
    missing = {name.split(".")[-1] for name in NAMES} - SIGNATURES.keys()
    assert not missing
    functions = {*namespace.MAIN, *namespace.LINALG, *namespace.FFT, *namespace.PASSED_THROUGH}
    others = {"finfo_object", "iinfo_object", "Info", "Array", "NestedSequence"}
    assert SIGNATURES.keys() - functions <= others


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4)
@given(data=st.data())
def test_keywords(name: str, data: st.DataObject) -> None:
    """What NumPy takes is taken; where it has no such keyword, the default may be refused too."""
    names, defaults = SIGNATURES.get(name.split(".")[-1], ([], {}))
    args, kwargs = RECIPES[name](data.draw)
    free = {k: v for k, v in defaults.items() if k not in kwargs and k not in names[: len(args)]}
    for keyword, value in free.items():
        more = kwargs | {keyword: value}
        if (name, keyword) in NOT_IN_NUMPY:
            found = outcome(of(SPACES["fast_compile"], name), args, more)
            assert isinstance(found, TypeError) or name == "diff"
        else:
            check("fast_compile", name, (args, more))
            assert not isinstance(outcome(of(np, name), args, more), TypeError), keyword
