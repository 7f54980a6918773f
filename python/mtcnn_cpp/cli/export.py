"""`mtcnn-cpp export`: the three networks in other formats."""

from __future__ import annotations

import enum
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import INCOMPLETE, errors_reported
from .groups import grouped
from .lines import print_line
from .options import GraphOptions

if TYPE_CHECKING:
    from ..model import Model


class Kind(str, enum.Enum):
    onnx = "onnx"
    torch = "torch"
    npz = "npz"
    dat = "dat"


def register(app: typer.Typer) -> None:
    app.command()(grouped(export))


def export(
    kind: Annotated[Kind, typer.Argument(help="What to write.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="The folder to write into.", show_default=False)],
    model: Annotated[
        Path | None,
        typer.Option(
            help="Networks to export instead: a folder or file of .onnx, .pt, .npz, .npy, .lz4 or .dat.",
            show_default="built in",
        ),
    ] = None,
    all_layers: Annotated[
        bool, typer.Option("--all-layers", help="ONNX: every layer's output is an output of the graph.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="ONNX, torch: run what was written and compare it with the core."),
    ] = False,
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Write PNet, RNet and ONet as ONNX, as state_dicts for facenet-pytorch, as one .npz, or as .dat.

    Exit code 0: written (and right, with --check); 1: written, but the check failed; 2: it could not be done.
    """
    with errors_reported(), graphs.limits():
        if all_layers and kind is not Kind.onnx:
            raise ValueError(f"--all-layers is for onnx, found {kind.value}")
        if check and kind not in (Kind.onnx, Kind.torch):
            raise ValueError(f"--check is for onnx and torch, found {kind.value}")
        networks = read_model(model)
        for path in write(kind, networks, out, all_layers):
            print_line(path)
        if check and not checked(networks, out):
            raise typer.Exit(INCOMPLETE)


def read_model(source: Path | None) -> Model:
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


def write(kind: Kind, model: Model, out: Path, all_layers: bool) -> list[Path]:
    """Write the networks into a folder; the files, in the order of the networks."""
    from ..formats import export_onnx, export_torch
    from ..formats.npz import write_npz
    from ..model import FILE_NAMES

    if kind is Kind.onnx:
        return list(export_onnx(model, out, all_layers=all_layers).values())
    if kind is Kind.torch:
        return list(export_torch(model, out).values())
    if kind is Kind.npz:
        out.mkdir(parents=True, exist_ok=True)
        write_npz(model.arrays(), out / "mtcnn.npz")
        return [out / "mtcnn.npz"]
    model.save(out)
    return [out / f"{name}.dat" for name in FILE_NAMES]


def checked(model: Model, out: Path) -> bool:
    """Run what was written, and show how it compares with the core."""
    from ..detector import Detector
    from ..image import sample_image
    from ..verify import verify
    from .verify import show

    found = verify(out, sample_image(), detector=Detector(model))
    show(found)
    return found.ok
