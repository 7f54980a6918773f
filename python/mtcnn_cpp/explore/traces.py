"""The traces that the explorer shows: opened files, their networks, and values shared between threads."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..detector.detector import Detector
from ..media.image import read_image
from ..media.image.pixels import Pixels, to_pixels
from ..model import Model
from ..trace.capture import LIMIT, dump, estimate_size
from ..trace.comparison.comparison import require_common_tensors, require_same_image
from ..trace.errors import TraceError
from ..trace.trace import IMAGE, Trace

CACHE_BYTES = 64 << 20  # number of bytes of one trace that stay in memory for later requests
READ_LIMIT = 2 << 30  # size of the largest tensor that is read, in bytes


@dataclass(frozen=True)
class OpenTrace:
    """One opened trace.

    `trace` and `uncached` have the same values, and many threads may use them. `trace` caches the values that
    were read last; `uncached` has no cache. `model` contains the networks that made the trace; None: the
    built-in networks.
    """

    label: str
    trace: Trace
    uncached: Trace
    model: Model | None


@dataclass(frozen=True)
class OpenTraces:
    """The opened traces: the reference a and, in a comparison, the candidate b."""

    a: OpenTrace
    b: OpenTrace | None = None

    def side(self, letter: str) -> OpenTrace:
        """Return trace "a" or "b". Raise TraceError if there is no such trace."""
        if letter == "a":
            return self.a
        if letter == "b" and self.b is not None:
            return self.b
        raise TraceError(f"trace must be a{' or b' if self.b else ''}, got {letter!r:.20}")

    def sides(self) -> dict[str, OpenTrace]:
        """Return the opened traces by letter."""
        return {"a": self.a} | ({"b": self.b} if self.b else {})


@contextlib.contextmanager
def open_traces(
    paths: Sequence[Path], detector: Detector, models: Sequence[Model | None] = (None, None)
) -> Iterator[OpenTraces]:
    """Open one or two files. If a file is an image, not a trace, `detector` first makes a trace of it.

    `models` are the networks that made each trace. Raises TraceError if a file is neither a trace nor an
    image, if a trace is unusable, or if the command `diff` could not compare the two traces. Also raises the
    errors of `Detector.detect`.
    """
    if not 1 <= len(paths) <= 2:
        raise TraceError(f"expected one or two files, each an image or a trace, found {len(paths)}")
    with (
        tempfile.TemporaryDirectory(prefix="mtcnn-cpp-explore-") as folder,
        contextlib.ExitStack() as files,
    ):
        sides = [
            _open(path, detector, model, Path(folder) / f"{number}.npz", files)
            for number, (path, model) in enumerate(zip(paths, models, strict=False))
        ]
        if len(sides) == 2:
            a, b = (side.trace for side in sides)
            require_same_image(a, b)
            require_common_tensors(a, b, list(dict.fromkeys([*a, *b])))
        yield OpenTraces(*sides)


def _open(
    path: Path, detector: Detector, model: Model | None, temporary: Path, files: contextlib.ExitStack
) -> OpenTrace:
    """Open one file. The exit stack `files` closes it at the end."""
    if _may_be_image(path):
        try:
            pixels = to_pixels(read_image(path))
        except ValueError as error:
            raise TraceError(
                f"{path} is neither a trace (.npz, written by mtcnn-cpp dump) nor an image: {error}"
            ) from error
        _require_space(path, detector, pixels)
        dump(detector.engine, pixels, temporary)
        trace, model = Trace.load(temporary, source=str(path)), detector.model
    else:
        trace = Trace.load(path)
    files.enter_context(trace)
    if not len(trace):
        raise TraceError(f"{path} is a trace without tensors: there is nothing to show")
    cached, uncached = share_trace(trace)
    return OpenTrace(path.name, cached, uncached, model)


def _require_space(path: Path, detector: Detector, pixels: Pixels) -> None:
    height, width = pixels.array.shape[:2]
    expected = estimate_size(detector.engine, height, width, pixels.array.itemsize)
    if expected.pnet > LIMIT:
        raise TraceError(
            f"{path}: the trace of a detection in this image takes about {expected}, more than 2 GiB; "
            "increase --min-face, or write a part of the trace to a file "
            "(mtcnn-cpp dump --only 'rnet/*' --yes) and explore that file"
        )


def _may_be_image(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() != ".npz" and not zipfile.is_zipfile(path)


class LockedValues:
    """A mapping from names to the values of a trace, as `Trace` expects it.

    Only one thread at a time uses the open file.
    """

    def __init__(self, trace: Trace, lock: threading.Lock, cache_bytes: int) -> None:
        self._trace = trace
        self._lock = lock
        self._limit = cache_bytes
        self._cache: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
            array = self._read(name)
            if array.nbytes <= self._limit:
                self._cache[name] = array
                self._bytes += array.nbytes
                while self._bytes > self._limit:
                    self._bytes -= self._cache.popitem(last=False)[1].nbytes
            return array

    def _read(self, name: str) -> NDArray[Any]:
        if name == IMAGE:
            return self._trace.image
        size = self._trace.info(name).nbytes
        if size > READ_LIMIT:
            raise TraceError(
                f"{name} is too large to show: its values take {size} bytes, the limit is {READ_LIMIT}"
            )
        return self._trace[name]


def share_trace(trace: Trace) -> tuple[Trace, Trace]:
    """Return two traces with the same values: one with a cache, and one without. Threads may share both."""
    lock = threading.Lock()
    cached, uncached = (
        Trace(trace.manifest, LockedValues(trace, lock, limit), trace.source) for limit in (CACHE_BYTES, 0)
    )
    return cached, uncached
