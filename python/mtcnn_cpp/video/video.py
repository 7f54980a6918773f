"""The frames of a video by cv2.VideoCapture, the reader that OpenFace uses: so the pixels are the same."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..image import Frame, opencv
from ..stores import mask_address
from ..user_files import kind_of_special, nothing_there
from .errors import VideoError
from .ffmpeg import ffmpeg, ffmpeg_name
from .kinds import camera_number, is_live
from .missing import missing_bytes
from .sampling import Sampling

SILENCE = 15.0  # seconds


class Video:
    """A video file, a stream (rtsp://, http://, …) or a camera (camera:0), open; a context manager.

    Times are those of the container, in seconds from the first frame, not frame number / average rate. Those
    of a camera are of this machine's clock. Frames are upright where the file says how.

    name: what tables and errors call it. fps: average frames a second, None where the file does not say.
    count: how many frames the container announces, None where it does not; only the frames themselves tell
    how many there are. threads: how many FFmpeg may use to decode; None for its own choice. silence: seconds
    after which a stream that sends nothing counts as ended.

    Raises FileNotFoundError, IsADirectoryError or another OSError where there is no such file, VideoError
    where OpenCV cannot open it, ImportError without OpenCV.
    """

    def __init__(
        self, source: str | os.PathLike[str], *, threads: int | None = None, silence: float = SILENCE
    ) -> None:
        self.name = mask_address(os.fspath(source))
        self._camera = camera_number(self.name)
        self._silence = silence
        self._began: float | None = None  # when a camera gave its first frame
        self._path = None if is_live(os.fspath(source)) else Path(source)
        if self._path is not None:
            _check_file(self._path)
        self._cv2: Any = opencv(f"reading the video {self.name}")
        self._resources = contextlib.ExitStack()
        weakref.finalize(self, self._resources.close)  # of a video that nobody closed
        before = time.monotonic()
        try:
            self._resources.enter_context(ffmpeg.in_use(self._cv2))
            self._capture: Any = self._open(os.fspath(source), threads)
            if not self._capture.isOpened():
                raise VideoError(self._why_not())
        except BaseException:
            self.close()
            raise
        self._stalled = time.monotonic() - before >= silence
        fps = self._capture.get(self._cv2.CAP_PROP_FPS)
        count = self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT)
        self.fps: float | None = fps if 0 < fps < 1e5 else None
        self.count: int | None = int(count) if 0 < count < 1e12 and self._path else None

    def frames(self, sampling: Sampling | None = None, *, skip: int = 0) -> Iterator[Frame]:
        """The frames that `sampling` wants, in order, pixels (H, W, 3) uint8, B, G, R; all without one.

        skip: so many of these are passed over without decoding their colours. A video gives its frames once.
        A frame that OpenCV does not convert to colours has an `error`: interlaced ones, from OpenCV 4.13 on.
        Raises, behind the frames there are, VideoError for one without frames, of a file that breaks off, or
        of a start behind the end.
        """
        sampling = sampling or Sampling()
        index, last = 0, 0.0
        given = passed = 0
        while self._grab(index):
            now = last = self._time()
            if sampling.is_over(now):
                return
            if sampling.wants(index, now):
                if passed < skip:
                    passed += 1
                else:
                    yield self._frame(index, now)
                    given += 1
            index += 1
        if self._path is not None and (missing := missing_bytes(self._path)):
            if not index:
                raise VideoError(self._why_not())
            raise VideoError(
                f"{self.name} ends early: the file breaks off, {missing} bytes are missing; "
                f"{index} frames could be read"
            )
        if not index:
            raise VideoError(f"{self.name} holds no frames that OpenCV can decode")
        if not given and not passed and sampling.start is not None:
            raise VideoError(
                f"{self.name}: start={sampling.start:g} s is behind its last frame, {last:.3f} s"
            )

    def close(self) -> None:
        """Let go of the file or camera."""
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
                f"{self.name} is not read: this build of OpenCV {cv2.__version__} gives other pixels in "
                "place of interlaced frames, and its FFmpeg cannot be asked which frames these are; use the "
                "wheel of opencv-python from PyPI"
            )
        options = []
        if threads is not None and hasattr(cv2, "CAP_PROP_N_THREADS"):  # from 4.7 on
            options += [cv2.CAP_PROP_N_THREADS, threads]
        if self._path is not None:
            source = self._resources.enter_context(ffmpeg_name(self._path))
        else:
            milliseconds = round(1000 * self._silence)
            options += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds]
            options += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
        self._resources.callback(capture.release)
        return capture

    def _grab(self, index: int) -> bool:
        """Take the next frame, not decoded to colours yet; False behind the last one."""
        if self._path is not None:
            return bool(self._capture.grab())
        before = time.monotonic()
        found = bool(self._capture.grab())
        # Behind a time-out FFmpeg still gives the frames that it holds back.
        self._stalled = self._stalled or time.monotonic() - before >= self._silence
        if self._stalled and not found:
            raise VideoError(
                f"{self.name} has sent nothing for {self._silence:g} s and is given up; "
                f"{index} frames could be read"
            )
        return found

    def _frame(self, index: int, now: float) -> Frame:
        """The frame that was grabbed last, with an error if OpenCV does not write its pixels."""
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
        """Of the frame that was grabbed last."""
        if self._camera is None:
            milliseconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC)
            return round(float(milliseconds) / 1000, 9)  # 0.12, not 0.12000000000000001
        now = time.monotonic()
        if self._began is None:
            self._began = now
        return now - self._began

    def _why_not(self) -> str:
        if self._camera is not None:
            return f"{self.name}: there is no camera {self._camera}, or another program uses it"
        if self._path is None:
            return (
                f"{self.name} cannot be opened: nothing answers there, or it is no video that FFmpeg can read"
            )
        if missing := missing_bytes(self._path):
            return (
                f"{self.name} breaks off: {missing} bytes are missing, and no frame can be read without them"
            )
        return (
            f"{self.name} is not a video that OpenCV can read: it has no pictures, its codec is missing "
            "here, or it is damaged"
        )


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a video file")
    if not path.exists():
        found = nothing_there(path)
        if found != "nothing there":
            raise FileNotFoundError(f"{path} is {found}; expected a video file")
        raise FileNotFoundError(f"{path}: there is no such video file")
    if kind := kind_of_special(path):
        raise ValueError(f"{path} is a special file, expected a video file; it is {kind}")
    with open(path, "rb") as file:  # OpenCV does not say why it cannot open a file
        if not file.read(1):
            raise VideoError(f"{path} is empty, expected a video file")
