"""Decoding from a key frame gives the frames of decoding from the beginning, or an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import even, uneven
from mtcnn_cpp.media.video import Sampling, Video, key_frames
from mtcnn_cpp.media.video.key_frames import _H264, FrameIndex, IndexMismatch, _Hevc
from mtcnn_cpp.media.video.video import index_frames
from mtcnn_cpp.media.video.video import read_from as read_frames_from
from video_kinds import B_FRAMES, X264, Kind, av

COUNT = 40
SHORT = {**B_FRAMES, "g": "7"}


def kind(name: str, codec: str = "libx264", options: dict[str, str] | None = None, **more: Any) -> Kind:
    return Kind(name, codec, options=options or SHORT, **{"times": even(COUNT), **more})


def x264(**parameters: object) -> dict[str, str]:
    text = ":".join(f"{key.replace('_', '-')}={value}" for key, value in parameters.items())
    return {**B_FRAMES, "x264-params": text}


def x265(**parameters: object) -> dict[str, str]:
    given = {"log-level": 0, "bframes": 3, "keyint": 8, "min-keyint": 8, **parameters}
    text = ":".join(f"{key.replace('_', '-')}={value}" for key, value in given.items())
    return {"preset": "ultrafast", "x265-params": text}


def cut_by_edit_list(path: Path) -> None:
    """Make the edit list begin in the middle of a group of pictures."""
    data = path.read_bytes()
    at = data.index(b"elst") + 8
    begin = int.from_bytes(data[at + 8 : at + 12], "big") + 11 * 512
    path.write_bytes(data[: at + 8] + begin.to_bytes(4, "big") + data[at + 12 :])


REALTIME = {"deadline": "realtime", "g": "7"}
AV1 = {"preset": "12", "g": "8"}
HIDDEN = {"auto-alt-ref": "1", "lag-in-frames": "12", "b": "200k", "cpu-used": "5", "g": "15"}
DIVIDED = [
    kind("b-frames.mp4"),
    kind("b-frames.mkv"),
    kind("b-frames.ts"),
    kind("b-frames.flv"),
    kind("variable.mp4", times=uneven(COUNT)),
    kind("variable.mkv", times=uneven(COUNT)),
    kind("late.mkv", times=[2000 + time for time in uneven(COUNT)]),
    kind("fragments.mp4", muxer={"movflags": "frag_every_frame+empty_moov"}),
    kind("slices.ts", options=x264(slices=4, aud=1, keyint=7)),
    kind("interlaced.mp4", options={**SHORT, "flags": "+ildct+ilme"}),
    kind("rotated.mp4", rotation=(90, False, False)),
    kind("10-bit.mp4", pixels="yuv420p10le"),
    kind("full-color.mkv", pixels="yuv444p"),
    kind("hevc.mp4", "libx265", x265(open_gop=0)),
    kind("hevc.mkv", "libx265", x265(open_gop=0, repeat_headers=1)),
    kind("hevc.ts", "libx265", x265(open_gop=0)),
    kind("vp8.webm", "libvpx", REALTIME),
    kind("vp8-hidden-frames.webm", "libvpx", HIDDEN),
    kind("vp9.webm", "libvpx-vp9", REALTIME, times=uneven(COUNT)),
    kind("vp9-hidden-frames.webm", "libvpx-vp9", HIDDEN),
    kind("av1.mkv", "libsvtav1", AV1, size=(72, 128)),
    kind("av1.mp4", "libsvtav1", AV1, size=(72, 128)),
]
# Decoding can begin only with the first frame: the other key frames of the container reset no decoder.
FIRST_ONLY = [
    kind("open.mp4", options=x264(open_gop=1, keyint=7)),
    kind("open.mkv", options=x264(open_gop=1, keyint=7)),
    kind("refresh.mp4", options=x264(intra_refresh=1, keyint=10)),
    kind("hevc-open.mp4", "libx265", x265(open_gop=1)),
    kind("hevc-leading-frames.mp4", "libx265", x265(open_gop=0, radl=2)),
]
WHOLE = [
    kind("mpeg4.mp4", "mpeg4", {"g": "7", "bf": "2"}),
    kind("mpeg2.ts", "mpeg2video", {"g": "7", "bf": "2"}),
    kind("motion.avi", "mjpeg", {"q": "3"}, pixels="yuvj420p"),
    kind("no-times.avi"),
    kind("no-times.h264"),
    kind("edit-list.mp4", change=cut_by_edit_list),
]


def read(frames: Iterator[Any]) -> list[tuple[int, float, bytes]]:
    return [(frame.index, frame.time, frame.image.tobytes()) for frame in frames]


def read_whole(path: Path, sampling: Sampling | None = None) -> list[tuple[int, float, bytes]]:
    with Video(path, reader="pyav", threads=2) as video:
        return read(video.frames(sampling))


def make_index(path: Path) -> FrameIndex | None:
    with Video(path, reader="pyav", threads=2) as video:
        index = index_frames(video)
    return index and FrameIndex.from_bytes(index.to_bytes())


def read_from(
    path: Path, skip: int, index: FrameIndex, sampling: Sampling | None = None, count: int | None = None
) -> list[tuple[int, float, bytes]]:
    with Video(path, reader="pyav", threads=2) as video:
        return read(islice(read_frames_from(video, skip, sampling or Sampling(), index), count))


@pytest.mark.parametrize("kind", DIVIDED, ids=lambda kind: kind.name)
def test_frames_from_a_key_frame(
    kind: Kind, tmp_path: Path, decoding_starts: Callable[[], list[int]]
) -> None:
    try:
        path = kind.write(tmp_path)
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of FFmpeg has no encoder {kind.codec}")
    whole = read_whole(path)
    assert len({pixels for _, _, pixels in whole}) == COUNT
    index = make_index(path)
    assert index is not None
    assert list(index.times) == [time for _, time, _ in whole]
    for skip in (0, 1, 9, 23, 24, 25, COUNT - 1, COUNT):
        assert read_from(path, skip, index) == whole[skip:]
    begun = decoding_starts()
    assert len(begun) == 8
    assert begun[:2] == [0, 0]
    assert all(
        0 < begin <= skip and skip - begin < 15
        for begin, skip in zip(begun[3:], (23, 24, 25, 39, 40), strict=True)
    ), begun


@pytest.mark.parametrize("kind", FIRST_ONLY, ids=lambda kind: kind.name)
def test_key_frames_that_do_not_reset_the_decoder(
    kind: Kind, tmp_path: Path, decoding_starts: Callable[[], list[int]]
) -> None:
    path = kind.write(tmp_path)
    assert sum(marks_of(path)) > 1 or "refresh" in kind.name
    index = make_index(path)
    assert index is not None
    assert list(index.keys[:, 0]) == [0]
    assert read_from(path, 23, index) == read_whole(path)[23:]
    assert decoding_starts() == [0]


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.name)
def test_videos_without_an_index(kind: Kind, tmp_path: Path) -> None:
    assert make_index(kind.write(tmp_path)) is None


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(every=3),
        Sampling(start=0.5),
        Sampling(end=0.9),
        Sampling(every=2, start=0.3, end=1.2),
        Sampling(frames=(6, 30)),
        Sampling(fps=24),
        Sampling(fps=15, start=0.2, end=1.0),
    ],
    ids=str,
)
def test_selected_frames(sampling: Sampling, tmp_path: Path) -> None:
    path = kind("variable.mp4", times=[time // 4 for time in uneven(COUNT)]).write(tmp_path)
    whole, index = read_whole(path, sampling), make_index(path)
    assert index is not None
    assert 5 < len(whole) < COUNT
    for skip in range(len(whole) + 1):
        assert read_from(path, skip, index, sampling) == whole[skip:]


def remux(source: Path, target: Path, change: Callable[[Any, int], None]) -> Path:
    """Copy the packets of a video. `change` receives each packet and its number."""
    with av.open(str(source)) as file, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(file.streams.video[0])
        for number, packet in enumerate(file.demux(video=0)):
            if packet.size:
                change(packet, number)
                packet.stream = stream
                copy.mux(packet)
    return target


def mark_all(packet: Any, number: int) -> None:
    packet.is_keyframe = True


def mark_wrong(packet: Any, number: int) -> None:
    packet.is_keyframe = number % 5 == 0


def marks_of(path: Path) -> list[bool]:
    with av.open(str(path)) as file:
        return [packet.is_keyframe for packet in file.demux(video=0) if packet.size]


@pytest.mark.parametrize("change", [mark_all, mark_wrong])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", "mp4"),
        ("libx264", "mkv"),
        ("libx265", "mp4"),
        ("libx265", "mkv"),
        ("libvpx-vp9", "mp4"),
        ("libvpx-vp9", "webm"),
        ("libvpx", "webm"),
    ],
)
def test_wrong_marks_of_key_frames(
    change: Callable[[Any, int], None], codec: str, suffix: str, tmp_path: Path
) -> None:
    options = {"libx264": SHORT, "libx265": x265(open_gop=0)}.get(codec, REALTIME)
    source = kind("source.mkv", codec, options).write(tmp_path)
    path = remux(source, tmp_path / f"lies.{suffix}", change)
    marks, true = marks_of(path), marks_of(source)
    wrong = sum(mark and not is_key for mark, is_key in zip(marks, true, strict=True))
    assert wrong >= 5 or codec != "libx265"  # for other codecs, FFmpeg corrects the marks; the seek uses them
    index, whole = make_index(path), read_whole(path)
    assert index is not None
    assert set(index.keys[:, 0].tolist()) <= {number for number, mark in enumerate(true) if mark}
    for skip in (6, 16, 31):
        assert read_from(path, skip, index) == whole[skip:]


def test_a_key_frame_before_an_earlier_packet(tmp_path: Path) -> None:
    """The times of the key frame and of the packet before it are exchanged."""
    source = kind("source.mkv", options={**X264, "g": "7"}).write(tmp_path)

    def change(packet: Any, number: int) -> None:
        packet.dts -= 100
        packet.pts += {20: 40, 21: -40}.get(number, 0)

    index = make_index(remux(source, tmp_path / "exchanged.mkv", change))
    assert index is not None
    assert index.keys[:, 0].tolist() == [0, 7, 14, 28, 35]


def test_no_key_frame_before_all_other_frames(tmp_path: Path) -> None:
    """The only key frame has a time after the next packet: there is no index, and no error."""
    source = kind("source.mkv", options={**X264, "g": "100"}).write(tmp_path)

    def change(packet: Any, number: int) -> None:
        packet.dts -= 100
        packet.pts += {0: 60}.get(number, 0)

    assert make_index(remux(source, tmp_path / "late.mkv", change)) is None


@pytest.mark.parametrize(
    ("codec", "options", "inspect"),
    [
        ("libvpx", HIDDEN, key_frames._Vp8),
        ("libvpx-vp9", HIDDEN, key_frames._Vp9),
        ("libsvtav1", AV1, key_frames._Av1),
    ],
)
def test_packets_of_key_frames(codec: str, options: dict[str, str], inspect: Any, tmp_path: Path) -> None:
    try:
        path = kind("clip.mkv", codec, options, size=(72, 128)).write(tmp_path)
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of FFmpeg has no encoder {codec}")
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        found = [inspect(b"").packet(bytes(packet)) for packet in packets]
    assert [is_key for is_key, _ in found] == [packet.is_keyframe for packet in packets]
    assert sum(is_shown for _, is_shown in found) == COUNT


def test_hidden_frames_of_vp8() -> None:
    """They are separate packets. Those of VP9 and AV1 are in packets with a shown frame."""
    shown = bytes([0b0001_0000, 0, 0]) + b"\x9d\x01\x2a"
    assert key_frames._Vp8(b"").packet(shown) == (True, True)
    assert key_frames._Vp8(b"").packet(b"\x00" + shown[1:]) == (False, False)


def test_an_index_of_the_container_that_leads_elsewhere(
    tmp_path: Path, decoding_starts: Callable[[], list[int]]
) -> None:
    """The list of cue points of a Matroska file names other positions: too late ones, or none in the file."""
    path = kind("cues.mkv", options={**SHORT, "g": "5"}, muxer={"cluster_size_limit": "3000"}).write(tmp_path)
    whole, index = read_whole(path), make_index(path)
    assert index is not None
    data = path.read_bytes()
    cues = data.rindex(b"\x1c\x53\xbb\x6b")
    positions = [
        match.start() + 2 for match in re.finditer(rb"\xf1[\x81-\x84]", data) if match.start() > cues
    ]
    assert len(positions) > 3
    for wrong in (positions[-1], None):
        changed = bytearray(data)
        for at in positions[:-1]:
            size = data[at - 1] & 0x7F
            value = data[wrong : wrong + size] if wrong else b"\xff" * size
            changed[at : at + size] = value
        path.write_bytes(changed)
        assert read_whole(path) == whole
        for skip in range(0, COUNT, 6):
            assert read_from(path, skip, index) == whole[skip:]
    assert decoding_starts().count(0) > 4


def damage(path: Path, number: int) -> None:
    """Replace the end of the packet of a frame by zeros."""
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    at, size = packets[number].pos, packets[number].size
    data[at + size // 3 : at + size] = bytes(size - size // 3)
    path.write_bytes(data)


@pytest.mark.parametrize("number", [21, 23, 27])
def test_a_damaged_frame(number: int, tmp_path: Path) -> None:
    """The range with the frame fails. A range before or after it does not."""
    path = kind("damaged.mp4", options={**X264, "g": "7"}).write(tmp_path)
    before = read_whole(path)
    damage(path, number)
    index = make_index(path)
    assert index is not None
    assert read_from(path, 0, index, count=14) == before[:14]
    assert read_from(path, 28, index) == before[28:]
    with pytest.raises(IndexMismatch):
        read_from(path, 21, index, count=7)


@pytest.mark.parametrize("number", [9, 19, 29])
def test_damage_that_the_decoder_of_hevc_conceals(number: int, tmp_path: Path) -> None:
    """Without the option `err_detect`, FFmpeg shows earlier frames instead, and reports no error."""
    path = next(kind for kind in DIVIDED if kind.name == "hevc.mp4").write(tmp_path)
    damage(path, number)
    assert outcome_of_ranges(path) == "mismatch"


@pytest.mark.parametrize("name", ["b-frames.mp4", "b-frames.mkv", "b-frames.ts", "hevc.mp4", "vp9.webm"])
def test_random_damage(name: str, tmp_path: Path) -> None:
    """All ranges together give the frames of the whole video without an error, or one of them fails."""
    path = next(kind for kind in DIVIDED if kind.name == name).write(tmp_path)
    data = path.read_bytes()
    random = np.random.default_rng(5)
    outcomes: list[str] = []
    for _ in range(12):
        changed = bytearray(data)
        for at in random.integers(200, len(data), 2):
            changed[at] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
        outcomes.append(outcome_of_ranges(path))
    assert "other frames" not in outcomes
    assert len(set(outcomes)) > 1


def outcome_of_ranges(path: Path) -> str:
    try:
        index = make_index(path)
    except ValueError:
        index = None
    if index is None:
        return "no index"
    try:
        parts = [read_from(path, skip, index, count=10) for skip in range(0, len(index.pts), 10)]
        end = read_from(path, len(index.pts), index)
    except IndexMismatch:
        return "mismatch"
    if sum(parts, end) == (whole := read_whole(path)):
        return "equal"
    with Video(path, reader="pyav", threads=1) as video:  # of some damage, FFmpeg shows old memory
        return "unstable" if read(video.frames()) != whole else "other frames"


def test_an_index_of_other_frames(tmp_path: Path, decoding_starts: Callable[[], list[int]]) -> None:
    """Times, number of frames, kind and size of the file must be those of the index."""
    path = kind("clip.mp4").write(tmp_path)
    index = make_index(path)
    assert index is not None
    pts = index.pts.copy()
    pts[25] += 1
    wrong = [
        replace(index, pts=pts),
        replace(index, pts=np.append(index.pts, index.pts[-1] + 512)),
        replace(index, pts=index.pts[:-1]),
        replace(index, kind="97" + index.kind[2:]),
        replace(index, file_size=index.file_size + 1),
        replace(index, start=index.start + 1),
        replace(index, time_base=(1, 25)),
    ]
    for other in wrong:
        with pytest.raises(IndexMismatch):
            read_from(path, 20, other)
    keys = index.keys.copy()
    keys[:, -1] ^= 1
    decoding_starts()
    assert read_from(path, 20, replace(index, keys=keys)) == read_whole(path)[20:]
    assert decoding_starts() == [0]


def test_a_file_that_is_no_index(tmp_path: Path) -> None:
    index = make_index(kind("clip.mp4").write(tmp_path))
    assert index is not None
    data = index.to_bytes()
    same = FrameIndex.from_bytes(data)
    assert same.pts.tolist() == index.pts.tolist()
    for wrong in (b"", b"no index", data[:-30], data[:200]):
        with pytest.raises(ValueError, match="the index of a video is damaged"):
            FrameIndex.from_bytes(wrong)


def test_few_key_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kind("clip.mp4").write(tmp_path)
    monkeypatch.setattr(key_frames, "MAX_DISTANCE", 7)
    assert make_index(path) is not None
    monkeypatch.setattr(key_frames, "MAX_DISTANCE", 4)
    assert make_index(path) is None


def test_headers_that_only_an_earlier_packet_has(tmp_path: Path) -> None:
    """A decoder keeps parameter sets, so a key frame needs those that its own packet does not have."""
    inspect = key_frames._H264(b"")
    old, new = b"\0\0\1\x68old", b"\0\0\1\x68new"
    refresh, other = b"\0\0\1\x65...", b"\0\0\1\x41..."
    assert inspect.packet(old + refresh) == (True, True)
    assert inspect.packet(other) == (False, True)
    assert inspect.packet(new + other) == (False, True)
    assert inspect.packet(refresh) == (False, True)
    assert inspect.packet(old + refresh) == (False, True)
    assert inspect.packet(old + new + refresh) == (True, True)
    assert inspect.packet(old + new + refresh + other) == (False, True)


@pytest.mark.parametrize(
    ("build", "pixels", "accepted"),
    [(33, "yuv420p", False), (148, "yuv420p", True), (148, "yuv444p", False), (165, "yuv444p", True)],
)
def test_streams_of_old_versions_of_x264(build: int, pixels: str, accepted: bool) -> None:
    """FFmpeg decodes them differently. Only the first packet names the version."""
    first = b"\0\0\1\x06\x05 x264 - core %d r1 - H.264" % build
    assert key_frames._H264(b"").accepts_first(first, pixels) is accepted


def test_a_stream_of_an_old_version_of_x264(tmp_path: Path) -> None:
    path = kind("clip.mp4").write(tmp_path)
    assert make_index(path) is not None
    data = path.read_bytes()
    at = data.index(b"x264 - core ") + len(b"x264 - core ")
    path.write_bytes(data[:at] + b"033" + data[at + 3 :])
    assert make_index(path) is None


def test_parameter_sets_in_the_header() -> None:
    sets = [b"\x67one", b"\x68two", b"\x68three"]
    sized = [len(one).to_bytes(2, "big") + one for one in sets]
    avcc = b"\1\0\0\0\xff\xe1" + sized[0] + b"\2" + sized[1] + sized[2]
    assert _H264(avcc)._in_header == set(sets)
    hvcc = b"\1" + bytes(20) + b"\3\2" + b"\x21\0\1" + sized[0] + b"\x22\0\2" + sized[1] + sized[2]
    assert _Hevc(hvcc)._in_header == set(sets)
