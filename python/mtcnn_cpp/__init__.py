"""OpenFace's MTCNN face detector, bit for bit.

from mtcnn_cpp import Detector
faces = Detector().detect(image_bgr)
faces.boxes, faces.scores, faces.landmarks
"""

from typing import TYPE_CHECKING, Any

from .batch import BatchError
from .detections import Detection, Detections
from .detector import Detector
from .drawing import draw
from .face_detector_mtcnn import FaceDetectorMTCNN
from .image import read_image, sample_image
from .model import Model

if TYPE_CHECKING:
    from .trace import Trace, compare

    __version__: str

__all__ = [
    "BatchError",
    "Detection",
    "Detections",
    "Detector",
    "FaceDetectorMTCNN",
    "Model",
    "Trace",
    "__version__",
    "compare",
    "draw",
    "read_image",
    "sample_image",
]


def __getattr__(name: str) -> Any:
    if name in ("Trace", "compare"):
        from . import trace

        return getattr(trace, name)
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("mtcnn-cpp")
        except metadata.PackageNotFoundError:  # run from the source tree
            return "unknown (not installed)"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
