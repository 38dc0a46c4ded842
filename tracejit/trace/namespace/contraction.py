"""Contraction of two labelled operands: by matrix product where it is BLAS's work, else by loops.

A label is any hashable that names an axis. What is BLAS's work: floating point operands, with a
label that is summed over and at least one that only one operand has, or two plain vectors. All else
(outer products, elementwise products, batches of dot products, integers, bools) is a broadcast
product and a sum, which the compiler fuses into one loop nest with whatever makes the operands.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from tracejit import errors
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.types import F2, F4
from tracejit.trace import prim, views
from tracejit.trace.context import current, fail
from tracejit.trace.namespace.reductions import accumulate_over
from tracejit.trace.tensor import Tensor, describe

Labels = tuple[Hashable, ...]

BLAS_DTYPES = {np.dtype(t) for t in ("f4", "f8", "c8", "c16")}


def is_blas(dtype: np.dtype) -> bool:
    return dtype in BLAS_DTYPES


def contract(a: Tensor, la: Sequence[Hashable], b: Tensor, lb: Sequence[Hashable],
             out: Sequence[Hashable]) -> Tensor:  # fmt: skip
    """The product of `a` and `b`, summed over every label that `out` does not have.

    Both have one dtype, which the result has too; labels are distinct within an operand. An axis of
    size 1 broadcasts against the other operand's axis of the same label.
    """
    dtype = a.dtype
    if dtype == F2:
        return prim.cast(contract(prim.cast(a, F4), la, prim.cast(b, F4), lb, out), F2)
    a, b, la, lb = _agree(a, tuple(la), b, tuple(lb))
    a, la = sum_labels(a, la, set(lb) | set(out))
    b, lb = sum_labels(b, lb, set(la) | set(out))
    wanted = tuple(out)
    batch = tuple(x for x in wanted if x in la and x in lb)
    free_a = tuple(x for x in wanted if x in la and x not in lb)
    free_b = tuple(x for x in wanted if x in lb and x not in la)
    summed = tuple(x for x in la if x not in wanted)
    if is_blas(dtype) and summed and (free_a or free_b or not batch):
        return _by_matmul(a, la, b, lb, (batch, free_a, free_b, summed), wanted)
    return _by_loops(a, la, b, lb, summed, wanted)


def _agree(a: Tensor, la: Labels, b: Tensor, lb: Labels) -> tuple[Tensor, Tensor, Labels, Labels]:
    """Check the sizes of shared labels; drop axes of size 1 that broadcast against the other's."""
    trace = current()
    drop_a, drop_b = set(), set()
    for label in la:
        if label not in lb:
            continue
        m, n = a.type.shape[la.index(label)], b.type.shape[lb.index(label)]
        if _broadcasts(m, n):
            drop_a.add(label)
        elif _broadcasts(n, m):
            drop_b.add(label)
        elif not trace.same(m, n, "a product"):
            fail(
                errors.ShapeError,
                f"axis {la.index(label)} and axis {lb.index(label)} of a product differ in size: "
                f"{describe(a)}, {describe(b)}",
                "the axes that are multiplied and summed over must be equally long",
            )
    a, la = drop_labels(a, la, drop_a)
    b, lb = drop_labels(b, lb, drop_b)
    sizes = dict(zip(la, a.type.shape, strict=True))
    wanted = tuple(sizes.get(n, d) for n, d in zip(lb, b.type.shape, strict=True))
    if wanted != b.type.shape:  # equal by a guard, and written differently
        b = prim.apply("reshape", b, shape=wanted)
    return a, b, la, lb


def _broadcasts(m: Dim, n: Dim) -> bool:
    """Whether an axis of size `m` is 1, and broadcasts to `n`."""
    trace = current()
    if m == 1 or m == n:
        return m == 1
    return trace.hint(m) == 1 and trace.hint(n) != 1 and trace.decide(m, "==", 1, "a product")


def drop_labels(x: Tensor, labels: Labels, dropped: set[Hashable]) -> tuple[Tensor, Labels]:
    """Without the axes `dropped`, which have size 1."""
    if not dropped:
        return x, labels
    kept = [k for k, label in enumerate(labels) if label not in dropped]
    shape = x.type.shape
    return views.reshape(x, tuple(shape[k] for k in kept)), tuple(labels[k] for k in kept)


def sum_labels(x: Tensor, labels: Labels, kept: set[Hashable]) -> tuple[Tensor, Labels]:
    """Sum out what is not in `kept`."""
    ones = {n for n, d in zip(labels, x.type.shape, strict=True) if n not in kept and d == 1}
    x, labels = drop_labels(x, labels, ones)
    axes = [k for k, label in enumerate(labels) if label not in kept]
    if not axes:
        return x, labels
    return accumulate_over("sum", x, axes, False), tuple(n for n in labels if n in kept)


def arrange(x: Tensor, labels: Labels, order: Sequence[Hashable]) -> Tensor:
    """The axes in another order."""
    return views.transpose(x, [labels.index(n) for n in order])


def spread(x: Tensor, labels: Labels, order: Sequence[Hashable]) -> Tensor:
    """The axes in the order `order`, with axes of size 1 for labels that `x` does not have."""
    turned = arrange(x, labels, [n for n in order if n in labels])
    shape = iter(turned.type.shape)
    return views.reshape(turned, tuple(next(shape) if n in labels else 1 for n in order))


def _by_loops(a: Tensor, la: Labels, b: Tensor, lb: Labels, summed: Labels, out: Labels) -> Tensor:
    order = out + summed
    product = prim.elementwise("multiply", spread(a, la, order), spread(b, lb, order))
    if not summed:
        return product
    return accumulate_over("sum", product, range(len(out), len(order)), False)


def _by_matmul(
    a: Tensor,
    la: Labels,
    b: Tensor,
    lb: Labels,
    groups: tuple[Labels, Labels, Labels, Labels],
    out: Labels,
) -> Tensor:
    batch, free_a, free_b, summed = groups
    if free_a and free_b and out == batch + free_b + free_a:
        a, la, b, lb, free_a, free_b = b, lb, a, la, free_b, free_a
    lead = _lead(tuple(n for n in out if n not in batch), free_a, free_b)
    batch, free_a, free_b = batch + lead, _without(free_a, lead), _without(free_b, lead)
    sizes = {
        **dict(zip(lb, b.type.shape, strict=True)),
        **dict(zip(la, a.type.shape, strict=True)),
    }
    m, n, k = (dims.product([sizes[x] for x in g]) for g in (free_a, free_b, summed))
    outer_a, outer_b = (tuple(sizes[x] if x in g else 1 for x in batch) for g in (la, lb))
    left = views.reshape(spread(a, la, batch + free_a + summed), (*outer_a, m, k))
    right = views.reshape(spread(b, lb, batch + summed + free_b), (*outer_b, k, n))
    product = prim.matmul(left, right)
    found = batch + free_a + free_b
    product = views.reshape(product, tuple(sizes[x] for x in found))
    return arrange(product, found, out)


def _lead(free: Labels, free_a: Labels, free_b: Labels) -> Labels:
    """Leading labels of one operand that become a batch, to which the other operand broadcasts.

    These are what stands between the result of one matrix product and its order `free` of axes:
    in `(b, m, n)` with `m` of one operand and `b, n` of the other, `b`.
    """
    if free in (free_a + free_b, free_b + free_a):
        return ()
    mine = free_a if free[0] in free_a else free_b
    count = next(k for k, n in enumerate(free) if n not in mine)
    lead, rest = free[:count], free[count:]
    left, right = _without(free_a, lead), _without(free_b, lead)
    return lead if rest in (left + right, right + left) else ()


def _without(labels: Labels, dropped: Labels) -> Labels:
    return tuple(n for n in labels if n not in dropped)
