"""Distances: all pairs by broadcasting, and arcs on the sphere."""

from __future__ import annotations

from typing import Any

import numpy as np

from .workload import Size, Workload, numexpr_builder, rebind


def pairwise(x, y):
    difference = x[:, None, :] - y[None, :, :]
    return np.sqrt(np.sum(difference * difference, axis=2))


def arc_distance(latitude1, longitude1, latitude2, longitude2):
    """Central angle between points on the sphere, in radians (haversine)."""
    north = np.sin(0.5 * (latitude2 - latitude1))
    east = np.sin(0.5 * (longitude2 - longitude1))
    h = north * north + np.cos(latitude1) * np.cos(latitude2) * east * east
    return 2.0 * np.arctan2(np.sqrt(h), np.sqrt(1.0 - h))


def two_clouds(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=(size[0], size[2])), rng.normal(size=(size[1], size[2]))


def places(size: Size, rng: np.random.Generator) -> tuple[Any, ...]:
    def latitude() -> Any:
        return rng.uniform(-1.5, 1.5, size)

    def longitude() -> Any:
        return rng.uniform(-3.1, 3.1, size)

    return latitude(), longitude(), latitude(), longitude()


def numba_pairwise(nb: Any) -> Any:
    prange = nb.prange

    @nb.njit(parallel=True)
    def run(x, y):
        out = np.empty((x.shape[0], y.shape[0]))
        for i in prange(x.shape[0]):
            for j in range(y.shape[0]):
                total = 0.0
                for k in range(x.shape[1]):
                    total += (x[i, k] - y[j, k]) ** 2
                out[i, j] = np.sqrt(total)
        return out

    return run


def numba_arc_distance(nb: Any) -> Any:
    prange = nb.prange
    scalar = nb.njit(rebind(arc_distance))

    @nb.njit(parallel=True)
    def run(latitude1, longitude1, latitude2, longitude2):
        out = np.empty_like(latitude1)
        for i in prange(out.size):
            out[i] = scalar(latitude1[i], longitude1[i], latitude2[i], longitude2[i])
        return out

    return run


ARC_NUMEXPR = (
    "2.0 * arctan2(sqrt(sin(0.5*(c-a))**2 + cos(a)*cos(c)*sin(0.5*(d-b))**2),"
    " sqrt(1.0 - sin(0.5*(c-a))**2 - cos(a)*cos(c)*sin(0.5*(d-b))**2))"
)

WORKLOADS = [
    Workload(
        "pairwise",
        "pairwise distances",
        pairwise,
        two_clouds,
        quick=((1000, 1000, 3),),
        full=((100, 100, 3), (1000, 1000, 3), (3000, 3000, 3), (1000, 1000, 32)),
        peers={"numba": numba_pairwise, "numexpr": None},
    ),
    Workload(
        "arc_distance",
        "arc distance on the sphere",
        arc_distance,
        places,
        quick=((1_000_000,),),
        full=((10_000,), (1_000_000,), (8_000_000,)),
        peers={
            "numba": numba_arc_distance,
            "numexpr": numexpr_builder(ARC_NUMEXPR, "a", "b", "c", "d"),
        },
        rtol=1e-8,  # near the antipode the formula magnifies rounding
    ),
]
