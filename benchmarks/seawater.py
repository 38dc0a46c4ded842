"""Specific volume anomaly of sea water, by the international equation of state EOS-80.

Coefficients: Fofonoff and Millard, Unesco technical papers in marine science 44 (1983). About a
hundred multiplications and additions and three divisions an element, on 3-D fields of salinity and
temperature; pressure is the same at every point of a level, so it broadcasts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, rebind


def density(s, t, p):
    """Density in kg/m3 at practical salinity s, temperature t in degrees Celsius, p in bar."""
    root = np.sqrt(s)
    water = 999.842594 + t * (
        6.793952e-2 + t * (-9.095290e-3 + t * (1.001685e-4 + t * (-1.120083e-6 + t * 6.536332e-9)))
    )
    salt = 0.824493 + t * (-4.0899e-3 + t * (7.6438e-5 + t * (-8.2467e-7 + t * 5.3875e-9)))
    salt_root = -5.72466e-3 + t * (1.0227e-4 - t * 1.6546e-6)
    surface = water + s * (salt + root * salt_root + s * 4.8314e-4)

    k_water = 19652.21 + t * (148.4206 + t * (-2.327105 + t * (1.360477e-2 - t * 5.155288e-5)))
    k_salt = 54.6746 + t * (-0.603459 + t * (1.09987e-2 - t * 6.1670e-5))
    k_root = 7.944e-2 + t * (1.6483e-2 - t * 5.3009e-4)
    a_water = 3.239908 + t * (1.43713e-3 + t * (1.16092e-4 - t * 5.77905e-7))
    a_salt = 2.2838e-3 + t * (-1.0981e-5 - t * 1.6078e-6)
    b_water = 8.50935e-5 + t * (-6.12293e-6 + t * 5.2787e-8)
    b_salt = -9.9348e-7 + t * (2.0816e-8 + t * 9.1697e-10)
    k0 = k_water + s * (k_salt + root * k_root)
    a = a_water + s * (a_salt + root * 1.91075e-4)
    b = b_water + s * b_salt
    bulk_modulus = k0 + p * (a + p * b)
    return surface / (1.0 - p / bulk_modulus)


def equation_of_state(s, t, p):
    """Specific volume less that of the standard ocean (35, 0 degrees), in 1e-8 m3/kg; p in dbar."""
    bar = 0.1 * p
    modulus = 21582.27 + bar * (3.359406 + bar * 5.03217e-5)
    standard = 9.7266204e-4 * (1.0 - bar / modulus)
    return (1.0 / density(s, t, bar) - standard) * 1e8


def ocean(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    levels = np.linspace(0.0, 5000.0, size[-1]).reshape(1, 1, size[-1])
    return rng.uniform(30, 38, size), rng.uniform(-2, 30, size), levels


def numba_equation_of_state(nb: Any) -> Any:
    prange = nb.prange
    scalar = nb.njit(rebind(equation_of_state, density=nb.njit(density)))

    @nb.njit(parallel=True)
    def run(s, t, p):
        out = np.empty_like(s)
        for i in prange(s.shape[0]):
            for j in range(s.shape[1]):
                for k in range(s.shape[2]):
                    out[i, j, k] = scalar(s[i, j, k], t[i, j, k], p[0, 0, k])
        return out

    return run


WORKLOADS = [
    Workload(
        "equation_of_state",
        "seawater equation of state",
        equation_of_state,
        ocean,
        quick=((204, 204, 26),),
        full=((51, 51, 26), (204, 204, 26), (408, 408, 26)),
        peers={"numba": numba_equation_of_state, "numexpr": None},
        rtol=1e-7,  # a difference of two volumes that agree in five digits
        atol=1e-6,
    ),
]
