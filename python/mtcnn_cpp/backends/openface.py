"""The original: the OpenFace that this package was built with, from its source or from an installation.

Boxes and scores are what its own `DetectFaces` gives. Every layer is computed by it too: a `.dat` file with
the first k layers of a network is a network, whose output is that of layer k. Levels, crops and stage lists
come from the reference's cascade, and landmarks, which the original drops, from its ONet on the boxes of that
cascade.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..image import Pixels
from ..model import INDEX, Model, Network
from ..reference.dat import write_network
from ..reference.options import Options
from ..types import Faces, FloatArray, Stop, Stopped, Tap
from .protocol import Settings
from .runner import INPUT, Array, RunnerBackend, split_run

HOW = (
    "pip install . -C cmake.define.MTCNN_CPP_OPENFACE_SOURCE=FOLDER, a checkout of OpenFace, or "
    "-C cmake.define.MTCNN_CPP_OPENFACE=PREFIX, the folder that OpenFace is installed in"
)
LANDMARKS = "OpenFace's ONet on the boxes of mtcnn_cpp's cascade (OpenFace itself gives none)"
NEAR = 0.1  # of a box's width: how far a box of the cascade may be from the original's to lend it landmarks


def import_openface() -> Any:
    """The module `_openface`, or an ImportError that says what to do."""
    name = f"{__package__.rpartition('.')[0]}._openface"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"this build has no OpenFace; install with {HOW}") from None
    except ImportError as error:
        if str(error).startswith("mtcnn_cpp was"):  # the module's own words
            raise
        raise ImportError(
            f"this build is bound to OpenFace, but the binding cannot be loaded: {error}. "
            f"Is what it was built with still installed? If not, install again with {HOW}"
        ) from error


def describe() -> dict[str, str]:
    """Return what was bound.

    library: the file, or the folder of the source. kind: static, shared or source. sha256: of the library, or
    of both source files. version: "" if not known. opencv, blas: what is loaded. sums: "ordered" (products of
    matrices sum in order, built in) or "blas". model: OpenFace's own MTCNN_detector.txt, "" if there is none.

    Raises as `import_openface`.
    """
    found: dict[str, str] = dict(import_openface().build_info())
    digest = found.pop("sha256_at_build")
    library = Path(found["library"])
    if found["kind"] == "shared" and library.is_file():  # it may have been exchanged since
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
    return {**found, "sha256": digest}


class OpenFaceRunner:
    """One network, computed by the original. Each layer's output is that of the network that ends with it;
    these are made when they are first asked for."""

    def __init__(self, network: Network) -> None:
        self.title = "openface"
        self.names = network.names
        self._openface = import_openface()
        self._network = network
        self._made: dict[tuple[int, int], Any] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """As `Runner.run`, from the picture on: ValueError where a layer's output is the input."""
        given, batch, asked = split_run(self.names, inputs, outputs)
        if given != INPUT:
            raise ValueError(
                f"openface: expected a picture as the input, found the output of {given}: OpenFace runs a "
                "network from its picture on, no layer alone; compare without --isolated"
            )
        pictures = [np.ascontiguousarray(maps[::-1].transpose(1, 2, 0)) for maps in batch]  # blue first
        results = {}
        for name in asked:
            original = self._prefix(self.names.index(name) + 1)
            results[name] = np.stack([original.inference(picture) for picture in pictures])
        return results

    def _prefix(self, count: int) -> Any:
        """The original's network of the first `count` layers. An object serves the process that made it."""
        key = os.getpid(), count
        if key not in self._made:
            data = write_network(Network(self._network.layers[:count]))
            self._made[key] = self._openface.CNN(data, f"the network up to {self.names[count - 1]}")
        return self._made[key]


class OpenFaceBackend(RunnerBackend):
    """The original's detector and networks. `made_by` says for a trace's manifest who computed what, `notes`
    are for people."""

    def __init__(self, model: Model) -> None:
        runners = {stage: OpenFaceRunner(network) for stage, network in model.networks.items()}
        super().__init__("openface", runners, model)
        self._openface = import_openface()
        self._made: dict[int, Any] = {}
        self._original()  # errors are raised here, not at the first picture
        found = describe()
        self.notes = (f"landmarks: {LANDMARKS}",)
        what = "source" if found["kind"] == "source" else f"{found['kind']} library"
        self.made_by = {
            "openface": f"{what} {found['library']}, SHA-256 {found['sha256']}"
            + (f", version {found['version']}" if found["version"] else ""),
            "opencv": found["opencv"],
            "blas": found["blas"],
            "sums": found["sums"],
            "layers": "OpenFace, through networks of the first k layers",
            "inputs and stage lists": "mtcnn_cpp's cascade on OpenFace's outputs",
            "final boxes and scores": "OpenFace's DetectFaces",
            "final landmarks": LANDMARKS,
        }

    def detect(
        self,
        image: Array,
        *,
        red_first: bool,
        options: Options,
        threads: int,
        tap: Tap | None = None,
        stop: Stop | None = None,
        memory_limit: int = 0,
    ) -> Faces:
        """As `Backend.detect`; ValueError for options and pictures that the original does not take. A call of
        the original cannot be stopped half way."""
        check_options(options)
        pixels = to_original(image, red_first)
        if stop and stop.is_set():
            raise Stopped("the detection was asked to stop")
        boxes, scores = self.detect_faces(pixels, options, memory_limit)
        watch = None if tap is None else _all_but_final(tap)
        cascade = super().detect(
            image, red_first=red_first, options=options, threads=threads, tap=watch, stop=stop
        )
        faces = boxes, scores, nearest_landmarks(boxes, cascade)
        for name, array in zip(("boxes", "scores", "landmarks"), faces, strict=True):
            array.flags.writeable = tap is None
            if tap:
                tap(f"final/{name}", array)
        return faces

    def check_image(self, pixels: Pixels) -> None:
        """ValueError for pixels that the original does not take, with the type that the image had."""
        to_original(pixels.array[:1, :1], pixels.red_first, pixels.given)

    def detect_faces(
        self, pixels: Array, options: Options, memory_limit: int = 0
    ) -> tuple[FloatArray, FloatArray]:
        """Return boxes and scores of OpenFace's `DetectFaces`. Pixels as from `to_original`, options as for
        `check_options`."""
        boxes, scores = self._original().detect_faces(
            pixels, int(options.min_face), *options.thresholds, memory_limit
        )
        return boxes, scores

    def _original(self) -> Any:
        """The original's detector of this process (after a fork, another one)."""
        process = os.getpid()
        if process not in self._made:
            with tempfile.TemporaryDirectory(prefix="mtcnn_cpp_") as folder:
                self._model.save(folder)
                self._made[process] = self._openface.FaceDetectorMTCNN(str(Path(folder) / INDEX))
        return self._made[process]


def make(name: str, model: Model, settings: Settings) -> OpenFaceBackend:
    """The backend "openface". ImportError in a build without it."""
    return OpenFaceBackend(model)


def check_options(options: Options) -> None:
    """ValueError for options that the original does not have."""
    if options.scale_factor != Options.scale_factor:
        raise ValueError(
            f"scale_factor: OpenFace's is fixed at {Options.scale_factor}, got {options.scale_factor}; "
            "leave it out, or use another backend"
        )
    if options.min_face != int(options.min_face) or options.min_face >= 1 << 31:
        raise ValueError(
            f"min_face: OpenFace takes a whole number of pixels below 2^31, got {options.min_face}; "
            "round it, or use another backend"
        )


def to_original(image: Array, red_first: bool, given: str = "") -> Array:
    """Return (H, W, 3) uint8 BGR. ValueError for pixels of another type; `given`: the image's, if known."""
    if image.dtype != np.uint8:
        depth = "16 bits per channel (uint16)" if given == "uint16" else f"{given or image.dtype} pixels"
        raise ValueError(
            f"image: OpenFace takes images of 8 bits per channel, got {depth}; "
            "convert the image to 8 bits, or use another backend"
        )
    return np.ascontiguousarray(image[..., 2::-1] if red_first else image[..., :3])


def nearest_landmarks(boxes: FloatArray, cascade: Faces) -> FloatArray:
    """For each box of the original the landmarks of the cascade's box that is nearest; NaN where none is
    near."""
    landmarks = np.full((len(boxes), 5, 2), np.nan, np.float32)
    for index, box in enumerate(boxes):
        apart = np.abs(cascade[0].astype(np.float64) - box).max(axis=1, initial=0.0)
        if len(apart) and apart.min() <= NEAR * box[2]:
            landmarks[index] = cascade[2][apart.argmin()]
    return landmarks


def _all_but_final(tap: Tap) -> Tap:
    def watch(name: str, array: Array) -> None:
        if not name.startswith("final/"):
            tap(name, array)

    return watch
