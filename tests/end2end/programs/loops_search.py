"""Searching and counting: loops that stop early, skip, and keep books."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def binary_search(a, x):
    low, high = 0, len(a) - 1
    while low <= high:
        mid = (low + high) // 2
        if a[mid] == x:
            return mid
        elif a[mid] < x:
            low = mid + 1
        else:
            high = mid - 1
    return -1


def search_each(edges, values):
    out = np.zeros(values.shape, dtype=np.int64)
    for k in range(values.shape[0]):
        low, high = 0, edges.shape[0]
        while low < high:
            mid = (low + high) >> 1
            if edges[mid] < values[k]:
                low = mid + 1
            else:
                high = mid
        out[k] = low
    return out


def first_above(x, threshold):
    for i, v in enumerate(x):
        if v > threshold:
            return i
    return -1


def first_above_flag(x, threshold):
    index = None
    found = False
    index = 0
    while not found and index < len(x):
        if x[index] > threshold:
            found = True
        else:
            index += 1
    return index, found


def find_pair(x, target):
    """A return from two loops deep."""
    n = len(x)
    for i in range(n):
        for j in range(i + 1, n):
            if x[i] + x[j] == target:
                return i, j
    return -1, -1


def is_sorted(x):
    for i in range(len(x) - 1):
        if x[i] > x[i + 1]:
            return False
    return True


def contains_row(A, row):
    for candidate in A:
        if np.all(candidate == row):
            return True
    return False


def is_symmetric(A):
    n = A.shape[0]
    same = True
    for i in range(n):
        for j in range(i):
            if A[i, j] != A[j, i]:
                same = False
                break
        if not same:
            break
    return same


def running_max(x):
    best = x[0]
    where = 0
    record = np.empty_like(x)
    for i in range(len(x)):
        if x[i] > best:
            best = x[i]
            where = i
        record[i] = best
    return record, best, where


def two_largest(x):
    first = second = -np.inf
    for v in x:
        if v > first:
            second = first
            first = v
        elif v > second:
            second = v
    return first, second


def min_max(A):
    low, high = A[0, 0], A[0, 0]
    for row in A:
        for v in row:
            low = min(low, v)
            high = max(high, v)
    return low, high


def run_length_counts(x):
    values = np.empty_like(x)
    counts = np.zeros(len(x), dtype=int)
    k = 0
    values[0] = x[0]
    counts[0] = 1
    for i in range(1, len(x)):
        if x[i] == x[i - 1]:
            counts[k] += 1
        else:
            k += 1
            values[k] = x[i]
            counts[k] = 1
    return values[: k + 1], counts[: k + 1]


def longest_run(x):
    longest = current = 0
    for v in x:
        if v > 0:
            current += 1
            longest = max(longest, current)
        else:
            current = 0
    return longest


def peaks(x, threshold):
    found = np.zeros(len(x), dtype=bool)
    count = 0
    for i in range(1, len(x) - 1):
        if x[i] < threshold:
            continue
        if x[i] <= x[i - 1] or x[i] <= x[i + 1]:
            continue
        found[i] = True
        count += 1
    return found, count


def compress(x):
    """Elements that pass a test, packed to the front."""
    out = np.empty_like(x)
    n = 0
    for v in x:
        if v < 0:
            continue
        out[n] = np.sqrt(v)
        n += 1
    return out[:n], n


def unique_sorted(x):
    x = np.sort(x)
    out = np.empty_like(x)
    n = 0
    for i in range(x.size):
        if i > 0 and x[i] == x[i - 1]:
            continue
        out[n] = x[i]
        n += 1
    return out[:n].copy()


def histogram_loop(data, bins, low, high):
    counts = np.zeros(bins, dtype=np.int64)
    width = (high - low) / bins
    outside = 0
    for x in data:
        if x < low or x >= high:
            outside += 1
            continue
        b = int((x - low) / width)
        counts[b] += 1
    return counts, outside


def histogram_edges(a, edges):
    counts = np.zeros(len(edges) - 1, dtype=int)
    for v in a:
        for b in range(len(edges) - 1):
            if edges[b] <= v < edges[b + 1]:
                counts[b] += 1
                break
    return counts


def count_inversions(x):
    count = 0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            count += x[i] > x[j]
    return count


def majority(x):
    candidate, votes = x[0], 0
    for v in x:
        if votes == 0:
            candidate = v
            votes = 1
        elif v == candidate:
            votes += 1
        else:
            votes -= 1
    return candidate, np.sum(x == candidate) > len(x) // 2


def two_pointers(x, target):
    """Sorted numbers: the pair whose sum is closest."""
    i, j = 0, len(x) - 1
    best = np.inf
    pair = (0, 0)
    while i < j:
        s = x[i] + x[j]
        if abs(s - target) < best:
            best = abs(s - target)
            pair = (i, j)
        if s < target:
            i += 1
        elif s > target:
            j -= 1
        else:
            break
    return pair, best


def reverse_in_place(x):
    i, j = 0, len(x) - 1
    while i < j:
        x[i], x[j] = x[j], x[i]
        i += 1
        j -= 1


def partition(x, pivot):
    """Hoare's partition: two inner whiles and a break in the middle."""
    i, j = 0, len(x) - 1
    while True:
        while i < len(x) and x[i] < pivot:
            i += 1
        while j >= 0 and x[j] > pivot:
            j -= 1
        if i >= j:
            break
        x[i], x[j] = x[j], x[i]
        i += 1
        j -= 1
    return i, x


def match_pattern(text, pattern):
    """Every place where the pattern begins; for-else says that all of it matched."""
    hits = np.zeros(len(text), dtype=bool)
    for i in range(len(text) - len(pattern) + 1):
        for j in range(len(pattern)):
            if text[i + j] != pattern[j]:
                break
        else:
            hits[i] = True
    return hits


def balanced(brackets):
    """1 opens, -1 closes, 0 is text."""
    depth = 0
    deepest = 0
    for b in brackets:
        depth += b
        if depth < 0:
            return False, int(deepest)
        if depth > deepest:
            deepest = depth
    return bool(depth == 0), int(deepest)


def floats(count: int = 1, *others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return *rng.normal(size=(count, *sizes(rng, 1))), *others

    return make


def ints(top: int, *others: Any) -> Any:
    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return rng.integers(0, top, sizes(rng, 1, 4, 24)), *others

    return make


def ordered(rng: np.random.Generator) -> tuple[Any, ...]:
    return (np.sort(rng.integers(0, 40, sizes(rng, 1, 4, 24))),)


def matrix(rng: np.random.Generator) -> tuple[Any, ...]:
    A = rng.integers(0, 2, sizes(rng, 2, 3, 7))
    return A, A[int(rng.integers(len(A)))] ^ int(rng.integers(2))


def square(rng: np.random.Generator) -> tuple[Any, ...]:
    (n,) = sizes(rng, 1, 3, 6)
    A = rng.normal(size=(n, n))
    return (A + A.T if rng.random() < 0.5 else A,)


PROGRAMS = [
    Program(binary_search, lambda rng: (*ordered(rng), int(rng.integers(0, 40)))),
    Program(search_each, lambda rng: (np.sort(rng.normal(size=9)), *floats()(rng))),
    Program(first_above, floats(1, 1.0)),
    Program(first_above_flag, floats(1, 1.0)),
    Program(find_pair, ints(20, 21)),
    Program(is_sorted, lambda rng: ordered(rng) if rng.random() < 0.5 else ints(9)(rng)),
    Program(contains_row, matrix),
    Program(is_symmetric, square),
    Program(running_max, floats()),
    Program(two_largest, floats()),
    Program(min_max, square),
    Program(run_length_counts, ints(3)),
    Program(longest_run, ints(3)),
    Program(peaks, floats(1, 0.2)),
    Program(compress, floats()),
    Program(unique_sorted, ints(9)),
    Program(histogram_loop, floats(1, 5, -1.0, 1.0)),
    Program(histogram_edges, lambda rng: (*floats()(rng), np.linspace(-2, 2, 6))),
    Program(count_inversions, ints(20)),
    Program(majority, ints(3)),
    Program(two_pointers, lambda rng: (1.0 * ordered(rng)[0], 30.0)),
    Program(reverse_in_place, ints(90)),
    Program(partition, floats(1, 0.1)),
    Program(match_pattern, lambda rng: (*ints(2)(rng), rng.integers(0, 2, 3))),
    Program(balanced, lambda rng: (rng.integers(-1, 2, sizes(rng, 1)),)),
]
