"""Types of the public interface."""

from __future__ import annotations

import os
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from .reference.types import FloatArray, Hook, StageName

__all__ = [
    "BackendName",
    "Color",
    "FaceTemplate",
    "FloatArray",
    "Hook",
    "ImageLike",
    "StageName",
    "VariantName",
    "VideoReaderName",
]

Color: TypeAlias = Literal["bgr", "rgb"]
# Recognition networks for which `Detections.aligned` makes images.
FaceTemplate: TypeAlias = Literal["arcface", "facenet"]

# Variants of the core for all processors. `_core.isa_variants()` returns the variants that this build
# contains.
VariantName: TypeAlias = Literal["generic", "neon", "avx2", "avx512"]
# Backends whose results have the same bits as the results of the core.
ExactBackendName: TypeAlias = Literal[VariantName, "reference"]
BackendName: TypeAlias = Literal["core", ExactBackendName, "onnx", "torch", "openface"]
# Libraries that read videos.
VideoReaderName: TypeAlias = Literal["opencv", "pyav"]


class PilImage(Protocol):
    """The part of `PIL.Image.Image` that this package uses."""

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str) -> Any: ...


class BinaryFile(Protocol):
    """A file object that returns bytes, such as `io.BytesIO` or the result of `open(path, "rb")`."""

    def read(self, size: int = ..., /) -> bytes: ...


class DLPackArray(Protocol):
    """A tensor or array that supports the DLPack protocol, for example one from PyTorch or JAX."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __dlpack_device__(self) -> Any: ...


class ConvertibleArray(Protocol):
    """An array of a library other than NumPy. NumPy can convert such an array."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


# The content of an image file, such as PNG or JPEG.
ImageContent: TypeAlias = bytes | bytearray | memoryview | BinaryFile
# An array or tensor of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the path or the content of an image
# file, or a PIL image.
ImageLike: TypeAlias = (
    NDArray[Any] | DLPackArray | ConvertibleArray | str | os.PathLike[str] | ImageContent | PilImage
)
