"""`mtcnn-cpp sample`: something to try the other commands with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .errors import errors_reported
from .lines import print_line


def register(app: typer.Typer) -> None:
    app.command()(sample)


def sample(
    path: Annotated[Path, typer.Argument(help="The file to write: .mp4 or .png.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write a short video (.mp4) or the picture (.png) that comes along, to try things with."""
    from ..files import write_whole
    from ..image import SAMPLE
    from ..sample_clip import write_sample_clip

    with errors_reported():
        ending = path.suffix.lower()
        if ending not in (".mp4", ".png"):
            raise ValueError(f"{path}: the ending must be .mp4 (a video) or .png (a picture)")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} is there already; it is kept. --overwrite replaces it")
        if ending == ".mp4":
            write_sample_clip(path)
        else:
            write_whole(path, SAMPLE.read_bytes())
    print_line(path)
