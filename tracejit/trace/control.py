"""`ifelse`, `fori_loop` and `while_loop`: control flow as functions of functions.

Inside a jitted function they record a branch or a loop. Outside they do what they say in plain
Python, on NumPy arrays, so that code which uses them can be tested and debugged without `jit`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tracejit import errors
from tracejit.trace import hooks, kinds, prim
from tracejit.trace.blocks import counted
from tracejit.trace.branches import choose, truth
from tracejit.trace.context import current, fail, tracing
from tracejit.trace.iteration import source_of
from tracejit.trace.pytree import LEAF, TreeDef, flatten, is_container, unflatten
from tracejit.trace.rehearsal import rehearsed, settled_types, stand_in, type_of
from tracejit.trace.signature import Static
from tracejit.trace.size import Size, wrap
from tracejit.trace.tensor import Tensor

_NONE = TreeDef("static", Static("None", None))


def ifelse(cond: Any, a: Any, b: Any) -> Any:
    """`a` where `cond` holds, else `b`; only the one that is wanted is computed.

    `cond` is anything with one truth value: a bool, a number, an array of one element. `a` and `b`
    are values (numbers, arrays, tuples, lists or dicts of them, which give several results) or
    functions without arguments that return such values. Inside a jitted function what only one of
    two values needs is computed where that one is chosen, so that `ifelse(c, x.mean(), y.mean())`
    takes one mean; `np.where` evaluates both and chooses by elements.

    Both sides have the same structure and the same shapes. Where their dtypes differ the result has
    the one that NumPy's promotion gives, whichever side is chosen. Arrays that come out are memory
    of their own. Outside a jitted function a function that is not called has no say in the dtype.

    Raises ControlFlowError for sides of different shapes or structures, TracedValueError for a
    condition of more than one element, each at the user's line.
    """
    chosen = condition(cond, "ifelse")
    if isinstance(chosen, Tensor):
        if not callable(a) and not callable(b):
            _reconciled(a, b, (a, b))
        found = choose(chosen, _side(a), _side(b))
        if not (callable(a) and callable(b)):
            _make_lazy()
        return _own(found)
    taken, other = (a, b) if chosen else (b, a)
    found = hooks.call(taken) if callable(taken) else taken
    return _own(found if callable(other) else _reconciled(found, other, (a, b)))


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """The state after `state = body(i, state)` for every `i` in `range(lower, upper)`.

    `lower` and `upper` are ints, sizes or traced integers; `init` and the state are an array, a
    number, or tuples, lists and dicts of them. Shapes and structure stay as they are in `init`;
    dtypes settle by NumPy's promotion: from 0 and a body that returns floats comes a float. Arrays
    in `init` are not written to.

    Raises ControlFlowError, at the line where `body` returns, for a state of another shape or
    structure, DTypeError for bounds that are no ints.
    """
    if tracing():
        return _fori_loop_traced(lower, upper, body, init)
    state, before = _own(init), None
    for i in range(_index(lower, "lower"), _index(upper, "upper")):
        before, state = state, settled(state, body(i, state), body)
    return _as_after(before, state, lambda x: hooks.call(body, stand_in(int, ()), x))


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """The first state for which `cond(state)` does not hold, going from `init` by `body(state)`.

    States are as in `fori_loop`. `cond` returns anything with one truth value.

    Raises ControlFlowError, at the line where `body` returns, for a state of another shape or
    structure, TracedValueError for a condition of more than one element.
    """
    if tracing():
        return _while_loop_traced(cond, body, init)
    state, before = _own(init), None
    while condition(cond(state), "while_loop"):
        before, state = state, settled(state, body(state), body)
    return _as_after(before, state, body)


# Inside a trace.


def _make_lazy() -> None:
    """Of the branch just traced one side alone runs, with all that leads to its value."""
    nodes = current().builder.nodes
    if nodes and nodes[-1].op == "ifelse":
        nodes[-1] = nodes[-1].with_(attrs={"lazy": True})


def _side(x: Any) -> Callable[[], Any]:
    if callable(x):
        return lambda: hooks.call(x)
    return lambda: x


def _checked(body: Callable[..., Any], state: Any, found: Any) -> Any:
    """What the body of a loop returns, if it has the structure and the shapes of the state."""
    leaves, tree = _leaves(found)
    olds, old_tree = _leaves(state)
    if tree != old_tree:
        _other_structure(state, found, body)
    for x, y in zip(olds, leaves, strict=True):
        same_state(x, y, body)
    return found


def _fori_loop_traced(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    steps = hooks.call(range, _bound(lower, "lower"), _bound(upper, "upper"))
    source = source_of(steps)
    assert source is not None

    def step(k: Any, state: Any) -> Any:
        return _checked(body, state, hooks.call(body, source.item(k), state))

    return _own(counted(wrap(source.count), _own(init), step))


def _while_loop_traced(cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    first = _own(init)

    def go_on(state: Any) -> Any:
        return condition(hooks.call(cond, state), "while_loop")

    def step(_: Any, state: Any) -> Any:
        found = _checked(body, state, hooks.call(body, state))
        return found, go_on(found)

    return _own(counted(None, (first, go_on(first)), step, test=True))


def _bound(x: Any, name: str) -> Any:
    if isinstance(x, (Tensor, Size, np.ndarray)):
        tensor = x if isinstance(x, Size) else prim.lift(x)
        if isinstance(tensor, Tensor) and (tensor.ndim or tensor.dtype.kind not in "iu"):
            _not_an_int(x, name)
        return tensor
    return _index(x, name)


# Outside of one.


def _index(x: Any, name: str) -> int:
    try:
        return operator.index(x)
    except TypeError:
        _not_an_int(x, name)


def _not_an_int(x: Any, name: str) -> NoReturn:
    fail(
        errors.DTypeError, f"`{name}` must be an int, not {kinds.text_of(x)}", "int(...) makes one"
    )


def condition(cond: Any, where: str) -> Any:
    """The truth value of one element: a bool, or a traced one."""
    if isinstance(cond, np.ndarray) and tracing():
        cond = prim.lift(cond)
    if not isinstance(cond, (Tensor, Size)):
        if isinstance(cond, (np.ndarray, list)) and np.size(cond) != 1:
            _not_one(cond, where)
        return bool(cond[0] if isinstance(cond, list) else cond)
    if isinstance(cond, Tensor):
        shape = kinds.shape_of(cond)
        if not kinds.same_shape((1,) * len(shape), shape, "a condition"):
            _not_one(cond, where)
    return truth(cond)


def _not_one(cond: Any, where: str) -> NoReturn:
    fail(
        errors.TracedValueError,
        f"the condition of {where} has one element, and this is {kinds.text_of(cond)}",
        "np.where(cond, a, b) chooses by elements; cond.any() and cond.all() are one element",
    )


def _reconciled(found: Any, other: Any, sides: tuple[Any, Any]) -> Any:
    """`found` as what both sides have in common."""
    leaves, tree = _leaves(found)
    others, other_tree = _leaves(other)
    if tree != other_tree:
        fail(
            errors.ControlFlowError,
            f"the two sides are built differently: {' and '.join(map(kinds.text_of, sides))}",
            "return the same tuples, lists and keys from both",
        )
    result = []
    for x, y in zip(map(kinds.array_of, leaves), map(kinds.array_of, others), strict=True):
        if not kinds.same_shape(kinds.shape_of(x), kinds.shape_of(y), "the sides of ifelse"):
            fail(
                errors.ControlFlowError,
                f"the two sides have different shapes: {kinds.text_of(x)} and {kinds.text_of(y)}",
                "np.broadcast_to or a slice gives both the same",
            )
        result.append(kinds.as_kind(x, kinds.common(kinds.kind_of(x), kinds.kind_of(y))))
    return unflatten(tree, iter(result))


def _as_after(before: Any, state: Any, step: Callable[[Any], Any]) -> Any:
    """`state` in the types that a further step would leave as they are; as it is where that cannot
    be told. `before` is the state before the last step, None where there was none."""
    leaves, tree = _leaves(state)
    found = [kinds.array_of(x) for x in leaves]
    if before is not None:
        olds = map(kinds.array_of, _leaves(before)[0])
        if all(
            kinds.same(kinds.kind_of(x), kinds.kind_of(y)) for x, y in zip(olds, found, strict=True)
        ):
            return state

    def trial() -> list[Any]:
        def on_leaves(values: list[Any]) -> list[Any]:
            inside = unflatten(tree, iter(values))
            return _leaves(_checked(step, inside, hooks.call(step, inside)))[0]

        return settled_types([type_of(x) for x in found], on_leaves)

    try:
        types = rehearsed(trial, "a loop")
    except Exception:
        return state
    return unflatten(
        tree, iter([kinds.as_kind(x, kind) for x, (kind, _) in zip(found, types, strict=True)])
    )


def settled(old: Any, new: Any, body: Callable[..., Any]) -> Any:
    """The state after a step: `new`, in the dtypes that `old` and `new` have in common."""
    leaves, tree = _leaves(new)
    olds, old_tree = _leaves(old)
    if tree != old_tree:
        _other_structure(old, new, body)
    return unflatten(
        tree, iter([settled_leaf(x, y, body) for x, y in zip(olds, leaves, strict=True)])
    )


def _other_structure(old: Any, new: Any, body: Callable[..., Any]) -> NoReturn:
    kinds.fail_in(
        body,
        errors.ControlFlowError,
        f"the state is {kinds.text_of(old)}, and the body returns {kinds.text_of(new)}",
        "return the same tuples, lists and keys as in `init`",
    )


def settled_leaf(old: Any, new: Any, body: Callable[..., Any]) -> Any:
    """One array or number of a state after a step."""
    same_state(old, new, body)
    x, y = kinds.array_of(old), kinds.array_of(new)
    found = kinds.as_kind(y, kinds.common(kinds.kind_of(x), kinds.kind_of(y)))
    # What was an array of rank 0 does not become a scalar in a loop.
    return np.asarray(found) if isinstance(x, np.ndarray) else found


def same_state(old: Any, new: Any, body: Callable[..., Any]) -> None:
    """Refuse an array or number whose shape is not that of the state before."""
    x, y = kinds.array_of(old), kinds.array_of(new)
    if not kinds.same_shape(kinds.shape_of(x), kinds.shape_of(y), "the state of a loop"):
        kinds.fail_in(
            body,
            errors.ControlFlowError,
            f"the state is {kinds.text_of(x)}, and the body returns {kinds.text_of(y)}",
            "begin with the shape that the body returns: np.zeros(shape)",
        )


def _own(x: Any) -> Any:
    """`x` with arrays that nobody else has."""
    leaves, tree = _leaves(x)
    return unflatten(tree, iter([own_leaf(leaf) for leaf in leaves]))


def own_leaf(x: Any) -> Any:
    """A number as it is, an array as a copy."""
    if isinstance(x, Tensor):
        return x if x.scalar else prim.copy(x)
    if isinstance(x, np.ndarray):
        return prim.copy(x) if tracing() else x.copy()
    return x


def _leaves(x: Any) -> tuple[list[Any], TreeDef]:
    found: list[Any] = []
    return found, flatten(x, "", found, _classify)


def _classify(value: Any, path: str) -> TreeDef | None:
    if value is None:
        return _NONE
    return LEAF if isinstance(value, Tensor) or not is_container(value) else None
