"""Who computes: the compiled core in one of its variants, or the NumPy reference, all with the same bits;
or the networks in another runtime, whose last digits differ; or the original, where it is installed.

A backend is a module here that is named like it and has `make(name, model, settings)`; its name stands in
`types.BackendName`. The variants of the core share one module.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, get_args

from ..lazy import lazy_names
from ..model import Model
from ..types import BackendName, VariantName
from .protocol import Backend, Settings

if TYPE_CHECKING:
    from .onnx import OnnxRunner
    from .torch import TorchRunner

__all__ = ["Backend", "OnnxRunner", "TorchRunner", "make_backend"]

NAMES: tuple[str, ...] = get_args(BackendName)
VARIANTS: tuple[str, ...] = get_args(VariantName)  # of the core


def make_backend(
    name: str, model: Model, *, providers: Sequence[str] | None = None, threads: int = 0
) -> Backend:
    """The backend of that name; ValueError for an unknown name, a variant that this CPU cannot run or
    providers that are not there, ImportError for a runtime that is not installed.

    `providers` (of ONNX Runtime) and `threads` (0: its own choice) are settings of "onnx" alone.
    """
    if name not in NAMES:
        raise ValueError(f"backend must be one of {', '.join(NAMES)}, got {name!r}")
    if providers is not None and name != "onnx":
        raise ValueError(f"providers are a setting of backend 'onnx', the backend is {name!r}")
    home = import_module(f".{'core' if name in VARIANTS else name}", __name__)
    settings = Settings(None if providers is None else tuple(providers), threads)
    backend: Backend = home.make(name, model, settings)
    return backend


__getattr__, __dir__ = lazy_names(
    __name__,
    {"OnnxRunner": "onnx", "TorchRunner": "torch"},
)
