"""Every NumPy ufunc, with `out`, `where`, `dtype` and `casting`.

Which op a ufunc is comes from the op table, and so do elementwise functions that are no ufuncs.
With `where` and no `out`, the elements that are not selected are 0 (NumPy leaves them
uninitialized).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.opdef import BY_NUMPY
from tracejit.trace import prim, views
from tracejit.trace.context import fail
from tracejit.trace.namespace.arithmetic import COMPARISONS, compare, modulo_pair, write_out
from tracejit.trace.prim import elementwise, lift
from tracejit.trace.registry import FUNCTIONS, implements, is_method
from tracejit.trace.tensor import Tensor, describe

_PAIRS: dict[np.ufunc, tuple[str, str]] = {
    np.divmod: ("floor_divide", "remainder"),
    np.modf: ("modf_frac", "modf_int"),
    np.frexp: ("frexp_mantissa", "frexp_exponent"),
}


Computation = Callable[[Sequence[Tensor], Any], tuple[Tensor, ...]]
"""The outputs of a ufunc on its inputs, with the `dtype` that was asked for, if any."""


def implementation(ufunc: np.ufunc, compute: Computation) -> Callable[..., Any]:
    """The traced function with the signature of `ufunc`, which `compute` computes."""

    def function(
        *args: Any,
        out: Any = None,
        where: Any = True,
        casting: str = "same_kind",
        order: str = "K",
        dtype: Any = None,
        subok: bool = True,
        signature: Any = None,
    ) -> Any:
        nin, nout = ufunc.nin, ufunc.nout
        if not nin <= len(args) <= nin + nout:
            raise TypeError(
                f"{ufunc.__name__}() takes from {nin} to {nin + nout} positional arguments "
                f"but {len(args)} were given"
            )
        if len(args) > nin:
            outs: tuple[Any, ...] = (*args[nin:], *(None,) * (nin + nout - len(args)))
        else:
            outs = out if isinstance(out, tuple) else (out,) + (None,) * (nout - 1)
        if len(outs) != nout:
            raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
        if signature is not None:
            fail(
                errors.UnsupportedError,
                f"signature= of np.{ufunc.__name__} is not supported",
                "dtype=, or cast the operands with x.astype(...)",
            )
        inputs = [lift(x) for x in args[:nin]]
        if casting != "same_kind":
            _check_casting(ufunc, inputs, casting)
        results = [
            _finish(ufunc, result, target, where, casting)
            for result, target in zip(compute(inputs, dtype), outs, strict=True)
        ]
        return results[0] if nout == 1 else tuple(results)

    function.__name__ = ufunc.__name__
    return function


def _computation(ufunc: np.ufunc) -> Computation:
    if ufunc is np.divmod:
        return lambda xs, dtype: modulo_pair(*xs)
    if ufunc in _PAIRS:
        ops = _PAIRS[ufunc]
        return lambda xs, dtype: tuple(elementwise(op, *xs) for op in ops)
    if ufunc.__name__ in COMPARISONS:
        return lambda xs, dtype: (compare(ufunc.__name__, *xs),)
    op = BY_NUMPY[ufunc].name
    return lambda xs, dtype: (elementwise(op, *xs, dtype=dtype),)


def _finish(ufunc: np.ufunc, result: Tensor, out: Any, where: Any, casting: str) -> Tensor:
    """`result` as the ufunc returns it."""
    if where is not True:
        mask = lift(where)
        if mask.dtype != bool:
            fail(errors.DTypeError, f"where= must be a bool array, not {describe(mask)}")
        if out is None:
            result = prim.select(mask, result, 0)
        else:
            target = lift(out)
            if np.can_cast(result.dtype, target.dtype, casting):  # type: ignore[arg-type]
                result = prim.select(mask, prim.cast(result, target.dtype), target)
    if out is not None:
        return write_out(out, result, ufunc.__name__, casting)
    return prim.scalar(result) if result.weak is not None else result


def _check_casting(ufunc: np.ufunc, inputs: Sequence[Tensor], casting: str) -> None:
    kinds = tuple(prim.operand_dtype(t) for t in inputs)
    try:
        ufunc.resolve_dtypes(kinds + (None,) * ufunc.nout, casting=casting)  # type: ignore[arg-type]
    except TypeError as error:
        fail(errors.DTypeError, str(error))


def _outer(ufunc: np.ufunc) -> Callable[..., Any]:
    """`ufunc.outer(a, b)`: every element of `a` with every element of `b`."""

    def function(a: Any, b: Any, **kwargs: Any) -> Any:
        left, right = lift(a), lift(b)
        return FUNCTIONS[ufunc](
            views.reshape(left, (*left.type.shape, *(1,) * right.ndim)), right, **kwargs
        )

    return function


def _function(op: str) -> Callable[..., Any]:
    """The traced function of an elementwise op that is no ufunc."""
    return lambda *operands: elementwise(op, *operands)


for _callable in [*BY_NUMPY, *_PAIRS]:
    if isinstance(_callable, np.ufunc):
        implements(_callable)(implementation(_callable, _computation(_callable)))
        if _callable.nin == 2 and _callable.nout == 1:
            FUNCTIONS[_callable, "outer"] = _outer(_callable)
    elif BY_NUMPY[_callable].elementwise:
        FUNCTIONS.setdefault(_callable, _function(BY_NUMPY[_callable].name))


@is_method("conj")
@is_method("conjugate")
def conjugate_method(x: Tensor, out: Any = None) -> Tensor:
    """NumPy's method gives real arrays back as they are; its function copies them."""
    if out is None and x.dtype.kind != "c":
        return x
    return FUNCTIONS[np.conjugate](x, out=out)
