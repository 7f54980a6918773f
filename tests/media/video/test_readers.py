"""Both readers give the same frames, times and pixels for every kind of video, and the same errors."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from clips import even, write
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image import Frame
from mtcnn_cpp.media.video import Video, VideoError
from mtcnn_cpp.media.video.reader import ReaderOptions, describe_reader
from mtcnn_cpp.types import VideoReaderName
from video_kinds import (
    B_FRAMES,
    COUNT,
    KINDS,
    X264,
    Kind,
    add_video,
    av,
    convert_whole_frame,
    frames,
    open_stream,
    paint,
)

cv2 = pytest.importorskip("cv2")
VERSION = tuple(map(int, cv2.__version__.split(".")[:2]))
NEW = pytest.mark.skipif(VERSION < (4, 13), reason="OpenCV before 4.13 converts colors with an older FFmpeg")
READERS: tuple[VideoReaderName, ...] = ("opencv", "pyav")


def read(path: Path, reader: VideoReaderName, **options: Any) -> tuple[tuple[Any, ...], list[Frame], str]:
    """Return the facts about a video, its frames and its error. Names of readers are replaced by READER."""
    found: list[Frame] = []
    facts: tuple[Any, ...] = ()
    try:
        with Video(path, reader=reader, **options) as video:
            facts = video.fps, video.count
            for frame in video.frames():
                found.append(frame)
    except VideoError as error:
        message = str(error).replace("OpenCV", "READER").replace("PyAV", "READER")
        return facts, found, message.partition("; READER reads more")[0]
    return facts, found, ""


def assert_same(path: Path, **options: Any) -> list[Frame]:
    """Compare both readers. Return the frames."""
    facts, expected, error = read(path, "opencv", **options)
    other_facts, found, other_error = read(path, "pyav", **options)
    assert (other_facts, other_error) == (facts, error)
    assert [(frame.index, frame.time) for frame in found] == [(one.index, one.time) for one in expected]
    for frame, one in zip(found, expected, strict=True):
        assert (frame.error, frame.image.shape) == (one.error, one.image.shape)
        assert np.array_equal(frame.image, one.image), f"frame {frame.index}"
        assert frame.image.flags.c_contiguous
        assert frame.image.flags.writeable
    return found


@NEW
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind.is_wide_gamut else ()) for kind in KINDS],
    ids=lambda kind: kind.name,
)
def test_every_kind(kind: Kind, tmp_path: Path) -> None:
    found = assert_same(kind.write(tmp_path))
    assert len(found) == len(kind.times)
    assert len({frame.image.tobytes() for frame in found}) == len(found)
    height, width = kind.size
    turned = kind.rotation is not None and kind.rotation[0] in (90, -90)
    assert found[0].image.shape == ((width, height, 3) if turned else (height, width, 3))


@NEW
@pytest.mark.parametrize("transfer", [16, pytest.param(18, marks=pytest.mark.slow)], ids=["PQ", "HLG"])
def test_hdr(transfer: int, tmp_path: Path) -> None:
    """FFmpeg converts wide gamuts and HDR to BT.709."""
    colors = {"colorspace": 9, "color_primaries": 9, "color_trc": transfer}
    kind = Kind("hdr.mkv", "libx264", "yuv420p10le", options=X264, colors=colors, times=even(2))
    assert len(assert_same(kind.write(tmp_path))) == 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_in_motion_jpeg(orientation: int, tmp_path: Path) -> None:
    """PyAV rotates the frames, OpenCV does not. PyAV has no name for this kind of side data."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    PIL.Image.fromarray(paint(0, (48, 64))).save(file, "JPEG", quality=95, exif=exif)
    path = tmp_path / "a.mjpeg"
    path.write_bytes(file.getvalue() * 3)
    if orientation == 1:
        assert len(assert_same(path)) == 3
        return
    _, expected, _ = read(path, "opencv")
    _, found, error = read(path, "pyav")
    assert (len(expected), len(found), error) == (3, 3, "")
    for frame, one in zip(found, expected, strict=True):
        assert np.array_equal(frame.image, np.rot90(one.image, -1))


@NEW
def test_size_that_changes(tmp_path: Path) -> None:
    """Later frames are scaled to the first size."""
    first = Kind("a.ts", "libx264", options=X264).write(tmp_path)
    second = Kind("b.ts", "libx264", size=(100, 140), options=X264).write(tmp_path)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    assert [frame.image.shape for frame in assert_same(both)] == [(72, 96, 3)] * 2 * COUNT


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(threads: int, tmp_path: Path) -> None:
    path = Kind("a.mp4", "libx264", options=B_FRAMES).write(tmp_path)
    facts, expected, error = read(path, "pyav")
    found = read(path, "pyav", threads=threads)
    assert (found[0], found[2]) == (facts, error)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found[1], expected, strict=True))


def test_frames_are_independent(tmp_path: Path) -> None:
    """A program may write into a frame. Other frames do not change, also if the video contains BGR."""
    for kind in (
        Kind("a.avi", "rawvideo", "bgr24"),
        Kind("a.mov", "qtrle", "rgb24"),
        Kind("a.mp4", "libx264"),
    ):
        path = kind.write(tmp_path)
        expected = [frame.image.copy() for frame in read(path, "pyav")[1]]
        with Video(path, reader="pyav") as video:
            for frame, image in zip(video.frames(), expected, strict=True):
                assert np.array_equal(frame.image, image)
                frame.image[:] = 0


# Truncated and damaged files


@NEW
@pytest.mark.parametrize(
    "name", ["h264-fast-start.mp4", "h264-variable.mkv", "mjpeg.avi", "vp9.webm", "flv1.flv"]
)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8, 0.97])
def test_truncated(name: str, share: float, tmp_path: Path) -> None:
    path = next(kind for kind in KINDS if kind.name == name).write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    _, expected, error = read(path, "opencv", threads=1)
    _, found, other_error = read(path, "pyav", threads=1)
    assert [(frame.index, frame.time) for frame in found] == [(one.index, one.time) for one in expected]
    if "is damaged" not in other_error:  # OpenCV does not report damage at the end of the data
        assert other_error == error
    for frame, one in zip(found[:-1], expected[:-1], strict=True):
        assert np.array_equal(frame.image, one.image)


@NEW
@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("png", "rgb24"),
        ("ffv1", "yuv420p"),
        ("huffyuv", "yuv422p"),
        ("utvideo", "yuv420p"),
        ("qtrle", "rgb24"),
    ],
)
def test_damaged_packets(codec: str, pixels: str, tmp_path: Path) -> None:
    """Frames after a damaged packet are read, with their own times, and an error follows."""
    name = {"ffv1": "a.mkv", "huffyuv": "a.avi", "utvideo": "a.avi"}.get(codec, "a.mov")
    kind = Kind(name, codec, pixels, options={"g": "1"} if codec == "ffv1" else {})
    path = kind.write(tmp_path)
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    whole = read(path, "pyav")[1]
    data = bytearray(path.read_bytes())
    for number in (3, 4, 6):
        start, size = packets[number]
        start += 20 if codec == "ffv1" else 0
        data[start : start + size - 20] = b"\xff" * (size - 20)
    path.write_bytes(data)
    _, expected, error = read(path, "opencv", threads=1)
    _, found, other_error = read(path, "pyav", threads=1)
    assert other_error == error
    assert [(frame.index, frame.time) for frame in found] == [(one.index, one.time) for one in expected]
    if len(found) < COUNT:
        assert "is damaged: some of its frames could not be decoded" in error
    assert found[-1].time == whole[-1].time
    intact = {frame.time: frame.image for frame in whole if frame.index not in (3, 4, 6)}
    if codec != "qtrle":  # its frames depend on earlier ones
        assert all(np.array_equal(frame.image, intact[frame.time]) for frame in found if frame.time in intact)


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_frames_after_damage_at_the_end(threads: int, tmp_path: Path) -> None:
    """With several threads, the decoder contains the last frames when the file ends. None of them is lost."""
    path = Kind("a.mov", "png", "rgb24").write(tmp_path)
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    start, size = packets[COUNT - 2]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    expected, found = read(path, "pyav", threads=1), read(path, "pyav", threads=threads)
    assert [frame.index for frame in expected[1]] == list(range(COUNT - 1))
    assert "is damaged" in expected[2]
    assert (found[0], found[2]) == (expected[0], expected[2])
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found[1], expected[1], strict=True))


@pytest.mark.parametrize("reader", READERS)
def test_a_video_that_begins_within_a_group_of_pictures(reader: VideoReaderName, tmp_path: Path) -> None:
    """The first frames cannot be decoded. The others are read, and an error may state it."""
    kind = Kind("a.ts", "mpeg2video", options={"g": "5", "bf": "0"}, times=even(20))
    path = kind.write(tmp_path)
    data = path.read_bytes()
    with av.open(str(path)) as file:
        key = [packet.pos for packet in file.demux(video=0) if packet.size and packet.is_keyframe]
    path.write_bytes(data[: 188 * 3] + data[key[0] + 188 * 20 :])
    _, found, error = read(path, reader)
    assert found
    assert error == "" or "is damaged" in error


# Several streams, cover images


def with_cover(path: Path, *, video: Kind | None = None) -> Path:
    """Write a Matroska file with a cover image, which FFmpeg presents as a video stream."""
    with av.open(str(path), "w") as file:
        stream = open_stream(file, video) if video else None
        cover = file.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(paint(99, (48, 64)), format="bgr24").reformat(format="yuvj420p")
        file.mux(cover.encode(image))
        if stream and video:
            for frame in frames(video):
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
    return path


@NEW
def test_cover_image(tmp_path: Path) -> None:
    path = with_cover(tmp_path / "a.mp4", video=Kind("a.mp4", "libx264", options=X264))
    with av.open(str(path)) as file:
        assert any(one.disposition & av.stream.Disposition.attached_pic for one in file.streams.video)
    found = assert_same(path)
    assert [frame.image.shape for frame in found] == [(72, 96, 3)] * COUNT


@pytest.mark.parametrize("reader", READERS)
def test_only_a_cover_image(reader: VideoReaderName, tmp_path: Path) -> None:
    path = with_cover(tmp_path / "a.mp4")
    with pytest.raises(VideoError, match=r"is not a video that \w+ can read"):
        Video(path, reader=reader)


def test_cover_image_beside_a_codec_that_opencv_lacks(tmp_path: Path) -> None:
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("this FFmpeg has no encoder for AV1")
    kind = Kind("a.mp4", "libsvtav1", size=(128, 128), options={"preset": "12"})
    path = with_cover(tmp_path / "a.mp4", video=kind)
    assert [frame.image.shape for frame in read(path, "pyav")[1]] == [(128, 128, 3)] * COUNT
    with pytest.raises(VideoError, match=r"its codec is av01 \(AV1\).*pip install 'mtcnn-cpp\[video\]'"):
        list(Detector().detect_video(path, reader="opencv"))


def test_several_streams(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    kinds = [Kind("a.mkv", "libx264", options=X264), Kind("a.mkv", "mpeg4", size=(48, 64))]
    with av.open(str(path), "w") as file:
        streams = [open_stream(file, kind) for kind in kinds]
        for pair in zip(*(frames(kind, 100 * number) for number, kind in enumerate(kinds)), strict=True):
            for stream, frame in zip(streams, pair, strict=True):
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode())
    default = read(path, "pyav")[1]
    first, second = read(path, "pyav", stream=0)[1], read(path, "pyav", stream=1)[1]
    assert [frame.image.shape for frame in second] == [(48, 64, 3)] * COUNT
    for frame, one in zip(first, default, strict=True):
        assert np.array_equal(frame.image, one.image)
    for frame in second:
        assert np.abs(frame.image.astype(int) - paint(100 + frame.index, (48, 64))).mean() < 40
    with pytest.raises(
        VideoError, match=r"a\.mkv has 2 video streams, numbered from 0; stream 2 does not exist"
    ):
        Video(path, stream=2)
    if VERSION >= (4, 13):
        assert_same(path)


# Interlaced videos


FIELDS = {"flags": "+ilme+ildct", "top": "1"}
INTERLACED = [
    Kind("h264.mp4", "libx264", options={"x264-params": "tff=1"}),
    Kind("h264.mts", "libx264", options={"x264-params": "bff=1:bframes=2"}, container="mpegts"),
    Kind("mpeg2.vob", "mpeg2video", options=FIELDS),
    Kind("mpeg2-422.ts", "mpeg2video", "yuv422p", options=FIELDS),
    Kind("mpeg4.avi", "mpeg4", options=FIELDS),
    Kind("prores.mov", "prores_ks", "yuv422p10le", options=FIELDS),
    Kind("dv.avi", "dvvideo", size=(576, 720), times=even(4)),
    Kind("dnxhd.mov", "dnxhd", "yuv422p", (1080, 1920), {"b": "120M", "flags": "+ilme+ildct"}, times=even(3)),
]


@pytest.mark.parametrize("kind", INTERLACED, ids=lambda kind: kind.name)
def test_interlaced_frames_as_stored(kind: Kind, tmp_path: Path) -> None:
    """The pixels are those that FFmpeg converts if the same frame is marked as progressive."""
    path = kind.write(tmp_path)
    _, found, error = read(path, "pyav")
    assert error == ""
    assert len(found) == len(kind.times)
    with av.open(str(path)) as file:
        stored = list(file.decode(video=0))
    assert all(frame.interlaced_frame for frame in stored)
    assert len({frame.image.tobytes() for frame in found}) == len(found)
    for frame, one in zip(found, stored, strict=True):
        assert np.array_equal(convert_whole_frame(one), frame.image)
    if VERSION < (4, 13) and kind.codec != "dnxhd":
        expected = read(path, "opencv")[1]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", INTERLACED[:6], ids=lambda kind: kind.name)
def test_deinterlace(kind: Kind, tmp_path: Path) -> None:
    """One frame for each stored frame, with its time. Both fields show the same moment."""
    path = kind.write(tmp_path)
    stored, found = read(path, "pyav")[1], read(path, "pyav", deinterlace=True)[1]
    assert [(frame.index, frame.time) for frame in found] == [(frame.index, frame.time) for frame in stored]
    different = [not np.array_equal(a.image, b.image) for a, b in zip(found, stored, strict=True)]
    assert all(different)
    progressive = Kind("p.mp4", "libx264", options=X264).write(tmp_path)
    assert all(
        np.array_equal(a.image, b.image)
        for a, b in zip(
            read(progressive, "pyav")[1], read(progressive, "pyav", deinterlace=True)[1], strict=True
        )
    )


def test_deinterlace_of_one_frame_and_of_a_size_that_changes(tmp_path: Path) -> None:
    options = {"x264-params": "tff=1"}
    one = Kind("one.mp4", "libx264", options=options, times=[0]).write(tmp_path)
    assert len(read(one, "pyav", deinterlace=True)[1]) == 1
    first = Kind("a.ts", "libx264", options=options).write(tmp_path)
    second = Kind("b.ts", "libx264", size=(96, 128), options=options).write(tmp_path)
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    stored, found = read(both, "pyav")[1], read(both, "pyav", deinterlace=True)[1]
    assert len(found) == 2 * COUNT
    assert [(frame.index, frame.time) for frame in found] == [(frame.index, frame.time) for frame in stored]


# Codecs, options, files that are not videos


def test_av1(tmp_path: Path) -> None:
    if "libsvtav1" not in av.codecs_available:
        pytest.skip("this FFmpeg has no encoder for AV1")
    for name in ("a.mp4", "a.mkv"):
        kind = Kind(name, "libsvtav1", size=(128, 128), options={"preset": "12"})
        path = kind.write(tmp_path)
        found = read(path, "pyav")[1]
        assert [frame.time for frame in found] == [time / 1000 for time in kind.times]
        assert np.abs(found[0].image.astype(int) - paint(0, (128, 128))).mean() < 40
        with pytest.raises(VideoError, match=r"\(AV1\).*pip install 'mtcnn-cpp\[video\]'"):
            list(Detector().detect_video(path, reader="opencv"))


@pytest.mark.parametrize("reader", READERS)
def test_missing_codec_is_named(reader: VideoReaderName, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(VideoError, match=r"its codec is missing on this machine.*its codec is zzz9"):
        Video(path, reader=reader)


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(2))
    for options, message in (
        ({"reader": "ffmpeg"}, "reader must be 'opencv' or 'pyav', or None, got 'ffmpeg'"),
        ({"stream": -1}, r"stream must be 0 \(the first video stream\) or more, or None, got -1"),
        ({"reader": "opencv", "deinterlace": True}, "the reader opencv does not support deinterlace"),
        ({"reader": "opencv", "stream": 0}, "the reader opencv does not support stream"),
    ):
        with pytest.raises(ValueError, match=message):
            Video(path, **options)  # type: ignore[arg-type]
    for options in ({"reader": "pyav"}, {"deinterlace": True}):
        with pytest.raises(ValueError, match="camera:97: only OpenCV reads cameras"):
            Video("camera:97", **options)  # type: ignore[arg-type]


def test_without_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "clip.mp4", even(2))
    with Video(path) as video:
        assert video.reader == "pyav"
    assert describe_reader().startswith(f"pyav {av.__version__} (libavcodec ")
    monkeypatch.setattr(av, "__version__", "16.1.0")
    with Video(path) as video:
        assert video.reader == "opencv"
    with pytest.raises(
        ImportError, match=r"found 16\.1\.0, expected 17 or newer; pip install 'mtcnn-cpp\[video\]'"
    ):
        Video(path, reader="pyav")
    monkeypatch.setitem(sys.modules, "av", None)
    with Video(path) as video:
        assert video.reader == "opencv"
    assert describe_reader().startswith(f"opencv {cv2.__version__}")
    with pytest.raises(ImportError, match=r"deinterlace needs the package 'av'.*mtcnn-cpp\[video\]"):
        Detector().detect_video(path, deinterlace=True)
    with pytest.raises(ImportError, match="stream needs the package 'av'"):
        ReaderOptions(stream=1).choose()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "name", ["list.m3u8", "absolute.m3u8", "list.mp4", "list.ffconcat", "list.mpd", "list.sdp", "ref.mov"]
)
def test_a_file_opens_no_other_file(name: str, reader: VideoReaderName, tmp_path: Path) -> None:
    Kind("other.ts", "libx264", options=X264).write(tmp_path)
    path = tmp_path / name
    reference = b"\0\0\0\0url \0\0\0\x09other.ts\0"
    for kind in (b"rdrf", b"rmda", b"rmra", b"moov"):
        reference = (len(reference) + 8).to_bytes(4, "big") + kind + reference
    path.write_bytes(
        {
            "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n",
            "absolute.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://%s\n#EXT-X-ENDLIST\n"
            % bytes(tmp_path / "other.ts"),
            "list.mp4": b"ffconcat version 1.0\nfile other.ts\n",
            "list.ffconcat": b"ffconcat version 1.0\nfile other.ts\n",
            "list.mpd": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
            b'<Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>'
            b"other.ts</BaseURL></Representation></AdaptationSet></Period></MPD>",
            "list.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
            b"m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            "ref.mov": reference,
        }[name]
    )
    with pytest.raises(
        VideoError, match=r"is a playlist, expected a video file|is not a video that \w+ can read"
    ):
        Video(path, reader=reader)


def test_metadata_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "XXXXXXXX"
        add_video(file, Kind("a.avi", "mpeg4"))
    data = path.read_bytes()
    assert b"XXXXXXXX" in data
    path.write_bytes(data.replace(b"XXXXXXXX", b"\xe9\xff\xfe\xfc\xe9\xe9\xe9\xe9"))
    assert len(read(path, "pyav")[1]) == COUNT


SILENT = """
import sys
from mtcnn_cpp.media.video import Video
for name in sys.argv[1:]:
    try:
        with Video(name, reader="pyav") as video:
            list(video.frames())
    except ValueError:
        pass
"""


def test_changed_files(tmp_path: Path) -> None:
    """Files with random changes end neither reader, and PyAV prints nothing."""
    generator, paths = random.Random(0), []
    names = ["h264-b-frames.mp4", "mpeg4.avi", "vp8.webm", "mpeg2.ts", "mjpeg-422.mov", "ffv1.mkv"]
    for kind in (kind for kind in KINDS if kind.name in names):
        original = kind.write(tmp_path).read_bytes()
        for number in range(4):
            data = bytearray(original)
            for _ in range(8):
                data[generator.randrange(len(data))] ^= generator.randrange(1, 256)
            if number == 3:
                del data[generator.randrange(len(data)) :]
            paths.append(tmp_path / f"{number}-{kind.name}")
            paths[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", SILENT, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for path in paths:
        _, expected, _ = read(path, "opencv", threads=1)
        _, found, _ = read(path, "pyav", threads=1)
        assert [(frame.index, frame.time) for frame in found] == [(one.index, one.time) for one in expected]


def test_rates(tmp_path: Path) -> None:
    """Frame rates that are no whole numbers are equal in all bits."""
    for rate in (Fraction(30000, 1001), Fraction(24000, 1001), Fraction(120, 7)):
        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=rate, options=X264)
            stream.height, stream.width, stream.pix_fmt = 72, 96, "yuv420p"
            for index in range(COUNT):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(paint(index), format="bgr24")))
            file.mux(stream.encode())
        facts, expected, _ = read(path, "opencv")
        other_facts, found, _ = read(path, "pyav")
        assert other_facts == facts
        assert [frame.time for frame in found] == [frame.time for frame in expected]
