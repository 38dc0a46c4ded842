"""Loads and stores of one or many elements, in every dtype and with every stride."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llvmlite.ir as ll
import numpy as np

from tracejit.codegen_cpu.llvm_dims import number
from tracejit.codegen_cpu.llvm_scalars import (
    FLOAT,
    HALF,
    I1,
    I8,
    I32,
    I64,
    PTR,
    LlvmScalars,
    element_type,
    shuffle,
    splat,
)
from tracejit.ir.scalar import REAL_OF, Scalar
from tracejit.ir.types import F2, F4

VOID = ll.VoidType()


def memory_type(dtype: np.dtype) -> ll.Type:
    """The LLVM type of one real element in memory: bool is a byte, float16 a half."""
    if dtype.kind == "b":
        return I8
    return HALF if dtype == F2 else element_type(dtype)


def offset_pointer(builder: ll.IRBuilder, pointer: ll.Value, nbytes: ll.Value) -> ll.Value:
    if isinstance(nbytes, ll.Constant) and nbytes.constant == 0:
        return pointer
    return builder.gep(pointer, [nbytes], source_etype=I8)


class Memory:
    """Access for a builder of `lanes`; `mask` is an i1 vector, or None where all lanes are on.

    `stride` is the distance in bytes between lanes: an int where it is known, else an LLVM value.
    `tags` are put on loads and stores of one lane: metadata that says what else lies elsewhere.
    """

    def __init__(self, o: LlvmScalars) -> None:
        self.o, self.b, self.lanes = o, o.b, o.lanes
        self.tags: Mapping[str, Any] = {}

    def load(
        self, pointer: ll.Value, stride: int | ll.Value, dtype: np.dtype, mask: ll.Value | None
    ) -> Scalar:
        if dtype in REAL_OF:
            return self._load_complex(pointer, stride, dtype, mask)
        return self._from_memory(self._load_real(pointer, stride, dtype, mask), dtype)

    def store(
        self, pointer: ll.Value, stride: int | ll.Value, value: Scalar, mask: ll.Value | None,
        nontemporal: bool = False,
    ) -> None:  # fmt: skip
        if value.dtype in REAL_OF:
            self._store_complex(pointer, stride, value, mask)
            return
        self._store_real(pointer, stride, self._to_memory(value), value.dtype, mask, nontemporal)

    # Registers and memory.

    def _from_memory(self, raw: ll.Value, dtype: np.dtype) -> Scalar:
        o = self.o
        if dtype.kind == "b":
            zero = ll.Constant(raw.type, 0 if self.lanes == 1 else [0] * self.lanes)
            return Scalar(o, dtype, self.b.icmp_unsigned("!=", raw, zero))
        if dtype == F2:
            return Scalar(o, dtype, self.b.fpext(raw, o.type(F4)))
        return Scalar(o, dtype, raw)

    def _to_memory(self, value: Scalar) -> ll.Value:
        if value.dtype.kind == "b":
            return self.b.zext(value.v, self._vector(I8))
        if value.dtype == F2:
            return self.b.fptrunc(value.v, self._vector(HALF))
        return value.v

    def _vector(self, element: ll.Type) -> ll.Type:
        return element if self.lanes == 1 else ll.VectorType(element, self.lanes)

    # Real elements.

    def _load_real(
        self, pointer: ll.Value, stride: int | ll.Value, dtype: np.dtype, mask: ll.Value | None
    ) -> ll.Value:
        element = memory_type(dtype)
        if self.lanes == 1:
            return self._tagged(self.b.load(pointer, typ=element, align=dtype.itemsize))
        vector = self._vector(element)
        if isinstance(stride, int) and stride == dtype.itemsize:
            if mask is None:
                return self.b.load(pointer, typ=vector, align=dtype.itemsize)
            return self._masked("load", vector, dtype, pointer, mask)
        if isinstance(stride, int) and stride == 0:
            value = self.b.load(pointer, typ=element, align=dtype.itemsize)
            return splat(self.b, value, self.lanes)
        pointers = self.lane_pointers(pointer, stride)
        return self.gather(pointers, dtype, mask)

    def _store_real(
        self, pointer: ll.Value, stride: int | ll.Value, raw: ll.Value, dtype: np.dtype,
        mask: ll.Value | None, nontemporal: bool,
    ) -> None:  # fmt: skip
        if self.lanes == 1:
            self._tagged(self.b.store(raw, pointer, align=dtype.itemsize))
            return
        if isinstance(stride, int) and stride == dtype.itemsize:
            if mask is not None:
                self._masked("store", raw.type, dtype, pointer, mask, raw)
            else:
                align = dtype.itemsize * self.lanes if nontemporal else dtype.itemsize
                store = self.b.store(raw, pointer, align=align)
                if nontemporal:
                    node = self.o.context.module.add_metadata([I32(1)])
                    store.set_metadata("nontemporal", node)
            return
        if isinstance(stride, int) and stride == 0:
            # Every lane writes the same place: the last one that is on wins.
            raise AssertionError("a vector store needs a stride")
        self.scatter(self.lane_pointers(pointer, stride), raw, dtype, mask)

    def _tagged(self, access: Any) -> Any:
        for name, node in self.tags.items():
            access.set_metadata(name, node)
        return access

    def _masked(
        self, what: str, vector: ll.Type, dtype: np.dtype, pointer: ll.Value, mask: ll.Value,
        raw: ll.Value | None = None,
    ) -> ll.Value:  # fmt: skip
        name = f"llvm.masked.{what}.{_mangled(vector)}.p0"
        align = I32(dtype.itemsize)
        if what == "load":
            zero = ll.Constant(vector, None)
            function = self.o.context.declare(name, vector, [PTR, I32, mask.type, vector])
            return self.b.call(function, [pointer, align, mask, zero])
        function = self.o.context.declare(name, VOID, [vector, PTR, I32, mask.type])
        return self.b.call(function, [raw, pointer, align, mask])

    def lane_pointers(self, pointer: ll.Value, stride: int | ll.Value) -> ll.Value:
        """The address of each lane's element."""
        steps = ll.Constant(ll.VectorType(I64, self.lanes), list(range(self.lanes)))
        by = number(stride) if isinstance(stride, int) else stride
        return self.spread(pointer, self.b.mul(steps, splat(self.b, by, self.lanes)))

    def spread(self, pointer: ll.Value, offsets: ll.Value) -> ll.Value:
        """An address for each lane: `pointer`, one or a vector of them, plus bytes.

        Through integers, because llvmlite gives an address computation with a vector index the type
        of a single pointer.
        """
        if isinstance(pointer.type, ll.VectorType):
            base = self.b.ptrtoint(pointer, ll.VectorType(I64, self.lanes))
        else:
            base = splat(self.b, self.b.ptrtoint(pointer, I64), self.lanes)
        return self.b.inttoptr(self.b.add(base, offsets), ll.VectorType(PTR, self.lanes))

    def load_many(self, pointers: ll.Value, dtype: np.dtype, mask: ll.Value | None) -> Scalar:
        """An element for each lane from an address of its own."""
        if dtype not in REAL_OF:
            return self._from_memory(self.gather(pointers, dtype, mask), dtype)
        real = REAL_OF[dtype]
        second = self.spread(pointers, splat(self.b, number(real.itemsize), self.lanes))
        parts = [Scalar(self.o, real, self.gather(p, real, mask)) for p in (pointers, second)]
        return self.o.complex(*parts)

    def gather(self, pointers: ll.Value, dtype: np.dtype, mask: ll.Value | None) -> ll.Value:
        vector = self._vector(memory_type(dtype))
        mask = mask if mask is not None else self.all_on()
        name = f"llvm.masked.gather.{_mangled(vector)}.v{self.lanes}p0"
        many = ll.VectorType(PTR, self.lanes)
        function = self.o.context.declare(name, vector, [many, I32, mask.type, vector])
        zero = ll.Constant(vector, None)
        return self.b.call(function, [pointers, I32(dtype.itemsize), mask, zero])

    def scatter(
        self, pointers: ll.Value, raw: ll.Value, dtype: np.dtype, mask: ll.Value | None
    ) -> None:
        mask = mask if mask is not None else self.all_on()
        name = f"llvm.masked.scatter.{_mangled(raw.type)}.v{self.lanes}p0"
        many = ll.VectorType(PTR, self.lanes)
        function = self.o.context.declare(name, VOID, [raw.type, many, I32, mask.type])
        self.b.call(function, [raw, pointers, I32(dtype.itemsize), mask])

    def all_on(self) -> ll.Value:
        return ll.Constant(ll.VectorType(I1, self.lanes), [1] * self.lanes)

    # Complex elements: real and imaginary parts alternate.

    def _load_complex(
        self, pointer: ll.Value, stride: int | ll.Value, dtype: np.dtype, mask: ll.Value | None
    ) -> Scalar:
        real = REAL_OF[dtype]
        n = self.lanes
        if n > 1 and isinstance(stride, int) and stride == dtype.itemsize and mask is None:
            both = self.b.load(
                pointer, typ=ll.VectorType(element_type(real), 2 * n), align=real.itemsize
            )
            re = shuffle(self.b, both, both, list(range(0, 2 * n, 2)))
            im = shuffle(self.b, both, both, list(range(1, 2 * n, 2)))
        else:
            re = self._load_real(pointer, stride, real, mask)
            second = offset_pointer(self.b, pointer, number(real.itemsize))
            im = self._load_real(second, stride, real, mask)
        o = self.o
        return o.complex(Scalar(o, real, re), Scalar(o, real, im))

    def _store_complex(
        self, pointer: ll.Value, stride: int | ll.Value, value: Scalar, mask: ll.Value | None
    ) -> None:
        re, im = value.v
        real = re.dtype
        n = self.lanes
        if n > 1 and isinstance(stride, int) and stride == value.dtype.itemsize and mask is None:
            order = [k // 2 + (k % 2) * n for k in range(2 * n)]
            self.b.store(shuffle(self.b, re.v, im.v, order), pointer, align=real.itemsize)
            return
        self._store_real(pointer, stride, re.v, real, mask, False)
        second = offset_pointer(self.b, pointer, number(real.itemsize))
        self._store_real(second, stride, im.v, real, mask, False)


def _mangled(vector: ll.VectorType) -> str:
    element = vector.element
    if isinstance(element, ll.IntType):
        return f"v{vector.count}i{element.width}"
    return f"v{vector.count}" + {HALF: "f16", FLOAT: "f32"}.get(element, "f64")
