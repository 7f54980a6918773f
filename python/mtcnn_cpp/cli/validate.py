"""`mtcnn-cpp validate`: does a trace reproduce itself?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from .errors import errors_reported
from .groups import grouped
from .options import Backend, ModelPath, Threads, Yes, make_detector
from .reports import Isolated, JudgeOptions, ReportOptions, show


def register(app: typer.Typer) -> None:
    app.command()(grouped(validate))


def validate(
    trace: Annotated[Path, typer.Argument(help="A trace file.")],
    picture: Annotated[
        Path | None, typer.Option(help="The picture, for traces that hold no pixels.", show_default=False)
    ] = None,
    isolated: Isolated = False,
    yes: Yes = False,
    judging: JudgeOptions = JudgeOptions(),
    output: ReportOptions = ReportOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Run the detector again on the captured picture, with the captured options, and compare every bit.

    Exit code 0: reproduced; 1: something differs; 2: it could not be run.
    """
    from ..reference.options import Options
    from ..rerun import validate as run_again
    from ..trace import Trace, TraceError
    from ..trace.record.capture import LIMIT

    with errors_reported(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        captured = Trace.load(trace)
        if not captured.manifest.options:
            raise TraceError(f"{trace} does not say with which options it was made; it cannot be run again")
        options = Options(**captured.manifest.options)
        detector = make_detector(model, options, threads=threads, backend=backend)
        report = run_again(
            captured,
            detector.engine,
            Path(folder),
            image=picture,
            isolated=isolated,
            judge=judging.judge(),
            limit=None if yes else LIMIT,
        )
        show(report, output)
