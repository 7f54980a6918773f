"""`detect_video` and `detect_files` give the same bits as a simple loop."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import png
import pytest
from clips import clips, even, uneven, write
from images import BACKENDS, portrait
from mtcnn_cpp import BatchError, Detections, Detector, sample_image
from mtcnn_cpp.media.video import Sampling, Video, VideoError
from mtcnn_cpp.media.video.pyav_reader import PyavReader

cv2 = pytest.importorskip("cv2")
OLD = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13)


def plain_loop(path: Path, detector: Detector) -> list[Detections]:
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(detector.detect(read[1]))
    return found


@pytest.fixture(scope="module")
def every_clip(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Detections]]]:
    """Return each kind of clip and its faces by its name."""
    detector = Detector(threads=1)
    made = clips(tmp_path_factory.mktemp("clips"))
    return {name: (path, plain_loop(path, detector)) for name, path in made}


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_kind_of_clip(threads: int, every_clip: dict[str, tuple[Path, list[Detections]]]) -> None:
    detector = Detector(threads=threads)
    count = 0
    kinds = list(every_clip.items())
    kinds = kinds if threads == 3 else kinds[1:4]  # one with B-frames
    for name, (path, expected) in kinds:
        if OLD and name.startswith("size changes"):
            with pytest.raises(VideoError, match=r"frame 11 at .* is not converted by OpenCV"):
                list(detector.detect_video(path, reader="opencv"))
            continue
        frames = list(detector.detect_video(path, reader="opencv"))
        assert [frame.index for frame in frames] == list(range(len(expected))), name
        assert [frame.faces for frame in frames] == expected, name
        count += sum(map(len, expected))
    assert count > (150 if threads == 3 else 50)  # the portrait is detected


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Detections]]:
    """Return a clip of two frames and the faces that the reference finds."""
    path = write(tmp_path_factory.mktemp("short") / "clip.mp4", even(2))
    return path, plain_loop(path, Detector(backend="reference"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend(backend: str, short_clip: tuple[Path, list[Detections]]) -> None:
    path, expected = short_clip
    assert sum(map(len, expected)) == 2
    assert [frame.faces for frame in Detector(backend=backend).detect_video(path)] == expected


def test_arguments(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(20))
    frames = list(Detector().detect_video(str(path), every=3, start=0.2, end=0.6))
    assert [frame.index for frame in frames] == [6, 9, 12, 15]
    assert [frame.time for frame in frames] == [0.24, 0.36, 0.48, 0.6]
    frames = list(Detector().detect_video(path, every=2, frames=(2, 5)))
    assert [frame.index for frame in frames] == [2, 4]
    frames = list(Detector().detect_video(path, fps=5, start="0:00.2", reader="opencv"))
    assert [frame.index for frame in frames] == [5, 10, 15]
    for arguments in ({"fps": 0}, {"every": 0}, {"start": -1.0}, {"start": 1.0, "end": 0.5}):
        with pytest.raises(ValueError, match="must"):
            Detector().detect_video(path, **arguments)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="there is no such video file"):
        Detector().detect_video(tmp_path / "none.mp4")


def test_pyav_converts_selected_frames_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "clip.mp4", uneven(40))
    converted, original = [], PyavReader._convert
    monkeypatch.setattr(
        PyavReader, "_convert", lambda reader, frame: (converted.append(frame), original(reader, frame))[1]
    )
    with Video(path, reader="pyav") as video:
        found = list(video.frames(Sampling(fps=4), skip=3))
    assert len(converted) == len(found) == 17


def test_a_hook_sees_the_frames_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(5))
    detector = Detector(threads=2)
    seen: list[tuple[str, int]] = []
    with detector.hook("final/scores", lambda name, array: seen.append((name, len(array)))):
        frames = list(detector.detect_video(path, reader="opencv"))
    assert seen == [("final/scores", len(frame.faces)) for frame in frames]


def test_frames_of_a_cut_file_come_before_its_error(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mkv", even(60))
    path.write_bytes(path.read_bytes()[:-500])
    for threads in (1, 2, 7):
        found = []
        with pytest.raises(VideoError, match=r"ends early.* (\d+) frames could be read") as caught:
            found.extend(frame.index for frame in Detector(threads=threads).detect_video(path))
        assert found == list(range(len(found)))
        assert f" {len(found)} frames could be read" in str(caught.value)
        assert len(found) > 20


def test_leaving_ends_its_threads(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(50))
    before = threading.active_count()
    for frame in Detector(threads=3).detect_video(path):
        if frame.index == 3:
            break
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_hook_of_a_video(threads: int, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(8))
    detector, seen = Detector(threads=threads), []
    with detector.hook("final/scores", lambda name, array: seen.append(threading.get_ident())):
        frames = detector.detect_video(path)
        found = [next(frames) for _ in range(2)]
    found += frames
    assert seen == [threading.get_ident()] * 2
    assert [frame.faces for frame in found] == plain_loop(path, detector)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png.encode(portrait()))
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "c.png").write_bytes(png.encode(sample_image()))
    clip = write(tmp_path / "d.mp4", even(2))
    paths = [tmp_path / "c.png", tmp_path / "b.png", str(tmp_path / "a.png"), clip]
    detector = Detector()
    first, second, third, fourth = detector.detect_files(paths, on_error="return")
    assert list(detector.detect_files(paths, on_error="skip")) == [first, third]
    assert (first, third) == (detector.detect(sample_image()), detector.detect(portrait()))
    assert isinstance(second, ValueError)
    assert "b.png is not an image" in str(second)
    assert "d.mp4 is a video, expected an image file; use detect_video" in str(fourth)
    with pytest.raises(BatchError, match="image 1: "):
        list(detector.detect_files(paths))
    with pytest.raises(TypeError, match="'paths' must contain paths of image files, got ndarray"):
        list(detector.detect_files([np.zeros((4, 4), np.uint8)]))  # type: ignore[list-item]
    with pytest.raises(TypeError, match="got one image"):
        detector.detect_files(str(tmp_path / "a.png"))
