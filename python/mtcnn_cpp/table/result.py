"""What looking at one frame gave, and its rows in a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..detections import Detections
from .columns import COLUMNS

Row: TypeAlias = dict[str, object]  # a value for each of COLUMNS, in their order

LONGEST = 10_000  # characters of an error in a table


@dataclass(frozen=True)
class Result:
    """What looking at one frame of a source gave: the faces in it, or why it failed.

    source: the path or address, as a table names it. index: the frame in its source, from 0. time: seconds
    from the start of the source. faces: what was found, None where the frame could not be looked at.
    error: "" or what went wrong, in words. face_ids: the number of each face; None numbers them 0, 1, 2, … by
    their rank in the frame, best first.

    Raises ValueError if there are neither faces nor an error, or not one number a face.
    """

    source: str
    index: int = 0
    time: float = 0.0
    faces: Detections | None = None
    error: str = ""
    face_ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.faces is None and not self.error:
            raise ValueError(
                f"the result of {self.source!r} has neither faces nor an error; give one of them"
            )
        count = 0 if self.faces is None else len(self.faces)
        if self.face_ids is not None and len(self.face_ids) != count:
            raise ValueError(f"face_ids must be {count} numbers, one a face, got {len(self.face_ids)}")


def rows(result: Result) -> list[Row]:
    """The rows of a result, each with every column, None where a value is missing or not finite.

    One row a face, with success 1; one row with success 0 where there is none, or where the frame failed.
    Frames count from 1, as OpenFace counts them. Numbers that were float32 are the shortest decimals that
    read back as the same float32.
    """
    common: dict[str, object] = dict.fromkeys(COLUMNS)
    time = float(result.time)
    common |= {
        "source": result.source,
        "frame": int(result.index) + 1,
        "timestamp": time if math.isfinite(time) else None,
        "success": 0,
        "error": _cut(result.error) or None,
    }
    if result.faces is None:
        return [common]
    height, width = result.faces.image_size
    common |= {"image_width": int(width), "image_height": int(height)}
    ids = range(len(result.faces)) if result.face_ids is None else result.face_ids
    found = [
        _row(common, number, face) for number, face in zip(ids, result.faces.to_dict()["faces"], strict=True)
    ]
    return found or [common]


def _row(common: dict[str, object], number: int, face: dict[str, Any]) -> dict[str, object]:
    row = common | {"face_id": int(number), "confidence": face["score"], "success": 1}
    row |= zip(("x", "y", "width", "height"), face["box"], strict=True)
    for name, (x, y) in face["landmarks"].items():
        row[f"{name}_x"], row[f"{name}_y"] = x, y
    return row


def _cut(error: str) -> str:
    return error if len(error) <= LONGEST else error[: LONGEST - 1] + "…"
