"""Converts faces to tables and objects of other libraries.

These libraries are imported at their first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._util.errors import import_extra
from ..types import FloatArray

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import supervision


def to_arrow(columns: Mapping[str, NDArray[Any]]) -> pyarrow.Table:
    """Return a PyArrow table with these columns. All bits are kept, and NaN does not become null."""
    pyarrow = import_extra("pyarrow", "mtcnn-cpp[table]", "to_arrow")
    return pyarrow.table({name: pyarrow.array(column) for name, column in columns.items()})


def to_pandas(columns: Mapping[str, NDArray[Any]]) -> pandas.DataFrame:
    """Return a pandas data frame with these columns. All bits are kept.

    Integer columns have the dtype `Int64`, so that they stay integers if a merge creates missing values.
    """
    pandas = import_extra("pandas", "pandas", "to_pandas")
    frame = pandas.DataFrame(dict(columns))
    return frame.astype({name: "Int64" for name in columns if columns[name].dtype == np.int64})


def to_supervision(boxes: FloatArray, scores: FloatArray, landmarks: FloatArray) -> supervision.Detections:
    """Return the faces as `supervision.Detections`.

    All faces have the class 0. `data` contains the boxes and landmarks.
    """
    library = import_extra("supervision", "supervision", "to_supervision")
    faces: supervision.Detections = library.Detections(
        xyxy=corners(boxes),
        confidence=scores.copy(),
        class_id=np.zeros(len(scores), int),
        data={"boxes": boxes.copy(), "landmarks": landmarks.copy()},
    )
    return faces


def from_supervision(faces: supervision.Detections) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return boxes, scores and landmarks, sorted by descending score (see `Detections.from_supervision`)."""
    given = {"confidence": faces.confidence, "landmarks in `data`": faces.data.get("landmarks")}
    if len(faces) == 0:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
    if missing := " and ".join(name for name, values in given.items() if values is None):
        raise ValueError(
            "supervision.Detections must have confidence, and landmarks in `data` (to_supervision sets "
            f"both); got {len(faces)} detections without {missing}"
        )
    scores, landmarks = (np.asarray(values, np.float32) for values in given.values())
    xyxy = np.asarray(faces.xyxy, np.float32)
    boxes = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    if "boxes" in faces.data:  # these boxes have the widths and heights before rounding
        original: FloatArray = np.asarray(faces.data["boxes"], np.float32)
        boxes = np.where((corners(original) == xyxy).all(axis=1, keepdims=True), original, boxes)
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order], landmarks[order]


def corners(boxes: FloatArray) -> FloatArray:
    """Convert x, y, width, height on the last axis to x, y, x + width, y + height."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)
