"""The interface of the two readers of videos, and the rule that chooses one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ..._util.errors import MissingExtra, MtcnnError, import_extra, missing_extra
from ...types import VideoReaderName
from ..image.opencv import load_before_pyav, opencv_version

EXTRA = "mtcnn-cpp[video]"
MAX_STEP_BACK = 1.0  # seconds; a greater step back in the times of a file is a new recording
OLDEST_PYAV = 17  # older versions call functions of FFmpeg that give other pixels than OpenCV


class CannotOpen(MtcnnError):
    """A reader cannot open a source. `Video` replaces this exception by a VideoError with an explanation."""


class NotConverted(MtcnnError):
    """The pixels of a frame cannot be converted to BGR. The message is the end of a sentence about it."""


class FrameReader(Protocol):
    """Decodes the frames of one open source in order.

    Attributes:
        label: Name of the library for messages, such as `PyAV`.
        fps: Average frames per second. 0 or an invalid number if the source does not state it.
        count: Number of frames that the source states. 0 or an invalid number if it does not state it.
        damaged: Whether some of the data read up to now could not be decoded.
        stalled: Whether a stream sent no data for the permitted time.
    """

    label: str
    fps: float
    count: float
    damaged: bool
    stalled: bool

    def grab(self) -> bool:
        """Decode the next frame without color conversion. Return False after the last frame."""

    def time(self) -> float:
        """Return the time of the last grabbed frame in seconds from the start of the source."""

    def convert(self) -> NDArray[np.uint8]:
        """Return the last grabbed frame, (H, W, 3) BGR, upright.

        Raises NotConverted if the library does not convert it.
        """

    def hold(self) -> Callable[[], NDArray[np.uint8]]:
        """Return a function that does the same as `convert`, also after later frames were grabbed."""

    def close(self) -> None:
        """Release the source."""


def import_pyav(purpose: str) -> Any:
    """Import and return PyAV. Raise MissingExtra if it is missing or too old."""
    load_before_pyav()
    av = import_extra("av", EXTRA, purpose)
    if int(av.__version__.split(".")[0]) < OLDEST_PYAV:
        reason = f" in a suitable version: found {av.__version__}, expected {OLDEST_PYAV} or newer"
        raise missing_extra("av", EXTRA, purpose, reason)
    return av


@dataclass(frozen=True)
class ReaderOptions:
    """Options that concern the reader of a video. `Video` explains them.

    Raises:
        ValueError: An option is invalid, or the options exclude each other.
    """

    reader: VideoReaderName | None = None
    stream: int | None = None
    deinterlace: bool = False

    def __post_init__(self) -> None:
        names = get_args(VideoReaderName)
        if self.reader is not None and self.reader not in names:
            raise ValueError(f"reader must be {' or '.join(map(repr, names))}, or None, got {self.reader!r}")
        if self.stream is not None and (not isinstance(self.stream, int) or self.stream < 0):
            raise ValueError(
                f"stream must be 0 (the first video stream) or more, or None, got {self.stream!r}"
            )
        if self.reader == "opencv" and self.needs_pyav:
            raise ValueError(f"the reader opencv does not support {self.needs_pyav}; use the reader pyav")

    @property
    def needs_pyav(self) -> str:
        """The option that OpenCV does not support, or ""."""
        return "deinterlace" if self.deinterlace else "stream" if self.stream is not None else ""

    def choose(self) -> VideoReaderName:
        """Return the reader of video files and streams.

        If no reader is named, this is PyAV if it is installed or needed, and otherwise OpenCV. Raises
        MissingExtra if PyAV is named or needed, but is not installed.
        """
        if self.reader == "opencv":
            return "opencv"
        try:
            import_pyav(f"the video option {self.needs_pyav or 'reader=pyav'}")
        except MissingExtra:
            if self.reader == "pyav" or self.needs_pyav:
                raise
            return "opencv"
        return "pyav"


def describe_reader(options: ReaderOptions | None = None) -> str:
    """Return the reader, its version and the version of its FFmpeg. Pixels of videos depend on all three."""
    if (options or ReaderOptions()).choose() == "opencv":
        return f"opencv {opencv_version()}"
    import_pyav("the video reader pyav")
    from av import __version__, library_versions

    return f"pyav {__version__} (libavcodec {'.'.join(map(str, library_versions['libavcodec']))})"
