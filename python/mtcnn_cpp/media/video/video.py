"""Reads the frames of video files, streams and cameras.

This module uses cv2.VideoCapture, as OpenFace does, so that the pixels are equal to those in OpenFace.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
import re
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..._util.cpus import check_threads
from ..._util.errors import MtcnnError
from ..._util.user_files import describe_missing, special_file_kind
from ...storage.address import STREAMS, mask_address
from ..image import Frame
from ..image.opencv import import_opencv
from .container import missing_bytes
from .ffmpeg import ffmpeg, ffmpeg_name

SILENCE = 15.0  # seconds without data after which a stream ends
_CAMERA = re.compile(r"camera:(\d{1,4})")


class VideoError(MtcnnError, ValueError):
    """A video cannot be opened, has no frames, or is truncated. The message names the video.

    If reading frames raises this error, all frames before the error have already been yielded.
    """


def camera_number(name: str) -> int | None:
    """Return the camera number in a name such as `camera:0`. Return None for any other name."""
    match = _CAMERA.fullmatch(name)
    return int(match[1]) if match else None


def is_stream(name: str) -> bool:
    """Return whether the name is the address of a network stream."""
    scheme, found, _ = name.partition("://")
    return bool(found) and scheme.lower() in STREAMS


def is_live(name: str) -> bool:
    """Return whether the name refers to a live source: a camera or a network stream.

    Each frame of a live source can be read only once.
    """
    return camera_number(name) is not None or is_stream(name)


@dataclass(frozen=True)
class Sampling:
    """Selection of the frames of a video.

    Args:
        every: Select every n-th frame of the file, starting with frame 0 regardless of `start`.
        start: Time in seconds from the first frame. Frames before this time are not selected. None: no limit.
        end: Time in seconds from the first frame. Frames after this time are not selected. None: no limit.

    Raises:
        ValueError: An argument is out of range; the message names it.
        TypeError: An argument is not a number.
    """

    every: int = 1
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        try:
            every = operator.index(self.every)
        except TypeError:
            raise TypeError(f"'every' must be a whole number, got {self.every!r}") from None
        if every < 1:
            raise ValueError(f"'every' must be 1 (each frame) or more, got {every}")
        for name in ("start", "end"):
            seconds = getattr(self, name)
            if seconds is None:
                continue
            if not isinstance(seconds, (int, float)):
                raise TypeError(f"{name} must be a number of seconds, got {seconds!r}")
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} must be 0 or more seconds, got {seconds}")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"'end' must not lie before 'start', got start={self.start}, end={self.end}")

    def includes(self, index: int, time: float) -> bool:
        """Return whether the frame with this index (from 0) and this time is selected.

        `end` is not checked.
        """
        return index % self.every == 0 and not (self.start is not None and time < self.start)

    def is_over(self, time: float) -> bool:
        """Return whether this time is after the end."""
        return self.end is not None and time > self.end


class Video:
    """An open video file, stream (rtsp://, http://, …) or camera (camera:0). The class is a context manager.

    Frame times are in seconds from the first frame. These times come from the container, and are not computed
    from the average frame rate. For a camera, the times come from the clock of this machine. Frames are
    rotated upright if the file states its orientation.

    Args:
        source: Path of a video file, address of a stream, or camera:N.
        threads: Maximum number of decoding threads of FFmpeg, from 1 to 1024. None: chosen by FFmpeg.
        silence: Seconds without data after which a stream is considered ended.

    Attributes:
        name: Name for tables and errors, without passwords.
        path: Path of the video file. None: a live source.
        fps: Average frames per second, or None if the file does not state it.
        count: Number of frames that the container states, or None if it states no number. The actual number
            can differ.

    Raises:
        OSError: The file cannot be opened (FileNotFoundError if it does not exist).
        VideoError: OpenCV cannot open the video.
        ImportError: OpenCV cannot be imported.
    """

    def __init__(
        self, source: str | os.PathLike[str], *, threads: int | None = None, silence: float = SILENCE
    ) -> None:
        threads = check_threads(threads, default="FFmpeg's default")
        self.name = mask_address(os.fspath(source))
        self._camera = camera_number(self.name)
        self._silence = silence
        self._began: float | None = None  # time of the first camera frame
        self.path = None if is_live(os.fspath(source)) else Path(source)
        if self.path is not None:
            _check_file(self.path)
        self._cv2: Any = import_opencv(f"reading the video {self.name}")
        self._resources = contextlib.ExitStack()
        weakref.finalize(self, self._resources.close)  # if the caller does not call close
        before = time.monotonic()
        try:
            self._resources.enter_context(ffmpeg.in_use(self._cv2))
            self._capture: Any = self._open(os.fspath(source), threads)
            if not self._capture.isOpened():
                raise VideoError(self._opening_error())
        except BaseException:
            self.close()
            raise
        self._stalled = time.monotonic() - before >= silence
        fps = self._capture.get(self._cv2.CAP_PROP_FPS)
        count = self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)
        self.fps: float | None = fps if 0 < fps < 1e5 else None
        self.count: int | None = int(count) if 0 < count < 1e12 and self.path else None

    def frames(self, sampling: Sampling | None = None, *, skip: int = 0) -> Iterator[Frame]:
        """Yield the selected frames in order. A video can be read only once.

        Args:
            sampling: Selection of frames. None: all frames.
            skip: Number of selected frames to skip at the start. Skipped frames are decoded, but their colors
                are not converted.

        Yields:
            Frames with pixels (H, W, 3) uint8 BGR. If OpenCV cannot convert a frame to BGR, the frame has an
            `error`. OpenCV 4.13 and later cannot convert interlaced frames.

        Raises:
            VideoError: The video has no frames, is truncated, or ends before `sampling.start`, or a stream
                sends no data for `silence` seconds. The error is raised after the last frame.
        """
        sampling = sampling or Sampling()
        index, last = 0, 0.0
        yielded = skipped = 0
        while self._grab(index):
            now = last = self._time()
            if sampling.is_over(now):
                return
            if sampling.includes(index, now):
                if skipped < skip:
                    skipped += 1
                else:
                    yield self._frame(index, now)
                    yielded += 1
            index += 1
        if self.path is not None and (missing := missing_bytes(self.path)):
            if not index:
                raise VideoError(self._opening_error())
            raise VideoError(
                f"{self.name} ends early: the file is truncated, {missing} bytes are missing; "
                f"{index} frames could be read"
            )
        if not index:
            raise VideoError(f"{self.name} contains no frames that OpenCV can decode")
        if not yielded and not skipped and sampling.start is not None:
            raise VideoError(
                f"{self.name}: start={sampling.start:g} s is after its last frame, which is at {last:.3f} s"
            )

    def close(self) -> None:
        """Release the file or camera."""
        self._resources.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, source: str, threads: int | None) -> Any:
        cv2 = self._cv2
        if self._camera is not None:
            capture = cv2.VideoCapture(self._camera)
            self._resources.callback(capture.release)
            return capture
        if not ffmpeg.is_reliable(cv2):
            raise VideoError(
                f"{self.name} is not read: this build of OpenCV {cv2.__version__} returns wrong pixels for "
                "interlaced frames, and its FFmpeg does not report which frames are affected; use the "
                "opencv-python wheel from PyPI"
            )
        options = []
        if threads is not None and hasattr(cv2, "CAP_PROP_N_THREADS"):  # from 4.7 on
            options += [cv2.CAP_PROP_N_THREADS, threads]
        if self.path is not None:
            source = self._resources.enter_context(ffmpeg_name(self.path))
        else:
            milliseconds = round(1000 * self._silence)
            options += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds]
            options += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
        self._resources.callback(capture.release)
        return capture

    def _grab(self, index: int) -> bool:
        """Decode the next frame without color conversion. Return False after the last frame."""
        if self.path is not None:
            return bool(self._capture.grab())
        before = time.monotonic()
        grabbed = bool(self._capture.grab())
        # After a time-out FFmpeg still returns its buffered frames.
        self._stalled = self._stalled or time.monotonic() - before >= self._silence
        if self._stalled and not grabbed:
            raise VideoError(
                f"{self.name} has sent nothing for {self._silence:g} s and was closed; "
                f"{index} frames could be read"
            )
        return grabbed

    def _frame(self, index: int, now: float) -> Frame:
        """Return the last grabbed frame, with an error if OpenCV does not convert its pixels."""
        ffmpeg.take_error()
        found, pixels = self._capture.retrieve()
        error = ffmpeg.take_error()
        where = f"{self.name}: frame {index + 1} at {now:.3f} s"
        if not found:
            raise VideoError(f"{where} cannot be decoded")
        if not error:
            return Frame(index, now, np.asarray(pixels))
        if "interlaced" in error:
            error = (
                f"{where} is interlaced, and OpenCV {self._cv2.__version__} does not convert interlaced "
                "frames; convert the video to progressive first, for example with ffmpeg -vf yadif"
            )
        else:
            error = f"{where} is not converted by OpenCV: {' '.join(error.split())}"
        return Frame(index, now, np.empty((0, 0, 3), np.uint8), error)

    def _time(self) -> float:
        """Return the time of the last grabbed frame."""
        if self._camera is None:
            milliseconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC)
            return round(float(milliseconds) / 1000, 9)  # 0.12, not 0.12000000000000001
        now = time.monotonic()
        if self._began is None:
            self._began = now
        return now - self._began

    def _opening_error(self) -> str:
        if self._camera is not None:
            return f"{self.name}: there is no camera {self._camera}, or another program uses it"
        if self.path is None:
            return (
                f"{self.name} cannot be opened: it does not respond, or it is no video that FFmpeg can read"
            )
        if missing := missing_bytes(self.path):
            return f"{self.name} is truncated: {missing} bytes are missing; no frame can be read without them"
        return (
            f"{self.name} is not a video that OpenCV can read: it has no frames, its codec is missing "
            "on this machine, or it is damaged"
        )


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a video file")
    if not path.exists():
        found = describe_missing(path)
        if found != "nothing there":
            raise FileNotFoundError(f"{path} is {found}; expected a video file")
        raise FileNotFoundError(f"{path}: there is no such video file")
    if kind := special_file_kind(path):
        raise ValueError(f"{path} is a special file, expected a video file; it is {kind}")
    with open(path, "rb") as file:  # OpenCV does not say why it cannot open a file
        if not file.read(1):
            raise VideoError(f"{path} is empty, expected a video file")
