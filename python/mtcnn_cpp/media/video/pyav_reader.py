"""Reads videos and streams with PyAV, with the pixels, times and frame numbers of cv2.VideoCapture."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.log import log_debug
from ..image.opencv import import_opencv
from .ffmpeg import safe_ending
from .key_frames import FrameIndex, IndexMismatch, KeyFrame, find_key_frames, frame_kind, seconds
from .reader import CannotOpen, NotConverted, import_pyav

_BUFFER = 1 << 16  # bytes that are read from a file at once
_RIGHT_ANGLES = {90: "ROTATE_90_CLOCKWISE", 180: "ROTATE_180", 270: "ROTATE_90_COUNTERCLOCKWISE"}
# BT.709, unspecified, and the sets of primaries for standard definition
_SIMILAR_PRIMARIES = (1, 2, 4, 5, 6, 7)
_HDR_CURVES = (16, 18)  # PQ and HLG
_BT709 = 1


@contextlib.contextmanager
def open_file(av: Any, path: Path) -> Iterator[Any]:
    """Open a file for reading with PyAV.

    FFmpeg receives the content of the file but never its name as an address, and it may open nothing else.
    """
    with path.open("rb", buffering=0) as file:
        stream: Any = file
        stream.name = "video" + safe_ending(path)  # FFmpeg would interpret a%03d.jpg
        nothing = {"protocol_whitelist": "none"}  # a file may not cause FFmpeg to open another one
        options = {"container_options": nothing, "buffer_size": _BUFFER, "metadata_errors": "replace"}
        with av.open(stream, "r", **options) as container:
            yield container


class PyavReader:
    """A `FrameReader` that uses PyAV.

    FFmpeg receives the content of a file but never its name as an address, and it may open nothing else.

    Args:
        source: Path of a file, or address of a stream.
        threads: Maximum number of decoding threads, or None.
        silence: Seconds without data after which a stream is considered ended.
        stream: Number of the video stream, from 0, or None.
        deinterlace: Whether to replace interlaced frames by progressive ones.

    Raises:
        CannotOpen: PyAV cannot open the source. The message explains it, or is empty.
        MissingExtra: PyAV is not installed.
    """

    def __init__(
        self,
        source: Path | str,
        name: str,
        *,
        threads: int | None,
        silence: float,
        stream: int | None,
        deinterlace: bool,
    ) -> None:
        self._av = import_pyav(f"reading the video {name} with PyAV")
        self.label = "PyAV"
        self.damaged = self.stalled = False
        self._source = source
        self._silence, self._is_stream = silence, not isinstance(source, Path)
        self._stream_number = stream
        self._resources = contextlib.ExitStack()
        try:
            self._open(threads or 0)
        except BaseException:
            self.close()
            raise
        self._size = self._stream.codec_context.width, self._stream.codec_context.height
        rate = self._stream.guessed_rate
        self.fps = float(rate) if rate else 0.0
        self.count = float(self._stream.frames or math.floor(self._duration() * self.fps + 0.5))
        self._frame: Any = None
        self._now = 0.0
        self._threads = threads or 0
        self._index: FrameIndex | None = None
        self._number = 0  # of the next frame, if there is an index
        self._demuxed: Iterator[Any] | None = None  # the packets, if the reader has found a key frame
        self._converter = self._av.video.reformatter.VideoReformatter()
        self._progressive = _Filter(self._av, "setfield", "prog")
        decoded = self._decode()
        self._frames = self._deinterlace(decoded) if deinterlace else decoded

    def _open(self, threads: int) -> None:
        """Open the source and choose its stream. 0 threads: chosen by FFmpeg."""
        before = time.monotonic()
        try:
            if isinstance(self._source, Path):
                self._container = self._resources.enter_context(open_file(self._av, self._source))
            else:
                tcp = {"rtsp_transport": "tcp"} if self._source.lower().startswith("rtsp") else {}
                self._container = self._resources.enter_context(
                    self._av.open(
                        self._source,
                        "r",
                        container_options=tcp,
                        timeout=self._silence,
                        metadata_errors="replace",
                    )
                )
        except self._av.FFmpegError as error:
            raise CannotOpen from error
        self.stalled = self._is_stream and time.monotonic() - before >= self._silence
        self._container.flags &= ~self._av.container.Flags.gen_pts.value  # OpenCV does not set it
        self._stream = self._choose_stream(self._stream_number)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads

    def _choose_stream(self, number: int | None) -> Any:
        """Return the video stream with this number, or the first one that has a decoder.

        Cover images are not video streams.
        """
        cover = self._av.stream.Disposition.attached_pic
        streams = [one for one in self._container.streams.video if not one.disposition & cover]
        if number is not None:
            if number >= len(streams):
                raise CannotOpen(
                    f"has {len(streams)} video streams, numbered from 0; stream {number} does not exist"
                )
            streams = [streams[number]]
        found = next((one for one in streams if one.codec_context is not None), None)
        if found is None:
            raise CannotOpen
        return found

    def _duration(self) -> float:
        """Return the duration in seconds, or 0 if the file does not state it."""
        duration: float = (self._container.duration or 0) / self._av.time_base
        if duration < 0.000025:
            duration = float((self._stream.duration or 0) * self._stream.time_base)
        return duration

    def _decode(self) -> Iterator[tuple[Any, float]]:
        """Yield the frames and their times. Data that cannot be decoded is skipped."""
        sent = yielded = 0
        for packet in self._packets():
            is_last = packet is None or not packet.size
            try:
                frames = self._stream.decode(packet)
            except self._av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.damaged = self.damaged or packet is not None
                frames = []
            threads = self._stream.codec_context.thread_count
            is_incomplete = is_last and packet is not None and len(frames) < min(threads - 1, sent)
            if self._index is not None and (self.damaged or is_incomplete):
                raise IndexMismatch(f"a packet near frame {self._number + 1} is damaged")
            if is_incomplete and not self._is_stream:
                # At the end, each thread contains a frame. After a damaged one, PyAV does not return the
                # others. One thread contains none, so read the video again with one.
                self._resources.close()
                self._open(1)
                yield from itertools.islice(self._decode(), yielded, None)
                return
            for frame in frames:
                yield frame, self._time_of(frame)
            sent, yielded = sent + 1, yielded + len(frames)

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the stream, and at the end None, which makes the decoder return all frames."""
        packets = self._demuxed or self._container.demux(self._stream)
        while True:
            before = time.monotonic()
            try:
                packet = next(packets, None)
            except self._av.FFmpegError:
                self.damaged = True
                packet = None
            # After a time-out the decoder still has frames.
            self.stalled = self.stalled or (self._is_stream and time.monotonic() - before >= self._silence)
            yield packet
            if packet is None:
                return

    def _time_of(self, frame: Any) -> float:
        """Return the time of a frame, with the rule and the rounding of CAP_PROP_POS_MSEC."""
        ticks = frame.dts if frame.pts is None else frame.pts
        if ticks is None:
            return 0.0
        base = self._stream.time_base
        return seconds(ticks, self._stream.start_time or 0, (base.numerator, base.denominator))

    def _deinterlace(self, frames: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
        """Replace each interlaced frame by a progressive one with the same time."""
        times: deque[float] = deque()
        bwdif = _Filter(self._av, "bwdif", "mode=send_frame:deint=interlaced")
        for frame, now in frames:
            times.append(now)
            for result in bwdif.push(frame, self._stream.time_base):
                yield result, times.popleft()
        for result in bwdif.flush():
            yield result, times.popleft()

    def make_index(self, file_size: int) -> FrameIndex | None:
        """Read all packets, and return the index of the frames, or None if the video cannot be divided.

        After this, no frame can be read.
        """
        return find_key_frames(self._av, self._container, self._stream, self._kind_of, file_size=file_size)

    def begin_near(self, frame: int, index: FrameIndex) -> int:
        """Begin at the last key frame that is not after this frame. Return the number of the first frame.

        Each frame that is read is compared with the index; `grab` raises IndexMismatch if they differ. If the
        file does not lead to the key frame, begin with the first frame of the video.
        """
        key = index.key_before(frame)
        if key and key.frame:
            if self._seek(key):
                self._number = key.frame
            else:
                self._resources.close()
                self._open(self._threads)
        # FFmpeg must not conceal damage with other frames: before a key frame, these would differ.
        self._stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        self._index = index
        log_debug("decoding begins with frame %d, to read from frame %d", self._number, frame)
        return self._number

    def _seek(self, key: KeyFrame) -> bool:
        """Search for the packet of a key frame. Return False if it is not found."""
        try:
            self._container.seek(key.target, stream=self._stream)
            packets = self._container.demux(self._stream)
            for packet in packets:
                if not packet.size or packet.pts is None or packet.pts > key.pts:
                    return False
                if packet.pts == key.pts:
                    is_same = packet.size == key.size and zlib.crc32(bytes(packet)) == key.crc
                    self._demuxed = itertools.chain([packet], packets) if is_same else None
                    return is_same
        except (self._av.FFmpegError, OverflowError):
            pass
        return False

    def grab(self) -> bool:
        """Decode the next frame."""
        self._frame, self._now = next(self._frames, (None, 0.0))
        if self._index is not None:
            self._compare(self._index)
        return self._frame is not None

    def _compare(self, index: FrameIndex) -> None:
        """Raise IndexMismatch if the last grabbed frame, or the end, is not that of the index."""
        number, frame, base = self._number, self._frame, self._stream.time_base
        expected = int(index.pts[number]) if number < len(index.pts) else None
        found = None if frame is None else frame.pts
        if found != expected or (frame is not None and found is None):
            raise IndexMismatch(f"frame {number + 1} has the time {found}, expected {expected}")
        if (self._stream.start_time or 0, (base.numerator, base.denominator)) != (
            index.start,
            index.time_base,
        ):
            raise IndexMismatch("the start or the unit of times has changed")
        if frame is not None and (frame.is_corrupt or self._kind_of(frame) != index.kind):
            raise IndexMismatch(f"frame {number + 1} is damaged or differs in kind from the first frame")
        self._number += 1

    @staticmethod
    def _kind_of(frame: Any) -> str:
        return frame_kind(frame, _clockwise_angle(frame))

    def time(self) -> float:
        """Return the time of the last grabbed frame."""
        return self._now

    def convert(self) -> NDArray[np.uint8]:
        """Return the pixels of the last grabbed frame as OpenCV converts them.

        An interlaced frame is converted as a whole, like a progressive one.
        """
        return self._convert(self._frame)

    def hold(self) -> Callable[[], NDArray[np.uint8]]:
        """Return a function that converts the last grabbed frame later."""
        return functools.partial(self._convert, self._frame)

    def _convert(self, frame: Any) -> NDArray[np.uint8]:
        turn = _RIGHT_ANGLES.get(_clockwise_angle(frame))
        try:
            if frame.interlaced_frame:
                [frame] = self._progressive.push(frame, self._stream.time_base)
            converted = self._converter.reformat(frame, *self._size, "bgr24", **self._conversion(frame))
        except (self._av.FFmpegError, ValueError) as error:
            raise NotConverted(f"is not converted by PyAV: {error}") from error
        pixels: NDArray[np.uint8] = np.ascontiguousarray(converted.to_ndarray())
        if converted is frame:  # it was BGR already, and the decoder still uses it
            pixels = pixels.copy()
        if turn:
            cv2: Any = import_opencv("rotating a video")
            pixels = cv2.rotate(pixels, getattr(cv2, turn))
        return pixels

    def _conversion(self, frame: Any) -> dict[str, Any]:
        """Return the arguments with which PyAV converts colors as OpenCV does.

        OpenCV does not state the colors of its result. FFmpeg then assumes those of the source, but BT.709 if
        the source has a wide gamut or a transfer function for HDR.
        """
        options = {"interpolation": self._av.video.reformatter.Interpolation.BICUBIC, "threads": 1}
        is_wide, is_hdr = frame.color_primaries not in _SIMILAR_PRIMARIES, frame.color_trc in _HDR_CURVES
        if is_wide or is_hdr:
            options["dst_color_primaries"] = _BT709 if is_wide else frame.color_primaries
            options["dst_color_trc"] = _BT709 if is_hdr else frame.color_trc
        return options

    def close(self) -> None:
        """Release the source."""
        self._frames = iter(())
        self._frame = None
        self._resources.close()


class _Filter:
    """One filter of FFmpeg. It is created again when the size or the pixel format of the frames changes."""

    def __init__(self, av: Any, name: str, arguments: str) -> None:
        self._av = av
        self._filter = name, arguments
        self._kind: object = None
        self._graph: Any = None

    def push(self, frame: Any, time_base: Any) -> Iterator[Any]:
        """Pass a frame to the filter, and yield the frames that are ready."""
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            yield from self.flush()
            self._kind, self._graph = kind, self._av.filter.Graph()
            width, height, pixels = kind
            links = [
                self._graph.add_buffer(width=width, height=height, format=pixels, time_base=time_base),
                self._graph.add(*self._filter),
                self._graph.add("buffersink"),
            ]
            links[0].link_to(links[1])
            links[1].link_to(links[2])
            self._graph.configure()
        self._graph.vpush(frame)
        yield from self._results()

    def flush(self) -> Iterator[Any]:
        """Yield the frames that the filter still contains."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._results()
            self._kind = self._graph = None

    def _results(self) -> Iterator[Any]:
        with contextlib.suppress(self._av.error.BlockingIOError, self._av.error.EOFError):
            while True:
                yield self._graph.vpull()


def _clockwise_angle(frame: Any) -> int:
    """Return the angle in degrees by which a frame must be rotated clockwise, from 0 to 359."""
    from av.sidedata.sidedata import SideDataContainer

    open_side_data: Any = SideDataContainer  # the type hints of PyAV lack its argument
    try:
        side_data = open_side_data(frame)  # not `frame.side_data`, a reference cycle that keeps the frame
    except ValueError:  # PyAV does not know the type of other side data, such as Exif
        return -int(frame.rotation) % 360
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            matrix = struct.unpack("=9i", bytes(data))
            across, down = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
            if across and down:
                return round(math.degrees(math.atan2(matrix[1] / down, matrix[0] / across))) % 360
    return 0
