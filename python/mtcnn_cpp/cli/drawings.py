"""Where `detect` and `compare` draw: no picture of the user's is ever replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..detections import Detections
    from ..types import ImageLike


class Drawings:
    """Writes NAME_faces.png for each picture; a second picture of that name becomes NAME_faces_2.png.

    Replaces what this program drew before, and with `overwrite` any other file, but never one of `inputs`.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._inputs = list(inputs)
        self._overwrite = overwrite
        self._seen: dict[str, int] = {}
        self.count = 0

    def save(self, name: str, image: ImageLike, faces: Detections) -> None:
        """Draw the faces into the picture of that name; raises what `write_drawing` raises."""
        from ..drawing import draw

        stem = Path(name).stem
        seen = self._seen[stem.casefold()] = self._seen.get(stem.casefold(), 0) + 1
        path = self._folder / (f"{stem}_faces_{seen}.png" if seen > 1 else f"{stem}_faces.png")
        write_drawing(path, draw(image, faces), inputs=self._inputs, overwrite=self._overwrite)
        self.count += 1


def write_drawing(path: Path, picture: NDArray[np.uint8], *, inputs: Iterable[Path], overwrite: bool) -> None:
    """Write a picture (H, W, 3), B, G, R, as a PNG that `is_marked` knows again.

    OSError, which names the file, if it cannot be written, is one of `inputs`, or is no drawing of this
    program and may not be replaced.
    """
    from .. import png
    from ..files import write_whole
    from ..marks import is_marked, mark

    there = _identity(path)
    if there is not None and there in map(_identity, inputs):
        raise FileExistsError(f"{path} is one of the pictures to look at; it is kept")
    if (there is not None or path.is_symlink()) and not overwrite and not is_marked(path):
        raise FileExistsError(
            f"{path} exists and is no drawing of this program; it is kept. Choose another place, or allow "
            "it to be replaced (--overwrite)"
        )
    write_whole(path, mark(png.encode(picture)))


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells whether two paths are one file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
