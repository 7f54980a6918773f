"""Files of others, in and out: ONNX, PyTorch, npz, npy, joblib and `.dat`.

The names below are imported when first used; onnx and torch are extras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import MissingExtra, PortError
    from .onnx.export import export_onnx
    from .read import import_model
    from .state_dict import export_torch

__all__ = ["MissingExtra", "PortError", "export_onnx", "export_torch", "import_model"]

_HOMES = {
    "MissingExtra": "errors",
    "PortError": "errors",
    "export_onnx": "onnx.export",
    "export_torch": "state_dict",
    "import_model": "read",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
