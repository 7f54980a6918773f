"""A window of OpenCV that shows images, if OpenCV has a window system and this machine has a display."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image.opencv import import_opencv

MAX_WIDTH, MAX_HEIGHT = 1280, 800  # pixels of a new window; the user can change its size
MIN_WIDTH = 640  # pixels of a shown image
_CLOSING_KEYS = (ord("q"), 27)  # 27: Esc
_PROBE = "import cv2; cv2.namedWindow('mtcnn-cpp'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PROBE_SECONDS = 15.0


def has_display() -> bool:
    """Return whether this machine has a display for windows. It can still be impossible to open one."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def find_window_problem() -> str:
    """Return why OpenCV cannot open a window here, or "" if it can.

    Another process opens a window, because Qt ends the process if it cannot connect to the display.
    """
    if not has_display():
        return "there is no display"
    cv2: Any = import_opencv("showing a window")
    if not hasattr(cv2, "namedWindow"):
        return "this build of OpenCV has no windows"
    try:
        command = [sys.executable, "-c", _PROBE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"opening a window failed: {error}"
    if done.returncode == 0:
        return ""
    if "is not implemented" in done.stderr:
        return "this build of OpenCV has no windows"
    return "OpenCV cannot open a window on this display"


class Window:
    """An open window. The thread that creates it must call all methods.

    Args:
        title: Title of the window.

    Example:
        window = Window("camera:0")
        while not window.is_closed():
            window.show(image, "text")
    """

    def __init__(self, title: str) -> None:
        self._cv2: Any = import_opencv("showing a window")
        self._title = title
        self._size = 0, 0
        self._is_closed = False
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # Qt warns that it has no fonts
        flags = self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO | self._cv2.WINDOW_GUI_NORMAL
        self._cv2.namedWindow(title, flags)

    def show(self, image: NDArray[np.uint8], status: object) -> None:
        """Show an image, (H, W, 3) uint8 BGR, above a line of text."""
        image = add_status_line(image, str(status))
        height, width = image.shape[:2]
        if self._size != (width, height):
            self._size = width, height
            scale = min(1.0, MAX_WIDTH / width, MAX_HEIGHT / height)
            self._cv2.resizeWindow(self._title, max(1, round(scale * width)), max(1, round(scale * height)))
        self._cv2.imshow(self._title, image)

    def is_closed(self) -> bool:
        """Process the events of the window. Return whether the user closed it, or pressed q or Esc in it."""
        if not self._is_closed:
            key = self._cv2.waitKey(1) & 0xFF
            self._is_closed = key in _CLOSING_KEYS or not self._is_visible()
        return self._is_closed

    def close(self) -> None:
        """Close the window."""
        if self._is_visible():
            self._cv2.destroyWindow(self._title)
            self._cv2.waitKey(1)

    def _is_visible(self) -> bool:
        try:
            return bool(self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1)
        except self._cv2.error:  # Qt, after the last window was closed
            return False


def add_status_line(image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Return the image, (H, W, 3) uint8 BGR, with a dark line with text below it.

    A narrow image is enlarged by a whole factor, so that the text is readable.
    """
    cv2: Any = import_opencv("showing a window")
    factor = -(-MIN_WIDTH // image.shape[1])
    image = image.repeat(factor, axis=0).repeat(factor, axis=1)
    width = image.shape[1]
    font, thickness, pad = cv2.FONT_HERSHEY_SIMPLEX, max(1, width // 1000), width // 100
    scale = width / 1100
    while (size := cv2.getTextSize(text, font, scale, thickness)[0])[0] > width - 2 * pad:
        scale *= 0.9
    line = np.full((size[1] + 3 * pad, width, 3), 32, np.uint8)
    cv2.putText(line, text, (pad, size[1] + pad), font, scale, (235, 235, 235), thickness, cv2.LINE_AA)
    return np.concatenate([image, line])
