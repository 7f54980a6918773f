"""The cascade: pyramid -> PNet -> RNet -> ONet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .boxes import apply_offsets, are_inside, are_usable, make_square, non_maximum_suppression
from .exp import exp
from .fma import FloatArray
from .network import BatchTap
from .options import Options
from .resize import Image, cut_resize, normalise, resize

# Called as tap(name, array) in order of execution, with read-only arrays and the names of HACKING.md.
Tap: TypeAlias = Callable[[str, npt.NDArray[Any]], None]
Detection: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]

CELL, STRIDE = 12, 2  # side of the square that PNet looks at, and the step to the next
LEVELS_AT_MOST, SIDE_AT_MOST = 10_000, 1 << 27  # more is a mistake, not a wish
GROUP = 64  # crops in one batch: bounds the memory
ONE = np.float32(1)


class Networks(Protocol):
    def forward(self, stage: str, batch: FloatArray, tap: BatchTap | None = None) -> FloatArray: ...

    def map_size(self, stage: str, height: int, width: int) -> tuple[int, int] | None: ...


def detect(
    networks: Networks, image: Image, *, red_first: bool, options: Options, tap: Tap | None = None
) -> Detection:
    """Faces of an image (H, W, C >= 3), uint8 or float32, best first.

    Gives boxes (N, 4) `x, y, width, height`, scores (N,) and landmarks (N, 5, 2), float32, in pixels.
    """
    return Cascade(networks, image, red_first, options, tap).run()


class Cascade:
    """One detection: what its stages share."""

    def __init__(
        self, networks: Networks, image: Image, red_first: bool, options: Options, tap: Tap | None
    ) -> None:
        self.networks = networks
        self.image = image[:, :, :3] if red_first else image[:, :, 2::-1]  # R, G, B
        self.options = options
        self.tap = tap
        self.thresholds = np.array(options.thresholds, np.float32)

    def run(self) -> Detection:
        squares = self.propose()
        squares = self.refine(squares)
        return self.output(squares)

    def show(self, name: str, array: npt.NDArray[Any]) -> None:
        if self.tap:
            view = array.view()
            view.flags.writeable = False
            self.tap(name, view)

    def propose(self) -> FloatArray:
        """PNet on every level; squares for RNet."""
        kept = [self.level(*level) for level in self.levels()]
        boxes = np.concatenate([empty(4), *(level[0] for level in kept)])
        scores = np.concatenate([empty(), *(level[1] for level in kept)])
        offsets = np.concatenate([empty(4), *(level[2] for level in kept)])
        keep = non_maximum_suppression(boxes, scores, 0.7, "union")
        self.show("pnet/boxes", boxes)
        self.show("pnet/scores", scores)
        self.show("pnet/offsets", offsets)
        self.show("pnet/nms_keep", keep)
        return self.squares(boxes[keep], offsets[keep])

    def levels(self) -> Iterator[tuple[int, float, int, int]]:
        """Number, scale, height and width of each level of the pyramid that PNet can run on."""
        height, width, _ = self.image.shape
        min_face, factor = self.options.min_face, self.options.scale_factor
        smaller = min(height, width)
        if smaller < min_face:
            return
        count = math.floor(math.log(min_face / smaller) / math.log(factor)) + 1
        if count > LEVELS_AT_MOST:
            raise ValueError(f"scale_factor is too close to 1: the pyramid would have {count} levels")
        power = Fraction(1)
        for number in range(count):
            scale = CELL / min_face * float(power)
            power *= Fraction(factor)  # exact, so that each power is rounded once
            h, w = math.ceil(height * scale), math.ceil(width * scale)
            if max(h, w) > SIDE_AT_MOST:
                raise ValueError(
                    f"min_face is too small for this image: a level of the pyramid would be {h} x {w}"
                )
            if self.networks.map_size("pnet", h, w):
                yield number, scale, h, w

    def level(self, number: int, scale: float, height: int, width: int) -> Detection:
        """Boxes, scores and offsets of one level that its suppression leaves."""
        name = f"pnet/level{number:02d}"
        maps = to_maps(normalise(resize(self.image, height, width)))
        self.show(f"{name}/input", maps)
        tap = (lambda _, layer, output: self.show(f"{name}/{layer}", output)) if self.tap else None
        output = self.networks.forward("pnet", maps[None], tap)[0]
        heat_map = ONE / (ONE + exp(difference(output)))
        x, y = np.nonzero((heat_map >= self.thresholds[0]).T)  # column by column
        boxes = np.concatenate([from_level(x, scale), from_level(y, scale)])[[0, 2, 1, 3]].T
        scores, offsets = heat_map[y, x], output[2:6, y, x].T
        keep = non_maximum_suppression(boxes, scores, 0.5, "union")
        self.show(f"{name}/heat_map", heat_map)
        self.show(f"{name}/boxes", boxes)
        self.show(f"{name}/scores", scores)
        self.show(f"{name}/offsets", offsets)
        self.show(f"{name}/nms_keep", keep)
        return boxes[keep], scores[keep], offsets[keep]

    def refine(self, squares: FloatArray) -> FloatArray:
        """RNet on every square; squares for ONet."""
        scores, values = self.classify("rnet", squares, 24, 6)
        offsets = values[:, 2:6]
        keep = np.flatnonzero(scores >= self.thresholds[1]).astype(np.int32)
        nms_keep = non_maximum_suppression(squares[keep], scores[keep], 0.7, "union")
        self.show("rnet/scores", scores)
        self.show("rnet/offsets", offsets)
        self.show("rnet/keep", keep)
        self.show("rnet/nms_keep", nms_keep)
        picked = keep[nms_keep]
        return self.squares(squares[picked], offsets[picked])

    def output(self, squares: FloatArray) -> Detection:
        """ONet on every square; faces."""
        scores, values = self.classify("onet", squares, 48, 16)
        offsets, landmarks = values[:, 2:6], landmarks_in(squares, values[:, 6:16])
        keep = np.flatnonzero(scores >= self.thresholds[2]).astype(np.int32)
        boxes = apply_offsets(squares[keep], offsets[keep], add_one=True)
        usable = are_usable(boxes)
        keep, boxes = keep[usable], boxes[usable]
        nms_keep = non_maximum_suppression(boxes, scores[keep], 0.7, "minimum")
        picked = keep[nms_keep]
        boxes = boxes[nms_keep]
        self.show("onet/scores", scores)
        self.show("onet/offsets", offsets)
        self.show("onet/keep", keep)
        self.show("onet/landmarks", landmarks)
        self.show("onet/nms_keep", nms_keep)
        self.show("onet/boxes_out", boxes)
        faces = to_faces(boxes), scores[picked], landmarks[picked]
        for name, array in zip(("boxes", "scores", "landmarks"), faces, strict=True):
            self.show(f"final/{name}", array)
        return faces

    def squares(self, boxes: FloatArray, offsets: FloatArray) -> FloatArray:
        """Boxes moved by their offsets, made square; those that cannot be cut from the image dropped."""
        boxes = apply_offsets(boxes, offsets, add_one=False)
        squares = make_square(boxes[are_usable(boxes)])
        return squares[are_inside(squares, *self.image.shape[:2])]

    def classify(
        self, stage: str, squares: FloatArray, size: int, outputs: int
    ) -> tuple[FloatArray, FloatArray]:
        """Face probability (N,) and all outputs (N, outputs) of a network for every square."""
        self.show(f"{stage}/boxes_in", squares)
        values = [empty(outputs)]
        for begin in range(0, len(squares), GROUP):
            patches = [cut_resize(self.image, square, size) for square in squares[begin : begin + GROUP]]
            batch = to_maps(normalise(np.stack(patches)))
            values.append(self.networks.forward(stage, batch, self.crop_tap(stage, begin, batch)))
        result = np.concatenate(values)
        # exp rounded to float, the rest in double.
        scores = 1.0 / (1.0 + exp(difference(result.T)).astype(np.float64))
        return scores.astype(np.float32), result

    def crop_tap(self, stage: str, begin: int, batch: FloatArray) -> BatchTap | None:
        if not self.tap:
            return None
        seen = -1

        def tap(index: int, layer: str, output: FloatArray) -> None:
            nonlocal seen
            name = f"{stage}/crop{begin + index:03d}"
            if index != seen:
                seen = index
                self.show(f"{name}/input", batch[index])
            self.show(f"{name}/{layer}", output)

        return tap


def empty(*shape: int) -> FloatArray:
    return np.empty((0, *shape), np.float32)


def to_maps(images: FloatArray) -> FloatArray:
    """([N,] H, W, 3) -> ([N,] 3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(images, -1, -3))


def difference(logits: FloatArray) -> FloatArray:
    """Not-face logit minus face logit, (2 or more, …) -> (…); NaN and infinite as they come."""
    with np.errstate(over="ignore", invalid="ignore"):
        difference: FloatArray = logits[0] - logits[1]
    return difference


def from_level(cells: npt.NDArray[np.int64], scale: float) -> FloatArray:
    """Start and size in the picture of cells along one axis, (2, N): float divisions, truncated."""
    start, end = STRIDE * cells + 1, STRIDE * cells + CELL
    start, end = ((corner.astype(np.float32) / np.float32(scale)).astype(np.int64) for corner in (start, end))
    return np.stack([start, end - start]).astype(np.float32)


def landmarks_in(squares: FloatArray, values: FloatArray) -> FloatArray:
    """ONet's x1…x5 y1…y5, relative to its square, in pixels: (N, 10) -> (N, 5, 2)."""
    start, side = squares[:, None, :2], squares[:, None, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        landmarks: FloatArray = (start - ONE) + values.reshape(-1, 2, 5).swapaxes(1, 2) * (side + ONE)
    return landmarks


def to_faces(boxes: FloatArray) -> FloatArray:
    """OpenFace's last move of a box, in double, each value rounded once."""
    x, y, width, height = boxes.astype(np.float64).T
    moved = [x + width * -0.0075, y + height * 0.2459, width * 1.0323, height * 0.7751]
    faces: FloatArray = np.stack(moved, axis=1).astype(np.float32)
    return faces
