"""Matrix products as calls of BLAS in Numba source."""

from __future__ import annotations

from tracejit.codegen_cpu.llvm_blas import LETTERS, batch_strides, goes_by_rows
from tracejit.codegen_cpu.source_body import Sizes
from tracejit.codegen_cpu.source_scalars import SourceModule
from tracejit.codegen_cpu.source_text import ADD, ATOM, MUL, Names
from tracejit.ir import dims
from tracejit.ir.dims import Dim
from tracejit.ir.program import MatMul, MemRef
from tracejit.source import SourceWriter


class ProductSource:
    """Writes a product at the end of `writer`."""

    def __init__(
        self, module: SourceModule, names: Names, sizes: Sizes, writer: SourceWriter
    ) -> None:
        self.module, self.names, self.sizes, self.writer = module, names, sizes, writer
        self.line = writer.line

    def _address(self, ref: MemRef) -> str:
        offset = "" if ref.offset == 0 else f" + {self.sizes(ref.offset, ADD)}"
        return f"frame[{ref.slot}]{offset}"

    def write(self, step: MatMul) -> None:
        """`step`, once for each matrix of the batch."""
        batch = step.out.shape[:-2]
        refs = (step.a, step.b, step.out)
        addresses = [self._address(ref) for ref in refs]
        comment = f"matmul  {step.loc}" if step.loc else "matmul"
        if all(d == 1 for d in batch):
            self.line("", comment)
            self._product(step, *addresses)
            return
        index = self.names.new("batch")
        count = self.sizes(dims.product(batch))
        with self.writer.block(f"for {index} in range({count}):", comment):
            inner: Dim = 1
            local: list[str] = []
            for axis in reversed(range(len(batch))):
                here = index if inner == 1 else f"({index} // {self.sizes(inner, ATOM)})"
                wrapped = f"({here} % {self.sizes(batch[axis], ATOM)})" if axis else here
                local.insert(0, wrapped)
                inner = inner * batch[axis]
            for k, ref in enumerate(refs):
                for text, stride in zip(local, batch_strides(ref, batch), strict=True):
                    if stride != 0:
                        addresses[k] += f" + {text} * {self.sizes(stride, MUL + 1)}"
            self._product(step, *addresses)

    def _product(self, step: MatMul, a: str, b: str, out: str) -> None:
        """A row-major `out = a @ b` is `out.T = b.T @ a.T` for BLAS, which goes by columns."""
        letter = LETTERS[step.out.dtype.char]
        m, k = step.a.shape[-2:]
        n = step.b.shape[-1]
        if n == 1 or m == 1:
            self._matrix_vector(step, a, b, out, letter)
            return
        trans_b, ld_b = self._leading(step.b)
        trans_a, ld_a = self._leading(step.a)
        sizes = [self.sizes(d) for d in (n, m, k)]
        ld_out = self.sizes(dims.maximum(n, 1))
        self._call_blas(f"{letter}gemm", trans_b, trans_a, *sizes, b, ld_b, a, ld_a, out, ld_out)

    def _matrix_vector(self, step: MatMul, a: str, b: str, out: str, letter: str) -> None:
        item = step.out.dtype.itemsize
        m, k = step.a.shape[-2:]
        n = step.b.shape[-1]
        if n == 1:
            matrix, ref, vector, step_of = a, step.a, b, step.b.strides[-2]
            rows = goes_by_rows(ref)
            shape = (k, m) if rows else (m, k)
            trans = "T" if rows else "N"
        else:
            matrix, ref, vector, step_of = b, step.b, a, step.a.strides[-1]
            rows = goes_by_rows(ref)
            shape = (n, k) if rows else (k, n)
            trans = "N" if rows else "T"
        increment = dims.floordiv(step_of, item)
        by = self.sizes(increment if increment != 0 else 1)
        if not isinstance(increment, int):
            by = f"max({by}, 1)"
        _, leading = self._leading(ref)
        # gemv does nothing where the inner dim is empty.
        with self.writer.block(f"if {self.sizes(k)} == 0:"):
            self.line(self._call("fill_zero", out, self.sizes(dims.product((m, n)) * item)))
        with self.writer.block("else:"):
            shown = [self.sizes(d) for d in shape]
            flag = self._flag(trans)
            self._call_blas(f"{letter}gemv", flag, *shown, matrix, leading, vector, by, out)

    def _flag(self, letter: str) -> str:
        return self.module.backend("TRANSPOSED" if letter == "T" else "PLAIN")

    def _leading(self, ref: MemRef) -> tuple[str, str]:
        """Whether BLAS is to transpose what lies in memory, and the distance between columns."""
        rows = goes_by_rows(ref)
        distance, least = (
            (ref.strides[-2], ref.shape[-1]) if rows else (ref.strides[-1], ref.shape[-2])
        )
        apart = dims.floordiv(distance, ref.dtype.itemsize)
        leading = dims.maximum(apart, dims.maximum(least, 1))
        return self._flag("N" if rows else "T"), self.sizes(leading)

    def _call(self, name: str, *arguments: str) -> str:
        return f"{self.module.backend(name)}({', '.join(arguments)})"

    def _call_blas(self, name: str, *arguments: str) -> None:
        line = self._call(name, *arguments)
        if len(line) <= 90:
            self.line(line)
            return
        with self.writer.block(f"{name}("):
            for argument in arguments:
                self.line(f"{argument},")
        self.line(")")
