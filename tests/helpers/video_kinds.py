"""Videos of many kinds for the comparison of the two readers. PyAV writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import even, uneven

av = pytest.importorskip("av", reason="needs PyAV, the extra 'video'")

COUNT = 10
SIZE = (72, 96)  # height, width


def paint(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return frame `index`, (H, W, 3) uint8 BGR: smooth colors, an edge and noise, all of which change."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 2 + index * 5, y * 3 + index * 9, (x + y) * 2 - index * 7], axis=-1) % 256
    image[8:24, 5 + 3 * index : 25 + 3 * index] = (20, 240, 30)
    image[26:46, 40:60] = np.random.default_rng(index).integers(0, 256, (20, 20, 3))
    return image.astype(np.uint8)


@dataclass(frozen=True)
class Kind:
    """A kind of video. The suffix of `name` selects the container, unless `container` names it."""

    name: str
    codec: str
    pixels: str = "yuv420p"
    size: tuple[int, int] = SIZE
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    container: str | None = None
    times: Sequence[int] = field(default_factory=lambda: even(COUNT))
    rotation: tuple[float, bool, bool] | None = None  # degrees, horizontal flip, vertical flip
    colors: dict[str, int] = field(default_factory=dict)  # attributes of the encoder
    aspect: Fraction | None = None
    change: Callable[[Path], None] | None = None  # changes the file after it was written

    @property
    def id(self) -> str:
        return self.name

    @property
    def is_wide_gamut(self) -> bool:
        """Whether FFmpeg converts the colors with a table, which it computes for 3 s in each conversion."""
        return self.colors == BT2020

    def write(self, folder: Path, *, first: int = 0) -> Path:
        path = folder / self.name
        with av.open(str(path), "w", format=self.container, options=self.muxer) as file:
            add_video(file, self, first)
        if self.change:
            self.change(path)
        return path


def open_stream(file: Any, kind: Kind) -> Any:
    """Add the video stream of a kind to an open file."""
    stream = file.add_stream(kind.codec, rate=25, options=dict(kind.options))
    stream.height, stream.width = kind.size
    stream.pix_fmt = kind.pixels
    fixed = kind.codec in FIXED_RATE or kind.times == even(COUNT)
    stream.codec_context.time_base = Fraction(1, 25) if fixed else Fraction(1, 1000)
    for name, value in kind.colors.items():
        setattr(stream.codec_context, name, value)
    if kind.aspect:
        stream.codec_context.sample_aspect_ratio = kind.aspect
    if kind.rotation:
        stream.set_display_rotation(kind.rotation[0], hflip=kind.rotation[1], vflip=kind.rotation[2])
    return stream


def frames(kind: Kind, first: int = 0) -> Iterator[Any]:
    """Yield the frames of a kind in its pixel format."""
    fixed = kind.codec in FIXED_RATE or kind.times == even(COUNT)
    for index, time in enumerate(kind.times, first):
        frame = av.VideoFrame.from_ndarray(paint(index, kind.size), format="bgr24")
        frame = frame.reformat(format=kind.pixels)
        frame.pts = time // 40 if fixed else time
        frame.time_base = Fraction(1, 25) if fixed else Fraction(1, 1000)
        yield frame


def add_video(file: Any, kind: Kind, first: int = 0) -> None:
    """Add a video stream with all its frames to an open file."""
    stream = open_stream(file, kind)
    for frame in frames(kind, first):
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def convert_whole_frame(frame: Any) -> np.ndarray:
    """Return the pixels of a decoded frame, (H, W, 3) uint8 BGR. Both fields of an interlaced frame are one
    image, because the flags of the decoder are not copied."""
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for plane, source in zip(copy.planes, frame.planes, strict=True):
        rows = np.frombuffer(source, np.uint8).reshape(-1, source.line_size)
        width = min(source.line_size, plane.line_size)
        target = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        target[: len(rows), :width] = rows[: plane.height, :width]
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    bicubic = av.video.reformatter.Interpolation.BICUBIC
    pixels: np.ndarray = copy.reformat(format="bgr24", interpolation=bicubic).to_ndarray()
    return pixels


FIXED_RATE = {"mpeg1video", "mpeg2video", "mpeg4"}
X264 = {"preset": "ultrafast", "bf": "0"}
B_FRAMES = {"bf": "3", "b-adapt": "0", "preset": "veryfast"}
BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}
BT2020 = {"colorspace": 9, "color_primaries": 9, "color_trc": 14}
X265 = {"x265-params": "log-level=0", "preset": "ultrafast"}
ODD = (71, 93)

KINDS = [
    Kind("h264.mp4", "libx264", options=X264),
    Kind("h264-b-frames.mp4", "libx264", options=B_FRAMES),
    Kind("h264-b-frames.mkv", "libx264", options=B_FRAMES),
    Kind("h264-b-frames.ts", "libx264", options=B_FRAMES),
    Kind("h264-variable.mp4", "libx264", options=B_FRAMES, times=uneven(COUNT)),
    Kind("h264-variable.mkv", "libx264", options=X264, times=uneven(COUNT)),
    Kind("h264-late.mp4", "libx264", options=B_FRAMES, times=[2000 + t for t in uneven(COUNT)]),
    Kind("h264-late.mkv", "libx264", options=B_FRAMES, times=[2000 + t for t in uneven(COUNT)]),
    Kind("h264-fragments.mp4", "libx264", options=X264, muxer={"movflags": "frag_keyframe+empty_moov"}),
    Kind("h264-fast-start.mp4", "libx264", options=X264, muxer={"movflags": "faststart"}),
    Kind("h264.mov", "libx264", options=X264),
    Kind("h264.avi", "libx264", options=X264),
    Kind("h264.flv", "libx264", options=X264),
    Kind("h264-raw.h264", "libx264", options=X264),
    Kind("h264-raw-b-frames.h264", "libx264", options=B_FRAMES),
    Kind("h264-live.mkv", "libx264", options=X264, muxer={"live": "1"}),
    Kind("h264-full-range.mp4", "libx264", "yuvj420p", options=X264),
    Kind(
        "h264-bt709.mp4",
        "libx264",
        options=X264,
        colors=BT709,
    ),
    Kind(
        "h264-bt2020.mp4",
        "libx264",
        options=X264,
        colors=BT2020,
    ),
    Kind("h264-aspect.mp4", "libx264", options=X264, aspect=Fraction(16, 11)),
    Kind("h264-422.mp4", "libx264", "yuv422p", options=X264),
    Kind("h264-444-odd.mp4", "libx264", "yuv444p", ODD, X264),
    Kind("h264-10-bit.mp4", "libx264", "yuv420p10le", options=X264),
    Kind("h264-gray.mkv", "libx264", "gray", options=X264),
    Kind("h264-rgb.mkv", "libx264rgb", "rgb24", options=X264),
    Kind("h264-uneven-size.mp4", "libx264", size=(70, 94), options=X264),
    Kind("rotated-90.mp4", "libx264", options=X264, rotation=(90, False, False)),
    Kind("rotated-180.mp4", "libx264", options=X264, rotation=(180, False, False)),
    Kind("rotated-270.mov", "libx264", options=X264, rotation=(-90, False, False)),
    Kind("rotated-45.mp4", "libx264", options=X264, rotation=(45, False, False)),
    Kind("flipped-across.mp4", "libx264", options=X264, rotation=(0, True, False)),
    Kind("flipped-down.mp4", "libx264", options=X264, rotation=(0, False, True)),
    Kind("flipped-and-rotated.mp4", "libx264", options=X264, rotation=(90, True, False)),
    Kind("hevc.mp4", "libx265", options=X265),
    Kind("hevc-10-bit.mp4", "libx265", "yuv420p10le", options=X265),
    Kind("hevc-raw.hevc", "libx265", options=X265),
    Kind("vp8.webm", "libvpx", options={"deadline": "realtime"}, times=uneven(COUNT)),
    Kind("vp8-alpha.webm", "libvpx", "yuva420p", options={"deadline": "realtime", "auto-alt-ref": "0"}),
    Kind("vp9.webm", "libvpx-vp9", options={"deadline": "realtime"}, times=uneven(COUNT)),
    Kind("vp9-alpha.webm", "libvpx-vp9", "yuva420p", options={"deadline": "realtime", "auto-alt-ref": "0"}),
    Kind("vp9-444.mkv", "libvpx-vp9", "yuv444p", ODD, {"deadline": "realtime"}),
    Kind("vp8.ivf", "libvpx", options={"deadline": "realtime"}),
    Kind("mpeg4.avi", "mpeg4"),
    Kind("mpeg4-b-frames.avi", "mpeg4", options={"bf": "2"}),
    Kind("mpeg4-b-frames.mp4", "mpeg4", options={"bf": "2"}),
    Kind("mpeg4-b-frames.mkv", "mpeg4", options={"bf": "2"}),
    Kind("msmpeg4v3.avi", "msmpeg4"),
    Kind("msmpeg4v2.avi", "msmpeg4v2"),
    Kind("mpeg2.ts", "mpeg2video", options={"bf": "2"}),
    Kind("mpeg2.mpg", "mpeg2video", options={"bf": "2"}),
    Kind("mpeg2.vob", "mpeg2video", options={"bf": "2"}),
    Kind("mpeg2-422.mkv", "mpeg2video", "yuv422p"),
    Kind("mpeg2-raw.m2v", "mpeg2video"),
    Kind("mpeg1.mpg", "mpeg1video", options={"bf": "2"}),
    Kind("mjpeg.avi", "mjpeg", "yuvj420p", options={"q": "3"}),
    Kind("mjpeg-422.mov", "mjpeg", "yuvj422p", ODD),
    Kind("mjpeg-raw.mjpeg", "mjpeg", "yuvj444p"),
    Kind("wmv1.wmv", "wmv1"),
    Kind("wmv2.wmv", "wmv2"),
    Kind("flv1.flv", "flv"),
    Kind("flash-screen.flv", "flashsv", "bgr24"),
    Kind("h261.avi", "h261", size=(144, 176)),
    Kind("h263.3gp", "h263", size=(144, 176)),
    Kind("h263-plus.avi", "h263p", size=(144, 176)),
    Kind("prores-422.mov", "prores_ks", "yuv422p10le"),
    Kind("prores-4444.mov", "prores_ks", "yuva444p10le", options={"profile": "4444"}),
    Kind("quicktime-rle.mov", "qtrle", "rgb24"),
    Kind("quicktime-rle-alpha.mov", "qtrle", "argb"),
    Kind("quicktime-rpza.mov", "rpza", "rgb555"),
    Kind("svq1.mov", "svq1", "yuv410p"),
    Kind("cinepak.avi", "cinepak", "rgb24"),
    Kind("ffv1.mkv", "ffv1"),
    Kind("ffv1-gray.mkv", "ffv1", "gray", ODD),
    Kind("ffv1-10-bit.mkv", "ffv1", "yuv422p10le", (71, 94)),
    Kind("ffv1-16-bit.mkv", "ffv1", "gray16le"),
    Kind("ffv1-411.mkv", "ffv1", "yuv411p", ODD),
    Kind("ffv1-rgb.mkv", "ffv1", "bgr0", ODD),
    Kind("huffyuv.avi", "huffyuv", "yuv422p"),
    Kind("huffyuv-ff.avi", "ffvhuff", "yuv444p", ODD),
    Kind("utvideo.avi", "utvideo", "gbrp"),
    Kind("magicyuv.avi", "magicyuv", "gbrap"),
    Kind("dnxhd.mov", "dnxhd", "yuv422p", (1080, 1920), {"b": "36M"}, times=even(3)),
    Kind("dnxhr.mov", "dnxhd", "yuv422p", (136, 264), {"profile": "dnxhr_sq"}, times=even(3)),
    Kind("cineform.mov", "cfhd", "yuv422p10le"),
    Kind("jpeg2000.mov", "jpeg2000", "yuv444p"),
    Kind("zmbv.avi", "zmbv", "bgr0"),
    Kind("snow.avi", "snow"),
    Kind("asus-v1.avi", "asv1"),
    Kind("raw.avi", "rawvideo", "bgr24"),
    Kind("raw-yuv.nut", "rawvideo", "yuv420p", ODD),
    Kind("raw-yuyv.avi", "rawvideo", "yuyv422"),
    Kind("raw-nv12.nut", "rawvideo", "nv12"),
    Kind("raw-10-bit.nut", "rawvideo", "yuv420p10le", ODD),
    Kind("raw.y4m", "wrapped_avframe", "yuv420p"),
    Kind("v210.mov", "v210", "yuv422p10le"),
    Kind("png.mov", "png", "rgb24"),
    Kind("png-alpha.mov", "png", "rgba"),
    Kind("png-16-bit.mov", "png", "rgb48be"),
    Kind("realvideo.rm", "rv20", size=(144, 176)),
    Kind("gif.gif", "gif", "rgb8"),
    Kind("apng.apng", "apng", "rgb24"),
]
