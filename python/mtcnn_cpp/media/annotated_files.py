"""Writes annotated images and crops to files. It never replaces files of the user without permission."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._util.files import MAX_NAME_BYTES, is_leftover, remove_if_abandoned, target_name, write_file
from .image.opencv import import_opencv
from .markers import HEAD_BYTES, add_marker, file_has_marker, has_marker

Format: TypeAlias = Literal["png", "jpg"]
_WRITTEN = re.compile(r".*_(?:faces|(?:face|aligned)\d+)\.(?:png|jpg|mp4)", re.DOTALL)
_JPEG = {".jpg", ".jpeg", ".jpe"}


class ProtectedInputs:
    """The input files, which no output file may replace. Threads can share an object of this class.

    A folder stands for all files directly in it, except the annotated files of this program.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths: list[str | os.PathLike[str]] | None = list(paths)
        self._identities: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def check(self, path: Path, *, overwrite: bool) -> None:
        """Raise FileExistsError if `path` must not be written.

        Input files must not be written. Existing files without this package's marker must not be written
        either, unless `overwrite` is true.
        """
        identity = _file_identity(path)
        known = self._known()
        is_in_folder = _file_identity(path.parent) in known and not has_marker(path)
        if identity is not None and (identity in known or is_in_folder):
            raise FileExistsError(
                f"{path} is one of the input files and was not replaced; write to another path"
            )
        if (identity is not None or path.is_symlink()) and not overwrite and not has_marker(path):
            raise FileExistsError(
                f"{path} exists and was not written by this program, so it was not replaced; choose "
                "another folder, or allow the replacement (--overwrite)"
            )

    def _known(self) -> set[tuple[int, int]]:
        """Return the identities of the input files.

        They are computed at the first use, because there may be a million input files.
        """
        with self._lock:
            if self._paths is not None:
                self._identities = {identity for identity in map(_file_identity, self._paths) if identity}
                self._paths = None
            return self._identities


class AnnotatedImageFolder:
    """Writes images to a folder. Threads can share an object of this class.

    An existing file with this package's marker is replaced. An existing file without the marker is replaced
    only if `overwrite` is true. Input files are never replaced.

    Args:
        folder: Folder to write to. It is created if it does not exist.
        inputs: Input files, which are never replaced.
        format: "png" or "jpg".
        overwrite: Whether files without the marker may be replaced.

    Attributes:
        count: Number of images written.
    """

    def __init__(
        self,
        folder: Path,
        inputs: ProtectedInputs | Iterable[str | os.PathLike[str]],
        *,
        format: Format = "png",
        overwrite: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.format = format
        self.count = 0
        self._inputs = inputs if isinstance(inputs, ProtectedInputs) else ProtectedInputs(inputs)
        self._overwrite = overwrite
        self._lock = threading.Lock()

    def clean(self, stems: Iterable[PurePath]) -> None:
        """Remove temporary files that killed processes have left in the folders of the given output files.

        A temporary file is removed only if no process is writing to it, and if it is empty or contains an
        unfinished annotated image, video or crop.

        `stems` are the paths of the output files below the folder, without suffix. If a stem is also the path
        of a folder (the folder with the crops of a video), this folder is cleaned, too.
        """
        known = set(stems)
        folders = {stem.parent for stem in known}
        while folders:
            place = folders.pop()
            with contextlib.suppress(FileNotFoundError), os.scandir(self.folder / place) as entries:
                for entry in entries:
                    inside = place / entry.name
                    if entry.is_dir(follow_symlinks=False) and inside in known:
                        folders.add(inside)
                        known.discard(inside)
                    elif (
                        is_leftover(entry.name)
                        and entry.is_file(follow_symlinks=False)
                        and _is_unfinished(self.folder / inside)
                    ):
                        remove_if_abandoned(self.folder / inside)

    def names(self, relatives: Sequence[PurePath]) -> list[PurePath]:
        """Return the output names of `relatives` (see `output_names`): a/b.jpg becomes a/b_faces.png."""
        return output_names(relatives, f"_faces.{self.format}")

    def save(self, relative: PurePath, image: NDArray[np.uint8]) -> None:
        """Write an image (H, W, 3) uint8 BGR to the file at `relative`, which is a path below the folder.

        Raises ValueError if `relative` leads out of the folder. Also raises the errors of
        `write_annotated_image`.
        """
        if relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"the name of an output file must lie below {self.folder}, got {relative}")
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        write_annotated_image(path, image, inputs=self._inputs, overwrite=self._overwrite)
        with self._lock:
            self.count += 1


def write_annotated_image(
    path: Path,
    image: NDArray[np.uint8],
    *,
    inputs: ProtectedInputs | Iterable[str | os.PathLike[str]],
    overwrite: bool,
) -> None:
    """Write an image (H, W, 3) uint8 BGR with the marker.

    If the suffix of `path` is a JPEG suffix, the format is JPEG. Otherwise, the format is PNG.

    Raises OSError if the file cannot be written or must not be replaced, and ValueError if the image is too
    large for the format. The message names the file.
    """
    inputs = inputs if isinstance(inputs, ProtectedInputs) else ProtectedInputs(inputs)
    inputs.check(path, overwrite=overwrite)
    # Not durable, because there may be millions of files, and each file would wait for the disk.
    write_file(path, add_marker(_encode(path, image)), durable=False)


def output_names(relatives: Sequence[PurePath], suffix: str) -> list[PurePath]:
    """Return a unique output name for each source.

    With the suffix "_faces.png", a/b.jpg becomes a/b_faces.png.

    If two names would differ only in upper and lower case, or not at all, each name contains the suffix of
    its source: b.jpg_faces.png and b.png_faces.png. The name also contains the suffix if it would be the name
    of a folder with other sources, because the files of c.mp4 are in the folder c. If the same source occurs
    several times, its names are numbered: p_faces.png, p_2_faces.png. The order of the sources affects only
    these numbers.
    """
    stems = [relative.with_suffix("").as_posix() for relative in relatives]
    fulls = [relative.as_posix() for relative in relatives]
    sources = {_fold(full): _fold(stem) for stem, full in zip(stems, fulls, strict=True)}
    folders = set(map(_fold, _parents({full.rpartition("/")[0] for full in fulls})))
    wanted = Counter(sources.values()) + Counter(sources.keys()) + Counter(folders)
    names = [stem if wanted[_fold(stem)] == 1 else full for stem, full in zip(stems, fulls, strict=True)]
    taken = set(wanted)
    seen = folders
    for index in sorted(range(len(names)), key=lambda index: (fulls[index], index)):
        name, number = names[index], 1
        if _fold(name) in seen:
            while _fold(name) in taken:
                number += 1
                name = f"{names[index]}_{number}"
            taken.add(_fold(name))
        seen.add(_fold(name))
        names[index] = name
    return [PurePath(name + suffix) for name in names]


class OutputNames:
    """Stems of output files. No two of them lead to the same output file."""

    def __init__(self, stems: Iterable[PurePath]) -> None:
        self._stems: set[str] = set()
        self._folders: set[str] = set()
        for stem in stems:
            self._insert(stem)

    def add(self, stem: PurePath) -> PurePath:
        """Add a stem, and return it. If it could lead to an existing output file, add a number to it."""
        added, number = stem, 1
        while self._is_taken(added):
            number += 1
            added = stem.with_name(f"{stem.name}_{number}")
        self._insert(added)
        return added

    def _is_taken(self, stem: PurePath) -> bool:
        name = _fold(stem.as_posix())
        # The folder of a video contains files whose names begin with the number of a frame.
        is_frame = stem.name.isdigit() and _fold(stem.parent.as_posix()) in self._stems
        return is_frame or name in self._stems or name in self._folders

    def _insert(self, stem: PurePath) -> None:
        name = _fold(stem.as_posix())
        self._stems.add(name)
        self._folders.update(_parents({name.rpartition("/")[0]}))


def _parents(folders: Iterable[str]) -> Iterator[str]:
    """Yield these folders and all folders above them. "" is not a folder."""
    for folder in folders:
        while folder:
            yield folder
            folder = folder.rpartition("/")[0]


def _fold(name: str) -> str:
    """Convert a name to a text that is equal for all names that some file systems treat as the same file."""
    return unicodedata.normalize("NFC", name).casefold()


def _encode(path: Path, image: NDArray[np.uint8]) -> bytes:
    cv2 = import_opencv(f"writing {path}")
    ending = ".jpg" if path.suffix.lower() in _JPEG else ".png"
    try:
        done, data = cv2.imencode(ending, image)
    except cv2.error as error:
        done, why = False, f": {' '.join(str(error).split())}"
    else:
        why = ""
    if not done:
        height, width = image.shape[:2]
        raise ValueError(
            f"{path}: OpenCV cannot write an image of {width} x {height} pixels as {ending[1:].upper()}{why}"
        )
    encoded: bytes = data.tobytes()
    return encoded


def _is_unfinished(path: Path) -> bool:
    """Return whether a file with a temporary name is empty or an unfinished output of this package."""
    name = target_name(path.name) or ""
    if (
        not _WRITTEN.fullmatch(name) and len(os.fsencode(name)) < MAX_NAME_BYTES - 3
    ):  # a temporary name contains only the beginning of a long name
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            return not head or head[4:8] == b"ftyp" or file_has_marker(file, head)
    except OSError:
        return False


def _file_identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return device and inode number of a file. Return None if there is no file.

    The numbers are equal for two paths of the same file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: not a valid file name
        return None
    return status.st_dev, status.st_ino
