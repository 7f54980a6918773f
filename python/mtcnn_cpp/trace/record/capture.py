"""Running an engine with a recorder: into memory, or straight into a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...backends.engine import Engine
from ...image import Pixels
from ...taps import tap_for
from ..file.manifest import Capture, Manifest, capture_level
from ..file.npz import NpzWriter
from ..file.recorder import Recorder
from ..file.trace import PICTURE, Trace, describe, finish, frozen, to_bgr
from ..names import require_possible
from .environment import environment

LIMIT = 2 << 30  # bytes of values that a capture may have unless allowed more


def record(
    engine: Engine,
    pixels: Pixels,
    *,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Trace:
    """A detection's tensors, in memory. Arguments and errors as of `Detector.trace`.

    limit: the bytes of values that may be kept, None for no limit.
    """
    values: dict[str, NDArray[Any]] = {}
    level = _check(engine, only, capture)
    recorder = Recorder(level, lambda name, array: values.update({name: frozen(array)}), only, limit)
    if level == "full":
        values[PICTURE] = frozen(to_bgr(pixels))
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
    """As `record`, but into a trace file: each tensor is written as it comes, and none is kept in memory.

    limit: the bytes of values that the file may hold, None for no limit; used: how many of these other files
    have taken. Returns the manifest. Also raises TraceError where the file cannot be written.
    """
    level = _check(engine, only, capture)
    with NpzWriter(Path(path)) as writer:
        recorder = Recorder(level, writer.add, only, limit, used)
        if level == "full":
            writer.add(PICTURE, to_bgr(pixels))
        manifest = _run(engine, pixels, recorder, only, level)
        finish(writer, manifest)
    return manifest


def _check(engine: Engine, only: Sequence[str], capture: str) -> Capture:
    if isinstance(only, str):
        raise TypeError(f"only must be a sequence of patterns, got the string {only!r}; write [{only!r}]")
    require_possible(only, engine.model.layer_names)
    return capture_level(capture)


def _run(engine: Engine, pixels: Pixels, recorder: Recorder, only: Sequence[str], level: Capture) -> Manifest:
    engine.run(pixels, tap_for(engine, recorder.tap))
    return Manifest(
        level,
        tuple(recorder.entries),
        tuple(only),
        describe(to_bgr(pixels)),
        vars(engine.options) | {"thresholds": list(engine.options.thresholds)},  # as JSON has it
        engine.model.hashes(),
        environment(engine.backend.name, getattr(engine.backend, "made_by", {})),
    )
