"""Views, overlaps, output arguments: the places where a copy too few or too many shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def symmetrize(A):
    A += A.T
    A /= 2
    return A


def shift_left(x):
    x[:-1] = x[1:]
    x[-1] = 0


def overlapping_sum(x):
    x[1:] += x[:-1]
    x[::2] *= 2
    return x[::-1]


def reverse(x):
    x[:] = x[::-1]
    half = x[: x.shape[0] // 2]
    half += 1
    return half.sum()


def quarter_turn(A):
    A[...] = A.T[::-1].copy()
    return A


def ring_buffer(history, new):
    """The oldest row makes room."""
    history[1:] = history[:-1].copy()
    history[0] = new
    return history.mean(axis=0)


def blocks(A):
    """Named quarters of one matrix."""
    n = A.shape[0] // 2
    P, Q, R, S = A[:n, :n], A[:n, n:], A[n:, :n], A[n:, n:]
    P += S[:n, :n]
    Q[...] = -R[:n, : Q.shape[1]] if Q.shape[1] <= R.shape[1] else 0.0
    S.T[0] = 5.0
    R[0, 0], S[0, 0] = S[0, 0], R[0, 0]
    return P, A.sum()


def diagonals(A, scale):
    n = A.shape[0]
    A[np.arange(n), np.arange(n)] = 1.0
    d = np.diagonal(A, 1)
    total = d.sum()
    np.einsum("ii->i", A)[...] *= scale
    A.ravel()[:: n + 1] += 1.0
    return total, np.trace(A)


def out_arguments(x, y, out):
    np.multiply(x, y, out=out)
    np.add(out, 1.0, out=out)
    np.sqrt(out, out=out, where=out > 0)
    np.clip(out, -1.0, 2.0, out=out)
    np.maximum(x, out, out=x)
    return out


def relu_and_gradient(x, g):
    mask = x > 0
    g *= mask
    x[~mask] = 0.0
    x[x > 1] = 1
    return mask.sum()


def swap_columns(A):
    A[:, 0], A[:, -1] = A[:, -1].copy(), A[:, 0].copy()
    A[0], A[1] = A[1], A[0]
    first, *rest = A[0], A[1], A[2]
    first -= rest[0]
    return first


def complex_parts(z):
    z.real *= 2
    z.imag[1:] = 0
    w = z.conj()
    w.imag += 1
    return w, np.angle(z)


def reshaped(x):
    grid = x.reshape(-1, 2)
    grid[:, 0] = 0
    grid[0] += 3
    flat = grid.ravel()
    flat[-1] = 9
    return grid.T, flat[::2]


def scatter(A, rows, values):
    """Repeated rows: the last one wins in an assignment, all count in add.at."""
    B = A.copy()
    A[rows] = values[:, None]
    np.add.at(B, rows, values[:, None])
    np.maximum.at(B[:, 0], rows, values)
    B[rows, 0] += 1
    return B


def casts(i, x):
    i += 2
    i[1:] = x[1:] * 3
    i //= 2
    x[:] = i
    x[0] = True
    return i.astype(np.float32), x.astype(int)


def dict_of_state(state, dt):
    """Nested containers go in and out; the arrays in them are updated."""
    state["x"] += dt * state["v"]
    for name in ("x", "v"):
        state[name] *= 0.99
    return {"state": state, "energy": 0.5 * (state["v"] ** 2).sum(), "none": None}


def matrices(*shape_scale: float) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        (n,) = sizes(rng, 1)
        return (rng.normal(size=(n, n)), *shape_scale)

    return make


def vectors(count: int, parity: int = 1) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        (n,) = sizes(rng, 1)
        return tuple(rng.normal(size=(count, n * parity)))

    return make


def history(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return rng.normal(size=(n, m)), rng.normal(size=m)


def rows(rng: np.random.Generator) -> tuple[Any, ...]:
    n, m = sizes(rng, 2)
    return rng.normal(size=(n, m)), rng.integers(0, n, 9), rng.normal(size=9)


def waves(rng: np.random.Generator) -> tuple[Any, ...]:
    x, y = vectors(2)(rng)
    return (x + 1j * y,)


def numbers(rng: np.random.Generator) -> tuple[Any, ...]:
    (x,) = vectors(1)(rng)
    return rng.integers(-9, 9, x.shape), x


def state(rng: np.random.Generator) -> tuple[Any, ...]:
    x, v = vectors(2)(rng)
    return {"x": x.copy(), "v": v.copy()}, 0.1


PROGRAMS = [
    Program(symmetrize, matrices()),
    Program(shift_left, vectors(1)),
    Program(overlapping_sum, vectors(1)),
    Program(reverse, vectors(1)),
    Program(quarter_turn, matrices()),
    Program(ring_buffer, history),
    Program(blocks, matrices()),
    Program(diagonals, matrices(2.0)),
    Program(out_arguments, vectors(3)),
    Program(relu_and_gradient, lambda rng: tuple(rng.normal(size=(2, *sizes(rng, 2))))),
    Program(swap_columns, matrices()),
    Program(complex_parts, waves),
    Program(reshaped, vectors(1, 2)),
    Program(scatter, rows),
    Program(casts, numbers),
    Program(dict_of_state, state),
]
