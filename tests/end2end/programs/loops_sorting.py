"""Sorting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Program, sizes


def bubble_sort(x):
    n = len(x)
    for i in range(n):
        swapped = False
        for j in range(0, n - i - 1):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
                swapped = True
        if not swapped:
            break
    return x


def insertion_sort(a):
    for i in range(1, len(a)):
        key = a[i]
        j = i - 1
        while j >= 0 and a[j] > key:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = key


def selection_sort(a):
    n = a.shape[0]
    for i in range(n - 1):
        smallest = i
        for j in range(i + 1, n):
            if a[j] < a[smallest]:
                smallest = j
        tmp = a[i]
        a[i] = a[smallest]
        a[smallest] = tmp
    return a


def selection_sort_argmin(a):
    for i in range(a.size):
        j = i + np.argmin(a[i:])
        a[i], a[j] = a[j], a[i]


def shell_sort(a):
    gap = len(a) // 2
    while gap > 0:
        for i in range(gap, len(a)):
            value = a[i]
            j = i
            while j >= gap and a[j - gap] > value:
                a[j] = a[j - gap]
                j -= gap
            a[j] = value
        gap //= 2
    return a


def counting_sort(a, top):
    counts = np.zeros(top + 1, dtype=int)
    for v in a:
        counts[v] += 1
    out = np.empty_like(a)
    k = 0
    for value in range(top + 1):
        for _ in range(counts[value]):
            out[k] = value
            k += 1
    return out


def merge_sorted(a, b):
    out = np.empty(len(a) + len(b), dtype=a.dtype)
    i = j = k = 0
    while i < len(a) and j < len(b):
        if a[i] <= b[j]:
            out[k] = a[i]
            i += 1
        else:
            out[k] = b[j]
            j += 1
        k += 1
    while i < len(a):
        out[k] = a[i]
        i += 1
        k += 1
    while j < len(b):
        out[k] = b[j]
        j += 1
        k += 1
    return out


def sift_down(a, start, end):
    root = start
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and a[child] < a[child + 1]:
            child += 1
        if a[root] >= a[child]:
            return
        a[root], a[child] = a[child], a[root]
        root = child


def heap_sort(a):
    n = len(a)
    for start in range(n // 2 - 1, -1, -1):
        sift_down(a, start, n)
    for end in range(n - 1, 0, -1):
        a[0], a[end] = a[end], a[0]
        sift_down(a, 0, end)


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


def two_ordered(rng: np.random.Generator) -> tuple[Any, ...]:
    return ordered(rng)[0], ordered(rng)[0]


PROGRAMS = [
    Program(bubble_sort, floats()),
    Program(insertion_sort, floats()),
    Program(selection_sort, floats()),
    Program(selection_sort_argmin, floats()),
    Program(shell_sort, ints(50)),
    Program(counting_sort, ints(7, 7)),
    Program(merge_sorted, two_ordered),
    Program(heap_sort, floats()),
]
