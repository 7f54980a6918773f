"""`mtcnn-cpp bench`: measure the speed and memory of this package and of other detectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import print_line, report_errors
from .options import CascadeOptions, ModelPath
from .reports import console

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Image files.", show_default="the bundled sample, and the sample enlarged to 1920x1080"
        ),
    ] = None,
    isa: Annotated[
        str | None,
        typer.Option(
            help="Variants of the core, for example avx2,generic.",
            show_default="all variants that this CPU supports, except generic",
        ),
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1,2",
    runs: Annotated[
        int, typer.Option(min=1, help="Runs per configuration, interleaved; the median is reported.")
    ] = 11,
    batch: Annotated[
        int, typer.Option(min=0, help="Number of images in the batch. 0: do not measure batches.")
    ] = 32,
    sizes: Annotated[bool, typer.Option(help="Also measure images of 0.3 to 48 megapixels.")] = True,
    peers: Annotated[bool, typer.Option("--peers", help="Also run other installed face detectors.")] = False,
    peer_python: Annotated[
        list[Path] | None,
        typer.Option(
            help="Python of another virtual environment that contains other face detectors (repeatable)."
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option("--json", help="Write all results to this JSON file.")] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Write a chart as .svg or .png (needs mtcnn-cpp\\[report]).")
    ] = None,
    cascade: CascadeOptions = CascadeOptions(),
    model: ModelPath = None,
) -> None:
    """Measure the time of detections, and compare their GFLOP/s with the processor's peak.

    Run the command on an idle machine. It prints the load of the machine before the start.
    """
    from .._util.files import write_file
    from ..bench.measurements import run_benchmark, to_uint8
    from ..bench.report import check_chart, draw_chart, tables
    from ..media.image import read_image
    from ..model import Model

    with report_errors():
        if chart:
            check_chart(chart)
        arrays: dict[str, NDArray[Any]] | None = None
        if images:
            arrays = {path.name: to_uint8(read_image(path)) for path in images}
        results = run_benchmark(
            arrays,
            isa=_parse_variants(isa),
            threads=_parse_counts(threads),
            runs=runs,
            batch=batch,
            sizes=sizes,
            peers=peers,
            pythons=[str(path) for path in peer_python or []],
            options=cascade.checked(),
            model=Model.load(model) if model else Model.default(),
            progress=lambda message: print_line(message, err=True),
        )
        for part in tables(results):
            console().print(part)
        if save:
            write_file(save, (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
        if chart:
            draw_chart(results, chart)


def _parse_variants(text: str | None) -> list[str]:
    from ..bench.measurements import fast_isas, supported_isas

    names = text.split(",") if text else fast_isas()
    for name in names:
        if name not in supported_isas():
            raise ValueError(f"--isa must be a list of {', '.join(supported_isas())}, got {name!r}")
    return names


def _parse_counts(text: str) -> list[int]:
    try:
        counts = [int(item) for item in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise ValueError(f"--threads must be whole numbers of at least 1, separated by commas, got {text!r}")
    return counts
