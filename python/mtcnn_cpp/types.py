"""The shared names of what users pass and get."""

from __future__ import annotations

import os
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from .reference.types import Faces, FloatArray, StageName, Stop, Stopped, Tap

__all__ = [
    "BackendName",
    "Color",
    "Faces",
    "FloatArray",
    "ImageLike",
    "StageName",
    "Stop",
    "Stopped",
    "Tap",
    "VariantName",
]

Color: TypeAlias = Literal["bgr", "rgb"]

# The variants of the core, of all processors; what a build has is told by `_core.isa_variants()`.
VariantName: TypeAlias = Literal["generic", "neon", "avx2", "avx512"]
BackendName: TypeAlias = Literal["core", VariantName, "reference", "onnx", "torch", "openface"]


class PilImage(Protocol):
    """What is used of a `PIL.Image.Image`."""

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str) -> Any: ...


# An array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the path of an image file, or a PIL image.
ImageLike: TypeAlias = NDArray[Any] | str | os.PathLike[str] | PilImage
