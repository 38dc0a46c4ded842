"""Control flow: branches and loops, whose bodies are blocks, and memory that they fill.

`ifelse`: inputs are the condition (bool, rank 0) and what the blocks read; `blocks` are the two
sides, whose params are these inputs without the condition and whose results are the outputs. One
side runs. With the attribute `lazy` what leads to just one of them is not to raise an error where
the other one runs.

`loop`: inputs are what the loop carries, then what its body reads besides; the one block has a
param for each of them, and for each carried value a result, what it is after the step. Attributes:
`symbol`, the size symbol that counts the steps from 0 and is known inside the block; `count`, how
many steps there are at most (a dim, None where nothing bounds them); `carried`, how many values are
carried; `test`, the number of a carried bool which says, before each step, whether it is to run
(None: it always is). The outputs are the carried values after the last step.

Both are run by the interpreter and by compiled code, never by `evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.opdef import Attrs, OpDef, register
from tracejit.ir.types import TensorType


def _as_declared(types: Sequence[TensorType], attrs: Attrs) -> tuple[TensorType, ...]:
    raise TypeError("the types of control flow are those of its blocks")


def _never(*arrays: Any, **attrs: Any) -> Any:
    raise TypeError("blocks are run by whoever has the graph")


register(
    OpDef(
        "ifelse",
        "control",
        _as_declared,
        _never,
        doc="The results of the first block where the condition holds, else of the second.",
    )
)

register(
    OpDef(
        "loop",
        "control",
        _as_declared,
        _never,
        doc="The carried values after repeating the block.",
    )
)

register(
    OpDef(
        "empty",
        "structural",
        lambda types, attrs: (TensorType(attrs["dtype"], tuple(attrs["shape"])),),
        lambda shape, dtype: np.zeros(shape, dtype),
        doc="Fresh memory that is written before it is read.",
    )
)
