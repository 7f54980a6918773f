"""`mtcnn-cpp detect`: find faces in pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import INCOMPLETE, errors_reported, report
from .groups import grouped
from .options import Backend, CascadeOptions, ModelPath, Threads, make_detector
from .writers import Format, writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..detections import Detections

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
    cascade: CascadeOptions = CascadeOptions(),
    threads: Threads = 0,
    backend: Backend = "core",
    model: ModelPath = None,
) -> None:
    """Find the faces in pictures: boxes, scores, landmarks.

    A file that cannot be read is reported, the others are done, and the exit code is 1.
    """
    from ..image import read_image, sample_image

    paths = list(_expand(images or []))
    names = [SAMPLE] * sample + [str(path) for path in paths]
    if not names:
        raise typer.BadParameter("no picture given: name image files or folders, or use --sample")
    with errors_reported():
        detector = make_detector(model, cascade, threads=threads, backend=backend)
        pictures = _Saver(save_dir) if save_dir else None
        out = writer(format, sys.stdout)
        failed = 0
        for number, name in enumerate(_with_progress(names, hidden=out.streams and sys.stdout.isatty())):
            try:
                if Path(name).is_dir():
                    raise ValueError(f"{name} is a folder without image files")
                image = sample_image() if sample and number == 0 else read_image(name)
                faces = detector.detect(image)
            except (OSError, ValueError, TypeError) as error:
                failed += 1
                report(error)
                out.failed(name, str(error))
                continue
            out.found(name, faces)
            if pictures:
                pictures.save(name, image, faces)
        out.close()
        if pictures:
            typer.echo(f"pictures written to {save_dir}: {pictures.count}", err=True)
    if failed:
        raise typer.Exit(INCOMPLETE)


def _expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as they are; for a folder its image files, sorted by name, or the folder itself if it has
    none."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        yield from inside or [path]


def _with_progress(names: list[str], hidden: bool) -> Iterable[str]:
    """The names; with a progress bar on stderr if there are several and stderr is a terminal."""
    if len(names) < 2 or hidden or not sys.stderr.isatty():
        return names
    from rich.console import Console
    from rich.progress import track

    return track(names, "detecting", console=Console(stderr=True), transient=True)


class _Saver:
    """Writes NAME_faces.png into a folder; a name that came before in this run gets a number."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._seen: dict[str, int] = {}
        self.count = 0

    def save(self, name: str, image: NDArray[Any], faces: Detections) -> None:
        from .. import drawing, png

        stem = Path(name).stem
        seen = self._seen[stem.casefold()] = self._seen.get(stem.casefold(), 0) + 1
        number = f"_{seen}" if seen > 1 else ""
        (self._folder / f"{stem}_faces{number}.png").write_bytes(png.encode(drawing.draw(image, faces)))
        self.count += 1
