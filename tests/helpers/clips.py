"""Videos for the tests: a portrait that moves through small frames."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import portrait

av = pytest.importorskip("av", reason="PyAV makes the clips and is the second reader")

SIZE = (192, 240)  # height, width
TICKS = 1000  # time base of the clips, in units per second


def make_frame(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame `index`: (H, W, 3) uint8 BGR, the portrait moves to the right with the index."""
    height, width = size
    image = np.full((height, width, 3), (90, 120, 60), np.uint8)
    face = portrait()
    left = index * 3 % max(1, width - face.shape[1])
    part = image[8 : 8 + face.shape[0], left : left + face.shape[1]]
    part[:] = face[: part.shape[0], : part.shape[1]]
    return image


def write(
    path: Path,
    times: Sequence[int],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    first: int = 0,
    paint: Callable[[int, tuple[int, int]], np.ndarray] = make_frame,
) -> Path:
    """Write a clip with frames at these times in ms. The suffix of the path selects the format."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream: Any = file.add_stream(codec, rate=25, options=options or {"bf": "0"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        rate = 25 if codec in ("mpeg4", "mjpeg") else TICKS  # the time base of these formats is 1 ms
        stream.codec_context.time_base = stream.time_base = Fraction(1, rate)
        for index, time in enumerate(times, first):
            frame = av.VideoFrame.from_ndarray(paint(index, size), format="bgr24")
            frame.pts = time * rate // TICKS
            frame.time_base = stream.codec_context.time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def even(count: int, milliseconds: int = 40) -> list[int]:
    return [index * milliseconds for index in range(count)]


def uneven(count: int) -> list[int]:
    """Return frame times with steps from 7 to 500 ms."""
    return list(
        itertools.accumulate(itertools.islice(itertools.cycle([40, 7, 33, 500, 21]), count - 1), initial=0)
    )


def rotate_video(path: Path) -> Path:
    """Write a rotation by 90 degrees into the header of an MP4 file."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") - 4 + 48
    numbers = (0, 0x10000, 0, -0x10000, 0, 0, SIZE[0] << 16, 0, 0x40000000)
    data[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)
    return path


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def clips(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each kind of clip with its name."""
    yield "constant rate, MP4", write(folder / "constant.mp4", even(20))
    yield "variable rate, MP4", write(folder / "variable.mp4", uneven(20))
    yield "variable rate, Matroska", write(folder / "variable.mkv", uneven(20))
    yield "B-frames, MP4", write(folder / "b.mp4", uneven(20), options={"bf": "3", "b-adapt": "0"})
    yield "B-frames, transport stream", write(folder / "b.ts", even(20), options={"bf": "3"})
    yield "late first frame, MP4", write(folder / "late.mp4", [2000 + time for time in uneven(20)])
    yield "late first frame, Matroska", write(folder / "late.mkv", [2000 + time for time in uneven(20)])
    yield "WebM", write(folder / "vp9.webm", uneven(12), codec="libvpx-vp9", options={"deadline": "realtime"})
    yield "Motion JPEG, AVI", write(folder / "motion.avi", even(20), codec="mjpeg", options={"q": "3"})
    yield "MPEG-4, AVI", write(folder / "xvid.avi", even(20), codec="mpeg4", options={"bf": "0"})
    yield "rotated, MP4", rotate_video(write(folder / "turned.mp4", even(10)))
    yield "one frame, MP4", write(folder / "one.mp4", [0])
    first = write(folder / "small.ts", even(10))
    second = write(folder / "large.ts", [400 + time for time in even(10)], size=(240, 320), first=10)
    both = folder / "change.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    first.unlink()
    second.unlink()
    yield "size changes, transport stream", both


def read_times(path: Path) -> list[float]:
    """Read the times of all frames with PyAV, in seconds after the first frame."""
    with av.open(io.BytesIO(path.read_bytes())) as file:
        times = [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]
    return [time - times[0] for time in times]


def add_sound(
    path: Path,
    codec: str,
    *,
    seconds: float = 1.0,
    begin: float = 0.0,
    rate: int = 48000,
    count: int = 1,
    suffix: str | None = None,
) -> Path:
    """Return a copy of a clip with `count` audio streams: tones that begin at the time `begin`."""
    copy = path.with_name(f"{path.stem}-{codec}{suffix or path.suffix}")
    with av.open(str(path)) as source, av.open(str(copy), "w") as file:
        video = source.streams.video[0]
        stream = file.add_stream_from_template(video)
        packets = [
            (packet, float(packet.dts * packet.time_base)) for packet in source.demux(video) if packet.size
        ]
        for packet, _ in packets:
            packet.stream = stream
        tones: list[Any] = []
        for number in range(count):
            tone: Any = file.add_stream(codec, rate=rate, options={"strict": "experimental"})
            tone.layout, tone.metadata["language"] = "stereo", ("deu", "fra")[number % 2]
            tones.append(tone)
        first = packets[0][1] - min(0.0, packets[0][1])
        for number, tone in enumerate(tones):
            tone.codec_context.open()
            size = tone.codec_context.frame_size or 1024
            for at in range(0, round(seconds * rate), size):
                wave = (
                    np.sin((np.arange(at, at + size) * (2 + number) * 880 * np.pi) / rate)
                    * (at // rate + 1)
                    / 9
                )
                samples = np.stack([wave, wave]).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = rate, at + round((begin + first) * rate)
                packets += [
                    (packet, float(packet.pts * packet.time_base))
                    for packet in tone.encode(resampled(frame, tone))
                ]
            packets += [(packet, float(packet.pts * packet.time_base)) for packet in tone.encode(None)]
        for packet, _ in sorted(packets, key=lambda pair: pair[1]):
            file.mux(packet)
    return copy


def resampled(frame: Any, stream: Any) -> Any:
    """Return the audio frame in the sample format of the encoder."""
    context = stream.codec_context
    changed = av.AudioResampler(context.format, context.layout, context.rate).resample(frame)
    (found,) = changed
    found.pts, found.time_base = frame.pts, Fraction(1, context.rate)
    return found
