"""Write the annotated files, crops and aligned faces of a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, Literal, cast

from numpy.typing import NDArray

from ..media.annotated_files import AnnotatedImageFolder, OutputNames, ProtectedInputs, output_names
from ..media.annotated_video import AnnotatedVideoWriter
from ..media.annotation import annotate
from ..storage.address import is_address
from .face_images import FaceImageWriter
from .settings import JobSettings
from .sources import SOURCE_ERRORS, Source, error_message
from .table.rows import FrameResult


def annotate_result(settings: JobSettings, result: FrameResult, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return an annotated image of a processed frame."""
    assert result.faces is not None  # only processed frames are annotated
    return annotate(
        pixels,
        result.faces,
        show=settings.annotate,
        box_color="id" if settings.track else None,
        face_ids=result.face_ids,
    )


class AnnotationWriter:
    """Writes annotated images, annotated videos, crops and aligned faces. Threads may share a writer.

    If the image format is png, the annotated image of a/b.jpg is a/b_faces.png, the crop of its first face is
    a/b_face0.png, and the aligned face is a/b_aligned0.png. The annotated video of a/c.mp4 is a/c_faces.mp4,
    and the crop of the face with number 0 in its frame 12 is a/c/000012_face0.png. Frames are counted from 1,
    as in the table.

    Args:
        settings: Settings of the job. They contain the output folders.
        sources: All sources of the job.

    Attributes:
        h264_problem: Reason why annotated videos were not written as H.264, or "".

    Raises:
        ValueError: A folder is in an object store.
        OSError: A folder cannot be created.
    """

    def __init__(self, settings: JobSettings, sources: Iterable[Source]) -> None:
        sources = list(sources)
        stems = output_names([PurePath(source.place) for source in sources], "")
        self._stems = {source.name: stem for source, stem in zip(sources, stems, strict=True)}
        self._overwrite = settings.overwrite
        self._format = settings.save_format
        self._inputs = ProtectedInputs(source.name for source in sources if source.kind != "live")
        self._images = None if settings.save_dir is None else self._open_folder(settings.save_dir)
        self._face_folders = {
            column: self._open_folder(name) for column, name in settings.face_folders.items()
        }
        self._faces = FaceImageWriter(settings, self._face_folders)
        self._video_count = 0
        self._settings = settings
        self._video_options: dict[str, Any] = {
            "overwrite": settings.overwrite,
            "quality": settings.quality,
            "sound": settings.sound,
            "cut_sound": settings.sampling.has_end,
        }
        self.h264_problem = ""
        for folder in self._folders:
            folder.clean(stems)

    def _open_folder(self, name: str) -> AnnotatedImageFolder:
        if is_address(name):
            raise ValueError(
                f"{name}: annotated files, crops and aligned faces are written to local folders; expected "
                "the path of a folder"
            )
        format = cast(Literal["png", "jpg"], self._format)
        return AnnotatedImageFolder(Path(name), self._inputs, format=format, overwrite=self._overwrite)

    @property
    def count(self) -> int:
        """Number of files that were written."""
        return self._video_count + sum(folder.count for folder in self._folders)

    @property
    def _folders(self) -> list[AnnotatedImageFolder]:
        return [*([self._images] if self._images else []), *self._face_folders.values()]

    def keep_names(self, stems: Mapping[str, str]) -> None:
        """Keep the names of the output files of an earlier run of the job.

        `stems` contains the stem of the output files for sources in the table. These sources keep their
        stems, even if other sources of this run would change them. The other sources get stems that cannot
        lead to the same output files.
        """
        if not stems:
            return
        taken = OutputNames(map(PurePath, stems.values()))
        for name, stem in self._stems.items():
            if name in stems:
                self._stems[name] = PurePath(stems[name])
            else:
                self._stems[name] = taken.add(stem)

    def write_image(
        self, source: Source, result: FrameResult, pixels: NDArray[Any], *, is_numbered: bool
    ) -> FrameResult:
        """Write an annotated image and the images of its faces, and return the completed result.

        `is_numbered` states whether the source contains several images. In this case, the file names contain
        the number of the image.

        The completed result has the names of the images of faces. If writing fails, it has the error.
        """
        stem = self._stems[source.name]
        if is_numbered:
            stem = stem / f"{result.index + 1:06d}"
        if (images := self._images) is not None:
            name = stem.with_name(f"{stem.name}_faces.{self._format}")
            result = _with_write_error(
                result, lambda: images.save(name, annotate_result(self._settings, result, pixels))
            )
        return self._faces.write(stem, result, pixels)

    def write_frame(
        self, source: Source, result: FrameResult, pixels: NDArray[Any], video: AnnotatedVideoWriter | None
    ) -> FrameResult:
        """Add a frame to an annotated video, write the images of its faces, and return the completed result.

        The completed result has the names of the images of faces. If writing fails, it has the error. If an
        earlier error has ended the video, only the images of faces are written.
        """
        if video is not None and not video.is_closed:
            result = _with_write_error(
                result, lambda: video.add(annotate_result(self._settings, result, pixels), result.time)
            )
        return self._faces.write(self._stems[source.name] / f"{result.index + 1:06d}", result, pixels)

    def open_video(self, source: Source, fps: float | None, path: Path | None) -> AnnotatedVideoWriter | None:
        """Return a writer for the annotated video of a source, or None if no such video is requested.

        `path` is the file that contains the video, or None for a live source.
        """
        if self._images is None:
            return None
        stem = self._stems[source.name]
        target = self._images.folder / stem.with_name(f"{stem.name}_faces.mp4")
        return AnnotatedVideoWriter(target, fps, self._inputs, source=path, **self._video_options)

    def close_video(self, video: AnnotatedVideoWriter) -> None:
        """Complete an annotated video, unless an error has ended it."""
        if not video.is_closed:
            video.close()
            self._video_count += video.count > 0
            self.h264_problem = video.h264_problem if video.count else self.h264_problem


def _with_write_error(result: FrameResult, write: Callable[[], None]) -> FrameResult:
    """Call `write`, and return the result. If `write` fails, add its error to the result."""
    try:
        write()
    except SOURCE_ERRORS as error:
        return dataclasses.replace(result, error=error_message(error))
    return result
