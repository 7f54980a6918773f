"""Annotated videos with both encoders: frames and times, and remaining files after an error."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
from mtcnn_cpp.media.markers import has_marker
from mtcnn_cpp.media.video_encoders import find_h264_problem


@pytest.fixture(params=["h264", "mpeg4"], autouse=True)
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Without PyAV, the encoder is MPEG-4."""
    if request.param == "mpeg4":
        monkeypatch.setitem(sys.modules, "av", None)
        assert "needs the package 'av'" in find_h264_problem()
    elif problem := find_h264_problem():
        pytest.skip(problem)
    return str(request.param)


def frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    video = cv2.VideoCapture(str(path))
    pictures, times = [], []
    while True:
        read, image = video.read()
        if not read:
            return pictures, times
        pictures.append(image)
        times.append(video.get(cv2.CAP_PROP_POS_MSEC))


def image(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def near(found: np.ndarray, level: int) -> bool:
    return bool((np.abs(found.astype(int) - level) < 12).all())


def test_frames_and_times(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip_faces.mp4"
    with AnnotatedVideoWriter(path, 12.5, []) as video:
        for index in range(20):
            video.add(image(48, 64, 10 * index + 20))
            assert not path.exists()
    assert video.count == 20
    assert has_marker(path)
    assert os.listdir(path.parent) == [path.name]
    found, times = frames(path)
    assert np.allclose(times, np.arange(20) * 80.0, atol=0.5)
    assert all(near(frame, 10 * index + 20) for index, frame in enumerate(found))


def test_frames_of_other_sizes(tmp_path: Path) -> None:
    """The first size is odd and gets a black edge. The other frames get black bars."""
    with AnnotatedVideoWriter(tmp_path / "a.mp4", 25, []) as video:
        video.add(image(47, 63, 200))
        video.add(image(96, 64, 200))
        video.add(image(10, 64, 200))
        video.add(image(47, 63, 200))
    found, _ = frames(tmp_path / "a.mp4")
    assert {frame.shape for frame in found} == {(48, 64, 3)}
    for frame in (found[0], found[3]):
        assert near(frame[:40, :56], 200)
        assert (frame[47, :56] < 100).all()
    assert near(found[1][:, 20:44], 200)
    assert (found[1][:, [0, 8, 55, 63]] < 60).all()
    assert near(found[2][21:27], 200)
    assert (found[2][[0, 12, 35, 47]] < 60).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (1, 9000)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    with AnnotatedVideoWriter(tmp_path / "a.mp4", 25, []) as video:
        video.add(image(*size, 100))
    (frame,), _ = frames(tmp_path / "a.mp4")
    assert frame.shape[0] % 2 == frame.shape[1] % 2 == 0
    assert max(frame.shape) <= 8190


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (30000 / 1001, 29.97),
        (22 / 3, 7.333),
        (1000.123, 1000.1),
        (1e6, 65535),
        (1e-9, 0.1),
        (None, 25),
        (0, 25),
        (-1, 25),
        (math.nan, 25),
    ],
)
def test_rates(tmp_path: Path, fps: float | None, expected: float) -> None:
    with AnnotatedVideoWriter(tmp_path / "a.mp4", fps, []) as video:
        video.add(image(16, 16, 9))
        video.add(image(16, 16, 9))
    assert video.fps == pytest.approx(expected, rel=1e-6)
    found, times = frames(tmp_path / "a.mp4")
    assert len(found) == 2
    assert times[1] == pytest.approx(1000 / expected, rel=1e-3, abs=0.01)


def test_no_file_without_frames(tmp_path: Path) -> None:
    with AnnotatedVideoWriter(tmp_path / "a.mp4", 25, []):
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupt_keeps_the_earlier_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.mp4"
    with AnnotatedVideoWriter(path, 25, []) as video:
        video.add(image(16, 16, 9))
    before = path.read_bytes()

    def interrupted() -> None:
        with AnnotatedVideoWriter(path, 25, []) as video:
            video.add(image(32, 32, 9))
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_user_files_are_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("thesis")
    with pytest.raises(FileExistsError, match=r"a.mp4 exists and was not written by this program"):
        AnnotatedVideoWriter(path, 25, [])
    with pytest.raises(FileExistsError, match=r"a.mp4 is one of the input files"):
        AnnotatedVideoWriter(path, 25, [path], overwrite=True)
    assert path.read_text() == "thesis"
    for overwrite in (True, False):  # the second run replaces its own file
        with AnnotatedVideoWriter(path, 25, [], overwrite=overwrite) as video:
            video.add(image(16, 16, 9))
        assert has_marker(path)


def test_file_created_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video = AnnotatedVideoWriter(path, 25, [])
    video.add(image(16, 16, 9))
    path.write_text("thesis")
    with pytest.raises(FileExistsError, match="was not replaced"):
        video.close()
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert path.read_text() == "thesis"
    with pytest.raises(ValueError, match=r"a.mp4 is closed"):
        video.add(image(16, 16, 9))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_is_noticed(tmp_path: Path, encoder: str) -> None:
    path = tmp_path / "a.mp4"
    code = f"""
        import resource, signal, sys
        import numpy as np
        {"" if encoder == "h264" else "sys.modules['av'] = None"}
        from pathlib import Path
        from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        rng = np.random.default_rng(0)
        try:
            with AnnotatedVideoWriter(Path({str(path)!r}), 25, []) as video:
                for _ in range(30):
                    video.add(rng.integers(0, 256, (240, 320, 3), np.uint8))
        except OSError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    found = (
        "FFmpeg reports: File too large" if encoder == "h264" else "frames were written; is the disk full?"
    )
    assert f"{path} could not be written (" in done.stdout
    assert f"{found}); no incomplete file remains" in done.stdout
    assert os.listdir(tmp_path) == []
