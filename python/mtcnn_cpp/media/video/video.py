"""Reads the frames of video files, streams, cameras and folders of images.

OpenFace uses cv2.VideoCapture. `OpencvReader` uses it too. `PyavReader` gives the same pixels, times and
frame numbers, and reads more videos.
"""

from __future__ import annotations

import os
import re
import weakref
from array import array
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.cpus import check_threads
from ..._util.errors import MtcnnError
from ..._util.user_files import describe_missing, special_file_kind
from ...storage.address import STREAMS, mask_address
from ...types import VideoReaderName
from ..image import Frame
from .container import missing_bytes, video_codec
from .frame_iterator import FrameIterator
from .key_frames import FrameIndex, IndexMismatch
from .opencv_reader import OpencvReader
from .pyav_reader import PyavReader
from .reader import EXTRA, CannotOpen, FrameReader, NotConverted, ReaderOptions
from .sampling import MAX_FPS, FrameSelector, Sampling
from .sequence_reader import SequenceReader

SILENCE = 15.0  # seconds without data after which a stream ends
_PLAYLISTS = (b"#EXTM3U", b"ffconcat")
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


class Video:
    """An open video: a file, a stream (rtsp://, http://, …), a camera (camera:0), or a folder of images.

    The class is a context manager.

    Frame times are in seconds from the first frame. These times come from the container, and are not computed
    from the average frame rate. For a camera, the times come from the clock of this machine. Frames are
    rotated upright if the file states its orientation.

    The images in a folder are the frames of one video, in the order of the last number in their names. Other
    parts of the names must be equal. The first image is frame 0 at 0 s. A missing number is a frame with an
    error.

    Args:
        source: Path of a video file, address of a stream, camera:N, or path of a folder of numbered images.
        fps: Frames per second of a folder of images. Needed for a folder, and only for a folder.
        reader: Library that reads the video: "opencv" or "pyav" (extra `video`). Both give the same frames,
            times and pixels; PyAV reads more kinds of videos. None: PyAV if it is installed, otherwise
            OpenCV. OpenCV always reads cameras.
        stream: Number of the video stream in the file, from 0; cover images are not counted. Needs PyAV.
            None: the first stream that can be decoded.
        deinterlace: Whether to replace interlaced frames by progressive ones, with FFmpeg's filter bwdif.
            Needs PyAV. False: frames as they are stored.
        threads: Maximum number of decoding threads of FFmpeg, from 1 to 1024. None: chosen by FFmpeg.
        silence: Seconds without data after which a stream is considered ended.

    Attributes:
        name: Name for tables and errors, without passwords.
        path: Path of the video file. None: a live source or a folder.
        fps: Average frames per second, or None if the file does not state it.
        count: Number of frames that the container states, or None if it states no number. The actual number
            can differ. For a folder, it is the difference of the last and the first number plus one.
        reader: Library that reads the video.

    Raises:
        OSError: The file cannot be opened (FileNotFoundError if it does not exist).
        ValueError: An argument is invalid, or the reader does not support it.
        VideoError: The reader cannot open the video.
        ImportError: The reader cannot be imported.

    Example:
        with Video("clip.mp4") as video:
            for frame in video.frames():
                print(frame.index, frame.time, frame.image.shape)
    """

    def __init__(
        self,
        source: str | os.PathLike[str],
        *,
        fps: float | None = None,
        reader: VideoReaderName | None = None,
        stream: int | None = None,
        deinterlace: bool = False,
        threads: int | None = None,
        silence: float = SILENCE,
    ) -> None:
        threads = check_threads(threads, default="FFmpeg's default")
        self.name = mask_address(os.fspath(source))
        self._camera = camera_number(self.name)
        self._silence = silence
        options = ReaderOptions(reader, stream, deinterlace)
        is_sequence = fps is not None
        self.reader = (
            self._check_opencv(options) if is_sequence or self._camera is not None else options.choose()
        )
        self.path = None if is_sequence or is_live(os.fspath(source)) else Path(source)
        if self.path is not None:
            _check_file(self.path)
        self._reader: FrameReader
        try:
            if fps is not None:
                self._reader = SequenceReader(Path(source), fps)
            elif self.reader == "pyav":
                self._reader = PyavReader(
                    self.path or os.fspath(source),
                    self.name,
                    threads=threads,
                    silence=silence,
                    stream=stream,
                    deinterlace=deinterlace,
                )
            else:
                place = self.path or (os.fspath(source) if self._camera is None else self._camera)
                self._reader = OpencvReader(place, self.name, threads=threads, silence=silence)
        except CannotOpen as error:
            raise VideoError(f"{self.name} {error}" if str(error) else self._opening_error()) from error
        weakref.finalize(self, self._reader.close)  # if the caller does not call close
        rate, count = self._reader.fps, self._reader.count
        self.fps: float | None = rate if 0 < rate <= MAX_FPS else None
        is_known = 0 < count < 1e12 and (self.path is not None or is_sequence)
        self.count: int | None = int(count) if is_known else None

    def expected_count(self, sampling: Sampling) -> int | None:
        """Estimate the number of selected frames from `count` and `fps`. None: one of them is unknown."""
        if self.count is None or self.fps is None:
            return None
        return sampling.estimate_count(self.count, self.fps)

    def frames(self, sampling: Sampling | None = None, *, skip: int = 0) -> FrameIterator[Frame]:
        """Return an iterator over the selected frames in order. A video can be read only once.

        Args:
            sampling: Selection of frames. None: all frames.
            skip: Number of selected frames to skip at the start. Skipped frames are decoded, but their colors
                are not converted.

        Returns:
            An iterator over frames with pixels (H, W, 3) BGR. Its attribute `total` is their expected number.
            The dtype is uint8, and for images in a folder as for `read_image`. If the reader cannot convert a
            frame to BGR, the frame has an `error`. OpenCV 4.13 and later cannot convert interlaced frames.

        Raises:
            VideoError: The video has no frames, or none that is selected, or is truncated or damaged, or a
                stream sends no data for `silence` seconds, or a camera stops. The iterator raises this error
                after the last frame.
        """
        sampling = sampling or Sampling()
        total = self.expected_count(sampling)
        return FrameIterator(self._read(sampling, skip), None if total is None else max(0, total - skip))

    def _read(self, sampling: Sampling, skip: int) -> Generator[Frame, None, None]:
        selector = FrameSelector(sampling)
        index, now = 0, 0.0
        selected = 0
        waiting: tuple[int, float, Callable[[], NDArray[Any]]] | None = None  # it may be selected later
        while not selector.is_over and self._reader.grab():
            now = self._reader.time()
            found = selector.add(now)
            if found is not None:
                selected += 1
                if selected > skip:
                    current = index, now, self._reader.convert
                    yield self._frame(*(waiting if waiting is not None and found < index else current))
            if selector.waiting is None or selected < skip:
                waiting = None
            elif selector.waiting == index:
                waiting = index, now, self._reader.hold()
            index += 1
        if not selector.is_over:
            if selector.finish() is not None:
                selected += 1
                if waiting is not None:
                    yield self._frame(*waiting)
            self._check_end(index)
        if not selected:
            raise VideoError(
                f"{self.name}: no frame is selected by {sampling}; the last frame that was read is frame "
                f"{index} at {now:.3f} s"
            )

    def _check_end(self, index: int) -> None:
        """Raise VideoError if the video is incomplete, damaged or has no frames. `index` frames were read."""
        if self._reader.stalled:
            raise VideoError(
                f"{self.name} has sent nothing for {self._silence:g} s and was closed; "
                f"{index} frames could be read"
            )
        if self.path is not None and (missing := missing_bytes(self.path)):
            if not index:
                raise VideoError(self._opening_error())
            raise VideoError(
                f"{self.name} ends early: the file is truncated, {missing} bytes are missing; "
                f"{index} frames could be read"
            )
        if self._camera is not None:  # a camera has no last frame
            raise VideoError(
                f"{self.name} has stopped: it was disconnected, or another program uses it; {index} frames "
                "could be read"
            )
        if not index:
            raise VideoError(
                f"{self.name} contains no frames that {self._label} can decode{self._codec_hint()}"
            )
        if self.path is not None and self._reader.damaged:
            raise VideoError(
                f"{self.name} is damaged: some of its frames could not be decoded; {index} frames could be "
                "read"
            )

    def close(self) -> None:
        """Release the file or camera."""
        self._reader.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _label(self) -> str:
        return "PyAV" if self.reader == "pyav" else "OpenCV"

    def _check_opencv(self, options: ReaderOptions) -> VideoReaderName:
        """Return the reader of cameras and images. Raise ValueError if the options need another one."""
        if options.needs_pyav or options.reader == "pyav":
            option = options.needs_pyav or "the reader pyav"
            kind = "cameras" if self._camera is not None else "folders of images"
            raise ValueError(f"{self.name}: only OpenCV reads {kind}, without {option}; leave it out")
        return "opencv"

    def _frame(self, index: int, now: float, convert: Callable[[], NDArray[Any]]) -> Frame:
        """Return a frame, with an error if its pixels cannot be converted."""
        try:
            return Frame(index, now, convert())
        except NotConverted as error:
            message = f"{self.name}: frame {index + 1} at {now:.3f} s {error}"
            return Frame(index, now, np.empty((0, 0, 3), np.uint8), message)

    def _codec_hint(self) -> str:
        """Return a sentence that names the codec and, if OpenCV reads the video, the extra for PyAV."""
        codec = video_codec(self.path) if self.path else ""
        hint = f"; its codec is {codec}" if codec else ""
        if self.reader == "opencv":
            hint += f"; PyAV reads more videos: pip install '{EXTRA}'"
        return hint

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
            f"{self.name} is not a video that {self._label} can read: it has no frames, its codec is missing "
            f"on this machine, or it is damaged{self._codec_hint()}"
        )


def index_frames(video: Video) -> FrameIndex | None:
    """Read a file without decoding it, and return the index of its frames.

    Returns None if decoding can begin only with the first frame, or if the reader is not PyAV. After this
    call, no frame can be read.
    """
    reader, path = video._reader, video.path
    if path is None or not isinstance(reader, PyavReader) or missing_bytes(path):
        return None
    return reader.make_index(path.stat().st_size)


def read_from(video: Video, skip: int, sampling: Sampling, index: FrameIndex) -> Iterator[Frame]:
    """Yield the frames of `video.frames(sampling, skip=skip)`. Decoding begins at a key frame.

    All frames of the file after the last skipped one are compared with the index. The caller can stop after
    any frame.

    Raises:
        IndexMismatch: The frames of the file are not those of the index, or the file is damaged.
    """
    reader, path = video._reader, video.path
    assert path is not None
    assert isinstance(reader, PyavReader)
    if path.stat().st_size != index.file_size or missing_bytes(path):
        raise IndexMismatch("the file has changed")
    selector, selected, end = FrameSelector(sampling), array("q"), 0
    for time in index.times:
        end += 1
        if (wanted := selector.add(float(time))) is not None:
            selected.append(wanted)
        if selector.is_over:
            break
    else:
        if (wanted := selector.finish()) is not None:
            selected.append(wanted)
        end += 1  # also check that the video ends after the last frame
    number = reader.begin_near(selected[skip - 1] + 1 if skip else 0, index)
    for wanted in selected[skip:]:
        while number <= wanted:
            reader.grab()
            number += 1
        yield video._frame(wanted, reader.time(), reader.convert)
    for _ in range(number, end):
        reader.grab()


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder, expected a video file; if it contains the numbered images of a video, give "
            "their frame rate (fps=; in the command, --sequence and --fps)"
        )
    if not path.exists():
        found = describe_missing(path)
        if found != "nothing there":
            raise FileNotFoundError(f"{path} is {found}; expected a video file")
        raise FileNotFoundError(f"{path}: there is no such video file")
    if kind := special_file_kind(path):
        raise ValueError(f"{path} is a special file, expected a video file; it is {kind}")
    with open(path, "rb") as file:  # FFmpeg does not state why it cannot open a file
        head = file.read(64)
    if not head:
        raise VideoError(f"{path} is empty, expected a video file")
    if head.lstrip().startswith(_PLAYLISTS):  # FFmpeg would open the files and addresses in it
        raise VideoError(f"{path} is a playlist, expected a video file; give the videos in this list")
