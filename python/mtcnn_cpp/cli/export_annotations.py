"""`mtcnn-cpp export-annotations`: convert a table of images to COCO, YOLO or Label Studio."""

from __future__ import annotations

import enum
import os
from typing import Annotated, Any, cast

import typer

from .errors import INCOMPLETE, print_line, report_errors
from .progress import MAX_ERRORS_REPORTED


class AnnotationFormat(str, enum.Enum):
    coco = "coco"
    yolo = "yolo"
    labelstudio = "labelstudio"


def export_annotations(
    table: Annotated[
        str, typer.Argument(help="Table that `detect` has written: a file, or a folder of part files.")
    ],
    output: Annotated[
        str,
        typer.Argument(help="JSON file for coco and labelstudio; new folder for yolo.", show_default=False),
    ],
    to: Annotated[
        AnnotationFormat,
        typer.Option(
            help="coco: boxes, scores and five keypoints. yolo: boxes, one text file per image. labelstudio: "
            "tasks with boxes and landmarks as predictions.",
            show_default=False,
        ),
    ],
    images: Annotated[
        str | None,
        typer.Option(
            help="Folder to which the names of image files are relative.",
            show_default="the deepest folder that contains all images",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing JSON file.")] = False,
) -> None:
    """Convert a table of images for annotation tools. Boxes are limited to the image.

    Images with an error, and images whose size differs from the table, are not exported; the exit code is
    then 1.
    """
    from ..jobs.annotation_export import export_annotations as write
    from ..jobs.annotation_export import read_table_images

    with report_errors():
        if to is not AnnotationFormat.yolo and os.path.exists(output) and not overwrite:
            raise FileExistsError(
                f"{output} already exists and was not changed; use --overwrite to replace it"
            )
        found = read_table_images(table)
        base, count = write(found, cast(Any, to.value), output, images)
    for sources, reason in (
        (found.failed, "has an error in the table"),
        (found.changed, "cannot be read, or its size differs from the table"),
    ):
        for source in sources[:MAX_ERRORS_REPORTED]:
            print_line(f"error: {source} {reason}; it was not exported", err=True)
        if len(sources) > MAX_ERRORS_REPORTED:
            print_line(f"error: {len(sources) - MAX_ERRORS_REPORTED:,} more: {reason}", err=True)
    if found.unchecked:
        print_line(
            f"note: {found.unchecked:,} images were not found on this machine; their size was not checked",
            err=True,
        )
    if found.left_out:
        print_line(f"note: {found.left_out:,} faces have no part inside the image; left out", err=True)
    print_line(
        f"{count:,} faces in {len(found.faces):,} images written to {output}; names are relative to {base}",
        err=True,
    )
    if found.failed or found.changed:
        raise typer.Exit(INCOMPLETE)
