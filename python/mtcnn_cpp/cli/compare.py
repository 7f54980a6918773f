"""`mtcnn-cpp compare`: run two backends, and compare them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import print_line, report_errors
from .options import (
    BACKENDS,
    CascadeOptions,
    CompareOptions,
    Isolated,
    ModelPath,
    OneImage,
    OutputFormat,
    ReportOptions,
    Sample,
    SecondModelPath,
    Threads,
    Yes,
    make_detector,
    read_one_image,
)
from .reports import console, format_number, make_table, show_report

if TYPE_CHECKING:
    from ..detections.result import Detections


def compare(
    image: OneImage = None,
    a: Annotated[str, typer.Option(help=f"Backend of the reference: {BACKENDS}")] = "reference",
    b: Annotated[str, typer.Option(help=f"Backend of the candidate: {BACKENDS}")] = "core",
    sample: Sample = False,
    isolated: Isolated = False,
    annotated: Annotated[
        Path | None,
        typer.Option(
            help="Write an annotated image with both detections (A in green, B in blue) to this file.",
            show_default="NAME_A_B.png",
        ),
    ] = None,
    no_annotated: Annotated[bool, typer.Option("--no-annotated", help="Write no annotated image.")] = False,
    yes: Yes = False,
    comparison: CompareOptions = CompareOptions(),
    output: ReportOptions = ReportOptions(),
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    model: ModelPath = None,
    model_b: SecondModelPath = None,
) -> None:
    """Run two backends on one image, and compare all of their tensors and faces.

    Exit code 0: all passed; 1: something differs; 2: a backend could not run.
    """
    from ..media.image.pixels import to_pixels
    from ..trace.capture import LIMIT
    from ..trace.replay import compare_engines

    with report_errors(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        name, pixels = read_one_image(image, sample)
        first = make_detector(model, cascade, threads=threads, backend=a)
        second = make_detector(model_b or model, cascade, threads=threads, backend=b)
        detections = first.detect(pixels), second.detect(pixels)
        if not no_annotated:
            path = annotated or Path(f"{name}_{a}_{b}.png")
            _write_annotated(
                pixels, detections, path, inputs=[image] if image else [], overwrite=annotated is not None
            )
        report = compare_engines(
            to_pixels(pixels),
            first.engine,
            second.engine,
            Path(folder),
            isolated=isolated,
            options=comparison.to_options(),
            limit=None if yes else LIMIT,
        )
        faces = _pair_faces(*detections)
        if output.format is OutputFormat.table:
            _print_faces(faces)
        show_report(report, output, {"faces": faces})


def _write_annotated(
    pixels: Any, found: tuple[Detections, Detections], path: Path, *, inputs: list[Path], overwrite: bool
) -> None:
    from ..media.annotated_files import write_annotated_image
    from ..trace.report.images import annotate_both

    write_annotated_image(path, annotate_both(pixels, *found), inputs=inputs, overwrite=overwrite)
    print_line(f"annotated image written to {path}", err=True)


def _pair_faces(a: Detections, b: Detections) -> list[dict[str, Any]]:
    """Return the pairs of faces of both backends, for JSON.

    `apart` contains the differences b - a of x, y, width and height, in pixels.
    """
    from .._util.json_values import to_json_value
    from ..trace.comparison.boxes import pair_boxes

    return [
        to_json_value(pair.to_dict())
        | {
            "score_a": None if pair.a is None else float(a.scores[pair.a]),
            "score_b": None if pair.b is None else float(b.scores[pair.b]),
        }
        for pair in pair_boxes(a.boxes, b.boxes)
    ]


def _print_faces(faces: list[dict[str, Any]]) -> None:
    table = make_table(right=("face a", "face b", "IoU", "dx", "dy", "dw", "dh", "score a", "score b"))
    for face in faces:
        sides = ["none" if face[side] is None else str(face[side]) for side in "ab"]
        numbers = [*(face["apart"] or [None] * 4), face["score_a"], face["score_b"]]
        table.add_row(*sides, f"{face['iou']:.6f}", *map(format_number, numbers))
    console().print(table if faces else "neither backend found a face")
