"""Exceptions that the user's code raises where a traced condition says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from tracejit.ir.opdef import OpDef, register
from tracejit.ir.types import BOOL, TensorType


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception: its class and the texts of its arguments."""

    kind: type[BaseException]
    args: tuple[str, ...]


def _raise(error: Raised) -> NoReturn:
    raised = error.kind(*error.args)
    raised.from_user = True  # type: ignore[attr-defined]
    raise raised


register(
    OpDef(
        "raise",
        "library",
        lambda types, attrs: (TensorType(BOOL),),
        _raise,
        effects=True,
        may_fail=True,
        doc="Raises the exception `error`; its output is never there.",
    )
)
