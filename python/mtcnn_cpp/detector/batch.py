"""Detects faces in many images: batches, streams, files and videos."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from .._util.errors import MtcnnError
from .._util.log import log_warning
from ..backends.engine import Engine, hook_for
from ..detections.result import Detections
from ..media.image import Frame
from ..media.image.pixels import LimitedWarnings, is_pil
from ..media.image.read import is_content
from ..types import Color, Hook, ImageLike, VideoReaderName
from .detection import find_faces
from .parallel import map_parallel

if TYPE_CHECKING:
    from ..media.video import FrameIterator, Sampling, Video

T = TypeVar("T")
_Outcome: TypeAlias = Detections | Exception
ON_ERROR = ("raise", "return", "skip")


class BatchError(MtcnnError, ValueError):
    """The detection in an image of a batch failed.

    Attributes:
        index: Position of the image in the batch, from 0. `__cause__` is the error that this image caused.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.__cause__ = cause

    def __str__(self) -> str:
        return f"image {self.index}: {self.__cause__}"


@dataclass(frozen=True, eq=False)
class DetectedFrame:
    """A frame of a video with its faces.

    Attributes:
        index: Number of the frame in the video, from 0.
        time: Seconds from the first frame.
        faces: The faces in the frame.
        image: The pixels, (H, W, 3) uint8 BGR.
    """

    index: int
    time: float
    faces: Detections
    image: NDArray[np.uint8]


class BatchDetection:
    """The methods of `Detector` for many images."""

    _engine: Engine

    @overload
    def detect_batch(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> list[Detections]: ...
    @overload
    def detect_batch(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["return"]
    ) -> list[Detections | Exception]: ...
    def detect_batch(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "return", "skip"] = "raise",
    ) -> Sequence[Detections | Exception]:
        """Find the faces in many images of any sizes, on several threads.

        Args:
            images: Images in any form that `detect` accepts.
            color: Channel order of arrays, "bgr" or "rgb".
            on_error: "raise": the first image that fails raises `BatchError`. "return": the result of a
                failed image is its exception. "skip": a failed image has no result. Therefore, the position
                of a later result differs from the position of its image.

        Returns:
            The results in the order of the images. Each result is identical to the result of `detect`.

        Raises:
            BatchError: If an image fails and `on_error` is "raise".
            TypeError: If `images` is a single image.
            ValueError: If `on_error` is not one of these three values.
        """
        return list(self._stream(images, color, on_error))

    @overload
    def detect_stream(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> Iterator[Detections]: ...
    @overload
    def detect_stream(
        self, images: Iterable[ImageLike], *, color: Color = "bgr", on_error: Literal["return"]
    ) -> Iterator[Detections | Exception]: ...
    def detect_stream(
        self,
        images: Iterable[ImageLike],
        *,
        color: Color = "bgr",
        on_error: Literal["raise", "return", "skip"] = "raise",
    ) -> Iterator[Detections | Exception]:
        """Find the faces in a stream of images. Arguments, results and errors are as for `detect_batch`.

        Only a few images are read ahead. Therefore, the memory use does not grow with the number of images.
        The threads end when the iterator ends or is closed. While a hook is registered, the calling thread
        processes the images one by one (see `hook`).
        """
        return self._stream(images, color, on_error)

    @overload
    def detect_files(
        self, paths: Iterable[str | os.PathLike[str]], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> Iterator[Detections]: ...
    @overload
    def detect_files(
        self, paths: Iterable[str | os.PathLike[str]], *, on_error: Literal["return"]
    ) -> Iterator[Detections | Exception]: ...
    def detect_files(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        on_error: Literal["raise", "return", "skip"] = "raise",
    ) -> Iterator[Detections | Exception]:
        """Find the faces in many image files. Reading and decoding overlap with detection.

        Args:
            paths: Paths of image files. If a file contains several images, only the first image is used.
            on_error: As for `detect_batch`.

        Returns:
            An iterator over the results in the order of the files. Each result is identical to the result of
            `detect(path)`.

        Raises:
            BatchError: If a file fails and `on_error` is "raise". If an item is not a path, `__cause__` is a
                TypeError.
            TypeError: If `paths` is a single path.
        """
        _check_is_sequence(paths)
        return self._stream(map(_check_path, paths), "bgr", on_error)

    def detect_video(
        self,
        source: str | os.PathLike[str],
        *,
        every: int = 1,
        start: float | str | None = None,
        end: float | str | None = None,
        frames: tuple[int | None, int | None] | None = None,
        fps: float | None = None,
        reader: VideoReaderName | None = None,
        stream: int | None = None,
        deinterlace: bool = False,
    ) -> FrameIterator[DetectedFrame]:
        """Find the faces in the frames of a video.

        The pixels are those of cv2.VideoCapture, and the times are those of the container. Decoding overlaps
        with detection. Only a few frames are read ahead. Therefore, the memory use does not grow with the
        number of frames. When the iterator is closed, the video is closed.

        Args:
            source: Path of a video file, `camera:0`, the address of a stream (`rtsp://…`, `http://…`), or the
                path of a folder of numbered images, which are the frames of one video.
            every: Process only every n-th frame of the video. The default 1 means all frames.
            start: First time to process, from the first frame: seconds, or text such as "2:30" or "1:02:03.5"
                (h:m:s). None: the start of the video.
            end: Last time to process, included, as for `start`. None: the end of the video.
            frames: First and last frame to process, both included. They are counted from 1, as in the column
                `frame` of a table: (1, 10) means the frames with `index` 0 to 9. None instead of a number:
                no limit.
            fps: Frames per second to process: the frames whose times are nearest to this rate, each once at
                most. Not together with `every`. None: all frames. For a folder of images, it is the frame
                rate, which gives the images their times, and all images are processed.
            reader: Library that reads the video: "opencv" or "pyav" (extra `video`). None: PyAV if it is
                installed, otherwise OpenCV. OpenCV always reads cameras.
            stream: Number of the video stream in the file, from 0. Needs PyAV. None: the first stream that
                can be decoded.
            deinterlace: Whether to replace interlaced frames by progressive ones. Needs PyAV.

        Returns:
            An iterator over the frames in order. Its attribute `total` is the expected number of frames, for
            example for tqdm: `tqdm(frames, total=frames.total)`. None: unknown, as for streams.

        Raises:
            ValueError: If an argument is invalid. The call itself raises this error, not the iterator.
            TypeError: If an argument has a wrong type. The call itself raises this error, not the iterator.
            VideoError: If the video cannot be opened (see `media.video.Video`), the call itself raises this
                error. If the file is truncated or damaged, or has no frames, or none that is selected, the
                iterator raises this error. If a frame is interlaced, the iterator raises this error when
                OpenCV 4.13 or later is the reader. If an image of a folder is missing or unreadable, the
                iterator raises this error. The iterator first yields all frames before the error.
            MissingExtra: If the options need PyAV, and it is not installed.
        """
        from ..media.video import FrameIterator, Sampling, Video

        is_folder = os.path.isdir(source)
        sampling = Sampling(every, start, end, frames=frames, fps=None if is_folder else fps)
        sequence_fps = fps if is_folder else None
        video = Video(source, fps=sequence_fps, reader=reader, stream=stream, deinterlace=deinterlace)
        return FrameIterator(self._frames(video, sampling), video.expected_count(sampling))

    def _frames(self, video: Video, sampling: Sampling) -> Generator[DetectedFrame, None, None]:
        from ..media.video import VideoError

        engine = self._engine
        cancellation = engine.backend.make_cancellation()

        def detect(item: tuple[Frame, Hook | None]) -> DetectedFrame:
            frame, hook = item
            if frame.error:
                raise VideoError(frame.error)
            threads = engine.threads if hook else 1
            faces = find_faces(engine, frame.image, hook=hook, threads=threads, cancellation=cancellation)
            return DetectedFrame(frame.index, frame.time, faces, frame.image)

        with video:
            yield from map_parallel(
                detect,
                _with_hooks(engine, video.frames(sampling)),
                workers=engine.threads,
                cancellation=cancellation,
                on_caller=_has_hook,
            )

    def _stream(self, images: Iterable[ImageLike], color: Color, on_error: str) -> Iterator[_Outcome]:
        """Return an iterator over the results.

        If an argument is invalid, this call itself raises the error.
        """
        _check_is_sequence(images)
        if on_error not in ON_ERROR:
            raise ValueError(f"on_error must be one of {', '.join(ON_ERROR)}, got {on_error!r}")
        engine = self._engine
        count = len(images) if isinstance(images, Sized) else engine.threads
        workers = min(engine.threads, max(count, 1))
        cancellation = engine.backend.make_cancellation()
        warn = LimitedWarnings()

        def detect(item: tuple[ImageLike, Hook | None]) -> _Outcome:
            image, hook = item
            threads = engine.threads if hook else engine.threads // workers
            try:
                return find_faces(
                    engine, image, color=color, hook=hook, threads=threads, cancellation=cancellation,
                    warn=warn,
                )  # fmt: skip
            except Exception as error:
                return error

        items = _with_hooks(engine, images)
        outcomes = map_parallel(
            detect, items, workers=workers, cancellation=cancellation, on_caller=_has_hook
        )
        return outcomes if on_error == "return" else _without_errors(outcomes, skip=on_error == "skip")


def _with_hooks(engine: Engine, items: Iterable[T]) -> Iterator[tuple[T, Hook | None]]:
    """Yield each item with the hook that is registered when the calling thread takes this item."""
    for item in items:
        yield item, hook_for(engine)


def _has_hook(item: tuple[object, Hook | None]) -> bool:
    return item[1] is not None


def _without_errors(outcomes: Generator[_Outcome, None, None], *, skip: bool) -> Iterator[Detections]:
    """Yield the results.

    If `skip` is true, errors are skipped. Otherwise, the first error raises BatchError.
    """
    with closing(outcomes):  # close at once, because the traceback of the error would keep the threads alive
        for index, outcome in enumerate(outcomes):
            if not isinstance(outcome, Exception):
                yield outcome
            elif skip:
                log_warning("image %d is skipped: %s", index, outcome)
            else:
                raise BatchError(index, outcome)


def _check_is_sequence(images: object) -> None:
    """Raise TypeError for a single image."""
    is_file = isinstance(images, (str, os.PathLike)) or is_content(images)
    is_tensor = hasattr(images, "__dlpack__") and getattr(images, "ndim", 4) < 4
    if is_file or is_tensor or is_pil(images):
        raise TypeError(
            f"images must be a sequence of images, got one image ({type(images).__name__}); "
            "use detect(image), or [image]"
        )


def _check_path(path: object) -> str | os.PathLike[str]:
    if isinstance(path, (str, os.PathLike)):
        return path
    raise TypeError(f"'paths' must contain paths of image files, got {type(path).__name__}")
