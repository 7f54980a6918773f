"""The class `MTCNN` of facenet-pytorch 2.6 with this package's detector.

In a program, replace `from facenet_pytorch import MTCNN` by
`from mtcnn_cpp.compat.facenet_pytorch import MTCNN`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.errors import import_extra
from .._util.files import write_file
from ..detector.detector import Detector
from ..media.crops import facenet_region
from ..media.image.opencv import import_opencv
from ..media.image.pixels import is_pil
from .cascade import check_device, detect_whole_faces, to_array

__all__ = ["MTCNN", "extract_face"]

_METHODS = ("largest", "probability", "largest_over_threshold", "center_weighted_size")


class MTCNN:
    """The detector with the interface of `facenet_pytorch.MTCNN`.

    An image is a PIL image, an array (H, W, 3) RGB or a tensor (H, W, 3) RGB. A batch is a list of images, or
    an array or tensor with four axes. The images of a list may have different sizes. The class is not a
    `torch.nn.Module`. `detect` does not need PyTorch. The docs page "Coming from another detector" lists all
    differences from facenet-pytorch.

    Args:
        image_size: Side of the returned faces in pixels.
        margin: Sum of the margins on two opposite sides of the box, in pixels of the returned face.
        min_face_size: Side of the smallest face to find, in pixels.
        thresholds: Minimum face probabilities to pass PNet, RNet and ONet.
        factor: Ratio of the sizes of consecutive pyramid levels.
        post_process: Convert each value x of the returned faces to (x - 127.5) / 128. If false, the values
            are 0 to 255.
        select_largest: Sort faces by descending area of the box. If false, sort faces by descending
            probability.
        selection_method: Method that selects the face if `keep_all` is false (see `select_boxes`). If None,
            the method is "largest" if `select_largest` is true, and "probability" otherwise.
        keep_all: Return all faces of an image. If false, return only one face.
        device: Must be the CPU: None, "cpu" or `torch.device("cpu")`.

    Raises:
        ValueError: If `device` is not the CPU, or another value is invalid.

    Example:
        mtcnn = MTCNN(image_size=160, margin=20)
        face = mtcnn(PIL.Image.open("photo.jpg"))   # (3, 160, 160) float32, or None
    """

    def __init__(
        self,
        image_size: int = 160,
        margin: float = 0,
        min_face_size: float = 20,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        post_process: bool = True,
        select_largest: bool = True,
        selection_method: str | None = None,
        keep_all: bool = False,
        device: Any = None,
    ) -> None:
        check_device("cpu" if device is None else device, "cpu")
        _check_method(selection_method or "largest")
        self.image_size = image_size
        self.margin = margin
        self.min_face_size = min_face_size
        self.thresholds = thresholds
        self.factor = factor
        self.post_process = post_process
        self.select_largest = select_largest
        self.selection_method = selection_method or ("largest" if select_largest else "probability")
        self.keep_all = keep_all
        self._detector = Detector(min_face=min_face_size, thresholds=thresholds, scale_factor=factor)
        self._device = device

    @property
    def device(self) -> Any:
        """The device that was passed to the constructor. If it was None, this is `torch.device("cpu")`."""
        return _import_torch().device("cpu") if self._device is None else self._device

    def forward(self, img: Any, save_path: Any = None, return_prob: bool = False) -> Any:
        """Find faces and return them as tensors for a recognition network. `mtcnn(img)` does the same.

        Args:
            img: An image or a batch.
            save_path: Path of the image file to write, or a list with one path for each image of a batch.
                The second face of an image is written to `NAME_2.EXT`, and so forth. Existing files are
                replaced.
            return_prob: Also return the probabilities.

        Returns:
            A tensor of shape (3, image_size, image_size), RGB, float32, or None if there is no face. With
            `keep_all`, the shape is (N, 3, image_size, image_size). For a batch, a list with one such result
            per image. With `return_prob`, a pair of this result and the probabilities.
        """
        boxes, probabilities, points = self.detect(img, landmarks=True)
        if not self.keep_all:
            selected = self.select_boxes(boxes, probabilities, points, img, method=self.selection_method)
            boxes, probabilities, _ = selected
        faces = self.extract(img, boxes, save_path)
        return (faces, probabilities) if return_prob else faces

    __call__ = forward

    def detect(self, img: Any, landmarks: bool = False) -> tuple[Any, ...]:
        """Find the faces in an image or in a batch.

        Args:
            img: An image or a batch.
            landmarks: Also return the landmarks.

        Returns:
            Boxes (N, 4) as x1, y1, x2, y2 in pixels, and probabilities (N,). With `landmarks`, also points
            (N, 5, 2) in pixels. If an image has no face, these results are None, `[None]` and None. For a
            batch, each result is an array with one element per image.
        """
        images, is_batch = _to_list(img)
        detector = self._detector.replace(
            min_face=self.min_face_size, thresholds=self.thresholds, scale_factor=self.factor
        )
        found = detect_whole_faces(detector, images)
        if self.select_largest:
            found = [faces[np.argsort(_areas(faces.xyxy))[::-1]] for faces in found]
        results = []
        for values, empty in (
            ([faces.xyxy for faces in found], None),
            ([faces.scores for faces in found], [None]),
            ([faces.landmarks for faces in found], None),
        ):
            # If all images have the same number of faces, NumPy creates one array of objects. Otherwise, it
            # creates an array of float32 arrays. facenet-pytorch returns the same.
            rows = np.array(values, dtype=object)
            array = np.array([row if len(row) else empty for row in rows], dtype=object)
            results.append(array if is_batch else array[0])
        return tuple(results if landmarks else results[:2])

    def select_boxes(
        self,
        all_boxes: Any,
        all_probs: Any,
        all_points: Any,
        imgs: Any,
        method: str = "probability",
        threshold: float = 0.9,
        center_weight: float = 2.0,
    ) -> tuple[Any, Any, Any]:
        """Select one face of each image.

        Args:
            all_boxes: Boxes from `detect`.
            all_probs: Probabilities from `detect`.
            all_points: Points from `detect`.
            imgs: The image or the batch.
            method: "probability", "largest" (area of the box), "largest_over_threshold" (largest box with a
                probability above `threshold`), or "center_weighted_size" (area minus `center_weight` times
                the squared distance between the centers of box and image, in pixels).
            threshold: Minimum probability for "largest_over_threshold".
            center_weight: Weight for "center_weighted_size".

        Returns:
            Boxes (1, 4), the probability, and points (1, 5, 2). If no face is selected, all three are None.
            For a batch, each result is an array with one element per image.
        """
        _check_method(method)
        images, is_batch = _to_list(imgs)
        if not is_batch:
            all_boxes, all_probs, all_points = [all_boxes], [all_probs], [all_points]
        chosen: list[tuple[Any, Any, Any]] = []
        for image, boxes, scores, points in zip(images, all_boxes, all_probs, all_points, strict=True):
            best = _select(image, boxes, scores, method, threshold, center_weight)
            if best is None:
                chosen.append((None, [None], None))
            else:
                pick = slice(best, best + 1)
                chosen.append((np.array(boxes[pick]), np.array(scores[pick]), np.array(points[pick])))
        if not is_batch:
            box, score, point = chosen[0]
            return box, score[0], point
        # Results that contain None have no common shape.
        dtype = object if any(box is None for box, _, _ in chosen) else None
        boxes, scores, points = (np.array([row[part] for row in chosen], dtype) for part in range(3))
        return boxes, scores, points

    def extract(self, img: Any, batch_boxes: Any, save_path: Any) -> Any:
        """Cut faces out of an image or a batch (see `forward`).

        Args:
            img: An image or a batch.
            batch_boxes: Boxes from `detect` or `select_boxes`.
            save_path: As for `forward`.

        Returns:
            The same tensors as `forward` returns.
        """
        images, is_batch = _to_list(img)
        boxes = batch_boxes if is_batch else [batch_boxes]
        paths = [save_path] if isinstance(save_path, (str, os.PathLike)) else save_path
        paths = [None] * len(images) if paths is None else paths
        if len(paths) != len(images):
            raise ValueError(f"save_path must have one path per image, got {len(paths)} for {len(images)}")
        faces = [
            None if found is None else self._extract_image(image, path, found)
            for image, path, found in zip(images, paths, boxes, strict=True)
        ]
        return faces if is_batch else faces[0]

    def _extract_image(self, image: Any, path: Any, boxes: Any) -> Any:
        tensors = []
        for number, box in enumerate(boxes if self.keep_all else boxes[:1], start=1):
            file = path
            if path is not None and number > 1:
                stem, ending = os.path.splitext(path)
                file = f"{stem}_{number}{ending}"
            tensor = extract_face(image, box, self.image_size, self.margin, file)
            tensors.append((tensor - 127.5) / 128.0 if self.post_process else tensor)
        return _import_torch().stack(tensors) if self.keep_all else tensors[0]


def extract_face(img: Any, box: Any, image_size: int = 160, margin: float = 0, save_path: Any = None) -> Any:
    """Cut one face out of an image and scale it, as `facenet_pytorch.extract_face` does.

    Args:
        img: An image.
        box: x1, y1, x2, y2 in pixels.
        image_size: Side of the returned face in pixels.
        margin: Sum of the margins on two opposite sides of the box, in pixels of the returned face.
        save_path: Path of the image file to write. If None, no file is written.

    Returns:
        A tensor of shape (3, image_size, image_size), RGB, float32 with values from 0 to 255.
    """
    torch = _import_torch()
    if not is_pil(img) and (img.ndim != 3 or img.shape[2] != 3):
        raise ValueError(f"img must have the shape (H, W, 3), got {tuple(img.shape)}")
    if not 0 <= margin < image_size:
        raise ValueError(f"margin must be at least 0 and less than image_size ({image_size}), got {margin}")
    corners = np.asarray(box, np.float64).reshape(2, 2)
    border = margin * (corners[1] - corners[0]) / (image_size - margin) / 2
    left, top, right, bottom = facenet_region(corners, border, _size(img))
    side = (image_size, image_size)
    if is_pil(img):  # each type of image has its own interpolation, as in facenet-pytorch
        crop = img.convert("RGB").crop((left, top, right, bottom)).resize(side, resample=2)  # bilinear
    elif isinstance(img, np.ndarray):
        cv2 = import_opencv("scaling faces")
        window = np.ascontiguousarray(img[top:bottom, left:right])
        crop = cv2.resize(window, side, interpolation=cv2.INTER_AREA)
    else:
        window = img[top:bottom, left:right].permute(2, 0, 1)[None].float()
        crop = torch.nn.functional.interpolate(window, size=side, mode="area")
        crop = to_array(crop.byte()[0].permute(1, 2, 0))
    if save_path is not None:
        _save(crop, Path(save_path))
    return torch.from_numpy(np.array(crop, np.float32)).permute(2, 0, 1).contiguous()


def _save(crop: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_pil(crop):  # with PIL, so that the bytes are those of facenet-pytorch
        data = io.BytesIO()
        data.name = path.name  # the format follows from the extension
        crop.save(data)
        write_file(path, data.getvalue())
    else:
        bgr = np.rint(crop[..., ::-1]).astype(np.uint8)
        write_file(path, import_opencv("writing faces").imencode(path.suffix, bgr)[1].tobytes())


def _to_list(img: Any) -> tuple[Sequence[Any], bool]:
    """Return the images, and whether they were given as a batch."""
    if isinstance(img, (str, os.PathLike)):
        raise TypeError(f"img must be an image, got the path {str(img)!r}; pass PIL.Image.open(path)")
    is_batch = isinstance(img, (list, tuple)) or getattr(img, "ndim", 0) == 4
    return (img if is_batch else [img]), is_batch


def _size(image: Any) -> tuple[int, int]:
    """Return width and height."""
    return image.size if is_pil(image) else (image.shape[1], image.shape[0])


def _select(
    image: Any, boxes: Any, probabilities: Any, method: str, threshold: float, center_weight: float
) -> int | None:
    """Return the index of the face that `MTCNN.select_boxes` selects, or None."""
    if boxes is None:
        return None
    ranks, scores = _areas(boxes), np.asarray(probabilities, np.float64)
    if method == "probability":
        ranks = scores
    elif method == "largest_over_threshold":
        ranks = np.where(scores > threshold, ranks, -np.inf)
    elif method == "center_weighted_size":
        centers = np.asarray(boxes, np.float64).reshape(-1, 2, 2).mean(axis=1)
        ranks = ranks - center_weight * ((centers - np.array(_size(image)) / 2) ** 2).sum(axis=1)
    return int(ranks.argmax()) if ranks.max() > -np.inf else None


def _areas(boxes: Any) -> NDArray[np.float64]:
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).T
    areas: NDArray[np.float64] = (x2 - x1) * (y2 - y1)
    return areas


def _check_method(method: str) -> None:
    if method not in _METHODS:
        raise ValueError(f"the selection method must be one of {', '.join(_METHODS)}, got {method!r}")


def _import_torch() -> Any:
    return import_extra("torch", "mtcnn-cpp[torch]", "returning faces as tensors")
