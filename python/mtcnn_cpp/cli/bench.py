"""`mtcnn-cpp bench`: how fast, how near the processor's limit, how much memory; against others too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import errors_reported
from .groups import grouped
from .lines import print_line
from .options import CascadeOptions, ModelPath
from .reports import console

if TYPE_CHECKING:
    from numpy.typing import NDArray


def register(app: typer.Typer) -> None:
    app.command()(grouped(bench))


def bench(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files.", show_default="the packaged sample, and enlarged to 1920x1080"),
    ] = None,
    isa: Annotated[
        str | None,
        typer.Option(
            help="Variants of the core, such as avx2,generic", show_default="all this CPU runs, but generic"
        ),
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads.")] = "1,2",
    runs: Annotated[int, typer.Option(min=1, help="Of each, in turn; medians are told.")] = 11,
    batch: Annotated[int, typer.Option(min=0, help="Pictures in the batch; 0 for no batch.")] = 32,
    sizes: Annotated[bool, typer.Option(help="Measure 0.3 to 48 megapixels.")] = True,
    peers: Annotated[bool, typer.Option("--peers", help="Run other MTCNNs that are installed too.")] = False,
    peer_python: Annotated[
        list[Path] | None,
        typer.Option(help="The Python of another virtual environment to look for them in (repeatable)."),
    ] = None,
    save: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    chart: Annotated[
        Path | None, typer.Option(help="Draw a .svg or .png (needs mtcnn-cpp\\[report]).")
    ] = None,
    cascade: CascadeOptions = CascadeOptions(),
    model: ModelPath = None,
) -> None:
    """Time detections, count the work the networks need, and compare both with the processor's limit.

    A quiet machine is assumed: look at the load that is printed.
    """
    from ..bench import measure, run, tables
    from ..bench.chart import check_chart, draw_chart
    from ..files import write_whole
    from ..image import read_image
    from ..model import Model

    with errors_reported():
        if chart:
            check_chart(chart)
        pictures: dict[str, NDArray[Any]] | None = None
        if images:
            pictures = {path.name: measure.as_pixels(read_image(path)) for path in images}
        results = run.run(
            pictures,
            isa=_names(isa),
            threads=_counts(threads),
            runs=runs,
            batch=batch,
            sizes=sizes,
            peers=peers,
            pythons=[str(path) for path in peer_python or []],
            options=cascade.checked(),
            model=Model.load(model) if model else Model.default(),
            progress=lambda words: print_line(words, err=True),
        )
        for part in tables.tables(results):
            console().print(part)
        if save:
            write_whole(save, (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
        if chart:
            draw_chart(results, chart)


def _names(words: str | None) -> list[str]:
    from ..bench.measure import fast_isas, isas

    names = words.split(",") if words else fast_isas()
    for name in names:
        if name not in isas():
            raise ValueError(f"--isa must be of {', '.join(isas())}, got {name!r}")
    return names


def _counts(words: str) -> list[int]:
    try:
        counts = [int(word) for word in words.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise ValueError(
            f"--threads must be whole numbers of 1 or more with commas between them, got {words!r}"
        )
    return counts
