"""Writes annotated frames to an MP4 file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._util.files import AtomicFile
from .annotated_files import ProtectedInputs
from .image.opencv import import_opencv
from .markers import video_marker
from .video.ffmpeg import ffmpeg, ffmpeg_name

DEFAULT_FPS = 25.0  # if the source has no frame rate
MAX_SIDE = 8190  # limit of MPEG-4


class AnnotatedVideoWriter:
    """Writes an annotated MP4 video with this package's marker. The class is a context manager.

    The codec is MPEG-4, and there is no sound. The size of the video is the size of the first frame, with two
    exceptions. An odd width or height is increased by one pixel. If a side has more than 8190 pixels, the
    frame is scaled down. If a later frame has a different size, it is scaled and padded with black to the
    size of the video.

    The file has a temporary name until `close` is called. `discard` removes the file. An exception in the
    `with` block also removes the file. An existing file with the marker is replaced. An existing file without
    the marker is replaced only if `overwrite` is true. Input files are never replaced. A writer is not safe
    to share between threads.

    Args:
        path: File to write. Its folder is created if the folder does not exist.
        fps: Frames per second, rounded to a thousandth, at least 0.1. If None or not positive, 25 is used.
        inputs: Input files, which are never replaced.
        overwrite: Whether a file without the marker may be replaced.

    Attributes:
        count: Number of frames written.

    Raises:
        OSError: The file cannot be written (FileExistsError if it must not be replaced).
        ImportError: OpenCV cannot be imported.
    """

    def __init__(
        self,
        path: Path,
        fps: float | None,
        inputs: ProtectedInputs | Iterable[str | os.PathLike[str]],
        *,
        overwrite: bool = False,
    ) -> None:
        self.path = path
        self.fps = _rate(fps)
        self.count = 0
        self._cv2 = import_opencv(f"writing {path}")
        self._inputs = inputs if isinstance(inputs, ProtectedInputs) else ProtectedInputs(inputs)
        self._overwrite = overwrite
        self._inputs.check(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part = AtomicFile(path, ending=".part.mp4")  # OpenCV derives the format from the suffix
        self._writer: Any = None
        self._resources = contextlib.ExitStack()
        self._size = (0, 0)  # width, height
        self._closed = False

    def add(self, image: NDArray[np.uint8]) -> None:
        """Write the next frame (H, W, 3) uint8 BGR.

        Raises OSError if OpenCV cannot write a video of this size.
        """
        if self._closed:
            raise ValueError(f"{self.path} is closed, no frame can be added")
        if self._writer is None:
            self._size = _video_size(image)
            kind = self._cv2.VideoWriter_fourcc(*"mp4v")
            self._resources.enter_context(ffmpeg.in_use(self._cv2))
            name = self._resources.enter_context(ffmpeg_name(self._part.temporary))
            self._writer = self._cv2.VideoWriter(name, self._cv2.CAP_FFMPEG, kind, self.fps, self._size)
            if not self._writer.isOpened():
                self.discard()
                width, height = self._size
                raise OSError(
                    f"{self.path}: OpenCV cannot write an MP4 video of {width} x {height} pixels with "
                    f"{self.fps:g} frames per second; no incomplete file remains"
                )
        self._writer.write(_fitted(self._cv2, image, self._size))
        self.count += 1

    def close(self) -> None:
        """Complete the file and rename it to `path`. If no frame was added, no file is created.

        Raises OSError if the file could not be written completely. Raises FileExistsError if a file was
        created at `path` in the meantime and must not be replaced. The temporary file is removed in all
        cases.
        """
        if self._closed:
            return
        try:
            if self._writer is None:
                return
            self._writer.release()
            self._check_frames()
            self._part.file.seek(0, os.SEEK_END)
            self._part.file.write(video_marker())
            self._inputs.check(self.path, overwrite=self._overwrite)
            self._part.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary file, unless `close` has renamed it."""
        self._closed = True
        if self._writer is not None:
            self._writer.release()
        self._resources.close()
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

    def _check_frames(self) -> None:
        """Check the number of frames in the file, because OpenCV does not report a full disk."""
        with ffmpeg_name(self._part.temporary) as name:
            video = self._cv2.VideoCapture(name, self._cv2.CAP_FFMPEG)
            found = int(video.get(self._cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
            video.release()
        if found != self.count:
            raise self._part.write_failure(f"{found} of {self.count} frames were written; is the disk full?")


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
