"""Comparisons, logic and selection."""
from __future__ import annotations
import numpy as np
from tracejit.ir.opdef import elementwise_infer, op
op("select", body=lambda o, c, a, b: o.select(c, a, b), evaluate=np.where,
   infer=elementwise_infer(lambda c, a, b: a))
