"""OpenCV, imported when it is needed, and kept quiet."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def opencv(purpose: str) -> ModuleType:
    """The module cv2, or an ImportError that says what needed it and what to do."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs OpenCV, but `import cv2` failed: {error}. Where a system library such as "
            "libGL.so.1 is missing, `pip uninstall opencv-python; pip install opencv-python-headless` helps. "
            "Detection on a NumPy array or a PIL image works without OpenCV."
        ) from error
    return cv2


_SILENT = 0  # LOG_LEVEL_SILENT, which has no name up to 4.12


def opencv_version() -> str:
    """Version of OpenCV and of the FFmpeg in it, which both change pixels of files; "not installed" without
    OpenCV."""
    try:
        import cv2
    except ImportError:
        return "not installed"
    found = re.search(r"avcodec:\s+YES \(([\d.]+)\)", cv2.getBuildInformation())
    return f"{cv2.__version__} (libavcodec {found[1] if found else 'unknown'})"


class _Quiet:
    """Keeps OpenCV from printing what it thinks of a file, while any thread is inside.

    The last thread to leave puts the caller's level of logging back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    @contextlib.contextmanager
    def __call__(self, cv2: Any) -> Iterator[None]:
        # Up to 4.12 the functions are in cv2 itself.
        logging = getattr(getattr(cv2, "utils", None), "logging", cv2)
        with self._lock:
            if self._inside == 0:
                self._level = logging.getLogLevel()
                logging.setLogLevel(_SILENT)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    logging.setLogLevel(self._level)


quiet = _Quiet()
