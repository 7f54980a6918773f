"""`mtcnn-cpp validate`: does a trace reproduce itself?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from .errors import errors_reported, file_named
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
    from ..rerun import validate as run_again
    from ..trace import Trace
    from ..trace.record.capture import LIMIT

    with (
        errors_reported(),
        file_named(trace),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Trace.load(trace) as captured,
    ):
        detector = make_detector(model, captured.options, threads=threads, backend=backend)
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
