"""`mtcnn-cpp compare-original`: does this package equal the original on this machine, bit for bit?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import FAILED, INCOMPLETE, errors_reported
from .groups import grouped
from .lines import print_line
from .options import CascadeOptions, ModelPath
from .reports import AnyFormat, Format, console, grid, print_json, say

if TYPE_CHECKING:
    from ..compare_original.result import CaseResult, Comparison, Count


def register(app: typer.Typer) -> None:
    app.command("compare-original")(grouped(compare_original))


def compare_original(
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Image files, beside the bundled sample image.", show_default=False),
    ] = None,
    random: Annotated[
        int, typer.Option(help="Number of random cases: random crops, min_face and thresholds.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the random cases.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write a page for a paper's supplement to this HTML file: versions, processor, compiler, "
            "hashes and the numbers of every case (needs mtcnn-cpp\\[report])."
        ),
    ] = None,
    format: AnyFormat = Format.table,
    cascade: CascadeOptions = CascadeOptions(),
    model: ModelPath = None,
) -> None:
    """Run OpenFace's own detector and this package side by side, and compare every bit.

    Compared are boxes and scores, every layer of PNet, RNet and ONet, and PNet's heat maps: on the bundled
    sample image, on the given images and on random cases. Needs a build with OpenFace (docs/openface.md).

    Exit code 0: every case was compared, and no bit differs; 1: a bit differs; 2: a case could not be
    compared.
    """
    from ..compare_original import compare_original as compare
    from ..compare_original import save_page
    from ..model import Model

    with errors_reported(), _status() as each:
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
    if format is Format.json:
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
    """Names and pixels, (H, W, 3) uint8 BGR. Files of the same name get their folders too."""
    from ..backends.openface import to_original
    from ..image import sample_image, to_pixels

    found: dict[str, Any] = {"sample": sample_image()}
    for path in images:
        try:
            pixels = to_original(*to_pixels(path))
        except ValueError as error:
            raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
        found[path.name if path.name not in found else str(path)] = pixels
    return found


@contextlib.contextmanager
def _status() -> Iterator[Any]:
    """On a terminal, a line with the number of cases that are done."""
    import sys

    from ..console import SafeConsole

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

    table = grid(
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
            cells += [faces, *map(_words, (result.detection, result.tensors, result.heat_maps))]
        style = "" if result.is_equal else "red"
        table.add_row(Text(case.image, style), *cells)
    console().print(table)
    for result in comparison.results:
        if result.error:
            say(f"not compared: {result.case.image}: {result.error}", "red")
    about = comparison.environment
    sums, opencv = about["order of its sums"], about["OpenCV of the original"]
    say(f"original: {about['original']}, {sums} sums, OpenCV {opencv}", "dim")
    for remark in comparison.remarks:
        say(remark)
    say(comparison.headline, "bold green" if comparison.is_equal else "bold red")


def _words(count: Count) -> str:
    if not count.values_differing:
        return f"{count.values:,} equal" if count.values else "none"
    return f"{count.values_differing:,} of {count.values:,} differ"
