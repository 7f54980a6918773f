"""The backend that runs the original OpenFace.

It exists only if this package was built with the source or with an installation of OpenFace.

OpenFace's `DetectFaces` computes boxes and scores. OpenFace also computes the output of each layer. For layer
k, OpenFace reads a `.dat` file that contains only the first k layers of the network. The output of this
shorter network is the output of layer k. The cascade of the reference implementation computes levels, crops
and lists of boxes. OpenFace does not return landmarks. Therefore OpenFace's ONet computes the landmarks for
the boxes of the reference cascade.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..media.image.pixels import Pixels
from ..model import INDEX, Model, Network
from ..reference.dat import write_network
from ..reference.options import Options
from ..reference.types import Cancelled, Faces
from ..types import FloatArray, Hook
from .engine import Request, Settings
from .runner import INPUT, Array, CascadeBackend, split_run

INSTALL_HINT = (
    "pip install . -C cmake.define.MTCNN_CPP_OPENFACE_SOURCE=FOLDER, a checkout of OpenFace, or "
    "-C cmake.define.MTCNN_CPP_OPENFACE=PREFIX, the installation folder of OpenFace"
)
LANDMARKS = "OpenFace's ONet on the boxes of mtcnn_cpp's cascade (OpenFace itself gives none)"
# Maximum distance between a box of OpenFace and the box of the cascade that has its landmarks, in box widths.
MAX_DISTANCE = 0.1


def import_openface() -> Any:
    """Return the module `_openface`. Raises ImportError with instructions if it cannot be imported."""
    name = f"{__package__.rpartition('.')[0]}._openface"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"this build has no OpenFace; reinstall with {INSTALL_HINT}") from None
    except ImportError as error:
        if str(error).startswith("mtcnn_cpp was"):  # the module `_openface` wrote this message
            raise
        raise ImportError(
            f"this build is bound to OpenFace, but the binding cannot be loaded: {error}. "
            f"Check that this OpenFace is still installed; if not, reinstall with {INSTALL_HINT}"
        ) from error


def describe() -> dict[str, str]:
    """Describe the OpenFace of this build.

    Returns:
        `library` is the path of the library file or of the source folder. `kind` is "static", "shared" or
        "source". `sha256` is the SHA-256 of the library file, or the SHA-256 of each of the source files
        FaceDetectorMTCNN.cpp and CNN_utils.cpp. `version` is the version of OpenFace, or "" if it is unknown.
        `opencv` and `blas` describe the loaded libraries. `sums` is "ordered" if matrix products are computed
        by built-in code, which adds in order. Otherwise `sums` is "blas". `model` is the path of OpenFace's
        own MTCNN_detector.txt, or "" if there is no such file.

    Raises:
        ImportError: If this build has no OpenFace.
    """
    info: dict[str, str] = dict(import_openface().build_info())
    digest = info.pop("sha256_at_build")
    library = Path(info["library"])
    if info["kind"] == "shared" and library.is_file():  # the file may have been replaced since the build
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
    return {**info, "sha256": digest}


class OpenFaceRunner:
    """Runs one network in OpenFace.

    To compute the output of a layer, it runs a network that ends with this layer. It creates this network at
    the first request for the layer.
    """

    def __init__(self, network: Network) -> None:
        self.title = "openface"
        self.names = network.names
        self._openface = import_openface()
        self._network = network
        self._cache: dict[tuple[int, int], Any] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """Run the network (see `NetworkRunner.run`).

        Raises ValueError if the input is the output of a layer instead of images.
        """
        start, batch, requested = split_run(self.names, inputs, outputs)
        if start != INPUT:
            raise ValueError(
                "OpenFace cannot run a single layer: expected an image as the input, found the output of "
                f"{start}; compare without --isolated"
            )
        images = [np.ascontiguousarray(maps[::-1].transpose(1, 2, 0)) for maps in batch]  # BGR
        results = {}
        for name in requested:
            original = self._prefix(self.names.index(name) + 1)
            results[name] = np.stack([original.inference(image) for image in images])
        return results

    def _prefix(self, count: int) -> Any:
        """Return an OpenFace network of the first `count` layers. Each process creates its own networks."""
        key = os.getpid(), count
        if key not in self._cache:
            data = write_network(Network(self._network.layers[:count]))
            self._cache[key] = self._openface.CNN(data, f"the network up to {self.names[count - 1]}")
        return self._cache[key]


class OpenFaceBackend(CascadeBackend):
    """Runs detections and networks in OpenFace.

    Attributes:
        made_by: Names of the components that compute the tensors. The manifest of a trace records them.
        notes: Notes for the user.
    """

    def __init__(self, model: Model) -> None:
        runners = {stage: OpenFaceRunner(network) for stage, network in model.networks.items()}
        super().__init__("openface", runners, model)
        self._openface = import_openface()
        self._cache: dict[int, Any] = {}
        self._original()  # any error is raised here, before the first image
        info = describe()
        self.notes = (f"landmarks: {LANDMARKS}",)
        kind = "source" if info["kind"] == "source" else f"{info['kind']} library"
        self.made_by = {
            "openface": f"{kind} {info['library']}, SHA-256 {info['sha256']}"
            + (f", version {info['version']}" if info["version"] else ""),
            "opencv": info["opencv"],
            "blas": info["blas"],
            "sums": info["sums"],
            "layers": "OpenFace, through networks of the first k layers",
            "inputs and stage lists": "mtcnn_cpp's cascade on OpenFace's outputs",
            "final boxes and scores": "OpenFace's DetectFaces",
            "final landmarks": LANDMARKS,
        }

    def detect(self, request: Request) -> Faces:
        """See `Backend.detect`. Raises ValueError if OpenFace does not support the options or the image.

        A call of OpenFace cannot be interrupted, so the cancellation is checked before the call.
        """
        check_options(request.options)
        pixels = to_original(request.image, request.is_rgb)
        if request.cancellation and request.cancellation.is_set():
            raise Cancelled("the detection was cancelled")
        boxes, scores = self.detect_faces(pixels, request.options, request.memory_limit or 0)
        hook = request.hook
        cascade = super().detect(replace(request, hook=None if hook is None else _without_final(hook)))
        faces = boxes, scores, nearest_landmarks(boxes, cascade)
        for name, array in zip(("boxes", "scores", "landmarks"), faces, strict=True):
            array.flags.writeable = hook is None
            if hook:
                hook(f"final/{name}", array)
        return faces

    def check_image(self, pixels: Pixels) -> None:
        """Raise ValueError if OpenFace does not support the pixels. The message contains their type."""
        to_original(pixels.array[:1, :1], pixels.is_rgb, pixels.given)

    def detect_faces(
        self, pixels: Array, options: Options, memory_limit: int = 0
    ) -> tuple[FloatArray, FloatArray]:
        """Return the boxes and scores of OpenFace's `DetectFaces`. `pixels` is a result of `to_original`."""
        boxes, scores = self._original().detect_faces(
            pixels, int(options.min_face), *options.thresholds, memory_limit
        )
        return boxes, scores

    def _original(self) -> Any:
        """Return the OpenFace detector of the current process. After a fork, create a new one."""
        process = os.getpid()
        if process not in self._cache:
            with tempfile.TemporaryDirectory(prefix="mtcnn_cpp_") as folder:
                self._model.save(folder)
                self._cache[process] = self._openface.FaceDetectorMTCNN(str(Path(folder) / INDEX))
        return self._cache[process]


def make(name: str, model: Model, settings: Settings) -> OpenFaceBackend:
    """Return the backend "openface". Raises ImportError if this build has no OpenFace."""
    return OpenFaceBackend(model)


def check_options(options: Options) -> None:
    """Raise ValueError if OpenFace does not support the options."""
    if options.scale_factor != Options.scale_factor:
        raise ValueError(
            f"scale_factor: OpenFace has the fixed value {Options.scale_factor}, got {options.scale_factor}; "
            "omit this option, or use another backend"
        )
    if options.min_face != int(options.min_face) or options.min_face >= 1 << 31:
        raise ValueError(
            f"min_face: OpenFace needs a whole number of pixels below 2^31, got {options.min_face}; "
            "round it, or use another backend"
        )


def to_original(image: Array, is_rgb: bool, given: str = "") -> Array:
    """Convert an image to (H, W, 3) uint8 BGR.

    Raises ValueError if the dtype is not uint8. The message states `given`, the original dtype of the image.
    If `given` is "", the message states the dtype of `image`.
    """
    if image.dtype != np.uint8:
        depth = "16 bits per channel (uint16)" if given == "uint16" else f"{given or image.dtype} pixels"
        raise ValueError(
            f"image: OpenFace needs images with 8 bits per channel, got {depth}; "
            "convert the image to 8 bits, or use another backend"
        )
    return np.ascontiguousarray(image[..., 2::-1] if is_rgb else image[..., :3])


def nearest_landmarks(boxes: FloatArray, cascade: Faces) -> FloatArray:
    """Return, for each box of OpenFace, the landmarks of the nearest box of the reference cascade.

    The landmarks are NaN if the distance to the nearest box is greater than MAX_DISTANCE.
    """
    landmarks = np.full((len(boxes), 5, 2), np.nan, np.float32)
    for index, box in enumerate(boxes):
        distance = np.abs(cascade[0].astype(np.float64) - box).max(axis=1, initial=0.0)
        if len(distance) and distance.min() <= MAX_DISTANCE * box[2]:
            landmarks[index] = cascade[2][distance.argmin()]
    return landmarks


def _without_final(hook: Hook) -> Hook:
    def filtered(name: str, array: Array) -> None:
        if not name.startswith("final/"):
            hook(name, array)

    return filtered
