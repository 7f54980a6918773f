"""What `diff`, `validate`, `compare` and `verify` give to other tools: files and annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .lines import print_line

if TYPE_CHECKING:
    from ..trace.show.cases import Case


@dataclass(frozen=True)
class CiOptions:
    """Where the outcome goes besides the terminal."""

    junit: Annotated[
        Path | None, typer.Option(help="Write the outcome as JUnit XML, a test case a tensor.")
    ] = None
    model_explorer: Annotated[
        Path | None,
        typer.Option(help="Write colours for the exported ONNX graphs in Model Explorer (JSON)."),
    ] = None
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations for GitHub Actions, on stderr.")
    ] = False


def give(cases: list[Case], headline: str, suite: str, options: CiOptions) -> None:
    """Write the files that are asked for, and print the annotations."""
    from ..files import write_whole
    from ..trace.show.cases import github, junit, model_explorer

    if options.junit is not None:
        write_whole(options.junit, junit(cases, suite).encode())
    if options.model_explorer is not None:
        write_whole(options.model_explorer, model_explorer(cases).encode())
    if options.github:
        for line in github(cases, headline):
            print_line(line, err=True)
