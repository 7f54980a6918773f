"""The cascade: pyramid -> PNet -> RNet -> ONet."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .boxes import apply_offsets, are_inside, are_usable, make_square, non_maximum_suppression
from .exp import exp_glibc, exp_opencv
from .float_mode import require_default_mode
from .network import BatchHook
from .options import Options
from .plan import CELL, ONET, RNET, STRIDE, Level, Stage, pyramid
from .resize import cut_resize, normalise, resize
from .types import CancellationSource, Cancelled, Faces, FloatArray, Hook, Image, StageName

GROUP = 64  # maximum number of crops in one batch, which limits the memory
ONE = np.float32(1)


class ForwardPasses(Protocol):
    """Interface of an object that runs the three networks, such as `network.Networks`."""

    def forward(self, stage: StageName, batch: FloatArray, hook: BatchHook | None = None) -> FloatArray: ...

    def map_size(self, stage: StageName, height: int, width: int) -> tuple[int, int] | None: ...


def detect(
    networks: ForwardPasses,
    image: Image,
    *,
    is_rgb: bool,
    options: Options,
    hook: Hook | None = None,
    cancellation: CancellationSource | None = None,
) -> Faces:
    """Detect the faces in an image.

    Args:
        networks: Object that runs PNet, RNet and ONet.
        image: (H, W, C >= 3) uint8 or float32.
        is_rgb: Whether the channel order of the image is RGB. If false, it is BGR.
        options: Options of the detection.
        hook: Called with the name and the array of every tensor, in execution order.
        cancellation: Ends the detection when it is set.

    Returns:
        Boxes (N, 4) `x, y, width, height`, scores (N,) and landmarks (N, 5, 2), all float32. Boxes and
        landmarks are in pixels. The faces are sorted by descending score.

    Raises:
        RuntimeError: The floating-point mode of the calling thread is not the default mode.
        Cancelled: `cancellation` is set.
    """
    require_default_mode()
    return Cascade(networks, image, is_rgb, options, hook, cancellation).run()


class Cascade:
    """One detection. It stores the state that all stages use."""

    def __init__(
        self,
        networks: ForwardPasses,
        image: Image,
        is_rgb: bool,
        options: Options,
        hook: Hook | None,
        cancellation: CancellationSource | None,
    ) -> None:
        self.networks = networks
        self.image = image[:, :, :3] if is_rgb else image[:, :, 2::-1]  # R, G, B
        self.options = options
        self.hook = hook
        self.cancellation = cancellation
        self.thresholds = np.array(options.thresholds, np.float32)

    def run(self) -> Faces:
        squares = self.propose()
        squares = self.refine(squares)
        return self.output(squares)

    def show(self, name: str, array: npt.NDArray[Any]) -> None:
        """Call the hook with a tensor. Raise `Cancelled` if the detection was cancelled."""
        if self.cancellation and self.cancellation.is_set():
            raise Cancelled("the detection was cancelled")
        if self.hook:
            # The hook gets a permanently read-only copy, so that it cannot change the detection.
            self.hook(name, np.ndarray(array.shape, array.dtype, array.tobytes()))

    def propose(self) -> FloatArray:
        """Run PNet on every level and return the squares for RNet."""
        height, width, _ = self.image.shape
        kept = [
            self.level(number, level)
            for number, level in enumerate(pyramid(height, width, self.options))
            if self.networks.map_size("pnet", *level.size)  # otherwise the level is too small for PNet
        ]
        boxes = np.concatenate([empty(4), *(level[0] for level in kept)])
        scores = np.concatenate([empty(), *(level[1] for level in kept)])
        offsets = np.concatenate([empty(4), *(level[2] for level in kept)])
        keep = non_maximum_suppression(boxes, scores, 0.7, "union")
        self.show("pnet/boxes", boxes)
        self.show("pnet/scores", scores)
        self.show("pnet/offsets", offsets)
        self.show("pnet/nms_keep", keep)
        return self.squares(boxes[keep], offsets[keep])

    def level(self, number: int, level: Level) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Run PNet on one level. Return the boxes, scores and offsets that remain after suppression."""
        name = f"pnet/level{number:02d}"
        maps = to_maps(normalise(resize(self.image, *level.size)))
        self.show(f"{name}/input", maps)
        hook = (lambda _, layer, output: self.show(f"{name}/{layer}", output)) if self.hook else None
        output = self.networks.forward("pnet", maps[None], hook)[0]
        heat_map = ONE / (ONE + exp_opencv(difference(output)))
        x, y = np.nonzero((heat_map >= self.thresholds[0]).T)  # column by column
        boxes = np.concatenate([from_level(x, level.scale), from_level(y, level.scale)])[[0, 2, 1, 3]].T
        scores, offsets = heat_map[y, x], output[2:6, y, x].T
        keep = non_maximum_suppression(boxes, scores, 0.5, "union")
        self.show(f"{name}/heat_map", heat_map)
        self.show(f"{name}/boxes", boxes)
        self.show(f"{name}/scores", scores)
        self.show(f"{name}/offsets", offsets)
        self.show(f"{name}/nms_keep", keep)
        return boxes[keep], scores[keep], offsets[keep]

    def refine(self, squares: FloatArray) -> FloatArray:
        """Run RNet on every square and return the squares for ONet."""
        scores, values = self.classify(RNET, squares)
        offsets = values[:, 2:6]
        keep = np.flatnonzero(scores >= self.thresholds[1]).astype(np.int32)
        nms_keep = non_maximum_suppression(squares[keep], scores[keep], 0.7, "union")
        self.show("rnet/scores", scores)
        self.show("rnet/offsets", offsets)
        self.show("rnet/keep", keep)
        self.show("rnet/nms_keep", nms_keep)
        picked = keep[nms_keep]
        return self.squares(squares[picked], offsets[picked])

    def output(self, squares: FloatArray) -> Faces:
        """Run ONet on every square and return the faces."""
        scores, values = self.classify(ONET, squares)
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
        """Move boxes by their offsets and make them square.

        Boxes with values that are not finite, or too large, are dropped. Squares that do not overlap the
        image are dropped, too.
        """
        boxes = apply_offsets(boxes, offsets, add_one=False)
        squares = make_square(boxes[are_usable(boxes)])
        return squares[are_inside(squares, *self.image.shape[:2])]

    def classify(self, stage: Stage, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run RNet or ONet on every square.

        Return the face probabilities (N,) and all outputs (N, outputs).
        """
        self.show(f"{stage.name}/boxes_in", squares)
        values = [empty(stage.outputs)]
        for begin in range(0, len(squares), GROUP):
            group = squares[begin : begin + GROUP]
            patches = [cut_resize(self.image, square, stage.side) for square in group]
            batch = to_maps(normalise(np.stack(patches)))
            values.append(self.networks.forward(stage.name, batch, self.crop_hook(stage.name, begin, batch)))
        result = np.concatenate(values)
        # The exponential is rounded to float32. The other steps are computed in double.
        scores = 1.0 / (1.0 + exp_glibc(difference(result.T)).astype(np.float64))
        return scores.astype(np.float32), result

    def crop_hook(self, stage: str, begin: int, batch: FloatArray) -> BatchHook | None:
        """Return a hook for one batch of crops, or None if the detection has no hook.

        For each crop, the hook shows the input first, and then the output of each layer. The names of these
        tensors contain the number of the crop.
        """
        if not self.hook:
            return None
        last = -1

        def hook(index: int, layer: str, output: FloatArray) -> None:
            nonlocal last
            name = f"{stage}/crop{begin + index:03d}"
            if index != last:
                last = index
                self.show(f"{name}/input", batch[index])
            self.show(f"{name}/{layer}", output)

        return hook


def empty(*shape: int) -> FloatArray:
    return np.empty((0, *shape), np.float32)


def to_maps(images: FloatArray) -> FloatArray:
    """Transpose images ([N,] H, W, 3) to maps ([N,] 3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(images, -1, -3))


def difference(logits: FloatArray) -> FloatArray:
    """Return the not-face logit minus the face logit.

    The result has the shape of `logits` without the first axis.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        difference: FloatArray = logits[0] - logits[1]
    return difference


def from_level(cells: npt.NDArray[np.int64], scale: float) -> FloatArray:
    """Convert positions on one axis of a heat map to start and size in whole pixels of the image, (2, N)."""
    start, end = STRIDE * cells + 1, STRIDE * cells + CELL
    start, end = ((corner.astype(np.float32) / np.float32(scale)).astype(np.int64) for corner in (start, end))
    return np.stack([start, end - start]).astype(np.float32)


def landmarks_in(squares: FloatArray, values: FloatArray) -> FloatArray:
    """Convert the landmark outputs of ONet (N, 10) to pixels (N, 5, 2).

    The outputs are x1…x5 and then y1…y5. These coordinates are relative to the square.
    """
    start, side = squares[:, None, :2], squares[:, None, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        landmarks: FloatArray = (start - ONE) + values.reshape(-1, 2, 5).swapaxes(1, 2) * (side + ONE)
    return landmarks


def to_faces(boxes: FloatArray) -> FloatArray:
    """Apply OpenFace's final correction to boxes.

    Each value is computed in double and rounded to float32 once.
    """
    x, y, width, height = boxes.astype(np.float64).T
    moved = [x + width * -0.0075, y + height * 0.2459, width * 1.0323, height * 0.7751]
    faces: FloatArray = np.stack(moved, axis=1).astype(np.float32)
    return faces
