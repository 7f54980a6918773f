"""Detection for the classes of this package. Images are RGB, and boxes are those that ONet predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..detections.result import Detections
from ..detector.detector import Detector
from ..media.crops import onet_boxes
from ..media.image.pixels import is_pil


def detect_whole_faces(detector: Detector, images: Sequence[Any]) -> list[Detections]:
    """Find the faces in each RGB image, sorted by descending score. The boxes are those that ONet predicts.

    Args:
        detector: The detector.
        images: Arrays (H, W, 3) RGB, tensors of the same shape, PIL images, or paths of image files.
    """
    arrays = [to_array(image) for image in images]
    if len(arrays) == 1:  # so that errors do not contain an image number
        found = [detector.detect(arrays[0], color="rgb")]
    else:
        found = detector.detect_batch(arrays, color="rgb")
    return [dataclasses.replace(faces, boxes=onet_boxes(faces.boxes)) for faces in found]


def to_array(image: Any) -> Any:
    """Return the stored RGB pixels of a PIL image or a tensor. An array or a path is returned unchanged."""
    if is_pil(image):  # not rotated by its Exif orientation, because the boxes refer to the stored pixels
        return np.asarray(image.convert("RGB"))
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    return image.numpy() if hasattr(image, "numpy") else image


def check_device(device: object, cpu: str) -> None:
    """Raise ValueError if `device` is not a CPU. The message recommends the name `cpu`."""
    if not str(device).lower().removeprefix("/").removeprefix("device:").startswith("cpu"):
        raise ValueError(
            f"device must be the CPU, got {str(device)!r}; mtcnn_cpp computes on the CPU, pass device={cpu!r}"
        )
