"""Frames are released as soon as they are not used, and not only by Python's garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import even, rotate_video, write
from mtcnn_cpp.media.video import Video

av = pytest.importorskip("av", reason="needs PyAV, the extra 'video'")


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("is_rotated", [False, True])
def test_frames_are_released(is_rotated: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", even(10))
    if is_rotated:
        path = rotate_video(path)
    with Video(path, reader="pyav") as video:
        kept = [sum(type(one) is av.VideoFrame for one in gc.get_objects()) for _ in video.frames()]
    assert len(kept) == 10
    assert 0 < max(kept) <= 4
