"""Runs a detection again on the image of a trace, compares two engines, or runs layers on recorded inputs.

`Detector.engine` is the engine of a detector. New traces are written into `folder`. The report reads them, so
keep the folder until the report is no longer needed. `limit` is the maximum total size of the traces in this
folder, in bytes; None: no limit.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ..backends.engine import Engine
from ..backends.runner import INPUT, Array, CascadeBackend, LayerwiseRunner, NetworkRunner
from ..media.image.pixels import Pixels, to_pixels
from ..types import ImageLike, StageName
from .capture import LIMIT, dump, estimate_size, require_within_limit
from .comparison.comparison import ComparisonOptions, compare_traces
from .comparison.report import Report
from .errors import TraceError
from .file.npz import NpzWriter
from .names import layer_inputs, stage_of, template
from .trace import IMAGE, Recorder, Trace, describe, finish, to_bgr

__all__ = ["compare_isolated", "validate"]


def validate(
    trace: Trace,
    engine: Engine,
    folder: str | os.PathLike[str],
    *,
    image: ImageLike | None = None,
    isolated: bool = False,
    options: ComparisonOptions = ComparisonOptions(),
    limit: int | None = LIMIT,
) -> Report:
    """Run the engine on the image of a trace, and compare all tensors with those of the trace.

    Args:
        trace: The reference.
        engine: The candidate, `detector.engine`.
        folder: Folder for temporary traces.
        image: The image. It is necessary only if the trace has no pixels.
        isolated: Whether to run each layer on its recorded input instead of running the whole detection; see
            `compare_isolated`.
        options: Options of the comparison. If `strict` is set, the trace must contain every tensor of the
            detection.
        limit: Maximum size of the temporary traces, in bytes. None: no limit.

    Raises:
        TraceError: The trace contains names only; the image is missing or is not the image of the trace; or
            the values exceed the limit.
        ValueError: The estimated size exceeds the limit.
    """
    folder = Path(folder)
    if trace.manifest.capture == "names":
        raise TraceError(f"{trace.source} contains names only; there is nothing to validate")
    if isolated:
        return compare_isolated(trace, engine, folder, options=options, limit=limit)
    pixels = _pixels(trace, image)
    source = f"rerun with {engine.backend.name}"
    about = trace.manifest
    if about.capture == "full" and not about.only:
        require_temporary_space(engine, pixels, folder, limit)
    second = run(engine, pixels, folder / "again.npz", source, about.only, about.capture, limit)
    return compare_traces(trace, second, options, None if options.strict else trace.names)


def run(
    engine: Engine,
    pixels: Pixels,
    path: Path,
    source: str,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Trace:
    """Record one detection into the file `path` and open it.

    The arguments are those of `capture.dump`, but `limit` applies to the total size of all files in the
    folder. source: Name of the trace in reports.
    """
    dump(engine, pixels, path, only=only, capture=capture, limit=limit, used=_folder_size(path.parent))
    return Trace.load(path, source=source)


def compare_engines(
    pixels: Pixels,
    a: Engine,
    b: Engine,
    folder: Path,
    *,
    isolated: bool = False,
    options: ComparisonOptions = ComparisonOptions(),
    limit: int | None = LIMIT,
) -> Report:
    """Run two engines on one image and compare all tensors. A missing tensor is a failure.

    Args:
        pixels: The image.
        a: The reference.
        b: The candidate.
        folder: Folder for temporary traces.
        isolated: Whether to give each layer of b the input that a computed for this layer; see
            `compare_isolated`.
        options: Options of the comparison.
        limit: Maximum size of the temporary traces, in bytes. None: no limit.

    Raises:
        TraceError: The values exceed the limit.
        ValueError: The estimated size exceeds the limit.
    """
    only = () if isolated else options.only
    if not only:
        require_temporary_space(a, pixels, folder, limit, traces=2)
    first = run(a, pixels, folder / "a.npz", a.backend.name, only, limit=limit)
    if isolated:
        return compare_isolated(first, b, folder, options=options, limit=limit)
    second = run(b, pixels, folder / "b.npz", b.backend.name, only, limit=limit)
    return compare_traces(first, second, dataclasses.replace(options, strict=True))


def compare_isolated(
    reference: Trace,
    engine: Engine,
    folder: str | os.PathLike[str],
    *,
    chained: bool = False,
    options: ComparisonOptions = ComparisonOptions(),
    limit: int | None = LIMIT,
) -> Report:
    """Run each layer on the input that the reference recorded, and compare the outputs.

    Therefore, errors do not accumulate from one layer to the next, unless `chained` is true.

    Args:
        reference: A complete trace with values.
        engine: The candidate, `detector.engine`.
        folder: Folder for temporary traces.
        chained: Whether only the first layer of a network gets the recorded input of the level or crop. If
            true, each other layer gets the output of the layer before it, and errors accumulate within a
            network.
        options: Options of the comparison.
        limit: Maximum size of the temporary traces, in bytes. None: no limit.

    Raises:
        TraceError: The trace has no values or contains only some of the tensors, or the values exceed the
            limit.
    """
    folder = Path(folder)
    if reference.manifest.capture != "full":
        raise TraceError(f"{reference.source} contains no inputs of layers; capture it at level full")
    if reference.manifest.only:
        raise TraceError(
            f"{reference.source} was captured with --only; isolated mode needs the input of every layer"
        )
    mode, unit = ("chained", "network") if chained else ("isolated", "layer")
    layers = list(layer_inputs(reference.names))
    outputs = feed(
        reference,
        engine,
        folder / f"{mode}.npz",
        source=f"{engine.backend.name}, on recorded inputs",
        chained=chained,
        limit=limit,
        used=_folder_size(folder),
    )
    report = compare_traces(reference, outputs, options, layers)
    note = (
        f"{mode}: every {unit} of b received the input that a recorded; "
        f"{len(reference) - len(layers)} tensors that are not outputs of layers were not compared"
    )
    return dataclasses.replace(report, notes=(note, *_faulty_layers(report), *report.notes), mode=mode)


def require_temporary_space(
    engine: Engine, pixels: Pixels, folder: Path, limit: int | None, *, traces: int = 1
) -> None:
    """Raise ValueError if the estimated size of `traces` full traces of an image exceeds `limit` bytes."""
    height, width = pixels.array.shape[:2]
    guess = estimate_size(engine, height, width, pixels.array.itemsize)
    require_within_limit(guess, limit, traces=traces, where=str(folder))


def _folder_size(folder: Path) -> int:
    """Return the total size, in bytes, of the files in a folder of temporary traces."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _faulty_layers(report: Report) -> Iterator[str]:
    """Yield one note that lists the failed layers.

    A layer is listed once, with the number of levels or crops at which it failed.
    """
    failed = Counter(template(row.name) for row in report.tensors if not row.ok)
    compared = Counter(template(row.name) for row in report.tensors)
    if failed:
        yield "faulty layers: " + ", ".join(f"{name} ({n} of {compared[name]})" for name, n in failed.items())


def _pixels(trace: Trace, image: ImageLike | None) -> Pixels:
    if image is None:
        if trace.manifest.capture != "full":
            raise TraceError(
                f"{trace.source} contains no pixels (level {trace.manifest.capture}); pass the image as well"
            )
        return Pixels(trace.image, is_rgb=False)
    pixels = to_pixels(image)
    if describe(to_bgr(pixels)) != trace.manifest.image:
        raise TraceError(f"the image differs from the image of {trace.source} (other pixels or another size)")
    return pixels


GROUP = 64  # maximum number of levels or crops in one batch


def feed(
    reference: Trace,
    engine: Engine,
    path: Path,
    *,
    source: str,
    chained: bool = False,
    limit: int | None = None,
    used: int = 0,
) -> Trace:
    """Run the layers of the engine on recorded inputs, and return the outputs as a trace in the file `path`.

    With `chained`, only the first layer of a network gets the recorded input. Each other layer gets the
    output of the layer before it. A layer that the engine does not have is missing in the result.

    reference: A complete trace with values. source: Name of the new trace in reports. limit, used: As for
    `capture.dump`.
    """
    inputs = layer_inputs(reference.names)
    runners = _runners(engine)
    with NpzWriter(path) as writer:
        recorder = Recorder("full", writer.add, (), limit, used)
        if reference.manifest.image is not None:
            writer.add(IMAGE, reference.image)
        for places, layers in _batches(reference, inputs):
            runner = runners[stage_of(places[0])]
            layers = [layer for layer in layers if layer in runner.names]

            def batch(layer: str, places: Sequence[str] = places) -> Array:
                return np.stack([reference[inputs[f"{place}/{layer}"]] for place in places])

            runs = [layers] if chained else [[layer] for layer in layers]
            outputs = _outputs(runner, filter(None, runs), batch)
            for index, place in enumerate(places):
                for layer in layers:
                    if index < len(outputs[layer]):  # a faulty port can return too few crops
                        recorder.record(f"{place}/{layer}", outputs[layer][index])
        about = dataclasses.replace(reference.manifest, tensors=tuple(recorder.entries), model={}, made_by={})
        finish(writer, about)
    return Trace.load(path, source=source)


def _runners(engine: Engine) -> Mapping[StageName, NetworkRunner]:
    backend = engine.backend
    if isinstance(backend, CascadeBackend):
        return backend.runners
    return {
        stage: LayerwiseRunner(backend, stage, names) for stage, names in engine.model.layer_names.items()
    }


def _batches(reference: Trace, inputs: Mapping[str, str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield, in order, groups of levels or crops that can run in one batch, and their recorded layers."""
    layers: dict[str, list[str]] = {}
    for name in inputs:
        place, _, layer = name.rpartition("/")
        layers.setdefault(place, []).append(layer)

    def kind(place: str) -> tuple[StageName, list[str], tuple[int, ...]]:
        first = inputs[f"{place}/{layers[place][0]}"]
        return stage_of(place), layers[place], reference.info(first).shape

    for (_, common, _), group in groupby(layers, kind):
        places = list(group)
        for start in range(0, len(places), GROUP):
            yield places[start : start + GROUP], common


def _outputs(
    runner: NetworkRunner, runs: Iterable[Sequence[str]], batch: Callable[[str], Array]
) -> dict[str, Array]:
    """Return the output of each layer.

    A run is a sequence of layers. `batch` returns the input of the first layer of a run.
    """
    before = dict(zip(runner.names, (INPUT, *runner.names), strict=False))
    outputs: dict[str, Array] = {}
    for layers in runs:
        outputs |= runner.run({before[layers[0]]: batch(layers[0])}, layers)
    return outputs
