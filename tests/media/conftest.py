"""Fixtures of all tests of images and videos."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def short_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the reader with OpenCV recognize the end of a video after 100 failures instead of 1000.

    The videos of these tests have at most 100 frames. 1000 failures take 14 ms, more than the frames.
    """
    monkeypatch.setattr("mtcnn_cpp.media.video.opencv_reader._MAX_FAILURES", 100)
