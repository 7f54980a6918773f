"""`mtcnn-cpp detect`: find faces in pictures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import INCOMPLETE, errors_reported, report
from .groups import grouped
from .options import Backend, CascadeOptions, ModelPath, Threads, make_detector
from .writers import Format, Writer, writer

if TYPE_CHECKING:
    from ..detector import Detector
    from ..drawings import Drawings
    from ..types import ImageLike

SAMPLE = "astronaut.png"
SUFFIXES = {".avif", ".bmp", ".exr", ".gif", ".hdr", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"}
SUFFIXES |= {".ppm", ".tif", ".tiff", ".webp"}


def register(app: typer.Typer) -> None:
    app.command()(grouped(detect))


def detect(
    images: Annotated[list[Path] | None, typer.Argument(help="Image files, or folders of them.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Use the picture that comes along.")] = False,
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.table,
    save_dir: Annotated[
        Path | None, typer.Option(help="Write each picture with its faces drawn in, NAME_faces.png, here.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let drawings replace other files (never the pictures).")
    ] = False,
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Find the faces in pictures: boxes, scores, landmarks.

    A file that cannot be read, or a drawing that cannot be saved, is reported, the others are done, and the
    exit code is 1.
    """
    from ..drawings import Drawings
    from ..image import sample_image

    paths, passed_over = _expand(images or [])
    names = [SAMPLE] * sample + [str(path) for path in paths]
    if not names:
        raise typer.BadParameter("no picture given: name image files or folders, or use --sample")
    for words in passed_over:
        typer.echo(words, err=True)
    with errors_reported():
        detector = make_detector(model, cascade, threads=threads, backend=backend)
        drawings = Drawings(save_dir, paths, overwrite=overwrite) if save_dir else None
        drawn = drawings.names([PurePath(PurePath(name).name) for name in names]) if drawings else []
        out = writer(format, sys.stdout)
        failed = 0
        with contextlib.closing(out):  # what was found is printed, even if the rest is interrupted
            for number, name in enumerate(_with_progress(names, hidden=out.streams and sys.stdout.isatty())):
                image = sample_image() if sample and number == 0 else Path(name)
                failed += not _look_at(name, image, detector, out, drawings, drawn[number : number + 1])
        if drawings:
            typer.echo(f"pictures written to {save_dir}: {drawings.count}", err=True)
    if failed:
        raise typer.Exit(INCOMPLETE)


def _look_at(
    name: str,
    image: ImageLike,
    detector: Detector,
    out: Writer,
    drawings: Drawings | None,
    drawn: list[PurePath],
) -> bool:
    """Detect, print and draw; False, after a line on stderr, if the picture or the drawing failed."""
    from ..drawing import draw

    try:
        if isinstance(image, Path) and image.is_dir():
            raise ValueError(f"{name} is a folder without image files")
        faces = detector.detect(image)
    except (OSError, ValueError, TypeError) as error:
        report(error)
        out.failed(name, str(error))
        return False
    out.found(name, faces)
    try:
        if drawings:
            drawings.save(drawn[0], draw(image, faces))
    except (OSError, ValueError) as error:
        report(error)
        return False
    return True


def _expand(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """Files as they are; for a folder its image files, sorted by name, or the folder itself if it has none.

    Also, in words, what was passed over in a folder: files with other endings, and drawings of this program.
    """
    from ..marks import is_marked

    files: list[Path] = []
    passed_over = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.is_file())
        pictures = [file for file in inside if file.suffix.lower() in SUFFIXES]
        drawn = [file for file in pictures if is_marked(file)]
        others = [file for file in inside if file not in pictures]
        files += [file for file in pictures if file not in drawn] or [path]
        for some, why in ((others, "not named as pictures"), (drawn, "drawings of this program")):
            if some:
                shown = ", ".join(file.name for file in some[:5]) + (", …" if len(some) > 5 else "")
                passed_over.append(f"passed over in {path}, {len(some)} {why}: {shown}")
    return files, passed_over


def _with_progress(names: list[str], hidden: bool) -> Iterable[str]:
    """The names; with a progress bar on stderr if there are several and stderr is a terminal."""
    if len(names) < 2 or hidden or not sys.stderr.isatty():
        return names
    from rich.console import Console
    from rich.progress import track

    return track(names, "detecting", console=Console(stderr=True), transient=True)
