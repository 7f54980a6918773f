"""`mtcnn-cpp diff`: compare two trace files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import errors_reported, file_named
from .groups import grouped
from .reports import JudgeOptions, ReportOptions, show


def register(app: typer.Typer) -> None:
    app.command()(grouped(diff))


def diff(
    a: Annotated[Path, typer.Argument(help="The reference: a trace file.")],
    b: Annotated[Path, typer.Argument(help="The trace file to judge.")],
    judging: JudgeOptions = JudgeOptions(),
    output: ReportOptions = ReportOptions(),
) -> None:
    """Compare two traces tensor by tensor and name the first that differs.

    Exit code 0: all passed; 1: something differs; 2: they cannot be compared.
    """
    from ..trace import Trace

    with errors_reported(), file_named(a, b), Trace.load(a) as first, Trace.load(b) as second:
        show(judging.judge().compare(first, second), output)
