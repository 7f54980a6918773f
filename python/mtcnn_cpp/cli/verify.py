"""`mtcnn-cpp verify`: exported networks in their own runtime against the core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..reference.options import Options
from .ci import CiOptions, give
from .errors import INCOMPLETE, errors_reported
from .groups import grouped
from .inputs import Sample, read_picture
from .options import GraphOptions, MinFace, ModelPath, Yes
from .reports import AnyFormat, Format, console, grid, print_json, say

if TYPE_CHECKING:
    from ..verify import Verification


def register(app: typer.Typer) -> None:
    app.command()(grouped(verify))


def verify(
    folder: Annotated[
        Path, typer.Argument(help="With pnet.onnx, rnet.onnx, onet.onnx (or .pt).", show_default=False)
    ],
    image: Annotated[Path | None, typer.Argument(help="A picture to run on.", show_default="sample")] = None,
    sample: Sample = False,
    tolerance: Annotated[
        float, typer.Option(help="What a layer may differ by, as a share of its greatest magnitude.")
    ] = 1e-5,
    provider: Annotated[
        list[str] | None, typer.Option(help="An execution provider of ONNX Runtime (repeatable).")
    ] = None,
    min_face: MinFace = Options.min_face,
    yes: Yes = False,
    model: ModelPath = None,
    format: AnyFormat = Format.table,
    output: CiOptions = CiOptions(),
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Run every layer of each network in ONNX Runtime (or PyTorch), alone and in a chain, and whole
    detections.

    Exit code 0: all within tolerance; 1: something is not; 2: it could not be run.
    """
    with errors_reported():
        from ..detector import Detector
        from ..trace.record.capture import LIMIT
        from ..verify import verify as run

        _, pixels = read_picture(image, sample or image is None)
        detector = Detector(model, min_face=min_face)
        with graphs.limits():
            found = run(
                folder,
                pixels,
                detector=detector,
                providers=provider,
                tolerance=tolerance,
                limit=None if yes else LIMIT,
            )
        give(found.cases(), headline(found), f"{folder} against core", output)
        if format is Format.json:
            print_json(found.to_dict())
        else:
            show(found)
        if not found.ok:
            raise typer.Exit(INCOMPLETE)


def show(found: Verification) -> None:
    table = grid(
        "network", "layer", right=("tensors", "alone: max |Δ|", "share", "in a chain: max |Δ|", "share")
    )
    table.add_column("verdict")
    for layer in found.layers:
        figures = [layer.alone, layer.alone_share, layer.chained, layer.chained_share]
        cells = [f"{value:.1e}" if value else "0" for value in figures]
        verdict = "ok" if layer.ok else "different" if layer.tensors else "not reached"
        style = None if layer.ok else "red"
        table.add_row(layer.stage, layer.layer, str(layer.tensors), *cells, verdict, style=style)
    console().print(table)
    faces = found.faces
    core, port = faces.found
    say(
        f"faces: core {core}, {found.port} {port}; boxes within {faces.box:.2g} px, "
        f"scores {faces.score:.2g}, landmarks {faces.landmark:.2g} px, IoU at least {faces.iou:.7f}"
    )
    for output in found.outputs:
        say(f"{output.stage}: {output.text}", "" if output.ok else "red")
    say(headline(found))


def headline(found: Verification) -> str:
    """The verdict in one line."""
    wrong = found.first_wrong
    if found.ok:
        count = sum(layer.tensors for layer in found.layers)
        return f"right: every layer within {found.tolerance:g} of its greatest magnitude ({count} tensors)"
    if wrong is not None:
        return f"the first layer that is wrong by itself: {wrong.stage} {wrong.layer}"
    for verdict, title in (("different", "wrong"), ("not compared", "not verified")):
        for output in found.outputs:
            if output.verdict == verdict:
                return f"{title}: {output.stage}: {output.text}"
    if found.unreached:
        networks = ", ".join(dict.fromkeys(name.partition("/")[0] for name in found.unreached))
        return f"not verified: no input reached {networks}; give a picture with a face in it"
    return "wrong: layers or faces are further apart than they may be"
