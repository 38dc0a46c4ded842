"""A JIT compiler for NumPy code: the formula stays, the walks through memory go."""

from tracejit import errors
from tracejit.api import Jitted, jit
from tracejit.config import config
from tracejit.ir.pprint import pprint
from tracejit.printing import debugprint
from tracejit.trace.control import fori_loop, ifelse, while_loop
from tracejit.trace.scan import foldl, foldr, map, reduce, scan, until
from tracejit.trace.signature import TensorSpec

__version__ = "0.1.0"
__all__ = [
    "Jitted",
    "TensorSpec",
    "config",
    "debugprint",
    "errors",
    "foldl",
    "foldr",
    "fori_loop",
    "ifelse",
    "jit",
    "map",
    "pprint",
    "reduce",
    "scan",
    "until",
    "while_loop",
]
