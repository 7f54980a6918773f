"""The columns of a table of faces: their names, their order and their types."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..detections import LANDMARKS

Kind: TypeAlias = Literal["text", "int32", "int64", "float32", "float64"]

# Each column and the type of its values: pixels, seconds from the start, scores in [0, 1]. All but REQUIRED
# may be missing (None).
KINDS: dict[str, Kind] = {
    "source": "text",
    "frame": "int64",
    "face_id": "int32",
    "timestamp": "float64",
    "confidence": "float32",
    "success": "int32",
    "x": "float32",
    "y": "float32",
    "width": "float32",
    "height": "float32",
    **{f"{point}_{axis}": "float32" for point in LANDMARKS for axis in "xy"},
    "image_width": "int32",
    "image_height": "int32",
    "error": "text",
}
COLUMNS: tuple[str, ...] = tuple(KINDS)
REQUIRED: tuple[str, ...] = ("source", "frame", "success")
