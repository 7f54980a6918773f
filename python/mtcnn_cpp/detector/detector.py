"""The face detector."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

from .._util.cpus import check_threads
from ..backends import make_backend
from ..backends.engine import Engine, hook_for, registered_hook
from ..detections.result import Detections
from ..media.image.pixels import to_pixels
from ..model import Model
from ..reference.options import Options
from ..trace.names import name_matcher, require_possible
from ..types import BackendName, Color, Hook, ImageLike
from .batch import BatchDetection
from .detection import check_memory_limit, find_faces, load_model, resolve_threads

if TYPE_CHECKING:
    from ..trace import Trace
    from ..trace.manifest import CaptureLevel


class Detector(BatchDetection):
    """OpenFace's MTCNN face detector.

    A detector is immutable and picklable, and may be shared between threads. Each argument is also a
    property.

    Args:
        model: A `Model`, the path of a file `MTCNN_detector.txt`, or the path of its folder. If None, the
            networks of OpenFace are used, which are bundled with this package.
        min_face: Side of the smallest face to find, in pixels, at least 1. A larger value makes the detection
            faster.
        thresholds: Minimum face probabilities to pass PNet, RNet and ONet, each from 0 to 1.
        scale_factor: Ratio of the sizes of consecutive pyramid levels, greater than 0 and less than 1.
        threads: Maximum number of threads, from 1 to 1024. None: all CPUs available to this process. The
            environment variables `MTCNN_CPP_THREADS` and `OMP_NUM_THREADS` can limit this number. The results
            do not depend on this number.
        backend: Backend that runs the networks. These backends return results with the same bits: "core" (the
            fastest variant of the core that this CPU supports), the name of a variant (see
            `types.VariantName`), and "reference" (NumPy). The results of "onnx", "torch" and "openface" (the
            original, if this build includes it) differ from these results in the last digits.
        providers: Execution providers of ONNX Runtime, in order of preference. Only for the backend "onnx".
            None: CPU.
        memory_limit: Maximum number of bytes for one detection of the core. None: the free memory of the
            machine. A detection that needs more, for example with a small `min_face` on a large image, raises
            MemoryError.

    Raises:
        ValueError: For an invalid value; the message names the argument.
        TypeError: For an argument of a wrong type.
        MissingExtra: If the runtime of the backend is not installed.
        ImportError: If the core cannot be imported, or this build has no OpenFace.
        OSError: If the file of `model` cannot be read (see `Model.load`).

    Example:
        detector = Detector(min_face=40)
        faces = detector.detect("photo.jpg")
        print(faces.boxes, faces.scores)
    """

    _arguments: dict[str, Any]  # as passed, for pickling and `replace`

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        min_face: float = Options.min_face,
        thresholds: Sequence[float] = Options.thresholds,
        scale_factor: float = Options.scale_factor,
        threads: SupportsIndex | None = None,
        backend: BackendName = "core",
        providers: Sequence[str] | None = None,
        memory_limit: SupportsIndex | None = None,
    ) -> None:
        options = Options(min_face, thresholds, scale_factor)  # type: ignore[arg-type]  # checks the length
        thread_count = check_threads(threads, default="all usable CPUs")
        networks = load_model(model)
        providers = None if providers is None else tuple(providers)
        limit = check_memory_limit(memory_limit)
        max_threads = resolve_threads(thread_count)
        computing = make_backend(backend, networks, providers=providers, threads=max_threads)
        engine = Engine(computing, networks, options, max_threads, limit)
        arguments = {**vars(options), "threads": thread_count, "backend": backend, "providers": providers}
        arguments["memory_limit"] = limit
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "_arguments", arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Detector is immutable; create a changed one: detector.replace({name}=…)")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Detector is immutable")

    @property
    def model(self) -> Model:
        """The three networks."""
        return self._engine.model

    @property
    def min_face(self) -> float:
        """Side of the smallest face to find, in pixels."""
        return self._engine.options.min_face

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Minimum face probabilities to pass PNet, RNet and ONet."""
        return self._engine.options.thresholds

    @property
    def scale_factor(self) -> float:
        """Ratio of the sizes of consecutive pyramid levels."""
        return self._engine.options.scale_factor

    @property
    def options(self) -> Options:
        """`min_face`, `thresholds` and `scale_factor` as one object."""
        return self._engine.options

    @property
    def threads(self) -> int | None:
        """Maximum number of threads, as passed to the constructor.

        None: all CPUs available to this process.
        """
        threads: int | None = self._arguments["threads"]
        return threads

    @property
    def backend(self) -> str:
        """Name of the backend that runs the networks. For the core, this is the name of its variant."""
        return self._engine.backend.name

    @property
    def providers(self) -> tuple[str, ...] | None:
        """Execution providers that ONNX Runtime uses, in order of preference.

        None if the backend is not "onnx".
        """
        return getattr(self._engine.backend, "providers", None)

    @property
    def memory_limit(self) -> int | None:
        """Maximum number of bytes for one detection of the core. None: the free memory of the machine."""
        return self._engine.memory_limit

    @property
    def engine(self) -> Engine:
        """Object with backend, model, options and number of threads.

        Traces and comparisons use this object.
        """
        return self._engine

    def replace(self, **changes: Any) -> Detector:
        """Return a copy of this detector in which some arguments of the constructor have new values.

        The networks are loaded again only if `changes` contains `model`, `backend`, `threads`, `providers` or
        `memory_limit`.

        Args:
            **changes: Arguments of the constructor by name.

        Raises:
            TypeError: For an unknown name. Other errors are those of the constructor.

        Example:
            large_faces = detector.replace(min_face=200)
        """
        arguments = {"model": self.model, **self._arguments}
        unknown = [name for name in changes if name not in arguments]
        if unknown:
            raise TypeError(f"replace expects the arguments {', '.join(arguments)}, got {', '.join(unknown)}")
        if set(changes) - set(vars(self.options)):
            return type(self)(**arguments | changes)
        options = Options(**vars(self.options) | changes)
        other = object.__new__(type(self))
        engine = dataclasses.replace(self._engine, options=options)
        object.__setattr__(other, "_engine", engine)
        object.__setattr__(other, "_arguments", self._arguments | vars(options))
        return other

    def detect(self, image: ImageLike, *, color: Color = "bgr") -> Detections:
        """Find the faces in an image. `detector(image)` does the same.

        Args:
            image: An array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with any strides; the fourth
                channel is ignored. The dtype is uint8, uint16 (each value is divided by 256), or float32 or
                float64 with values from 0 to 255 (computed in float32). The same rules apply to tensors and
                arrays of other libraries (PyTorch, JAX, …). They must be on the CPU. The image can also be
                the path of an image file, its content (bytes, or a file that is open for binary reading), or
                a PIL image.
            color: Channel order of an array or tensor, "bgr" or "rgb". The channel order cannot be detected.
                Files and PIL images have a known order.

        Returns:
            The faces, sorted by descending score: boxes (N, 4) `x, y, width, height`, scores (N,) and
            landmarks (N, 5, 2), all float32. Boxes and landmarks are in pixels of the image.

        Raises:
            TypeError: For an unsupported type of image.
            ValueError: For an unsupported shape, dtype or value, or a file that is not an image.
            OSError: If the file cannot be read.
            ImportError: If a file is given and OpenCV is not installed.
            MemoryError: If the detection needs more memory than `memory_limit`.
        """
        return find_faces(self._engine, image, color=color, hook=hook_for(self._engine))

    __call__ = detect

    def hook(self, pattern: str, function: Hook) -> AbstractContextManager[None]:
        """Register a hook for the duration of a `with` block.

        A detection calls the hook only if the detection starts inside the block, on the same thread or in the
        same asyncio task. If a task or a call of `asyncio.to_thread` begins inside the block, it counts as
        the same task. Detections of all other threads do not call the hook. The hook is called for each
        tensor whose name matches, in execution order, on the thread that started the detection.

        The iterators of `detect_stream`, `detect_files` and `detect_video` take the images one by one. An
        iterator calls the hook only for the images that it takes inside the block, even if the iterator was
        created before the block. Before the block, an iterator can take a few images ahead. It does not call
        the hook for these images, and it returns their results first. Inside the block, an iterator takes one
        image for each result. `detect_batch` takes all images during its call.

        The arrays are read-only views. If a hook stores an array, the memory of the array remains in use. An
        exception of the hook ends the detection and is raised to the caller.

        Args:
            pattern: Pattern of tensor names with `*`, `?` and `[...]`; `*` also matches slashes.
            function: Called as `function(name, array)`.

        Raises:
            ValueError: If no tensor can match the pattern. The message lists similar names.

        Example:
            with detector.hook("rnet/*/conv2", lambda name, array: print(name, array.max())):
                detector.detect(image)
        """
        require_possible([pattern], self.model.layer_names)
        return registered_hook(self._engine, name_matcher([pattern]), function)

    def trace(
        self,
        image: ImageLike,
        *,
        color: Color = "bgr",
        only: Sequence[str] = (),
        capture: CaptureLevel = "full",
    ) -> Trace:
        """Detect the faces in an image, and record the tensors of the detection.

        Args:
            image: Image in any form that `detect` accepts.
            color: Channel order, as for `detect`.
            only: Patterns of the names of the tensors to record. If empty, all tensors are recorded.
            capture: Information that is recorded about each tensor. "full": its values. "stats": SHA-256 and
                statistics of its values. "hash": SHA-256 of its values. "names": only its shape and dtype.

        Returns:
            The trace; `trace["pnet/level02/conv1"]` is a tensor, `trace.save(path)` writes a file.

        Raises:
            ValueError: If no name can match a pattern, or if the recorded values exceed 2 GiB. Other errors
                are those of `detect`.
        """
        from ..trace.capture import record

        return record(self._engine, to_pixels(image, color), only=only, capture=capture)

    def __reduce__(self) -> tuple[Any, ...]:
        model = None if self.model is Model.default() else self.model
        return functools.partial(type(self), model, **self._arguments), ()

    def __repr__(self) -> str:
        model = "" if self.model is Model.default() else "model=<custom>, "
        used = self._arguments | {"providers": self.providers}
        arguments = {name: value for name, value in used.items() if value is not None}
        return f"Detector({model}{', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
