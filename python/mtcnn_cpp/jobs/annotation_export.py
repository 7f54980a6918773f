"""Convert a table of images to COCO, YOLO or Label Studio."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal, TypeAlias
from urllib.parse import quote

from .._util.files import check_output, write_file
from ..detections.annotations import faces_inside, to_coco, to_label_studio, to_yolo
from ..detections.result import Detections
from ..media.image import read_image
from ..storage.address import is_address, is_web
from ..storage.folder import open_folder
from .part_files import PART_NAME
from .sources import SOURCE_ERRORS
from .table import TableFormat, read_rows
from .table.rows import TableRow, results_from_rows

ExportFormat: TypeAlias = Literal["coco", "yolo", "labelstudio"]


@dataclass
class TableImages:
    """The images of a table, and what cannot be exported.

    Attributes:
        faces: Faces of each image, by source.
        failed: Sources with an error instead of faces.
        changed: Sources whose image now has another size or cannot be read.
        unchecked: Number of images that do not exist on this machine. Their size was not checked.
        left_out: Number of faces without a finite box inside the image.
    """

    faces: dict[str, Detections] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchecked: int = 0
    left_out: int = 0


def read_table_images(table: str) -> TableImages:
    """Read a table, and compare its image sizes with the images that exist on this machine.

    Args:
        table: A file, or a folder with part files.

    Raises:
        OSError: The table does not exist or cannot be read.
        TableError: The table is damaged or is not a table of faces.
        ValueError: The format is unknown, or a source has several frames.
    """
    images = TableImages()
    for result in results_from_rows(_read_table(table)):
        if result.faces is None:
            images.failed.append(result.source)
            continue
        if result.index > 0 or result.source in images.faces:
            raise ValueError(
                f"{table}: {result.source} is a video or has several frames, expected images; annotation "
                "tools need one image file per frame: extract the frames (ffmpeg -i clip.mp4 "
                "frames/%06d.png), and detect the faces in these files"
            )
        images.faces[result.source] = result.faces
        images.left_out += len(result.faces) - len(faces_inside(result.faces))
    for source, faces in list(images.faces.items()):
        if _is_remote(source) or not os.path.exists(source):
            images.unchecked += 1
        elif not _has_size(source, faces.image_size):
            images.changed.append(source)
            del images.faces[source]
    return images


def export_annotations(
    images: TableImages, format: ExportFormat, output: str, base: str | None = None
) -> tuple[str, int]:
    """Write the faces of images.

    Args:
        images: Result of `read_table_images`.
        format: coco and labelstudio write one JSON file. yolo writes a folder with one text file per image.
        output: The file, or the folder. The folder must be empty or not exist.
        base: Folder to which the names of image files are relative. None: the deepest folder that contains
            all images.

    Returns:
        The folder to which names are relative, and the number of faces written.

    Raises:
        OSError: A file cannot be written, or the folder is not empty.
        ValueError: An image is not below `base`, or two images would have the same YOLO file.
    """
    if base is None:
        folders = {os.path.dirname(os.path.abspath(one)) for one in images.faces if not _is_remote(one)}
        base = os.path.commonpath(sorted(folders)) if folders else os.curdir
    base = os.path.abspath(base)
    named = {_relative(source, base): faces for source, faces in images.faces.items()}
    if format == "yolo":
        _write_yolo(named, Path(output))
    else:
        content = to_coco(named.items())
        tasks = [to_label_studio(_label_studio_address(name), faces) for name, faces in named.items()]
        text = json.dumps(content if format == "coco" else tasks, indent=1)
        write_file(check_output(Path(output)), text.encode())
    return base, sum(len(faces_inside(faces)) for faces in named.values())


def _read_table(table: str) -> Iterator[TableRow]:
    if os.path.isdir(table) or (is_address(table) and TableFormat.from_name(table) is None):
        folder = open_folder(table)
        parts = [name for name in folder.names() if PART_NAME.fullmatch(name.rpartition(".")[0])]
        if not parts:
            raise FileNotFoundError(f"{table} contains no part files; give the folder of `detect --output`")
    else:
        parent, _, name = table.replace(os.sep, "/").rpartition("/")
        folder, parts = open_folder(parent or "."), [name]
    for name in parts:
        format = TableFormat.from_name(name)
        if format is None:
            known = ", ".join(f".{one.value}" for one in TableFormat)
            raise ValueError(f"{table}: the extension of a table must be one of {known}")
        with folder.open(name) as file:
            yield from read_rows(file, format, name=table if len(parts) == 1 else f"{table}/{name}")


def _is_remote(source: str) -> bool:
    return is_address(source) or is_web(source)


def _has_size(source: str, size: tuple[int, int]) -> bool:
    """Return whether an image has this height and width. An image that cannot be read has not."""
    try:
        return read_image(source).shape[:2] == tuple(size)
    except SOURCE_ERRORS:
        return False


def _relative(source: str, base: str) -> str:
    if _is_remote(source):
        return source
    name = os.path.relpath(os.path.abspath(source), base).replace(os.sep, "/")
    if name.startswith("../"):
        raise ValueError(
            f"{source} is not below {base}; give a folder that contains all images with --images"
        )
    return name


def _label_studio_address(name: str) -> str:
    return name if _is_remote(name) else f"/data/local-files/?d={quote(os.fsencode(name))}"


def _write_yolo(named: dict[str, Detections], folder: Path) -> None:
    """Write one text file per image. It has the path of the image, with the extension .txt."""
    files: dict[PurePath, str] = {}
    for name in named:
        label = PurePath(name.partition("://")[2] or name).with_suffix(".txt")
        if other := files.get(label):
            raise ValueError(
                f"{other} and {name} would have the same file {label.as_posix()}, because YOLO ignores the "
                "extension of images; rename one of them"
            )
        files[label] = name
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; give a new folder for the YOLO files")
    for label, name in files.items():
        path = folder / label
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, to_yolo(named[name]).encode(), durable=False)
