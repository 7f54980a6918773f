"""Ports of the detector: ONNX and PyTorch out and in, verified layer by layer, and a doctor for the ports
of others.

The names below are imported when first used; onnx, onnxruntime and torch are extras.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "MissingExtra": "errors",
    "OnnxRunner": "onnx_runner",
    "PortError": "errors",
    "TorchRunner": "torch_runner",
    "diagnose": "doctor",
    "export_onnx": "onnx_export",
    "export_torch": "torch_io",
    "import_model": "read",
    "verify": "verify",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
