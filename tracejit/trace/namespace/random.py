"""Methods of `numpy.random.Generator`: draws at run time, in the order of the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.dims import Dim
from tracejit.ir.ops.random import CONTINUOUS, DISCRETE, TYPED, VECTORS
from tracejit.ir.types import F4, F8, INTP, SHORT_NAMES
from tracejit.trace import prim
from tracejit.trace.context import current, fail
from tracejit.trace.generators import TracedGenerator, draws, is_generator, refuse_random
from tracejit.trace.namespace.elementwise import strong
from tracejit.trace.namespace.reductions import store
from tracejit.trace.registry import implements
from tracejit.trace.size import Size, as_dim, to_length
from tracejit.trace.tensor import Tensor, describe, fresh_array

_REQUIRED = object()


def _drawn(generator: TracedGenerator, op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """The next draw of the trace."""
    trace = current()
    if trace.draws is None:
        trace.draws = trace.builder.const(0, INTP)
    address, token = prim.scalar_of(generator.cell.value), prim.scalar_of(trace.draws)
    result, token = prim.call(f"Generator.{op}", address, token, *inputs, **attrs)
    trace.draws = token.value
    return result


@implements(np.random.default_rng, creator=True)
def default_rng(seed: Any = None) -> TracedGenerator:
    """What is a generator already stays it."""
    if not is_generator(seed):
        refuse_random("default_rng")
    return seed


def _size(size: Any) -> tuple[Dim, ...] | None:
    if size is None:
        return None
    if isinstance(size, np.ndarray):
        size = size.tolist()
    entries = size if isinstance(size, (tuple, list)) else (size,)
    shape = tuple(to_length(entry, "a size") for entry in entries)
    for dim in shape:
        if not current().decide(dim, ">=", 0, "the size of a draw"):
            raise ValueError("negative dimensions are not allowed")
    return shape


def _check_fit(size: tuple[Dim, ...] | None, parameters: Sequence[Tensor]) -> None:
    """Parameters must broadcast to the size that is asked for, as NumPy has it."""
    if size is None:
        prim.broadcast_shapes(*parameters)
        return
    trace = current()
    for t in parameters:
        own = t.type.shape
        fits = len(own) <= len(size) and all(
            trace.canonical(d) == 1 or trace.same(d, wanted, "the size of a draw")
            for d, wanted in zip(own[::-1], size[::-1], strict=False)
        )
        if not fits:
            fail(
                errors.ShapeError,
                f"output size {size} is not compatible with a parameter: {describe(t)}",
            )


def _result(drawn: Tensor, size: Any, parameters: Sequence[Tensor], python: Any) -> Tensor:
    """An array, or the number of type `python` that NumPy gives without a size."""
    if drawn.ndim:
        return drawn
    if size is not None:
        return fresh_array(drawn.value)
    return prim.weak_cast(drawn, python) if python in (int, float) else drawn


def _parameters(spec: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in spec.split():
        name, _, default = entry.partition("=")
        found[name] = float(default) if default else _REQUIRED
    return found


def _bound(name: str, wanted: dict[str, Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name; raises TypeError as a call would."""
    if len(args) > len(wanted):
        raise TypeError(f"{name}() takes at most {len(wanted)} positional arguments")
    found = dict(zip(wanted, args, strict=False))
    for key, value in kwargs.items():
        if key in found or key not in wanted:
            problem = "multiple values for" if key in found else "an unexpected keyword"
            raise TypeError(f"{name}() got {problem} argument '{key}'")
        found[key] = value
    found = {**wanted, **found}
    for key, value in found.items():
        if value is _REQUIRED:
            raise TypeError(f"{name}() missing required argument: '{key}'")
    return found


def _distribution(name: str, spec: str, python: type) -> Callable[..., Any]:
    wanted = {**_parameters(spec), "size": None}

    def draw(generator: TracedGenerator, *args: Any, **kwargs: Any) -> Tensor:
        given = _bound(name, wanted, args, kwargs)
        size = _size(given.pop("size"))
        parameters = [strong(value) for value in given.values()]
        _check_fit(size, parameters)
        return _result(_drawn(generator, name, *parameters, size=size), size, parameters, python)

    return draw


def _typed(name: str, spec: str) -> Callable[..., Any]:
    wanted = {**_parameters(spec), "size": None, "dtype": F8}
    if name == "standard_exponential":
        wanted["method"] = "zig"
    wanted["out"] = None

    def draw(generator: TracedGenerator, *args: Any, **kwargs: Any) -> Tensor:
        given = _bound(name, wanted, args, kwargs)
        size, dtype, out = _size(given.pop("size")), np.dtype(given.pop("dtype")), given.pop("out")
        method = {"method": given.pop("method")} if "method" in given else {}
        if dtype not in (F4, F8):
            raise TypeError(f"Unsupported dtype {dtype} for {name}")
        parameters = [strong(value) for value in given.values()]
        if out is not None:
            target = prim.lift(out)
            if target.dtype != dtype:
                raise TypeError(f"Supplied output array has wrong type. Expected {dtype}")
            if size is not None and not all(map(current().same, size, target.type.shape)):
                raise ValueError("size must match out.shape when used together")
            size = tuple(target.type.shape)
        _check_fit(size, parameters)
        drawn = _drawn(generator, name, *parameters, size=size, dtype=dtype, **method)
        if out is not None:
            return store(out, drawn, "no")
        return _result(drawn, size, parameters, float)

    return draw


for _name, _spec in CONTINUOUS.items():
    draws(_name)(_distribution(_name, _spec, float))
for _name, _spec in DISCRETE.items():
    draws(_name)(_distribution(_name, _spec, int))
for _name, _spec in TYPED.items():
    draws(_name)(_typed(_name, _spec))


def _vector(name: str, spec: str) -> Callable[..., Any]:
    wanted = {**_parameters(spec), "size": None}

    def draw(generator: TracedGenerator, *args: Any, **kwargs: Any) -> Tensor:
        given = _bound(name, wanted, args, kwargs)
        size = _size(given.pop("size"))
        parameters = [strong(value) for value in given.values()]
        last = parameters[-1]
        if not last.ndim or (name == "dirichlet" and last.ndim != 1):
            fail(errors.ShapeError, f"{name} takes a vector: {describe(last)}")
        return _drawn(generator, name, *parameters, size=size)

    return draw


for _name, _spec in VECTORS.items():
    draws(_name)(_vector(_name, _spec))


@draws("multivariate_normal")
def multivariate_normal(
    generator: TracedGenerator, mean: Any, cov: Any, size: Any = None,
    check_valid: str = "warn", tol: float = 1e-8, *, method: str = "svd",
) -> Tensor:  # fmt: skip
    center, spread = strong(mean), strong(cov)
    if center.ndim != 1:
        raise ValueError("mean must be 1 dimensional")
    if spread.ndim != 2 or not all(
        current().same(center.type.shape[0], d, "multivariate_normal") for d in spread.type.shape
    ):
        raise ValueError("mean and cov must have same length")
    attrs = {"size": _size(size), "check_valid": check_valid, "tol": tol, "method": method}
    return _drawn(generator, "multivariate_normal", center, spread, **attrs)


@draws("integers")
def integers(
    generator: TracedGenerator, low: Any, high: Any = None, size: Any = None,
    dtype: Any = np.int64, endpoint: Any = False,
) -> Tensor:  # fmt: skip
    shape = _size(size)
    found = np.dtype(dtype)
    if found.kind not in "iub" or found not in SHORT_NAMES:
        raise TypeError(f"Unsupported dtype {found} for integers")
    bounds = [strong(0 if high is None else low), strong(low if high is None else high)]
    _check_fit(shape, bounds)
    attrs = {"size": shape, "dtype": found, "endpoint": bool(endpoint)}
    drawn = _drawn(generator, "integers", *bounds, **attrs)
    if shape is None and not drawn.ndim and dtype is bool:
        fail(
            errors.UnsupportedError,
            "`integers` with dtype=bool and without a size gives a Python bool",
            "dtype=np.bool_",
        )
    return _result(drawn, shape, bounds, int if dtype is int else None)


def _population(x: Any) -> Dim | None:
    """The number that `x` is where a draw takes a number or an array."""
    if isinstance(x, (Size, int, np.integer)):
        return as_dim(x)
    if isinstance(x, Tensor) and not x.ndim and x.dtype.kind in "iu":
        return to_length(x, "a number of items")
    return None


@draws("choice")
def choice(
    generator: TracedGenerator, a: Any, size: Any = None, replace: Any = True, p: Any = None,
    axis: Any = 0, shuffle: Any = True,
) -> Tensor:  # fmt: skip
    population = strong(a)
    shape = _size(size)
    along = prim.normalize_axis(axis, population.ndim) if population.ndim else 0
    if not population.ndim and population.dtype.kind not in "iu":
        raise ValueError("a must be a sequence or an integer, not " + type(a).__name__)
    weights = [] if p is None else [prim.cast(strong(p), F8)]
    for t in weights:
        count = population.type.shape[along] if population.ndim else None
        if t.ndim != 1:
            raise ValueError("p must be 1-dimensional")
        if count is not None and not current().same(count, t.type.shape[0], "choice"):
            raise ValueError("a and p must have same size")
    attrs = {"size": shape, "replace": bool(replace), "axis": along, "shuffle": bool(shuffle)}
    drawn = _drawn(generator, "choice", population, *weights, **attrs)
    return _result(drawn, shape, (), None if population.ndim else int)


@draws("permutation")
def permutation(generator: TracedGenerator, x: Any, axis: Any = 0) -> Tensor:
    count = _population(x)
    if count is not None:
        return _drawn(generator, "permutation_of_range", n=count)
    tensor = strong(x)
    along = prim.normalize_axis(axis, tensor.ndim)
    return _drawn(generator, "permutation", tensor, axis=along)


@draws("permuted")
def permuted(generator: TracedGenerator, x: Any, *, axis: Any = None, out: Any = None) -> Tensor:
    tensor = strong(x)
    along = None if axis is None else prim.normalize_axis(axis, tensor.ndim)
    return store(out, _drawn(generator, "permuted", tensor, axis=along), "no")


@draws("shuffle")
def shuffle(generator: TracedGenerator, x: Any, axis: Any = 0) -> None:
    if not isinstance(x, (Tensor, np.ndarray)):
        fail(
            errors.UnsupportedError,
            f"a {type(x).__name__} is shuffled in place inside a jitted function",
            "shuffle an array, or use rng.permutation",
        )
    tensor = prim.lift(x)
    along = prim.normalize_axis(axis, tensor.ndim)
    prim.store(tensor, _drawn(generator, "shuffle", tensor, axis=along))
