"""OpenFace's MTCNN face detector, with bit-identical results.

from mtcnn_cpp import Detector
faces = Detector().detect(image_bgr)
faces.boxes, faces.scores, faces.landmarks
"""

from typing import TYPE_CHECKING, Any

from ._util.errors import MissingExtra, MtcnnError
from .detections.result import Detection, Detections
from .detector.batch import BatchError
from .detector.detector import Detector
from .detector.face_detector_mtcnn import FaceDetectorMTCNN
from .media.annotation import annotate
from .media.image import read_image, sample_image
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
    "MissingExtra",
    "Model",
    "MtcnnError",
    "Trace",
    "__version__",
    "annotate",
    "compare",
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
