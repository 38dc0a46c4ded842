"""Programs of one nest for each case of the table of ops, run through the Numba source."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.codegen_cpu.compile import compile_program
from tracejit.config import config
from tracejit.ir.dims import sym
from tracejit.ir.loops import Address, Compute, Instr, Load, Nest, Operand, Section, Store
from tracejit.ir.opdef import OpDef
from tracejit.ir.program import Param, Program
from tracejit.ir.types import TensorType

Case = tuple[OpDef, list[np.ndarray], dict[str, Any], np.dtype]
"""A record, its arguments (of one length), its attributes, the dtype of the result."""


def program_of(cases: Sequence[Case]) -> tuple[Program, list[np.ndarray], list[np.ndarray]]:
    """A program that does every case, the arrays it takes, and those among them it fills."""
    arrays: list[np.ndarray] = []
    results: list[np.ndarray] = []
    params: list[Param] = []
    symbols: dict[str, int] = {}
    nests: list[Nest] = []

    def param(array: np.ndarray, name: str) -> tuple[int, str]:
        slot = 1 + 3 * len(params)
        size = f"n{len(params)}"
        symbols[size] = slot + 1
        params.append(Param(slot, TensorType(array.dtype, (sym(size),)), name=name))
        arrays.append(array)
        return slot, size

    for k, (record, inputs, attrs, dtype) in enumerate(cases):
        result = np.zeros(inputs[0].shape, dtype)
        results.append(result)
        body: list[Instr] = []
        operands: list[Operand] = []
        for j, array in enumerate(inputs):
            slot, _ = param(np.ascontiguousarray(array), f"x{j}")
            operands.append(Operand(slot, array.dtype))
            body.append(Load(j, Address(j, 0, ((0, array.dtype.itemsize),)), array.dtype))
        slot, size = param(result, "out")
        n = len(inputs)
        operands.append(Operand(slot, dtype, True))
        body.append(Compute(n, record.name, tuple(range(n)), attrs, dtype))
        body.append(Store(Address(n, 0, ((0, dtype.itemsize),)), n, dtype))
        section = Section((0,), tuple(body))
        extents, name = (sym(size),), record.name
        nests.append(Nest(f"nest{k}", extents, (), (section,), tuple(operands), title=name))
    program = Program(
        "table", 1 + 3 * len(params), tuple(params), symbols, (), (), (), (), (), tuple(nests), ()
    )
    return program, arrays, results


def run_cases(cases: Sequence[Case], scalar_bodies: str = "source") -> list[np.ndarray]:
    """What the compiled program makes of every case."""
    program, arrays, results = program_of(cases)
    with config.override(scalar_bodies=scalar_bodies, cache_dir=""):
        compiled = compile_program(program)
    frame = np.zeros(compiled.layout.words, np.int64)
    for param, array in zip(program.params, arrays, strict=True):
        frame[param.slot : param.slot + 3] = array.ctypes.data, len(array), array.itemsize
    main = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(compiled.main)
    assert main(frame.ctypes.data) == 0
    return results
