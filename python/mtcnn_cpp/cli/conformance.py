"""`mtcnn-cpp conformance`: the test that any implementation can take."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import INCOMPLETE, errors_reported
from .lines import print_line
from .options import BACKENDS
from .reports import console, grid, print_json, say

if TYPE_CHECKING:
    from ..backends.engine import Engine
    from ..conformance import Case, Grade, ScoreCard
    from ..conformance.card import CaseGrade


class Format(str, enum.Enum):
    table = "table"
    json = "json"
    junit = "junit"
    badge = "badge"


def register(app: typer.Typer) -> None:
    app.command()(conformance)


def conformance(
    write: Annotated[
        Path | None, typer.Option(help="Write the cases into this folder, for a program of yours.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Grade what your program made of them: a folder with NAME.json.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help=f"Grade one of ours: {BACKENDS}")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="A folder of cases.", show_default="the built-in cases")
    ] = None,
    at_least: Annotated[
        str, typer.Option(help="Exit with 1 below: exact, exact in part, ulp-close, close, same faces.")
    ] = "close",
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.table,
    html: Annotated[Path | None, typer.Option(help="Write the score card to this page too.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write it as JUnit XML too.")] = None,
) -> None:
    """Write the cases, or grade an implementation of OpenFace's MTCNN by them.

    Exit code 0: all cases have the grade --at-least or a better one; 1: one has not; 2: it could not be run.
    docs/conformance.md describes the files.
    """
    if sum(choice is not None for choice in (write, results, backend)) != 1:
        raise typer.BadParameter("give one of --write FOLDER, --results FOLDER and --backend NAME")
    with errors_reported():
        from ..conformance import built_in_cases, grade, load_cases, results_in, results_of, write_cases
        from ..conformance.grades import grade_named
        from ..conformance.html import to_html
        from ..conformance.junit import to_junit
        from ..files import write_whole

        least = grade_named(at_least)
        if write is not None:
            names = write_cases(write)
            print_line(f"{write}: {len(names)} cases: {', '.join(names)}")
            return
        found = load_cases(cases) if cases else built_in_cases()
        if results is not None:
            card = grade(_shown(found), results_in(results), str(results))
        else:
            card = grade(_shown(found), results_of(_engine(str(backend))), str(backend))
        if html:
            write_whole(html, to_html(card))
        if junit:
            write_whole(junit, to_junit(card, least))
        if format is Format.json:
            print_json(card.to_dict())
        elif format is Format.junit:
            typer.echo(to_junit(card, least).decode())
        elif format is Format.badge:
            print_line(card.badge)
        else:
            _print(card)
        if card.grade > least:
            raise typer.Exit(INCOMPLETE)


def _engine(backend: str) -> Engine:
    from ..reference.options import Options
    from .options import make_detector

    return make_detector(None, Options(), backend=backend).engine


def _shown(cases: Iterator[Case]) -> Iterator[Case]:
    """The cases; on a terminal, with the name of the one that is at work."""
    import sys

    from ..console import SafeConsole

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
    from ..console import plain_text

    table = grid("case", "grade", right=("faces", "boxes within", "scores within", "tensors"))
    for case in card.cases:
        style = _style(case.grade)
        table.add_row(
            plain_text(case.case),
            plain_text(case.grade.label, style),
            *_figures(case),
            f"{case.tensors} of {case.defined}",
        )
    console().print(table)
    for case in card.cases:
        for words in filter(None, (case.reason, *case.notes)):
            say(f"{case.case}: {words}")
    for note in card.notes:
        say(f"note: {note}")
    say(card.headline, f"bold {_style(card.grade)}")
    say(card.badge)


def _style(grade: Grade) -> str:
    return "green" if grade <= grade.CLOSE else "dark_orange" if grade is grade.SAME_FACES else "red"


def _figures(case: CaseGrade) -> list[str]:
    if case.faces is None:
        return ["none"] + [""] * 2
    faces = case.faces
    return [f"{faces.found} of {faces.expected}", f"{faces.box:.2g} px", f"{faces.score:.2g}"]
