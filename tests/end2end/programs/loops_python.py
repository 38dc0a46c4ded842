"""Forms of Python's loops: what is iterated over, how it ends, what is defined afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def dot_by_zip(a, b):
    total = 0.0
    for x, y in zip(a, b):
        total += x * y
    return total


def rows_enumerated(A):
    out = np.zeros(A.shape[0])
    for i, row in enumerate(A):
        out[i] = row.max() - row.min()
    return out


def rows_normalized(A):
    """A row is a view: the matrix changes."""
    for row in A:
        row /= np.sqrt(row @ row)


def columns_of_transpose(A):
    sums = []
    for column in A.T:
        sums.append(column.sum())
    return np.array(sums)


def nested_rows(A):
    total = 0.0
    for row in A:
        for x in row:
            if x > 0:
                total += x
    return total


def flat_elements(A):
    total = 0.0
    for x in A.flat:
        total += x * x
    return total


def all_indices(A):
    total = 0.0
    for index in np.ndindex(A.shape):
        total += A[index] * (index[0] - index[1])
    return total


def enumerated_elements(A):
    B = np.zeros_like(A)
    for (i, j), x in np.ndenumerate(A):
        B[i, j] = x * (i + 1) - j
    return B


def reversed_range(x):
    for i in reversed(range(len(x) - 1)):
        x[i] += 0.5 * x[i + 1]
    return x


def reversed_array(x):
    out = np.zeros_like(x)
    previous = 0.0
    for i, v in enumerate(reversed(x)):
        previous = v - 0.5 * previous
        out[i] = previous
    return out


def every_third(x):
    total = 0.0
    for i in range(1, len(x), 3):
        total += x[i]
        x[i] = -i
    return total


def range_down_by_two(x):
    out = []
    for i in range(len(x) - 1, -1, -2):
        out.append(x[i])
    return np.array(out)


def range_objects(n, m):
    outer, inner = range(n), range(0, m, 2)
    A = np.zeros((n, m), dtype=int)
    for i in outer:
        for j in inner:
            A[i, j] = len(outer) * i + j
    return A


def arange_loop(n):
    total = 0
    for i in np.arange(n):
        total += i * i
    return total


def zip_of_three(a, b, n):
    out = np.zeros(n)
    for i, (x, y), z in zip(range(n), zip(a, b), b[::-1]):
        out[i] = x * y - z
    return out


def zip_of_unequal(a, b):
    count = 0
    total = 0.0
    for x, y in zip(a[1:], b[::2]):
        total += x - y
        count += 1
    return total, count


def enumerate_from(x):
    total = 0.0
    for k, v in enumerate(x, 1):
        total += v / k
    return total


def last_index(n):
    """The loop's variable lives on."""
    i = -1
    for i in range(0, n, 3):
        pass
    return i


def for_else(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            found = i
            break
    else:
        found = -1
    return found


def while_else(n):
    k = 2
    while k * k <= n:
        if n % k == 0:
            smallest = k
            break
        k += 1
    else:
        smallest = n
    return smallest


def continue_twice(x):
    total = 0.0
    skipped = 0
    for i in range(len(x)):
        if i % 3 == 0:
            skipped += 1
            continue
        if x[i] < 0:
            continue
        total += x[i]
    return total, skipped


def break_inner(A, limit):
    """The inner loop ends early, the outer goes on."""
    ends = np.zeros(A.shape[0], dtype=int)
    for i in range(A.shape[0]):
        total = 0.0
        for j in range(A.shape[1]):
            total += abs(A[i, j])
            if total > limit:
                break
        ends[i] = j
    return ends


def while_true(x):
    i = 0
    total = 0.0
    while True:
        if i >= len(x):
            break
        total += x[i]
        i += 2
    return total, i


def while_and(x, limit):
    i = 0
    total = 0.0
    while i < len(x) and total < limit:
        total += abs(x[i])
        i += 1
    return i, total


def while_walrus(x):
    n = 0
    while (n := n + 1) < len(x):
        x[n] += x[n - 1]
    return n


def conditional_chain(x):
    """elif, chained comparisons, conditional expressions."""
    out = np.empty(x.shape, dtype=np.int64)
    for i in range(x.size):
        v = x[i]
        if v < -1:
            out[i] = -2
        elif -1 <= v < 0:
            out[i] = -1
        elif 0 <= v <= 1 and not v == 0.5:
            out[i] = 1
        else:
            out[i] = 2 if v < 1.5 else 3
    return out


def clamp(x, low, high):
    if x < low:
        return low
    if x > high:
        return high
    return x


def clamp_all(x, low, high):
    for i in range(len(x)):
        x[i] = clamp(x[i], low, high)


def inner_function(x, k):
    scale = 2.0

    def kernel(i, j):
        d = abs(i - j)
        return scale / (1 + d) if d <= k else 0.0

    out = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            out[i] += kernel(i, j) * x[j]
    return out


def inner_function_in_loop(x):
    total = 0.0
    for i in range(len(x)):

        def f(t, i=i):
            return t * i

        total += f(x[i])
    return total


def lambda_in_loop(x):
    g = lambda a, b: a * b + 1
    y = 1.0
    for v in x:
        y = g(y, v)
    return y


def fill(out, value, start):
    """A helper that writes through a view that it is given."""
    for i in range(start, out.shape[0]):
        out[i] = value + i


def helper_writes(A):
    for k in range(A.shape[0]):
        fill(A[k], float(k), k)
    return A


def integer_power(x, n):
    if n < 0:
        return 1.0 / integer_power(x, -n)
    result = 1.0
    for _ in range(n):
        result *= x
    return result


def several_results(x):
    total, product, largest, count = 0.0, 1.0, -np.inf, 0
    for v in x:
        total += v
        product *= v
        largest = max(largest, v)
        count += 1
    return {"sum": total, "product": product, "largest": largest, "count": count}


def types_that_settle(n):
    """An integer that becomes a float in the first step."""
    s = 0
    for i in range(n):
        s = s + 0.5 * i
    return s


def list_of_arrays(fields, steps):
    """A short list in a loop over traced steps."""
    for _ in range(steps):
        for f in fields:
            f[1:-1] = 0.5 * (f[:-2] + f[2:])
    return [f.sum() for f in fields]


def dict_of_arrays(state, steps):
    for _ in range(steps):
        state["v"] -= 0.1 * state["x"]
        state["x"] += 0.1 * state["v"]
    return state["x"]


def swapped_arrays(a, b, steps):
    for i in range(steps):
        a[i % len(a)] += 1.0
        a, b = b, a
    return a.copy(), b.copy()


def growing_prefix(x):
    means = np.zeros(len(x))
    for i in range(1, len(x) + 1):
        means[i - 1] = x[:i].mean()
    return means


def triangle_slices(A):
    """Bounds on both sides depend on two indices."""
    n = A.shape[0]
    total = 0.0
    for i in range(n):
        for j in range(i, n):
            total += A[i : j + 1, i].sum() - A[j, : j - i].sum()
    return total


def negative_indices(x):
    y = np.zeros_like(x)
    for i in range(1, len(x)):
        y[-i] = x[i - 1] - x[-i - 1]
    return y


def list_comprehension(x, n):
    return np.array([x[i] * i for i in range(n)]), sum(x[i] for i in range(n))


def any_all(A):
    for row in A:
        if any(v > 2.5 for v in row):
            return True
    return bool(np.all(A > -1))


def masked_loop(x):
    total = 0.0
    for v in x[x > 0]:
        total += np.sqrt(v)
    return total


def loop_over_positions(A):
    total = 0.0
    for i, j in zip(*np.nonzero(A > 0.5)):
        total += A[i, j] * (i - j)
    return total


def vectors(count: int, *others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return *rng.normal(size=(count, *sizes(rng, 1))), *others

    return make


def matrix(*others: Any) -> Any:
    return lambda rng: (rng.normal(size=sizes(rng, 2)), *others)


def number(low: int, high: int) -> Any:
    return lambda rng: (int(rng.integers(low, high)),)


def three(rng: np.random.Generator) -> tuple[Any, ...]:
    a, b = vectors(2)(rng)
    return a, b, len(a)


PROGRAMS = [
    Program(dot_by_zip, vectors(2)),
    *(
        Program(f, matrix())
        for f in (
            rows_enumerated, rows_normalized, columns_of_transpose, nested_rows, flat_elements,
            all_indices, enumerated_elements, helper_writes, any_all, loop_over_positions,
        )
    ),
    *(
        Program(f, vectors(1))
        for f in (
            reversed_range, reversed_array, every_third, range_down_by_two, enumerate_from,
            continue_twice, while_true, while_walrus, conditional_chain, inner_function_in_loop,
            lambda_in_loop, several_results, growing_prefix, negative_indices, masked_loop,
        )
    ),
    *(
        Program(f, number(0, 30), layouts=())
        for f in (arange_loop, last_index, while_else)
    ),
    Program(types_that_settle, number(1, 30), layouts=()),
    Program(range_objects, lambda rng: sizes(rng, 2), layouts=()),
    Program(zip_of_three, three),
    Program(zip_of_unequal, vectors(2)),
    Program(for_else, vectors(1, 1.0)),
    Program(break_inner, matrix(3.0)),
    Program(while_and, vectors(1, 4.0)),
    Program(clamp_all, vectors(1, -0.5, 0.5)),
    Program(inner_function, vectors(1, 2)),
    Program(
        integer_power, lambda rng: (rng.uniform(0.5, 2), int(rng.integers(-9, 9))), layouts=()
    ),
    Program(list_of_arrays, lambda rng: (list(rng.normal(size=(3, *sizes(rng, 1)))), 4)),
    Program(dict_of_arrays, lambda rng: (dict(zip("xv", map(np.copy, vectors(2)(rng)))), 5)),
    Program(swapped_arrays, vectors(2, 7)),
    Program(triangle_slices, lambda rng: (rng.normal(size=(2 * sizes(rng, 1))),)),
    Program(list_comprehension, lambda rng: three(rng)[1:]),
]  # fmt: skip
