"""Jobs: one table or a folder of part files has the same rows, also after resuming."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import even, write
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.jobs.table.rows import FrameResult, make_rows
from study import SMALL, leftover_files, make_study, rows_of, run, run_small, small_tasks, use_small_tasks

cv2 = pytest.importorskip("cv2")

__all__ = ["small_tasks"]  # a fixture


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study") / "in")


@pytest.fixture(scope="module")
def truth(study: Path) -> list[dict[str, object]]:
    """The rows that plain loops give."""
    detector, found = Detector(), []
    for path in study.rglob("*.*"):
        if path.name == "bad.jpg":
            why = f"{path} is not an image that OpenCV can read, or it is truncated or damaged"
            found += make_rows(FrameResult(str(path), error=why))
        elif path.suffix == ".png":
            found += make_rows(FrameResult(str(path), faces=detector.detect(path)))
        else:
            capture, index = cv2.VideoCapture(str(path)), 0
            while (frame := capture.read())[0]:
                last = round(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, 9)
                found += make_rows(FrameResult(str(path), index, last, detector.detect(frame[1])))
                index += 1
            if path.name == "cut.mkv":
                why = f"{path} ends early: the file is truncated, 500 bytes are missing; "
                why += f"{index} frames could be read"
                found += make_rows(FrameResult(str(path), index, last, error=why))
    return sorted(found, key=repr)


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize(
    ("output", "threads"),
    [("t.csv", 1), ("t.csv", 3), ("t.jsonl", 3), ("t.json", 3), ("t.parquet", 3), ("parts", 1), ("parts", 3)],
)
def test_the_rows_are_those_of_plain_loops(
    study: Path, truth: list[dict[str, object]], output: str, threads: int, tmp_path: Path
) -> None:
    if output == "t.parquet":
        pytest.importorskip("pyarrow")
    result = run(study, "-o", tmp_path / output, "--threads", threads)
    assert result.exit_code == 1, result.output  # some are bad
    assert rows_of(tmp_path / output) == truth
    assert leftover_files(tmp_path) == []
    assert "to process: 14 images, 4 videos" in result.stderr
    assert "2 failed" in result.stderr
    assert result.stdout == ""


def test_rows_on_standard_output(study: Path, truth: list[dict[str, object]]) -> None:
    result = run(study, "--format", "jsonl")
    assert sorted((json.loads(line) for line in result.stdout.splitlines()), key=repr) == truth


@pytest.mark.usefixtures("small_tasks")
def test_resumed_with_any_parts_missing(study: Path, truth: list[dict[str, object]], tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    run(study, "-o", whole, "--format", "csv")
    names = sorted(file.name for file in whole.iterdir() if file.suffix == ".csv")
    assert len(names) == 3 + 4 + 3 + 1 + 6  # images; videos, of which one ends with a complete chunk
    chance = random.Random(1)
    for trial in range(6):
        folder = tmp_path / f"trial{trial}"
        shutil.copytree(whole, folder)
        for name in chance.sample(names, chance.randint(1, len(names))):
            (folder / name).unlink()
        result = run(study, "-o", folder, "--format", "csv", "--resume")
        assert result.exit_code == 1, result.output
        assert rows_of(folder) == truth
    assert run(study, "-o", whole, "--format", "csv", "--resume").exit_code == 1
    assert rows_of(whole) == truth


@pytest.mark.usefixtures("small_tasks")
def test_what_failed_is_tried_again(study: Path, tmp_path: Path) -> None:
    """Repaired files are processed, and complete files are not even read again."""
    here = tmp_path / "in"
    shutil.copytree(study, here)
    run(here, "-o", tmp_path / "parts")
    shutil.copy(here / "p01.png", here / "bad.jpg")
    write(here / "cut.mkv", even(30))  # whole
    assert run(here, "-o", tmp_path / "fresh").exit_code == 0
    for file in here.rglob("*.png"):
        file.write_bytes(b"no picture any more")
    result = run(here, "-o", tmp_path / "parts", "--resume")
    assert result.exit_code == 0, result.output
    assert "16 sources already done" in result.stderr
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "fresh")


@pytest.mark.usefixtures("small_tasks")
def test_new_sources_are_added(study: Path, truth: list[dict[str, object]], tmp_path: Path) -> None:
    some = sorted(study.glob("p0*.png"))
    assert run(*some, "-o", tmp_path / "parts").exit_code == 0
    result = run(study, "-o", tmp_path / "parts", "--resume")
    assert f"{len(some)} sources already done" in result.stderr
    assert rows_of(tmp_path / "parts") == truth


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--min-face", "80"], "min_face was 60.0, now 80.0"),
        (["--every", "2"], "every was 1, now 2"),
        (["--frames", "1:5"], "frames was null, now [1, 5]"),
        (["--fps", "5"], "fps was null, now 5.0"),
        (["--track"], "track was false, now true"),
        (["--save-dir", "drawn"], 'save_dir was null, now "drawn"'),
        (["--save-dir", "drawn", "--annotate", "blur"], 'annotate was not recorded, now "blur"'),
        (["--format", "jsonl"], 'format was "csv", now "jsonl"'),
    ],
)
def test_other_options_are_refused(
    study: Path, options: list[str], difference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--track" in options:
        pytest.importorskip("trackers")
    monkeypatch.chdir(tmp_path)
    picture = study / "p01.png"
    assert run(picture, "-o", "parts/", "--format", "csv").exit_code == 0
    before = sorted((file.name, file.read_bytes()) for file in Path("parts").iterdir())
    options = options if "--format" in options else [*options, "--format", "csv"]
    result = run(picture, "-o", "parts/", "--resume", *options)
    assert result.exit_code == 2
    assert difference in result.stderr
    assert sorted((file.name, file.read_bytes()) for file in Path("parts").iterdir()) == before
    for backend in ("generic", "reference"):  # the same bits
        again = run(picture, "-o", "parts/", "--resume", "--format", "csv", "--backend", backend)
        assert again.exit_code == 0


def test_folders_that_are_not_this_job_s(study: Path, tmp_path: Path) -> None:
    parts, other = tmp_path / "parts", tmp_path / "other"
    other.mkdir()
    (other / "thesis.csv").write_text("precious")
    picture = study / "p01.png"
    run(picture, "-o", parts)
    for arguments, message in (
        ([parts], "already contains a job; use --resume to continue it"),
        ([other], "is not empty and contains no job to resume; choose another folder"),
        ([other, "--resume"], "is not empty and contains no job to resume"),
    ):
        result = run(picture, "-o", *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert [file.name for file in other.iterdir() if file.name[0] != "."] == ["thesis.csv"]
    for damage in (b"", b"{}", b"[" * 100_000, b'{"program": "other", "settings": {}}', b"\xff"):
        (parts / "_job.json").write_bytes(damage)
        result = run(picture, "-o", parts, "--resume")
        assert result.exit_code == 2
        assert "_job.json is damaged, or another program wrote it" in result.stderr
    assert run(picture, "-o", tmp_path / "new", "--resume").exit_code == 0  # nothing there yet: it begins


def test_a_damaged_part_is_named(study: Path, tmp_path: Path) -> None:
    run(study / "p01.png", "-o", tmp_path / "parts", "--format", "csv")
    (part,) = tmp_path.glob("parts/pictures-*.csv")
    part.write_bytes(part.read_bytes()[:-3])
    result = run(study / "p01.png", "-o", tmp_path / "parts", "--format", "csv", "--resume")
    assert result.exit_code == 2
    assert part.name in result.stderr
    assert "truncated" in result.stderr


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_at_any_moment(study: Path, truth: list[dict[str, object]], tmp_path: Path) -> None:
    """kill -9, again and again: each time the parts there are whole, and in the end the table is the same."""
    chance = random.Random(5)
    folder = tmp_path / "parts"
    command = [sys.executable, "-c", SMALL, "detect", str(study), "-o", str(folder), "--resume", "-q"]
    kills = 0
    while kills < 4:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not (folder / "_job.json").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
        seen = rows_of(folder)  # every part can be read to its end
        assert len(seen) == len({repr(row) for row in seen})
    assert run(study, "-o", folder, "--resume").exit_code == 1
    assert rows_of(folder) == truth
    assert leftover_files(folder) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for processes")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ended_in_order(
    study: Path,
    truth: list[dict[str, object]],
    ending: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "parts"
    code = f"import signal\nsignal.signal(2, signal.default_int_handler)\n{SMALL}"  # not ignored in a test
    code = code.replace("FRAMES_PER_CHUNK = 5", "FRAMES_PER_CHUNK = 1")
    command = [sys.executable, "-c", code, "detect", str(study), "-o", str(folder), "-q"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list(folder.glob("video-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(ending)
    assert process.wait(30) == 128 + ending
    assert leftover_files(folder) == []
    use_small_tasks(monkeypatch, frames=1)
    assert run(study, "-o", folder, "--resume").exit_code == 1
    assert rows_of(folder) == truth


@pytest.mark.skipif(os.name == "nt", reason="Windows: other rules of locks")
def test_one_job_at_a_time(study: Path, tmp_path: Path) -> None:
    from mtcnn_cpp.storage.folder import open_folder

    folder = open_folder(tmp_path / "parts")
    folder.make()
    with folder.lock():
        result = run_small(study, "-o", tmp_path / "parts")
        assert result.returncode == 2
        assert f"is in use by process {os.getpid()}" in result.stderr
    assert run(study, "-o", tmp_path / "parts").exit_code == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("output", ["t.csv", "parts"])
def test_a_full_disk(study: Path, output: str, tmp_path: Path) -> None:
    """Writing fails after some bytes: an error, and nothing half; the complete rows of a table in one file
    stay."""
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))

    result = run_small(study, "-o", tmp_path / output, "--format", "csv", preexec_fn=limit)
    assert result.returncode == 2
    assert "could not be written" in result.stderr
    assert leftover_files(tmp_path) == []
    assert not (tmp_path / "t.csv").exists()
    if output == "t.csv":
        kept = list(read_rows((tmp_path / "t.csv.partial").read_bytes(), TableFormat.csv))
        assert f"; {len(kept)} complete rows are kept in {tmp_path / 't.csv.partial'};" in result.stderr
    else:
        assert "complete part files are kept in" in result.stderr


@pytest.mark.usefixtures("small_tasks")
def test_tracking_goes_on_where_it_was(tmp_path: Path) -> None:
    """A resumed job gives faces the numbers of one that was not disturbed."""
    pytest.importorskip("trackers")
    clip = write(tmp_path / "two.mp4", even(30), size=(192, 400), paint=two_faces)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    arguments = clip, "--track", "--format", "csv"
    assert run(*arguments, "-o", whole).exit_code == 0
    numbers = {row["frame"]: row["face_id"] for row in rows_of(whole)}
    assert (numbers[1], numbers[30]) == (0, 1)
    shutil.copytree(whole, resumed)
    (gone,) = resumed.glob("video-*-000000020.csv")
    gone.unlink()
    assert run(*arguments, "-o", resumed, "--resume").exit_code == 0
    assert rows_of(resumed) == rows_of(whole)


def two_faces(index: int, size: tuple[int, int]) -> np.ndarray:
    """One face up to frame 15, another from frame 5 on."""
    image = np.full((*size, 3), 90, np.uint8)
    if index <= 15:
        image[8:168, 8:184] = portrait()
    if index >= 5:
        image[16:176, 200:376] = portrait()
    return image
