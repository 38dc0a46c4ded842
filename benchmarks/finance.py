"""Black-Scholes: prices of European call and put options."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, rebind


def normal_cdf(x):
    """Abramowitz and Stegun 26.2.17, as option pricers have it: error below 7.5e-8."""
    k = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    poly = k * (
        0.319381530 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    )
    tail = 0.3989422804014327 * np.exp(-0.5 * x * x) * poly
    return np.where(x > 0.0, 1.0 - tail, tail)


def black_scholes(price, strike, years, rate, volatility):
    root = volatility * np.sqrt(years)
    d1 = (np.log(price / strike) + (rate + 0.5 * volatility * volatility) * years) / root
    d2 = d1 - root
    discounted = strike * np.exp(-rate * years)
    call = price * normal_cdf(d1) - discounted * normal_cdf(d2)
    put = call - price + discounted
    return call, put


def options(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    price, strike = rng.uniform(5, 30, size), rng.uniform(1, 100, size)
    return price, strike, rng.uniform(0.25, 10, size), 0.02, 0.3


def numba_black_scholes(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit
    def scalar_cdf(
        x,
    ):  # np.where of scalars is slow in Numba; with a branch it is three times faster
        k = 1.0 / (1.0 + 0.2316419 * np.abs(x))
        poly = k * (
            0.319381530
            + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
        )
        tail = 0.3989422804014327 * np.exp(-0.5 * x * x) * poly
        return 1.0 - tail if x > 0.0 else tail

    scalar = nb.njit(rebind(black_scholes, normal_cdf=scalar_cdf))

    @nb.njit(parallel=True)
    def run(price, strike, years, rate, volatility):
        call, put = np.empty_like(price), np.empty_like(price)
        for i in prange(price.size):
            call[i], put[i] = scalar(price[i], strike[i], years[i], rate, volatility)
        return call, put

    return run


def numexpr_black_scholes(ne: Any) -> Any:
    tail = (
        "0.3989422804014327 * exp(-0.5*{x}*{x}) * {k} * (0.319381530 + {k} * (-0.356563782"
        " + {k} * (1.781477937 + {k} * (-1.821255978 + {k} * 1.330274429))))"
    )

    def cdf(x: Any) -> Any:
        names = {"x": x, "k": ne.evaluate("1.0 / (1.0 + 0.2316419 * abs(x))", {"x": x})}
        expression = tail.format(x="x", k="k")
        return ne.evaluate(f"where(x > 0.0, 1.0 - {expression}, {expression})", names)

    def run(price, strike, years, rate, volatility):
        names = {"s": price, "x": strike, "t": years, "r": rate, "v": volatility}
        names["d1"] = ne.evaluate("(log(s/x) + (r + 0.5*v*v)*t) / (v*sqrt(t))", names)
        names["d2"] = ne.evaluate("d1 - v*sqrt(t)", names)
        names["c1"], names["c2"] = cdf(names["d1"]), cdf(names["d2"])
        names["call"] = ne.evaluate("s*c1 - x*exp(-r*t)*c2", names)
        return names["call"], ne.evaluate("call - s + x*exp(-r*t)", names)

    return run


WORKLOADS = [
    Workload(
        "black_scholes",
        "Black-Scholes, calls and puts",
        black_scholes,
        options,
        quick=((1_000_000,),),
        full=((10_000,), (1_000_000,), (8_000_000,)),
        peers={"numba": numba_black_scholes, "numexpr": numexpr_black_scholes},
        rtol=1e-8,
        atol=1e-10,  # prices near zero are differences of numbers near 100
    ),
]
