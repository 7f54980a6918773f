"""Frames and times of videos, compared with cv2.VideoCapture (pixels) and PyAV (times); bad input."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from clips import clips, even, read_times, sound_only, write
from mtcnn_cpp.media.image import Frame
from mtcnn_cpp.media.video import Sampling, Video, VideoError
from mtcnn_cpp.media.video.container import missing_bytes
from mtcnn_cpp.media.video.video import is_live

cv2 = pytest.importorskip("cv2")
pytestmark = pytest.mark.usefixtures("reader")
OLD = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dict(clips(tmp_path_factory.mktemp("clips")))


@pytest.fixture(scope="module")
def whole_videos(made: dict[str, Path]) -> dict[tuple[str, str], list[Frame]]:
    """The frames of each clip that some test has read, by reader and name."""
    return {}


def read(path: Path | str, sampling: Sampling | None = None, skip: int = 0) -> list[Frame]:
    with Video(path) as video:
        return list(video.frames(sampling, skip=skip))


def test_zero_threads_are_refused(made: dict[str, Path]) -> None:
    with pytest.raises(
        ValueError, match="threads must be from 1 to 1024, or None for FFmpeg's default, got 0"
    ):
        Video(next(iter(made.values())), threads=0)


def test_frames_and_times_of_every_kind(made: dict[str, Path]) -> None:
    """Each frame occurs once, in order, with the pixels of OpenCV and the time of PyAV."""
    for name, path in made.items():
        found = read(path)
        capture = cv2.VideoCapture(str(path))
        for frame in found:
            there, pixels = capture.read()
            assert there, name
            if frame.error and OLD and name.startswith("size changes"):
                assert (
                    frame.index >= 10
                )  # frames of the second size, which OpenCV before 4.13 does not convert
                continue
            assert np.array_equal(frame.image, pixels), name
        assert not capture.read()[0], name
        times = read_times(path)
        assert [frame.index for frame in found] == list(range(len(times))), name
        assert max(abs(frame.time - time) for frame, time in zip(found, times, strict=True)) < 1e-6, name


def test_a_rotated_video_is_upright(made: dict[str, Path]) -> None:
    assert read(made["rotated, MP4"])[0].image.shape == (240, 192, 3)


def test_sampling(made: dict[str, Path]) -> None:
    """Every n-th frame of the file, between two times (inclusive), with the frame numbers of the file."""
    whole = read(made["variable rate, MP4"])
    start, end = whole[5].time, whole[12].time
    for every in (1, 2, 3, 50):
        if every == 50:
            with pytest.raises(VideoError, match=r"no frame is selected by every=50, start=[\d.]+ s, end="):
                read(made["variable rate, MP4"], Sampling(every, start, end))
            continue
        found = read(made["variable rate, MP4"], Sampling(every, start, end))
        assert [frame.index for frame in found] == [index for index in range(5, 13) if index % every == 0]
        for frame in found:
            assert frame.time == whole[frame.index].time
            assert np.array_equal(frame.image, whole[frame.index].image)


def test_frame_numbers(made: dict[str, Path]) -> None:
    """They count from 1, both ends are included, and all conditions hold."""
    path = made["variable rate, MP4"]
    whole = read(path)
    for sampling, numbers in (
        (Sampling(frames=(3, 7)), range(3, 8)),
        (Sampling(frames=(1, 1)), [1]),
        (Sampling(frames=(None, 2)), [1, 2]),
        (Sampling(frames=(19, None)), [19, 20]),
        (Sampling(frames=(19, 999)), [19, 20]),
        (Sampling(3, frames=(5, 13)), [7, 10, 13]),
        (Sampling(2, start=whole[7].time, end=whole[15].time, frames=(2, 12)), [9, 11]),
    ):
        found = read(path, sampling)
        assert [frame.index + 1 for frame in found] == list(numbers), sampling
        assert sampling.select(frame.time for frame in whole) == [frame.index for frame in found]
        for frame in found:
            assert frame.time == whole[frame.index].time
            assert np.array_equal(frame.image, whole[frame.index].image)
        assert [frame.index for frame in read(path, sampling, skip=1)] == [frame.index for frame in found[1:]]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(fps=5),
        Sampling(fps=17.3),
        Sampling(fps=10_000),
        Sampling(fps=3, start=0.1, end=0.7),
        Sampling(fps=12, frames=(4, 15)),
    ],
    ids=str,
)
def test_a_rate(
    sampling: Sampling, made: dict[str, Path], whole_videos: dict[tuple[str, str], list[Frame]], reader: str
) -> None:
    """Frames and pixels are those that `select` finds in the list of all times, also after a resume."""
    few = {name: made[name] for name in ("variable rate, MP4", "B-frames, transport stream")}
    for name, path in (made if sampling.fps in (5, 17.3) else few).items():
        if (reader, name) not in whole_videos:
            whole_videos[reader, name] = read(path)
        whole = whole_videos[reader, name]
        selected = sampling.select(frame.time for frame in whole)
        assert sampling.fps != 10_000 or selected == list(range(len(whole))), name
        if not selected:
            with pytest.raises(VideoError, match="no frame is selected by"):
                read(path, sampling)
            continue
        every_skip = (0, 1, len(selected) - 1, len(selected), 99)
        for skip in every_skip if name == "variable rate, MP4" else (0, len(selected) - 1):
            found = read(path, sampling, skip=skip)
            assert [frame.index for frame in found] == selected[skip:], name
            for frame in found:
                assert frame.time == whole[frame.index].time
                assert np.array_equal(frame.image, whole[frame.index].image)
                assert frame.error == whole[frame.index].error


def test_reading_stops_after_the_last_frame(tmp_path: Path) -> None:
    """The end of the file is missing, but is not read."""
    path = write(tmp_path / "clip.mkv", even(40))
    path.write_bytes(path.read_bytes()[:-200])
    assert len(read(path, Sampling(frames=(2, 10)))) == 9
    assert len(read(path, Sampling(end=0.36))) == 10
    with pytest.raises(VideoError, match="ends early"):
        read(path, Sampling(frames=(2, 50)))


def test_skipped_frames_do_not_change_others(made: dict[str, Path]) -> None:
    for name, path in made.items():
        whole, found = read(path, Sampling(2)), read(path, Sampling(2), skip=3)
        assert len(found) == max(0, len(whole) - 3), name
        for frame, expected in zip(found, whole[3:], strict=True):
            assert (frame.index, frame.time) == (expected.index, expected.time)
            assert np.array_equal(frame.image, expected.image), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 99}, "start=99 s; the last frame that was read is frame 20 at 0.760 s"),
        ({"frames": (21, None)}, "frames=21:; the last frame that was read is frame 20 at 0.760 s"),
        (
            {"start": 0.5, "frames": (None, 5)},
            "start=0.5 s, frames=:5; the last frame that was read is frame 5",
        ),
        ({"start": 0.05, "end": 0.07}, "start=0.05 s, end=0.07 s; the last frame that was read is frame 3"),
    ],
)
def test_no_frame_is_selected(options: dict[str, Any], message: str, made: dict[str, Path]) -> None:
    with pytest.raises(VideoError, match=re.escape(f"constant.mp4: no frame is selected by {message}")):
        read(made["constant rate, MP4"], Sampling(**options))


@pytest.mark.parametrize("kind", ["constant.mp4", "late.mkv", "vp9.webm", "motion.avi", "fragments.mp4"])
def test_a_cut_file_is_reported_and_its_frames_are_kept(kind: str, tmp_path: Path) -> None:
    container = {"movflags": "faststart"} if kind == "constant.mp4" else {}
    container = {"movflags": "frag_keyframe+empty_moov"} if kind == "fragments.mp4" else container
    codec = {"vp9.webm": "libvpx-vp9", "motion.avi": "mjpeg"}.get(kind, "libx264")
    options = {"bf": "0", "g": "5"} if codec == "libx264" else {}
    path = write(tmp_path / kind, even(40), codec=codec, options=options, container=container)
    whole = read(path)
    assert (missing_bytes(path), len(whole)) == (0, 40)
    data = path.read_bytes()
    cut = tmp_path / f"cut{path.suffix}"
    left = len(data) * 19 // 20
    cut.write_bytes(data[:left])
    assert missing_bytes(cut) == len(data) - left or kind == "fragments.mp4"
    found: list[Frame] = []
    with Video(cut) as video, pytest.raises(VideoError, match=r"ends early.*missing.*could be read"):
        found.extend(video.frames())
    assert 0 < len(found) < 40
    for frame, expected in zip(found[:-1], whole, strict=False):  # the last frame may be partly decoded
        assert frame.time == expected.time
        assert np.array_equal(frame.image, expected.image)


def test_a_file_whose_index_was_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(40))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VideoError, match=r"clip\.mp4 is truncated: 100 bytes are missing"):
        read(path)


@pytest.mark.parametrize("left", [1, 7, 20, 40, 60])
@pytest.mark.parametrize("kind", ["a.mp4", "a.mkv", "a.avi"])
def test_beginnings_of_files(kind: str, left: int, tmp_path: Path) -> None:
    codec = "mjpeg" if kind == "a.avi" else "libx264"
    path = write(tmp_path / kind, even(3), codec=codec, options={} if codec == "mjpeg" else None)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(VideoError, match=re.escape(str(path))):
        read(path)


def test_file_with_video_suffix_but_no_video(tmp_path: Path, made: dict[str, Path]) -> None:
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("hello " * 1000)
    empty.touch()
    for path, error, message in (
        (text, VideoError, r"is not a video that \w+ can read"),
        (empty, VideoError, "is empty, expected a video file"),
        (tmp_path, IsADirectoryError, "is a folder, expected a video file"),
        (tmp_path / "none.mp4", FileNotFoundError, "there is no such video file"),
        (sound_only(tmp_path / "sound.mp4"), VideoError, r"is not a video that \w+ can read"),
    ):
        with pytest.raises(error, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_missing_codec(tmp_path: Path) -> None:
    """The file names a codec that does not exist."""
    path = write(tmp_path / "clip.mp4", even(5))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(VideoError, match="its codec is missing on this machine"):
        read(path)


def test_names_of_live_sources() -> None:
    for name in ("camera:0", "camera:12", "rtsp://host/a", "http://host/a.mp4", "HTTPS://host/a"):
        assert is_live(name), name
    for name in ("camera:", "camera:x", "a.mp4", "C:\\a.mp4", "s3://bucket/a.mp4", "camera:0/a.mp4"):
        assert not is_live(name), name


def test_missing_camera() -> None:
    with pytest.raises(VideoError, match=r"camera:97: there is no camera 97, or another program uses it"):
        Video("camera:97")


class Server(http.server.BaseHTTPRequestHandler):
    """Sends a clip, or sends its first part and then stalls."""

    data: ClassVar[bytes] = b""
    stall_at: ClassVar[int | None] = None
    ended: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        self.wfile.write(self.data[: self.stall_at])
        if self.stall_at is not None:
            self.ended.wait(30)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(made: dict[str, Path]) -> Iterator[str]:
    Server.data = made["B-frames, transport stream"].read_bytes() * 1
    Server.stall_at = None
    Server.ended = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as found:
        found.daemon_threads = True
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://user:secret@127.0.0.1:{found.server_address[1]}/clip.ts"
        Server.ended.set()
        found.shutdown()
        thread.join()


def test_a_stream(server: str, made: dict[str, Path]) -> None:
    """The frames are the same as in the file. The name contains no password."""
    with Video(server) as video:
        assert "secret" not in video.name
        assert video.count is None
        found = list(video.frames())
    expected = read(made["B-frames, transport stream"])
    assert [frame.time for frame in found] == [frame.time for frame in expected]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found, expected, strict=True))
    for sampling in (Sampling(fps=5), Sampling(frames=(3, 7))):
        selected = [frame.index for frame in read(server, sampling)]
        assert selected == sampling.select(frame.time for frame in expected)


@pytest.mark.parametrize("stall_at", [0, 9000])
def test_a_stream_that_stalls(server: str, stall_at: int) -> None:
    """The stream ends with an error after the configured time, not after OpenCV's 30 s."""
    Server.stall_at = stall_at
    began = time.monotonic()
    with pytest.raises(VideoError, match=r"127\.0\.0\.1") as caught, Video(server, silence=0.5) as video:
        list(video.frames())
    assert "secret" not in str(caught.value)
    frames: list[Frame] = []
    if stall_at:  # the last frame has none after it
        with pytest.raises(VideoError, match="has sent nothing"), Video(server, silence=0.5) as video:
            frames.extend(video.frames(Sampling(fps=10_000)))
        assert f" {len(frames)} frames could be read" in str(caught.value)
        assert [frame.index for frame in frames] == list(range(len(frames)))
    assert time.monotonic() - began < 15


def test_missing_server() -> None:
    with pytest.raises(VideoError, match="cannot be opened: it does not respond"):
        Video("http://127.0.0.1:9/clip.ts", silence=1.0)
