"""A resumed job has the rows of a new job: no outdated errors, no row twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import png
import pytest
from clips import even, make_frame, write
from faulty_server import faulty_server
from mtcnn_cpp.jobs import tasks
from mtcnn_cpp.jobs.sources import Source
from mtcnn_cpp.jobs.table.rows import SourceState
from mtcnn_cpp.jobs.tasks import OutdatedErrors
from study import SMALL, image_file, make_study, rows_of, run, run_small, small_tasks, use_small_tasks

__all__ = ["small_tasks"]  # a fixture


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resumed(*arguments: object, code: int = 0) -> list[dict[str, object]]:
    """The rows after the job was resumed, which are those of a fresh one."""
    result = run(*arguments, "-o", "parts/", "--format", "csv", "--resume")
    assert result.exit_code == code, result.output
    rows = rows_of(Path("parts"))
    shutil.rmtree("fresh", ignore_errors=True)
    assert run(*arguments, "-o", "fresh/", "--format", "csv").exit_code == code
    assert rows == rows_of(Path("fresh"))
    return rows


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize(
    ("before", "names"),
    [
        ("nothing", ["in"]),
        ("nothing", ["in/"]),
        ("nothing", ["extra.png", "in", "other.png"]),  # in one part with others
        ("nothing", ["in/*", "in/second/*.png", "extra.png"]),
        ("nothing", ["in/p01.png", "in/long.mp4", "in"]),
        ("nothing", ["@in/list.txt"]),
        ("empty", ["in"]),
        ("a file", ["in", "extra.png"]),
    ],
)
def test_a_folder_that_was_not_mounted(before: str, names: list[str], here: Path) -> None:
    for name in ("extra.png", "other.png"):
        (here / name).write_bytes(png.encode(make_frame(5)))
    if before == "empty":
        (here / "in").mkdir()
    elif before == "a file":
        (here / "in").write_text("no picture")
    nothing = before == "empty" or names == ["@in/list.txt"]  # an empty folder alone, or no list
    assert run(*names, "-o", "parts/", "--format", "csv").exit_code == (2 if nothing else 1)
    if not nothing:
        assert any(row["error"] for row in rows_of(Path("parts")))
    if before != "nothing":
        shutil.rmtree("in", ignore_errors=True)
        (here / "in").unlink(missing_ok=True)
    make_study(here / "in", bad=False)
    (here / "in" / "list.txt").write_text("in/p01.png\nin/second\nextra.png\n")
    rows = resumed(*names)
    assert not any(row["error"] for row in rows)
    assert not any("@" in str(row["source"]) or "*" in str(row["source"]) for row in rows)
    assert run(*names, "-o", "parts/", "--format", "csv", "--resume").exit_code == 0
    assert rows_of(Path("parts")) == rows


@pytest.mark.usefixtures("small_tasks")
def test_a_folder_that_is_away_for_a_while(here: Path) -> None:
    """What was done stays; the error goes when the folder is there again."""
    make_study(here / "in", bad=False)
    whole = resumed("in")
    (here / "in").rename("away")
    assert run("in", "-o", "parts/", "--format", "csv", "--resume").exit_code == 1
    assert len(rows_of(Path("parts"))) == len(whole) + 1
    (here / "away").rename("in")
    assert resumed("in") == whole


def test_files_that_failed_and_are_gone(here: Path) -> None:
    """A row of an error is no result to keep; rows of faces are."""
    make_study(here / "in")
    assert run("in", "-o", "parts/", "--format", "csv").exit_code == 1
    (here / "in" / "bad.jpg").unlink()
    (here / "in" / "cut.mkv").unlink()
    assert not any(row["error"] for row in resumed("in"))
    (here / "in" / "p01.png").unlink()
    count = len(rows_of(Path("parts")))
    assert run("in", "-o", "parts/", "--format", "csv", "--resume").exit_code == 0
    assert len(rows_of(Path("parts"))) == count


def test_other_names_leave_the_errors(here: Path) -> None:
    """Resumed with other names, nothing is known of what failed under the first ones."""
    make_study(here / "in")
    (here / "extra.png").write_bytes(png.encode(make_frame(5)))
    assert run("in", "none", "-o", "parts/", "--format", "csv").exit_code == 1
    before = rows_of(Path("parts"))
    assert run("extra.png", "-o", "parts/", "--format", "csv", "--resume").exit_code == 0
    after = rows_of(Path("parts"))
    assert [row for row in after if row["source"] != "extra.png"] == before
    assert sum(bool(row["error"]) for row in before) == 3


@pytest.mark.parametrize("first", ["image", "video"])
def test_a_name_that_is_another_kind_now(first: str, here: Path) -> None:
    """The kind of what is missing is guessed by its name: `a` an image, `a.mp4` a video."""
    name = "a" if first == "image" else "a.mp4"
    assert run(name, "b.png", "-o", "parts/", "--format", "csv").exit_code == 1
    assert len(rows_of(Path("parts"))) == 2
    (here / "b.png").write_bytes(png.encode(make_frame(5)))
    if first == "image":
        write(here / "a.mp4", even(12)).rename(here / "a")
    else:
        (here / "a.mp4").write_bytes(png.encode(make_frame(1)))
    assert not any(row["error"] for row in resumed(name, "b.png"))


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("cut", [300, 1500, 4500])
def test_a_video_that_failed_midway(cut: int, here: Path) -> None:
    (here / "in").mkdir()
    clip = write(here / "in" / "long.mkv", even(30))
    whole = clip.read_bytes()
    clip.write_bytes(whole[:-cut])
    assert run("in", "-o", "parts/", "--format", "csv").exit_code == 1
    clip.write_bytes(whole)
    rows = resumed("in")
    assert len({row["frame"] for row in rows}) == 30


@pytest.mark.usefixtures("small_tasks")
def test_a_video_that_is_damaged_for_a_while(here: Path) -> None:
    """The row with the error is after the frames that are in the table."""
    clip = write(here / "clip.mp4", even(18))
    content = clip.read_bytes()
    assert run("clip.mp4", "-o", "parts/", "--format", "csv").exit_code == 0
    for part in sorted(Path("parts").glob("video-*"))[2:]:
        part.unlink()
    clip.write_bytes(content[:100])
    assert run("clip.mp4", "-o", "parts/", "--format", "csv", "--resume").exit_code == 1
    rows = rows_of(Path("parts"))
    assert [(row["frame"], row["timestamp"]) for row in rows if row["error"]] == [(11, 0.36)]
    clip.write_bytes(content)
    resumed("clip.mp4")


@pytest.mark.skipif(os.name == "nt", reason="Windows: other rights")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, to give up the rights of root")
def test_a_folder_that_could_not_be_read(here: Path) -> None:
    make_study(here / "in", bad=False)
    for path in (here, *here.parents):
        if path.owner() == "root" and path.stat().st_mode & 0o5 != 0o5:
            pytest.skip(f"{path} is closed to other users")
    inside = here / "in" / "second"
    inside.chmod(0)
    (here / "parts").mkdir()
    (here / "parts").chmod(0o777)
    command = [sys.executable, "-c", SMALL, "detect", "in", "-o", "parts/", "--format", "csv"]
    limited = ["setpriv", "--reuid=65534", "--clear-groups", *command] if os.geteuid() == 0 else command
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    inside.chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert "second cannot be read (Permission denied)" in done.stderr
    assert not any(row["error"] for row in resumed("in"))


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize("names", [["in/"], ["in/*.png"], ["in/", "none/"], ["in/p01.png", "in/"]])
def test_a_listing_that_failed_once(
    status: int,
    names: list[str],
    server: str,
    s3: Any,
    bucket: str,
    fresh: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for index in range(3):
        s3.put_object(Bucket=bucket, Key=f"in/p{index:02d}.png", Body=image_file(index))
    s3.put_object(Bucket=bucket, Key="in/deep/p09.png", Body=image_file(9))
    local = tmp_path / "local.png"
    local.write_bytes(image_file(5))
    addresses = [*(f"s3://{bucket}/{name}" for name in names), local]
    fails = True

    def fault(method: str, path: str) -> int | None:
        return status if fails and ("list-type=2" in path or method == "HEAD") else None

    with faulty_server(server, fault) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        alone = run(*addresses[:-1], "-o", tmp_path / "alone", "--format", "csv")
        assert alone.exit_code == 2  # nothing could start
        assert not (tmp_path / "alone").exists()
        arguments = *addresses, "-o", tmp_path / "parts", "--format", "csv"
        assert run(*arguments).exit_code == 1
        first = rows_of(tmp_path / "parts")
        assert any(row["error"] for row in first)
        fails = False
        again = run(*arguments, "--resume")
        new = run(*addresses, "-o", tmp_path / "fresh", "--format", "csv")
    assert again.exit_code == new.exit_code == ("none/" in names), again.stderr
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "fresh")


@pytest.fixture(scope="module")
def complete_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, `in`, and its part files, `parts`: two of images and seven of videos."""
    folder = tmp_path_factory.mktemp("complete")
    make_study(folder / "in", pictures=7, bad=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        use_small_tasks(patched)
        assert run("in", "-o", "parts/", "--format", "csv").exit_code == 0
    return folder


@pytest.fixture
def parts(complete_job: Path, here: Path, small_tasks: None) -> Path:
    """A copy of the part files. The current folder contains them and the study."""
    shutil.copytree(complete_job, here, dirs_exist_ok=True)
    return here / "parts"


@pytest.mark.parametrize(
    ("part", "copy"),
    [
        ("pictures-*", "{stem} (copy).csv"),
        ("pictures-*", "Copy of {stem}.CSV"),
        ("pictures-*", "pictures-0123456789abcdef.csv"),
        ("pictures-*", "all.csv"),
        ("video-*-000000000", "{stem} - Kopie.csv"),
        ("video-*-000000000", "video-0123456789abcdef-000000000.csv"),
        ("video-*-000000005", "{start}-000000010.csv"),
        ("video-*-000000000", "{start}-000000020.csv"),
        ("video-*-000000015", "pictures-0123456789abcdef.csv"),
        ("pictures-*", "video-0123456789abcdef-000000000.csv"),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_a_copied_part_is_named(part: str, copy: str, moved: bool, parts: Path) -> None:
    """Rows would count twice; of a part that was renamed, after the job has written it again."""
    whole = rows_of(parts)
    original = max(parts.glob(f"{part}.csv"))
    if "000000010" in copy or "000000020" in copy:
        original = next(path for path in parts.glob(f"{part}.csv") if len(rows_of(path)) == 5)
    target = parts / copy.format(stem=original.stem, start=original.stem.rpartition("-")[0])
    shutil.copy(original, target)
    kept = original.read_bytes()
    if moved:
        original.unlink()
    before = sorted((path.name, path.read_bytes()) for path in parts.iterdir())
    result = run("in", "-o", "parts/", "--format", "csv", "--resume")
    if moved and result.exit_code == 0:  # it is a part under this name, too, or was written again
        assert rows_of(parts) == whole
        return
    assert result.exit_code == 2, result.output
    assert "would be counted twice; if the file is a copy, remove it or move it" in result.stderr
    assert target.stem in result.stderr or original.stem in result.stderr
    assert sorted((path.name, path.read_bytes()) for path in parts.iterdir()) == before
    target.write_bytes(kept)
    target.unlink()
    assert run("in", "-o", "parts/", "--format", "csv", "--resume").exit_code == 0
    assert rows_of(parts) == whole


def test_other_files_of_the_user_may_be_there(parts: Path) -> None:
    (parts / "notes.csv").write_text("a,b\n1,2\n")
    (parts / "README.txt").write_text("of the study")
    (parts / "cut.csv").write_bytes(next(parts.glob("pictures-*")).read_bytes()[:-3])
    (parts / "old.jsonl").write_text("{}\n")
    assert run("in/p01.png", "-o", "one.csv").exit_code == 0
    result = run("in", "-o", "parts/", "--format", "csv", "--resume")
    assert result.exit_code == 0, result.output
    assert (parts / "notes.csv").exists()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_full_disk(format: str, here: Path) -> None:
    """One error and no traceback, for any task; resumed with free space, the table is complete."""
    if format == "parquet":
        pytest.importorskip("pyarrow")
    make_study(here / "in", bad=False)
    disk = here / "disk"
    disk.mkdir()
    arguments = "in", "-o", disk / "parts", "--format", format
    assert run("in", "-o", here / "fresh", "--format", format).exit_code == 0
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        full = run_small(*arguments, "--quiet")
        assert full.returncode == 2
        assert full.stderr.count("error: ") == 1, full.stderr
        assert "could not be written (No space left on device)" in full.stderr
        assert "Traceback" not in full.stderr
        assert "Exception ignored" not in full.stderr
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        again = run(*arguments, "--quiet", "--resume")
        assert again.exit_code == 0, again.stderr
        assert rows_of(disk / "parts") == rows_of(here / "fresh")
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("in", ["in"], True),
        ("in/", ["in"], True),
        ("in/second", ["in"], True),  # a folder that could not be read
        ("in/second", ["i*"], True),
        ("in/gone.jpg", ["in"], True),
        ("in/gone.jpg", ["in/*.jpg"], False),  # what a pattern would find is not known
        ("in/second/p.png", ["in"], False),  # a source: it is tried again
        ("other/x.png", ["in"], False),
        ("in2", ["in"], False),
        ("away/x.png", ["away", "in"], False),  # its folder cannot be read now
        ("@list.txt", ["@list.txt"], True),
    ],
)
def test_which_rows_of_errors_are_replaced(name: str, names: list[str], expected: bool) -> None:
    sources = [Source("in/second/p.png", "image", ""), Source("away", "image", "", error="not there")]
    assert OutdatedErrors(sources, names).contains(name, is_video=False) is expected


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ({}, (0, False, [])),
        ({0: (5, "")}, (5, False, [])),
        ({0: (5, ""), 5: (2, "")}, (5, True, [])),
        ({0: (5, ""), 5: (2, ""), 10: (5, "")}, (5, True, [10])),  # after the end
        ({0: (5, ""), 10: (5, ""), 15: (1, "")}, (5, False, [10, 15])),  # after a chunk that is missing
        ({0: (3, "damaged"), 5: (5, "")}, (0, False, [5])),  # after a chunk with an error
        ({5: (5, "")}, (0, False, [5])),
    ],
)
def test_chunks_to_remove(
    chunks: dict[int, tuple[int, str]],
    expected: tuple[int, bool, list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If they stayed, a video that became shorter would keep rows that it no longer has."""
    monkeypatch.setattr(tasks, "FRAMES_PER_CHUNK", 5)
    states = {start: SourceState(frames, error) for start, (frames, error) in chunks.items()}
    assert tasks._video_progress(states) == expected
