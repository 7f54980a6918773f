"""What a detection found: faces, best first."""

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

from . import crops, exports, notebook
from .types import Color, FloatArray, ImageLike

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import supervision

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner")
BOX = ("x", "y", "width", "height")
# The columns of a table of faces; the numbers of `to_arrow`, `to_pandas` and the command line.
FACE_COLUMNS = ("face_id", "confidence", *BOX, *(f"{point}_{axis}" for point in LANDMARKS for axis in "xy"))


class _Landmark:
    """A landmark by name: x, y in pixels, of one face (2,) or of all (N, 2), float32."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._index = LANDMARKS.index(name)

    def __get__(self, faces: Any, owner: type | None = None) -> FloatArray:
        if faces is None:  # asked of the class
            return self  # type: ignore[return-value]
        point: FloatArray = faces.landmarks[..., self._index, :]
        return point


class _Named:
    """What one face and many have alike: landmarks by name, as seen in the picture."""

    left_eye = _Landmark()
    right_eye = _Landmark()
    nose = _Landmark()
    left_mouth_corner = _Landmark()
    right_mouth_corner = _Landmark()


@dataclass(frozen=True, eq=False, repr=False)
class Detection(_Named):
    """One face: `box` (4,) float32 x, y, width, height in pixels; `score` float32 in [0, 1]; `landmarks`
    (5, 2) float32 pixels: left eye, right eye, nose, left and right corner of the mouth, as seen in the
    picture. Each by name too: `left_eye`, `right_eye`, `nose`, `left_mouth_corner`, `right_mouth_corner`,
    (2,)."""

    box: FloatArray
    score: np.float32
    landmarks: FloatArray

    @property
    def xyxy(self) -> FloatArray:
        """The box as x, y, x + width, y + height, (4,) float32 pixels."""
        return _corners(self.box)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: box, score, landmarks by name. Each number is the shortest that reads back as its
        float32."""
        return _face(_plain(self.box), _plain(np.asarray(self.score)), _plain(self.landmarks))

    def __eq__(self, other: object) -> bool:
        """Equal in every bit."""
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
class Detections(_Named):
    """The faces of one picture, best first: `boxes` (N, 4) float32 x, y, width, height in pixels; `scores`
    (N,) float32 in [0, 1]; `landmarks` (N, 5, 2) float32 pixels; all read-only. `image_size` is (height,
    width) of the picture.

    A sequence of `Detection`; a slice, a mask or an index array selects faces. `xyxy` are the boxes by their
    corners; `left_eye` and the other landmarks by name are (N, 2). Equal if boxes, scores and landmarks are
    equal in every bit and the images have the same size. A notebook shows the faces drawn into the picture:
    `picture` is its path or a weak reference to it, so that results keep no picture alive. For one that is
    gone, `preview` is a copy of at most 320 pixels a side, (h, w, 3) uint8, B, G, R, which only notebooks
    make. Neither is pickled.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray
    image_size: tuple[int, int]
    picture: Path | weakref.ref[Any] | None = field(default=None, kw_only=True)
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

    @property
    def xyxy(self) -> FloatArray:
        """The boxes as x, y, x + width, y + height, (N, 4) float32 pixels."""
        return _corners(self.boxes)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any] | list[int]) -> Detections: ...
    def __getitem__(self, index: int | slice | NDArray[Any] | list[int]) -> Detection | Detections:
        box, score, landmarks = self.boxes[index], self.scores[index], self.landmarks[index]
        if np.ndim(score) == 0:
            return Detection(box, np.float32(score), landmarks)
        return dataclasses.replace(self, boxes=box, scores=score, landmarks=landmarks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: width and height of the picture, and its faces."""
        height, width = self.image_size
        figures = _plain(self.boxes), _plain(self.scores), _plain(self.landmarks)
        return {"width": width, "height": height, "faces": list(map(_face, *figures))}

    def columns(self) -> dict[str, NDArray[Any]]:
        """One array (N,) for each of `FACE_COLUMNS`: `face_id` int64, which counts from 0, the others
        float32."""
        figures = np.column_stack([self.scores, self.boxes, self.landmarks.reshape(-1, 10)])
        numbers = np.arange(len(self), dtype=np.int64)
        return dict(zip(FACE_COLUMNS, (numbers, *np.ascontiguousarray(figures.T)), strict=True))

    def to_arrow(self) -> pyarrow.Table:
        """One row a face, with the columns and dtypes of `columns`. Needs pyarrow (extra `table`)."""
        return exports.to_arrow(self.columns())

    def to_pandas(self) -> pandas.DataFrame:
        """One row a face, with the columns and dtypes of `columns`, but `face_id` as `Int64`. Needs
        pandas."""
        return exports.to_pandas(self.columns())

    def to_supervision(self) -> supervision.Detections:
        """`supervision.Detections`: xyxy, confidence, class_id 0, and landmarks (N, 5, 2) in `data`; copies.
        Needs supervision."""
        return exports.to_supervision(self.xyxy, self.scores, self.landmarks)

    def crops(
        self, image: ImageLike, *, margin: float = 0.0, size: int | None = None, color: Color = "bgr"
    ) -> list[NDArray[np.uint8]]:
        """Each face's box cut out of the picture, (h, w, 3) uint8, B, G, R, black outside of the picture.

        `image` and `color` are as for `Detector.detect`. `margin` is what is added on every side, as a share
        of the box's width and height. With `size`, the longer side makes a square, which is scaled to
        (size, size, 3). ValueError for a box without size, not finite, or larger than 2^28 pixels.
        """
        return crops.crops(image, self.boxes, margin=margin, size=size, color=color)

    def chips(self, image: ImageLike, size: int = 112, *, color: Color = "bgr") -> list[NDArray[np.uint8]]:
        """Each face turned, scaled and shifted so that its landmarks lie where networks for recognition
        expect them (ArcFace's five points), (size, size, 3) uint8, B, G, R, black outside of the picture.

        `image` and `color` are as for `Detector.detect`. Needs OpenCV; ValueError for landmarks that are
        all one point, or not finite.
        """
        return crops.chips(image, self.landmarks, size=size, color=color)

    def __eq__(self, other: object) -> bool:
        """Equal in every bit, of images of the same size."""
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
        """For notebooks: the faces drawn into the picture. None where OpenCV cannot be imported: then a
        notebook shows the text."""
        return notebook.faces_png(self)


def _corners(boxes: FloatArray) -> FloatArray:
    """x, y, width, height -> x, y, x + width, y + height; any leading axes."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def _face(box: list[Any], score: Any, landmarks: list[Any]) -> dict[str, Any]:
    return {"box": box, "score": score, "landmarks": dict(zip(LANDMARKS, landmarks, strict=True))}


def _plain(array: FloatArray) -> Any:
    """Nested lists of the shortest decimals that read back as the same float32; None where a number is not
    finite."""
    shortest = (float(str(number)) for number in array.ravel())  # all at once: one call for each is slow
    plain: list[Any] = [number if math.isfinite(number) else None for number in shortest]
    for size in reversed(array.shape[1:]):
        plain = [plain[at : at + size] for at in range(0, len(plain), size)]
    return plain if array.ndim else plain[0]
