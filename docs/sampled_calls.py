"""What becomes of a function: sample calls are traced, one for each dtype.

A sample says how NumPy's function is called, on operands of a dtype. Most functions take one of the
usual forms, and the first that NumPy itself accepts is used; the others are listed in `SAMPLES`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracejit.ir.graph import Node
from tracejit.ir.opdef import OPS
from tracejit.ir.types import TensorType
from tracejit.runtime.report import called_name
from tracejit.trace.context import Trace, activate
from tracejit.trace.tensor import Cell, Tensor

DTYPES = {
    "bool": "?", "int": "i8", "uint": "u1", "float16": "f2", "float": "f8", "complex": "c16",
}  # fmt: skip
"""The name of a kind of dtypes -> the one that stands for it."""

_UNNAMED = {
    "correlate": "np.correlate",
    "repeat_each": "np.repeat",
    "histogramdd": "np.histogramdd",
    "broadcast_indices": "np.broadcast_arrays",
    "size_of_value": "the size that a number is",
}
"""Records that are not a function of NumPy to the letter -> what they call."""

BY_BLAS = frozenset({"matmul"})
"""Records of kind `library` that compiled code calls without Python, or has loops for."""

Call = Callable[..., Any]
Sample = Callable[[Call, np.ndarray, np.ndarray], Any]
"""Calls a function on operands it makes of a vector of 6 positive elements and a square matrix."""

FORMS: tuple[Sample, ...] = (
    lambda f, v, m: f(v),
    lambda f, v, m: f(v, v),
    lambda f, v, m: f(m),
    lambda f, v, m: f(v, 1),
    lambda f, v, m: f((v, v)),
    lambda f, v, m: f(v, v, v),
    lambda f, v, m: f(m, m),
    lambda f, v, m: f(m, 0),
    lambda f, v, m: f(v, v, v, v),
    lambda f, v, m: f(v, v, m),
    lambda f, v, m: f(v, v, v, m),
    lambda f, v, m: f(v, 1, 1),
    lambda f, v, m: f(m, 0, 1),
    lambda f, v, m: f(m, m[:, 0]),
    lambda f, v, m: f(3, dtype=v.dtype),
    lambda f, v, m: f(v.dtype),
)

_QUESTION: Sample = lambda f, v, m: f(v.dtype, np.dtype(float))

WITHOUT_ARRAYS: dict[str, Sample] = {
    "np.bartlett": lambda f, v, m: f(5),
    "np.blackman": lambda f, v, m: f(5),
    "np.broadcast_shapes": lambda f, v, m: f((2, 1), (3,)),
    "np.diag_indices": lambda f, v, m: f(3),
    "np.hamming": lambda f, v, m: f(5),
    "np.hanning": lambda f, v, m: f(5),
    "np.kaiser": lambda f, v, m: f(5, 2.0),
    "np.mask_indices": lambda f, v, m: f(3, np.triu),
    "np.tril_indices": lambda f, v, m: f(3),
    "np.triu_indices": lambda f, v, m: f(3),
}
"""Functions of sizes and numbers: no dtype is asked for."""

SAMPLES: dict[str, tuple[Sample, ...]] = {
    "np.apply_along_axis": (lambda f, v, m: f(np.sort, 0, m),),
    "np.apply_over_axes": (lambda f, v, m: f(np.sum, m, (0,)),),
    "np.array_split": (lambda f, v, m: f(v, 2),),
    "np.arange": (lambda f, v, m: f(0, 3, dtype=v.dtype),),
    "np.astype": (lambda f, v, m: f(v, v.dtype),),
    "np.broadcast_to": (lambda f, v, m: f(v, (2, 6)),),
    "np.can_cast": (_QUESTION,),
    "np.choose": (lambda f, v, m: f((v != 0).astype(int), [v, v]),),
    "np.compress": (lambda f, v, m: f(v != 0, v),),
    "np.dsplit": (lambda f, v, m: f(v.reshape(1, 1, 6), 2),),
    "np.einsum": (lambda f, v, m: f("ij,jk", m, m),),
    "np.empty": (lambda f, v, m: f(3, dtype=v.dtype),),
    "np.extract": (lambda f, v, m: f(v != 0, v),),
    "np.fromfunction": (lambda f, v, m: f(lambda i: i, (3,), dtype=v.dtype),),
    "np.full": (lambda f, v, m: f(3, v[0]),),
    "np.geomspace": (lambda f, v, m: f(v[0], v[1], 5),),
    "np.hsplit": (lambda f, v, m: f(v, 2),),
    "np.indices": (lambda f, v, m: f((3, 3), dtype=v.dtype),),
    "np.insert": (lambda f, v, m: f(v, 1, v[0]),),
    "np.isdtype": (lambda f, v, m: f(v.dtype, "integral"),),
    "np.issubdtype": (_QUESTION,),
    "np.ones": (lambda f, v, m: f(3, dtype=v.dtype),),
    "np.pad": (lambda f, v, m: f(v, 1),),
    "np.piecewise": (lambda f, v, m: f(v, [v != 0], [1, 0]),),
    "np.place": (lambda f, v, m: f(v, v != 0, v),),
    "np.polyfit": (lambda f, v, m: f(v, v, 2),),
    "np.promote_types": (_QUESTION,),
    "np.put_along_axis": (lambda f, v, m: f(v, np.array([0, 1]), v[:2], 0),),
    "np.putmask": (lambda f, v, m: f(v, v != 0, v),),
    "np.ravel_multi_index": (lambda f, v, m: f((v[:2], v[:2]), (9, 9)),),
    "np.repeat": (lambda f, v, m: f(v, 2), lambda f, v, m: f(v, (v != 0).astype(int))),
    "np.reshape": (lambda f, v, m: f(v, (2, 3)),),
    "np.resize": (lambda f, v, m: f(v, (2, 2)),),
    "np.roll": (lambda f, v, m: f(v, 1),),
    "np.select": (lambda f, v, m: f([v != 0], [v]),),
    "np.split": (lambda f, v, m: f(v, 2),),
    "np.take_along_axis": (lambda f, v, m: f(v, np.array([0, 1]), 0),),
    "np.take": (lambda f, v, m: f(v, np.array([0, 1])),),
    "np.tile": (lambda f, v, m: f(v, 2),),
    "np.unravel_index": (lambda f, v, m: f(v, (3, 3)),),
    "np.vander": (lambda f, v, m: f(v, 3),),
    "np.vsplit": (lambda f, v, m: f(m, 3),),
    "np.where": (lambda f, v, m: f(v != 0, v, v), lambda f, v, m: f(v)),
    "np.zeros": (lambda f, v, m: f(3, dtype=v.dtype),),
    "np.linalg.cross": (lambda f, v, m: f(m, m),),
    "np.linalg.multi_dot": (lambda f, v, m: f([m, m, m]),),
    "np.linalg.matrix_rank": (lambda f, v, m: f(m),),
    "np.linalg.matrix_power": (lambda f, v, m: f(m, 3), lambda f, v, m: f(m, -1)),
    "np.linalg.matrix_norm": (lambda f, v, m: f(m), lambda f, v, m: f(m, ord=2)),
    "np.linalg.norm": (lambda f, v, m: f(m), lambda f, v, m: f(m, 2)),
    "np.linalg.tensorinv": (lambda f, v, m: f(m, 1),),
    "np.linalg.tensorsolve": (lambda f, v, m: f(m, m[0]),),
    "np.fft.fftfreq": (lambda f, v, m: f(4, v[0]),),
    "np.fft.rfftfreq": (lambda f, v, m: f(4, v[0]),),
    "scipy.special.multigammaln": (lambda f, v, m: f(v, 1),),
    "scipy.special.polygamma": (lambda f, v, m: f(1, v),),
    "scipy.special.zeta": (lambda f, v, m: f(v, v),),
    "x.astype": (lambda f, v, m: f(v, float),),
    "x.fill": (lambda f, v, m: f(v, 1),),
    "x.item": (lambda f, v, m: f(v, 0),),
    "x.put": (lambda f, v, m: f(v, np.array([0, 1]), v[:2]),),
    "x.resize": (lambda f, v, m: f(v, 6, refcheck=False),),
    "x.to_device": (lambda f, v, m: f(v, "cpu"),),
    "x.compress": (lambda f, v, m: f(v, np.array([True, False])),),
    "x.choose": (lambda f, v, m: f(v * 0, [v, v]),),
    "at": (
        lambda f, v, m: f(v, np.array([0, 1])),
        lambda f, v, m: f(v, np.array([0, 1]), v[:2]),
        lambda f, v, m: f(v, np.array([0, 1]), np.array([1, 1])),
    ),
    "reduceat": (lambda f, v, m: f(v, np.array([0, 2])),),
}
"""What stands in the place of `FORMS`; further calls show what other arguments do."""


@dataclass
class Outcome:
    """The dtypes that NumPy takes, those that a traced function takes, and what it calls.

    `calls` is by dtype; `others` are the calls that other arguments lead to.
    """

    numpy: list[str] = field(default_factory=list)
    traced: list[str] = field(default_factory=list)
    calls: dict[str, frozenset[str]] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    differentiable: bool = True

    @property
    def refused(self) -> list[str]:
        return [kind for kind in self.numpy if kind not in self.traced]


def outcome(name: str, original: Call, traced: Call) -> Outcome:
    """What the samples of `original`, done by `traced`, find out.

    Raises LookupError where NumPy accepts no sample.
    """
    samples = SAMPLES.get(name) or SAMPLES.get(name.replace("x.", "np."), FORMS)
    if name in WITHOUT_ARRAYS:
        samples = (WITHOUT_ARRAYS[name],)
    form = next((s for s in samples if _accepted(s, original)), None)
    if form is None:
        raise LookupError(f"no sample of {name} is a call that NumPy accepts")
    found = Outcome()
    for kind, char in DTYPES.items():
        operands = _operands(char)
        if not _runs(form, original, operands):
            continue
        found.numpy.append(kind)
        nodes = _nodes(form, traced, operands)
        if nodes is not None:
            found.traced.append(kind)
            found.calls[kind] = frozenset(_called(nodes))
            found.differentiable &= all(OPS[n.op].vjp is not None for n in nodes) and bool(nodes)
    if samples is not FORMS:
        more = [_nodes(s, traced, _operands("f8")) for s in samples if s is not form]
        calls = frozenset(name for nodes in more for name in _called(nodes or ()))
        found.others = calls - found.calls.get("float", frozenset())
    return found


def _operands(char: str) -> tuple[np.ndarray, np.ndarray]:
    """Sorted, without repetition where the dtype has so many values; the matrix is positive."""
    matrix = np.array([[3, 1, 0], [1, 3, 1], [0, 1, 3]])
    return np.arange(1, 7).astype(char), matrix.astype(char)


def _accepted(form: Sample, original: Call) -> bool:
    return any(_runs(form, original, _operands(char)) for char in ("f8", "i8"))


def _runs(form: Sample, original: Call, operands: tuple[np.ndarray, np.ndarray]) -> bool:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            form(original, *(x.copy() for x in operands))
        except Exception:
            return False
    return True


def _nodes(
    form: Sample, traced: Call, operands: tuple[np.ndarray, np.ndarray]
) -> tuple[Node, ...] | None:
    """The nodes of the sample's trace; None where it is refused."""
    trace = Trace("sample")
    tensors = []
    for k, array in enumerate(operands):
        name = "vm"[k]
        shape = tuple(trace.new_symbol(f"{name}{axis}", n) for axis, n in enumerate(array.shape))
        value = trace.builder.param(TensorType(array.dtype, shape), name)
        tensors.append(Tensor(Cell(value, trace, "argument")))
    with activate(trace):
        try:
            form(traced, *tensors)
        except Exception:
            return None
        return trace.finish([x.value for x in tensors]).nodes


def _called(nodes: Iterable[Node]) -> Iterable[str]:
    for node in nodes:
        if OPS[node.op].kind == "library" and node.op not in BY_BLAS:
            yield library_name(node)


def library_name(node: Node) -> str:
    """What a node calls, by the name that users know."""
    attrs = node.attrs
    if node.op == "scipy_special":
        return f"scipy.special.{attrs['function']}"
    if node.op == "series":
        return f"np.polynomial.{attrs['function']}"
    if node.op.startswith("ufunc_"):
        return f"np.{attrs['ufunc']}.{node.op.removeprefix('ufunc_')}"
    name = called_name(node.op)
    return name if "." in name else _UNNAMED[name]
