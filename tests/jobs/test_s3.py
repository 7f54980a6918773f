"""Jobs on a real S3 server: sources there, the table there, resumed there."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from study import image_file, make_study, rows_of, run, run_small, small_tasks

__all__ = ["small_tasks"]  # a fixture


@pytest.fixture
def study(s3: Any, bucket: str, tmp_path: Path) -> Path:
    """A study here, and the same below s3://bucket/in."""
    here = make_study(tmp_path / "in")
    for folder, _, names in os.walk(here):
        for name in names:
            path = Path(folder, name)
            s3.upload_file(str(path), bucket, "in/" + path.relative_to(here).as_posix())
    return here


def rows_there(s3: Any, bucket: str, prefix: str) -> list[dict[str, object]]:
    """All rows of the parts in a folder of the bucket, with the sources named as they are here."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    rows: list[dict[str, object]] = []
    for key in (item["Key"] for item in found):
        if (format := TableFormat.from_name(key)) and not key.endswith("_job.json"):
            data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            rows += read_rows(io.BytesIO(data), format, name=key)
    return rows


def named_here(rows: list[dict[str, object]], bucket: str, here: Path) -> list[dict[str, object]]:
    there, here_named = f"s3://{bucket}/in", str(here)
    for row in rows:
        for name in ("source", "error"):
            row[name] = row[name] and str(row[name]).replace(there, here_named)
    return sorted(rows, key=repr)


@pytest.mark.usefixtures("small_tasks")
def test_from_a_bucket_to_a_bucket(
    study: Path, s3: Any, bucket: str, environment: dict[str, str], fresh: None, tmp_path: Path
) -> None:
    """The table of a job in the store is that of one on this machine; resumed after parts went, too."""
    run(study, "-o", tmp_path / "here", "--format", "csv")
    here = rows_of(tmp_path / "here")
    where = f"s3://{bucket}/out/"
    done = run_small(f"s3://{bucket}/in/", "-o", where, "--format", "csv", env=environment)
    assert done.returncode == 1, done.stderr
    assert "to process: 14 images, 4 videos" in done.stderr
    assert named_here(rows_there(s3, bucket, "out/"), bucket, study) == here
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]]
    for key in keys[::3]:
        if not key.endswith("_job.json"):
            s3.delete_object(Bucket=bucket, Key=key)
    again = run(f"s3://{bucket}/in/", "-o", where, "--format", "csv")
    assert again.exit_code == 2
    assert "already contains a job; use --resume to continue it" in again.stderr
    again = run(f"s3://{bucket}/in/", "-o", where, "--format", "csv", "--resume")
    assert again.exit_code == 1, again.stderr
    assert named_here(rows_there(s3, bucket, "out/"), bucket, study) == here


def test_patterns_single_files_and_one_table(
    study: Path, s3: Any, bucket: str, fresh: None, tmp_path: Path
) -> None:
    sources = f"s3://{bucket}/in/p0*.png", f"s3://{bucket}/in/long.mp4"
    done = run(*sources, "-o", f"s3://{bucket}/faces.jsonl")
    assert done.exit_code == 0, done.stderr
    found = named_here(rows_there(s3, bucket, "faces.jsonl"), bucket, study)
    assert run(study / "p0*.png", study / "long.mp4", "-o", tmp_path / "t.jsonl").exit_code == 0
    assert found == rows_of(tmp_path / "t.jsonl")
    drawn = run(sources[0], "--save-dir", tmp_path / "seen")
    assert drawn.exit_code == 0
    assert (tmp_path / "seen" / "p01_faces.png").exists()


def test_what_is_not_there(bucket: str, fresh: None, tmp_path: Path) -> None:
    names = f"s3://{bucket}/none.jpg", f"s3://{bucket}/none/*.jpg", "s3://no-such-bucket-here/a.jpg"
    done = run(*names, "--sample", "-o", tmp_path / "t.csv")
    assert done.exit_code == 1
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: s3://")]) == 3
    assert "Traceback" not in done.stderr
    assert len(rows_of(tmp_path / "t.csv")) == 4
    done = run("--sample", "-o", "s3://no-such-bucket-here/out/")
    assert done.exit_code == 2
    assert "no-such-bucket-here" in done.stderr


def test_keys_that_a_disk_would_take_for_one(s3: Any, bucket: str, fresh: None, tmp_path: Path) -> None:
    """Each is processed, and annotated under a different name below the folder."""
    keys = [
        "dd//x.jpg", "dd/x.jpg", "dd/./x.jpg", "dd/../x.jpg", "/x.jpg", "../../x.jpg", "dd/X.jpg",
        "dd/caf\u00e9.jpg", "dd/cafe\u0301.jpg", "dd/%41.jpg", "dd/A.jpg", "dd/ x.jpg",
        "dd/q?token=1&v=2.jpg",
    ]  # fmt: skip
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=image_file(1))
    root = f"s3://{bucket}"
    for output in ("t.jsonl", "parts"):
        drawn = tmp_path / output / "seen"
        arguments = root, "-o", tmp_path / "out" / output, "--format", "jsonl", "--save-dir", drawn
        (tmp_path / "out").mkdir(exist_ok=True)
        done = run(*arguments)
        assert done.exit_code == 0, done.stderr
        assert f"to process: {len(keys)} images" in done.stderr
        assert "duplicates" not in done.stderr
        found = [str(row["source"]) for row in rows_of(tmp_path / "out" / output)]
        shown = {f"{root}/{key}".replace("token=1", "token=***") for key in keys}
        assert set(found) == shown
        assert len([path for path in drawn.rglob("*") if path.is_file()]) == len(keys)
        assert not list(tmp_path.glob("*.png"))
    again = run(*arguments, "--resume")
    assert again.exit_code == 0, again.stderr
    assert f"{len(keys)} sources already done" in again.stderr
    given = run(*[f"{root}/{key}" for key in keys], "-o", tmp_path / "given.jsonl")
    assert given.exit_code == 0, given.stderr
    assert {str(row["source"]) for row in rows_of(tmp_path / "given.jsonl")} == shown
