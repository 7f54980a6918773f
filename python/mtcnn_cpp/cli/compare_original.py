"""`mtcnn-cpp compare-original`: compare this package with OpenFace's own detector, bit for bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import FAILED, INCOMPLETE, print_line, report_errors
from .options import CascadeOptions, Format, ModelPath, OutputFormat
from .reports import console, make_table, print_json, print_text

if TYPE_CHECKING:
    from ..ports.compare_original.result import CaseResult, Comparison, Count


def compare_original(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files, in addition to the bundled sample image.", show_default=False),
    ] = None,
    random: Annotated[
        int, typer.Option(help="Number of random cases. Each has a random crop, min_face and thresholds.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the random cases.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(
            help="HTML file for a page with versions, processor, compiler, hashes and the numbers of every "
            "case, for example for the supplement of a paper (needs mtcnn-cpp\\[report])."
        ),
    ] = None,
    format: Format = OutputFormat.table,
    cascade: CascadeOptions = CascadeOptions(),
    model: ModelPath = None,
) -> None:
    """Run OpenFace's own detector and this package side by side, and compare every bit.

    The comparison includes boxes and scores, every layer of PNet, RNet and ONet, and PNet's heat maps. It
    uses the bundled sample image, the given images and random cases. It needs a build with OpenFace
    (docs/openface.md).

    Exit code 0: every case was compared, and no bit differs; 1: a bit differs; 2: a case could not be
    compared.
    """
    from ..model import Model
    from ..ports.compare_original import compare_original as compare
    from ..ports.compare_original import save_page

    with report_errors(), _status() as each:
        comparison = compare(
            _read(images or []),
            options=cascade.checked(),
            random=random,
            seed=seed,
            model=Model.load(model) if model else None,
            each=each,
        )
        if report is not None:
            save_page(comparison, report)
    if format is OutputFormat.json:
        print_json(comparison.to_dict())
    else:
        _print(comparison)
        if report is not None:
            print_line(f"report written to {report}", err=True)
    if comparison.is_different:
        raise typer.Exit(INCOMPLETE)
    if not comparison.is_equal:
        raise typer.Exit(FAILED)


def _read(images: list[Path]) -> dict[str, Any]:
    """Return the pixels of each image, (H, W, 3) uint8 BGR, by name.

    The name of an image is its file name. If an earlier image already has this name, it is the path of the
    file.
    """
    from ..backends.openface import to_original
    from ..media.image import sample_image
    from ..media.image.pixels import to_pixels

    named_images: dict[str, Any] = {"sample": sample_image()}
    for path in images:
        try:
            pixels = to_original(*to_pixels(path))
        except ValueError as error:
            raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
        named_images[path.name if path.name not in named_images else str(path)] = pixels
    return named_images


@contextlib.contextmanager
def _status() -> Iterator[Any]:
    """Show the number of finished cases while the block runs, if standard error is a terminal."""
    import sys

    from .._util.console import SafeConsole

    if not sys.stderr.isatty():
        yield lambda result: None
        return
    with SafeConsole(sys.stderr).status("comparing") as status:
        done = 0

        def each(result: CaseResult) -> None:
            nonlocal done
            done += 1
            status.update(f"comparing: {done} cases done")

        yield each


def _print(comparison: Comparison) -> None:
    from rich.text import Text

    table = make_table(
        "image", right=("pixels", "min_face", "thresholds", "faces", "boxes, scores", "layers", "heat maps")
    )
    for result in comparison.results:
        case = result.case
        options = case.options
        cells = [
            f"{case.pixels.shape[1]}x{case.pixels.shape[0]}",
            f"{options.min_face:g}",
            " ".join(f"{threshold:g}" for threshold in options.thresholds),
        ]
        if result.error:
            cells += ["not compared", "", "", ""]
        else:
            faces = (
                f"{result.faces[0]}"
                if result.faces[0] == result.faces[1]
                else "{} / {}".format(*result.faces)
            )
            cells += [faces, *map(_text, (result.detection, result.tensors, result.heat_maps))]
        style = "" if result.is_equal else "red"
        table.add_row(Text(case.image, style), *cells)
    console().print(table)
    for result in comparison.results:
        if result.error:
            print_text(f"not compared: {result.case.image}: {result.error}", "red")
    about = comparison.environment
    sums, opencv = about["order of its sums"], about["OpenCV of the original"]
    print_text(f"original: {about['original']}, {sums} sums, OpenCV {opencv}", "dim")
    for remark in comparison.remarks:
        print_text(remark)
    print_text(comparison.headline, "bold green" if comparison.is_equal else "bold red")


def _text(count: Count) -> str:
    if not count.values_differing:
        return f"{count.values:,} equal" if count.values else "none"
    return f"{count.values_differing:,} of {count.values:,} differ"
