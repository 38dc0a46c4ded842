"""`ifelse` against `np.where`: one of two means is computed, or both.

`np.where` chooses element by element and has to know both sides. `ifelse` has one condition for the
whole, and computes the side that is chosen.

    $ python examples/ifelse_switch.py
"""

import time

import numpy as np

import tracejit


@tracejit.jit
def switch(a, b, x, y):
    return np.where(a < b, np.mean(x), np.mean(y))


@tracejit.jit
def lazy(a, b, x, y):
    return tracejit.ifelse(a < b, np.mean(x), np.mean(y))


@tracejit.jit
def statement(a, b, x, y):
    """The same as `lazy`, as one writes it in Python."""
    if a < b:
        return np.mean(x)
    return np.mean(y)


def seconds(function, *args, times=10):
    """How long `times` calls take, after one that compiles."""
    function(*args)
    start = time.perf_counter()
    for _ in range(times):
        function(*args)
    return time.perf_counter() - start


def main(rows=10000, columns=1000):
    x = np.ones((rows, columns))
    y = np.full((rows, columns), 2.0)
    for a, b in ((0.0, 1.0), (1.0, 0.0)):
        print(f"a={a:g} b={b:g}:", *(float(f(a, b, x, y)) for f in (switch, lazy, statement)))
    both = seconds(switch, 0.0, 1.0, x, y)
    print(f"time spent evaluating both values {both:f} sec")
    one = seconds(lazy, 0.0, 1.0, x, y)
    print(f"time spent evaluating one value   {one:f} sec")
    one = seconds(statement, 0.0, 1.0, x, y)
    print(f"the same by an `if` statement     {one:f} sec")


if __name__ == "__main__":
    main()
