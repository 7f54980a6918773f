"""`mtcnn-cpp export-annotations`: what other tools read is what the table contains."""

from __future__ import annotations

import json
import os
import shutil
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
import typer.testing
from clips import even, make_frame, write
from mtcnn_cpp import Detections
from mtcnn_cpp.cli import app
from mtcnn_cpp.detections.annotations import to_coco, to_label_studio, to_yolo
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
from results import FORMATS, write_results
from study import rows_of, run, small_tasks
from typer.testing import CliRunner

__all__ = ["small_tasks"]  # a fixture
NAMES = ["images/a.png", "images/deep/b é.png", "images/deep/c.d.png", "images/none.png"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*arguments: object) -> typer.testing.Result:
    return CliRunner().invoke(app, ["export-annotations", *map(str, arguments)], env={"COLUMNS": "200"})


def make_images() -> None:
    """Write images: faces at different places, one of them half outside, and an image without a face."""
    Path("images/deep").mkdir(parents=True)
    for name, image in (
        ("a.png", make_frame(0)),
        ("deep/b é.png", np.hstack([make_frame(3, (200, 300)), make_frame(0, (200, 300))])),
        ("deep/c.d.png", make_frame(0)[:, 60:]),
        ("none.png", np.zeros((80, 90, 3), np.uint8)),
    ):
        Path("images", name).write_bytes(png.encode(image))


@pytest.fixture
def table() -> dict[str, list[dict[str, Any]]]:
    """Write faces.csv. Return the rows of faces by source, their boxes limited to the image."""
    make_images()
    assert run("images", "-o", "faces.csv", "--min-face", 30).exit_code == 0
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(Path("faces.csv")):
        faces = found.setdefault(str(row["source"]), [])
        if row["success"]:
            faces.append(row | {"limited": limited(row)})
    assert sorted(found) == NAMES
    assert sum(map(len, found.values())) >= 4
    assert any(row["x"] < 0 for rows in found.values() for row in rows)
    return found


def limited(row: dict[str, Any]) -> list[float]:
    """Return left, top, right and bottom of a box, limited to the image."""
    left, top = max(row["x"], 0.0), max(row["y"], 0.0)
    right = min(row["x"] + row["width"], row["image_width"])
    return [left, top, right, min(row["y"] + row["height"], row["image_height"])]


def corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [x, y, x + width, y + height]


def assert_same_boxes(found: list[list[float]], rows: list[dict[str, Any]]) -> None:
    """Compare boxes. The tolerance is one unit in the last place of a float32 near 400."""
    assert len(found) == len(rows)
    expected = sorted(row["limited"] for row in rows)
    np.testing.assert_allclose(
        np.reshape(sorted(found), (-1, 4)), np.reshape(expected, (-1, 4)), rtol=0, atol=4e-5
    )


def test_coco(table: dict[str, list[dict[str, Any]]]) -> None:
    result = export("faces.csv", "coco.json", "--to", "coco")
    assert result.exit_code == 0, result.output
    assert f"4 images written to coco.json; names are relative to {Path('images').resolve()}" in result.stderr
    content = json.loads(Path("coco.json").read_text())
    (category,) = content["categories"]
    assert (category["name"], len(category["keypoints"])) == ("face", 5)
    assert category["keypoints"][:3] == ["left_eye", "right_eye", "nose"]
    assert [image["file_name"] for image in content["images"]] == [name[7:] for name in NAMES]
    ids = [one["id"] for one in content["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    for image in content["images"]:
        rows = table[f"images/{image['file_name']}"]
        mine = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        assert_same_boxes([corners(*one["bbox"]) for one in mine], rows)
        by_score = {row["confidence"]: row for row in rows}
        for one in mine:
            row = by_score[one["score"]]
            assert (image["width"], image["height"]) == (row["image_width"], row["image_height"])
            assert (one["category_id"], one["iscrowd"]) == (1, 0)
            points = np.reshape(one["keypoints"], (5, 3))
            for (x, y, visible), name in zip(points.tolist(), category["keypoints"], strict=True):
                assert (x, y) == (row[f"{name}_x"], row[f"{name}_y"])
                inside = 0 <= x <= image["width"] and 0 <= y <= image["height"]
                assert visible == (2 if inside else 1)
            if row["x"] >= 0 and row["x"] + row["width"] <= image["width"]:
                assert one["bbox"] == [row[name] for name in ("x", "y", "width", "height")]


def test_coco_in_pycocotools(table: dict[str, list[dict[str, Any]]]) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    assert export("faces.csv", "coco.json", "--to", "coco").exit_code == 0
    found = coco.COCO("coco.json")
    for image_id in found.getImgIds(catIds=found.getCatIds(catNms=["face"])):
        (image,) = found.loadImgs(image_id)
        mine = found.loadAnns(found.getAnnIds(imgIds=image_id, iscrowd=False))
        assert_same_boxes([corners(*one["bbox"]) for one in mine], table[f"images/{image['file_name']}"])
    evaluation = pytest.importorskip("pycocotools.cocoeval").COCOeval(found, found, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.full(5, 0.05)
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval["precision"].max() == 1


def test_yolo(table: dict[str, list[dict[str, Any]]]) -> None:
    assert export("faces.csv", "labels", "--to", "yolo").exit_code == 0
    files = {path.relative_to("labels").as_posix() for path in Path("labels").rglob("*.txt")}
    assert files == {"a.txt", "deep/b é.txt", "deep/c.d.txt", "none.txt"}
    for name, rows in table.items():
        boxes = []
        for line in Path("labels", name[7:-4] + ".txt").read_text().splitlines():
            kind, *numbers = line.split(" ")
            x, y, width, height = map(float, numbers)
            assert kind == "0"
            assert all(0 <= value <= 1 for value in (x, y, width, height))
            across, down = rows[0]["image_width"], rows[0]["image_height"]
            left, top = (x - width / 2) * across, (y - height / 2) * down
            boxes.append([left, top, left + width * across, top + height * down])
        assert_same_boxes(boxes, rows)
    again = export("faces.csv", "labels", "--to", "yolo")
    assert again.exit_code == 2
    assert "labels is not empty" in again.stderr


def test_both_in_supervision(table: dict[str, list[dict[str, Any]]]) -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    Path("flat").mkdir()
    for name in table:
        shutil.copy(name, Path("flat", Path(name).name))
    assert run("flat", "-o", "flat.csv", "--min-face", 30).exit_code == 0
    assert export("flat.csv", "coco.json", "--to", "coco").exit_code == 0
    assert export("flat.csv", "labels", "--to", "yolo").exit_code == 0
    Path("data.yaml").write_text("names: [face]\n")
    for dataset in (
        supervision.DetectionDataset.from_coco("flat", "coco.json"),
        supervision.DetectionDataset.from_yolo("flat", "labels", "data.yaml"),
    ):
        found = {Path(path).name: faces for path, _, faces in dataset}
        assert len(found) == 4
        for name, rows in table.items():
            assert_same_boxes(found[Path(name).name].xyxy.astype(float).tolist(), rows)


def test_label_studio(table: dict[str, list[dict[str, Any]]]) -> None:
    assert export("faces.csv", "tasks.json", "--to", "labelstudio", "--images", ".").exit_code == 0
    tasks = json.loads(Path("tasks.json").read_text())
    names = [urllib.parse.unquote(task["data"]["image"].partition("?d=")[2]) for task in tasks]
    assert names == NAMES
    for task, name in zip(tasks, names, strict=True):
        (prediction,) = task["predictions"]
        rows = {row["confidence"]: row for row in table[name]}
        boxes = [item for item in prediction["result"] if item["type"] == "rectanglelabels"]
        sized = [
            [item["value"][key] * item[f"original_{side}"] / 100 for key, side in (
                ("x", "width"), ("y", "height"), ("width", "width"), ("height", "height"))]
            for item in boxes
        ]  # fmt: skip
        assert_same_boxes([corners(*box) for box in sized], list(rows.values()))
        assert {np.float32(item["score"]) for item in boxes} == set(map(np.float32, rows))
        assert prediction["score"] == min((item["score"] for item in boxes), default=0)
        points = [item["value"] for item in prediction["result"] if item["type"] == "keypointlabels"]
        assert all(0 <= point[axis] <= 100 for point in points for axis in "xy")
        eyes = [point["x"] for point in points if point["keypointlabels"] == ["left eye"]]
        expected = [100 * row["left_eye_x"] / row["image_width"] for row in rows.values()]
        np.testing.assert_allclose(sorted(eyes), sorted(x for x in expected if x >= 0), rtol=1e-6)


@pytest.mark.usefixtures("small_tasks")
@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_of_table(format: TableFormat) -> None:
    make_images()
    for index in range(8):
        Path(f"images/x{index}.png").write_bytes(png.encode(make_frame(index)))
    assert run("images", "-o", "parts/", "--format", format.value).exit_code == 0
    assert run("images", "-o", f"t.{format.value}", "--save-aligned", "aligned").exit_code == 0
    for table, output in (("parts/", "p.json"), (f"t.{format.value}", "out.json")):
        assert export(table, output, "--to", "coco").exit_code == 0
    contents = [json.loads(Path(name).read_text()) for name in ("p.json", "out.json")]
    faces = [
        sorted(
            (c["images"][a["image_id"] - 1]["file_name"], *a["bbox"], *a["keypoints"])
            for a in c["annotations"]
        )
        for c in contents
    ]
    assert faces[0] == faces[1]
    assert len(faces[0]) > 8


def test_images_that_changed_or_failed(table: dict[str, list[dict[str, Any]]]) -> None:
    Path("images/bad.png").write_bytes(b"no image")
    assert run("images", "-o", "faces.csv").exit_code == 1
    Path("images/a.png").write_bytes(png.encode(make_frame(0)[:-1]))
    Path("images/none.png").unlink()
    Path("images/deep/c.d.png").write_bytes(b"")
    result = export("faces.csv", "coco.json", "--to", "coco")
    assert result.exit_code == 1
    assert "error: images/bad.png has an error in the table; it was not exported" in result.stderr
    for name in ("images/a.png", "images/deep/c.d.png"):
        assert f"error: {name} cannot be read, or its size differs from the table" in result.stderr
    assert "1 images were not found on this machine" in result.stderr
    content = json.loads(Path("coco.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["deep/b é.png", "none.png"]


def test_a_rotated_photo_has_not_changed() -> None:
    PIL = pytest.importorskip("PIL.Image")
    exif = PIL.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    PIL.fromarray(np.rot90(make_frame(0)[..., ::-1]).copy()).save("a.jpg", exif=exif, quality=95)
    assert run("a.jpg", "-o", "faces.csv").exit_code == 0
    assert export("faces.csv", "coco.json", "--to", "coco").exit_code == 0
    (image,) = json.loads(Path("coco.json").read_text())["images"]
    assert (image["width"], image["height"]) == (240, 192)


def test_empty_table() -> None:
    Path("faces.csv").write_bytes(write_results(TableFormat.csv, []))
    for to, output in (("coco", "c.json"), ("yolo", "labels"), ("labelstudio", "l.json")):
        assert export("faces.csv", output, "--to", to).exit_code == 0
    assert json.loads(Path("c.json").read_text())["images"] == []
    assert json.loads(Path("l.json").read_text()) == []


def test_what_cannot_be_exported() -> None:
    write(Path("clip.mp4"), even(3))
    make_images()
    Path("images/a.jpg").write_bytes(Path("images/a.png").read_bytes())
    assert run("clip.mp4", "-o", "clip.csv").exit_code == 0
    assert run("images", "-o", "faces.csv").exit_code == 0
    Path("other.csv").write_text("source,x\na,1\n")
    Path("faces.txt").write_text("source,x\na,1\n")
    Path("there.json").write_text("precious")
    for arguments, message in (
        (["clip.csv", "c.json", "--to", "coco"], "clip.mp4 is a video or has several frames"),
        (["other.csv", "c.json", "--to", "coco"], "missing: frame, face_id"),
        (["faces.txt", "c.json", "--to", "coco"], "the extension of a table must be one of .csv"),
        (["none.csv", "c.json", "--to", "coco"], "none.csv"),
        (["images", "c.json", "--to", "coco"], "images contains no part files"),
        (["faces.csv", "c.json", "--to", "coco", "--images", "images/deep"], "is not below"),
        (["faces.csv", "there.json", "--to", "coco"], "there.json already exists and was not changed"),
        (["faces.csv", "no/c.json", "--to", "coco"], "the folder no does not exist"),
        (["faces.csv", "labels", "--to", "yolo"], "would have the same file a.txt"),
    ):
        result = export(*arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert message in result.stderr
    assert Path("there.json").read_text() == "precious"
    assert not Path("c.json").exists()
    assert not Path("labels").exists()
    assert export("faces.csv", "there.json", "--to", "coco", "--overwrite").exit_code == 0


def test_odd_numbers_and_names() -> None:
    """Boxes that are not finite or lie outside, missing landmarks, and a name that is not UTF-8."""
    boxes = np.float32(
        [[10, 20, 30, 40], [np.nan, 0, 5, 5], [300, 0, 9, 9], [-10, -10, 30.5, 400], [0, 0, 0, 5]]
    )
    points = np.full((5, 5, 2), 25, np.float32)
    points[0, 0] = np.nan
    points[3, 1] = -7.5
    faces = Detections(boxes, np.linspace(1, 0.5, 5, dtype=np.float32), points, (100, 200))
    name = os.fsdecode(b"caf\xe9.jpg")
    Path("t.csv").write_bytes(write_results(TableFormat.csv, [FrameResult(name, faces=faces)]))
    result = export("t.csv", "c.json", "--to", "coco")
    assert result.exit_code == 0, result.output
    assert "3 faces have no part inside the image; left out" in result.stderr
    content = json.loads(Path("c.json").read_text())
    assert content["images"][0]["file_name"] == name
    assert content == json.loads(json.dumps(to_coco([(name, faces)])))
    first, second = content["annotations"]
    assert (first["bbox"], second["bbox"]) == ([10, 20, 30, 40], [0, 0, 20.5, 100])
    assert (first["keypoints"][:3], first["num_keypoints"]) == ([0, 0, 0], 4)
    assert (second["keypoints"][3:6], second["num_keypoints"]) == ([-7.5, -7.5, 1], 5)
    assert to_yolo(faces).splitlines() == [
        "0 0.1250000000 0.4000000000 0.1500000000 0.4000000000",
        "0 0.0512500000 0.5000000000 0.1025000000 1.0000000000",
    ]
    assert len(to_label_studio("a", faces)["predictions"][0]["result"]) == 2 * 6 - 2
    assert export("t.csv", "l.json", "--to", "labelstudio").exit_code == 0
    assert json.loads(Path("l.json").read_text())[0]["data"]["image"] == "/data/local-files/?d=caf%E9.jpg"
