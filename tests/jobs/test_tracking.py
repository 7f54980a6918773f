"""Numbers of faces through a video."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Detections, Detector
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.sources import Source
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.jobs.tracking import Tracker
from mtcnn_cpp.media.image import Frame
from mtcnn_cpp.media.sample_video import write_sample_video
from mtcnn_cpp.media.video import Sampling
from results import faces_from_boxes

needs_trackers = pytest.mark.skipif(
    not find_spec("trackers"), reason="needs the package trackers, of the extra 'track'"
)
Box = tuple[float, float, float, float]


def numbers(frames: list[list[Box]], *, step: float = 1 / 30, **options: float) -> list[tuple[int, ...]]:
    tracker = Tracker(**options)
    found = [tracker.update(faces_from_boxes(*boxes), i * step) for i, boxes in enumerate(frames)]
    assert [len(face_ids) for face_ids in found] == [len(boxes) for boxes in frames]
    return found


def crossing(count: int = 60) -> list[list[Box]]:
    """One face goes right, one left and a little lower, past each other; now one, now the other is first."""
    frames = []
    for i in range(count):
        pair: list[Box] = [(20 + 8 * i, 100, 80, 90), (480 - 8 * i, 125, 80, 90)]
        frames.append(pair if i % 3 else pair[::-1])
    return frames


@needs_trackers
def test_faces_that_cross_keep_their_numbers() -> None:
    for i, found in enumerate(numbers(crossing())):
        assert found == ((1, 0) if i % 3 else (0, 1))  # the first of the first frame is number 0


@needs_trackers
def test_every_face_has_a_number_from_its_first_frame_on() -> None:
    here: Box = (10, 10, 50, 50)
    there: Box = (300, 10, 50, 50)
    third: Box = (10, 300, 50, 50)
    frames = [[here], [here, there], [there], [third, there, here]]
    assert numbers(frames) == [(0,), (0, 1), (1,), (2, 1, 0)]


@needs_trackers
@pytest.mark.parametrize(("away", "expected"), [(20, {0}), (45, {0, 1})])
def test_who_is_away_for_long_is_new(away: int, expected: set[int]) -> None:
    """A second is 30 frames."""
    seen: list[list[Box]] = [[(100, 100, 60, 60)]] * 20
    found = numbers([*seen, *[[]] * away, *seen])
    assert set().union(*found) == expected
    assert len(set(found[-20:])) == 1


@needs_trackers
def test_how_long_a_face_is_waited_for() -> None:
    seen: list[list[Box]] = [[(100, 100, 60, 60)]] * 20
    assert numbers([*seen, *[[]] * 20, *seen], lost=0.5)[-1] == (1,)
    assert numbers([*seen, *[[]] * 45, *seen], lost=2.0)[-1] == (0,)
    for lost in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="'lost' must be a finite number of seconds"):
            Tracker(lost=lost)


@needs_trackers
def test_frames_that_are_far_apart() -> None:
    assert set(numbers([[(100 + i, 100, 60, 60)] for i in range(20)], step=5.0)) == {(0,)}


@needs_trackers
def test_times_that_stand_still_go_back_or_jump() -> None:
    tracker = Tracker()
    faces = faces_from_boxes((10, 10, 50, 50), (300, 10, 50, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for time in (-1, -1, 0, 0, 7, 3, 1e12, float("nan"), 4, float("inf"), 5):
            assert tracker.update(faces, time) == (0, 1)


@needs_trackers
def test_a_failed_frame_of_a_job_has_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sample_video(tmp_path / "v.mp4")
    (video,) = make_plan([str(tmp_path / "v.mp4")]).sources
    settings = JobSettings(TableFormat.csv, sampling=Sampling(every=10), track=True)
    with DetectionPipeline(Detector(threads=1), settings) as pipeline:
        process_frame = pipeline._process_frame

        def fail_once(source: Source, frame: Frame) -> Any:
            failed = FrameResult(source.name, frame.index, frame.time, error="no")
            return (failed, None) if frame.index == 40 else process_frame(source, frame)

        monkeypatch.setattr(pipeline, "_process_frame", fail_once)
        results = list(pipeline.process([video]))
    assert [result.error for result in results] == ["no" if frame == 4 else "" for frame in range(10)]
    assert [result.face_ids for result in results] == [None if frame == 4 else (0,) for frame in range(10)]


@needs_trackers
def test_nothing_else_changes() -> None:
    draw = np.random.default_rng(0)
    tracker = Tracker()
    for index in range(20):
        boxes = (draw.random((5, 4)) * 200).astype(np.float32)
        landmarks = draw.random((5, 5, 2), np.float32)
        faces = Detections(boxes, draw.random(5, np.float32), landmarks, (480, 640))
        bits = [array.tobytes() for array in (faces.boxes, faces.scores, faces.landmarks)]
        face_ids = tracker.update(faces, index / 30)
        assert [array.tobytes() for array in (faces.boxes, faces.scores, faces.landmarks)] == bits
        assert len(set(face_ids)) == 5


def crowd(seed: int) -> list[list[Box]]:
    """Faces that wander, come and go."""
    draw = np.random.default_rng(seed)
    places = draw.random((12, 2)) * 400
    frames = []
    for _ in range(100):
        places += draw.normal(0, 4, places.shape)
        frames.append([(x, y, 70, 80) for x, y in places[draw.random(12) < 0.8]])
    return frames


@needs_trackers
def test_the_same_numbers_every_time_and_beside_other_trackers() -> None:
    alone = [numbers(crowd(seed)) for seed in range(4)]
    assert alone == [numbers(crowd(seed)) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda seed: numbers(crowd(seed)), range(4))) == alone
    for found in alone:  # from 0, in the order in which they appear
        order = list(dict.fromkeys(number for frame in found for number in sorted(frame)))
        assert order == list(range(len(order)))


def test_without_the_package() -> None:
    code = """if True:
        import sys
        sys.modules["trackers"] = None
        from mtcnn_cpp.jobs.tracking import Tracker
        try: Tracker()
        except ImportError as error: print(error)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs the package 'trackers'" in done.stdout
    assert "pip install 'mtcnn-cpp[track]'" in done.stdout
