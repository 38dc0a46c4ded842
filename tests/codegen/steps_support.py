"""Programs of loops, branches and scalar code written by hand, and their run in both back ends."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tracejit.codegen_cpu.compile import compile_program
from tracejit.config import config
from tracejit.ir.dims import Dim, sym
from tracejit.ir.graph import Guard
from tracejit.ir.loops import (
    Address,
    Check,
    Compute,
    Constant,
    Instr,
    Load,
    Nest,
    Operand,
    Put,
    Section,
    SizeOf,
    Store,
    Take,
)
from tracejit.ir.program import (
    STATUS_BITS,
    Buffer,
    MemRef,
    Param,
    Program,
    Result,
    Step,
    contiguous_strides,
)
from tracejit.ir.types import BOOL, INTP, TensorType
from tracejit.source import Loc

F8 = np.dtype("f8")
BODIES = ("llvm", "source")


class Build:
    """A program under construction: arrays that it takes, buffers, symbols."""

    def __init__(self) -> None:
        self.words = 1
        self.symbols: dict[str, int] = {}
        self.params: list[Param] = []
        self.buffers: list[Buffer] = []
        self.results: list[Result] = []

    def word(self) -> int:
        self.words += 1
        return self.words - 1

    def array(self, name: str, *dims: str, dtype: Any = F8) -> MemRef:
        """A C-contiguous parameter with these size symbols."""
        slot = self.words
        dtype = np.dtype(dtype)
        shape = tuple(sym(d) for d in dims)
        param = Param(slot, TensorType(dtype, shape), name=name)
        for k, d in enumerate(dims):
            self.symbols.setdefault(d, slot + 1 + k)
        self.words += param.words
        self.params.append(param)
        return MemRef(slot, 0, contiguous_strides(shape, dtype.itemsize), shape, dtype)

    def temporary(self, *shape: Dim, dtype: Any = F8, result: bool = False) -> MemRef:
        dtype = np.dtype(dtype)
        slot = self.word()
        nbytes: Dim = dtype.itemsize
        for d in shape:
            nbytes = nbytes * d
        self.buffers.append(Buffer(slot, nbytes, result, -1 if result else slot))
        ref = MemRef(slot, 0, contiguous_strides(shape, dtype.itemsize), shape, dtype)
        if result:
            self.results.append(Result(ref))
        return ref

    def symbol(self, name: str) -> int:
        self.symbols[name] = self.word()
        return self.symbols[name]

    def program(self, *steps: Step) -> Program:
        return Program(
            "steps", self.words, tuple(self.params), self.symbols, (), (), (), (),
            tuple(self.buffers), steps, tuple(self.results),
        )  # fmt: skip


class Code:
    """A nest under construction: `code.store(out, code("add", code.load(x), 1.0))`."""

    count = 0

    def __init__(self, line: int = 1) -> None:
        self.body: list[Instr] = []
        self.operands: list[Operand] = []
        self.vars = 0
        self.loc = Loc("model.py", line)

    def operand(self, ref: MemRef, written: bool = False) -> int:
        for k, o in enumerate(self.operands):
            if o.slot == ref.slot:
                self.operands[k] = replace(o, written=o.written or written)
                return k
        self.operands.append(Operand(ref.slot, ref.dtype, written))
        return len(self.operands) - 1

    def new(self, make: Callable[[int], Instr]) -> int:
        self.vars += 1
        self.body.append(make(self.vars - 1))
        return self.vars - 1

    def address(self, ref: MemRef, at: Sequence[Dim], axes: Sequence[int] = (),
                written: bool = False) -> Address:  # fmt: skip
        """`ref[*at]`, with the last of its axes left to the `axes` of the nest."""
        offset = ref.offset
        for index, stride in zip(at, ref.strides, strict=False):
            offset = offset + stride * index
        rest = zip(axes, ref.strides[len(at) :], strict=True)
        return Address(self.operand(ref, written), offset, tuple(rest))

    def load(self, ref: MemRef, *at: Dim, axes: Sequence[int] = ()) -> int:
        address = self.address(ref, at, axes)
        return self.new(lambda v: Load(v, address, ref.dtype))

    def size(self, dim: Dim) -> int:
        return self.new(lambda v: SizeOf(v, dim))

    def const(self, value: Any, dtype: Any = F8) -> int:
        return self.new(lambda v: Constant(v, value, np.dtype(dtype)))

    def __call__(self, op: str, *args: int, dtype: Any = F8, **attrs: Any) -> int:
        return self.new(lambda v: Compute(v, op, args, attrs, np.dtype(dtype)))

    def cast(self, value: int, dtype: Any) -> int:
        kind = np.dtype(dtype)
        return self.new(lambda v: Compute(v, "cast", (value,), {"dtype": kind}, kind))

    def take(self, ref: MemRef, *indices: int) -> int:
        address = self._base(ref)
        return self.new(lambda v: Take(v, address, indices, ref.strides, ref.shape, ref.dtype))

    def _base(self, ref: MemRef, written: bool = False) -> Address:
        return Address(self.operand(ref, written), ref.offset, ())

    def put(self, ref: MemRef, value: int, *indices: int) -> None:
        for index, size in zip(indices, ref.shape, strict=True):
            self.body.append(Check(index, size))
        base = self._base(ref, True)
        self.body.append(Put(base, indices, ref.strides, ref.shape, value, ref.dtype))

    def store(self, ref: MemRef, value: int, *at: Dim, axes: Sequence[int] = ()) -> None:
        self.body.append(Store(self.address(ref, at, axes, True), value, ref.dtype))

    def nest(self, extents: tuple[Dim, ...] = (), sections: Any = None, **more: Any) -> Nest:
        Code.count += 1
        axes = tuple(range(len(extents)))
        found = sections or (Section(axes, tuple(self.body)),)
        return Nest(
            f"nest{Code.count}", extents, (), found, tuple(self.operands), loc=self.loc, **more
        )


def straight(build: Callable[[Code], Any], line: int = 1) -> Nest:
    code = Code(line)
    build(code)
    return code.nest()


def guard(left: Dim, relation: str, right: Dim, line: int = 1) -> Guard:
    return Guard(left, relation, right, Loc("model.py", line))


def run(program: Program, arrays: Sequence[np.ndarray], bodies: str) -> tuple[int, list[Any]]:
    """The status and the results; arrays are changed in place."""
    with config.override(scalar_bodies=bodies, cache_dir=""):
        compiled = compile_program(program)
    frame = np.zeros(compiled.layout.words, np.int64)
    for param, array in zip(program.params, arrays, strict=True):
        assert array.dtype == param.type.dtype and array.flags.c_contiguous
        words = [array.ctypes.data, *array.shape, *array.strides]
        frame[param.slot : param.slot + len(words)] = words
    for slot, array in program.constants:
        frame[slot] = array.ctypes.data
    main = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(compiled.main)
    status = main(frame.ctypes.data)
    found = []
    for result, first in zip(program.results, compiled.layout.results, strict=True):
        if status:
            break
        rank = len(result.ref.shape)
        shape = tuple(frame[first + 1 : first + 1 + rank])
        size = int(np.prod(shape, dtype=int)) * result.ref.dtype.itemsize
        text = ctypes.string_at(int(frame[first]), size)
        found.append(np.frombuffer(text, result.ref.dtype).reshape(shape))
    return status, found


def check(program: Program, arrays: Sequence[np.ndarray], want: Sequence[Any],
          changed: Sequence[np.ndarray] | None = None) -> None:  # fmt: skip
    """Both back ends compute `want`, and make `changed` of the arrays."""
    for bodies in BODIES:
        mine = [np.array(a) for a in arrays]
        status, found = run(program, mine, bodies)
        assert status == 0, (bodies, status)
        for a, b in zip(found, want, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=bodies)
        for a, b in zip(mine, changed if changed is not None else arrays, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=bodies)


def check_fails(program: Program, arrays: Sequence[np.ndarray], code: int, place: Any) -> None:
    """Both back ends end with `code`, found at `place`, one of `program.failing`."""
    for bodies in BODIES:
        status, _ = run(program, [np.array(a) for a in arrays], bodies)
        assert status & ((1 << STATUS_BITS) - 1) == code, (bodies, status)
        assert program.failing[(status >> STATUS_BITS) - 1] == place


__all__ = [
    "BOOL",
    "F8",
    "INTP",
    "Build",
    "Code",
    "check",
    "check_fails",
    "guard",
    "run",
    "straight",
]
