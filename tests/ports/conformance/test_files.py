"""The files of cases and results, good and bad."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gold_results
import numpy as np
import pytest
from case_folders import copy_cases
from images import BACKENDS
from mtcnn_cpp import Detector
from mtcnn_cpp.cli import app
from mtcnn_cpp.ports.conformance import Grade, grade, load_cases, write_cases
from mtcnn_cpp.ports.conformance.cases import (
    CASES,
    EXPECTED,
    Case,
    ConformanceError,
    built_in_cases,
    make_image,
)
from mtcnn_cpp.ports.conformance.results import results_in
from mtcnn_cpp.ports.conformance.score_card import grade_case
from mtcnn_cpp.trace import Trace
from mtcnn_cpp.trace.comparison.boxes import final_detections
from ports import transposed_model
from typer.testing import CliRunner

pytestmark = pytest.mark.skipif(BACKENDS[0] != "core", reason="the cases are made by the core")

BAD_RESULTS = {
    "": "expected JSON",
    "[1]": "expected an object with boxes and scores, found list",
    '{"boxes": []}': "scores: expected a list of single numbers, found nothing",
    '{"scores": [1], "boxes": [[1, 2, 3]]}': "boxes: expected a list of 4 numbers, found other values",
    '{"scores": [1], "boxes": [[1, 2, 3, NaN]]}': "all finite",
    '{"scores": [1], "boxes": [[1, 2, 3, 1e999]]}': "all finite",
    '{"scores": [1e99], "boxes": [[1, 2, 3, 4]]}': "scores: .* all finite",
    '{"scores": [1], "boxes": [[1, 2, 3, "4"]]}': "found other values or another shape",
    '{"scores": [true], "boxes": [[1, 2, 3, 4]]}': "found other values or another shape",
    '{"scores": [1], "boxes": [[1, 2, 3, 4], [1, 2]]}': "found other values or another shape",
    '{"scores": [1, 1], "boxes": [[1, 2, 3, 4]]}': r"as many boxes as scores \(2\), found 1",
    '{"scores": [1], "boxes": [[1, 2, 3, 4]], "landmarks": [[[1, 2]]]}': "landmarks: expected a list of 5x2",
    '{"scores": [], "boxes": {}}': "boxes: .* found dict",
    '{"scores": [], "boxes": [], "layers": [1]}': "layers: expected an object",
    '{"error": "out of \\u001b[31m memory"}': r"the program reported: out of \\x1b\[31m memory",
    "[" * 100_000: "expected JSON",
    '{"scores": ' + "[0]," * 1 + "1" * 5000 + "}": "expected JSON",
}


@pytest.mark.parametrize("text", BAD_RESULTS, ids=range(len(BAD_RESULTS)))
def test_bad_results_are_errors(portrait: Case, tmp_path: Path, text: str) -> None:
    (tmp_path / "portrait.json").write_text(text)
    found = grade_case(portrait, results_in(tmp_path)(portrait))
    assert found.grade is Grade.DIFFERENT
    assert re.search(BAD_RESULTS[text], found.reason), found.reason
    assert "\x1b" not in found.reason


def test_missing_results_and_damaged_layers(portrait: Case, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a folder with results"):
        results_in(tmp_path / "none")
    found = grade_case(portrait, results_in(tmp_path)(portrait))
    assert "no result: " in found.reason
    assert "portrait.json: expected a file, found nothing there" in found.reason
    (tmp_path / "portrait.json").write_text('{"boxes": [], "scores": []}')
    (tmp_path / "portrait.npz").write_bytes(b"PK no zip")
    assert "not a readable NPZ" in grade_case(portrait, results_in(tmp_path)(portrait)).reason
    data = {"pnet/level00/conv1": np.array([{}], object), "pnet/level00/input": np.zeros(3, np.float32)}
    np.savez(tmp_path / "portrait.npz", **data)  # type: ignore[arg-type]
    found = grade_case(portrait, results_in(tmp_path)(portrait))
    assert [layer.grade for layer in found.layers] == [Grade.DIFFERENT] * 2


def test_bad_folders_of_cases(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConformanceError, match="expected an empty folder or a folder of cases"):
        write_cases(tmp_path)
    with pytest.raises(ConformanceError, match="found a file"):
        write_cases(tmp_path / "letter.txt")
    with pytest.raises(FileNotFoundError):
        list(load_cases(tmp_path))
    good = json.loads((folder / "conformance.json").read_text())
    for change, message in (
        ({"format": "x"}, "is this a folder of cases"),
        ({"version": 1}, "found version 1, expected 2"),
        ({"cases": []}, "expected a list of case names"),
        ({"cases": ["../portrait"]}, "expected a list of case names"),
        ({"cases": ["tiny"]}, "no such file"),
        ({"cases": ["gone", "tiny"]}, "conformance.json: cases are unknown to this package: gone"),
        ({"cases": ["tiny"] * 12}, "conformance.json: cases are listed more than once: tiny"),
        ({"model": {}}, "with other networks"),
    ):
        (tmp_path / "conformance.json").write_text(json.dumps(good | change))
        with pytest.raises(ValueError, match=message):
            list(load_cases(tmp_path))
    (tmp_path / "conformance.json").write_text(json.dumps(good | {"cases": ["tiny"]}))
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    shutil.copy(folder / "cases.txt", tmp_path)
    assert len(list(load_cases(tmp_path))) == 1
    shutil.copy(EXPECTED / "tiny.npz", tmp_path / "tiny" / "expected.npz")
    with pytest.raises(ValueError, match="expected a complete trace with values"):
        list(load_cases(tmp_path))


def test_what_is_written(
    folder: Path, cases: dict[str, Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files agree, and writing them again gives the same bytes."""
    for line in (folder / "cases.txt").read_text().splitlines()[1:]:
        name, width, height, *numbers = line.split()
        case = json.loads((folder / name / "case.json").read_text())
        options = cases[name].options
        expected = [options.min_face, *options.thresholds, options.scale_factor]
        assert (
            list(map(float, numbers))
            == expected
            == [case["min_face"], *case["thresholds"], case["scale_factor"]]
        )
        pixels = make_image(name)
        head = f"P6\n{width} {height}\n255\n".encode()
        assert (folder / name / "picture.ppm").read_bytes() == head + pixels[..., ::-1].tobytes()
        boxes = np.array(case["boxes"], np.float32).reshape(-1, 4)
        assert boxes.tobytes() == cases[name].expected["final/boxes"].tobytes()
        with np.load(folder / name / "expected.npz") as file:
            assert set(file.files) == {"picture", "manifest", *case["layers"]}
        assert len(Trace.load(folder / name / "expected.npz")) == len(case["layers"])
    monkeypatch.setattr("mtcnn_cpp.ports.conformance.cases.CASES", {"odd": CASES["odd"]})
    write_cases(tmp_path)
    for file in ("case.json", "expected.npz", "picture.ppm"):
        assert (tmp_path / "odd" / file).read_bytes() == (folder / "odd" / file).read_bytes()


def changed_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def changed_pixel(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def other_values(path: Path, name: str = "rnet/scores") -> None:
    """A trace that is whole, with other values for one tensor."""
    trace = Trace.load(path)
    trace.replace({name: np.zeros_like(trace[name])}).save(path)


def other_options(path: Path) -> None:
    trace = Trace.load(path)
    about = trace.manifest.about()
    options = about["options"] | {"min_face": 61.0}
    given = {"options": options, "model": about["model"], "made_by": about["made_by"]}
    Trace.from_arrays(dict(trace), image=trace.image, **given).save(path)


CHANGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a pixel": ("odd/picture.ppm: the file was changed", changed_pixel),
    "the image cut off": ("odd/picture.ppm: the file was changed", lambda path: path.write_bytes(b"P6")),
    "an option": ("odd/case.json: the file was changed", partial(changed_json, min_face=60.0)),
    "the faces": ("odd/case.json: the file was changed", partial(changed_json, boxes=[], scores=[])),
    "no JSON": ("odd/case.json: expected JSON", lambda path: path.write_text("[" * 100_000)),
    "a tensor": (r"odd/expected.npz: the case differs .* first at rnet/scores", other_values),
    "the options of a case": (r"odd/expected.npz: the case differs .* first at options", other_options),
    "another case": (
        r"odd/expected.npz: the case differs .* first at image",
        lambda path: shutil.copy(path.parents[1] / "tiny" / "expected.npz", path),
    ),
    "a row": (
        "cases.txt: the file was changed",
        lambda path: path.write_text(path.read_text().replace("odd 183", "odd 184")),
    ),
    "a row twice": (
        "cases.txt: the file was changed",
        lambda path: path.write_text(path.read_text() + "odd 9 9 60 0.6 0.7 0.7 0.709"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", CHANGES)
def test_a_changed_case_is_refused(folder: Path, tmp_path: Path, title: str) -> None:
    """Cases are compared with the recorded hashes before they are used."""
    few = copy_cases(folder, tmp_path / "few", "odd", "tiny")
    message, change = CHANGES[title]
    change(few / message.partition(":")[0])
    with pytest.raises(ValueError, match=message) as refused:
        list(load_cases(few))
    assert str(few) in str(refused.value)
    done = CliRunner().invoke(app, ["conformance", "--backend", "core", "--cases", str(few)])
    assert done.exit_code == 2


def test_results_of_more_and_of_other_cases(folder: Path, tmp_path: Path) -> None:
    few = copy_cases(folder, tmp_path / "few", "odd", "tiny")
    results = tmp_path / "results"
    results.mkdir()
    for name in ("odd", "tiny"):
        case = json.loads((few / name / "case.json").read_text())
        found = {key: case[key] for key in ("version", "boxes", "scores", "landmarks")}
        found["layers"] = {key: entry["sha256"] for key, entry in case["layers"].items()}
        (results / f"{name}.json").write_text(json.dumps(found))
    (results / "whole.json").write_text("{}")  # a built-in case that this folder does not contain
    card = grade(load_cases(few), results)
    assert [case.grade for case in card.cases] == [Grade.EXACT, Grade.EXACT]
    assert len(card.notes) == 1
    (results / "x\x1b[31m.npz").write_bytes(b"")
    card = grade(load_cases(few), results)
    assert card.notes[1] == r"result files that belong to no case: x\x1b[31m.npz"
    changed_json(results / "odd.json", version=1)
    shutil.copy(results / "odd.json", results / "tiny.json")
    card = grade(load_cases(few), results)
    assert "states version 1 of the cases, but these cases have version 2" in card.cases[0].notes[0]
    assert card.cases[1].grade is Grade.DIFFERENT
    changed_json(results / "odd.json", version="2")
    assert "version: expected an integer" in grade(load_cases(few), results).cases[0].reason


def test_the_recorded_result_is_the_originals(cases: dict[str, Case]) -> None:
    """Case `whole` is a detection that the original recorded."""
    gold = next(
        case
        for case in gold_results.cases()
        if case["image"] == "astronaut.png" and case.get("min_face", 60) == 60
    )
    assert (gold_results.case_image(gold) == make_image("whole")).all()
    faces = final_detections(cases["whole"].expected)
    assert faces is not None
    assert faces.boxes.tobytes() == gold_results.floats(gold["boxes_hex"]).tobytes()


def test_a_build_with_other_results_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(EXPECTED, tmp_path / "expected")
    monkeypatch.setattr("mtcnn_cpp.ports.conformance.cases.EXPECTED", tmp_path / "expected")
    other = Detector(transposed_model("onet", 3)).trace(make_image("portrait"), capture="hash")
    other.save(tmp_path / "expected" / "portrait.npz")
    with pytest.raises(ConformanceError, match=r"case portrait: .* first at onet/crop000/conv2"):
        list(built_in_cases())
