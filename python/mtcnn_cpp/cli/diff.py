"""`mtcnn-cpp diff`: compare two trace files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import errors_reported
from .inputs import Only
from .reports import AnyFormat, FailFast, Format, Html, Rows, Tolerance, rules, show


def register(app: typer.Typer) -> None:
    app.command()(diff)


def diff(
    a: Annotated[Path, typer.Argument(help="The reference: a trace file.")],
    b: Annotated[Path, typer.Argument(help="The trace file to judge.")],
    tolerance: Tolerance = None,
    only: Only = None,
    fail_fast: FailFast = False,
    html: Html = None,
    format: AnyFormat = Format.table,
    rows: Rows = 20,
) -> None:
    """Compare two traces tensor by tensor and name the first that differs.

    Exit code 0: all passed; 1: something differs; 2: they cannot be compared.
    """
    from ..trace import Trace, compare

    with errors_reported():
        report = compare(
            Trace.load(a), Trace.load(b), tolerances=rules(tolerance), only=only or (), fail_fast=fail_fast
        )
        show(report, html=html, format=format, rows=rows)
