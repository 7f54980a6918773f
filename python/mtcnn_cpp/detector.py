"""The detector as users see it: pictures of any kind in, faces out."""

from __future__ import annotations

import functools
import operator
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from .backends import Backend, Tap, make_backend
from .batch import Outcome, stream
from .cpus import usable_cpus
from .detections import Detections
from .image import Color, is_pil, to_pixels
from .model import Model
from .reference.options import Options
from .trace.hooks import hook, tap_for

if TYPE_CHECKING:
    from .trace import Trace

MAX_THREADS = 1024


class Detector:
    """OpenFace's MTCNN face detector. Immutable, picklable, safe to share between threads.

    model: a `Model`, or the path of its folder or `MTCNN_detector.txt`; None for OpenFace's own, built in.
    min_face: side of the smallest face looked for, in pixels, >= 1.
    thresholds: least face probability to pass PNet, RNet and ONet, each in [0, 1].
    scale_factor: size of a pyramid level relative to the one before, in (0, 1).
    threads: how many to use at most; 0 for as many as this process may use CPUs. No effect on results.
    backend: "core" (the fastest variant that this CPU runs), "generic", "avx2" or "avx512" (that one), or
        "reference" (NumPy): all give the same bits. Or the networks in another runtime, "onnx" or "torch",
        where the last digits differ.
    providers: ONNX Runtime's execution providers, best first; None for the CPU.

    Raises ValueError or TypeError naming the argument, and what `Model.load` raises.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        min_face: float = 60,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        scale_factor: float = 0.709,
        threads: SupportsIndex = 0,
        backend: str = "core",
        providers: Sequence[str] | None = None,
    ) -> None:
        self._options = Options(min_face, thresholds, scale_factor)  # type: ignore[arg-type]  # it checks for three
        self._threads = _check_threads(threads)
        self._workers = self._threads or min(usable_cpus(), MAX_THREADS)
        self._model = _check_model(model)
        self._backend_name = backend
        self._providers = None if providers is None else tuple(providers)
        self._backend = make_backend(backend, self._model, providers=self._providers, threads=self._workers)

    @property
    def model(self) -> Model:
        return self._model

    @property
    def options(self) -> Options:
        """min_face, thresholds and scale_factor."""
        return self._options

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def backend(self) -> str:
        """Who computes: the name of the variant of the core that runs, or "reference"."""
        return self._backend.name

    @property
    def workers(self) -> int:
        """The number that `threads` stands for."""
        return self._workers

    @property
    def backend_object(self) -> Backend:
        """Who computes, to be called directly."""
        return self._backend

    def detect(self, image: object, *, color: Color = "bgr") -> Detections:
        """Find the faces in a picture.

        image: an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), whose fourth channel is ignored,
            of any strides: uint8; uint16, computed as value / 256; or float32 or float64 with values in
            0…255, computed in float32. Or the path of an image file, or a PIL image.
        color: "bgr" or "rgb", the channel order of an array.

        Raises TypeError or ValueError saying what was found and what is accepted; for a path OSError if it
        cannot be read, ValueError if it is no picture, ImportError if OpenCV is missing.
        """
        return self._detect(image, color, tap_for(self))

    @overload
    def detect_batch(
        self, images: Iterable[object], *, color: Color = "bgr", on_error: Literal["raise"] = "raise"
    ) -> list[Detections]: ...
    @overload
    def detect_batch(
        self, images: Iterable[object], *, color: Color = "bgr", on_error: Literal["skip"]
    ) -> list[Detections | Exception]: ...
    def detect_batch(
        self,
        images: Iterable[object],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Sequence[Detections | Exception]:
        """Find the faces in many pictures of any sizes: for each, in order, what `detect` gives, bit for bit.

        images and color: as for `detect`. on_error: "raise" ends with a `BatchError`, which has the picture's
        index, at the first one that fails; "skip" puts the exception in its place.
        """
        return list(self._stream(images, color, on_error))

    @overload
    def detect_stream(
        self, images: Iterable[object], *, color: Color = "bgr", on_error: Literal["raise"] = "raise"
    ) -> Iterator[Detections]: ...
    @overload
    def detect_stream(
        self, images: Iterable[object], *, color: Color = "bgr", on_error: Literal["skip"]
    ) -> Iterator[Detections | Exception]: ...
    def detect_stream(
        self,
        images: Iterable[object],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Detections | Exception]:
        """As `detect_batch`, one result after the other. Reads few pictures ahead, so that memory stays
        flat over any number of them; its threads end with the iterator. With a hook, pictures are done one by
        one on the calling thread."""
        return self._stream(images, color, on_error)

    def _stream(self, images: Iterable[object], color: str, on_error: str) -> Iterator[Outcome]:
        tap = tap_for(self)
        count = len(images) if isinstance(images, Sized) else self._workers
        workers = 1 if tap else min(self._workers, max(count, 1))

        def detect(image: object) -> Detections:
            return self._detect(image, color, tap, threads=self._workers // workers)

        return stream(detect, images, workers=workers, on_error=on_error)

    def hook(
        self, pattern: str, function: Callable[[str, NDArray[Any]], None]
    ) -> AbstractContextManager[None]:
        """Look on: within the `with` block, detections call `function(name, array)` for every tensor whose
        name fits `pattern` (`*`, `?` and `[...]`; `*` crosses slashes), in execution order.

            with detector.hook("rnet/*/conv2", lambda name, array: print(name, array.max())):
                detector.detect(image)

        Arrays are read-only views, not copies; one that is kept keeps its memory. What `function` raises ends
        the detection and reaches the caller. A hook holds for detections that the same thread (or asyncio
        task) starts. Raises ValueError, with the nearest names, for a pattern that no tensor can fit.
        """
        return hook(self, pattern, function)

    def trace(
        self, image: object, *, color: Color = "bgr", only: Sequence[str] = (), capture: str = "full"
    ) -> Trace:
        """Detect, and keep what is computed inside: `trace["pnet/level02/conv1"]`, `trace.save(path)`.

        image and color: as for `detect`. only: patterns of names to keep; none for all. capture: "full"; or,
        without values, "hash" (SHA-256), "stats" (SHA-256 and statistics) or "names" (shapes and dtypes).

        Raises what `detect` raises, and ValueError for a pattern that no name can fit or values beyond 2 GiB.
        """
        from .trace.capture import record

        return record(self, image, color=color, only=only, capture=capture)

    def _detect(self, image: object, color: str, tap: Tap | None, threads: int | None = None) -> Detections:
        pixels = to_pixels(image, color)
        found = self._backend.detect(
            pixels.array,
            red_first=pixels.red_first,
            options=self._options,
            threads=threads or self._workers,
            tap=tap,
        )
        height, width = pixels.array.shape[:2]
        return Detections(*found, (height, width), picture=_reference_to(image), color=color)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "model": None if self._model is Model.default() else self._model,
            **vars(self._options),
            "threads": self._threads,
            "backend": self._backend_name,
            "providers": self._providers,
        }
        return functools.partial(type(self), **options), ()

    def __repr__(self) -> str:
        model = "" if self._model is Model.default() else "model=<own>, "
        options = ", ".join(f"{name}={value}" for name, value in vars(self._options).items())
        return f"Detector({model}{options}, threads={self._threads}, backend={self._backend_name!r})"


def _check_threads(threads: SupportsIndex) -> int:
    try:
        count = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads must be an integer, got {threads!r} ({type(threads).__name__})") from None
    if not 0 <= count <= MAX_THREADS:
        raise ValueError(f"threads must be from 1 to {MAX_THREADS}, or 0 for all usable CPUs, got {count}")
    return count


def _check_model(model: Model | str | os.PathLike[str] | None) -> Model:
    if model is None:
        return Model.default()
    if isinstance(model, Model):
        return model
    if isinstance(model, (str, os.PathLike)):
        return Model.load(Path(model))
    raise TypeError(f"model must be a Model, the path of one, or None, got {type(model).__name__}")


def _reference_to(image: object) -> Path | weakref.ref[Any] | None:
    """What finds the picture again without keeping it alive."""
    if isinstance(image, (str, os.PathLike)):
        return Path(os.path.abspath(image))
    return weakref.ref(image) if isinstance(image, np.ndarray) or is_pil(image) else None
