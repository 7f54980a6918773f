"""The folder into which `detect` draws: no picture of the user's is ever replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..detections import Detections
    from ..types import ImageLike


class Drawings:
    """Writes NAME_faces.png for each picture; a second picture of that name becomes NAME_faces_2.png.

    Replaces what this program drew before, and with `overwrite` any other file, but never one of `inputs`.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._inputs = {_identity(path) for path in inputs} - {None}
        self._overwrite = overwrite
        self._seen: dict[str, int] = {}
        self.count = 0

    def save(self, name: str, image: ImageLike, faces: Detections) -> None:
        """Draw the faces into the picture of that name. OSError, which names the file, if it cannot be
        written or is not ours to replace."""
        from .. import drawing, png
        from ..files import write_whole

        stem = Path(name).stem
        seen = self._seen[stem.casefold()] = self._seen.get(stem.casefold(), 0) + 1
        path = self._folder / (f"{stem}_faces_{seen}.png" if seen > 1 else f"{stem}_faces.png")
        self._check(path)
        write_whole(path, png.encode(drawing.draw(image, faces), mark=True))
        self.count += 1

    def _check(self, path: Path) -> None:
        from .. import png

        if _identity(path) in self._inputs:
            raise FileExistsError(f"{path} is one of the pictures to look at; it is kept")
        if (path.exists() or path.is_symlink()) and not self._overwrite and not png.is_marked(path):
            raise FileExistsError(
                f"{path} exists and is no drawing of this program; it is kept. Choose another folder, or "
                "allow --overwrite"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells whether two paths are one file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
