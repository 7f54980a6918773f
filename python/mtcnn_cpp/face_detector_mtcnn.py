"""The detector under the name and with the calls that users of OpenFace know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .arguments import worker_count
from .backends import make_backend
from .backends.engine import Engine
from .image import to_pixels
from .model import Layer, Model
from .reference.options import Options
from .taps import hooked, tap_for
from .trace.names import matcher, require_possible
from .types import FloatArray, ImageLike, Tap


class FaceDetectorMTCNN:
    """OpenFace's `LandmarkDetector::FaceDetectorMTCNN`, in Python: the same calls, the same detections.

    location: the path of an `MTCNN_detector.txt` (or its folder); None for OpenFace's own networks, built in.
    original: let the OpenFace that this package was bound to compute (docs/openface.md); ImportError where it
        was bound to none. min_face is a whole number then.

    What differs from the original, on purpose: regions and confidences are returned, not appended to
    arguments; a file that cannot be read is an error, so that a detector is never empty; a picture that would
    end the original's program has an answer here (see README); and one detector may be used by several
    threads, also while another one calls `read`. `Detector` has the same detections and more comfort.

    Raises what `Model.load` raises.
    """

    def __init__(self, location: str | os.PathLike[str] | None = None, *, original: bool = False) -> None:
        self._backend = "openface" if original else "core"
        self._engine = self._load(Model.default() if location is None else Model.load(Path(location)))

    def read(self, location: str | os.PathLike[str]) -> None:
        """Take the networks of another `MTCNN_detector.txt` (or folder of one) from now on.

        Detections that are under way end with the networks that they began with. Where this raises (what
        `Model.load` raises), the detector stays as it was.
        """
        self._engine = self._load(Model.load(Path(location)))  # made whole first, then put in place at once

    def empty(self) -> bool:
        """Whether there are no networks: never, here."""
        return False

    def detect_faces(
        self,
        image: ImageLike,
        min_face: float = Options.min_face,
        t1: float = Options.thresholds[0],
        t2: float = Options.thresholds[1],
        t3: float = Options.thresholds[2],
    ) -> tuple[FloatArray, FloatArray]:
        """Regions (N, 4) float32 `x, y, width, height` in pixels and confidences (N,) float32, best first.

        image: as for `Detector.detect`; arrays are (H, W, 3) in the order B, G, R, or (H, W) gray. min_face:
        side of the smallest face looked for, in pixels, >= 1. t1, t2, t3: least face probability to pass
        PNet, RNet and ONet, each in [0, 1]. The pyramid's factor is the original's, 0.709. Raises what
        `Detector` and `Detector.detect` raise.
        """
        engine = replace(self._engine, options=Options(min_face, (t1, t2, t3)))
        regions, confidences, _ = engine.run(to_pixels(image), tap_for(self))
        return regions, confidences

    def layers(self) -> dict[str, Layer]:
        """Every layer by name, in order: `pnet/conv1`, `pnet/prelu1`, …, `onet/fc2`, with its weights."""
        return dict(_layers(self._engine.model))

    def hook(self, pattern: str, function: Tap) -> AbstractContextManager[None]:
        """Within the `with` block, `function(name, array)` sees every tensor of a detection whose name fits
        `pattern`, such as "rnet/crop*/conv2". See `Detector.hook`."""
        require_possible([pattern], self._engine.model.layer_names)
        return hooked(self, matcher([pattern]), function)

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_model, (self._engine.model, self._backend)

    def __repr__(self) -> str:
        original = ", original=True" if self._backend == "openface" else ""
        return f"FaceDetectorMTCNN({self._engine.model}{original})"

    def _load(self, model: Model) -> Engine:
        return Engine(make_backend(self._backend, model), model, Options(), worker_count(0))


def _with_model(model: Model, backend: str) -> FaceDetectorMTCNN:
    detector = FaceDetectorMTCNN.__new__(FaceDetectorMTCNN)
    detector._backend = backend
    detector._engine = detector._load(model)
    return detector


def _layers(model: Model) -> Iterator[tuple[str, Layer]]:
    for stage, network in model.networks.items():
        for name, layer in zip(network.names, network.layers, strict=True):
            yield f"{stage}/{name}", layer
