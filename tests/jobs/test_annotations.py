"""Annotated images, annotated videos and crops of a job."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import png
import pytest
from clips import add_sound, av, even, make_frame, read_times, uneven, write
from mtcnn_cpp import Detector, annotate, read_image
from mtcnn_cpp._util.files import AtomicFile, is_leftover, temporary_name
from mtcnn_cpp.jobs.table.rows import FrameResult, make_rows
from mtcnn_cpp.media.markers import has_marker
from study import image_file, make_study, rows_of, run, small_tasks

__all__ = ["small_tasks"]  # a fixture

cv2 = pytest.importorskip("cv2")


def files_below(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(inside, name), folder).replace(os.sep, "/")
        for inside, _, names in os.walk(folder)
        for name in names
    )


def test_drawings_and_crops(tmp_path: Path) -> None:
    study = make_study(tmp_path / "in", pictures=4, bad=False)
    result = run(
        study, "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen", "--save-crops", tmp_path / "cut"
    )
    assert result.exit_code == 0, result.output
    assert files_below(tmp_path / "seen") == [
        *("exact_faces.mp4", "long_faces.mp4", "p01_faces.png", "p02_faces.png"),
        *("second/p00_faces.png", "second/p01_faces.png", "second/p03_faces.png", "second/short_faces.mp4"),
    ]
    detector = Detector()
    for index in (1, 2):
        drawn = read_image(tmp_path / "seen" / f"p{index:02d}_faces.png")
        assert np.array_equal(drawn, annotate(make_frame(index), detector.detect(make_frame(index))))
        (crop,) = detector.detect(make_frame(index)).crops(make_frame(index))
        assert np.array_equal(read_image(tmp_path / "cut" / f"p{index:02d}_face0.png"), crop)
    assert (tmp_path / "cut" / "long" / "000017_face0.png").exists()
    count = len([row for row in rows_of(tmp_path / "t.csv") if row["success"]])
    assert len(files_below(tmp_path / "cut")) == count
    assert f"{count + 8} files written to" in result.stderr
    assert all(has_marker(tmp_path / "seen" / name) for name in files_below(tmp_path / "seen"))


def test_a_drawn_video_shows_every_frame_at_its_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyAV, the codec is MPEG-4. The summary names what is missing once, also for two videos."""
    monkeypatch.setitem(sys.modules, "av", None)
    clip = write(tmp_path / "clip.mp4", even(20))
    shutil.copy(clip, tmp_path / "other.mp4")
    result = run(clip, tmp_path / "other.mp4", "--save-dir", tmp_path / "seen", "--every", 2)
    assert result.exit_code == 0
    assert (
        result.stderr.count("the annotated videos have no sound, a constant frame rate, and the codec") == 1
    )
    assert result.stderr.count("pip install 'mtcnn-cpp[video]'") == 1
    drawn = cv2.VideoCapture(str(tmp_path / "seen" / "clip_faces.mp4"))
    assert drawn.get(cv2.CAP_PROP_FPS) == 12.5
    count, detector = 0, Detector()
    for frame in detector.detect_video(clip, every=2):
        there, pixels = drawn.read()
        assert there
        assert (
            np.abs(pixels.astype(int) - annotate(frame.image, frame.faces)).mean() < 6
        )  # MPEG-4 changes pixels
        count += 1
    assert not drawn.read()[0]
    assert count == 10


def test_annotated_videos_have_the_times_and_the_sound_of_their_source(tmp_path: Path) -> None:
    clip = write(tmp_path / "a.mp4", [300 + time for time in uneven(30)])
    with_sound = add_sound(clip, "aac", seconds=3)
    pcm = add_sound(clip, "pcm_s16le", suffix=".mov")
    clip.unlink()
    options = ("--every", 2, "--start", "0:00:00.06", "--end", 2.2, "--quality", 8)
    result = run(with_sound, pcm, "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen", *options)
    assert result.exit_code == 0, result.output
    reason = "its sound is not copied, because an MP4 file cannot hold the codec pcm_s16le"
    assert result.stderr.count(f"{pcm}: annotated video: {reason}") == 1
    assert "no sound, a constant frame rate" not in result.stderr
    frames = list(Detector().detect_video(with_sound, every=2, start=0.06, end=2.2))
    for name in ("a-aac_faces.mp4", "a-pcm_s16le_faces.mp4"):
        found = read_times(tmp_path / "seen" / name)
        expected = [frame.time - frames[0].time for frame in frames]
        assert np.abs(np.array(found) - expected).max() < 1 / 700_000
        with av.open(str(tmp_path / "seen" / name)) as file:
            assert bool(file.streams.audio) == ("aac" in name)
            for frame, shown in zip(frames, file.decode(video=0), strict=True):
                drawn = annotate(frame.image, frame.faces)
                assert np.abs(shown.to_ndarray(format="bgr24").astype(int) - drawn).mean() < 4


@pytest.mark.parametrize("show", ["blur", "pixelate", "none", "landmarks,labels"])
def test_parts_of_annotations(show: str, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", even(4))
    (tmp_path / "a.png").write_bytes(png.encode(make_frame(2)))
    sources = clip, tmp_path / "a.png"
    result = run(*sources, "--save-dir", tmp_path / "seen", "--annotate", show, "--quality", 1, "--no-sound")
    assert result.exit_code == 0, result.output
    detector = Detector()
    expected = annotate(make_frame(2), detector.detect(make_frame(2)), show=show)
    assert np.array_equal(read_image(tmp_path / "seen" / "a_faces.png"), expected)
    with av.open(str(tmp_path / "seen" / "clip_faces.mp4")) as file:
        for frame, shown in zip(detector.detect_video(clip), file.decode(video=0), strict=True):
            drawn = annotate(frame.image, frame.faces, show=show)
            assert np.abs(shown.to_ndarray(format="bgr24").astype(int) - drawn).mean() < 2


def test_faces_have_the_colors_of_their_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtcnn_cpp.media.annotation.ID_COLORS", ((20, 20, 250), (250, 20, 20)))
    pytest.importorskip("trackers", reason="tracking needs the extra 'track'")
    clip = write(tmp_path / "clip.mp4", even(6))
    result = run(clip, "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen", "--track", "--quality", 1)
    assert result.exit_code == 0, result.output
    with av.open(str(tmp_path / "seen" / "clip_faces.mp4")) as file:
        for frame, shown in zip(Detector().detect_video(clip), file.decode(video=0), strict=True):
            pixels = shown.to_ndarray(format="bgr24").astype(int)
            red, green = (annotate(frame.image, frame.faces, box_color=color) for color in ("id", None))
            assert np.abs(pixels - red).mean() < 3
            assert np.abs(pixels - red).mean() < np.abs(pixels - green).mean() - 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--annotate", "blurred"), "an annotation is boxes, landmarks, labels"),
        (("--quality", 0), "quality must be 1 (best) to 51 (smallest file), got 0"),
    ],
)
def test_other_values_are_refused(options: tuple[object, ...], message: str, tmp_path: Path) -> None:
    result = run("--sample", "--save-dir", tmp_path / "seen", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "seen").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_ends_only_the_annotated_video(tmp_path: Path) -> None:
    """One row contains the error; all faces are in the table, and no file remains."""

    def paint(index: int, size: tuple[int, int]) -> np.ndarray:
        noise = np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
        noise[:160, :176] = make_frame(0, size)[:160, :176]
        return noise

    clip = write(tmp_path / "clip.mp4", even(40), paint=paint)
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        "from mtcnn_cpp.cli import app; app(sys.argv[1:], prog_name='mtcnn-cpp')"
    )
    command = ["detect", clip, "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen", "--quality", 1]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    rows = rows_of(tmp_path / "t.csv")
    assert len({row["frame"] for row in rows}) == 40
    errors = [row["error"] for row in rows if row["error"]]
    assert len(set(errors)) == 1
    assert "clip_faces.mp4 could not be written (FFmpeg reports: File too large)" in str(errors[0])
    assert len({row["frame"] for row in rows if row["error"]}) == 1
    assert "0 files written" in done.stderr
    assert not list((tmp_path / "seen").iterdir())


@pytest.mark.usefixtures("small_tasks")
def test_a_resumed_job_draws_all(tmp_path: Path) -> None:
    """An incomplete video is annotated again from its first frame."""
    study = make_study(tmp_path / "in", pictures=2, bad=False)
    options = study, "--format", "csv", "--save-dir", tmp_path / "seen"
    assert run(*options, "-o", tmp_path / "whole").exit_code == 0
    whole = {name: (tmp_path / "seen" / name).read_bytes() for name in files_below(tmp_path / "seen")}
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    for part in sorted((tmp_path / "parts").glob("video-*-000000005.csv")):
        part.unlink()
    shutil.rmtree(tmp_path / "seen")
    done = run(*options, "-o", tmp_path / "parts", "--resume")
    assert done.exit_code == 0, done.output
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")
    again = {name: (tmp_path / "seen" / name).read_bytes() for name in files_below(tmp_path / "seen")}
    assert again == {name: data for name, data in whole.items() if name[:4] in ("exac", "long")}


def test_a_drawing_that_cannot_be_saved(tmp_path: Path) -> None:
    """The faces are in the table, with the reason; the rest is done."""
    clip = write(tmp_path / "clip.mp4", even(3))
    (tmp_path / "a.png").write_bytes(png.encode(make_frame(0)))
    seen = tmp_path / "seen"
    seen.mkdir()
    (seen / "clip_faces.mp4").write_text("precious")
    (seen / "a_faces.png").write_text("precious")
    result = run(clip, tmp_path / "a.png", "-o", tmp_path / "t.csv", "--save-dir", seen)
    assert result.exit_code == 1
    table = rows_of(tmp_path / "t.csv")
    (picture_row,) = (row for row in table if row["source"] == str(tmp_path / "a.png"))
    assert "was not replaced" in str(picture_row["error"])
    (expected,) = make_rows(FrameResult(str(tmp_path / "a.png"), faces=Detector().detect(make_frame(0))))
    assert picture_row | {"error": None} == expected
    assert (seen / "a_faces.png").read_text() == (seen / "clip_faces.mp4").read_text() == "precious"
    assert (
        "clip_faces.mp4 exists and was not written by this program, so it was not replaced" in result.stderr
    )


def test_pages_and_animations(tmp_path: Path) -> None:
    PIL = pytest.importorskip("PIL.Image")
    images = [PIL.fromarray(make_frame(index)[..., ::-1]) for index in (0, 5, 9)]
    images[0].save(tmp_path / "scan.tiff", save_all=True, append_images=images[1:])
    result = run(tmp_path / "scan.tiff", "-o", tmp_path / "t.csv", "--save-dir", tmp_path / "seen")
    assert result.exit_code == 0, result.output
    table = rows_of(tmp_path / "t.csv")
    assert [row["frame"] for row in table] == [1, 2, 3]
    assert {row["timestamp"] for row in table} == {None}
    faces = [Detector().detect(make_frame(index)) for index in (0, 5, 9)]
    expected = [
        make_rows(FrameResult(str(tmp_path / "scan.tiff"), n, float("nan"), f)) for n, f in enumerate(faces)
    ]
    assert table == sorted((row for some in expected for row in some), key=repr)
    assert files_below(tmp_path / "seen") == [f"scan/00000{number}_faces.png" for number in (1, 2, 3)]


# The process is killed while it writes one file of each of these endings. It leaves a copy of the other four.
ENDINGS = "p01_faces.png", "p01_face0.png", "p01_aligned0.png", "long_faces.mp4", "000003_face0.png"
KILLED = f"""
import os, shutil, signal, sys, threading
from mtcnn_cpp._util import files
replace, left, lock = files.os.replace, set({ENDINGS}), threading.Lock()
def killing(temporary, path):
    with lock:
        found = {{ending for ending in left if str(path).endswith(ending)}}
        left.difference_update(found)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    if found:
        folder, name = os.path.split(path)
        shutil.copy(temporary, os.path.join(folder, files.temporary_name(name)))
    else:
        replace(temporary, path)
files.os.replace = killing
from mtcnn_cpp.cli import app
app(sys.argv[1:], prog_name="mtcnn-cpp")
"""


def leftovers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if is_leftover(file.name))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("output", ["parts/", "t.csv"])
def test_what_a_killed_job_has_left_is_removed(output: str, tmp_path: Path) -> None:
    study = tmp_path / "in"
    (study / "second").mkdir(parents=True)
    (study / "second" / "p00.png").write_bytes(image_file(0))
    (study / "p01.png").write_bytes(image_file(1))
    write(study / "long.mp4", even(5))
    arguments = [
        study,
        "-o",
        f"{tmp_path}/{output}",
        "--save-dir",
        tmp_path / "seen",
        "--save-crops",
        tmp_path / "cut",
        "--save-aligned",
        tmp_path / "cut",
    ]
    code = [sys.executable, "-c", KILLED, "detect", *map(str, arguments)]
    done = subprocess.run(code, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    left = leftovers(tmp_path / "seen") + leftovers(tmp_path / "cut")
    assert len(left) == len(ENDINGS)
    assert all(any(f".{ending}." in name for name in left) for ending in ENDINGS)
    theirs = [
        tmp_path / "seen" / ".mine.png.0123abcd.part",  # no annotation
        tmp_path / "seen" / ".p01_faces.png.0123abcd.part.bak",
        tmp_path / "seen" / ".p01_faces.png.0123ABCD.part",
        tmp_path / "seen" / ".p01_faces.txt.0123abcd.part",
        tmp_path / "seen" / ".p00_faces.png.0123abcd.part",  # of other content
        tmp_path / "cut" / "other" / ".p01_face0.png.0123abcd.part",  # in a folder that is not of this job
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of the user")
    (tmp_path / "seen" / ".p02_faces.png.0123abcd.part").symlink_to(theirs[0])
    in_use = AtomicFile(tmp_path / "seen" / "p01_faces.png")  # by another job
    in_use.file.write(b"")
    resume = ["--resume"] if output == "parts/" else []
    assert run(*arguments, *resume).exit_code == 0
    still = leftovers(tmp_path / "seen") + leftovers(tmp_path / "cut")
    assert not set(left) & set(still)
    assert all(path.read_bytes() == b"of the user" for path in theirs)
    assert (tmp_path / "seen" / ".p02_faces.png.0123abcd.part").is_symlink()
    assert in_use.temporary.exists()
    in_use.discard()


def test_long_names_are_cleaned_too(tmp_path: Path) -> None:
    name = "x" * 230
    (tmp_path / f"{name}.png").write_bytes(png.encode(make_frame(1)))
    (tmp_path / "seen").mkdir()
    left = tmp_path / "seen" / temporary_name(f"{name}_faces.png")
    left.write_bytes(b"")
    assert run(tmp_path / f"{name}.png", "--save-dir", tmp_path / "seen").exit_code == 0
    assert os.listdir(tmp_path / "seen") == [f"{name}_faces.png"]
