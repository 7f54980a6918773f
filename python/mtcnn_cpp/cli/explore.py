"""`mtcnn-cpp explore`: show a detection, or compare two traces, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .browser import open_browser
from .errors import INTERRUPTED, print_line, report_errors
from .options import Backend, CascadeOptions, CompareOptions, ModelPath, Sample, Threads, make_detector


def explore(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Image or trace file. If a second file is given, this one is the reference.",
            show_default=False,
        ),
    ] = None,
    other: Annotated[
        Path | None, typer.Argument(help="Trace or image file to compare with the first.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the local server. 0: any free port.")] = 0,
    sample: Sample = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address; do not open a browser.")
    ] = False,
    cascade: CascadeOptions = CascadeOptions(),
    comparison: CompareOptions = CompareOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
    model_b: Annotated[
        Path | None,
        typer.Option(
            help="Networks with which the second trace was recorded.",
            show_default="networks of the first trace",
        ),
    ] = None,
) -> None:
    """Open a local page that shows a detection, from the image down to the sum behind one value of a layer.
    For two traces, the page also shows where they first differ.

    The command runs until Ctrl-C. The address contains a token. Any user of this machine who knows the
    address can open the page.
    """
    with report_errors():
        from ..explore import require_server_packages

        require_server_packages("the explorer")
        from ..explore.server import bind_socket, serve
        from ..explore.traces import open_traces
        from ..media.image.read import SAMPLE
        from ..model import Model

        options = comparison.to_options()
        listening = bind_socket(port)
        networks = Model.load(model) if model else None
        other_networks = Model.load(model_b) if model_b else networks
        detector = make_detector(networks, cascade, threads=threads, backend=backend)
        paths = [path for path in (SAMPLE if sample else None, file, other) if path is not None]

        def ready(address: str) -> None:
            print_line(address)
            if not no_browser:
                open_browser(address)

        try:
            with listening, open_traces(paths, detector, (networks, other_networks)) as traces:
                serve(traces, options, listening, ready)
        except KeyboardInterrupt as error:
            print_line("the explorer has ended", err=True)
            raise typer.Exit(INTERRUPTED) from error
