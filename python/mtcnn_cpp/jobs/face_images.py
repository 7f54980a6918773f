"""Write crops and aligned faces of a job, one image file per face."""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..media import crops
from ..media.annotated_files import AnnotatedImageFolder
from ..media.image.pixels import to_pixels, to_uint8
from .settings import JobSettings
from .sources import SOURCE_ERRORS, error_message
from .table.rows import FILE_COLUMNS, FrameResult

_LABELS = dict(zip(FILE_COLUMNS, ("face", "aligned"), strict=True))
_NAME_END = re.compile(rf"_(?:{'|'.join(_LABELS.values())})\d+\.\w+\Z")


class FaceImageWriter:
    """Writes crops and aligned faces. Several threads may use the same writer.

    If the image format is png, the crop of the face with number 0 is STEM_face0.png, and the aligned face is
    STEM_aligned0.png.

    Args:
        settings: Settings of the job.
        folders: For each of FILE_COLUMNS that the job writes: the folder of the images.
    """

    def __init__(self, settings: JobSettings, folders: dict[str, AnnotatedImageFolder]) -> None:
        self._settings = settings
        self._folders = folders

    def write(self, stem: PurePath, result: FrameResult, pixels: NDArray[Any]) -> FrameResult:
        """Write an image of each face, and return the result with the names of the files.

        If an image cannot be made or written, its name is None and the result has the error. The other
        images are written.

        Args:
            stem: Path of the files, relative to the folder, without the number of the face and the suffix.
            result: Result of a frame.
            pixels: Pixels of the frame.
        """
        if result.faces is None or not self._folders:
            return result
        image = to_uint8(to_pixels(pixels, "bgr", warn=None), "bgr")
        ids = range(len(result.faces)) if result.face_ids is None else result.face_ids
        files: dict[str, tuple[str | None, ...]] = {}
        first_error = result.error
        for column, folder in self._folders.items():
            names: list[str | None] = []
            for index, face_id in enumerate(ids):
                name = stem.with_name(f"{stem.name}_{_LABELS[column]}{face_id}.{folder.format}")
                try:
                    folder.save(name, self._make_image(column, image, result, index))
                    names.append(name.as_posix())
                except SOURCE_ERRORS as error:
                    names.append(None)
                    first_error = first_error or f"{name.as_posix()} was not written: {error_message(error)}"
            files[column] = tuple(names)
        return dataclasses.replace(result, files=files, error=first_error)

    def _make_image(
        self, column: str, image: NDArray[np.uint8], result: FrameResult, index: int
    ) -> NDArray[np.uint8]:
        faces, settings = result.faces, self._settings
        assert faces is not None
        box = faces.boxes[index]
        if column == "crop_file":
            return crops.crop_face(image, index, box, settings.margin, settings.face_size)
        points = faces.landmarks[index]
        return crops.align_face(
            image, index, box, points, settings.face_size, settings.template, settings.margin
        )


def stem_of(file: str, *, is_numbered: bool) -> str:
    """Return the stem of the output files of a source, from the name of an image of one of its faces.

    Args:
        file: Name in one of FILE_COLUMNS.
        is_numbered: Whether the source has several frames, so that the name contains the frame number.
    """
    stem = PurePath(_NAME_END.sub("", file))
    return (stem.parent if is_numbered else stem).as_posix()
