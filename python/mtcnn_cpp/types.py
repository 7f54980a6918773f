"""The shared names of what users pass and get."""

from __future__ import annotations

import os
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from .reference.types import Faces, FloatArray, StageName, Stop, Stopped, Tap

__all__ = ["BackendName", "Color", "Faces", "FloatArray", "ImageLike", "StageName", "Stop", "Stopped", "Tap"]

Color: TypeAlias = Literal["bgr", "rgb"]

BackendName: TypeAlias = Literal[
    "core", "generic", "avx2", "avx512", "reference", "onnx", "torch", "openface"
]


class PilImage(Protocol):
    """What is used of a `PIL.Image.Image`."""

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str) -> Any: ...


# An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the path of an image file, or a PIL image.
ImageLike: TypeAlias = NDArray[Any] | str | os.PathLike[str] | PilImage
