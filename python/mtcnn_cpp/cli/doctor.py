"""`mtcnn-cpp doctor`: find the faults of a port in its networks, in recorded outputs, or in a trace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._util.json_values import to_json_value
from .errors import INCOMPLETE, name_files_in_errors, print_line, report_errors
from .options import Format, GraphOptions, MinFace, ModelPath, OutputFormat
from .reports import console, print_json, print_text

if TYPE_CHECKING:
    from rich.console import Console

    from ..ports.doctor import Diagnosis
    from ..ports.doctor.trace_diagnosis.results import FaultyStep, TraceDiagnosis, UndetectableFault


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Network file (.onnx, .pt, .npz, .npy, .lz4, .dat) or a folder of them. With --against: a "
            "trace, plain arrays (.npz), or a folder of .npy files.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Reference trace of a correct detection (see dump): find the faulty steps of FILE."
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            help="With --against: JSON file that maps the names of arrays in FILE "
            "to the names of tensors in a trace."
        ),
    ] = None,
    model: ModelPath = None,
    outputs: Annotated[
        Path | None,
        typer.Option(
            help="Outputs of the port: an .npz file with outputs of layers (conv1, …). Needs --image."
        ),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --outputs: the image from which the outputs were computed (the doctor also tries its "
            "pyramid levels and crops). With --demo: the images to use (repeatable)."
        ),
    ] = None,
    stage: Annotated[str, typer.Option(help="Network of --outputs: pnet, rnet or onet.")] = "pnet",
    fix: Annotated[
        Path | None,
        typer.Option(
            help="Write the network without its mistakes to this file (.onnx, .dat, .npz, .pt). This is only "
            "possible if all mistakes can be undone."
        ),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo", help="Reproduce the three well-known porting errors and print their statistics."
        ),
    ] = False,
    min_face: MinFace = 40,
    format: Format = OutputFormat.table,
    graphs: GraphOptions = GraphOptions(),
) -> None:
    """Compare a port (its network, its outputs on an image, or a trace) with OpenFace and name its mistakes.

    Exit code 0: the port equals OpenFace's model exactly (for a trace: no mistake was found); 1: a mistake
    was found; 2: a file cannot be read.
    """
    with report_errors():
        if against is not None:
            diagnosis = examine_trace(file, against, names, model)
            show_trace(diagnosis, format)
            if not diagnosis.ok:
                raise typer.Exit(INCOMPLETE)
            return
        if names is not None or model is not None:
            raise ValueError("--names and --model need --against, the reference trace")
        if demo:
            show_known_errors(image or [], min_face)
            return
        with graphs.limits():
            diagnoses = examine(file, outputs, image or [], stage, min_face)
        if fix is not None:
            write_fix(diagnoses, fix)
        show(diagnoses, format)
        if fix is not None and format is OutputFormat.table:
            print_line(f"the repaired network is in {fix}", err=True)
        if not all(one.exact for one in diagnoses):
            raise typer.Exit(INCOMPLETE)


def examine(
    file: Path | None, outputs: Path | None, images: list[Path], stage: str, min_face: float
) -> list[Diagnosis]:
    diagnoses = [] if file is None else examine_file(file)
    if outputs is not None:
        if len(images) != 1:
            raise ValueError(
                f"--outputs needs one --image, from which the outputs were computed, found {len(images)}"
            )
        diagnoses.append(examine_outputs(outputs, images[0], stage, min_face))
    if not diagnoses:
        raise ValueError("expected a network file, or --outputs with --image, or --demo")
    return diagnoses


def examine_file(file: Path) -> list[Diagnosis]:
    from ..formats.errors import PortError
    from ..ports.doctor import diagnose_file
    from ..ports.doctor.trace_diagnosis.candidate import contains_tensors

    try:
        return diagnose_file(file)
    except PortError as error:
        if contains_tensors(file):
            raise ValueError(
                f"{file}: expected a network, found tensors of a detection (a trace, or arrays). To check "
                "them, create a reference trace from the same image (mtcnn-cpp dump IMAGE -o gold.npz), then "
                f"run mtcnn-cpp doctor {file} --against gold.npz"
            ) from error
        raise


def examine_outputs(outputs: Path, image: Path, stage: str, min_face: float) -> Diagnosis:
    from ..formats.arrays import read_arrays
    from ..media.image import read_image
    from ..ports.doctor.outputs import diagnose_in_cascade
    from ..reference.plan import stage_name

    arrays = {name.rpartition("/")[2]: array for name, array in read_arrays(outputs).items()}
    return diagnose_in_cascade(stage_name(stage), read_image(image), arrays, min_face)


def write_fix(diagnoses: list[Diagnosis], path: Path) -> None:
    from ..ports.doctor.repair import write_repaired

    if len(diagnoses) != 1:
        raise ValueError(
            f"--fix expects one network, found {len(diagnoses)}; specify the file of one network"
        )
    write_repaired(diagnoses[0], path)


def show(diagnoses: list[Diagnosis], format: OutputFormat) -> None:
    if format is OutputFormat.json:
        typer.echo(json.dumps(to_json_value([one.to_dict() for one in diagnoses]), indent=1, allow_nan=False))
        return
    out = console()
    for diagnosis in diagnoses:
        show_diagnosis(diagnosis, out)


def show_diagnosis(diagnosis: Diagnosis, out: Console) -> None:
    from rich import box, table

    from .._util.console import plain_text

    style = "green" if diagnosis.exact else "bold red"
    out.print(plain_text(f"{diagnosis.source} ({diagnosis.stage}): {diagnosis.headline}", style))
    if diagnosis.findings:
        grid = table.Table("layer", "name in the port", "mistake", "evidence", box=box.SIMPLE_HEAD)
        for one in diagnosis.findings:
            evidence = ", ".join(f"{key} {format_evidence(value)}" for key, value in one.evidence.items())
            name = diagnosis.layers.get(one.layer, "")
            grid.add_row(*map(plain_text, (one.layer, name, one.text, evidence)))
        out.print(grid)
    for note in diagnosis.notes:
        out.print(plain_text(f"note: {note}", "dim"))


def format_evidence(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def show_known_errors(images: list[Path], min_face: float) -> None:
    from ..ports.doctor.known_errors import count_fully_connected_inputs, transposed_kernel_difference
    from ..ports.doctor.structure import floored_size

    out = console()
    out.print("1. BGR input of PNet: difference in its first layer, on level 0 of the pyramid")
    show_swapped_channels(images, min_face, out)
    difference = transposed_kernel_difference()
    out.print(f"2. Kernels transposed: max |K - K transposed| in PNet's first layer is {difference:.4f}\n")
    out.print("3. Pooling rounds down (floor): inputs of the first fully connected layer")
    for stage in ("rnet", "onet"):
        right = count_fully_connected_inputs(stage)
        wrong = count_fully_connected_inputs(stage, floored_size)
        out.print(f"   {stage}: {right}; floored {wrong}")


def show_swapped_channels(images: list[Path], min_face: float, out: Console) -> None:
    from rich import box, table

    from ..detector.detector import Detector
    from ..media.image import read_image, sample_image
    from ..ports.doctor.known_errors import compare_swapped_channels

    grid = table.Table(box=box.SIMPLE_HEAD)
    grid.add_column("image", no_wrap=True)
    for title in ("max |Δ|", "mean |Δ|", "mean of channels 0 1 2 3", "correlation of channels 0 1 2 3"):
        grid.add_column(title, justify="right", no_wrap=True)
    detector = Detector(min_face=min_face)
    named = [(path.stem, read_image(path)) for path in images] or [("sample", sample_image())]
    for name, pixels in named:
        one = compare_swapped_channels(detector, pixels)
        means = " ".join(f"{value:.3f}" for value in one.channel_means)
        correlations = " ".join(f"{value:+.2f}" for value in one.channel_correlations)
        grid.add_row(name, f"{one.maximum:.2f}", f"{one.mean:.3f}", means, correlations)
    out.print(grid)


FEW = 8  # maximum number of kinds of steps that `undetectable_lines` prints in a line


def examine_trace(file: Path | None, gold: Path, names: Path | None, model: Path | None) -> TraceDiagnosis:
    """Compare a trace, an .npz file or a folder with a gold trace, and return the diagnosis."""
    from ..model import Model
    from ..ports.doctor.trace_diagnosis.candidate import read_candidate
    from ..ports.doctor.trace_diagnosis.diagnosis import diagnose_trace
    from ..trace import Trace

    if file is None:
        raise ValueError(
            "--against needs the argument FILE, the trace to check: an .npz file or a folder of .npy files"
        )
    networks = None if model is None else Model.load(model)
    with (
        name_files_in_errors(file, gold),
        read_candidate(file, names) as candidate,
        Trace.load(gold) as reference,
    ):
        return diagnose_trace(candidate, reference, networks)


def show_trace(diagnosis: TraceDiagnosis, format: OutputFormat) -> None:
    if format is OutputFormat.json:
        print_json(to_json_value(diagnosis.to_dict()))
        return
    print_text(diagnosis.headline, "green" if diagnosis.ok else "bold red")
    for step in diagnosis.faulty_steps:
        show_faulty_step(step)
    if diagnosis.faulty_steps and diagnosis.right:
        print_text(f"correct for their inputs: {diagnosis.right:,} tensors ({diagnosis.values:,} values)")
    for line in undetectable_lines(diagnosis.undetectable or ()):
        print_text(line, "dim")
    for note in diagnosis.notes:
        print_text(f"note: {note}", "dim")


def undetectable_lines(undetectable: Sequence[UndetectableFault]) -> Iterator[str]:
    """Yield lines about the limits of the diagnosis of a trace.

    One line lists the faults that would not change the trace. Another line lists the kinds of steps that are
    not in the trace.

    Each of these lines lists at most FEW items.
    """
    parameters: dict[str, dict[str, None]] = {}
    for one in undetectable:
        if one.parameter:
            parameters.setdefault(one.kind, {})[one.parameter] = None
    lists = {
        "faults that would not change this trace": [
            f"{kind} ({', '.join(names)})" for kind, names in parameters.items()
        ],
        "not in this trace": [one.kind for one in undetectable if not one.parameter],
    }
    for title, items in lists.items():
        if items:
            more = f"; and {len(items) - FEW} more (--format json)" if len(items) > FEW else ""
            yield f"{title}: {'; '.join(items[:FEW])}{more}"


def show_faulty_step(step: FaultyStep) -> None:
    """Print a faulty step, one line per fact."""
    from rich.text import Text

    from .._util.escape import printable

    where = f"{step.wrong} of {step.compared}, first {step.first}" if step.compared > 1 else step.first
    out = console()
    out.print()
    out.print(Text.assemble((printable(step.kind), "bold"), f"  ({printable(where)})"), soft_wrap=True)
    facts = {
        "found": step.text,
        "change": step.advice,
        "effect": "" if step.effect is None else f"alone, it {step.effect}",
    }
    facts["or"] = (
        "; ".join(step.alternatives) + " (the same values in this trace)" if step.alternatives else ""
    )
    for title, text in facts.items():
        if text:
            out.print(Text.assemble((f"  {title}: ", "dim"), printable(text)), soft_wrap=True)
