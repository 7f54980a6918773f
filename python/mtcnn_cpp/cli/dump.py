"""`mtcnn-cpp dump`: write what a detection computes inside into a trace file."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import errors_reported
from .groups import grouped
from .inputs import OneImage, Only, Sample, read_picture
from .lines import print_line
from .options import Backend, CascadeOptions, ModelPath, Threads, Yes, make_detector

if TYPE_CHECKING:
    from ..backends.engine import Engine
    from ..image import Pixels


class Level(str, enum.Enum):
    names = "names"
    hash = "hash"
    stats = "stats"
    full = "full"


def register(app: typer.Typer) -> None:
    app.command()(grouped(dump))


def dump(
    image: OneImage = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The trace file to write.")] = Path(
        "trace.npz"
    ),
    sample: Sample = False,
    only: Only = None,
    capture: Annotated[
        Level,
        typer.Option(
            help="What is kept of each tensor. names: name and shape; hash: also SHA-256 of the values; "
            "stats: also SHA-256 and statistics; full: also SHA-256 and all values."
        ),
    ] = Level.full,
    yes: Yes = False,
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Capture every layer of every level and crop, and every stage, in a file that numpy.load reads."""
    from ..image import to_pixels
    from ..trace.record.capture import LIMIT
    from ..trace.record.capture import dump as write_trace

    with errors_reported():
        _, picture = read_picture(image, sample)
        engine = make_detector(model, cascade, threads=threads, backend=backend).engine
        pixels = to_pixels(picture)
        limit = None if yes else LIMIT
        if capture is Level.full and not only:
            announce(engine, pixels, limit)
        manifest = write_trace(engine, pixels, output, only=only or (), capture=capture.value, limit=limit)
        size = output.stat().st_size / 1e6
        print_line(f"{output}: {len(manifest.tensors)} tensors, {size:.2f} MB, capture level {capture.value}")


def announce(engine: Engine, pixels: Pixels, limit: int | None) -> None:
    """Say how large the file will be. ValueError where that is more than `limit` bytes (None: no limit)."""
    from ..trace.record.estimate import estimate, require_room

    height, width = pixels.array.shape[:2]
    guess = estimate(engine, height, width, pixels.array.itemsize)
    print_line(f"about {guess}", err=True)
    require_room(guess, limit)
