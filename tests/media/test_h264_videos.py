"""Annotated videos in H.264: times of all frames, copied sound, colors, and files on a full disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
from clips import add_sound, av, even, make_frame, read_times, uneven, write
from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
from mtcnn_cpp.media.video import Sampling, Video
from mtcnn_cpp.media.video_encoders import TICKS, H264Encoder, find_h264_problem

pytestmark = pytest.mark.skipif(bool(find_h264_problem()), reason=find_h264_problem() or "-")
HALF_TICK = 0.5 / TICKS + 1e-9  # the times are rounded to 1/360000 s; the readers round to 1e-9 s


def copy_video(
    source: Path, target: Path, sampling: Sampling | None = None, **options: Any
) -> tuple[list[float], AnnotatedVideoWriter]:
    """Write the frames of a video to another video. Return their times in the source, and the writer."""
    times = []
    sampling = sampling or Sampling()
    options = {"cut_sound": sampling.end is not None, **options}
    with Video(source) as video, AnnotatedVideoWriter(target, video.fps, [], source=source, **options) as out:
        for frame in video.frames(sampling):
            out.add(frame.image, frame.time)
            times.append(frame.time)
    return times, out


def write_frames(target: Path, source: Path) -> list[str]:
    """Write 60 frames, with the sound of a source. Return the problems."""
    with AnnotatedVideoWriter(target, 25, [], source=source) as out:
        for index in range(60):
            out.add(make_frame(index), index / 25)
    return out.problems


def duration_of_file(path: Path) -> float:
    """Return the duration in seconds, of frames and sound."""
    with av.open(str(path)) as file:
        assert file.duration is not None
        return file.duration / 1e6


def duration(path: Path) -> float:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert file.duration is not None
        assert stream.duration is not None
        seconds = float(stream.duration * stream.time_base)
        if not file.streams.audio:
            assert file.duration / 1e6 == pytest.approx(seconds, abs=1e-5)
        return seconds


def audio_packets(path: Path, number: int = 0) -> list[tuple[Fraction, bytes]]:
    """Return the times and the content of the packets of an audio stream, relative to the first frame."""
    with av.open(str(path)) as file:
        stream, video = file.streams.audio[number], file.streams.video[0]
        origin = video.start_time * video.time_base
        return [(p.pts * p.time_base - origin, bytes(p)) for p in file.demux(stream) if p.size]


@pytest.fixture(scope="module")
def every_clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dict(clips.clips(tmp_path_factory.mktemp("clips")))


@pytest.mark.parametrize(
    ("sampling", "rest"),
    [
        (Sampling(), 0.0),
        (Sampling(every=3), 0.0),
        (Sampling(start=0.13, end=1.9), 0.13),
        (Sampling(every=2, start=0.2), 0.2),
    ],
    ids=["all", "every", "period", "both"],
)
def test_times_of_all_frames(
    sampling: Sampling, rest: float, every_clip: dict[str, Path], tmp_path: Path
) -> None:
    """The times of all kinds of clips are equal to those in the source, and begin at 0."""
    for name, path in every_clip.items():
        if name.startswith("one frame") and rest:
            continue
        times, out = copy_video(path, tmp_path / "out.mp4", sampling)
        expected = np.array(times) - times[0]
        found = np.array(read_times(tmp_path / "out.mp4"))
        assert len(found) == len(times) == out.count, name
        assert np.abs(found - expected).max() <= HALF_TICK, name
        mean = expected[-1] / (len(expected) - 1) if len(expected) > 1 else 1 / out.fps
        assert duration(tmp_path / "out.mp4") == pytest.approx(expected[-1] + mean, abs=2 / TICKS), name
        assert out.problems == []


def test_rates_of_which_no_time_base_is_a_multiple(tmp_path: Path) -> None:
    for fps in (Fraction(24000, 1001), Fraction(120000, 1001), Fraction(7), Fraction(1000, 3)):
        expected = [float(index / fps) for index in range(50)]
        with AnnotatedVideoWriter(tmp_path / "out.mp4", float(fps), []) as out:
            for time in expected:
                out.add(make_frame(0, (64, 64)), time)
        found = np.array(read_times(tmp_path / "out.mp4"))
        assert np.abs(found - expected).max() <= HALF_TICK


def test_times_that_do_not_increase(tmp_path: Path) -> None:
    """Equal times, a single wrong time, and a new recording in the same file."""
    times = [5.0, 5.1, 5.1, 5.05, 5.2, 0.0, 5.4, 5.5, 2.0, 2.1, 2.2]
    with AnnotatedVideoWriter(tmp_path / "out.mp4", 10, []) as out:
        for time in times:
            out.add(make_frame(0, (64, 64)), time)
    expected = [0, 0.1, 0.1 + 1 / TICKS, 0.1 + 2 / TICKS, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert np.abs(np.array(read_times(tmp_path / "out.mp4")) - expected).max() <= HALF_TICK


CODECS = [  # encoder, suffix of the source
    ("aac", ".mp4"),
    ("aac", ".ts"),
    ("aac", ".mkv"),
    ("libmp3lame", ".mp4"),
    ("libopus", ".mkv"),
    ("libopus", ".mp4"),
    ("ac3", ".ts"),
    ("eac3", ".mkv"),
    ("flac", ".mkv"),
    ("alac", ".mov"),
    ("mp2", ".ts"),
]


PERIOD = Sampling(start=0.7, end=1.5)
REST = Sampling(every=4, start=0.5)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("silent")
    return write(folder / "clip.mp4", [500 + time for time in even(60)], size=(64, 64))


@pytest.mark.parametrize(
    ("codec", "suffix", "sampling"),
    [
        *((codec, suffix, Sampling()) for codec, suffix in CODECS),
        *((codec, suffix, PERIOD) for codec, suffix in CODECS[::2]),
        *((codec, suffix, REST) for codec, suffix in CODECS[1::2]),
    ],
    ids=repr,
)
def test_sound_is_copied(codec: str, suffix: str, sampling: Sampling, silent: Path, tmp_path: Path) -> None:
    """The packets are equal, and each has the same distance to the frames as in the source."""
    source = add_sound(shutil.copy(silent, tmp_path / "clip.mp4"), codec, seconds=2.6, suffix=suffix)
    times, out = copy_video(source, tmp_path / "out.mp4", sampling)
    assert out.problems == []
    original, found = audio_packets(source), audio_packets(tmp_path / "out.mp4")
    start = Fraction(times[0])
    if codec == "aac" and suffix == ".ts":
        original = [(time, content[7:]) for time, content in original]  # without the ADTS header
    size = original[2][0] - original[1][0]  # of a packet, in seconds
    first = next(i for i, (time, _) in enumerate(original) if time + size > start + Fraction(1, 10**6))
    first = max(first - 1, 0)  # decoders need the packet before the first
    end = start + Fraction(duration(tmp_path / "out.mp4")) if sampling.end else original[-1][0] + 1
    expected = [(time - start, content) for time, content in original[first:] if time < end]
    assert [content for _, content in found] == [content for _, content in expected]
    # Matroska rounds times to a millisecond, and transport streams round them to 1/90000 s.
    tolerance = {".mkv": 1.001e-3, ".ts": 2e-5}.get(suffix, 1.1 / 48000)
    assert max(abs(a - b) for (a, _), (b, _) in zip(found, expected, strict=True)) <= tolerance
    assert found[0][0] <= 0.001
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.audio[0].language in ("deu", "und", None)
        decoded = sum(frame.samples for frame in file.decode(audio=0))
        # The player skips the sound before the first frame.
        assert decoded / 48000 == pytest.approx(float(found[-1][0] + size), abs=2.1 * size + 0.03)


def test_sound_that_begins_late_or_ends_late(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", even(50))
    source = add_sound(clip, "aac", seconds=3, begin=0.7)
    copy_video(source, tmp_path / "out.mp4")
    original, found = audio_packets(source), audio_packets(tmp_path / "out.mp4")
    assert found == original
    assert 0.67 < found[0][0] < 0.7
    assert found[-1][0] > 3.5


def test_several_audio_streams(tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", even(50)), "aac", seconds=2, count=2)
    copy_video(source, tmp_path / "out.mp4")
    for number in range(2):
        assert audio_packets(tmp_path / "out.mp4", number) == audio_packets(source, number)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert [stream.language for stream in file.streams.audio] == ["deu", "fra"]


@pytest.mark.parametrize(
    ("codec", "suffix", "name"), [("pcm_s16le", ".mov", "pcm_s16le"), ("vorbis", ".mkv", "vorbis")]
)
def test_sound_that_mp4_cannot_hold(codec: str, suffix: str, name: str, tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", even(20)), codec, suffix=suffix)
    times, out = copy_video(source, tmp_path / "out.mp4")
    assert out.problems == [f"its sound is not copied, because an MP4 file cannot hold the codec {name}"]
    assert len(read_times(tmp_path / "out.mp4")) == len(times) == 20
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert not file.streams.audio


def test_no_sound_on_request(tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", even(20)), "aac")
    _, out = copy_video(source, tmp_path / "out.mp4", sound=False)
    assert out.problems == []
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert not file.streams.audio


@pytest.mark.parametrize("first", range(0, 200, 60))
def test_damaged_sound_does_not_end_the_video(first: int, tmp_path: Path) -> None:
    """Bytes of a transport stream are changed at many places. Frames are written from a complete clip."""
    source = add_sound(write(tmp_path / "clip.mp4", even(60)), "aac", seconds=2.4, suffix=".ts")
    data = bytearray(source.read_bytes())
    for at in range(len(data) // 3 + first, len(data), 997):
        data[at] ^= 0x5A
    source.write_bytes(data)
    write_frames(tmp_path / "out.mp4", source)
    assert np.abs(np.array(read_times(tmp_path / "out.mp4")) - np.arange(60) / 25).max() <= HALF_TICK
    assert duration_of_file(tmp_path / "out.mp4") == pytest.approx(2.4, abs=0.022)
    found = [time for time, _ in audio_packets(tmp_path / "out.mp4")]
    assert found == sorted(set(found))


def test_packets_of_sound_with_damaged_headers_are_left_out(tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", even(60)), "aac", seconds=2.4, suffix=".ts")
    count = len(audio_packets(source))
    data, header = bytearray(source.read_bytes()), b"\xff\xf1\x4c\x80"  # without a checksum
    damaged, at = 0, data.find(header, len(data) // 3)
    while at > 0:
        data[at + 1], data[at + 6] = 0xF0, data[at + 6] | 1  # a checksum, and two frames in this packet
        damaged, at = damaged + 1, data.find(header, at + 1)
    source.write_bytes(data)
    problems = write_frames(tmp_path / "out.mp4", source)
    found = audio_packets(tmp_path / "out.mp4")
    assert 50 < damaged < 100
    assert len(found) == count - damaged
    end = float(found[-1][0] + found[1][0] - found[0][0])
    assert problems == [f"parts of its sound from {end:.3f} s are damaged and left out"]


def test_sound_after_a_damaged_time_is_left_out(tmp_path: Path) -> None:
    """The last packet of sound claims to be an hour later: the annotated video does not last an hour."""
    clip = add_sound(write(tmp_path / "clip.mp4", even(60)), "aac", seconds=2.4)
    with av.open(str(clip)) as original, av.open(str(tmp_path / "jump.mkv"), "w") as file:
        copies = {stream.index: file.add_stream_from_template(stream) for stream in original.streams}
        packets = [packet for packet in original.demux() if packet.size]
        sound = [packet for packet in packets if packet.stream.type == "audio"]
        sound[-1].pts = sound[-1].dts = sound[-1].dts + 3600 * 48000
        for packet in packets:
            packet.stream = copies[packet.stream_index]
            file.mux(packet)
    problems = write_frames(tmp_path / "out.mp4", tmp_path / "jump.mkv")
    assert len(audio_packets(tmp_path / "out.mp4")) == len(sound) - 1
    assert duration_of_file(tmp_path / "out.mp4") == pytest.approx(2.4, abs=0.022)
    assert len(problems) == 1
    assert re.fullmatch(r"its sound ends at 2\.3\d\d s, where times jump", problems[0])


def test_a_source_that_pyav_cannot_open(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_text("no video")
    with AnnotatedVideoWriter(tmp_path / "out.mp4", 25, [], source=source) as out:
        out.add(make_frame(0))
    assert "its sound is not copied, because PyAV cannot open the file" in out.problems[0]
    assert len(read_times(tmp_path / "out.mp4")) == 1


def test_the_sound_of_a_new_recording_is_not_copied(tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", even(75)), "aac", seconds=3)
    with AnnotatedVideoWriter(tmp_path / "out.mp4", 25, [], source=source) as out:
        for time in (0.0, 1.0, 2.0, 0.5, 0.6):
            out.add(make_frame(0), time)
    assert out.problems == ["its sound ends at 2.040 s, where times go back"]
    assert 1.9 < audio_packets(tmp_path / "out.mp4")[-1][0] < 2.05


def test_packets_are_interleaved(tmp_path: Path) -> None:
    """In the file, sound and frames of the same time are near each other."""
    source = add_sound(write(tmp_path / "clip.mp4", even(250)), "aac", seconds=10)
    copy_video(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        packets = sorted((p.pos, p.stream.type, float(p.dts * p.time_base)) for p in file.demux() if p.size)
    last = {"audio": 0.0, "video": 0.0}
    for _, kind, time in packets:
        last[kind] = time
        assert abs(last["audio"] - last["video"]) < 1.1


def test_the_header_is_at_the_beginning(tmp_path: Path) -> None:
    copy_video(write(tmp_path / "clip.mp4", even(20)), tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    boxes, at = [], 0
    while at < len(data):
        boxes.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    assert at == len(data)
    assert boxes.index(b"moov") < boxes.index(b"mdat")
    assert boxes[-1] == b"free"  # the marker


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ((1, 1, 1), (1, 1)),
        ((5, 5, 6), (5, 6)),
        ((6, 6, 6), (6, 6)),
        ((2, 2, 2), (1, 1)),
        pytest.param((9, 9, 16), (1, 1), marks=pytest.mark.slow),  # FFmpeg computes tables for 6 s
    ],
    ids=["bt709", "bt470bg", "bt601", "none", "hdr"],
)
def test_colors(tags: tuple[int, int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    """The tags agree with the conversion, so that the frames have the same colors as those of the source."""

    def paint(index: int, size: tuple[int, int]) -> np.ndarray:
        return np.full((*size, 3), (60 + index, 110, 190 - 3 * index), np.uint8)

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = 1
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(paint(index, (96, 128)), format="bgr24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    copy_video(path, tmp_path / "out.mp4", quality=10)
    with av.open(str(tmp_path / "out.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (6, *expected)
        assert context.color_range == 1
    with Video(path) as before, Video(tmp_path / "out.mp4") as after:
        for one, two in zip(before.frames(), after.frames(), strict=True):
            # Values of YUV are integers: a step is up to 2 levels of R, G or B.
            assert np.abs(one.image.mean(axis=(0, 1)) - two.image.mean(axis=(0, 1))).max() <= 2


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = clips.SIZE[0], clips.SIZE[1], "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for index in range(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(make_frame(index), format="bgr24")))
        file.mux(stream.encode())
    copy_video(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    copy_video(clips.rotate_video(path), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == clips.SIZE
        assert file.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


def test_quality(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(10))
    sizes = {}
    for quality in (1, 20, 51):
        copy_video(path, tmp_path / "out.mp4", quality=quality)
        sizes[quality] = (tmp_path / "out.mp4").stat().st_size
        with av.open(str(tmp_path / "out.mp4")) as file:
            assert file.streams.video[0].profile == "High"
            assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert sizes[1] > 2 * sizes[20] > 4 * sizes[51] / 2
    for quality in (0, 52):
        with pytest.raises(ValueError, match=rf"quality must be 1 \(best\) to 51 .*, got {quality}"):
            AnnotatedVideoWriter(tmp_path / "x" / "out.mp4", 25, [], quality=quality)


LIMITED = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
rng = np.random.default_rng(0)
frames = rng.integers(0, 256, (30, 64, 64, 3), np.uint8)
path, source = map(Path, sys.argv[1:3])
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with AnnotatedVideoWriter(path, 25, [], source=source) as video:
            for frame in frames:
                video.add(frame)
    except OSError as error:
        print(limit, "failed", error, flush=True)
        assert isinstance(error.filename, str) and error.filename == str(path)
        assert not list(path.parent.iterdir())
    else:
        print(limit, "written", path.stat().st_size, flush=True)
        path.unlink()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_at_any_moment(tmp_path: Path) -> None:
    """No limit on the file size gives an incomplete file, whether in frames, header, moved data or marker."""
    source = add_sound(write(tmp_path / "clip.mp4", even(30)), "aac", seconds=1.2)
    path = tmp_path / "out" / "a.mp4"

    def run(*limits: int) -> list[str]:
        command = [sys.executable, "-c", LIMITED, path, source, *map(str, limits)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.splitlines()

    (line,) = run(10**9)
    size = int(line.split()[-1])
    limits = [*range(0, size, size // 40), *range(size - 4000, size, 256), size - 26, size - 25, size - 24]
    lines = run(*limits, size - 1, size, size + 1)
    assert [line.split()[1] for line in lines] == ["failed"] * (len(limits) + 1) + ["written"] * 2
    for line in lines[:-2]:
        assert f"{path} could not be written (" in line
        assert "; no incomplete file remains" in line
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("lost", [1, 3000])
def test_lost_bytes_are_noticed(lost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the system did not report that it could not write them."""
    discard = H264Encoder.discard

    def lose_bytes(self: H264Encoder) -> None:
        discard(self)
        (part,) = tmp_path.glob(".out.mp4.*")
        os.truncate(part, max(0, part.stat().st_size - lost))

    monkeypatch.setattr(H264Encoder, "discard", lose_bytes)
    out = AnnotatedVideoWriter(tmp_path / "out.mp4", 25, [])
    for index in range(20):
        out.add(make_frame(index))
    with pytest.raises(OSError, match=rf"out\.mp4 could not be written \({lost} bytes are missing"):
        out.close()
    assert not (tmp_path / "out.mp4").exists()


def test_nothing_is_printed(tmp_path: Path) -> None:
    source = add_sound(write(tmp_path / "clip.mp4", uneven(20)), "aac", suffix=".ts")
    code = f"""
        from pathlib import Path
        from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
        from mtcnn_cpp.media.video import Video
        source = Path({str(source)!r})
        target = source.with_name("out.mp4")
        with Video(source) as video, AnnotatedVideoWriter(target, 25, [], source=source) as out:
            for frame in video.frames():
                out.add(frame.image, frame.time)
                out.add(frame.image, frame.time)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
