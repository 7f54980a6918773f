"""`mtcnn-cpp conformance`: a test of any implementation of OpenFace's MTCNN."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import INCOMPLETE, print_line, report_errors
from .options import BACKENDS, make_detector
from .reports import console, make_table, print_json, print_text

if TYPE_CHECKING:
    from ..backends.engine import Engine
    from ..ports.conformance import Case, Grade, ScoreCard
    from ..ports.conformance.score_card import CaseGrade


class ScoreCardFormat(str, enum.Enum):
    table = "table"
    json = "json"
    junit = "junit"
    badge = "badge"


def conformance(
    write: Annotated[
        Path | None, typer.Option(help="Write the cases into this folder, as inputs of your program.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Grade the results of your program: a folder with one NAME.json per case."),
    ] = None,
    backend: Annotated[str | None, typer.Option(help=f"Grade a backend of this package: {BACKENDS}")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="Folder of cases.", show_default="the built-in cases")
    ] = None,
    at_least: Annotated[
        str,
        typer.Option(
            help="Minimum grade of every case for exit code 0: exact, exact in part, ulp-close, close, or "
            "same faces."
        ),
    ] = "close",
    format: Annotated[ScoreCardFormat, typer.Option(help="Output format.")] = ScoreCardFormat.table,
    html: Annotated[Path | None, typer.Option(help="Also write the score card to this HTML file.")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Also write the score card to this JUnit XML file.")
    ] = None,
) -> None:
    """Write test cases, or grade an implementation of OpenFace's MTCNN with them.

    Exit code 0: every case has the grade of --at-least or a better grade; 1: a case has a worse grade; 2: the
    cases could not run.

    docs/conformance.md describes the files.
    """
    if sum(choice is not None for choice in (write, results, backend)) != 1:
        raise typer.BadParameter("give exactly one of --write FOLDER, --results FOLDER or --backend NAME")
    with report_errors():
        from .._util.files import write_file
        from ..ports.conformance import built_in_cases, grade, load_cases, write_cases
        from ..ports.conformance.grading import find_grade

        least = find_grade(at_least)
        if write is not None:
            names = write_cases(write)
            print_line(f"{write}: {len(names)} cases: {', '.join(names)}")
            return
        test_cases = load_cases(cases) if cases else built_in_cases()
        graded = results if results is not None else _engine(str(backend))
        card = grade(_shown(test_cases), graded, str(results or backend))
        if html:
            write_file(html, card.to_html())
        if junit:
            write_file(junit, card.to_junit(least))
        if format is ScoreCardFormat.json:
            print_json(card.to_dict())
        elif format is ScoreCardFormat.junit:
            typer.echo(card.to_junit(least).decode())
        elif format is ScoreCardFormat.badge:
            print_line(card.badge)
        else:
            _print(card)
        if card.grade > least:
            raise typer.Exit(INCOMPLETE)


def _engine(backend: str) -> Engine:
    from ..reference.options import Options

    return make_detector(None, Options(), backend=backend).engine


def _shown(cases: Iterator[Case]) -> Iterator[Case]:
    """Yield the cases. If standard error is a terminal, show the name of the current case."""
    import sys

    from .._util.console import SafeConsole

    with contextlib.ExitStack() as stack:
        status = None
        if sys.stderr.isatty():
            status = stack.enter_context(SafeConsole(sys.stderr).status("grading"))
        for case in cases:
            if status:
                status.update(f"grading {case.name}")
            with case.expected:
                yield case


def _print(card: ScoreCard) -> None:
    from .._util.console import plain_text

    table = make_table("case", "grade", right=("faces", "boxes within", "scores within", "tensors"))
    for case in card.cases:
        style = _style(case.grade)
        table.add_row(
            plain_text(case.case),
            plain_text(case.grade.label, style),
            *_face_cells(case),
            f"{case.tensors} of {case.defined}",
        )
    console().print(table)
    for case in card.cases:
        for text in filter(None, (case.reason, *case.notes)):
            print_text(f"{case.case}: {text}")
    for note in card.notes:
        print_text(f"note: {note}")
    print_text(card.headline, f"bold {_style(card.grade)}")
    print_text(card.badge)


def _style(grade: Grade) -> str:
    return "green" if grade <= grade.CLOSE else "dark_orange" if grade is grade.SAME_FACES else "red"


def _face_cells(case: CaseGrade) -> list[str]:
    if case.faces is None:
        return ["none"] + [""] * 2
    faces = case.faces
    return [f"{faces.found} of {faces.expected}", f"{faces.box:.2g} px", f"{faces.score:.2g}"]
