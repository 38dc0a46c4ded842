"""Arguments and results: containers, statics, keys, and what is refused."""

import dataclasses
import enum
from collections import namedtuple

import numpy as np
import pytest

from tracejit import TensorSpec, errors, jit
from tracejit.trace.pytree import LEAF, TreeDef, flatten, is_container, is_unchanged, unflatten
from tracejit.trace.signature import LeafType, Signature, Static, array_type, static_key

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Params:
    w: object
    b: object = 0.0


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: object


def classify(value, path):
    return None if is_container(value) else LEAF


TREE = {"a": (1, [2, Point(3, (4,))]), "b": Params(5, {"c": 6}), "d": Frozen(7), "e": ()}


def test_round_trip():
    leaves = []
    tree = flatten(TREE, "t", leaves, classify)
    assert leaves == [1, 2, 3, 4, 5, 6, 7]
    assert unflatten(tree, iter(leaves)) == TREE
    assert hash(tree) == hash(flatten(TREE, "other", [], classify))
    assert tree != flatten({**TREE, "e": []}, "t", [], classify)
    assert flatten({"a": 1, "b": 2}, "", [], classify) != flatten(
        {"b": 1, "a": 2}, "", [], classify
    )


def test_changed_containers_are_noticed():
    leaves = []
    tree = flatten(TREE, "t", leaves, classify)
    made = []
    value = unflatten(tree, iter(leaves), made)
    assert all(is_unchanged(*pair) for pair in made)
    value["b"].w = object()
    assert [type(c) for c, contents in made if not is_unchanged(c, contents)] == [Params]


@pytest.mark.parametrize(
    "a, b",
    [(1, True), (1, 1.0), (0.0, -0.0), ((1, 2), (1.0, 2)), (slice(1), slice(1.0)), ("1", 1)],
)
def test_static_keys_tell_types_apart(a, b):
    assert Static(static_key(a), a) != Static(static_key(b), b)
    assert Static(static_key(a), a) == Static(static_key(a), a)


def test_equal_lambdas_are_one_static():
    made = [lambda x: x + 1 for _ in range(2)]
    assert static_key(made[0]) == static_key(made[1])
    f = jit(lambda g, x: g(x))
    for _ in range(3):
        f(lambda x: x * 3, np.ones(2))
    assert f.cache_info().compiled == 1


def test_layout_classes():
    x = np.zeros((3, 4))
    assert array_type(x) == LeafType(np.dtype("f8"), 2, "C")
    assert array_type(x.T).layout == "F"
    assert array_type(x[:, ::2]).layout == "S"


def test_keys():
    signature = Signature(lambda x, k, mode="a": x)
    key = lambda *args: signature.flatten(args, {}).key
    x = np.ones(3)
    assert key(x, 1) == key(np.zeros(7), 5)
    assert key(x, 1) != key(x, 1.0)
    assert key(x, 1) != key(x, np.int64(1))
    assert key(x, 1) != key(x.astype("f4"), 1)
    assert key(x, 1) != key(x[None], 1)
    assert key(x, 1) != key(x, 1, "b")
    assert key(x, True) != key(x, False)
    assert signature.paths(signature.flatten(({"w": (x, 2)}, 1), {}).trees) == [
        "x['w'][0]",
        "x['w'][1]",
        "k",
    ]


def test_binding():
    @jit
    def f(a, /, b, *rest, c=3, **more):
        return a, b, rest, c, more

    x = np.ones(2)
    for args, kwargs in [((1, 2), {}), ((x, 2, 3, x), {"c": x, "z": 1}), ((1,), {"b": x})]:
        assert repr(f(*args, **kwargs)) == repr(f.fn(*args, **kwargs))
    with pytest.raises(TypeError, match=r"^f\(\) missing a required argument: 'a'; it takes"):
        f()
    with pytest.raises(TypeError, match="too many positional"):
        jit(lambda x: x)(1, 2)


class Color(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "value",
    ["s", b"s", None, True, np.dtype("f4"), float, Color.RED, slice(0, 2), np.add, len, ...],
)
def test_static_by_nature(value):
    f = jit(lambda x, s: (x, s))
    assert f(np.ones(2), value)[1] is value
    f(np.ones(3), value)
    assert f.cache_info().compiled == 1


def test_static_argnames():
    @jit(static_argnames=("n", "axis"))
    def f(x, n, axis=0, **rest):
        return [x.sum(axis=axis)] * n

    x = np.ones((2, 3))
    assert len(f(x, 2)) == 2
    assert len(f(x, n=3)) == 3
    assert f(x, 1, axis=(0, 1))[0] == 6
    assert f.cache_info().compiled == 3
    with pytest.raises(errors.ArgumentError) as info:
        f(x, [1])
    assert str(info.value) == (
        "static argument `n` of `f` is not hashable: list [1]\n"
        "  instead: pass a tuple, or leave it out of static_argnames"
    )
    with pytest.raises(errors.ArgumentError, match="static_argnames has 'z'"):
        jit(lambda x: x, static_argnames="z")


def test_refused_arguments():
    f = jit(lambda x, params=None: x)
    with pytest.raises(errors.ArgumentError) as info:
        f(1, {"w": [{1, 2}]})
    assert str(info.value) == (
        "argument `params['w'][0]` of `<lambda>` is of type set: {1, 2}\n"
        "  accepted: arrays, numbers, and tuples, lists, dicts, namedtuples and dataclasses of "
        "them;\n"
        "  str, bool, None, dtype, type, Enum, slice and callables are static\n"
        "  instead: list the argument in static_argnames, if it is hashable"
    )
    with pytest.raises(errors.ArgumentError, match="has dtype object"):
        f(np.array([None]))
    with pytest.raises(errors.ArgumentError, match="is in foreign byte order: >f8"):
        f(np.ones(2, ">f8"))
    with pytest.raises(errors.ArgumentError, match="is a masked array"):
        f(np.ma.masked_array([1.0], [True]))
    with pytest.raises(errors.ArgumentError, match="does not fit into int64"):
        f(2**64)
    with pytest.raises(errors.ArgumentError, match=r"has dtype (float128|longdouble)"):
        f(np.ones(2, np.longdouble))


def test_array_likes():
    class Like:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3)

    assert jit(lambda x: x + 1)(Like()).tolist() == [1, 2, 3]


def test_nested_arguments_and_results():
    @jit
    def f(p, points):
        return Params(p.w @ points[0].x, [p.b, {"k": points[0].y * 2}]), Frozen(None), Point(1, "s")

    x = np.arange(3.0)
    out = f(Params(np.ones((2, 3)), 0.5), [Point(x, 3)])
    assert isinstance(out[0], Params) and out[0].w.tolist() == [3.0, 3.0]
    assert out[0].b == [0.5, {"k": 6}] and type(out[0].b[1]["k"]) is int
    assert out[1] == Frozen(None) and out[2] == Point(1, "s")


def test_argument_containers_are_not_changed():
    def f(d):
        d["new"] = d["x"] * 2

    with pytest.raises(errors.MutationError, match="puts other items into a dict"):
        jit(f)({"x": np.ones(2)})


def test_traced_values_in_unknown_results():
    class Box:
        def __init__(self, x):
            self.x = x

    with pytest.raises(errors.UnsupportedError, match="the result has a Box with traced values"):
        jit(lambda x: Box(x))(np.ones(2))
    with pytest.raises(errors.UnsupportedError, match="the result has a generator"):
        jit(lambda x: (v for v in [x]))(np.ones(2))


def test_tensor_spec():
    assert TensorSpec(3).shape == (3,)
    assert TensorSpec(("n", 3), "f4").dtype == np.dtype("f4")
    for bad in [(-1,), (2.0,)]:
        with pytest.raises(ValueError, match="a dim of a TensorSpec"):
            TensorSpec(bad)
    graph = jit(lambda x, y: x + y).trace(TensorSpec(("n", "m")), TensorSpec(("n", 1)))
    assert [str(v.type) for v in (*graph.params, *graph.results)] == [
        "f8[n, m]", "f8[n, 1]", "f8[n, m]",
    ]  # fmt: skip


def test_tree_repr():
    assert (
        repr(TreeDef("tuple", None, (LEAF, TreeDef("static", Static(1, "s"))))) == "tuple(*, 's')"
    )
