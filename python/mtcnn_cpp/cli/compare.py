"""`mtcnn-cpp compare`: run two backends now, and compare them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import errors_reported
from .groups import grouped
from .inputs import OneImage, Sample, read_picture
from .lines import print_line
from .options import BACKENDS, CascadeOptions, ModelPath, Threads, Yes, make_detector
from .reports import Format, Isolated, JudgeOptions, ReportOptions, console, grid, number, show

if TYPE_CHECKING:
    from ..detections import Detections


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
    yes: Yes = False,
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
    from ..image import to_pixels
    from ..rerun import compare_engines
    from ..trace.record.capture import LIMIT

    with errors_reported(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        name, pixels = read_picture(image, sample)
        first = make_detector(model, cascade, threads=threads, backend=a)
        second = make_detector(model_b or model, cascade, threads=threads, backend=b)
        found = first.detect(pixels), second.detect(pixels)
        if not no_picture:
            path = picture or Path(f"{name}_{a}_{b}.png")
            draw(pixels, found, path, inputs=[image] if image else [], overwrite=picture is not None)
        report = compare_engines(
            to_pixels(pixels),
            first.engine,
            second.engine,
            Path(folder),
            isolated=isolated,
            judge=judging.judge(),
            limit=None if yes else LIMIT,
        )
        faces = pairs_of(*found)
        if output.format is Format.table:
            show_faces(faces)
        show(report, output, {"faces": faces})


def draw(
    pixels: Any, found: tuple[Detections, Detections], path: Path, *, inputs: list[Path], overwrite: bool
) -> None:
    from ..drawings import write_drawing
    from ..trace.show.faces import draw_both

    write_drawing(path, draw_both(pixels, *found), inputs=inputs, overwrite=overwrite)
    print_line(f"both detections drawn into {path}", err=True)


def pairs_of(a: Detections, b: Detections) -> list[dict[str, Any]]:
    """The faces of both, paired, for JSON. `apart` is b - a of x, y, width, height in pixels."""
    from ..trace.judge.faces import pair_up
    from ..trace.judge.plain import plain

    return [
        plain(pair)
        | {
            "score_a": None if pair.a is None else float(a.scores[pair.a]),
            "score_b": None if pair.b is None else float(b.scores[pair.b]),
        }
        for pair in pair_up(a.boxes, b.boxes)
    ]


def show_faces(faces: list[dict[str, Any]]) -> None:
    table = grid(right=("face of a", "of b", "IoU", "dx", "dy", "dw", "dh", "score a", "score b"))
    for face in faces:
        sides = ["none" if face[side] is None else str(face[side]) for side in "ab"]
        figures = [*(face["apart"] or [None] * 4), face["score_a"], face["score_b"]]
        table.add_row(*sides, f"{face['iou']:.6f}", *map(number, figures))
    console().print(table if faces else "neither found a face")
