"""Draws from a `numpy.random.Generator`, by its own methods at run time: the stream is NumPy's.

Inputs are the generator (its address, which the caller keeps alive), then a token that every draw
takes and returns. All draws of a graph hang on one chain of tokens, so that they stay in the order
of the program, whichever generators they are from. A draw changes its generator: it is an effect.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir.dims import Dim, Shape
from tracejit.ir.opdef import Attrs, Infer, OpDef, register
from tracejit.ir.types import F8, INTP, TensorType, broadcast_shapes

Types = Sequence[TensorType]
TOKEN = TensorType(INTP)
"""The type of a token, and of a generator."""


def address_of(generator: np.random.Generator) -> int:
    """What stands for a generator in a graph."""
    return id(generator)


def generator_at(address: Any) -> np.random.Generator:
    """The generator that `address_of` gave this number for; somebody must still hold it."""
    found = ctypes.cast(int(address), ctypes.py_object).value
    assert isinstance(found, np.random.Generator)
    return found


CONTINUOUS: dict[str, str] = {
    "exponential": "scale=1.0", "normal": "loc=0.0 scale=1.0", "uniform": "low=0.0 high=1.0",
    "gamma": "shape scale=1.0", "beta": "a b", "chisquare": "df", "f": "dfnum dfden",
    "gumbel": "loc=0.0 scale=1.0", "laplace": "loc=0.0 scale=1.0", "logistic": "loc=0.0 scale=1.0",
    "lognormal": "mean=0.0 sigma=1.0", "noncentral_chisquare": "df nonc",
    "noncentral_f": "dfnum dfden nonc", "pareto": "a", "power": "a", "rayleigh": "scale=1.0",
    "standard_cauchy": "", "standard_t": "df", "triangular": "left mode right",
    "vonmises": "mu kappa", "wald": "mean scale", "weibull": "a",
}  # fmt: skip
"""Distributions of float64 numbers, with their parameters, which broadcast."""

DISCRETE: dict[str, str] = {
    "binomial": "n p", "geometric": "p", "hypergeometric": "ngood nbad nsample", "logseries": "p",
    "negative_binomial": "n p", "poisson": "lam=1.0", "zipf": "a",
}  # fmt: skip
"""Distributions of int64 numbers."""

TYPED: dict[str, str] = {
    "random": "", "standard_normal": "", "standard_exponential": "", "standard_gamma": "shape",
}  # fmt: skip
"""Distributions in float64 or float32, by their attribute `dtype`."""

VECTORS: dict[str, str] = {"multinomial": "n pvals", "dirichlet": "alpha"}
"""Distributions of vectors as long as the last parameter."""


def _shape(types: Types, size: Any) -> Shape:
    if size is not None:
        return tuple(size)
    return broadcast_shapes(*(t.shape for t in types))


def _elements(dtype: Callable[[Attrs], np.dtype]) -> Infer:
    def infer(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
        return (TensorType(dtype(attrs), _shape(types[2:], attrs["size"])), TOKEN)

    return infer


def _vectors(dtype: np.dtype) -> Infer:
    def infer(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
        last = types[-1].shape[-1:]
        own = [*types[2:-1], types[-1].with_shape(types[-1].shape[:-1])]
        return (TensorType(dtype, (*_shape(own, attrs["size"]), *last)), TOKEN)

    return infer


def _gaussian(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (TensorType(F8, (*(attrs["size"] or ()), *types[2].shape)), TOKEN)


def _same(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (types[2], TOKEN)


def _range(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    return (TensorType(INTP, (attrs["n"],)), TOKEN)


def _choice(types: Types, attrs: Attrs) -> tuple[TensorType, ...]:
    population, axis = types[2], attrs["axis"]
    drawn: tuple[Dim, ...] = tuple(attrs["size"] or ())
    if not population.ndim:
        return (TensorType(INTP, drawn), TOKEN)
    shape = (*population.shape[:axis], *drawn, *population.shape[axis + 1 :])
    return (population.with_shape(shape), TOKEN)


def _method(name: str) -> Callable[..., Any]:
    def draw(address: Any, token: Any, *parameters: Any, **attrs: Any) -> tuple[Any, Any]:
        return getattr(generator_at(address), name)(*parameters, **attrs), token

    return draw


def _draw_choice(
    address: Any, token: Any, a: Any, *p: Any, size: Any, replace: bool, axis: int, shuffle: bool
) -> tuple[Any, Any]:
    weights = p[0] if p else None
    population = a if a.ndim else int(a)
    generator = generator_at(address)
    return generator.choice(population, size, replace, weights, axis, shuffle), token


def _draw_shuffled(address: Any, token: Any, x: Any, axis: int) -> tuple[Any, Any]:
    shuffled = np.array(x)
    generator_at(address).shuffle(shuffled, axis)
    return shuffled, token


def _draw_range(address: Any, token: Any, n: int) -> tuple[Any, Any]:
    return generator_at(address).permutation(n), token


def _record(name: str, infer: Infer, evaluate: Callable[..., Any], doc: str = "") -> None:
    register(
        OpDef(
            f"Generator.{name}",
            "library",
            infer,
            evaluate,
            effects=True,
            doc=doc or f"As `Generator.{name}`.",
        )
    )


for _name in CONTINUOUS:
    _record(_name, _elements(lambda attrs: F8), _method(_name))
for _name in DISCRETE:
    _record(_name, _elements(lambda attrs: INTP), _method(_name))
for _name in (*TYPED, "integers"):
    _record(_name, _elements(lambda attrs: np.dtype(attrs["dtype"])), _method(_name))
_record("multinomial", _vectors(INTP), _method("multinomial"))
_record("dirichlet", _vectors(F8), _method("dirichlet"))
_record("multivariate_normal", _gaussian, _method("multivariate_normal"))
_record("permuted", _same, _method("permuted"))
_record("permutation", _same, _method("permutation"))
_record("permutation_of_range", _range, _draw_range, "`permutation(n)`.")
_record("shuffle", _same, _draw_shuffled, "The third input with the slices of `axis` shuffled.")
_record("choice", _choice, _draw_choice, "As `Generator.choice`; the fourth input is `p`.")
