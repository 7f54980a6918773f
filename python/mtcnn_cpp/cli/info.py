"""`mtcnn-cpp info` and `sample`: a description of this build, and sample files for the other commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import print_line, report_errors
from .options import Format, ModelPath, OutputFormat
from .reports import console


def info(format: Format = OutputFormat.table, model: ModelPath = None) -> None:
    """Print the versions of this package, of OpenCV and of the video reader, the compiler, the CPU variants
    of the core (and which one is active), and the SHA-256 of the networks."""
    from .._util.core import import_core
    from ..media.image.opencv import opencv_version
    from ..media.video.reader import describe_reader
    from ..model import Model

    with report_errors():
        core = import_core()
        info: dict[str, Any] = {
            **core.build_info(),
            "active_isa": core.active_isa(),
            "isa_variants": core.isa_variants(),
            "opencv": opencv_version(),
            "video_reader": describe_reader(),
            "openface": _openface(),
            "model": (Model.load(model) if model else Model.default()).hashes(),
        }
        if format is OutputFormat.json:
            typer.echo(json.dumps(info, indent=1))
        else:
            _print_table(info)


def _openface() -> dict[str, str]:
    """Return a description of the OpenFace with which this package was built.

    If there is no OpenFace, return the error.
    """
    from ..backends.openface import describe

    try:
        return {"state": "bound", **describe()}
    except ImportError as error:
        return {"state": str(error)}


def _print_table(info: dict[str, Any]) -> None:
    from rich import box, table

    from .._util.console import plain_text

    rows = table.Table(box=box.SIMPLE, show_header=False)
    rows.add_column()
    rows.add_column(overflow="fold")
    for name in ("version", "compiler", "flags", "opencv", "video_reader"):
        rows.add_row(name, plain_text(str(info[name])))
    for variant in info["isa_variants"]:
        active = variant["name"] == info["active_isa"]
        state = "active" if active else "can run" if variant["supported"] else "cannot run here"
        rows.add_row(f"isa {variant['name']}", plain_text(f"{state}: {variant['description']}"))
    rows.add_row("openface", plain_text(_openface_text(info["openface"])))
    for stage, digest in info["model"].items():
        rows.add_row(f"model {stage}", plain_text(digest))
    console().print(rows)


def _openface_text(info: dict[str, str]) -> str:
    if info["state"] != "bound":
        return info["state"]
    version = f" {info['version']}" if info["version"] else ""
    library = f"{info['library']} ({info['kind']})"
    sums = f"sums computed by its BLAS ({info['blas']})" if info["sums"] == "blas" else "ordered sums"
    return f"bound{version}: {library}, {sums}, OpenCV {info['opencv']}"


def sample(
    path: Annotated[Path, typer.Argument(help="File to write: .mp4 or .png.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a short sample video (.mp4) or the bundled sample image (.png)."""
    from .._util.files import write_file
    from ..media.image.read import SAMPLE
    from ..media.sample_video import write_sample_video

    with report_errors():
        ending = path.suffix.lower()
        if ending not in (".mp4", ".png"):
            raise ValueError(f"{path}: the file name must end in .mp4 (a video) or .png (an image)")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} already exists and was not changed; use --overwrite to replace it")
        if ending == ".mp4":
            write_sample_video(path)
        else:
            write_file(path, SAMPLE.read_bytes())
    print_line(path)
