"""Imports OpenCV at its first use, and turns off its log while it decodes untrusted files."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SILENT = 0  # LOG_LEVEL_SILENT, which has no name in OpenCV up to 4.12


def import_opencv(purpose: str) -> ModuleType:
    """Import and return cv2.

    If this fails, the message of the ImportError contains `purpose` and a remedy.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs OpenCV, but `import cv2` failed: {error}. If a system library such as "
            "libGL.so.1 is missing, `pip uninstall opencv-python; pip install opencv-python-headless` helps. "
            "Detection on a NumPy array or a PIL image works without OpenCV."
        ) from error
    return cv2


def load_before_pyav() -> None:
    """Load OpenCV, if it is installed. Call it before PyAV is imported.

    The Linux wheels of both contain a copy of libxcb. If the copy of PyAV is loaded first, a program that
    opens a window with OpenCV waits forever.
    """
    with contextlib.suppress(ImportError):
        import cv2  # noqa: F401


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image, (H, W, 3) uint8 BGR, as a PNG file."""
    data: bytes = import_opencv("writing a PNG image").imencode(".png", image)[1].tobytes()
    return data


def opencv_version() -> str:
    """Return the versions of OpenCV and of its FFmpeg, or "not installed".

    Decoded pixels depend on both versions.
    """
    try:
        import cv2
    except ImportError:
        return "not installed"
    match = re.search(r"avcodec:\s+YES \(([\d.]+)\)", cv2.getBuildInformation())
    return f"{cv2.__version__} (libavcodec {match[1] if match else 'unknown'})"


class _SilencedOpenCV:
    """Context manager that turns OpenCV's log off while at least one thread is in its block.

    The last thread that leaves the block restores the caller's log level.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    @contextlib.contextmanager
    def __call__(self, cv2: Any) -> Iterator[None]:
        # Up to OpenCV 4.12, these functions are in cv2 itself.
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


silenced_opencv = _SilencedOpenCV()
