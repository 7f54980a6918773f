"""Encodes frames to an MP4 file: H.264 with PyAV (extra `video`), or MPEG-4 with OpenCV."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._util.errors import MissingExtra, import_extra
from .image.opencv import import_opencv, load_before_pyav
from .source_sound import SourceSound
from .video.container import missing_bytes
from .video.ffmpeg import ffmpeg, ffmpeg_name
from .video.pyav_reader import open_file

INSTALL = "mtcnn-cpp[video]"
TICKS = 360_000  # time unit of H.264 videos: 1/360000 s. The usual frame rates and time bases divide it
DEFAULT_FPS = 25.0  # if the source has no frame rate
PRESET = "veryfast"  # of x264: more compression takes more time than the detection
_BT601, _BT709 = 6, 1  # numbers of color tags
# Primaries and transfer functions of a source that are copied: those of standard dynamic range. OpenCV
# converts the colors of other videos (HDR) to those of BT.709.
_PRIMARIES, _TRANSFERS = frozenset({1, 4, 5, 6, 7}), frozenset({1, 4, 5, 6, 7, 13})
# U and V of BT.601 for B, G and R from 0 to 255, and the offset
_CHROMA = np.array([[112, -74.203, -37.797, 128 * 255], [-18.214, -93.786, 112, 128 * 255]]) / 255


class VideoEncoder(Protocol):
    """Encodes the frames of one video, which all have the same size."""

    def add(self, image: NDArray[np.uint8], time: float) -> None:
        """Encode a frame (H, W, 3) uint8 BGR. `time` is in seconds from the first frame."""

    def close(self) -> None:
        """Complete the file. Raise OSError if it is incomplete, for example because the disk is full."""

    def discard(self) -> None:
        """Release the file. Its content is undefined unless `close` was called before."""


def find_h264_problem() -> str:
    """Return why H.264 videos cannot be written, and how to change this. Return "" if they can."""
    load_before_pyav()
    try:
        av = import_extra("av", INSTALL, "writing H.264 videos with sound and the frame times of the source")
    except MissingExtra as error:
        return str(error)
    if "libx264" not in av.codecs_available:
        return (
            f"the FFmpeg of PyAV {av.__version__} has no encoder libx264; install PyAV from PyPI: "
            "pip install --force-reinstall --only-binary av av"
        )
    return ""


class H264Encoder:
    """Encodes H.264 in MP4 with PyAV, with the times of the frames and the sound of a source.

    Args:
        path: File to write. It must exist.
        size: Width and height of the frames, both even.
        fps: Approximate frames per second. They set the duration of a single frame.
        quality: Constant rate factor of x264, 1 to 51. A lower value means higher quality.
        source: Video file that gives the sound and the properties of the pixels (see `_copy_tags`), or None.
        sound: Whether the sound is copied.
        cut_sound: Whether sound after the last frame is left out.

    Attributes:
        problems: Reasons why sound is missing.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        *,
        fps: float,
        quality: int,
        source: Path | None,
        sound: bool,
        cut_sound: bool,
    ) -> None:
        import av

        self.problems: list[str] = []
        self._av: Any = av
        self._cv2 = import_opencv(f"writing {path}")
        self._path = path
        self._fps = fps
        self._count = 0
        self._cut_sound = cut_sound
        self._held: Any = None  # the last frame; its duration is known when the next frame is added
        self._sound: SourceSound | None = None
        self._resources = contextlib.ExitStack()
        try:
            name = self._resources.enter_context(ffmpeg_name(path))
            options = {"movflags": "+faststart", "movie_timescale": str(TICKS)}
            self._output: Any = av.open(name, "w", format="mp4", options=options)
            self._resources.callback(self._close_output)
            rate = Fraction(min(max(fps, 1.0), 240.0)).limit_denominator(1001)  # limits the level of H.264
            stream: Any = self._output.add_stream("libx264", rate=rate)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            # With B-frames, a video of variable rate would end too early, because MP4 files contain the
            # durations in the order of decoding.
            context.options = {"crf": str(quality), "preset": PRESET, "profile": "high", "bf": "0"}
            context.time_base = Fraction(1, TICKS)
            context.flags |= av.codec.context.Flags.frame_duration
            context.colorspace, context.color_primaries, context.color_trc = _BT601, _BT709, _BT709
            context.color_range = av.video.reformatter.ColorRange.MPEG
            self._stream = stream
            if source is not None:
                self._open_source(source, sound)
        except BaseException:
            self.discard()
            raise

    def add(self, image: NDArray[np.uint8], time: float) -> None:
        frame = self._av.VideoFrame.from_ndarray(_to_yuv(self._cv2, image), format="yuv420p")
        pts = round(time * TICKS)
        frame.pts = pts if self._held is None else max(pts, self._held.pts + 1)
        frame.time_base = Fraction(1, TICKS)
        if self._held is not None:
            self._encode_held(frame.pts - self._held.pts)
        self._held = frame
        self._count += 1
        self._copy_sound(time)

    def begin_sound(self, time: float) -> None:
        """Set the time in the source of the first frame."""
        if self._sound is not None:
            self._sound.begin(time)

    def stop_sound(self, problem: str) -> None:
        """Copy no more sound."""
        if self._sound is not None:
            self._sound.stop(problem)

    def close(self) -> None:
        last = self._held.pts
        mean = last / (self._count - 1) if self._count > 1 else TICKS / self._fps
        self._encode_held(max(1, round(mean)))
        self._copy_sound((last + mean) / TICKS if self._cut_sound else None)
        with self._errors():
            self._output.mux(self._stream.encode(None))
            self._output.close()
        self.discard()
        self._check_file()

    def discard(self) -> None:
        self._held = None
        self._resources.close()

    def _open_source(self, path: Path, sound: bool) -> None:
        """Read the tags of a source, and prepare the copy of its sound."""
        try:
            source = self._resources.enter_context(open_file(self._av, path))
        except (self._av.error.FFmpegError, ValueError, OSError) as error:
            if sound:
                self.problems.append(f"its sound is not copied, because PyAV cannot open the file ({error})")
            return
        _copy_tags(source.streams.best("video"), self._stream.codec_context)
        if sound:
            self._sound = SourceSound(self._av, source)
            self._sound.problems = self.problems
            self._sound.add_streams(self._output)

    def _encode_held(self, duration: int) -> None:
        self._held.duration = duration
        with self._errors():
            self._output.mux(self._stream.encode(self._held))
        self._held = None

    def _copy_sound(self, until: float | None) -> None:
        if self._sound is not None:
            with self._errors():
                for packet in self._sound.packets(until):
                    time = packet.pts * packet.time_base
                    try:
                        self._output.mux(packet)
                    except (self._av.error.InvalidDataError, self._av.error.PatchWelcomeError):
                        self._sound.note_damage(time)

    def _close_output(self) -> None:
        with contextlib.suppress(self._av.error.FFmpegError, OSError, ValueError):
            self._output.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Convert errors of FFmpeg to OSError."""
        try:
            yield
        except self._av.error.FFmpegError as error:
            raise OSError(error.errno or errno.EIO, f"FFmpeg reports: {error.strerror}") from error

    def _check_file(self) -> None:
        """Check that all frames are in the file, in case that a failure to write was not reported."""
        found = 0
        with contextlib.suppress(self._av.error.FFmpegError), open_file(self._av, self._path) as file:
            found = file.streams.video[0].frames
        if found != self._count:
            raise _incomplete(found, self._count)
        if missing := missing_bytes(self._path):
            raise OSError(errno.EIO, f"{missing} bytes are missing; is the disk full?")


class Mpeg4Encoder:
    """Encodes MPEG-4 in MP4 with OpenCV, without sound. All frames have the same duration.

    Args:
        path: File to write. OpenCV derives the format from its suffix.
        size: Width and height of the frames.
        fps: Frames per second.

    Raises:
        OSError: OpenCV cannot write a video of this size.
    """

    def __init__(self, path: Path, size: tuple[int, int], *, fps: float) -> None:
        self._path = path
        self._count = 0
        self._cv2 = cv2 = import_opencv(f"writing {path}")
        self._resources = contextlib.ExitStack()
        self._resources.enter_context(ffmpeg.in_use(cv2))
        name = self._resources.enter_context(ffmpeg_name(path))
        kind = cv2.VideoWriter_fourcc(*"mp4v")
        self._writer: Any = cv2.VideoWriter(name, cv2.CAP_FFMPEG, kind, fps, size)
        if not self._writer.isOpened():
            self.discard()
            raise OSError(
                f"OpenCV cannot write an MP4 video of {size[0]} x {size[1]} pixels with {fps:g} frames per "
                "second"
            )

    def add(self, image: NDArray[np.uint8], time: float) -> None:
        self._writer.write(image)
        self._count += 1

    def close(self) -> None:
        self._writer.release()
        with ffmpeg_name(self._path) as name:
            video = self._cv2.VideoCapture(name, self._cv2.CAP_FFMPEG)
            found = int(video.get(self._cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
            video.release()
        if found != self._count:  # OpenCV does not report a full disk
            raise _incomplete(found, self._count)

    def discard(self) -> None:
        self._writer.release()
        self._resources.close()


def _incomplete(found: int, expected: int) -> OSError:
    return OSError(errno.EIO, f"{found} of {expected} frames were written; is the disk full?")


def _to_yuv(cv2: Any, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert BGR to YUV 4:2:0 with the matrix of BT.601, 16 to 235. Return the planes, (3 H / 2, W).

    FFmpeg's conversion rounds down, which darkens the video. OpenCV takes the color of a block of four pixels
    from its first pixel; here it is the mean of the four pixels.
    """
    height, width = image.shape[:2]
    planes: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    colors = cv2.transform(half, _CHROMA)
    planes[height:] = np.moveaxis(colors, 2, 0).reshape(height // 2, width)
    return planes


def _copy_tags(source: Any, context: Any) -> None:
    """Copy the primaries, the transfer function and the shape of the pixels of a video stream.

    The matrix is not copied: the frames are RGB, and the encoder converts them with the matrix of BT.601.
    """
    if source is None:
        return
    original = source.codec_context
    if original.color_primaries in _PRIMARIES and original.color_trc in _TRANSFERS:
        context.color_primaries, context.color_trc = original.color_primaries, original.color_trc
    ratio = source.sample_aspect_ratio
    if ratio is not None and ratio > 0:
        is_turned = (original.width > original.height) != (context.width > context.height)
        context.sample_aspect_ratio = 1 / ratio if is_turned else ratio
