"""Running again: a trace from its own picture, two engines on one picture, layers on recorded inputs.

An engine is a detector's (`Detector.engine`). New traces are written into `folder`. A report reads them, so
the folder must stay until the report has been used. `limit`: the bytes that the traces in this folder may
have together, None for no limit.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .backends.engine import Engine
from .image import Pixels, to_pixels
from .trace.errors import TraceError
from .trace.file.trace import Trace, describe, to_bgr
from .trace.judge.comparison import Judge
from .trace.judge.report import Report
from .trace.names import layer_inputs, template
from .trace.record.capture import LIMIT, dump
from .trace.record.estimate import estimate, require_room
from .trace.record.feed import feed
from .types import ImageLike


def validate(
    trace: Trace,
    engine: Engine,
    folder: Path,
    *,
    image: ImageLike | None = None,
    isolated: bool = False,
    judge: Judge = Judge(),
    limit: int | None = LIMIT,
) -> Report:
    """Does the trace reproduce itself? Run the engine on the picture in the trace and compare every tensor
    that the trace holds; with a strict judge it must hold all of them.

    image: the picture, for a trace that holds no pixels. isolated: as `compare_isolated`. Raises TraceError
    for a trace of names only, for a picture that is missing or is another one, and for values beyond the
    limit; ValueError if it is known from the picture's size that there will be.
    """
    if trace.manifest.capture == "names":
        raise TraceError(f"{trace.source} holds names only; there is nothing to validate")
    if isolated:
        return compare_isolated(trace, engine, folder, judge=judge, limit=limit)
    pixels = _pixels(trace, image)
    source = f"rerun with {engine.backend.name}"
    about = trace.manifest
    if about.capture == "full" and not about.only:
        require_space(engine, pixels, folder, limit)
    second = run(engine, pixels, folder / "again.npz", source, about.only, about.capture, limit)
    return judge.compare(trace, second, None if judge.strict else trace.names)


def run(
    engine: Engine,
    pixels: Pixels,
    path: Path,
    source: str,
    only: Sequence[str] = (),
    capture: str = "full",
    limit: int | None = LIMIT,
) -> Trace:
    """The trace of one detection, in the file `path`. Arguments as of `dump`, but the limit is for all files
    of its folder together; `source` is what reports call the trace."""
    dump(engine, pixels, path, only=only, capture=capture, limit=limit, used=_used(path.parent))
    return Trace.load(path, source=source)


def compare_engines(
    pixels: Pixels,
    a: Engine,
    b: Engine,
    folder: Path,
    *,
    isolated: bool = False,
    judge: Judge = Judge(),
    limit: int | None = LIMIT,
) -> Report:
    """Run two engines on one picture and compare what they compute; a is the reference. What one lacks is a
    failure.

    isolated: as `compare_isolated`, b's layers are fed a's tensors. Raises TraceError for values beyond the
    limit; ValueError if it is known from the picture's size that there will be.
    """
    only = () if isolated else judge.only
    if not only:
        require_space(a, pixels, folder, limit, traces=2)
    first = run(a, pixels, folder / "a.npz", a.backend.name, only, limit=limit)
    if isolated:
        return compare_isolated(first, b, folder, judge=judge, limit=limit)
    second = run(b, pixels, folder / "b.npz", b.backend.name, only, limit=limit)
    return dataclasses.replace(judge, strict=True).compare(first, second)


def compare_isolated(
    reference: Trace,
    engine: Engine,
    folder: Path,
    *,
    chained: bool = False,
    judge: Judge = Judge(),
    limit: int | None = LIMIT,
) -> Report:
    """Compare layer by layer, each fed the input that the reference recorded, so that errors do not add up.

    chained: only the first layer of each network is fed so, at every level or crop; errors add up within a
    network. Raises TraceError for a trace without values or one that was captured in part.
    """
    if reference.manifest.capture != "full":
        raise TraceError(f"{reference.source} holds no values to feed layers with; capture it at level full")
    if reference.manifest.only:
        raise TraceError(
            f"{reference.source} was captured with --only; isolated mode needs every layer's input"
        )
    mode, fed = ("chained", "network") if chained else ("isolated", "layer")
    layers = list(layer_inputs(reference.names))
    outputs = feed(
        reference,
        engine,
        folder / f"{mode}.npz",
        source=f"{engine.backend.name}, fed",
        chained=chained,
        limit=limit,
        used=_used(folder),
    )
    report = judge.compare(reference, outputs, layers)
    note = (
        f"{mode}: every {fed} of b was fed the input that a recorded; "
        f"{len(reference) - len(layers)} tensors that are no layer's output were left out"
    )
    return dataclasses.replace(report, notes=(note, *_guilty(report), *report.notes), mode=mode)


def require_space(
    engine: Engine, pixels: Pixels, folder: Path, limit: int | None, *, traces: int = 1
) -> None:
    """ValueError if so many full traces of a picture have more than `limit` bytes, as far as its size
    tells."""
    height, width = pixels.array.shape[:2]
    guess = estimate(engine, height, width, pixels.array.itemsize)
    require_room(guess, limit, traces=traces, where=str(folder))


def _used(folder: Path) -> int:
    """Bytes of the files in a folder of temporary traces."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _guilty(report: Report) -> Iterator[str]:
    """Which layers failed, all levels or crops of one network taken together."""
    failed = Counter(template(row.name) for row in report.rows if not row.ok)
    compared = Counter(template(row.name) for row in report.rows)
    if failed:
        yield "guilty: " + ", ".join(f"{name} ({n} of {compared[name]})" for name, n in failed.items())


def _pixels(trace: Trace, image: ImageLike | None) -> Pixels:
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
