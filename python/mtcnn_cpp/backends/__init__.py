"""The backends, which run the networks.

They are the compiled core, the NumPy reference, ONNX Runtime, PyTorch and OpenFace.

All variants of the core, and the reference, give the same bits. The results of the other backends can differ
from these results in the last digits.

Each backend is a module of this package. The module has the name of the backend and a function
`make(name, model, settings)`. `types.BackendName` lists the names. The variants of the core share one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, get_args

from .._util.lazy import lazy_names
from .._util.log import log_info
from ..model import Model
from ..types import BackendName, VariantName
from .engine import Backend, Settings

if TYPE_CHECKING:
    from .onnx import OnnxRunner
    from .torch import TorchRunner

__all__ = ["OnnxRunner", "TorchRunner"]

NAMES: tuple[str, ...] = get_args(BackendName)
VARIANTS: tuple[str, ...] = get_args(VariantName)  # the names of the variants of the core


def make_backend(
    name: str, model: Model, *, providers: Sequence[str] | None = None, threads: int | None = None
) -> Backend:
    """Return a backend.

    Args:
        name: Name of the backend. It is one of `types.BackendName`.
        model: The networks.
        providers: Execution providers of ONNX Runtime, in order of preference. Only the backend "onnx" uses
            them. None: the CPU.
        threads: Number of threads of ONNX Runtime. Only the backend "onnx" uses it. None: the default of ONNX
            Runtime.

    Raises:
        ValueError: If the name is unknown, if this CPU does not support the variant, or if none of the
            providers is available.
        MissingExtra: If the runtime of the backend is not installed.
        ImportError: If the core cannot be imported, or this build has no OpenFace.
    """
    if name not in NAMES:
        raise ValueError(f"backend must be one of {', '.join(NAMES)}, got {name!r}")
    if providers is not None and name != "onnx":
        raise ValueError(f"providers is an option of the backend 'onnx', got the backend {name!r}")
    module = import_module(f".{'core' if name in VARIANTS else name}", __name__)
    settings = Settings(None if providers is None else tuple(providers), threads)
    backend: Backend = module.make(name, model, settings)
    log_info("backend %s: the networks run in %s", name, backend.name)
    return backend


__getattr__, __dir__ = lazy_names(
    __name__,
    {"OnnxRunner": "onnx", "TorchRunner": "torch"},
)
