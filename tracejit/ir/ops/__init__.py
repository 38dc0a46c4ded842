"""The records of every op; importing this package fills `opdef.OPS`.

A file of this folder is loaded because it is there.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
