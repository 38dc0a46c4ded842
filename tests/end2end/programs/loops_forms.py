"""What else happens in bodies of loops: flags, lists, objects, small types, random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes

TABLE = np.array([1.0, 0.5, 0.25, 0.125])


def flags(x):
    all_positive, any_large, odd = True, False, False
    for v in x:
        all_positive = all_positive and v > 0
        any_large = any_large or v > 1
        odd ^= bool(v > 0.5)
    return np.array([all_positive, any_large, odd])


def flag_by_and(x):
    ok = np.bool_(True)
    for i in range(len(x)):
        ok &= x[i] > -3
    return ok


def while_any(x, limit):
    rounds = 0
    while np.any(x > limit):
        x[x > limit] *= 0.5
        rounds += 1
    return rounds


def while_not_done(x):
    done = False
    i = 0
    while not done:
        x[i] = -x[i]
        i += 1
        done = i == len(x) or x[i] < -1
    return i


def while_with_continue(x):
    i = -1
    total = 0.0
    while i < len(x) - 1:
        i += 1
        if x[i] < 0:
            continue
        total += x[i]
    return total


def while_in_for_in_while(x, n):
    k = 0
    count = 0
    while k < n:
        for i in range(len(x)):
            v = abs(x[i])
            while v < 1.0:
                v *= 2.0
                count += 1
                if count % 7 == 0:
                    break
            x[i] = v
        k += 1
    return count


def small_floats(x):
    """Numbers taken from an array keep its type."""
    total = x[0]
    for i in range(1, len(x)):
        total = total * 0.5 + x[i]
    return total, total + 1.0


def bytes_that_wrap(x):
    s = np.uint8(0)
    out = np.zeros(len(x), dtype=np.uint8)
    for i in range(len(x)):
        s = s * np.uint8(31) + x[i]
        out[i] = s
    return out


def complex_recurrence(z, c, n):
    for _ in range(n):
        z = z * z * 0.5 + c
    return z, abs(z)


def table_lookup(x):
    total = 0.0
    for k in range(len(TABLE)):
        for v in x:
            total += TABLE[k] * v
    return total


def index_tuples(A):
    total = 0.0
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            at = (i, j)
            total += A[at] * A[i][j] - A[-1 - i, -1 - j]
    return total


def strided_range(x, start, step):
    out = np.zeros_like(x)
    for i in range(start, len(x), step):
        out[i] = x[i] + i
    return out


def ranges_both_ways(n, step):
    """The sign of the step is known at run time only."""
    total = 0
    first, last = (0, n) if step > 0 else (n, 0)
    for i in range(first, last, step):
        total = 3 * total + i
        total %= 1000003
    return total


def collected(x):
    out = []
    for i in range(len(x) - 2):
        out.append(x[i] * x[i + 2])
    return np.array(out)


def collected_rows(A):
    rows = []
    for row in A:
        rows.append(row / (1 + np.abs(row).max()))
    return np.stack(rows), len(rows)


def comprehension_of_rows(A):
    norms = np.array([np.sqrt((row * row).sum()) for row in A])
    return A / norms[:, None]


def nested_comprehension(a, b):
    return np.array([[abs(x - y) for y in b] for x in a])


def sum_of_generator(a, b):
    return sum(x * y for x, y in zip(a, b)), max(x - y for x, y in zip(a, b))


def two_results(a, b):
    if a > b:
        return a - b, a
    return b - a, b


def helper_with_tuple(x, y):
    for i in range(len(x)):
        x[i], y[i] = two_results(x[i], y[i])


def helper_with_defaults(x):
    def step(v, scale=0.5, *, shift=1.0):
        return v * scale + shift

    y = 0.0
    for v in x:
        y = step(y, shift=v)
    return step(y, 2.0)


class Body:
    def __init__(self, x, v):
        self.x = x
        self.v = v

    def move(self, dt):
        self.v = self.v - dt * self.x
        self.x = self.x + dt * self.v


def objects(x, v, dt, steps):
    body = Body(x, v)
    for _ in range(steps):
        body.move(dt)
    return body.x, body.v


def random_steps(rng, n):
    """A generator that is drawn from in each step."""
    position = 0.0
    highest = 0.0
    for _ in range(n):
        position += rng.normal()
        if position > highest:
            highest = position
    return position, highest


def metropolis(rng, n):
    x = 0.0
    samples = np.empty(n)
    accepted = 0
    for i in range(n):
        candidate = x + rng.uniform(-1, 1)
        if np.log(rng.random()) < 0.5 * (x * x - candidate * candidate):
            x = candidate
            accepted += 1
        samples[i] = x
    return samples, accepted


def shifted_in_place(x, n):
    for _ in range(n):
        x[1:] += 0.5 * x[:-1]
        x[:-1] -= 0.25 * x[1:]


def alternate(x, n):
    """Even and odd steps do different things."""
    for k in range(n):
        if k % 2 == 0:
            x[::2] += 1
        else:
            x[1::2] *= 2
    return x.sum()


def views_in_bodies(A):
    for i in range(min(A.shape)):
        row, column = A[i], A[:, i]
        d = row[i]
        row *= 0.5
        column += 1.0
        A[i, i] = d


def transposed_in_bodies(A):
    for row in A.T:
        row[...] = row[::-1].copy()
    return A


def rank_changes(x, n):
    y = x.sum()
    for _ in range(n):
        y = np.tanh(y * x).mean()
    return y


def dead_stores(x):
    for i in range(len(x)):
        unused = x[i] ** 2
        unused = unused + 1
    return x + 1


def empty_ranges(x, n):
    total = 1.5
    for i in range(n, 0):
        total += x[i]
    for i in range(0):
        total = None
    for _ in range(5, 2):
        x[:] = 0
    return total


def asserted(x):
    total = 0.0
    for i in range(len(x)):
        assert x[i] == x[i], "not a number"
        total += x[i]
    return total


def matched(commands):
    """A little machine: an accumulator and a match statement."""
    value, errors = 0, 0
    for c in commands:
        match c:
            case 0:
                value += 1
            case 1:
                value *= 2
            case 2 | 3:
                value -= 3
            case _:
                errors += 1
    return value, errors


def ring(x, n):
    """A circular buffer whose head moves."""
    buffer = np.zeros(4)
    head = 0
    out = np.zeros(n)
    for k in range(n):
        buffer[head] = x[k % len(x)]
        head = (head + 1) % len(buffer)
        out[k] = buffer.sum() + buffer[head]
    return out


def tuple_state(x, n):
    state = (x, x * 0.5, 0.0)
    for i in range(n):
        a, b, c = state
        state = (b, a + 0.1 * b, c + a.sum())
    return state[0] + state[1], state[2]


def divide_and_floor(a, b):
    q, r = np.zeros_like(a), np.zeros_like(a)
    for i in range(len(a)):
        q[i], r[i] = divmod(a[i], b[i])
        q[i] += a[i] // b[i] - int(a[i] / b[i])
        r[i] -= round(a[i] / 3) + abs(a[i]) ** 2
    return q, r


def vectors(count: int, *others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return *rng.normal(size=(count, *sizes(rng, 1))), *others

    return make


def matrix(rng: np.random.Generator) -> tuple[Any, ...]:
    return (rng.normal(size=sizes(rng, 2)),)


def integers(low: int, high: int, dtype: str = "i8", count: int = 1) -> Any:
    return lambda rng: tuple(rng.integers(low, high, (count, *sizes(rng, 1))).astype(dtype))


def divided(rng: np.random.Generator) -> tuple[Any, ...]:
    a, b = integers(-50, 50, count=2)(rng)
    return a, np.where(b == 0, 7, b)


def generator(rng: np.random.Generator) -> tuple[Any, ...]:
    return np.random.default_rng(int(rng.integers(99))), int(rng.integers(3, 30))


PROGRAMS = [
    *(
        Program(f, vectors(1))
        for f in (
            flags, flag_by_and, while_not_done, while_with_continue, table_lookup, collected,
            helper_with_defaults, dead_stores, asserted,
        )
    ),
    *(
        Program(f, matrix)
        for f in (
            index_tuples, collected_rows, comprehension_of_rows, views_in_bodies,
            transposed_in_bodies,
        )
    ),
    *(Program(f, vectors(1, 5)) for f in (shifted_in_place, alternate, rank_changes, tuple_state)),
    *(Program(f, vectors(2)) for f in (nested_comprehension, sum_of_generator, helper_with_tuple)),
    Program(while_any, vectors(1, 0.3)),
    Program(while_in_for_in_while, vectors(1, 2)),
    Program(small_floats, lambda rng: (vectors(1)(rng)[0].astype("f4"),), rtol=1e-5, atol=1e-6),
    Program(bytes_that_wrap, integers(0, 255, "u1")),
    Program(complex_recurrence, lambda rng: (0.3 + 0.1j, -0.4j, 6), layouts=()),
    Program(strided_range, lambda rng: (*vectors(1)(rng), 1, int(rng.integers(1, 4)))),
    Program(
        ranges_both_ways, lambda rng: (*sizes(rng, 1), [-2, 3][rng.integers(2)]), layouts=()
    ),
    Program(objects, lambda rng: (*vectors(2)(rng), 0.1, int(rng.integers(2, 9)))),
    Program(random_steps, generator, layouts=()),
    Program(metropolis, generator, layouts=()),
    Program(empty_ranges, vectors(1, 3)),
    Program(matched, integers(0, 6)),
    Program(ring, lambda rng: (*vectors(1)(rng), int(rng.integers(2, 20)))),
    Program(divide_and_floor, divided),
]  # fmt: skip
