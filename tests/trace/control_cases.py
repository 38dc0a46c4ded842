"""Functions of control statements that jump, assign and call in every way."""

# They are what people write, oddities included.
# ruff: noqa: B007, B012, B023, F821, F841, F842, RUF012, RUF021, RUF059

import contextlib


def early(say, x, n):
    if x > 3:
        return "big"
    say(x)
    if n:
        if x == 2:
            return "two"
        say("not two")
    elif x == 1:
        return "one"
    else:
        say("zero n")
    say("end")


def nested_loops(say, x, n):
    total = 0
    for i in range(n):
        if i == x:
            continue
        for j in range(i):
            if j > 5:
                break
            if total > 100:
                return "total", total
            total += j
        else:
            total += 100
        last = total
        say(last)
    while True:
        total -= 1
        if total < 3:
            return total


def loop_else(say, x, n):
    for i in range(n):
        if i == x:
            break
    else:
        return "none"
    while i < n:
        i += 1
        if i == 4:
            continue
        say(i)
    else:
        say("else")
    return i


def in_try(say, x, n):
    for i in range(n):
        try:
            if i == x:
                return 10 // (i - 1)
            if i == 3:
                continue
            if i == 4:
                break
            say(1 // (2 - i))
        except ZeroDivisionError:
            say("zero")
            if x == 2:
                return "caught"
        else:
            say("no error")
        finally:
            say("finally")
        say("behind")
    return i


def return_replaced_by_error(say, x, n):
    try:
        try:
            if x:
                return 1
            say("no return")
        finally:
            say(1 // (x - 1))
    except ZeroDivisionError:
        say("caught")
    say("end")
    return 2


def in_with(say, x, n):
    with contextlib.suppress(KeyError):
        for i in range(n):
            if i == x:
                return {0: "zero", 2: "two"}[x]
    say("behind")
    with contextlib.nullcontext():
        if x:
            return "with"
        say("in with")
    return "end"


def jump_in_finally(say, x, n):
    for i in range(n):
        try:
            say(i)
            if i == x:
                return i
        finally:
            if i == 3:
                continue
    return "end"


def matching(say, x, n):
    for k in range(n):
        match k:
            case 0 | 1:
                say("low")
            case 2 if x == 3:
                say("two")
                continue
            case y if y > 4:
                say(y)
                if x == 1:
                    return y
                break
            case 3 as z:
                say(("three", z))
            case _:
                say("other")
        match (k, x):
            case (0, 0):
                say("zeros")
            case (a, 1) if a:
                return a
            case None:
                say("never")
    return k


def operators(say, x, n):
    def see(v):
        say(v)
        return v

    a = see(x) and see(n) and see(3)
    b = see(x) or see(n) or see(4)
    c = see(1) < see(x) <= see(3) != see(n)
    d = see("a") if not see(x) else see("b")
    e = x in (1, 2), x not in (1, 2), x in {1: 2}, 0 <= x in (1, 2)
    f = [i if i % 2 else -i for i in range(n) if i and i < 3 or i == x]
    g = (w := n) and w + x
    h = x and (v := 3)
    return a, b, c, d, e, f, g, h, (lambda q: q and q + x)(n), x is None and n


def assigning_tests(say, x, n):
    while (w := n - 1) > 0:
        n -= 1
        if w == x:
            break
        if w == 3:
            continue
        say(w)
    while (v := n) < 5:
        n += 1
        if v == 2:
            continue
    else:
        say("else")
    return w, v


def deeply(say, x, n):
    total: int = 0
    unset: list
    for i in range(3):
        if i == x:
            break
        for j in range(n):
            if j == i:
                continue
            for k in range(n):
                if k == x:
                    break
                while n:
                    n -= 1
                    if n == 1:
                        count: int = k
                        with contextlib.nullcontext() as w:
                            for m in range(n + 2):
                                if m > x:
                                    global LAST
                                    try:
                                        if total > 3:
                                            LAST = total = n, i, j, k, m, w, count
                                            return total
                                        total += m
                                        say(total)
                                    except ZeroDivisionError as error:
                                        say(error)
    return total, i


LAST = 0


def unbound(say, x, n):
    if x:
        y = 1
    for k in range(n - 2):
        z = k
    say(z)
    return y


def deleted(say, x, n):
    y = x
    if n:
        del y
    return y


def dead_code(say, x, n):
    if x:
        return x
    else:
        return later
    later = 3


def declares(say, x, n):
    count = 0

    def step():
        nonlocal count
        if x:
            count += 1
        for _ in range(n):
            if count > 3:
                return "many"
            count += 1

    for _ in range(2):
        if n:
            say(step())
    return count


def functions_inside(say, x, n):
    made = []
    for i in range(n):
        if i == x:

            def f(i=i):
                if i > 1:
                    return i
                return -1

            made.append(f)
        else:
            made.append(lambda: i if x else None)

    class Inner:
        size = 3
        if size > 2:
            kind = "big" if size else "small"
        sizes = [size for _ in range(2) if _ or x]

        def method(self):
            for k in range(self.size):
                if k == x:
                    return k
            return self.kind and self.kind

    return [f() for f in made], Inner().method(), Inner.kind


def generating(say, x, n):
    def numbers():
        for i in range(n):
            if i == x:
                return
            if i == 3:
                continue
            yield i

    return list(numbers())


def imports_and_targets(say, x, n):
    if x:
        import math as m
    else:
        import operator as m
    table = [0, 0]
    for table[0], (a, *b) in [(1, (2, 3)), (4, (5, 6, 7))]:
        if x:
            (first, *rest) = b
    with contextlib.nullcontext(x) as w:
        if n:
            w += 1
    return m.__name__, table, a, b, w


def raising(say, x, n):
    if x < 2:
        raise ValueError("small")
    elif x == 3:
        raise KeyError(x) from None
    for i in range(n):
        if i == x:
            raise RuntimeError
        say(i)
    return "ok"


def looking_around(say, x, n):
    if x:
        y = 2
    return sorted(k for k in locals() if not k.startswith("."))


CASES = [
    early, nested_loops, loop_else, in_try, return_replaced_by_error, in_with, jump_in_finally,
    matching, operators, assigning_tests, deeply, unbound, deleted, dead_code, declares,
    functions_inside, generating, imports_and_targets, raising, looking_around,
]  # fmt: skip
