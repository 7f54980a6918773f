"""`mtcnn-cpp compare`: run two backends now, and compare them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import errors_reported
from .groups import grouped
from .inputs import OneImage, Sample, read_picture
from .options import BACKENDS, CascadeOptions, ModelPath, Threads, make_detector
from .reports import Format, Isolated, JudgeOptions, ReportOptions, console, grid, number, show

if TYPE_CHECKING:
    from ..detections import Detections
    from ..trace.judge.faces import Pair


def register(app: typer.Typer) -> None:
    app.command()(grouped(compare))


def compare(
    image: OneImage = None,
    a: Annotated[str, typer.Option(help=f"The reference's backend: {BACKENDS}")] = "reference",
    b: Annotated[str, typer.Option(help=f"The backend to judge: {BACKENDS}")] = "core",
    sample: Sample = False,
    isolated: Isolated = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Where to draw both detections (a green, b blue).", show_default="NAME_A_B.png"),
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw nothing.")] = False,
    judging: JudgeOptions = JudgeOptions(),
    output: ReportOptions = ReportOptions(),
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    model: ModelPath = None,
    model_b: Annotated[
        Path | None, typer.Option(help="Other networks for b.", show_default="the same as a's")
    ] = None,
) -> None:
    """Run two backends on one picture: every tensor of one against the other, and the faces of both.

    Exit code 0: all passed; 1: something differs; 2: it could not be run.
    """
    from .. import png
    from ..rerun import compare_detectors
    from ..trace.judge.faces import pair_up
    from ..trace.show.faces import draw_both

    with errors_reported(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        name, pixels = read_picture(image, sample)
        detectors = [
            make_detector(networks, cascade, threads=threads, backend=backend)
            for backend, networks in ((a, model), (b, model_b or model))
        ]
        found = [detector.detect(pixels) for detector in detectors]
        pairs = pair_up(found[0].boxes, found[1].boxes)
        if not no_picture:
            picture = picture or Path(f"{name}_{a}_{b}.png")
            picture.write_bytes(png.encode(draw_both(pixels, found[0], found[1])))
            typer.echo(f"both detections drawn into {picture}", err=True)
        report = compare_detectors(
            pixels, detectors[0], detectors[1], Path(folder), isolated=isolated, judge=judging.judge()
        )
        if output.format is Format.table:
            _print_faces(found, pairs)
        show(report, output, {"faces": _plain(found, pairs)})


def _print_faces(found: list[Detections], pairs: list[Pair]) -> None:
    table = grid(right=("face of a", "of b", "IoU", "dx", "dy", "dw", "dh", "score a", "score b"))
    for row in _plain(found, pairs):
        apart = [number(value) for value in row["apart"] or (None,) * 4]
        sides = [("none" if row[side] is None else str(row[side])) for side in "ab"]
        scores = [number(row[f"score_{side}"]) for side in "ab"]
        table.add_row(*sides, f"{row['iou']:.6f}", *apart, *scores)
    console().print(table if pairs else "neither found a face")


def _plain(found: list[Detections], pairs: list[Pair]) -> list[dict[str, Any]]:
    """`apart` is b - a of x, y, width, height in pixels."""
    a, b = found
    return [
        {
            "a": pair.a,
            "b": pair.b,
            "iou": pair.iou,
            "apart": pair.apart,
            "score_a": None if pair.a is None else float(a.scores[pair.a]),
            "score_b": None if pair.b is None else float(b.scores[pair.b]),
        }
        for pair in pairs
    ]
