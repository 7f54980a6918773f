"""Captures a detection in memory or in a file, estimates its size, and describes its environment."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.engine import Engine, hook_for
from ..media.image.opencv import opencv_version
from ..media.image.pixels import Pixels
from ..reference.model import Network
from ..reference.plan import ONET, RNET, Level, Size, iterate_layers, map_size, pyramid
from .file.npz import NpzWriter
from .manifest import CaptureLevel, Manifest, parse_capture_level
from .names import require_possible
from .trace import IMAGE, Recorder, Trace, describe, finish, frozen, to_bgr

LIMIT = 2 << 30  # default limit of a capture, in bytes of values


def record(
    engine: Engine,
    pixels: Pixels,
    *,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Trace:
    """Return the tensors of a detection, in memory. Arguments and errors are those of `Detector.trace`.

    limit: Maximum size of the values, in bytes. None: no limit.
    """
    values: dict[str, NDArray[Any]] = {}
    level = _check(engine, only, capture)
    recorder = Recorder(level, lambda name, array: values.update({name: frozen(array)}), only, limit)
    if level == "full":
        values[IMAGE] = frozen(to_bgr(pixels))
    manifest = _run(engine, pixels, recorder, only, level)
    return Trace(manifest, values)


def dump(
    engine: Engine,
    pixels: Pixels,
    path: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
    used: int = 0,
) -> Manifest:
    """Record a detection into a trace file. Each tensor is written immediately and is not kept in memory.

    limit: Maximum size of the values, in bytes. None: no limit. used: Number of bytes that other files
    already use; they count towards `limit`. Returns the manifest. Raises the errors of `record`; also
    TraceError if the file is not writable.
    """
    level = _check(engine, only, capture)
    with NpzWriter(Path(path)) as writer:
        recorder = Recorder(level, writer.add, only, limit, used)
        if level == "full":
            writer.add(IMAGE, to_bgr(pixels))
        manifest = _run(engine, pixels, recorder, only, level)
        finish(writer, manifest)
    return manifest


def _check(engine: Engine, only: Sequence[str], capture: str) -> CaptureLevel:
    if isinstance(only, str):
        raise TypeError(f"'only' must be a sequence of patterns, got the string {only!r}; write [{only!r}]")
    require_possible(only, engine.model.layer_names)
    return parse_capture_level(capture)


def _run(
    engine: Engine, pixels: Pixels, recorder: Recorder, only: Sequence[str], level: CaptureLevel
) -> Manifest:
    engine.run(pixels, hook_for(engine, recorder.record))
    return Manifest(
        level,
        tuple(recorder.entries),
        tuple(only),
        describe(to_bgr(pixels)),
        vars(engine.options) | {"thresholds": list(engine.options.thresholds)},  # a list, as in JSON
        engine.model.hashes(),
        environment(engine.backend.name, getattr(engine.backend, "made_by", {})),
    )


@dataclass(frozen=True)
class SizeEstimate:
    """Estimated size of the values in a full capture, in bytes.

    pnet: Size of the image and of all levels. It does not include lists of boxes. rnet, onet: Size of one
    crop. The number of crops is known only after the detection.
    """

    pnet: int
    rnet: int
    onet: int

    def __str__(self) -> str:
        return (
            f"{self.pnet / 1e6:.1f} MB for the image and PNet, "
            f"then {self.rnet / 1e6:.2f} MB per crop in RNet and {self.onet / 1e6:.2f} MB per crop in ONet"
        )


def estimate_size(engine: Engine, height: int, width: int, itemsize: int = 1) -> SizeEstimate:
    """Estimate the size of a full capture for an image of height x width pixels.

    Each pixel has 3 channels of `itemsize` bytes.
    """
    model = engine.model
    levels = pyramid(height, width, engine.options)
    pnet = sum(_values(model.pnet, level.size) + _heat_map(model.pnet, level) for level in levels)
    return SizeEstimate(
        height * width * 3 * itemsize + 4 * pnet,
        4 * _values(model.rnet, RNET.size),
        4 * _values(model.onet, ONET.size),
    )


def require_within_limit(guess: SizeEstimate, limit: int | None, *, traces: int = 1, where: str = "") -> None:
    """Raise ValueError if `traces` traces of the size `guess` exceed `limit` bytes (None: no limit).

    where: The folder of temporary traces, for the message.
    """
    if limit is None or traces * guess.pnet <= limit:
        return
    size = f"{traces} temporary traces in {where}, each {guess}: " if where else ""
    advice = "use a smaller image or a larger --min-face"
    if not where:
        advice = "capture less (--only, --capture hash)"
    raise ValueError(f"{size}that is more than {limit / 2**30:g} GiB; allow it with --yes, or {advice}")


def _values(network: Network, size: Size | None) -> int:
    """Return the number of elements of the input and of all layer outputs; 0 if the input is too small."""
    steps = list(iterate_layers(network, size))
    shapes = [steps[0].input.shape, *(step.output.shape for step in steps)]
    return sum(map(math.prod, shapes)) if min(map(min, shapes)) >= 1 else 0


def _heat_map(pnet: Network, level: Level) -> int:
    return math.prod(map_size(pnet, *level.size) or (0,))


def environment(backend: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the field `made_by` of the manifest.

    backend: `reference`, or the variant of the core. more: Additional fields of the backend.
    """
    try:
        version = metadata.version("mtcnn-cpp")
    except metadata.PackageNotFoundError:  # the package runs from the source tree
        version = "not installed"
    return {
        "package": f"mtcnn-cpp {version}",
        "backend": backend,
        "compiler": more["compiler"] if "compiler" in more else _compiler(),
        "numpy": np.__version__,
        "opencv": opencv_version() if "cv2" in sys.modules else "not used",
        "python": platform.python_version(),
        "os": f"{platform.system()} {platform.release().partition('-')[0]}",
        "machine": platform.machine(),
        **more,
    }


def _compiler() -> str:
    from .._util.core import import_core

    build = import_core().build_info()
    return f"{build['compiler']} {build['flags']}"
