"""Who computes: the compiled core in one of its variants, or the NumPy reference, all with the same bits;
or another runtime, whose sums have an order of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .model import Model
from .reference import cascade, network
from .reference.options import Options

Stage: TypeAlias = Literal["pnet", "rnet", "onet"]
Tap: TypeAlias = Callable[[str, NDArray[Any]], None]
FloatArray: TypeAlias = NDArray[np.float32]
Faces: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]  # boxes (N, 4), scores (N,), landmarks (N, 5, 2)


class Backend(Protocol):
    """A detector on checked pixels: (H, W, 3 or 4) uint8 or (H, W, 3) float32 (see `image.Pixels`)."""

    @property
    def name(self) -> str: ...

    def detect(
        self, image: NDArray[Any], *, red_first: bool, options: Options, threads: int, tap: Tap | None
    ) -> Faces:
        """The whole cascade; `tap` gets name and array (read-only) of every tensor, in execution order."""
        ...

    def layer(self, stage: Stage, name: str, maps: FloatArray) -> FloatArray:
        """The output of one layer alone, of maps (C, H, W) or values (C,)."""
        ...

    def forward(self, stage: Stage, maps: FloatArray) -> FloatArray:
        """The output of a network, of maps (N, 3, H, W): pnet (N, 6, h, w), rnet (N, 6), onet (N, 16)."""
        ...


class CoreBackend:
    """The compiled core; `isa` forces one of its variants, "" takes the best that this CPU has."""

    def __init__(self, model: Model, isa: str = "") -> None:
        self._core = import_core().Detector(model.pnet, model.rnet, model.onet, isa)

    @property
    def name(self) -> str:
        return str(self._core.isa)

    def detect(
        self, image: NDArray[Any], *, red_first: bool, options: Options, threads: int, tap: Tap | None
    ) -> Faces:
        faces: Faces = self._core.detect(
            image, red_first, options.min_face, options.thresholds, options.scale_factor, threads, tap
        )
        return faces

    def layer(self, stage: Stage, name: str, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.layer(stage, name, maps)
        return output

    def forward(self, stage: Stage, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.forward(stage, maps)
        return output


class ReferenceBackend:
    """The reference in NumPy, on one thread."""

    name = "reference"

    def __init__(self, model: Model) -> None:
        self._networks = network.Networks(model.pnet, model.rnet, model.onet)

    def detect(
        self, image: NDArray[Any], *, red_first: bool, options: Options, threads: int, tap: Tap | None
    ) -> Faces:
        return cascade.detect(self._networks, image, red_first=red_first, options=options, tap=tap)

    def layer(self, stage: Stage, name: str, maps: FloatArray) -> FloatArray:
        layers = self._networks.stages[stage]
        if name not in layers.names:
            raise ValueError(f"{stage} has no layer {name!r}, it has {', '.join(layers.names)}")
        return network.run(layers.layers[layers.names.index(name)], maps)

    def forward(self, stage: Stage, maps: FloatArray) -> FloatArray:
        return self._networks.forward(stage, maps)


def import_core() -> Any:
    """The module `_core`, or an ImportError that says what to do."""
    try:
        from . import _core
    except ImportError as error:
        raise ImportError(
            f"the compiled core of mtcnn_cpp cannot be imported: {error}. "
            "Install the package again (pip install .), or use backend='reference'"
        ) from error
    return _core


BACKENDS: dict[str, Callable[[Model], Backend]] = {
    "core": CoreBackend,
    "generic": partial(CoreBackend, isa="generic"),
    "avx2": partial(CoreBackend, isa="avx2"),
    "avx512": partial(CoreBackend, isa="avx512"),
    "reference": ReferenceBackend,
}


def make_backend(
    name: str, model: Model, *, providers: Sequence[str] | None = None, threads: int = 0
) -> Backend:
    """The backend of that name; ValueError for an unknown name, a variant that this CPU cannot run or
    providers that are not there, ImportError for a runtime that is not installed.

    `providers` (of ONNX Runtime) and `threads` (0: its own choice) are settings of "onnx" alone.
    """
    if name == "onnx":
        from .ports.onnx_runner import onnx_backend

        return onnx_backend(model, providers=providers, threads=threads)
    if providers is not None:
        raise ValueError(f"providers are a setting of backend 'onnx', the backend is {name!r}")
    if name == "torch":
        from .ports.torch_runner import torch_backend

        return torch_backend(model)
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, onnx, torch, got {name!r}")
    return BACKENDS[name](model)
