"""The FFmpeg in OpenCV: kept quiet while it is used, given only names that it takes for files, and asked
whether it converted a frame."""

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

from ..image import quiet

_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_SILENT = -8  # AV_LOG_QUIET
_REFUSES = 9  # first major version of swscale that refuses interlaced frames


class _Ffmpeg:
    """Safe to share between threads; there is one FFmpeg in OpenCV, and one object of this class.

    OpenCV copies its own buffer into the array of `retrieve`, also if swscale refused to convert the frame
    and wrote nothing to that buffer; the array then holds an earlier frame, or old memory, perhaps of another
    video. Only FFmpeg's log tells. OpenCV's FFmpeg is a library of its own in most builds, where the log can
    have another callback.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._level = 0  # of the caller
        self._library: Any = None
        self._core: Any = None
        self._ready = False
        self._keeps_level = False  # a user asked for a level

    @contextlib.contextmanager
    def in_use(self, cv2: Any) -> Iterator[None]:
        """Keep FFmpeg and OpenCV from printing while any block is entered; then the caller's levels are
        back."""
        with self._lock:
            if not self._ready:
                self._prepare(cv2)
            if self._library and not self._keeps_level:
                if self._users == 0:
                    self._level = self._library.av_log_get_level()
                    self._library.av_log_set_level(_SILENT)
                self._users += 1
        try:
            with quiet(cv2):
                yield
        finally:
            if self._library and not self._keeps_level:
                with self._lock:
                    self._users -= 1
                    if self._users == 0:
                        self._library.av_log_set_level(self._level)

    def is_reliable(self, cv2: Any) -> bool:
        """Whether an unconverted frame is noticed, or this build converts every frame."""
        if self._library:
            return True
        if tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13):
            return True  # does not call the function that refuses
        found = re.search(r"swscale:\s+YES \((\d+)\.", cv2.getBuildInformation())
        return found is not None and int(found[1]) < _REFUSES

    def take_error(self) -> str:
        """The error of a conversion on this thread since the last call; "" if there was none."""
        return str(self._core.take_conversion_error()) if self._core else ""

    def _prepare(self, cv2: Any) -> None:
        """Let OpenCV set up FFmpeg's log, which it does once, and then listen to it."""
        self._ready = True
        self._keeps_level = _LEVEL in os.environ
        with contextlib.suppress(ImportError, OSError, AttributeError):  # no core, or FFmpeg not to be found
            from .. import _core

            library = ctypes.CDLL(getattr(cv2, "_native", cv2).__file__)
            library.av_log_set_callback.argtypes = [ctypes.c_void_p]
            library.av_log_set_callback.restype = None
            library.av_log_default_callback  # noqa: B018 (AttributeError if there is none)
            self._library, self._core = library, _core
        without = not self._library and not self._keeps_level
        if without:
            os.environ[_LEVEL] = str(_SILENT)
        try:
            with quiet(cv2):
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
    """A name of this file that OpenCV and FFmpeg open as this file.

    They take `concat:a`, `http:a` and the like for protocols, and `a%03d.jpg` for many files; OpenCV crashes
    on a name that is not UTF-8. A file with such a name is opened by a symbolic link to it. Raises OSError if
    that cannot be made.
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
    ending = Path(name).suffix
    with tempfile.TemporaryDirectory(prefix="mtcnn_cpp-") as folder:
        link = os.path.join(folder, "video" + (ending if re.fullmatch(r"\.[0-9A-Za-z]+", ending) else ""))
        os.symlink(name, link)
        yield link
