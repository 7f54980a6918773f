"""Writes annotated frames to an MP4 file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import AtomicFile, write_error
from .annotated_files import ProtectedInputs
from .image.opencv import import_opencv
from .markers import video_marker
from .video.reader import MAX_STEP_BACK
from .video_encoders import DEFAULT_FPS, H264Encoder, Mpeg4Encoder, find_h264_problem

DEFAULT_QUALITY = 20
MAX_SIDE = 8190  # limit of MPEG-4


class AnnotatedVideoWriter:
    """Writes an annotated MP4 video with this package's marker. The class is a context manager.

    With PyAV (extra `video`), the codec is H.264, the frames have their own times, and the sound of the
    source is copied. Otherwise, the codec is MPEG-4, there is no sound, and all frames have the same
    duration. `h264_problem` then states the reason.

    The size of the video is the size of the first frame, with two exceptions. An odd width or height is
    increased by one pixel. If a side has more than 8190 pixels, the frame is scaled down. If a later frame
    has a different size, it is scaled and padded with black to the size of the video.

    The file has a temporary name until `close` is called. `discard` removes the file. An exception in the
    `with` block also removes the file. An existing file with the marker is replaced. An existing file without
    the marker is replaced only if `overwrite` is true. Input files are never replaced. A writer is not safe
    to share between threads.

    Args:
        path: File to write. Its folder is created if the folder does not exist.
        fps: Frames per second, at least 0.1. If None or not positive, 25 is used. For MPEG-4, it is rounded
            to a thousandth.
        inputs: Input files, which are never replaced.
        overwrite: Whether a file without the marker may be replaced.
        quality: Constant rate factor of H.264, 1 to 51. A lower value gives a better and larger video.
        source: Video file from which the frames come, or None. Its sound is copied without re-encoding, and
            the video gets its primaries, its transfer function, and the shape of its pixels.
        sound: Whether the sound of `source` is copied.
        cut_sound: Whether sound after the last frame is left out.

    Attributes:
        count: Number of frames written.
        is_closed: Whether `close` or `discard` was called, or an error has ended the video.
        h264_problem: Reason why the codec is not H.264, and how to change this; otherwise "".
        problems: Reasons why sound of `source` is missing. Complete after `close`.

    Raises:
        OSError: The file cannot be written (FileExistsError if it must not be replaced).
        ValueError: `quality` is out of range.
        ImportError: OpenCV cannot be imported.
    """

    def __init__(
        self,
        path: Path,
        fps: float | None,
        inputs: ProtectedInputs | Iterable[str | os.PathLike[str]],
        *,
        overwrite: bool = False,
        quality: int = DEFAULT_QUALITY,
        source: Path | None = None,
        sound: bool = True,
        cut_sound: bool = False,
    ) -> None:
        self.path = path
        self.fps = _rate(fps)
        self.count = 0
        self.h264_problem = find_h264_problem()
        self.problems: list[str] = []
        self._cv2 = import_opencv(f"writing {path}")
        self._inputs = inputs if isinstance(inputs, ProtectedInputs) else ProtectedInputs(inputs)
        self._overwrite = overwrite
        self._quality = check_quality(quality)
        self._source, self._sound, self._cut_sound = source, sound, cut_sound
        self._inputs.check(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part = AtomicFile(path, ending=".part.mp4")  # OpenCV derives the format from the suffix
        self._encoder: H264Encoder | Mpeg4Encoder | None = None
        self._size = (0, 0)  # width, height
        self._start = 0.0  # time of the first frame in the source
        self._last = 0.0  # time of the last frame in the video
        # times in the source and in the video of the last frame, if its time went back
        self._jump: tuple[float, float] | None = None
        self.is_closed = False

    def add(self, image: NDArray[np.uint8], time: float | None = None) -> None:
        """Write the next frame (H, W, 3) uint8 BGR.

        Args:
            image: The frame.
            time: Time of the frame in the source, in seconds from the first frame of the source. In the
                video, times begin at 0 with the first written frame, and are rounded to 1/360000 s. A frame
                that is not later than the frame before it is shown 1/360000 s after it. A frame whose time
                is a second or more before the time of the previous frame follows after 1/`fps`. If the time
                of the next frame is also that far back, the source contains a new recording, and its sound
                ends. None: the number of the frame divided by `fps`.

        Raises:
            OSError: The frame cannot be written, or no video of this size can be written.
        """
        if self.is_closed:
            raise ValueError(f"{self.path} is closed, no frame can be added")
        time = self.count / self.fps if time is None else time
        try:
            if self._encoder is None:
                self._size, self._start = _video_size(image), time
                self._encoder = self._make_encoder(time)
            self._last = self._video_time(time)
            self._encoder.add(_fitted(self._cv2, image, self._size), self._last)
        except OSError as error:
            self.discard()
            raise write_error(self.path, error) from error
        self.count += 1

    def close(self) -> None:
        """Complete the file and rename it to `path`. If no frame was added, no file is created.

        Raises OSError if the file could not be written completely. Raises FileExistsError if a file was
        created at `path` in the meantime and must not be replaced. The temporary file is removed in all
        cases.
        """
        if self.is_closed:
            return
        try:
            if self._encoder is None:
                return
            with self._part.translated_errors():
                self._encoder.close()
            self._part.file.seek(0, os.SEEK_END)
            self._part.file.write(video_marker())
            self._inputs.check(self.path, overwrite=self._overwrite)
            self._part.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file, unless `close` has renamed it."""
        self.is_closed = True
        if self._encoder is not None:
            self._encoder.discard()
        self._part.discard()

    def __enter__(self) -> AnnotatedVideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _video_time(self, time: float) -> float:
        """Return the time of the next frame in the video. `time` is its time in the source."""
        in_video = time - self._start
        if not self.count or in_video > self._last - MAX_STEP_BACK:
            self._jump = None
            return max(in_video, self._last)
        if self._jump is None:
            self._jump = time, self._last + 1 / self.fps
            return self._jump[1]
        self._start = self._jump[0] - self._jump[1]
        if isinstance(self._encoder, H264Encoder):
            self._encoder.stop_sound(f"its sound ends at {self._jump[1]:.3f} s, where times go back")
        self._jump = None
        return max(time - self._start, self._last)

    def _make_encoder(self, time: float) -> H264Encoder | Mpeg4Encoder:
        """Return the encoder. `time` is the time of the first frame in the source."""
        path = self._part.temporary
        if self.h264_problem:
            return Mpeg4Encoder(path, self._size, fps=self.fps)
        encoder = H264Encoder(
            path,
            self._size,
            fps=self.fps,
            quality=self._quality,
            source=self._source,
            sound=self._sound,
            cut_sound=self._cut_sound,
        )
        encoder.begin_sound(time)
        self.problems = encoder.problems
        return encoder


def check_quality(quality: int) -> int:
    """Return `quality`. Raise ValueError if it is out of range."""
    if not 1 <= quality <= 51:  # 0 is lossless, in a profile that browsers do not play
        raise ValueError(f"quality must be 1 (best) to 51 (smallest file), got {quality}")
    return quality


def _rate(fps: float | None) -> float:
    """Round the frame rate to a value that MPEG-4 can represent.

    The time unit of MPEG-4 is at least 1/65535 s.
    """
    if fps is None or not math.isfinite(fps) or fps <= 0:
        return DEFAULT_FPS
    for digits in (3, 2, 1, 0):
        if fps * 10**digits < 65535:
            return max(round(fps, digits), 0.1)
    return 65535.0


def _video_size(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the width and height of the video for its first frame. Both are even and at most 8190 pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    width, height = (max(1, round(side * scale)) for side in (width, height))
    return width + width % 2, height + height % 2


def _fitted(cv2: Any, image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Convert the image to the size (width, height). The result is padded with black if necessary.

    If the image does not have this size after rounding to even numbers, it is scaled and centered.
    """
    height, width = image.shape[:2]
    if (width + width % 2, height + height % 2) == size:
        spare = size[1] - height, size[0] - width
        left = top = 0
    else:
        scale = min(size[0] / width, size[1] / height)
        width, height = (max(1, round(side * scale)) for side in (width, height))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, (width, height), interpolation=how)
        spare = size[1] - height, size[0] - width
        top, left = spare[0] // 2, spare[1] // 2
    if not any(spare):
        return np.ascontiguousarray(image)
    bottom, right = spare[0] - top, spare[1] - left
    fitted: NDArray[np.uint8] = cv2.copyMakeBorder(
        image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    return fitted
