"""`mtcnn-cpp explore`: look inside a detection, or lay two traces side by side, in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from .errors import INTERRUPTED, errors_reported
from .groups import grouped
from .inputs import Sample
from .lines import print_line
from .options import Backend, CascadeOptions, ModelPath, Threads, make_detector
from .reports import JudgeOptions


def register(app: typer.Typer) -> None:
    app.command()(grouped(explore))


def explore(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A picture, or a trace file: the reference, where there are two.", show_default=False
        ),
    ] = None,
    other: Annotated[
        Path | None, typer.Argument(help="A trace file (or a picture) to lay beside it.", show_default=False)
    ] = None,
    port: Annotated[
        int, typer.Option(help="Where to listen, on this machine only; 0 for any that is free.")
    ] = 0,
    sample: Sample = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    cascade: CascadeOptions = CascadeOptions(),
    judging: JudgeOptions = JudgeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
    model_b: Annotated[
        Path | None, typer.Option(help="The networks of the other trace.", show_default="those of the first")
    ] = None,
) -> None:
    """Open a local page that shows a detection from the picture down to one value's sum; of two traces, the
    first divergence.

    Ends with Ctrl-C. The page's address has a token in it: whoever has it on this machine can look.
    """
    with errors_reported():
        from ..explore.extra import need_server

        need_server()
        from ..explore.serve import bound, serve
        from ..explore.source import opened
        from ..image import SAMPLE
        from ..model import Model

        judge = judging.judge()
        listening = bound(port)
        networks = Model.load(model) if model else None
        other_networks = Model.load(model_b) if model_b else networks
        detector = make_detector(networks, cascade, threads=threads, backend=backend)
        paths = [path for path in (SAMPLE if sample else None, file, other) if path is not None]

        def ready(address: str) -> None:
            print_line(address)
            if not no_browser and not (has_screen() and webbrowser.open(address)):
                print_line("no browser was found here; open the address above", err=True)

        try:
            with listening, opened(paths, detector, (networks, other_networks)) as source:
                serve(source, judge, listening, ready)
        except KeyboardInterrupt as error:
            print_line("the explorer has ended", err=True)
            raise typer.Exit(INTERRUPTED) from error


def has_screen() -> bool:
    """Whether a browser can have a window here: one in the terminal could not show the page."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
