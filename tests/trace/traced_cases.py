"""Functions whose conditions, step counts and jumps depend on what they are called with."""

# They are what people write, oddities included.
# ruff: noqa: B007, B905, F841, RUF007, SIM113

import numpy as np


def assigned_to_itself(x, n):
    a = x[0]
    s = 0.0
    for i in range(n):
        s += a
        a = a
    return a, s


def two_conditions(x, n):
    a = x[0]
    k = 0
    while k < 3 and a < 5:
        k += 1
        a = a
    return a, k


def first_step_only(x, n):
    for i in range(n):
        x[i] = 5
        break
    return x


def return_in_first_step(x, n):
    for i in range(n):
        return x[i]
    return 0.0


def enumerated(x, n):
    s = 0
    for i, v in enumerate(x):
        if v > 1 and i < 3:
            s += i
    return s


def zipped_with_else(x, n):
    s = 0.0
    for a, b in zip(x[:-1], x[1:]):
        if a > b:
            break
        s += a * b
    else:
        s = -s
    return s


def list_of_rows(x, n):
    out = []
    for v in x:
        out.append(v * 2)
    return out


def backwards(x, n):
    y = np.zeros_like(x)
    for i in range(len(x) - 1, -1, -1):
        y[i] = x[i] + (y[i + 1] if i + 1 < len(x) else 0)
    return y


def bisected(x, n):
    lo, hi = 0, len(x)
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < 2:
            lo = mid + 1
        else:
            hi = mid
    return lo


def swapped(x, n):
    a, b = n, 12
    while b:
        a, b = b, a % b
    return a


def best_so_far(x, n):
    best, arg = -np.inf, -1
    for i in range(len(x)):
        if x[i] > best:
            best, arg = x[i], i
    return best, arg


def helper_that_returns_early(x, n):
    def helper(v):
        if v > 2:
            return v
        for k in range(3):
            v += 1
            if v > 2:
                return -v
        return v

    return helper(x[0]) + helper(x[3])


def counted(x, n):
    c = 0
    for v in x:
        if not v:
            continue
        c += 1
    return c


def chosen_in_list(x, n):
    return [v if v > 1 else 0 for v in x]


def builtins_of_conditions(x, n):
    return any(v > 2 for v in x), all(v > 2 for v in x), max(x) if n > 2 else min(x)


def bubble_sort(x, n):
    x = x.copy()
    done = False
    while not done:
        done = True
        for i in range(len(x) - 1):
            if x[i] < x[i + 1]:
                x[i], x[i + 1] = x[i + 1], x[i]
                done = False
    return x


def return_in_with(x, n):
    with np.errstate(all="ignore"):
        for i in range(n):
            if x[i] == 2:
                return x / 0
        return x


def carried_tuple(x, n):
    t = (0, 0.0)
    for i in range(n):
        t = (t[0] + 1, t[1] + x[i])
    return t


def carried_dict(x, n):
    d = {"a": 0.0, "b": 1}
    for i in range(n):
        if x[i] > 1:
            d = {"a": d["a"] + x[i], "b": d["b"] * 2}
    return d["a"], d["b"]


def target_kept(x, n):
    i = 10
    for i in range(n):
        pass
    return i


def none_at_first(x, n):
    k = None
    for i in range(n):
        if k is None:
            k = x[i]
        else:
            k = max(k, x[i])
    return k


def try_inside(x, n):
    s = 0
    for i in range(n):
        try:
            s += x[i]
        except IndexError:
            break
    return s


def chosen_arrays(x, n):
    y = x
    for i in range(n):
        y = y * 0.5 if y.max() > 1 else y + 1
    return y


def assigning_test(x, n):
    while (m := x.max()) > 1:
        x = x / m * 0.9
    return x, m


def rows_and_items(x, n):
    total = 0
    for row in x.reshape(2, 2):
        for v in row:
            if v == 2:
                break
            total += v
    return total


def helper_in_loop(x, n):  # early return in helper within traced loop
    def g(v):
        if v > 2:
            return v * 2
        return v

    s = 0.0
    for i in range(n):
        s += g(x[i])
    return s


def continued(x, n):
    y = x.copy()
    for i in range(n):
        if y[i] > 1:
            y[i] = 0
            continue
        y[i] += 1
    return y


def chain_of_elif(x, n):
    y = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            if i == j:
                y[i, j] = 1
            elif j == 0:
                y[i, j] = x[i]
            else:
                y[i, j] = y[i - 1, j - 1] + y[i - 1, j]
    return y


def nested_choices(x, n):
    return x[0] if n > 2 and x[0] > 0 else (x[1] if not n else x[2])


def return_between_steps(x, n):
    for _ in range(3):
        if x.sum() > 10:
            return x
        x = x * 2
    return x + 1


def while_with_jumps(x, n):
    total = 0.0
    i = 0
    while i < len(x):
        v = x[i]
        i += 1
        if v < 1:
            continue
        if v > 2.5:
            break
        total += v
    else:
        total = -total
    return total, i


def return_from_two_loops(x, n):
    k = n
    while k > 0 and x[k % 4] < 3:
        k -= 1
        for j in range(k):
            if x[j] == 2:
                return k, j
    return k, -1


def fizzbuzz(x, n):
    m = 0
    for i in range(1, n + 1):
        if i % 3 == 0 and i % 5 == 0:
            m += 15
        elif i % 3 == 0:
            m += 3
        elif i % 5 == 0:
            m += 5
    return m


def return_through_finally(x, n):
    try:
        for i in range(n):
            if x[i] > 1:
                return i
        return -1
    finally:
        x[0] = 9


def comparisons(x, n):
    r = x[0] < x[1] < x[2] <= 3, x[1] in (1, 2), 5 not in (x[2], 7), not x[0]
    return r


def enumerated_zip(x, n):
    s = 0
    for i, (p, q) in enumerate(zip(x, x[::-1])):
        if p > q:
            s += i
        else:
            s -= 1
    return s


def fibonacci(x, n):
    fib = [0, 1]
    for _ in range(n):
        fib = [fib[1], fib[0] + fib[1]]
    return fib[0]


def conditions_stored(x, n):
    out = np.empty(n, dtype=bool)
    for i in range(n):
        out[i] = x[i] > 1 or x[i] == 0
    return out


def clamped(x, n):
    acc = 1
    for v in x[1:]:
        acc *= v
        if acc > 5:
            acc = 5
    return acc


def list_as_state(x, n):
    pos = [0.0, 0.0]
    for i in range(n):
        pos[0] += x[i]
        pos[1] = pos[0] * 2
    return pos


def matched(x, n):
    grid = np.zeros((4, 4))
    i = j = 0
    d = 0
    for k in range(n * 2):
        grid[i, j] += 1
        match d % 4:
            case 0:
                i = (i + 1) % 4
            case 1:
                j = (j + 1) % 4
            case 2 | 3:
                i = (i - 1) % 4
        d += 1
    return grid


def text_chosen(x, n):
    s = x.sum()
    if s > 100:
        msg = "big"
    else:
        msg = "small"
    return x * (2 if s > 5 else 3)


def sums(x, n):
    return sum([v for v in x]) + sum(x[i] for i in range(n))


def counted_down(x, n):
    i = n
    while i:
        i -= 1
    return i


def search_in_two_loops(x, n):
    for i in range(n):
        for j in range(n):
            if x[i] + x[j] > 4:
                break
        else:
            continue
        break
    else:
        return -1, -1
    return i, j


def targets_of_two_loops(x, n):
    for i in range(n):
        for j in range(n):
            pass
    return i, j


def triangular_targets(x, n):
    for i in range(n):
        for j in range(i):
            y = x[j]
    return i, j, y


def loop_in_branch(x, n):
    j = 0
    if x[0] == 0:
        for j in range(n):
            y = x[j]
    return j


def loop_on_one_side(x, n):
    if x[0] == 0:
        for j in range(n):
            y = x[j]
    else:
        j = 1
    return j


def found_by_break(x, n):
    for i in range(n):
        if x[i] > 1:
            break
    else:
        return -1
    return i


def loop_in_while(x, n):
    k = 0
    while k < x[n - 1]:
        for j in range(k):
            pass
        k += 1
    return k, j


CASES = [
    assigned_to_itself, two_conditions, first_step_only, return_in_first_step, enumerated,
    zipped_with_else, list_of_rows, backwards, bisected, swapped, best_so_far,
    helper_that_returns_early, counted, chosen_in_list, builtins_of_conditions, bubble_sort,
    return_in_with, carried_tuple, carried_dict, target_kept, none_at_first, try_inside,
    chosen_arrays, assigning_test, rows_and_items, helper_in_loop, continued, chain_of_elif,
    nested_choices, return_between_steps, while_with_jumps, return_from_two_loops, fizzbuzz,
    return_through_finally, comparisons, enumerated_zip, fibonacci, conditions_stored, clamped,
    list_as_state, matched, text_chosen, sums, counted_down, search_in_two_loops,
    targets_of_two_loops, triangular_targets, loop_in_branch, loop_on_one_side, found_by_break,
    loop_in_while,
]  # fmt: skip
