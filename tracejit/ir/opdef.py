"""What an op is: one record, from which everything else is driven.

Dispatch from NumPy's names, the type rule, the interpreter, compiled code, property tests and the
documentation's list all read the record. Records live in `tracejit/ir/ops/`, beside their kin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from tracejit.ir.scalar import Scalar
from tracejit.ir.types import SHORT_NAMES, TensorType, broadcast_shapes

Kind = Literal["elementwise", "view", "reduce", "structural", "library", "control"]
Attrs = Mapping[str, Any]
Infer = Callable[[Sequence[TensorType], Attrs], tuple[TensorType, ...]]
Evaluate = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OpDef:
    """An op.

    `infer(types, attrs)` gives the output types; it trusts that dims already agree.
    `evaluate(*arrays, **attrs)` is the NumPy reference, which the interpreter runs (the attribute
    `symbols` is for `infer` alone). A record of kind `library` has no code of its own: compiled
    programs call `evaluate` at run time. One with `effects` does more than give its outputs: it is
    kept where nobody reads these, and never merged with an equal one. For an
    elementwise op `body(o, *xs)` is its scalar body; inputs broadcast against each other as in
    NumPy and have exactly the dtypes of the loop that `resolve_loop` chose. For a reduction
    `identity(dtype)` is the start (None when there is none, and the first element is taken) and
    `body(o, acc, x)` combines. `flops` is the cost of one element in additions. `domain` bounds
    random test inputs. `vjp(o, g, y, *xs)` is the derivative. `ufunc` is the one whose loops the
    inputs follow; an op without one lists in `loops` the type characters of the inputs of each
    loop, as in "ee ff dd". An op that gives its input number `in_place` with some elements replaced
    may be given the memory of that input. `may_fail` says that it can find out in mid-run that its
    inputs are wrong.
    """

    name: str
    kind: Kind
    infer: Infer
    evaluate: Evaluate
    numpy: tuple[Callable[..., Any], ...] = ()
    body: Callable[..., Scalar] | None = None
    ufunc: np.ufunc | None = None
    loops: str | None = None
    identity: Callable[[np.dtype], Any] | None = None
    commutative: bool = False
    flops: float = 1.0
    domain: tuple[float, float] | None = None
    vjp: Callable[..., Any] | None = None
    doc: str = ""
    effects: bool = False
    in_place: int | None = None
    may_fail: bool = False

    @property
    def elementwise(self) -> bool:
        return self.kind == "elementwise"


OPS: dict[str, OpDef] = {}
"""Every op by name."""

BY_NUMPY: dict[Any, OpDef] = {}
"""The op a NumPy callable is, for callables that are exactly one op."""


def register(record: OpDef) -> OpDef:
    """Add a record. Raises ValueError for a name or NumPy callable that has one already."""
    if record.name in OPS:
        raise ValueError(f"two records for op {record.name!r}")
    OPS[record.name] = record
    for function in record.numpy:
        if function in BY_NUMPY:
            raise ValueError(f"two records answer for {function!r}: {BY_NUMPY[function].name}")
        BY_NUMPY[function] = record
    return record


def op(
    name: str,
    ufunc: np.ufunc | None = None,
    *,
    body: Callable[..., Scalar],
    evaluate: Evaluate | None = None,
    infer: Infer | None = None,
    numpy: tuple[Callable[..., Any], ...] | None = None,
    **fields: Any,
) -> OpDef:
    """Register an elementwise op, usually a NumPy ufunc with one output.

    Without `infer` the output dtype is the one of the ufunc's loop for the (exact) input dtypes.
    """
    if ufunc is None and (infer is None or evaluate is None):
        raise ValueError(f"op {name!r} needs a ufunc, or infer and evaluate")
    return register(
        OpDef(
            name=name,
            kind="elementwise",
            infer=infer or _ufunc_infer(ufunc),  # type: ignore[arg-type]
            evaluate=evaluate or ufunc,  # type: ignore[arg-type]
            numpy=numpy if numpy is not None else ((ufunc,) if ufunc is not None else ()),
            body=body,
            ufunc=ufunc,
            **fields,
        )
    )


def elementwise_infer(dtype_rule: Callable[..., np.dtype]) -> Infer:
    """The type rule of an elementwise op with output dtype `dtype_rule(*input dtypes, **attrs)`."""

    def infer(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
        shape = broadcast_shapes(*(t.shape for t in types))
        return (TensorType(np.dtype(dtype_rule(*(t.dtype for t in types), **attrs)), shape),)

    return infer


def _ufunc_infer(ufunc: np.ufunc) -> Infer:
    def rule(*dtypes: np.dtype) -> np.dtype:
        return resolve_loop(ufunc, dtypes)[-1]

    return elementwise_infer(rule)


@lru_cache(maxsize=4096)
def resolve_loop(ufunc: np.ufunc, operands: tuple[Any, ...]) -> tuple[np.dtype, ...]:
    """The dtypes (inputs, then outputs) of the loop NumPy runs for `operands`.

    An operand is a dtype, or the Python type `int`, `float` or `complex` for a weak scalar (NEP
    50). Raises TypeError, as NumPy does, when no loop takes them, and for unsupported dtypes.
    """
    found = ufunc.resolve_dtypes(operands + (None,) * ufunc.nout)
    for dtype in found:
        if dtype not in SHORT_NAMES:
            raise TypeError(f"ufunc {ufunc.__name__!r} on {dtype} is not supported")
    return found
