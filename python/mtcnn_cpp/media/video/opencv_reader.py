"""Reads videos, streams and cameras with cv2.VideoCapture."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..image.opencv import import_opencv
from .container import is_cover_image
from .ffmpeg import ffmpeg, ffmpeg_name
from .reader import EXTRA, CannotOpen, NotConverted

_MAX_FAILURES = 1000  # maximum number of damaged packets in sequence that are skipped


class OpencvReader:
    """A `FrameReader` that uses cv2.VideoCapture.

    Args:
        source: Path of a file, address of a stream, or number of a camera.
        name: Name for errors.
        threads: Maximum number of decoding threads, or None.
        silence: Seconds without data after which a stream is considered ended.

    Raises:
        CannotOpen: OpenCV cannot open the source. The message explains it, or is empty.
    """

    def __init__(self, source: Path | str | int, name: str, *, threads: int | None, silence: float) -> None:
        self._cv2: Any = import_opencv(f"reading the video {name}")
        self.label = "OpenCV"
        self.damaged = False
        self._source = source
        self._silence = silence
        self._began: float | None = None  # time of the first camera frame
        self._resources = contextlib.ExitStack()
        before = time.monotonic()
        try:
            self._resources.enter_context(ffmpeg.in_use(self._cv2))
            self._capture: Any = self._open(threads)
            if not self._capture.isOpened() or self._is_cover_image():
                raise CannotOpen
        except BaseException:
            self.close()
            raise
        self.stalled = time.monotonic() - before >= silence
        self.fps: float = self._capture.get(self._cv2.CAP_PROP_FPS)
        self.count: float = self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)

    def _open(self, threads: int | None) -> Any:
        cv2, source = self._cv2, self._source
        if isinstance(source, int):
            capture = cv2.VideoCapture(source)
            self._resources.callback(capture.release)
            return capture
        if not ffmpeg.is_reliable(cv2):
            raise CannotOpen(
                f"is not read: this build of OpenCV {cv2.__version__} returns wrong pixels for interlaced "
                "frames, and its FFmpeg does not report which frames are affected; use the opencv-python "
                f"wheel from PyPI, or install PyAV: pip install '{EXTRA}'"
            )
        options = []
        if threads is not None:
            options += [cv2.CAP_PROP_N_THREADS, threads]
        if isinstance(source, Path):
            address = self._resources.enter_context(ffmpeg_name(source))
        else:
            address, milliseconds = source, round(1000 * self._silence)
            options += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds]
            options += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)
        self._resources.callback(capture.release)
        return capture

    def _is_cover_image(self) -> bool:
        if not isinstance(self._source, Path):
            return False
        fourcc = int(self._capture.get(self._cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        return is_cover_image(self._source, fourcc.to_bytes(4, "little").decode("latin-1"))

    def grab(self) -> bool:
        """Decode the next frame.

        `VideoCapture.grab` returns False at the end of the video and at a damaged packet. After a damaged
        packet, the next call succeeds.
        """
        if isinstance(self._source, Path):
            for failures in range(_MAX_FAILURES):
                if self._capture.grab():
                    self.damaged = self.damaged or failures > 0
                    return True
            return False
        before = time.monotonic()
        grabbed = bool(self._capture.grab())
        # After a time-out FFmpeg still returns its buffered frames.
        self.stalled = self.stalled or time.monotonic() - before >= self._silence
        return grabbed

    def time(self) -> float:
        """Return the time that the container states; for a camera, the time of this machine's clock."""
        if not isinstance(self._source, int):
            milliseconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC)
            return round(float(milliseconds) / 1000, 9)  # 0.12, not 0.12000000000000001
        now = time.monotonic()
        if self._began is None:
            self._began = now
        return now - self._began

    def convert(self) -> NDArray[np.uint8]:
        """Return the pixels of the last grabbed frame, or raise NotConverted if OpenCV did not write them."""
        ffmpeg.take_error()
        found, pixels = self._capture.retrieve()
        error = ffmpeg.take_error()
        if "interlaced" in error:
            raise NotConverted(
                f"is interlaced, and OpenCV {self._cv2.__version__} does not convert interlaced frames; "
                f"PyAV does: pip install '{EXTRA}'"
            )
        if error or not found:
            reason = f": {' '.join(error.split())}" if error else ""
            raise NotConverted(f"is not converted by OpenCV{reason}")
        return np.asarray(pixels)

    def hold(self) -> Callable[[], NDArray[np.uint8]]:
        """Convert the last grabbed frame, because OpenCV cannot do it later. Return a function for it."""
        try:
            pixels = self.convert()
        except NotConverted as error:
            return functools.partial(_raise, error)
        return lambda: pixels

    def close(self) -> None:
        """Release the source."""
        self._resources.close()


def _raise(error: Exception) -> NoReturn:
    raise error
