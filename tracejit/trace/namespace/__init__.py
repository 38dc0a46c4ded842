"""NumPy's names on traced tensors; importing this package fills the tables of `trace/registry.py`.

Everything here is written in terms of `prim.py` and `views.py` of the folder above. A file of this
folder is loaded because it is there.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
