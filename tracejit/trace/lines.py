"""The user's own lines: where in their code something was asked for, and errors that say so."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import numpy as np

from tracejit import errors
from tracejit.source import Loc

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_USER_FOLDERS = (_PACKAGE + "benchmarks" + os.sep,)
_is_user_file: dict[str, bool] = {}


def user_frame(filename: str) -> bool:
    """Whether code of `filename` is the user's, neither this package's nor NumPy's."""
    known = _is_user_file.get(filename)
    if known is None:
        inside = filename.startswith((_PACKAGE, _NUMPY, "<__array_function__"))
        known = _is_user_file[filename] = not inside or filename.startswith(_USER_FOLDERS)
    return known


def user_loc() -> Loc | None:
    """The innermost line of user code on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if user_frame(code.co_filename):
            return Loc(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def fail(cls: type[errors.TraceError], what: str, instead: str = "") -> NoReturn:
    """Raise `cls` at the user's line."""
    raise cls(what, loc=user_loc(), instead=instead)
