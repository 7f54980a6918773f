"""Output of commands as tables, JSON, reports of comparisons, and files for other tools."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from .errors import INCOMPLETE, print_line
from .options import CiOptions, OutputFormat, ReportOptions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..trace import Report, TensorComparison
    from ..trace.report.checks import CheckResult

COLOURS = {"similar": "dark_orange", "unchecked": "dim"}


def show_report(report: Report, options: ReportOptions, extra: dict[str, Any] | None = None) -> None:
    """Print the report, write its files, close the traces, and exit with 1 if a tensor failed.

    `extra` contains additional entries of the JSON output.
    """
    with contextlib.closing(report):
        _write_report(report, options, extra or {})
    if not report.ok:
        raise typer.Exit(INCOMPLETE)


def _write_report(report: Report, options: ReportOptions, extra: dict[str, Any]) -> None:
    if options.html is not None:
        from ..trace import save_html

        save_html(report, options.html)
    from ..trace.report.checks import report_checks

    write_ci_outputs(
        report_checks(report), report.headline, f"{report.b.source} compared with {report.a.source}", options
    )
    if options.format is OutputFormat.json:
        print_json(report.to_dict() | extra)
    else:
        _print(report, options.rows)
        if options.html is not None:
            print_line(f"report written to {options.html}", err=True)


def console() -> Console:
    """Return a console for standard output.

    If standard output is not a terminal, the console is wide enough for all names.
    """
    from .._util.console import SafeConsole

    return SafeConsole(sys.stdout, None if sys.stdout.isatty() else 160)


def format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def print_text(text: str, style: str = "") -> None:
    """Print one line of text. The text is escaped and not wrapped, and markup in it has no effect."""
    from .._util.console import plain_text

    console().print(plain_text(text, style), soft_wrap=True)


def make_table(*left: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table. Its left-aligned columns come first, then its right-aligned columns."""
    from rich import box, table

    result = table.Table(box=box.SIMPLE_HEAD)
    for title in left:
        result.add_column(title, no_wrap=True)
    for title in right:
        result.add_column(title, justify="right", no_wrap=True)
    return result


def print_json(found: Any) -> None:
    typer.echo(json.dumps(found, indent=1, allow_nan=False))


def _print(report: Report, limit: int) -> None:
    from ..trace.comparison.report import find_rounding_noise, suggest_commands

    print_text(report.headline, "bold green" if report.ok else "bold red")
    first = report.first_divergence
    if first is not None and first.statistics is not None and first.statistics.worst is not None:
        f, worst = first.statistics, first.statistics.worst
        print_text(f"worst element {worst}, {format_number(worst.ulp)} ulp of difference")
        print_text(
            f"it passes with ulp {format_number(f.pass_ulp)}, or atol {format_number(f.pass_atol)}, "
            f"or rtol {format_number(f.pass_rtol)}, or atol = rtol = {format_number(f.pass_both)}"
        )
    noise = find_rounding_noise(report)
    if noise is not None:
        print_text(str(noise), "bold yellow")
    for note in report.notes:
        print_text(f"note: {note}", "dim")
    listed = [row for row in report.tensors if not row.ok or limit == 0]
    if listed:
        _print_rows(listed[: limit or None])
    if 0 < limit < len(listed):
        console().print(f"… and {len(listed) - limit} more failed tensors (--rows 0 prints all tensors)")
    for command in suggest_commands(report, noise):
        print_text(f"next: {command}", "dim")


def _print_rows(rows: Sequence[TensorComparison]) -> None:
    from .._util.console import plain_text

    table = make_table(
        "tensor", "shape", "verdict", right=("differing", "max |b-a|", "max ulp", "SNR dB", "corr. (minimum)")
    )
    for row in rows:
        entry, f = row.a or row.b, row.statistics
        style = "green" if row.ok else COLOURS.get(row.verdict, "red")
        shape = "x".join(map(str, entry.shape)) if entry else ""
        cells = [""] * 5
        if f:
            least = min((r for r in f.correlation if r == r), default=None)
            numbers = (f.absolute.maximum, f.ulp.maximum, f.snr_db, least)
            cells = [f"{f.differing}/{f.elements}", *map(format_number, numbers)]
        table.add_row(plain_text(row.name), shape, plain_text(row.label, style), *cells)
    console().print(table)


def write_ci_outputs(cases: list[CheckResult], headline: str, suite: str, options: CiOptions) -> None:
    """Write the requested files. If requested, print the annotations for GitHub."""
    from .._util.files import write_file
    from ..trace.report.checks import github, junit, model_explorer

    if options.junit is not None:
        write_file(options.junit, junit(cases, suite))
    if options.model_explorer is not None:
        write_file(options.model_explorer, model_explorer(cases).encode())
    if options.github:
        for line in github(cases, headline):
            print_line(line, err=True)
