"""Every Python operator of a traced tensor, by way of the table of methods.

The implementations are in `namespace/arithmetic.py`; this file only says which operator is which,
so that the class of tensors does not depend on them.
"""

from __future__ import annotations

from typing import Any

from tracejit.trace.registry import METHODS


class Operators:
    """Operators that look up `METHODS["__add__"]` and so on."""

    def __add__(self, other: Any) -> Any:
        return METHODS["__add__"](self, other)

    def __radd__(self, other: Any) -> Any:
        return METHODS["__radd__"](self, other)

    def __iadd__(self, other: Any) -> Any:
        return METHODS["__iadd__"](self, other)

    def __sub__(self, other: Any) -> Any:
        return METHODS["__sub__"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return METHODS["__rsub__"](self, other)

    def __isub__(self, other: Any) -> Any:
        return METHODS["__isub__"](self, other)

    def __mul__(self, other: Any) -> Any:
        return METHODS["__mul__"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return METHODS["__rmul__"](self, other)

    def __imul__(self, other: Any) -> Any:
        return METHODS["__imul__"](self, other)

    def __truediv__(self, other: Any) -> Any:
        return METHODS["__truediv__"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return METHODS["__rtruediv__"](self, other)

    def __itruediv__(self, other: Any) -> Any:
        return METHODS["__itruediv__"](self, other)

    def __floordiv__(self, other: Any) -> Any:
        return METHODS["__floordiv__"](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return METHODS["__rfloordiv__"](self, other)

    def __ifloordiv__(self, other: Any) -> Any:
        return METHODS["__ifloordiv__"](self, other)

    def __mod__(self, other: Any) -> Any:
        return METHODS["__mod__"](self, other)

    def __rmod__(self, other: Any) -> Any:
        return METHODS["__rmod__"](self, other)

    def __imod__(self, other: Any) -> Any:
        return METHODS["__imod__"](self, other)

    def __divmod__(self, other: Any) -> Any:
        return METHODS["__divmod__"](self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return METHODS["__rdivmod__"](self, other)

    def __pow__(self, other: Any) -> Any:
        return METHODS["__pow__"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return METHODS["__rpow__"](self, other)

    def __ipow__(self, other: Any) -> Any:
        return METHODS["__ipow__"](self, other)

    def __matmul__(self, other: Any) -> Any:
        return METHODS["__matmul__"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return METHODS["__rmatmul__"](self, other)

    def __imatmul__(self, other: Any) -> Any:
        return METHODS["__imatmul__"](self, other)

    def __and__(self, other: Any) -> Any:
        return METHODS["__and__"](self, other)

    def __rand__(self, other: Any) -> Any:
        return METHODS["__rand__"](self, other)

    def __iand__(self, other: Any) -> Any:
        return METHODS["__iand__"](self, other)

    def __or__(self, other: Any) -> Any:
        return METHODS["__or__"](self, other)

    def __ror__(self, other: Any) -> Any:
        return METHODS["__ror__"](self, other)

    def __ior__(self, other: Any) -> Any:
        return METHODS["__ior__"](self, other)

    def __xor__(self, other: Any) -> Any:
        return METHODS["__xor__"](self, other)

    def __rxor__(self, other: Any) -> Any:
        return METHODS["__rxor__"](self, other)

    def __ixor__(self, other: Any) -> Any:
        return METHODS["__ixor__"](self, other)

    def __lshift__(self, other: Any) -> Any:
        return METHODS["__lshift__"](self, other)

    def __rlshift__(self, other: Any) -> Any:
        return METHODS["__rlshift__"](self, other)

    def __ilshift__(self, other: Any) -> Any:
        return METHODS["__ilshift__"](self, other)

    def __rshift__(self, other: Any) -> Any:
        return METHODS["__rshift__"](self, other)

    def __rrshift__(self, other: Any) -> Any:
        return METHODS["__rrshift__"](self, other)

    def __irshift__(self, other: Any) -> Any:
        return METHODS["__irshift__"](self, other)

    def __eq__(self, other: Any) -> Any:
        return METHODS["__eq__"](self, other)

    def __ne__(self, other: Any) -> Any:
        return METHODS["__ne__"](self, other)

    def __lt__(self, other: Any) -> Any:
        return METHODS["__lt__"](self, other)

    def __le__(self, other: Any) -> Any:
        return METHODS["__le__"](self, other)

    def __gt__(self, other: Any) -> Any:
        return METHODS["__gt__"](self, other)

    def __ge__(self, other: Any) -> Any:
        return METHODS["__ge__"](self, other)

    def __neg__(self) -> Any:
        return METHODS["__neg__"](self)

    def __pos__(self) -> Any:
        return METHODS["__pos__"](self)

    def __abs__(self) -> Any:
        return METHODS["__abs__"](self)

    def __invert__(self) -> Any:
        return METHODS["__invert__"](self)

    def __round__(self, ndigits: Any = None) -> Any:
        return METHODS["__round__"](self, ndigits)

    def __index__(self) -> int:
        raise NotImplementedError

    __hash__ = object.__hash__
