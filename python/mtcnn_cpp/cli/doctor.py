"""`mtcnn-cpp doctor`: what is wrong with a port, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..trace.judge.plain import plain
from .errors import INCOMPLETE, errors_reported
from .groups import grouped
from .lines import print_line
from .options import GraphOptions, MinFace, ModelPath
from .reports import AnyFormat, Format, console
from .trace_doctor import examine_trace, show_trace

if TYPE_CHECKING:
    from rich.console import Console

    from ..doctor import Diagnosis


def register(app: typer.Typer) -> None:
    app.command()(grouped(doctor))


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A network, or a folder of them: .onnx, .pt, .npz, .npy, .lz4, .dat. With --against: a "
            "trace, plain arrays (.npz), or a folder of .npy files.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="The trace of a right detection (dump): find the step of FILE that is wrong."),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(help="With --against: a JSON file, their names of arrays to those of a trace."),
    ] = None,
    model: ModelPath = None,
    outputs: Annotated[
        Path | None,
        typer.Option(help="What the port computed: an .npz of layers' outputs (conv1, …); needs --picture."),
    ] = None,
    picture: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --outputs: the image that they belong to (its levels and crops are tried). With "
            "--story: images (repeatable)."
        ),
    ] = None,
    stage: Annotated[str, typer.Option(help="pnet, rnet or onet: the network of --outputs.")] = "pnet",
    fix: Annotated[
        Path | None,
        typer.Option(
            help="Write the corrected network to this file (.onnx, .dat, .npz, .pt), if rearranging does."
        ),
    ] = None,
    story: Annotated[
        bool,
        typer.Option("--story", help="Make the three well-known porting errors, and show their figures."),
    ] = False,
    min_face: MinFace = 40,
    format: AnyFormat = Format.table,
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Compare a port's numbers (or its outputs on a picture, or a whole trace) with OpenFace's, and name
    what was done to them.

    Exit code 0: this is OpenFace's model, exactly (a trace: nothing is wrong); 1: it is not; 2: it could not
    be read.
    """
    with errors_reported():
        if against is not None:
            whole = examine_trace(file, against, names, model)
            show_trace(whole, format)
            if not whole.ok:
                raise typer.Exit(INCOMPLETE)
            return
        if names is not None or model is not None:
            raise ValueError("--names and --model go with --against, the trace of a right detection")
        if story:
            tell_story(picture or [], min_face)
            return
        with graphs.limits():
            found = examine(file, outputs, picture or [], stage, min_face)
        if fix is not None:
            write_fix(found, fix)
        show(found, format)
        if fix is not None and format is Format.table:
            print_line(f"the corrected network is in {fix}", err=True)
        if not all(one.exact for one in found):
            raise typer.Exit(INCOMPLETE)


def examine(
    file: Path | None, outputs: Path | None, pictures: list[Path], stage: str, min_face: float
) -> list[Diagnosis]:
    found = [] if file is None else examine_file(file)
    if outputs is not None:
        if len(pictures) != 1:
            raise ValueError(f"--outputs needs the one --picture that they belong to, found {len(pictures)}")
        found.append(examine_outputs(outputs, pictures[0], stage, min_face))
    if not found:
        raise ValueError("expected a network's file, or --outputs with --picture, or --story")
    return found


def examine_file(file: Path) -> list[Diagnosis]:
    from ..doctor import diagnose_file
    from ..doctor.whole.theirs import holds_tensors
    from ..formats.errors import PortError

    try:
        return diagnose_file(file)
    except PortError as error:
        if holds_tensors(file):
            raise ValueError(
                f"{file}: expected a network, found what a detection computed (a trace, or arrays); name the "
                f"trace of a right detection of the same image: mtcnn-cpp doctor {file} --against gold.npz "
                "(mtcnn-cpp dump IMAGE -o gold.npz makes it)"
            ) from error
        raise


def examine_outputs(outputs: Path, picture: Path, stage: str, min_face: float) -> Diagnosis:
    from ..doctor.outputs import diagnose_in_cascade
    from ..formats.npz import read_arrays
    from ..image import read_image
    from ..reference.plan import stage_name

    arrays = {name.rpartition("/")[2]: array for name, array in read_arrays(outputs).items()}
    return diagnose_in_cascade(stage_name(stage), read_image(picture), arrays, min_face)


def write_fix(found: list[Diagnosis], path: Path) -> None:
    from ..doctor.fix import write_fixed

    if len(found) != 1:
        raise ValueError(f"--fix is for one network, found {len(found)}; name its file")
    write_fixed(found[0], path)


def show(found: list[Diagnosis], format: Format) -> None:
    if format is Format.json:
        typer.echo(json.dumps(plain([one.to_dict() for one in found]), indent=1, allow_nan=False))
        return
    out = console()
    for diagnosis in found:
        show_diagnosis(diagnosis, out)


def show_diagnosis(diagnosis: Diagnosis, out: Console) -> None:
    from rich import box, table

    from ..console import plain_text

    style = "green" if diagnosis.exact else "bold red"
    out.print(plain_text(f"{diagnosis.source} ({diagnosis.stage}): {diagnosis.headline}", style))
    if diagnosis.findings:
        grid = table.Table("layer", "theirs", "mistake", "evidence", box=box.SIMPLE_HEAD)
        for one in diagnosis.findings:
            evidence = ", ".join(f"{name} {shortened(value)}" for name, value in one.evidence.items())
            theirs = diagnosis.layers.get(one.layer, "")
            grid.add_row(*map(plain_text, (one.layer, theirs, one.text, evidence)))
        out.print(grid)
    for note in diagnosis.notes:
        out.print(plain_text(f"note: {note}", "dim"))


def shortened(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def tell_story(pictures: list[Path], min_face: float) -> None:
    from ..doctor.pools import floored
    from ..doctor.story import dense_inputs, transposed_kernels

    out = console()
    out.print("1. PNet fed with BGR: its first layer against the right one, on level 0 of the pyramid")
    show_swapped_channels(pictures, min_face, out)
    out.print(
        f"2. Kernels transposed: max |K - K transposed| in PNet's first layer is {transposed_kernels():.4f}\n"
    )
    out.print("3. Pooling floored: values that reach the first dense layer")
    for stage in ("rnet", "onet"):
        right, wrong = dense_inputs(stage), dense_inputs(stage, floored)
        out.print(f"   {stage}: {right}; floored {wrong}")


def show_swapped_channels(pictures: list[Path], min_face: float, out: Console) -> None:
    from rich import box, table

    from ..detector import Detector
    from ..doctor.story import swapped_channels
    from ..image import read_image, sample_image

    grid = table.Table(box=box.SIMPLE_HEAD)
    grid.add_column("picture", no_wrap=True)
    for title in ("max |Δ|", "mean |Δ|", "mean of channels 0 1 2 3", "correlation of channels 0 1 2 3"):
        grid.add_column(title, justify="right", no_wrap=True)
    detector = Detector(min_face=min_face)
    named = [(path.stem, read_image(path)) for path in pictures] or [("sample", sample_image())]
    for name, pixels in named:
        one = swapped_channels(detector, pixels)
        means = " ".join(f"{value:.3f}" for value in one.channel_means)
        correlations = " ".join(f"{value:+.2f}" for value in one.channel_correlations)
        grid.add_row(name, f"{one.maximum:.2f}", f"{one.mean:.3f}", means, correlations)
    out.print(grid)
