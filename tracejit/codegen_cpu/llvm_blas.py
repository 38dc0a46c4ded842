"""Matrix products as calls of BLAS: NumPy's own, else through the pointers that SciPy exports.

BLAS stores matrices by columns: a row-major product `out = a @ b` is `out.T = b.T @ a.T` there, and
a row-major matrix is its own transpose.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import llvmlite.binding as llvm
import llvmlite.ir as ll
import numpy as np

from tracejit.codegen_cpu.llvm_dims import DimEmitter, number
from tracejit.codegen_cpu.llvm_memory import VOID, offset_pointer
from tracejit.codegen_cpu.llvm_scalars import I8, I32, I64, PTR, ModuleContext, element_type
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.program import MatMul, MemRef
from tracejit.ir.scalar import REAL_OF

LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}
_ROUTINES = ("gemm", "gemv", "syrk")


@lru_cache(maxsize=1)
def provide_blas() -> str:
    """Make BLAS routines known to the loader as `tracejit_dgemm` and so on; says whose they are.

    NumPy's own library is taken where its wheel brings one: a second BLAS in the process would have
    threads of its own, which spin after each product and slow the other library down.
    """
    found = _numpy_blas()
    if found is not None:
        library, prefix, suffix = found
        for name in _names():
            function = getattr(library, f"{prefix}{name}{suffix}")
            llvm.add_symbol(f"tracejit_{name}", ctypes.cast(function, ctypes.c_void_p).value)
        return "numpy"
    exported = import_module("scipy.linalg.cython_blas").__pyx_capi__
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    for name in _names():
        llvm.add_symbol(f"tracejit_{name}", pointer_of(exported[name], name_of(exported[name])))
    return "scipy"


def _names() -> list[str]:
    return [letter + routine for letter in LETTERS.values() for routine in _ROUTINES]


def _numpy_blas() -> tuple[ctypes.CDLL, str, str] | None:
    """The OpenBLAS inside NumPy's wheel, with what it puts around the names of routines."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    for path in sorted(folder.glob("libscipy_openblas*")):
        suffix = "_64_" if "openblas64" in path.name else "_"
        try:
            library = ctypes.CDLL(str(path))
            for name in _names():
                getattr(library, f"scipy_{name}{suffix}")
        except (OSError, AttributeError):
            continue
        return library, "scipy_", suffix
    return None


class BlasEmitter:
    """Emits one matrix product at the end of the builder's block."""

    def __init__(self, context: ModuleContext, builder: ll.IRBuilder, sizes: DimEmitter) -> None:
        self.context, self.b, self.sizes = context, builder, sizes

    def emit(self, step: MatMul) -> None:
        """`step`, once for each matrix of the batch."""
        batch = step.out.shape[:-2]
        if all(d == 1 for d in batch):
            self._product(step, number(0), number(0), number(0))
            return
        count = self.sizes(dims.product(batch))
        extents = [self.sizes(d) for d in batch]
        strides = [
            [self.sizes(s) for s in batch_strides(m, batch)] for m in (step.a, step.b, step.out)
        ]
        scratch = self._scratch()
        loop = counted(self.b, number(0), count)
        offsets: list[ll.Value] = [number(0)] * 3
        rest: ll.Value = loop.index
        for axis in reversed(range(len(batch))):
            quotient = self.b.udiv(rest, extents[axis])
            here = self.b.sub(rest, self.b.mul(quotient, extents[axis]))
            offsets = [
                self.b.add(o, self.b.mul(here, s[axis]))
                for o, s in zip(offsets, strides, strict=True)
            ]
            rest = quotient
        with self.sizes.inside():
            self._product(step, offsets[0], offsets[1], offsets[2], scratch)
        loop.close()

    def _scratch(self) -> ll.Value:
        """Room for what BLAS takes by reference, in the entry block of the function."""
        entry = ll.IRBuilder(self.b.function.entry_basic_block)
        entry.position_at_start(self.b.function.entry_basic_block)
        # llvmlite gives a typed pointer here; what goes through it has several types.
        return entry.inttoptr(entry.ptrtoint(entry.alloca(ll.ArrayType(I64, 16)), I64), PTR)

    def _product(
        self, step: MatMul, at_a: ll.Value, at_b: ll.Value, at_out: ll.Value,
        scratch: ll.Value | None = None,
    ) -> None:  # fmt: skip
        self.scratch = scratch if scratch is not None else self._scratch()
        self.used = 0
        m, k = step.a.shape[-2:]
        n = step.b.shape[-1]
        a, b, out = (
            offset_pointer(self.b, self._pointer(ref), at)
            for ref, at in ((step.a, at_a), (step.b, at_b), (step.out, at_out))
        )
        if n == 1 or m == 1:
            self._matrix_vector(step, a, b, out, m, n, k)
            return
        if _is_own_transpose(step.a, step.b) and step.out.dtype.kind == "f":
            self._symmetric(step, a, out, n, k)
            return
        trans_b, ld_b = self._leading(step.b)
        trans_a, ld_a = self._leading(step.a)
        arguments = [
            self._char(trans_b), self._char(trans_a), self._int(n), self._int(m), self._int(k),
            self._number(step, 1), b, ld_b, a, ld_a, self._number(step, 0), out,
            self._int(dims.maximum(n, 1)),
        ]  # fmt: skip
        self._call(step, "gemm", arguments)

    def _symmetric(self, step: MatMul, a: ll.Value, out: ll.Value, n: Dim, k: Dim) -> None:
        """`x.T @ x` or `x @ x.T`: half of the products (BLAS syrk), the other half is copied."""
        # Rows of x are columns to BLAS: x @ x.T is A.T @ A there, x.T @ x is A @ A.T.
        trans = "T" if goes_by_rows(step.a) else "N"
        _, leading = self._leading(step.a)
        arguments = [
            self._char("U"), self._char(trans), self._int(n), self._int(k),
            self._number(step, 1), a, leading, self._number(step, 0), out,
            self._int(dims.maximum(n, 1)),
        ]  # fmt: skip
        self._call(step, "syrk", arguments)
        item, size = step.out.dtype.itemsize, self.sizes(n)
        element = element_type(step.out.dtype)
        row = counted(self.b, number(0), size)
        column = counted(self.b, number(0), row.index)

        def at(i: ll.Value, j: ll.Value) -> ll.Value:
            place = self.b.mul(self.b.add(self.b.mul(i, size), j), number(item))
            return offset_pointer(self.b, out, place)

        # The upper triangle by columns is the lower one by rows.
        value = self.b.load(at(row.index, column.index), typ=element)
        self.b.store(value, at(column.index, row.index))
        column.close()
        row.close()

    def _matrix_vector(
        self, step: MatMul, a: ll.Value, b: ll.Value, out: ll.Value, m: Dim, n: Dim, k: Dim
    ) -> None:
        """One side is a vector: `out = a @ b` with n == 1, or `out.T = b.T @ a.T` with m == 1."""
        item = step.out.dtype.itemsize
        if n == 1:
            matrix, ref, vector, step_of = a, step.a, b, step.b.strides[-2]
            # The matrix as it lies in memory is (k, m) by columns where rows are contiguous.
            by_rows = goes_by_rows(ref)
            shape = (k, m) if by_rows else (m, k)
            trans = "T" if by_rows else "N"
        else:
            matrix, ref, vector, step_of = b, step.b, a, step.a.strides[-1]
            by_rows = goes_by_rows(ref)
            shape = (n, k) if by_rows else (k, n)
            trans = "N" if by_rows else "T"
        _, leading = self._leading(ref)
        # gemv does nothing where the inner dim is empty.
        increment = self._int(dims.floordiv(step_of, item), at_least=1)
        rows, columns = self._int(shape[0]), self._int(shape[1])
        empty = self.b.icmp_signed("==", self.sizes(k), number(0))
        with self.b.if_else(empty) as (then, otherwise):
            with then, self.sizes.inside():
                nbytes = self.sizes(dims.product((m, n)) * item)
                clear = self.context.declare("memset", PTR, [PTR, I32, I64])
                self.b.call(clear, [out, I32(0), nbytes])
            with otherwise, self.sizes.inside():
                arguments = [
                    self._char(trans), rows, columns, self._number(step, 1), matrix, leading,
                    vector, increment, self._number(step, 0), out, self._int(1),
                ]  # fmt: skip
                self._call(step, "gemv", arguments)

    def _pointer(self, ref: MemRef) -> ll.Value:
        pointer = self.sizes.b.load(self._word(ref.slot), typ=PTR)
        return offset_pointer(self.b, pointer, self.sizes(ref.offset))

    def _word(self, slot: int) -> ll.Value:
        return self.b.gep(self.sizes.frame, [number(slot)], source_etype=I64)

    def _leading(self, ref: MemRef) -> tuple[str, ll.Value]:
        """Whether BLAS is to transpose what lies in memory, and the distance between columns."""
        item = ref.dtype.itemsize
        if goes_by_rows(ref):
            distance, least = ref.strides[-2], ref.shape[-1]
            trans = "N"
        else:
            distance, least = ref.strides[-1], ref.shape[-2]
            trans = "T"
        dim = dims.maximum(dims.floordiv(distance, item), dims.maximum(least, 1))
        return trans, self._int(dim)

    # Arguments by reference.

    def _slot(self) -> ll.Value:
        address = self.b.gep(self.scratch, [number(self.used)], source_etype=I64)
        self.used += 1
        return address

    def _char(self, letter: str) -> ll.Value:
        address = self._slot()
        self.b.store(I8(ord(letter)), address)
        return address

    def _int(self, dim: Dim, at_least: int | None = None) -> ll.Value:
        address = self._slot()
        value = self.sizes(dim)
        if at_least is not None:
            zero = self.b.icmp_signed("==", value, number(0))
            value = self.b.select(zero, number(at_least), value)
        # All eight bytes: right for a BLAS with 64-bit integers, and, the low half being in front,
        # for one with 32-bit integers.
        self.b.store(value, address)
        return address

    def _number(self, step: MatMul, value: int) -> ll.Value:
        address = self._slot()
        dtype = step.out.dtype
        real = element_type(REAL_OF.get(dtype, dtype))
        self.b.store(ll.Constant(real, float(value)), address)
        if dtype.kind == "c":
            second = self.b.gep(address, [number(dtype.itemsize // 2)], source_etype=I8)
            self.b.store(ll.Constant(real, 0.0), second)
            self.used += 1
        return address

    def _call(self, step: MatMul, routine: str, arguments: list[ll.Value]) -> None:
        name = f"tracejit_{LETTERS[step.out.dtype.char]}{routine}"
        function = self.context.declare(name, VOID, [PTR] * len(arguments))
        self.b.call(function, arguments)


class counted:
    """A loop `for index in range(start, stop)`, open until `close()`; the builder is inside."""

    def __init__(self, builder: ll.IRBuilder, start: ll.Value, stop: ll.Value) -> None:
        self.b = builder
        before = builder.block
        self.head = builder.append_basic_block("head")
        body = builder.append_basic_block("body")
        self.done = builder.append_basic_block("done")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.index = builder.phi(I64)
        self.index.add_incoming(start, before)
        builder.cbranch(builder.icmp_signed("<", self.index, stop), body, self.done)
        builder.position_at_end(body)

    def close(self) -> None:
        """Go on behind the loop."""
        self.index.add_incoming(self.b.add(self.index, number(1)), self.b.block)
        self.b.branch(self.head)
        self.b.position_at_end(self.done)


def _is_own_transpose(a: MemRef, b: MemRef) -> bool:
    """Whether `b` is `a` with its two axes swapped, in the same memory."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        return False
    same = a.slot == b.slot and a.offset == b.offset
    return same and a.shape == b.shape[::-1] and a.strides == b.strides[::-1]


def goes_by_rows(ref: MemRef) -> bool:
    """Whether the elements of a row are adjacent (else those of a column are)."""
    rows, columns = ref.strides[-2:]
    item = ref.dtype.itemsize
    if columns == item and rows == item:
        return ref.shape[-2] == 1 or ref.shape[-1] != 1
    return columns == item


def batch_strides(ref: MemRef, batch: tuple[Dim, ...]) -> list[Dim]:
    missing = len(batch) - (len(ref.shape) - 2)
    own = [
        0 if dim == 1 else stride
        for dim, stride in zip(ref.shape[:-2], ref.strides[:-2], strict=True)
    ]
    return [0] * missing + own
