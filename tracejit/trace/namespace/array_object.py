"""What the Array API standard has of an array beside its operators: its namespace and device."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tracejit.trace.registry import is_method, is_property
from tracejit.trace.tensor import Tensor

_SOME = np.empty(0)
"""Checks versions and devices as any array does."""


@is_method("__array_namespace__")
def array_namespace(x: Tensor, /, *, api_version: Any = None) -> ModuleType:
    return _SOME.__array_namespace__(api_version=api_version)


@is_property("device")
def device(x: Tensor) -> str:
    return "cpu"


@is_method("to_device")
def to_device(x: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    _SOME.to_device(device, stream=stream)
    return x
