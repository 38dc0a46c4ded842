"""Rewritten control statements do what Python does, under drivers that do what Python does.

Each case runs as it is, rewritten with the plain drivers, and, where running what is not taken does
no harm, with drivers that rehearse: they show that every variable that matters is handed over.
"""

import linecache
import traceback

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trace.control_cases import CASES
from tests.trace.drivers import Plain, Rehearsing
from tests.trace.generated_functions import functions
from tracejit import jit
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


def test_what_one_side_makes_for_itself_stays_there():
    """`a` is read on one side of the first branch, and assigned on a side of a branch within."""

    def f(x, n):
        a = x[0]
        if n > 2:
            if n > 5:
                a = x[1] + 1
                x[0] = a
            y = 2.0
        else:
            y = a
        return y

    for n in (1, 3, 6):
        found, expected = (g(np.arange(3.0), n) for g in (jit(f), f))
        assert found == expected


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
