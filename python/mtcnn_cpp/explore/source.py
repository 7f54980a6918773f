"""What is explored: one trace or two. A picture is detected in, and its trace kept in a temporary file."""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..detector import Detector
from ..image import Pixels, read_image, to_pixels
from ..model import Model
from ..trace.errors import TraceError
from ..trace.file.trace import Trace
from ..trace.judge.comparison import require_common, require_same_picture
from ..trace.record.capture import LIMIT, dump
from ..trace.record.estimate import estimate
from .guarded import guarded


@dataclass(frozen=True)
class Side:
    """One of the traces. `trace` is read by many threads and keeps what was read last, `passing` keeps
    nothing; `model`: the networks that it was made with, None for the built-in ones."""

    label: str
    trace: Trace
    passing: Trace
    model: Model | None


@dataclass(frozen=True)
class Source:
    """What is open: the reference a, and b where two are compared."""

    a: Side
    b: Side | None = None

    def side(self, letter: str) -> Side:
        """TraceError for a side that is not there."""
        if letter == "a":
            return self.a
        if letter == "b" and self.b is not None:
            return self.b
        raise TraceError(f"there is no side {letter!r:.20}: expected a{' or b' if self.b else ''}")


@contextlib.contextmanager
def opened(
    paths: Sequence[Path], detector: Detector, models: Sequence[Model | None] = (None, None)
) -> Iterator[Source]:
    """Open one or two files, each a trace or a picture, in which `detector` detects first.

    models: the networks that each trace was made with. Raises TraceError for a file that is neither, for a
    trace that cannot be used, and for two that `diff` would not compare; and what `detect` raises.
    """
    if not 1 <= len(paths) <= 2:
        raise TraceError(f"expected one or two, each a picture or a trace file, found {len(paths)}")
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
            require_same_picture(a, b)
            require_common(a, b, list(dict.fromkeys([*a, *b])))
        yield Source(*sides)


def _open(
    path: Path, detector: Detector, model: Model | None, temporary: Path, files: contextlib.ExitStack
) -> Side:
    """files: what closes the trace's file at the end."""
    if _is_picture(path):
        try:
            pixels = to_pixels(read_image(path))
        except ValueError as error:
            raise TraceError(
                f"{path} is neither a trace (.npz, made by mtcnn-cpp dump) nor a picture: {error}"
            ) from error
        _require_room(path, detector, pixels)
        dump(detector.engine, pixels, temporary)
        trace, model = Trace.load(temporary, source=str(path)), detector.model
    else:
        trace = Trace.load(path)
    files.enter_context(trace)
    if not len(trace):
        raise TraceError(f"{path} is a trace without tensors: there is nothing to show")
    kept, passing = guarded(trace)
    return Side(path.name, kept, passing, model)


def _require_room(path: Path, detector: Detector, pixels: Pixels) -> None:
    height, width = pixels.array.shape[:2]
    guess = estimate(detector.engine, height, width, pixels.array.itemsize)
    if guess.pnet > LIMIT:
        raise TraceError(
            f"{path}: what a detection in it computes is about {guess}, more than 2 GiB; look for larger "
            "faces (--min-face), or explore a part (mtcnn-cpp dump --only 'rnet/*' --yes, then its file)"
        )


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() != ".npz" and not zipfile.is_zipfile(path)
