"""Loops whose turns depend on each other: recurrences, a recurrent network, a checksum."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload

OWN_LOOPS_ONLY: dict[str, Any] = {"jax": None, "pytensor": None, "torch": None}
"""These have no loops over elements, or take minutes to compile them: a peer that runs a workload
brings its own form."""


def garch(returns, omega, alpha, beta):
    """The variances of a GARCH(1, 1) model: each depends on the one before."""
    variances = np.empty_like(returns)
    variance = omega / (1.0 - alpha - beta)
    for t in range(returns.shape[0]):
        variances[t] = variance
        variance = omega + alpha * returns[t] ** 2 + beta * variance
    return variances


def jax_garch(jax: Any) -> Any:
    def run(returns: Any, omega: Any, alpha: Any, beta: Any) -> Any:
        def step(variance: Any, r: Any) -> Any:
            return omega + alpha * r**2 + beta * variance, variance

        return jax.lax.scan(step, omega / (1.0 - alpha - beta), returns)[1]

    return jax.jit(run)


def market(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(0.0, 0.01, size), 1e-6, 0.08, 0.9


def rnn(inputs, w_in, w, b):
    """A recurrent network: the states of all steps."""
    states = np.empty((inputs.shape[0], w.shape[0]))
    state = np.zeros(w.shape[0])
    for t in range(inputs.shape[0]):
        state = np.tanh(inputs[t] @ w_in + state @ w + b)
        states[t] = state
    return states


def jax_rnn(jax: Any) -> Any:
    """What depends on the inputs alone is one product before the scan."""
    jnp = jax.numpy

    def run(inputs: Any, w_in: Any, w: Any, b: Any) -> Any:
        def step(state: Any, driven: Any) -> Any:
            state = jnp.tanh(driven + state @ w)
            return state, state

        return jax.lax.scan(step, jnp.zeros(w.shape[0]), inputs @ w_in + b)[1]

    return jax.jit(run)


def numba_rnn(nb: Any) -> Any:
    @nb.njit
    def run(inputs, w_in, w, b):
        steps, units = inputs.shape[0], w.shape[0]
        driven = inputs @ w_in
        states = np.empty((steps, units))
        state = np.zeros(units)
        for t in range(steps):
            product = state @ w
            for j in range(units):
                state[j] = np.tanh(driven[t, j] + product[j] + b[j])
                states[t, j] = state[j]
        return states

    return run


def network(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """`size` is steps, units."""
    steps, units = size
    w_in, w = (rng.normal(0.0, 0.7 / np.sqrt(units), (units, units)) for _ in range(2))
    return rng.normal(size=(steps, units)), w_in, w, rng.normal(size=units)


def crc16(data, polynomial):
    """The checksum of HDLC: bit by bit, as in its definition."""
    crc = 0xFFFF
    for byte in data:
        bits = 0xFF & byte
        for _ in range(8):
            if (crc & 1) ^ (bits & 1):
                crc = (crc >> 1) ^ polynomial
            else:
                crc >>= 1
            bits >>= 1
    crc = ~crc & 0xFFFF
    return ((crc << 8) | ((crc >> 8) & 0xFF)) & 0xFFFF


def jax_crc16(jax: Any) -> Any:
    lax, jnp = jax.lax, jax.numpy

    def run(data: Any, polynomial: Any) -> Any:
        def byte_step(crc: Any, byte: Any) -> Any:
            bits = byte.astype(jnp.int64)
            for _ in range(8):
                odd = ((crc & 1) ^ (bits & 1)) != 0
                crc = jnp.where(odd, (crc >> 1) ^ polynomial, crc >> 1)
                bits = bits >> 1
            return crc, None

        crc = ~lax.scan(byte_step, jnp.int64(0xFFFF), data)[0] & 0xFFFF
        return ((crc << 8) | ((crc >> 8) & 0xFF)) & 0xFFFF

    return jax.jit(run)


def message(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 256, size, dtype=np.uint8), 0x8408


def mandelbrot(x, y, most):
    """Escape times, point by point."""
    counts = np.zeros((x.shape[0], y.shape[0]), dtype=np.int64)
    for i in range(x.shape[0]):
        for j in range(y.shape[0]):
            c = complex(x[i], y[j])
            z = c
            for n in range(most):
                if z.real * z.real + z.imag * z.imag > 4.0:
                    counts[i, j] = n
                    break
                z = z * z + c
    return counts


def jax_mandelbrot(jax: Any) -> Any:
    """All points at once, until none is left; those that have escaped stay where they are."""
    jnp = jax.numpy

    def run(x: Any, y: Any, most: Any) -> Any:
        c = x[:, None] + 1j * y[None, :]

        def step(state: Any) -> Any:
            n, z, inside, counts = state
            out = inside & (z.real**2 + z.imag**2 > 4.0)
            counts = jnp.where(out, n, counts)
            inside = inside & ~out
            return n + 1, jnp.where(inside, z * z + c, z), inside, counts

        def more(state: Any) -> Any:
            return (state[0] < most) & state[2].any()

        start = (0, c, jnp.ones(c.shape, bool), jnp.zeros(c.shape, jnp.int64))
        return jax.lax.while_loop(more, step, start)[3]

    return jax.jit(run)


def plane(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """`size` is width, height, most turns; points differ a little from seed to seed."""
    width, height, most = size
    shift = rng.uniform(0.0, 1e-3)
    return np.linspace(-2.0, 0.5, width) + shift, np.linspace(-1.2, 1.2, height) + shift, most


def mean_switch(a, b, x, y):
    """Both means are computed, and one is chosen."""
    return np.where(a < b, np.mean(x), np.mean(y))


def mean_ifelse(a, b, x, y):
    """One mean is computed."""
    if a < b:
        return np.mean(x)
    return np.mean(y)


def jax_ifelse(jax: Any) -> Any:
    mean = jax.numpy.mean
    return jax.jit(
        lambda a, b, x, y: jax.lax.cond(a < b, lambda: mean(x), lambda: mean(y)),
    )


def two_matrices(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return 0.0, 1.0, rng.random(size), rng.random(size)


def numba_means(nb: Any, both: bool) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def mean(x):
        total = 0.0
        for i in prange(x.shape[0]):
            for j in range(x.shape[1]):
                total += x[i, j]
        return total / x.size

    @nb.njit
    def run(a, b, x, y):
        if both:
            first, second = mean(x), mean(y)
            return first if a < b else second
        return mean(x) if a < b else mean(y)

    return run


WORKLOADS = [
    Workload(
        "garch",
        "a scalar recurrence",
        garch,
        market,
        quick=((100_000,),),
        full=((1_000,), (100_000,), (1_000_000,)),
        peers={**OWN_LOOPS_ONLY, "jax": jax_garch},
        rtol=1e-11,
    ),
    Workload(
        "rnn",
        "a recurrent network, steps x units",
        rnn,
        network,
        quick=((1000, 64),),
        full=((1000, 16), (1000, 64), (1000, 256)),
        peers={**OWN_LOOPS_ONLY, "jax": jax_rnn, "numba": numba_rnn},
        atol=1e-9,
    ),
    Workload(
        "crc16",
        "a checksum, bit by bit",
        crc16,
        message,
        quick=((4000,),),
        full=((4000,), (100_000,)),
        peers={**OWN_LOOPS_ONLY, "jax": jax_crc16},
    ),
    Workload(
        "mandelbrot",
        "escape times, width x height x most turns",
        mandelbrot,
        plane,
        quick=((80, 60, 50),),
        full=((80, 60, 50), (200, 150, 100)),
        peers={**OWN_LOOPS_ONLY, "jax": jax_mandelbrot},
    ),
    Workload(
        "mean_switch",
        "two means, of which one is chosen",
        mean_switch,
        two_matrices,
        quick=((10_000, 1000),),
        full=((1000, 1000), (10_000, 1000)),
        peers={"numba": lambda nb: numba_means(nb, True), "pytensor": None, "torch": None},
        rtol=1e-9,
    ),
    Workload(
        "mean_ifelse",
        "one of two means",
        mean_ifelse,
        two_matrices,
        quick=((10_000, 1000),),
        full=((1000, 1000), (10_000, 1000)),
        peers={
            **OWN_LOOPS_ONLY,
            "jax": jax_ifelse,
            "numba": lambda nb: numba_means(nb, False),
        },
        rtol=1e-9,
    ),
]
