"""From the arguments of a call to flat leaves, and the key under which compiled code is found."""

from __future__ import annotations

import enum
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit import errors
from tracejit.ir.types import SHORT_NAMES
from tracejit.trace.context import user_loc
from tracejit.trace.pytree import LEAF, TreeDef, flatten, is_container, unflatten
from tracejit.trace.size import Size
from tracejit.trace.tensor import Tensor


@dataclass(frozen=True)
class TensorSpec:
    """An array by its type: dims are ints, or names of open sizes (equal names, equal sizes)."""

    shape: tuple[int | str, ...]
    dtype: Any = np.float64

    def __post_init__(self) -> None:
        shape = (self.shape,) if isinstance(self.shape, (int, str)) else tuple(self.shape)
        for dim in shape:
            if not isinstance(dim, (int, str)) or (isinstance(dim, int) and dim < 0):
                raise ValueError(f"a dim of a TensorSpec is an int >= 0 or a name, not {dim!r}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))


class Static:
    """A value that is part of the key. Equal where `key` is, which tells 1 from 1.0 and True."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key, self.value = key, value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class LeafType:
    """What code is specialized on, for one leaf.

    `weak` is the Python type of a scalar argument, or that of a random generator, whose value is
    its address; `scalar` marks a NumPy scalar; `layout` is `C`
    (contiguous), `F`, `I` (strided, elements of the last axis adjacent) or `S` (strided).
    """

    dtype: np.dtype
    ndim: int
    layout: str = "C"
    weak: type | None = None
    scalar: bool = False


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call. `types` are as many as `leaves`; `paths` name them."""

    trees: tuple[TreeDef, ...]
    leaves: list[Any]
    types: tuple[Any, ...]

    @property
    def key(self) -> Any:
        return self.trees, self.types


def _parameters(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of `fn`; any, where a built-in function does not tell."""
    try:
        return list(inspect.signature(fn).parameters.values())
    except ValueError:
        kinds = {"args": inspect.Parameter.VAR_POSITIONAL, "kwargs": inspect.Parameter.VAR_KEYWORD}
        return [inspect.Parameter(name, kind) for name, kind in kinds.items()]


class Signature:
    """How arguments of `fn` are bound and flattened."""

    def __init__(self, fn: Callable[..., Any], static_names: Sequence[str] = ()) -> None:
        self.name = getattr(fn, "__name__", type(fn).__name__)
        self.parameters = _parameters(fn)
        self.defaults = {p.name: p.default for p in self.parameters if p.default is not p.empty}
        self.signature = inspect.Signature(self.parameters)
        names = [p.name for p in self.parameters]
        takes_any = any(p.kind is p.VAR_KEYWORD for p in self.parameters)
        for name in static_names:
            if name not in names and not takes_any:
                raise errors.ArgumentError(
                    f"static_argnames has {name!r}, but the arguments of `{self.name}` are "
                    + (", ".join(names) or "none")
                )
        self.statics = frozenset(static_names)
        self.simple = all(
            p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in self.parameters
        )
        self.owner = names[0] if names and names[0] in ("self", "cls") else None

    def make_method(self) -> None:
        """The first parameter is the instance: static by identity unless it is a container."""
        self.owner = self.parameters[0].name if self.parameters else None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Any]:
        """One value per parameter, defaults filled in. Raises TypeError as a call would."""
        if self.simple and not kwargs and len(args) == len(self.parameters):
            return args
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}() {error}; it takes {self.signature}") from None
        bound.apply_defaults()
        return [bound.arguments[p.name] for p in self.parameters]

    def flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Take the arguments of a call apart. Raises ArgumentError for what is not accepted."""
        leaves: list[Any] = []
        trees = []
        for parameter, value in zip(self.parameters, self.bind(args, kwargs), strict=True):
            name = parameter.name
            if name in self.statics:
                trees.append(TreeDef("static", self.static(value, name)))
            elif parameter.kind is parameter.VAR_KEYWORD and self.statics & value.keys():
                children = []
                for key, item in value.items():
                    if key in self.statics:
                        children.append(TreeDef("static", self.static(item, key)))
                    else:
                        children.append(flatten(item, key, leaves, self._classify))
                trees.append(TreeDef("dict", tuple(value), tuple(children)))
            else:
                trees.append(flatten(value, name, leaves, self._classify))
        kinds = []
        for k, leaf in enumerate(leaves):
            leaves[k], kind = leaf_type(leaf)
            kinds.append(kind)
        return Arguments(tuple(trees), leaves, tuple(kinds))

    def rebuild(
        self, trees: Sequence[TreeDef], leaves: Iterator[Any], made: list[tuple[Any, Any]]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments with other leaves put in."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter, tree in zip(self.parameters, trees, strict=True):
            variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            value = unflatten(tree, leaves, None if variadic else made)
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += value
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs |= value
            elif parameter.kind is parameter.KEYWORD_ONLY:
                # A default is left to the function, which may tell it from what was given.
                if value is not parameter.default:
                    kwargs[parameter.name] = value
            else:
                args.append(value)
        return args, kwargs

    def paths(self, trees: Sequence[TreeDef]) -> list[str]:
        """The name of every leaf: `x`, `params['w']`."""
        found: list[str] = []
        for parameter, tree in zip(self.parameters, trees, strict=True):
            _paths(tree, parameter.name, found)
        return found

    def static(self, value: Any, name: str) -> Static:
        try:
            found = Static(static_key(value), value)
            hash(found)
            return found
        except TypeError:
            raise errors.ArgumentError(
                f"static argument `{name}` of `{self.name}` is not hashable: "
                f"{type(value).__name__} {_short(value)}\n"
                f"  instead: pass a tuple, or leave it out of static_argnames"
            ) from None

    def _classify(self, value: Any, path: str) -> TreeDef | None:
        if isinstance(value, (np.ndarray, np.generic)):
            self._check_array(value, path)
            return LEAF
        kind = type(value)
        if kind is float or kind is complex or kind is np.random.Generator:
            return LEAF
        if kind is int:
            if -(2**63) <= value < 2**63:
                return LEAF
            if 0 < value < 2**64:
                # No traced number, which is an int64, can stand for it.
                return TreeDef("static", self.static(value, path))
            raise errors.ArgumentError(
                f"argument `{path}` of `{self.name}` is the Python int {_short(value)}, which "
                "does not fit into int64 or uint64\n  instead: pass it as a float"
            )
        if isinstance(value, TensorSpec):
            self._check_array(value, path)
            return LEAF
        if isinstance(value, (Tensor, Size)):
            raise errors.EscapedTracerError(
                f"argument `{path}` of `{self.name}` is a traced value of a call that has ended",
                loc=user_loc(),
                instead="return it from the jitted function that made it",
            )
        if is_static(value):
            return TreeDef("static", self.static(value, path))
        if is_container(value):
            return None
        if isinstance(value, (int, float, complex)):
            return LEAF
        if hasattr(kind, "__array__") or hasattr(kind, "__array_interface__"):
            self._check_array(np.asarray(value), path)
            return LEAF
        if callable(value):
            return TreeDef("static", self.static(value, path))
        if path == self.owner or (path in self.defaults and value is self.defaults[path]):
            # A default that is no array or number stands for "not given".
            return TreeDef("static", Static((kind, id(value)), value))
        if kind.__module__.startswith("numpy.random"):
            raise errors.ArgumentError(
                f"argument `{path}` of `{self.name}` is a {kind.__name__}\n"
                "  accepted: numpy.random.Generator\n"
                "  instead: rng = np.random.default_rng(seed)"
            )
        raise errors.ArgumentError(
            f"argument `{path}` of `{self.name}` is of type {kind.__name__}: {_short(value)}\n"
            "  accepted: arrays, numbers, and tuples, lists, dicts, namedtuples and dataclasses of "
            "them;\n"
            "  str, bool, None, dtype, type, Enum, slice and callables are static\n"
            "  instead: list the argument in static_argnames, if it is hashable"
        )

    def _check_array(self, value: Any, path: str) -> None:
        where = f"argument `{path}` of `{self.name}`"
        if hasattr(value, "mask") and hasattr(value, "filled"):
            raise errors.ArgumentError(
                f"{where} is a masked array, which is not supported\n"
                "  instead: pass x.filled(...) and the mask as two arrays"
            )
        if value.dtype in SHORT_NAMES:
            return
        if not value.dtype.isnative and value.dtype.newbyteorder("=") in SHORT_NAMES:
            raise errors.ArgumentError(
                f"{where} is in foreign byte order: {value.dtype.str}\n"
                "  instead: x.astype(x.dtype.newbyteorder('='))"
            )
        raise errors.ArgumentError(
            f"{where} has dtype {value.dtype}\n"
            "  accepted: bool, integer, float16/32/64 and complex64/128 arrays"
        )


def is_static(value: Any) -> bool:
    """Whether an argument is static by nature."""
    return value is None or isinstance(value, _STATIC)


_STATIC = (
    bool, str, bytes, type, enum.Enum, slice, np.dtype, range, types.FunctionType,
    types.BuiltinFunctionType, types.MethodType, functools.partial, np.ufunc, type(Ellipsis),
)  # fmt: skip


def leaf_type(leaf: Any) -> tuple[Any, Any]:
    """A leaf as the array or number it stands for, and its `LeafType`."""
    kind = type(leaf)
    if kind is np.ndarray:
        return leaf, array_type(leaf)
    if kind is np.random.Generator:
        return leaf, _intern(np.dtype("i8"), 0, "C", np.random.Generator, False)
    if isinstance(leaf, np.generic):
        return leaf, _intern(leaf.dtype, 0, "C", None, True)
    for weak, dtype in _WEAK:
        if isinstance(leaf, weak):
            return leaf, _intern(dtype, 0, "C", weak, False)
    if isinstance(leaf, TensorSpec):
        return leaf, leaf
    array = np.asarray(leaf)
    return array, array_type(array)


def array_type(array: np.ndarray) -> LeafType:
    """The `LeafType` of an array."""
    flags = array.flags
    if flags.c_contiguous:
        layout = "C"
    elif flags.f_contiguous:
        layout = "F"
    else:
        layout = "I" if array.strides[-1] == array.itemsize else "S"
    return _intern(array.dtype, array.ndim, layout, None, False)


@functools.lru_cache(maxsize=4096)
def _intern(dtype: Any, ndim: int, layout: str, weak: type | None, scalar: bool) -> LeafType:
    return LeafType(dtype, ndim, layout, weak, scalar)


_WEAK = ((int, np.dtype("i8")), (float, np.dtype("f8")), (complex, np.dtype("c16")))


def static_key(value: Any) -> Any:
    """A hashable key under which values that Python calls equal, but are not the same, differ."""
    kind = type(value)
    if kind is float:
        return kind, value.hex()
    if kind is complex:
        return kind, value.real.hex(), value.imag.hex()
    if kind is tuple:
        return kind, tuple(map(static_key, value))
    if kind is slice:
        return kind, static_key((value.start, value.stop, value.step))
    if kind is types.FunctionType:
        own = value.__closure__ or value.__defaults__ or value.__kwdefaults__
        code = value.__code__
        return (kind, value) if own else (kind, code, code.co_filename, id(value.__globals__))
    return kind, value


def _paths(tree: TreeDef, path: str, found: list[str]) -> None:
    if tree.kind == "leaf":
        found.append(path)
    elif tree.kind in ("tuple", "list"):
        for k, child in enumerate(tree.children):
            _paths(child, f"{path}[{k}]", found)
    elif tree.kind == "dict":
        for key, child in zip(tree.data, tree.children, strict=True):
            _paths(child, f"{path}[{key!r}]", found)
    elif tree.kind in ("namedtuple", "dataclass"):
        names = tree.data._fields if tree.kind == "namedtuple" else tree.data[1]
        for name, child in zip(names, tree.children, strict=True):
            _paths(child, f"{path}.{name}", found)


def _short(value: Any) -> str:
    text = repr(value).split("\n")[0]
    return text if len(text) <= 60 else text[:57] + "..."
