"""Reductions over outer axes with the innermost one kept, as loop nests."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.ir.loops import Address, Compute, Constant, Index, Load, Nest, Store
from tracejit.ir.opdef import OPS
from tracejit.ir.ops.reduce import ARG_REDUCTIONS, identity
from tracejit.ir.types import BOOL, INTP
from tracejit.passes import maps
from tracejit.passes.maps import Map
from tracejit.passes.nest_builder import Code, Key, NestBuilder, Output

COLUMN_CHUNK = 512


class ColumnNests:
    """Reductions over outer axes with the innermost one kept: accumulators are rows of scratch."""

    def __init__(self, b: NestBuilder) -> None:
        self.b = b
        assert b.inner is not None
        self.lane = b.inner
        self.outer = tuple(a for a in b.live if a not in b.reduced and a != self.lane)
        self.loop = (*(a for a in b.live if a in b.reduced), self.lane)
        if not self.outer:
            b.chunk = (self.lane, COLUMN_CHUNK)
        self.row = Code((), b.prologue)
        self.sections: list[Code] = [self.row]

    def build(self) -> Nest:
        b = self.b
        reduces: dict[int, list[Key]] = {}
        for key in b.all_keys:
            node = b.computed(key)
            if node is not None and OPS[node.op].kind == "reduce":
                reduces.setdefault(b.stage(key) - 1, []).append(key)
        full: dict[int, list[Output]] = {}
        for output in b.outputs:
            if self._full(output.map):
                full.setdefault(b.stage(output.key), []).append(output)
        for stage in range(max([*reduces, *full], default=-1) + 1):
            init = self._section((self.lane,))
            main = Code(self.loop, self.row)
            for key in reduces.get(stage, []):
                self._accumulate(key, init, main)
            for output in full.get(stage, []):
                self._store(output, main)
            self.sections.append(main)
        for output in b.outputs:
            if not self._full(output.map):
                self._store(output, self._section((self.lane,)))
        return b.finish(self.outer, self.sections)

    def _full(self, map: Map) -> bool:
        return any(a in self.b.reduced for a in maps.axes_of(map))

    def _section(self, axes: tuple[int, ...]) -> Code:
        code = Code(axes, self.row)
        self.sections.append(code)
        return code

    def place(self, key: Key, code: Code) -> Code:
        b = self.b
        axes = maps.axes_of(key[1])
        if not axes and not b.stage(key):
            return b.prologue
        if axes <= set(self.outer) and not b.stage(key):
            return self.row
        if (
            code.axes == self.loop
            and not self._full(key[1])
            and key not in b.spilled
            and b.computed(key) is not None
        ):
            self._keep_row(key)
        return code

    def _keep_row(self, key: Key) -> None:
        """Compute a row value once, in front of the loops over reduced axes, into scratch."""
        b = self.b
        section = self._section((self.lane,))
        var = b.emit(key, section, self.place)
        dtype = key[0].type.dtype
        address = b.new_scratch(dtype, (self.lane,))
        section.body.append(Store(address, var, dtype))
        b.spilled[key] = address

    def _accumulate(self, key: Key, init: Code, main: Code) -> None:
        b = self.b
        node = b.producer[key[0]]
        (source,) = b.reads(key)
        dtype = source[0].type.dtype
        value = b.emit(source, main, self.place)
        acc = b.new_scratch(dtype, (self.lane,))
        self._fill(init, acc, identity(node.op, dtype), dtype)
        old = b.var()
        main.body.append(Load(old, acc, dtype))
        if node.op not in ARG_REDUCTIONS:
            new = b.var()
            main.body.append(Compute(new, node.op, (old, value), {}, dtype))
            main.body.append(Store(acc, new, dtype))
            b.spilled[key] = acc
            return
        position = b.new_scratch(INTP, (self.lane,))
        self._fill(init, position, np.int64(0), INTP)
        (axis,) = b._reduced_axes(node)
        index, first, at, better, take, best, where, zero = (b.var() for _ in range(8))
        main.body += [
            Index(index, axis, 0, 1, INTP),
            Constant(zero, np.int64(0), INTP),
            Compute(first, "equal", (index, zero), {}, BOOL),
            Load(at, position, INTP),
            Compute(better, node.op, (value, old), {}, BOOL),
            Compute(take, "logical_or", (first, better), {}, BOOL),
            Compute(best, "select", (take, value, old), {}, dtype),
            Compute(where, "select", (take, index, at), {}, INTP),
            Store(acc, best, dtype),
            Store(position, where, INTP),
        ]
        b.spilled[key] = position

    def _fill(self, code: Code, address: Address, value: Any, dtype: np.dtype) -> None:
        var = self.b.var()
        code.body += [Constant(var, value, dtype), Store(address, var, dtype)]

    def _store(self, output: Output, code: Code) -> None:
        b = self.b
        value, map = output.value, output.map
        var = b.emit(output.key, code, self.place)
        code.body.append(Store(b.address(value, map, True), var, value.type.dtype))
        if code.axes == self.loop and b.computed(output.key) is not None:
            b.spilled.setdefault(output.key, b.address(value, map))
