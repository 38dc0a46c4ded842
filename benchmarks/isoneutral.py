"""Mixing along surfaces of neutral density: the diffusivities and slopes of an ocean model.

Tracers mix along surfaces of constant density, which slope against the grid. Each face of a cell
sees four triads of neighbours (Griffies et al., J. Phys. Oceanogr. 28, 1998); each triad gives a
slope, and a slope beyond what the grid resolves is tapered off. The function is written as ocean
models in NumPy write it: temporaries of zeros, slices assigned in place, small Python loops over
the triads, helper functions, output arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .isoneutral_loops import numba_isoneutral
from .workload import Size, Workload

SMALLEST = 1e-20
STEEP_DIFFUSIVITY = 50.0
LARGEST_SLOPE = 1e-3
SLOPE_WIDTH = 1e-3
TAU = 0


def _anomaly(temp):
    return temp - 9.85


def density_by_temperature(salt, temp, depth):
    """Derivative of density: thermal expansion grows with temperature and with pressure."""
    warm = _anomaly(temp)
    pressure = 1.0 + 1.1e-4 * depth
    expansion = 1.67e-4 * pressure + warm * (2.0e-5 + warm * (-1.5e-7 + warm * 2.0e-9))
    return -1024.0 * (expansion + 1.0e-6 * (salt - 35.0))


def density_by_salinity(salt, temp, depth):
    warm = _anomaly(temp)
    contraction = 7.8e-4 + warm * (-1.0e-6 + warm * 5.0e-9) - 2.0e-8 * (salt - 35.0)
    return 1024.0 * (contraction - 3.0e-9 * depth)


def taper_off(slope):
    """One where the slope is gentle, zero where it is steep."""
    return 0.5 * (1.0 + np.tanh((LARGEST_SLOPE - np.abs(slope)) / SLOPE_WIDTH))


def gradients(tracer, maskU, maskV, maskW, dxu, dyu, dzw, cost):
    """Differences of a tracer on the eastern, northern and upper faces."""
    ddx = np.zeros_like(maskU)
    ddy = np.zeros_like(maskU)
    ddz = np.zeros_like(maskU)
    ddz[:, :, :-1] = (
        maskW[:, :, :-1]
        * (tracer[:, :, 1:, TAU] - tracer[:, :, :-1, TAU])
        / dzw[np.newaxis, np.newaxis, :-1]
    )
    ddz[:, :, -1] = 0.0
    ddx[:-1, :, :] = (
        maskU[:-1, :, :]
        * (tracer[1:, :, :, TAU] - tracer[:-1, :, :, TAU])
        / (dxu[:-1, np.newaxis, np.newaxis] * cost[np.newaxis, :, np.newaxis])
    )
    ddx[-1, :, :] = 0.0
    ddy[:, :-1, :] = (
        maskV[:, :-1, :]
        * (tracer[:, 1:, :, TAU] - tracer[:, :-1, :, TAU])
        / dyu[np.newaxis, :-1, np.newaxis]
    )
    ddy[:, -1, :] = 0.0
    return ddx, ddy, ddz


def isoneutral(
    maskT, maskU, maskV, maskW, dxt, dxu, dyt, dyu, dzt, dzw, cost, cosu, salt, temp, zt,
    K_iso, K_11, K_22, K_33, Ai_ez, Ai_nz, Ai_bx, Ai_by,
):  # fmt: skip
    """Fill the diffusivities K_11, K_22, K_33 and the slopes Ai_* of the triads; returns them."""
    depth = np.abs(zt)
    drdT = maskT * density_by_temperature(salt[:, :, :, TAU], temp[:, :, :, TAU], depth)
    drdS = maskT * density_by_salinity(salt[:, :, :, TAU], temp[:, :, :, TAU], depth)
    metric = (maskU, maskV, maskW, dxu, dyu, dzw, cost)
    dTdx, dTdy, dTdz = gradients(temp, *metric)
    dSdx, dSdy, dSdz = gradients(salt, *metric)

    def along(rows, columns, levels, dT, dS):
        """Density's gradient, seen from the cells in the given rows, columns and levels."""
        return drdT[rows, columns, levels] * dT + drdS[rows, columns, levels] * dS

    # Slopes at the eastern faces.
    diffloc = np.zeros_like(K_11)
    diffloc[1:-2, 2:-2, 1:] = 0.25 * (
        K_iso[1:-2, 2:-2, 1:]
        + K_iso[1:-2, 2:-2, :-1]
        + K_iso[2:-1, 2:-2, 1:]
        + K_iso[2:-1, 2:-2, :-1]
    )
    diffloc[1:-2, 2:-2, 0] = 0.5 * (K_iso[1:-2, 2:-2, 0] + K_iso[2:-1, 2:-2, 0])
    sumz = np.zeros_like(K_11)[1:-2, 2:-2]
    for kr in range(2):
        ki = 0 if kr == 1 else 1
        levels = slice(ki, None)
        for ip in range(2):
            east = slice(1 + ip, -2 + ip)
            drodxe = along(east, slice(2, -2), levels, dTdx[1:-2, 2:-2, ki:], dSdx[1:-2, 2:-2, ki:])
            drodze = along(
                east,
                slice(2, -2),
                levels,
                dTdz[1 + ip : -2 + ip, 2:-2, : -1 + kr or None],
                dSdz[1 + ip : -2 + ip, 2:-2, : -1 + kr or None],
            )
            sxe = -drodxe / (np.minimum(0.0, drodze) - SMALLEST)
            taper = taper_off(sxe)
            sumz[:, :, ki:] += (
                dzw[np.newaxis, np.newaxis, : -1 + kr or None]
                * maskU[1:-2, 2:-2, ki:]
                * np.maximum(STEEP_DIFFUSIVITY, diffloc[1:-2, 2:-2, ki:] * taper)
            )
            Ai_ez[1:-2, 2:-2, ki:, ip, kr] = taper * sxe * maskU[1:-2, 2:-2, ki:]
    K_11[1:-2, 2:-2, :] = sumz / (4.0 * dzt[np.newaxis, np.newaxis, :])

    # Slopes at the northern faces.
    diffloc[...] = 0.0
    diffloc[2:-2, 1:-2, 1:] = 0.25 * (
        K_iso[2:-2, 1:-2, 1:]
        + K_iso[2:-2, 1:-2, :-1]
        + K_iso[2:-2, 2:-1, 1:]
        + K_iso[2:-2, 2:-1, :-1]
    )
    diffloc[2:-2, 1:-2, 0] = 0.5 * (K_iso[2:-2, 1:-2, 0] + K_iso[2:-2, 2:-1, 0])
    sumz = np.zeros_like(K_11)[2:-2, 1:-2]
    for kr in range(2):
        ki = 0 if kr == 1 else 1
        levels = slice(ki, None)
        for jp in range(2):
            north = slice(1 + jp, -2 + jp)
            drodyn = along(
                slice(2, -2), north, levels, dTdy[2:-2, 1:-2, ki:], dSdy[2:-2, 1:-2, ki:]
            )
            drodzn = along(
                slice(2, -2),
                north,
                levels,
                dTdz[2:-2, 1 + jp : -2 + jp, : -1 + kr or None],
                dSdz[2:-2, 1 + jp : -2 + jp, : -1 + kr or None],
            )
            syn = -drodyn / (np.minimum(0.0, drodzn) - SMALLEST)
            taper = taper_off(syn)
            sumz[:, :, ki:] += (
                dzw[np.newaxis, np.newaxis, : -1 + kr or None]
                * maskV[2:-2, 1:-2, ki:]
                * np.maximum(STEEP_DIFFUSIVITY, diffloc[2:-2, 1:-2, ki:] * taper)
            )
            Ai_nz[2:-2, 1:-2, ki:, jp, kr] = taper * syn * maskV[2:-2, 1:-2, ki:]
    K_22[2:-2, 1:-2, :] = sumz / (4.0 * dzt[np.newaxis, np.newaxis, :])

    # Slopes at the upper faces.
    diffloc[2:-2, 2:-2, :-1] = 0.5 * (K_iso[2:-2, 2:-2, :-1] + K_iso[2:-2, 2:-2, 1:])
    sumx = np.zeros_like(K_33)[2:-2, 2:-2, :-1]
    sumy = np.zeros_like(K_33)[2:-2, 2:-2, :-1]
    inner = slice(2, -2)
    for kr in range(2):
        levels = slice(kr, -1 + kr or None)
        drodzb = along(inner, inner, levels, dTdz[2:-2, 2:-2, :-1], dSdz[2:-2, 2:-2, :-1])
        for ip in range(2):
            drodxb = along(
                inner,
                inner,
                levels,
                dTdx[1 + ip : -3 + ip, 2:-2, kr : -1 + kr or None],
                dSdx[1 + ip : -3 + ip, 2:-2, kr : -1 + kr or None],
            )
            sxb = -drodxb / (np.minimum(0.0, drodzb) - SMALLEST)
            taper = taper_off(sxb)
            sumx += (
                dxu[1 + ip : -3 + ip, np.newaxis, np.newaxis]
                * diffloc[2:-2, 2:-2, :-1]
                * taper
                * sxb**2
                * maskW[2:-2, 2:-2, :-1]
            )
            Ai_bx[2:-2, 2:-2, :-1, ip, kr] = taper * sxb * maskW[2:-2, 2:-2, :-1]
        for jp in range(2):
            facty = cosu[1 + jp : -3 + jp] * dyu[1 + jp : -3 + jp]
            drodyb = along(
                inner,
                inner,
                levels,
                dTdy[2:-2, 1 + jp : -3 + jp, kr : -1 + kr or None],
                dSdy[2:-2, 1 + jp : -3 + jp, kr : -1 + kr or None],
            )
            syb = -drodyb / (np.minimum(0.0, drodzb) - SMALLEST)
            taper = taper_off(syb)
            sumy += (
                facty[np.newaxis, :, np.newaxis]
                * diffloc[2:-2, 2:-2, :-1]
                * taper
                * syb**2
                * maskW[2:-2, 2:-2, :-1]
            )
            Ai_by[2:-2, 2:-2, :-1, jp, kr] = taper * syb * maskW[2:-2, 2:-2, :-1]
    K_33[2:-2, 2:-2, :-1] = sumx / (4.0 * dxt[2:-2, np.newaxis, np.newaxis]) + sumy / (
        4.0 * dyt[np.newaxis, 2:-2, np.newaxis] * cost[np.newaxis, 2:-2, np.newaxis]
    )
    K_33[2:-2, 2:-2, -1] = 0.0
    return K_11, K_22, K_33, Ai_ez, Ai_nz, Ai_bx, Ai_by


def ocean(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    """A stratified ocean with land, warm and fresh above; levels count from the bottom up."""
    nx, ny, nz = size
    masks = [np.asarray(rng.random(size) < 0.9, float) for _ in range(4)]
    dxt, dxu = rng.uniform(9e4, 1.1e5, (2, nx))
    dyt, dyu = rng.uniform(9e4, 1.1e5, (2, ny))
    dzt, dzw = rng.uniform(0.8, 1.2, (2, nz)) * 5000.0 / nz
    cost, cosu = rng.uniform(0.3, 1.0, (2, ny))
    zt = -5000.0 + np.cumsum(dzw) * 0.8
    # differences that make slopes around the one at which the taper sets in
    temp = 8.0 + 2e-3 * zt[:, np.newaxis] + rng.normal(0.0, 0.2, (*size, 3))
    salt = 35.0 - 1e-4 * zt[:, np.newaxis] + rng.normal(0.0, 0.02, (*size, 3))
    K_iso = rng.uniform(500.0, 1500.0, size)
    diffusivities = [rng.normal(size=size) for _ in range(3)]
    slopes = [rng.normal(size=(*size, 2, 2)) for _ in range(4)]
    vectors = (dxt, dxu, dyt, dyu, dzt, dzw, cost, cosu)
    return (*masks, *vectors, salt, temp, zt, K_iso, *diffusivities, *slopes)


WORKLOADS = [
    Workload(
        "isoneutral",
        "isoneutral mixing of an ocean model",
        isoneutral,
        ocean,
        quick=((200, 200, 25),),
        full=((50, 50, 25), (200, 200, 25), (400, 400, 25)),
        peers={
            "numba": numba_isoneutral,
            "jax": None,
            "numexpr": None,
            "pytensor": None,
            "torch": None,
        },
        rtol=1e-7,
        atol=1e-12,  # a taper that is nearly zero is a difference of two numbers near one
        writes=True,
    ),
]
