"""`_summary.tsv` of a folder with part files, and the sums that a job reports."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import png
import pytest
from clips import even, make_frame, write
from mtcnn_cpp.jobs.run import make_part_files
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.summary import write_summary
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.storage.folder import open_folder
from results import FORMATS, some_faces
from study import SMALL, make_study, rows_of, run, small_tasks

__all__ = ["small_tasks"]  # a fixture


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_summary(folder: str) -> list[dict[str, str]]:
    with open(f"{folder}/_summary.tsv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def expected_summary(folder: str, *, tracked: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Compute the summary of a folder from all its rows."""
    rows = rows_of(Path(folder))
    found = []
    for source in sorted({str(row["source"]) for row in rows}):
        mine = [row for row in rows if row["source"] == source]
        times = [float(str(row["timestamp"])) for row in mine if row["timestamp"] is not None]
        faces = [row for row in mine if row["success"]]
        tracks = len({row["face_id"] for row in faces}) if source.endswith(tracked or "\0") else ""
        numbers = (
            len({row["frame"] for row in mine if row["image_width"] is not None}),
            len({row["frame"] for row in faces}),
            len(faces),
            tracks,
            len({row["frame"] for row in mine if row["error"]}),
            max(times) - min(times) if times else "",
        )
        names = ("frames", "frames_with_face", "faces", "tracks", "errors", "seconds")
        found.append({"source": source, **dict(zip(names, map(str, numbers), strict=True))})
    return found


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("format", FORMATS)
def test_numbers_of_each_source(format: TableFormat) -> None:
    study = make_study(Path("in"))
    (study / "none.png").write_bytes(png.encode(make_frame(0)[:9]))
    result = run(study, "-o", "parts/", "--format", format.value)
    summary = read_summary("parts")
    assert summary == expected_summary("parts")
    numbers = {Path(row["source"]).name: [*row.values()][1:] for row in summary}
    assert numbers["long.mp4"] == ["17", "17", "17", "", "0", "0.64"]
    assert numbers["none.png"] == ["1", "0", "0", "", "0", "0.0"]
    assert numbers["bad.jpg"] == ["0", "0", "0", "", "1", "0.0"]
    assert numbers["cut.mkv"][4] == "1"
    sums = [sum(int(row[name]) for row in summary) for name in ("frames", "frames_with_face", "faces")]
    assert (
        f"complete table: {len(summary)} sources, {sums[0]} images and frames, {sums[1]} with a face, "
        f"{sums[2]} faces, 2 errors; numbers of each source: parts/_summary.tsv"
    ) in result.stderr
    processed = f"processed {sums[0]} images and frames of {len(summary)} sources"
    assert f"{processed}, found {sums[2]} faces in {sums[1]} of them" in result.stderr


def test_tracks_are_counted_only_in_videos() -> None:
    pytest.importorskip("trackers", reason="needs trackers, of the extra 'track'")
    study = make_study(Path("in"), pictures=3, bad=False)
    result = run(study, "-o", "parts/", "--format", "csv", "--track")
    summary = read_summary("parts")
    assert summary == expected_summary("parts", tracked=(".mp4", ".mkv", ".webm"))
    assert {Path(row["source"]).suffix: row["tracks"] for row in summary} == {
        **{".png": ""},
        **dict.fromkeys((".mp4", ".mkv", ".webm"), "1"),
    }
    assert ", 3 tracks, 0 errors;" in result.stderr


@pytest.mark.usefixtures("small_tasks")
def test_a_resumed_job_has_the_same_summary() -> None:
    study = make_study(Path("in"))
    options = study, "--format", "csv"
    assert run(*options, "-o", "whole/").exit_code == 1  # damaged files
    shutil.copytree("whole", "parts")
    parts = sorted(file for file in Path("parts").iterdir() if file.name[0] not in "._")
    for part in parts[1::2]:
        part.unlink()
    Path("parts/_summary.tsv").write_text("outdated")
    done = run(*options, "-o", "parts/", "--resume")
    assert done.exit_code == 1, done.stderr
    assert Path("parts/_summary.tsv").read_bytes() == Path("whole/_summary.tsv").read_bytes()
    assert read_summary("whole") == expected_summary("whole")
    line = next(line for line in done.stderr.splitlines() if line.startswith("complete table"))
    assert f"complete table: {len(read_summary('whole'))} sources" in line


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_an_incomplete_job_has_no_summary() -> None:
    """A summary of fewer sources does not remain if the job is continued and killed."""
    write(Path("clip.mp4"), even(12))
    Path("a.png").write_bytes(png.encode(make_frame(0)))
    assert run("a.png", "-o", "parts/", "--format", "csv").exit_code == 0
    assert len(read_summary("parts")) == 1
    killing = f"""
import os, signal
from mtcnn_cpp.jobs import run
run.results = 0
def add(self, result, add=run.JobCounters.add):
    run.results += 1
    if run.results == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return add(self, result)
run.JobCounters.add = add
{SMALL}"""
    arguments = ["detect", "a.png", "clip.mp4", "-o", "parts/", "--format", "csv", "--resume"]
    done = subprocess.run([sys.executable, "-c", killing, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not Path("parts/_summary.tsv").exists()
    assert run(*arguments[1:]).exit_code == 0
    assert [row["frames"] for row in read_summary("parts")] == ["1", "12"]


@pytest.mark.parametrize("safe", [False, True])
def test_odd_names_and_errors_of_written_faces(safe: bool) -> None:
    """A frame with faces and an error is a frame and an error; its error is no face."""
    names = ["a\tb", "=1", 'c"d\ne', "é", os.fsdecode(b"\xe9"), "NA"]
    settings = JobSettings(TableFormat.csv, csv_safe=safe)
    folder = open_folder("parts")
    folder.make()
    part_files = make_part_files(folder, settings)
    with folder.open_for_writing(part_files.file_name("pictures-0123456789abcdef")) as file:
        writer = part_files.make_writer(file)
        for name in names:
            writer.add(FrameResult(name, faces=some_faces(2), error="disk full"))
            writer.add(FrameResult(name, 1, float("nan"), faces=some_faces(0)))
            writer.add(FrameResult(name, 2, float("nan"), error="damaged"))
        writer.close()
    totals = write_summary(part_files, settings)
    summary = read_summary("parts")
    shown = [
        ("'=1" if safe and name == "=1" else name).replace("\udce9", "\\udce9") for name in sorted(names)
    ]
    assert [row["source"] for row in summary] == shown
    assert {tuple(row.values())[1:] for row in summary} == {("2", "1", "2", "", "2", "0.0")}
    assert (totals.sources, totals.frames, totals.faces, totals.tracks, totals.errors) == (
        6,
        12,
        12,
        None,
        12,
    )


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_readers_of_the_folder_do_not_read_the_summary(format: str) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb")
    dataset = pytest.importorskip("pyarrow.dataset", reason="needs pyarrow, of the extra 'table'")
    study = make_study(Path("in"), pictures=8, bad=False)
    assert run(study, "-o", "parts/", "--format", format).exit_code == 0
    assert Path("parts/_summary.tsv").exists()
    count = len(rows_of(Path("parts")))
    assert duckdb.sql(f"select count(*) from 'parts/*.{format}'").fetchall() == [(count,)]
    files = sorted(Path("parts").glob(f"*.{format}"))
    if format == "parquet":
        assert len(pandas.read_parquet("parts/")) == count
    elif format == "csv":
        tables = [pandas.read_csv(file) for file in files]
        assert len(pandas.concat(tables)) == count
    if format != "jsonl":
        assert dataset.dataset("parts/", format=format).count_rows() == count
