"""Import networks from ONNX, PyTorch, npz, npy, joblib and `.dat` files, and export networks.

Each name below is imported at its first use, because onnx and torch are optional packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.lazy import lazy_names

if TYPE_CHECKING:
    from .errors import PortError
    from .importer import import_model
    from .onnx.export import export_onnx
    from .onnx.process import graph_limits
    from .state_dict import export_torch

__all__ = ["PortError", "export_onnx", "export_torch", "graph_limits", "import_model"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PortError": "errors",
        "export_onnx": "onnx.export",
        "export_torch": "state_dict",
        "graph_limits": "onnx.process",
        "import_model": "importer",
    },
)
