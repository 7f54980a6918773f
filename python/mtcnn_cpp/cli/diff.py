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
    a: Annotated[
        Path, typer.Argument(help="The reference: a trace, plain arrays (.npz), or a folder of .npy files.")
    ],
    b: Annotated[Path, typer.Argument(help="What to compare with it: a file or folder of the same kinds.")],
    names: Annotated[
        Path | None, typer.Option(help="A JSON file: names of arrays in B, to those of a trace.")
    ] = None,
    judging: JudgeOptions = JudgeOptions(),
    output: ReportOptions = ReportOptions(),
) -> None:
    """Compare two traces tensor by tensor and name the first that differs.

    Exit code 0: all passed; 1: something differs; 2: they cannot be compared.
    """
    from ..doctor.whole.theirs import read_theirs

    with errors_reported(), file_named(a, b), read_theirs(a) as first, read_theirs(b, names) as second:
        show(judging.judge().compare(first, second), output)
