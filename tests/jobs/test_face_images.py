"""Crops and aligned faces of a job, and the columns of the table that name them."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from clips import even, make_frame, write
from mtcnn_cpp import Detector, Model, read_image
from mtcnn_cpp.media import annotated_files
from study import cells, make_study, rows_of, run, small_tasks

__all__ = ["small_tasks"]  # a fixture

cv2 = pytest.importorskip("cv2")
FOLDERS = {"crop_file": "cut", "aligned_file": "aligned"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def two_faces() -> np.ndarray:
    """An image in which the second face is darker, and a third is half outside of the image."""
    image = make_frame(0, (200, 400))
    image[:, 200:] = image[:, :200] // 2
    return image


def files_below(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def check_images(
    rows: list[dict[str, Any]], detector: Detector, images: dict[str, Any], **options: Any
) -> int:
    """Compare the image of each row with the face that the row describes. Return the number of images."""
    count = 0
    for row in rows:
        if not row["success"]:
            assert not row["crop_file"]
            assert not row["aligned_file"]
            continue
        image = images[row["source"]]
        image = image[row["frame"] - 1] if isinstance(image, list) else image
        faces = detector.detect(image)
        (index,) = np.flatnonzero(faces.scores == np.float32(row["confidence"]))
        crop = faces.crops(image, size=options.get("size"), margin=options.get("margin", 0))[index]
        aligned = faces.aligned(image, **options)[index]
        assert np.array_equal(read_image(Path("cut", row["crop_file"])), crop)
        assert np.array_equal(read_image(Path("aligned", row["aligned_file"])), aligned)
        count += 2
    return count


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--size", 40, "--margin", 0.25], {"size": 40, "margin": 0.25}),
        (["--template", "facenet", "--margin", 0.125], {"template": "facenet", "margin": 0.125}),
    ],
)
def test_each_row_names_the_images_of_its_face(arguments: list[Any], options: dict[str, Any]) -> None:
    Path("a.png").write_bytes(png.encode(two_faces()))
    Path("none.png").write_bytes(png.encode(np.zeros((60, 60, 3), np.uint8)))
    Path("bad.png").write_bytes(b"no image")
    write(Path("clip.mp4"), even(3))
    detector = Detector()
    images = {
        "a.png": two_faces(),
        "clip.mp4": [frame.image for frame in detector.detect_video("clip.mp4")],
    }
    names = ["a.png", "none.png", "bad.png", "clip.mp4"]
    result = run(*names, "-o", "t.jsonl", "--save-crops", "cut", "--save-aligned", "aligned", *arguments)
    assert result.exit_code == 1  # bad.png
    rows = rows_of(Path("t.jsonl"))
    assert check_images(rows, detector, images, **options) == 2 * (2 + 3)
    for column, folder in FOLDERS.items():
        assert sorted(row[column] for row in rows if row[column]) == files_below(folder)
    assert files_below("aligned")[:3] == ["a_aligned0.png", "a_aligned1.png", "clip/000001_aligned0.png"]
    assert f"{2 * (2 + 3)} files written to cut, aligned" in result.stderr


def test_columns_exist_only_if_requested() -> None:
    Path("a.png").write_bytes(png.encode(two_faces()))
    for options, expected in (
        ([], []),
        (["--save-dir", "seen"], []),
        (["--save-crops", "f"], ["crop_file"]),
        (["--save-aligned", "f"], ["aligned_file"]),
        (["--save-aligned", "f", "--save-crops", "f"], ["crop_file", "aligned_file"]),  # in one folder
    ):
        (first, _) = cells(run("a.png", "--format", "csv", *options).stdout)
        assert [name for name in first if name.endswith("_file")] == expected
    assert files_below("f") == [f"a_{label}{n}.png" for label in ("aligned", "face") for n in (0, 1)]
    printed = run("a.png", "--save-aligned", "f", "--save-format", "jpg").stdout
    assert "aligned_file" in printed
    assert "a_aligned1.jpg" in printed


def model_with_nan_landmarks(path: Path) -> Path:
    arrays = dict(Model.default().arrays())
    name = max(name for name in arrays if name.startswith("onet/") and name.endswith("/bias"))
    arrays[name] = np.concatenate([arrays[name][:-1], np.float32([np.nan])])
    Model.from_arrays(arrays).save(path)
    return path


def test_faces_that_cannot_be_aligned() -> None:
    """The crops and the rows exist; the error names the image that does not."""
    Path("a.png").write_bytes(png.encode(two_faces()))
    model = model_with_nan_landmarks(Path("model"))
    arguments = ["a.png", "-o", "t.csv", "--model", model, "--save-crops", "cut", "--save-aligned", "aligned"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "a_aligned0.png was not written: face 0 cannot be aligned with the landmarks" in result.stderr
    rows = rows_of(Path("t.csv"))
    assert [(row["success"], row["crop_file"], row["aligned_file"]) for row in rows] == [
        (1, "a_face0.png", None),
        (1, "a_face1.png", None),
    ]
    assert all("a_aligned0.png was not written" in str(row["error"]) for row in rows)
    assert run(*arguments, "--template", "facenet").exit_code == 0  # needs no landmarks


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of a face whose image was not written names no image. The others do."""
    Path("a.png").write_bytes(png.encode(two_faces()))
    write_file = annotated_files.write_file

    def fail(path: Path, *arguments: Any, **options: Any) -> None:
        if path.name == "a_face0.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_file(path, *arguments, **options)

    monkeypatch.setattr(annotated_files, "write_file", fail)
    result = run("a.png", "-o", "t.csv", "--save-crops", "cut", "--save-aligned", "aligned")
    assert result.exit_code == 1
    assert "a_face0.png was not written: " in result.stderr
    assert [(row["crop_file"], row["aligned_file"]) for row in rows_of(Path("t.csv"))] == [
        (None, "a_aligned0.png"),
        ("a_face1.png", "a_aligned1.png"),
    ]


def test_files_of_the_user_are_not_replaced() -> None:
    Path("a.png").write_bytes(png.encode(two_faces()))
    Path("f").mkdir()
    Path("f", "a_aligned0.png").write_text("precious")
    result = run("a.png", "-o", "t.csv", "--save-aligned", "f")
    assert result.exit_code == 1
    assert [row["aligned_file"] for row in rows_of(Path("t.csv"))] == [None, "a_aligned1.png"]
    assert Path("f", "a_aligned0.png").read_text() == "precious"
    assert run("a.png", "-o", "t.csv", "--save-aligned", "f", "--overwrite").exit_code == 0
    assert cv2.imread("f/a_aligned0.png").shape == (112, 112, 3)
    # A source is never replaced, even with --overwrite.
    Path("f", "a_face0.png").write_bytes(png.encode(two_faces()))
    result = run("a.png", "f/a_face0.png", "--save-crops", "f", "-o", "t.csv", "--overwrite")
    assert "a_face0.png is one of the input files and was not replaced" in result.stderr
    assert np.array_equal(read_image("f/a_face0.png"), two_faces())


def test_no_two_faces_have_one_file() -> None:
    """A video with its extracted frames beside it, and names that differ only in the extension or in case."""
    for name in ("clip", "other"):
        Path(name).mkdir()
    write(Path("clip.mp4"), even(2))
    for name in ("clip/000001.png", "clip.png", "CLIP.PNG", "other/odd\n=name.png", "clip/clip.mp4.png"):
        Path(name).write_bytes(png.encode(two_faces()))
    shutil.copy("clip.mp4", "clip/clip.mp4")
    result = run(".", "-o", "t.csv", "--save-crops", "cut", "--save-aligned", "cut")
    assert result.exit_code == 0, result.output
    rows = rows_of(Path("t.csv"))
    names = [str(row[column]) for row in rows for column in FOLDERS]
    assert len(names) == len({name.casefold() for name in names}) == 2 * (5 * 2 + 2 * 2)
    assert sorted(names) == files_below("cut")
    for row in rows:
        aligned = read_image(Path("cut", str(row["aligned_file"])))
        bright = row["face_id"] == 0 or str(row["source"]).endswith(".mp4")
        assert (aligned.mean() > 80) == bright, row["source"]


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl"])
def test_a_resumed_job_has_the_same_rows_and_files(format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra 'table'")
    study = make_study(Path("in"), pictures=7, bad=False)
    options = study, "--format", format, "--save-aligned", "aligned", "--margin", 0.1
    assert run(*options, "-o", "whole/").exit_code == 0
    whole = {name: Path("aligned", name).read_bytes() for name in files_below("aligned")}
    shutil.rmtree("aligned")
    shutil.copytree("whole", "parts")
    parts = sorted(file for file in Path("parts").iterdir() if file.name[0] not in "._")
    for part in parts[::2]:
        part.unlink()
    done = run(*options, "-o", "parts/", "--resume")
    assert done.exit_code == 0, done.output
    assert rows_of(Path("parts")) == rows_of(Path("whole"))
    assert {name: whole[name] for name in files_below("aligned")} == {
        name: Path("aligned", name).read_bytes() for name in files_below("aligned")
    }
    assert files_below("aligned")
    for change, message in (
        (["--margin", 0.2], "margin was 0.1, now 0.2"),
        (["--size", 60], "size was null, now 60"),
        (["--template", "facenet"], 'template was "arcface", now "facenet"'),
        (["--save-crops", "cut"], 'save_crops was null, now "cut"'),
    ):
        result = run(*options, *change, "-o", "parts/", "--resume")
        assert result.exit_code == 2
        assert message in result.stderr


def test_files_of_a_resumed_job_keep_their_faces() -> None:
    """More sources change the common folder, and with it the names. No row may name the face of another."""
    dark, bright = two_faces()[:, 200:], two_faces()[:, :200]
    Path("s/a").mkdir(parents=True)
    Path("s/b").mkdir()
    for name in ("s/a/x.png", "s/a/y.png"):
        Path(name).write_bytes(png.encode(bright))
    write(Path("s/a/clip.mp4"), even(2))
    options = "-o", "parts/", "--format", "csv", "--save-aligned", "f"
    assert run("s/a", *options).exit_code == 0
    before = rows_of(Path("parts"))
    Path("s/clip").mkdir()
    for name in ("s/x.png", "s/b/x.png", "s/Y.PNG", "s/clip/000001.png", "s/a/new.png"):
        Path(name).write_bytes(png.encode(dark))
    assert run("s", *options, "--resume").exit_code == 0
    rows = rows_of(Path("parts"))
    assert [row for row in rows if row in before] == before
    names = [str(row["aligned_file"]) for row in rows]
    assert len(names) == len({name.casefold() for name in names}) == 4 + 5
    for row in rows:
        aligned = read_image(Path("f", str(row["aligned_file"])))
        assert (aligned.mean() > 80) == (row in before), row["source"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", 40], "--size and --margin apply to crops and aligned faces; give a folder with"),
        (["--margin", 0.1, "--save-dir", "d"], "--size and --margin apply to crops and aligned faces"),
        (["--template", "facenet", "--save-crops", "d"], "give their folder with --save-aligned"),
        (["--size", 0, "--save-crops", "d"], "size must be 1…8192 pixels, got 0"),
        (["--margin", "nan", "--save-aligned", "d"], "margin must be 0 or more"),
        (["--save-aligned", "s3://b/f"], "are written to local folders"),
    ],
)
def test_wrong_options(arguments: list[object], message: str) -> None:
    Path("a.png").write_bytes(png.encode(two_faces()))
    result = run("a.png", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("d").exists()
