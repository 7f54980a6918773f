"""Running a detector with a recorder: into memory, or straight into a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..image import Pixels, to_pixels
from .environment import environment
from .hooks import layer_names, tap_for
from .manifest import Capture, Manifest, capture_level
from .names import require_possible
from .npz import NpzWriter
from .recorder import Recorder
from .trace import PICTURE, Trace, describe, finish, frozen, to_bgr

if TYPE_CHECKING:
    from ..detector import Detector

LIMIT = 2 << 30  # bytes of values that a capture may have unless allowed more


def record(
    detector: Detector,
    image: object,
    *,
    color: str = "bgr",
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Trace:
    """A detection's tensors, in memory. See `Detector.trace`."""
    pixels = to_pixels(image, color)
    values: dict[str, NDArray[Any]] = {}
    level = _check(detector, only, capture)
    recorder = Recorder(level, lambda name, array: values.update({name: frozen(array)}), only, limit)
    if level == "full":
        values[PICTURE] = frozen(to_bgr(pixels))
    manifest = _run(detector, pixels, recorder, only, level)
    return Trace(manifest, values.__getitem__)


def dump(
    detector: Detector,
    image: object,
    path: str | os.PathLike[str],
    *,
    color: str = "bgr",
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Manifest:
    """The same into a trace file, each tensor written as it comes, none kept."""
    return dump_pixels(detector, to_pixels(image, color), path, only=only, capture=capture, limit=limit)


def dump_pixels(
    detector: Detector,
    pixels: Pixels,
    path: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Manifest:
    """`dump` of pixels that are as backends want them."""
    level = _check(detector, only, capture)
    with NpzWriter(Path(path)) as writer:
        recorder = Recorder(level, writer.add, only, limit)
        if level == "full":
            writer.add(PICTURE, to_bgr(pixels))
        manifest = _run(detector, pixels, recorder, only, level)
        finish(writer, manifest)
    return manifest


def _check(detector: Detector, only: Sequence[str], capture: str) -> Capture:
    if isinstance(only, str):
        raise TypeError(f"only must be a sequence of patterns, got the string {only!r}; write [{only!r}]")
    require_possible(only, layer_names(detector))
    return capture_level(capture)


def _run(
    detector: Detector, pixels: Pixels, recorder: Recorder, only: Sequence[str], level: Capture
) -> Manifest:
    detector.backend_object.detect(
        pixels.array,
        red_first=pixels.red_first,
        options=detector.options,
        threads=detector.workers,
        tap=tap_for(detector, recorder.tap),
    )
    return Manifest(
        level,
        tuple(recorder.entries),
        tuple(only),
        describe(to_bgr(pixels)),
        vars(detector.options) | {"thresholds": list(detector.options.thresholds)},  # as JSON has it
        detector.model.hashes(),
        environment(detector.backend),
    )
