"""Finds the frames of a video file at which decoding can begin without changing any pixel.

A container marks key frames, but its marks can be wrong, and many key frames do not reset the decoder.
Therefore, the packets are inspected, too (`_Codec`). The reader compares each decoded frame with the index,
and raises `IndexMismatch` if they differ.
"""

from __future__ import annotations

import io
import re
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._util.errors import MtcnnError

MAX_DISTANCE = 3000  # maximum number of frames from one key frame to the next
_NEVER = -(1 << 63)
_START_CODE = b"\0\0\1"
_X264_BUILD = re.compile(rb"x264 - core (\d+)")
# FFmpeg decodes the streams of older builds differently, but only the first packet names the build.
_OLDEST_X264, _OLDEST_X264_444 = 34, 151
_H264_IDR, _H264_SLICES, _H264_SETS = (5,), range(1, 6), (7, 8, 13, 15)
_HEVC_IDR, _HEVC_SLICES, _HEVC_SETS = (19, 20), range(32), (32, 33, 34)
_AV1_SEQUENCE, _AV1_FRAMES = 1, (3, 6)


class IndexMismatch(MtcnnError):
    """The frames of a video are not those in its index. The message states the first difference."""


class KeyFrame(NamedTuple):
    """A frame at which decoding can begin.

    Attributes:
        frame: Number of the frame, from 0.
        pts: Presentation time of its packet, in the unit of the stream.
        target: Time to seek to: the decoding time of its packet, or `pts` if the file does not state it.
        size: Size of its packet in bytes.
        crc: CRC-32 of its packet.
    """

    frame: int
    pts: int
    target: int
    size: int
    crc: int


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The times of all frames of a video file in the order of presentation, and its key frames.

    Attributes:
        file_size: Size of the file in bytes.
        start: Start time of the stream, in its unit.
        time_base: Unit of the stream in seconds: numerator and denominator.
        kind: Properties that all frames of the video have in common (see `frame_kind`).
        pts: (N,) int64: the presentation time of each frame, ascending.
        keys: (K, 5) int64: a `KeyFrame` in each row, ascending.
    """

    file_size: int
    start: int
    time_base: tuple[int, int]
    kind: str
    pts: NDArray[np.int64]
    keys: NDArray[np.int64]

    @property
    def times(self) -> NDArray[np.float64]:
        """The time of each frame in seconds."""
        times = (seconds(int(ticks), self.start, self.time_base) for ticks in self.pts)
        return np.fromiter(times, np.float64, len(self.pts))

    def key_before(self, frame: int) -> KeyFrame | None:
        """Return the last key frame that is not after this frame, or None if there is no such frame."""
        at = int(np.searchsorted(self.keys[:, 0], frame, side="right")) - 1
        return KeyFrame(*self.keys[at].tolist()) if at >= 0 else None

    def to_bytes(self) -> bytes:
        """Return the index as the content of a file."""
        file = io.BytesIO()
        numbers = np.array([self.file_size, self.start, *self.time_base], np.int64)
        steps = np.diff(self.pts, prepend=0)  # compresses well
        np.savez_compressed(file, numbers=numbers, kind=np.array(self.kind), steps=steps, keys=self.keys)
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> FrameIndex:
        """Return the index in the content of a file. Raises ValueError if the file is damaged."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                file_size, start, *time_base = file["numbers"].tolist()
                pts = np.cumsum(file["steps"])
                keys = file["keys"].reshape(-1, len(KeyFrame._fields))
                kind = str(file["kind"])
        except Exception as error:  # zipfile and NumPy raise many kinds
            raise ValueError(f"the index of a video is damaged ({error})") from error
        if {pts.dtype, keys.dtype} != {np.dtype(np.int64)} or len(time_base) != 2 or not time_base[1]:
            raise ValueError("the index of a video is damaged")
        return FrameIndex(file_size, start, (time_base[0], time_base[1]), kind, pts, keys)


def seconds(ticks: int, start: int, time_base: tuple[int, int]) -> float:
    """Return a time in seconds from the start, with the rule and the rounding of CAP_PROP_POS_MSEC."""
    value: float = (ticks - start) * (time_base[0] / time_base[1])
    return round(value * 1000 / 1000, 9)


def frame_kind(frame: Any, angle: int) -> str:
    """Return the properties of a decoded frame that its conversion to BGR depends on, besides its pixels.

    A decoder can keep some of them from one key frame to the next.
    """
    colors = frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
    return " ".join(map(str, [frame.width, frame.height, frame.format.name, angle, *map(int, colors)]))


def find_key_frames(
    av: Any, container: Any, stream: Any, kind_of: Callable[[Any], str], file_size: int
) -> FrameIndex | None:
    """Read all packets of a stream from the beginning, and return the index of its frames.

    Args:
        av: The module `av`.
        container: Open container of the stream. Nothing has been read from it yet.
        stream: The video stream.
        kind_of: Function that returns the kind of a decoded frame.
        file_size: Size of the file in bytes.

    Returns:
        The index. None: the packets do not state the times of all frames, a packet is damaged, or more than
        MAX_DISTANCE frames lie between two key frames.
    """
    context, start = stream.codec_context, stream.start_time
    if context.name not in _CODECS:
        return None
    codec, pixels = _CODECS[context.name](bytes(context.extradata or b"")), context.pix_fmt or ""
    pts, keys, latest, kind = array("q"), list[KeyFrame](), _NEVER, ""
    try:
        for packet in container.demux(stream):
            if not packet.size:  # the end
                break
            if not _is_plain(packet):
                return None
            data = bytes(packet)
            if latest == _NEVER and not codec.accepts_first(data, pixels):
                return None
            if not kind:
                kind = next(map(kind_of, stream.decode(packet)), "")
            is_key, is_shown = codec.packet(data)
            # Decoding can begin at a key frame only if each packet before it belongs to an earlier frame, and
            # each packet after it to a later one.
            while keys and keys[-1].pts > packet.pts:
                keys.pop()
            if is_key and packet.is_keyframe and packet.pts > latest:
                keys.append(_key_frame(len(pts), packet, data))
            latest = max(latest, packet.pts)
            if is_shown:
                pts.append(packet.pts)
        if not kind:
            kind = next(map(kind_of, stream.decode(None)), "")
    except av.FFmpegError:
        return None
    times = np.sort(np.frombuffer(pts, np.int64)) if pts else np.empty(0, np.int64)
    numbers = [key.frame for key in keys]
    is_sparse = (np.diff([*numbers, len(times)]) > MAX_DISTANCE).any()
    if (
        not kind
        or numbers[:1] != [0]
        or is_sparse
        or (np.diff(times) <= 0).any()
        or stream.start_time != start
    ):
        return None
    base = stream.time_base
    return FrameIndex(
        file_size,
        start or 0,
        (base.numerator, base.denominator),
        kind,
        times,
        np.array(keys, np.int64).reshape(-1, len(KeyFrame._fields)),
    )


def _key_frame(frame: int, packet: Any, data: bytes) -> KeyFrame:
    target = packet.pts if packet.dts is None else packet.dts
    return KeyFrame(frame, packet.pts, target, packet.size, zlib.crc32(data))


def _is_plain(packet: Any) -> bool:
    """Return whether a packet has a time, is shown, and does not change the settings of the decoder."""
    return not (
        packet.pts is None
        or packet.is_discard
        or packet.is_corrupt
        or packet.has_sidedata("new_extradata")
        or packet.has_sidedata("param_change")
    )


class _Codec:
    """Finds the packets that reset the decoder of one codec. `extradata` is the header of the stream."""

    def __init__(self, extradata: bytes) -> None:
        self._extradata = extradata

    def accepts_first(self, data: bytes, pixels: str) -> bool:
        """Return whether the first packet permits division. `pixels` is the pixel format."""
        return True

    def packet(self, data: bytes) -> tuple[bool, bool]:
        """Return whether the packet resets the decoder, and whether it has a frame that is shown."""
        raise NotImplementedError


class _Nals(_Codec):
    """H.264 and HEVC. Only an instantaneous decoder refresh (IDR) resets the decoder.

    The decoder keeps parameter sets. After a reset, it must have the same sets as after decoding from the
    beginning: those that the packets before contained must be in this packet or in the header.
    """

    _idr: tuple[int, ...]
    _slices: Iterable[int]
    _sets: tuple[int, ...]

    def __init__(self, extradata: bytes) -> None:
        super().__init__(extradata)
        self._length = self._read_length(extradata)
        self._in_header = self._header_sets(extradata)
        self._seen: set[bytes] = set()

    def _read_length(self, extradata: bytes) -> int:
        """Return the number of bytes of the length before each NAL unit, or 0 if there are start codes."""
        raise NotImplementedError

    def _header_sets(self, extradata: bytes) -> set[bytes]:
        """Return the parameter sets in the header."""
        if not self._length:
            return {piece.rstrip(b"\0") for piece in extradata.split(_START_CODE)[1:]}
        return self._listed_sets(extradata)

    def _listed_sets(self, extradata: bytes) -> set[bytes]:
        """Return the parameter sets in a header that lists them with their sizes."""
        raise NotImplementedError

    @staticmethod
    def _type(unit: bytes) -> int:
        raise NotImplementedError

    def packet(self, data: bytes) -> tuple[bool, bool]:
        sets, slices = set(), set()
        for kind, unit in self._units(data):
            if kind in self._sets:
                sets.add(unit())
            elif kind in self._slices:
                slices.add(kind)
        self._seen |= sets
        is_reset = bool(slices) and slices <= set(self._idr)
        return is_reset and (self._seen <= sets or self._seen <= self._in_header), True

    def _units(self, data: bytes) -> Iterator[tuple[int, Callable[[], bytes]]]:
        """Yield the type of each NAL unit in a packet, and a function that returns its content."""
        if not self._length:
            for piece in data.split(_START_CODE)[1:]:
                if piece:
                    yield self._type(piece), lambda piece=piece: piece.rstrip(b"\0")  # type: ignore[misc]
            return
        at = 0
        while at + self._length < len(data):
            begin = at + self._length
            at = begin + int.from_bytes(data[at:begin], "big")
            yield self._type(data[begin : begin + 1]), lambda begin=begin, at=at: data[begin:at]  # type: ignore[misc]


def _add_sized(units: set[bytes], data: bytes, at: int, count: int) -> int:
    """Add `count` units, each after its size in two bytes. Return the position after the last one."""
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        units.add(data[at + 2 : at + 2 + size])
        at += 2 + size
    return at


class _H264(_Nals):
    _idr, _slices, _sets = _H264_IDR, _H264_SLICES, _H264_SETS

    def accepts_first(self, data: bytes, pixels: str) -> bool:
        build = _X264_BUILD.search(data) or _X264_BUILD.search(self._extradata)
        oldest = _OLDEST_X264_444 if "444" in pixels or "rgb" in pixels or "gbr" in pixels else _OLDEST_X264
        return build is None or int(build[1]) >= oldest

    def _read_length(self, extradata: bytes) -> int:
        return (extradata[4] & 3) + 1 if len(extradata) > 6 and extradata[0] == 1 else 0

    def _listed_sets(self, extradata: bytes) -> set[bytes]:
        units = set[bytes]()
        at = 5
        for mask in (0x1F, 0xFF):  # SPS, then PPS
            count = extradata[at] & mask if at < len(extradata) else 0
            at = _add_sized(units, extradata, at + 1, count)
        return units

    @staticmethod
    def _type(unit: bytes) -> int:
        return unit[0] & 0x1F if unit else 0


class _Hevc(_Nals):
    _idr, _slices, _sets = _HEVC_IDR, _HEVC_SLICES, _HEVC_SETS

    def _read_length(self, extradata: bytes) -> int:
        is_list = len(extradata) > 22 and extradata[:3] not in (b"\0\0\0", _START_CODE)
        return (extradata[21] & 3) + 1 if is_list else 0

    def _listed_sets(self, extradata: bytes) -> set[bytes]:
        units = set[bytes]()
        at = 23
        for _ in range(extradata[22]):
            count = int.from_bytes(extradata[at + 1 : at + 3], "big")
            at = _add_sized(units, extradata, at + 3, count)
        return units

    @staticmethod
    def _type(unit: bytes) -> int:
        return unit[0] >> 1 & 0x3F if unit else -1


class _Vp8(_Codec):
    def packet(self, data: bytes) -> tuple[bool, bool]:
        is_shown = bool(data[0] >> 4 & 1)
        return is_shown and not data[0] & 1 and data[3:6] == b"\x9d\x01\x2a", is_shown


class _Vp9(_Codec):
    def packet(self, data: bytes) -> tuple[bool, bool]:
        head = f"{data[0]:08b}"
        # frame marker, profile, (reserved bit of profile 3), show_existing_frame, frame_type, show_frame
        shift = 5 if head[2:4] == "11" else 4
        return head[:2] == "10" and head[shift : shift + 3] == "001", True


class _Av1(_Codec):
    def packet(self, data: bytes) -> tuple[bool, bool]:
        has_sequence = False
        for kind, content in _av1_units(data):
            if kind == _AV1_SEQUENCE:
                has_sequence = True
            elif kind in _AV1_FRAMES:
                # show_existing_frame (0), frame_type (00: key frame), show_frame (1)
                return has_sequence and content[:1] != b"" and content[0] >> 4 == 0b0001, True
        return False, True


def _av1_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each unit (OBU) in a packet."""
    at = 0
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        size, shift = 0, 0
        if head & 2:
            while at < len(data):
                byte = data[at]
                size, shift, at = size | (byte & 0x7F) << shift, shift + 7, at + 1
                if byte < 0x80 or shift > 56:
                    break
        else:
            size = len(data) - at
        yield head >> 3 & 15, data[at : at + size]
        at += size


_CODECS: dict[str, type[_Codec]] = {
    "h264": _H264,
    "hevc": _Hevc,
    "vp8": _Vp8,
    "vp9": _Vp9,
    "av1": _Av1,
    "libdav1d": _Av1,
}
