"""`detect --sequence`: folders of numbered images as videos, in tables, annotated videos and resumed jobs."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import png
import pytest
from clips import make_frame, read_times
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.plan import estimate_frame_count, make_plan
from mtcnn_cpp.media.video import Sampling
from study import rows_of, run, small_tasks

pytest.importorskip("cv2")
__all__ = ["small_tasks"]  # a fixture


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_images(folder: str, numbers: range, *, missing: tuple[int, ...] = ()) -> Path:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        if number not in missing:
            (path / f"img_{number:04}.png").write_bytes(png.encode(make_frame(number)))
    return path


def test_table_and_annotated_video(here: Path) -> None:
    """A missing and a damaged image have rows with an error; the video shows the frame before them longer."""
    folder = make_images("in", range(11, 31), missing=(15,))
    (folder / "img_0020.png").write_text("damaged")
    result = run("in", "--sequence", "--fps", 12.5, "-o", "t.csv", "--save-dir", "seen")
    assert result.exit_code == 1
    assert "to process: 1 video" in result.stderr
    rows = sorted(rows_of(Path("t.csv")), key=lambda row: int(str(row["frame"])))
    assert [row["frame"] for row in rows] == list(range(1, 21))
    assert [row["timestamp"] for row in rows] == [round(index / 12.5, 9) for index in range(20)]
    assert {row["source"] for row in rows} == {"in"}
    errors = {row["frame"]: str(row["error"]) for row in rows if row["error"]}
    assert list(errors) == [5, 10]
    assert errors[5] == "in: frame 5 at 0.320 s is missing: there is no image img_0015.png"
    assert "img_0020.png is not an image" in errors[10]
    for row in rows:
        if not row["error"]:
            (face,) = Detector().detect(make_frame(int(str(row["frame"])) + 10))
            assert np.float32(str(row["x"])) == face.box[0]
    shown = [float(str(row["timestamp"])) for row in rows if not row["error"]]
    assert os.listdir("seen") == ["in_faces.mp4"]
    assert np.abs(np.array(read_times(Path("seen/in_faces.mp4"))) - shown).max() < 1 / 700_000


@pytest.mark.skipif(not importlib.util.find_spec("trackers"), reason="needs the extra 'track'")
def test_tracking(here: Path) -> None:
    make_images("in", range(1, 13))
    assert run("in", "--sequence", "--fps", 25, "-o", "t.csv", "--track").exit_code == 0
    assert len({row["face_id"] for row in rows_of(Path("t.csv")) if row["success"]}) == 1


def test_each_folder_is_one_sequence(here: Path) -> None:
    for folder in ("study/a", "study/b/deep", "study/.hidden", "study/b"):
        make_images(folder, range(1, 4))
    Path("study/empty").mkdir()
    Path("study/notes.txt").touch()
    Path("study/clip.mp4").touch()
    command = ["study", "--sequence", "--fps", 25, "-o", "t.csv"]
    result = run(*command, "--save-dir", "seen", "--save-crops", "study", "--frames", "2:")
    assert result.exit_code == 0, result.output
    assert "to process: 3 videos" in result.stderr
    assert "skipped in study: 2 without the extension of an image: clip.mp4, notes.txt" in result.stderr
    assert "skipped in study: 1 hidden: .hidden" in result.stderr
    sources = [os.path.join("study", *name.split("/")) for name in ("a", "b", "b/deep")]
    assert sorted({str(row["source"]) for row in rows_of(Path("t.csv"))}) == sources
    seen = sorted(path.as_posix() for path in Path("seen").rglob("*.mp4"))
    # files of a source get no folder that contains another source
    assert seen == ["seen/a_faces.mp4", "seen/b/deep_faces.mp4", "seen/b_2_faces.mp4"]
    for name in ("a", "b_2", "b/deep"):
        assert Path(f"study/{name}/000002_face0.png").exists()
    again = run("study", "--sequence", "--fps", 25, "-o", "u.csv")  # crops are no part of a sequence
    assert again.exit_code == 0, again.output
    assert len(rows_of(Path("u.csv"))) == 9


@pytest.mark.parametrize("name", ["in", "in/", "./in", "in/.", "*", "i?", "in/../in", "**", "@list.txt"])
def test_names_of_a_sequence(name: str, here: Path) -> None:
    make_images("in", range(1, 3))
    Path("empty").mkdir()  # a pattern also matches it
    Path("list.txt").write_text("in\n")
    Path("other.png").write_bytes(b"")
    result = run(name, "--sequence", "--fps", 25, "-o", "t.csv", "--save-crops", "crops")
    assert result.exit_code == 0, result.output
    assert sorted(os.listdir("crops/in")) == ["000001_face0.png", "000002_face0.png"]


def test_the_current_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_images("in", range(1, 3)))
    assert run(".", "--sequence", "--fps", 25, "-o", "../t.csv", "--save-dir", "../seen").exit_code == 0
    assert os.listdir("../seen") == ["in_faces.mp4"]


def test_images_of_a_sequence_are_never_replaced(here: Path) -> None:
    """A crop would have the name of an image of the sequence."""
    Path("in").mkdir()
    for number in (0, 1):
        Path(f"in/000001_face{number}.png").write_bytes(png.encode(make_frame(number)))
    before = Path("in/000001_face0.png").read_bytes()
    result = run("in", "--sequence", "--fps", 25, "-o", "t.csv", "--save-crops", ".", "--overwrite")
    assert result.exit_code == 1
    assert "000001_face0.png is one of the input files and was not replaced" in result.stderr
    assert Path("in/000001_face0.png").read_bytes() == before
    assert Path("in/000002_face0.png").exists()


@pytest.mark.usefixtures("small_tasks")
def test_resuming(here: Path) -> None:
    """Also with missing images, which are errors and therefore processed again."""
    make_images("in", range(1, 24), missing=(17,))
    command = ["in", "--sequence", "--fps", 30, "--format", "csv", "-o"]
    assert run(*command, "t.csv").exit_code == 1
    assert run(*command, "parts/").exit_code == 1
    parts = sorted(Path("parts").glob("video-*.csv"))
    assert len(parts) == 5
    for removed in (parts[1:], parts[:1], []):
        for part in removed:
            part.unlink()
        assert run(*command, "parts/", "--resume").exit_code == 1
        assert rows_of(Path("parts")) == rows_of(Path("t.csv"))
    (Path("in") / "img_0017.png").write_bytes(png.encode(make_frame(17)))
    assert run(*command, "parts/", "--resume").exit_code == 0
    assert not any(row["error"] for row in rows_of(Path("parts")))
    for options, message in (
        (["--sequence", "--fps", 25], "sequence_fps was 30.0, now 25.0"),
        (["--fps", 30], "sequence_fps was 30.0, now null"),
        (["--sequence", "--fps", 30, "--every", 2], "every was 1, now 2"),
    ):
        result = run("in", *options, "--format", "csv", "-o", "parts/", "--resume")
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["in", "--sequence"],
            "--sequence needs the frame rate, because images contain no times; give it with",
        ),
        (["in", "--sequence", "--fps", 0], "fps must be more than 0"),
        (["in", "--sequence", "--fps", 25, "--reader", "pyav"], "leave them out with --sequence"),
        (["in", "--sequence", "--fps", 25, "--stream", 0], "leave them out with --sequence"),
        (["in/img_0001.png"], "img_0001.png is not a folder on this machine; --sequence expects folders of"),
        (["-"], "- is not a folder on this machine"),
        (["camera:0"], "camera:0 is not a folder on this machine"),
        (["rtsp://user:secret@host/a"], "rtsp://***@host/a is not a folder on this machine"),
        (["s3://bucket/in"], "s3://bucket/in is not a folder on this machine"),
        (["none"], "none does not exist; --sequence expects folders of numbered images"),
        (["none/*"], "none/*: no folder with images matches this pattern"),
        (["in/*.png"], "in/*.png: no folder with images matches this pattern"),
        (["empty"], "empty is a folder without images"),
        (["emp*"], "emp*: no folder with images matches this pattern"),
    ],
)
def test_invalid_use(arguments: list[object], message: str, here: Path) -> None:
    make_images("in", range(1, 3))
    Path("empty").mkdir()
    options = [] if "--sequence" in arguments else ["--sequence", "--fps", 25]
    result = run(*arguments, *options, "-o", "t.csv")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "secret" not in result.output


def test_a_folder_that_is_no_sequence_among_others(here: Path) -> None:
    make_images("in/a", range(1, 4))
    (make_images("in/b", range(1, 4)) / "cover.png").write_bytes(b"")
    result = run("in", "--sequence", "--fps", 25, "-o", "t.csv")
    assert result.exit_code == 1
    errors = [str(row["error"]) for row in rows_of(Path("t.csv")) if row["error"]]
    assert len(errors) == 1
    assert "contains the image cover.png, whose name has no number" in errors[0]
    assert len(rows_of(Path("t.csv"))) == 4


def test_expected_total(here: Path) -> None:
    make_images("in", range(5, 25), missing=(9,))
    sources = make_plan(["in"], sequences=True).sources
    for sampling, count in ((Sampling(), 20), (Sampling(every=3), 7), (Sampling(start=0.5), 15)):
        assert estimate_frame_count(sources, sampling, sequence_fps=10) == count
