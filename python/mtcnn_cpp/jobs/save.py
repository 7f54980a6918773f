"""Drawings and crops of what a job finds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, Literal, cast

from numpy.typing import NDArray

from ..drawing import draw
from ..drawings import Drawings, Inputs, drawing_names
from ..drawn_video import DrawnVideo
from ..stores import is_address
from ..table import Result
from .settings import Settings
from .source import Source


class Saver:
    """Writes drawings and crops below the folders of the settings. Safe to share between threads.

    A picture a/b.jpg becomes a/b_faces.png, a video a/c.mp4 a/c_faces.mp4, a face a/b_face0.png or
    a/c/000012_face0.png (frames count from 1, as in the table). `count` is how many files were written.

    Raises ValueError for a folder in an object store, OSError if a folder cannot be made.
    """

    def __init__(self, settings: Settings, sources: Iterable[Source]) -> None:
        sources = list(sources)
        stems = drawing_names([PurePath(source.place) for source in sources], "")
        self._stems = {source.name: stem for source, stem in zip(sources, stems, strict=True)}
        self._overwrite = settings.overwrite
        self._format = settings.save_format
        self._inputs = Inputs(source.name for source in sources if source.kind != "live")
        self._drawings = self._folder(settings.save_dir)
        self._crops = self._folder(settings.save_crops)
        self._videos = 0
        for files in filter(None, (self._drawings, self._crops)):
            files.clean(stems)

    def _folder(self, name: str | None) -> Drawings | None:
        if name is None:
            return None
        if is_address(name):
            raise ValueError(f"drawings and crops are written to folders on this machine, got {name}")
        format = cast(Literal["png", "jpg"], self._format)
        return Drawings(Path(name), self._inputs, format=format, overwrite=self._overwrite)

    @property
    def count(self) -> int:
        """How many files were written."""
        return self._videos + sum(kind.count for kind in (self._drawings, self._crops) if kind)

    def save_picture(self, source: Source, result: Result, pixels: NDArray[Any], *, several: bool) -> None:
        """Draw and cut out the faces of a picture; `several`: of one of its pictures."""
        stem = self._stems[source.name]
        if several:
            stem = stem / f"{result.index + 1:06d}"
        if self._drawings:
            name = stem.with_name(f"{stem.name}_faces.{self._format}")
            self._drawings.save(name, _drawn(result, pixels))
        self._save_crops(stem, result, pixels)

    def save_frame(
        self, source: Source, result: Result, pixels: NDArray[Any], video: DrawnVideo | None
    ) -> None:
        """Add a frame to the drawn video, and cut out its faces."""
        if video is not None:
            video.add(_drawn(result, pixels))
        stem = self._stems[source.name] / f"{result.index + 1:06d}"
        self._save_crops(stem, result, pixels)

    def open_video(self, source: Source, fps: float | None) -> DrawnVideo | None:
        """The drawn video of a source, None if none is asked for."""
        if self._drawings is None:
            return None
        stem = self._stems[source.name]
        path = self._drawings.folder / stem.with_name(f"{stem.name}_faces.mp4")
        return DrawnVideo(path, fps, self._inputs, overwrite=self._overwrite)

    def close_video(self, video: DrawnVideo | None) -> None:
        """Put a drawn video in place."""
        if video is not None:
            video.close()
            self._videos += video.count > 0

    def _save_crops(self, stem: PurePath, result: Result, pixels: NDArray[Any]) -> None:
        if self._crops is None or result.faces is None:
            return
        ids = result.face_ids or range(len(result.faces))
        for number, crop in zip(ids, result.faces.crops(pixels), strict=True):
            self._crops.save(stem.with_name(f"{stem.name}_face{number}.{self._format}"), crop)


def _drawn(result: Result, pixels: NDArray[Any]) -> NDArray[Any]:
    assert result.faces is not None  # a frame that failed is not drawn
    return draw(pixels, result.faces, face_ids=result.face_ids)
