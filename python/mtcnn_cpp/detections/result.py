"""Results of a detection: faces, sorted by descending score."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ..media import crops
from ..types import Color, FaceTemplate, FloatArray, ImageLike
from . import exports
from .notebook.faces import faces_png

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import supervision

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner")
BOX = ("x", "y", "width", "height")
# Columns of a table of faces. `to_arrow`, `to_pandas` and the command line use these names.
FACE_COLUMNS = ("face_id", "confidence", *BOX, *(f"{point}_{axis}" for point in LANDMARKS for axis in "xy"))


class _Landmark:
    """A property that returns one landmark: float32 x, y in pixels.

    The shape is (2,) for one face, and (N, 2) for N faces.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._index = LANDMARKS.index(name)

    def __get__(self, faces: Any, owner: type | None = None) -> FloatArray:
        if faces is None:  # access on the class
            return self  # type: ignore[return-value]
        point: FloatArray = faces.landmarks[..., self._index, :]
        return point


class _NamedLandmarks:
    """Properties for the five landmarks. Left and right refer to the image."""

    left_eye = _Landmark()
    right_eye = _Landmark()
    nose = _Landmark()
    left_mouth_corner = _Landmark()
    right_mouth_corner = _Landmark()


@dataclass(frozen=True, eq=False, repr=False)
class Detection(_NamedLandmarks):
    """One face.

    Two detections are equal if all their bits are equal.

    Attributes:
        box: (4,) float32 x, y, width, height in pixels.
        score: float32 in [0, 1].
        landmarks: (5, 2) float32 x, y in pixels: left eye, right eye, nose, left and right corner of the
            mouth. Left and right refer to the image.
        left_eye, right_eye, nose, left_mouth_corner, right_mouth_corner: Each landmark by its name, (2,)
            float32.
    """

    box: FloatArray
    score: np.float32
    landmarks: FloatArray

    @property
    def xyxy(self) -> FloatArray:
        """The box as x, y, x + width, y + height: (4,) float32, in pixels."""
        return exports.corners(self.box)

    def to_dict(self) -> dict[str, Any]:
        """Return box, score and landmarks as a JSON-compatible dictionary.

        The landmarks are a dictionary from names to x, y.

        Each number is the shortest decimal that rounds to its float32 value.
        """
        return _face(_plain(self.box), _plain(np.asarray(self.score)), _plain(self.landmarks))

    def __eq__(self, other: object) -> bool:
        """Return whether all bits are equal."""
        return isinstance(other, Detection) and self._bits() == other._bits()

    def __hash__(self) -> int:
        return hash(self._bits())

    def _bits(self) -> tuple[bytes, ...]:
        return self.box.tobytes(), self.score.tobytes(), self.landmarks.tobytes()

    def __str__(self) -> str:
        x, y, width, height = self.box
        return f"score {self.score:.5f}, {width:.1f} x {height:.1f} at ({x:.1f}, {y:.1f})"

    def __repr__(self) -> str:
        return f"<Detection: {self}>"


@dataclass(frozen=True, eq=False, repr=False)
class Detections(_NamedLandmarks):
    """The faces of one image, sorted by descending score.

    The class is a sequence of `Detection`. To select several faces, use a slice, a mask, or a list or array
    of indices as the index. Two results are equal if their image sizes and all bits of their boxes, scores
    and landmarks are equal. A notebook shows the annotated image.

    Attributes:
        boxes: (N, 4) float32 x, y, width, height in pixels, read-only. Boxes can extend beyond the image: `x`
            and `y` can be negative (see `clip`).
        scores: (N,) float32 in [0, 1], read-only.
        landmarks: (N, 5, 2) float32 x, y in pixels, read-only: left eye, right eye, nose, left and right
            corner of the mouth. Left and right refer to the image.
        left_eye, right_eye, nose, left_mouth_corner, right_mouth_corner: Each landmark by its name, (N, 2)
            float32.
        image_size: (height, width) of the image.
        image: Path of the image file, or a weak reference to the image, for display in notebooks. Therefore,
            a result does not keep the image in memory. This attribute is not pickled.
        color: Channel order of the referenced image.
        preview: Copy of the image for display: (h, w, 3) uint8 BGR, at most 320 pixels per side. It is
            created only in notebooks. This attribute is not pickled.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray
    image_size: tuple[int, int]
    image: Path | weakref.ref[Any] | None = field(default=None, kw_only=True)
    color: Color = field(default="bgr", kw_only=True)
    preview: NDArray[np.uint8] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, shape in (("boxes", (count, 4)), ("scores", (count,)), ("landmarks", (count, 5, 2))):
            array = np.asarray(getattr(self, name)).view()
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"{name} must be {shape} float32, got {array.shape} {array.dtype}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> Detections:
        """Return a result without faces.

        Args:
            image_size: (height, width) of the image.
        """
        shapes = (0, 4), (0,), (0, 5, 2)
        boxes, scores, landmarks = (np.zeros(shape, np.float32) for shape in shapes)
        return cls(boxes, scores, landmarks, image_size)

    @classmethod
    def from_supervision(cls, detections: supervision.Detections, image_size: tuple[int, int]) -> Detections:
        """Convert `supervision.Detections` to `Detections`. This is the inverse of `to_supervision`.

        Args:
            detections: Result of `to_supervision`, or a selection of its faces. If `xyxy` of a face was
                changed, the width and height of its box are computed from the new `xyxy`.
            image_size: (height, width) of the image.

        Returns:
            The faces, sorted by descending score. If `xyxy` was not changed, all bits are the same as before
            `to_supervision`.

        Raises:
            ValueError: There is a detection, but no `confidence` or no `landmarks` in `data`.
        """
        return cls(*exports.from_supervision(detections), image_size)

    @property
    def xyxy(self) -> FloatArray:
        """The boxes as x, y, x + width, y + height: (N, 4) float32, in pixels."""
        return exports.corners(self.boxes)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any] | list[int] | list[bool]) -> Detections: ...
    def __getitem__(
        self, index: int | slice | NDArray[Any] | list[int] | list[bool]
    ) -> Detection | Detections:
        box, score, landmarks = self.boxes[index], self.scores[index], self.landmarks[index]
        if np.ndim(score) == 0:
            return Detection(box, np.float32(score), landmarks)
        return dataclasses.replace(self, boxes=box, scores=score, landmarks=landmarks)

    def largest(self, count: int = 1) -> Detections:
        """Return the faces with the largest boxes (width times height), sorted by descending score.

        Args:
            count: Maximum number of faces, 0 or more. If several boxes have the same area, those with higher
                scores are returned first.
        """
        if count < 0:
            raise ValueError(f"count must be 0 or more, got {count}")
        areas = self.boxes[:, 2].astype(np.float64) * self.boxes[:, 3]
        return self[np.sort(np.argsort(-areas, kind="stable")[:count])]

    def filter(self, *, min_score: float = 0.0, min_size: float = 0.0) -> Detections:
        """Return the faces whose score and size are not below the given minimum values.

        Args:
            min_score: Minimum score, from 0 to 1.
            min_size: Minimum width and minimum height of a box, in pixels, 0 or more.
        """
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must be from 0 to 1, got {min_score}")
        if not min_size >= 0:
            raise ValueError(f"min_size must be a number of pixels, 0 or more, got {min_size}")
        return self[(self.scores >= min_score) & (self.boxes[:, 2:] >= min_size).all(axis=1)]

    def clip(self) -> Detections:
        """Return the same faces, but limit each box to its part inside the image.

        The result has the same number of faces, and the landmarks do not change. If a box is completely
        outside the image, its width or height becomes 0. If a box is completely inside the image, its bits do
        not change.
        """
        start = self.boxes[:, :2].astype(np.float64)
        end = start + self.boxes[:, 2:]
        limit = self.image_size[::-1]
        low, high = np.clip(start, 0, limit), np.clip(end, 0, limit)
        is_inside = np.tile((low == start) & (high == end), 2)
        boxes = np.where(is_inside, self.boxes, np.concatenate([low, high - low], axis=1).astype(np.float32))
        return dataclasses.replace(self, boxes=boxes)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dictionary with the width and height of the image, and its faces."""
        height, width = self.image_size
        values = _plain(self.boxes), _plain(self.scores), _plain(self.landmarks)
        return {"width": width, "height": height, "faces": list(map(_face, *values))}

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return one array per table column.

        Returns:
            A dictionary from column names to arrays (N,). `face_id` is int64, and counts the faces from 0.
            All other columns are float32: `confidence`, the box (`x`, `y`, `width`, `height`), and the
            landmarks (`left_eye_x`, …).
        """
        values = np.column_stack([self.scores, self.boxes, self.landmarks.reshape(-1, 10)])
        numbers = np.arange(len(self), dtype=np.int64)
        return dict(zip(FACE_COLUMNS, (numbers, *np.ascontiguousarray(values.T)), strict=True))

    def to_arrow(self) -> pyarrow.Table:
        """Return a PyArrow table with one row per face and the columns and dtypes of `columns`.

        Raises:
            MissingExtra: pyarrow (extra `table`) is not installed.
        """
        return exports.to_arrow(self.columns())

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas data frame with one row per face and the columns of `columns`.

        The dtypes are those of `columns`, except `face_id`, which is `Int64`.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return exports.to_pandas(self.columns())

    def to_supervision(self) -> supervision.Detections:
        """Return a copy of the faces as `supervision.Detections`.

        The copy has `xyxy`, `confidence` and `class_id`, which is 0 for all faces. Its `data` contains
        `boxes` (x, y, width, height) and `landmarks`.

        Raises:
            MissingExtra: supervision is not installed.
        """
        return exports.to_supervision(self.boxes, self.scores, self.landmarks)

    def crops(
        self, image: ImageLike, *, margin: float = 0.0, size: int | None = None, color: Color = "bgr"
    ) -> list[NDArray[np.uint8]]:
        """Cut the box of each face out of the image.

        Args:
            image: Image in any form that `Detector.detect` accepts.
            margin: Margin on every side as a fraction of the width and height of the box, 0 or more.
            size: Side of the crops in pixels, 1 to 8192. Each crop is then a square around the center of the
                box. The side of the square is the longer side of the box with margin, and the square is
                scaled to `size`. If None, each crop is the box with margin and is not scaled.
            color: Channel order of the result. It is also the channel order of `image` if `image` is an
                array.

        Returns:
            One crop per face, (h, w, 3) uint8 in the channel order `color`. Pixels outside of the image are
            black.

        Raises:
            ValueError: An argument is out of range, a box is empty or not finite, or a crop would have more
                than 2^28 pixels before it is scaled.
            ImportError: `size` is given and OpenCV cannot be imported.
        """
        return crops.crop_faces(image, self.boxes, margin=margin, size=size, color=color)

    def aligned(
        self,
        image: ImageLike,
        size: int | None = None,
        *,
        template: FaceTemplate = "arcface",
        margin: float = 0.0,
        color: Color = "bgr",
    ) -> list[NDArray[np.uint8]]:
        """Return an image of each face in the form that a recognition network expects.

        Args:
            image: Image in any form that `Detector.detect` accepts.
            size: Side of the aligned faces in pixels, 1 to 8192. None: 112 for ArcFace, 160 for FaceNet.
            template: Form of the faces. "arcface": the face is rotated, scaled and shifted so that its
                landmarks lie at the five points that ArcFace networks expect. "facenet": FaceNet has no such
                points. The box around the whole face, with the forehead, is cut out and stretched to a square
                as facenet-pytorch does; the face is not rotated.
            margin: Margin on every side as a fraction of the region without margin, 0 or more. "arcface":
                the result shows a region that is 1 + 2 * margin times as wide and high as the template.
                "facenet": the region is the box. `margin=32` of facenet-pytorch with 160 pixels is 0.125,
                because 32 / (160 - 32) / 2 = 0.125.
            color: Channel order of the result. It is also the channel order of `image` if `image` is an
                array.

        Returns:
            One aligned image per face, (size, size, 3) uint8 in the channel order `color`. Pixels outside of
            the image are black. With "facenet", a face that extends beyond the image is cut at its border.

        Raises:
            ValueError: An argument is out of range, the landmarks of a face are all equal or not finite, or
                a box for "facenet" is not finite or contains no pixel of the image.
            ImportError: OpenCV cannot be imported.
        """
        return crops.align_faces(
            image, self.boxes, self.landmarks, size=size, template=template, margin=margin, color=color
        )

    def __eq__(self, other: object) -> bool:
        """Return whether the image sizes and all bits are equal."""
        return isinstance(other, Detections) and self._bits() == other._bits()

    def __hash__(self) -> int:
        return hash(self._bits())

    def _bits(self) -> tuple[Any, ...]:
        return tuple(self.image_size), self.boxes.tobytes(), self.scores.tobytes(), self.landmarks.tobytes()

    def __repr__(self) -> str:
        height, width = self.image_size
        count = f"{len(self)} {'face' if len(self) == 1 else 'faces'}"
        faces = "".join(f"\n  {index}: {face}" for index, face in enumerate(self[:10]))
        more = f"\n  … and {len(self) - 10} more" if len(self) > 10 else ""
        return f"<Detections: {count} in {width} x {height} pixels>{faces}{more}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Detections, (self.boxes, self.scores, self.landmarks, self.image_size)

    def _repr_png_(self) -> bytes | None:
        """Return the annotated image for notebooks.

        Without OpenCV, return None. Then the notebook displays the result as text.
        """
        return faces_png(self)


def _face(box: list[Any], score: Any, landmarks: list[Any]) -> dict[str, Any]:
    return {"box": box, "score": score, "landmarks": dict(zip(LANDMARKS, landmarks, strict=True))}


def _plain(array: FloatArray) -> Any:
    """Return nested lists of numbers. A value that is not finite becomes None.

    Each number is the shortest decimal that rounds to its float32 value.
    """
    shortest = (
        float(str(number)) for number in array.ravel()
    )  # one generator for all arrays, because a call for each array is slow
    plain: list[Any] = [number if math.isfinite(number) else None for number in shortest]
    for size in reversed(array.shape[1:]):
        plain = [plain[at : at + size] for at in range(0, len(plain), size)]
    return plain if array.ndim else plain[0]
