"""Files of others, in and out: ONNX, PyTorch, npz, npy, joblib and `.dat`.

The names below are imported when first used; onnx and torch are extras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .errors import MissingExtra, PortError
    from .onnx.export import export_onnx
    from .onnx.guarded import graph_limits
    from .read import import_model
    from .state_dict import export_torch

__all__ = ["MissingExtra", "PortError", "export_onnx", "export_torch", "graph_limits", "import_model"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MissingExtra": "errors",
        "PortError": "errors",
        "export_onnx": "onnx.export",
        "export_torch": "state_dict",
        "graph_limits": "onnx.guarded",
        "import_model": "read",
    },
)
