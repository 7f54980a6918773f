"""The detector with the class name and the methods of OpenFace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..backends import make_backend
from ..backends.engine import Engine, hook_for, registered_hook
from ..media.image.pixels import to_pixels
from ..model import Layer, Model
from ..reference.options import Options
from ..trace.names import name_matcher, require_possible
from ..types import FloatArray, Hook, ImageLike
from .detection import resolve_threads


class FaceDetectorMTCNN:
    """OpenFace's `LandmarkDetector::FaceDetectorMTCNN` in Python, with the same methods and detections.

    This class differs from the original in three points. It returns regions and confidences instead of
    appending them to arguments. An unreadable file raises an error, so a detector always has networks. For
    some images, the original program terminates, whereas this class returns a result (see README). Several
    threads may use one detector at the same time, even if one of them calls `read`. `Detector` gives the same
    detections and has more features.

    Args:
        location: Path of a file `MTCNN_detector.txt` or of its folder. If None, the networks of OpenFace are
            used, which are bundled with this package.
        original: Whether to use OpenFace's own code. If true, this package must have been built with OpenFace
            (see docs/openface.md), and `min_face` must be a whole number.

    Raises:
        ImportError: If `original` is set and this build has no OpenFace. Other errors are those of
            `Model.load`.
    """

    def __init__(self, location: str | os.PathLike[str] | None = None, *, original: bool = False) -> None:
        self._backend = "openface" if original else "core"
        self._engine = self._load(Model.default() if location is None else Model.load(Path(location)))

    def read(self, location: str | os.PathLike[str]) -> None:
        """Load new networks from a file `MTCNN_detector.txt` or its folder.

        Running detections finish with the previous networks. If this method raises an error of `Model.load`,
        the detector does not change.
        """
        self._engine = self._load(Model.load(Path(location)))  # loaded completely before other threads use it

    def empty(self) -> bool:
        """Return False: a detector always has networks."""
        return False

    def detect_faces(
        self,
        image: ImageLike,
        min_face: float = Options.min_face,
        t1: float = Options.thresholds[0],
        t2: float = Options.thresholds[1],
        t3: float = Options.thresholds[2],
    ) -> tuple[FloatArray, FloatArray]:
        """Find the faces in an image.

        Args:
            image: Image in any form that `Detector.detect` accepts. Arrays are (H, W, 3) BGR or (H, W) gray.
            min_face: Side of the smallest face to find, in pixels, at least 1.
            t1: Minimum face probability to pass PNet, from 0 to 1.
            t2: Minimum face probability to pass RNet, from 0 to 1.
            t3: Minimum face probability to pass ONet, from 0 to 1.

        Returns:
            Regions (N, 4) float32 `x, y, width, height` in pixels, and confidences (N,) float32, sorted by
            descending confidence. The scale factor of the pyramid is always 0.709, as in the original.

        Raises the errors of `Detector` and `Detector.detect`.
        """
        engine = replace(self._engine, options=Options(min_face, (t1, t2, t3)))
        regions, confidences, _ = engine.run(to_pixels(image), hook_for(self))
        return regions, confidences

    def layers(self) -> dict[str, Layer]:
        """Return a dictionary from the names of all layers to the layers with their weights.

        The order is `pnet/conv1`, …, `onet/fc2`.
        """
        return dict(_layers(self._engine.model))

    def hook(self, pattern: str, function: Hook) -> AbstractContextManager[None]:
        """Register a hook for tensors whose name matches `pattern`, for example "rnet/crop*/conv2".

        See `Detector.hook`.
        """
        require_possible([pattern], self._engine.model.layer_names)
        return registered_hook(self, name_matcher([pattern]), function)

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_model, (self._engine.model, self._backend)

    def __repr__(self) -> str:
        original = ", original=True" if self._backend == "openface" else ""
        return f"FaceDetectorMTCNN({self._engine.model}{original})"

    def _load(self, model: Model) -> Engine:
        return Engine(make_backend(self._backend, model), model, Options(), resolve_threads(None))


def _with_model(model: Model, backend: str) -> FaceDetectorMTCNN:
    detector = FaceDetectorMTCNN.__new__(FaceDetectorMTCNN)
    detector._backend = backend
    detector._engine = detector._load(model)
    return detector


def _layers(model: Model) -> Iterator[tuple[str, Layer]]:
    for stage, network in model.networks.items():
        for name, layer in zip(network.names, network.layers, strict=True):
            yield f"{stage}/{name}", layer
