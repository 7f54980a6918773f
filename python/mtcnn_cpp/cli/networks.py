"""`mtcnn-cpp export` and `verify`: write the networks in other formats, and verify the exported files."""

from __future__ import annotations

import enum
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..reference.options import Options
from .errors import INCOMPLETE, print_line, report_errors
from .options import (
    CiOptions,
    Format,
    GraphOptions,
    MinFace,
    ModelPath,
    OutputFormat,
    Sample,
    Yes,
    read_one_image,
)
from .reports import console, make_table, print_json, print_text, write_ci_outputs

if TYPE_CHECKING:
    from ..model import Model
    from ..ports.verify import Verification


class ExportFormat(str, enum.Enum):
    onnx = "onnx"
    torch = "torch"
    npz = "npz"
    dat = "dat"


def export(
    kind: Annotated[ExportFormat, typer.Argument(help="Format of the files.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder for the files.", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Other networks to export: a folder, or a .onnx, .pt, .npz, .npy, .lz4 or .dat file.",
            show_default="built in",
        ),
    ] = None,
    all_layers: Annotated[
        bool, typer.Option("--all-layers", help="ONNX: make the output of every layer a graph output.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="ONNX, torch: run the written files and compare their outputs with those of the core.",
        ),
    ] = False,
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Write PNet, RNet and ONet as ONNX, as state_dicts for facenet-pytorch, as one .npz, or as .dat files.

    Exit code 0: written (and correct, with --check); 1: written, but the check failed; 2: not written.
    """
    with report_errors(), graphs.limits():
        if all_layers and kind is not ExportFormat.onnx:
            raise ValueError(f"--all-layers is only possible for onnx, found {kind.value}")
        if check and kind not in (ExportFormat.onnx, ExportFormat.torch):
            raise ValueError(f"--check is only possible for onnx and torch, found {kind.value}")
        networks = _read_model(model)
        for path in _write(kind, networks, out, all_layers):
            print_line(path)
        if check and not _is_correct(networks, out):
            raise typer.Exit(INCOMPLETE)


def _read_model(source: Path | None) -> Model:
    from ..formats import import_model
    from ..model import Model

    if source is None:
        return Model.default()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        model = import_model(source)
    for note in notes:
        print_line(f"note: {note.message}", err=True)
    return model


def _write(kind: ExportFormat, model: Model, out: Path, all_layers: bool) -> list[Path]:
    """Write the networks into a folder, and return the files in the order of the networks."""
    from ..formats import export_onnx, export_torch
    from ..formats.arrays import write_npz
    from ..model import FILE_NAMES

    if kind is ExportFormat.onnx:
        return list(export_onnx(model, out, all_layers=all_layers).values())
    if kind is ExportFormat.torch:
        return list(export_torch(model, out).values())
    if kind is ExportFormat.npz:
        out.mkdir(parents=True, exist_ok=True)
        write_npz(model.arrays(), out / "mtcnn.npz")
        return [out / "mtcnn.npz"]
    model.save(out)
    return [out / f"{name}.dat" for name in FILE_NAMES]


def _is_correct(model: Model, out: Path) -> bool:
    """Run the networks in the written files, compare them with the core, and print the result."""
    from ..detector.detector import Detector
    from ..media.image import sample_image
    from ..ports.verify import verify as run

    found = run(out, sample_image(), detector=Detector(model))
    _print_verification(found)
    return found.ok


def verify(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder with pnet.onnx, rnet.onnx and onet.onnx (or .pt).", show_default=False),
    ],
    image: Annotated[Path | None, typer.Argument(help="Image file to run on.", show_default="sample")] = None,
    sample: Sample = False,
    tolerance: Annotated[
        float, typer.Option(help="Allowed difference, relative to the largest absolute value of the layer.")
    ] = 1e-5,
    provider: Annotated[
        list[str] | None, typer.Option(help="Execution provider of ONNX Runtime (repeatable).")
    ] = None,
    min_face: MinFace = Options.min_face,
    yes: Yes = False,
    model: ModelPath = None,
    format: Format = OutputFormat.table,
    output: CiOptions = CiOptions(),
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Run every layer of exported networks in ONNX Runtime (or PyTorch), alone and as a chain, run complete
    detections, and compare both with the core.

    Exit code 0: all differences are within the tolerance; 1: a difference is greater than the tolerance; 2:
    the networks could not run.
    """
    with report_errors():
        from ..detector.detector import Detector
        from ..ports.verify import verify as run
        from ..trace.capture import LIMIT

        _, pixels = read_one_image(image, sample or image is None)
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
        write_ci_outputs(found.cases(), headline(found), f"{folder} compared with core", output)
        if format is OutputFormat.json:
            print_json(found.to_dict())
        else:
            _print_verification(found)
        if not found.ok:
            raise typer.Exit(INCOMPLETE)


def _print_verification(found: Verification) -> None:
    table = make_table(
        "network", "layer", right=("tensors", "alone: max |Δ|", "share", "as a chain: max |Δ|", "share")
    )
    table.add_column("verdict")
    for layer in found.layers:
        differences = [layer.alone, layer.alone_share, layer.chained, layer.chained_share]
        cells = [f"{value:.1e}" if value else "0" for value in differences]
        verdict = "ok" if layer.ok else "different" if layer.tensors else "not reached"
        style = None if layer.ok else "red"
        table.add_row(layer.stage, layer.layer, str(layer.tensors), *cells, verdict, style=style)
    console().print(table)
    faces = found.faces
    core, port = faces.found
    print_text(
        f"faces: core {core}, {found.port} {port}; boxes within {faces.box:.2g} px, "
        f"scores {faces.score:.2g}, landmarks {faces.landmark:.2g} px, IoU at least {faces.iou:.7f}"
    )
    for output in found.outputs:
        print_text(f"{output.stage}: {output.text}", "" if output.ok else "red")
    print_text(headline(found))


def headline(found: Verification) -> str:
    """Return the result of a verification as one line."""
    wrong = found.first_wrong
    if found.ok:
        count = sum(layer.tensors for layer in found.layers)
        return f"correct: every layer within {found.tolerance:g} of its greatest magnitude ({count} tensors)"
    if wrong is not None:
        return f"the first layer that is wrong when it runs alone: {wrong.stage} {wrong.layer}"
    for verdict, title in (("different", "wrong"), ("not compared", "not verified")):
        for output in found.outputs:
            if output.verdict == verdict:
                return f"{title}: {output.stage}: {output.text}"
    if found.unreached:
        networks = ", ".join(dict.fromkeys(name.partition("/")[0] for name in found.unreached))
        return f"not verified: no input reached {networks}; use an image with a face"
    return "wrong: layers or faces differ by more than the tolerance"
