"""Controls the log of FFmpeg in OpenCV, detects conversion errors, and provides safe file names."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..._util.core import import_core
from ..image.opencv import silenced_opencv

_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_SILENT = -8  # AV_LOG_QUIET
_FIRST_REFUSING = 9  # first major version of swscale that does not convert interlaced frames


class _Ffmpeg:
    """Controls the log of OpenCV's FFmpeg, and reads conversion errors from the log.

    There is only one instance. It is safe to share between threads. If swscale does not convert a frame,
    OpenCV reports no error, and `retrieve` returns an earlier frame or old memory. Only FFmpeg's log contains
    the error. In most builds, OpenCV's FFmpeg is a separate library. Therefore, this class can install a log
    callback.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._level = 0  # log level of the caller
        self._library: Any = None
        self._core: Any = None
        self._ready = False
        self._keeps_level = False  # the user set a log level in the environment

    @contextlib.contextmanager
    def in_use(self, cv2: Any) -> Iterator[None]:
        """Turn the logs of FFmpeg and OpenCV off for the duration of the `with` block.

        If several threads are in such a block, the logs stay off until the last block ends.
        """
        with self._lock:
            if not self._ready:
                self._prepare(cv2)
            if self._library and not self._keeps_level:
                if self._users == 0:
                    self._level = self._library.av_log_get_level()
                    self._library.av_log_set_level(_SILENT)
                self._users += 1
        try:
            with silenced_opencv(cv2):
                yield
        finally:
            if self._library and not self._keeps_level:
                with self._lock:
                    self._users -= 1
                    if self._users == 0:
                        self._library.av_log_set_level(self._level)

    def is_reliable(self, cv2: Any) -> bool:
        """Return whether conversion errors can be detected, or cannot occur in this build of OpenCV."""
        if self._library:
            return True
        if tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13):
            return True  # these versions do not call the function that can refuse
        match = re.search(r"swscale:\s+YES \((\d+)\.", cv2.getBuildInformation())
        return match is not None and int(match[1]) < _FIRST_REFUSING

    def take_error(self) -> str:
        """Return and clear the last conversion error on this thread. Return "" if there was no error."""
        return str(self._core.take_conversion_error()) if self._core else ""

    def _prepare(self, cv2: Any) -> None:
        """Cause OpenCV to initialize FFmpeg's log, and then install the callback.

        OpenCV initializes the log only once, so it does not replace the callback later.
        """
        self._ready = True
        self._keeps_level = _LEVEL in os.environ
        with contextlib.suppress(ImportError, OSError, AttributeError):  # no core or no separate FFmpeg
            core = import_core()
            library = ctypes.CDLL(getattr(cv2, "_native", cv2).__file__)
            library.av_log_set_callback.argtypes = [ctypes.c_void_p]
            library.av_log_set_callback.restype = None
            library.av_log_default_callback  # noqa: B018 (AttributeError if there is none)
            self._library, self._core = library, core
        without = not self._library and not self._keeps_level
        if without:
            os.environ[_LEVEL] = str(_SILENT)
        try:
            with silenced_opencv(cv2):
                cv2.VideoCapture(os.devnull, cv2.CAP_FFMPEG)
        finally:
            if without:
                del os.environ[_LEVEL]
        if self._library:
            next_callback = ctypes.cast(self._library.av_log_default_callback, ctypes.c_void_p).value
            self._library.av_log_set_callback(self._core.ffmpeg_log_callback(next_callback or 0))


ffmpeg = _Ffmpeg()


@contextlib.contextmanager
def ffmpeg_name(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a name under which OpenCV and FFmpeg open this file.

    FFmpeg interprets names such as `concat:a` and `http:a` as protocols. Therefore, the yielded name is an
    absolute path. FFmpeg also interprets a name such as `a%03d.jpg` as an image sequence, and OpenCV crashes
    if a name is not UTF-8. In these two cases, the yielded name is a symbolic link to the file. Raises
    OSError if the link cannot be created.
    """
    name = os.path.abspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        is_plain = False
    else:
        is_plain = "%" not in name
    if is_plain:
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="mtcnn_cpp-") as folder:
        link = os.path.join(folder, "video" + safe_ending(name))
        os.symlink(name, link)
        yield link


def safe_ending(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a path, or "" if it contains other characters than letters and digits."""
    ending = Path(path).suffix
    return ending if re.fullmatch(r"\.[0-9A-Za-z]+", ending) else ""
