"""How `diff`, `validate` and `compare` print what they found, and their common options."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .errors import INCOMPLETE
from .inputs import parse_tolerances

if TYPE_CHECKING:
    from rich.console import Console

    from ..trace import Report

Tolerance: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="What may differ: 1e-5 (atol = rtol), 4ulp, PATTERN=1e-5 (repeatable; the last that fits "
        "holds), or a .toml file. Without it every value must be equal."
    ),
]
FailFast: TypeAlias = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]
Html: TypeAlias = Annotated[
    Path | None, typer.Option(help="Write a report with pictures to this file (needs mtcnn-cpp[report]).")
]
Rows: TypeAlias = Annotated[
    int, typer.Option(help="Print at most so many tensors; 0 for all, passed ones too.")
]


class Format(str, enum.Enum):
    table = "table"
    json = "json"


AnyFormat: TypeAlias = Annotated[Format, typer.Option(help="What to print.")]

COLOURS = {"similar": "dark_orange", "unchecked": "dim"}


def rules(tolerance: list[str] | None) -> Any:
    return parse_tolerances(tolerance) if tolerance else None


def show(
    report: Report, *, html: Path | None, format: Format, rows: int, extra: dict[str, Any] | None = None
) -> None:
    """Print the report, write the HTML file, and exit with 1 if a tensor failed."""
    if html is not None:
        report.save_html(html)
    if format is Format.json:
        typer.echo(json.dumps(report.to_dict() | (extra or {}), indent=1, allow_nan=False))
    else:
        _print(report, rows)
        if html is not None:
            typer.echo(f"report written to {html}", err=True)
    if not report.ok:
        raise typer.Exit(INCOMPLETE)


def console() -> Console:
    """Wide enough for the longest names where the output is no terminal."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _print(report: Report, limit: int) -> None:
    from rich import box, table
    from rich.text import Text

    out = console()
    out.print(Text(report.headline, "bold green" if report.ok else "bold red"), soft_wrap=True)
    first = report.first_divergence
    figures = first.figures if first else None
    if figures is not None and figures.worst is not None:
        out.print(
            Text(f"worst element {figures.worst}, {number(figures.worst.ulp)} ulp apart"), soft_wrap=True
        )
        out.print(
            Text(
                f"would have passed: ulp {number(figures.pass_ulp)}, or atol {number(figures.pass_atol)}, "
                f"or rtol {number(figures.pass_rtol)}, or both {number(figures.pass_both)}"
            ),
            soft_wrap=True,
        )
    for note in report.notes:
        out.print(Text(f"note: {note}", "dim"), soft_wrap=True)
    chosen = [row for row in report.rows if not row.ok or limit == 0]
    if not chosen:
        return
    grid = table.Table(box=box.SIMPLE_HEAD)
    for title in (
        "tensor",
        "shape",
        "verdict",
        "differing",
        "max |b-a|",
        "max ulp",
        "SNR dB",
        "corr. (least)",
    ):
        grid.add_column(
            title, no_wrap=True, justify="left" if title in ("tensor", "shape", "verdict") else "right"
        )
    for row in chosen[: limit or None]:
        entry, f = row.a or row.b, row.figures
        style = "green" if row.ok else COLOURS.get(row.verdict, "red")
        least = min((r for r in f.correlation if r == r), default=None) if f else None
        grid.add_row(
            Text(row.name),
            "x".join(map(str, entry.shape)) if entry else "",
            Text(row.words, style),
            f"{f.differing}/{f.elements}" if f else "",
            *(
                number(v)
                for v in ((f.absolute.maximum, f.ulp.maximum, f.snr_db, least) if f else (None,) * 4)
            ),
        )
    out.print(grid)
    if limit and len(chosen) > limit:
        out.print(f"… and {len(chosen) - limit} more that failed (--rows 0 prints all)")
