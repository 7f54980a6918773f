"""The class `MTCNN` of mtcnn 1.0 with this package's detector.

In a program, replace `from mtcnn import MTCNN` by `from mtcnn_cpp.compat.mtcnn import MTCNN`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detections.result import Detections
from ..detector.detector import Detector
from ..media.image.read import decode_image
from .cascade import check_device, detect_whole_faces

__all__ = ["MTCNN"]

_STAGES = "face_and_landmarks_detection"
_DEFAULTS = {
    "min_face_size": 20,
    "scale_factor": 0.709,
    "threshold_pnet": 0.6,
    "threshold_rnet": 0.7,
    "threshold_onet": 0.8,
}
_FIXED = {"min_size": 12, "nms_pnet1": 0.5, "nms_pnet2": 0.7, "nms_rnet": 0.7, "nms_onet": 0.7}
_POINTS = {"nose": 2, "mouth_right": 4, "right_eye": 1, "left_eye": 0, "mouth_left": 3}


class MTCNN:
    """The detector with the interface of `mtcnn.MTCNN`.

    The docs page "Coming from another detector" lists the differences from mtcnn.

    Args:
        stages: Must be "face_and_landmarks_detection", because the cascade always runs all networks.
        device: Must be the CPU, for example "CPU:0".

    Raises:
        ValueError: If `stages` or `device` has a value that is not allowed.

    Example:
        faces = MTCNN().detect_faces("photo.jpg")
        print(faces[0]["box"], faces[0]["keypoints"]["nose"])
    """

    def __init__(self, stages: Any = _STAGES, device: str = "CPU:0") -> None:
        if stages != _STAGES:
            raise ValueError(
                f"stages must be {_STAGES!r}, got {stages!r}; mtcnn_cpp always runs PNet, RNet and ONet. "
                "For other networks use mtcnn_cpp.Detector(model)"
            )
        check_device(device, "CPU:0")
        self.device = device
        self._detector = Detector()

    def detect_faces(
        self,
        image: Any,
        fit_to_image: bool = True,
        limit_boundaries_landmarks: bool = False,
        box_format: str = "xywh",
        output_type: str = "json",
        postprocess: bool = True,
        batch_stack_justification: str = "center",
        **kwargs: Any,
    ) -> Any:
        """Find the faces in an image, or in each image of a list.

        Args:
            image: Path or bytes of an image file, array (H, W, 3) RGB, or a list of such objects. The images
                of a list may have different sizes.
            fit_to_image: Limit boxes to the image.
            limit_boundaries_landmarks: Limit landmarks to the image. This has an effect only if boxes are
                limited.
            box_format: "xywh" (x, y, width, height) or "xyxy" (x1, y1, x2, y2).
            output_type: "json" or "numpy".
            postprocess: If false, neither boxes nor landmarks are limited to the image.
            batch_stack_justification: Ignored, because each image is processed separately and without
                padding.
            **kwargs: `min_face_size` (default 20 pixels), `scale_factor` (0.709), `threshold_pnet` (0.6),
                `threshold_rnet` (0.7) and `threshold_onet` (0.8). `min_size` and the thresholds of
                non-maximum suppression must have their default values.

        Returns:
            With "json", a list of one dictionary per face, sorted by descending confidence: "box" (integers),
            "confidence" and "keypoints" (integers). For a list of images, a list with one such list per
            image. With "numpy", an array (N, 16) float64 with one row per face: number of the image, box,
            confidence, x of five landmarks, y of five landmarks.

        Raises:
            TypeError: For an unknown argument.
            ValueError: For an invalid value. Other errors are those of `Detector.detect`.
        """
        for name, value, allowed in (
            ("box_format", box_format, ("xywh", "xyxy")),
            ("output_type", output_type, ("json", "numpy")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be {allowed[0]!r} or {allowed[1]!r}, got {value!r}")
        images = image if isinstance(image, list) else [image]
        images = [
            decode_image(item, "the image in `image`")[..., ::-1] if isinstance(item, bytes) else item
            for item in images
        ]
        tables = [
            _to_table(faces, fit_to_image and postprocess, limit_boundaries_landmarks)
            for faces in detect_whole_faces(self._detector.replace(**_options(kwargs)), images)
        ]
        if box_format == "xywh":
            for table in tables:
                table[:, 2:4] -= table[:, :2]
        if output_type == "numpy":
            rows = [np.column_stack([np.full(len(table), n), table]) for n, table in enumerate(tables)]
            return np.concatenate([np.empty((0, 16)), *rows])
        results = [[_to_dict(row) for row in table] for table in tables]
        return results if isinstance(image, list) else results[0]

    predict = detect_faces


def _options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Convert the arguments of `detect_faces` to the arguments of `Detector`."""
    for name, value in arguments.items():
        if name not in _DEFAULTS | _FIXED:
            raise TypeError(
                f"detect_faces has no argument {name!r}; it has {', '.join([*_DEFAULTS, *_FIXED])}"
            )
        if name in _FIXED and value != _FIXED[name]:
            raise ValueError(f"{name} must be {_FIXED[name]} (a fixed value in mtcnn_cpp), got {value!r}")
    options = _DEFAULTS | arguments
    thresholds = [options[f"threshold_{stage}"] for stage in ("pnet", "rnet", "onet")]
    size, factor = options["min_face_size"], options["scale_factor"]
    return {"min_face": size, "thresholds": thresholds, "scale_factor": factor}


def _to_table(faces: Detections, limit_boxes: bool, limit_landmarks: bool) -> NDArray[np.float64]:
    """Return one row per face: x1, y1, x2, y2, score, x of five landmarks, y of five landmarks."""
    points = faces.landmarks.swapaxes(1, 2).reshape(-1, 10)
    table = np.column_stack([faces.xyxy, faces.scores, points]).astype(np.float64)
    if limit_boxes:
        height, width = faces.image_size
        for columns, end in (((0, 2), width), ((1, 3), height)):
            table[:, columns] = table[:, columns].clip(0, end - 1)
        if limit_landmarks:
            table[:, 5:10] = table[:, 5:10].clip(0, width - 1)
            table[:, 10:] = table[:, 10:].clip(0, height - 1)
    return table


def _to_dict(row: NDArray[np.float64]) -> dict[str, Any]:
    integers = row.round().astype(np.int64)
    points = integers[5:].reshape(2, 5).T
    keypoints = {name: list(points[index]) for name, index in _POINTS.items()}
    return {"box": integers[:4].tolist(), "confidence": row[4], "keypoints": keypoints}
