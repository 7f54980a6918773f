"""Faces in the formats of annotation tools and training programs: COCO, YOLO and Label Studio.

Boxes are limited to the image, as by `Detections.clip`. Faces without a finite box inside the image are left
out. All functions take results of `Detector.detect`, which contain the size of their image.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .result import LANDMARKS, Detections

__all__ = ["to_coco", "to_label_studio", "to_yolo"]

NOT_LABELED, HIDDEN, VISIBLE = 0, 1, 2  # visibility of keypoints in COCO
POINT_SIZE = 0.5  # width of a point in Label Studio, in percent of the image's width


def faces_inside(faces: Detections) -> Detections:
    """Return the faces whose box is finite and has a part inside the image. The boxes are limited to it."""
    with np.errstate(invalid="ignore"):
        clipped = faces.clip()
        is_inside = np.isfinite(faces.boxes).all(axis=1) & (clipped.boxes[:, 2:] > 0).all(axis=1)
        return clipped[np.flatnonzero(is_inside)]


def to_coco(images: Iterable[tuple[str, Detections]]) -> dict[str, Any]:
    """Return a COCO data set with boxes and five keypoints.

    Args:
        images: For each image: the file name, and its faces.

    Returns:
        A JSON-compatible dictionary. Box and landmarks of a face are the shortest decimals of their float32
        values. The visibility of a keypoint is 2 inside the image, 1 outside, and 0 if it is not finite. The
        annotations also have `score`. Identifiers count from 1.

    Example:
        coco = to_coco((path.name, detector.detect(path)) for path in Path("images").glob("*.jpg"))
        Path("coco.json").write_text(json.dumps(coco))
    """
    found: dict[str, Any] = {"images": [], "annotations": []}
    for image_id, (name, faces) in enumerate(images, start=1):
        described = faces_inside(faces).to_dict()
        width, height = described["width"], described["height"]
        found["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
        for face in described["faces"]:
            points = [_keypoint(x, y, width, height) for x, y in face["landmarks"].values()]
            found["annotations"].append(
                {
                    "id": len(found["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": face["box"],
                    "area": face["box"][2] * face["box"][3],
                    "iscrowd": 0,
                    "score": face["score"],
                    "keypoints": [value for point in points for value in point],
                    "num_keypoints": sum(point[2] != NOT_LABELED for point in points),
                }
            )
    category = {"id": 1, "name": "face", "supercategory": "person"}
    found["categories"] = [category | {"keypoints": list(LANDMARKS), "skeleton": []}]
    return found


def to_yolo(faces: Detections) -> str:
    """Return the text of a YOLO label file: one line per face.

    Returns:
        Lines with the class (0), and center x, center y, width and height of the box as fractions of the
        image's size, with ten digits after the point.
    """
    clipped = faces_inside(faces)
    height, width = clipped.image_size
    lines = []
    for x, y, w, h in clipped.boxes.astype(np.float64):
        values = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
        lines.append(" ".join(["0", *(f"{value:.10f}" for value in values)]) + "\n")
    return "".join(lines)


def to_label_studio(image: str, faces: Detections) -> dict[str, Any]:
    """Return a task of Label Studio, with the faces as a prediction that a person can correct.

    The project needs a labelling interface with RectangleLabels ("face") and KeyPointLabels with the names of
    the landmarks: "left eye", "right eye", "nose", "left mouth corner", "right mouth corner".

    Args:
        image: Address of the image, as Label Studio loads it.
        faces: Faces of the image.

    Returns:
        A JSON-compatible dictionary. Positions are percentages of the image's size. Landmarks outside of the
        image are left out. The score of the prediction is the lowest score of a face.
    """
    clipped = faces_inside(faces)
    height, width = clipped.image_size
    shared = {"original_width": width, "original_height": height, "image_rotation": 0, "to_name": "image"}
    result: list[dict[str, Any]] = []
    for face in clipped:
        x, y, w, h = face.box.tolist()
        value: dict[str, Any] = {"x": 100 * x / width, "y": 100 * y / height}
        value |= {"width": 100 * w / width, "height": 100 * h / height, "rotation": 0}
        value["rectanglelabels"] = ["face"]
        item = {"type": "rectanglelabels", "from_name": "box", "value": value, "score": float(face.score)}
        result.append(item | shared)
        for name, (left, top) in zip(LANDMARKS, face.landmarks.tolist(), strict=True):
            if 0 <= left <= width and 0 <= top <= height:
                value = {"x": 100 * left / width, "y": 100 * top / height, "width": POINT_SIZE}
                value["keypointlabels"] = [name.replace("_", " ")]
                result.append({"type": "keypointlabels", "from_name": "point", "value": value, **shared})
    score = min((float(score) for score in clipped.scores), default=0.0)
    prediction = {"model_version": "mtcnn_cpp", "score": score, "result": result}
    return {"data": {"image": image}, "predictions": [prediction]}


def _keypoint(x: float | None, y: float | None, width: int, height: int) -> tuple[float, float, int]:
    if x is None or y is None:
        return 0, 0, NOT_LABELED
    return x, y, VISIBLE if 0 <= x <= width and 0 <= y <= height else HIDDEN
