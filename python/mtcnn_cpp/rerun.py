"""Running again: a trace from its own picture, two backends on one picture, layers on recorded inputs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .image import Pixels, to_pixels
from .trace.errors import TraceError
from .trace.file.npz import NpzWriter
from .trace.file.recorder import Recorder
from .trace.file.trace import PICTURE, Trace, describe, finish, to_bgr
from .trace.judge.comparison import Judge
from .trace.judge.report import Report
from .trace.names import layer_inputs, stage_of, template
from .trace.record.capture import dump
from .types import FloatArray, StageName

if TYPE_CHECKING:
    from .detector import Detector

Feed = Callable[[StageName, str, FloatArray], FloatArray]


def validate(
    trace: Trace,
    detector: Detector,
    folder: Path,
    *,
    image: object = None,
    isolated: bool = False,
    judge: Judge = Judge(),
) -> Report:
    """Does the trace reproduce itself? Runs `detector` on the picture in the trace and compares every tensor.

    A trace without pixels needs `image`, which must be the same picture. With `isolated`, each layer is run
    alone on its recorded input. The new trace is written into `folder`.
    """
    if trace.manifest.capture == "names":
        raise TraceError(f"{trace.source} holds names only; there is nothing to validate")
    if isolated:
        return compare_isolated(trace, detector, folder, judge=judge)
    pixels = _pixels(trace, image)
    again = folder / "again.npz"
    dump(detector.engine, pixels, again, only=trace.manifest.only, capture=trace.manifest.capture, limit=None)
    second = _named(Trace.load(again), f"rerun with {detector.backend}")
    return judge.compare(trace, second)


def compare_detectors(
    image: object,
    a: Detector,
    b: Detector,
    folder: Path,
    *,
    color: str = "bgr",
    isolated: bool = False,
    judge: Judge = Judge(),
    limit: int | None = None,
) -> Report:
    """Run two detectors on one picture and compare what they compute; a is the reference.

    With `isolated`, b's layers are fed with a's tensors. Both traces are written into `folder`.
    """
    pixels = to_pixels(image, color)
    traces = []
    for side, detector in (("a", a), ("b", b)):
        if isolated and side == "b":
            break
        path = folder / f"{side}.npz"
        dump(detector.engine, pixels, path, only=() if isolated else judge.only, limit=limit)
        traces.append(_named(Trace.load(path), detector.backend))
    if isolated:
        return compare_isolated(traces[0], b, folder, judge=judge)
    return judge.compare(traces[0], traces[1])


def compare_isolated(
    reference: Trace,
    b: Detector,
    folder: Path,
    *,
    judge: Judge = Judge(),
) -> Report:
    """Compare layer by layer, each fed with the reference's recorded input, so that errors do not add up."""
    if reference.manifest.capture != "full":
        raise TraceError(f"{reference.source} holds no values to feed layers with; capture it at level full")
    if reference.manifest.only:
        raise TraceError(
            f"{reference.source} was captured with --only; isolated mode needs every layer's input"
        )
    inputs = layer_inputs(reference.names)
    path = folder / "isolated.npz"
    fed = _named(feed(reference, b.engine.backend.layer, b.model.layer_names, path), f"{b.backend}, fed")
    outputs = tuple(entry for entry in reference.manifest.tensors if entry.name in inputs)
    layers = Trace(
        dataclasses.replace(reference.manifest, tensors=outputs), reference._values, reference.source
    )
    report = judge.compare(layers, fed)
    note = (
        "isolated: every layer of b was fed the input that a recorded; "
        f"{len(reference) - len(outputs)} tensors that are no layer's output were left out"
    )
    return dataclasses.replace(report, notes=(note, *_guilty(report), *report.notes), mode="isolated")


def _guilty(report: Report) -> Iterator[str]:
    """Which layers failed, all levels or crops of one network taken together."""
    failed = Counter(template(row.name) for row in report.rows if not row.ok)
    compared = Counter(template(row.name) for row in report.rows)
    if failed:
        yield "guilty: " + ", ".join(f"{name} ({n} of {compared[name]})" for name, n in failed.items())


def feed(reference: Trace, layer: Feed, layers: Mapping[StageName, Sequence[str]], path: Path) -> Trace:
    """A trace of what `layer(stage, name, input)` makes of every layer's input in the reference.

    Layers of the reference that are not among `layers` (names by stage) are left out.
    """
    with NpzWriter(path) as writer:
        recorder = Recorder("full", writer.add)
        if reference.manifest.picture is not None:
            writer.add(PICTURE, reference.picture)
        for name, source in layer_inputs(reference.names).items():
            stage, layer_name = stage_of(name), name.rpartition("/")[2]
            if layer_name in layers[stage]:
                recorder.tap(name, layer(stage, layer_name, reference[source]))
        about = dataclasses.replace(reference.manifest, tensors=tuple(recorder.entries), model={}, made_by={})
        finish(writer, about)
    return Trace.load(path)


def _pixels(trace: Trace, image: object) -> Pixels:
    if image is None:
        if trace.manifest.capture != "full":
            raise TraceError(
                f"{trace.source} holds no pixels (level {trace.manifest.capture}); give the picture"
            )
        return Pixels(trace.picture, red_first=False)
    pixels = to_pixels(image)
    if describe(to_bgr(pixels)) != trace.manifest.picture:
        raise TraceError(f"this is not the picture that {trace.source} was made of (other pixels or size)")
    return pixels


def _named(trace: Trace, source: str) -> Trace:
    trace.source = source
    return trace
