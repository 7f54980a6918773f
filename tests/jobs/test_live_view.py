"""`detect --show` for streams: the newest frame each time, dropped frames, and the end."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import even, make_frame, write
from live_streams import motion_jpeg, transport_stream
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.live_view import LiveStatus, NewestFrames
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.media.image import Frame
from mtcnn_cpp.media.video import Video, VideoError, video
from study import rows_of, run

SECONDS = 3
MAX_DELAY = 1.5  # seconds, for decoding on a busy machine; 6 s if every frame was processed


class RecordingView:
    """A view that records what is shown, and when. It is closed after `limit` frames.

    After 5 frames, it sets the event `fifth`.
    """

    def __init__(self, limit: int = 10**6, fifth: threading.Event | None = None) -> None:
        self.shown: list[tuple[float, np.ndarray, LiveStatus]] = []
        self.limit = limit
        self.fifth = fifth

    def show(self, image: np.ndarray, status: LiveStatus) -> None:
        self.shown.append((time.monotonic(), image, status))
        if self.fifth is not None and len(self.shown) == 5:
            self.fifth.set()

    def is_closed(self) -> bool:
        return len(self.shown) >= self.limit


def process(
    address: str, view: RecordingView, detector: Detector | None = None, **settings: Any
) -> tuple[list[FrameResult], DetectionPipeline]:
    plan = make_plan([address])
    assert plan.sources[0].kind == "live"
    settings = JobSettings(TableFormat.csv, **settings)
    with DetectionPipeline(detector or Detector(threads=2), settings, view=view) as pipeline:
        return list(pipeline.process(plan.sources)), pipeline


def test_the_shown_frame_is_never_late(tmp_path: Path) -> None:
    """Detection takes longer than the interval between frames. Without dropping, the delay would grow.

    A frame was the newest one when its detection began. So it is late by the time of its detection, which is
    the time since the frame before was shown, and by the time of decoding.
    """
    clip = write(tmp_path / "c.ts", even(SECONDS * 25), size=(480, 640), options={"preset": "ultrafast"})
    view = RecordingView()
    with transport_stream(clip, SECONDS) as stream:
        results, pipeline = process(stream.address, view, Detector(min_face=12, scale_factor=0.97, threads=2))
        begin = stream.begins[-1]
    assert not [result.error for result in results if result.error]
    assert pipeline.dropped > SECONDS * 25 / 3
    assert len(results) + pipeline.dropped == SECONDS * 25
    assert len(view.shown) == len(results) >= 3
    late = [shown - begin - status.time - stream.lag for shown, _, status in view.shown]
    intervals = [after[0] - before[0] for before, after in itertools.pairwise(view.shown)]
    excess = [delay - interval for delay, interval in zip(late[1:], intervals, strict=True)]
    assert max(excess) < MAX_DELAY, (late, intervals)
    assert results[-1].index == SECONDS * 25 - 1  # the last frame of the stream
    statuses = [status for _, _, status in view.shown]
    assert [status.number for status in statuses] == [result.index + 1 for result in results]
    dropped = [status.dropped for status in statuses]
    assert dropped == sorted(dropped)
    assert 0 < statuses[-1].rate < 40


def test_rows_are_those_of_the_processed_frames(tmp_path: Path) -> None:
    """Faces and times of a processed frame are those that the same frame has without --show."""
    clip = write(tmp_path / "c.ts", even(40))
    view = RecordingView()
    with transport_stream(clip, 1.6) as stream:
        results, pipeline = process(stream.address, view, track=False)
    expected = list(Detector().detect_video(clip))
    assert len(results) + pipeline.dropped == len(expected)
    for result in results:
        frame = expected[result.index]
        assert (result.time, result.faces) == (frame.time, frame.faces)
    _, image, status = view.shown[-1]
    assert image.shape == (192, 240, 3)
    assert not np.array_equal(image, expected[status.number - 1].image)  # annotated
    assert str(status).startswith(f"frame {status.number}, {status.time:.1f} s, 1 face, ")


def test_the_view_ends_the_stream() -> None:
    view = RecordingView(limit=5)
    with motion_jpeg() as stream:
        results, _ = process(stream.address, view)
    assert len(results) == 5
    assert not any(result.error for result in results)


def test_the_view_ends_a_stalled_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream sends nothing more, so no frame arrives. The view still ends it, before the time limit."""
    monkeypatch.setattr("mtcnn_cpp.jobs.live_view.STOP_SECONDS", 0.2)
    view = RecordingView()
    with motion_jpeg() as stream:
        view.fifth = stream.pause
        threading.Timer(1.0, lambda: setattr(view, "limit", 0)).start()
        before = time.monotonic()
        results, _ = process(stream.address, view)
        assert time.monotonic() - before < 10  # a stalled stream ends after 15 s
    assert results
    assert not any(result.error for result in results)


def test_a_stream_that_stops_keeps_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Video.__init__, "__kwdefaults__", Video.__init__.__kwdefaults__ | {"silence": 1.0})
    with motion_jpeg() as stream:
        results, _ = process(stream.address, RecordingView(fifth=stream.pause))
    assert "has sent nothing for 1 s and was closed" in results[-1].error
    assert len(results) > 3
    assert not any(result.error for result in results[:-1])


class StoppingCamera:
    """A camera that is disconnected after some frames. No camera is available to tests."""

    label, fps, count, damaged, stalled = "OpenCV", 30.0, 0.0, False, False
    frames = 5

    def __init__(self, *_: object, **__: object) -> None:
        self.grabbed = 0
        self.is_closed = False

    def grab(self) -> bool:
        time.sleep(0.05)
        self.grabbed += 1
        return self.grabbed <= self.frames

    def time(self) -> float:
        return (self.grabbed - 1) / 30

    def convert(self) -> np.ndarray:
        return make_frame(self.grabbed)

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("frames", [0, 5])
def test_a_camera_that_stops(frames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows up to this moment are kept, and one row has the error; with and without --show."""
    monkeypatch.setattr(video, "OpencvReader", StoppingCamera)
    monkeypatch.setattr(StoppingCamera, "frames", frames)
    message = f"camera:0 has stopped: it was disconnected, or another program uses it; {frames} frames"
    results, pipeline = process("camera:0", RecordingView())
    assert message in results[-1].error
    assert len(results) - 1 + pipeline.dropped == frames
    result = run("camera:0", "-o", tmp_path / "t.csv")
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(rows_of(tmp_path / "t.csv")) == frames + 1
    with pytest.raises(VideoError, match="camera:0 has stopped"):
        list(Detector().detect_video("camera:0"))


def test_newest_frames() -> None:
    """Each frame is either yielded or counted as dropped; the source is closed once, also after an error."""
    blank = np.zeros((4, 4, 3), np.uint8)
    released: list[str] = []
    gate = threading.Event()

    def source() -> Iterator[Frame]:
        for index in range(10):
            yield Frame(index, index / 10, blank)
        gate.wait(10)
        raise ValueError("the source has failed")

    with NewestFrames(source(), lambda: released.append(threading.current_thread().name), bool) as frames:
        deadline = time.monotonic() + 10
        while frames.dropped < 9 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert frames.dropped == 9
        assert next(frames).index == 9
        gate.set()
        with pytest.raises(ValueError, match="the source has failed"):
            next(frames)
    assert released == ["mtcnn_cpp live source"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip.ts", "--show"], "clip.ts is a file; --show shows cameras and streams"),
        (["-", "--show"], "standard input is a file; --show shows cameras and streams"),
        (["--sample", "--show"], "is a file; --show shows cameras and streams"),
        (["camera:0", "camera:1", "--show"], "--show shows one camera or stream, got 2 sources; give one"),
        (["camera:0", "--show", "-o", "parts/"], "--output must be a file, got the folder parts/"),
        (["camera:0", "--port", "0"], "--port and --no-browser apply to --show"),
        (["camera:0", "--no-browser"], "--port and --no-browser apply to --show"),
    ],
)
def test_wrong_options(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clip.ts", even(2))
    before = set(os.listdir())
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert set(os.listdir()) == before


def test_wrong_port() -> None:
    pytest.importorskip("starlette")
    result = run("camera:0", "--show", "--port", "65536")
    assert result.exit_code == 2
    assert "--port must be from 0 (any free port) to 65535" in result.stderr
