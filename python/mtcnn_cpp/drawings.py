"""Drawings as files: nothing of the user's is ever replaced."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .files import LONGEST, is_leftover, remove_if_abandoned, write_whole, written_name
from .image import opencv
from .marks import HEAD, bears_mark, is_marked, mark

Format: TypeAlias = Literal["png", "jpg"]
_WRITTEN = re.compile(r".*_(?:faces|face\d+)\.(?:png|jpg|mp4)", re.DOTALL)
_JPEG = {".jpg", ".jpeg", ".jpe"}


class Inputs:
    """The files that are looked at, and that no drawing replaces. Safe to share between threads."""

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths: list[str | os.PathLike[str]] | None = list(paths)
        self._identities: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    def check(self, path: Path, *, overwrite: bool) -> None:
        """FileExistsError if `path` may not be written: it is an input, or neither a drawing of this program
        nor allowed to be replaced."""
        there = _identity(path)
        if there is not None and there in self._known():
            raise FileExistsError(f"{path} is one of the files to look at; it is kept")
        if (there is not None or path.is_symlink()) and not overwrite and not is_marked(path):
            raise FileExistsError(
                f"{path} exists and is no drawing of this program; it is kept. Choose another place, or "
                "allow it to be replaced (--overwrite)"
            )

    def _known(self) -> set[tuple[int, int]]:
        """Found out when it is needed: there may be a million of them."""
        with self._lock:
            if self._paths is not None:
                self._identities = {there for there in map(_identity, self._paths) if there is not None}
                self._paths = None
            return self._identities


class Drawings:
    """Pictures written below a folder, PNG or JPEG by `format`, which is made where it is missing.

    Replaces what this program drew before, and with `overwrite` any other file, but never one of `inputs`.
    Safe to share between threads. `count` is how many have been written.
    """

    def __init__(
        self,
        folder: Path,
        inputs: Inputs | Iterable[str | os.PathLike[str]],
        *,
        format: Format = "png",
        overwrite: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.format = format
        self.count = 0
        self._inputs = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
        self._overwrite = overwrite
        self._lock = threading.Lock()

    def clean(self, stems: Iterable[PurePath]) -> None:
        """Remove what killed processes have left of files for these sources: hidden files with a temporary
        name of this program for an annotated image or a crop, and with its content, to which no process
        writes.

        stems: paths below the folder; of a video, of the folder with its crops.
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
        """The names below the folder for drawings of these sources, by the rule of `drawing_names`:
        a/b.jpg becomes a/b_faces.png."""
        return drawing_names(relatives, f"_faces.{self.format}")

    def save(self, relative: PurePath, picture: NDArray[np.uint8]) -> None:
        """Write a picture (H, W, 3) uint8, B, G, R, as the file `relative` below the folder.

        ValueError if `relative` leads out of the folder, and what `write_drawing` raises.
        """
        if relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"the name of a drawing must lie below {self.folder}, got {relative}")
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        write_drawing(path, picture, inputs=self._inputs, overwrite=self._overwrite)
        with self._lock:
            self.count += 1


def write_drawing(
    path: Path,
    picture: NDArray[np.uint8],
    *,
    inputs: Inputs | Iterable[str | os.PathLike[str]],
    overwrite: bool,
) -> None:
    """Write a picture (H, W, 3) uint8, B, G, R, with the mark that `marks.is_marked` knows: as JPEG if the
    name ends so, else as PNG.

    OSError, which names the file, if it cannot be written, is one of `inputs`, or is no drawing of this
    program and may not be replaced; ValueError if the picture is too large for its format.
    """
    inputs = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
    inputs.check(path, overwrite=overwrite)
    write_whole(path, mark(_encode(path, picture)), durable=False)  # there may be millions


def drawing_names(relatives: Sequence[PurePath], suffix: str) -> list[PurePath]:
    """A name of its own for a drawing of each source: a/b.jpg and "_faces.png" become a/b_faces.png.

    Where names would be the same, capitals aside, the source's ending stays: b.jpg_faces.png and
    b.png_faces.png. Sources of one and the same name are numbered: p_faces.png, p_2_faces.png. Names follow
    from the set of the sources and not from their order, except among equal sources.
    """
    stems = [relative.with_suffix("").as_posix() for relative in relatives]
    fulls = [relative.as_posix() for relative in relatives]
    sources = {_folded(full): _folded(stem) for stem, full in zip(stems, fulls, strict=True)}
    wanted = Counter(sources.values()) + Counter(sources.keys())
    names = [stem if wanted[_folded(stem)] == 1 else full for stem, full in zip(stems, fulls, strict=True)]
    taken = set(wanted)
    seen: set[str] = set()
    for index in sorted(range(len(names)), key=lambda index: (fulls[index], index)):
        name, number = names[index], 1
        if _folded(name) in seen:
            while _folded(name) in taken:
                number += 1
                name = f"{names[index]}_{number}"
            taken.add(_folded(name))
        seen.add(_folded(name))
        names[index] = name
    return [PurePath(name + suffix) for name in names]


def _folded(name: str) -> str:
    """Equal for names that are one file to some file system."""
    return unicodedata.normalize("NFC", name).casefold()


def _encode(path: Path, picture: NDArray[np.uint8]) -> bytes:
    cv2 = opencv(f"writing {path}")
    ending = ".jpg" if path.suffix.lower() in _JPEG else ".png"
    try:
        done, data = cv2.imencode(ending, picture)
    except cv2.error as error:
        done, why = False, f": {' '.join(str(error).split())}"
    else:
        why = ""
    if not done:
        height, width = picture.shape[:2]
        raise ValueError(
            f"{path}: OpenCV cannot write a picture of {width} x {height} pixels as {ending[1:].upper()}{why}"
        )
    encoded: bytes = data.tobytes()
    return encoded


def _is_unfinished(path: Path) -> bool:
    """Whether a file with a temporary name is an unfinished annotation or crop, or empty."""
    name = written_name(path.name) or ""
    if not _WRITTEN.fullmatch(name) and len(os.fsencode(name)) < LONGEST - 3:  # longer ones are shortened
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            return not head or head[4:8] == b"ftyp" or bears_mark(file, head)
    except OSError:
        return False


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What tells whether two paths are one file; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: no name of a file
        return None
    return found.st_dev, found.st_ino
