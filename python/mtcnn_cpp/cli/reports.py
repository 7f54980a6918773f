"""How `diff`, `validate` and `compare` judge and print: their common options, the table, JSON and HTML."""

from __future__ import annotations

import contextlib
import enum
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .ci import CiOptions, give
from .errors import INCOMPLETE
from .inputs import Only, parse_tolerances
from .lines import print_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..trace import Judge, Report, Row


class Format(str, enum.Enum):
    table = "table"
    json = "json"


AnyFormat: TypeAlias = Annotated[Format, typer.Option(help="What to print.")]
Isolated: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--isolated", help="Feed every layer what the reference recorded: only guilty layers differ."
    ),
]

COLOURS = {"similar": "dark_orange", "unchecked": "dim"}


@dataclass(frozen=True)
class JudgeOptions:
    """What is compared and what is allowed, as `trace.Judge`."""

    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            help="What may differ: 1e-5 (atol = rtol), 4ulp, 1e-5share (of a layer's greatest magnitude), "
            "PATTERN=1e-5 (repeatable; the last that fits holds), or a .toml file. Without it every value "
            "must be equal."
        ),
    ] = None
    only: Only = None
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")] = False
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="A tensor that one side lacks is a failure; else what both have is compared."
        ),
    ] = False

    def judge(self) -> Judge:
        from ..trace import Judge

        tolerances = parse_tolerances(self.tolerance) if self.tolerance else None
        return Judge(tolerances, self.only or (), self.fail_fast, self.strict)


@dataclass(frozen=True)
class ReportOptions(CiOptions):
    """How a report is shown."""

    html: Annotated[
        Path | None,
        typer.Option(help="Write a report with pictures to this file (needs mtcnn-cpp\\[report])."),
    ] = None
    format: AnyFormat = Format.table
    rows: Annotated[int, typer.Option(help="Print at most so many tensors; 0 for all, passed ones too.")] = 20


def show(report: Report, options: ReportOptions, extra: dict[str, Any] | None = None) -> None:
    """Print the report, write the HTML file, close the traces, and exit with 1 if a tensor failed. `extra`:
    more for JSON."""
    with contextlib.closing(report):
        _show(report, options, extra or {})
    if not report.ok:
        raise typer.Exit(INCOMPLETE)


def _show(report: Report, options: ReportOptions, extra: dict[str, Any]) -> None:
    if options.html is not None:
        from ..trace import save_html

        save_html(report, options.html)
    from ..trace.show.cases import report_cases

    give(report_cases(report), report.headline, f"{report.b.source} against {report.a.source}", options)
    if options.format is Format.json:
        print_json(report.to_dict() | extra)
    else:
        _print(report, options.rows)
        if options.html is not None:
            print_line(f"report written to {options.html}", err=True)


def console() -> Console:
    """Wide enough for the longest names where the output is no terminal."""
    from ..console import SafeConsole

    return SafeConsole(sys.stdout, None if sys.stdout.isatty() else 160)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def say(text: str, style: str = "") -> None:
    """Print one line: no markup, no line breaks, escaped."""
    from ..console import plain_text

    console().print(plain_text(text, style), soft_wrap=True)


def grid(*left: str, right: Sequence[str] = ()) -> Table:
    """An empty table with these columns: those aligned left, then those aligned right."""
    from rich import box, table

    made = table.Table(box=box.SIMPLE_HEAD)
    for title in left:
        made.add_column(title, no_wrap=True)
    for title in right:
        made.add_column(title, justify="right", no_wrap=True)
    return made


def print_json(found: Any) -> None:
    typer.echo(json.dumps(found, indent=1, allow_nan=False))


def _print(report: Report, limit: int) -> None:
    from ..trace.judge.next_step import next_steps
    from ..trace.judge.rounding import rounding

    say(report.headline, "bold green" if report.ok else "bold red")
    first = report.first_divergence
    if first is not None and first.figures is not None and first.figures.worst is not None:
        f, worst = first.figures, first.figures.worst
        say(f"worst element {worst}, {number(worst.ulp)} ulp apart")
        say(
            f"would have passed: ulp {number(f.pass_ulp)}, or atol {number(f.pass_atol)}, "
            f"or rtol {number(f.pass_rtol)}, or both {number(f.pass_both)}"
        )
    noise = rounding(report)
    if noise is not None:
        say(str(noise), "bold yellow")
    for note in report.notes:
        say(f"note: {note}", "dim")
    listed = [row for row in report.rows if not row.ok or limit == 0]
    if listed:
        _print_rows(listed[: limit or None])
    if 0 < limit < len(listed):
        console().print(f"… and {len(listed) - limit} more that failed (--rows 0 prints all)")
    for command in next_steps(report, noise):
        say(f"next: {command}", "dim")


def _print_rows(rows: Sequence[Row]) -> None:
    from ..console import plain_text

    table = grid(
        "tensor", "shape", "verdict", right=("differing", "max |b-a|", "max ulp", "SNR dB", "corr. (least)")
    )
    for row in rows:
        entry, f = row.a or row.b, row.figures
        style = "green" if row.ok else COLOURS.get(row.verdict, "red")
        shape = "x".join(map(str, entry.shape)) if entry else ""
        cells = [""] * 5
        if f:
            least = min((r for r in f.correlation if r == r), default=None)
            figures = (f.absolute.maximum, f.ulp.maximum, f.snr_db, least)
            cells = [f"{f.differing}/{f.elements}", *map(number, figures)]
        table.add_row(plain_text(row.name), shape, plain_text(row.words, style), *cells)
    console().print(table)
