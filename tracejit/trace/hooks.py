"""What rewritten code calls: each hook does what Python does, unless something traced is involved.

Concrete arrays that come from outside the trace count as traced where their values are read: they
are lifted to tensors, so that what they hold at a later call is seen.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
import sysconfig
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.config import config
from tracejit.trace import capture, control_hooks, prim
from tracejit.trace.captures import CaptureSource, Provenance
from tracejit.trace.context import CallsItself, current, fail, tracing, user_frame
from tracejit.trace.generators import is_generator, refuse_random
from tracejit.trace.protection import check_change
from tracejit.trace.pybuiltins import BUILTINS, spelled
from tracejit.trace.registry import CALLABLES, CREATORS, FUNCTIONS, METHODS, SUBSCRIPTS
from tracejit.trace.size import Size
from tracejit.trace.tensor import OUTSIDE, Tensor, concrete, describe

_STDLIB = os.path.join(sysconfig.get_paths()["stdlib"], "")
_SITE = tuple(
    os.path.join(p, "") for p in {sysconfig.get_paths()[k] for k in ("purelib", "platlib")}
)
_SKIPPED = tuple(os.path.join(p, name, "") for p in _SITE for name in ("scipy", "numpy", "numba"))
_INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv,
    "//=": operator.ifloordiv, "%=": operator.imod, "**=": operator.ipow, "@=": operator.imatmul,
    "&=": operator.iand, "|=": operator.ior, "^=": operator.ixor, "<<=": operator.ilshift,
    ">>=": operator.irshift,
}  # fmt: skip
_user_files: dict[str, bool] = {}


def _provenance() -> Provenance:
    trace = current()
    if trace.provenance is None:
        trace.provenance = Provenance()
    return trace.provenance


def value(x: Any) -> Any:
    """An operand: a concrete array becomes a tensor."""
    if isinstance(x, np.ndarray):
        return prim.lift(x) if tracing() else x
    if type(x) in (list, dict, set) and tracing():
        _provenance().read_whole(x)
    return x


def iterate(x: Any) -> Any:
    """What a loop runs over."""
    return value(x)


def text(x: Any) -> Any:
    """What is put into an f-string: sizes and scalar arguments by their value in this call."""
    return spelled(value(x))


# Attributes and items.


def attr(obj: Any, name: str) -> Any:
    """`obj.name`."""
    if isinstance(obj, (Tensor, Size)) or is_generator(obj) or not tracing():
        return getattr(obj, name)
    if isinstance(obj, np.ndarray):
        return getattr(prim.lift(obj), name)
    getter = _user_property(type(obj), name)
    if getter is not None:
        return call(getter, obj)
    found = getattr(obj, name)
    _provenance().read_attribute(obj, name, found)
    return found


def _user_property(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            if type(found) is property and type(found.fget) is types.FunctionType:
                return found.fget
            return None
    return None


def set_attr(new: Any, obj: Any, name: str) -> None:
    """`obj.name = new`."""
    if isinstance(obj, np.ndarray) and tracing():
        obj = prim.lift(obj)
    if isinstance(obj, Tensor):
        if name in ("real", "imag", "flat"):
            getattr(obj, name)[...] = new
            return
        fail(
            errors.UnsupportedError,
            f"attribute `{name}` of a traced array is assigned to: {describe(obj)}",
            "make another array: x = x.reshape(...), x = x.astype(...)",
        )
    if tracing():
        check_change(obj, f"attribute `{name}` of a {type(obj).__name__}")
        _check_store(new, obj, name, f"attribute `{name}` of a {type(obj).__name__}")
    setattr(obj, name, new)


def item(x: Any, index: Any) -> Any:
    """`x[index]`."""
    if isinstance(x, Tensor) or not tracing():
        return x[index]
    if isinstance(x, np.ndarray):
        return prim.lift(x)[index]
    special = SUBSCRIPTS.get(id(x))
    if special is not None:
        return special(index)
    getter = type(x).__dict__.get("__getitem__")
    if type(getter) is types.FunctionType:
        return call(getter, x, index)
    if isinstance(x, dict):
        index = _key(index)
    elif isinstance(index, (Size, Tensor)) and isinstance(x, (list, tuple)):
        index = operator.index(index)
    found = x[index]
    if isinstance(x, (list, tuple, dict)):
        _provenance().read_item(x, index, found)
    return found


def set_item(new: Any, x: Any, index: Any) -> None:
    """`x[index] = new`."""
    if tracing():
        if isinstance(x, np.ndarray):
            x = prim.lift(x)
        elif not isinstance(x, Tensor):
            check_change(x, f"a {type(x).__name__}")
            if isinstance(x, dict):
                index = _key(index)
            _check_store(new, x, index, f"an item of a {type(x).__name__}")
    x[index] = new


def _key(x: Any) -> Any:
    """A key of a dict: a traced number is one only by its value."""
    if isinstance(x, tuple):
        return tuple(map(_key, x))
    if isinstance(x, Size):
        return x.__index__()
    return concrete(x, "the key of a dict", OUTSIDE) if isinstance(x, Tensor) else x


def delete_item(x: Any, index: Any) -> None:
    """`del x[index]`."""
    if tracing() and not isinstance(x, Tensor):
        check_change(x, f"a {type(x).__name__}")
        _check_store(None, x, index, f"an item of a {type(x).__name__}")
    del x[index]


def _check_store(new: Any, container: Any, key: Any, what: str) -> None:
    """A store into something that exists outside the trace."""
    provenance = _provenance()
    if not provenance.is_known(container):
        return
    if prim.any_traced(new):
        fail(
            errors.MutationError,
            f"a traced value would be stored outside the jitted function, in {what}",
            "return the value, and store it in the caller",
        )
    provenance.wrote(container, key, what)


def augment(symbol: str, x: Any, other: Any) -> Any:
    """What `x op= other` assigns to `x`."""
    return _INPLACE[symbol](value(x), value(other))


def augment_item(symbol: str, x: Any, index: Any, other: Any) -> None:
    """`x[index] op= other`."""
    if isinstance(x, np.ndarray) and tracing():
        x = prim.lift(x)
    if isinstance(x, Tensor) and METHODS["__augment_item__"](
        x, value(index), _INPLACE[symbol], value(other)
    ):
        return
    old = item(x, index)
    new = augment(symbol, old, other)
    written = isinstance(x, Tensor) and isinstance(old, Tensor) and old.cell is x.cell
    if new is not old or not written:
        set_item(new, x, index)


def augment_attr(symbol: str, obj: Any, name: str, other: Any) -> None:
    """`obj.name op= other`."""
    old = attr(obj, name)
    new = augment(symbol, old, other)
    if isinstance(obj, Tensor) and new is old:
        return
    if new is old and isinstance(new, Tensor):
        setattr(obj, name, new)
        return
    set_attr(new, obj, name)


# Calls.


def call(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`fn(*args, **kwargs)`."""
    if not tracing():
        return fn(*args, **kwargs)
    kind = type(fn)
    if kind is types.FunctionType:
        if fn not in FUNCTIONS:
            return inline(fn, *args, **kwargs)
    elif kind is types.MethodType:
        if isinstance(fn.__func__, types.FunctionType):
            return inline(fn.__func__, fn.__self__, *args, **kwargs)
        if not _is_random(fn.__self__):
            return call(fn.__func__, fn.__self__, *args, **kwargs)
    elif kind is functools.partial:
        return call(fn.func, *fn.args, *args, **{**fn.keywords, **kwargs})
    elif kind is functools._lru_cache_wrapper and prim.any_traced((args, kwargs)):
        return call(fn.__wrapped__, *args, **kwargs)
    inner = getattr(kind, "__tracejit_inline__", None)
    if inner is not None:
        return inner(fn, *args, **kwargs)
    applied = CALLABLES.get(kind)
    if applied is not None and _any_array((args, kwargs)):
        return applied(fn, *args, **kwargs)
    if isinstance(fn, type):
        return _construct(fn, args, kwargs)
    try:
        special = BUILTINS.get(fn)
        implementation = FUNCTIONS.get(fn)
    except TypeError:
        special = implementation = None
    if fn is getattr or fn is setattr:
        return _by_name(fn, *args)
    if fn is next and args:
        check_change(args[0], "an iterator")
    if special is not None:
        _read_containers(args)
        return special(*args, **kwargs)
    if implementation is not None:
        return _call_numpy(fn, implementation, args, kwargs)
    own = kind.__dict__.get("__call__")
    if type(own) is types.FunctionType and _is_user_code(own.__code__):
        return inline(own, fn, *args, **kwargs)
    return _call_other(fn, args, kwargs)


def _by_name(fn: Any, obj: Any, name: str, *rest: Any) -> Any:
    """`getattr` and `setattr`."""
    if fn is setattr:
        return set_attr(rest[0], obj, name)
    try:
        return attr(obj, name)
    except AttributeError:
        if not rest:
            raise
        return rest[0]


def inline(fn: types.FunctionType, /, *args: Any, **kwargs: Any) -> Any:
    """Call a Python function with its code rewritten, if it is the user's and has source."""
    code = fn.__code__
    if not config.capture_calls:
        return fn(*args, **kwargs)
    if capture.is_rewritten(code):
        return _run(code, fn, args, kwargs)
    if not _is_user_code(code):
        return _call_other(fn, args, kwargs)
    provenance = _provenance()
    provenance.enter(fn)
    made = capture.captured(fn, _HOOKS)
    if made is None:
        provenance.note(f"`{fn.__name__}` is not captured: {capture.why_not(fn)}")
        return fn(*args, **kwargs)
    return _run(code, made, args, kwargs)


def _run(code: types.CodeType, fn: Any, args: Any, kwargs: Any) -> Any:
    """Call a rewritten function; `code` is the user's."""
    trace = current()
    running = trace.running
    if code in running and trace.regions and code not in trace.recursive:
        raise CallsItself(code)
    running.append(code)
    try:
        return fn(*args, **kwargs)
    finally:
        running.pop()


def _is_user_code(code: types.CodeType) -> bool:
    filename = code.co_filename
    known = _user_files.get(filename)
    if known is None:
        inside_stdlib = filename.startswith(_STDLIB) and not filename.startswith(_SITE)
        library = inside_stdlib or filename.startswith(_SKIPPED) or filename.startswith("<frozen ")
        known = _user_files[filename] = user_frame(filename) and not library
    return known


def _call_numpy(fn: Any, implementation: Any, args: Any, kwargs: Any) -> Any:
    _read_containers(args)
    if fn in CREATORS or _any_array((args, kwargs)):
        return implementation(*args, **kwargs)
    return fn(*args, **kwargs)


def _construct(cls: type, args: Any, kwargs: Any) -> Any:
    special = BUILTINS.get(cls)
    if special is not None:
        _read_containers(args)
        return special(*args, **kwargs)
    if cls in FUNCTIONS:
        return _call_numpy(cls, FUNCTIONS[cls], args, kwargs)
    if issubclass(cls, np.generic) and len(args) == 1 and _any_array(args):
        return prim.scalar(prim.cast(args[0], cls))
    maker: Any = cls
    init = maker.__init__
    plain = type(maker).__call__ is type.__call__ and maker.__new__ is object.__new__
    if plain and type(init) is types.FunctionType and _is_user_code(init.__code__):
        made = maker.__new__(maker)
        inline(init, made, *args, **kwargs)
        return made
    return _call_other(cls, args, kwargs)


def _call_other(fn: Any, args: Any, kwargs: Any) -> Any:
    """A callable that is neither the user's Python code nor known to tracing."""
    owner = getattr(fn, "__self__", None)
    provenance = _provenance()
    if owner is not None and not isinstance(owner, types.ModuleType):
        if isinstance(owner, np.ufunc):
            implementation = FUNCTIONS.get((owner, fn.__name__))
            if implementation is not None and _any_array((args, kwargs)):
                return implementation(*args, **kwargs)
        elif isinstance(owner, np.ndarray):
            return getattr(prim.lift(owner), fn.__name__)(*args, **kwargs)
        elif _is_random(owner):
            refuse_random(fn.__name__)
        elif type(owner) in (list, dict, set):
            _method_of_container(provenance, owner, fn.__name__, args)
    _read_containers(args)
    if fn in _CALLING_BACK:
        args = tuple(_callback(a) for a in args)
        kwargs = {k: _callback(v) for k, v in kwargs.items()}
    module = getattr(fn, "__module__", None) or ""
    if module.startswith("numpy.random") and not isinstance(fn, type):
        refuse_random(fn.__name__)
    if module.partition(".")[0] in ("numpy", "scipy") and not isinstance(fn, type):
        _refuse_outside(fn, args, kwargs)
    return fn(*(map(value, args) if module == "_operator" else args), **kwargs)


_CALLING_BACK = (
    map, filter, sorted, functools.reduce, itertools.accumulate, itertools.starmap,
    itertools.takewhile, itertools.dropwhile, itertools.groupby,
)  # fmt: skip


def _callback(x: Any) -> Any:
    """A function that C code will call, so that the call goes through the hook."""
    return (
        functools.partial(call, x) if isinstance(x, (types.FunctionType, types.MethodType)) else x
    )


_CHANGING = frozenset(
    {
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "update",
        "setdefault",
        "popitem",
        "add",
    }
    | {"sort", "reverse", "discard"}
)


def _method_of_container(provenance: Provenance, owner: Any, name: str, args: Any) -> None:
    if name not in _CHANGING:
        provenance.read_whole(owner)
        return
    check_change(owner, f"a {type(owner).__name__}")
    if type(owner) is set or name == "setdefault":
        args = tuple(map(_key, args[:1]))  # Raises where it has no value.
    if provenance.is_known(owner):
        what = f"a {type(owner).__name__}"
        if prim.any_traced(args):
            fail(
                errors.MutationError,
                f"a traced value would be stored outside the jitted function, in {what}",
                "return the value, and store it in the caller",
            )
        provenance.note(f"{what} is changed (`{name}`) only when the function is traced")


def _refuse_outside(fn: Any, args: Any, kwargs: Any) -> None:
    """NumPy and scipy functions without a traced implementation would read an array only once."""
    own = type(fn) if isinstance(fn, np.vectorize) or not hasattr(fn, "__name__") else fn
    name = f"{own.__module__}.{own.__name__}".replace("numpy", "np", 1)
    if any(isinstance(a, np.ndarray) for a in (*args, *kwargs.values())):
        what = f"{name} of an array from outside is not supported inside a jitted function"
    elif any(map(prim.any_traced, (*args, *kwargs.values()))) and not hasattr(fn, "__wrapped__"):
        if isinstance(fn, np.ufunc) or type(fn).__name__ == "_ArrayFunctionDispatcher":
            return
        what = f"{name} is not supported inside a jitted function"
    else:
        return
    fail(errors.UnsupportedError, what, OUTSIDE)


def _is_random(x: Any) -> bool:
    return type(x).__module__.startswith("numpy.random")


def _read_containers(args: Any) -> None:
    for x in args:
        if type(x) in (list, dict, set):
            _provenance().read_whole(x)


def _any_array(x: Any) -> bool:
    """Whether anything traced or any concrete array is among (nested) arguments."""
    if isinstance(x, (Tensor, Size, np.ndarray)):
        return True
    if isinstance(x, (list, tuple)):
        return any(map(_any_array, x))
    return isinstance(x, dict) and any(map(_any_array, x.values()))


def remember(value: Any) -> None:
    """`value` exists outside the trace (a static argument, a default)."""
    _provenance().learn(value, CaptureSource("object", None, value))


class _Hooks:
    """The functions above as attributes of the one object that rewritten code gets to see."""

    __slots__ = ()
    value, iterate, text = staticmethod(value), staticmethod(iterate), staticmethod(text)
    attr, set_attr = staticmethod(attr), staticmethod(set_attr)
    item, set_item, delete_item = (
        staticmethod(item),
        staticmethod(set_item),
        staticmethod(delete_item),
    )
    augment, augment_item = staticmethod(augment), staticmethod(augment_item)
    augment_attr, call = staticmethod(augment_attr), staticmethod(call)
    slice = slice
    branch, loop = staticmethod(control_hooks.branch), staticmethod(control_hooks.loop)
    while_, ternary = staticmethod(control_hooks.while_), staticmethod(control_hooks.ternary)
    and_, or_ = staticmethod(control_hooks.and_), staticmethod(control_hooks.or_)
    raising = staticmethod(control_hooks.raising)
    assigned_global = staticmethod(control_hooks.assigned_global)
    not_, chain = staticmethod(control_hooks.not_), staticmethod(control_hooks.chain)
    contains, defined = staticmethod(control_hooks.contains), staticmethod(control_hooks.defined)
    clear, check = staticmethod(control_hooks.clear), staticmethod(control_hooks.check)
    undefined, failure = control_hooks.undefined, control_hooks.FAILURE


_HOOKS = _Hooks()
