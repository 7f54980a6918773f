"""What a detector does with many pictures: lists, streams, files, videos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Literal, overload

from .backends.engine import Engine
from .batch import Outcome, check_many, in_parallel, stream
from .detected_frame import DetectedFrame
from .detections import Detections
from .find_faces import find_faces
from .image import Frame, LimitedWarnings
from .taps import tap_for
from .types import Color, ImageLike

if TYPE_CHECKING:
    from .video import Sampling, Video


class Many:
    """The methods of `Detector` for many pictures."""

    _engine: Engine

    @overload
    def detect_batch(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["raise"] = "raise"
    ) -> list[Detections]: ...
    @overload
    def detect_batch(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["skip"]
    ) -> list[Detections | Exception]: ...
    def detect_batch(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Sequence[Detections | Exception]:
        """Find the faces in many pictures of any sizes: for each, in order, what `detect` gives, bit for bit.

        images and color: as for `detect`. on_error: "raise" ends with a `BatchError`, which has the picture's
        index, at the first one that fails; "skip" puts the exception in its place.
        """
        return list(self._stream(images, color, on_error))

    @overload
    def detect_stream(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["raise"] = "raise"
    ) -> Iterator[Detections]: ...
    @overload
    def detect_stream(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["skip"]
    ) -> Iterator[Detections | Exception]: ...
    def detect_stream(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Detections | Exception]:
        """As `detect_batch`, one result after the other. Reads few pictures ahead, so that memory stays
        flat over any number of them; its threads end with the iterator. With a hook, pictures are done one by
        one on the calling thread."""
        return self._stream(images, color, on_error)

    @overload
    def detect_files(
        self, paths: Iterable[str | os.PathLike[str]], *, on_error: Literal["raise"] = "raise"
    ) -> Iterator[Detections]: ...
    @overload
    def detect_files(
        self, paths: Iterable[str | os.PathLike[str]], *, on_error: Literal["skip"]
    ) -> Iterator[Detections | Exception]: ...
    def detect_files(
        self, paths: Iterable[str | os.PathLike[str]], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> Iterator[Detections | Exception]:
        """Find the faces in many image files: for each, in order, what `detect(path)` gives.

        Reading and decoding overlap with detection. on_error: as for `detect_batch`. Of several pictures in
        one file the first is looked at. Raises TypeError, in its place, for what is no path.
        """
        check_many(paths)
        return self._stream(map(_checked_path, paths), "bgr", on_error)

    def detect_video(
        self,
        source: str | os.PathLike[str],
        *,
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> Iterator[DetectedFrame]:
        """Find the faces in the frames of a video: each once, in order, with its number, its time, its faces
        and its pixels.

        source: a video file, `camera:0`, or a stream (`rtsp://…`, `http://…`). every: look at each n-th frame
        of the file only. start, end: seconds from the first frame, both included.

        The pixels are those of cv2.VideoCapture, the times those of the container. Decoding overlaps with
        detection, few frames are read ahead, memory stays flat. Leaving the iterator closes the video.

        Raises, at once, ValueError or TypeError for a wrong argument, what `video.Video` raises where it
        cannot be opened; and `video.VideoError`, behind the frames there are, for a file that breaks off, has
        no frames, or ends before `start`, and for an interlaced frame, which OpenCV from 4.13 on does not
        convert.
        """
        from .video import Sampling, Video

        sampling = Sampling(every, start, end)
        return self._frames(Video(source), sampling)

    def _frames(self, video: Video, sampling: Sampling) -> Iterator[DetectedFrame]:
        from .video import VideoError

        engine, tap = self._engine, tap_for(self._engine)
        stop = engine.backend.make_stop()
        workers = 1 if tap else engine.threads

        def look(frame: Frame) -> DetectedFrame:
            if frame.error:
                raise VideoError(frame.error)
            faces = find_faces(engine, frame.pixels, tap=tap, threads=engine.threads // workers, stop=stop)
            return DetectedFrame(frame.index, frame.time, faces, frame.pixels)

        with video:
            yield from in_parallel(look, video.frames(sampling), workers=workers, stop=stop)

    def _stream(self, images: Iterable[ImageLike], color: Color, on_error: str) -> Iterator[Outcome]:
        check_many(images)
        engine, tap = self._engine, tap_for(self._engine)
        count = len(images) if isinstance(images, Sized) else engine.threads
        workers = 1 if tap else min(engine.threads, max(count, 1))

        stop = engine.backend.make_stop()

        warn = LimitedWarnings()

        def detect(image: ImageLike) -> Detections:
            threads = engine.threads // workers
            return find_faces(engine, image, color=color, tap=tap, threads=threads, stop=stop, warn=warn)

        return stream(detect, images, workers=workers, on_error=on_error, stop=stop)


def _checked_path(path: object) -> str | os.PathLike[str]:
    if isinstance(path, (str, os.PathLike)):
        return path
    raise TypeError(f"paths must be paths of image files, got {type(path).__name__}")
