"""The isoneutral mixing kernel as hand-written loops for Numba, on one thread.

What a person writes who leaves NumPy for Numba: density derivatives and gradients once into
arrays, then one loop nest for each kind of face, whose triads are short loops inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SMALLEST = 1e-20
STEEP_DIFFUSIVITY = 50.0
LARGEST_SLOPE = 1e-3
SLOPE_WIDTH = 1e-3


def numba_isoneutral(nb: Any) -> Any:
    njit = nb.njit(inline="always")

    @njit
    def by_temperature(s, t, depth):
        warm = t - 9.85
        pressure = 1.0 + 1.1e-4 * depth
        expansion = 1.67e-4 * pressure + warm * (2.0e-5 + warm * (-1.5e-7 + warm * 2.0e-9))
        return -1024.0 * (expansion + 1.0e-6 * (s - 35.0))

    @njit
    def by_salinity(s, t, depth):
        warm = t - 9.85
        contraction = 7.8e-4 + warm * (-1.0e-6 + warm * 5.0e-9) - 2.0e-8 * (s - 35.0)
        return 1024.0 * (contraction - 3.0e-9 * depth)

    @njit
    def taper_off(slope):
        return 0.5 * (1.0 + np.tanh((LARGEST_SLOPE - abs(slope)) / SLOPE_WIDTH))

    @nb.njit
    def gradients(tracer, maskU, maskV, maskW, dxu, dyu, dzw, cost, ddx, ddy, ddz):
        nx, ny, nz = maskU.shape
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    here = tracer[i, j, k, 0]
                    x = y = z = 0.0
                    if k < nz - 1:
                        z = maskW[i, j, k] * (tracer[i, j, k + 1, 0] - here) / dzw[k]
                    if i < nx - 1:
                        east = tracer[i + 1, j, k, 0]
                        x = maskU[i, j, k] * (east - here) / (dxu[i] * cost[j])
                    if j < ny - 1:
                        y = maskV[i, j, k] * (tracer[i, j + 1, k, 0] - here) / dyu[j]
                    ddx[i, j, k] = x
                    ddy[i, j, k] = y
                    ddz[i, j, k] = z

    @nb.njit
    def run(
        maskT, maskU, maskV, maskW, dxt, dxu, dyt, dyu, dzt, dzw, cost, cosu, salt, temp, zt,
        K_iso, K_11, K_22, K_33, Ai_ez, Ai_nz, Ai_bx, Ai_by,
    ):  # fmt: skip
        nx, ny, nz = maskT.shape
        drdT, drdS = np.empty_like(maskT), np.empty_like(maskT)
        dTdx, dTdy, dTdz = np.empty_like(maskT), np.empty_like(maskT), np.empty_like(maskT)
        dSdx, dSdy, dSdz = np.empty_like(maskT), np.empty_like(maskT), np.empty_like(maskT)
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    s, t, depth = salt[i, j, k, 0], temp[i, j, k, 0], abs(zt[k])
                    drdT[i, j, k] = maskT[i, j, k] * by_temperature(s, t, depth)
                    drdS[i, j, k] = maskT[i, j, k] * by_salinity(s, t, depth)
        gradients(temp, maskU, maskV, maskW, dxu, dyu, dzw, cost, dTdx, dTdy, dTdz)
        gradients(salt, maskU, maskV, maskW, dxu, dyu, dzw, cost, dSdx, dSdy, dSdz)

        for i in range(1, nx - 2):  # the eastern faces
            for j in range(2, ny - 2):
                for k in range(nz):
                    if k > 0:
                        diffloc = 0.25 * (
                            K_iso[i, j, k]
                            + K_iso[i, j, k - 1]
                            + K_iso[i + 1, j, k]
                            + K_iso[i + 1, j, k - 1]
                        )
                    else:
                        diffloc = 0.5 * (K_iso[i, j, k] + K_iso[i + 1, j, k])
                    total = 0.0
                    for kr in range(2):
                        below = k - 1 + kr
                        if below < 0:
                            continue
                        for ip in range(2):
                            dT, dS = drdT[i + ip, j, k], drdS[i + ip, j, k]
                            across = dT * dTdx[i, j, k] + dS * dSdx[i, j, k]
                            up = dT * dTdz[i + ip, j, below] + dS * dSdz[i + ip, j, below]
                            slope = -across / (min(0.0, up) - SMALLEST)
                            taper = taper_off(slope)
                            mixing = max(STEEP_DIFFUSIVITY, diffloc * taper)
                            total += dzw[below] * maskU[i, j, k] * mixing
                            Ai_ez[i, j, k, ip, kr] = taper * slope * maskU[i, j, k]
                    K_11[i, j, k] = total / (4.0 * dzt[k])

        for i in range(2, nx - 2):  # the northern faces
            for j in range(1, ny - 2):
                for k in range(nz):
                    if k > 0:
                        diffloc = 0.25 * (
                            K_iso[i, j, k]
                            + K_iso[i, j, k - 1]
                            + K_iso[i, j + 1, k]
                            + K_iso[i, j + 1, k - 1]
                        )
                    else:
                        diffloc = 0.5 * (K_iso[i, j, k] + K_iso[i, j + 1, k])
                    total = 0.0
                    for kr in range(2):
                        below = k - 1 + kr
                        if below < 0:
                            continue
                        for jp in range(2):
                            dT, dS = drdT[i, j + jp, k], drdS[i, j + jp, k]
                            across = dT * dTdy[i, j, k] + dS * dSdy[i, j, k]
                            up = dT * dTdz[i, j + jp, below] + dS * dSdz[i, j + jp, below]
                            slope = -across / (min(0.0, up) - SMALLEST)
                            taper = taper_off(slope)
                            mixing = max(STEEP_DIFFUSIVITY, diffloc * taper)
                            total += dzw[below] * maskV[i, j, k] * mixing
                            Ai_nz[i, j, k, jp, kr] = taper * slope * maskV[i, j, k]
                    K_22[i, j, k] = total / (4.0 * dzt[k])

        for i in range(2, nx - 2):  # the upper faces
            for j in range(2, ny - 2):
                for k in range(nz - 1):
                    diffloc = 0.5 * (K_iso[i, j, k] + K_iso[i, j, k + 1])
                    mask = maskW[i, j, k]
                    sumx = sumy = 0.0
                    for kr in range(2):
                        dT, dS = drdT[i, j, k + kr], drdS[i, j, k + kr]
                        up = min(0.0, dT * dTdz[i, j, k] + dS * dSdz[i, j, k]) - SMALLEST
                        for ip in range(2):
                            e = i - 1 + ip
                            slope = -(dT * dTdx[e, j, k + kr] + dS * dSdx[e, j, k + kr]) / up
                            taper = taper_off(slope)
                            sumx += dxu[e] * diffloc * taper * slope**2 * mask
                            Ai_bx[i, j, k, ip, kr] = taper * slope * mask
                        for jp in range(2):
                            n = j - 1 + jp
                            slope = -(dT * dTdy[i, n, k + kr] + dS * dSdy[i, n, k + kr]) / up
                            taper = taper_off(slope)
                            sumy += cosu[n] * dyu[n] * diffloc * taper * slope**2 * mask
                            Ai_by[i, j, k, jp, kr] = taper * slope * mask
                    K_33[i, j, k] = sumx / (4.0 * dxt[i]) + sumy / (4.0 * dyt[j] * cost[j])
                K_33[i, j, nz - 1] = 0.0
        return K_11, K_22, K_33, Ai_ez, Ai_nz, Ai_bx, Ai_by

    return run
