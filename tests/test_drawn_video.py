"""Videos of drawings: the frames and times that come back, and what is left when something fails."""

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
from mtcnn_cpp.drawn_video import DrawnVideo
from mtcnn_cpp.marks import is_marked


def frames(path: Path) -> tuple[list[np.ndarray], list[float]]:
    video = cv2.VideoCapture(str(path))
    pictures, times = [], []
    while True:
        read, picture = video.read()
        if not read:
            return pictures, times
        pictures.append(picture)
        times.append(video.get(cv2.CAP_PROP_POS_MSEC))


def picture(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def near(found: np.ndarray, level: int) -> bool:
    return bool((np.abs(found.astype(int) - level) < 12).all())


def test_frames_and_times(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip_faces.mp4"
    with DrawnVideo(path, 12.5, []) as video:
        for index in range(20):
            video.add(picture(48, 64, 10 * index + 20))
            assert not path.exists()
    assert video.count == 20
    assert is_marked(path)
    assert os.listdir(path.parent) == [path.name]
    found, times = frames(path)
    assert np.allclose(times, np.arange(20) * 80.0, atol=0.5)
    assert all(near(frame, 10 * index + 20) for index, frame in enumerate(found))


def test_frames_of_other_sizes(tmp_path: Path) -> None:
    """The first is odd: it gets a black edge. The others fit between black bars."""
    with DrawnVideo(tmp_path / "a.mp4", 25, []) as video:
        video.add(picture(47, 63, 200))
        video.add(picture(96, 64, 200))
        video.add(picture(10, 64, 200))
        video.add(picture(47, 63, 200))
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
    with DrawnVideo(tmp_path / "a.mp4", 25, []) as video:
        video.add(picture(*size, 100))
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
    with DrawnVideo(tmp_path / "a.mp4", fps, []) as video:
        video.add(picture(16, 16, 9))
        video.add(picture(16, 16, 9))
    assert video.fps == pytest.approx(expected, rel=1e-6)
    found, times = frames(tmp_path / "a.mp4")
    assert len(found) == 2
    assert times[1] == pytest.approx(1000 / expected, rel=1e-3, abs=0.01)


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    with DrawnVideo(tmp_path / "a.mp4", 25, []):
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_the_earlier_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.mp4"
    with DrawnVideo(path, 25, []) as video:
        video.add(picture(16, 16, 9))
    before = path.read_bytes()

    def interrupted() -> None:
        with DrawnVideo(path, 25, []) as video:
            video.add(picture(32, 32, 9))
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_nothing_of_the_users_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("thesis")
    with pytest.raises(FileExistsError, match=r"a.mp4 exists and is no drawing of this program"):
        DrawnVideo(path, 25, [])
    with pytest.raises(FileExistsError, match=r"a.mp4 is one of the files to look at"):
        DrawnVideo(path, 25, [path], overwrite=True)
    assert path.read_text() == "thesis"
    for overwrite in (True, False):  # the second replaces its own
        with DrawnVideo(path, 25, [], overwrite=overwrite) as video:
            video.add(picture(16, 16, 9))
        assert is_marked(path)


def test_a_file_that_took_the_name_since_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    video = DrawnVideo(path, 25, [])
    video.add(picture(16, 16, 9))
    path.write_text("thesis")
    with pytest.raises(FileExistsError, match="it is kept"):
        video.close()
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert path.read_text() == "thesis"
    with pytest.raises(ValueError, match=r"a.mp4 is closed"):
        video.add(picture(16, 16, 9))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    code = f"""
        import resource, signal
        import numpy as np
        from pathlib import Path
        from mtcnn_cpp.drawn_video import DrawnVideo
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        rng = np.random.default_rng(0)
        try:
            with DrawnVideo(Path({str(path)!r}), 25, []) as video:
                for _ in range(30):
                    video.add(rng.integers(0, 256, (240, 320, 3), np.uint8))
        except OSError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "frames arrived; is the disk full?); nothing was left behind" in done.stdout
    assert str(path) in done.stdout
    assert os.listdir(tmp_path) == []
