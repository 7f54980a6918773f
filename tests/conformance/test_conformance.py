"""Cases, results and grades: what is right is exact, what is planted is found and told."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gold_figures
import numpy as np
import pytest
from mtcnn_cpp import Detections, Detector, Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.conformance import Grade, ScoreCard, grade, load_cases, results_in, results_of, write_cases
from mtcnn_cpp.conformance.card import grade_case
from mtcnn_cpp.conformance.cases import EXPECTED, Case, ConformanceError, built_in_cases
from mtcnn_cpp.conformance.faces import grade_faces
from mtcnn_cpp.conformance.grades import grade_named
from mtcnn_cpp.conformance.html import to_html
from mtcnn_cpp.conformance.junit import to_junit
from mtcnn_cpp.conformance.pictures import CASES, picture_of
from mtcnn_cpp.conformance.results import Result
from mtcnn_cpp.model import Conv2d
from mtcnn_cpp.trace import Trace
from mtcnn_cpp.trace.judge.faces import faces_of
from pictures import BACKENDS
from stand_in import INDEX, PREFIX
from typer.testing import CliRunner
from typer.testing import Result as Ran

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text("utf-8")
pytestmark = pytest.mark.skipif(BACKENDS[0] != "core", reason="the cases are made by the core")


def run(*arguments: object) -> Ran:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, written."""
    path = tmp_path_factory.mktemp("conformance") / "cases"
    assert write_cases(path) == list(CASES)
    return path


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {case.name: case for case in built_in_cases()}


@pytest.fixture(scope="module")
def portrait(cases: dict[str, Case]) -> Case:
    return cases["portrait"]


def only(*names: str, cases: dict[str, Case]) -> list[Case]:
    return [cases[name] for name in names]


@pytest.mark.parametrize("backend", ["core", "reference", "generic"])
def test_ours_are_exact(cases: dict[str, Case], backend: str) -> None:
    chosen = only("portrait", "loose", "edge", "odd", "nothing", "tiny", cases=cases)
    card = grade(chosen, results_of(Detector(backend=backend).engine), backend)  # type: ignore[arg-type]
    assert card.grade is Grade.EXACT, card.headline
    assert card.headline.endswith("6 cases, 4 faces, 1017 tensors of layers compared")


@pytest.mark.parametrize(("backend", "module"), [("onnx", "onnxruntime"), ("torch", "torch")])
def test_other_runtimes_are_close(cases: dict[str, Case], backend: str, module: str) -> None:
    pytest.importorskip(module, reason=f"needs mtcnn-cpp[{backend}]")
    engine = Detector(backend=backend).engine  # type: ignore[arg-type]
    card = grade(cases.values(), results_of(engine), backend)
    assert card.grade is Grade.CLOSE, card.headline
    assert sum(case.tensors for case in card.cases) == 3369


def test_the_record_is_the_originals(cases: dict[str, Case]) -> None:
    """Case `whole` is a detection that the original recorded."""
    gold = next(
        case
        for case in gold_figures.cases()
        if case["image"] == "astronaut.png" and case.get("min_face", 60) == 60
    )
    assert (gold_figures.picture_of(gold) == picture_of("whole")).all()
    faces = faces_of(cases["whole"].expected)
    assert faces is not None
    assert faces.boxes.tobytes() == gold_figures.floats(gold["boxes_hex"]).tobytes()


def test_a_build_that_is_off_the_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(EXPECTED, tmp_path / "expected")
    monkeypatch.setattr("mtcnn_cpp.conformance.cases.EXPECTED", tmp_path / "expected")
    other = Detector(transposed("onet", 3)).trace(picture_of("portrait"), capture="hash")
    other.save(tmp_path / "expected" / "portrait.npz")
    with pytest.raises(ConformanceError, match=r"case portrait: .* first at onet/crop000/conv2"):
        list(built_in_cases())


def transposed(stage: str, *places: int) -> Model:
    """OpenFace's networks with the kernels of these convolutions (or all) turned: a common fault of ports."""
    model = Model.default()
    network = model.networks[stage]  # type: ignore[index]
    places = places or tuple(range(len(network.layers)))
    layers = tuple(
        Conv2d(np.ascontiguousarray(layer.kernel.swapaxes(2, 3)), layer.bias)
        if isinstance(layer, Conv2d) and index in places
        else layer
        for index, layer in enumerate(network.layers)
    )
    return dataclasses.replace(model, **{stage: dataclasses.replace(network, layers=layers)})


@pytest.mark.parametrize(
    ("stage", "expected", "reason"),
    [
        ("pnet", Grade.SAME_FACES, r"boxes up to 4\.1 px apart.*; layers: different, pnet/level0\d/conv1: "),
        (
            "rnet",
            Grade.DIFFERENT,
            r"1 faces expected, 0 found; none at the expected face 0 \(90\.1 x 89\.7 at .*"
            r"; layers: different, rnet/crop00\d/conv1: ",
        ),
    ],
)
def test_a_planted_port(cases: dict[str, Case], stage: str, expected: Grade, reason: str) -> None:
    engine = Detector(transposed(stage)).engine
    card = grade(only("portrait", "edge", cases=cases), results_of(engine), "planted")
    assert card.grade is Grade.DIFFERENT
    assert card.cases[0].grade is expected
    assert re.match(reason, card.cases[0].reason), card.cases[0].reason
    first = next(layer for layer in card.cases[0].layers if layer.grade is Grade.DIFFERENT)
    assert first.layer == f"{stage}/{'level' if stage == 'pnet' else 'crop'}*/conv1"


def changed(case: Case, **changes: Callable[[np.ndarray], np.ndarray]) -> Result:
    """The expected result with some of it changed."""
    given: dict[str, Any] = {
        name: case.expected[f"final/{name}"] for name in ("boxes", "scores", "landmarks")
    }
    return Result(
        **{name: changes[name](array.copy()) if name in changes else array for name, array in given.items()}
    )


def of_all(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    return dict.fromkeys(("boxes", "scores", "landmarks"), change)


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({}, Grade.EXACT, "^$"),
        ({"boxes": lambda b: np.nextafter(b, np.float32(999))}, Grade.ULP_CLOSE, "boxes up to 1.5e-05 px"),
        ({"scores": lambda s: np.nextafter(s, np.float32(0))}, Grade.ULP_CLOSE, "scores up to 6e-08"),
        ({"boxes": lambda b: b + np.float32(0.009)}, Grade.CLOSE, "boxes up to 0.009 px"),
        ({"boxes": lambda b: b + np.float32(0.02)}, Grade.SAME_FACES, "boxes up to 0.02 px"),
        ({"scores": lambda s: s - np.float32(9e-6)}, Grade.CLOSE, "scores up to 9e-06"),
        ({"scores": lambda s: s - np.float32(1e-4)}, Grade.SAME_FACES, "scores up to 0.0001"),
        ({"landmarks": lambda p: p + np.float32(5)}, Grade.SAME_FACES, "landmarks up to 5 px"),
        ({"boxes": lambda b: b + np.float32([30, 30, 0, 0])}, Grade.DIFFERENT, r"overlap by 0\.\d\d only"),
        ({"boxes": lambda b: b + np.float32(500)}, Grade.DIFFERENT, "none at the expected face 0"),
        (of_all(lambda a: a[:3]), Grade.DIFFERENT, "4 faces expected, 3 found"),
        (of_all(lambda a: np.concatenate([a, a[:1] + np.float32(900)])), Grade.DIFFERENT, "expected at face 4"),
        (of_all(lambda a: a[::-1]), Grade.ULP_CLOSE, "in another order"),
    ],
)  # fmt: skip
def test_grades_of_faces(
    cases: dict[str, Case], changes: dict[str, Any], expected: Grade, reason: str
) -> None:
    case = cases["mosaic"]
    faces = faces_of(case.expected)
    assert isinstance(faces, Detections)
    found = grade_faces(faces, changed(case, **changes))
    assert found.grade is expected
    assert re.search(reason, found.reason), found.reason


def layered(case: Case, changes: dict[str, Any], drop: str = "?") -> Result:
    """The expected result with all its layers but those whose names begin with `drop`, some changed."""
    layers = {name: case.expected[name] for name in case.expected if not name.startswith(drop)}
    return dataclasses.replace(changed(case), layers=layers | changes)


@pytest.mark.parametrize(
    ("name", "change", "expected", "reason"),
    [
        ("pnet/level01/conv2", lambda a: np.nextafter(a, np.float32(9)), Grade.ULP_CLOSE, "level01/conv2"),
        ("pnet/level01/conv2", lambda a: a + np.float32(5e-6) * abs(a).max(), Grade.CLOSE, "level01/conv2"),
        ("pnet/level01/conv2", lambda a: a + np.float32(5e-5) * abs(a).max(), Grade.SAME_FACES, "01/conv2"),
        ("onet/crop001/fc2", lambda a: a * np.float32("nan"), Grade.SAME_FACES, "16 values are NaN"),
        ("onet/crop001/fc2", lambda a: a[:6], Grade.SAME_FACES, r"expected \(16,\) float32, found \(6,\)"),
        ("rnet/crop000/conv1", lambda a: a.astype(np.float64), Grade.SAME_FACES, "found .* float64"),
        ("rnet/crop000/conv1", lambda a: a.swapaxes(1, 2).copy(), Grade.SAME_FACES, "x and y are swapped"),
        ("pnet/level00/input", lambda a: a[::-1].copy(), Grade.SAME_FACES, "red and blue are swapped"),
    ],
)  # fmt: skip
def test_grades_of_layers(portrait: Case, name: str, change: Any, expected: Grade, reason: str) -> None:
    found = grade_case(portrait, layered(portrait, {name: change(portrait.expected[name])}))
    assert found.grade is expected
    assert re.search(reason, found.reason), found.reason


def test_other_crops_are_told_apart(portrait: Case) -> None:
    """A crop that is another one is no fault of the layers, unless all of them are."""
    shifted = {
        name: np.ascontiguousarray(np.roll(portrait.expected[name], 1, 2)) for name in portrait.expected
        if name.startswith("rnet/crop") and name.endswith("/input")
    }  # fmt: skip
    one = dict(list(shifted.items())[:1])
    found = grade_case(portrait, layered(portrait, one))
    assert found.grade is Grade.EXACT
    assert found.notes == ("1 crops are other ones than expected (first rnet/crop000): not compared",)
    found = grade_case(portrait, layered(portrait, shifted))
    assert found.grade is Grade.SAME_FACES
    assert "layers: different, rnet/crop" in found.reason


def test_hashes_and_unknown_names(portrait: Case) -> None:
    hashes = {name: str(portrait.expected.entry(name).sha256) for name in portrait.expected}
    result = dataclasses.replace(changed(portrait), hashes=hashes)
    found = grade_case(portrait, result)
    assert (found.grade, found.tensors) == (Grade.EXACT, 207)
    wrong = hashes | {"onet/crop000/fc2": "0" * 64, "onet/crop000/fc9": "1"}
    found = grade_case(portrait, dataclasses.replace(result, hashes=wrong))
    assert found.grade is Grade.SAME_FACES
    assert "needs its values" in found.reason
    assert found.notes[0].startswith(
        "1 names are not expected, first 'onet/crop000/fc9'; the nearest: onet/crop000/fc"
    )
    found = grade_case(portrait, layered(portrait, {}, drop="onet"))
    assert found.grade is Grade.EXACT
    assert re.search(r"\d+ of 207 tensors were given", found.notes[0])


BAD_RESULTS = {
    "": "expected JSON",
    "[1]": "expected an object with boxes and scores, found list",
    '{"boxes": []}': "scores: expected a list of single numbers, found nothing",
    '{"scores": [1], "boxes": [[1, 2, 3]]}': "boxes: expected a list of 4 numbers, found others",
    '{"scores": [1], "boxes": [[1, 2, 3, NaN]]}': "all finite",
    '{"scores": [1], "boxes": [[1, 2, 3, 1e999]]}': "all finite",
    '{"scores": [1e99], "boxes": [[1, 2, 3, 4]]}': "scores: .* all finite",
    '{"scores": [1], "boxes": [[1, 2, 3, "4"]]}': "found others",
    '{"scores": [true], "boxes": [[1, 2, 3, 4]]}': "found others",
    '{"scores": [1], "boxes": [[1, 2, 3, 4], [1, 2]]}': "found others",
    '{"scores": [1, 1], "boxes": [[1, 2, 3, 4]]}': r"as many boxes as scores \(2\), found 1",
    '{"scores": [1], "boxes": [[1, 2, 3, 4]], "landmarks": [[[1, 2]]]}': "landmarks: expected a list of 5x2",
    '{"scores": [], "boxes": {}}': "boxes: .* found dict",
    '{"scores": [], "boxes": [], "layers": [1]}': "layers: expected an object",
    '{"error": "out of \\u001b[31m memory"}': r"the program says: out of \\x1b\[31m memory",
    "[" * 100_000: "expected JSON",
    '{"scores": ' + "[0]," * 1 + "1" * 5000 + "}": "expected JSON",
}


@pytest.mark.parametrize("text", BAD_RESULTS, ids=range(len(BAD_RESULTS)))
def test_bad_results_are_told(portrait: Case, tmp_path: Path, text: str) -> None:
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
    with pytest.raises(ConformanceError, match="expected an empty folder or one with cases"):
        write_cases(tmp_path)
    with pytest.raises(ConformanceError, match="found a file"):
        write_cases(tmp_path / "letter.txt")
    with pytest.raises(FileNotFoundError):
        list(load_cases(tmp_path))
    good = json.loads((folder / "conformance.json").read_text())
    for change, message in (
        ({"format": "x"}, "is it a folder of cases"),
        ({"version": 2}, "version 2, this package knows 1"),
        ({"cases": []}, "expected a list of names"),
        ({"cases": ["../portrait"]}, "expected a list of names"),
        ({"cases": ["gone"]}, "no such file"),
    ):
        (tmp_path / "conformance.json").write_text(json.dumps(good | change))
        with pytest.raises(ValueError, match=message):
            list(load_cases(tmp_path))
    (tmp_path / "conformance.json").write_text(json.dumps(good | {"cases": ["tiny"]}))
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    assert len(list(load_cases(tmp_path))) == 1
    shutil.copy(EXPECTED / "tiny.npz", tmp_path / "tiny" / "expected.npz")
    with pytest.raises(ValueError, match="expected a complete trace with values"):
        list(load_cases(tmp_path))


def test_what_is_written(folder: Path, cases: dict[str, Case]) -> None:
    """Each file says the same; a second time gives the same bytes."""
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
        pixels = picture_of(name)
        head = f"P6\n{width} {height}\n255\n".encode()
        assert (folder / name / "picture.ppm").read_bytes() == head + pixels[..., ::-1].tobytes()
        boxes = np.array(case["boxes"], np.float32).reshape(-1, 4)
        assert boxes.tobytes() == cases[name].expected["final/boxes"].tobytes()
        with np.load(folder / name / "expected.npz") as file:
            assert set(file.files) == {"picture", "manifest", *case["layers"]}
        assert len(Trace.load(folder / name / "expected.npz")) == len(case["layers"])
    before = (folder / "odd" / "expected.npz").read_bytes()
    write_cases(folder)
    assert (folder / "odd" / "expected.npz").read_bytes() == before


def card_of(*grades: Grade) -> ScoreCard:
    from mtcnn_cpp.conformance.card import CaseGrade

    return ScoreCard("a <b>", tuple(CaseGrade(f"c{i}", g, "why & <how>", None) for i, g in enumerate(grades)))


def test_cards() -> None:
    card = card_of(Grade.EXACT, Grade.ULP_CLOSE, Grade.DIFFERENT)
    assert card.grade is Grade.DIFFERENT
    assert card.badge == (
        "![OpenFace MTCNN: different in 1 of 3 cases]"
        "(https://img.shields.io/badge/OpenFace%20MTCNN%20v1-different%20in%201%20of%203%20cases-red)"
    )
    assert "-ulp--close%20in%201%20cases-green)" in card_of(Grade.ULP_CLOSE).badge
    suite = ElementTree.fromstring(to_junit(card, Grade.CLOSE))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failure = suite.find("testcase[@name='c2']/failure")
    assert failure is not None
    assert failure.get("message") == "different: why & <how>"
    assert ElementTree.fromstring(to_junit(card, Grade.EXACT)).get("failures") == "2"
    page = to_html(card).decode()
    assert "a &lt;b&gt;" in page
    assert "why &amp; &lt;how&gt;" in page
    assert "<b>a <b>" not in page
    assert [g.label for g in Grade] == ["exact", "ulp-close", "close", "same faces", "different"]
    assert all(grade_named(g.label) is g for g in Grade)
    with pytest.raises(ConformanceError, match="nothing to grade"):
        grade([], lambda case: "")


def test_the_command(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    index = json.loads((folder / "conformance.json").read_text())
    (few / "conformance.json").write_text(json.dumps(index | {"cases": ["portrait", "tiny"]}))
    for name in ("portrait", "tiny"):
        shutil.copytree(folder / name, few / name)
    files = "--html", tmp_path / "card.html", "--junit", tmp_path / "card.xml"
    done = run("conformance", "--backend", "core", "--cases", few, *files)
    assert done.exit_code == 0, done.output
    assert "core: exact (every bit is equal); 2 cases, 1 faces, 207 tensors" in done.stdout
    assert ElementTree.parse(tmp_path / "card.xml").getroot().get("failures") == "0"
    assert "exact" in (tmp_path / "card.html").read_text()
    results = tmp_path / "results"
    results.mkdir()
    (results / "tiny.json").write_text('{"boxes": [], "scores": []}')
    done = run("conformance", "--results", results, "--cases", few, "--format", "json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["grade"] == "different"
    assert [case["grade"] for case in found["cases"]] == ["different", "exact"]
    shutil.copy(folder / "portrait" / "case.json", results / "portrait.json")
    done = run("conformance", "--results", results, "--cases", few, "--format", "badge")
    assert done.exit_code == 1  # its layers are no hashes
    text = json.loads((folder / "portrait" / "case.json").read_text())
    text["layers"] = {name: entry["sha256"] for name, entry in text["layers"].items()}
    (results / "portrait.json").write_text(json.dumps(text))
    done = run(
        "conformance", "--results", results, "--cases", few, "--format", "junit", "--at-least", "exact"
    )
    assert done.exit_code == 0
    assert ElementTree.fromstring(done.stdout).get("failures") == "0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of"),
        (["--backend", "core", "--write", "x"], "give one of"),
        (["--backend", "gpu"], "backend must be one of"),
        (["--results", "/no/such"], "expected a folder with results"),
        (["--backend", "core", "--at-least", "perfect"], "expected one of exact, ulp-close"),
        (["--backend", "core", "--cases", "/no/such"], "conformance.json: expected a file"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    done = run("conformance", *arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_the_python_example(folder: Path, tmp_path: Path) -> None:
    """As docs/conformance.md has it, around this package's detector."""
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)[-1]
    scope: dict[str, Any] = {}
    exec(compile(code, "docs/conformance.md", "exec"), scope)

    def find_faces(picture: np.ndarray, case: dict[str, Any]) -> tuple[Any, Any, Any]:
        detector = Detector(min_face=case["min_face"], thresholds=case["thresholds"])
        trace = detector.trace(picture, color="rgb")
        return trace["final/boxes"], trace["final/scores"], dict(trace)

    scope["take_the_test"](find_faces, folder, tmp_path)
    card = grade(load_cases(folder), results_in(tmp_path))
    assert card.grade is Grade.EXACT
    assert card.headline.endswith("12 cases, 13 faces, 3369 tensors of layers compared")


@pytest.mark.skipif(not INDEX.exists(), reason="needs the stand-in: MTCNN_TEST_STAND_IN=PREFIX")
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_the_foreign_program(folder: Path, tmp_path: Path) -> None:
    """As docs/conformance.md has it, built against the stand-in."""
    code = re.findall(r"```cpp\n(.*?)```", PAGE, flags=re.S)[0]
    source, program, results = tmp_path / "foreign.cpp", tmp_path / "foreign", tmp_path / "results"
    source.write_text(code)
    results.mkdir()
    headers = [f"-I{PREFIX}/include/OpenFace", "-I/usr/include/opencv4"]
    libraries = [PREFIX / "lib/libLandmarkDetector.a", "-lopencv_core", "-pthread"]
    subprocess.run(["g++", "-std=c++17", *headers, source, "-o", program, *libraries], check=True)
    subprocess.run([program, INDEX, folder, results], check=True, capture_output=True)
    card = grade(load_cases(folder), results_in(results))
    assert card.grade is Grade.EXACT, card.headline
    assert "13 faces, 0 tensors" in card.headline
