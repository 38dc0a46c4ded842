"""Elementwise arithmetic."""
from __future__ import annotations
import numpy as np
from tracejit.ir.opdef import elementwise_infer, op
op("add", np.add, body=lambda o, x, y: x + y if x.dtype != bool else x | y, commutative=True)
op("mul", np.multiply, body=lambda o, x, y: x * y if x.dtype != bool else x & y, commutative=True)
op("sin", np.sin, body=lambda o, x: o.call("sin", x) if x.dtype.kind != "c" else o.complex_call("csin", x), domain=(-100, 100), flops=15)
op("exp", np.exp, body=lambda o, x: o.call("exp", x) if x.dtype.kind != "c" else o.complex_call("cexp", x), domain=(-10, 10), flops=10)
op("cast", body=lambda o, x, dtype: o.cast(x, dtype), evaluate=lambda x, dtype: x.astype(dtype), infer=elementwise_infer(lambda x, dtype: dtype))
