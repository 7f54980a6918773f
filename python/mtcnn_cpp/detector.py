"""The detector as users see it: pictures of any kind in, faces out."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

from .arguments import check_limit, check_model, check_threads, worker_count
from .backends import make_backend
from .backends.engine import Engine
from .detections import Detections
from .find_faces import find_faces
from .image import to_pixels
from .many import Many
from .model import Model
from .reference.options import Options
from .taps import hooked, tap_for
from .trace.names import matcher, require_possible
from .types import BackendName, Color, ImageLike, Tap

if TYPE_CHECKING:
    from .trace import Trace
    from .trace.file.manifest import Capture


class Detector(Many):
    """OpenFace's MTCNN face detector. Immutable, picklable, safe to share between threads.

    model: a `Model`, or the path of its folder or `MTCNN_detector.txt`; None for OpenFace's own, built in.
    min_face: side of the smallest face looked for, in pixels, >= 1.
    thresholds: least face probability to pass PNet, RNet and ONet, each in [0, 1].
    scale_factor: size of a pyramid level relative to the one before, in (0, 1).
    threads: how many to use at most; 0 for as many as this process may use CPUs, or MTCNN_CPP_THREADS or
        OMP_NUM_THREADS if that is less. No effect on results.
    backend: "core" (the fastest variant that this CPU runs), one of `types.VariantName` (that variant), or
        "reference" (NumPy): all give the same bits. Or the networks in another runtime, "onnx" or "torch",
        where the last digits differ. Or "openface": the original, where it was bound
        (docs/openface.md), whose last digits depend on its BLAS.
    providers: ONNX Runtime's execution providers, best first; None for the CPU.
    memory_limit: bytes that one detection of the core may take; 0 for what the machine has free. Options that
        need more (a tiny min_face on a large picture, thresholds of 0) are a MemoryError, not a full machine.

    Every argument is a property of the same name. Raises ValueError or TypeError naming the argument, and
    what `Model.load` raises.
    """

    _arguments: dict[str, Any]  # as given, for pickles and `replace`

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        min_face: float = Options.min_face,
        thresholds: Sequence[float] = Options.thresholds,
        scale_factor: float = Options.scale_factor,
        threads: SupportsIndex = 0,
        backend: BackendName = "core",
        providers: Sequence[str] | None = None,
        memory_limit: SupportsIndex = 0,
    ) -> None:
        options = Options(min_face, thresholds, scale_factor)  # type: ignore[arg-type]  # it checks for three
        count = check_threads(threads)
        checked = check_model(model)
        providers = None if providers is None else tuple(providers)
        limit = check_limit(memory_limit)
        most = worker_count(count)
        computing = make_backend(backend, checked, providers=providers, threads=most)
        engine = Engine(computing, checked, options, most, limit)
        arguments = {**vars(options), "threads": count, "backend": backend, "providers": providers}
        arguments["memory_limit"] = limit
        object.__setattr__(self, "_engine", engine)
        object.__setattr__(self, "_arguments", arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Detector cannot be changed; make another: detector.replace({name}=…)")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Detector cannot be changed")

    @property
    def model(self) -> Model:
        """The three networks."""
        return self._engine.model

    @property
    def min_face(self) -> float:
        """Side of the smallest face looked for, in pixels."""
        return self._engine.options.min_face

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Least face probability to pass PNet, RNet and ONet."""
        return self._engine.options.thresholds

    @property
    def scale_factor(self) -> float:
        """Size of a pyramid level relative to the one before."""
        return self._engine.options.scale_factor

    @property
    def options(self) -> Options:
        """min_face, thresholds and scale_factor in one."""
        return self._engine.options

    @property
    def threads(self) -> int:
        """How many threads at most, as given: 0 for as many as this process may use CPUs."""
        threads: int = self._arguments["threads"]
        return threads

    @property
    def backend(self) -> str:
        """Who computes: the name of the variant of the core that runs, "reference", "onnx" or "torch"."""
        return self._engine.backend.name

    @property
    def providers(self) -> tuple[str, ...] | None:
        """The execution providers that ONNX Runtime really uses, best first; None for other backends."""
        return getattr(self._engine.backend, "providers", None)

    @property
    def memory_limit(self) -> int:
        """Bytes that one detection of the core may take; 0 for what the machine has free."""
        return self._engine.memory_limit

    @property
    def engine(self) -> Engine:
        """Backend, model, options and number of threads: what traces and comparisons run."""
        return self._engine

    def replace(self, **changes: Any) -> Detector:
        """Another detector with some of the constructor's arguments changed: `d.replace(min_face=200)`.

        Only a change of model, backend, providers or threads loads networks again. Raises TypeError for an
        unknown name, and what the constructor raises.
        """
        arguments = {"model": self.model, **self._arguments}
        unknown = [name for name in changes if name not in arguments]
        if unknown:
            raise TypeError(f"replace knows {', '.join(arguments)}, got {', '.join(unknown)}")
        if set(changes) - set(vars(self.options)):
            return type(self)(**arguments | changes)
        options = Options(**vars(self.options) | changes)
        other = object.__new__(type(self))
        engine = dataclasses.replace(self._engine, options=options)
        object.__setattr__(other, "_engine", engine)
        object.__setattr__(other, "_arguments", self._arguments | vars(options))
        return other

    def detect(self, image: ImageLike, *, color: Color = "bgr") -> Detections:
        """Find the faces in a picture.

        image: an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), whose fourth channel is ignored,
            of any strides: uint8; uint16, computed as value / 256; or float32 or float64 with values in
            0…255, computed in float32. Or the path of an image file, or a PIL image.
        color: "bgr" or "rgb", the channel order of an array.

        `detector(image)` is the same. Raises TypeError or ValueError saying what was found and what is
        accepted; for a path OSError if it cannot be read, ValueError if it is no picture, ImportError if
        OpenCV is missing.
        """
        return find_faces(self._engine, image, color=color, tap=tap_for(self._engine))

    __call__ = detect

    def hook(self, pattern: str, function: Tap) -> AbstractContextManager[None]:
        """Look on: within the `with` block, detections call `function(name, array)` for every tensor whose
        name fits `pattern` (`*`, `?` and `[...]`; `*` crosses slashes), in execution order.

            with detector.hook("rnet/*/conv2", lambda name, array: print(name, array.max())):
                detector.detect(image)

        Arrays are read-only views, not copies; one that is kept keeps its memory. What `function` raises ends
        the detection and reaches the caller. A hook holds for detections that the same thread (or asyncio
        task) starts. Raises ValueError, with the nearest names, for a pattern that no tensor can fit.
        """
        require_possible([pattern], self.model.layer_names)
        return hooked(self._engine, matcher([pattern]), function)

    def trace(
        self, image: ImageLike, *, color: Color = "bgr", only: Sequence[str] = (), capture: Capture = "full"
    ) -> Trace:
        """Detect, and keep what is computed inside: `trace["pnet/level02/conv1"]`, `trace.save(path)`.

        image and color: as for `detect`. only: patterns of names to keep; none for all. capture: "full"; or,
        without values, "hash" (SHA-256), "stats" (SHA-256 and statistics) or "names" (shapes and dtypes).

        Raises what `detect` raises, and ValueError for a pattern that no name can fit or values beyond 2 GiB.
        """
        from .trace.record.capture import record

        return record(self._engine, to_pixels(image, color), only=only, capture=capture)

    def __reduce__(self) -> tuple[Any, ...]:
        model = None if self.model is Model.default() else self.model
        return functools.partial(type(self), model, **self._arguments), ()

    def __repr__(self) -> str:
        model = "" if self.model is Model.default() else "model=<own>, "
        used = self._arguments | {"providers": self.providers, "memory_limit": self.memory_limit or None}
        arguments = {name: value for name, value in used.items() if value is not None}
        return f"Detector({model}{', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
