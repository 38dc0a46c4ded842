"""Rewritten control statements do what Python does, under drivers that do what Python does.

Each case runs as it is, rewritten with the plain drivers, and, where running what is not taken does
no harm, with drivers that rehearse: they show that every variable that matters is handed over.
"""

# The cases are what people write, oddities included.
# ruff: noqa: B007, B012, B023, F821, F841, F842, RUF012, RUF021, RUF059

import contextlib
import linecache
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trace.drivers import Plain, Rehearsing
from tests.trace.generated_functions import functions
from tracejit.trace.capture import captured, why_not


def rewritten(fn, hooks=None):
    made = captured(fn, hooks or Plain())
    assert made is not None, why_not(fn)
    return made


def hooks_of(code):
    """The names that a function and those in it use."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    return set(code.co_names).union(*map(hooks_of, inner))


def outcome(fn, *args):
    """What a call gives or raises, and what it has said."""
    said = []
    try:
        return fn(said.append, *args), None, said
    except Exception as error:
        return None, (type(error), error.args), said


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


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_plain(case):
    made = rewritten(case)
    for x in range(5):
        for n in range(8):
            found, expected = outcome(made, x, n), outcome(case, x, n)
            assert found[0] == expected[0] and found[2] == expected[2]
            if found[1] != expected[1]:
                names = {found[1][0], expected[1][0]}
                assert names <= {NameError, UnboundLocalError}


class Private:
    __more = 4

    def run(self, __x):
        __total = 0
        for __i in range(__x):
            if __i > 2:
                break
            __total = __total + __i if __i else 5

        def __twice(__y):
            nonlocal __total
            __total *= 2
            return __y + self.__more

        try:
            import math as __m

            raise KeyError(__twice(__m.floor(2.5)))
        except KeyError as __error:
            return __total, __error.args


@pytest.mark.parametrize("hooks", [Plain(), Rehearsing()])
def test_private_names(hooks):
    for x in range(5):
        assert rewritten(Private.run, hooks)(Private(), x) == Private().run(x)


def frames(fn):
    try:
        fn(0)
    except Exception as error:
        here = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == __file__]
        return [(f.lineno, f.name) for f in here[1:]]


def test_lines():
    def in_branch(x):
        if x == 0:
            y = [
                1,
                2 // x,
            ]
        return y

    def in_test(x):
        if x > 1:
            return 2
        elif 1 // x:
            return 3

    def in_loop(x):
        for i in range(3):
            if i == 2:
                z = 1 // x
                break
        else:
            z = 2
        return z

    def in_choice(x):
        y = 3 if not x and 1 // x else 4
        return y

    for fn in (in_branch, in_test, in_loop, in_choice):
        found, expected = frames(rewritten(fn)), frames(fn)
        assert found[0] == expected[0]
        assert found[-1] == expected[-1]


def deep(lines):
    namespace, name = {}, f"<deep {len(lines)}>"
    text = "\n".join(lines) + "\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), namespace)
    return namespace["f"]


def test_more_branches_than_python_nests():
    chain = ["def f(say, x, n):", "    if x == 0: y = 'zero'"]
    chain += [f"    elif x == {k}: y = {k}" for k in range(1, 40)]
    chain += ["    elif x == 40: return 'forty'", "    else: y = -1", "    return y"]
    returns = ["def f(say, x, n):"] + [f"    if x == {k}: return {k}" for k in range(50)]
    steps = ["def f(say, x, n):", "    s = 0", "    for i in range(60):"]
    steps += [f"        if i == {k}: s += x; continue" for k in range(15)]
    steps += ["        if i == x: break", "        if s > 40: return s"]
    steps += [f"        if i == {k}: say(s); continue" for k in range(20, 40)]
    steps += ["    else: s = -s", "    return s, i"]
    for lines in (chain, returns, steps):
        f = deep(lines)
        assert "branch" in hooks_of(rewritten(f).__code__)
        for x in (*range(6), 20, 39, 40, 41, 70):
            assert outcome(rewritten(f), x, 0) == outcome(f, x, 0)


def test_assertions():
    f = deep(
        [
            "def f(say, x, n):",
            "    assert x != 1",
            "    assert x != 2, (say('told'), 1)",
            "    assert n, ('n is', n)",
            "    return x",
        ]
    )
    for x, n in [(0, 0), (0, 1), (1, 1), (2, 1)]:
        assert outcome(rewritten(f), x, n) == outcome(f, x, n)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(functions(), st.lists(st.integers(-3, 6), min_size=3, max_size=3))
def test_generated(source, args):
    fn = deep(source)
    expected = outcome(fn, *args)
    made = rewritten(fn)
    assert outcome(made, *args) == expected
    if any(line.split()[0] in ("if", "for", "while") for line in source):
        assert "failed" in hooks_of(made.__code__)
    hooks = Rehearsing()
    rehearsed = rewritten(fn, hooks)
    said = []
    found = rehearsed(lambda x: None if hooks.speculating else said.append(x), *args)
    assert (found, None, said) == expected
