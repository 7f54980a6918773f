"""Give each face in a video a number that stays the same from frame to frame (extra `track`).

The library `trackers` (ByteTrack) follows boxes from frame to frame by their position and movement. It does
not recognise people. A person who returns late or at an unexpected position gets a new number (see
`Tracker`). If one face covers another face, the two faces may exchange their numbers. Tracking does not
change boxes, scores and landmarks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._util.errors import import_extra

if TYPE_CHECKING:
    from ..detections.result import Detections

MAX_LOST_SECONDS = 1.0
FRAME_RATE = 30.0  # frames per second; the library measures time in frames of this rate
MAX_GAP = 3600.0  # maximum time between two frames in seconds; a longer time is replaced by this time
# Minimum intersection over union of a box and the predicted box of a face, for which both are the same face.
MIN_IOU = 0.1

__all__ = ["Tracker"]


class Tracker:
    """Numbers the faces of one video from 0, in the order in which they appear.

    If several faces appear in the same frame, they are numbered by descending score. Every face already has a
    number in its first frame. The same results in the same order give the same numbers. Only one thread at a
    time may use a tracker.

    Args:
        lost: Time in seconds. If a missing face returns at its predicted position within this time, it keeps
            its number. If it returns later, it gets a new number. A face of the previous frame can always
            keep its number, even if more than this time lies between the two frames.

    Raises:
        MissingExtra: The package `trackers` is not installed.
        ValueError: `lost` is negative or not finite.

    Example:
        tracker = Tracker()
        for frame in Detector().detect_video("clip.mp4"):
            print(frame.index, tracker.update(frame.faces, frame.time))
    """

    def __init__(self, *, lost: float = MAX_LOST_SECONDS) -> None:
        if not 0 <= lost < float("inf"):
            raise ValueError(f"'lost' must be a finite number of seconds, 0 or more, got {lost!r}")
        self._supervision, trackers = _import_packages()
        self._lost = lost
        # The library treats all faces as certain, because the detector has already removed faces with low
        # scores.
        self._library: Any = trackers.ByteTrackTracker(
            frame_rate=FRAME_RATE,
            track_activation_threshold=0.0,
            high_conf_det_threshold=0.0,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=MIN_IOU,
        )
        self._previous_time = float("nan")
        self._clock = 0.0  # timestamp that is passed to the library, in seconds
        self._next_id = 0

    def update(self, faces: Detections, time: float) -> tuple[int, ...]:
        """Assign a number to each face of the next frame.

        Args:
            faces: Faces of the next frame. Call this method also for a frame without faces.
            time: Time of the frame, in seconds. If it is not greater than the time of the previous frame, the
                tracker assumes that 1/30 s has passed.

        Returns:
            The number of each face, in the order of `faces`.
        """
        elapsed = time - self._previous_time
        elapsed = min(elapsed, MAX_GAP) if elapsed > 0 else 1 / FRAME_RATE
        self._previous_time = time
        self._clock += elapsed
        # The library adds the times between frames, which causes rounding errors. 1e-6 is a margin for these
        # errors.
        self._library.maximum_time_without_update = max(self._lost, elapsed) + 1e-6
        return self._face_ids(faces)

    def _face_ids(self, faces: Detections) -> tuple[int, ...]:
        import numpy as np

        ranks = np.arange(len(faces))
        tracked = self._supervision.Detections(
            xyxy=faces.xyxy.astype(np.float64),
            confidence=faces.scores.astype(np.float64),
            data={"rank": ranks},
        )
        tracked = self._library.update(tracked, timestamp=self._clock)
        ids = np.full(len(faces), -1)
        if len(faces):
            ids[tracked.data["rank"]] = tracked.tracker_id
        # The library numbers a face only in the second frame of the face. Its new tracks have the same order
        # as the faces that started them. Therefore this function can set their numbers now, and the library
        # keeps these numbers.
        new_ranks = [rank for rank in ranks if ids[rank] == -1]
        new_tracks = [track for track in self._library.tracks if track.tracker_id == -1]
        for rank, track in zip(new_ranks, new_tracks, strict=True):
            ids[rank] = track.tracker_id = self._next_id
            self._next_id += 1
        return tuple(map(int, ids))


def _import_packages() -> tuple[Any, Any]:
    purpose = "tracking (face numbers that stay the same through a video)"
    trackers = import_extra("trackers", "mtcnn-cpp[track]", purpose)
    return import_extra("supervision", "mtcnn-cpp[track]", purpose), trackers
