"""`np.einsum`: subscripts to labels, diagonals, and the order of the pairwise contractions.

The order is chosen by opt_einsum from the sizes of the call that is traced; other sizes of the
same graph keep it. `optimize=` is therefore ignored. A diagonal is a read-only view, where NumPy
lets one write through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.graph import Value
from tracejit.ir.types import F2, F4
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.contraction import (
    Labels,
    arrange,
    contract,
    drop_labels,
    sum_labels,
)
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import given, store
from tracejit.trace.registry import implements
from tracejit.trace.size import wrap
from tracejit.trace.tensor import Tensor, ViewStep, describe

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_OPEN_SIZE = 1000
"""The size that the choice of an order takes for a dim that a spec leaves open."""


@implements(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Tensor:
    subscripts, tensors = _operands(operands)
    labels, wanted = parse(subscripts, tensors)
    common = prim.as_dtype(dtype) if given(dtype) else prim.result_dtype(*tensors)
    for t in tensors:
        if not np.can_cast(t.dtype, common, casting):  # type: ignore[arg-type]
            fail(
                errors.DTypeError,
                f"an operand of einsum cannot be cast to {common} with casting rule "
                f"{casting!r}: {describe(t)}",
                "casting='unsafe', or cast it with x.astype(...)",
            )
    result = contract_all([prim.cast(t, common) for t in tensors], labels, wanted)
    if given(out):
        return store(out, result, casting)
    return result


def _operands(operands: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """Subscripts and tensors, of either form of the call."""
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [strong(x) for x in operands[1:]]
    lists = list(operands[1::2])
    tensors = [strong(x) for x in operands[0 : 2 * len(lists) : 2]]
    text = ",".join(map(_sublist, lists))
    if len(operands) % 2:
        text += "->" + _sublist(operands[-1])
    return text, tensors


def _sublist(labels: Sequence[Any]) -> str:
    return "".join("..." if n is Ellipsis else _LETTERS[int(n)] for n in labels)


def parse(subscripts: str, tensors: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    """Labels of each operand's axes and of the result's; an ellipsis axis is named by a number."""
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        what = f"{len(terms)} subscripts for {len(tensors)} operands"
        _fail_subscripts(what, subscripts, tensors)
    labels: list[Labels] = []
    longest = 0
    for term, tensor in zip(terms, tensors, strict=True):
        found = _term(term, tensor.ndim)
        if found is None:
            what = f"'{term}' does not fit an operand with {tensor.ndim} dims"
            _fail_subscripts(what, subscripts, tensors)
        labels.append(found)
        longest = max(longest, len([n for n in found if isinstance(n, int)]))
    used = [n for term in labels for n in term]
    ellipsis = tuple(range(-longest, 0))
    if not arrow:
        once = sorted(n for n in set(used) if isinstance(n, str) and used.count(n) == 1)
        return labels, (*ellipsis, *once)
    if longest and "..." not in right:
        _fail_subscripts("the output has no '...' for the broadcast dims", subscripts, tensors)
    wanted = _term(right, len(right.replace("...", "")) + longest)
    if wanted is None or len(set(wanted)) != len(wanted) or not set(wanted) <= set(used):
        what = f"the output '{right}' must have labels of operands, each at most once"
        _fail_subscripts(what, subscripts, tensors)
    return labels, wanted


def _term(term: str, ndim: int) -> Labels | None:
    """The labels of `ndim` axes; None where the term does not fit."""
    before, dots, after = term.partition("...")
    if not all(c in _LETTERS for c in before + after):
        return None
    extra = ndim - len(before) - len(after)
    if extra < 0 or (extra and not dots):
        return None
    return (*before, *range(-extra, 0), *after)


def _fail_subscripts(what: str, subscripts: str, tensors: Sequence[Tensor]) -> NoReturn:
    fail(
        errors.ShapeError,
        f"einsum '{subscripts}': {what}: " + ", ".join(map(describe, tensors)),
        "one letter for each axis of each operand, or '...' for several",
    )


# Diagonals.


def diagonal(x: Tensor, p: int, q: int, offset: int = 0) -> Tensor:
    """A read-only view: the diagonal of axes `p` and `q` as the last axis."""
    rest = [k for k in range(x.ndim) if k not in (p, q)]
    shape = [x.type.shape[k] for k in rest]
    rows, columns = x.type.shape[p], x.type.shape[q]
    size = dims.minimum(rows + min(offset, 0), columns - max(offset, 0))
    if offset:
        size = dims.maximum(size, 0)
    start: Dim = offset if offset >= 0 else columns * -offset

    def read(base: Value) -> Value:
        apply = views.apply_values
        turned = apply("transpose", base, perm=(*rest, p, q))
        flat = apply("reshape", turned, shape=current().shape((*shape, rows * columns)))
        index = prim.elementwise("multiply", prim.iota((size,), 0), wrap(columns + 1))
        index = prim.elementwise("add", index, wrap(start))
        return apply("take", flat, index.value, axis=len(rest))

    return x.view(ViewStep(read, None))


def _without_repeats(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """One axis for each label: repeated ones become diagonals."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            p = labels.index(label)
            q = labels.index(label, p + 1)
            if not current().same(x.type.shape[p], x.type.shape[q], "a diagonal"):
                fail(
                    errors.ShapeError,
                    f"the label '{label}' names axes {p} and {q} of different size: {describe(x)}",
                )
            x = diagonal(x, p, q)
            labels = (*(n for k, n in enumerate(labels) if k not in (p, q)), label)
    return x, labels


# The order of contractions.


def contract_all(tensors: Sequence[Tensor], labels: Sequence[Labels], out: Labels) -> Tensor:
    """The product of operands of one dtype, summed over the labels that `out` does not have."""
    terms = [_without_repeats(x, n) for x, n in zip(tensors, labels, strict=True)]
    terms = _broadcast_ones(terms)
    if len(terms) == 1:
        return _single(*terms[0], out)
    dtype = terms[0][0].dtype
    if dtype == F2:
        terms = [(prim.cast(x, F4), n) for x, n in terms]
    for step in _path(terms, out):
        picked = [terms[k] for k in step]
        terms = [t for k, t in enumerate(terms) if k not in step]
        x, names = picked[0]
        for k, (y, other) in enumerate(picked[1:], 2):
            later = {n for _, ns in (*terms, *picked[k:]) for n in ns} | set(out)
            if terms or picked[k:]:
                both = tuple(n for n in names if n in other)
                kept = tuple(n for n in dict.fromkeys((*both, *names, *other)) if n in later)
            else:
                kept = tuple(n for n in out if n in names or n in other)
            x, names = contract(x, names, y, other, kept), kept
        terms.append((x, names))
    ((result, names),) = terms
    return prim.scalar(prim.cast(_single(result, names, out), dtype))


def _single(x: Tensor, labels: Labels, out: Labels) -> Tensor:
    """One operand: sums, then the order of axes; labels that were broadcast away have size 1."""
    x, found = sum_labels(x, labels, set(out))
    result = arrange(x, found, [n for n in out if n in found])
    return prim.scalar(result) if found != labels or not out else result


def _broadcast_ones(terms: list[tuple[Tensor, Labels]]) -> list[tuple[Tensor, Labels]]:
    """Drop axes of size 1 whose label has another size in another operand."""
    long = {n for x, names in terms for n, d in zip(names, x.type.shape, strict=True) if d != 1}
    found = []
    for x, names in terms:
        ones = {n for n, d in zip(names, x.type.shape, strict=True) if d == 1 and n in long}
        found.append(drop_labels(x, names, ones))
    return found


def _path(terms: Sequence[tuple[Tensor, Labels]], out: Labels) -> list[tuple[int, ...]]:
    """Which operands to contract at each step; the result of a step goes to the end."""
    if len(terms) == 2:
        return [(0, 1)]
    optimizer = _opt_einsum()
    trace = current()
    symbols: dict[Any, str] = {}
    for _, names in terms:
        for n in names:
            symbols.setdefault(n, optimizer.get_symbol(len(symbols)))
    text = ",".join("".join(symbols[n] for n in names) for _, names in terms)
    text += "->" + "".join(symbols[n] for n in out if n in symbols)
    shapes = []
    for x, _ in terms:
        hints = [trace.hint(d) for d in x.type.shape]
        shapes.append(tuple(_OPEN_SIZE if h is None else h for h in hints))
    kind = "optimal" if len(terms) <= 5 else "auto"
    path, _ = optimizer.contract_path(text, *shapes, shapes=True, optimize=kind)
    return [tuple(step) for step in path]


def _opt_einsum() -> Any:
    """opt_einsum, imported when an expression has three operands or more."""
    return import_module("opt_einsum")
