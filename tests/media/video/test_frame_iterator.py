"""The expected number of frames of an iterator, with the progress bars of tqdm and Rich."""

from __future__ import annotations

import io
import operator
from pathlib import Path
from typing import Any

import png
import pytest
from clips import even, make_frame, uneven, write
from mtcnn_cpp import Detector
from mtcnn_cpp.media.video import Sampling, Video, VideoError
from rich.console import Console
from rich.progress import Progress

tqdm = pytest.importorskip("tqdm").tqdm
pytest.importorskip("cv2")
pytestmark = pytest.mark.usefixtures("reader")


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({}, 40),
        ({"every": 3}, 14),
        ({"start": "0:00.4", "end": 0.8}, 11),
        ({"frames": (11, None)}, 30),
        ({"fps": 5}, 8),
    ],
)
def test_progress(options: dict[str, Any], total: int, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(40))
    text = io.StringIO()
    with Video(path) as video:
        frames = video.frames(Sampling(**options))
        bar = tqdm(frames, total=frames.total, file=text)
        assert sum(1 for _ in bar) == bar.n == bar.total == total
    assert "100%|" in text.getvalue()
    assert f"| {total}/{total} [" in text.getvalue()
    if options:
        detected = Detector().detect_video(path, **options)
        assert detected.total == total
        with Progress(console=Console(file=io.StringIO())) as progress:
            assert len(list(progress.track(detected))) == total
        assert (progress.tasks[0].completed, progress.tasks[0].total) == (total, total)


def test_remaining_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(20))
    with Video(path) as video:
        frames = video.frames(skip=5)
        assert frames.total == operator.length_hint(frames) == 15
        assert next(frames).index == 5
        assert (frames.total, operator.length_hint(frames)) == (15, 14)
        assert len(list(frames)) == 14
        assert operator.length_hint(frames) == 0
    with pytest.raises(TypeError, match="no len"):
        len(frames)  # type: ignore[arg-type]
    assert frames  # true, also at its end


def test_folder_of_images(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        (tmp_path / f"{number}.png").write_bytes(png.encode(make_frame(number)))
    with Video(tmp_path, fps=10) as video:
        frames = video.frames()
        assert frames.total == len(list(frames)) == 4


def test_wrong_numbers(tmp_path: Path) -> None:
    """A truncated file has fewer frames than it states. With a variable rate, the number is an estimate."""
    path = write(tmp_path / "clip.mp4", even(40), container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-4000])
    with Video(path) as video:
        frames = video.frames()
        assert frames.total == 40
        found = []
        with pytest.raises(VideoError, match="ends early"):
            found.extend(frames)
        assert 0 < len(found) < 40
        assert operator.length_hint(frames) == 40 - len(found)
    path = write(tmp_path / "variable.mp4", uneven(40))
    with Video(path) as video:
        frames = video.frames(Sampling(fps=4))
        assert frames.total is not None
        assert len(list(frames)) == pytest.approx(frames.total, abs=5)


def test_unknown_number(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(5))
    with Video(path) as video:
        video.count = None
        frames = video.frames()
        bar = tqdm(frames, total=frames.total, file=io.StringIO())
        assert sum(1 for _ in bar) == bar.n == 5
        assert bar.total is None
        assert operator.length_hint(frames, 7) == 7


def test_closing(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(5))
    frames = Detector(threads=2).detect_video(path)
    assert next(frames).index == 0
    frames.close()
    assert list(frames) == []
