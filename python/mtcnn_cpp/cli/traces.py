"""`mtcnn-cpp dump`, `inspect`, `diff` and `validate`: write, list, compare and reproduce trace files."""

from __future__ import annotations

import enum
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import name_files_in_errors, print_line, report_errors
from .options import (
    Backend,
    CascadeOptions,
    CompareOptions,
    Format,
    Isolated,
    ModelPath,
    OneImage,
    Only,
    OutputFormat,
    ReportOptions,
    Sample,
    Threads,
    Yes,
    make_detector,
    parse_index,
    read_one_image,
)
from .reports import console, format_number, make_table, print_json, print_text, show_report

if TYPE_CHECKING:
    from ..backends.engine import Engine
    from ..media.image.pixels import Pixels
    from ..trace import Trace
    from ..trace.manifest import TensorInfo


class CaptureLevel(str, enum.Enum):
    names = "names"
    hash = "hash"
    stats = "stats"
    full = "full"


def dump(
    image: OneImage = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Trace file to write.")] = Path("trace.npz"),
    sample: Sample = False,
    only: Only = None,
    capture: Annotated[
        CaptureLevel,
        typer.Option(
            help="What to record of each tensor. names: name and shape; hash: also SHA-256 of the values; "
            "stats: also SHA-256 and statistics; full: also SHA-256 and all values."
        ),
    ] = CaptureLevel.full,
    yes: Yes = False,
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Record all tensors of a detection (every layer, level, crop and stage) in a file for numpy.load."""
    from ..media.image.pixels import to_pixels
    from ..trace.capture import LIMIT
    from ..trace.capture import dump as write_trace

    with report_errors():
        _, image_pixels = read_one_image(image, sample)
        engine = make_detector(model, cascade, threads=threads, backend=backend).engine
        pixels = to_pixels(image_pixels)
        limit = None if yes else LIMIT
        if capture is CaptureLevel.full and not only:
            _print_estimate(engine, pixels, limit)
        manifest = write_trace(engine, pixels, output, only=only or (), capture=capture.value, limit=limit)
        size = output.stat().st_size / 1e6
        print_line(f"{output}: {len(manifest.tensors)} tensors, {size:.2f} MB, capture level {capture.value}")


def _print_estimate(engine: Engine, pixels: Pixels, limit: int | None) -> None:
    """Print the estimated size of the trace file.

    Raises ValueError if the size exceeds `limit` bytes. If `limit` is None, there is no limit.
    """
    from ..trace.capture import estimate_size, require_within_limit

    height, width = pixels.array.shape[:2]
    size = estimate_size(engine, height, width, pixels.array.itemsize)
    print_line(f"about {size}", err=True)
    require_within_limit(size, limit)


def inspect(
    trace: Annotated[Path, typer.Argument(help="Trace file.")],
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of the tensor to show, or a pattern to list all tensors whose names match it.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Index of one element, e.g. 0,3,4.", show_default=False)
    ] = None,
    format: Format = OutputFormat.table,
) -> None:
    """List the tensors of a trace, or print the statistics and values of one tensor."""
    from ..trace import Trace
    from ..trace.names import is_pattern

    with report_errors(), name_files_in_errors(trace), Trace.load(trace) as opened:
        if name is not None and name in opened:
            _print_tensor(opened, opened.info(name), at, format)
            return
        if name is not None and not is_pattern(name):
            opened.info(name)  # if there is no such tensor, raises an error that lists similar names
        _print_list(opened, opened.select(name or "*").manifest.tensors, format)


def _print_list(trace: Trace, listed: Sequence[TensorInfo], format: OutputFormat) -> None:
    from .._util.console import plain_text
    from ..trace.manifest import tensor_info_to_json

    manifest = trace.manifest
    if format is OutputFormat.json:
        print_json(manifest.about() | {"tensors": [tensor_info_to_json(entry) for entry in listed]})
        return
    print_text(f"{trace.source}: {len(trace)} tensors, capture level {manifest.capture}", "bold")
    print_text("its manifest:")
    for key, value in manifest.about().items():
        if value and key != "capture":
            print_text(f"  {key}: {value}")
    statistics = ("min", "max", "mean") if manifest.capture == "stats" else ()
    table = make_table("tensor", "shape", "dtype", "axes", "SHA-256", *statistics)
    for entry in listed:
        found = entry.statistics
        numbers = (found.minimum, found.maximum, found.mean) if found else ()
        shape = "x".join(map(str, entry.shape))
        digest = (entry.sha256 or "")[:12]
        table.add_row(
            plain_text(entry.name), shape, entry.dtype, entry.layout, digest, *map(format_number, numbers)
        )
    console().print(table)


def _print_tensor(trace: Trace, entry: TensorInfo, at: str | None, format: OutputFormat) -> None:
    import numpy as np

    from .._util.json_values import to_json_value
    from ..trace.manifest import Statistics, tensor_info_to_json

    values = trace[entry.name] if trace.manifest.capture == "full" else None
    found = entry.statistics if values is None else Statistics.of(values)
    about = tensor_info_to_json(entry) | ({"statistics": found.to_json()} if found else {})
    if at is not None:
        element = _element(trace, entry, at)
        about["element"] = {"at": list(parse_index(at)), "value": str(element), "hex": float(element).hex()}
    if format is OutputFormat.json:
        typer.echo(json.dumps(about | ({} if values is None else {"values": to_json_value(values)})))
        return
    for key, value in about.items():
        print_text(f"{key}: {value}")
    if values is not None and at is None:
        for line in np.array2string(values, threshold=400, edgeitems=4, max_line_width=150).splitlines():
            print_text(line)


def _element(trace: Trace, entry: TensorInfo, at: str) -> Any:
    index = parse_index(at)
    try:
        if len(index) != len(entry.shape) or min(index) < 0:
            raise IndexError
        return trace[entry.name][index]
    except IndexError:
        raise ValueError(f"{entry.name} has shape {entry.shape}; --at {at} is outside this shape") from None


def diff(
    a: Annotated[Path, typer.Argument(help="Reference: a trace, arrays (.npz), or a folder of .npy files.")],
    b: Annotated[Path, typer.Argument(help="Candidate: a trace, arrays (.npz), or a folder of .npy files.")],
    names: Annotated[
        Path | None,
        typer.Option(help="JSON file that maps the names of arrays in B to the names of tensors in a trace."),
    ] = None,
    comparison: CompareOptions = CompareOptions(),
    output: ReportOptions = ReportOptions(),
) -> None:
    """Compare two traces tensor by tensor and name the first tensor that differs.

    Exit code 0: all passed; 1: something differs; 2: the traces cannot be compared.
    """
    from ..ports.doctor.trace_diagnosis.candidate import read_candidate
    from ..trace.comparison.comparison import compare_traces

    with (
        report_errors(),
        name_files_in_errors(a, b),
        read_candidate(a) as first,
        read_candidate(b, names) as second,
    ):
        show_report(compare_traces(first, second, comparison.to_options()), output)


def validate(
    trace: Annotated[Path, typer.Argument(help="Trace file.")],
    image: Annotated[
        Path | None,
        typer.Option(
            help="Image file. Needed if the trace does not contain the pixels of its image.",
            show_default=False,
        ),
    ] = None,
    isolated: Isolated = False,
    yes: Yes = False,
    comparison: CompareOptions = CompareOptions(),
    output: ReportOptions = ReportOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Repeat the detection of a trace, with its image and options, and compare every bit.

    Exit code 0: the result is the same; 1: something differs; 2: the detection could not run.
    """
    from ..trace import Trace
    from ..trace.capture import LIMIT
    from ..trace.replay import validate as validate_trace

    with (
        report_errors(),
        name_files_in_errors(trace),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Trace.load(trace) as captured,
    ):
        detector = make_detector(model, captured.options, threads=threads, backend=backend)
        report = validate_trace(
            captured,
            detector.engine,
            Path(folder),
            image=image,
            isolated=isolated,
            options=comparison.to_options(),
            limit=None if yes else LIMIT,
        )
        show_report(report, output)
