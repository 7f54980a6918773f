"""`mtcnn-cpp export`: the three networks in other formats."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from .errors import INCOMPLETE, errors_reported


class Kind(str, enum.Enum):
    onnx = "onnx"
    torch = "torch"
    npz = "npz"
    dat = "dat"


def register(app: typer.Typer) -> None:
    app.command()(export)


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
) -> None:
    """Write PNet, RNet and ONet as ONNX, as state_dicts for facenet-pytorch, as one .npz, or as .dat.

    Exit code 0: written (and right, with --check); 1: written, but the check failed; 2: it could not be done.
    """
    with errors_reported():
        if all_layers and kind is not Kind.onnx:
            raise ValueError(f"--all-layers is for onnx, found {kind.value}")
        if check and kind not in (Kind.onnx, Kind.torch):
            raise ValueError(f"--check is for onnx and torch, found {kind.value}")
        for path in write(kind, out, model, all_layers):
            typer.echo(path)
        if check and not checked(out, model):
            raise typer.Exit(INCOMPLETE)


def write(kind: Kind, out: Path, source: Path | None, all_layers: bool) -> list[Path]:
    import numpy as np

    from ..model import FILE_NAMES, Model

    if source is None:
        model = Model.default()
    else:
        from ..formats.read import import_model

        model = import_model(source)
    if kind is Kind.onnx:
        from ..formats.onnx.export import export_onnx

        return list(export_onnx(model, out, all_layers=all_layers).values())
    if kind is Kind.torch:
        from ..formats.state_dict import export_torch

        return list(export_torch(model, out).values())
    if kind is Kind.npz:
        out.mkdir(parents=True, exist_ok=True)
        np.savez(out / "mtcnn.npz", **model.arrays())  # type: ignore[arg-type]
        return [out / "mtcnn.npz"]
    model.save(out)
    return [out / f"{name}.dat" for name in FILE_NAMES]


def checked(out: Path, source: Path | None) -> bool:
    from ..detector import Detector
    from ..formats.read import import_model
    from ..image import sample_image
    from ..verify import verify
    from .verify import show

    detector = Detector(None if source is None else import_model(source))
    found = verify(out, sample_image(), detector=detector)
    show(found)
    return found.ok
