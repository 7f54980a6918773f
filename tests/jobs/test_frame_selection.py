"""Jobs that process only some frames of videos: resumed jobs, older jobs, annotated videos."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import add_sound, av, even, read_times, uneven, write
from mtcnn_cpp.media.video import Sampling, Video
from study import rows_of, run, small_tasks

cv2 = pytest.importorskip("cv2")
__all__ = ["small_tasks"]  # a fixture


def frames_of(table: Path) -> list[object]:
    return sorted(int(str(row["frame"])) for row in rows_of(table))


def selected_frames(clip: Path, sampling: Sampling) -> list[int]:
    with Video(clip) as video:
        return [index + 1 for index in sampling.select(frame.time for frame in video.frames())]


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        (["--fps", "10"], Sampling(fps=10)),
        (["--frames", "3:23"], Sampling(frames=(3, 23))),
        (
            ["--fps", "20", "--start", "0:00.3", "--frames", ":26"],
            Sampling(start=0.3, frames=(None, 26), fps=20),
        ),
    ],
)
def test_resuming(options: list[str], sampling: Sampling, tmp_path: Path) -> None:
    """The table is the same, whichever parts are missing, and with both readers."""
    clip = write(tmp_path / "clip.mp4", uneven(30), options={"bf": "2"})
    assert run(clip, "-o", tmp_path / "t.csv", *options, "--reader", "opencv").exit_code == 0
    expected = rows_of(tmp_path / "t.csv")
    assert frames_of(tmp_path / "t.csv") == selected_frames(clip, sampling)
    command = [clip, "-o", tmp_path / "parts", "--format", "csv", *options]
    assert run(*command).exit_code == 0
    parts = sorted((tmp_path / "parts").glob("video-*.csv"))
    assert len(parts) > 2
    for removed in (parts[1:], parts[:1], parts[-1:]):
        for part in removed:
            part.unlink()
        result = run(*command, "--resume")
        assert result.exit_code == 0, result.output
        assert rows_of(tmp_path / "parts") == expected


def test_a_job_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    """Its description lacks the newer options, so it was made without them."""
    clip = write(tmp_path / "clip.mp4", even(3))
    command = [clip, "-o", tmp_path / "parts", "--format", "csv", "--every", 2]
    assert run(*command).exit_code == 0
    manifest = tmp_path / "parts" / "_job.json"
    job = json.loads(manifest.read_text())
    for name in ("frames", "fps"):
        del job["settings"][name]
    manifest.write_text(json.dumps(job))
    assert run(*command, "--resume").exit_code == 0
    for options, message in (
        (["--frames", "1:2"], "frames was not recorded, now [1, 2]"),
        (["--fps", "2"], "fps was not recorded, now 2.0"),
    ):
        result = run(clip, "-o", tmp_path / "parts", "--format", "csv", *options, "--resume")
        assert result.exit_code == 2
        assert message in result.stderr


def test_times_of_an_annotated_video(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", uneven(40))
    assert run(clip, "-o", tmp_path / "t.csv", "--save-dir", tmp_path, "--fps", 6).exit_code == 0
    times = sorted(float(str(row["timestamp"])) for row in rows_of(tmp_path / "t.csv"))
    assert len(times) > 10
    assert np.abs(np.array(read_times(tmp_path / "clip_faces.mp4")) - times).max() < 1 / 700_000


def test_sound_ends_with_the_last_frame(tmp_path: Path) -> None:
    clip = add_sound(write(tmp_path / "clip.mp4", even(50)), "aac", seconds=2)
    for frames, seconds in ((":10", 0.4), ("10:", 1.64)):
        result = run(clip, "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen", "--frames", frames)
        assert result.exit_code == 0
        with av.open(str(tmp_path / "seen" / f"{clip.stem}_faces.mp4")) as file:
            samples = sum(frame.samples for frame in file.decode(audio=0))
            assert samples / file.streams.audio[0].rate == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize(("fps", "written"), [(10, 10), (40, 25)])
def test_rate_of_an_annotated_video_without_pyav(
    fps: float, written: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write(tmp_path / "clip.mp4", even(20))
    monkeypatch.setitem(sys.modules, "av", None)
    assert run(clip, "-o", tmp_path / "t.csv", "--save-dir", tmp_path, "--fps", fps).exit_code == 0
    video = cv2.VideoCapture(str(tmp_path / "clip_faces.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == written
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == len(rows_of(tmp_path / "t.csv"))
