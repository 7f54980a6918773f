"""Numbers of faces that stay the same through a video (extra `track`).

The library `trackers` (ByteTrack) follows boxes from frame to frame by where they are and how they move. It
does not recognise people: whoever leaves and comes back gets a new number, and two faces that cover each
other may exchange theirs. Boxes, scores and landmarks are not changed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .table.result import Result

if TYPE_CHECKING:
    from .detections import Detections

LOST = 1.0  # seconds
FRAME_RATE = 30.0  # the library's unit of time is one frame of this rate
LONGEST = 3600.0  # seconds between two frames; a longer pause counts as this
LEAST_OVERLAP = 0.1  # of a box and the place where the face was expected, as a share of both together


class Tracker:
    """Gives the faces of one video their numbers: from 0, in the order in which they appear; of faces that
    appear in one frame, the best first. Every face has a number from its first frame on.

    lost: for so many seconds a face that is not found is waited for where it was expected; one that comes
    later is a new one. (A face of the frame before is always expected, however long ago that was.)

    The same results in the same order give the same numbers. Trackers share nothing; one tracker belongs to
    one thread. Raises ImportError without the package `trackers`, ValueError for another `lost`.
    """

    def __init__(self, *, lost: float = LOST) -> None:
        if not 0 <= lost < float("inf"):
            raise ValueError(f"lost must be a number of seconds, 0 or more, got {lost!r}")
        self._supervision, trackers = _packages()
        self._lost = lost
        # All faces count as sure: what the detector is not sure of, it has left out.
        self._library: Any = trackers.ByteTrackTracker(
            frame_rate=FRAME_RATE,
            track_activation_threshold=0.0,
            high_conf_det_threshold=0.0,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=LEAST_OVERLAP,
        )
        self._before = float("nan")  # the time of the last frame
        self._clock = 0.0  # what the library is told
        self._next = 0

    def update(self, result: Result) -> Result:
        """The result of the next frame, with `face_ids`; one that failed comes back as it is.

        Frames without faces belong here too, so that a face that is away is given up. Frames come in the
        order of their times; where a time stands still or goes back, 1/30 s counts as passed.
        """
        if result.faces is None:
            return result
        passed = result.time - self._before
        passed = min(passed, LONGEST) if passed > 0 else 1 / FRAME_RATE
        self._before = result.time
        self._clock += passed
        # A little more, since the library adds up the times between frames.
        self._library.maximum_time_without_update = max(self._lost, passed) + 1e-6
        return dataclasses.replace(result, face_ids=self._numbers(result.faces))

    def _numbers(self, faces: Detections) -> tuple[int, ...]:
        import numpy as np

        ranks = np.arange(len(faces))
        found = self._supervision.Detections(
            xyxy=faces.xyxy.astype(np.float64),
            confidence=faces.scores.astype(np.float64),
            data={"rank": ranks},
        )
        found = self._library.update(found, timestamp=self._clock)
        numbers = np.full(len(faces), -1)
        if len(faces):
            numbers[found.data["rank"]] = found.tracker_id
        # The library numbers a face when it sees it again. Its new tracks stand in the order of the faces
        # that began them, so they can have their numbers now, which it then keeps.
        new_faces = [rank for rank in ranks if numbers[rank] == -1]
        new_tracks = [track for track in self._library.tracks if track.tracker_id == -1]
        for rank, track in zip(new_faces, new_tracks, strict=True):
            numbers[rank] = track.tracker_id = self._next
            self._next += 1
        return tuple(map(int, numbers))


def _packages() -> tuple[Any, Any]:
    try:
        import supervision
        import trackers
    except ImportError as error:
        raise ImportError(
            "numbers that stay the same through a video need the package trackers, which is not installed "
            f"(or does not import: {error}); pip install 'mtcnn-cpp[track]'",
            name="trackers",
        ) from error
    return supervision, trackers
