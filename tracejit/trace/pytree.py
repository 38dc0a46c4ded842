"""Nested containers of arguments and results: tuples, lists, dicts, namedtuples and dataclasses.

`flatten` takes a value apart into leaves and a hashable `TreeDef`, `unflatten` puts it together.
Dicts keep the order of their keys, which is part of the structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from tracejit.trace.size import Size


class TreeDef:
    """The structure of a nested value. `data` is the type, keys or static that `kind` needs."""

    __slots__ = ("_hash", "children", "data", "kind")

    def __init__(self, kind: str, data: Any = None, children: tuple[TreeDef, ...] = ()) -> None:
        self.kind, self.data, self.children = kind, data, children
        self._hash = hash((kind, data, children))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, TreeDef)
            and self._hash == other._hash
            and self.kind == other.kind
            and self.data == other.data
            and self.children == other.children
        )

    def __repr__(self) -> str:
        inner = ", ".join(map(repr, self.children))
        if self.kind == "leaf":
            return "*"
        return f"{self.kind}({inner})" if self.kind != "static" else repr(self.data)


LEAF = TreeDef("leaf")
Leaf = Callable[[Any, str], "TreeDef | None"]


def flatten(value: Any, path: str, leaves: list[Any], classify: Leaf) -> TreeDef:
    """Append the leaves of `value` to `leaves` and return its structure.

    `classify(value, path)` gives `LEAF`, a static's TreeDef, or None for a namedtuple or dataclass.
    `path` names the place for messages: `params['w'][0]`.
    """
    kind = type(value)
    if kind in (tuple, list):
        children = [flatten(v, f"{path}[{k}]", leaves, classify) for k, v in enumerate(value)]
        return TreeDef(kind.__name__, None, tuple(children))
    if kind is dict:
        children = [flatten(v, f"{path}[{k!r}]", leaves, classify) for k, v in value.items()]
        return TreeDef("dict", tuple(map(_key, value)), tuple(children))
    found = classify(value, path)
    if found is not None:
        if found is LEAF:
            leaves.append(value)
        return found
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        children = [
            flatten(v, f"{path}.{name}", leaves, classify)
            for name, v in zip(kind._fields, value, strict=True)
        ]
        return TreeDef("namedtuple", kind, tuple(children))
    names = tuple(f.name for f in fields(value) if hasattr(value, f.name))
    children = [flatten(getattr(value, n), f"{path}.{n}", leaves, classify) for n in names]
    return TreeDef("dataclass", (kind, names), tuple(children))


def _key(key: Any) -> Any:
    """A key of a dict; sizes in it have become guards when it was hashed."""
    if isinstance(key, Size):
        return key.__index__()
    return tuple(map(_key, key)) if type(key) is tuple else key


def is_container(value: Any) -> bool:
    """Whether `flatten` looks inside `value`."""
    kind = type(value)
    if kind in (tuple, list, dict):
        return True
    if isinstance(value, tuple):
        return hasattr(kind, "_fields")
    return is_dataclass(kind)


def unflatten(
    tree: TreeDef, leaves: Iterator[Any], made: list[tuple[Any, Any]] | None = None
) -> Any:
    """The value with structure `tree`; `made` collects changeable containers and their contents."""
    kind = tree.kind
    if kind == "leaf":
        return next(leaves)
    if kind == "static":
        return tree.data.value
    items = [unflatten(child, leaves, made) for child in tree.children]
    if kind == "tuple":
        return tuple(items)
    if kind == "namedtuple":
        return tree.data._make(items)
    if kind == "list":
        result: Any = items
        contents: Any = list(items)
    elif kind == "dict":
        result = dict(zip(tree.data, items, strict=True))
        contents = dict(result)
    else:
        cls, names = tree.data
        result = object.__new__(cls)
        for name, item in zip(names, items, strict=True):
            object.__setattr__(result, name, item)
        contents = dict(zip(names, items, strict=True))
    if made is not None:
        made.append((result, contents))
    return result


def is_unchanged(container: Any, contents: Any) -> bool:
    """Whether a container that `unflatten` made still holds the very objects it held."""
    if isinstance(container, list):
        now: Sequence[Any] = container
        return len(now) == len(contents) and all(a is b for a, b in zip(now, contents, strict=True))
    if not isinstance(container, dict):
        container = {n: getattr(container, n, None) for n in contents}
    return list(container) == list(contents) and all(container[k] is contents[k] for k in contents)
