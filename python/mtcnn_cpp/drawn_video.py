"""A video of drawings: frames in, one MP4 file out."""

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

from .drawings import Inputs
from .files import Part
from .image import opencv
from .marks import video_mark
from .video import ffmpeg, ffmpeg_name

USUAL_RATE = 25.0  # frames a second where the source has no rate
LONGEST_SIDE = 8190  # MPEG-4 has no larger pictures


class DrawnVideo:
    """An MP4 file (MPEG-4 video, no sound) with the mark of this program's drawings, of frames of one
    length: `fps` a second, rounded to a thousandth and 0.1 at least; None or no positive number is 25.

    The video has the size of the first frame, one row and column more where that is odd, and smaller where
    it has more than 8190 pixels a side; other frames are scaled to fit, with black beside them.

    The file has a temporary name until `close`; `discard` removes it. A context manager: an exception in its
    block discards. Replaces what this program drew before, and with `overwrite` any other file, but never one
    of `inputs`. One thread at a time may use it. `count` is the number of frames.
    """

    def __init__(
        self,
        path: Path,
        fps: float | None,
        inputs: Inputs | Iterable[str | os.PathLike[str]],
        *,
        overwrite: bool = False,
    ) -> None:
        """Raises FileExistsError if `path` may not be written, and what `files.Part` raises."""
        self.path = path
        self.fps = _rate(fps)
        self.count = 0
        self._cv2 = opencv(f"writing {path}")
        self._inputs = inputs if isinstance(inputs, Inputs) else Inputs(inputs)
        self._overwrite = overwrite
        self._inputs.check(path, overwrite=overwrite)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part = Part(path, ending=".part.mp4")  # OpenCV goes by the ending
        self._writer: Any = None
        self._resources = contextlib.ExitStack()
        self._size = (0, 0)  # width, height
        self._closed = False

    def add(self, picture: NDArray[np.uint8]) -> None:
        """The next frame, (H, W, 3) uint8, B, G, R. OSError if OpenCV cannot write such a video."""
        if self._closed:
            raise ValueError(f"{self.path} is closed, no frame can be added")
        if self._writer is None:
            self._size = _video_size(picture)
            kind = self._cv2.VideoWriter_fourcc(*"mp4v")
            self._resources.enter_context(ffmpeg.in_use(self._cv2))
            name = self._resources.enter_context(ffmpeg_name(self._part.temporary))
            self._writer = self._cv2.VideoWriter(name, self._cv2.CAP_FFMPEG, kind, self.fps, self._size)
            if not self._writer.isOpened():
                self.discard()
                width, height = self._size
                raise OSError(
                    f"{self.path}: OpenCV cannot write an MP4 video of {width} x {height} pixels with "
                    f"{self.fps:g} frames a second; nothing was left behind"
                )
        self._writer.write(_fitted(self._cv2, picture, self._size))
        self.count += 1

    def close(self) -> None:
        """Put the file in place; without a frame there is none. Raises OSError, and nothing is left behind,
        if it could not be written whole; FileExistsError if another file has taken its name since."""
        if self._closed:
            return
        try:
            if self._writer is None:
                return
            self._writer.release()
            self._check_frames()
            self._part.file.seek(0, os.SEEK_END)
            self._part.file.write(video_mark())
            self._inputs.check(self.path, overwrite=self._overwrite)
            self._part.commit()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written, if it is not in place yet."""
        self._closed = True
        if self._writer is not None:
            self._writer.release()
        self._resources.close()
        self._part.discard()

    def __enter__(self) -> DrawnVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _check_frames(self) -> None:
        """OpenCV says nothing of a full disk: the list of frames at the end of the file has to be whole."""
        with ffmpeg_name(self._part.temporary) as name:
            video = self._cv2.VideoCapture(name, self._cv2.CAP_FFMPEG)
            found = int(video.get(self._cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
            video.release()
        if found != self.count:
            raise self._part.failed(f"{found} of {self.count} frames arrived; is the disk full?")


def _rate(fps: float | None) -> float:
    """MPEG-4 counts time in at most 65535 parts of a second."""
    if fps is None or not math.isfinite(fps) or fps <= 0:
        return USUAL_RATE
    for digits in (3, 2, 1, 0):
        if fps * 10**digits < 65535:
            return max(round(fps, digits), 0.1)
    return 65535.0


def _video_size(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height, both even."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    width, height = (max(1, round(side * scale)) for side in (width, height))
    return width + width % 2, height + height % 2


def _fitted(cv2: Any, picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture with the size (width, height): as it is, with a black edge, or scaled and centred."""
    height, width = picture.shape[:2]
    if (width + width % 2, height + height % 2) == size:
        spare = size[1] - height, size[0] - width
        left = top = 0
    else:
        scale = min(size[0] / width, size[1] / height)
        width, height = (max(1, round(side * scale)) for side in (width, height))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (width, height), interpolation=how)
        spare = size[1] - height, size[0] - width
        top, left = spare[0] // 2, spare[1] // 2
    if not any(spare):
        return np.ascontiguousarray(picture)
    bottom, right = spare[0] - top, spare[1] - left
    fitted: NDArray[np.uint8] = cv2.copyMakeBorder(
        picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    return fitted
